"""How many requests are in flight: as many as raise the throughput, and fewer when the server refuses some.

`RateFinder` is the algorithm, without a clock; `Pace` is the gate that every request passes, and that closes while the
server takes none at all: hosted services count requests and tokens per minute, and few say when the next one begins.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

from langchain_qwen3._warnings import warn_once

FIRST_LIMIT, MAX_IN_FLIGHT = 8, 1024
"""Requests in flight: where the search begins, and the most that it tries."""
_SPARE_DESCRIPTORS = 128
_GAIN, _DOUBLING_GAIN = 1.03, 1.3
"""A step up must raise the throughput by this factor, and a doubling by the second: chance alone reaches the first.
A step down must keep the throughput."""
_MIN_SECONDS = 0.25
"""Length of a measurement, at least; a shorter one measures the garbage collector."""
_MIN_REPLIES = 16
"""Replies in a measurement, at least."""
_REFUSED_SHARE, _MIN_REFUSALS = 0.1, 6
"""The share of a measurement's replies that are refusals, and how many, at which the number goes down."""
_LATEST = 16
"""It also goes down when half of so many latest replies are refusals."""
_MAX_PAUSE = 60.0
_MIN_CLOSING = 8
"""Refusals in a row, at least, after which a server takes no request at all."""
_SILENCE = 5.0
"""Seconds without a reply, at least, where the number in flight is fixed and an older request may still be answered."""
_FIRST_CLOSED, _MAX_CLOSED = 1.0, 15.0
"""Seconds until the first request is tried again then, and the most."""


def _fit_open_files(number: int) -> int:
    """Return a number in flight, or as many as can be: each needs a connection, and the system limits open files."""
    try:
        import resource
    except ImportError:  # Windows
        return number
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return number if limit < 0 else max(1, min(number, limit - _SPARE_DESCRIPTORS))


class RateFinder:
    """Finds the number in flight at which the throughput stops growing, by hill climbing.

    First it doubles the number as long as the throughput grows. Then it tries a step up or down now and then, and
    compares it with the measurements before; steps that failed are tried ever more rarely. When a tenth of the replies
    of a measurement or half of the latest 16 are refusals (429, 503, time-outs), it goes back to the number before, or
    down by a third.

    Args:
        maximum: The largest number to try.

    Attributes:
        limit: Current limit of requests in flight.
    """

    def __init__(self, maximum: int = MAX_IN_FLIGHT) -> None:
        self.limit = self._base = min(FIRST_LIMIT, maximum)
        self._maximum = maximum
        self._base_rate = 0.0  # throughput at the base, averaged
        self._is_doubling = True
        self._is_retrying = False  # a doubling without gain is measured twice
        self._goes_up = True
        self._rest, self._longest_rest = 0, 2  # measurements until the next step
        self._reset(0)

    def _reset(self, skipped: int) -> None:
        """Begin a new measurement. The next `skipped` replies belong to requests of the limit before."""
        self._skipped = skipped
        self._started_at: float | None = None
        self._replies = self._refusals = 0
        self._latest: deque[bool] = deque(maxlen=_LATEST)  # whether each was a refusal
        self._work = 0.0
        self._was_full = False

    def mark_limit_reached(self) -> None:
        """Note that the limit is reached: otherwise a measurement says nothing about it."""
        self._was_full = True

    def add_reply(self, now: float, work: float, in_flight: int) -> None:
        """Count a reply and its work: tokens, or whatever is to be maximised."""
        self._latest.append(False)
        if self._started_at is None:
            if self._skipped > 0:
                self._skipped -= 1
                return
            self._started_at = now
            return
        self._replies += 1
        self._work += work
        seconds = now - self._started_at
        # A doubling changes much; a step of a quarter needs more replies to stand out from chance.
        enough = max(_MIN_REPLIES, self.limit) if self._is_doubling else 4 * max(_MIN_REPLIES, self.limit)
        if self._replies >= enough and seconds >= _MIN_SECONDS:
            if self._was_full:
                self._decide(self._work / seconds, in_flight)
            else:
                self._reset(0)

    def add_refusal(self, in_flight: int) -> bool:
        """Count a refusal; return whether the limit went down."""
        self._refusals += 1
        self._latest.append(True)
        ended = self._refusals + self._replies
        is_often = self._refusals >= max(_MIN_REFUSALS, _REFUSED_SHARE * ended) and ended >= self.limit
        if not (self._was_full and (is_often or 2 * sum(self._latest) >= _LATEST)):
            return False
        if self.limit > self._base:
            self._step_to(self._base, in_flight)
        else:
            self.restore(max(1, self._base * 2 // 3), in_flight)
        self._is_doubling = False
        self._rest = self._longest_rest = min(2 * self._longest_rest, 64)
        return True

    def restore(self, limit: int, skipped: int = 0) -> None:
        """Go back to a limit whose throughput is to be measured anew; the next `skipped` replies do not count."""
        self._base, self._base_rate = limit, 0.0
        self._step_to(limit, skipped)

    def _decide(self, rate: float, in_flight: int) -> None:
        """Choose the next limit from the measured throughput."""
        gain = 1.0 if self.limit < self._base else _DOUBLING_GAIN if self._is_doubling else _GAIN
        if self.limit == self._base:
            # The first measurement includes the warm-up; later ones are averaged, against drift.
            self._base_rate = (self._base_rate + rate) / 2 if self._base_rate and not self._is_doubling else rate
            if self._rest > 0 and not self._is_doubling:
                self._rest -= 1
                self._reset(0)
            else:
                self._step_to(self._next_step(), in_flight)
        elif rate >= self._base_rate * gain:
            self._base, self._base_rate = self.limit, rate
            self._is_retrying = False
            self._longest_rest = 2
            self._step_to(self._next_step(), in_flight)
        elif self._is_doubling and not self._is_retrying:
            self._is_retrying = True
            self._reset(0)
        else:
            self._is_doubling = self._is_retrying = False
            self._goes_up = not self._goes_up
            self._rest, self._longest_rest = self._longest_rest, min(2 * self._longest_rest, 64)
            self._step_to(self._base, in_flight)

    def _next_step(self) -> int:
        if self._is_doubling:
            return min(2 * self._base, self._maximum)
        step = max(1, self._base // 4)
        return min(self._base + step, self._maximum) if self._goes_up else max(1, self._base - step)

    def _step_to(self, limit: int, in_flight: int) -> None:
        self._reset(in_flight if limit != self.limit else 0)
        self.limit = limit


class Pace:
    """The gate for requests: `await enter()` before each request, `leave()` after it.

    It closes when the oldest request in flight is refused, too, and no other was answered in between: then the number
    in flight is not the reason. One request at a time is tried, with growing pauses, until one is answered. A fixed
    number may be more than the server allows; then the gate closes while it is busy with what it has taken, too.

    Args:
        fixed: Requests in flight, or fewer, with a warning, if the limit of open files is lower; None searches for the
            best number.
        maximum: The largest number to try.

    Attributes:
        closed_at: When the server began to refuse all requests, on the monotonic clock; None while it answers some.
    """

    def __init__(self, fixed: int | None = None, maximum: int = MAX_IN_FLIGHT) -> None:
        most = _fit_open_files(fixed or maximum)
        if fixed and most < fixed:
            warn_once(f"concurrency is {most}, not {fixed}: raise the limit of open files (ulimit -n)")
        self._finder = None if fixed else RateFinder(maximum=most)
        self._fixed = most if fixed else 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._open: dict[int, None] = {}  # the numbers of the requests in flight, the oldest first
        self._last = 0
        self._resumes_at = 0.0
        self._replied_at = monotonic()
        self._refused = 0  # in a row
        self._first_refused = self._limit_before = 0  # at the first of them: the last request's number, and the limit
        self._last_tried = 0  # the last request's number when the pause began
        self._pause = 0.0
        self.closed_at: float | None = None

    @property
    def limit(self) -> int:
        """Current limit of requests in flight."""
        if self.closed_at is not None:
            return 1
        return self._finder.limit if self._finder else self._fixed

    @property
    def in_flight(self) -> int:
        """Requests in flight now."""
        return len(self._open)

    async def enter(self) -> int:
        """Wait for a free place, first come, first served; return the request's number."""
        if self.in_flight < self.limit and not self._waiting:
            number = self._take_place()
        else:
            number = await self._wait()
        try:
            while (pause := self._resumes_at - monotonic()) > 0:  # noqa: ASYNC110  # the end may have moved
                await asyncio.sleep(pause)
        except BaseException:
            self.leave(number)
            raise
        return number

    async def _wait(self) -> int:
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(place.result())
            raise

    def leave(self, number: int) -> None:
        """Give a request's place back."""
        del self._open[number]
        while self._waiting and self.in_flight < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(self._take_place())

    def _take_place(self) -> int:
        self._last += 1
        self._open[self._last] = None
        if self._finder and self.in_flight >= self._finder.limit:
            self._finder.mark_limit_reached()
        return self._last

    def add_reply(self, number: int, tokens: int) -> None:
        """Count a reply, before its place is given back."""
        self._replied_at = monotonic()
        if number > self._first_refused:  # replies to earlier requests say nothing of what the server takes now
            self._refused, self._pause, self.closed_at = 0, 0.0, None
        if self._finder:
            self._finder.add_reply(self._replied_at, tokens or 1, self.in_flight)

    def add_timeout(self) -> None:
        """Count a request that the server was too busy for."""
        if self._finder:
            self._finder.add_refusal(self.in_flight)

    def add_refusal(self, number: int, retry_after: float | None) -> bool:
        """Count a refusal; return whether the gate is closed, so that the request is to be sent again.

        When it closes, or the limit goes down, no request is sent until `Retry-After` is over.
        """
        now, seconds = monotonic(), min(retry_after or 0.0, _MAX_PAUSE)
        if not self._refused:
            self._first_refused, self._limit_before = self._last, self.limit
        self._refused += 1
        closes = number == next(iter(self._open)) or (self._fixed and now - self._replied_at >= _SILENCE)
        if self.closed_at is None and not (closes and self._refused >= max(_MIN_CLOSING, self._limit_before)):
            if self._finder and self._finder.add_refusal(self.in_flight):
                self._resumes_at = max(self._resumes_at, now + seconds)
            return False
        if self.closed_at is None:
            self.closed_at = now
            if self._finder:
                self._finder.restore(self._limit_before)
        if number > self._last_tried:
            self._last_tried = self._last
            self._pause = min(2 * self._pause or _FIRST_CLOSED, _MAX_CLOSED)
            self._resumes_at = max(self._resumes_at, now + self._pause, now + seconds)
        return True
