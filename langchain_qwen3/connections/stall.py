"""Notices that a stream stalls, and closes its connection: whoever reads then gets an error, in any task or thread.

A watch looks now and then whether the reader of the bytes still waits and no chunk has come. The time that the caller
takes between two chunks is no stall, nothing is done for each chunk, and no task is remembered or cancelled. A stall is
noticed when it is at most an eighth of its limit older than the limit.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from socket import SHUT_RDWR
from time import monotonic
from typing import Any, Protocol

from langchain_qwen3.connections.clock import call_later

__all__ = ["ABORT", "AsyncWatch", "Progress", "SyncWatch"]

ABORT = "langchain_qwen3.abort"
"""The extension of a response that closes its connection at once, where it is not httpx's own `network_stream`."""

_LOOKS = 8  # within a limit


class Progress(Protocol):
    """What tells how far a reply has come."""

    @property
    def progress(self) -> int:
        """How many chunks came; 0 before the first one, however long the server takes for the prompt."""
        raise NotImplementedError


class _Watch:
    """What both have in common.

    Args:
        limit: Seconds.
        pieces: The generator of the reply's bytes; while it runs, somebody waits.
        reader: Tells the chunks.
        response: Whose connection to close.

    Attributes:
        fired: True once a wait was too long.
    """

    def __init__(self, limit: float, pieces: Any, reader: Progress, response: Any) -> None:
        self.limit = limit
        self.fired = False
        self._watched: tuple[Any, Progress, Any] | None = (pieces, reader, response)
        self._progress = 0
        self._since = 0.0

    def _has_stalled(self, pieces: Any, reader: Progress) -> bool:
        waits = pieces.ag_running if hasattr(pieces, "ag_running") else pieces.gi_running
        progress = reader.progress
        if progress and waits and progress == self._progress:
            return monotonic() - self._since >= self.limit
        self._progress = progress if waits else 0
        self._since = monotonic()
        return False


class AsyncWatch(_Watch):
    """Watches a stream of the running loop."""

    def __init__(self, limit: float, pieces: Any, reader: Progress, response: Any) -> None:
        super().__init__(limit, pieces, reader, response)
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(limit / _LOOKS, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        self._watched = None

    def _look(self) -> None:
        if self._watched is None:
            return
        pieces, reader, response = self._watched
        if not self._has_stalled(pieces, reader):
            self._timer = self._loop.call_later(self.limit / _LOOKS, self._look)
            return
        self.fired = True
        if (abort := response.extensions.get(ABORT)) is not None:
            abort()
        elif (stream := response.extensions.get("network_stream")) is not None:
            self._closing = self._loop.create_task(_close(stream))


async def _close(stream: Any) -> None:
    with suppress(Exception):
        await stream.aclose()


class SyncWatch(_Watch):
    """Watches a thread's stream.

    It stops before the response is closed: from then on the connection may serve another thread's request.
    """

    def __init__(self, limit: float, pieces: Any, reader: Progress, response: Any) -> None:
        super().__init__(limit, pieces, reader, response)
        # The collector may close the stream in the midst of a look, hence the R.
        self._lock = threading.RLock()
        call_later(limit / _LOOKS, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        with self._lock:
            self._watched = None

    def _look(self) -> None:
        with self._lock:
            if self._watched is None:
                return
            pieces, reader, response = self._watched
            if not self._has_stalled(pieces, reader):
                call_later(self.limit / _LOOKS, self._look)
                return
            stream = response.extensions.get("network_stream")
            sock = stream and stream.get_extra_info("socket")
            self.fired = self._watched is not None
            if self.fired and sock is not None:
                with suppress(OSError):
                    sock.shutdown(SHUT_RDWR)
