"""When a stream counts as stalled, and that its connection is closed then, whoever waits."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_qwen3.connections import stall
from langchain_qwen3.connections.stall import ABORT, Watch

LIMIT = 0.04


class Stream:
    """A stream whose bytes, chunks and connection a test moves by hand."""

    def __init__(self) -> None:
        self.ag_running = True  # somebody waits for bytes
        self.progress, self.ended = 1, False
        self.aborted = asyncio.Event()
        self.extensions = {ABORT: self.aborted.set}

    def watch(self, limit: float | None = LIMIT) -> Watch:
        return Watch(limit, self, self, self)


async def test_connection_is_closed_when_no_chunk_comes() -> None:
    """Protects callers from a server that hangs."""
    stream = Stream()
    watch = stream.watch()
    await asyncio.wait_for(stream.aborted.wait(), 60)
    assert watch.fired


async def test_connection_is_closed_when_httpx_has_it() -> None:
    """Protects users of httpx, of their own client too: there the connection is closed by a coroutine."""
    stream: Any = Stream()
    closed = asyncio.Event()

    async def aclose() -> None:
        closed.set()
        raise OSError("it is gone already")

    stream.extensions = {"network_stream": SimpleNamespace(aclose=aclose)}
    watch = stream.watch()
    await asyncio.wait_for(closed.wait(), 60)
    assert watch.fired


@pytest.mark.parametrize(
    "move",
    [
        lambda stream: setattr(stream, "ag_running", False),
        lambda stream: setattr(stream, "progress", stream.progress + 1),
        lambda stream: setattr(stream, "progress", 0),
    ],
    ids=["the caller has the word", "chunks come", "the prompt is read"],
)
async def test_nothing_is_closed_when_no_wait_is_long(move: Any) -> None:
    """Protects callers that think, streams that trickle for hours, and long prompts."""
    stream = Stream()
    watch = stream.watch()
    for _ in range(100):
        move(stream)
        watch._check()
    watch.stop()
    await asyncio.sleep(2 * LIMIT)
    assert not watch.fired


async def test_nothing_is_closed_when_the_loop_was_blocked() -> None:
    """Protects streams beside a sync tool, or in a debugger: their chunks lie in the socket, and are read next."""
    stream = Stream()
    watch = stream.watch()
    for _ in range(3):
        watch._check()
        time.sleep(2 * LIMIT)  # noqa: ASYNC251  # what blocks the loop
    watch.stop()
    assert not watch.fired


@pytest.mark.parametrize("limit", [None, 0, -1, nan, inf])
async def test_nothing_is_closed_when_the_limit_is_none(limit: float | None) -> None:
    """Protects event loops: a timer for "not a number" stops them, one for the past takes all their time."""
    stream = Stream()
    watch = stream.watch(limit)
    assert 0 < watch._pause < inf
    await asyncio.sleep(2 * LIMIT)
    watch._check()
    watch.stop()
    assert not watch.fired


@pytest.mark.parametrize("limit", [None, 1000])
@pytest.mark.parametrize("progress", [0, 1])
async def test_connection_is_closed_soon_when_the_model_has_ended(
    limit: float | None, progress: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects callers from servers that send no `[DONE]`, whatever the limit and even of an empty answer."""
    monkeypatch.setattr(stall, "END_SECONDS", LIMIT)
    monkeypatch.setattr(stall, "_MAX_PAUSE", LIMIT / 4)
    stream = Stream()
    stream.progress = progress
    watch = stream.watch(limit)
    await asyncio.sleep(3 * LIMIT)
    assert not watch.fired
    stream.ended = True
    await asyncio.wait_for(stream.aborted.wait(), 60)
    assert watch.fired


async def test_bytes_without_chunks_are_no_progress_when_the_stream_stalls() -> None:
    """Protects the limit, which is one between chunks, from keep-alive comments."""
    stream = Stream()
    watch = stream.watch()
    for _ in range(3000):
        stream.ag_running = False  # each comment wakes the reader ...
        stream.ag_running = True  # ... who waits again
        await asyncio.sleep(0.01)
        if watch.fired:
            return
    pytest.fail("the stall was not noticed")


async def test_stream_is_let_go_when_its_watch_stops() -> None:
    """Protects memory: the timer may be due in minutes, and holds no message until then."""
    watch = Stream().watch(1000)
    watch.stop()
    assert watch._watched is None
    watch._check()
    assert not watch.fired


@pytest.fixture
def response() -> Iterator[Any]:
    """A response whose socket nobody writes to."""
    ours, theirs = socket.socketpair()
    stream = SimpleNamespace(get_extra_info=lambda _: ours)
    yield SimpleNamespace(extensions={"network_stream": stream}, socket=ours)
    ours.close()
    theirs.close()


def test_threads_wait_ends_when_nothing_comes(response: Any) -> None:
    """Protects threads, which cannot be cancelled: their socket is shut."""
    watch = Watch(LIMIT, SimpleNamespace(gi_running=True), SimpleNamespace(progress=1, ended=False), response)
    assert response.socket.recv(1) == b""
    assert watch.fired


def test_threads_socket_is_left_alone_when_its_watch_stops(response: Any) -> None:
    """Protects another thread's request, which the connection may serve from then on."""
    watch = Watch(LIMIT, SimpleNamespace(gi_running=True), SimpleNamespace(progress=1, ended=False), response)
    watch.stop()
    watch._check()
    assert not watch.fired
    response.socket.settimeout(3 * LIMIT)
    with pytest.raises(TimeoutError):
        response.socket.recv(1)


def test_threads_watch_may_stop_when_it_looks(response: Any) -> None:
    """Protects from a deadlock: the collector may close the stream during a check."""
    watches: list[Watch] = []

    class Reader:
        ended = False

        @property
        def progress(self) -> int:
            watches[0].stop()
            return 1

    watches.append(Watch(0.001, SimpleNamespace(gi_running=True), Reader(), response))
    for _ in range(3):
        watches[0]._check()
    assert not watches[0].fired
