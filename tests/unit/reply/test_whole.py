"""Whole replies: usage, metadata, and bodies that are no chat completion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from langchain_core.messages import HumanMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import (
    BadReplyError,
    ErrorTranslator,
    Qwen3Error,
    Qwen3PermissionDeniedError,
    Qwen3RateLimitError,
    Qwen3ServerError,
    StreamCutError,
)
from langchain_qwen3.reply.metadata import read_usage
from langchain_qwen3.reply.whole import read_response
from tests.support.replies import (
    USAGE,
    facts,
    load,
    read_stream,
    read_whole,
    respond,
    write_body,
    write_events,
    write_sse,
)
from tests.support.scripted import Scripted

COUNTS = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
READ = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
USAGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": (COUNTS, READ),
    "floats": ({key: float(count) for key, count in COUNTS.items()}, READ),
    "no total": ({"prompt_tokens": 10, "completion_tokens": 20}, READ),
    "vllm": (
        {**COUNTS, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": 24}},
        {**READ, "output_token_details": {"reasoning": 24}},
    ),
    "vllm with prompt details": (
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 4, "created_cache_tokens": 6, "multimodal_tokens": None}},
        {**READ, "input_token_details": {"cache_read": 4, "cache_creation": 6}},
    ),
    "sglang": ({**COUNTS, "reasoning_tokens": 7}, {**READ, "output_token_details": {"reasoning": 7}}),
    "llama.cpp": (
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 0}},
        {**READ, "input_token_details": {"cache_read": 0}},
    ),
    "dashscope": (
        {
            **COUNTS,
            "completion_tokens_details": {"reasoning_tokens": 5, "text_tokens": 15, "audio_tokens": 1},
            "prompt_tokens_details": {"cached_tokens": 2, "cache_creation_input_tokens": 3, "audio_tokens": 1},
        },
        {
            **READ,
            "input_token_details": {"audio": 1, "cache_read": 2, "cache_creation": 3},
            "output_token_details": {"audio": 1, "reasoning": 5},
        },
    ),
    "omlx, Moonshot": ({**COUNTS, "cached_tokens": 4}, {**READ, "input_token_details": {"cache_read": 4}}),
    "DeepSeek": (
        {**COUNTS, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
        {**READ, "input_token_details": {"cache_read": 4}},
    ),
    "SiliconFlow, in both places": (
        {**COUNTS, "prompt_cache_hit_tokens": 0, "prompt_tokens_details": {"cached_tokens": 4}},
        {**READ, "input_token_details": {"cache_read": 4}},
    ),
    "omlx without a hit": ({**COUNTS, "cached_tokens": None}, READ),
    "openrouter": (
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}, "cost": 0.1},
        {**READ, "input_token_details": {"cache_read": 2, "cache_creation": 3}},
    ),
}


@pytest.mark.parametrize("server", USAGES)
def test_reads_usage_when_a_server_reports_it_its_own_way(server: str):
    """Protects token accounting: reasoning and cached tokens of every server, whole and streamed."""
    wire, expected = USAGES[server]
    assert read_usage(wire) == expected
    whole = read_whole(write_body({"content": "A"}) | {"usage": wire})
    events = [*write_events({"content": "A"})[:-1], {"id": "r", "model": "q", "choices": [], "usage": wire}]
    assert whole.usage_metadata == expected
    assert facts(read_stream(events)) == facts(whole)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        [COUNTS],
        "30",
        dict.fromkeys(COUNTS),
        {"prompt_tokens_details": None},
        {"prompt_eval_count": 10, "eval_count": 20},
        {"promptTokens": 10, "completionTokens": 20},
        {"cost": 0.1},
        {"prompt_tokens": "many"},
        {"prompt_tokens": -1},
        {"prompt_tokens": "9" * 400},
    ],
    ids=str,
)
def test_message_has_no_usage_when_the_server_reports_none(usage: Any):
    """Protects against zeros that look like measured usage; what came in its place stays in the metadata."""
    events = [*write_events({"content": "A"})[:-1], {"id": "r", "model": "q", "choices": [], "usage": usage}]
    for message in (read_whole(write_body({"content": "A"}) | {"usage": usage}), read_stream(events)):
        assert message.usage_metadata is None
        kept = {key: value for key, value in usage.items() if value} if isinstance(usage, dict) else {}
        assert message.response_metadata.get("token_usage", {}) == kept


def test_metadata_holds_all_that_is_not_null_when_a_reply_was_recorded():
    """Protects what arrived beside the text, under LangChain's names."""
    recording = load("vllm-parsers/plain_default")
    metadata = read_whole(recording.body or {}).response_metadata
    assert metadata.pop("timing")["total"] > 0
    assert metadata == {
        "id": "chatcmpl-90ec52e005d57430",
        "model_name": "Qwen/Qwen3-0.6B",
        "model_provider": "qwen3",
        "system_fingerprint": "vllm-0.32.0-5245ea67",
        "finish_reason": "stop",
        "token_usage": {
            "prompt_tokens": 11,
            "total_tokens": 60,
            "completion_tokens": 49,
            "completion_tokens_details": {"reasoning_tokens": 24},
        },
    }


def test_metadata_holds_the_headers_only_when_they_are_asked_for():
    """Protects `include_response_headers`, of whole replies and of those a gateway streamed."""
    for body, kind in (
        (json.dumps(write_body({"content": "A"})).encode(), "application/json"),
        (write_sse(write_events({"content": "A"})), "text/event-stream"),
    ):
        response = respond(body, {"x-request-id": "7", "content-type": kind})
        for asked in (True, False):
            result = read_response(response, ReplyOptions(include_headers=asked), 0.0)
            told = {**(result.llm_output or {}), **result.generations[0].message.response_metadata}
            told |= result.generations[0].generation_info or {}
            assert told.get("headers", {}).get("x-request-id") == ("7" if asked else None)


def test_logprobs_of_a_stream_add_up_when_they_come_in_pieces():
    """Protects `logprobs` and vLLM's `token_ids`: the stream's are the whole reply's, in order."""
    logprobs = [{"token": token, "logprob": -0.5, "top_logprobs": []} for token in "AB"]
    extra = {"logprobs": {"content": logprobs}, "token_ids": [1, 2]}
    body = write_body({"content": "AB"})
    body["choices"][0] |= extra
    events = write_events({"content": "A"}, {"content": "B"})
    events[0]["choices"][0] |= {"logprobs": {"content": logprobs[:1]}, "token_ids": [1]}
    events[1]["choices"][0] |= {"logprobs": {"content": logprobs[1:]}, "token_ids": [2]}
    whole = read_whole(body)
    assert whole.response_metadata["logprobs"] == extra["logprobs"]
    assert facts(read_stream(events)) == facts(whole)


@pytest.mark.parametrize(
    ("pieces", "total"),
    [
        ([-0.5, -0.7], [-0.5, -0.7]),
        ([-0.5], -0.5),
        (["A", "B"], ["A", "B"]),
        ([[{"token": "A"}], [{"token": "B"}]], [{"token": "A"}, {"token": "B"}]),
        ([{"mean": -0.5}, {"mean": -0.7}], [{"mean": -0.5}, {"mean": -0.7}]),
        ([{"content": [1]}, {"content": None}, {"content": [2]}], {"content": [1, 2]}),
        ([{"content": [1]}, [2]], {"content": [1, 2]}),
        ([{"content": [1]}, -0.5], {"content": [1, -0.5]}),
        ([[1], {"content": [2]}], [1, {"content": [2]}]),
        ([-0.5, {"content": [2]}], [-0.5, {"content": [2]}]),
    ],
    ids=str,
)
@pytest.mark.parametrize("field", ["logprobs", "token_ids"])
def test_stream_is_read_when_its_logprobs_have_another_form(field: str, pieces: list[Any], total: Any):
    """Protects streams from a raw TypeError of core, which adds up neither numbers nor pieces of two types."""
    events = write_events(*({"content": "A"} for _ in pieces))
    for event, piece in zip(events, pieces, strict=False):
        event["choices"][0][field] = piece
    assert read_stream(events).response_metadata[field] == total


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html><title>502</title>", "an HTML page"),
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"upstream connect error", "invalid JSON"),
        (b'{"choices": [{"mess', "invalid JSON"),
        (b"{}", "no choices"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": null}', "no choices"),
        (b"[]", "no choices"),
        (b'"text"', "no choices"),
        (b'{"choices": ["text"]}', "not a chat completion"),
        (b'{"choices": [{"message": "text"}]}', "not a chat completion"),
        (b'{"choices": [{"message": {"content": "A", "tool_calls": [1]}}]}', "not a chat completion"),
    ],
)
def test_raises_when_a_body_with_status_200_is_no_chat_completion(body: bytes, said: str):
    """Protects against pages and fragments taken for an answer: the error says what came and keeps its start."""
    with pytest.raises(BadReplyError, match=said) as caught:
        read_response(respond(body), ReplyOptions(), 0.0)
    assert caught.value.body is not None


@pytest.mark.parametrize("ask", [read_whole, read_stream])
@pytest.mark.parametrize(
    ("body", "kind"), [('{"error": {"message": "余额不足"}}', Qwen3PermissionDeniedError), ("余额不足", BadReplyError)]
)
def test_error_with_status_200_may_be_in_a_gb_encoding(ask: Any, body: str, kind: type[Qwen3Error]):
    """Protects users of a gateway on a Chinese Windows: the error was unreadable, and of the wrong kind."""
    with pytest.raises(kind) as caught:
        ask(body.encode("gb2312"))
    assert "余额不足" in f"{caught.value} {caught.value.body}"


ERRORS: dict[str, tuple[dict[str, Any], type[Qwen3Error]]] = {
    "openai": ({"error": {"message": "boom", "code": 500}}, Qwen3ServerError),
    "text": ({"error": "boom"}, Qwen3ServerError),
    "flat": ({"object": "error", "message": "boom", "code": 500}, Qwen3ServerError),
    "detail": ({"detail": "boom"}, Qwen3ServerError),
    "dashscope's own": ({"code": "Throttling.RateQuota", "message": "boom"}, Qwen3RateLimitError),
    "openrouter": (
        {"error": {"code": 429, "message": "boom"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
        Qwen3RateLimitError,
    ),
    "of the choice": (
        {
            "choices": [
                {"delta": {}, "message": {}, "finish_reason": "error", "error": {"code": 502, "message": "boom"}}
            ]
        },
        Qwen3ServerError,
    ),
    "error_finish": (
        {"choices": [{"delta": {"content": "boom: Throttling"}, "finish_reason": "error_finish"}]},
        Qwen3RateLimitError,
    ),
}


@pytest.mark.parametrize("shape", ERRORS)
def test_raises_the_right_kind_when_a_body_or_an_event_is_an_error(shape: str):
    """Protects against errors with status 200 that look like an answer, whole and in a stream."""
    body, kind = ERRORS[shape]
    with pytest.raises(kind, match="boom"):
        read_response(respond(body), ReplyOptions(), 0.0)
    for before in ([], write_events({"content": "A"})[:1]):
        with pytest.raises(kind, match="boom"):
            read_stream([*before, body])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "tool_calls", "function", "usage", "finish_reason"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(body=JSON)
@settings(max_examples=200)
def test_raises_nothing_but_our_errors_when_the_wire_is_nonsense(body: Any):
    """Protects callers' except clauses: whatever JSON a server sends, the failure is a bad reply."""
    for read in (
        lambda: read_response(respond(json.dumps(body).encode()), ReplyOptions(), 0.0),
        lambda: read_stream([body]),
        lambda: read_stream([{"choices": [{"delta": body}]}]),
    ):
        try:
            read()
        except Qwen3Error:
            continue


def test_reads_an_event_stream_when_a_whole_reply_was_asked_for():
    """Protects gateways that stream whatever was asked for."""
    events = write_sse(write_events({"reasoning": "A"}, {"content": "B"}))
    result = read_response(respond(events, {"content-type": "text/event-stream; charset=utf-8"}), ReplyOptions(), 0.0)
    message = result.generations[0].message
    assert message.content == "B"
    assert message.additional_kwargs == {"reasoning_content": "A"}
    assert message.usage_metadata == {  # type: ignore[attr-defined]
        "input_tokens": USAGE["prompt_tokens"],
        "output_tokens": USAGE["completion_tokens"],
        "total_tokens": USAGE["total_tokens"],
    }


_BEGUN = write_sse(write_events({"reasoning": "A"}, {"content": "B"}, reason=None)[:2], done=False)


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        (b"", StreamCutError),
        (b'data: {"choices": [{"del', StreamCutError),
        (write_sse([{"error": {"message": "it broke", "code": 500}}], done=False), Qwen3ServerError),
        (b'data: {"choices": [{"deldata: {"error": {"message": "it broke", "code": 429}}\n\n', Qwen3RateLimitError),
        (b"data: half an event\n\n" + write_sse(write_events({"content": "C"})), BadReplyError),
    ],
)
def test_error_has_what_arrived_when_a_stream_came_in_place_of_a_whole_reply(rest: bytes, kind: type[Qwen3Error]):
    """Protects `invoke` behind a gateway that always streams: `partial` holds what arrived, as it does for `stream`."""
    with pytest.raises(kind) as caught:
        read_whole(_BEGUN + rest)
    partial = caught.value.partial
    assert partial is not None
    assert (partial.content, partial.additional_kwargs) == ("B", {"reasoning_content": "A"})


def test_remedy_is_named_when_litellm_hides_a_refusal():
    """Protects users behind LiteLLM: it answers `null` with status 200 where the server behind it sent a 422."""
    with (
        pytest.raises(BadReplyError, match=r"the reply is null .*\n.*set server="),
        ErrorTranslator("litellm", "http://pod.test/v1", "m"),
    ):
        read_response(respond(b"null"), ReplyOptions(), 0.0)


_LINES = [json.dumps(event).encode() for event in write_events({"content": "A"}, {"content": "B"})]


@pytest.mark.parametrize(
    "body",
    [
        b"\n".join(_LINES),
        b"\r\n".join(_LINES) + b"\r\n",
        b"\n".join([*_LINES, b"[DONE]", b""]),
        b"\n".join([*_LINES, b"", b"[DONE]"]),
        b"\n" * 2000 + write_sse(write_events({"content": "A"}, {"content": "B"})),
        b" \r\n" * 700 + b": ping\n\n" + write_sse(write_events({"content": "A"}, {"content": "B"})),
        b"\n" * 2000 + json.dumps(write_body({"content": "AB"})).encode(),
        json.dumps(write_body({"content": "AB"}), indent=1).encode(),
    ],
)
def test_reads_one_body_alike_whatever_was_asked_for(body: bytes):
    """Protects `invoke` from a gateway that always streams, in lines or behind blank ones, as `stream` is protected."""
    assert (read_whole(body).content, read_stream(body).content) == ("AB", "AB")
    assert read_whole(body).response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("end", [b"", b"\n\ndata: [DONE]\n\n"])
@pytest.mark.parametrize("text", ["{'a': 1}\n{'b': 2}", "An event:\ndata: x\n\ndata: [DONE]"])
def test_reads_a_whole_reply_whose_text_holds_lines_of_a_stream(text: str, end: bytes):
    """Protects an answer with raw newlines in its string, and the second of two, from being read as a stream."""
    body = write_body({"content": text.replace("\n", "@")})
    data = json.dumps({**body, "choices": body["choices"] * 2}).encode().replace(b"@", b"\n") + end
    assert [read_whole(data, which=which).content for which in (0, 1)] == [text, text]


@pytest.mark.parametrize("reason", [None, "", "null"])
@pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, {}, {"role": "assistant", "tool_calls": []}])
def test_empty_reply_without_a_reason_is_an_error(message: dict[str, Any], reason: str | None):
    """Protects from a silent empty answer where a gateway lost the server's error; such a stream is an error, too."""
    for choices in ([message], [message, message]):
        body = write_body({})
        body["choices"] = [{"message": {"role": "assistant", **one}, "finish_reason": reason} for one in choices]
        with pytest.raises(BadReplyError, match="empty and has no finish_reason"):
            read_whole(body)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"content": ""}, "stop"),
        ({"content": None}, "length"),
        ({"content": "A"}, None),
        ({"content": None, "reasoning": "T"}, None),
        ({"content": None, "refusal": "R"}, None),
        ({"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, None),
        ({"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}]}, None),
    ],
)
def test_reply_with_anything_in_it_is_no_error(message: dict[str, Any], reason: str | None):
    """Protects replies of servers that never give a reason, and an empty answer that the model meant."""
    assert read_whole(write_body(message, reason)).content == (message["content"] or "")


@pytest.mark.parametrize("arguments", ['{"city": "Ro', "[1]", "", "{}}", '{"a": 1} and'])
@pytest.mark.parametrize("reason", ["length", "tool_calls"])
def test_invalid_arguments_are_the_models_own_in_a_streamed_body(arguments: str, reason: str):
    """Protects people who read what the model wrote, and what is wrong: a whole message has both, however it came."""
    good = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a": 1}'}}
    bad = {"index": 1, "id": "b", "function": {"name": "f", "arguments": arguments}}
    streamed = read_whole(write_sse(write_events({"tool_calls": [good, bad]}, reason=reason)))
    whole = read_whole(write_body({"content": "", "tool_calls": [good, bad]}, reason))
    assert streamed.tool_calls == whole.tool_calls
    assert [call["args"] for call in streamed.invalid_tool_calls] == [arguments]
    for message in (streamed, whole):
        reasons = [*message.response_metadata["tool_call_errors"].values()]
        assert [call["error"] for call in message.invalid_tool_calls] == reasons
    assert facts(streamed) == facts(whole)


@pytest.mark.parametrize("call", ["generate", "agenerate"])
@pytest.mark.parametrize("server", ["vllm", "dashscope", "ollama"])
async def test_callbacks_find_the_usage_when_the_server_has_to_stream(server: str, call: str):
    """Protects who counts tokens by `llm_output`: DashScope streams inside, unasked."""
    with Scripted(lambda _: {"content": "A"}) as scripted:
        model = ChatQwen3(model="qwen3-8b", base_url=scripted.url, server=server, api_key="k")
        result = getattr(model, call)([[HumanMessage("q")], [HumanMessage("q")]])
        result = await result if call == "agenerate" else result
    assert result.llm_output["token_usage"] == {name: 2 * count for name, count in USAGE.items()}
    assert result.generations[0][0].message.usage_metadata["total_tokens"] == USAGE["total_tokens"]


def test_result_has_the_usage_when_the_body_is_a_stream():
    """Protects the same where a gateway streams although nobody asked."""
    body = write_sse(write_events({"content": "A"}))
    assert (read_response(respond(body), ReplyOptions(), 0.0).llm_output or {})["token_usage"] == USAGE


@pytest.mark.parametrize("usage", ["inside", "beside"])
@pytest.mark.parametrize("key", ["data", "result", "response", "output"])
@pytest.mark.parametrize(
    "said",
    [
        {"code": 0, "msg": "success", "errors": []},
        {"code": 1, "msg": "success"},
        {"code": 20000, "message": "操作成功"},
        {"success": True, "message": "done"},
    ],
    ids=str,
)
def test_reply_in_an_envelope_is_read(said: dict[str, Any], key: str, usage: str):
    """Protects answers behind gateways that put every reply, and every event, into an object of their own."""

    def wrap(reply: dict[str, Any]) -> dict[str, Any]:
        beside = {}
        if usage == "beside":
            beside, reply = {"usage": reply.get("usage")}, {**reply, "usage": None}
        return {**said, **beside, key: reply}

    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    whole = read_whole(wrap(write_body({"content": "A", "reasoning_content": "R", "tool_calls": [call]})))
    deltas = ({"reasoning_content": "R"}, {"content": "A"}, {"tool_calls": [call]})
    assert facts(read_stream([wrap(event) for event in write_events(*deltas)])) == facts(whole)
    assert (whole.content, whole.usage_metadata is None, len(whole.tool_calls)) == ("A", False, 1)


def test_reply_that_is_json_in_json_is_read():
    """Protects answers of Java services that serialize a text once more: the error showed a reply with choices."""
    whole = read_whole(json.dumps(json.dumps(write_body({"content": "A", "reasoning_content": "R"}))).encode())
    events = [json.dumps(event) for event in write_events({"reasoning_content": "R"}, {"content": "A"})]
    assert facts(read_stream(events)) == facts(whole)
    assert (whole.content, whole.additional_kwargs) == ("A", {"reasoning_content": "R"})
    for body in (
        {"code": 0, "data": json.dumps(write_body({"content": "A"}))},
        json.dumps(write_body({"content": "A"})),
    ):
        assert read_whole(json.dumps(body).encode()).content == read_stream([body]).content == "A"
    assert read_whole(json.dumps(json.dumps(write_body({"content": "\ud83d"}))).encode()).content == "\ufffd"
    for read in (read_whole, read_stream):
        with pytest.raises(Qwen3ServerError, match="the-cause"):
            read(write_sse([json.dumps({"error": {"message": "the-cause"}})]))
        with pytest.raises(BadReplyError):
            read(write_sse(["{half"]))


@pytest.mark.parametrize(
    "envelope",
    [
        {"code": 0, "data": {"choices": [], "error": {"message": "the-cause"}}},
        {"code": 0, "data": {"choices": [{"finish_reason": "error_finish", "message": {"content": "the-cause"}}]}},
        {"code": 500, "msg": "the-cause", "data": {"choices": []}},
        {"code": 500, "msg": "the-cause", "data": {"choices": [{"message": {"content": "A"}}]}},
        {"code": 0, "data": {"choices": []}, "note": "the-cause"},
        {"code": 0, "data": [{"choices": []}], "note": "the-cause"},
    ],
    ids=str,
)
def test_error_in_an_envelope_is_told(envelope: dict[str, Any]):
    """Protects from "no choices: success": what such an object says is in the error."""
    with pytest.raises(Qwen3Error) as caught:
        read_whole(envelope)
    assert "the-cause" in f"{caught.value} {caught.value.body}"


def write_speech(data: str, reason: str | None) -> dict[str, Any]:
    """Return an event with speech as vLLM-Omni writes it."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": data}, "finish_reason": reason}
    return {"choices": [choice], "modality": "audio", "usage": {"prompt_tokens": 3, "completion_tokens": 0}}


TEXT = [{**event, "modality": "text"} for event in write_events({"content": "A"}, {"content": "B"}, reason=None)[:2]]
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "modality": "text"}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([*TEXT, write_speech("UQ==", None), write_speech("Ug==", "stop")], ("AB", ["UQ==", "Ug=="], "stop")),
        (
            [TEXT[0], write_speech("UQ==", "stop"), TEXT[1], write_speech("Ug==", "stop")],
            ("AB", ["UQ==", "Ug=="], "stop"),
        ),
        ([*TEXT, END, write_speech("UQ==", "stop")], ("AB", ["UQ=="], "length")),
        ([write_speech("UQ==", "stop")], ("", ["UQ=="], "stop")),
        ([*TEXT, write_speech("", "stop")], ("AB", [], "stop")),
    ],
)
def test_streamed_speech_is_no_text(events: list[Any], expected: tuple[str, list[str], str]):
    """Protects answers of Qwen3-Omni on vLLM-Omni, which streams speech unasked: its base64 stood in the text."""
    message = read_stream([*events, {"choices": [], "usage": USAGE}])
    audio = [piece["data"] for piece in message.additional_kwargs.get("audio", [])]
    assert (message.content, audio, message.response_metadata["finish_reason"]) == expected
    assert "modality" not in message.response_metadata
    assert message.usage_metadata
    assert message.usage_metadata["output_tokens"] == USAGE["completion_tokens"]


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SPEECH = {"id": "a", "data": "UQ==", "transcript": ""}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"content": "A"}, {"content": None, "audio": SPEECH}], [("A", {"audio": SPEECH}, 0)]),
        ([{"content": "A"}, {"tool_calls": [CALL]}], [("A", {}, 1)]),
        ([{"content": "A"}, {"content": "B"}], [("A", {}, 0), ("B", {}, 0)]),
        ([{"content": "A"}, {"content": ""}], [("A", {}, 0)]),
        ([{"content": ""}, {"tool_calls": [CALL]}], [("", {}, 1)]),
        ([{"content": "A", "padding": "x"}, {"tool_calls": [CALL], "padding": "y"}], [("A", {}, 1)]),
        ([{"content": "A"}, {"content": "B", "audio": SPEECH}], [("A", {}, 0), ("B", {"audio": SPEECH}, 0)]),
    ],
)
def test_choices_that_say_different_things_are_one_answer(messages: list[Any], expected: list[Any]):
    """Protects speech and calls that come as a choice of their own: `invoke` takes the first one."""
    body = write_body({})
    for indices in ((0, 0), (0, 1), (None, None)):
        pairs = zip(indices, messages, strict=True)
        body["choices"] = [{"index": index, "message": message, "finish_reason": "stop"} for index, message in pairs]
        result = read_response(respond(json.dumps(body).encode()), ReplyOptions(), 0.0)
        read: list[Any] = [generation.message for generation in result.generations]
        assert [(one.content, one.additional_kwargs, len(one.tool_calls)) for one in read] == expected
        several = read_response(respond(json.dumps(body).encode()), ReplyOptions(several=True), 0.0)
        assert len(several.generations) == len(messages)


@pytest.mark.parametrize("reasons", [("stop", "tool_calls"), (None, "tool_calls"), ("stop", "length")])
@pytest.mark.parametrize("index", [0, 1])
def test_parts_of_one_answer_are_the_same_when_they_are_streamed(reasons: tuple[Any, Any], index: int):
    """Protects calls that a stream brings as a choice of their own, and the end of those that were cut."""
    deltas: list[Any] = [{"content": "A"}, {"tool_calls": [{**CALL, "index": 0}]}]
    rows = [*zip((0, index), deltas, reasons, strict=True)]
    wholes = [{"index": at, "message": delta, "finish_reason": reason} for at, delta, reason in rows]
    whole = read_whole({**write_body({}), "choices": wholes})
    assert (whole.content, len([*whole.tool_calls, *whole.invalid_tool_calls])) == ("A", 1)
    assert whole.response_metadata["finish_reason"] == reasons[1]
    pieces = [{"choices": [{"index": at, "delta": delta, "finish_reason": reason}]} for at, delta, reason in rows]
    for events in (pieces, [{"choices": wholes}]):
        assert facts(read_stream([*events, {"model": "q", "choices": [], "usage": USAGE}])) == facts(whole)


@pytest.mark.parametrize("text", ["The answer", "thought</think>\n\nThe answer"])
def test_answer_is_no_reasoning_when_a_whole_reply_comes_as_events(text: str):
    """Protects an answer without thinking, where earlier replies began inside it: it was reasoning, too."""
    options = ReplyOptions(opened=True)
    whole = read_whole(write_body({"content": text}), options)
    assert facts(read_whole(write_sse(write_events({"content": text[:9]}, {"content": text[9:]})), options)) == facts(
        whole
    )
    assert whole.content == "The answer"
