"""aiohttp as the inner transport: half of httpx's cost per chunk and less per call, with httpx's errors.

httpx-aiohttp's adapter sends the request. What it leaves to us: it reports refused, unknown host and
hang-up as timeouts, lets some of aiohttp's own errors through, and takes over aiohttp's habits: cookies are
kept, connections limited to 100, socket options ignored, and what a broken reply still had to say is thrown
away.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_qwen3.pools import KEEPALIVE_SECONDS, SocketOption, build_ssl_context, http
from langchain_qwen3.waiter import Waiter

if TYPE_CHECKING:
    import aiohttp

_LARGE_BODY = 2**20  # bytes
_LONGEST_SIZE = 8  # characters in the size of a chunk and its line end


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
        timeout = request.extensions.get("timeout", {}).get("read")
        response.stream = _AiohttpStream(reply, timeout)  # the adapter's own stream maps errors wrongly
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
    """The body of a reply: every byte that arrived, then the error if there is one.

    Args:
        reply: aiohttp's, whose body nobody else reads.
        timeout: Seconds without a byte that are a timeout, None for no limit.
    """

    def __init__(self, reply: aiohttp.ClientResponse, timeout: float | None) -> None:
        self._reply = reply
        self._timeout = timeout
        self._tap: _Tap | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        import aiohttp

        content = self._reply.content
        tap = self._tap = _Tap(self._reply)
        try:
            while True:
                if tap.piece:
                    piece, tap.piece = tap.piece, b""
                    yield piece
                elif not tap.has_passed_on:
                    await tap.waiter.wait(self._timeout)
                elif piece := content.read_nowait():
                    yield piece
                elif content.is_eof():
                    return
                else:
                    tap.has_passed_on = False
        except TimeoutError as error:
            raise http.ReadTimeout(str(error)) from error
        except aiohttp.ClientError as error:
            # aiohttp raises at once, before what it had received is read
            if arrived := content._read_nowait(-1):  # noqa: SLF001 - read_nowait() raises too
                yield arrived
            raise translate_aiohttp_error(error) from error

    async def aclose(self) -> None:
        if self._tap is not None:
            self._tap.remove()
        self._reply.release()  # in the middle of a body this closes the connection


class _Tap(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol while a body is read, and wakes the reader.

    Engines send each event as one chunk of HTTP's in one packet. Such a chunk goes to a waiting reader at once; all
    other bytes go to aiohttp's parser, which is between two chunks before and after. Its way is six times as long: it
    wakes the reader from inside the parser and a turn of the loop late, and for every piece it sets a timer and resumes
    a connection that was not paused.

    Attributes:
        waiter: What the reader waits for.
        piece: The content of whole chunks that the reader has not taken yet; older than what aiohttp has.
        has_passed_on: There may be something new at aiohttp's reader: bytes, an error, or the end.
    """

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.waiter = Waiter(asyncio.get_running_loop())
        self.piece = b""
        self.has_passed_on = True
        self._is_paused = True  # for all we know
        self._is_chunked = reply.headers.get("Transfer-Encoding", "").lower() == "chunked"
        connection: Any = reply.connection
        self._protocol = connection and connection.protocol
        self._transport = connection and connection.transport
        if self._transport is not None:  # else the body has ended already, or the connection has
            self._protocol.read_timeout = None  # the waiter's counts
            self._protocol.start_timeout()
            self._transport.set_protocol(self)
            content: Any = reply.content
            content._protocol = self  # noqa: SLF001 - pauses and resumes it
            content.on_eof(self.remove)  # from then on the connection may serve another request

    def remove(self) -> None:
        """Leave the connection to aiohttp alone."""
        self.waiter.stop()
        if self._transport is not None:
            self._transport.set_protocol(self._protocol)
            self._transport = None

    # -- what the event loop calls -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._is_chunked and not (self.piece or self.has_passed_on) and (piece := read_whole_chunks(data)):
            self.piece = piece
        else:
            self.has_passed_on = True
            self._protocol.data_received(data)
        self.waiter.wake()

    def eof_received(self) -> None:
        self.has_passed_on = True
        self._protocol.eof_received()
        self.waiter.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_passed_on = True
        self._protocol.connection_lost(exc)
        self.waiter.stop()
        self.waiter.wake()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # -- what aiohttp's reader of the body calls ---------------------------------------------------------------------

    def pause_reading(self) -> None:
        self._is_paused = True
        self._protocol.pause_reading()

    def resume_reading(self, **how: bool) -> None:
        if self._is_paused:
            self._is_paused = False
            self._protocol.resume_reading(**how)


def read_whole_chunks(data: bytes) -> bytes:
    """Return the content of chunks of HTTP's that hold whole events; empty for any other bytes.

    The rest of a chunk that began earlier is never taken for one: events are JSON, which has no line break inside.
    """
    pieces = []
    start = 0
    while start < len(data):
        size_end = data.find(b"\r\n", start, start + _LONGEST_SIZE)
        size = data[start:size_end]
        if not (size.isalnum() and data.startswith(b"data:", size_end + 2)):
            return b""
        try:
            end = size_end + 2 + int(size, 16)
        except ValueError:
            return b""
        if data[end - 2 : end + 2] != b"\n\n\r\n":
            return b""
        pieces.append(data[size_end + 2 : end])
        start = end + 2
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


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
