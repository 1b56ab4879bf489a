"""Content blocks of messages and chunks: every kind of part, in order, none lost or doubled."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.reply import content_blocks
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.tool_calls.arguments import invalidate_arguments
from tests.support.replies import (
    TOOL,
    add_up,
    read_chunks,
    read_stream,
    read_whole,
    write_body,
    write_events,
    write_sse,
)
from tests.support.scripted import Answer, Scripted, write_call

content_blocks.register()  # as importing the chat model does

WHOLE_CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "北京"}'}}
CUT_CALL = {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Sh'}}
NAMELESS_CALL = {"id": "c3", "type": "function", "function": {"arguments": '{"city"'}}


class WrittenCache(InMemoryCache):
    """Keeps a result as it is when it is written, as a database does."""

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        """Keep a copy."""
        super().update(prompt, llm_string, deepcopy(return_val))


def blocks_of(message: AIMessage) -> list[dict[str, Any]]:
    """Return the blocks without the places that streams give them."""
    blocks = [{key: value for key, value in block.items() if key != "index"} for block in message.content_blocks]
    for block in blocks:
        if block["type"] == "invalid_tool_call":
            block["args"] = invalidate_arguments(block["args"] or "")  # as chunks have it, see `invalidate_arguments`
    return blocks


@pytest.mark.parametrize(
    ("message", "reason", "kinds"),
    [
        ({"content": "A"}, "stop", ["text"]),
        ({"reasoning": "A", "content": "B"}, "stop", ["reasoning", "text"]),
        ({"reasoning": "A", "content": None, "tool_calls": [WHOLE_CALL]}, "tool_calls", ["reasoning", "tool_call"]),
        (
            {"reasoning": "A", "content": "B", "tool_calls": [WHOLE_CALL, CUT_CALL]},
            "length",
            ["reasoning", "text", "tool_call", "invalid_tool_call"],
        ),
        ({"content": None, "tool_calls": [NAMELESS_CALL]}, "length", ["invalid_tool_call"]),
        ({"content": ""}, "stop", []),
        ({"content": None, "refusal": "I cannot."}, "stop", ["refusal"]),
        ({"content": "", "refusal": "不能。"}, "content_filter", ["refusal"]),
        ({"reasoning": "A", "content": "B", "refusal": "C"}, "stop", ["reasoning", "text", "refusal"]),
        ({"content": None, "refusal": "C", "tool_calls": [WHOLE_CALL]}, "tool_calls", ["refusal", "tool_call"]),
        ({"content": "A", "refusal": ""}, "stop", ["text"]),
        ({"content": "A", "refusal": None}, "stop", ["text"]),
        ({"content": "A", "refusal": True}, "stop", ["text"]),
    ],
)
def test_sum_of_a_stream_has_the_blocks_of_the_whole_when_a_reply_is_read_both_ways(
    message: dict[str, Any], reason: str, kinds: list[str]
):
    """Protects order and kind of blocks, those of calls that were cut included, with and without a name."""
    whole = read_whole(write_body(message, reason))
    pieces = [{key: value} for key, value in message.items() if key != "tool_calls" and value]
    pieces += [{"tool_calls": [{**call, "index": at}]} for at, call in enumerate(message.get("tool_calls", []))]
    total = read_stream(write_events({"role": "assistant", "content": ""}, *pieces, reason=reason))
    assert [block["type"] for block in whole.content_blocks] == kinds
    assert blocks_of(total) == blocks_of(whole)


def test_chunks_carry_places_of_their_own_when_calls_stream():
    """Protects `output_version="v1"`: core merges blocks of equal places, so calls and texts must not share one."""
    events = write_events(
        {"reasoning": "A"},
        {"content": "B"},
        {"tool_calls": [{**WHOLE_CALL, "index": 0}]},
        {"tool_calls": [{**CUT_CALL, "index": 1}]},
    )
    chunks = [chunk.message for chunk in read_chunks([write_sse(events)])]
    found = [block for chunk in chunks for block in chunk.content_blocks]
    assert [block["type"] for block in found] == [
        "reasoning",
        "text",
        "tool_call_chunk",
        "tool_call_chunk",
        "tool_call_chunk",
    ]
    assert [block.get("index") for block in found] == [None, None, "lc_tc_0", "lc_tc_1", "lc_tc_1"]


@pytest.mark.parametrize("cut", [False, True])
def test_last_chunk_is_no_sum_when_it_ends_a_call(cut: bool):
    """Protects v1 streams: the end of a call that was begun before is a fragment, not a call without a name."""
    events = write_events({"tool_calls": [{**CUT_CALL, "index": 0}]}, reason="length")
    reader = StreamReader(ReplyOptions())
    chunks = [*reader.read(write_sse(events[:1], done=False))]
    chunks += reader.abort() if cut else [*reader.read(write_sse(events[1:])), *reader.end()]
    *_, end = [chunk.message for chunk in chunks if chunk.message.content_blocks]
    assert [block["type"] for block in end.content_blocks] == ["tool_call_chunk"]
    assert isinstance(end, AIMessageChunk)
    assert chunks[-1].message.chunk_position == "last"  # type: ignore[attr-defined]
    assert [block["type"] for block in add_up(chunks).content_blocks] == ["invalid_tool_call"]


def test_call_is_an_invalid_block_when_the_connection_was_lost():
    """Protects the caller's own sum of a stream that lost its end: the half call says that it is none."""
    events = write_events({"tool_calls": [{**WHOLE_CALL, "index": 0}]}, {"tool_calls": [{**CUT_CALL, "index": 1}]})
    reader = StreamReader(ReplyOptions())
    chunks = [*reader.read(write_sse(events[:2], done=False))]
    total = add_up([*chunks, *reader.abort()])
    assert [(block["type"], block["id"]) for block in total.content_blocks] == [
        ("tool_call", "c1"),
        ("invalid_tool_call", "c2"),
    ]


def test_parts_stay_as_they_are_when_the_content_is_a_list():
    """Protects messages of v1 and of other hands: texts and blocks in a list are all there, reasoning in front."""
    message = AIMessage(
        content=["A", {"type": "text", "text": "B"}, {"type": "image", "url": "http://x/y.png"}],
        additional_kwargs={"reasoning_content": "R"},
        response_metadata={"model_provider": "qwen3"},
    )
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text", "text", "image"]


def test_rescued_call_is_a_block_when_it_comes_with_the_end():
    """Protects calls that are certain only at the end of the stream: one block each, and no text."""
    text = '{"name": "get_weather", "arguments": {"city": "北京"}}'
    events = write_events({"reasoning": f"A<tool_call>{text}</tool_call>"})
    total = add_up(read_chunks([write_sse(events)], ReplyOptions(tools=(TOOL,))))
    assert [block["type"] for block in total.content_blocks] == ["reasoning", "tool_call"]


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("fields", [{}, {"server": "dashscope"}, {"streaming": True}, {"n": 2}], ids=str)
@pytest.mark.parametrize("ids", [("a", "b"), ("a", "a")], ids="-".join)
async def test_invalid_calls_have_their_reasons_when_a_whole_reply_is_wanted(
    version: str, fields: dict[str, Any], ids: tuple[str, str]
):
    """Protects who reads why a call failed: who streams inside or caches, too, returns what a whole reply has."""
    calls = [write_call(ids[0], "f", '{"a": '), write_call("c", "g", "{}"), write_call(ids[1], "g", '{"b": ')]
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in "fg"]
    with Scripted(lambda _: Answer(message={"reasoning": "R", "tool_calls": calls}, reason="length")) as server:
        settings = {"server": "vllm", "output_version": version, **fields}
        model = ChatQwen3(model="qwen3-8b", base_url=server.url, api_key="k", cache=WrittenCache(), **settings)
        whole = [model.invoke("q", tools=tools) for _ in range(2)]
        for message in (*whole, await model.ainvoke("other", tools=tools)):
            invalid = [(call["name"], call["args"]) for call in message.invalid_tool_calls]
            assert invalid == [("f", '{"a": '), ("g", '{"b": ')]
            assert {call["error"] for call in message.invalid_tool_calls} == {
                "the reply ended before the arguments were complete"
            }
            blocks = [{**block} for block in message.content_blocks if block["type"] == "invalid_tool_call"]
            assert blocks == [{"type": "invalid_tool_call", **call} for call in message.invalid_tool_calls]
            assert [call["name"] for call in message.tool_calls] == ["g"]
        assert bool(server.requests[0].get("stream")) is (fields.keys() <= {"server", "streaming"} and fields != {})
