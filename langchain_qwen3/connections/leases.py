"""HTTP clients shared by all models with equal settings, and the leases that models hold on them.

    ChatQwen3 ── ClientLease ── one pair of clients per `PoolSettings` ── LoopTransport, SyncTransport

A shared client stays open, since another model may have a stream open on it: `close` closes idle connections, and the
next request opens new ones. The first model that needs a client builds it, and the last model to be closed closes the
connections. A model that is garbage collected without `close` leaves them to the next model, which a service may build
at once. They are closed when idle, and then settings that no model uses are freed.
"""

from __future__ import annotations

import threading
import weakref

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient
from langchain_qwen3.connections.process import forget_after_fork
from langchain_qwen3.connections.settings import PoolSettings


class _SharedClients:
    """The sync and the async client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        self.leases: weakref.WeakSet[ClientLease] = weakref.WeakSet()
        self._settings = settings
        self._sync: SharedSyncClient | None = None
        self._async: SharedAsyncClient | None = None

    @property
    def sync_client(self) -> SharedSyncClient:
        with _registry.lock:
            if self._sync is None:
                self._sync = SharedSyncClient(self._settings)
                self._sync.connections.owner = self
            return self._sync

    @property
    def async_client(self) -> SharedAsyncClient:
        with _registry.lock:
            if self._async is None:
                self._async = SharedAsyncClient(self._settings)
                self._async.connections.owner = self
            return self._async

    def close(self) -> None:
        if self._sync is not None:
            self._sync.close()
        if self._async is not None:
            self._async.connections.close_soon()

    async def aclose(self) -> None:
        if self._async is not None:
            await self._async.aclose()
        self.close()

    def __repr__(self) -> str:
        clients = [("async", self._async), ("sync", self._sync)]
        return ", ".join(repr(client.connections) if client else f"no {name} client" for name, client in clients)


class _Registry:
    """Maps settings to clients; an entry lives as long as a model or a connection uses it."""

    def __init__(self) -> None:
        self.clients: weakref.WeakValueDictionary[PoolSettings, _SharedClients] = weakref.WeakValueDictionary()
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        self.lock = threading.RLock()  # reentrant: the garbage collector may call back in here

    def find(self, settings: PoolSettings) -> _SharedClients:
        with self.lock:
            shared = self.clients.get(settings)
            if shared is None:
                shared = self.clients[settings] = _SharedClients(settings)
            return shared


_registry = _Registry()


class ClientLease:
    """One model's lease on the shared clients of its settings.

    The lease is released by `close`, by `aclose`, or by garbage collection. The clients still work after that: a
    request opens new connections.
    """

    def __init__(self, shared: _SharedClients) -> None:
        self._shared = shared
        shared.leases.add(self)

    @property
    def sync_client(self) -> httpx.Client:
        """The client for `openai.OpenAI(http_client=…)`."""
        return self._shared.sync_client

    @property
    def async_client(self) -> httpx.AsyncClient:
        """The client for `openai.AsyncOpenAI(http_client=…)`."""
        return self._shared.async_client

    def close(self) -> None:
        """Release the lease; the last one closes sync connections now, and event loops' connections soon."""
        self._shared.leases.discard(self)
        if not self._shared.leases:
            self._shared.close()

    async def aclose(self) -> None:
        """Release the lease; the last one closes the connections."""
        self._shared.leases.discard(self)
        if not self._shared.leases:
            await self._shared.aclose()

    def __repr__(self) -> str:
        return f"<ClientLease, one of {len(self._shared.leases)}: {self._shared}>"


def lease_clients(settings: PoolSettings) -> ClientLease:
    """Take a lease on the clients for these settings; they are built on first use."""
    return ClientLease(_registry.find(settings))
