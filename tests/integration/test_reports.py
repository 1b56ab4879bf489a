"""Every reply of a public report, asked in all four ways: the message that a user can work with, or the named error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import reduce
from http.server import BaseHTTPRequestHandler
from operator import add
from typing import Any, ClassVar

import pytest
from langchain_core.messages import AIMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3Error
from langchain_qwen3.reply.tool_calls.arguments import invalidate_arguments
from tests.support.oddities import JSON, SSE
from tests.support.replies import attempt, read_said
from tests.support.reports.calls import CALLS
from tests.support.reports.ends import ENDS
from tests.support.reports.in_text import IN_TEXT
from tests.support.reports.rows import SAID, TOOLS, Report
from tests.support.reports.texts import TEXTS
from tests.support.web import WebHandler, WebServer

REPORTS = [*CALLS, *IN_TEXT, *TEXTS, *ENDS]


class _Handler(WebHandler, BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        row = REPORTS[int(self.path.split("/")[1])]
        streams = self.read_body().get("stream")
        self.send_whole(row.stream if streams else row.whole, SSE if streams else JSON)


class _Server(WebServer):
    handler: ClassVar[type[WebHandler]] = _Handler


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """One server for all rows."""
    with _Server() as server:
        yield server.root


def ask(root: str, number: int, row: Report) -> dict[str, AIMessage | Qwen3Error]:
    """Return what came of each way in which the report's reply can come."""
    fields: dict[str, Any] = {"model": "Qwen/Qwen3-8B", "server": "vllm", "max_retries": 0, "timeout": 60, **row.fields}
    run = ChatQwen3(base_url=f"{root}/{number}/v1", **fields).bind_tools(TOOLS)

    async def collect() -> AIMessage:
        return reduce(add, [chunk async for chunk in run.astream("hi")])

    ways = {
        "invoke": lambda: run.invoke("hi"),
        "ainvoke": lambda: asyncio.run(run.ainvoke("hi")),
        "stream": lambda: reduce(add, run.stream("hi")),
        "astream": lambda: asyncio.run(collect()),
    }
    return {
        name: attempt(way)
        for name, way in ways.items()
        if (row.stream if name.endswith("stream") else row.whole) is not None
    }


@pytest.mark.parametrize("number", range(len(REPORTS)), ids=[str(row) for row in REPORTS])
def test_reply_of_a_report_is_read_alike_in_every_way(number: int, root: str):
    """Protects the users of each server, gateway and model from the fault that somebody reported."""
    row = REPORTS[number]
    expected = {**SAID, **row.says}
    expected["invalid"] = [(name, invalidate_arguments(text)) for name, text in expected["invalid"]]
    for way, outcome in ask(root, number, row).items():
        if row.raises:
            assert type(outcome).__name__ == row.raises, (way, outcome)
            assert row.words in str(outcome), way
        else:
            assert isinstance(outcome, AIMessage), (way, outcome)
            assert read_said(outcome) == expected, way
            ids = [call["id"] for call in (*outcome.tool_calls, *outcome.invalid_tool_calls)]
            assert all(ids)
            assert len({*ids}) == len(ids), way


def test_every_report_is_another_one():
    """Protects the table from a report that stands in it twice."""
    assert len({row.link for row in REPORTS}) == len(REPORTS)
