"""Content blocks on the real engine: every output version, every way to call, every kind of reply."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage

from langchain_qwen3 import ChatQwen3
from tests.tiny_qwen3.dialogues import GET_WEATHER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_qwen3.local import LocalServer

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "Person", "schema": PERSON}}
BEIJING, SHANGHAI, PARIS = (
    {"type": "tool_call", "name": "get_weather", "args": {"city": city}} for city in ("Beijing", "Shanghai", "Paris")
)


def think(text: str) -> dict[str, Any]:
    """Return a reasoning block."""
    return {"type": "reasoning", "reasoning": text}


def say(text: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": text}


# question, what the call asks for, and the blocks of the reply
REPLIES: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "text": ("Hello", {"enable_thinking": False}, [say("Hello! How can I help you today?")]),
    "reasoning": (
        "9.11 and 9.8, which is greater?",
        {"enable_thinking": True},
        [
            think("Compare 9.11 and 9.80. The integer parts are equal. 0.80 is greater than 0.11, so 9.8 is greater."),
            say("9.8 is greater than 9.11."),
        ],
    ),
    "tools": (
        "What's the weather in Beijing and Shanghai?",
        {"tools": [GET_WEATHER]},
        [
            think("The user wants the weather in two cities. I should call get_weather twice, in parallel."),
            BEIJING,
            SHANGHAI,
        ],
    ),
    "text and tool": (
        "Say what you do, then check the weather in Paris.",
        {"tools": [GET_WEATHER]},
        [
            think("I should say what I do first and then call get_weather."),
            say("Let me check the weather in Paris.\n"),
            PARIS,
        ],
    ),
    "structured": (
        "Extract the person as JSON: Alice is 30 years old.",
        {"response_format": FORMAT},
        [think("The person is Alice, age 30. I should output JSON."), say('{"name": "Alice", "age": 30}')],
    ),
}


def add_up(chunks: list[Any]) -> Any:
    """Return the sum of chunks that really came in pieces, each kind of block after the one before it."""
    kinds = [block["type"] for chunk in chunks for block in chunk.content_blocks]
    order = ["reasoning", "text", "tool_call_chunk"]
    assert [order.index(kind) for kind in kinds] == sorted(order.index(kind) for kind in kinds)
    assert len(kinds) > 5, "nothing was streamed"
    return reduce(add, chunks)


async def run_invoke(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Call whole."""
    return model.invoke(question, **asked)


async def run_ainvoke(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Call whole, async."""
    return await model.ainvoke(question, **asked)


async def run_stream(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Stream."""
    return add_up([*model.stream(question, **asked)])


async def run_astream(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Stream, async."""
    return add_up([chunk async for chunk in model.astream(question, **asked)])


async def run_events_v2(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Take the chunks of version 2 events; the last event holds their sum."""
    events = [event async for event in model.astream_events(question, version="v2", **asked)]
    total = add_up([event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"])
    assert events[-1]["event"] == "on_chat_model_end"
    assert bare(events[-1]["data"]["output"]) == bare(total)
    return total


async def run_events_v3(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Take the message of version 3 events; the finished blocks are its blocks."""
    stream = model.stream_events(question, version="v3", **asked)
    events: list[Any] = list(stream)
    finished = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert [bare_block(block) for block in finished] == bare(stream.output)
    return stream.output


async def run_aevents_v3(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Do what `run_events_v3` does, async."""
    stream = await model.astream_events(question, version="v3", **asked)
    events: list[Any] = [event async for event in stream]
    begun = [event["index"] for event in events if event["event"] == "content-block-start"]
    assert begun == sorted(set(begun)), "a block began twice"
    return await stream.output


WAYS = (run_invoke, run_ainvoke, run_stream, run_astream, run_events_v2, run_events_v3, run_aevents_v3)


def bare_block(block: Any) -> dict[str, Any]:
    """Return a block without what differs from call to call."""
    return {key: value for key, value in block.items() if key not in ("id", "index")}


def bare(message: Any) -> list[dict[str, Any]]:
    """Return the blocks of a message without what differs from call to call."""
    return [bare_block(block) for block in message.content_blocks]


@pytest.mark.filterwarnings("ignore:The method .*_v3. is in beta")
@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("run", WAYS, ids=[way.__name__.removeprefix("run_") for way in WAYS])
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_blocks_are_the_same_when_called_any_way(
    engine: LocalServer, version: str, run: Callable[..., Awaitable[Any]], reply: str
):
    """Protects content blocks: reasoning, then text, then calls; none lost or doubled, streamed as whole."""
    question, asked, expected = REPLIES[reply]
    model = ChatQwen3(
        model=engine.model,
        base_url=engine.base_url,
        server="llama.cpp",
        temperature=0,
        max_tokens=512,
        output_version=version,
    )
    message = await run(model, question, asked)
    assert isinstance(message, AIMessage)
    assert bare(message) == expected
    texts = [block["text"] for block in expected if block["type"] == "text"]
    reasonings = [block["reasoning"] for block in expected if block["type"] == "reasoning"]
    calls = [(block["name"], block["args"]) for block in expected if block["type"] == "tool_call"]
    assert message.text == "".join(texts)
    assert message.additional_kwargs.get("reasoning_content", "") == "".join(reasonings)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == calls
    assert message.response_metadata["finish_reason"] == ("tool_calls" if calls else "stop")
    assert message.response_metadata["model_provider"] == "qwen3"
    assert message.usage_metadata


async def run_streamed_invoke(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Call whole while core streams inside, as agents in a graph do."""
    return model.invoke(question, stream=True, **asked)


async def run_streamed_ainvoke(model: ChatQwen3, question: str, asked: dict[str, Any]) -> Any:
    """Do what `run_streamed_invoke` does, async."""
    return await model.ainvoke(question, stream=True, **asked)


@pytest.mark.filterwarnings("ignore:The method .*_v3. is in beta")
@pytest.mark.parametrize("run", [*WAYS, run_streamed_invoke, run_streamed_ainvoke])
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_call_is_invalid_when_max_tokens_cut_it(
    engine: LocalServer, version: str, run: Callable[..., Awaitable[Any]]
):
    """Protects from half a call in every mode: never a valid one, and a block that says so.

    The blocks of v1 chunks that a user adds up are core's: its addition finishes valid calls only.
    """
    model = ChatQwen3(
        model=engine.model, base_url=engine.base_url, server="llama.cpp", temperature=0, output_version=version
    )
    asked = {"tools": [GET_WEATHER], "max_tokens": 34}
    message = await run(model, "What's the weather in Beijing?", asked)
    assert message.tool_calls == []
    assert [call["name"] for call in message.invalid_tool_calls] == ["get_weather"]
    assert message.response_metadata["finish_reason"] == "length"
    added_by_hand = version == "v1" and run in (run_stream, run_astream, run_events_v2)
    kind = "tool_call_chunk" if added_by_hand else "invalid_tool_call"
    assert [block["type"] for block in message.content_blocks] == ["reasoning", kind]
