"""httpx as it comes, one connection to a pool, and what the connections of both transports have in common.

httpcore goes through all connections of a pool on every request, twice (https://github.com/pydantic/httpx2/issues/1169).
So a pool here has one request at a time, and thereby one connection. Requests one after another all use the pool that
was given back last; N at once need N pools, however often they come.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.clock import call_later
from langchain_qwen3.connections.process import track

if TYPE_CHECKING:
    import ssl

__all__ = [
    "BODY",
    "KEEPALIVE_SECONDS",
    "LOOK_SECONDS",
    "AsyncConnections",
    "Close",
    "HttpxConnections",
    "SocketOption",
    "SyncTransport",
    "build_ssl_context",
]

SocketOption = tuple[int, int, int]
"""Arguments of `socket.setsockopt`."""

KEEPALIVE_SECONDS = 4.0
"""Idle connections are closed after this: vLLM and uvicorn close theirs after 5 s, even under a request."""

LOOK_SECONDS = 1.0
"""How often idle connections are looked for."""

BODY = "langchain_qwen3.body"
"""The extension of a response under which its body lies as the library gives it, with nothing around it."""

Close = Callable[[], Awaitable[None]]
"""Closes a reply's body and gives its connection back."""

_Pool = TypeVar("_Pool")


class AsyncConnections(Protocol):
    """The connections of one event loop, whichever library has them."""

    async def send(self, request: httpx.Request) -> tuple[httpx.Response, Close]:
        """Send a request; the caller calls what closes the body.

        Raises:
            httpx.TransportError: The same kinds from both libraries. No connection is left then.
        """

    async def close_idle(self) -> None:
        """Close the connections that have been idle for `KEEPALIVE_SECONDS`."""

    async def aclose(self) -> None:
        """Close all connections."""


@functools.cache
def build_ssl_context() -> ssl.SSLContext:
    """Build the one TLS context of the process (tens of milliseconds)."""
    return httpx.create_ssl_context()


def _build_options(proxy: str | None, socket_options: Sequence[SocketOption]) -> dict[str, Any]:
    # How many requests may be in flight is `max_concurrency`'s business: a pool that waits would time out.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS)
    return {"verify": build_ssl_context(), "limits": limits, "proxy": proxy, "socket_options": socket_options}


class _IdlePools(Generic[_Pool]):
    """Pools that no request uses, the newest on top. Each step is one of a deque's, which are atomic: no lock."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, _Pool]] = deque()

    def put(self, pool: _Pool) -> None:
        self._entries.append((monotonic(), pool))

    def take(self) -> _Pool | None:
        try:
            return self._entries.pop()[1]
        except IndexError:
            return None

    def take_older(self, seconds: float) -> list[_Pool]:
        """Take the pools that have been here for so long."""
        expired = []
        until = monotonic() - seconds
        while self._entries:
            try:
                entry = self._entries.popleft()
            except IndexError:  # another thread was faster
                break
            if entry[0] > until:
                self._entries.appendleft(entry)
                break
            expired.append(entry[1])
        return expired

    def __len__(self) -> int:
        return len(self._entries)


class HttpxConnections:
    """The connections of one event loop, held by httpx.

    Args:
        proxy: URL of the proxy for all requests, a SOCKS one too.
        socket_options: For every socket.
    """

    def __init__(self, proxy: str | None, socket_options: Sequence[SocketOption]) -> None:
        self._build = functools.partial(httpx.AsyncHTTPTransport, **_build_options(proxy, socket_options))
        self._idle: _IdlePools[httpx.AsyncHTTPTransport] = _IdlePools()
        self._is_closed = False

    async def send(self, request: httpx.Request) -> tuple[httpx.Response, Close]:
        """Send a request on an idle connection, or on a new one."""
        pool = self._idle.take() or self._build()
        try:
            response = await pool.handle_async_request(request)
        except BaseException:
            await pool.aclose()
            raise
        return response, functools.partial(self._give_back, pool, response.stream)

    async def _give_back(self, pool: httpx.AsyncHTTPTransport, body: Any) -> None:
        try:
            await body.aclose()
        except BaseException:
            await pool.aclose()
            raise
        self._idle.put(pool)
        if self._is_closed:
            await self.aclose()

    async def close_idle(self) -> None:
        """Close what has been idle for long."""
        for pool in self._idle.take_older(KEEPALIVE_SECONDS):
            await pool.aclose()

    async def aclose(self) -> None:
        """Close the idle connections now, and the others when they are given back."""
        self._is_closed = True
        for pool in self._idle.take_older(0):
            await pool.aclose()


class SyncTransport(httpx.BaseTransport):
    """The connections of all threads; otherwise the same as `HttpxConnections`.

    Closing it closes the connections, those in use as soon as their requests are done; the next request opens new ones.
    """

    def __init__(self, proxy: str | None, socket_options: Sequence[SocketOption]) -> None:
        self.owner: object = None  # lives as long as a connection does
        self._build = functools.partial(httpx.HTTPTransport, **_build_options(proxy, socket_options))
        self.forget()
        track(self)

    def forget(self) -> None:
        """Have no connections any more."""
        self._idle: _IdlePools[httpx.HTTPTransport] = _IdlePools()
        self._will_look = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on an idle connection, or on a new one."""
        idle = self._idle
        pool = idle.take() or self._build()
        try:
            response = pool.handle_request(request)
        except BaseException:
            pool.close()
            raise
        self._look_later()
        response.extensions[BODY] = response.stream
        response.stream = _SyncBody(response.stream, functools.partial(self._give_back, idle, pool))
        return response

    def _give_back(self, idle: _IdlePools[httpx.HTTPTransport], pool: httpx.HTTPTransport) -> None:
        idle.put(pool)
        if idle is self._idle:
            self._look_later()
        else:
            _close_all(idle)

    def _look_later(self) -> None:
        if not self._will_look:
            self._will_look = True
            call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._will_look = False
        for pool in self._idle.take_older(KEEPALIVE_SECONDS):
            pool.close()
        if self._idle:
            self._look_later()

    def close(self) -> None:
        """Close the connections."""
        idle, self._idle = self._idle, _IdlePools()
        _close_all(idle)

    def close_soon(self) -> None:
        """Do the same on another thread; may be called anywhere."""
        idle, self._idle = self._idle, _IdlePools()
        call_later(0, functools.partial(_close_all, idle))

    def close_at_exit(self) -> None:
        """Close the connections."""
        self.close()

    def __repr__(self) -> str:
        return f"<SyncTransport [{len(self._idle)} idle connections]>"


class _SyncBody(httpx.SyncByteStream):
    """A reply's body that gives its connection back when it is closed."""

    def __init__(self, stream: Any, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        body: Iterator[bytes] = self._stream.__iter__()
        return body

    def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            try:
                self._stream.close()
            finally:
                give_back()


def _close_all(idle: _IdlePools[httpx.HTTPTransport]) -> None:
    for pool in idle.take_older(0):
        pool.close()
