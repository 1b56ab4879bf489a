"""What is told to the things that a process tracks: that it was forked, and that it ends."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import weakref

import pytest

from langchain_qwen3.connections import process


class Thing:
    """Knows how often it was told."""

    def __init__(self) -> None:
        self.socket = object()

    def forget(self) -> None:
        self.socket = None  # type: ignore[assignment]

    def close_at_exit(self) -> None:
        raise ZeroDivisionError


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_forgets_and_parent_does_not_when_forked() -> None:
    """Protects the parent's sockets: in the child they are neither used nor freed."""
    thing = Thing()
    process.forget_after_fork(thing)
    kept = thing.socket
    child = os.fork()
    if not child:
        is_kept = any(kept in state.values() for state in process._inherited)  # type: ignore[attr-defined]
        os._exit(7 if thing.socket is None and is_kept else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert thing.socket is kept


def test_nothing_is_kept_alive_when_it_is_tracked() -> None:
    """Protects memory: a service makes a limit with each model."""
    thing = Thing()
    process.forget_after_fork(thing)
    process.close_at_exit(thing)
    alive = weakref.ref(thing)
    del thing
    gc.collect()
    assert alive() is None


def test_all_are_closed_at_exit_when_one_fails() -> None:
    """Protects a script's output: it ends in silence, and everything else is closed."""
    script = """
        from langchain_qwen3.connections.process import close_at_exit

        class Thing:
            def __init__(self, fails):
                self.fails = fails
            def close_at_exit(self):
                if self.fails:
                    raise ZeroDivisionError
                print("closed")

        things = [Thing(fails=n % 2) for n in range(4)]
        for thing in things:
            close_at_exit(thing)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n" * 2, "")
