"""The http clients that models share: the SDK's own, over transports that belong to no event loop.

They keep no cookies, give a stranger none of a model's headers, and stay open when they are closed.
"""

from __future__ import annotations

import functools
import importlib
from http.cookiejar import Cookie, CookieJar
from types import TracebackType
from typing import TYPE_CHECKING, Any

import openai

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.bodies import read_whole
from langchain_qwen3.connections.loops import LoopTransport, SyncTransport
from langchain_qwen3.connections.transports.httpx_transport import (
    KEEPALIVE_SECONDS,
    build_ssl_context,
    prepare_first_request,
    use_backend,
)

if TYPE_CHECKING:
    from langchain_qwen3.connections.leases import PoolSettings

__all__ = ["SharedAsyncClient", "SharedSyncClient"]

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


class _NoCookies(CookieJar):
    """Keeps no cookie: models share the client, and a server must not recognise one by the other's."""

    def set_cookie(self, cookie: Cookie) -> None:
        pass


class _Shared:
    """What both clients have in common, beside httpx's: they are shared, and keep the models' secrets.

    A redirect sends a stranger none of the model's own headers; httpx drops `Authorization` alone.
    """

    is_shared = True
    _transports: list[LoopTransport] | list[SyncTransport]

    def count_connections(self) -> int:
        """Count the open connections."""
        return sum(transport.count_connections() for transport in self._transports)

    def __repr__(self) -> str:
        return " + ".join(map(repr, self._transports))

    def _redirect_headers(self, request: httpx.Request, url: httpx.URL, method: str) -> httpx.Headers:
        headers: httpx.Headers = super()._redirect_headers(request, url, method)  # type: ignore[misc]  # the client's
        if _is_elsewhere(request.url, url):
            for name in [*headers]:
                if name not in _IMPERSONAL_HEADERS and not name.startswith("x-stainless-"):
                    del headers[name]
        return headers


def _is_elsewhere(asked: httpx.URL, told: httpx.URL) -> bool:
    """Return whether a redirect leads to another server; the same host by https instead of http is none."""
    if asked.host == told.host and (asked.scheme, told.scheme) == ("http", "https"):
        return False
    return (asked.scheme, asked.netloc) != (told.scheme, told.netloc)


# A client given `transport=` ignores the environment's proxies. The two hooks in which httpx builds its own
# transports leave it in charge of `proxy=`, the environment and NO_PROXY.
class SharedAsyncClient(_Shared, openai.DefaultAsyncHttpxClient):
    """The async client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._transports: list[LoopTransport] = []
        prepare_first_request()
        if settings.transport == "aiohttp":
            # with the first client: within a request a fork could cut it short
            importlib.import_module("langchain_qwen3.connections.transports.aiohttp_transport")
        super().__init__(proxy=settings.proxy, cookies=_NoCookies())

    def _init_transport(self, *_args: Any, **_kwargs: Any) -> LoopTransport:
        return self._init_proxy_transport(None)

    def _init_proxy_transport(self, proxy: httpx.Proxy | None, *_args: Any, **_kwargs: Any) -> LoopTransport:
        transport = LoopTransport(
            functools.partial(_build_async_pool, self._settings, proxy), shared=self._settings.transport == "aiohttp"
        )
        self._transports.append(transport)
        return transport

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request; a reply that is wanted whole is read past httpx's generators."""
        response: httpx.Response = await super().send(request, stream=True, **options)
        if not stream:
            await read_whole(response)
        return response

    async def aclose(self) -> None:
        """Close the running loop's connections; the client stays open."""
        for transport in self._transports:
            await transport.aclose()

    async def __aexit__(
        self,
        _type: type[BaseException] | None = None,
        _value: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()


class SharedSyncClient(_Shared, openai.DefaultHttpxClient):
    """The sync client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._transports: list[SyncTransport] = []
        prepare_first_request()
        super().__init__(proxy=settings.proxy, cookies=_NoCookies())

    def _init_transport(self, *_args: Any, **_kwargs: Any) -> SyncTransport:
        return self._init_proxy_transport(None)

    def _init_proxy_transport(self, proxy: httpx.Proxy | None, *_args: Any, **_kwargs: Any) -> SyncTransport:
        transport = SyncTransport(functools.partial(_build_sync_pool, self._settings, proxy))
        self._transports.append(transport)
        return transport

    def close(self) -> None:
        """Close the connections that are not in use; the client stays open."""
        for transport in self._transports:
            transport.close()

    def __exit__(
        self,
        _type: type[BaseException] | None = None,
        _value: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None:
        self.close()


def _limits() -> httpx.Limits:
    # How many requests may be in flight is `max_concurrency`'s business: a pool that waits would time out.
    return httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS)


def _build_async_pool(settings: PoolSettings, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
    has_socks_proxy = proxy is not None and proxy.url.scheme.startswith("socks")
    if settings.transport == "aiohttp" and not has_socks_proxy:  # aiohttp speaks no SOCKS
        from langchain_qwen3.connections.transports.aiohttp_transport import AiohttpTransport

        return AiohttpTransport(proxy, settings.socket_options)
    transport = httpx.AsyncHTTPTransport(
        verify=build_ssl_context(), limits=_limits(), proxy=proxy, socket_options=settings.socket_options
    )
    use_backend(transport)
    return transport


def _build_sync_pool(settings: PoolSettings, proxy: httpx.Proxy | None) -> httpx.BaseTransport:
    return httpx.HTTPTransport(
        verify=build_ssl_context(), limits=_limits(), proxy=proxy, socket_options=settings.socket_options
    )
