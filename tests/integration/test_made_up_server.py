"""A server that nobody has: one row makes it work everywhere, for no code asks for a server's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.doctor import examine
from langchain_qwen3.servers import dialects
from langchain_qwen3.servers.dialect import ConstraintForm, Dialect, TokenCounting, frozen
from tests.support.replies import TOOL, write_body, write_events, write_sse
from tests.support.scripted import write_call
from tests.support.web import WebHandler, WebServer

MODEL = "Qwen/Qwen3-0.6B"
BREW = Dialect(
    name="brew",
    title="Brew",
    evidence="documented by its only test",
    owned_by=("brewery",),
    version=("/brew", "release"),
    thinking=(("mind", "open"),),
    budget=("mind", "tokens"),
    effort=None,
    preserve=None,
    history_keys=("thoughts_before",),
    max_tokens="max_completion_tokens",
    sampling_names=frozen(repetition_penalty="dullness"),
    unsupported=frozenset({"seed"}),
    structured_method="function_calling",
    constraints=frozen(regex=ConstraintForm(("pattern",))),
    token_counting=TokenCounting(
        chat_path="/weigh", text_path="/split", text_field="words", special_field="extra", names_model=False
    ),
)
TAKEN = {"model", "messages", "mind", "max_completion_tokens", "dullness", "pattern", "tools", "tool_choice", "stream"}
TAKEN |= {"stream_options", "parallel_tool_calls", "temperature", "top_p"}
KEYS = {"role", "content", "tool_calls", "tool_call_id", "thoughts_before"}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Return the message that answers a chat."""
    reply: dict[str, Any] = {"reasoning": "I brew. " * 9} if body.get("mind", {}).get("open", True) else {}
    for tool in body.get("tools") or ():
        names = tool["function"]["parameters"]["properties"]
        values = {"city": "Rome", "name": "Alice", "age": 30}
        arguments = json.dumps({name: values[name] for name in names})
        return {**reply, "tool_calls": [write_call("c", tool["function"]["name"], arguments)]}
    return {**reply, "content": "7" if "pattern" in body else "Hello."}


class Handler(WebHandler, BaseHTTPRequestHandler):
    """Answers one request as the row says."""

    def do_GET(self) -> None:
        rows = {"data": [{"id": MODEL, "owned_by": "brewery", "context_size": 4096}]}
        body = {"/v1/models": rows, "/brew": {"release": "7"}}.get(self.path)
        self.send_whole(body, status=200 if body else 404)

    def do_POST(self) -> None:
        body = self.read_body()
        self.owner.requests.append(body)
        if self.path != "/v1/chat/completions":
            reply: Any = {"/weigh": {"count": 42}, "/split": {"tokens": [1, 2, 3]}}[self.path]
        elif odd := {*body} - TAKEN | {key for message in body["messages"] for key in message} - KEYS:
            self.send_whole({"error": f"no such thing: {odd}"}, status=400)
            return
        elif body.get("stream"):
            message = answer(body)
            deltas = [{key: value} for key, value in message.items() if key != "tool_calls"]
            calls = [{**call, "index": at} for at, call in enumerate(message.get("tool_calls", ()))]
            events = write_events(*deltas, *([{"tool_calls": calls}] if calls else []), reason="stop")
            self.send_whole(write_sse(events), "text/event-stream")
            return
        else:
            reply = write_body({"content": None, **answer(body)}, "stop")
        self.send_whole(reply)


class Brewery(WebServer):
    """The server.

    Attributes:
        requests: Bodies that were posted, in order.
    """

    handler = Handler

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []


@pytest.fixture
def brewery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brewery]:
    """The server, and its row in the table for the time of a test."""
    for registry in ("_ROWS", "_NAMES", "_OWNERS"):
        table = getattr(dialects, registry)
        for key in ("brew", "brewery"):
            monkeypatch.setitem(table, key, BREW)
            monkeypatch.delitem(table, key)
    dialects.add_dialect(BREW)
    with Brewery() as server:
        yield server
    for registry, key in (("_ROWS", "brew"), ("_NAMES", "brew"), ("_OWNERS", "brewery")):
        getattr(dialects, registry).pop(key)


@pytest.fixture
async def model(brewery: Brewery) -> ChatQwen3:
    """A model on it, which finds out by itself what it is."""
    return ChatQwen3(model=MODEL, base_url=f"{brewery.root}/v1", api_key="x", max_retries=0)


async def test_chats_in_the_rows_words_when_asked(model: ChatQwen3, brewery: Brewery):
    """Protects the request: switch, budget, history, limits and sampling go where the row says."""
    first = await model.ainvoke("q", enable_thinking=True, thinking_budget=9, max_tokens=50, repetition_penalty=1.1)
    assert (first.text, first.additional_kwargs["reasoning_content"][:7]) == ("Hello.", "I brew.")
    body = brewery.requests[-1]
    assert body["mind"] == {"open": True, "tokens": 9}
    assert (body["max_completion_tokens"], body["dullness"]) == (50, 1.1)
    history = [
        HumanMessage("q"),
        AIMessage("", additional_kwargs=first.additional_kwargs, tool_calls=[]),
        HumanMessage("q"),
    ]
    await model.ainvoke(history, enable_thinking=False, reasoning_history="all")
    assert brewery.requests[-1]["messages"][1]["thoughts_before"].startswith("I brew.")
    with pytest.warns(UserWarning, match="seed has no effect on Brew"):
        await model.ainvoke("q", seed=7)
    assert model.dialect is BREW


async def test_calls_tools_and_answers_by_schema_when_asked(model: ChatQwen3, brewery: Brewery):
    """Protects tools, structured output and constraints on a server that is one row."""

    class Person(BaseModel):
        """A person."""

        name: str
        age: int

    calls = [chunk async for chunk in model.bind_tools([TOOL], tool_choice="get_weather").astream("q")]
    assert sum(calls[1:], calls[0]).tool_calls[0]["args"] == {"city": "Rome"}
    assert await model.with_structured_output(Person).ainvoke("q") == Person(name="Alice", age=30)
    assert "response_format" not in brewery.requests[-1]
    assert (await model.ainvoke("q", constraint={"regex": "[0-9]"})).text == "7"
    assert brewery.requests[-1]["pattern"] == "[0-9]"
    with pytest.raises(ValueError, match=r"no field on Brew.*it has regex"):
        await model.ainvoke("q", constraint={"grammar": "g"})


def test_counts_by_the_rows_paths_when_asked(model: ChatQwen3, brewery: Brewery):
    """Protects token counts on a server that is one row."""
    assert model.get_num_tokens("a b c") == 3
    assert brewery.requests[-1] == {"words": "a b c", "extra": False}
    assert model.get_num_tokens_from_messages([HumanMessage("q")]) == 42
    profile = model.served_profile()
    assert profile is not None
    assert profile["max_input_tokens"] == 4096


async def test_doctor_knows_it_when_asked(model: ChatQwen3):
    """Protects the doctor on a server that is one row: name, version and context, and no check that breaks."""
    diagnosis = await examine(model)
    assert (diagnosis.server, diagnosis.version) == ("Brew", "7")
    assert "4,096 tokens" in diagnosis["models"].detail
    assert (
        diagnosis["thinking_on"].status == diagnosis["thinking_off"].status == diagnosis["tools_forced"].status == "ok"
    )
