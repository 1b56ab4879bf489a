"""Limits on what a server can do with a body: how much of it is decompressed and kept, and how it is decoded.

httpx decompresses a body piece by piece and keeps all of it: 390 KB of gzip became 1.5 GB. Here gzip and deflate are
decompressed a megabyte at a time. Above the limit, a whole reply raises an error, and an error's body is truncated.
Nothing else is decompressed, and no server is told to use anything else: Brotli turns 800 bytes into a gigabyte.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.transports.shared import BODY

MAX_WHOLE_BYTES = 64 * 1024 * 1024
"""The largest whole reply, decompressed, in bytes. A stream has no limit; each of its events has one."""

MAX_ERROR_BYTES = 1024 * 1024
"""How many bytes of an error's body are read."""

_PIECE_BYTES = 1024 * 1024
_HEADER_BYTES = 2  # enough to detect whether deflate has a header, and whether another gzip member follows
_GZIP = b"\x1f\x8b"
_ANY_HEADER = zlib.MAX_WBITS | 32  # gzip's or zlib's
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_MAX_LAYERS = 4  # of packing; two occur where a proxy packs what the server has packed

ACCEPTED = "gzip, deflate"
"""What a server may pack a body with, as in the header `Accept-Encoding`."""


def limit_body(response: httpx.Response, *, stream: bool) -> None:
    """Limit the memory that reading a response's body can take; that of a stream is read in pieces, and not kept."""
    # JSON is UTF-8 (RFC 8259). Python has codecs that a server must not choose: "idna" and "zlib" raise in the SDK,
    # and the work of "punycode" grows with the square of the length.
    response.encoding = "utf-8"
    is_error = response.status_code >= 300  # noqa: PLR2004  # or a redirect that is not followed
    limit = MAX_ERROR_BYTES if is_error else None if stream else MAX_WHOLE_BYTES
    names = response.headers.pop("content-encoding", "").lower().split(",")  # popped, or httpx decompresses it
    layers = [name for name in map(str.strip, names) if name in _PACKED][:_MAX_LAYERS]
    if layers:
        response.headers.pop("content-length", None)
    for packing in layers or [""] * (limit is not None):
        response.stream = _LimitedBody(response.stream, limit, packing, cut=is_error)
        response.extensions.pop(BODY, None)  # it would bypass the limit


class _LimitedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Decompresses a body piece by piece and counts its bytes.

    Where it is cut at its limit, a failure ends it, too: an error's status says more than the rest of its body.
    """

    def __init__(self, stream: Any, limit: int | None, packing: str, *, cut: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._cut = cut
        self._spared = (httpx.RequestError,) if cut else ()
        self._size = 0
        self._packing = packing
        self._unpacker = zlib.decompressobj(_ANY_HEADER) if packing else None
        self._has_begun = False  # to unpack a member
        self._has_ended = False  # with a member
        self._head = b""
        self._is_full = False  # or the packing has ended: the rest is dropped

    def __iter__(self) -> Iterator[bytes]:
        with suppress(*self._spared):
            for piece in self._stream:
                yield from self._read(piece)
                if self._is_full:
                    return

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with suppress(*self._spared):
            async for piece in self._stream:
                for part in self._read(piece):
                    yield part
                if self._is_full:
                    return

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _read(self, piece: bytes) -> Iterator[bytes]:
        """Yield a piece, decompressed.

        Raises:
            httpx.DecodingError: The piece cannot be decompressed, or the body is larger than its limit.
        """
        for part in self._unpack(piece) if self._unpacker else (piece,):
            self._size += len(part)
            if self._limit is not None and self._size > self._limit:
                if not self._cut:
                    raise httpx.DecodingError(f"the reply is larger than {self._limit} bytes")
                self._is_full = True
                yield part[: self._limit - self._size]
                return
            yield part

    def _unpack(self, piece: bytes) -> Iterator[bytes]:
        piece, self._head = self._head + piece, b""
        part = b""
        while self._unpacker is not None and (piece or len(part) == _PIECE_BYTES):
            if not self._has_begun:
                if len(piece) < _HEADER_BYTES:
                    self._head = piece
                    return
                if self._has_ended and not piece.startswith(_GZIP):
                    self._is_full = True
                    return
                is_zlib = piece[0] & 15 == zlib.DEFLATED and int.from_bytes(piece[:2]) % 31 == 0  # RFC 1950, 2.2
                if not (is_zlib or piece.startswith(_GZIP)):
                    if self._packing != "deflate":  # a proxy unpacked the body and kept the label
                        self._unpacker = None
                        yield piece
                        return
                    self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers send deflate without its header
            try:
                part = self._unpacker.decompress(piece, _PIECE_BYTES)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from error
            self._has_begun = True
            piece = self._unpacker.unconsumed_tail
            yield part
            if self._unpacker.eof:  # another member may follow (RFC 1952, 2.2)
                piece, part = self._unpacker.unused_data, b""
                self._unpacker, self._has_begun, self._has_ended = zlib.decompressobj(_ANY_HEADER), False, True
