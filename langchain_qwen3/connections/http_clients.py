"""The HTTP clients that models share: the SDK's own, over transports that are not bound to an event loop.

A request goes straight to its transport: httpx's own path merges cookies, which are not kept here, and turns a
redirected POST into a GET. A closed client remains usable.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from typing import Any

import openai

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.limits import ACCEPTED, limit_body
from langchain_qwen3.connections.loops import LoopTransport
from langchain_qwen3.connections.settings import PoolSettings
from langchain_qwen3.connections.transports.httpx_transport import HttpxConnections, SyncTransport
from langchain_qwen3.connections.transports.shared import build_ssl_context
from langchain_qwen3.errors.redirects import build_redirected
from langchain_qwen3.errors.secrets import clean_url

_MAX_REDIRECTS = 5
_NO_REPLY = (httpx.NetworkError, httpx.ConnectTimeout, httpx.ProxyError, httpx.RemoteProtocolError)
# Modules that core, httpcore and we import during a process's first call; those a version does not have are skipped.
_FIRST_CALL_IMPORTS = (
    "anyio._backends._asyncio",
    "langchain_core.env",
    "langchain_core.messages.block_translators.langchain_v0",
    "langchain_core.tracers._compat",
    "langchain_core.tracers.context",
    "langchain_core.tracers.langchain",
    "langchain_core.tracers.run_collector",
    "langchain_core.tracers.stdout",
)


@functools.cache
def prepare_first_request() -> None:
    """Do with the first client what core and httpx defer to the first request, perhaps in a thread.

    This takes locks, such as import locks, and a fork meanwhile leaves the child waiting for them forever.
    """
    httpx.HTTPTransport(verify=build_ssl_context()).close()  # imports httpcore
    for name in _FIRST_CALL_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


class SharedAsyncClient(openai.DefaultAsyncHttpxClient):
    """The async client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        self._proxy = settings.proxy
        kind: Any = HttpxConnections
        if settings.transport == "aiohttp":  # imported here: during a request, a fork could interrupt the import
            from langchain_qwen3.connections.transports.aiohttp_transport import AiohttpConnections

            kind = AiohttpConnections
        self.connections = LoopTransport(functools.partial(kind, settings.proxy, settings.socket_options))
        super().__init__(transport=self.connections, headers={"Accept-Encoding": ACCEPTED})

    async def send(self, request: httpx.Request, *, stream: bool = False, **_options: Any) -> httpx.Response:
        """Send a request and follow 307 and 308 redirects."""
        try:
            response = await self.connections.handle_async_request(request)
            for _ in range(_MAX_REDIRECTS):
                following = build_redirected(request, response)
                if following is None:
                    break
                await response.aclose()
                request, response = following, await self.connections.handle_async_request(following)
        except _NO_REPLY as error:
            _name_proxy(error, self._proxy)
            raise
        limit_body(response, stream=stream)
        if not stream:
            async with contextlib.aclosing(response):
                await response.aread()
        return response

    async def aclose(self) -> None:
        """Close the running loop's connections; the client stays open."""
        await self.connections.aclose()


class SharedSyncClient(openai.DefaultHttpxClient):
    """The sync client of one `PoolSettings`."""

    def __init__(self, settings: PoolSettings) -> None:
        self._proxy = settings.proxy
        self.connections = SyncTransport(settings.proxy, settings.socket_options)
        super().__init__(transport=self.connections, headers={"Accept-Encoding": ACCEPTED})

    def send(self, request: httpx.Request, *, stream: bool = False, **_options: Any) -> httpx.Response:
        """Send a request and follow 307 and 308 redirects."""
        try:
            response = self.connections.handle_request(request)
            for _ in range(_MAX_REDIRECTS):
                following = build_redirected(request, response)
                if following is None:
                    break
                response.close()
                request, response = following, self.connections.handle_request(following)
        except _NO_REPLY as error:
            _name_proxy(error, self._proxy)
            raise
        limit_body(response, stream=stream)
        if not stream:
            with contextlib.closing(response):
                response.read()
        return response

    def close(self) -> None:
        """Close the connections that are not in use; the client stays open."""
        self.connections.close()


def _name_proxy(error: Exception, proxy: str | None) -> None:
    """Say in an error that no connection or no reply came over a proxy, which may be that of the environment."""
    if proxy is not None:
        error.args = (f"over the proxy {clean_url(proxy)}: {str(error) or type(error).__name__}",)
