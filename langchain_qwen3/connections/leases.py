"""The http clients that all models with the same settings share, and the leases that models hold on them.

    ChatQwen3 ── ClientLease ── one pair of clients per `PoolSettings` ── LoopTransport, SyncTransport

A shared client is never closed, since another model may have a stream open on it: closing it closes idle
connections, and the next request opens new ones. The first model that needs a client builds it, and the
last one that gives its lease back closes the running loop's connections.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
import weakref
from dataclasses import dataclass, field
from typing import Literal

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient
from langchain_qwen3.connections.transports.httpx_transport import SocketOption, has_aiohttp

__all__ = ["ClientLease", "PoolSettings", "lease_clients", "open_connections"]

_PROXY_VARIABLES = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")]
_PROXY_VARIABLES += [name.lower() for name in _PROXY_VARIABLES]  # they count as well, and on Windows are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """What makes connections differ. Models with equal settings share their connections.

    Attributes:
        transport: What carries async requests: `"aiohttp"` (needs the extra `aiohttp`, takes less CPU), `"httpx"`
            or, by `"auto"`, aiohttp where it is installed.
        proxy: URL of the proxy for all requests. None: what `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
            `NO_PROXY` say.
        socket_options: Arguments of `setsockopt` for every socket.

    Raises:
        ValueError: a field has a value that cannot work.
        ImportError: `transport="aiohttp"`, and it is not installed.
    """

    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    socket_options: tuple[SocketOption, ...] = ()

    def __post_init__(self) -> None:
        if self.transport not in {"auto", "httpx", "aiohttp"}:
            raise ValueError(f'transport must be "auto", "httpx" or "aiohttp", not {self.transport!r}.')
        if self.transport == "aiohttp" and not has_aiohttp():
            raise ImportError(
                'transport="aiohttp" needs the extra: pip install "langchain-qwen3-chat[aiohttp]". '
                'transport="auto" takes httpx until it is there.'
            )
        if self.proxy is not None:
            try:
                httpx.Proxy(self.proxy)
            except (ValueError, httpx.InvalidURL):
                # httpx's message quotes the URL, which may hold a password
                raise ValueError("openai_proxy must be an httpx, https, socks5 or socks5h URL.") from None

    def resolve_transport(self) -> PoolSettings:
        """Replace `"auto"` by what it stands for here."""
        if self.transport != "auto":
            return self
        return dataclasses.replace(self, transport="aiohttp" if has_aiohttp() else "httpx")


class ClientLease:
    """One model's share in the clients of its settings.

    The lease is given back by `close`, by `aclose`, or when it is garbage collected. The clients go on
    working after that: a request opens new connections.
    """

    def __init__(self, shared: _SharedClients) -> None:
        self._shared = shared
        self._number = next(_lease_numbers)
        shared.leases.add(self._number)
        # A set's `discard` is atomic and takes no lock: a collection may strike anywhere, in any thread.
        weakref.finalize(self, shared.leases.discard, self._number).atexit = False

    @property
    def sync_client(self) -> httpx.Client:
        """The client for `openai.OpenAI(http_client=…)`."""
        return self._shared.sync_client

    @property
    def async_client(self) -> httpx.AsyncClient:
        """The client for `openai.AsyncOpenAI(http_client=…)`."""
        return self._shared.async_client

    def close(self) -> None:
        """Give the lease back; the last one closes the connections of sync calls."""
        if self._give_back():
            self._shared.close_sync()

    async def aclose(self) -> None:
        """Give the lease back; the last one closes the connections of the running loop and of sync calls."""
        if self._give_back():
            self._shared.close_sync()
            await self._shared.close_async()

    def _give_back(self) -> bool:
        self._shared.leases.discard(self._number)
        return not self._shared.leases

    def __repr__(self) -> str:
        return f"<ClientLease {self._number} of {len(self._shared.leases)}: {self._shared}>"


def lease_clients(settings: PoolSettings) -> ClientLease:
    """Take a share in the clients for these settings; they are built when they are first asked for.

    Environment variables that name proxies are part of the settings: clients made before they changed are not
    shared with models made after.
    """
    settings = settings.resolve_transport()
    env_proxies = () if settings.proxy else tuple(map(os.environ.get, _PROXY_VARIABLES))
    with _lock:
        shared = _registry.get((settings, env_proxies))
        if shared is None:
            shared = _registry[settings, env_proxies] = _SharedClients(settings)
    return ClientLease(shared)


def open_connections() -> int:
    """Count the open connections of all shared clients in this process, idle ones included."""
    return sum(shared.count_connections() for shared in list(_registry.values()))


class _SharedClients:
    """The sync and the async client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self.leases: set[int] = set()
        self._sync_client: SharedSyncClient | None = None
        self._async_client: SharedAsyncClient | None = None

    @property
    def sync_client(self) -> SharedSyncClient:
        with _lock:
            if self._sync_client is None:
                self._sync_client = SharedSyncClient(self.settings)
            return self._sync_client

    @property
    def async_client(self) -> SharedAsyncClient:
        with _lock:
            if self._async_client is None:
                self._async_client = SharedAsyncClient(self.settings)
            return self._async_client

    def close_sync(self) -> None:
        if self._sync_client is not None:
            self._sync_client.close()

    async def close_async(self) -> None:
        if self._async_client is not None:
            await self._async_client.aclose()

    def count_connections(self) -> int:
        clients = (self._sync_client, self._async_client)
        return sum(client.count_connections() for client in clients if client is not None)

    def __repr__(self) -> str:
        return f"{self._async_client or 'no async client'}, {self._sync_client or 'no sync client'}"


_lock = threading.Lock()
_registry: dict[tuple[PoolSettings, tuple[str | None, ...]], _SharedClients] = {}
_lease_numbers = itertools.count(1)


def _renew_lock_after_fork() -> None:
    # Another thread of the parent may have held it, and does not exist here.
    global _lock  # noqa: PLW0603 - locks cannot be reset
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_lock_after_fork)
