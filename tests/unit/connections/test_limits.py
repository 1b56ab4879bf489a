"""Nothing that a server sends is unpacked or kept without a limit."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import limits
from langchain_qwen3.connections.limits import MAX_ERROR_BYTES, limit_body


def respond(content: bytes, *, status: int = 200, encoding: str = "", size: int = 65536) -> httpx.Response:
    """Return a response whose body comes in pieces of that size."""

    class Pieces(httpx.SyncByteStream):
        def __iter__(self):
            return (content[at : at + size] for at in range(0, len(content), size))

    headers = {"content-encoding": encoding} if encoding else {}
    return httpx.Response(status, headers=headers, stream=Pieces())


def pack(size: int) -> bytes:
    """Return so many blanks, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_whole_reply_is_refused_when_it_unpacks_to_more_than_its_limit(encoding: str) -> None:
    """Protects memory: 390 KB of gzip are 400 MB of blanks, and packed again they are 4 KB."""
    content = pack(400_000_000)
    response = respond(gzip.compress(content) if "," in encoding else content, encoding=encoding)
    limit_body(response, stream=False)
    tracemalloc.start()
    try:
        with pytest.raises(httpx.DecodingError, match="larger than"):
            response.read()
        assert tracemalloc.get_traced_memory()[1] < 4 * limits.MAX_WHOLE_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("status", [300, 302, 307, 401, 500])
def test_body_of_an_error_is_cut_when_it_is_long(encoding: str, status: int) -> None:
    """Protects memory where nobody asked for a long text; its beginning says what is wrong."""
    content = pack(5_000_000) if encoding else b" " * 5_000_000
    response = respond(content, status=status, encoding=encoding)
    limit_body(response, stream=True)
    assert len(response.read()) == MAX_ERROR_BYTES


TEXT = json.dumps({"content": "你好 " * 500}).encode()
HALVES = TEXT[:100], TEXT[100:]
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
PACKED: dict[str, tuple[str, bytes]] = {
    "plain": ("", TEXT),
    "gzip": ("gzip", gzip.compress(TEXT)),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "deflate without its header": ("deflate", RAW.compress(TEXT) + RAW.flush()),
    "deflate that is called gzip": ("gzip", zlib.compress(TEXT)),
    "members": ("gzip", b"".join(map(gzip.compress, (HALVES[0], b"", HALVES[1])))),
    "padding behind the last member": ("x-gzip", gzip.compress(TEXT) + bytes(9)),
    "other bytes behind deflate": ("deflate", zlib.compress(TEXT) + b"\r\n"),
    "packed twice": ("gzip, GZIP", gzip.compress(gzip.compress(TEXT))),
    "packed by server and proxy": ("deflate,gzip", gzip.compress(zlib.compress(TEXT))),
    "one of two names": ("identity, gzip", gzip.compress(TEXT)),
    "unpacked by a proxy": ("gzip", TEXT),
    "no name of a packing": ("utf-8", TEXT),
    "never packed": ("br", TEXT),
    "empty": ("gzip", b""),
}
"""What a header says, and what comes."""


@pytest.mark.parametrize("size", [1, 7, 65536])
@pytest.mark.parametrize("packing", PACKED)
def test_reply_is_what_was_sent_when_it_is_packed_in_any_way(packing: str, size: int) -> None:
    """Protects replies behind proxies that pack them, or say so, in pieces of any size."""
    encoding, content = PACKED[packing]
    response = respond(content, encoding=encoding, size=size)
    limit_body(response, stream=False)
    assert response.read() == (TEXT if content else b"")


def test_broken_packing_is_an_error_when_it_cannot_be_unpacked() -> None:
    """Protects against half a reply that looks whole."""
    response = respond(gzip.compress(b"hello" * 100)[:20] + b"no gzip at all", encoding="gzip")
    limit_body(response, stream=True)
    with pytest.raises(httpx.DecodingError):
        response.read()


@pytest.mark.parametrize("charset", ["idna", "zlib", "undefined", "rot13", "hex", "punycode", "nonsense", "gbk"])
def test_body_is_read_as_utf_8_when_the_server_names_another_codec(charset: str) -> None:
    """Protects from Python's codecs that raise in the SDK, or whose work grows with the square of the length."""
    text = '{"error": {"message": "坏"}}'
    headers = {"content-type": f"application/json; charset={charset}"}
    response = httpx.Response(400, headers=headers, stream=httpx.ByteStream(text.encode()))
    limit_body(response, stream=False)
    response.read()
    assert response.text == text
