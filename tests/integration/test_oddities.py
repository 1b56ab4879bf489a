"""Every oddity over recordings, asked in all six ways: the message is that of the good wire, or the named error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import reduce
from http.server import BaseHTTPRequestHandler
from operator import add
from typing import Any, ClassVar

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3Error
from tests.support.oddities import JSON, ODDITIES, PAIRS, SSE, Oddity, load_pair, sse, write
from tests.support.replies import attempt, read_said
from tests.support.web import WebHandler, WebServer

GOOD = Oddity(name="good", who="the engines", stream=sse, whole=write)
ROWS = {row.name: row for row in (GOOD, *ODDITIES)}
CASES = [(row.name, pair) for row in ODDITIES for pair in row.pairs]
WIRES = {pair: load_pair(pair) for pair in PAIRS}


class _Handler(WebHandler, BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.read_body()
        row, pair = self.owner.rows[int(self.path.split("/")[1])]
        events, whole, _ = WIRES[pair]
        if body.get("stream"):
            data, label = (row.stream or sse)(events), SSE
        else:
            data, label = (row.whole or write)(whole), JSON
        self.send_whole(data, label if row.label is None else row.label)


class Odd(WebServer):
    """A server that answers `/N/v1` by the Nth row and pair it was asked for."""

    handler: ClassVar[type[WebHandler]] = _Handler

    def __init__(self) -> None:
        self.rows: list[tuple[Oddity, str]] = []

    def add(self, row: Oddity, pair: str) -> str:
        """Return the base URL of a row over a pair."""
        self.rows.append((row, pair))
        return f"{self.root}/{len(self.rows) - 1}/v1"


@pytest.fixture(scope="module")
def server() -> Iterator[Odd]:
    """One server for the whole matrix."""
    with Odd() as odd:
        yield odd


def ask(server: Odd, row: Oddity, pair: str) -> dict[str, AIMessage | Qwen3Error]:
    """Return what came of each way that is odd."""
    tools = WIRES[pair][2]
    outcomes: dict[str, AIMessage | Qwen3Error] = {}
    for transport in ("httpx", "aiohttp"):
        url = server.add(row, pair)
        fields = {"model": "Qwen/Qwen3-0.6B", **row.fields}
        llm = ChatQwen3(base_url=url, server="vllm", transport=transport, max_retries=0, timeout=60, **fields)  # type: ignore[arg-type]
        run: Runnable[Any, Any] = llm.bind_tools(tools) if tools else llm
        if row.whole and transport == "httpx":
            outcomes["invoke"] = attempt(lambda: run.invoke("hi"))  # noqa: B023 - called at once
        if row.stream and transport == "httpx":
            outcomes["stream"] = attempt(lambda: reduce(add, run.stream("hi")))  # noqa: B023
        for name, message in asyncio.run(ask_async(llm, run, row)).items():
            outcomes[f"{name} {transport}"] = message
    return outcomes


async def ask_async(llm: ChatQwen3, run: Runnable[Any, Any], row: Oddity) -> dict[str, AIMessage | Qwen3Error]:
    """Return what came of the two async ways."""
    outcomes: dict[str, AIMessage | Qwen3Error] = {}
    async with llm:
        for name in ("ainvoke", "astream"):
            if (row.whole if name == "ainvoke" else row.stream) is None:
                continue
            try:
                if name == "ainvoke":
                    outcomes[name] = await run.ainvoke("hi")
                else:
                    outcomes[name] = reduce(add, [chunk async for chunk in run.astream("hi")])
            except Qwen3Error as error:
                outcomes[name] = error
    return outcomes


@pytest.fixture(scope="module")
def good(server: Odd) -> dict[str, dict[str, Any]]:
    """What each recording says, asked in all six ways."""
    found = {}
    for pair in PAIRS:
        outcomes = ask(server, GOOD, pair)
        assert len(outcomes) == 6
        messages = [read_said(outcome) for outcome in outcomes.values() if isinstance(outcome, AIMessage)]
        assert messages == [messages[0]] * 6
        found[pair] = messages[0]
    return found


@pytest.mark.parametrize(("name", "pair"), CASES, ids=lambda value: value.rpartition("/")[0] or value)
def test_odd_reply_is_read_as_the_good_one_or_is_the_named_error(
    name: str, pair: str, server: Odd, good: dict[str, dict[str, Any]]
):
    """Protects users of every server but the two that were recorded: each row was a public report or a measurement."""
    row = ROWS[name]
    for way, outcome in ask(server, row, pair).items():
        if row.raises:
            assert type(outcome).__name__ == row.raises, (way, outcome)
            assert row.words in str(outcome)
        else:
            assert isinstance(outcome, AIMessage), (way, outcome)
            assert read_said(outcome) == {**good[pair], **row.differs}, way


def test_every_row_is_odd():
    """Protects the matrix from rows that test nothing."""
    assert len(ROWS) == len(ODDITIES) + 1
    for row in ODDITIES:
        wires = [WIRES[pair] for pair in row.pairs]
        streams = [row.stream is not None and row.stream(events) != sse(events) for events, _, _ in wires]
        wholes = [row.whole is not None and row.whole(whole) != write(whole) for _, whole, _ in wires]
        assert any([*streams, *wholes]) or row.label is not None, row.name
