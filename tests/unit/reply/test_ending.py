"""The ends of replies: which are the model's own, and which streams were broken off."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import StreamCutError
from langchain_qwen3.reply.ending import describe_cut, is_finished, read_reason
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.servers.habits import ReplyHabits
from tests.support.replies import load, read_chunks, read_stream, read_whole, write_body, write_events, write_sse


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"finish_reason": "stop"}, "stop"),
        *(({"finish_reason": nothing}, None) for nothing in ("", "null", "NULL", None, 0, {}, {"type": None})),
        *(({"finish_reason": nothing}, None) for nothing in ("None", "none", "undefined", "nil", "<nil>")),
        *(({"finish_reason": word}, word.lower()) for word in ("STOP", "Stop", "TOOL_CALLS", "LENGTH", "END_TURN")),
        ({"finish_reason": {"type": "stop", "matched": 151645}}, "stop"),
        ({"finish_reason": {"type": "abort", "message": "x"}}, "abort"),
        ({"finish_reason": "Some_Word"}, "Some_Word"),
        ({"finish_reason": ["stop"]}, "['stop']"),
        ({}, None),
        ({"finish_reason": "stop", "native_finish_reason": "completed"}, "stop"),
        ({"finish_reason": "stop", "native_finish_reason": "network_error"}, "network_error"),
        ({"finish_reason": "stop", "native_finish_reason": "ABORTED"}, "ABORTED"),
        ({"finish_reason": "stop", "native_finish_reason": "timed_out"}, "timed_out"),
        ({"finish_reason": "stop", "native_finish_reason": "time_limit"}, "time_limit"),
        ({"finish_reason": "stop", "native_finish_reason": "timeout"}, "timeout"),
        (
            {"finish_reason": "stop", "native_finish_reason": "insufficient_system_resource"},
            "insufficient_system_resource",
        ),
        ({"finish_reason": "stop", "native_finish_reason": "length"}, "length"),
        ({"finish_reason": "tool_calls", "native_finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "stop", "native_finish_reason": "content_filter"}, "content_filter"),
        *(
            ({"finish_reason": "stop", "native_finish_reason": word}, "stop")
            for word in ("stop", "STOP", "end_turn", "tool_calls", "a new word", "", None, 7)
        ),
        ({"finish_reason": None, "native_finish_reason": "length"}, None),
        ({"finish_reason": "length", "native_finish_reason": "error"}, "length"),
    ],
)
def test_reads_the_reason_that_tells_the_most(choice: dict[str, Any], expected: str | None):
    """Protects from a reply that the server gave up and called `stop`."""
    assert read_reason(choice) == expected


@pytest.mark.parametrize("reason", ["length", "abort", "error", "network_error", "content_filter", "a new word"])
def test_call_that_a_reason_cut_is_invalid(reason: str):
    """Protects agents: only words that mean the model's own end make a whole call of what stands there."""
    assert not is_finished(reason)
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": 1'}}
    message = read_stream(write_events({"tool_calls": [call]}, reason=reason))
    assert (message.tool_calls, len(message.invalid_tool_calls)) == ([], 1)
    assert message.response_metadata["finish_reason"] == reason


@pytest.mark.parametrize(
    "word",
    [
        *("length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "max_length", "model_length"),
        *("model_context_window_exceeded", {"type": "max_tokens"}),
    ],
)
def test_every_word_for_the_limit_is_length(word: Any):
    """Protects agents from a cut call whose arguments the server closed, where a gateway passes on its own word."""
    options = ReplyOptions(server_writes_arguments=True)
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = write_body({"content": "", "tool_calls": [call]}, word)
    for message in (read_stream(write_events({"tool_calls": [call]}, reason=word), options), read_whole(body, options)):
        assert (message.tool_calls, len(message.invalid_tool_calls)) == ([], 1)
        assert message.response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, "tool_calls") for word in ("tool_calls", "tool_call", "TOOL_CALL", "tool-calls", "toolUse")),
        *((word, "tool_calls") for word in ("function_calls", {"type": "tool_call"})),
        *((word, word) for word in ("tool_use", "function_call")),  # of other APIs, which their clients know
        *((word, None) for word in ("tool_call_error", "tool_calls_cut", "call")),
    ],
)
def test_call_without_arguments_is_whole_when_the_reason_is_a_word_for_calls(word: Any, expected: str | None):
    """Protects agents and structured output: mlx-lm ends a reply with calls as `tool_call`, which is no cut."""
    call = {"index": 0, "id": "c", "function": {"name": "f"}}
    body = write_body({"content": "", "tool_calls": [call]}, word)
    for message in (read_stream(write_events({"tool_calls": [call]}, reason=word)), read_whole(body)):
        assert message.response_metadata["finish_reason"] == expected or word
        assert (len(message.tool_calls), len(message.invalid_tool_calls)) == ((1, 0) if expected else (0, 1))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, "") for word in ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "completed", "tool_use")),
        *((word, "") for word in ("normal", "NORMAL", {"type": "normal"})),  # Qianfan
        *((word, "broken off") for word in ("abort", "sensitive", "error", "abnormal")),
        ("length", "truncated"),
    ],
)
def test_answer_is_whole_when_its_reason_is_a_word_for_the_models_own_end(word: Any, expected: str):
    """Protects structured answers, batches and the command: they take no answer that something cut."""
    for message in (
        read_stream(write_events({"content": "A"}, reason=word)),
        read_whole(write_body({"content": "A"}, word)),
    ):
        assert describe_cut(message.response_metadata["finish_reason"]).partition(":")[0] == expected


@pytest.mark.parametrize("nothing", ["null", {"type": None}, ""])
def test_a_reason_that_is_none_ends_no_stream(nothing: Any):
    """Protects invariant 4 from DashScope's own API behind gateways: `"null"` on every event is no end."""
    events = write_events({"content": "A"}, {"content": "B"}, reason="length")
    for event in events[:2]:
        event["choices"][0]["finish_reason"] = nothing
    assert read_stream(events).response_metadata["finish_reason"] == "length"
    with pytest.raises(StreamCutError):
        read_chunks([write_sse(events[:2], done=False)])


HALF = write_sse(write_events({"content": "A"}, reason=None)[:1])


@pytest.mark.parametrize(
    "options",
    [ReplyOptions(finishes=True), ReplyOptions(habits=ReplyHabits(opened=False, finishes=True))],
)
def test_done_without_a_reason_is_a_cut_where_the_server_gives_reasons(options: ReplyOptions):
    """Protects invariant 4 from llama-cpp-python, which ends a stream so that another request interrupted."""
    with pytest.raises(StreamCutError, match="it was cut"):
        read_chunks([HALF], options)


def test_done_without_a_reason_is_an_end_where_nobody_knows_the_server():
    """Protects answers of gateways that never give a reason; an empty stream is an error on every server."""
    assert read_stream(HALF).content == "A"
    with pytest.raises(StreamCutError):
        read_stream(write_events({"role": "assistant"}, reason=None)[:1])


@pytest.mark.parametrize(
    ("reason", "is_cut"), [("stop", True), ("normal", True), ("length", False), ("tool_calls", False), ("abort", False)]
)
def test_done_without_a_reason_is_a_cut_once_the_server_gave_one_to_a_whole_answer(reason: str, is_cut: bool):
    """Protects users of vllm-mlx, which gives a reason to cut answers alone: the next whole one is no error."""
    options = ReplyOptions(habits=ReplyHabits(opened=False))
    read_chunks([write_sse(write_events({"content": "A"}, reason=reason))], options)
    reader = StreamReader(options)
    assert len([*reader.read(HALF)]) == 1
    if is_cut:
        with pytest.raises(StreamCutError):
            reader.end()
    else:
        assert reader.end()


def test_recorded_stream_that_was_interrupted_is_a_cut_once_the_server_gave_a_reason():
    """Protects users of llama-cpp-python: of five streams at once four came back empty and silent."""
    habits = ReplyHabits(opened=False)
    options = ReplyOptions(habits=habits)
    read_chunks([load("llama-cpp-python/plain_default_stream").stream or b""], options)
    assert habits.finishes
    reader = StreamReader(options)
    chunks = [*reader.read(load("llama-cpp-python/interrupted_stream").stream or b"")]
    with pytest.raises(StreamCutError):
        reader.end()
    partial = reader.partial()
    assert partial
    assert partial.text == "".join(chunk.text for chunk in chunks)


def test_length_stays_when_stop_follows():
    """Protects invariant 4 from Xinference, which ends a cut stream a second time."""
    recorded = load("xinference/max_tokens_in_answer_stream")
    assert read_stream(recorded.stream or b"").response_metadata["finish_reason"] == "length"


def test_stream_is_over_by_its_usage_or_by_heartbeats_when_done_never_comes():
    """Protects from waiting for `[DONE]` of a server that goes on with heartbeats, or says nothing more."""
    events = write_events({"content": "A"})
    by_usage = StreamReader(ReplyOptions())
    assert [chunk.text for chunk in by_usage.read(write_sse(events[:2], done=False))] == ["A"]
    assert not by_usage.done
    assert not [*by_usage.read(write_sse(events[2:], done=False))]
    assert by_usage.done
    by_heartbeats = StreamReader(ReplyOptions())
    assert [*by_heartbeats.read(write_sse(events[:2], done=False))]
    for _ in range(2):
        assert not by_heartbeats.done
        assert not [*by_heartbeats.read(b": heartbeat\n\n")]
    assert by_heartbeats.done


def test_text_after_a_reason_shows_that_it_was_no_end():
    """Protects from `stop` on the reasoning: the answer is still to come, and a connection lost in it is a cut."""
    early = write_events({"reasoning": "T"}, reason=None)[:1]
    early[0]["choices"][0]["finish_reason"] = "stop"
    late = write_events({"content": "A"})
    assert read_stream([*early, *late]).content == "A"
    with pytest.raises(StreamCutError):
        read_chunks([write_sse([*early, late[0]], done=False)])
    assert read_stream([*early, late[0]]).content == "A"  # [DONE] came


@pytest.mark.parametrize("last", ["stop", "length", "abort", "another word"])
@pytest.mark.parametrize("delta", [{"content": "B"}, {}])
def test_word_on_every_piece_is_no_end(delta: dict[str, str], last: str):
    """Protects the real reason: a server's own word, behind which text came, says that the reply goes on."""
    pieces = [({"content": "A"}, "going_on"), ({"content": "B"}, "going_on"), (delta, last), ({}, "stop")]
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in pieces]
    assert read_stream(events).response_metadata["finish_reason"] == last


@pytest.mark.parametrize(("last", "reason"), [("length", "length"), ("abort", "abort"), ("stop", "going_on")])
def test_cut_behind_a_servers_own_word_is_the_reason(last: str, reason: str):
    """Protects a cut: a word that is unknown says less than one that means a cut, also without text between them."""
    pieces = [({"content": "A"}, "going_on"), ({}, last)]
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": word}]} for delta, word in pieces]
    assert read_stream(events).response_metadata["finish_reason"] == reason


_CALL = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("pieces", "certain"),
    [
        ([({"reasoning": "T"}, "stop")], False),
        ([({"role": "assistant", "content": ""}, "stop")], False),
        ([({"reasoning": "T"}, None), ({}, "stop")], False),
        ([({"reasoning": "T"}, "stop"), ({"reasoning": "T"}, "stop")], False),
        ([({"reasoning": "T"}, "stop"), ({"content": "A"}, "stop")], False),
        ([({"content": "A"}, "stop"), ({"content": "B"}, "stop")], False),
        ([(_CALL, "tool_calls"), ({"content": "B"}, "stop")], False),
        ([({"content": "A"}, "stop"), ({"content": "B"}, None)], False),
        ([({"content": "A"}, "stop")], True),
        ([({"content": "A"}, None), ({"content": "B"}, "stop")], True),
        ([({"content": "A"}, None), ({}, "stop")], True),
        ([({"content": "A"}, "stop"), ({"content": "B"}, "stop"), ({}, "stop")], True),
        ([({"reasoning": "T"}, "stop"), ({"content": "A"}, None), ({}, "stop")], True),
        ([(_CALL, "tool_calls")], True),
        ([(_CALL, None), ({"role": "assistant", "content": None}, "tool_calls")], True),
        ([({"reasoning": "T"}, None), ({}, "length")], True),
        ([({"reasoning": "T"}, "length"), ({}, "stop")], True),
        ([({"reasoning": "T"}, "abort")], True),
        ([({"reasoning": "T"}, "a word")], False),
        ([({"content": "A"}, "a word"), ({"content": "B"}, "a word")], False),
        ([({"content": "A"}, "a word"), ({"content": "B"}, "a word"), ({}, "stop")], True),
    ],
)
def test_only_a_certain_reason_ends_a_stream_without_done(pieces: list[tuple[Any, str | None]], *, certain: bool):
    """Protects late answers behind an early `stop`: silence, heartbeats, usage and a loss do not end them."""
    events = [write_events(delta, reason=None)[0] for delta, _ in pieces]
    for event, (_, reason) in zip(events, pieces, strict=True):
        event["choices"][0]["finish_reason"] = reason
    readers = [StreamReader(ReplyOptions()) for _ in range(2)]
    for reader in readers:
        list(reader.read(write_sse(events, done=False)))
        assert reader.ended is certain
        assert reader.progress  # so that a server that hangs then is noticed
    for _ in range(3):
        assert not [*readers[0].read(b": heartbeat\n\n")]
    assert not [*readers[1].read(write_sse([{"choices": [], "usage": {"prompt_tokens": 1}}], done=False))]
    assert [reader.done for reader in readers] == [certain, certain]
