"""Connections that belong to one event loop each, behind a transport that any loop or thread may use.

`asyncio.run()` closes its loop, and with it every connection that was opened on it. An HTTP client that keeps them
fails on the next run with "Event loop is closed". So the shared client holds no loop state at all:

    client ── LoopTransport ─┬─ loop A ── connections of httpx or aiohttp
                             └─ loop B ── …

Connections are closed when they are idle, when their loop ends, when their transport is closed (but not before the
requests in flight on them are done), or at exit. A forked child drops them: the sockets belong to the parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.process import close_at_exit, forget_after_fork
from langchain_qwen3.connections.transports.shared import CHECK_SECONDS, KEEPALIVE_SECONDS, Close, wrap_body

if TYPE_CHECKING:
    from langchain_qwen3.connections.transports.aiohttp_transport import AiohttpConnections
    from langchain_qwen3.connections.transports.httpx_transport import HttpxConnections

    AsyncConnections = AiohttpConnections | HttpxConnections


class LoopTransport(httpx.AsyncBaseTransport):
    """Sends each request over connections that belong to the running event loop.

    Any number of loops and threads may use one transport, one after another or at once. `aclose` closes the running
    loop's connections; the next request opens new ones.

    Args:
        build: Creates a loop's connections; called on that loop.
    """

    def __init__(self, build: Callable[[], AsyncConnections]) -> None:
        self.owner: object = None  # kept alive as long as a connection
        self._build = build
        self.forget()
        forget_after_fork(self)
        close_at_exit(self)

    def forget(self) -> None:
        """Start without loops, in a forked child."""
        # Each key is set and read only on its own loop; all else is single atomic dict operations: no lock.
        self._loops: dict[asyncio.AbstractEventLoop, _LoopConnections] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request on the running loop's connections."""
        loop = asyncio.get_running_loop()
        if (mine := self._loops.get(loop)) is None:
            mine = self._loops[loop] = _LoopConnections(self._build(), loop, self._drop)
            await anext(mine.guard)  # from here on the loop closes it when it ends
            self.drop_dead()
        return await mine.send(request)

    def _drop(self, mine: _LoopConnections) -> None:
        if self._loops.get(mine.loop) is mine:
            del self._loops[mine.loop]

    def drop_dead(self) -> None:
        """Drop the connections of loops that were closed without `shutdown_asyncgens`, or left open and idle."""
        for loop, mine in list(self._loops.items()):
            if loop.is_closed() or (mine.is_idle() and not loop.is_running()):
                self._drop(mine)
                if not loop.is_running():  # its thread may have begun a request before it was dropped
                    mine.abandon()

    async def aclose(self) -> None:
        """Close the running loop's connections, those in use as soon as their requests are done."""
        if (mine := self._loops.pop(asyncio.get_running_loop(), None)) is not None:
            await mine.retire()

    def close_soon(self) -> None:
        """Close the connections of all loops, as `aclose` does; safe to call anywhere."""
        self.drop_dead()
        for loop, mine in list(self._loops.items()):
            with contextlib.suppress(RuntimeError):  # the loop was closed just now
                loop.call_soon_threadsafe(mine.retire_soon)

    def close_at_exit(self) -> None:
        """Close the connections of loops that are still open; IPython, for one, never closes its loop."""
        for loop, mine in list(self._loops.items()):
            if loop.is_closed():
                mine.abandon()
            elif not loop.is_running():  # a loop in a daemon thread may still run
                loop.run_until_complete(mine.aclose())

    def __repr__(self) -> str:
        return f"<LoopTransport [{' | '.join(map(repr, list(self._loops.values()))) or 'no loop'}]>"


class _LoopConnections:
    """The connections of one event loop: counts their requests and decides when to close them."""

    def __init__(
        self, inner: AsyncConnections, loop: asyncio.AbstractEventLoop, drop: Callable[[_LoopConnections], None]
    ) -> None:
        self.loop = loop
        self._inner, self._drop = inner, drop
        self._in_flight = 0
        self._idle_since = 0.0
        self._is_retired = self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.guard = self._close_with_loop()

    async def _close_with_loop(self) -> AsyncGenerator[None]:
        # asyncio.run, pytest-asyncio, uvicorn and uvloop call `shutdown_asyncgens`, which runs `finally`
        try:
            yield
        finally:
            await self._close()

    async def send(self, request: httpx.Request) -> httpx.Response:
        self._in_flight += 1
        try:
            response, close = await self._inner.send(request)
        except BaseException as error:
            await self._request_done()
            if isinstance(error, httpx.RequestError):
                error.request = request
            raise
        wrap_body(response, request, functools.partial(self._finish, close))
        return response

    async def _finish(self, close: Close) -> None:
        try:
            await close()
        finally:
            await self._request_done()

    async def _request_done(self) -> None:
        self._in_flight -= 1
        if self._in_flight:
            return
        self._idle_since = monotonic()
        if self._is_retired:
            await self.aclose()
        elif self._timer is None and not self._is_closed:
            self._timer = self.loop.call_later(CHECK_SECONDS, self._check)

    def is_idle(self) -> bool:
        """Whether no request has used the connections for `KEEPALIVE_SECONDS`."""
        return not self._in_flight and monotonic() - self._idle_since >= KEEPALIVE_SECONDS

    def _check(self) -> None:
        """Close idle connections: all if no request is in flight, else those that the library finds."""
        self._timer = None
        if self.is_idle():
            self._drop(self)  # now: a request that starts before the task does must not come here
            self._task = self.loop.create_task(self.aclose())
        else:
            self._task = self.loop.create_task(self._inner.close_idle())
            self._timer = self.loop.call_later(CHECK_SECONDS, self._check)

    async def retire(self) -> None:
        """Close the connections as soon as no request is in flight."""
        self._is_retired = True
        if not self._in_flight:
            await self.aclose()

    def retire_soon(self) -> None:
        self._task = self.loop.create_task(self.retire())

    async def aclose(self) -> None:
        if not self._is_closed:
            await self._close()
            await self.guard.aclose()

    async def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._drop(self)
        if self._timer is not None:
            self._timer.cancel()
        await self._inner.aclose()
        await asyncio.sleep(0)  # aiohttp closes its sockets in the loop's next iteration

    def abandon(self) -> None:
        """Close the connections of a loop that does not run: otherwise aiohttp logs an error when they are freed."""
        self._is_closed = True  # nest_asyncio hides the guard from its loop, so it is freed, and must not await
        closing: Any = self._inner.aclose()
        with contextlib.suppress(Exception):
            closing.send(None)  # it has nothing to wait for
        closing.close()

    def __repr__(self) -> str:
        return f"{self._in_flight} requests in flight"
