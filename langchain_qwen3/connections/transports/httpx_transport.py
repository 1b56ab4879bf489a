"""The httpx transport, with one connection per pool.

httpcore scans all connections of a pool twice per request (https://github.com/pydantic/httpx2/issues/1169). So a pool
here has one request at a time, and therefore one connection. Sequential requests all use the pool that was released
last; N concurrent requests need N pools, however many requests follow.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.process import call_later, close_at_exit, forget_after_fork
from langchain_qwen3.connections.transports.shared import (
    CHECK_SECONDS,
    KEEPALIVE_SECONDS,
    PIECE,
    Close,
    Pieces,
    SocketOption,
    build_ssl_context,
    wrap_body,
)

_Pool = TypeVar("_Pool")


def _build_options(proxy: str | None, socket_options: Sequence[SocketOption]) -> dict[str, Any]:
    # No limit here: `max_concurrency` limits the requests in flight, and waiting for a pool would time out.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS)
    return {"verify": build_ssl_context(), "limits": limits, "proxy": proxy, "socket_options": socket_options}


class _Steps:
    """Follows a request by httpcore's `trace` (https://www.encode.io/httpcore/extensions/#trace).

    httpcore gives a proxy's answer to CONNECT as long as the model's: here it has the time limit of connecting.
    """

    def __init__(self) -> None:
        self.opened: list[Any] = []
        self._awaits_proxy = False

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            self.opened.append(info["return_value"])
        elif event.endswith("receive_response_headers.started"):
            request = info["request"]
            self._awaits_proxy = request.method == b"CONNECT"
            if self._awaits_proxy:
                limits = request.extensions.get("timeout", {})
                request.extensions = {**request.extensions, "timeout": {**limits, "read": limits.get("connect")}}

    async def anote(self, event: str, info: Mapping[str, Any]) -> None:
        self.note(event, info)

    def explain(self, error: BaseException, request: httpx.Request) -> None:
        """Raise a timeout of connecting where the time for the answer to CONNECT has passed."""
        if self._awaits_proxy and isinstance(error, httpx.ReadTimeout):
            raise httpx.ConnectTimeout("no answer to CONNECT", request=request) from error


class _IdlePools(deque[tuple[float, _Pool]]):
    """Pools that no request uses, the newest last, and since when. Each step is one atomic operation: no lock."""

    def put(self, pool: _Pool) -> None:
        self.append((monotonic(), pool))

    def take(self) -> _Pool | None:
        with suppress(IndexError):
            return self.pop()[1]
        return None

    def take_older(self, seconds: float) -> Iterator[_Pool]:
        """Take the pools that have been idle for at least `seconds`."""
        until = monotonic() - seconds
        with suppress(IndexError):  # another thread was faster
            while self:
                entry = self.popleft()
                if entry[0] > until:
                    self.appendleft(entry)
                    return
                yield entry[1]


class HttpxConnections:
    """The connections of one event loop, held by httpx, over a proxy if there is one; SOCKS works too."""

    def __init__(self, proxy: str | None, socket_options: Sequence[SocketOption]) -> None:
        self._build = functools.partial(httpx.AsyncHTTPTransport, **_build_options(proxy, socket_options))
        self._idle: _IdlePools[httpx.AsyncHTTPTransport] = _IdlePools()
        self._is_closed = False

    async def send(self, request: httpx.Request) -> tuple[httpx.Response, Close]:
        """Send a request on an idle connection, or on a new one."""
        pool = self._idle.take() or self._build()
        steps = _Steps()
        if request.url.scheme == "https":
            request.extensions = {**request.extensions, "trace": steps.anote}
        if isinstance(request.stream, httpx.ByteStream) and len(request.content) > PIECE:
            request.stream = Pieces(request.content)
        try:
            response = await pool.handle_async_request(request)
        except BaseException as error:
            await pool.aclose()
            # httpcore forgets a socket whose handshake is cancelled (https://github.com/encode/httpcore/pull/443).
            for stream in steps.opened:
                await stream.aclose()
            steps.explain(error, request)
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

    async def close_idle(self, seconds: float = KEEPALIVE_SECONDS) -> None:
        """Close the pools that have been idle for so long."""
        for pool in self._idle.take_older(seconds):
            await pool.aclose()

    async def aclose(self) -> None:
        """Close the idle connections now, and the others when they are released."""
        self._is_closed = True
        await self.close_idle(0)


class SyncTransport(httpx.BaseTransport):
    """The connections of all threads; otherwise like `HttpxConnections`.

    `close` closes idle connections now and the others when their requests are done; the next request opens new ones.
    """

    def __init__(self, proxy: str | None, socket_options: Sequence[SocketOption]) -> None:
        self.owner: object = None  # kept alive as long as a connection
        self._build = functools.partial(httpx.HTTPTransport, **_build_options(proxy, socket_options))
        self.forget()
        forget_after_fork(self)
        close_at_exit(self)

    def forget(self) -> None:
        """Start without connections, in a forked child."""
        self._idle: _IdlePools[httpx.HTTPTransport] = _IdlePools()
        self._check_scheduled = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on an idle connection, or on a new one."""
        idle = self._idle
        pool = idle.take() or self._build()
        steps = _Steps()
        if self._build.keywords["proxy"] is not None:
            request.extensions = {**request.extensions, "trace": steps.note}
        try:
            response = pool.handle_request(request)
        except BaseException as error:
            pool.close()
            if isinstance(error, httpx.RequestError):
                error.request = request
            steps.explain(error, request)
            raise
        wrap_body(response, request, functools.partial(self._give_back, idle, pool, response.stream))
        return response

    def _give_back(self, idle: _IdlePools[httpx.HTTPTransport], pool: httpx.HTTPTransport, body: Any) -> None:
        try:
            body.close()
        except BaseException:
            pool.close()
            raise
        idle.put(pool)
        if idle is self._idle:
            self._schedule_check()
        else:
            _close_all(idle)

    def _schedule_check(self) -> None:
        if not self._check_scheduled:
            self._check_scheduled = True
            call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        self._check_scheduled = False
        _close_all(self._idle, KEEPALIVE_SECONDS)
        if self._idle:
            self._schedule_check()

    def close(self) -> None:
        """Close the connections."""
        idle, self._idle = self._idle, _IdlePools()
        _close_all(idle)

    close_at_exit = close

    def __repr__(self) -> str:
        return f"<SyncTransport [{len(self._idle)} idle connections]>"


def _close_all(idle: _IdlePools[httpx.HTTPTransport], seconds: float = 0) -> None:
    for pool in idle.take_older(seconds):
        pool.close()
