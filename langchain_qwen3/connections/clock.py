"""One timer thread for work without an event loop: checks for stalled sync streams and idle sync connections."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from time import monotonic

from langchain_qwen3.connections.process import forget_after_fork

_Entry = tuple[float, int, Callable[[], object]]
_log = logging.getLogger(__name__)


class _Clock:
    """Takes no lock: the garbage collector may run anywhere, close a stream, and call back in here."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        self._entries: queue.SimpleQueue[_Entry] = queue.SimpleQueue()
        self._threads: dict[str, threading.Thread] = {}

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        self._entries.put((monotonic() + seconds, next(self._numbers), function))
        if not self._threads:
            thread = threading.Thread(target=self._run, args=(self._entries,), name="qwen3-clock", daemon=True)
            if self._threads.setdefault("clock", thread) is thread:
                with suppress(RuntimeError):  # at the interpreter's end, when nothing will be due
                    thread.start()

    @staticmethod
    def _run(entries: queue.SimpleQueue[_Entry]) -> None:
        due: list[_Entry] = []
        while True:
            try:
                heappush(due, entries.get(timeout=max(0.0, due[0][0] - monotonic()) if due else None))
            except queue.Empty:
                function = heappop(due)[2]
                try:
                    function()
                except Exception:  # noqa: BLE001  # must not stop the functions of other callers
                    _log.exception("a timer callback failed")
                del function  # it may hold the last reference to a model


call_later = _Clock().call_later
"""Call a function after some seconds on the clock's thread; it must not block."""
