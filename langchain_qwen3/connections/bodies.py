"""The bodies of responses, as our own transports give them and as they are read past httpx's generators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from langchain_qwen3._httpx import httpx

__all__ = ["BODY", "CountedStream", "CountedSyncStream", "find_body", "name_request", "read_whole"]

BODY = "langchain_qwen3.body"
"""The extension of a response under which our transports leave the stream of its body."""


class CountedStream(httpx.AsyncByteStream):
    """A reply's body that counts its request out when it is closed, and costs nothing per chunk."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._stream = stream
        self._release: Callable[[], Coroutine[Any, Any, None]] | None = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        """Close the body, and count the request out."""
        release, self._release = self._release, None
        try:
            await self._stream.aclose()
        finally:
            if release is not None:
                await release()


class CountedSyncStream(httpx.SyncByteStream):
    """The same as `CountedStream`, for threads."""

    def __init__(self, stream: httpx.SyncByteStream, release: Callable[[], None]) -> None:
        self._stream = stream
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        return self._stream.__iter__()

    def close(self) -> None:
        """Close the body, and count the request out."""
        release, self._release = self._release, None
        try:
            self._stream.close()
        finally:
            if release is not None:
                release()


def find_body(response: Any) -> Any:
    """Return the body as our own transports give it, past three generators of httpx's that only pass it on.

    Returns:
        None for an encoded one, and where the http client is a user's own.
    """
    return None if "content-encoding" in response.headers else response.extensions.get(BODY)


def name_request(error: Exception, response: Any) -> None:
    """Say whose error it is, as httpx does for a body that is read through it."""
    if isinstance(error, httpx.RequestError):
        error.request = response.request


async def read_whole(response: Any) -> None:
    """Read a response to its end, as its `aread` does, and close it."""
    try:
        body = find_body(response)
        if body is None:
            await response.aread()
        else:
            response._content = b"".join([piece async for piece in body])  # noqa: SLF001 - as httpx keeps it
    except Exception as error:
        name_request(error, response)
        raise
    finally:
        await response.aclose()
