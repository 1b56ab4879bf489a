"""Small connection pools side by side, and what all connections have in common: library, TLS, keep-alive."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import openai
from packaging.version import Version

from langchain_qwen3._httpx import httpx

if TYPE_CHECKING:
    import ssl

__all__ = [
    "KEEPALIVE_SECONDS",
    "PoolSet",
    "SocketOption",
    "build_ssl_context",
    "has_aiohttp",
    "list_connections",
    "prepare_first_request",
    "use_backend",
]

SocketOption = tuple[int, int, int]
"""Arguments of `socket.setsockopt`."""

KEEPALIVE_SECONDS = 4.0
"""Idle connections are dropped after this: vLLM and uvicorn close theirs after 5 s, even under a request."""

_OLDEST_AIOHTTP = Version("3.12")

Inner = TypeVar("Inner", bound="httpx.AsyncBaseTransport | httpx.BaseTransport")


@functools.cache
def build_ssl_context() -> ssl.SSLContext:
    """Build the one TLS context of the process (tens of milliseconds)."""
    return httpx.create_ssl_context()


@functools.cache
def has_aiohttp() -> bool:
    """Tell whether an aiohttp that will do is installed, without importing it."""
    try:
        return Version(importlib.metadata.version("aiohttp")) >= _OLDEST_AIOHTTP
    except importlib.metadata.PackageNotFoundError:
        return False


# Imported within a process's first call, by core, httpcore and us; what a version does not have is passed over.
_FIRST_CALL_IMPORTS = (
    "anyio._backends._asyncio",
    "langchain_core.env",
    "langchain_core.messages.block_translators.langchain_v0",
    "langchain_core.tracers._compat",
    "langchain_core.tracers.context",
    "langchain_core.tracers.langchain",
    "langchain_core.tracers.run_collector",
    "langchain_core.tracers.stdout",
    "langchain_qwen3.connections.transports.asyncio_backend",
)


@functools.cache
def prepare_first_request() -> None:
    """Do, with the first client, what core, SDK and httpx put off until the first request, perhaps in a thread.

    It takes locks, those of imports among them, and a fork meanwhile leaves the child waiting for them for ever.
    """
    httpx.HTTPTransport(verify=build_ssl_context()).close()  # imports httpcore
    for name in _FIRST_CALL_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    openai._base_client.get_platform()  # noqa: SLF001 - for the SDK's headers; asks programs, under a lock


class PoolSet(Generic[Inner]):
    """Connection pools side by side, and how many requests each has in flight.

    httpcore looks at all connections of a pool on every request, twice. So a pool of httpx's has one request at a
    time, and thereby one connection: a request takes the pool that was given back last, or a new one where none is
    idle. Requests one after another all use the same connection, and N at once need N however often they come.

    Args:
        build: Makes a pool.
        shared: All requests use one pool, which needs no such help.
    """

    def __init__(self, build: Callable[[], Inner], *, shared: bool) -> None:
        self.pools = [build()]
        self.in_flight = [0]
        self.is_retired = False
        self._build = build
        self._shared = shared
        self._idle = [0]
        self._lock = threading.Lock()
        self._sweep_at = time.monotonic() + KEEPALIVE_SECONDS

    def take(self) -> int:
        """Count a request in, and return the index of the pool that is to send it."""
        with self._lock:
            if self._shared:
                index = 0
            elif self._idle:
                index = self._idle.pop()
            else:
                index = len(self.pools)
                self.pools.append(self._build())
                self.in_flight.append(0)
            self.in_flight[index] += 1
            return index

    def give_back(self, index: int) -> bool:
        """Count a request out. True: it was the last one of a retired set, which is to be closed now."""
        with self._lock:
            self.in_flight[index] -= 1
            if not self._shared:
                self._idle.append(index)
            return self.is_retired and not any(self.in_flight)

    def retire(self) -> bool:
        """Let the requests in flight end. True: there are none, the set is to be closed now."""
        with self._lock:
            self.is_retired = True
            return not any(self.in_flight)

    def is_sweep_due(self) -> bool:
        """Tell, once per keep-alive time, that expired connections may lie in pools that nobody uses now."""
        now = time.monotonic()
        if now < self._sweep_at:
            return False
        self._sweep_at = now + KEEPALIVE_SECONDS
        return len(self.pools) > 1

    def count_connections(self) -> int:
        """Count the open connections, idle ones included."""
        return sum(_count_connections(pool) for pool in self.pools)

    def __repr__(self) -> str:
        return f"{sum(self.in_flight)} requests in flight, {self.count_connections()} connections"


def use_backend(transport: httpx.AsyncHTTPTransport) -> None:
    """Let a transport reach the network through asyncio itself; httpx has no public way to say so."""
    from langchain_qwen3.connections.transports.asyncio_backend import AsyncioBackend

    transport._pool._network_backend = AsyncioBackend()  # noqa: SLF001


def list_connections(inner: httpx.AsyncHTTPTransport | httpx.HTTPTransport) -> list[Any]:
    """List httpcore's connections of one of httpx's transports, which shows them in no public way."""
    return inner._pool.connections  # noqa: SLF001


def _count_connections(inner: object) -> int:
    if isinstance(inner, httpx.AsyncHTTPTransport | httpx.HTTPTransport):
        return sum(not connection.is_closed() for connection in list_connections(inner))
    count: Callable[[], int] = getattr(inner, "count_connections", int)
    return count()
