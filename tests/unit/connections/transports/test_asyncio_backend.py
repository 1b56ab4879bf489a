"""The network backend below httpx: what httpcore relies on, on real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from langchain_qwen3.connections.transports.asyncio_backend import AsyncioBackend, httpcore

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Handler], Awaitable[int]]]:
    """Run servers on 127.0.0.1 for the length of a test."""
    servers: list[asyncio.Server] = []
    handling: set[asyncio.Task[Any]] = set()

    async def start(handler: Handler) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handling.add(asyncio.current_task())  # type: ignore[arg-type]  # a handler runs in a task
            try:
                await handler(reader, writer)
            finally:
                writer.transport.abort()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for task in handling:
        task.cancel()
    await asyncio.gather(*handling, return_exceptions=True)
    await asyncio.sleep(0.01)


async def stay_silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Neither read nor write."""
    await asyncio.sleep(60)


async def test_read_times_out_at_a_shorter_limit_than_the_read_before(listen: Any) -> None:
    """One timer serves many reads; the long limit of one must not hide the short one of the next."""

    async def answer_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(b"first")
        await stay_silent(_reader, writer)

    stream = await AsyncioBackend().connect_tcp("127.0.0.1", await listen(answer_once))
    assert await stream.read(100, timeout=600) == b"first"
    with pytest.raises(httpcore.ReadTimeout):
        await stream.read(100, timeout=0.02)
    await stream.aclose()


async def test_read_gives_no_more_than_asked_and_loses_nothing(listen: Any) -> None:
    """A fast peer has sent more than the 64 KiB that httpcore asks for; reading pauses and goes on."""
    sent = bytes(range(256)) * 8192

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()
        await _reader.read()

    stream = await AsyncioBackend().connect_tcp("127.0.0.1", await listen(send))
    received = []
    while data := await stream.read(65536):
        assert len(data) <= 65536
        received.append(data)
    assert b"".join(received) == sent
    await stream.aclose()


async def test_write_waits_and_times_out_when_the_peer_takes_nothing(listen: Any) -> None:
    """A request body must not pile up in memory, nor wait for ever."""
    stream = await AsyncioBackend().connect_tcp("127.0.0.1", await listen(stay_silent))
    with pytest.raises(httpcore.WriteTimeout):
        await stream.write(bytes(32 * 2**20), timeout=0.05)
    await stream.aclose()


async def test_idle_connection_is_readable_when_the_server_has_closed_it(listen: Any) -> None:
    """It is asked before a connection is used again, with no turn of the loop in between."""
    closed = asyncio.Event()

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        closed.set()

    stream = await AsyncioBackend().connect_tcp("127.0.0.1", await listen(close))
    await closed.wait()
    await asyncio.sleep(0.01)
    assert stream.get_extra_info("is_readable")
    await stream.aclose()


async def test_use_after_close_is_an_error_of_httpcores(listen: Any) -> None:
    """Errors outside httpcore's tree would reach the user raw."""
    stream = await AsyncioBackend().connect_tcp("127.0.0.1", await listen(stay_silent))
    await stream.aclose()
    with pytest.raises(httpcore.ReadError):
        await stream.read(1)
    with pytest.raises(httpcore.WriteError):
        await stream.write(b"x")


async def test_no_tls_at_the_other_end_is_a_connect_error(listen: Any) -> None:
    """A plain server under an https URL is the commonest wrong URL."""

    async def speak_plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    stream = await AsyncioBackend().connect_tcp("127.0.0.1", await listen(speak_plain))
    with pytest.raises(httpcore.ConnectError):
        await stream.start_tls(ssl.create_default_context(), "localhost", timeout=5)
    await stream.aclose()


async def test_refused_connection_is_a_connect_error() -> None:
    """The error every user meets first: the server is not running."""
    with pytest.raises(httpcore.ConnectError):
        await AsyncioBackend().connect_tcp("127.0.0.1", 9, timeout=5)
