"""What is told to the things that a process tracks: that it was forked, and that it ends; and its timer thread."""

from __future__ import annotations

import gc
import os
import queue
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from langchain_qwen3.connections import process
from langchain_qwen3.connections.process import call_later


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


def test_functions_are_called_in_the_order_in_which_they_are_due() -> None:
    """Protects a short limit from waiting behind a long one that was set before it."""
    called: queue.SimpleQueue[str] = queue.SimpleQueue()
    call_later(0.3, lambda: called.put("late"))
    call_later(0.01, lambda: called.put("early"))
    assert [called.get(timeout=60) for _ in range(2)] == ["early", "late"]


def test_one_thread_serves_all_when_many_threads_ask() -> None:
    """Protects a service with a thousand sync streams from a thousand threads more."""
    names: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask() -> None:
        for _ in range(10):
            call_later(0.01, lambda: names.put(threading.current_thread().name))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {names.get(timeout=60) for _ in range(200)} == {"qwen3-clock"}
    assert [thread.name for thread in threading.enumerate()].count("qwen3-clock") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it ends by SystemExit
@pytest.mark.parametrize("is_used_before", [False, True], ids=["imported-before", "forked-after-use"])
def test_queue_is_as_new_as_the_thread_when_threads_are_patched(
    is_used_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects gunicorn's gevent worker with `--preload`: a greenlet that waits for a queue of C stops its process."""
    clock = process._Clock()
    if is_used_before:
        clock.call_later(0, sys.exit)
        clock._threads["clock"].join(60)
        clock.forget()  # as in a child
    kinds: list[type] = []

    class Patched(queue.SimpleQueue):  # type: ignore[type-arg]
        def __init__(self) -> None:
            kinds.append(type(self))

    monkeypatch.setattr(queue, "SimpleQueue", Patched)
    clock.call_later(0, sys.exit)
    clock._threads["clock"].join(60)
    assert kinds == [Patched]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it ends by SystemExit
def test_the_thread_starts_with_the_next_call_when_there_was_none_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects a container that was at its limit of threads for a moment: every later limit would do nothing."""
    clock, first, second = process._Clock(), threading.Event(), threading.Event()

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", fail)
        clock.call_later(0, first.set)
    clock.call_later(0, second.set)
    assert first.wait(60)
    assert second.wait(60)
    clock.call_later(0, sys.exit)
    clock._threads["clock"].join(60)


def test_the_next_function_is_called_when_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Protects every other stream's limit from one that broke; the error is logged, not lost."""
    done = threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    call_later(0, fail)
    call_later(0.01, done.set)
    assert done.wait(60)
    assert "ZeroDivisionError" in caplog.text


def test_a_function_may_ask_for_its_next_call_when_it_is_called() -> None:
    """Protects looks that repeat themselves: they run on the clock's own thread."""
    done = threading.Event()
    call_later(0, lambda: call_later(0, done.set))
    assert done.wait(60)
