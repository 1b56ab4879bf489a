"""How much of a body is unpacked and kept: what a server sends is bounded before it is in memory.

httpx unpacks a compressed body piece by piece and keeps all of it: 390 KB of gzip became 1.5 GB. Here gzip and deflate
are unpacked a megabyte at a time, a whole reply ends in an error beyond its limit, and an error's body is cut there.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.transports.httpx_transport import BODY

MAX_WHOLE_BYTES = 64 * 1024 * 1024
"""The largest whole reply, unpacked, in bytes. A stream has no limit, each of its events has."""

MAX_ERROR_BYTES = 1024 * 1024
"""How much of an error's body is read, in bytes."""

_PIECE_BYTES = 1024 * 1024
_HEADER_BYTES = 2  # by which deflate with and without a header are told apart
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


def limit_body(response: httpx.Response, *, stream: bool) -> None:
    """Bound what reading a response's body can cost.

    Args:
        response: The response, not read yet.
        stream: It is read piece by piece, and nothing of it is kept here.
    """
    packed = response.headers.get("content-encoding", "").strip().lower() in _PACKED
    if packed:
        del response.headers["content-encoding"]  # httpx has nothing left to unpack
        response.headers.pop("content-length", None)
    is_error = response.status_code >= 400  # noqa: PLR2004
    if packed or is_error or not stream:
        body = _Body(MAX_ERROR_BYTES if is_error else None if stream else MAX_WHOLE_BYTES, packed, cut=is_error)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _AsyncStream(response.stream, body)
        else:
            response.stream = _SyncStream(response.stream, body)
        response.extensions.pop(BODY, None)  # which leads past it


class _Body:
    """Unpacks and counts the pieces of a body. Sans-IO.

    Attributes:
        is_full: The limit was reached, and the rest is left out.
    """

    def __init__(self, limit: int | None, packed: bool, *, cut: bool) -> None:
        self._limit = limit
        self._cut = cut
        self._size = 0
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if packed else None
        self._has_begun = False
        self._head = b""
        self.is_full = False

    def read(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece holds.

        Raises:
            httpx.DecodingError: It cannot be unpacked, or the body is larger than its limit.
        """
        for part in self._unpack(piece) if self._unpacker else (piece,):
            self._size += len(part)
            if self._limit is not None and self._size > self._limit:
                if not self._cut:
                    raise httpx.DecodingError(f"the reply is larger than {self._limit} bytes")
                self.is_full = True
                yield part[: self._limit - self._size]
                return
            yield part

    def _unpack(self, piece: bytes) -> Iterator[bytes]:
        piece, self._head = self._head + piece, b""
        if len(piece) < _HEADER_BYTES and not self._has_begun:
            self._head = piece
            return
        part = b""
        while self._unpacker is not None and (piece or len(part) == _PIECE_BYTES):
            try:
                part = self._unpacker.decompress(piece, _PIECE_BYTES)
            except zlib.error as error:
                if self._has_begun:
                    raise httpx.DecodingError(str(error)) from error
                self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without its header, as some send it
                self._has_begun = True
                continue
            self._has_begun = True
            piece = self._unpacker.unconsumed_tail
            yield part


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, body: _Body) -> None:
        self._stream = stream
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            for part in self._body.read(piece):
                yield part
            if self._body.is_full:
                return

    async def aclose(self) -> None:
        """Close the body."""
        await self._stream.aclose()


class _SyncStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, body: _Body) -> None:
        self._stream = stream
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            yield from self._body.read(piece)
            if self._body.is_full:
                return

    def close(self) -> None:
        """Close the body."""
        self._stream.close()
