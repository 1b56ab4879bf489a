"""A replay server that is never the bottleneck: it parses just enough HTTP/1.1 and writes prebuilt bytes.

The first parts of the URL say what is replayed: `/WIRE/MODE/CHUNKS/v1/chat/completions` with WIRE one of
`replies.WIRES` and MODE one of

- `whole`: one JSON reply;
- `at-once`: the whole stream in a single write;
- `paced-MS`: one event per write, MS milliseconds apart, as an engine sends them;
- `hold-EVENTS`: that many events in a single write, and then silence.

`GET /held` answers how many streams are held open now. Run as `python -m bench.server [PROCESSOR]`; it prints its port
and ends with its standard input.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.replies import WIRES, build_events, build_reply

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
_STREAM_END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Replay:
    """What one URL answers: `pieces` written `interval` seconds apart, without an end if it is `held`."""

    pieces: tuple[bytes, ...]
    interval: float = 0.0
    held: bool = False


def _whole(status: str, body: bytes) -> Replay:
    head = f"HTTP/1.1 {status}\r\nserver: uvicorn\r\ncontent-type: application/json\r\n"
    return Replay((f"{head}content-length: {len(body)}\r\n\r\n".encode() + body,))


@cache
def find_replay(target: str) -> Replay:
    """Build what `target`, the path of a request, answers; a 404 when it names no replay."""
    wire, mode, chunks, *_ = (*target.strip("/").split("/"), "", "", "")
    if wire not in WIRES or not chunks.isdigit():
        return _whole("404 Not Found", b'{"detail":"Not Found"}')
    if mode == "whole":
        return _whole("200 OK", build_reply(wire, int(chunks)))
    events = build_events(wire, int(chunks))
    kind, _, number = mode.partition("-")
    if kind == "paced":
        return Replay((_STREAM_HEAD, *events, _STREAM_END), float(number) / 1000)
    if kind == "hold":
        return Replay((_STREAM_HEAD + b"".join(events[: int(number)]),), held=True)
    return Replay((_STREAM_HEAD + b"".join(events) + _STREAM_END,))


class ReplayProtocol(asyncio.Protocol):
    """One connection: reads requests with a content-length, answers each from `find_replay`."""

    held = 0

    def __init__(self) -> None:
        self._received = bytearray()
        self._holds = 0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport  # uvloop's is no asyncio.Transport by class

    def connection_lost(self, _exc: Exception | None) -> None:
        """Count what was held open here out."""
        ReplayProtocol.held -= self._holds

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (head_end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:head_end])
            request_end = head_end + 4 + _content_length(head)
            if len(self._received) < request_end:
                return
            del self._received[:request_end]
            self._answer(head.split(b" ", 2)[1].decode())

    def _answer(self, target: str) -> None:
        if target == "/held":
            self._transport.write(_whole("200 OK", b"%d" % ReplayProtocol.held).pieces[0])
            return
        replay = find_replay(target)
        if replay.held:
            self._holds += 1
            ReplayProtocol.held += 1
        if replay.interval:
            self._write_paced(replay, 0, self._loop.time())
        else:
            self._transport.write(replay.pieces[0])

    def _write_paced(self, replay: Replay, position: int, started: float) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(replay.pieces[position])
        position += 1
        if position < len(replay.pieces):
            due = started + position * replay.interval
            self._loop.call_at(due, self._write_paced, replay, position, started)


def _content_length(head: bytes) -> int:
    name = head.lower().find(b"\r\ncontent-length:")
    return int(head[name + 17 :].split(b"\r\n", 1)[0]) if name >= 0 else 0


async def serve() -> None:
    """Serve on a free port of 127.0.0.1, print the port, and end when standard input does."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(ReplayProtocol, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Pin this process to the processor given as argument, if any, and serve."""
    if sys.argv[1:]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
