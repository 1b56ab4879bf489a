"""Notices that a stream stalls: one timer or thread a stream, nothing a chunk.

A watch looks now and then whether the reader of the bytes still waits for the same ones, and ends that wait once it has
lasted too long. The time in which the caller has the word is no wait. A stall is noticed when it is at most an eighth
of its limit older than the limit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

__all__ = ["AsyncWatch", "SyncWatch"]

_LOOKS = 8  # within a limit


class _Watch:
    """What both have in common.

    Args:
        limit: Seconds.
        get_wait: Tells which wait is under way: any value that differs from wait to wait, None for no wait.

    Attributes:
        fired: True once a wait was too long.
    """

    def __init__(self, limit: float, get_wait: Callable[[], object]) -> None:
        self.limit = limit
        self.fired = False
        self._pause = limit / _LOOKS
        self._get_wait = get_wait
        self._wait: object = None
        self._since = 0.0

    def _look(self) -> bool:
        """Tell whether the wait is too long."""
        wait = self._get_wait()
        if wait is None or wait != self._wait:
            self._wait, self._since = wait, monotonic()
        elif monotonic() - self._since >= self.limit:
            self.fired = True
        return self.fired


class AsyncWatch(_Watch):
    """Cancels the task that began it when its wait is too long."""

    def __init__(self, limit: float, get_wait: Callable[[], object]) -> None:
        super().__init__(limit, get_wait)
        self._loop = asyncio.get_running_loop()
        self._task: Any = asyncio.current_task()
        self._timer = self._loop.call_later(self._pause, self._check)

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def absorb(self) -> bool:
        """Return whether a cancellation was the watch's, and take it back."""
        if self.fired:
            self._task.uncancel()
        return self.fired

    def _check(self) -> None:
        if self._task.done():  # somebody else reads on, out of reach
            return
        if self._look():
            self._task.cancel()
        else:
            self._timer = self._loop.call_later(self._pause, self._check)


class SyncWatch(_Watch):
    """Shuts the socket that a thread reads from when its wait is too long.

    It stops before the response is closed: from then on the connection may serve another thread's request.
    """

    def __init__(self, limit: float, get_wait: Callable[[], object], response: Any) -> None:
        super().__init__(limit, get_wait)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        stream = response.extensions.get("network_stream")
        self._socket: Any = stream.get_extra_info("socket") if stream is not None else None
        close = response.close

        def stop_and_close() -> None:
            vars(response).pop("close", None)
            self.stop()
            close()

        response.close = stop_and_close
        if self._socket is not None:
            threading.Thread(target=self._run, name="qwen3-stall-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        with self._lock:
            self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            with self._lock:
                if not self._ended.is_set() and self._look():
                    with suppress(OSError):
                        self._socket.shutdown(2)
                    return
