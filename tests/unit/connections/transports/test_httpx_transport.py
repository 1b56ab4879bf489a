"""One-connection pools of httpx: which is taken, which is closed, and that none is closed under a request."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.transports import httpx_transport
from langchain_qwen3.connections.transports.httpx_transport import HttpxConnections, SyncTransport, _IdlePools
from langchain_qwen3.connections.transports.shared import BODY, PIECE

REQUEST = httpx.Request("POST", "http://pod.test/v1")


class Stream(httpx.ByteStream):
    """A body that knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


class Pool:
    """One connection, in the place of httpx's own transport."""

    made: list[Pool] = []  # noqa: RUF012  # emptied by the fixture
    written: list[bytes] = []  # noqa: RUF012  # the body of the last request

    def __init__(self, **_options: Any) -> None:
        self.is_closed = False
        Pool.made.append(self)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/fail":
            raise httpx.ReadError("broken")
        return httpx.Response(200, stream=Stream(b"body"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if isinstance(request.stream, httpx.AsyncByteStream):
            Pool.written = [piece async for piece in request.stream]
        return self.handle_request(request)

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[Pool]:
    """The pools that were made, and no others than these."""
    monkeypatch.setattr(httpx_transport.httpx, "HTTPTransport", Pool)
    monkeypatch.setattr(httpx_transport.httpx, "AsyncHTTPTransport", Pool)
    Pool.made = []
    return Pool.made


def test_newest_idle_pool_is_taken_first_and_old_ones_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from ageing: what is left at the bottom after a burst is closed, not used now and then."""
    now = 100.0
    monkeypatch.setattr(httpx_transport, "monotonic", lambda: now)
    pools: _IdlePools[str] = _IdlePools()
    for name in ("a", "b", "c"):
        pools.put(name)
        now += 1
    assert pools.take() == "c"
    assert [*pools.take_older(3)] == ["a"]
    assert ([*pools.take_older(3)], len(pools)) == ([], 1)
    assert (pools.take(), pools.take()) == ("b", None)


def test_sync_request_takes_the_idle_pool_and_no_pool_has_two(pools: list[Pool]) -> None:
    """Protects speed, for httpcore looks at every connection of a pool on every request."""
    transport = SyncTransport(None, ())
    first, second = transport.handle_request(REQUEST), transport.handle_request(REQUEST)
    assert len(pools) == 2
    assert first.request is REQUEST
    assert isinstance(first.extensions[BODY], Stream)
    for response in (first, second):
        response.close()
        assert response.extensions[BODY].is_closed
    transport.handle_request(REQUEST).close()
    assert (len(pools), repr(transport)) == (2, "<SyncTransport [2 idle connections]>")


def test_sync_close_spares_a_request_in_flight_until_it_is_done(pools: list[Pool]) -> None:
    """Protects another model's stream from the close of this one."""
    transport = SyncTransport(None, ())
    response = transport.handle_request(REQUEST)
    transport.handle_request(REQUEST).close()
    transport.close()
    assert [pool.is_closed for pool in pools] == [False, True]
    response.close()
    assert [pool.is_closed for pool in pools] == [True, True]


def test_sync_connection_is_closed_and_the_request_named_when_it_fails(pools: list[Pool]) -> None:
    """Protects sockets, and errors that say which request it was."""
    request = httpx.Request("POST", "http://pod.test/fail")
    with pytest.raises(httpx.ReadError) as caught:
        SyncTransport(None, ()).handle_request(request)
    assert caught.value.request is request
    assert pools[0].is_closed


def test_sync_pools_are_never_shared_when_threads_come_together(pools: list[Pool]) -> None:
    """Protects a reply from another thread's: each step on the idle pools is one of a deque's."""
    transport = SyncTransport(None, ())
    in_use: set[int] = set()
    errors: list[str] = []

    def work() -> None:
        for _ in range(200):
            response = transport.handle_request(REQUEST)
            pool = id(response.extensions[BODY])
            if pool in in_use:
                errors.append("used by two")
            in_use.add(pool)
            in_use.discard(pool)
            response.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(pools) <= 8


async def test_async_connection_goes_back_or_is_closed(pools: list[Pool]) -> None:
    """Protects reuse, sockets of failed requests, and streams that are open when their connections close."""
    connections = HttpxConnections(None, ())
    _, close = await connections.send(REQUEST)
    await close()
    _, close = await connections.send(REQUEST)
    assert len(pools) == 1
    with pytest.raises(httpx.ReadError):
        await connections.send(httpx.Request("POST", "http://pod.test/fail"))
    assert [pool.is_closed for pool in pools] == [False, True]
    await connections.aclose()
    assert not pools[0].is_closed
    await close()
    assert pools[0].is_closed


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_large_body_is_written_in_pieces_when_it_has_a_limit(pools: list[Pool], size: int) -> None:
    """Protects large uploads over a slow line: the limit of a write is that of a piece, not of the whole body."""
    connections = HttpxConnections(None, ())
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    _, close = await connections.send(httpx.Request("POST", "http://pod.test/v1", content=content))
    await close()
    await connections.aclose()
    assert b"".join(Pool.written) == content
    assert max(map(len, Pool.written), default=0) <= PIECE
    assert len(pools) == 1
