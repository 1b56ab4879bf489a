"""Fork and exit hooks: a forked child drops connections and locks, and connections are closed at exit."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from typing import Protocol

__all__ = ["track"]


class _Tracked(Protocol):
    def forget(self) -> None:
        """Reset in a forked child: the parent owns the sockets, and threads that hold locks do not exist here."""

    def close_at_exit(self) -> None:
        """Close everything that is still open."""


_things: weakref.WeakSet[_Tracked] = weakref.WeakSet()
_inherited: list[object] = []


def track(thing: _Tracked) -> None:
    """Call an object's hooks after a fork and at exit, as long as the object lives."""
    _things.add(thing)


def _forget() -> None:
    for thing in list(_things):
        # Never freed: that would close sockets, on selectors, that the parent still uses.
        _inherited.append(vars(thing).copy())
        thing.forget()


@atexit.register
def _close() -> None:
    for thing in list(_things):
        with contextlib.suppress(Exception):  # too late to report an error
            thing.close_at_exit()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
