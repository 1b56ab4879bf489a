"""Detects a stalled stream and closes its connection: the reader gets an error, in any task or thread.

A watch checks periodically whether the reader still waits and no chunk has come. The time that the caller takes between
two chunks does not count, no work is done per chunk, and no task is stored or cancelled. Checks are counted, not
seconds: a blocked loop or a paused process reads nothing. A stall is detected about limit/8 seconds late. Once the
model has said why it ended, `END_SECONDS` is the limit: servers that send no `[DONE]` keep the connection open.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from socket import SHUT_RDWR
from typing import Any, Protocol

from langchain_qwen3.connections.process import call_later

ABORT = "langchain_qwen3.abort"
"""The response extension that closes the connection at once."""

END_SECONDS = 2.0
"""How long to wait for usage and `[DONE]` after a finish reason."""

_CHECKS_PER_LIMIT = 8
_MAX_PAUSE = END_SECONDS / 4  # between two checks


class Reader(Protocol):
    """A stream's reader."""

    @property
    def progress(self) -> int:
        """The number of chunks so far; 0 before the first one, however long the server takes for the prompt."""

    @property
    def ended(self) -> bool:
        """Whether the finish reason was read: a failure after that is not an error."""

    @property
    def done(self) -> bool:
        """Whether the stream is complete: `[DONE]` or its equivalent was read."""

    def begin(self, response: Any) -> None:
        """Receive the response before its body."""


class Watch:
    """Watches one stream, of the running loop or of a thread.

    Stop it before the response is closed: from then on the connection may serve another request.

    Args:
        limit: Seconds; None, or what is not above 0, for no limit before the model's end.
        pieces: The generator of the reply's bytes; while it runs, a reader waits.
        reader: Reports the number of chunks.
        response: The response whose connection is closed on a stall.

    Attributes:
        fired: Whether a stall was detected.
    """

    def __init__(self, limit: float | None, pieces: Any, reader: Reader, response: Any) -> None:
        self.limit = limit if limit and limit > 0 else inf  # an event loop given NaN stops
        self.fired = False
        self._pause = min(self.limit / _CHECKS_PER_LIMIT, _MAX_PAUSE)
        self._watched: tuple[Any, Reader, Any] | None = (pieces, reader, response)
        self._progress = 0
        self._quiet_checks = 0
        self._lock = threading.RLock()  # reentrant: the garbage collector may close the stream during a check
        self._is_async = hasattr(pieces, "ag_running")
        self._later: Callable[..., object] = asyncio.get_running_loop().call_later if self._is_async else call_later
        self._later(self._pause, self._check)

    def stop(self) -> None:
        """Stop watching."""
        with self._lock:
            self._watched = None

    def _check(self) -> None:
        with self._lock:
            if self._watched is None:
                return
            pieces, reader, response = self._watched
            if not self._has_stalled(pieces, reader):
                self._later(self._pause, self._check)
            elif self._watched is not None:
                self.fired = True
                close: Callable[[Any], object] = _abort if self._is_async else _shut_down
                self._closing = close(response)  # a task needs a reference

    def _has_stalled(self, pieces: Any, reader: Reader) -> bool:
        waits = pieces.ag_running if self._is_async else pieces.gi_running
        progress = reader.progress
        if (progress or reader.ended) and waits and progress == self._progress:
            self._quiet_checks += 1
            limit = min(self.limit, END_SECONDS) if reader.ended else self.limit
            return self._quiet_checks * self._pause >= limit
        self._progress = progress if waits else 0
        self._quiet_checks = 0
        return False


def _abort(response: Any) -> asyncio.Task[None] | None:
    if (abort := response.extensions.get(ABORT)) is None:
        # the transport of a user's own client may be neither httpx's nor ours
        return asyncio.create_task(_close(response.extensions.get("network_stream") or response))
    abort()
    return None


async def _close(stream: Any) -> None:
    with suppress(Exception):
        await stream.aclose()


def _shut_down(response: Any) -> None:
    stream = response.extensions.get("network_stream")
    sock = stream and stream.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(SHUT_RDWR)
