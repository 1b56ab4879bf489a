"""What the fault server sends, as data: the name of a fault becomes a list of steps. Pure, no I/O.

A fault is named in the request itself, in the header `x-fault` or in double brackets in the last user message,
so that many calls in flight can each meet their own: `q17 [[reset 120]]`. `xN` as the last word limits it
to the first N requests with this key (`[[status 503 openai x1]]` fails once, then answers), which is how retries
are tested. The key is the message's first word; every right answer repeats it, so that mixed-up answers show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

RESET, FIN = "reset", "fin"
"""Ends of a connection: with RST, so that the client sees an error, or with FIN, so that it sees an end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for this many seconds; None: until the client leaves."""

    seconds: float | None


Step = bytes | Pause | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request, as far as it decides the reply.

    Attributes:
        key: The first word of the last user message.
        fault: Name and arguments, empty for a right answer.
        stream: The client asked for a stream.
        tools: The client sent tools: the answer is a call.
        flavor: `vllm` or `llama`, which spell their replies differently.
    """

    key: str
    fault: list[str] = field(default_factory=list)
    times: int | None = None
    stream: bool = False
    tools: bool = False
    flavor: str = "vllm"


def read_ask(body: dict[str, Any], headers: dict[str, str], flavor: str = "vllm", default: str = "") -> Ask:
    """Read which reply a request is to get."""
    texts = [message["content"] for message in body.get("messages", []) if message.get("role") == "user"]
    text = texts[-1] if texts and isinstance(texts[-1], str) else "-"
    found = re.search(r"\[\[(.*?)\]\]", text)
    words = (headers.get("x-fault") or (found[1] if found else default)).split()
    times = int(words.pop()[1:]) if words and re.fullmatch(r"x\d+", words[-1]) else None
    return Ask(
        key=(text.split() or ["-"])[0],
        fault=words,
        times=times,
        stream=bool(body.get("stream")),
        tools=bool(body.get("tools")),
        flavor=flavor,
    )


def plan_reply(ask: Ask) -> list[Step]:
    """Return the steps of the reply: bytes to send, pauses, and how the connection ends."""
    name, *args = ask.fault or ["ok"]
    return FAULTS[name](ask, *args)


# What a right answer says.


def reasoning_of(key: str) -> str:
    """The reasoning of the right answer to a key."""
    return f"Someone asks {key}. 想一想 {key}."


def content_of(key: str) -> str:
    """The text of the right answer to a key."""
    return f"The answer to {key} is 答案-{key}, and nothing else 🙂."


def arguments_of(key: str) -> str:
    """The arguments of the right tool call, `get_weather`, for a key."""
    return json.dumps({"city": key})


USAGE = {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}


def build_whole(ask: Ask) -> dict[str, Any]:
    """A whole reply, spelled as vLLM or llama.cpp spells it."""
    reasoning = "reasoning" if ask.flavor == "vllm" else "reasoning_content"
    message: dict[str, Any] = {"role": "assistant", "content": content_of(ask.key)}
    message[reasoning] = reasoning_of(ask.key)
    if ask.tools:
        function = {"name": "get_weather", "arguments": arguments_of(ask.key)}
        message["content"] = None if ask.flavor == "vllm" else ""
        message["tool_calls"] = [{"id": f"call-{ask.key}", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if ask.tools else "stop"}
    return _frame(ask, "chat.completion", choices=[choice], usage=USAGE)


def build_events(ask: Ask) -> list[dict[str, Any]]:
    """The events of a streamed reply, without `[DONE]`."""
    first: Any = "" if ask.flavor == "vllm" else None
    reasoning = "reasoning" if ask.flavor == "vllm" else "reasoning_content"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": first}]
    deltas += [{reasoning: piece} for piece in _pieces(reasoning_of(ask.key))]
    if ask.tools:
        call = {"index": 0, "id": f"call-{ask.key}", "type": "function", "function": {"name": "get_weather"}}
        deltas.append({"tool_calls": [call]})
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in _pieces(arguments_of(ask.key))
        ]
    else:
        deltas += [{"content": piece} for piece in _pieces(content_of(ask.key))]
    events = [
        _frame(ask, "chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        for delta in deltas
    ]
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if ask.tools else "stop"}
    events.append(_frame(ask, "chat.completion.chunk", choices=[last]))
    events.append(_frame(ask, "chat.completion.chunk", choices=[], usage=USAGE))
    return events


def _frame(ask: Ask, kind: str, **fields: Any) -> dict[str, Any]:
    model = {"id": f"chatcmpl-{ask.key}", "object": kind, "created": 1, "model": "Qwen/Qwen3-0.6B"}
    return {**model, **fields}


def _pieces(text: str, size: int = 5) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


# Bytes on the wire.


def write_head(status: int, headers: dict[str, str]) -> bytes:
    """The status line and the headers."""
    lines = [f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def write_whole(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> list[Step]:
    """A reply with a length."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return [write_head(status, {"content-type": kind, "content-length": str(len(body)), **names}), body]


def write_chunked(blocks: list[bytes], kind: str = "text/event-stream", **headers: str) -> list[Step]:
    """A reply in HTTP chunks, one for every block."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    head = write_head(200, {"content-type": kind, "transfer-encoding": "chunked", **names})
    return [head, *(b"%x\r\n%s\r\n" % (len(block), block) for block in blocks), b"0\r\n\r\n"]


def write_event(event: Any) -> bytes:
    """One server-sent event."""
    data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    return f"data: {data}\n\n".encode()


def write_stream(events: list[Any], *, done: bool = True) -> list[Step]:
    """A stream of events."""
    return write_chunked([write_event(event) for event in [*events, *(["[DONE]"] if done else [])]])


def ok(ask: Ask) -> list[Step]:
    """The right answer."""
    return write_stream(build_events(ask)) if ask.stream else write_whole(json.dumps(build_whole(ask)).encode())


FAULTS: dict[str, Callable[..., list[Step]]] = {"ok": ok}
"""Every fault by its name; `faults.py` adds all but the right answer."""
