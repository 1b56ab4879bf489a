"""Event streams in every standard form, at every split, within bounded memory and linear time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from langchain_qwen3.reply.sse import BadEventError, SseReader
from tests.support.replies import split_bytes

FORMS = {
    "lf": (b'data: {"a": 1}\n\ndata: {"b": "\xe4\xbd\xa0"}\n\ndata: [DONE]\n\n', [{"a": 1}, {"b": "你"}]),
    "crlf": (b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\ndata: [DONE]\r\n\r\n', [{"a": 1}, {"b": 2}]),
    "cr": (b'data: {"a": 1}\r\rdata: {"b": 2}\r\rdata: [DONE]\r\r', [{"a": 1}, {"b": 2}]),
    "mixed line ends": (b'data: {"a": 1}\r\n\ndata: {"b": 2}\n\rdata: [DONE]\r\n\r', [{"a": 1}, {"b": 2}]),
    "no space": (b'data:{"a": 1}\n\ndata:[DONE]\n\n', [{"a": 1}]),
    "comments": (b': ping\n\n: ping\ndata: {"a": 1}\n: ping\n\n:\n\ndata: [DONE]\n\n', [{"a": 1}]),
    "a name": (b'event: processing\ndata: {"a": 1}\n\ndata: [DONE]\n\n', [{"a": 1}]),
    "other fields": (b'id: 7\nevent: x\nretry: 5\ndata: {"a": 1}\nfoo: bar\ndata\n\ndata: [DONE]\n\n', [{"a": 1}]),
    "several data lines": (b'data: {"a":\ndata:  [1,\ndata: 2]}\n\ndata: [DONE]\n\n', [{"a": [1, 2]}]),
    "byte order mark": (b'\xef\xbb\xbfdata: {"a": 1}\n\ndata: [DONE]\n\n', [{"a": 1}]),
    "a byte order mark on every event": (
        b'\xef\xbb\xbfdata: {"a": 1}\n\n\xef\xbb\xbfdata: {"b": 2}\n\n\xef\xbb\xbfdata: [DONE]\n\n',
        [{"a": 1}, {"b": 2}],
    ),
    "a field in other spellings": (
        b' data: {"a": 1}\n\ndata: {"b": 2}\n\n\tdata: {"c": 3}\n\n\0Data : {"d": 4}\n\nDATA:[DONE]\n\n',
        [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}],
    ),
    "a null among events without blank lines": (
        b'data: {"a": 1}\ndata: null\ndata: {"b": 2}\n\ndata: [DONE]\n\n',
        [{"a": 1}, {"b": 2}],
    ),
    "blank lines": (b'\n\n\ndata: {"a": 1}\n\n\n\ndata:\n\ndata: \n\ndata: [DONE]\n\n', [{"a": 1}]),
    "no blank line at the end": (b'data: {"a": 1}\n\ndata: [DONE]\n', [{"a": 1}]),
    "no line end at the end": (b'data: {"a": 1}\n\ndata: [DONE]', [{"a": 1}]),
    "the end in quotes": (b'data: {"a": 1}\n\ndata: "[DONE]"\n\n', [{"a": 1}]),
    "the end in small letters": (b'data: {"a": 1}\n\ndata: [done]\n\n', [{"a": 1}]),
    "the end without brackets": (b'data: {"a": 1}\n\ndata: DONE\n\n', [{"a": 1}]),
    "no end: a text that says done": (
        b'data: {"a": "done"}\n\ndata: {"done": true}\n\ndata: {"done": 0}\n\ndata: [DONE]\n\n',
        [{"a": "done"}, {"done": True}, {"done": 0}],
    ),
    "more after the end": (b'data: {"a": 1}\n\ndata: [DONE]\n\ndata: {"b": 2}\n\ndata: x\n\n', [{"a": 1}]),
    "errors by the field": (b'data: {"a": 1}\n\nerror: {"code": 500}\n\ndata: [DONE]\n\n', [{"a": 1}, {"code": 500}]),
    "errors by a comment": (
        b'data: {"a": 1}\n\nevent: error\n: engine died\n\ndata: [DONE]\n\n',
        [{"a": 1}, {"error": "engine died"}],
    ),
    "errors by comments": (b"event: error\n:\xe4\xbd\xa0\n: b:c\n\ndata: [DONE]\n\n", [{"error": "你\nb:c"}]),
    "errors by data under a comment": (
        b'event:error\n:HTTP_STATUS/400\ndata:{"code": 4}\n\n: ping\n\ndata: {"a": 1}\n\ndata: [DONE]\n\n',
        [{"code": 4}, {"a": 1}],
    ),
    "errors by data after a heartbeat": (
        b'event: error\n: keep-alive\n\ndata: {"code": 4}\n\ndata: [DONE]\n\n',
        [{"code": 4}],
    ),
    "errors by a comment after a heartbeat": (
        b"event: error\n: ping\n: engine died\n\ndata: [DONE]\n\n",
        [{"error": "engine died"}],
    ),
    "errors by a text": (b"event: error\ndata: slow\ndata: down\n\ndata: [DONE]\n\n", [{"error": "slow\ndown"}]),
    "errors by a text in quotes": (b'event: error\ndata: "oops"\n\ndata: [DONE]\n\n', [{"error": '"oops"'}]),
    "errors by a text that says so": (
        b'data: {"a": 1}\n\ndata: error: out of memory\n\ndata: [ERROR] x\n\ndata: Error\n\ndata: [DONE]\n\n',
        [{"a": 1}, {"error": "error: out of memory"}, {"error": "[ERROR] x"}, {"error": "Error"}],
    ),
    "errors by an object that was cut": (
        b'data: {"error": {"message": "out of\n\ndata: {\'error\': \'x\'}\n\ndata: [DONE]\n\n',
        [{"error": '{"error": {"message": "out of'}, {"error": "{'error': 'x'}"}],
    ),
    "no errors: names and comments": (
        b'event: error\n\n: ping\n\nevent: x\n: ping\n\n: event: error\n\ndata: {"a": 1}\n\ndata: [DONE]\n\n',
        [{"a": 1}],
    ),
    "no errors: after the end": (b'data: {"a": 1}\n\ndata: [DONE]\n\nevent: error\n: x\n\n', [{"a": 1}]),
}


def read(pieces: list[bytes], limit: int = 1000) -> tuple[list[Any], SseReader]:
    """Return all events, and the reader that read them."""
    reader = SseReader(limit)
    events = []
    for data in pieces:
        events += reader.read(data)
        if reader.failure:
            raise reader.failure
    return events + reader.close(), reader


@pytest.mark.parametrize("form", FORMS)
def test_reads_every_standard_form_when_fed_whole_or_one_byte_at_a_time(form: str):
    """Protects against servers and proxies that write event streams in another of the allowed ways."""
    data, expected = FORMS[form]
    for pieces in ([data], split_bytes(data, range(len(data)))):
        events, reader = read(pieces)
        assert events == expected
        assert reader.done


@given(form=st.sampled_from(sorted(FORMS)), places=st.lists(st.integers(min_value=0), max_size=8))
def test_reads_the_same_events_when_split_anywhere(form: str, places: list[int]):
    """Protects the contract that the network's packets do not matter."""
    data, expected = FORMS[form]
    events, reader = read(split_bytes(data, places))
    assert events == expected
    assert reader.done


def test_returns_events_at_once_when_their_blank_line_arrives():
    """Protects latency: nothing waits for the next event."""
    reader = SseReader()
    assert [*reader.read(b'data: {"a": 1}\n')] == []
    assert [*reader.read(b'\ndata: {"b"')] == [{"a": 1}]
    assert [*reader.read(b": 2}\r\r")] == [{"b": 2}]
    assert [*reader.read(b"")] == []
    assert not reader.done


@pytest.mark.parametrize(
    "word",
    [
        *("ping", "PING", "[PING]", '"ping"', "# ping", "keep-alive", "null", "[]", '""', "...", "1764300000"),
        *("OPENROUTER PROCESSING", '": OPENROUTER PROCESSING"'),
    ],
)
@pytest.mark.parametrize("form", ["data: {}", "event: {}\ndata: tick", "event:{}\ndata: {{}}", "data: : {}"])
def test_passes_over_a_heartbeat_in_any_form(word: str, form: str):
    """Protects a good stream: gateways send heartbeats as data, in brackets, as JSON, or by an event's name."""
    ping = form.format(word).encode() + b"\n\n"
    stream = ping + b'data: {"a": 1}\n\n' + ping + b"event: " + word.encode() + b'\n\ndata: {"b": 2}\n\n' + ping
    for pieces in ([stream], split_bytes(stream, range(len(stream)))):
        events, reader = read(pieces)
        assert (events, reader.stray, reader.unframed) == ([{"a": 1}, {"b": 2}], [], [])


@pytest.mark.parametrize("data", [b'data: {"a": 1}', b'data: {"error": null, "a": 1}'])
@pytest.mark.parametrize("end", range(1, len(b'data: {"error": null, "a": 1}')))
def test_returns_nothing_of_an_event_when_the_stream_was_cut_inside_it(data: bytes, end: int):
    """Protects against half an event taken for whole or an error, and a cut taken for another kind of body."""
    events, reader = read([data[: min(end, len(data) - 1)]])
    assert events == []
    assert reader.stray == []
    assert not reader.done


@pytest.mark.parametrize(
    "data",
    [
        *(b"data: {'a': 1}\n\n", b"data: \xff\xfe\n\n", b"data: oops\n\n", b"event: error\ndata: {oops\n\n"),
        *(b'data: {"error": null, "a": 1\n\n', b"data: {'error': None, 'a': 1}\n\n"),
    ],
)
def test_raises_when_an_event_is_no_json(data: bytes):
    """Protects against garbage read as an empty answer; the error shows what came."""
    with pytest.raises(BadEventError, match="not valid JSON") as caught:
        read([data])
    assert caught.value.raw in data


# https://github.com/dativo-io/talon/issues/393, https://github.com/Wei-Shaw/sub2api/issues/1471
@pytest.mark.parametrize("half", [b'{"a": "wor', b'{"a": [1, ', b'{"a": "\xe4\xbd', b"{"])
@pytest.mark.parametrize("glue", [b"\n", b"\ndata: ", b"data: ", b"\nevent: error\ndata: ", b"\r\n"])
@pytest.mark.parametrize("end", [b"", b"\n\n", b"\ndata: [DONE]\n\n", b"\n\ndata: [DONE]\n\n"])
@pytest.mark.parametrize("indent", [None, 2])
def test_reads_the_error_that_is_written_behind_half_an_event(half: bytes, glue: bytes, end: bytes, indent: int | None):
    """Protects retries: a gateway that lost its server says so, and not always on a line of its own."""
    error = {"type": "error", "error": {"message": "upstream died: bad data: {}"}}
    data = b'data: {"a": 1}\n\ndata: ' + half + glue + json.dumps(error, indent=indent).encode() + end
    assert read([data])[0] == [{"a": 1}, error]


@pytest.mark.parametrize("rest", [b'{"a": 2}', b'{"error": null}', b'{"error": {}}', b'"error"', b'{"error"'])
def test_raises_when_what_stands_behind_half_an_event_is_no_error(rest: bytes):
    """Protects against holes: what followed half an event must not hide that a piece of the text is missing."""
    with pytest.raises(BadEventError, match="not valid JSON"):
        read([b'data: {"a": "wor\n' + rest + b"\n\n"])


@pytest.mark.parametrize(
    "data",
    [
        b"data: " + b"x" * 1001,
        b"data: " + b"x" * 995 + b"\n\n",
        b"data: x\n" * 600,
        b'data: {"a": 1}\n\n' + b"data: x\n" * 600,
    ],
    ids=["one endless line", "one large event", "endless lines", "endless lines after an event"],
)
def test_raises_when_an_event_is_larger_than_the_limit(data: bytes):
    """Protects memory against a server that never ends an event, however the bytes arrive."""
    for size in (1, 7, len(data)):
        with pytest.raises(BadEventError, match="larger than 400 bytes"):
            read([data[start : start + size] for start in range(0, len(data), size)], limit=400)


@pytest.mark.parametrize("size", [1, 13, 10_000])
def test_reads_a_stream_of_any_length_when_no_event_is_large(size: int):
    """Protects long streams: the limit is one event's, odd lines and comments between events included."""
    event = b'foo: bar\n: comment\ndata: {"a":\ndata: 1}\n\n'
    data = event * 100
    events, _ = read([data[start : start + size] for start in range(0, len(data), size)], limit=len(event))
    assert events == [{"a": 1}] * 100


@pytest.mark.parametrize(
    "body",
    [
        *(b"<!doctype html>\n<p>Not here</p>\n", b'{\n"choices": []}', b"upstream error"),
        *(
            b'<script>\n  post({\n    data: {"a": 1},\n    data: b\n  })\n',
            b"Traceback:\n    data: list = []\n",
            b"a: 1\n  data: x\n",
        ),
    ],
)
def test_keeps_the_lines_of_a_body_when_it_is_no_event_stream(body: bytes):
    """Protects the report of HTML pages and plain JSON replies that come in place of a stream."""
    for pieces in ([body], split_bytes(body, range(len(body)))):
        events, reader = read(pieces)
        assert events == []
        assert b"\n".join(reader.stray).strip() == body.strip()


def test_keeps_a_text_among_the_events_but_no_unknown_field():
    """Protects the words of a gateway that writes its error into a stream as it is, and memory from many of them."""
    text = b"upstream connect error\n<p>Bad gateway</p>\n"
    begun = b'data: {"a": 1}\n\nfoo: bar\nx-y:1\nfoo\n\n'
    for data in (begun + text, begun + text + b"\ndata: [DONE]\n\n"):
        for pieces in ([data], split_bytes(data, range(len(data)))):
            events, reader = read(pieces)
            assert (events, reader.stray) == ([{"a": 1}], [])
            assert b"\n".join(reader.unframed) == text.strip()
    assert len(read([begun + b"<p>endless</p>\n" * 999 + b"\n"], 100_000)[1].unframed) < 50


def test_raises_when_a_body_that_is_no_event_stream_never_ends():
    """Protects memory against an endless page."""
    reader = SseReader(1000)
    while not reader.failure:
        list(reader.read(b"<p>endless</p>\n"))
    assert sum(map(len, reader.stray)) < 1100


def test_joins_a_line_once_when_it_is_fed_one_byte_at_a_time():
    """Protects against quadratic work on an event that trickles in: held pieces wait for their line's end."""
    reader = SseReader()
    line = b"data: " + json.dumps({"a": "x" * 500}).encode()
    for count, byte in enumerate(split_bytes(line, range(1, len(line))), 1):
        assert [*reader.read(byte)] == []
        assert len(reader._pieces) == count
    assert [*reader.read(b"\n\n")] == [{"a": "x" * 500}]
    assert reader._pieces == []


@pytest.mark.parametrize(
    "odd",
    [
        *(
            b"data: ping",
            b"data: [PING]",
            b"data: : OPENROUTER PROCESSING",
            b"data:",
            b"event: ping\ndata: {}",
            b": ping",
        ),
        *(
            b'event: heartbeat\ndata: {"type": "heartbeat"}',
            b"data: keep-alive",
            b"id: 7",
            b"retry: 3000",
            b"data: null",
        ),
    ],
)
@pytest.mark.parametrize("done", [b"data: [DONE]", b"data: [done]", b'data: "[DONE]"', b"data:[Done]"])
def test_heartbeats_among_events_without_blank_lines_are_passed_over(odd: bytes, done: bytes) -> None:
    """Protects good streams of hand-written proxies: all their lines are one event by the standard."""
    lines = [b'data: {"a": 1}', odd, b'data: {"b": "ping"}', odd, odd, b'data: {"c": 3}', done, b""]
    reader = SseReader()
    events = [*reader.read(b"\n".join(lines)), *reader.close()]
    assert [event for event in events if event not in ({}, {"type": "heartbeat"}, None)] == [
        {"a": 1},
        {"b": "ping"},
        {"c": 3},
    ]
    assert (reader.done, reader.failure) == (True, None)
