"""Numbers, nesting and types nobody expects, in every field: a message that can be used, or our own error."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import AIMessage

from langchain_qwen3.batch.results import build_result, read_result
from langchain_qwen3.batch.rows import build_row
from langchain_qwen3.errors import Qwen3Error
from tests.support.replies import facts, read_stream, read_whole, write_body as reply, write_events

ROW = build_row(1, "Hi")
VALUES = {
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "beyond a float": "1e400",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "negative": "-5",
    "text": '"12"',
    "fraction": "12.7",
    "true": "true",
    "null": "null",
    "list": "[1]",
    "object": '{"a": 1}',
    "150 lists": "[" * 150 + "]" * 150,
    "250 lists": "[" * 250 + "]" * 250,
    "700 objects": '{"a":' * 700 + "1" + "}" * 700,
    "10,000 lists": "[" * 10_000 + "]" * 10_000,
}
BODY = {
    "usage": '"usage": #',
    "prompt_tokens": '"usage": {"prompt_tokens": #, "completion_tokens": 4}',
    "completion_tokens": '"usage": {"prompt_tokens": 3, "completion_tokens": #}',
    "total_tokens": '"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": #}',
    "cached_tokens": '"usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": #}}',
    "reasoning_tokens": '"usage": {"prompt_tokens": 3, "completion_tokens_details": #, "reasoning_tokens": #}',
    "id": '"id": #',
    "model": '"model": #',
    "created": '"created": #',
    "timings": '"timings": #',
    "error": '"error": #',
    "code": '"code": #',
}
CHOICE = {
    "index": '"index": #',
    "finish_reason": '"finish_reason": #',
    "native_finish_reason": '"native_finish_reason": #, "finish_reason": "stop"',
    "logprobs": '"logprobs": #, "finish_reason": "stop"',
}
CALL = '"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]'
MESSAGE = {
    "content": '"content": #',
    "role": '"content": "hi", "role": #',
    "reasoning": '"content": "hi", "reasoning": #',
    "reasoning_details": '"content": "hi", "reasoning_details": #',
    "refusal": '"content": "hi", "refusal": #',
    "annotations": '"content": "hi", "annotations": #',
    "audio": '"content": "hi", "audio": #',
    "tool_calls": '"content": "hi", "tool_calls": #',
    "a call": '"content": "hi", "tool_calls": [#]',
    "a call's index": CALL.replace("0", "#"),
    "a call's id": CALL.replace('"c"', "#"),
    "a call's function": '"tool_calls": [{"index": 0, "id": "c", "function": #}]',
    "a call's name": CALL.replace('"f"', "#"),
    "a call's arguments": CALL.replace('"{}"', "#"),
}
USES: tuple[Callable[[AIMessage], Any], ...] = (
    repr,
    dumps,
    copy.deepcopy,
    AIMessage.model_dump_json,
    AIMessage.pretty_repr,
    lambda message: message.content_blocks,
    lambda message: {message.response_metadata.get("model_name"): 1},  # so usage is counted
    lambda message: read_result(build_result(ROW, message, 0.1, 1).to_json()),
)


def write_body(part: str) -> tuple[bytes, bytes]:
    """Return a whole reply and a stream with a part beside their choices."""
    end = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    return (
        f'{{"choices": [{{"message": {{"content": "hi"}}, "finish_reason": "stop"}}], {part}}}'.encode(),
        f'data: {{"choices": [{{"delta": {{"content": "hi"}}}}]}}\n\n{end}data: {{"choices": [], {part}}}\n\n'
        "data: [DONE]\n\n".encode(),
    )


def write_choice(part: str) -> tuple[bytes, bytes]:
    """Return a whole reply and a stream with a part in their choice."""
    return (
        f'{{"choices": [{{"message": {{"content": "hi"}}, {part}}}]}}'.encode(),
        f'data: {{"choices": [{{"delta": {{"content": "hi"}}, {part}}}]}}\n\ndata: [DONE]\n\n'.encode(),
    )


def write_message(part: str) -> tuple[bytes, bytes]:
    """Return a whole reply and a stream with a part in their message."""
    end = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    return (
        f'{{"choices": [{{"message": {{{part}}}, "finish_reason": "stop"}}]}}'.encode(),
        f'data: {{"choices": [{{"delta": {{{part}}}}}]}}\n\n{end}'.encode(),
    )


PLACES = {
    **{name: (write_body, part) for name, part in BODY.items()},
    **{name: (write_choice, part) for name, part in CHOICE.items()},
    **{name: (write_message, part) for name, part in MESSAGE.items()},
}


def read(read_reply: Callable[[bytes], AIMessage], body: bytes) -> AIMessage | Qwen3Error:
    """Return the message or the error that comes of a body."""
    try:
        return read_reply(body)
    except Qwen3Error as error:
        return error


@pytest.mark.parametrize("place", PLACES)
def test_reply_is_a_message_or_our_error_when_a_value_is_hostile(place: str) -> None:
    """Protects callers from raw OverflowError and RecursionError, now or when the message is logged, and says why."""
    write, part = PLACES[place]
    for name, value in VALUES.items():
        whole, stream = write(part.replace("#", value))
        one, other = read(read_whole, whole), read(read_stream, stream)
        if isinstance(one, AIMessage) and isinstance(other, AIMessage):
            assert facts(one) == facts(other) or name == "NaN", name  # which equals nothing
        else:
            assert type(one) is type(other), name
        for result in (one, other):
            pickle.loads(pickle.dumps(result))  # noqa: S301
            for use in USES if isinstance(result, AIMessage) else (repr,):
                use(result)


ARGUMENTS = {
    "150 lists": ('{"a": ' + "[" * 150 + "]" * 150 + "}", True),
    "250 lists": ('{"a": ' + "[" * 250 + "]" * 250 + "}", False),
    "700 objects": ('{"a":' * 700 + "1" + "}" * 700, False),
    "700 lists, cut": ('{"a": ' + "[" * 700, False),
    "10,000 lists": ('{"a": ' + "[" * 10_000 + "]" * 10_000 + "}", False),
    "400 digits": (f'{{"a": {"9" * 400}}}', True),
    "5,000 digits": (f'{{"a": {"9" * 5000}}}', False),
    "beyond a float": ('{"a": 1e400}', False),
    "below a float": ('{"a": 1e-400}', True),
    "NaN": ('{"a": NaN}', False),
    "Infinity": ('{"a": [-Infinity]}', False),
}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("size", [10**6, 100])
def test_call_is_invalid_when_its_arguments_cannot_be_used(name: str, size: int) -> None:
    """Protects tools from values no JSON has, and tracers and checkpoints from what cannot be copied or pickled."""
    text, is_valid = ARGUMENTS[name]
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    wires = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": pieces[0]}}]
    wires += [{"index": 0, "function": {"arguments": piece}} for piece in pieces[1:]]
    streamed = read_stream(write_events(*({"tool_calls": [wire]} for wire in wires), reason="tool_calls"))
    call = {"id": "c", "function": {"name": "f", "arguments": text}}
    whole = read_whole(reply({"tool_calls": [call]}, "tool_calls"))
    for message in (streamed, whole):
        assert (len(message.tool_calls), len(message.invalid_tool_calls)) == (is_valid, not is_valid)
        for use in (pickle.dumps, *USES):
            use(message)
    assert facts(streamed) == facts(whole)
