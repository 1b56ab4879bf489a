"""Whole conversations with servers that refuse what their rows say they refuse, named and unnamed."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import forget_warnings
from langchain_qwen3.errors import Qwen3InvalidRequestError, Qwen3UnprocessableEntityError
from langchain_qwen3.servers.detection import forget_servers
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from tests.support.replies import TOOL
from tests.support.scripted import Answer, Scripted, write_call

MODEL = "Qwen/Qwen3.8-27B"
OPENAI = {*CompletionCreateParamsBase.__annotations__, "stream"}
STRICT = [row for row in DIALECTS.values() if row.strict_fields]
# How each says that it does not know a field, and its status.
STYLES: dict[str, tuple[int, Callable[[str], Any]]] = {
    "transformers": (422, lambda name: f"Unexpected fields in the request: {{'{name}'}}"),
    "groq": (400, lambda name: f"property '{name}' is unsupported"),
    "cerebras": (400, lambda name: f"{name}: property '{name}' is unsupported"),
    "fireworks": (400, lambda name: f"Extra inputs are not permitted, field: '{name}', value: 1"),
    "nvidia": (400, lambda name: f"Validation: Unsupported parameter(s): `{name}`"),
    "bedrock": (400, lambda name: f"Failed to deserialize the JSON body: unknown field `{name}`, expected `model`"),
    "tensorrt-llm": (400, lambda name: f"[{{'type': 'extra_forbidden'}}] {name}: unexpected"),
}


def list_allowed(row: Dialect) -> set[str]:
    """Return the fields that a strict server takes."""
    paths = (*row.thinking, *(row.thinking_word or ())[:1], row.budget, row.effort, row.preserve)
    return {*OPENAI, *row.own_fields, *row.extra, *(path[0] for path in paths if path)} - row.unsupported


def find_fault(row: Dialect, body: Mapping[str, Any]) -> str | None:
    """Return what a strict server refuses of a request, the first that it sees."""
    for name in body:
        if name not in list_allowed(row):
            return name
    for message in body["messages"]:
        for key in message:
            if key.startswith("reasoning") and key not in row.history_keys:
                return key
    return None


def answer(row: Dialect, body: Mapping[str, Any]) -> Answer | dict[str, Any]:
    """Refuse as the row's server does; else think, call the tool once, and answer."""
    if fault := find_fault(row, body):
        status, write = STYLES[row.name]
        return Answer(message={"error": {"message": write(fault)}}, status=status)
    key = (*row.history_keys, "reasoning_content")[0]
    if body["messages"][-1]["role"] == "user" and body.get("tools") and len(body["messages"]) == 1:
        return {key: "I look.", "tool_calls": [write_call("c1", "get_weather", '{"city": "Rome"}')]}
    return {key: "I know.", "content": "Sunny."}


@pytest.fixture(params=STRICT, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Dialect:
    """Every strict server."""
    strict: Dialect = request.param
    return strict


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is known of any server."""
    forget_servers()
    forget_warnings()
    yield
    forget_servers()
    forget_warnings()


@pytest.fixture
def host(row: Dialect) -> Iterator[Scripted]:
    """The strict server on loopback."""
    with Scripted(lambda body: answer(row, body)) as server:
        yield server


def build(host: Scripted, **settings: Any) -> ChatQwen3:
    """A model on the host."""
    return ChatQwen3(model=MODEL, base_url=host.url, api_key="x", max_retries=0, **settings)


WAYS: dict[str, Callable[[Any, list[BaseMessage]], AIMessage]] = {
    "invoke": lambda model, messages: model.invoke(messages),
    "stream": lambda model, messages: reduce(add, model.stream(messages)),
    "ainvoke": lambda model, messages: asyncio.run(model.ainvoke(messages)),
}


def converse(model: Any, way: str) -> list[AIMessage]:
    """Hold three turns with thinking and a tool; return what the model said."""
    history: list[BaseMessage] = [HumanMessage("Weather in Rome?")]
    replies = []
    for _ in range(3):
        reply = WAYS[way](model, history)
        replies.append(reply)
        history.append(AIMessage(reply.content, tool_calls=reply.tool_calls, additional_kwargs=reply.additional_kwargs))
        history += [ToolMessage("sunny", tool_call_id=call["id"]) for call in reply.tool_calls]
        if not reply.tool_calls:
            history.append(HumanMessage("And tomorrow?"))
    return replies


def check(replies: list[AIMessage]) -> None:
    """Hold the conversation against what the server said."""
    assert [call["args"] for call in replies[0].tool_calls] == [{"city": "Rome"}]
    assert [reply.text for reply in replies] == ["", "Sunny.", "Sunny."]
    assert all(reply.additional_kwargs["reasoning_content"] for reply in replies)


@pytest.mark.parametrize("way", WAYS)
def test_three_turns_go_through_when_the_strict_server_is_named(row: Dialect, host: Scripted, way: str):
    """Protects hosted users: nothing that the row sends is refused, switch, tools and earlier reasoning included."""
    check(converse(build(host, server=row.name).bind_tools([TOOL]).bind(enable_thinking=True), way))
    assert all(find_fault(row, body) is None for body in host.requests)


@pytest.mark.parametrize("way", WAYS)
def test_three_turns_go_through_when_the_strict_server_is_unknown(row: Dialect, host: Scripted, way: str):
    """Protects strict hosts behind proxies: each field is refused once, then left out, and warned about once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(converse(build(host).bind_tools([TOOL]).bind(enable_thinking=True), way))
    refused = [find_fault(row, body) for body in host.requests]
    names = [name for name in refused if name]
    assert names
    assert len(set(names)) == len(names)
    texts = [str(warning.message) for warning in caught if "refuses" in str(warning.message)]
    assert all(sum(name in re.findall(r"\w+", text) for text in texts) == 1 for name in names)
    assert refused[-1] is None


def test_error_names_field_and_remedy_when_the_server_was_named_wrongly(host: Scripted):
    """Protects the user's word: a named server's calls are sent once, and the error says which name would fit."""
    kinds = (Qwen3InvalidRequestError, Qwen3UnprocessableEntityError)
    model = build(host, server="generic")
    with pytest.raises(kinds, match=r"refuses the field .*(return_reasoning|enable_thinking|template).*server="):
        model.invoke("q", enable_thinking=True)
    with pytest.raises(kinds, match=r"refuses the field .*server="):
        list(model.stream("q", enable_thinking=True))
    assert len(host.requests) == 2


def test_call_is_not_repeated_for_ever_when_a_server_refuses_what_the_user_wrote(host: Scripted):
    """Protects from loops: what stands in `extra_body` is the user's own and is not taken out of it."""
    model = build(host, extra_body={"reasoning_details": 1})
    kinds = (Qwen3InvalidRequestError, Qwen3UnprocessableEntityError)
    with (
        pytest.warns(UserWarning, match="refuses the field reasoning_details"),
        pytest.raises(kinds, match="reasoning_details"),
    ):
        model.invoke("q")
    assert len(host.requests) == 2
