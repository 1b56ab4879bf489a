"""A fleet behind nginx: three engines, of which one is stopped and started again in the middle of a batch."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch import BatchOptions, Result, Summary, arun_batch
from langchain_qwen3.local import LocalServer
from tests.conftest import TINY_QWEN3
from tests.faults.server import closed_port
from tests.support.nginx import NGINX, run_nginx

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed on this machine"),
]
PAGE = Path(__file__).parents[3] / "docs" / "batch.md"
ROWS = 120


@contextmanager
def balance(engines: list[LocalServer], folder: Path) -> Iterator[str]:
    """Run nginx as the page of the documentation configures it; give its URL."""
    recipe = re.search(r"```text\n(upstream .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert recipe
    port = closed_port()
    servers = "".join(
        f"    server {engine.base_url.split('/')[2]} max_fails=1 fail_timeout=5s;\n" for engine in engines
    )
    text = re.sub(r"(    server \S+:\d+ [^\n]*\n)+", servers, recipe[1]).replace(
        "listen 8000", f"listen 127.0.0.1:{port}"
    )
    with run_nginx(folder, text):
        yield f"http://127.0.0.1:{port}/v1"


def test_every_row_is_answered_when_an_engine_is_stopped_and_started(tmp_path: Path) -> None:
    """Protects a fleet's night: an engine that goes away costs no row, and one that comes back is used again."""
    with ExitStack() as stack:
        engines = [
            stack.enter_context(LocalServer(TINY_QWEN3, name="q", n_ctx=4096, n_threads=1, port=closed_port()))
            for _ in range(3)
        ]
        url = stack.enter_context(balance(engines, tmp_path))
        model = ChatQwen3(model="q", base_url=url, temperature=0, max_tokens=60, enable_thinking=False)
        summary = asyncio.run(run(model, tmp_path / "a.jsonl", engines[1]))
    results = [json.loads(line) for line in (tmp_path / "a.jsonl").read_bytes().splitlines()]
    assert sorted(result["line"] for result in results) == list(range(1, ROWS + 1))
    assert (summary.answered, summary.failures) == (ROWS, {})
    assert all(result["content"] for result in results)


async def run(model: ChatQwen3, path: Path, engine: LocalServer) -> Summary:
    """Run the batch; stop the engine after a quarter of the rows, and start it again after a half."""
    loop = asyncio.get_running_loop()
    turns: list[asyncio.Future[None]] = []

    def turn(_: Result, summary: Summary) -> None:
        if summary.rows in {ROWS // 4, ROWS // 2}:
            turns.append(loop.run_in_executor(None, engine.stop if summary.rows == ROWS // 4 else engine.start))

    rows = [f"你是谁? {number}" for number in range(ROWS)]
    summary = await arun_batch(model, rows, path, options=BatchOptions(concurrency=12), on_result=turn)
    await asyncio.gather(*turns)
    return summary
