"""JSON that is not quite JSON: as much as can be read is read, the rest is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_qwen3._visible import join_halves
from langchain_qwen3.errors import BadReplyError
from langchain_qwen3.reply.json_text import HalfJoiner, read_json, read_loose_json
from tests.support.replies import read_stream, read_whole, write_body, write_events, write_sse


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": 1}\n\ndata: [DONE]\n\n', {"a": 1}),
        (b'{"a": "x\ny"}', {"a": "x\ny"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        ('{"a": "余额不足，请充值"}'.encode("gb2312"), {"a": "余额不足，请充值"}),
        ('{"a": "余额不足"}\n\ndata: [DONE]\n\n'.encode("gb2312"), {"a": "余额不足"}),
        ('{"a": "余额不足"}'.encode()[:-3] + b'"}', {"a": "余额不\ufffd"}),
    ],
)
def test_reads_one_value_whatever_is_around_it(data: bytes, expected: Any):
    """Protects whole replies from a frame of a stream, a byte order mark, raw newlines, bad bytes and a GB encoding."""
    assert read_json(data) == expected


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"a": 1', b'{"a": 1} and', b'{"a": 1}{"b": 2}', b"[" * 100_000])
def test_raises_when_a_body_is_no_single_value(data: bytes):
    """Protects from half a body that is taken for a reply."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the JSON library's
        read_json(data)


def test_reads_several_values_and_the_end_when_a_proxy_joined_events():
    """Protects streams whose events were glued together."""
    assert read_loose_json(b'{"a": 1}data: {"b": 2}\ndata: [DONE]') == ([{"a": 1}, {"b": 2}], True)


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (("a\ud83d", "\ude00b", "\ude00", "c"), ["a", "\U0001f600b", "\ufffd", "c"]),
        (("a\ud83d", "\ud83d", "\ude00b"), ["a", "\ufffd", "\U0001f600b"]),
        (("a\ud83d", "\ud83d\ude00"), ["a", "\ufffd\U0001f600"]),
        (("a\ud83d", "b\ude00"), ["a", "\ufffdb\ufffd"]),
    ],
)
def test_joins_the_halves_of_a_character_across_events(texts: tuple[str, ...], joined: list[str]):
    """Protects emoji that a server cut in two: each half is an escape of its own, in an event of its own.

    A half that another one follows is seen as it is in a whole reply.
    """
    joiner = HalfJoiner()
    assert [joiner.join({"t": text})["t"] for text in texts] == joined


def test_joins_the_halves_of_a_character_in_a_list():
    """Protects texts at any depth."""
    assert join_halves(["\ud83d\ude00", 1]) == ["\U0001f600", 1]


def test_reads_an_emoji_in_two_events_and_in_a_whole_reply():
    """Protects the texts that users print: no lone half reaches them."""
    events = write_events({"content": "X"}, {"content": "Y"})
    data = write_sse(events).replace(b'"X"', rb'"a\ud83d"').replace(b'"Y"', rb'"\ude00b"')
    assert read_stream(data).content == "a\U0001f600b"
    body = write_body({"content": "X"})
    assert read_whole(json.dumps(body).encode().replace(b'"X"', rb'"a\ud83d\ude00b"')).content == "a\U0001f600b"
    assert "\ud83d" not in str(read_whole(json.dumps(body).encode().replace(b'"X"', rb'"a\ud83d"')).content)


def test_error_quotes_what_cannot_be_read():
    """Protects who looks for the cause: the body stands in the error."""
    with pytest.raises(BadReplyError) as caught:
        read_stream(b"data: {broken\n\ndata: [DONE]\n\n")
    assert "{broken" in str(caught.value.body)
