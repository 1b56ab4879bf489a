"""A reply in JupyterLab, driven in a browser: thinking that the reader opens while it lasts, and the stop button."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest

from tests.faults.server import closed_port
from tests.support.browser import launch_browser
from tests.support.in_turns import InTurns
from tests.support.python import running

pytestmark = pytest.mark.slow
CELL = """
from langchain_qwen3 import ChatQwen3, display_stream
llm = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url={url!r}, server="vllm")
message = await display_stream(llm.astream("Hi", enable_thinking=True))
print(repr(message.text), message.chunk_position)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab with an empty home and `tmp_path` as its folder; gives its URL."""
    pytest.importorskip("jupyterlab", reason="JupyterLab (group `browser`) is not installed")
    url = f"http://127.0.0.1:{closed_port()}"
    options = ["--no-browser", "--allow-root", f"--port={url.rpartition(':')[2]}", "--IdentityProvider.token=t"]
    options += [f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url=None", "--LabApp.check_for_updates_class=None"]
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    env = {**os.environ, **{name: str(tmp_path / ".home") for name in names}, "PYTHONPATH": str(Path.cwd())}
    with running(
        [sys.executable, "-m", "jupyterlab", *options], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        for _ in range(1800):
            with suppress(OSError), urllib.request.urlopen(f"{url}/api"):  # noqa: S310  # our own server
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield url
        process.terminate()


def write_notebook(path: Path, source: str) -> None:
    """Write a notebook of one cell."""
    cell = nbformat.v4.new_code_cell(source.strip())
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)


async def test_thinking_stays_open_and_stop_keeps_the_answer_when_read_in_jupyterlab(lab: str, tmp_path: Path) -> None:
    """Protects the reader: opened thinking stays open while it grows and after, and stop keeps what has arrived."""
    more, answer, never = threading.Event(), threading.Event(), threading.Event()
    first, second = {"reasoning": "First thought. "}, {"reasoning": "Second thought."}
    with InTurns([first, more, second, answer, {"content": "So **far**"}, never]) as server:
        write_notebook(tmp_path / "test.ipynb", CELL.format(url=server.url))
        async with launch_browser() as browser:
            page = await browser.new_page()
            page.set_default_timeout(60_000)
            await page.goto(f"{lab}/lab/tree/test.ipynb?token=t&reset")
            await page.get_by_text("| Idle").wait_for()
            await page.locator(".jp-Cell .jp-InputArea-editor").first.click()
            await page.keyboard.press("Shift+Enter")
            await page.locator("details summary").wait_for()
            thought = page.get_by_text("First thought.")
            assert not await thought.is_visible()
            await page.locator("details summary").click()
            assert await thought.is_visible()
            more.set()
            await page.get_by_text("Second thought.").wait_for()
            answer.set()
            await page.get_by_text("Thought for").wait_for()
            assert await thought.is_visible()
            await page.get_by_text("So far").wait_for()
            await page.locator("[data-command='notebook:interrupt-kernel']").first.click()
            await page.get_by_text("■ stopped").wait_for()
            await page.get_by_text("'So **far**' None").wait_for()
            assert await thought.is_visible()
        never.set()
