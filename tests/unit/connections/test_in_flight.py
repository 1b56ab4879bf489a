"""The limit on requests in flight: exact, fair, and without trace of those who gave up."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.connections import in_flight
from langchain_qwen3.connections.in_flight import InFlightLimit
from langchain_qwen3.connections.process import call_later


class Gauge:
    """Counts who is inside at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


async def test_lets_in_as_many_as_its_size_when_tasks_come_together() -> None:
    """Protects the server from more requests than the user allowed."""
    limit, gauge = InFlightLimit(3), Gauge()

    async def work() -> None:
        async with limit.slot():
            with gauge:
                await asyncio.sleep(0.001)

    await asyncio.gather(*(work() for _ in range(30)))
    assert (gauge.most, limit.in_flight) == (3, 0)


def test_counts_over_loops_threads_and_sync_calls_when_they_are_mixed() -> None:
    """Protects that the limit is one per process, whoever calls."""
    limit, gauge = InFlightLimit(4), Gauge()

    async def work() -> None:
        async with limit.slot():
            with gauge:
                await asyncio.sleep(0.002)

    async def many() -> None:
        await asyncio.gather(*(work() for _ in range(10)))

    def sync() -> None:
        with limit.slot(), gauge:
            threading.Event().wait(0.002)

    with ThreadPoolExecutor(12) as threads:
        jobs = [threads.submit(asyncio.run, many()) for _ in range(4)] + [threads.submit(sync) for _ in range(20)]
        for job in jobs:
            job.result(timeout=120)
    assert (gauge.most, limit.in_flight) == (4, 0)


async def test_serves_first_come_first_when_a_slot_gets_free() -> None:
    """Protects early callers from waiting behind late ones."""
    limit, order = InFlightLimit(1), []

    async def work(number: int) -> None:
        async with limit.slot():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert order == list(range(20))


async def test_leaves_no_trace_of_a_waiter_when_it_is_cancelled() -> None:
    """Protects slots from being lost to calls that were given up."""
    limit = InFlightLimit(1)
    async with limit.slot():
        waiters = [asyncio.create_task(_hold(limit)) for _ in range(5)]
        await asyncio.sleep(0)
        for waiter in waiters[:4]:
            waiter.cancel()
        await asyncio.gather(*waiters[:4], return_exceptions=True)
    await asyncio.wait_for(waiters[4], 60)
    assert limit.in_flight == 0
    await asyncio.wait_for(_hold(limit), 60)


async def test_passes_the_slot_on_when_it_was_handed_to_a_cancelled_waiter() -> None:
    """Protects against the race of a hand-over with a cancellation, at every distance between the two."""
    for steps in range(6):
        limit = InFlightLimit(1)
        holder = limit.slot()
        await holder.__aenter__()
        first, second = (asyncio.create_task(_hold(limit)) for _ in range(2))
        await asyncio.sleep(0)
        await holder.__aexit__(None, None, None)
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.wait_for(second, 60)
        assert limit.in_flight == 0


def test_slot_is_granted_when_it_gets_free_before_the_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the thread that leaves, with a debugger's or without the interpreter's lock: it got an error."""
    limit = InFlightLimit(1)
    holder = limit.slot()
    holder.__enter__()

    class Gate:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.release = self._lock.release

        def acquire(self, *args: Any, **kwargs: Any) -> bool:
            holder.__exit__()  # another thread leaves at this moment
            return self._lock.acquire(*args, **kwargs)

    monkeypatch.setattr(in_flight, "threading", SimpleNamespace(Lock=Gate))
    with limit.slot():
        assert limit.in_flight == 1
    assert limit.in_flight == 0


async def test_gives_the_slot_back_when_the_work_fails() -> None:
    """Protects slots from being lost to errors."""
    limit = InFlightLimit(1)
    with pytest.raises(ZeroDivisionError):
        async with limit.slot():
            1 / 0  # noqa: B018
    with pytest.raises(ZeroDivisionError), limit.slot():
        1 / 0  # noqa: B018
    assert limit.in_flight == 0


def test_is_its_own_when_copied_or_pickled() -> None:
    """Protects other processes and deep copies from a limit that counts somewhere else."""
    limit = InFlightLimit(1)
    with limit.slot():
        for other in (copy.deepcopy(limit), pickle.loads(pickle.dumps(limit))):  # noqa: S301
            assert (other.size, other.in_flight) == (1, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_is_free_in_the_child_when_forked_while_held() -> None:
    """Protects a forked worker from waiting for slots that its parent holds."""
    limit = InFlightLimit(1)
    with limit.slot():
        child = os.fork()
        if not child:
            with limit.slot():
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look for lost slots every moment, with the collector off."""
    monkeypatch.setattr(in_flight, "_CHECK_SECONDS", 0.01)
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("quick_checks")
def test_frees_the_slot_when_only_the_collector_can_close_its_stream() -> None:
    """Protects a script from waiting for itself: an exception kept with its traceback keeps the stream."""
    limit = InFlightLimit(1)

    def stream() -> Iterator[int]:
        with limit.slot():
            yield 1

    for _ in range(3):
        cycle: list[object] = [started := stream()]
        next(started)
        cycle.append(cycle)
        del cycle, started
        with limit.slot():
            assert limit.in_flight == 1
    assert limit.in_flight == 0


@pytest.mark.usefixtures("quick_checks")
async def test_frees_the_slot_when_only_the_collector_can_close_its_async_stream() -> None:
    """Protects a service in the same way: the loop closes what the collector finds."""
    limit = InFlightLimit(1)

    async def stream() -> AsyncIterator[int]:
        async with limit.slot():
            yield 1

    cycle: list[object] = [started := stream()]
    await anext(started)
    cycle.append(cycle)
    del cycle, started
    async with asyncio.timeout(60), limit.slot():
        assert limit.in_flight == 1


@pytest.mark.usefixtures("quick_checks")
def test_clock_goes_on_when_what_is_collected_waits_for_a_slot() -> None:
    """Protects every timer of the process from a `__del__` that calls the model."""
    limit = InFlightLimit(1)
    waits, is_due, is_over = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        with limit.slot():
            pass

    class Session:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            waits.set()
            call()
            is_over.set()

    with ThreadPoolExecutor(1) as threads:
        with limit.slot():
            Session()
            waiter = threads.submit(call)
            assert waits.wait(60)
            call_later(0, is_due.set)
            assert is_due.wait(60)
        waiter.result(60)
    assert is_over.wait(60)


@pytest.mark.usefixtures("quick_checks")
def test_collects_seldom_when_slots_are_only_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects services with long calls: a collection stops every thread of the process."""
    collections: list[float] = []
    monkeypatch.setattr(gc, "collect", lambda: collections.append(time.monotonic()))
    limit = InFlightLimit(1)
    with ThreadPoolExecutor(1) as threads:
        with limit.slot():
            waiter = threads.submit(lambda: limit.slot().__enter__())
            for _ in range(100):
                limit._check()
        waiter.result(60)
    assert 0 < len(collections) < 10


@pytest.mark.usefixtures("quick_checks")
def test_frees_the_slot_when_its_loop_was_closed() -> None:
    """Protects Streamlit and old tutorials, which close a loop without an end to its streams."""
    limit = InFlightLimit(1)
    loop = asyncio.new_event_loop()
    holder = limit.slot()
    loop.run_until_complete(holder.__aenter__())
    threading.Timer(0.05, loop.close).start()
    with limit.slot():
        assert limit.in_flight == 1
    del holder  # its end counts nothing twice
    assert limit.in_flight == 0


@pytest.mark.parametrize("size", [None, 3])
def test_slots_of_closed_loops_do_not_pile_up(size: int | None) -> None:
    """Protects the memory of a service with a loop per request, and calls to llama.cpp, which count the others."""
    limit = InFlightLimit(size)
    loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
    for _ in range(20):
        loop = asyncio.new_event_loop()
        loops.add(loop)
        loop.run_until_complete(limit.slot().__aenter__())
        loop.close()
    del loop
    with limit.slot():
        assert limit.in_flight <= 3
        gc.collect()
        assert len(loops) <= 3


def test_slot_counts_no_more_when_another_thread_processes_its_end() -> None:
    """Protects the count: the clock's thread may check the slots just when a request ends."""
    limit = InFlightLimit(1)
    with limit.slot():
        limit._lock.acquire()
    assert limit.in_flight == 0
    limit._lock.release()
    with limit.slot():
        assert limit.in_flight == 1
    assert limit.in_flight == 0


def test_counts_while_the_collector_closes_streams() -> None:
    """Protects calls to llama.cpp, which count the others: the collector may end a stream at any step of it."""

    def stream() -> Iterator[int]:
        with limit.slot():
            yield 1

    thresholds = gc.get_threshold()
    for steps in range(12):
        limit = InFlightLimit(None)
        streams = [stream() for _ in range(30)]
        for each in streams:
            next(each)
        gc.collect()
        gc.disable()
        cycle: list[object] = [left := stream()]
        next(left)
        cycle.append(cycle)
        del cycle, left
        gc.enable()
        gc.set_threshold(gc.get_count()[0] + steps, *thresholds[1:])
        try:
            assert limit.in_flight in (30, 31)
        finally:
            gc.set_threshold(*thresholds)


def test_never_waits_when_there_is_no_limit() -> None:
    """Protects the default: None means no limit, but requests are counted."""
    limit = InFlightLimit(None)
    with limit.slot(), limit.slot():
        assert limit.in_flight == 2
    assert limit.in_flight == 0


async def _hold(limit: InFlightLimit) -> None:
    async with limit.slot():
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("size", "own", "elsewhere"),
    [(1, 1, 0), (2, 2, 0), (8, 8, 0), (1, 4, 0), (2, 1, 1), (1, 1, 1), (2, 3, 2)],
    ids=["one", "two", "eight", "and some wait", "another thread has one", "only waiters", "more waiters"],
)
def test_sync_call_does_not_wait_for_the_loop_that_it_stops(size: int, own: int, elsewhere: int) -> None:
    """Protects a service from standing still: `invoke` in an `async def`, while the loop's own calls have the slots."""
    limit = InFlightLimit(size)
    release, entered = threading.Event(), threading.Event()

    async def hold() -> None:
        async with limit.slot():
            await asyncio.sleep(0.01)

    async def work() -> None:
        tasks = [asyncio.create_task(hold()) for _ in range(own)]
        await asyncio.sleep(0)
        threading.Timer(0.05, release.set).start()
        with limit.slot():
            entered.set()
        await asyncio.gather(*tasks)

    others = [threading.Thread(target=_hold_until, args=(limit, release), daemon=True) for _ in range(elsewhere)]
    for other in others:
        other.start()
    while limit.in_flight < elsewhere:
        time.sleep(0.001)
    thread = threading.Thread(target=asyncio.run, args=(work(),), daemon=True)
    thread.start()
    assert entered.wait(60)
    for each in (thread, *others):
        each.join(60)
    assert limit.in_flight == 0


def test_sync_call_does_not_wait_when_another_thread_is_about_to_grant_a_slot_to_its_loop() -> None:
    """Protects a service from standing still: for a moment, a request is neither among the waiters nor the holders."""
    limit = InFlightLimit(1)
    release, moving, entered = threading.Event(), threading.Event(), threading.Event()

    class Slow(set[Any]):
        def add(self, slot: Any) -> None:
            if slot.loop is not None:
                moving.set()
                entered.wait(0.2)
            super().add(slot)

    async def hold() -> None:
        async with limit.slot():
            pass

    async def work() -> None:
        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        release.set()
        moving.wait(60)
        with limit.slot():
            entered.set()
        await task

    limit._taken = Slow()
    other = threading.Thread(target=_hold_until, args=(limit, release), daemon=True)
    other.start()
    while not limit.in_flight:
        time.sleep(0.001)
    threading.Thread(target=asyncio.run, args=(work(),), daemon=True).start()
    assert entered.wait(60)


@pytest.mark.parametrize("runs_loop", [True, False])
def test_sync_call_waits_when_nothing_in_its_thread_has_a_slot(runs_loop: bool) -> None:
    """Protects the limit: a thread that stops none of the slots' owners keeps to it, with or without a loop."""
    limit, release, order = InFlightLimit(1), threading.Event(), list[str]()

    def call() -> None:
        with limit.slot():
            order.append("call")

    async def call_on_loop() -> None:
        call()

    def hold() -> None:
        _hold_until(limit, release)

    async def hold_on_loop() -> None:
        async with limit.slot():
            await asyncio.to_thread(release.wait)

    holder = threading.Thread(target=hold if runs_loop else lambda: asyncio.run(hold_on_loop()))
    holder.start()
    while not limit.in_flight:
        time.sleep(0.001)
    caller = threading.Thread(target=(lambda: asyncio.run(call_on_loop())) if runs_loop else call)
    caller.start()
    caller.join(0.1)
    assert order == []
    release.set()
    caller.join(60)
    holder.join(60)
    assert order == ["call"]


def _hold_until(limit: InFlightLimit, release: threading.Event) -> None:
    with limit.slot():
        release.wait()


@pytest.mark.parametrize("size", [0, -1, 2.5, "2", float("nan")])
def test_size_is_refused_when_nobody_could_start(size: Any) -> None:
    """Protects from waiting for ever: pydantic does not check what a copy or an assignment sets."""
    model = ChatQwen3(model="q", base_url="http://pod.test/v1", server="vllm")
    with pytest.raises(ValueError, match="max_concurrency must be"):
        model.model_copy(update={"max_concurrency": size})
    with pytest.raises(ValueError, match="max_concurrency must be"):
        model.max_concurrency = size
    with pytest.raises(ValueError, match="max_concurrency must be"):
        InFlightLimit(size)
