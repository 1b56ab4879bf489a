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
"""How often a waiter checks for slots of closed loops: nothing else may be left to free them."""


class _Slot:
    """One request's slot, waiting or held.

    Attributes:
        loop: The event loop of an async request, None for a sync one.
        granted: Whether the request may start.
        left: Whether the request is over or was given up.
    """

    __slots__ = ("_future", "_gate", "granted", "left", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.granted = False
        self.left = False
        self._future: asyncio.Future[None] | None = None
        self._gate: threading.Lock | None = None

    def grant(self) -> bool:
        """Let the request start; return False if its loop was closed."""
        self.granted = True  # set before checking for a waiter; the waiter checks in the opposite order
        if self._gate is not None:
            self._gate.release()
        if self._future is not None and self.loop is not None:
            try:
                self.loop.call_soon_threadsafe(_wake, self._future)
            except RuntimeError:
                return False
        return True

    def wait(self) -> None:
        """Wait a moment, or until the request may start."""
        if self._gate is None:
            # A bare lock: the garbage collector may run while `threading.Event` holds its internal lock.
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
    """A limit on requests in flight: first come, first served.

    A cancelled waiter leaves nothing behind, and a closed loop's slots are freed. A stream holds its slot until it is
    closed, so a call made inside the loop over another call's stream waits forever under a limit of 1.

    Changes are appended to a queue. The thread that gets the lock processes the queue; no thread waits for the lock,
    because the garbage collector may close a stream at any allocation, even inside this class.

    Args:
        size: Requests in flight at once, None for no limit.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.forget()
        track(self)

    def forget(self) -> None:
        """Reset in a forked child: the parent holds the slots."""
        self._lock = threading.Lock()
        self._news: deque[_Slot | None] = deque()
        self._waiting: deque[_Slot] = deque()
        self._held: set[_Slot] = set()

    def close_at_exit(self) -> None:
        """Do nothing: a slot is not a connection."""

    @property
    def in_flight(self) -> int:
        """The number of slots held now."""
        return len(self._held)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot during the block; blocks the thread until one is free."""
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
        """Hold a slot during the block; waits for one without blocking the event loop."""
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
        """Enqueue a slot that arrives or leaves, and process the queue; None only checks the other slots."""
        if self.size is None:
            if slot is not None:
                slot.granted = True
                (self._held.discard if slot.left else self._held.add)(slot)
            return
        self._news.append(slot)
        # The lock's holder checks the queue again after releasing it, so that no change is missed.
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
        """Free the slots of closed loops: without `shutdown_asyncgens` their streams never end."""
        lost = {slot for slot in self._held if slot.loop is not None and slot.loop.is_closed()}
        self._held -= lost
        return bool(lost)

    def __deepcopy__(self, memo: dict[int, object]) -> InFlightLimit:
        return InFlightLimit(self.size)

    def __reduce__(self) -> tuple[type[InFlightLimit], tuple[int | None]]:
        return InFlightLimit, (self.size,)
