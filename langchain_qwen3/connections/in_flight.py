"""A limit on requests in flight, over all event loops, threads and sync calls of the process."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import deque

from langchain_qwen3.connections.process import call_later, forget_after_fork

_CHECK_SECONDS = 1.0
"""How often to look for slots that nobody will release."""


class _Slot:
    """One request's slot, waiting or held; the block of its `with` holds it.

    No generator: at the end of its event loop, a stream's generators are closed in any order.

    Attributes:
        loop: The event loop of an async request, None for a sync one.
        granted: Whether the request may start.
        left: Whether the request is over or was given up.
    """

    __slots__ = ("_event", "_gate", "_limit", "granted", "left", "loop")

    def __init__(self, limit: InFlightLimit) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.granted = False
        self.left = False
        self._limit = limit
        self._event: asyncio.Event | None = None
        self._gate: threading.Lock | None = None

    def __enter__(self) -> None:
        try:
            self._limit.settle(self)
            if not self.granted:
                self._wait()
        except BaseException:
            self.__exit__()
            raise

    async def __aenter__(self) -> None:
        self.loop = asyncio.get_running_loop()
        try:
            self._limit.settle(self)
            if not self.granted:
                self._event = asyncio.Event()
                if not self.granted:
                    await self._event.wait()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.left = True
        self._limit.settle(self)

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def grant(self) -> bool:
        """Let the request start; return False if its loop was closed."""
        self.granted = True  # set before checking for a waiter; the waiter checks in the opposite order
        if self._gate is not None:
            self._gate.release()
        if self._event is not None and self.loop is not None:
            try:
                self.loop.call_soon_threadsafe(self._event.set)
            except RuntimeError:
                return False
        return True

    def _wait(self) -> None:
        # A bare lock: the garbage collector may run while `threading.Event` holds its internal lock.
        gate = threading.Lock()
        gate.acquire()
        self._gate = gate  # only now: `grant` releases it
        while not (self.granted or self._limit.needs_this_thread()):
            gate.acquire(timeout=_CHECK_SECONDS)  # without a timeout, Windows would not see Ctrl-C


class InFlightLimit:
    """A limit on requests in flight: first come, first served.

    A cancelled waiter leaves nothing behind. A stream holds its slot until it is closed, so a call made inside the loop
    over another call's stream waits forever under a limit of 1. A slot that nobody will release is freed: that of a
    closed loop, and that of a stream that only the garbage collector can close. A sync call made inside an event loop
    does not wait for that loop's own requests, which stand still until it returns.

    Changes are appended to a queue. The thread that gets the lock processes the queue; no thread waits for the lock,
    because the garbage collector may close a stream at any allocation, even inside this class.

    Args:
        size: Requests in flight at once, None for no limit.

    Raises:
        ValueError: The size is no whole number above 0, with which nobody could start. Pydantic does not check a copy.
    """

    def __init__(self, size: int | None) -> None:
        if size is not None and (type(size) not in (int, bool) or size < 1):
            raise ValueError(f"max_concurrency must be a whole number of at least 1, or None, not {size!r}")
        self.size = size
        self.forget()
        forget_after_fork(self)

    def forget(self) -> None:
        """Reset in a forked child: the parent holds the slots."""
        self._lock = threading.Lock()
        self._changes: deque[_Slot | None] = deque()
        self._waiting: deque[_Slot] = deque()
        self._taken: set[_Slot] = set()
        self._latest: asyncio.AbstractEventLoop | None = None
        self._check_scheduled = False
        self._quiet_checks = 0
        self._collect_at = 2

    @property
    def in_flight(self) -> int:
        """The number of slots held now, without those whose end another thread has yet to process."""
        return [slot.left for slot in self._taken.copy()].count(False)

    def slot(self) -> _Slot:
        """Hold a slot during the block of a `with` or `async with`, which waits until one is free."""
        return _Slot(self)

    def needs_this_thread(self) -> bool:
        """Return whether the thread runs an event loop whose requests have slots or wait: it must not wait for them."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        return any(slot.loop is loop for slot in (*self._taken, *self._waiting))

    def settle(self, slot: _Slot | None) -> None:
        """Enqueue a slot that arrives or leaves, and process the queue; None only checks the other slots."""
        if self.size is None:
            if slot is not None:
                slot.granted = True
                (self._taken.discard if slot.left else self._taken.add)(slot)
                if slot.loop not in (None, self._latest):  # perhaps after one that was closed
                    self._latest = slot.loop
                    self._reclaim()
            return
        self._changes.append(slot)
        # The lock's holder checks the queue again after releasing it, so that no change is missed.
        while self._changes and self._lock.acquire(blocking=False):
            try:
                self._process_changes(self.size)
            finally:
                self._lock.release()

    def _process_changes(self, size: int) -> None:
        while self._changes:
            slot = self._changes.popleft()
            if slot is not None:
                (self._taken.discard if slot.left else self._waiting.append)(slot)
        while self._waiting and (self._waiting[0].left or len(self._taken) < size or self._reclaim()):
            slot = self._waiting.popleft()
            if not slot.left:
                self._quiet_checks = 0
                self._taken.add(slot)
                if not slot.grant():
                    self._taken.discard(slot)
        if self._waiting and not self._check_scheduled:
            self._check_scheduled = True
            call_later(_CHECK_SECONDS, self._check)

    def _reclaim(self) -> bool:
        """Free the slots of closed loops: without `shutdown_asyncgens` their streams never end."""
        lost = {slot for slot in self._taken.copy() if slot.loop is not None and slot.loop.is_closed()}
        self._taken -= lost
        return bool(lost)

    def _check(self) -> None:
        """Free what nobody will release; on the clock's thread, because all other threads may be waiting."""
        self._check_scheduled = False
        self._quiet_checks += 1
        self.settle(None)
        if self._quiet_checks < self._collect_at:
            return
        # Nothing was granted for one or two seconds. A stream in a reference cycle ends with the next collection, which
        # never comes if everybody waits. A collection stops the process for a moment, so the next one waits longer.
        self._collect_at *= 2
        threading.Thread(target=self._collect, name="qwen3-collector", daemon=True).start()

    def _collect(self) -> None:
        gc.collect()  # it runs what users write in `__del__`, which may wait for a slot, too
        if self._quiet_checks == 0:  # a slot was free after it
            self._collect_at = 2

    def __reduce__(self) -> tuple[type[InFlightLimit], tuple[int | None]]:
        return InFlightLimit, (self.size,)
