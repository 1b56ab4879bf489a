"""Reads the body of a stream past aiohttp's own reader where it can: one event as one chunk of HTTP's in one packet."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from langchain_qwen3.connections.transports.waiter import Waiter

__all__ = ["Tap"]

_LONGEST_SIZE = 8  # characters in the size of a chunk and its line end


class Tap(asyncio.Protocol):
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
        """Hand bytes to the reader, or to aiohttp."""
        if self._is_chunked and not (self.piece or self.has_passed_on) and (piece := _read_whole_chunks(data)):
            self.piece = piece
        else:
            self.has_passed_on = True
            self._protocol.data_received(data)
        self.waiter.wake()

    def eof_received(self) -> None:
        """Pass the end on."""
        self.has_passed_on = True
        self._protocol.eof_received()
        self.waiter.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the loss on."""
        self.has_passed_on = True
        self._protocol.connection_lost(exc)
        self.waiter.stop()
        self.waiter.wake()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()

    # -- what aiohttp's reader of the body calls ---------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Let the server wait."""
        self._is_paused = True
        self._protocol.pause_reading()

    def resume_reading(self, **how: bool) -> None:
        """Let the server go on, if it waits."""
        if self._is_paused:
            self._is_paused = False
            self._protocol.resume_reading(**how)


def _read_whole_chunks(data: bytes) -> bytes:
    """Return the content of chunks of HTTP's that hold whole events; empty for any other bytes.

    The rest of a chunk that began earlier is never taken for one: events are JSON, which has no line break inside.
    """
    size, _, rest = data.partition(b"\r\n")
    if rest[:5] == b"data:" and rest[-4:] == b"\n\n\r\n" and size == b"%x" % (len(rest) - 2):
        return rest[:-2]  # one chunk and nothing else, as engines send them
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
    return b"".join(pieces)
