"""Streamed replies: chunks as core would have made them, usage, ends, errors and cuts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import (
    BadReplyError,
    ErrorTranslator,
    Qwen3Error,
    Qwen3RateLimitError,
    Qwen3ServerError,
    StreamCutError,
)
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.servers.habits import ReplyHabits
from tests.support.replies import (
    DEFAULT,
    TOOL,
    USAGE,
    add_up,
    facts,
    load,
    read_chunks,
    read_stream,
    read_whole,
    write_body,
    write_events,
    write_sse,
)


def test_usage_is_the_newest_when_it_comes_with_every_chunk():
    """Protects token accounting: `continuous_usage_stats` counts up, so adding it up would inflate it."""
    events = write_events({"content": "A"}, {"content": "B"})
    for count, event in enumerate(events[:-1], 1):
        event["usage"] = {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}
    message = read_stream(events)
    assert message.usage_metadata == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert message.response_metadata["token_usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    recorded = load("vllm-parsers/plain_stream_continuous_usage")
    assert read_stream(recorded.stream or b"").usage_metadata == {
        "input_tokens": 17,
        "output_tokens": 49,
        "total_tokens": 66,
        "output_token_details": {"reasoning": 34},
    }


def test_only_the_last_chunk_tells_of_the_end():
    """Protects sums: finish reason, usage and metadata would double if they came twice."""
    *chunks, last = read_chunks([write_sse(write_events({"content": "A"}, {"content": "B"}, stop_reason="###"))])
    assert [chunk.text for chunk in chunks] == ["A", "B"]
    for chunk in chunks:
        assert chunk.generation_info is None
        assert chunk.message == AIMessageChunk(content=chunk.text, response_metadata={"model_provider": "qwen3"})
    assert last.message.chunk_position == "last"  # type: ignore[attr-defined]
    assert last.generation_info
    timing = last.generation_info.pop("timing")
    assert 0 < timing["time_to_first_token"] <= timing["total"]
    assert timing["tokens_per_second"] > 0
    assert last.generation_info == {
        "finish_reason": "stop",
        "stop_reason": "###",
        "id": "r",
        "model_name": "q",
        "model_provider": "qwen3",
        "token_usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }


def test_text_is_kept_when_it_comes_with_the_finish_reason():
    """Protects the last token of a length cut, which vLLM sends together with its finish reason."""
    events = write_events({"content": "A"}, reason="length")
    events[-2]["choices"][0]["delta"] = {"content": "B"}
    message = read_stream(events)
    assert message.content == "AB"
    assert message.response_metadata["finish_reason"] == "length"


ONE_CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "北京"}}\n</tool_call>'
TWO_CALLS = ONE_CALL + "\n" + ONE_CALL.replace("北京", "上海")
WITH_TOOL = ReplyOptions(tools=(TOOL,))
XML_CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\n北京\n</parameter>\n</function>\n</tool_call>"
FORCED = '[{"name": "get_weather", "arguments": {"city": "北京"}}]'
HELD_BACK: dict[str, tuple[dict[str, str], ReplyOptions]] = {
    "an answer": ({"content": "Hello"}, DEFAULT),
    "an answer that ends like a tag": ({"content": "a <"}, DEFAULT),
    "an answer of a model whose thinking may have begun": ({"content": "Hello"}, ReplyOptions(opened=None)),
    "an answer in the field of the reasoning": ({"reasoning": "Hello"}, ReplyOptions(thinking_off=True)),
    "reasoning that no tag ends": ({"content": "<think>Hello"}, DEFAULT),
    "a call in the text": ({"content": ONE_CALL}, WITH_TOOL),
    "a text and two calls in it": ({"content": f"Sure.\n{TWO_CALLS}"}, WITH_TOOL),
    "a call as XML": ({"content": XML_CALL}, WITH_TOOL),
    "a call in the reasoning": ({"reasoning": ONE_CALL}, WITH_TOOL),
    "a forced call": ({"content": FORCED}, ReplyOptions(tools=(TOOL,), content_is_calls=True)),
}


@pytest.mark.parametrize("reason", ["stop", "length"])
@pytest.mark.parametrize("case", HELD_BACK)
def test_last_chunk_only_ends_the_stream_when_something_was_held_back(case: str, reason: str):
    """Protects those who skip a chunk with a finish reason, as ag-ui does, and those who read one call per chunk."""
    delta, options = HELD_BACK[case]
    events = write_events(*({key: text[:3]} for key, text in delta.items()), reason=reason)
    events[1:1] = write_events(*({key: text[3:]} for key, text in delta.items()))[:1]
    *chunks, last = read_chunks([write_sse(events)], options)
    assert last.generation_info
    end: Any = last.message
    assert (end.content, end.tool_call_chunks, end.additional_kwargs) == ("", [], {})
    shown, total = add_up(chunks), add_up([*chunks, last])
    assert (shown.content, shown.additional_kwargs) == (total.content, total.additional_kwargs)
    assert [call["args"] for call in shown.tool_calls] == [call["args"] for call in total.tool_calls]
    for chunk in chunks:
        assert chunk.generation_info is None
        fragments = chunk.message.tool_call_chunks  # type: ignore[attr-defined]
        assert len(fragments) <= 1
        assert not any(part["name"] and part["args"] for part in fragments)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": []},
        {"choices": [], "usage": None},
        {"id": "r", "object": "chat.completion.chunk"},
        {"choices": [{"index": 0, "delta": {}}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "delta": {"content": None}}]},
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "tool_calls": []}}]},
        {"choices": [{"delta": {"content": ""}}]},
    ],
)
def test_makes_no_chunk_of_an_event_when_it_says_nothing(odd: dict[str, Any]):
    """Protects against empty chunks and against failing on keep-alives."""
    events = write_events({"content": "A"}, {"content": "B"})
    plain = read_chunks([write_sse(events)])
    chunks = read_chunks([write_sse([odd, events[0], odd, *events[1:], odd])])
    assert [chunk.text for chunk in chunks] == [chunk.text for chunk in plain]
    assert facts(add_up(chunks)) == facts(add_up(plain))


def test_reads_the_whole_reply_when_it_comes_in_place_of_a_stream():
    """Protects against servers that ignore `stream`: a plain JSON reply, in one line, in many, or as an event."""
    body = write_body({"reasoning": "A", "content": "B", "tool_calls": [{"id": "c", "function": {"name": "f"}}]})
    expected = facts(read_whole(body))
    for data in (json.dumps(body).encode(), json.dumps(body, indent=1).encode(), write_sse([body])):
        assert facts(read_stream(data)) == expected
        assert facts(add_up(read_chunks([data[:50], data[50:60], data[60:]]))) == expected


def test_reads_the_text_of_older_completions():
    """Protects answers of servers that reply to a chat in the form of `/completions`."""
    choices = [{"index": 0, "text": piece, "finish_reason": None} for piece in ("An ", "answer")]
    choices.append({"index": 0, "text": "", "finish_reason": "stop"})
    streamed = read_stream([{"choices": [choice]} for choice in choices])
    whole = read_whole({"choices": [{"index": 0, "text": "An answer", "finish_reason": "stop"}]})
    assert (streamed.content, whole.content) == ("An answer", "An answer")
    assert "text" not in {**streamed.response_metadata, **whole.response_metadata}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<!DOCTYPE html>\n<title>502 Bad Gateway</title>\n\n", "an HTML page"),
        (b"<html>", "an HTML page"),
        (b"upstream connect error", "invalid JSON"),
        (b'{"choices": []}', "no choices"),
        (b"data: [DONE]\n\n", "no choices"),
        (write_sse([{"choices": []}]), "no choices"),
        (write_sse([[]]), "no choices"),  # without a letter it is a heartbeat
        (write_sse([["a"]]), "not a chunk"),
        (write_sse(["text"]), "not a chunk"),
        (write_sse([{"choices": [{"delta": "text"}]}]), "not a chunk"),
    ],
)
def test_raises_when_a_body_is_no_stream_of_a_chat_completion(data: bytes, said: str):
    """Protects against pages taken for an answer, or for a stream that was cut."""
    with pytest.raises(BadReplyError, match=said):
        read_stream(data)


def test_raises_when_an_error_comes_inside_the_stream():
    """Protects against half an answer: llama.cpp's and vLLM's recorded events, and llama.cpp's older form."""
    begun = write_sse(write_events({"content": "A"}, reason=None), done=False)
    for error in (
        b'data: {"error":{"code":500,"message":"Compute error."}}\n\n',
        b'data: {"error":{"message":"Compute error.","type":"InternalServerError","code":500}}\n\ndata: [DONE]\n\n',
        b'error: {"code":500,"message":"Compute error.","type":"server_error"}\n\n',
    ):
        reader = StreamReader(ReplyOptions())
        chunks = reader.read(begun + error)
        assert next(chunks).text == "A"
        with pytest.raises(Qwen3ServerError, match="Compute error"):
            next(chunks)
        partial = reader.partial()
        assert partial
        assert partial.content == "A"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b"event: error\ndata: Too many requests, please slow down\n\n", Qwen3RateLimitError),
        (b"event: error\ndata: 503 Service Unavailable\n\n", Qwen3ServerError),
        (b"event: error\ndata: the engine died", Qwen3ServerError),
        (b"data: error: CUDA out of memory\n\n", Qwen3ServerError),
        (b"data: Error: 429 rate limit\n\n", Qwen3RateLimitError),
    ],
)
def test_error_in_plain_words_has_its_kind(event: bytes, kind: type[Exception]):
    """Protects who catches or retries by kind: an error in a server's own words was a bad reply, "not valid JSON"."""
    begun = write_sse(write_events({"content": "A"}, reason=None)[:1], done=False)
    with pytest.raises(kind, match="the server reported an error: "):
        read_stream(begun + event)


@pytest.mark.parametrize(
    "odd",
    [
        b"upstream error: the-cause\n\n",
        b"<html><title>502 the-cause</title></html>\n\n",
        b"Error: the-cause\n\n",
        b"[ERROR] the-cause\n\n",
        b'[{"error": {"message": "the-cause"}}]\n\n',
        b'[\n  {\n"error": {"message": "the-cause"}}]\n\n',
        write_sse([[{"error": {"message": "the-cause"}}]], done=False),
        write_sse(["the-cause"], done=False),
        write_sse([["the-cause"]], done=False),
        write_sse([{"base_resp": {"status_msg": "the-cause"}}], done=False),
    ],
)
@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
@pytest.mark.parametrize("half", ["half an ", ""])
def test_error_names_its_cause_when_an_error_comes_in_an_unknown_form(odd: bytes, end: bytes, half: str):
    """Protects from half an answer for a whole one, and from an error that drops the gateway's own words."""
    begun = write_sse(write_events({"content": half}, reason=None)[:1], done=False)
    options = ReplyOptions(finishes=b"base_resp" in odd)  # a text ends a stream on every server
    with pytest.raises(Qwen3Error) as caught:
        read_stream(begun + odd + end, options)
    assert "the-cause" in f"{caught.value} {caught.value.body}"


EARLY_ERROR = b'{"error": {"message": "the-cause", "code": 429}}'
END = write_sse(write_events())
ONE_PIECE = write_sse(write_events({"content": "half"}, reason=None)[:1], done=False)


@pytest.mark.parametrize("read", [read_stream, read_whole])
@pytest.mark.parametrize(
    "data",
    [
        EARLY_ERROR + b"\n\n" + END,
        b": ping\n\n" + EARLY_ERROR + b"\r\n\r\n" + END,
        json.dumps(json.loads(EARLY_ERROR), indent=2).encode() + b"\n" + END,
        EARLY_ERROR + b"\n\n" + write_sse(write_events({"role": "assistant", "content": ""})),
        EARLY_ERROR + b"\n\n" + write_sse(write_events(reason=None)),
        ONE_PIECE[:-1] + EARLY_ERROR + b"\n\n" + END,
        ONE_PIECE[:-1] + EARLY_ERROR + b"\n\n",
        ONE_PIECE[:-1] + EARLY_ERROR,
    ],
    ids=["end", "heartbeat", "pretty", "role", "usage", "within the first event", "and no end", "and no line break"],
)
def test_raises_when_an_error_without_framing_comes_before_the_first_event_ends(read: Any, data: bytes):
    """Protects from an empty answer, or half of one, where a gateway ends the stream properly after its error."""
    with pytest.raises(Qwen3RateLimitError, match="the-cause"):
        read(data)


@pytest.mark.parametrize("read", [read_stream, read_whole])
@pytest.mark.parametrize(
    ("early", "events", "content"),
    [
        (json.dumps(write_body({"content": "whole"})).encode(), [], "whole"),
        (EARLY_ERROR, [{"content": "ok"}], "ok"),  # one upstream failed, and another one answered
        (b'{"warning": "slow"}', [{"content": "ok"}], "ok"),
        (b'{"warning": "slow"}', [], ""),
        (b"Loading the model\nfoo: bar", [{"content": "ok"}], "ok"),
        (b"Loading the model", [], ""),
        (b"[1]", [], ""),
        (b'{"half": ', [], ""),
    ],
)
@pytest.mark.parametrize("opened", [False, None])  # where it is unknown, the answer is held until the end
def test_answer_is_read_when_something_without_framing_comes_before_it(
    read: Any, early: bytes, events: list[dict[str, Any]], content: str, *, opened: bool | None
):
    """Protects a good answer behind a gateway's own line, and a whole reply that a gateway ends like a stream."""
    data = early + b"\n\n" + write_sse(write_events(*events))
    assert read(data, ReplyOptions(opened=opened)).content == content


def test_error_shows_the_cause_that_came_in_place_of_a_chunk():
    """Protects whoever reads only the error's text."""
    begun = write_sse(write_events({"content": "half"}, reason=None)[:1], done=False)
    for data in (begun + b"upstream error: the-cause\n\n", write_sse([{"err": "the-cause"}]), write_sse(["the-cause"])):
        with pytest.raises(Qwen3Error, match="the-cause"), ErrorTranslator("generic", "http://x/v1", "m"):
            read_stream(data)


def test_raises_when_an_event_is_no_json():
    """Protects against text lost in silence."""
    reader = StreamReader(ReplyOptions())
    chunks = reader.read(write_sse(write_events({"content": "A"}), done=False) + b"data: {'choices'}\n\n")
    assert next(chunks).text == "A"
    with pytest.raises(BadReplyError):
        next(chunks)


def test_stream_is_whole_when_only_one_sign_of_its_end_came():
    """Protects servers that leave out `[DONE]`, the finish reason, the usage or the last blank line."""
    events = write_events({"content": "A"})
    for data in (
        write_sse(events, done=False),
        write_sse(events[:-1], done=False),
        write_sse(events[:-1], done=False).rstrip(),
        write_sse(write_events({"content": "A"}, reason=None)),
    ):
        assert read_stream(data).content == "A"


@pytest.mark.parametrize("finishes", [False, True])
@pytest.mark.parametrize(
    ("choice", "content"),
    [
        ({"message": {"role": "assistant", "content": "A"}}, "A"),
        ({"message": {"role": "assistant", "content": "A"}, "finish_reason": None}, "A"),
        ({"message": {"role": "assistant", "content": "", "reasoning_content": "B"}}, ""),
        ({"index": 0, "delta": {"content": ""}, "message": {"content": "A"}}, "A"),
        ({"index": 0, "delta": None, "message": {"content": "A"}}, "A"),
    ],
)
@pytest.mark.parametrize("envelope", [None, "data"])
@pytest.mark.parametrize("read", [read_stream, read_whole])
def test_whole_reply_needs_no_reason_where_a_stream_was_asked(
    read: Any, choice: dict[str, Any], content: str, envelope: str | None, *, finishes: bool
):
    """Protects small servers of one's own, which ignore `stream` and write no reason: a JSON document is complete."""
    body = {"choices": [choice]}
    data = json.dumps({"code": 0, envelope: body} if envelope else body).encode()
    assert read(data, ReplyOptions(finishes=finishes)).content == content


@pytest.mark.parametrize("message", [None, {}, {"role": "assistant", "content": None}, {"tool_calls": []}])
@pytest.mark.parametrize(
    ("read", "kind", "text"),
    [(read_stream, StreamCutError, "without a finish_reason"), (read_whole, BadReplyError, "is empty")],
)
def test_whole_reply_is_no_answer_when_it_says_nothing_and_has_no_reason(
    read: Any, kind: Any, text: str, message: dict[str, Any] | None
):
    """Protects from an empty answer where a gateway lost the server's error: only `invoke` raised."""
    with pytest.raises(kind, match=text):
        read(json.dumps({"choices": [{"message": message}]}).encode())


def test_line_with_a_delta_is_a_cut_stream_when_no_reason_comes():
    """Protects from half an answer where a server writes one JSON value a line, and only the first one came."""
    with pytest.raises(StreamCutError, match="without a finish_reason"):
        read_stream(json.dumps({"choices": [{"delta": {"content": "A"}}]}).encode())


def test_cut_stream_has_what_arrived_when_its_end_is_missing():
    """Protects invariant 4: thinking, held-back text, calls and usage reach `partial`, a half call as invalid."""
    whole = {"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": "{}"}}
    half = {"index": 1, "id": "c2", "function": {"name": "get_weather", "arguments": '{"city": "Bei'}}
    events = write_events({"reasoning": "A\n"}, {"content": "B <"}, {"tool_calls": [whole]}, {"tool_calls": [half]})[
        :-2
    ]
    events[-1]["usage"] = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    reader = StreamReader(ReplyOptions(tools=(TOOL,)))
    assert list(reader.read(write_sse(events, done=False)))
    with pytest.raises(StreamCutError, match="without a finish_reason"):
        reader.end()
    partial = reader.partial()
    assert partial
    assert partial.content == "B <"
    assert partial.additional_kwargs == {"reasoning_content": "A"}
    assert [call["id"] for call in partial.tool_calls] == ["c1"]
    assert [call["id"] for call in partial.invalid_tool_calls] == ["c2"]
    assert partial.usage_metadata == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert partial.response_metadata["model_name"] == "q"
    assert set(partial.response_metadata["tool_call_errors"]) == {"c2"}
    assert partial.response_metadata["finish_reason"] is None
    assert reader.partial() == partial


HALF_CALL = {"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": '{"city": ["a", "'}}


@pytest.mark.parametrize(
    ("begun", "last"),
    [
        ({"content": "A"}, {"content": "B"}),
        ({"content": "A"}, {"content": "B <"}),
        ({"reasoning": "A"}, {"reasoning": "B"}),
        ({"reasoning": "A"}, {"content": "B"}),
        ({"content": "A"}, {"tool_calls": [HALF_CALL]}),
        ({"tool_calls": [HALF_CALL]}, {"tool_calls": [{"index": 0, "function": {"arguments": '{"'}}]}),
        ({}, {"content": "B"}),
    ],
)
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("gap", [b"", b"\n", b"\r\n", None], ids=["no line break", "LF", "CRLF", "no blank lines"])
def test_last_event_is_in_the_chunks_and_in_partial_when_its_blank_line_is_missing(
    begun: dict[str, Any], last: dict[str, Any], gap: bytes | None, *, lost: bool
):
    """Protects what arrived last before a cut: otherwise the sum of the chunks has a hole, or half a call as whole."""
    events = write_events(begun, last)[:2]
    right = StreamReader(ReplyOptions(tools=(TOOL,)))
    list(right.read(write_sse(events, done=False)))
    data = write_sse(events, done=False).removesuffix(b"\n\n") + (gap or b"")
    reader = StreamReader(ReplyOptions(tools=(TOOL,)))
    chunks = [*reader.read(data.replace(b"\n\n", b"\n") if gap is None else data)]
    if not lost:
        with pytest.raises(StreamCutError):
            reader.end()
    total, partial = add_up([*chunks, *reader.abort()]), reader.partial()
    assert partial == right.partial()
    assert (total.content, total.additional_kwargs) == (partial.content, partial.additional_kwargs)
    assert [call["id"] for call in total.invalid_tool_calls] == [call["id"] for call in partial.invalid_tool_calls]
    assert not total.tool_calls
    assert "".join(call["args"] or "" for call in total.tool_call_chunks).startswith(
        "".join(call["args"] or "" for call in partial.invalid_tool_calls)
    )


LINES = [json.dumps(event) for event in write_events({"reasoning": "A"}, {"content": "B"}, {"content": "C"})[:3]]


@pytest.mark.parametrize(
    ("lines", "content"), [(LINES, "BC"), ([*LINES[:2], LINES[2][:-5]], "B"), ([*LINES, ""], "BC")]
)
@pytest.mark.parametrize("end", ["reset", "end", "whole"])
def test_lines_of_json_are_in_partial_when_they_are_cut(lines: list[str], content: str, end: str):
    """Protects what arrived from a server that writes one JSON value per line in place of events."""
    data = "\n".join(lines).encode()
    reader = StreamReader(ReplyOptions())
    assert list(reader.read(data)) == []
    partial = None
    if end == "reset":
        partial = add_up(reader.abort()) and reader.partial()
    else:
        with pytest.raises(StreamCutError) as caught:
            reader.end() if end == "end" else read_whole(data)
        partial = reader.partial() if end == "end" else caught.value.partial
    assert partial is not None
    assert (partial.content, partial.additional_kwargs) == (content, {"reasoning_content": "A"})


@pytest.mark.parametrize(
    ("events", "options", "content", "reasoning"),
    [
        ([{"content": "<think>A</thi"}], {}, "", "A</thi"),
        ([{"content": "<thi"}], {}, "<thi", None),
        ([{"reasoning": "A"}], {"thinking_off": True}, "", "A"),
        ([{"reasoning": "A"}, {"content": "B"}], {"return_reasoning": False}, "B", None),
    ],
)
def test_partial_holds_what_was_held_back_when_the_stream_was_cut(
    events: list[dict[str, Any]], options: dict[str, Any], content: str, reasoning: str | None
):
    """Protects what arrived but was not certain yet."""
    reader = StreamReader(ReplyOptions(**options))
    assert list(reader.read(write_sse(write_events(*events)[: len(events)], done=False))) is not None
    partial = reader.partial()
    assert partial
    assert (partial.content, partial.additional_kwargs.get("reasoning_content")) == (content, reasoning)


def test_partial_is_none_when_nothing_arrived():
    """Protects `error.partial`: None stands for nothing."""
    reader = StreamReader(ReplyOptions())
    assert list(reader.read(b": ping\n\n")) == []
    with pytest.raises(StreamCutError):
        reader.end()
    assert reader.partial() is None


USAGE_PLACES = {
    "the choice": {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]},
    "the delta": {"choices": [{"index": 0, "delta": {"usage": USAGE}, "finish_reason": "stop"}]},
    "x_groq": {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": USAGE}},
    "other names": {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"input_tokens": 3, "output_tokens": 4},
    },
}


@pytest.mark.parametrize("place", USAGE_PLACES)
def test_usage_is_found_when_it_is_in_another_place(place: str):
    """Protects token accounting: some gateways put usage into the choice, or name it as Anthropic does."""
    event = USAGE_PLACES[place]
    text = {"choices": [{"index": 0, "delta": {"content": "A"}}]}
    message = read_stream([text, event])
    expected = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert message.usage_metadata == expected
    choice = {**event["choices"][0], "message": {"content": "A", **event["choices"][0]["delta"]}}
    assert read_whole({**event, "choices": [choice]}).usage_metadata == expected


@pytest.mark.parametrize("index", ["0", None])
def test_stream_is_read_when_its_index_is_no_number(index: str | None):
    """Protects against gateways that write every number as text."""
    events = [{"choices": [{"index": index, "delta": {"content": text}}]} for text in "AB"]
    events.append({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})
    assert read_stream(events).content == "AB"


CALL_TEXT = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
ROME = {
    "index": 0,
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
}
SAME = {"id": "c9", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
OSLO = {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
NOW = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
NOW_CALLS = [{"id": name, "function": {"name": "now", "arguments": text}} for name, text in (("c1", ""), ("c9", "{}"))]
OFF = {"thinking_off": True}
# Each row: deltas, the message after them, options, and the content, reasoning and cities (or names) of the calls.
REPEATED: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    "text": ([{"content": "A"}, {"content": "B"}], {"content": "AB"}, {}, ("AB", None, [])),
    "more text": (
        [{"content": "The answer "}, {"content": "is "}],
        {"content": "The answer is 42."},
        {},
        ("The answer is 42.", None, []),
    ),
    "more text behind template newlines": ([{"content": "\n\nA"}], {"content": "A\nB"}, {}, ("\n\nA\nB", None, [])),
    "reasoning": (
        [{"reasoning_content": "R"}, {"content": "AB"}],
        {"reasoning_content": "R", "content": "AB"},
        {},
        ("AB", "R", []),
    ),
    "newlines of the template": (
        [{"reasoning": "\nR\n"}, {"content": "\n\nA"}, {"content": "B\n"}],
        {"reasoning": "\nR\n", "content": "\n\nAB\n"},
        {},
        ("AB\n", "R", []),
    ),
    "another name of the field": (
        [{"reasoning": "R"}, {"content": "A"}],
        {"reasoning_content": "R", "content": "A"},
        {},
        ("A", "R", []),
    ),
    "inline thinking": (
        [{"content": "<think>\nR\n</thi"}, {"content": "nk>\n\nA"}],
        {"content": "<think>\nR\n</think>\n\nA"},
        {},
        ("A", "R", []),
    ),
    "inline thinking, then a field": (
        [{"content": "<think>R</think>A"}],
        {"content": "A", "reasoning": "R"},
        {},
        ("A", "R", []),
    ),
    "thinking without its opening tag": (
        [{"content": "R\n"}, {"content": "</think>\n\nA"}],
        {"content": "R\n</think>\n\nA"},
        {"opened": None},
        ("A", "R", []),
    ),
    "text that is held": ([{"content": "A"}], {"content": "A"}, {"opened": None}, ("A", None, [])),
    "a possible tag": ([{"content": "A <"}], {"content": "A <"}, {}, ("A <", None, [])),
    "an answer in the wrong field": (
        [{"reasoning": "A"}, {"reasoning": "B"}],
        {"reasoning": "AB", "content": ""},
        OFF,
        ("AB", None, []),
    ),
    "parts": ([{"content": "A"}], {"content": [{"type": "text", "text": "A"}]}, {}, ("A", None, [])),
    "a call in the text": (
        [{"content": CALL_TEXT[:20]}, {"content": CALL_TEXT[20:]}],
        {"content": CALL_TEXT},
        {},
        ("", None, ["Rome"]),
    ),
    "a call after text": (
        [{"content": "A "}, {"content": CALL_TEXT}],
        {"content": f"A {CALL_TEXT}"},
        {},
        ("A ", None, ["Rome"]),
    ),
    "a call in the text, then parsed": (
        [{"content": CALL_TEXT}],
        {"content": None, "tool_calls": [SAME]},
        {},
        ("", None, ["Rome"]),
    ),
    "a call": ([{"tool_calls": [ROME]}], {"content": None, "tool_calls": [ROME]}, {}, ("", None, ["Rome"])),
    "a call, another id": ([{"tool_calls": [ROME]}], {"tool_calls": [SAME]}, {}, ("", None, ["Rome"])),
    "a call, no list": ([{"tool_calls": [ROME]}], {"tool_calls": SAME}, {}, ("", None, ["Rome"])),
    "a call without arguments": (
        [{"tool_calls": NOW_CALLS[:1]}],
        {"tool_calls": NOW_CALLS[1:]},
        {"tools": (NOW,)},
        ("", None, ["now"]),
    ),
    # What only the message says is read.
    "nothing before": ([{"role": "assistant", "content": ""}], {"content": "AB"}, {}, ("AB", None, [])),
    "blanks before": ([{"content": " "}, {"content": "\n"}], {"content": "AB"}, {}, (" \nAB", None, [])),
    "an answer after reasoning": ([{"reasoning": "R"}], {"reasoning": "R", "content": "A"}, {}, ("A", "R", [])),
    "a call after text that is new": (
        [{"content": "A"}],
        {"content": "A", "tool_calls": [ROME]},
        {},
        ("A", None, ["Rome"]),
    ),
    "a call among the parts": (
        [{"content": "A"}],
        {
            "content": [
                {"type": "text", "text": "A"},
                {"type": "tool_use", "name": "get_weather", "input": {"city": "X"}},
            ]
        },
        {},
        ("A", None, ["X"]),
    ),
    "one more call": ([{"tool_calls": [ROME]}], {"tool_calls": [SAME, OSLO]}, {}, ("", None, ["Rome", "Oslo"])),
    "the arguments of a call": (
        [{"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": ""}}]}],
        {"tool_calls": [ROME]},
        {},
        ("", None, ["Rome"]),
    ),
}


@pytest.mark.parametrize("end", ["with the reason", "before the reason", "after the reason"])
@pytest.mark.parametrize("case", REPEATED)
def test_text_comes_once_when_an_event_repeats_the_whole_message(case: str, end: str):
    """Protects from a doubled answer and tools that run twice: some gateways end deltas with the whole message."""
    deltas, message, options, expected = REPEATED[case]
    events = write_events(*deltas)
    whole = {"choices": [{"index": 0, "message": {"role": "assistant", **message}}]}
    if end == "with the reason":
        whole["choices"][0]["finish_reason"] = "stop"
        events[-2] = whole
    else:
        events.insert(-2 if end == "before the reason" else -1, whole)
    read = read_stream(events, ReplyOptions(**{"tools": (TOOL,), **options}))
    calls = [call["args"].get("city", call["name"]) for call in read.tool_calls]
    assert (read.content, read.additional_kwargs.get("reasoning_content"), calls) == expected
    assert read.invalid_tool_calls == []
    assert read.response_metadata["finish_reason"] == ("tool_calls" if calls else "stop")


def test_other_fields_come_once_when_an_event_repeats_the_whole_message():
    """Protects what goes back to the server: details and citations are neither doubled nor lost."""
    details = [{"type": "reasoning.text", "text": "R", "index": 0}]
    deltas = [{"reasoning": "R", "reasoning_details": details}, {"content": "A"}]
    events = write_events(*deltas)
    message = {"content": "A", "reasoning": "R", "reasoning_details": details, "citations": ["x"]}
    events[-2] = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    kwargs = {"reasoning_content": "R", "reasoning_details": details, "citations": ["x"]}
    assert read_stream(events).additional_kwargs == kwargs


@pytest.mark.parametrize(
    "begun", [[], [{"delta": {"role": "assistant", "content": ""}}], [{"message": {"content": ""}}]]
)
@pytest.mark.parametrize(
    "nothing",
    [
        *({}, {"delta": None}, {"delta": {}}, {"delta": None, "text": None}),
        *(
            {"delta": {"role": None, "content": None}},
            {"delta": {"role": "assistant", "content": "", "tool_calls": []}},
        ),
    ],
    ids=str,
)
def test_each_message_is_a_piece_when_no_delta_has_text(begun: list[dict[str, Any]], nothing: dict[str, Any]):
    """Protects the text of servers that write `message` for `delta`, and of those that write every field."""
    pieces = [{"message": {"content": "ha", "annotations": [at]}} for at in (1, 2)]
    end = {"message": {}, "finish_reason": "stop"}
    choices = [{"index": 0, **nothing, **choice} for choice in [*begun, *pieces, end]]
    message = read_stream([{"choices": [choice]} for choice in choices])
    assert (message.content, message.additional_kwargs["annotations"]) == ("haha", [1, 2])
    choices[-2]["finish_reason"] = "stop"
    assert read_stream([{"choices": [choice]} for choice in choices[:-1]]).content == "haha"


@pytest.mark.parametrize(
    "nothing",
    [
        *({}, {"delta": None}, {"delta": {}, "message": None}, {"delta": {"role": None, "content": None}}),
        {"delta": {"role": "assistant", "content": ""}, "message": {"role": "assistant", "content": None}},
    ],
    ids=str,
)
def test_each_text_is_a_piece_when_no_delta_has_any(nothing: dict[str, Any]):
    """Protects the text of servers that answer in the form of the older completions."""
    choices = [{"index": 0, **nothing, "text": text, "finish_reason": None} for text in ("ha", "ha", "")]
    choices[-1]["finish_reason"] = "stop"
    message = read_stream([{"choices": [choice]} for choice in choices])
    assert (message.content, message.response_metadata["finish_reason"]) == ("haha", "stop")


def test_message_beside_an_empty_delta_adds_nothing_to_deltas_that_said_it():
    """Protects from an answer that stands there twice: some servers repeat it as a whole at the end."""
    message = {"role": "assistant", "content": "haha", "reasoning_content": "R"}
    events = write_events({"reasoning_content": "R"}, {"content": "ha"}, {"content": "ha"}, message=message)
    assert read_stream(events).content == "haha"
    assert read_stream(events).additional_kwargs == {"reasoning_content": "R"}


# A reply, its end, and the reasoning that later replies are read with; None: it does not begin inside the thinking.
OPENINGS: dict[str, tuple[str, str, str | None]] = {
    "a closing tag alone": ("Okay.\nHi.\n</think>\n\nB", "stop", "Okay.\nHi."),
    "a closing tag behind a sentence": ("Okay.</think>\n\nB", "stop", "Okay."),
    "a closing tag before text": ("Okay.</think>B", "stop", None),
    "a closing tag at the end": ("Hello there.</think>", "stop", None),
    "a closing tag as the last line": ("It ends with this line:\n</think>\n", "stop", None),
    "a blank line first": ("\n\nOkay.\n</think>\n\nB", "stop", "Okay."),
    "thinking about the tag": ("It wants `</think>`.\n</think>\n\nB", "stop", "It wants `</think>`."),
    "cut in the answer": ("Okay.\n</think>\n\nB", "length", "Okay."),
    "an answer": ("B", "stop", None),
    "both tags": ("<think>A</think>B", "stop", None),
    "a tag in code": ("Write `</think>` last.", "stop", None),
    "a tag in a fence": ("```\n</think>\n```", "stop", None),
    "a tag in a sentence": ("It ends with </think> there.", "stop", None),
    "both tags in a sentence": ("Between <think> and </think>.", "stop", None),
    "a cut answer": ("Okay. I", "length", None),
    "nothing": ("", "stop", None),
}


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("off", [False, True])
@pytest.mark.parametrize("opening", OPENINGS)
def test_later_streams_are_split_when_one_has_begun_inside_the_thinking(opening: str, size: int, *, off: bool):
    """Protects whoever only streams: Thinking weights behind an alias, or Ollama's qwen3:4b with thinking off.

    Ollama leaves the thinking in the content there (https://github.com/ollama/ollama/issues/12610).
    """
    text, reason, reasoning = OPENINGS[opening]
    pieces = [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    habits = ReplyHabits(False)
    first, *later = (
        read_stream(
            write_events(*pieces, reason=reason), ReplyOptions(opened=habits.opened, habits=habits, thinking_off=off)
        )
        for _ in range(4)
    )
    if reasoning is None:
        assert habits.opened is False
        assert [message.content for message in later] == [first.content] * 3
    else:
        assert habits.opened is True
        assert first.content == text  # nothing was known of the server, and a stream cannot take back what it showed
        for message in later:
            assert (message.additional_kwargs, message.content) == ({"reasoning_content": reasoning}, "B")
    alone = ReplyHabits(False)  # a whole reply teaches the same
    read_whole(write_body({"content": text}, reason), ReplyOptions(opened=False, habits=alone))
    assert alone.opened is (False if reasoning is None else None)
