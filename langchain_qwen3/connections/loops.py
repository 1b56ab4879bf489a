"""Connections that belong to one event loop each, behind transports that any loop or thread may use.

`asyncio.run()` closes its loop, and with it every connection that was opened on it. An http client that
keeps them fails on the next run with "Event loop is closed". So `LoopTransport` has a `PoolSet` per running
loop, and `SyncTransport` one for all threads; the clients above them hold no loop state at all:

    client ── LoopTransport ─┬─ loop A ── PoolSet ─┬─ inner transport ── connections
                             └─ loop B ── PoolSet  ├─ …
    client ── SyncTransport ───────────── PoolSet  └─ inner transport
                                                      (httpx: one per connection, aiohttp: one)

A pool set is closed when its loop ends, when its transport is closed (but not before the requests in flight
on it are done), or at exit. After a fork the child forgets all of them: the sockets are its parent's.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import cast

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.bodies import BODY, CountedStream, CountedSyncStream
from langchain_qwen3.connections.transports.httpx_transport import PoolSet, list_connections

__all__ = ["LoopTransport", "SyncTransport"]

_transports: weakref.WeakSet[LoopTransport | SyncTransport] = weakref.WeakSet()
_inherited: list[object] = []


class LoopTransport(httpx.AsyncBaseTransport):
    """Sends each request over connections that belong to the running event loop.

    Any number of loops and threads may use one transport, one after another or at once. Closing it closes the
    running loop's connections; the next request opens new ones.

    Args:
        build_pool: makes an inner transport; called on the loop it is for.
        shared: one of them serves all requests of a loop.
    """

    def __init__(self, build_pool: Callable[[], httpx.AsyncBaseTransport], *, shared: bool = False) -> None:
        self._build_pool = build_pool
        self._shared = shared
        self._forget()
        _transports.add(self)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._sets: dict[asyncio.AbstractEventLoop, _LoopPools] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request on the running loop's connections."""
        loop = asyncio.get_running_loop()
        pools = self._sets.get(loop)
        if pools is None:
            pools = await self._open(loop)
        return await pools.send(request)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> _LoopPools:
        pools = _LoopPools(self._build_pool, shared=self._shared, on_close=functools.partial(self._drop, loop))
        with self._lock:
            left_behind = [other for other in self._sets if other.is_closed()]
            # Held until the lock is free again: freeing them may run warning hooks, which are not ours.
            dropped = [self._sets.pop(other) for other in left_behind]
            self._sets[loop] = pools
        del dropped, left_behind
        await pools.start_guard()
        return pools

    def _drop(self, loop: asyncio.AbstractEventLoop, pools: _LoopPools) -> None:
        with self._lock:
            if self._sets.get(loop) is pools:
                del self._sets[loop]

    async def aclose(self) -> None:
        """Close the running loop's connections, those in use as soon as their requests are done."""
        loop = asyncio.get_running_loop()
        with self._lock:
            pools = self._sets.pop(loop, None)
        if pools is not None and pools.retire():
            await pools.aclose()

    def _close_at_exit(self) -> None:
        # IPython, for one, never closes its loop. A loop that still runs, in a daemon thread, is left alone.
        for loop, pools in list(self._sets.items()):
            if not loop.is_closed() and not loop.is_running():
                loop.run_until_complete(pools.aclose())

    def count_connections(self) -> int:
        """Count the open connections of all loops."""
        return sum(pools.count_connections() for pools in list(self._sets.values()))

    def __repr__(self) -> str:
        return f"<LoopTransport [{' | '.join(map(repr, list(self._sets.values()))) or 'no loop'}]>"


class _LoopPools(PoolSet[httpx.AsyncBaseTransport]):
    """The pool set of one event loop, and the guard that closes it when the loop ends."""

    def __init__(
        self, build: Callable[[], httpx.AsyncBaseTransport], *, shared: bool, on_close: Callable[[_LoopPools], None]
    ) -> None:
        super().__init__(build, shared=shared)
        self._on_close = on_close
        self._is_closed = False
        self._guard = self._close_with_loop()

    async def start_guard(self) -> None:
        """Register with the running loop: from here on the loop closes the guard when it ends."""
        await anext(self._guard)

    async def _close_with_loop(self) -> AsyncGenerator[None]:
        # asyncio.run, pytest-asyncio, uvicorn and uvloop call `shutdown_asyncgens`: that gets us to `finally`
        try:
            yield
        finally:
            await self._close()

    async def _close(self) -> bool:
        """Close the connections. False: somebody else does, or did."""
        if self._is_closed:
            return False
        self._is_closed = True
        self._on_close(self)
        for pool in self.pools:
            await pool.aclose()
        await asyncio.sleep(0)  # aiohttp's sockets are closed by the loop's next turn
        return True

    async def aclose(self) -> None:
        if await self._close():
            await self._guard.aclose()

    async def send(self, request: httpx.Request) -> httpx.Response:
        index = self.take()
        release = functools.partial(self._release, index)
        try:
            if self.is_sweep_due():
                await self._sweep()
            response = await self.pools[index].handle_async_request(request)
        except BaseException:
            await release()
            raise
        response.extensions[BODY] = response.stream
        response.stream = CountedStream(cast("httpx.AsyncByteStream", response.stream), release)
        return response

    async def _release(self, index: int) -> None:
        if self.give_back(index):
            await self.aclose()

    async def _sweep(self) -> None:
        # httpcore drops expired connections when their pool gets a request, which an idle pool never does.
        for pool in self.pools:
            if isinstance(pool, httpx.AsyncHTTPTransport):
                for connection in list_connections(pool):
                    if connection.has_expired():
                        await connection.aclose()


class SyncTransport(httpx.BaseTransport):
    """Sends the requests of all threads over one pool, which is opened by the first request.

    Closing it closes the connections as soon as no request is in flight; the next request opens a new pool.

    Args:
        build_pool: makes the inner transport.
    """

    def __init__(self, build_pool: Callable[[], httpx.BaseTransport]) -> None:
        self._build_pool = build_pool
        self._forget()
        _transports.add(self)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._set: PoolSet[httpx.BaseTransport] | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request from the calling thread."""
        with self._lock:
            pools = self._set = self._set or PoolSet(self._build_pool, shared=True)
            index = pools.take()
        release = functools.partial(_release, pools, index)
        try:
            response = pools.pools[index].handle_request(request)
        except BaseException:
            release()
            raise
        response.extensions[BODY] = response.stream
        response.stream = CountedSyncStream(cast("httpx.SyncByteStream", response.stream), release)
        return response

    def close(self) -> None:
        """Close the connections, those in use as soon as their requests are done."""
        with self._lock:
            pools, self._set = self._set, None
        if pools is not None and pools.retire():
            pools.pools[0].close()

    def _close_at_exit(self) -> None:
        self.close()

    def count_connections(self) -> int:
        """Count the open connections."""
        return 0 if self._set is None else self._set.count_connections()

    def __repr__(self) -> str:
        return f"<SyncTransport [{self._set or 'not open'}]>"


def _release(pools: PoolSet[httpx.BaseTransport], index: int) -> None:
    if pools.give_back(index):
        pools.pools[index].close()


@atexit.register
def _close_at_exit() -> None:
    for transport in list(_transports):
        with contextlib.suppress(Exception):  # the process ends: nobody is left to tell
            transport._close_at_exit()  # noqa: SLF001 - this module's own


def _forget_after_fork() -> None:
    # Held for good: freeing them would close sockets, on selectors, that the parent goes on using.
    for transport in list(_transports):
        _inherited.append(transport.__dict__.copy())
        transport._forget()  # noqa: SLF001 - this module's own


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_after_fork)
