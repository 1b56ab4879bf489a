"""Reads the body of a whole reply: the JSON of a chat completion, or an error that names what came instead. Sans-IO."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from langchain_qwen3._visible import join_halves
from langchain_qwen3.errors import BadReplyError, error_from_event
from langchain_qwen3.errors.body import ENVELOPES, decode_body
from langchain_qwen3.reply.ending import is_cut, read_reason
from langchain_qwen3.reply.fields import list_said, read_message
from langchain_qwen3.reply.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OTHER_SHAPE = (AttributeError, KeyError, TypeError, RecursionError)
"""What reading raises if the JSON does not have the shape of a chat completion, see `build_shape_error`."""

_STREAM_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANKS = b"\xef\xbb\xbf \t\r\n"  # includes the byte order mark


def is_event_stream(content: bytes) -> bool:
    """Whether a body is an event stream or one JSON object per line, whatever its type and what stands before it."""
    head = content.lstrip(_BLANKS)
    in_lines = not head.startswith(b"<") and (b"\ndata:" in content or b"}\n{" in content or b"}\r\n{" in content)
    return head.startswith(_STREAM_STARTS) or (in_lines and not _is_one_value(content))


def _is_one_value(content: bytes) -> bool:
    """Whether a body is one JSON value: a raw line break may be within its text, and `[DONE]` behind it."""
    try:
        read_json(content)
    except (ValueError, RecursionError):
        return False
    return True


def open_envelope(body: Any) -> Any:
    """Return the reply in a gateway's envelope, such as `{"code": 0, "msg": "ok", "data": {…}}`; else the body.

    Some Java frameworks write the JSON of a text that is JSON: https://github.com/apache/servicecomb-java-chassis/pull/5125
    """
    body = _read_text(body)
    if isinstance(body, dict) and not body.get("choices"):
        for inner in map(_read_text, map(body.get, ENVELOPES)):
            if isinstance(inner, dict) and "choices" in inner:
                return {**inner, "usage": inner.get("usage") or body.get("usage")}
    return body


def _read_text(value: Any) -> Any:
    """Return the JSON in a text that is JSON; else the value."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return join_halves(read_json(value.encode(errors="replace")))
        except ValueError:
            pass
    return value


def read_body(content: bytes, response: Any = None) -> dict[str, Any]:
    """Return the JSON of a whole reply that has at least one choice.

    Raises:
        Qwen3Error: The reply is an error with status 200.
        BadReplyError: The reply is an HTML page, empty, not JSON or without choices.
    """
    try:
        body = read_json(content)
        if b"\\u" in content:  # only an escape can be half a character
            body = join_halves(body)
    except (ValueError, RecursionError):
        what = (
            "an HTML page" if content.lstrip()[:1] == b"<" else "invalid JSON" if content.strip() else "an empty body"
        )
        text = f"the server answered with {what} instead of a chat completion"
        raise BadReplyError(text, response=response, body=decode_body(content)[:2000]) from None
    reply = open_envelope(body)
    error = error_from_event(body, response=response)
    if reply is not body:
        error = error or error_from_event(reply, response=response)
    if error:
        raise error
    if not (isinstance(reply, dict) and isinstance(reply.get("choices"), list) and reply["choices"]):
        text = "the reply is null" if body is None else "the reply has no choices"
        raise BadReplyError(text, response=response, body=body)
    return reply


def join_choices(choices: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the choices of one answer, as one where they say different things: text and speech, or text and calls.

    So write vLLM-Omni, and gateways (https://github.com/karthink/gptel/pull/1336).
    """
    joined: list[Mapping[str, Any]] = []
    for choice in choices:
        if joined and list_said(read_message(joined[-1])).isdisjoint(list_said(read_message(choice))):
            joined[-1] = _join(joined[-1], choice)
        else:
            joined.append(choice)
    return joined


def _join(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    message = {key: value for part in (first, second) for key, value in read_message(part).items() if value}
    ends = (first, second) if is_cut(read_reason(second)) else (second, first)  # the last one counts
    return {**{key: value for end in ends for key, value in end.items() if value is not None}, "message": message}


def build_shape_error(response: Any, body: object = None) -> BadReplyError:
    """Return the error for JSON that does not have the shape of a chat completion."""
    return BadReplyError("the reply is not a chat completion", response=response, body=body)


def read_lines(lines: list[bytes], response: Any = None) -> list[Any]:
    """Return the events of a body that is not an event stream: one whole reply, or one JSON value per line.

    Raises:
        Qwen3Error: As `read_body`.
    """
    try:
        return [read_body(b"\n".join(lines), response)]
    except BadReplyError:
        said = [line for line in lines if line.strip() not in (b"", b"[DONE]")]
        events = []
        with suppress(ValueError):
            events = [read_json(line) for line in said[:-1]]
            events += map(read_json, said[-1:])  # may be half a line, of a stream that was cut
        if not all(isinstance(event, dict) for event in events) or len(events) < 2:  # noqa: PLR2004
            raise
        return events
