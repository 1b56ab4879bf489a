"""The one thread on which things are done later where no event loop runs."""

from __future__ import annotations

import queue
import threading

import pytest

from langchain_qwen3.connections.clock import call_later


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
