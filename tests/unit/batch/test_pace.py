"""How many requests are in flight, on simulated engines that need no clock."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from itertools import count
from math import inf

import pytest

from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.batch.pace import FIRST_LIMIT, Pace, RateFinder

RowsPerSecond = float


class Engine:
    """An engine that batches: a step takes longer with more requests, and only so many fit.

    Args:
        slots: Requests that it works on at once; the others wait.
        drag: How much longer a step takes with every request in it.
        noise: Spread of a request's length.
        refuses_above: Requests in flight from which on it answers 429.
        fails: Share of the others that it answers with 503.
    """

    def __init__(
        self, slots: int, drag: float = 0.002, noise: float = 0.3, refuses_above: float = inf, fails: float = 0.0
    ) -> None:
        self.slots, self.drag, self.noise = slots, drag, noise
        self.refuses_above = refuses_above
        self.fails = fails
        self.refused = 0

    def run(self, limit: Callable[[], int], replies: int, finder: RateFinder | None = None) -> RowsPerSecond:
        """Answer so many requests with always as many in flight as the limit says; return the throughput."""
        rng, order = random.Random(7), count()
        now, done, in_flight, working = 0.0, 0, 0, 0
        events: list[tuple[float, int, bool]] = []
        queue = 0
        while done < replies:
            while in_flight < limit():
                in_flight += 1
                if in_flight > self.refuses_above or (self.fails and rng.random() < self.fails):
                    heapq.heappush(events, (now + 0.01, next(order), False))
                else:
                    queue += 1
                if finder and in_flight >= finder.limit:
                    finder.mark_limit_reached()
            while queue and working < self.slots:
                queue, working = queue - 1, working + 1
                length = max(0.05, rng.gauss(1.0, self.noise)) * (1 + self.drag * working)
                heapq.heappush(events, (now + length, next(order), True))
            now, _, is_answer = heapq.heappop(events)
            if is_answer:
                working, done = working - 1, done + 1
                if finder:
                    finder.add_reply(now, 1.0, in_flight)
            else:
                self.refused += 1
                if finder:
                    finder.add_refusal(in_flight)
            in_flight -= 1
        return done / now


class BusyClient:
    """A client with little processor time, at a server that answers six at once and refuses the others.

    What it has begun is not what is open at the server: its requests and replies wait for the processor.

    Args:
        starved: How many of the rows it answers while other programs have the processor, and then the time that each
            step of a row takes, in seconds.
        has_pauses: Whether the time comes in pauses of up to 0.1 s, as from the system, rather than evenly.
    """

    def __init__(self, starved: tuple[int, float], has_pauses: bool, seed: int) -> None:
        self._starved = starved
        self._has_pauses = has_pauses
        self._rng = random.Random(seed)
        self.answered = 0

    def run(self, finder: RateFinder, rows: int = 600) -> list[int]:
        """Answer so many rows; return how many were open at the server as each request came."""
        order, events, open_at = count(), list[tuple[float, int, str]](), list[int]()
        now = free_at = 0.0
        in_flight = open_now = 0
        waiting = rows
        while self.answered < rows:
            while waiting and in_flight < finder.limit:
                waiting, in_flight = waiting - 1, in_flight + 1
                if in_flight >= finder.limit:
                    finder.mark_limit_reached()
                free_at = max(free_at, now) + self._choose_seconds()
                heapq.heappush(events, (free_at, next(order), "sent"))
            now, _, step = heapq.heappop(events)
            match step:
                case "sent":
                    open_now += 1
                    open_at.append(open_now)
                    is_refused = open_now > 6
                    after = (0.001, "refusal") if is_refused else (0.02, "answer")
                    heapq.heappush(events, (now + after[0], next(order), after[1]))
                case "answer" | "refusal":
                    open_now -= 1
                    free_at = max(free_at, now) + self._choose_seconds()
                    heapq.heappush(events, (free_at, next(order), f"read {step}"))
                case "read answer":
                    finder.add_reply(now, 1.0, in_flight)
                    self.answered, in_flight = self.answered + 1, in_flight - 1
                case "read refusal":
                    finder.add_refusal(in_flight)
                    in_flight -= 1
                    heapq.heappush(events, (now + self._rng.uniform(0, 0.5), next(order), "again"))
                case _:
                    waiting += 1
        return open_at

    def _choose_seconds(self) -> float:
        rows, seconds = self._starved
        seconds = seconds if self.answered < rows else 0.0003
        if not self._has_pauses:
            return seconds * self._rng.expovariate(1.0)
        if self._rng.random() < 10 * seconds:
            return 0.1 * self._rng.random()
        return seconds / 2 * self._rng.expovariate(1.0)


@pytest.mark.parametrize("has_pauses", [False, True], ids=["slow", "paused"])
@pytest.mark.parametrize("starved", [(0, 0.0), (600, 0.004), (200, 0.005), (300, 0.008), (350, 0.005), (400, 0.012)])
def test_stays_near_what_is_allowed_when_the_client_gets_its_processor_back(
    starved: tuple[int, float], has_pauses: bool
):
    """Protects hosted services: a busy client has few open, so its search must not climb by chance, to burst later."""
    for seed in range(20):
        finder = RateFinder()
        open_at = BusyClient(starved, has_pauses, seed).run(finder)
        later = open_at[len(open_at) // 2 :]
        assert sum(number > 6 for number in later) <= len(later) / 10
        assert sum(number > 6 for number in open_at) < 200


def test_keeps_most_of_the_throughput_when_a_gateway_fails_now_and_then():
    """Protects from one request at a time where refusals have nothing to do with the number in flight."""
    finder = RateFinder()
    found = Engine(64, fails=0.02).run(lambda: finder.limit, 4000, finder)
    assert found >= 0.7 * Engine(64).run(lambda: 80, 4000)


@pytest.mark.parametrize("drag", [0.0, 0.005], ids=["free", "dragging"])
@pytest.mark.parametrize("slots", [1, 4, 16, 64])
def test_finds_the_best_throughput_when_an_engine_has_slots(slots: int, drag: float):
    """Protects the promise of `auto`: at least 0.95 of the best fixed number, the search itself included."""
    replies = 200 * slots + 1000
    numbers = (1, 4, 8, 16, 32, 64, 128)
    best = max(Engine(slots, drag).run(lambda fixed=fixed: fixed, replies) for fixed in numbers)
    finder = RateFinder()
    found = Engine(slots, drag).run(lambda: finder.limit, replies, finder)
    assert found >= 0.95 * best
    assert 3 * slots // 4 <= finder.limit <= max(16, 2 * slots)  # a step down is tried now and then


@pytest.mark.parametrize("allowed", [1, 5, 40])
def test_stays_below_the_refusals_when_a_server_allows_so_many(allowed: int):
    """Protects hosted services: few refusals, and still most of what they allow."""
    replies = 100 * allowed + 1000
    finder = RateFinder()
    engine = Engine(1000, refuses_above=allowed)
    found = engine.run(lambda: finder.limit, replies, finder)
    assert finder.limit <= allowed + max(1, allowed // 4)
    assert engine.refused < 0.15 * replies
    assert found >= 0.75 * Engine(1000).run(lambda: allowed, replies)


def test_never_passes_the_most_when_more_would_pay():
    """Protects the limit of open files, and a model's own `max_concurrency`."""
    finder = RateFinder(maximum=20)
    seen: list[int] = []
    Engine(1000).run(lambda: seen.append(finder.limit) or finder.limit, 3000, finder)
    assert max(seen) == 20


def test_decides_nothing_when_there_are_too_few_rows():
    """Protects from taking a slow input, or the end of one, for a slow engine."""
    finder = RateFinder()
    for number in range(1000):
        finder.add_reply(float(number), 1.0, 1)
    assert finder.limit == FIRST_LIMIT


async def test_lets_in_as_many_as_the_limit_when_more_come():
    """Protects the server: never more than the limit at once, first come first, and a cancelled one leaves no trace."""
    pace = Pace(fixed=2)
    entered: list[int] = []
    gate = asyncio.Event()

    async def pass_gate(number: int) -> None:
        place = await pace.enter()
        entered.append(number)
        try:
            await gate.wait()
        finally:
            pace.leave(place)

    tasks = [asyncio.create_task(pass_gate(number)) for number in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert entered == [0, 1]
    tasks[2].cancel()  # waits
    tasks[0].cancel()  # is in
    await asyncio.sleep(0.01)
    assert entered == [0, 1, 3]
    assert pace.in_flight == 2
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == [0, 1, 3, 4, 5]
    assert pace.in_flight == 0


async def test_gives_the_place_to_the_next_when_one_is_cancelled_as_it_gets_it():
    """Protects from a place that is lost between its giving and its taking: the batch would hang."""
    pace = Pace(fixed=1)
    place = await pace.enter()
    first, second = asyncio.create_task(pace.enter()), asyncio.create_task(pace.enter())
    await asyncio.sleep(0)
    pace.leave(place)
    first.cancel()
    await asyncio.wait_for(second, 60)
    assert pace.in_flight == 1


@pytest.mark.parametrize("fixed", [None, 4, 64])
async def test_tries_one_at_a_time_when_every_request_is_refused(fixed: int | None, monkeypatch: pytest.MonkeyPatch):
    """Protects from the requests of a minute: what is refused then is not the number in flight, and ends by waiting."""
    now = 100.0
    monkeypatch.setattr("langchain_qwen3.batch.pace.monotonic", lambda: now)
    pace = Pace(fixed)
    limit = pace.limit
    answered, slow = await pace.enter(), await pace.enter()
    pace.add_reply(answered, 1)
    pace.leave(answered)
    refusals: list[bool] = []
    for _ in range(2 * limit):  # the slow one may be taken: the others are refused because of their number
        number = await pace.enter()
        refusals.append(pace.add_refusal(number, None))
        pace.leave(number)
    assert (any(refusals), pace.closed_at) == (False, None)
    pace.add_reply(slow, 1)  # began before the first was refused
    pace.leave(slow)
    number = await pace.enter()
    assert pace.add_refusal(number, None)
    assert (pace.limit, pace.closed_at) == (1, now)
    pace.leave(number)
    for pause in (1, 2, 4, 8, 15, 15):
        probe = asyncio.create_task(pace.enter())
        waiting = asyncio.create_task(pace.enter())
        await asyncio.sleep(0)
        assert (probe.done(), pace.in_flight) == (False, 1)
        probe.cancel()
        waiting.cancel()
        await asyncio.gather(probe, waiting, return_exceptions=True)
        now += pause
        number = await pace.enter()
        assert pace.add_refusal(number, None)
        pace.leave(number)
    now += 15
    number = await pace.enter()
    pace.add_reply(number, 1)
    assert (pace.limit, pace.closed_at) == (limit, None)


async def test_stops_asking_when_a_fixed_number_is_refused_beside_a_slow_request(monkeypatch: pytest.MonkeyPatch):
    """Protects rows from using up their tries while one long answer is on its way."""
    now = 100.0
    monkeypatch.setattr("langchain_qwen3.batch.pace.monotonic", lambda: now)
    pace = Pace(4)
    slow = await pace.enter()
    refusals, is_closed = 0, False
    while not is_closed:
        number = await pace.enter()
        now += 0.2
        refusals += 1
        is_closed = pace.add_refusal(number, None)
        pace.leave(number)
    assert refusals == 25  # five seconds
    pace.leave(slow)


async def test_waits_as_long_as_the_server_says_when_it_refuses_all(monkeypatch: pytest.MonkeyPatch):
    """Protects an account from tries that the server has said are too early, but not for longer than a minute."""
    now = 100.0
    monkeypatch.setattr("langchain_qwen3.batch.pace.monotonic", lambda: now)
    for said, seconds in ((20.0, 20.0), (900.0, 60.0), (0.1, 1.0)):
        pace = Pace(4)
        for number in [await pace.enter() for _ in range(4)] + [0] * 4:
            place = number or await pace.enter()
            closed = pace.add_refusal(place, said)
            pace.leave(place)
        assert closed
        entering = asyncio.create_task(pace.enter())
        now += seconds - 0.001
        await asyncio.sleep(0.01)
        assert not entering.done()
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        now += 0.002
        await asyncio.wait_for(pace.enter(), 60)


@pytest.mark.parametrize(
    ("files", "fixed", "limit"),
    [(1024, 300, 300), (256, 128, 128), (256, 300, 128), (100, 2, 1), (65_535, 3000, 3000), (-1, 3000, 3000)],
)
def test_leaves_files_for_the_rest_when_the_number_is_fixed(
    monkeypatch: pytest.MonkeyPatch, files: int, fixed: int, limit: int
):
    """Protects a batch where few files may be open, as on macOS: rows failed that found none left."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    if limit == fixed:
        assert Pace(fixed).limit == fixed
    else:
        with pytest.warns(UnsupportedSettingWarning, match=rf"concurrency is {limit}, not {fixed}: .*ulimit -n"):
            assert Pace(fixed).limit == limit


def test_leaves_files_for_the_rest_when_the_number_is_searched_for(monkeypatch: pytest.MonkeyPatch):
    """Protects it where the limit is lower than what the search begins with."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (130, 130))
    assert Pace().limit == 2
