"""The faults: for each name, the steps of a reply that goes wrong in one way.

A position in the right answer is a number of bytes (`120`, `-1` from the end), `head` (after the headers) or
`eN` (after the N-th event, or the whole body).
"""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.faults.plans import (
    FAULTS,
    FIN,
    RESET,
    Ask,
    Pause,
    Step,
    build_events,
    build_whole,
    ok,
    write_chunked,
    write_event,
    write_head,
    write_stream,
    write_whole,
)

HTML = b"<!DOCTYPE html><html><head><title>Pod is stopped</title></head><body>Start it first.</body></html>"

SHAPES: dict[str, Any] = {
    "openai": {"error": {"message": "it broke", "type": "BadRequestError", "param": None, "code": 400}},
    "string": {"error": "it broke"},
    "flat": {"object": "error", "message": "it broke", "type": "BadRequestError", "param": None, "code": 400},
    "detail": {"detail": "it broke"},
    "list": {"detail": [{"loc": ["body", "top_k"], "msg": "it broke", "type": "int_type"}]},
    "tgi": {"error": "it broke", "error_type": "validation"},
    "dashscope": {"code": "InvalidParameter", "message": "it broke", "request_id": "r-1"},
    "overflow": {
        "error": {
            "message": "This model's maximum context length is 4096 tokens. However, your prompt contains at "
            "least 4097 input tokens, which exceeds this limit even without any output tokens.",
            "type": "BadRequestError",
            "code": 400,
        }
    },
    "html": HTML,
    "text": b"it broke",
    "empty": b"",
}


def _flatten(steps: list[Step]) -> bytes:
    return b"".join(step for step in steps if isinstance(step, bytes))


def _split(ask: Ask, where: str) -> tuple[bytes, bytes]:
    """The right answer's bytes before and after a position."""
    steps = ok(ask)
    raw = _flatten(steps)
    if where == "head":
        at = len(_flatten(steps[:1]))
    elif where.startswith("e"):
        at = len(_flatten(steps[: int(where[1:]) + 1]))
    else:
        at = int(where)
    return raw[:at], raw[at:]


def reset(ask: Ask, where: str = "0") -> list[Step]:
    """The connection is reset at a position."""
    return [_split(ask, where)[0], RESET]


def fin(ask: Ask, where: str = "0") -> list[Step]:
    """The connection ends at a position as if that were the end."""
    return [_split(ask, where)[0], FIN]


def stall(ask: Ask, where: str = "0", seconds: str = "") -> list[Step]:
    """Silence at a position: for good, or for some seconds."""
    before, after = _split(ask, where)
    return [before, Pause(float(seconds) if seconds else None), after]


def drip(ask: Ask) -> list[Step]:
    """Every byte of its own."""
    return [step for byte in _flatten(ok(ask)) for step in (bytes([byte]), Pause(0))]


def slow(ask: Ask, seconds: str = "0.01") -> list[Step]:
    """A pause before every block."""
    return [step for block in ok(ask) for step in (Pause(float(seconds)), block)]


def close_after(ask: Ask) -> list[Step]:
    """The right answer, then the kept-alive connection is closed without a word."""
    return [*ok(ask), FIN]


def garbage(_ask: Ask) -> list[Step]:
    """Bytes that are no HTTP."""
    return [b"\x00\xff\x16\x03 SSH-2.0-nonsense\r\n\r\n", FIN]


def wrong_length(ask: Ask, difference: str) -> list[Step]:
    """A content-length that is too long (positive) or too short (negative) for the body."""
    kind = "text/event-stream" if ask.stream else "application/json"
    blocks = b"".join(map(write_event, [*build_events(ask), "[DONE]"]))
    body = blocks if ask.stream else json.dumps(build_whole(ask)).encode()
    return [
        write_head(200, {"content-type": kind, "content-length": str(len(body) + int(difference))}),
        body,
        FIN,
    ]


def status(_ask: Ask, code: str, shape: str = "openai", *headers: str) -> list[Step]:
    """An error status, with a body of any shape and headers such as `retry-after=1`."""
    body = SHAPES[shape]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"html": "text/html", "text": "text/plain"}.get(shape, "application/json")
    return write_whole(raw, int(code), kind, **dict(header.split("=", 1) for header in headers))


def redirect(_ask: Ask, location: str) -> list[Step]:
    """A redirect of the POST to another place."""
    return write_whole(b"", 307, location=location)


def page(_ask: Ask) -> list[Step]:
    """A web page with status 200, as a pod's gateway sends it."""
    return write_whole(HTML, kind="text/html; charset=utf-8")


def empty(ask: Ask) -> list[Step]:
    """Status 200 and nothing else."""
    return write_chunked([]) if ask.stream else write_whole(b"")


def no_choices(ask: Ask) -> list[Step]:
    """JSON that is no chat completion."""
    return write_stream([{"choices": []}]) if ask.stream else write_whole(b'{"id": "x", "choices": []}')


def broken_json(ask: Ask) -> list[Step]:
    """JSON that breaks off inside a reply that does not."""
    if ask.stream:
        return write_stream([*build_events(ask)[:3], '{"choices": [{"delta"', *build_events(ask)[3:]])
    return write_whole(json.dumps(build_whole(ask)).encode()[:-20])


def error_200(_ask: Ask, shape: str = "openai") -> list[Step]:
    """A whole error body, or an error as a stream's only event, under status 200."""
    return write_stream([SHAPES[shape]]) if _ask.stream else write_whole(json.dumps(SHAPES[shape]).encode())


def error_event(ask: Ask, after: str, shape: str = "openai", code: str = "") -> list[Step]:
    """An error event after some events."""
    event = SHAPES[shape]
    if code:
        event = {"error": {"message": "it broke", "code": int(code)}}
    return write_stream([*build_events(ask)[: int(after)], event])


def no_done(ask: Ask) -> list[Step]:
    """A stream with a finish reason that ends without `[DONE]`: complete."""
    return write_stream(build_events(ask), done=False)


def silent_end(ask: Ask) -> list[Step]:
    """A stream that is silent after its finish reason, and whose connection stays open."""
    return [*write_stream(build_events(ask)[:-1], done=False)[:-1], Pause(None)]


def no_finish(ask: Ask) -> list[Step]:
    """A stream that ends with `[DONE]` but no finish reason, of a server that gives one: cut."""
    return write_stream(build_events(ask)[:-2])


def neither(ask: Ask, events: str = "-2") -> list[Step]:
    """A stream that ends cleanly, but with neither finish reason nor `[DONE]`: cut."""
    return write_stream(build_events(ask)[: int(events)], done=False)


def huge(ask: Ask, mebibytes: str) -> list[Step]:
    """One event of this size among the others."""
    event = {"choices": [{"index": 0, "delta": {"content": "x" * (int(mebibytes) * 2**20)}}]}
    return write_stream([*build_events(ask)[:3], event, *build_events(ask)[3:]])


def compressed(ask: Ask) -> list[Step]:
    """The right answer in gzip."""
    if not ask.stream:
        return write_whole(gzip.compress(json.dumps(build_whole(ask)).encode()), content_encoding="gzip")
    raw = gzip.compress(b"".join(map(write_event, [*build_events(ask), "[DONE]"])))
    return write_chunked([raw[at : at + 50] for at in range(0, len(raw), 50)], content_encoding="gzip")


def bad_gzip(_ask: Ask) -> list[Step]:
    """A body that says gzip and is none."""
    return write_whole(b"this is no gzip", content_encoding="gzip")


def sse_forms(ask: Ask, form: str) -> list[Step]:
    """The right stream in another form the standard allows: `crlf`, `cr`, `comments`, `lines`, `bom`."""
    plain = [write_event(event) for event in [*build_events(ask), "[DONE]"]]
    blocks = {
        "crlf": [block.replace(b"\n", b"\r\n") for block in plain],
        "cr": [block.replace(b"\n", b"\r") for block in plain],
        "comments": [b": ping\n\nevent: message\nid: 1\nretry: 5\n" + block for block in plain],
        "lines": [block.replace(b', "choices"', b',\ndata: "choices"') for block in plain],
        "bom": [b"\xef\xbb\xbf" + plain[0], *plain[1:]],
    }[form]
    return write_chunked(blocks)


FAULTS.update(
    (fault.__name__, fault)
    for fault in (
        reset, fin, stall, drip, slow, close_after, garbage, wrong_length, status, redirect, page, empty,
        no_choices, broken_json, error_200, error_event, no_done, silent_end, no_finish, neither, huge, compressed,
        bad_gzip, sse_forms,
    )
)  # fmt: skip
