"""A limit on requests in flight, over all event loops, threads and sync calls of the process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from langchain_qwen3.connections.process import track

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_LOOK_SECONDS = 1.0
"""How often one who waits looks for slots whose loop was closed: nobody else may be left to free them."""


class _Slot:
    """One request's place, waited for or held.

    Attributes:
        loop: The event loop of an async request, None for a thread's.
        granted: The request may go.
        left: The request is over, or was given up.
    """

    __slots__ = ("_future", "_gate", "granted", "left", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.granted = False
        self.left = False
        self._future: asyncio.Future[None] | None = None
        self._gate: threading.Lock | None = None

    def grant(self) -> bool:
        """Let the request go. False: its loop was closed."""
        self.granted = True  # before the look at who waits, who looks the other way round
        if self._gate is not None:
            self._gate.release()
        if self._future is not None and self.loop is not None:
            try:
                self.loop.call_soon_threadsafe(_wake, self._future)
            except RuntimeError:
                return False
        return True

    def wait(self) -> None:
        """Wait for a moment, or until the request may go."""
        if self._gate is None:
            # A bare lock, for `threading.Event` has one of its own, inside which the collector may run.
            gate = threading.Lock()
            gate.acquire()
            self._gate = gate
        if not self.granted:
            self._gate.acquire(timeout=_LOOK_SECONDS)

    async def await_(self) -> None:
        """Do what `wait` does."""
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
        if not self.granted:
            await asyncio.wait([self._future], timeout=_LOOK_SECONDS)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class InFlightLimit:
    """First come, first served; a waiter that is cancelled leaves no trace, and a loop that was closed no slot.

    A stream holds its slot until it is closed, so a call made inside the loop over another call's stream waits for
    ever under a limit of 1.

    What happens is appended to a queue, and whoever gets the lock, which nobody ever waits for, works the queue off:
    the garbage collector may close a stream at any allocation, in the midst of this class too.

    Args:
        size: Requests in flight at once, None for no limit.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.forget()
        track(self)

    def forget(self) -> None:
        """Count nothing any more: a child's parent holds the slots."""
        self._lock = threading.Lock()
        self._news: deque[_Slot | None] = deque()
        self._waiting: deque[_Slot] = deque()
        self._held: set[_Slot] = set()

    def close_at_exit(self) -> None:
        """Do nothing: a slot is no connection."""

    @property
    def in_flight(self) -> int:
        """Slots that are held now."""
        return len(self._held)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for the length of the block; the thread waits for it."""
        slot = _Slot(None)
        try:
            self._settle(slot)
            while not slot.granted:
                slot.wait()
                self._settle(None)
            yield
        finally:
            slot.left = True
            self._settle(slot)

    @asynccontextmanager
    async def aslot(self) -> AsyncIterator[None]:
        """Hold a slot for the length of the block; the task waits for it, the event loop does not."""
        slot = _Slot(asyncio.get_running_loop())
        try:
            self._settle(slot)
            while not slot.granted:
                await slot.await_()
                self._settle(None)
            yield
        finally:
            slot.left = True
            self._settle(slot)

    def _settle(self, slot: _Slot | None) -> None:
        """Take a slot that comes or leaves, or None for a look at the others."""
        if self.size is None:
            if slot is not None:
                slot.granted = True
                (self._held.discard if slot.left else self._held.add)(slot)
            return
        self._news.append(slot)
        # Who has the lock looks again after giving it back, so news that come meanwhile do not lie.
        while self._news and self._lock.acquire(blocking=False):
            try:
                self._work_off(self.size)
            finally:
                self._lock.release()

    def _work_off(self, size: int) -> None:
        while self._news:
            slot = self._news.popleft()
            if slot is None:
                continue
            if slot.left:
                self._held.discard(slot)
            else:
                self._waiting.append(slot)
        while self._waiting and (len(self._held) < size or self._take_back()):
            slot = self._waiting.popleft()
            if not slot.left:
                self._held.add(slot)
                if not slot.grant():
                    self._held.discard(slot)

    def _take_back(self) -> bool:
        """Free the slots of closed loops: without `shutdown_asyncgens` their streams never come to an end."""
        lost = {slot for slot in self._held if slot.loop is not None and slot.loop.is_closed()}
        self._held -= lost
        return bool(lost)

    def __deepcopy__(self, memo: dict[int, object]) -> InFlightLimit:
        return InFlightLimit(self.size)

    def __reduce__(self) -> tuple[type[InFlightLimit], tuple[int | None]]:
        return InFlightLimit, (self.size,)
