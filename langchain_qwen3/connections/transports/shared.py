"""What both transports share: their limits, the forms of a body, and the TLS context."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from langchain_qwen3._httpx import httpx

if TYPE_CHECKING:
    import ssl

SocketOption = tuple[int, int, int]
"""Arguments of `socket.setsockopt`."""

KEEPALIVE_SECONDS = 4.0
"""Idle connections are closed after this: vLLM and uvicorn close theirs after 5 s, even as a request arrives."""

CHECK_SECONDS = 1.0
"""Interval between checks for idle connections."""

PIECE = 2**16
"""Bytes of a request's body sent at once; the OS buffers this much even if the peer reads nothing."""

BODY = "langchain_qwen3.body"
"""The response extension with the library's own body, without httpx's generators; not where a body is limited."""

Close = Callable[[], Awaitable[None]]
"""Closes a reply's body and releases its connection."""


class Pieces(httpx.AsyncByteStream):
    """A large request's body, in pieces that each have the time limit of a write."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            yield self._content[start : start + PIECE]


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A reply's body that gives its connection back when it is closed."""

    def __init__(self, stream: Any, close: Callable[[], Any]) -> None:
        self._stream = stream
        self._close: Callable[[], Any] | None = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()

    async def aclose(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            await close()


def wrap_body(response: httpx.Response, request: httpx.Request, close: Callable[[], Any]) -> None:
    """Name a response's request, and have its body closed by a function; the library's own body lies beside it."""
    response.request = request
    response.extensions[BODY] = response.stream
    response.stream = _Body(response.stream, close)


@functools.cache
def build_ssl_context() -> ssl.SSLContext:
    """Build the one TLS context of the process (tens of milliseconds)."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # its text names neither the variable nor the file
        error.add_note("Set $SSL_CERT_FILE to a file of certificates in PEM, or unset it.")
        raise
