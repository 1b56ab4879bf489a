"""What a reply says beside its text: counts are taken where they are counts, and never lose an answer."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult

from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.reply.metadata import build_timing, read_usage
from tests.support.replies import read_stream, read_whole, write_body, write_events, write_sse

NO_COUNTS: tuple[Any, ...] = (-1, 10**400, 1 << 53, 1.5, float("nan"), float("inf"), "3", True, [3], {"of": 3})


@pytest.mark.parametrize("value", NO_COUNTS, ids=lambda value: str(value)[:8])
def test_usage_is_left_out_when_it_is_no_count(value: Any) -> None:
    """Protects sums of costs and answers alike: what is no number of tokens is none, and no error."""
    for name in ("prompt_tokens", "completion_tokens"):
        assert read_usage({"prompt_tokens": 3, "completion_tokens": 4, name: value}) is None
    for extra in (
        {"total_tokens": value},
        {"prompt_tokens_details": value},
        {"prompt_tokens_details": {"cached_tokens": value}},
        {"completion_tokens_details": {"reasoning_tokens": value, "audio_tokens": value}},
        {"reasoning_tokens": value},
    ):
        usage = read_usage({"prompt_tokens": 3, "completion_tokens": 4, **extra})
        assert usage == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert "tokens_per_second" not in build_timing(0.0, None, {"completion_tokens": value})


def test_usage_is_taken_when_a_gateway_writes_floats() -> None:
    """Protects users of gateways whose numbers are all floats."""
    usage = {"prompt_tokens": 3.0, "completion_tokens": 4.0, "prompt_tokens_details": {"cached_tokens": 2.0}}
    assert read_usage(usage) == {
        "input_tokens": 3,
        "output_tokens": 4,
        "total_tokens": 7,
        "input_token_details": {"cache_read": 2},
    }
    assert type(read_usage(usage)["input_tokens"]) is int  # type: ignore[index]


@pytest.mark.parametrize("value", NO_COUNTS, ids=lambda value: str(value)[:8])
def test_answer_is_kept_when_its_usage_is_no_usage(value: Any) -> None:
    """Protects the answer: what stands in usage is told in the metadata and used for nothing."""
    usage = {"prompt_tokens": value, "completion_tokens": value}
    events = [*write_events({"content": "hi"})[:-1], {"choices": [], "usage": usage}]
    for message in (read_whole(write_body({"content": "hi"}, usage=usage)), read_stream(write_sse(events))):
        assert message.content == "hi"
        assert message.usage_metadata is None
        assert repr(message.response_metadata["token_usage"]["prompt_tokens"]) == repr(value)


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}


@pytest.mark.parametrize("nothing", [ZEROS, {}, None, {"prompt_tokens": None}, [], "none", 0])
def test_usage_stays_when_a_later_event_has_none(nothing: Any) -> None:
    """Protects counts of tokens: gateways in Go write zeros into every event that has no usage of its own."""
    events = write_events({"content": "hi"})
    usage = events[-1]["usage"]
    last = {"choices": [], "usage": nothing}
    for stream in ([*events, last], [{**events[0], "usage": nothing}, {**events[1], "usage": usage}, last]):
        assert read_stream(write_sse(stream)).usage_metadata == read_usage(usage)
    only = read_stream(write_sse([*events[:-1], {"choices": [], "usage": ZEROS}])).usage_metadata
    assert only == read_whole(write_body({"content": "hi"}, usage=ZEROS)).usage_metadata


@pytest.mark.parametrize("value", [[{"total_tokens": 3}], "3", 3, True])
def test_usage_that_is_no_object_is_left_out(value: Any) -> None:
    """Protects invoke: core reads the entry of a whole reply as an object, and raised an AttributeError."""
    events = [*write_events({"content": "hi"})[:-1], {"choices": [], "usage": value}]
    for message in (read_whole(write_body({"content": "hi"}, usage=value)), read_stream(write_sse(events))):
        assert (message.content, message.usage_metadata) == ("hi", None)
        assert "token_usage" not in message.response_metadata


@pytest.mark.parametrize(
    ("named", "counted"),
    [
        ({}, "asked"),
        ({"model": None}, "asked"),
        ({"model": ""}, "asked"),
        ({"model": 5}, "asked"),
        ({"model": ["q"]}, "asked"),
        ({"model": {"id": "q"}}, "asked"),
        ({"model": "served"}, "served"),
        ({"model_name": "served"}, "served"),
        ({"model": "", "model_name": "served"}, "served"),
    ],
)
def test_tokens_are_counted_when_a_reply_names_no_model(named: dict[str, Any], counted: str) -> None:
    """Protects sums of tokens: LangChain's counter keeps them by the model's name, and drops those without one."""
    options = ReplyOptions(model="asked")
    body, *events = [
        {key: value for key, value in part.items() if key != "model"} | named
        for part in (write_body({"content": "hi"}), *write_events({"content": "hi"}))
    ]
    for message in (read_whole(body, options), read_stream(events, options)):
        counter = UsageMetadataCallbackHandler()
        counter.on_llm_end(LLMResult(generations=[[ChatGeneration(message=message)]]))
        assert list(counter.usage_metadata) == [counted]


@pytest.mark.parametrize("nothing", ["", None, 5])
def test_name_of_the_model_stays_when_a_later_event_has_none(nothing: Any) -> None:
    """Protects the model that really answered: a gateway's own event for the usage may leave its name empty."""
    *events, last = write_events({"content": "hi"})
    message = read_stream([*events, {**last, "model": nothing}], ReplyOptions(model="asked"))
    assert message.response_metadata["model_name"] == "q"
