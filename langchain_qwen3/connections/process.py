"""What the process does to connections and locks: a forked child forgets them, and at exit connections are closed."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from typing import Protocol

__all__ = ["track"]


class _Tracked(Protocol):
    def forget(self) -> None:
        """Become as new in a child: sockets are its parent's, and locks may be held by threads it does not have."""

    def close_at_exit(self) -> None:
        """Close what is still open."""


_things: weakref.WeakSet[_Tracked] = weakref.WeakSet()
_inherited: list[object] = []


def track(thing: _Tracked) -> None:
    """Tell a thing, as long as it lives, when the process was forked and when it ends."""
    _things.add(thing)


def _forget() -> None:
    for thing in list(_things):
        # Kept for good: freeing them would close sockets, on selectors, that the parent goes on using.
        _inherited.append(vars(thing).copy())
        thing.forget()


@atexit.register
def _close() -> None:
    for thing in list(_things):
        with contextlib.suppress(Exception):  # nobody is left to tell
            thing.close_at_exit()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
