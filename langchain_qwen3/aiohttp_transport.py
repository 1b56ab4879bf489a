"""aiohttp as the inner transport: half of httpx's cost per chunk and per call, with httpx's errors.

httpx-aiohttp's adapter sends the request. What it leaves to us: it reports refused, unknown host and
hang-up as timeouts, lets some of aiohttp's own errors through, and takes over aiohttp's habits: cookies are
kept, connections limited to 100, socket options ignored, and what a broken reply still had to say is thrown
away.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_qwen3.pools import KEEPALIVE_SECONDS, SocketOption, build_ssl_context, http

if TYPE_CHECKING:
    import aiohttp

_LARGE_BODY = 2**20  # bytes


@functools.cache
def has_aiohttp() -> bool:
    """Tell whether the adapter for the SDK's http library is installed, without importing it."""
    spec = importlib.util.find_spec("httpx_aiohttp")
    if spec is None or not spec.submodule_search_locations:
        return False
    return http.__name__ != "httpx2" or Path(spec.submodule_search_locations[0], "httpx2").is_dir()


@functools.cache
def import_adapter() -> Any:
    """Import the adapter for the SDK's http library; slow where nothing else has imported aiohttp."""
    return importlib.import_module("httpx_aiohttp.httpx2" if http.__name__ == "httpx2" else "httpx_aiohttp")


class AiohttpTransport(http.AsyncBaseTransport):
    """One loop's connections, held by an aiohttp session.

    Args:
        proxy: the HTTP proxy all requests go through; aiohttp has none for SOCKS.
        socket_options: `setsockopt` arguments for every socket.
    """

    def __init__(self, proxy: http.Proxy | None = None, socket_options: Sequence[SocketOption] = ()) -> None:
        self._adapter = import_adapter().AiohttpTransport(
            verify=build_ssl_context(),
            proxy=None if proxy is None else _with_auth_header(proxy),
            client=functools.partial(_open_session, socket_options),
        )

    async def handle_async_request(self, request: http.Request) -> http.Response:
        """Send one request.

        Raises:
            http.TransportError: the same as `http.AsyncHTTPTransport` raises for this fault.
        """
        import aiohttp

        if int(request.headers.get("content-length", "0")) > _LARGE_BODY:
            # aiohttp warns (ResourceWarning) of large bodies given as bytes; as a stream they go out the same way
            request = http.Request(
                request.method,
                request.url,
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        try:
            response: http.Response = await self._adapter.handle_async_request(request)
        except http.TransportError as error:
            cause = error.__cause__
            raise (translate_aiohttp_error(cause) if isinstance(cause, aiohttp.ClientError) else error) from cause
        except (aiohttp.ClientError, ValueError) as error:
            raise translate_aiohttp_error(error) from error
        reply: aiohttp.ClientResponse = response.stream._aiohttp_response  # type: ignore[union-attr]  # noqa: SLF001
        response.stream = _AiohttpStream(reply)  # the adapter's own stream maps errors wrongly
        return response

    async def aclose(self) -> None:
        """Close the session and its connections."""
        await self._adapter.aclose()

    def count_connections(self) -> int:
        """Count the open connections, idle ones included."""
        connector = getattr(self._adapter.client, "connector", None)  # a factory until the first request
        if connector is None:
            return 0
        # aiohttp shows no public view
        return len(connector._acquired) + sum(map(len, connector._conns.values()))  # noqa: SLF001


def _with_auth_header(proxy: http.Proxy) -> http.Proxy:
    # The adapter passes user and password in a class that aiohttp deprecates; aiohttp turns a proxy's
    # `Authorization` into `Proxy-Authorization`, and sends it to the proxy alone.
    if proxy.raw_auth is None:
        return proxy
    basic = b64encode(b":".join(proxy.raw_auth)).decode()
    return http.Proxy(proxy.url, headers={**proxy.headers, "Authorization": f"Basic {basic}"})


def _open_session(socket_options: Sequence[SocketOption]) -> aiohttp.ClientSession:
    import aiohttp

    def open_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = address
        sock = socket.socket(family, kind, protocol)
        for option in socket_options:
            sock.setsockopt(*option)
        return sock

    connector = aiohttp.TCPConnector(
        ssl=build_ssl_context(),
        limit=0,  # no limit
        keepalive_timeout=KEEPALIVE_SECONDS,
        socket_factory=open_socket if socket_options else None,
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _AiohttpStream(http.AsyncByteStream):
    """The body of a reply: every byte that arrived, then the error if there is one."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        import aiohttp

        content = self._reply.content
        try:
            async for chunk in content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            # aiohttp raises at once, before what it had received is read
            if arrived := content._read_nowait(-1):  # noqa: SLF001 - read_nowait() raises too
                yield arrived
            raise translate_aiohttp_error(error) from error

    async def aclose(self) -> None:
        self._reply.release()  # in the middle of a body this closes the connection


def translate_aiohttp_error(error: Exception) -> http.TransportError:
    """Find the error that httpx's own transport raises where aiohttp raised this one."""
    import aiohttp

    kind: type[http.TransportError]
    match error:
        case aiohttp.ClientHttpProxyError():
            kind = http.ProxyError
        case aiohttp.ConnectionTimeoutError():
            kind = http.ConnectTimeout
        case aiohttp.ServerTimeoutError():
            kind = http.ReadTimeout
        case aiohttp.ClientConnectorError():  # refused, unknown host, bad certificate, no TLS, no proxy
            kind = http.ConnectError
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            kind = http.UnsupportedProtocol
        case OSError():  # reset
            kind = http.ReadError
        case aiohttp.ClientPayloadError() if "ConnectionResetError(" in str(error):
            kind = http.ReadError
        case aiohttp.ClientError():  # hung up, cut short, or no HTTP
            kind = http.RemoteProtocolError
        case _:  # a header that cannot be sent
            kind = http.LocalProtocolError
    return kind(str(error))
