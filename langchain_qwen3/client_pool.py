"""The http clients that all models with the same settings share, and the leases that models hold on them.

    ChatQwen3 ── ClientLease ── one pair of clients per `PoolSettings` ── LoopTransport, SyncTransport

A shared client is never closed, since another model may have a stream open on it: closing it closes idle
connections, and the next request opens new ones. The first model that needs a client builds it, and the
last one that gives its lease back closes the running loop's connections.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import os
import threading
import weakref
from dataclasses import dataclass, field
from http.cookiejar import Cookie, CookieJar
from types import TracebackType
from typing import Any, Literal

import openai

from langchain_qwen3.bodies import read_whole
from langchain_qwen3.pools import (
    KEEPALIVE_SECONDS,
    SocketOption,
    build_ssl_context,
    has_aiohttp,
    http,
    prepare_first_request,
    use_backend,
)
from langchain_qwen3.transport import LoopTransport, SyncTransport

__all__ = ["ClientLease", "PoolSettings", "http", "lease_clients", "open_connections"]

_PROXY_VARIABLES = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")]
_PROXY_VARIABLES += [name.lower() for name in _PROXY_VARIABLES]  # they count as well, and on Windows are the same

_IMPERSONAL_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)


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
                http.Proxy(self.proxy)
            except (ValueError, http.InvalidURL):
                # httpx's message quotes the URL, which may hold a password
                raise ValueError("openai_proxy must be an http, https, socks5 or socks5h URL.") from None

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
    def sync_client(self) -> http.Client:
        """The client for `openai.OpenAI(http_client=…)`."""
        return self._shared.sync_client

    @property
    def async_client(self) -> http.AsyncClient:
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
        self._sync_client: _SyncClient | None = None
        self._async_client: _AsyncClient | None = None

    @property
    def sync_client(self) -> _SyncClient:
        with _lock:
            if self._sync_client is None:
                self._sync_client = _SyncClient(self.settings)
            return self._sync_client

    @property
    def async_client(self) -> _AsyncClient:
        with _lock:
            if self._async_client is None:
                self._async_client = _AsyncClient(self.settings)
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


class _NoCookies(CookieJar):
    """Keeps no cookie: models share the client, and a server must not recognise one by the other's."""

    def set_cookie(self, cookie: Cookie) -> None:
        pass


class _Ours:
    """What both clients have in common, beside httpx's: they are shared, and keep the models' secrets.

    A redirect sends a stranger none of the model's own headers; httpx drops `Authorization` alone.
    """

    is_shared = True

    def _redirect_headers(self, request: http.Request, url: http.URL, method: str) -> http.Headers:
        headers: http.Headers = super()._redirect_headers(request, url, method)  # type: ignore[misc]  # the client's
        if _is_elsewhere(request.url, url):
            for name in [*headers]:
                if name not in _IMPERSONAL_HEADERS and not name.startswith("x-stainless-"):
                    del headers[name]
        return headers


def _is_elsewhere(asked: http.URL, told: http.URL) -> bool:
    """Return whether a redirect leads to another server; the same host by https instead of http is none."""
    if asked.host == told.host and (asked.scheme, told.scheme) == ("http", "https"):
        return False
    return (asked.scheme, asked.netloc) != (told.scheme, told.netloc)


# A client given `transport=` ignores the environment's proxies. The two hooks in which httpx builds its own
# transports leave it in charge of `proxy=`, the environment and NO_PROXY.
class _AsyncClient(_Ours, openai.DefaultAsyncHttpxClient):
    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._loop_transports: list[LoopTransport] = []
        prepare_first_request()
        if settings.transport == "aiohttp":
            # with the first client: within a request a fork could cut it short
            importlib.import_module("langchain_qwen3.aiohttp_transport")
        super().__init__(proxy=settings.proxy, cookies=_NoCookies())

    def _init_transport(self, *_args: Any, **_kwargs: Any) -> LoopTransport:
        return self._init_proxy_transport(None)

    def _init_proxy_transport(self, proxy: http.Proxy | None, *_args: Any, **_kwargs: Any) -> LoopTransport:
        transport = LoopTransport(
            functools.partial(_build_async_pool, self._settings, proxy), shared=self._settings.transport == "aiohttp"
        )
        self._loop_transports.append(transport)
        return transport

    async def send(self, request: http.Request, *, stream: bool = False, **options: Any) -> http.Response:
        """Send a request; a reply that is wanted whole is read past httpx's generators."""
        response: http.Response = await super().send(request, stream=True, **options)
        if not stream:
            await read_whole(response)
        return response

    async def aclose(self) -> None:
        """Close the running loop's connections; the client stays open."""
        for transport in self._loop_transports:
            await transport.aclose()

    async def __aexit__(
        self,
        _type: type[BaseException] | None = None,
        _value: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def count_connections(self) -> int:
        return sum(transport.count_connections() for transport in self._loop_transports)

    def __repr__(self) -> str:
        return " + ".join(map(repr, self._loop_transports))


class _SyncClient(_Ours, openai.DefaultHttpxClient):
    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._sync_transports: list[SyncTransport] = []
        prepare_first_request()
        super().__init__(proxy=settings.proxy, cookies=_NoCookies())

    def _init_transport(self, *_args: Any, **_kwargs: Any) -> SyncTransport:
        return self._init_proxy_transport(None)

    def _init_proxy_transport(self, proxy: http.Proxy | None, *_args: Any, **_kwargs: Any) -> SyncTransport:
        transport = SyncTransport(functools.partial(_build_sync_pool, self._settings, proxy))
        self._sync_transports.append(transport)
        return transport

    def close(self) -> None:
        """Close the connections that are not in use; the client stays open."""
        for transport in self._sync_transports:
            transport.close()

    def __exit__(
        self,
        _type: type[BaseException] | None = None,
        _value: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def count_connections(self) -> int:
        return sum(transport.count_connections() for transport in self._sync_transports)

    def __repr__(self) -> str:
        return " + ".join(map(repr, self._sync_transports))


def _limits() -> http.Limits:
    # How many requests may be in flight is `max_concurrency`'s business: a pool that waits would time out.
    return http.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS)


def _build_async_pool(settings: PoolSettings, proxy: http.Proxy | None) -> http.AsyncBaseTransport:
    has_socks_proxy = proxy is not None and proxy.url.scheme.startswith("socks")
    if settings.transport == "aiohttp" and not has_socks_proxy:  # aiohttp speaks no SOCKS
        from langchain_qwen3.aiohttp_transport import AiohttpTransport

        return AiohttpTransport(proxy, settings.socket_options)
    transport = http.AsyncHTTPTransport(
        verify=build_ssl_context(), limits=_limits(), proxy=proxy, socket_options=settings.socket_options
    )
    use_backend(transport)
    return transport


def _build_sync_pool(settings: PoolSettings, proxy: http.Proxy | None) -> http.BaseTransport:
    return http.HTTPTransport(
        verify=build_ssl_context(), limits=_limits(), proxy=proxy, socket_options=settings.socket_options
    )


_lock = threading.Lock()
_registry: dict[tuple[PoolSettings, tuple[str | None, ...]], _SharedClients] = {}
_lease_numbers = itertools.count(1)


def _renew_lock_after_fork() -> None:
    # Another thread of the parent may have held it, and does not exist here.
    global _lock  # noqa: PLW0603 - locks cannot be reset
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_lock_after_fork)
