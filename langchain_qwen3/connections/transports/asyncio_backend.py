"""httpcore's network backend over asyncio's own transports: a read costs a third of what it costs through anyio.

httpcore reaches asyncio through anyio, which for every read opens a cancel scope and takes the socket out of the
selector and back. With one event per TCP write, as engines stream, that is a third of a chunk's whole cost. Errors are
those of httpcore's own backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import select
import ssl
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.transports.waiter import Waiter

if TYPE_CHECKING:
    import httpcore2 as httpcore
else:
    httpcore = importlib.import_module("httpcore2" if httpx.__name__ == "httpx2" else "httpcore")

__all__ = ["AsyncioBackend"]

_MAX_BUFFERED = 2**18  # bytes; a peer that sends faster than they are read has to wait
_HAPPY_EYEBALLS_SECONDS = 0.25  # RFC 8305, as anyio has it


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Opens connections on the running event loop."""

    async def connect_tcp(  # httpcore's signature
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, and give the stream.

        Raises:
            httpcore.ConnectTimeout: not within `timeout` seconds.
            httpcore.ConnectError: refused, unknown host, no route.
        """
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if local_address is not None:
            options["local_addr"] = (local_address, 0)
        if isinstance(loop, asyncio.BaseEventLoop):  # uvloop has no such parameter
            options["happy_eyeballs_delay"] = _HAPPY_EYEBALLS_SECONDS
        with _map_connect_errors():
            async with asyncio.timeout(timeout):
                stream: _Stream
                _, stream = await loop.create_connection(_Stream, host, port, **options)
        for option in socket_options or ():
            stream.get_extra_info("socket").setsockopt(*option)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to connect."""
        await asyncio.sleep(seconds)


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection. At most one task reads and one writes at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._received: list[bytes] = []
        self._size = 0
        self._is_reading = True
        self._error: Exception | None = None
        self._has_ended = False
        self._is_closed = False
        self._reader = Waiter(self._loop)
        self._writer: asyncio.Future[None] | None = None

    # -- what the event loop calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._size += len(data)
        if self._size > _MAX_BUFFERED and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()
        self._reader.wake()

    def eof_received(self) -> None:
        self._has_ended = True
        self._reader.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_ended = True
        self._error = exc
        self._reader.stop()
        self._reader.wake()
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._writer = self._loop.create_future()

    def resume_writing(self) -> None:
        _wake(self._writer)
        self._writer = None

    # -- what httpcore calls -----------------------------------------------------------------------------------------

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read what has arrived, or wait for it; empty at the end."""
        if not self._received and not self._has_ended:
            try:
                await self._reader.wait(timeout)
            except TimeoutError as error:
                raise httpcore.ReadTimeout(str(error)) from error
        if not self._received:
            if self._error is not None or self._is_closed:
                raise httpcore.ReadError(str(self._error or "the connection was closed here")) from self._error
            return b""
        data = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()
        if len(data) > max_bytes:
            self._received.append(data[max_bytes:])
            data = data[:max_bytes]
        self._size -= len(data)
        if not self._is_reading and self._size <= _MAX_BUFFERED and not self._has_ended:
            self._is_reading = True
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send bytes, and wait while the peer takes none."""
        if (self._has_ended and self._error is not None) or self._is_closed:
            raise httpcore.WriteError(str(self._error or "the connection was closed here")) from self._error
        if not buffer:
            return
        self._transport.write(buffer)
        if self._writer is not None:
            try:
                async with asyncio.timeout(timeout):
                    await self._writer
            except TimeoutError as error:
                raise httpcore.WriteTimeout(str(error)) from error
            if self._error is not None:
                raise httpcore.WriteError(str(self._error)) from self._error

    async def aclose(self) -> None:
        """Close the connection, and give up what could not be sent yet."""
        self._is_closed = True
        self._reader.stop()
        self._transport.close()
        await asyncio.sleep(0)
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Encrypt from here on.

        Raises:
            httpcore.ConnectTimeout: no handshake within `timeout` seconds.
            httpcore.ConnectError: no handshake, or a certificate that is not trusted.
        """
        with _map_connect_errors():
            async with asyncio.timeout(timeout):
                self._transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        return self

    def get_extra_info(self, info: str) -> Any:
        """Tell about the connection, in httpcore's names."""
        match info:
            case "is_readable":  # asked of idle connections: one that can be read has been closed by the server
                return self._has_ended or bool(self._received) or _is_readable(self.get_extra_info("socket"))
            case "client_addr":
                return self._transport.get_extra_info("sockname")
            case "server_addr":
                return self._transport.get_extra_info("peername")
            case _:
                return self._transport.get_extra_info(info)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _is_readable(sock: Any) -> bool:
    """Ask the system, as the loop may have had no turn since the server closed the connection."""
    if sock is None or sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


@contextlib.contextmanager
def _map_connect_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except OSError as error:  # ssl.SSLError is one
        raise httpcore.ConnectError(str(error)) from error
