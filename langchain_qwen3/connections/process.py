"""Fork and exit hooks: a forked child drops connections and locks, and connections are closed at exit."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from typing import Any

_forgetful: weakref.WeakSet[Any] = weakref.WeakSet()
_closable: weakref.WeakSet[Any] = weakref.WeakSet()
_inherited: list[object] = []


def forget_after_fork(thing: Any) -> None:
    """Call an object's `forget` in every forked child, as long as the object lives.

    It must become as new: sockets are the parent's, and locks may be held by threads that the child does not have.
    """
    _forgetful.add(thing)


def close_at_exit(thing: Any) -> None:
    """Call an object's `close_at_exit` when the process ends, as long as the object lives."""
    _closable.add(thing)


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
