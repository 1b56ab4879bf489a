"""The first invariant on every recording: the sum of the streamed chunks is the invoked message."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import BadReplyError, StreamCutError
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.whole import read_response
from tests.support.replies import (
    RECORDINGS,
    STREAMS,
    WHOLES,
    Recording,
    add_up,
    facts,
    load,
    read_chunks,
    read_stream,
    read_whole,
    respond,
    split_bytes,
    write_sse,
)

USAGE = ("usage", "metadata.token_usage")
CALL = ("invalid", "metadata.tool_call_errors", "metadata.tool_call_texts", "metadata.rescued_tool_calls")

# Where the engines themselves say another thing in a stream: what is not compared, and why.
WIRE_DIFFERENCES: dict[str, tuple[tuple[str, ...], str]] = {
    "llama-server/err_unknown_model": (USAGE, "the stream was asked for without include_usage"),
    "llama-server/reasoning_format_none": (USAGE, "the stream was asked for without include_usage"),
    "vllm-parsers/reasoning_format_none": (USAGE, "the stream was asked for without include_usage"),
    "llama-server/tool_truncated": ((*USAGE, *CALL), "no include_usage; the stream leaves the begun call out"),
    "vllm-parsers/tool_truncated": ((*USAGE, *CALL), "no include_usage; the stream leaves the begun call out"),
    "llama-server/logprobs": (("metadata.logprobs",), "the stream leaves out the tokens around the think tags"),
    "xinference/tool_auto": ((*USAGE, "metadata.rescued_tool_calls"), "the stream leaves the call in the text"),
}
ENGINE_DIFFERENCES: dict[str, tuple[tuple[str, ...], str]] = {
    "litellm": ((*USAGE, "metadata.provider_specific_fields"), "it counts reasoning tokens in streams alone"),
    "transformers-serve": (("metadata.system_fingerprint",), "an empty one in streams"),
    "xinference": (USAGE, "its stream counts one token more"),
    "llama-cpp-python": (USAGE, "its streams have no usage"),
}
SEVERAL_CHOICES = frozenset({"llama-server/n2_stream", "vllm-parsers/n2_stream"})
CUT = frozenset({"llama-server/disconnect", "vllm-parsers/disconnect"})  # by the client, while recording

BY_NAME = {recording.name: recording for recording in RECORDINGS}
PAIRED = [
    (BY_NAME[recording.name.removesuffix("_stream")], recording)
    for recording in STREAMS
    if recording.name not in SEVERAL_CHOICES and recording.name.removesuffix("_stream") in BY_NAME
    if recording.name.endswith("_stream")
]
READABLE = [recording for recording in STREAMS if recording.stream and recording.name not in SEVERAL_CHOICES | CUT]
# Short ones that together have every kind of span.
SHORT = (
    "llama-format-none/max_tokens_in_thinking_stream",
    "llama-server/json_schema_nothink_stream",
    "vllm-parsers/tool_truncated_stream",
    "vllm-parsers/tool_auto_nothink_stream",
)


def said(message: Any, engine: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the facts; llama.cpp finds the prompt of the second request in its cache, so cached tokens differ."""
    found = facts(message, without)
    if engine.startswith("llama") and found.get("usage"):
        found["usage"] = {**found["usage"], "input_token_details": None}
        found["metadata.token_usage"] = {**found["metadata.token_usage"], "prompt_tokens_details": None}
    return found


@pytest.mark.parametrize(("whole", "stream"), PAIRED, ids=str)
def test_sum_of_chunks_is_the_invoked_message_when_both_were_recorded(whole: Recording, stream: Recording):
    """Protects invariant 1 on the wire of real engines; where that differs, the table above says why."""
    assert whole.body
    assert stream.stream
    without, _ = WIRE_DIFFERENCES.get(whole.name) or ENGINE_DIFFERENCES.get(whole.engine, ((), ""))
    invoked = read_whole(whole.body, whole.options)
    streamed = read_stream(stream.stream, stream.options)
    assert said(streamed, whole.engine, without) == said(invoked, whole.engine, without)


def test_every_difference_is_of_a_recorded_pair():
    """Protects the table of differences against rows that excuse nothing."""
    assert set(WIRE_DIFFERENCES) <= {whole.name for whole, _ in PAIRED}
    for whole, stream in PAIRED:
        if whole.name in WIRE_DIFFERENCES:
            invoked = said(read_whole(whole.body or {}, whole.options), "")
            streamed = said(read_stream(stream.stream or b"", stream.options), "")
            for fact in WIRE_DIFFERENCES[whole.name][0]:
                assert invoked.get(fact) != streamed.get(fact), (whole, fact)


@pytest.mark.parametrize("recording", READABLE, ids=str)
def test_chunks_are_the_same_when_a_recorded_stream_arrives_in_any_pieces(recording: Recording):
    """Protects the contract that the network's packets do not matter."""
    data = recording.stream or b""
    random = Random(recording.name)
    expected = read_chunks([data], recording.options)
    total = facts(add_up(expected))
    for pieces in (
        split_bytes(data, range(len(data))),
        split_bytes(data, random.choices(range(len(data)), k=20)),
        split_bytes(data.replace(b"\n", b"\r\n"), random.choices(range(len(data)), k=200)),
    ):
        chunks = read_chunks(pieces, recording.options)
        assert [*map(without_ids, chunks[:-1])] == [*map(without_ids, expected[:-1])]
        assert facts(add_up(chunks)) == total
    generation = generate_from_stream(iter(expected)).generations[0]
    assert generation.message.content == total["content"]
    assert generation.message.tool_calls == add_up(expected).tool_calls


def without_ids(chunk: ChatGenerationChunk) -> AIMessageChunk:
    """Return the message without the ids of calls: a call that came without one gets another each time."""
    assert isinstance(chunk.message, AIMessageChunk)
    fields = [{**call, "id": None} for call in chunk.message.tool_call_chunks]
    return chunk.message.model_copy(update={"tool_call_chunks": fields, "tool_calls": [], "invalid_tool_calls": []})


@pytest.mark.parametrize("name", sorted(SEVERAL_CHOICES))
def test_raises_when_a_stream_holds_several_choices(name: str):
    """Protects against the texts of two choices mixed into one message."""
    with pytest.raises(BadReplyError, match="n must be 1"):
        read_stream(load(name).stream or b"")


@pytest.mark.parametrize("name", sorted(CUT))
def test_raises_with_the_partial_message_when_a_recorded_stream_has_no_end(name: str):
    """Protects invariant 4 on two streams that really lost their end."""
    recording = load(name)
    reader = StreamReader(recording.options)
    chunks = list(reader.read(recording.stream or b""))
    with pytest.raises(StreamCutError):
        reader.end()
    partial = reader.partial()
    assert partial
    assert partial.additional_kwargs == add_up(chunks).additional_kwargs
    assert partial.response_metadata["model_name"] == recording.request["model"]


@pytest.mark.parametrize("name", SHORT)
def test_result_is_whole_or_an_error_when_a_recorded_stream_is_cut_at_any_byte(name: str):
    """Protects invariant 4: a cut is an error with what arrived, and what arrived is a beginning of the whole."""
    recording = load(name)
    data = recording.stream or b""
    options = recording.options
    whole = read_stream(data, options)
    ends = 0
    for at in range(len(data)):
        reader = StreamReader(options)
        chunks = list(reader.read(data[:at]))
        try:
            chunks += reader.end()
        except StreamCutError:
            message = reader.partial()
        else:
            message = add_up(chunks)
            assert message.content == whole.content
            assert message.response_metadata["finish_reason"] == whole.response_metadata["finish_reason"]
            ends += 1
        if message is not None:
            assert str(whole.content).startswith(str(message.content))
            reasoning = whole.additional_kwargs.get("reasoning_content", "")
            assert reasoning.startswith(message.additional_kwargs.get("reasoning_content", ""))
            assert all(call in whole.tool_calls for call in message.tool_calls)
    assert ends


def stream_choice(body: dict[str, Any], choice: dict[str, Any], random: Random) -> bytes:
    """Return a stream that says what a recorded choice said, in pieces of random size."""
    message = dict(choice["message"])
    deltas: list[dict[str, Any]] = [{"role": message.pop("role"), "content": ""}]
    texts = [(key, message.pop(key, None)) for key in ("reasoning", "reasoning_content", "content")]
    deltas += [{key: piece} for key, text in texts if text for piece in cut(text, random)]
    for index, call in enumerate(message.pop("tool_calls", None) or []):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        begun = {"index": index, "id": call["id"], "type": "function", "function": {"name": name}}
        pieces = [{"index": index, "function": {"arguments": piece}} for piece in cut(arguments, random)]
        deltas += [{"content": None, "tool_calls": [piece]} for piece in (begun, *pieces)]
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    rest = {key: value for key, value in choice.items() if key not in ("message", "index")}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {key: value for key, value in message.items() if value}, **rest})
    events = [{**head, "choices": [choice]} for choice in choices]
    return write_sse([*events, {**head, "choices": [], "usage": body["usage"]}])


def cut(text: str, random: Random) -> list[str]:
    """Return the text in pieces of one to eight characters."""
    pieces = []
    while text:
        size = random.randint(1, 8)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


OPTIONS = {
    "as requested": {},
    "thinking off": {"thinking_off": True},
    "maybe opened": {"opened": None},
    "without reasoning": {"return_reasoning": False},
    "repairing": {"repair_tool_calls": True},
}


@pytest.mark.parametrize("setting", OPTIONS)
@pytest.mark.parametrize("engine", sorted({recording.engine for recording in WHOLES}))
def test_sum_of_chunks_is_the_invoked_message_when_a_recorded_reply_is_cut_into_deltas(engine: str, setting: str):
    """Protects invariant 1 for every recorded reply under every way of reading, where no wire can differ."""
    for recording in WHOLES:
        if recording.engine != engine:
            continue
        body = recording.body or {}
        tools = recording.options.tools
        options = ReplyOptions(**{"tools": tools, **OPTIONS[setting]})  # type: ignore[arg-type]
        for which, choice in enumerate(body["choices"]):
            invoked = read_whole(body, options, which)
            streamed = read_stream(stream_choice(body, choice, Random(recording.name)), options)
            assert facts(streamed) == facts(invoked), recording
            assert [call["id"] for call in streamed.tool_calls if str(call["id"])[:5] != "call_"] == [
                call["id"] for call in invoked.tool_calls if str(call["id"])[:5] != "call_"
            ]


@pytest.mark.parametrize("recording", [item for item in WHOLES if len((item.body or {})["choices"]) > 1], ids=str)
def test_every_choice_has_its_reasoning_when_n_is_two(recording: Recording):
    """Protects n > 1: reasoning is read for each choice, and usage is the sum the server sent."""
    result = read_response(respond(recording.body or {}), recording.options, 0.0)
    assert len(result.generations) == 2
    for generation in result.generations:
        assert generation.message.additional_kwargs["reasoning_content"]
        assert generation.message.content


def test_recordings_are_of_all_servers():
    """Protects this file against an empty directory: what is not there cannot fail."""
    assert {whole.engine for whole, _ in PAIRED} == {recording.engine for recording in RECORDINGS} - {"nginx"}
    assert len(PAIRED) > 105
    assert len(READABLE) > 120
