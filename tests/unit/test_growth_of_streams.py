"""What arrives row by row or piece by piece costs its length: rows of a batch, progress, and replies while they show.

Ten times as much costs at most twelve times the work, which is counted by `tests/support/work.py`, and not timed.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, LLMResult

import langchain_qwen3._visible as visible
from examples.fastapi_chat import app as chat_page
from langchain_qwen3 import progress
from langchain_qwen3.batch import rows, sources
from langchain_qwen3.cli import screen as terminal
from langchain_qwen3.cli.console import Console
from langchain_qwen3.notebook import growing, html, output, stream
from tests.support.work import Work, count_work

MOST = 12


def compare(run: Callable[[int, Work], None], small: int, *modules: ModuleType) -> float:
    """Return how many times the work of a small input one of ten times the size takes."""
    costs = []
    with count_work(*modules) as work:
        for count in (small, 10 * small):
            work.done = 0
            run(count, work)
            costs.append(work.done)
    assert costs[0] >= small, costs
    return costs[1] / costs[0]


# -- rows of a batch ---------------------------------------------------------------------------------------------------


def write_table(header: list[str], cells: list[str], count: int) -> bytes:
    """Return a CSV file of so many rows."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *[cells] * count])
    return text.getvalue().encode()


def write_parquet(values: list[dict[str, Any]]) -> bytes:
    """Return a Parquet file."""
    pyarrow = pytest.importorskip("pyarrow", reason="the extra `batch` is not installed")
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pyarrow.Table.from_pylist(values), file)
    return file.getvalue()


ROWS: dict[str, tuple[sources.Format | None, Callable[[int], bytes]]] = {
    "jsonl": ("jsonl", lambda count: b'{"question": "why?", "id": "a"}\n' * count),
    "jsonl, broken": ("jsonl", lambda count: b'{"question": \n' * count),
    "jsonl, one long row": ("jsonl", lambda count: json.dumps({"question": "why? " * count}).encode()),
    "jsonl, one broken row": ("jsonl", lambda count: b'{"question": "' + b'\\"' * count),
    "jsonl, many fields": ("jsonl", lambda count: json.dumps({f"field {at}": at for at in range(count)}).encode()),
    "jsonl, many messages": (
        "jsonl",
        lambda count: json.dumps({"messages": [{"role": "user", "content": "a"}] * count}).encode(),
    ),
    "jsonl, many settings": (
        "jsonl",
        lambda count: json.dumps(
            {"body": {"messages": [{"role": "user"}], **{f"field {at}": at for at in range(count)}}}
        ).encode(),
    ),
    "jsonl, blank lines": ("jsonl", lambda count: b" \r\n" * count + b'"a"'),
    "no format": (None, lambda count: b"why?\n" * count),
    "text, one long line": ("text", lambda count: b"why? " * count),
    "text, no UTF-8": ("text", lambda count: b"\xfe\xfe\n" * count),
    "csv": ("csv", lambda count: write_table(["id", "question"], ["1", "why?"], count)),
    "csv, one long cell": ("csv", lambda count: write_table(["question"], ["why?\n" * count], 1)),
    "csv, many columns": (
        "csv",
        lambda count: write_table(["question", *(f"c{at}" for at in range(count))], ["x"] * (count + 1), 1),
    ),
    "csv, cells without a column": ("csv", lambda count: write_table(["question"], ["x"] * count, 1)),
    "csv, broken": ("csv", lambda count: b'question\n"a"b\n' * count),
    "csv, a quote that never ends": ("csv", lambda count: b'question\n"' + b"why?\n" * count),
    "csv, JSON in a cell": (
        "csv",
        lambda count: write_table(["messages"], [json.dumps([{"role": "user", "content": "why? " * count}])], 1),
    ),
    "csv, no UTF-8": ("csv", lambda count: b"question\n" + b"\xff\n" * count),
    "parquet": ("parquet", lambda count: write_parquet([{"question": "why?", "id": "a"}] * count)),
    "parquet, one long cell": ("parquet", lambda count: write_parquet([{"question": "why? " * count}])),
}


class Pipe(io.RawIOBase):
    """A stream that cannot be wound back, as a pipe is."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        return self._data.readinto(buffer)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("where", ["file", "pipe", "stdin"])
def test_work_is_linear_when_a_batch_has_ten_times_the_rows(
    name: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects long batches: a row costs the same wherever it stands, and a long row its length."""
    file_format, write = ROWS[name]

    def read(count: int, _: Work) -> None:
        data = write(count)
        opened: Any = io.BytesIO(data) if where == "file" else io.BufferedReader(Pipe(data))
        if where == "stdin":
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(opened))
            opened = "-"
        assert [*sources.read_rows(opened, file_format)]

    assert compare(read, 300, sources, rows) <= MOST


def test_work_is_linear_when_rows_are_in_memory() -> None:
    """Protects batches of lists: their checksums and forms are read once each."""

    def read(count: int, _: Work) -> None:
        for value in ("why?", {"question": "why?"}, {"messages": [{"role": "user"}]}, 1, {"x": "y"}):
            assert len([*sources.read_rows([value] * count)]) == count

    assert compare(read, 300, sources, rows) <= MOST


# -- progress ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chains in each other", "runs side by side", "runs one by one"])
def test_work_is_linear_when_a_batch_has_ten_times_the_runs(kind: str) -> None:
    """Protects long batches: a run is counted at the same cost, however many are under way."""
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    result = LLMResult(generations=[[ChatGeneration(message=AIMessage("a", usage_metadata=usage))]])

    def count_runs(count: int, _: Work) -> None:
        with progress.BatchProgress(total=count, disable=True) as bar:
            for at in range(count):
                parent = UUID(int=at - 1) if kind == "chains in each other" and at else None
                bar.on_chat_model_start({}, [], run_id=UUID(int=at), parent_run_id=parent)
                if kind == "runs one by one":
                    bar.on_llm_end(result, run_id=UUID(int=at))
            for at in reversed(range(count)):
                if kind != "runs one by one":
                    bar.on_llm_end(result, run_id=UUID(int=at))
            assert bar.done == (1 if kind == "chains in each other" else count)
            assert bar.output_tokens == 2 * count

    assert compare(count_runs, 100, progress) <= MOST


# -- the chat page's server --------------------------------------------------------------------------------------------


class Written:
    """A model that streams chunks from memory.

    Attributes:
        chunks: What it streams; tools are called in the first reply only.
    """

    def __init__(self, chunks: list[AIMessageChunk]) -> None:
        self.chunks = chunks

    def bind_tools(self, _: list[Any]) -> Written:
        """Return itself."""
        return self

    async def astream(self, _: list[Any], **__: Any) -> AsyncIterator[AIMessageChunk]:
        """Stream its chunks, and no call the second time."""
        for chunk in self.chunks:
            yield chunk
        yield AIMessageChunk("", response_metadata={"timing": {"total": 1.0}})
        self.chunks = []


def write_calls(count: int) -> list[AIMessageChunk]:
    """Return a reply that calls a tool so many times, and one that does not exist as often."""
    names = ["multiply", "no_tool"] * (count // 2)
    return [
        AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name=name, args='{"a": 2, "b": 3}', id=f"{at}", index=at)])
        for at, name in enumerate(names)
    ]


PAGE_REPLIES: dict[str, Callable[[int], list[AIMessageChunk]]] = {
    "answer": lambda count: [AIMessageChunk("word ")] * count,
    "reasoning": lambda count: [AIMessageChunk("", additional_kwargs={"reasoning_content": "word "})] * count,
    "calls": write_calls,
    "one long chunk": lambda count: [AIMessageChunk("word " * count)],
}


@pytest.mark.parametrize("name", PAGE_REPLIES)
def test_work_is_linear_when_a_reply_on_the_page_is_ten_times_as_long(name: str) -> None:
    """Protects the chat page's server: an event costs the same at the end of a long answer."""

    def ask(count: int, work: Work) -> None:
        said = [{"role": "user", "text": "why?"}] * (count // 10 + 1)
        question = chat_page.Question.model_validate({"messages": said})
        model: Any = Written(PAGE_REPLIES[name](count))

        async def read() -> list[tuple[str, Any]]:
            return [event async for event in chat_page.answer(model, question)]

        events = asyncio.run(read())
        assert events[-1][0] == "done"
        work.done += len(events)

    assert compare(ask, 20, chat_page) <= MOST


# -- a reply on the screen ---------------------------------------------------------------------------------------------

SHOWN: dict[str, tuple[str, str]] = {
    "paragraphs": ("", "word " * 40 + "\n\n"),
    "short blocks": ("", "a\n\n" * 5),
    "headings": ("", "# a\n" * 5),
    "blocks of code": ("", "```py\nx = 1\n```\n\n"),
    "tables": ("", "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 2 + "\n"),
    "links": ("", "[a]: /b\n\n" * 5 + "c\n\n"),
    "html": ("", "<div>\n\n" * 5),
    "escapes": ("", "\x1b[2J\r\n\r\n" * 5),
}
ENDLESS: dict[str, tuple[str, str]] = {
    "code that never ends": ("```\n", "x = 1\n" * 5),
    "list that never ends": ("", "- a\n\n  b\n" * 2),
    "line that never ends": ("", "word " * 10),
    "quotes": ("", "> a\n" * 5),
    "blank lines": ("a\n", " \n" * 50),
}


class Frames:
    """Draws a frame when it is told to, in the place of rich's live display."""

    def __init__(self, *, get_renderable: Callable[[], Any], **_: Any) -> None:
        self.refresh = get_renderable

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


@pytest.mark.parametrize("name", SHOWN | ENDLESS)
@pytest.mark.parametrize("part", ["answer", "reasoning"])
def test_work_is_linear_when_a_reply_in_the_terminal_is_ten_times_as_long(
    name: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the chat in a terminal, which draws a frame after each piece here: what is above is not drawn again."""
    monkeypatch.setattr(terminal, "Live", Frames)
    monkeypatch.setattr(terminal, "_MAX_DRAWN", 100)
    begin, piece = (SHOWN | ENDLESS)[name]

    def show(count: int, _: Work) -> None:
        console = Console()
        monkeypatch.setattr(console, "print", lambda *_: None)  # rich's work is not ours
        screen = terminal.TerminalScreen(console)
        write = screen.write_answer if part == "answer" else screen.write_reasoning
        for text in (begin, *[piece] * count):
            write(text)
            screen.draw()
        screen.end()

    assert compare(show, 40, terminal, growing, visible) <= MOST


class Cell:
    """The outputs of a notebook's cell; what is drawn counts as work.

    Attributes:
        shown: The HTML of each output.
    """

    redraws = True
    is_empty = False

    def __init__(self, work: Work) -> None:
        self.shown: dict[str, str] = {}
        self._work = work

    def put(self, place: str, html_text: str, plain: str) -> None:
        """Draw an output."""
        if self.shown.get(place, "") != html_text:
            self._work.done += len(html_text) + len(plain)
            self.shown[place] = html_text


def show_in_notebook(monkeypatch: pytest.MonkeyPatch, name: str, part: str, clock: Callable[[Work], float]) -> float:
    """Return the growth of the work that a reply in a notebook takes, of which each piece is a chunk."""
    begin, piece = (SHOWN | ENDLESS)[name]

    def show(count: int, work: Work) -> None:
        cell = Cell(work)
        monkeypatch.setattr(stream, "Outputs", lambda: cell)
        monkeypatch.setattr(stream, "perf_counter", lambda: clock(work))
        screen = stream._Screen()
        for text in (begin, *[piece] * count):
            reasoning = {"reasoning_content": text} if part == "reasoning" else {}
            screen.show(AIMessageChunk("" if reasoning else text, additional_kwargs=reasoning))
        screen.end()
        if part == "answer":
            shown = "".join(html_text for place, html_text in cell.shown.items() if place.startswith("answer"))
            assert shown == html.build_answer(begin + piece * count)

    monkeypatch.setattr(output, "FULL_SIZE", 100)
    monkeypatch.setattr(stream, "FULL_SIZE", 100)
    return compare(show, 40, stream, output, growing, html, visible)


def tick() -> Iterator[float]:
    """Yield seconds."""
    for at in range(10**9):
        yield float(at)


@pytest.mark.parametrize(
    ("name", "part"), [(name, "answer") for name in SHOWN] + [(name, "reasoning") for name in SHOWN if name != "links"]
)
def test_work_is_linear_when_a_reply_in_a_notebook_is_ten_times_as_long(
    name: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects notebooks from long replies, which are drawn after each piece here: complete blocks are drawn once."""
    monkeypatch.setattr(stream, "_PAUSE_PER_DRAWING", 0)
    seconds = tick()
    assert show_in_notebook(monkeypatch, name, part, lambda _: next(seconds)) <= MOST


@pytest.mark.parametrize("part", ["answer", "reasoning"])
@pytest.mark.parametrize("name", ENDLESS)
def test_pauses_between_drawings_grow_when_a_block_in_a_notebook_never_ends(
    name: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the stream: a block is drawn whole, so the longer it is, the less often it is drawn."""
    seconds = tick()
    # Chunks come in milliseconds, and drawing takes longer: a character takes ten microseconds.
    growth = show_in_notebook(monkeypatch, name, part, lambda work: next(seconds) / 1000 + work.done / 100_000)
    assert growth <= MOST
