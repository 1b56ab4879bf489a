"""The fields of wire messages: texts in every form, and kept fields joined to what a whole message has."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_qwen3.errors import BadReplyError
from langchain_qwen3.reply.fields import (
    REASONING_KEYS,
    join_pieces,
    read_content,
    read_details,
    read_message,
    read_reasoning,
    read_texts,
)
from tests.support.replies import read_stream, read_whole, write_body, write_events


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("A", ("", "A")),
        (None, ("", "")),
        ({"type": "text", "text": "A"}, ("", "A")),
        ({"text": "A"}, ("", "A")),
        ([{"type": "text", "text": "A"}, "B", {"type": "image_url"}], ("", "AB")),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "T"}]}, {"type": "text", "text": "A"}],
            ("T", "A"),
        ),
        ([{"type": "reasoning", "text": "T"}], ("T", "")),
        ([{"type": "reasoning_text", "text": "T"}, {"type": "thinking_delta", "text": "T"}], ("TT", "")),
        ([{"type": "message", "content": [{"text": "A"}, {"type": "thinking", "text": "T"}, None, "B"]}], ("T", "AB")),
        ([{"reasoningContent": {"reasoningText": {"text": "T", "signature": "S"}}}, {"text": "A"}], ("T", "A")),
        ([{"reasoningContent": {"redactedContent": "eA=="}}, {"text": "A"}], ("", "A")),
        ([{"thinking": "T"}, {"text": "A"}], ("T", "A")),
        ({"text": "A", "reasoning": "T"}, ("", "A")),
        (7, ("", "7")),
    ],
)
def test_reads_the_texts_of_a_content_in_any_form(content: Any, expected: tuple[str, str]):
    """Protects text that some servers send as parts or as an object, reasoning parts among them."""
    assert read_texts(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"name": "A"}, '{"name": "A"}'),
        ({"city": "北京", "days": [1, {"sun": True}]}, '{"city": "北京", "days": [1, {"sun": true}]}'),
        ([{"name": "A"}, {"name": "B"}], '[{"name": "A"}, {"name": "B"}]'),
        ([1, 2.5], "[1, 2.5]"),
        (7, "7"),
        (0, "0"),
        (0.0, "0.0"),
        (True, "true"),
        (False, "false"),
        # Parts of a content, as everywhere.
        ("A", "A"),
        (["A", "B"], "AB"),
        ({"text": "A"}, "A"),
        ([{"text": "A", "index": 0}, {"text": "B", "index": 1}], "AB"),
        ({"type": "text", "text": "A", "annotations": []}, "A"),
        ([{"text": "A", "annotations": []}], "A"),
        ([{"type": "text", "text": "A"}, {"name": "B"}], "A"),
        ([{"type": "image_url"}], ""),
        ({"type": "tool_use", "name": "f", "input": {}}, ""),
        # Answers that have keys of parts among others.
        *(
            ({key: "T", "score": 1}, f'{{"{key}": "T", "score": 1}}')
            for key in ("text", "content", "thinking", "reasoning", "reasoningText", "reasoningContent", "summary")
        ),
        ({"reasoning": "T", "answer": 4}, '{"reasoning": "T", "answer": 4}'),
        ({"value": 5}, '{"value": 5}'),
        (
            [{"text": "T", "label": "x"}, {"text": "U", "label": "y"}],
            '[{"text": "T", "label": "x"}, {"text": "U", "label": "y"}]',
        ),
    ],
)
def test_reads_an_answer_in_json_that_was_parsed_on_the_way(content: Any, expected: str):
    """Protects answers in JSON mode from a gateway that sends the object itself: they were empty."""
    assert read_content(content) == ("", expected)
    whole = read_whole(write_body({"content": content}))
    assert whole.content == read_stream(write_events({"content": content})).content == expected


def test_reads_digits_that_were_parsed_on_the_way():
    """Protects numbers from a gateway that parses each piece of a stream: 100 lost its zeros."""
    assert read_stream(write_events({"content": 1}, {"content": 0}, {"content": 0})).content == "100"


@pytest.mark.parametrize(
    "value",
    [
        "T",
        {"text": "T"},
        {"text": "T", "signature": "S"},
        {"reasoningText": {"text": "T"}},
        {"reasoningContent": {"reasoningText": {"text": "T", "signature": "S"}}},
        [{"reasoningContent": {"reasoningText": {"text": "T"}}}],
    ],
)
def test_reads_reasoning_that_a_gateway_sends_as_an_object(value: Any):
    """Protects reasoning in Bedrock's own form, which Envoy AI Gateway passes on: whole replies lost it."""
    whole = read_whole(write_body({"content": "A", "reasoning_content": value}))
    streamed = read_stream(write_events({"reasoning_content": value}, {"content": "A"}))
    assert whole.additional_kwargs == streamed.additional_kwargs == {"reasoning_content": "T"}
    assert whole.content == streamed.content == "A"


@pytest.mark.parametrize("key", REASONING_KEYS)
def test_reads_digits_of_the_reasoning_that_were_parsed_on_the_way(key: str):
    """Protects the reasoning from the same gateway: its zeros were lost, too."""
    streamed = read_stream(write_events({key: 1}, {key: 0}, {key: 0.0}, {"content": "A"}))
    assert streamed.additional_kwargs == {"reasoning_content": "100.0"}
    assert read_whole(write_body({key: 0, "content": "A"})).additional_kwargs == {"reasoning_content": "0"}


@pytest.mark.parametrize("flag", [True, False, {"effort": "high"}, {}, [], ""])
@pytest.mark.parametrize("key", REASONING_KEYS)
def test_a_flag_is_no_reasoning(key: str, flag: Any):
    """Protects the reasoning from a field that says whether there is any: it was "True", and hid the real one."""
    whole = read_whole(write_body({key: flag, "content": "A"}))
    streamed = read_stream(write_events({key: flag, "content": "A"}, {key: flag, "content": "B"}))
    assert (whole.content, streamed.content) == ("A", "AB")
    assert "reasoning_content" not in {**whole.additional_kwargs, **streamed.additional_kwargs}
    for other in {*REASONING_KEYS} - {key}:
        whole = read_whole(write_body({key: flag, other: "T", "content": "A"}))
        streamed = read_stream(write_events({key: flag, other: "T"}, {key: flag, "content": "A"}))
        assert whole.additional_kwargs == streamed.additional_kwargs == {"reasoning_content": "T"}


def test_an_object_that_is_no_text_is_no_reasoning():
    """Protects the reasoning from settings that a gateway repeats under its name."""
    assert read_reasoning({"reasoning": {"effort": "high"}}) == ("reasoning", "")


@pytest.mark.parametrize(
    ("choice", "content"),
    [
        ({"message": {"content": "A"}}, "A"),
        ({"delta": {"content": "A"}}, "A"),
        ({"message": None, "delta": {"content": "A"}}, "A"),
        ({"message": {"content": "A"}, "delta": {}}, "A"),
        ({"message": {"role": "assistant", "content": None}, "delta": {"content": "A"}}, "A"),
        ({"message": {"role": None, "content": ""}, "delta": {"content": None}, "text": "A"}, "A"),
        ({"message": {"role": "assistant", "content": ""}, "text": ""}, ""),
        ({"text": "A"}, "A"),
        ({"message": None}, ""),
        ({"message": {}}, ""),
        ({"text": None}, ""),
        ({"finish_reason": "content_filter"}, ""),
    ],
)
def test_finds_the_message_of_a_choice_under_every_name(choice: dict[str, Any], content: str):
    """Protects answers of servers that write a piece for the whole."""
    assert read_whole({"choices": [{"index": 0, "finish_reason": "stop", **choice}]}).content == content


@pytest.mark.parametrize("choice", [{}, {"messages": [{"content": "A"}]}, {"finish_reason": "stop"}])
def test_a_whole_choice_without_a_message_is_an_error(choice: dict[str, Any]):
    """Protects from an empty answer for one in an unknown place; the end of a stream may have no text."""
    with pytest.raises(KeyError):
        read_message(choice)
    with pytest.raises(BadReplyError, match="not a chat completion"):
        read_whole({"choices": [{"index": 0, **choice}]})
    begun = {"choices": [{"index": 0, "delta": {"content": "A"}}]}
    assert read_stream([begun, {"choices": [{"index": 0, "finish_reason": "stop", **choice}]}]).content == "A"


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content", "thinking", "reasoning_text"])
@pytest.mark.parametrize("value", ["T", {"content": "T"}, [{"type": "text", "text": "T"}]])
def test_reads_reasoning_under_every_name(key: str, value: Any):
    """Protects reasoning of servers and gateways that name it otherwise."""
    assert read_reasoning({key: value, "content": "A"}) == (key, "T")


DETAILS: list[tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]] = [
    (
        [[{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}] for text in ("A", "B", "C")],
        [{"type": "reasoning.text", "text": "ABC", "format": "unknown", "index": 0}],
    ),
    (
        [
            [{"type": "reasoning.text", "text": "A", "index": 0}],
            [{"type": "reasoning.text", "signature": "S", "index": 0}],
        ],
        [{"type": "reasoning.text", "text": "A", "index": 0, "signature": "S"}],
    ),
    (
        [
            [{"type": "reasoning.summary", "summary": "A", "index": 0}],
            [{"type": "reasoning.encrypted", "data": "X", "index": 1}],
        ],
        [
            {"type": "reasoning.summary", "summary": "A", "index": 0},
            {"type": "reasoning.encrypted", "data": "X", "index": 1},
        ],
    ),
    (
        [[{"type": "reasoning.text", "text": "A"}], [{"type": "reasoning.text", "text": "B"}]],
        [{"type": "reasoning.text", "text": "AB"}],
    ),
    (
        [[{"type": "reasoning.encrypted", "data": "X"}], [{"type": "reasoning.encrypted", "data": "Y"}]],
        [{"type": "reasoning.encrypted", "data": "X"}, {"type": "reasoning.encrypted", "data": "Y"}],
    ),
]


@pytest.mark.parametrize(("pieces", "whole"), DETAILS)
def test_joins_reasoning_details_to_what_a_whole_reply_has(
    pieces: list[list[dict[str, Any]]], whole: list[dict[str, Any]]
):
    """Protects what goes back to OpenRouter: texts grow, everything else is said again in each piece."""
    assert join_pieces("reasoning_details", [*pieces]) == whole
    assert join_pieces("reasoning_details", [[*whole, *whole]]) == [*whole, *whole]


def test_reads_the_text_of_details_and_nothing_of_what_is_encrypted():
    """Protects reasoning that comes in the details alone."""
    details = [{"type": "reasoning.text", "text": "A"}, {"type": "reasoning.encrypted", "data": "X"}, {"summary": "B"}]
    assert read_details(details) == "AB"
    assert read_details("none") == ""
