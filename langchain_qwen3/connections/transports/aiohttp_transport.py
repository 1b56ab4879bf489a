"""aiohttp under httpx's own errors: the default of async calls, for it takes half the time of httpx.

aiohttp's habits are not taken over: cookies that are kept, 100 connections at most, headers of 8 KB at most, URLs
quoted anew, uploads without a time limit, and what a broken reply still had to say thrown away. Imported with the first
client that wants it: aiohttp takes its time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.stall import ABORT
from langchain_qwen3.connections.transports.httpx_transport import (
    KEEPALIVE_SECONDS,
    Close,
    SocketOption,
    build_ssl_context,
)

__all__ = ["AiohttpConnections", "translate_error"]

_PIECE = 2**16
"""Bytes of a body that are sent at once; a system takes so much even when its peer reads nothing."""
_LONGEST_HEADER = 2**17  # bytes; httpx takes 100 KB


_uses: ContextVar[list[Any] | None] = ContextVar("langchain_qwen3_uses", default=None)
"""Where a request with a large body notes whose transport it uses."""


class _Request(aiohttp.ClientRequest):
    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        if (transports := _uses.get()) is not None and conn.transport is not None:
            transports.append(conn.transport)
        return await super().send(conn)


class AiohttpConnections:
    """The connections of one event loop, held by an aiohttp session.

    Args:
        proxy: URL of the HTTP proxy for all requests; aiohttp has none for SOCKS.
        socket_options: For every socket.
    """

    def __init__(self, proxy: str | None, socket_options: Sequence[SocketOption]) -> None:
        self._proxy = {} if proxy is None else _build_proxy_options(httpx.Proxy(proxy))
        self._session = _open_session(socket_options)
        self._limits: Mapping[str, float | None] = {}
        self._timeout = aiohttp.ClientTimeout()

    async def send(self, request: httpx.Request) -> tuple[httpx.Response, Close]:
        """Send a request."""
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        if limits is not self._limits:  # mostly that of the request before
            # aiohttp's `connect` covers name look-up, TCP and TLS, as httpx's does; its pool makes nobody wait.
            self._limits = limits
            self._timeout = aiohttp.ClientTimeout(connect=limits.get("connect"), sock_read=limits.get("read"))
        try:
            reply = await self._send(request, limits.get("write"))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise translate_error(error) from error
        response = httpx.Response(
            reply.status,
            headers=reply.raw_headers,
            stream=_Body(reply),
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": (reply.reason or "").encode(errors="replace"),
                ABORT: reply.close,
            },
        )

        async def close() -> None:
            reply.release()  # in the middle of a body this closes the connection

        return response, close

    async def _send(self, request: httpx.Request, write: float | None) -> aiohttp.ClientResponse:
        try:
            content: Any = request.content or None
        except httpx.RequestNotRead:
            content = request.stream
        if content is None or (type(content) is bytes and len(content) <= _PIECE):
            return await self._request(request, content)
        pieces = _split(content) if type(content) is bytes else content
        transports: list[Any] = []
        _uses.set(transports)
        try:
            async with asyncio.timeout(None) as limit:
                return await self._request(request, _upload(pieces, limit, write))
        except BaseException as error:
            for transport in transports:  # only closed, it would wait for its peer to read what is left of the body
                transport.abort()
            if isinstance(error, TimeoutError) and limit.expired():
                raise httpx.WriteTimeout(str(error)) from error
            raise
        finally:
            _uses.set(None)

    async def _request(self, request: httpx.Request, data: Any) -> aiohttp.ClientResponse:
        headers = CIMultiDict(request.headers.multi_items())
        headers.popall("Transfer-Encoding", None)  # aiohttp frames the body, and refuses to be told how
        return await self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=headers,
            data=data,
            allow_redirects=False,
            timeout=self._timeout,
            server_hostname=request.extensions.get("sni_hostname"),
            **self._proxy,
        )

    async def close_idle(self) -> None:
        """Leave it to aiohttp, which has a timer of its own."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _split(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


async def _upload(pieces: Any, limit: asyncio.Timeout, seconds: float | None) -> AsyncIterator[bytes]:
    """Give a body piece by piece; `limit` is the time that the server may take for one."""

    def set_limit(seconds: float | None) -> None:
        with suppress(RuntimeError):  # the reply came before the end of the request
            limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async for piece in pieces:
        set_limit(seconds)
        yield piece
    set_limit(None)


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
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        request_class=_Request,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
    )


class _Body(httpx.AsyncByteStream):
    """The body of a reply: every byte that arrived, then the error if there is one."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._reply.content
        try:
            while piece := await content.readany():
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            # aiohttp raises at once, before what it had received is read.
            arrived = b""
            with suppress(Exception):
                content.set_exception(None)  # type: ignore[arg-type]
                arrived = content.read_nowait()
            if arrived:
                yield arrived
            raise translate_error(error) from error


def translate_error(error: Exception) -> httpx.TransportError:
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
