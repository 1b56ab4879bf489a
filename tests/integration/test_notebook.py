"""Notebooks on a real kernel and the real engine: `display_stream`, its stop button, and the quick start."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_async_kernel
from nbclient import NotebookClient

from tests.support.engine_work import wait_until_idle

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
MAX_TOKENS = 3500
SECONDS = re.compile(r"\d+\.\d+ s\b")
GUARD = """
import socket, sys, warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")  # it warns of itself

def _guard(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple) and not args[1][0].startswith(("127.", "::1")):
        raise AssertionError(f"the notebook connects to {args[1][0]}")

sys.addaudithook(_guard)
"""
"""Run in front of every notebook: warnings are errors, and there is no network but loopback."""
START = """
import asyncio
from langchain_qwen3 import ChatQwen3, display_stream
llm = ChatQwen3(model={model!r}, base_url={url!r}, temperature=0.1, max_tokens={max_tokens})
"""


@pytest.fixture(autouse=True)
def jupyter_place(monkeypatch, tmp_path):
    """Hide the developer's own kernels, settings and history."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


class Cell:
    """The messages that a running cell sends, in order."""

    def __init__(self, client, source):
        self._client = client
        self._id = client.execute(source)
        self.drawn = []
        self.error = None
        self.printed = ""

    async def read(self, until=lambda _: False):
        """Read messages until one that is looked for, or to the end of the cell."""
        while True:
            message = await self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != self._id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind in {"display_data", "update_display_data"}:
                self.drawn.append((kind, content["transient"]["display_id"], content["data"]))
            elif kind == "error":
                self.error = content["ename"]
            elif kind == "stream":
                self.printed += content["text"]
            if until(message) or (kind == "status" and content["execution_state"] == "idle"):
                return self


@pytest.fixture
async def kernel():
    """A kernel and its client."""
    manager, client = await start_new_async_kernel(kernel_name="python3")
    try:
        await Cell(client, GUARD).read()
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        manager.context.destroy()


async def test_reasoning_and_answer_grow_in_place_when_streamed(kernel, engine):
    """Protects the reader's view: two outputs, each drawn again in its place, and the reasoning folded and complete."""
    _, client = kernel
    source = START.format(model=engine.model, url=engine.base_url, max_tokens=MAX_TOKENS)
    cell = await Cell(client, source).read()
    assert (cell.error, cell.printed) == (None, "")
    cell = await Cell(client, 'm = await display_stream(llm.astream("请解释相对论", enable_thinking=True))').read()
    assert (cell.error, cell.printed) == (None, "")
    places = list(dict.fromkeys(place for _, place, _ in cell.drawn))
    reasoning, answer = ([data["text/html"] for _, place, data in cell.drawn if place == wanted] for wanted in places)
    assert [kind for kind, _, _ in cell.drawn].count("display_data") == 2
    assert reasoning[0].startswith("<details><summary>Thinking…</summary>")
    assert re.match(r"<details><summary>Thought for \d+\.\d s</summary>", reasoning[-1])
    assert reasoning[-1].endswith("分两点来回答。</div></details>")
    assert answer[-1].startswith("<p>相对论由爱因斯坦提出，分为两部分：</p>\n<ol>\n<li><strong>狭义相对论</strong>")
    cell = await Cell(client, "print(m.text[:6], m.chunk_position)").read()
    assert cell.printed == "相对论由爱因 last\n"


async def test_server_stops_when_the_cell_is_interrupted(kernel, engine):
    """Protects the server from a stop button that is one in name only: it writes only a part."""
    manager, client = kernel
    source = START.format(model=engine.model, url=engine.base_url, max_tokens=MAX_TOKENS)
    await Cell(client, source).read()
    before = await wait_until_idle(engine)
    endless = 'llm.astream("你好", enable_thinking=False, extra_body={"ignore_eos": True})'
    cell = Cell(client, f"await display_stream({endless})")
    await cell.read(until=lambda message: message["msg_type"] == "display_data")
    await manager.interrupt_kernel()
    await cell.read()
    assert cell.error in {"CancelledError", "KeyboardInterrupt"}
    assert await wait_until_idle(engine) - before < MAX_TOKENS
    cell = await Cell(client, "print(llm._in_flight.in_flight)").read()
    assert cell.printed == "0\n"


async def test_quick_start_shows_the_outputs_it_has_when_run():
    """Protects readers from a notebook that does not run, or whose outputs are not those of its code."""
    path = NOTEBOOKS / "quickstart.ipynb"
    shown = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    run.cells.insert(0, nbformat.v4.new_code_cell(GUARD))
    place = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(run, timeout=120, kernel_name="python3", resources=place, coalesce_streams=True)
    await client.async_execute()
    for before, after in zip(shown.cells, run.cells[1:], strict=True):
        assert read_outputs(after) == read_outputs(before), after.source


def read_outputs(cell):
    """Return what a cell shows, without how long things took."""
    outputs = [output.get("data") or output.get("text") for output in cell.get("outputs", [])]
    return SECONDS.sub("… s", json.dumps(outputs, ensure_ascii=False, sort_keys=True))
