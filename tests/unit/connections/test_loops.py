"""Whose connections a request gets, and when they are closed; with real sockets in tests/integration/connections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import weakref
from functools import partial
from typing import Any

import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import loops
from langchain_qwen3.connections.loops import LoopTransport

REQUEST = httpx.Request("POST", "http://pod.test/v1")


class Connections:
    """The connections of one loop, as a transport of ours has them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_closed = False

    async def send(self, request: httpx.Request) -> tuple[httpx.Response, Any]:
        if request.url.path == "/fail":
            raise httpx.ReadError("broken")
        return httpx.Response(200, stream=httpx.ByteStream(b"body")), partial(asyncio.sleep, 0)

    async def close_idle(self) -> None:
        pass

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
def opened() -> list[Connections]:
    """All connections that were made."""
    return []


@pytest.fixture
def transport(opened: list[Connections]) -> LoopTransport:
    """A transport over such connections."""

    def build() -> Connections:
        opened.append(Connections())
        return opened[-1]

    return LoopTransport(build)


async def send(transport: LoopTransport) -> None:
    """Send a request and read its answer."""
    response = await transport.handle_async_request(REQUEST)
    assert await response.aread() == b"body"
    await response.aclose()


def test_each_loop_has_its_own_and_its_end_closes_them(transport: LoopTransport, opened: list[Connections]) -> None:
    """Protects the second `asyncio.run`, which used to die with "Event loop is closed"."""
    for _ in range(3):
        asyncio.run(send(transport))
    assert len({connections.loop for connections in opened}) == 3
    assert all(connections.is_closed for connections in opened)
    assert repr(transport) == "<LoopTransport [no loop]>"


async def test_one_loop_keeps_its_own_when_requests_follow(transport: LoopTransport, opened: list[Connections]) -> None:
    """Protects speed: a new connection for each request is a handshake for each."""
    for _ in range(3):
        await send(transport)
    assert len(opened) == 1
    assert repr(transport) == "<LoopTransport [0 requests in flight]>"


async def test_close_waits_for_requests_and_the_next_one_opens_anew(
    transport: LoopTransport, opened: list[Connections]
) -> None:
    """Protects another model's stream from the close of this one."""
    response = await transport.handle_async_request(REQUEST)
    await transport.aclose()
    assert not opened[0].is_closed
    await send(transport)
    assert len(opened) == 2
    await response.aclose()
    assert [connections.is_closed for connections in opened] == [True, False]


async def test_close_from_elsewhere_reaches_the_loop_soon(transport: LoopTransport, opened: list[Connections]) -> None:
    """Protects sockets of a model that is closed in a thread without a loop."""
    await send(transport)
    await asyncio.to_thread(transport.close_soon)
    for _ in range(3):
        await asyncio.sleep(0)
    assert opened[0].is_closed


def test_close_reaches_connections_of_a_closed_loop(transport: LoopTransport, opened: list[Connections]) -> None:
    """Protects scripts that close a loop by hand and then the model: aiohttp logged an unclosed session."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(send(transport))
    loop.close()
    transport.close_soon()
    assert opened[0].is_closed
    assert repr(transport) == "<LoopTransport [no loop]>"  # it would keep the loop


def test_close_of_a_loop_that_does_not_run_is_made_up_for(transport: LoopTransport, opened: list[Connections]) -> None:
    """Protects scripts that run a loop by hand: closed by the model, connections must not be left to nobody."""
    loop, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    loop.run_until_complete(send(transport))
    transport.close_soon()
    transport.close_at_exit()
    assert opened[0].is_closed
    other.run_until_complete(send(transport))
    transport.close_soon()
    other.close()
    asyncio.run(send(transport))
    assert [connections.is_closed for connections in opened] == [True, True, True]
    loop.close()


async def test_request_opens_anew_when_the_idle_ones_are_about_to_close(
    transport: LoopTransport, opened: list[Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects programs that pause as long as connections may idle: the request and the check come at one time."""
    monkeypatch.setattr(loops, "KEEPALIVE_SECONDS", 0)
    await send(transport)
    request = asyncio.create_task(transport.handle_async_request(REQUEST))  # its first step comes before the closing
    transport._loops[asyncio.get_running_loop()]._check()
    response = await request
    for _ in range(3):
        await asyncio.sleep(0)
    assert [connections.is_closed for connections in opened] == [True, False]
    await response.aclose()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_loop_is_freed_when_it_was_left_open(
    transport: LoopTransport, opened: list[Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects services that make a loop per call and close none: each kept five open files, until none was left."""
    monkeypatch.setattr(loops, "KEEPALIVE_SECONDS", 0)
    left = asyncio.new_event_loop()
    left.run_until_complete(send(transport))
    alive = weakref.ref(left)
    del left
    opened.clear()
    asyncio.run(send(transport))
    gc.collect()
    assert alive() is None


def test_open_loop_opens_anew_when_its_idle_connections_were_closed(
    transport: LoopTransport, opened: list[Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects programs whose loop rests between two calls, while other loops come and go."""
    monkeypatch.setattr(loops, "KEEPALIVE_SECONDS", 0)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(send(transport))
        asyncio.run(send(transport))
        assert opened[0].is_closed
        loop.run_until_complete(send(transport))
        assert len(opened) == 3
        loop.run_until_complete(loop.shutdown_asyncgens())


def test_open_loops_are_closed_at_exit_when_they_are_idle(
    transport: LoopTransport, opened: list[Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the last lines of an IPython session, whose loop rests while it waits for input."""
    monkeypatch.setattr(loops, "KEEPALIVE_SECONDS", 0)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(send(transport))
        transport.close_at_exit()
        assert opened[0].is_closed


@pytest.mark.parametrize("has_hooks", [True, False])
@pytest.mark.parametrize("end", ["next loop", "exit"])
def test_guard_is_freed_in_silence_when_its_loop_was_closed(
    transport: LoopTransport, opened: list[Connections], monkeypatch: pytest.MonkeyPatch, end: str, *, has_hooks: bool
) -> None:
    """Protects programs with nest_asyncio, whose loops run without asyncio's hooks, from "Exception ignored in"."""
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)

    async def run() -> None:
        if not has_hooks:
            sys.set_asyncgen_hooks(None, None)  # asyncio puts back the old ones when the loop stops
        await send(transport)

    for _ in range(3):
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(run())
    if end == "exit":
        transport.close_at_exit()
    else:
        asyncio.run(send(transport))
    assert all(connections.is_closed for connections in opened)
    gc.collect()
    assert not ignored


async def test_request_is_counted_out_and_named_when_it_fails(transport: LoopTransport) -> None:
    """Protects the count that says when connections may close, and errors that say which request it was."""
    request = httpx.Request("POST", "http://pod.test/fail")
    with pytest.raises(httpx.ReadError) as caught:
        await transport.handle_async_request(request)
    assert caught.value.request is request
    assert repr(transport) == "<LoopTransport [0 requests in flight]>"


async def test_body_may_be_closed_twice(transport: LoopTransport) -> None:
    """Protects the count from a stream that both its reader and the collector close."""
    response = await transport.handle_async_request(REQUEST)
    body: Any = response.stream
    await body.aclose()
    await body.aclose()
    assert repr(transport) == "<LoopTransport [0 requests in flight]>"


async def test_nothing_is_known_after_a_fork(transport: LoopTransport, opened: list[Connections]) -> None:
    """Protects the parent's sockets: a child that keeps its loop opens its own."""
    await send(transport)
    transport.forget()
    await send(transport)
    assert len(opened) == 2
