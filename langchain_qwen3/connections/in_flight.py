"""A limit on requests in flight, over all event loops, threads and sync calls of the process."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_limits: weakref.WeakSet[InFlightLimit] = weakref.WeakSet()


class InFlightLimit:
    """First come, first served; a waiter that is cancelled leaves no trace, and a loop that was closed no slot.

    A stream holds its slot until it is closed, so a call made inside the loop over another call's stream waits for
    ever under a limit of 1.

    Args:
        size: Requests in flight at once, None for no limit.

    Attributes:
        in_flight: Slots that are held now.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        self._reset()
        _limits.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._held_by: dict[asyncio.AbstractEventLoop, int] = {}  # slots of async calls
        self.in_flight = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for the length of the block; the thread waits for it."""
        waiter = self._enter()
        if waiter is not None:
            try:
                waiter.result()
            except BaseException:
                self._abandon(waiter)
                raise
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def aslot(self) -> AsyncIterator[None]:
        """Hold a slot for the length of the block; the task waits for it, the event loop does not."""
        waiter = self._enter()
        if waiter is not None:
            try:
                await asyncio.wrap_future(waiter)
            except BaseException:
                self._abandon(waiter)
                raise
        loop = asyncio.get_running_loop()
        with self._lock:
            self._held_by[loop] = self._held_by.get(loop, 0) + 1
        try:
            yield
        finally:
            if self._let_go(loop):
                self._leave()

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether a slot of the loop was still its own: it may have been taken back, or be a parent's."""
        with self._lock:
            held = self._held_by.pop(loop, 0)
            if held > 1:
                self._held_by[loop] = held - 1
            return held > 0

    def _take_back(self) -> None:
        """Free the slots of closed loops: without `shutdown_asyncgens` their streams never come to an end."""
        with self._lock:
            slots = sum([self._held_by.pop(loop) for loop in [*self._held_by] if loop.is_closed()])
        for _ in range(slots):
            self._leave()

    def _enter(self) -> Future[None] | None:
        """Take a free slot, or queue and return what to wait for."""
        if self._held_by:
            self._take_back()
        with self._lock:
            if self.size is None or (self.in_flight < self.size and not self._waiting):
                self.in_flight += 1
                return None
            waiter: Future[None] = Future()
            self._waiting.append(waiter)
            return waiter

    def _leave(self) -> None:
        """Hand the slot to whoever waits longest, or free it."""
        with self._lock:
            while self._waiting:
                waiter = self._waiting.popleft()
                if waiter.set_running_or_notify_cancel():
                    break
            else:
                self.in_flight -= 1
                return
        waiter.set_result(None)

    def _abandon(self, waiter: Future[None]) -> None:
        """Give up waiting; a slot that was handed over in the meantime goes to the next."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                waiter.cancel()
                return
        if not waiter.cancelled():
            self._leave()

    def __deepcopy__(self, memo: dict[int, object]) -> InFlightLimit:
        return InFlightLimit(self.size)

    def __reduce__(self) -> tuple[type[InFlightLimit], tuple[int | None]]:
        return InFlightLimit, (self.size,)


def _reset_in_child() -> None:
    # A lock held by another thread at the fork would never be released in the child.
    for limit in list(_limits):
        limit._reset()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)
