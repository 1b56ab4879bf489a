"""Notebooks on a real kernel and the real engine: `display_stream`, its stop button, and the quick start."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

from tests.support.engine_work import wait_until_idle

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
MAX_TOKENS = 3500
CHANGING = re.compile(r"\d+\.\d+ s\b|(?<=qwen3-)[0-9a-f]{32}")
"""How long things took, and what names an output: other ones in every run."""
GUARD = """
import socket, sys, warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")  # it warns of itself
warnings.filterwarnings("ignore", message="'asyncio.iscoroutinefunction' is deprecated")  # langsmith's, on 3.14

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
        self.traceback = []
        self.value = None
        self.printed = ""

    async def read(self, until=lambda _: False):
        """Read messages until one that is looked for, or to the end of the cell."""
        while True:
            message = await self._client.get_iopub_msg(timeout=180)
            if message["parent_header"].get("msg_id") != self._id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind in {"display_data", "update_display_data"}:
                self.drawn.append((kind, content["transient"]["display_id"], content["data"]))
            elif kind == "error":
                self.error = content["ename"]
                self.traceback = content["traceback"]
            elif kind == "execute_result":
                self.value = content["data"]
            elif kind == "stream":
                self.printed += content["text"]
            if until(message) or (kind == "status" and content["execution_state"] == "idle"):
                return self


@pytest.fixture
def manager(tmp_path):
    """A kernel's manager, by Unix sockets: another process may take a TCP port between its choice and its use."""
    return AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "kernel"))


@pytest.fixture
async def kernel(manager):
    """A kernel and its client."""
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=180)
        await Cell(client, GUARD).read()
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        manager.context.destroy()


async def test_reasoning_and_answer_grow_in_place_when_streamed(kernel, engine):
    """Protects the reader's view: each output is drawn again in its place, but for what folds the reasoning out."""
    _, client = kernel
    source = START.format(model=engine.model, url=engine.base_url, max_tokens=MAX_TOKENS)
    cell = await Cell(client, source).read()
    assert (cell.error, cell.printed) == (None, "")
    cell = await Cell(client, 'm = await display_stream(llm.astream("请解释相对论", enable_thinking=True))').read()
    assert (cell.error, cell.printed) == (None, "")
    places = list(dict.fromkeys(place for _, place, _ in cell.drawn))
    switch, reasoning, answer = ([data["text/html"] for _, at, data in cell.drawn if at == place] for place in places)
    assert [kind for kind, _, _ in cell.drawn].count("display_data") == 3
    assert len(switch) == 1
    assert re.search(r"Thinking… \d+ s", reasoning[0])
    assert re.search(r"Thought for \d+\.\d s", reasoning[-1])
    assert reasoning[-1].endswith("分两点来回答。</div></div>")
    assert answer[-1].startswith("<p>相对论由爱因斯坦提出，分为两部分：</p>\n<ol>\n<li><strong>狭义相对论</strong>")
    cell = await Cell(client, "print(m.text[:6], m.chunk_position)").read()
    assert cell.printed == "相对论由爱因 last\n"


async def test_server_stops_and_the_answer_is_the_value_when_the_cell_is_interrupted(kernel, engine):
    """Protects the server from a stop button that is one in name only, and what had arrived from being lost."""
    manager, client = kernel
    source = START.format(model=engine.model, url=engine.base_url, max_tokens=MAX_TOKENS)
    await Cell(client, source).read()
    before = await wait_until_idle(engine)
    endless = 'llm.astream("你好", enable_thinking=False, extra_body={"ignore_eos": True})'
    cell = Cell(client, f"m = await display_stream({endless})")
    await cell.read(until=lambda message: message["msg_type"] == "display_data")
    await manager.interrupt_kernel()
    await cell.read()
    assert cell.error is None
    assert cell.drawn[-1][2]["text/html"].endswith("<p><code>■ stopped</code></p>")
    assert await wait_until_idle(engine) - before < MAX_TOKENS
    cell = await Cell(client, "print(m.text[:2], m.chunk_position, llm._in_flight.in_flight)").read()
    assert cell.printed == "你好 None 0\n"


async def test_dead_server_is_a_few_lines_when_asked(kernel):
    """Protects the reader from 300 lines of LangChain's and httpx's frames: his line, the cause, and what to do."""
    _, client = kernel
    await Cell(client, START.format(model="q", url="http://127.0.0.1:9/v1", max_tokens=8)).read()
    cell = await Cell(client, "x = 1\nmessage = await llm.ainvoke('Hi')").read()
    assert cell.error == "Qwen3ConnectionError"
    assert len(cell.traceback) <= 10
    assert "line 2: message = await llm.ainvoke('Hi')" in "\n".join(cell.traceback)
    assert "Nothing is listening there" in "\n".join(cell.traceback)


async def test_examination_shows_itself_as_it_goes_when_awaited(kernel, engine):
    """Protects the reader's patience: the findings appear one after another, and the whole is the cell's value."""
    _, client = kernel
    source = START.format(model=engine.model, url=engine.base_url, max_tokens=MAX_TOKENS)
    await Cell(client, source).read()
    cell = await Cell(client, "await llm.adoctor()").read()
    assert cell.error is None
    rows = [data["text/html"].count("<tr>") for _, _, data in cell.drawn]
    assert rows[:-1] == sorted(rows[:-1])
    assert rows[-2] > 5
    assert cell.drawn[-1][2]["text/html"].endswith("failed</p>")
    assert cell.value["text/html"].count("<tr>") > 5


async def test_model_is_one_readable_line_when_shown(kernel):
    """Protects `llm` alone in a cell: its name, its server and what was set, and no key."""
    _, client = kernel
    await Cell(client, START.format(model="q", url="http://me:secret@127.0.0.1:9/v1", max_tokens=8)).read()
    cell = await Cell(client, "llm").read()
    shown = cell.value["text/plain"]
    assert shown.startswith("ChatQwen3(model='q', base_url='http://")
    assert "\n" not in shown
    assert "secret" not in shown
    assert len(shown) < 200


async def test_quick_start_shows_the_outputs_it_has_when_run(manager):
    """Protects readers from a notebook that does not run, or whose outputs are not those of its code."""
    path = NOTEBOOKS / "quickstart.ipynb"
    shown = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    run.cells.insert(0, nbformat.v4.new_code_cell(GUARD))
    place = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(run, manager, timeout=120, resources=place, coalesce_streams=True)
    await client.async_execute(cleanup_kc=True)
    for before, after in zip(shown.cells, run.cells[1:], strict=True):
        assert read_outputs(after) == read_outputs(before), after.source


def read_outputs(cell):
    """Return what a cell shows, without what is another in every run."""
    outputs = [output.get("data") or output.get("text") for output in cell.get("outputs", [])]
    return CHANGING.sub("…", json.dumps(outputs, ensure_ascii=False, sort_keys=True))
