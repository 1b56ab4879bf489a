"""HTTP clients shared by all models with equal settings, and the leases that models hold on them.

    ChatQwen3 ── ClientLease ── one pair of clients per `PoolSettings` ── LoopTransport, SyncTransport

A shared client stays open, since another model may have a stream open on it: `close` closes idle connections, and the
next request opens new ones. The first model that needs a client builds it, and the last model to be closed closes the
connections. A model that is garbage collected without `close` leaves them to the next model, which a service may build
at once, unless their event loop is closed. They are closed when idle, and settings that no model uses are freed.
"""

from __future__ import annotations

import threading
import weakref

from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient, prepare_first_request
from langchain_qwen3.connections.process import forget_after_fork
from langchain_qwen3.connections.settings import PoolSettings


class _SharedClients:
    """The sync and the async client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        prepare_first_request()
        self.leases: weakref.WeakSet[ClientLease] = weakref.WeakSet()
        self.sync_client = SharedSyncClient(settings)
        self.async_client = SharedAsyncClient(settings)
        self.sync_client.connections.owner = self.async_client.connections.owner = self


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
            return self.clients.get(settings) or self.clients.setdefault(settings, _SharedClients(settings))


_registry = _Registry()


class ClientLease:
    """One model's lease on the shared clients of its settings; they are built for the first one.

    The lease is released by `close`, by `aclose`, or by garbage collection. The clients still work after that: a
    request opens new connections.

    Attributes:
        settings: What the clients were built with.
        sync_client: The client for `openai.OpenAI(http_client=…)`.
        async_client: The client for `openai.AsyncOpenAI(http_client=…)`.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._shared = _registry.find(settings)
        self._shared.leases.add(self)
        self.sync_client, self.async_client = self._shared.sync_client, self._shared.async_client
        weakref.finalize(self, self.async_client.connections.drop_dead).atexit = False

    def close(self) -> None:
        """Release the lease; the last one closes sync connections now, and event loops' connections soon."""
        self._shared.leases.discard(self)
        if not self._shared.leases:
            self.sync_client.close()
            self.async_client.connections.close_soon()

    async def aclose(self) -> None:
        """Release the lease; the last one closes the connections."""
        self._shared.leases.discard(self)
        if not self._shared.leases:
            await self.async_client.aclose()
            self.close()

    def __repr__(self) -> str:
        connections = f"{self.async_client.connections}, {self.sync_client.connections}"
        return f"<ClientLease, one of {len(self._shared.leases)}: {connections}>"
