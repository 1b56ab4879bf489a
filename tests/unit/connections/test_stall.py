"""When a stream counts as stalled, and whose wait is ended then."""

from __future__ import annotations

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_qwen3.connections.exchange import _get_wait
from langchain_qwen3.connections.stall import AsyncWatch, SyncWatch

LIMIT = 0.04


async def test_wait_is_cancelled_when_nothing_comes() -> None:
    """A server that hangs must not be waited for."""

    async def wait() -> bool:
        watch = AsyncWatch(LIMIT, lambda: 1)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(10)
        return watch.absorb()

    task = asyncio.create_task(wait())
    assert await task
    assert task.cancelling() == 0  # taken back: the task is as it was


async def test_cancellation_is_left_alone_when_it_is_the_callers() -> None:
    """A caller that cancels a slow stream is told of its own cancellation."""
    watches = []

    async def wait() -> None:
        watches.append(AsyncWatch(10, lambda: 1))
        await asyncio.sleep(10)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not watches[0].absorb()
    watches[0].stop()


@pytest.mark.parametrize("waits", [[None], [1, None], range(1_000_000)], ids=["none", "by turns", "new ones"])
async def test_nothing_is_cancelled_when_no_wait_is_long(waits: Any) -> None:
    """The caller may think as long as it likes, and a slow stream may trickle for hours."""
    turns = iter(list(waits) * (1 if len(waits) > 2 else 1000))
    watch = AsyncWatch(LIMIT, lambda: next(turns))
    await asyncio.sleep(3 * LIMIT)
    watch.stop()
    assert not watch.fired


async def test_watch_gives_up_when_its_task_is_done() -> None:
    """Under `asyncio.wait_for` of Python 3.11 each chunk is read by a task of its own."""

    async def begin() -> AsyncWatch:
        return AsyncWatch(LIMIT, lambda: 1)

    watch = await asyncio.create_task(begin())
    await asyncio.sleep(3 * LIMIT)
    assert not watch.fired


@pytest.fixture
def response() -> Any:
    """A response whose socket nobody writes to."""
    ours, theirs = socket.socketpair()
    stream = SimpleNamespace(get_extra_info=lambda _: ours)
    yield SimpleNamespace(extensions={"network_stream": stream}, close=lambda: None, socket=ours)
    ours.close()
    theirs.close()


def test_threads_wait_ends_when_nothing_comes(response: Any) -> None:
    """A thread cannot be cancelled, so its socket is shut."""
    watch = SyncWatch(LIMIT, lambda: 1, response)
    assert response.socket.recv(1) == b""
    assert watch.fired


def test_threads_socket_is_left_alone_when_its_response_is_closed(response: Any) -> None:
    """From then on it may serve another thread's request."""
    watch = SyncWatch(LIMIT, lambda: 1, response)
    response.close()
    time.sleep(3 * LIMIT)
    assert not watch.fired


async def test_wait_is_known_by_the_generator_that_waits() -> None:
    """Nothing is done for each chunk to know who has the word: Python's generators say whether they run."""
    reader: Any = SimpleNamespace(pieces=3, first_token_at=1.0)
    arrived = asyncio.Event()

    async def read() -> Any:
        yield b"a"
        await arrived.wait()
        yield b"b"

    pieces = read()
    assert _get_wait(pieces, reader) is None
    assert await anext(pieces) == b"a"
    assert _get_wait(pieces, reader) is None
    task = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)
    assert _get_wait(pieces, reader) == 3
    reader.first_token_at = None
    assert _get_wait(pieces, reader) is None  # a long prompt
    arrived.set()
    assert await task == b"b"
    await pieces.aclose()


def test_threads_wait_is_known_by_the_generator_that_waits() -> None:
    """The same for threads."""
    reader: Any = SimpleNamespace(pieces=3, first_token_at=1.0)
    seen = []

    def read() -> Any:
        seen.append(_get_wait(pieces, reader))
        yield b"a"

    pieces = read()
    next(pieces)
    assert (seen, _get_wait(pieces, reader)) == ([3], None)
