"""Thousands of calls with faults among them: every one ends rightly, and nothing is left behind.

    python -m tests.faults.soak 20000

Streamed and whole, sync and async, over both transports, with and without a limit, a quarter of them in chains, some
left or cancelled, at least 200 in flight at the server, which is a fault server in a process of its own. Each call's
result is compared with what its fault must lead to, and all results with the server's log: none wrong, none missing,
none sent more often than its retries, no more at once than the limit, no connection opened that no broken one explains.
Then connections, file descriptors, tasks and memory must be back to where they were.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnablePassthrough

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import (
    BadReplyError,
    Qwen3ConnectionError,
    Qwen3Error,
    Qwen3InvalidRequestError,
    Qwen3RateLimitError,
    StreamCutError,
    StreamStallError,
)
from tests.faults.plans import content_of, reasoning_of

IN_FLIGHT = 320
AT_THE_SERVER = 200
"""How many of these the server must have seen at once."""
THINKING = "stall head 0.5"
"""Where no fault is: the seconds that a server takes for its first token."""
CROWD = "stall head 20"
"""The fault of the first calls, which are all in flight at once, however slow the machine is."""
RETRIES = 2
LIMIT = 40
"""`max_concurrency` of the models that have one."""
WAYS = ("invoke", "stream", "ainvoke", "astream")
RIGHT, LEFT, CANCELLED = "right", "left", "cancelled"

# Fault -> outcome of a whole reply, of a stream, and how many requests it takes; None: not for whole replies.
FAULTS: dict[str, tuple[Any, Any, int, int]] = {
    "slow 0.01": (RIGHT, RIGHT, 1, 1),
    "close_after": (RIGHT, RIGHT, 1, 1),
    "compressed": (RIGHT, RIGHT, 1, 1),
    "status 503 openai retry-after-ms=10 x1": (RIGHT, RIGHT, 2, 2),
    "reset 0 x1": (RIGHT, RIGHT, 2, 2),
    "fin 40 x1": (RIGHT, RIGHT, 2, 2),
    "status 400 openai": (Qwen3InvalidRequestError, Qwen3InvalidRequestError, 1, 1),
    "status 429 string retry-after-ms=10": (Qwen3RateLimitError, Qwen3RateLimitError, 3, 3),
    "garbage": (Qwen3ConnectionError, Qwen3ConnectionError, 3, 3),
    "reset 300": (Qwen3ConnectionError, StreamCutError, 3, 1),
    "fin 300": (Qwen3ConnectionError, StreamCutError, 3, 1),
    "page": (BadReplyError, BadReplyError, 1, 1),
    "broken_json": (BadReplyError, BadReplyError, 1, 1),
    "error_event 4": (None, Qwen3InvalidRequestError, 1, 1),
    "neither": (None, StreamCutError, 1, 1),
    "stall e4": (None, StreamStallError, 1, 1),
    "leave e6": (None, LEFT, 1, 1),
    "cancel": (CANCELLED, CANCELLED, 1, 1),
}
BREAKING = {
    "close_after", "reset 0 x1", "fin 40 x1", "garbage", "reset 300", "fin 300", "broken_json", "error_event 4",
    "stall e4", "leave e6", "cancel",
}  # fmt: skip
"""Faults that cost the connection: by their nature, or because the rest of the stream is not waited for."""

Models = dict[tuple[str, bool], ChatQwen3]
"""By transport and whether the model has a limit."""


@dataclass(frozen=True, slots=True)
class Job:
    """One call: what is asked, how, and what must come of it."""

    key: str
    way: str
    transport: str
    fault: str
    outcome: Any
    requests: int
    limited: bool
    chained: bool = False

    @property
    def text(self) -> str:
        """The user message."""
        fault = self.fault.replace("leave", "stall").replace("cancel", "stall") or THINKING
        return f"{self.key} [[{fault}]]"

    @property
    def broken(self) -> int:
        """How many connections it costs."""
        if self.fault not in BREAKING or (self.fault == "broken_json" and "stream" not in self.way):
            return 0
        return 1 if self.fault.endswith("x1") else self.requests


def draw_jobs(count: int, share: float, seed: int) -> list[Job]:
    """Draw the calls of a run; the same seed draws the same."""
    dice = random.Random(seed)
    jobs = []
    for number in range(count):
        way, transport = dice.choice(WAYS), dice.choice(("httpx", "aiohttp"))
        fault, outcome, requests = "", RIGHT, 1
        if dice.random() < share:
            fault = dice.choice(list(FAULTS))
            whole, streamed, whole_requests, streamed_requests = FAULTS[fault]
            if whole is None:
                way = "astream" if way in {"ainvoke", "astream"} else "stream"
            if whole is CANCELLED:
                way = "astream" if "stream" in way else "ainvoke"
            outcome = streamed if "stream" in way else whole
            requests = streamed_requests if "stream" in way else whole_requests
        limited, chained = dice.random() < 0.2, dice.random() < 0.25
        # langchain-core reads a sync chain that is left to its end, so a stream that stalls then fails unseen.
        chained = chained and not (outcome is LEFT and way == "stream")
        jobs.append(Job(f"s{number}", way, transport, fault, outcome, requests, limited, chained))
    return jobs


def build_crowd() -> list[Job]:
    """Return calls of every kind that wait at the server together."""
    kinds = [(way, transport) for way in WAYS for transport in ("httpx", "aiohttp")]
    return [
        Job(f"crowd{n}", *kinds[n % len(kinds)], CROWD, RIGHT, 1, limited=False, chained=n % 32 < len(kinds))
        for n in range(IN_FLIGHT)
    ]


async def run(job: Job, model: Any, threads: ThreadPoolExecutor) -> Any:
    """Make one call; returns the outcome: right, wrong, left, cancelled, or the class of the error."""
    loop = asyncio.get_running_loop()
    if job.chained:  # which reads each chunk in a task of its own
        model = model | RunnablePassthrough()
    if job.outcome is CANCELLED:
        return await cancel(job, model)
    try:
        if job.way == "invoke":
            message: Any = await loop.run_in_executor(threads, model.invoke, job.text)
        elif job.way == "stream":
            message = await loop.run_in_executor(threads, read_stream, model, job)
        elif job.way == "ainvoke":
            message = await model.ainvoke(job.text)
        else:
            message = None
            async with contextlib.aclosing(model.astream(job.text)) as chunks:
                async for chunk in chunks:
                    message = chunk if message is None else message + chunk
                    if job.outcome is LEFT:
                        return LEFT
    except Qwen3Error as error:
        return type(error)
    if message is LEFT:
        return LEFT
    right = message.content == content_of(job.key)
    reasoned = message.additional_kwargs.get("reasoning_content") == reasoning_of(job.key)
    return RIGHT if right and reasoned else f"wrong: {message!r}"


async def cancel(job: Job, model: Any) -> str:
    """Make a call that is never answered, and cancel it: in the queue, on its way, or while it waits."""

    async def call() -> None:
        if job.way == "ainvoke":
            await model.ainvoke(job.text)
        async for _ in model.astream(job.text):
            pass

    task = asyncio.create_task(call())
    await asyncio.sleep(random.Random(job.key).uniform(0, 0.5))
    task.cancel()
    await asyncio.wait([task])
    return CANCELLED if task.cancelled() else f"wrong: {task!r}"


def read_stream(model: Any, job: Job) -> Any:
    """The sum of a sync stream, or LEFT after its first chunk."""
    message: Any = None
    with contextlib.closing(model.stream(job.text)) as chunks:
        for chunk in chunks:
            message = chunk if message is None else message + chunk
            if job.outcome is LEFT:
                return LEFT
    return message


async def run_all(jobs: list[Job], models: Models) -> list[Any]:
    """Make all calls, so many in flight; returns their outcomes in order."""
    outcomes: list[Any] = [None] * len(jobs)
    numbers = iter(range(len(jobs)))
    with ThreadPoolExecutor(IN_FLIGHT) as threads:

        async def work() -> None:
            for number in numbers:
                job = jobs[number]
                outcomes[number] = await run(job, models[job.transport, job.limited], threads)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return outcomes


def measure() -> dict[str, int]:
    """What could leak: descriptors, tasks, memory in KiB (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "tasks": len(asyncio.all_tasks()),
        "kibibytes": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    }


def read_log(url: str) -> dict[str, Any]:
    """The server's log."""
    with urllib.request.urlopen(url.replace("/v1", "/log")) as reply:  # noqa: S310 - our own server
        log: dict[str, Any] = json.load(reply)
        return log


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """A fault server in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "tests.faults.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("", timeout=30)


def compare(jobs: list[Job], outcomes: list[Any], log: dict[str, Any]) -> list[str]:
    """Every call that did not end, or did not arrive, as it must."""
    wrong = [f"{job}: {outcome}" for job, outcome in zip(jobs, outcomes, strict=True) if outcome != job.outcome]
    arrived = Counter(call["key"] for call in log["calls"])
    wrong += [
        f"{job}: {arrived[job.key]} requests, {job.requests} expected"
        for job in jobs
        if arrived[job.key] != job.requests and not (job.outcome is CANCELLED and arrived[job.key] == 0)
    ]
    unknown = arrived.keys() - {job.key for job in jobs}
    return wrong + [f"{key}: nobody sent this" for key in unknown if not key.startswith("warm")]


def compare_limits(jobs: list[Job], log: dict[str, Any]) -> list[str]:
    """Every limited model that had more requests at the server at once than its limit."""
    limited = {job.key: job.transport for job in jobs if job.limited}
    turns = dict[str, list[tuple[float, int]]]()
    for call in log["calls"]:
        # of one that the client left, the server learns a moment later
        if call["key"] in limited and call["ended"] == "served":
            ends = (call["arrived"] + call["seconds"], -1)
            turns.setdefault(limited[call["key"]], []).extend([(call["arrived"], 1), ends])
    most = {name: max(accumulate(step for _, step in sorted(turn))) for name, turn in turns.items()}
    sys.stdout.write(f"at once under a limit of {LIMIT}: {most}\n")
    return [f"{name}: {count} requests at once, {LIMIT} allowed" for name, count in most.items() if count > LIMIT]


def compare_in_flight(log: dict[str, Any]) -> list[str]:
    """Whether the server had as many requests at once as it should."""
    turns = [
        turn
        for call in log["calls"]
        for turn in ((call["arrived"], 1), (call["arrived"] + call["seconds"], -1))
        if not call["key"].startswith("warm")
    ]
    most = max(accumulate(step for _, step in sorted(turns)))
    sys.stdout.write(f"at once at the server: {most}\n")
    return [] if most >= AT_THE_SERVER else [f"{most} requests at once, {AT_THE_SERVER} wanted"]


def compare_connections(jobs: list[Job], logs: list[dict[str, Any]]) -> list[str]:
    """Connections that were opened without need, or are still open; logs of before, after and after closing."""
    before, after, closed = logs
    opened, expired = (after[name] - before[name] for name in ("opened", "closed_idle"))
    broken = sum(job.broken for job in jobs)
    sys.stdout.write(f"{opened} connections opened: {broken} broken by faults, {expired} expired while idle\n")
    wrong = [f"{closed['open'] - 1} connections still open"] if closed["open"] > 1 else []  # one reads the log
    if opened > broken + expired + IN_FLIGHT:
        wrong.append(f"{opened} connections opened, more than faults, expiry and {IN_FLIGHT} in flight explain")
    return wrong


async def close(models: Models) -> None:
    """Close all models; the server sees it a moment later."""
    for model in models.values():
        await model.aclose()
    await asyncio.sleep(1)


async def soak(url: str, count: int, share: float, seed: int) -> list[str]:
    """Run the calls and return what is wrong."""
    models = {
        (transport, limited): ChatQwen3(
            model="Qwen/Qwen3-0.6B",
            base_url=url,
            transport=transport,
            max_retries=RETRIES,
            max_concurrency=LIMIT if limited else None,
            timeout=60,
            stream_chunk_timeout=5,
        )
        for transport in ("httpx", "aiohttp")
        for limited in (False, True)
    }
    warm = [
        Job(f"warm{n}", way, transport, "", RIGHT, 1, limited)
        for transport, limited in models
        for n, way in enumerate(WAYS * (IN_FLIGHT // 2))
    ]
    await run_all(warm, models)
    await close(models)
    before, logs = measure(), [read_log(url)]
    started = time.monotonic()
    jobs = build_crowd() + draw_jobs(count, share, seed)
    outcomes = await run_all(jobs, models)
    seconds = time.monotonic() - started
    logs.append(read_log(url))
    await close(models)
    after, log = measure(), read_log(url)
    kinds = Counter(outcome if isinstance(outcome, str) else outcome.__name__ for outcome in outcomes)
    sys.stdout.write(f"{count} calls in {seconds:.0f} s ({count / seconds:.0f}/s): {dict(kinds.most_common(12))}\n")
    wrong = compare(jobs, outcomes, log) + compare_limits(jobs, log) + compare_in_flight(log)
    wrong += compare_connections(jobs, [*logs, log])
    sys.stdout.write(f"before {before}\nafter  {after}\n")
    wrong += [
        f"{name} {before[name]} -> {after[name]}" for name in ("descriptors", "tasks") if after[name] > before[name]
    ]
    wrong += [f"{names}: a slot is not given back" for names, model in models.items() if model._in_flight.in_flight]
    if after["kibibytes"] > before["kibibytes"] + 2 * count + 16 * 1024:  # 2 KiB of test records a call
        wrong.append(f"memory grew from {before['kibibytes']} to {after['kibibytes']} KiB")
    return wrong


def main() -> None:
    """Read the arguments, run, and fail on anything that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", type=int)
    parser.add_argument("--faults", type=float, default=0.1, help="share of calls with a fault")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with serve() as url:
        wrong = asyncio.run(soak(url, arguments.calls, arguments.faults, arguments.seed))
    for line in wrong[:40]:
        sys.stdout.write(f"WRONG {line}\n")
    sys.stdout.write(f"{len(wrong)} wrong\n" if wrong else "all right\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
