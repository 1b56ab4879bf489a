"""aiohttp as the inner transport: a fifth to a half less than httpx per chunk, and less per call, with httpx's errors.

aiohttp's habits are not taken over: cookies that are kept, 100 connections at most, URLs quoted anew, and what a broken
reply still had to say thrown away. Imported with the first client that wants it: aiohttp takes its time.
"""

from __future__ import annotations

import os
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.transports.aiohttp_tap import Tap
from langchain_qwen3.connections.transports.httpx_transport import (
    KEEPALIVE_SECONDS,
    SocketOption,
    build_ssl_context,
)

_LARGE_BODY = 2**20  # bytes


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One loop's connections, held by an aiohttp session.

    Args:
        proxy: the HTTP proxy all requests go through; aiohttp has none for SOCKS.
        socket_options: `setsockopt` arguments for every socket.
    """

    def __init__(self, proxy: httpx.Proxy | None = None, socket_options: Sequence[SocketOption] = ()) -> None:
        self._proxy = {} if proxy is None else _build_proxy_options(proxy)
        self._socket_options = socket_options
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            httpx.TransportError: the same as `httpx.AsyncHTTPTransport` raises for this fault.
        """
        if self._session is None:
            self._session = _open_session(self._socket_options)
        limits = request.extensions.get("timeout", {})
        headers = CIMultiDict(request.headers.multi_items())
        headers.popall("Transfer-Encoding", None)  # aiohttp frames the body, and refuses to be told how
        try:
            reply = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=_read_body(request),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    sock_connect=limits.get("connect"), sock_read=limits.get("read"), connect=limits.get("pool")
                ),
                server_hostname=request.extensions.get("sni_hostname"),
                **self._proxy,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise translate_aiohttp_error(error) from error
        return httpx.Response(
            reply.status,
            headers=reply.raw_headers,
            stream=_AiohttpStream(reply, limits.get("read")),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (reply.reason or "").encode()},
        )

    async def aclose(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()

    def count_connections(self) -> int:
        """Count the open connections, idle ones included."""
        connector: Any = None if self._session is None else self._session.connector
        if connector is None:
            return 0
        # aiohttp shows no public view
        return len(connector._acquired) + sum(map(len, connector._conns.values()))  # noqa: SLF001


def _read_body(request: httpx.Request) -> Any:
    """Return what aiohttp is to send, None for nothing."""
    try:
        content = request.content
    except httpx.RequestNotRead:
        return request.stream
    # aiohttp warns (ResourceWarning) of large bodies given as bytes; as a stream they go out the same way
    return request.stream if len(content) > _LARGE_BODY else content or None


def _build_proxy_options(proxy: httpx.Proxy) -> dict[str, Any]:
    headers = dict(proxy.headers)
    if proxy.raw_auth is not None:
        # aiohttp deprecates the class it had for user and password; it turns a proxy's `Authorization` into
        # `Proxy-Authorization`, and sends it to the proxy alone.
        headers["Authorization"] = f"Basic {b64encode(b':'.join(proxy.raw_auth)).decode()}"
    return {"proxy": str(proxy.url), "proxy_headers": headers}


def _open_session(socket_options: Sequence[SocketOption]) -> aiohttp.ClientSession:
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
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)


class _AiohttpStream(httpx.AsyncByteStream):
    """The body of a reply: every byte that arrived, then the error if there is one.

    Args:
        reply: aiohttp's, whose body nobody else reads.
        timeout: Seconds without a byte that are a timeout, None for no limit.
    """

    def __init__(self, reply: aiohttp.ClientResponse, timeout: float | None) -> None:
        self._reply = reply
        self._timeout = timeout
        self._tap: Tap | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._reply.content
        tap = self._tap = Tap(self._reply)
        try:
            while True:
                if tap.piece:
                    piece, tap.piece = tap.piece, b""
                    yield piece
                elif not tap.has_passed_on:
                    await tap.waiter.wait(self._timeout)
                elif piece := _read_arrived(content):
                    yield piece
                elif content.is_eof():
                    return
                else:
                    tap.has_passed_on = False
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except aiohttp.ClientError as error:
            # aiohttp raises at once, before what it had received is read
            if arrived := content._read_nowait(-1):  # noqa: SLF001 - read_nowait() raises too
                yield arrived
            raise translate_aiohttp_error(error) from error

    async def aclose(self) -> None:
        if self._tap is not None:
            self._tap.remove()
        self._reply.release()  # in the middle of a body this closes the connection


def _read_arrived(content: aiohttp.StreamReader) -> bytes:
    """Return what aiohttp has; it goes through its pieces, one for each of HTTP's chunks, in Python."""
    pieces: Any = content._buffer  # noqa: SLF001
    if len(pieces) > 1 and not content._buffer_offset:  # noqa: SLF001
        joined = b"".join(pieces)
        pieces.clear()
        pieces.append(joined)
    return content.read_nowait()


def translate_aiohttp_error(error: Exception) -> httpx.TransportError:
    """Find the error that httpx's own transport raises where aiohttp raised this one."""
    kind: type[httpx.TransportError]
    match error:
        case aiohttp.ClientHttpProxyError():
            kind = httpx.ProxyError
        case aiohttp.ConnectionTimeoutError():
            kind = httpx.ConnectTimeout
        case TimeoutError():
            kind = httpx.ReadTimeout
        case aiohttp.ClientConnectorError():  # refused, unknown host, bad certificate, no TLS, no proxy
            return httpx.ConnectError(_describe_failure(error))
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            kind = httpx.UnsupportedProtocol
        case OSError():  # reset
            kind = httpx.ReadError
        case aiohttp.ClientPayloadError() if "ConnectionResetError(" in str(error):
            kind = httpx.ReadError
        case aiohttp.ClientError():  # hung up, cut short, or no HTTP
            kind = httpx.RemoteProtocolError
        case _:  # a header that cannot be sent
            kind = httpx.LocalProtocolError
    return kind(str(error))


def _describe_failure(error: aiohttp.ClientConnectorError) -> str:
    """Return why there is no connection; aiohttp's own text names a setting of SSL where there is no SSL."""
    cause = getattr(error, "os_error", None)
    if not isinstance(cause, OSError) or isinstance(cause, ssl.SSLError):
        return str(error)
    reason = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror
    return f"cannot connect to {error.host}:{error.port}: {reason or cause}"
