"""What all models of a process share: hooks for fork and exit, and a timer thread.

A forked child drops connections and locks, and connections are closed at exit. The thread does what must be done later
without an event loop: checks for stalled sync streams, idle sync connections and lost slots.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import queue
import threading
import weakref
from collections.abc import Callable
from heapq import heappop, heappush
from time import monotonic
from typing import Any

_Entry = tuple[float, int, Callable[[], object]]
_log = logging.getLogger(__name__)
_forgetful: weakref.WeakSet[Any] = weakref.WeakSet()
_closable: weakref.WeakSet[Any] = weakref.WeakSet()
_inherited: list[object] = []


forget_after_fork = _forgetful.add
"""Call an object's `forget` in every forked child, as long as the object lives.

It must become as new: sockets are the parent's, and locks may be held by threads that the child does not have.
"""

close_at_exit = _closable.add
"""Call an object's `close_at_exit` when the process ends, as long as the object lives."""


def _forget() -> None:
    for thing in list(_forgetful):
        # Never freed: that would close sockets, on selectors, that the parent still uses.
        _inherited.append(vars(thing).copy())
        thing.forget()


@atexit.register
def _close() -> None:
    for thing in list(_closable):
        with contextlib.suppress(Exception):  # too late to report an error
            thing.close_at_exit()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)


class _Clock:
    """Takes no lock: the garbage collector may run anywhere, close a stream, and call back in here."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        self._queues: dict[str, queue.SimpleQueue[_Entry]] = {}
        self._threads: dict[str, threading.Thread] = {}

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        # Made here, as the thread is: a greenlet that waits for a queue from before gevent's patch stops the process.
        entries = self._queues.setdefault("clock", queue.SimpleQueue())
        entries.put((monotonic() + seconds, next(self._numbers), function))
        if not self._threads:
            thread = threading.Thread(target=self._run, args=(entries,), name="qwen3-clock", daemon=True)
            if self._threads.setdefault("clock", thread) is thread:
                try:
                    thread.start()
                except RuntimeError:  # no thread for now, or at the interpreter's end, when nothing will be due
                    self._threads.clear()

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
