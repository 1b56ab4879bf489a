"""Lets a task wait for a protocol, and go on within the protocol's own callback.

A future's callbacks run a turn of the event loop later. For each piece of a stream that is a handle, a switch of
context and one more look at the selector. asyncio lets `data_received` do anything, so it may as well run the step of
the task that waits for the data.
"""

from __future__ import annotations

import asyncio
import types
import weakref
from collections.abc import Callable, Generator
from contextvars import Context
from functools import partial
from time import monotonic
from typing import Any

__all__ = ["Waiter"]

_return_none = type(None)


class Waiter:
    """What a protocol and the one task that reads from it share; a future-like that serves wait after wait.

    A task awaits whatever has `_asyncio_future_blocking` and a future's methods, see `asyncio.isfuture`. The two that
    it calls without arguments are C functions here: two frames less for each wait.

    Args:
        loop: The event loop of both.

    Attributes:
        get_loop: Returns the event loop.
        result: Raises what the wait ended with, if it was not woken.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_callback",
        "_context",
        "_deadline",
        "_due",
        "_loop",
        "_timer",
        "get_loop",
        "result",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.get_loop: Callable[[], asyncio.AbstractEventLoop | None] = weakref.ref(loop)
        self.result: Callable[[], None] = _return_none
        self._asyncio_future_blocking = False
        self._loop = loop
        self._callback: Callable[[Any], object] | None = None  # the waiting task's; None while it does not wait
        self._context: Context | None = None
        self._deadline = 0.0
        self._due = 0.0  # the timer
        self._timer: asyncio.TimerHandle | None = None  # one for many waits: it looks at the deadline when it is due

    @types.coroutine
    def wait(self, timeout: float | None = None) -> Generator[Waiter, None, None]:
        """Wait until `wake` is called.

        Raises:
            TimeoutError: It was not called within `timeout` seconds.
        """
        if timeout is not None:
            self._deadline = monotonic() + timeout
            if self._due > self._deadline:
                self.stop()
            if self._timer is None:
                self._set_timer(timeout)
        elif self._timer is not None:
            self.stop()
        self.result = _return_none
        self._asyncio_future_blocking = True
        yield self

    def wake(self) -> None:
        """Let the task that waits, if one does, go on before this returns."""
        callback = self._callback
        if callback is None or self._context is None:
            return
        self._callback = None
        try:
            self._context.run(callback, self)
        except RuntimeError:  # called within a task's step, where there can be no other's
            self._loop.call_soon(callback, self, context=self._context)

    def stop(self) -> None:
        """Let no timeout come any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, delay: float) -> None:
        self._due = monotonic() + delay
        self._timer = self._loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._callback is None:
            return
        if (left := self._deadline - monotonic()) > 0:
            self._set_timer(left)
        else:
            self.result = partial(_raise, TimeoutError())
            self.wake()

    # -- what asyncio's tasks call -----------------------------------------------------------------------------------

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Take the step of the task that waits."""
        self._callback, self._context = callback, context

    def cancel(self, msg: object = None) -> bool:
        """Let the task that waits go on with a cancellation; False when none waits."""
        callback, self._callback = self._callback, None
        if callback is None:
            return False
        self.result = partial(_raise, asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        self._loop.call_soon(callback, self, context=self._context)
        return True


def _raise(error: BaseException) -> None:
    raise error
