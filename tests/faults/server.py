"""The fault server: a chat completions server on raw sockets that fails exactly as it is told.

It runs on a loop and thread of its own, so sync and async tests use it alike; `python -m tests.faults.server`
runs it as a process and prints its address. What it does with a request is decided by `plans.py` and
`faults.py`; it writes down every request and counts connections, so that results can be compared with what
really arrived.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import tests.faults.faults  # noqa: F401 - fills the table of faults
from tests.faults.plans import RESET, Ask, Pause, Step, plan_reply, read_ask, write_whole

MODELS = {"object": "list", "data": [{"id": "Qwen/Qwen3-0.6B", "object": "model"}]}
OWNERS = {"vllm": {"owned_by": "vllm", "max_model_len": 4096}, "llama": {"owned_by": "llamacpp"}}
_ROUTES = {("GET", "/v1/models"), ("POST", "/v1/chat/completions")}


@dataclass
class Seen:
    """One request that arrived.

    Attributes:
        key: First word of its last user message.
        ended: `served`, or `left` when the client was gone before the reply was sent.
        seconds: From its arrival to its end.
    """

    key: str
    path: str
    fault: str
    headers: dict[str, str] = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    arrived: float = field(default_factory=time.monotonic, repr=False)
    ended: str = ""
    seconds: float = 0.0


class FaultServer:
    """Answers on 127.0.0.1 as the requests say; a context manager.

    Args:
        flavor: `vllm` or `llama`: whose replies the right answers are.
        fault: What requests get that name no fault.
        port: 0 takes a free one.
    """

    def __init__(self, flavor: str = "vllm", fault: str = "", port: int = 0) -> None:
        self.flavor = flavor
        self.fault = fault
        self.seen: list[Seen] = []
        self.opened = 0
        self.open = 0
        self.most_open = 0
        self.closed_idle = 0
        self._port = port
        self._times: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def calls(self) -> list[Seen]:
        """The chat completion requests that arrived."""
        return [seen for seen in self.seen if seen.path == "/v1/chat/completions"]

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Wait for the server to notice something; returns whether it did in time."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)
        return condition()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        await asyncio.sleep(0.01)  # asyncio leaks a connection whose acceptance ends after the server's close
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # sockets are closed by the loop's next turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        writer.transport.set_write_buffer_limits(high=0)  # so that drain() waits until all is sent
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the server stops
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; returns whether the connection stays open."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            self.closed_idle += 1
            return False
        method, path, _version = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        ask = read_ask(json.loads(raw) if raw else {}, headers, self.flavor, self.fault)
        steps = self._plan(ask, method, path)
        seen = Seen(ask.key, path, " ".join(ask.fault), headers, json.loads(raw) if raw else {})
        self.seen.append(seen)
        try:
            return await _send(steps, reader, writer, seen)
        finally:
            seen.seconds = time.monotonic() - seen.arrived

    def _plan(self, ask: Ask, method: str, path: str) -> list[Step]:
        if path == "/log":
            return write_whole(json.dumps(self.describe()).encode())
        if (method, path) not in _ROUTES:
            return write_whole(b'{"detail": "Not Found"}', 404)
        if method == "GET":
            row = {**MODELS["data"][0], **OWNERS[self.flavor]}  # type: ignore[dict-item]
            return write_whole(json.dumps({**MODELS, "data": [row]}).encode())
        self._times[ask.key] += 1
        if ask.times is not None and self._times[ask.key] > ask.times:
            ask.fault.clear()
        return plan_reply(ask)

    def describe(self) -> dict[str, Any]:
        """The log and the counts as JSON, which another process reads at `/log`."""
        seen = [
            {name: value for name, value in asdict(call).items() if name not in {"headers", "body"}}
            for call in self.calls
        ]
        counts = {name: getattr(self, name) for name in ("opened", "open", "most_open", "closed_idle")}
        return {"calls": seen, **counts}


async def _send(steps: list[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> bool:
    """Carry out the steps of a reply; returns whether the connection stays open."""
    for step in steps:
        if reader.at_eof() or writer.is_closing():
            seen.ended = "left"
            return False
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, Pause):
            await _pause(step, reader)
        else:
            seen.ended = "served"
            if step == RESET:
                await asyncio.sleep(0.01)  # the client's system gets what was sent before
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            return False
    seen.ended = "left" if reader.at_eof() else "served"
    return seen.ended == "served"


async def _pause(pause: Pause, reader: asyncio.StreamReader) -> None:
    """Wait, but not for a client that is gone."""
    # Polled: a stream reader has no event for its end.
    end = float("inf") if pause.seconds is None else time.monotonic() + pause.seconds
    await asyncio.sleep(0)
    while time.monotonic() < end and not reader.at_eof():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    with FaultServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()  # until the parent closes it
