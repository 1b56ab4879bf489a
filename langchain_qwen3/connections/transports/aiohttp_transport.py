"""The aiohttp transport, with httpx's errors: the default for async calls, because it takes half the time of httpx.

These defaults of aiohttp are overridden: stored cookies, at most 100 connections, headers of at most 8 KB, requoted
URLs, uploads without a time limit, and dropping the unread bytes of a broken reply. Imported with the first client that
needs it: importing aiohttp is slow.
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
from langchain_qwen3.connections.transports.shared import (
    KEEPALIVE_SECONDS,
    PIECE,
    Close,
    Pieces,
    SocketOption,
    build_ssl_context,
)

_MAX_HEADER = 2**17  # bytes; httpx accepts 100 KB

_uses: ContextVar[list[Any] | None] = ContextVar("langchain_qwen3_uses", default=None)
"""Where a request with a large body records the transport it uses."""


class _Request(aiohttp.ClientRequest):
    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        if (transports := _uses.get()) is not None and conn.transport is not None:
            transports.append(conn.transport)
        return await super().send(conn)


class AiohttpConnections:
    """The connections of one event loop, held by an aiohttp session, over an HTTP proxy if there is one, not SOCKS."""

    def __init__(self, proxy: str | None, socket_options: Sequence[SocketOption]) -> None:
        self._proxy = {} if proxy is None else _build_proxy_options(httpx.Proxy(proxy))
        self._session = _open_session(socket_options)
        self._limits: Mapping[str, float | None] = {}
        self._timeout = aiohttp.ClientTimeout()

    async def send(self, request: httpx.Request) -> tuple[httpx.Response, Close]:
        """Send a request."""
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        if limits is not self._limits:  # mostly the same object as in the previous request
            # As in httpx, `connect` covers DNS, TCP and TLS. No request waits for aiohttp's pool: it has no limit.
            self._limits = limits
            self._timeout = aiohttp.ClientTimeout(connect=limits.get("connect"), sock_read=limits.get("read"))
        try:
            reply = await self._send(request, limits.get("write"))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise translate_error(error) from error.with_traceback(None)  # its frames' variables hold all headers
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
            reply.release()  # closes the connection if the body was not read to its end

        return response, close

    async def _send(self, request: httpx.Request, write: float | None) -> aiohttp.ClientResponse:
        try:
            content: Any = request.content or None
        except httpx.RequestNotRead:
            content = request.stream
        if content is None or (type(content) is bytes and len(content) <= PIECE):
            return await self._request(request, content)
        pieces = Pieces(content) if type(content) is bytes else content
        transports: list[Any] = []
        _uses.set(transports)
        try:
            async with asyncio.timeout(None) as limit:
                return await self._request(request, _upload(pieces, limit, write))
        except BaseException as error:
            for transport in transports:  # `close` would wait until the peer has read the rest of the body
                transport.abort()
            if isinstance(error, TimeoutError) and limit.expired():
                raise httpx.WriteTimeout("the server does not read the request") from error
            raise
        finally:
            _uses.set(None)

    async def _request(self, request: httpx.Request, data: Any) -> aiohttp.ClientResponse:
        encoding = request.headers.encoding  # it is searched for on every access to a header
        headers = CIMultiDict([(name.decode(encoding), text.decode(encoding)) for name, text in request.headers.raw])
        headers.popall("Transfer-Encoding", None)  # aiohttp frames the body itself and rejects this header
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
        """Do nothing: aiohttp has its own timer."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _upload(pieces: Any, limit: asyncio.Timeout, seconds: float | None) -> AsyncIterator[bytes]:
    """Yield a body piece by piece; `limit` restarts for each piece, which may take `seconds`."""

    def set_limit(seconds: float | None) -> None:
        with suppress(RuntimeError):  # the reply came before the request was complete
            limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async for piece in pieces:
        for _ in range(2):  # an early reply is read before a write to the closed connection drops it
            await asyncio.sleep(0)
        set_limit(seconds)
        yield piece
    set_limit(None)


def _build_proxy_options(proxy: httpx.Proxy) -> dict[str, Any]:
    headers = dict(proxy.headers)
    if proxy.raw_auth is not None:
        # aiohttp deprecated its class for user and password. It sends a proxy's `Authorization` as
        # `Proxy-Authorization`, and only to the proxy.
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
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
        max_headers=512,  # by default 128; httpx has no limit
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
            # aiohttp raises at once, before the bytes it has received are read.
            arrived = b""
            with suppress(Exception):
                content.set_exception(None)  # type: ignore[arg-type]
                arrived = content.read_nowait()
            if arrived:
                yield arrived
            # It may be aiohttp's only error of its kind, whose traceback would grow with every use.
            raise translate_error(error) from error.with_traceback(None)


def translate_error(error: Exception) -> httpx.TransportError:
    """Return the error that httpx's own transport would raise in place of aiohttp's."""
    kind: type[httpx.TransportError]
    match error:
        case aiohttp.ClientHttpProxyError():
            return httpx.ProxyError(f"{error.status} {error.message}")  # the reason may be empty
        case aiohttp.ConnectionTimeoutError():
            kind = httpx.ConnectTimeout
        case TimeoutError():
            kind = httpx.ReadTimeout
        case aiohttp.ClientConnectorError():  # refused, unknown host, bad certificate, no TLS, no proxy
            return httpx.ConnectError(_describe_failure(error))
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            kind = httpx.UnsupportedProtocol
        case _ if isinstance(error, OSError) or "ConnectionResetError(" in str(error):
            kind = httpx.ReadError
        case aiohttp.ClientError():  # hung up, cut short, or no HTTP
            kind = httpx.RemoteProtocolError
        case _:  # a header that cannot be sent
            kind = httpx.LocalProtocolError
    # aiohttp's own text quotes the address, whose query may hold a key.
    return kind(error.message if isinstance(error, aiohttp.ClientResponseError) else str(error))


def _describe_failure(error: aiohttp.ClientConnectorError) -> str:
    """Return why the connection failed; aiohttp's own text names an SSL setting even without SSL."""
    place = f"cannot connect to {error.host}:{error.port}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return f"{place}: certificate verify failed: {getattr(cause, 'verify_message', cause)}"
    if isinstance(error.os_error, ssl.SSLError):
        return f"{place}: {error.os_error.strerror or error.os_error}"
    number, text = error.os_error.errno, error.os_error.strerror or repr(error.os_error)
    return f"{place}: {os.strerror(number) if number and number > 0 else text}"
