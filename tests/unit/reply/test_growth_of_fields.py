"""Every field of a reply is read in linear work: ten times the pieces cost at most twelve times the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import Qwen3Error
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.whole import read_response
from tests.support.replies import TOOL, respond
from tests.support.work import count_work
from tests.unit.reply.test_growth import CALL, MOST, NAME, list_modules

Write = Callable[[int, str], dict[str, Any]]
SMALL = 20
LONG = '{"city": "' + "word " * 2000 + '"}'


def call(number: int, arguments: str, *, index: Any = 0, call_id: str | None = "c", name: str = NAME) -> dict[str, Any]:
    """Return a delta with a fragment of a call."""
    place = {"index": index, "id": call_id, "number": number}
    given = {key: value for key, value in place.items() if value is not None}
    return {"tool_calls": [{**given, "function": {"name": name, "arguments": arguments}}]}


DELTAS: dict[str, Write] = {
    "content": lambda _, piece: {"content": piece},
    "parts": lambda _, piece: {"content": [{"type": "text", "text": piece}]},
    "reasoning": lambda _, piece: {"reasoning": piece},
    "reasoning and content": lambda _, piece: {"reasoning": piece, "content": piece},
    "reasoning or content": lambda at, piece: {"reasoning": piece} if at % 2 else {"content": piece},
    "details of one": lambda _, piece: {"reasoning_details": [{"type": "reasoning.text", "text": piece, "index": 0}]},
    "details of many": lambda at, piece: {
        "reasoning_details": [{"type": "reasoning.text", "text": piece, "index": at}]
    },
    "details of many types": lambda at, piece: {"reasoning_details": [{"type": f"t{at}", "text": piece}]},
    "details, encrypted": lambda _, piece: {"reasoning_details": [{"type": "reasoning.encrypted", "data": piece}]},
    "refusal": lambda _, piece: {"refusal": piece},
    "annotations": lambda _, piece: {"annotations": [{"text": piece}]},
    "audio": lambda _, piece: {"audio": {"data": piece}},
    "audio of many fields": lambda at, piece: {"audio": {f"data{at}": piece}},
    "function_call": lambda _, piece: {"function_call": {"arguments": piece}},
    "arguments": call,
    "arguments without a name": lambda at, piece: call(at, piece, name=""),
    "arguments without a place": lambda at, piece: call(at, piece, index=None, call_id=None),
    "calls": lambda at, piece: call(at, piece, index=at, call_id=f"c{at}"),
    "calls of one index": lambda at, piece: call(at, piece, call_id=f"c{at}"),
    "calls behind a long one": lambda at, _: call(at, LONG if at == 0 else "{}"),
    "one call again": lambda at, _: call(at, '{"city": "x"}'),
    "one call again, spelled anew": lambda at, _: call(at, '{"city":' + " " * (at % 7) + '"x"}'),
    "name": lambda at, piece: call(at, "", name=piece),
    "id": lambda at, piece: call(at, "", call_id=piece * min(at, 3)),
    "index as text": lambda at, piece: call(at, "{}", index=piece),
    "call and its text": lambda at, _: {"content": CALL} if at % 2 else call(at, "{}", index=at, call_id=f"c{at}"),
}
EVENTS: dict[str, Write] = {
    "id": lambda _, piece: {"id": piece, "choices": []},
    "field of its own": lambda at, piece: {f"{piece}{at}": piece, "choices": []},
    "usage": lambda at, piece: {"usage": {"prompt_tokens": at, f"{piece}{at}": at}, "choices": []},
    "choice field": lambda at, piece: {"choices": [{"delta": {"content": "x"}, f"{piece}{at}": piece}]},
    "end with each": lambda _, piece: {"choices": [{"delta": {"content": piece}, "finish_reason": "stop"}]},
    "end again": lambda at, _: {"choices": [{"delta": {}, "finish_reason": "stop" if at % 2 else "length"}]},
    "logprobs": lambda _, piece: {"choices": [{"delta": {"content": "x"}, "logprobs": {"content": [piece]}}]},
    "empty error": lambda _, piece: {"error": {"message": "", "of": [[]]}, "choices": [{"delta": {"content": piece}}]},
    "index": lambda at, piece: {"choices": [{"index": at, "delta": {"content": piece}}]},
}


def write_event(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """Return an event."""
    return {"choices": [{"delta": delta, "finish_reason": reason}]}


def join(deltas: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Return one delta that has all that several have."""
    joined: dict[str, Any] = {}
    for delta in deltas:
        for key, value in delta.items():
            if isinstance(value, dict):
                joined.setdefault(key, {}).update(value)
            else:
                joined[key] = joined.get(key, type(value)()) + value
    return joined


def read_stream(events: list[dict[str, Any]]) -> None:
    """Read events as a stream to its end."""
    reader = StreamReader(ReplyOptions(tools=(TOOL,)))
    reader.begin(respond(b""))
    try:
        for event in [*events, write_event({}, "stop"), {"choices": [], "usage": {"prompt_tokens": 1}}]:
            list(reader.read(f"data: {json.dumps(event)}\n\n".encode()))
        reader.end()
        reader.collect()
    except Qwen3Error:
        reader.partial()


def read_whole(message: dict[str, Any]) -> None:
    """Read a message as a whole reply."""
    body = {"choices": [{"message": message, "finish_reason": "stop"}]}
    with suppress(Qwen3Error):
        read_response(respond(body), ReplyOptions(tools=(TOOL,)), started_at=0.0)


READS: dict[str, Callable[[Write, int, str], None]] = {
    "deltas": lambda write, count, piece: read_stream([write_event(write(at, piece)) for at in range(count)]),
    "one delta": lambda write, count, piece: read_stream([write_event(join(write(at, piece) for at in range(count)))]),
    "whole": lambda write, count, piece: read_whole(join(write(at, piece) for at in range(count))),
}
CASES = [(how, name) for how in READS for name in DELTAS] + [("events", name) for name in EVENTS]


@pytest.mark.parametrize(("how", "name"), CASES)
def test_work_is_linear_when_a_field_has_ten_times_the_pieces(how: str, name: str) -> None:
    """Protects the event loop from servers that send very many of what is sent once."""
    for piece in ("word ", "{}"):
        costs = []
        with count_work(*list_modules()) as work:
            for count in (SMALL, 10 * SMALL):
                work.done = 0
                if how == "events":
                    read_stream([EVENTS[name](at, piece) for at in range(count)])
                else:
                    READS[how](DELTAS[name], count, piece)
                costs.append(work.done)
        assert costs[1] <= MOST * costs[0], (piece, costs)


def test_work_does_not_multiply_when_short_calls_follow_a_long_one() -> None:
    """Protects from reading a long call again with each short one that follows."""
    costs = []
    with count_work(*list_modules()) as work:
        for count in (1, 10):
            long = '{"city": "' + "word " * 500 * count + '"}'
            work.done = 0
            read_stream([write_event(call(at, long if at == 0 else "{}")) for at in range(1 + 20 * count)])
            costs.append(work.done)
    assert costs[1] <= MOST * costs[0]


@pytest.mark.parametrize("key", ["content", "reasoning"])
@pytest.mark.parametrize("wrap", [lambda part: [part], lambda part: {"text": part}, lambda part: [{"text": part}, "a"]])
def test_work_does_not_multiply_when_a_long_text_lies_deep(key: str, wrap: Callable[[Any], Any]) -> None:
    """Protects from joining a text again for each part that it lies in."""
    costs = []
    with count_work(*list_modules()) as work:
        for count in (1, 10):
            part: Any = "word " * 500 * count
            for _ in range(8 * count):
                part = wrap(part)
            work.done = 0
            read_stream([write_event({key: part})])
            read_whole({key: part})
            costs.append(work.done)
    assert costs[1] <= MOST * costs[0]
