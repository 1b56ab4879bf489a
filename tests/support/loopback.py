"""A small HTTP server on 127.0.0.1 for tests of connections: it counts them, and misbehaves when asked to.

It runs on a loop and thread of its own, so that any number of loops, threads and processes may call it. The
last part of the path says how it answers: any name of `FAULTS` by breaking the connection, `status-404` (or any other
number, also in the header `x-status`) by that status, `redirect-307?to=URL` by sending the client elsewhere, everything
else as a model would, whole or streamed. As a proxy it answers in the place of any host.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

CHUNKS = 20
HELLO = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}]}

FAULTS = {
    "hangup": b"",
    "garbage": b"this is not HTTP\r\n\r\n",
    "cut-length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "cut-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    "reset": b"",
    "reset-length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "reset-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "stall": b"",
    "stall-body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
}


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Loopback:
    """The server: `with Loopback() as server:` starts and stops it.

    Attributes:
        crowd: replies wait until so many requests have arrived.
        location: where `redirect-307` leads to, if the request does not say.
        hold: streams stop after their first event until this is False again.
        idle_close: seconds after which an idle connection is closed, None: never.
        connections: connections accepted so far.
        open_now: connections open now.
        requests: the requests that arrived, in order.
        tls: certificate of a server that speaks TLS.
    """

    crowd: int = 0
    location: str = ""
    hold: bool = False
    idle_close: float | None = None
    connections: int = 0
    open_now: int = 0
    requests: list[Request] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    _ready: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client wants as its base URL."""
        return f"{self.origin}/v1"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        # 1,000 connections may come at once: the kernel drops what the queue cannot hold
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=2048, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await asyncio.sleep(0.01)  # asyncio leaks a connection whose acceptance ends after the server's close
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self._writers.add(writer)
        try:
            while request := await asyncio.wait_for(self._read(reader), self.idle_close):
                self.requests.append(request)
                while len(self.requests) < self.crowd:  # noqa: ASYNC110 - set by another thread
                    await asyncio.sleep(0.005)
                if not await self._reply(request, reader, writer):
                    break
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, or idled for too long
        finally:
            self.open_now -= 1
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        head = await reader.readuntil(b"\r\n\r\n")
        method_line, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _version = method_line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:size]
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(method, target, headers, body)

    async def _reply(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Write one reply. False: the connection ends here."""
        url = urlsplit(request.target)
        name = unquote(url.path).rpartition("/")[2]
        if name in FAULTS:
            writer.write(FAULTS[name])
            await writer.drain()
            await asyncio.sleep(0.05)
            if name.startswith("stall"):
                await reader.read()  # until the client leaves
            elif name.startswith("reset"):
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            return False
        kind, _, status = name.partition("-")
        if "x-status" in request.headers:
            kind, status = "status", request.headers["x-status"]
        if kind in ("redirect", "status"):
            targets = parse_qs(url.query).get("to", [self.location] if self.location else [])
            location = "".join(f"Location: {target}\r\n" for target in targets)
            writer.write(f"HTTP/1.1 {status or 307} X\r\n{location}Content-Length: 0\r\n\r\n".encode())
        elif request.body and json.loads(request.body).get("stream"):
            await self._stream(writer)
        else:
            body = json.dumps(HELLO).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: session=canary; Path=/\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
        await writer.drain()
        return True

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        events = [b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'] * CHUNKS
        events[-1] = events[-1].replace(b"}}]}", b'}, "finish_reason": "stop"}]}')
        for event in [*events, b"data: [DONE]\n\n"]:
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
            await asyncio.sleep(0)
            while self.hold and not self._stop.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
        writer.write(b"0\r\n\r\n")
