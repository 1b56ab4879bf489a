"""Bodies of replies in any packets: each transport gives every byte, in order, and no more than is taken from it."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.leases import ClientLease
from langchain_qwen3.connections.settings import PoolSettings
from langchain_qwen3.connections.transports.shared import BODY
from tests.support.tls import trusted_tls

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
# Settings that no other test uses: these leases are never given back, so no other one would be the last.
OPTIONS = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),) * 3
LEASES = {
    transport: ClientLease(PoolSettings(transport=transport, socket_options=OPTIONS))
    for transport in ("httpx", "aiohttp")
}
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
EVENTS = [
    b'data: {"choices": [{"index": 0, "delta": {"content": "%d %b"}}]}\n\n' % (n, b"\xe6\x9c\x88" * n)
    for n in range(12)
]
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'

pytestmark = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])


def frame(body: bytes, size: bytes = b"%x") -> bytes:
    """Return a body as one chunk of HTTP's."""
    return size % len(body) + b"\r\n" + body + b"\r\n"


@asynccontextmanager
async def serving(
    packets: Sequence[bytes], pause: float = 0.001, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Any]:
    """Serve one reply to each request, one write per packet; gives the server, which counts its connections."""
    keep_alive = b"chunked" in b"".join(packets[:20])

    class Server:
        connections = 0
        written = 0
        url = ""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        Server.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                for packet in packets:
                    writer.write(packet)
                    await writer.drain()
                    Server.written += len(packet)
                    await asyncio.sleep(pause)
                if not keep_alive:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    Server.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield Server
    server.close()
    for lease in LEASES.values():
        await lease.async_client.aclose()
    await asyncio.sleep(0.01)


async def read_body(transport: Any, url: str, pause: float = 0, limit: float = 60) -> bytes:
    """Return the body as `ChatQwen3` reads it: past httpx's own generators."""
    client = LEASES[transport].async_client
    pieces = []
    async with client.stream("POST", url, json={}, timeout=httpx.Timeout(limit)) as response:
        await asyncio.sleep(pause)
        async for piece in response.extensions[BODY]:
            pieces.append(piece)
            if len(pieces) % 3 == 0:  # now the reader waits for pieces, now they for it
                await asyncio.sleep(pause)
    return b"".join(pieces)


def split(data: bytes, dice: random.Random, count: int) -> list[bytes]:
    """Return data in so many packets, half of which end where a chunk does."""
    ends = [at + 2 for at in range(len(data)) if data[at : at + 4] == b"\n\n\r\n"]
    cuts = sorted({*dice.sample(range(1, len(data)), count // 2), *dice.sample(ends, min(len(ends), count // 2))})
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(12))
async def test_body_is_the_same_in_any_packets(transport: str, seed: int) -> None:
    """A chunk that comes whole is read on a shorter way; where it comes in pieces, none may be lost or doubled."""
    dice = random.Random(seed)
    body = [*EVENTS, END]
    data = CHUNKED + b"".join(map(frame, body)) + b"0\r\n\r\n"
    async with serving(split(data, dice, dice.choice([4, 16, 40]))) as server:
        assert await read_body(transport, server.url, dice.choice([0, 0.003])) == b"".join(body)
        assert await read_body(transport, server.url) == b"".join(body)
        assert server.connections == 1


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([frame(event, b"%X") for event in EVENTS], id="capitals"),
        pytest.param([frame(event, b"000%x") for event in EVENTS], id="leading zeros"),
        pytest.param([frame(event, b"%x;name=value") for event in EVENTS], id="extensions"),
        pytest.param([frame(b"".join(EVENTS[:6])), frame(b"".join(EVENTS[6:]))], id="several events in a chunk"),
        pytest.param([b"".join(map(frame, EVENTS[:7])), *map(frame, EVENTS[7:])], id="several chunks in a packet"),
        pytest.param([frame(event[:9]) + frame(event[9:]) for event in EVENTS], id="an event in two chunks"),
        pytest.param([frame(event[:-1]) + frame(b"\n") for event in EVENTS], id="a line end of its own"),
        pytest.param([piece for event in EVENTS for piece in (frame(event)[:2], frame(event)[2:])], id="cut sizes"),
        pytest.param([piece for event in EVENTS for piece in (frame(event)[:-1], b"\n")], id="cut line ends"),
    ],
)
async def test_chunks_may_have_any_form_that_http_allows(transport: str, chunks: list[bytes]) -> None:
    """What is no plain whole chunk is the parser's, and whole ones after it are read on the shorter way again."""
    packets = [CHUNKED, frame(EVENTS[0]), *chunks, frame(EVENTS[1]), b"0\r\nTrailer: x\r\n\r\n"]
    async with serving(packets) as server:
        for pause in (0, 0.004):  # a slow reader finds pieces of both ways waiting
            assert await read_body(transport, server.url, pause) == EVENTS[0] + b"".join(EVENTS) + EVENTS[1]


@pytest.mark.parametrize("head", [HEAD + b"Content-Length: %d\r\n\r\n", HEAD + b"Connection: close\r\n\r\n"])
async def test_text_that_looks_like_a_chunk_stays_text(transport: str, head: bytes) -> None:
    """Only a chunked body has chunks."""
    body = b"".join(map(frame, EVENTS))
    head = head % len(body) if b"%d" in head else head
    async with serving([head, *map(frame, EVENTS)]) as server:
        assert await read_body(transport, server.url) == body


async def test_server_has_to_wait_for_a_slow_reader(transport: str) -> None:
    """A stream that nobody reads must not fill the memory: 500 of them would take the process down."""
    event = b"data: %b\n\n" % (b"x" * 60_000)
    async with serving([CHUNKED, *[frame(event)] * 400], pause=0) as server:
        client = LEASES[transport].async_client
        async with client.stream("POST", server.url, json={}, timeout=httpx.Timeout(60)) as response:
            pieces = response.extensions[BODY].__aiter__()
            await anext(pieces)
            written = -1
            while server.written != written:  # until every buffer on the way is full
                written = server.written
                await asyncio.sleep(0.2)
            assert written < 16_000_000
            received = 0
            async for piece in pieces:
                received += len(piece)
                if received > 20_000_000:
                    break
            await pieces.aclose()


async def test_silence_between_two_pieces_is_a_timeout_and_slow_pieces_are_none(transport: str) -> None:
    """The read timeout is for one wait, not for the whole stream, and it holds after any number of pieces."""
    packets = [CHUNKED, *map(frame, EVENTS)]
    async with serving(packets, pause=0.02) as server:
        with pytest.raises(httpx.ReadTimeout):
            await read_body(transport, server.url, limit=0.15)
    async with serving([*packets, b"0\r\n\r\n"], pause=0.15) as server:  # longer in all than the limit
        assert await read_body(transport, server.url, limit=1.5) == b"".join(EVENTS)


async def test_a_connection_that_ends_before_its_body_is_read_is_an_error(transport: str) -> None:
    """The caller may be busy when it happens, and finds the connection gone."""
    async with serving([CHUNKED.replace(b"chunked", b"Chunked") + frame(EVENTS[0])]) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await read_body(transport, server.url, pause=0.05)


async def test_streams_over_tls_in_any_packets(transport: str, tmp_path: Any) -> None:
    """DashScope and every GPU pod speak TLS, whose records are no packets."""
    data = CHUNKED + b"".join(map(frame, [*EVENTS, END])) + b"0\r\n\r\n"
    with trusted_tls(tmp_path) as context:
        for packets in ([CHUNKED, *map(frame, EVENTS), frame(END), b"0\r\n\r\n"], split(data, random.Random(1), 30)):
            async with serving(packets, tls=context) as server:
                model = ChatQwen3(
                    model="m", base_url=server.url, server="vllm", transport=transport, stream_usage=False
                )
                for _ in range(2):
                    text = "".join([chunk.content async for chunk in model.astream("?")])
                    assert text == "".join(f"{n} {'月' * n}" for n in range(12))
                assert server.connections == 1
