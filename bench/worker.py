"""Measures one library: reads case names from standard input, answers each with a line of JSON.

The library is imported once; every measurement then runs in a fork of its own, so no case sees the heap, the
connections or the garbage collector's counters that another one left. Run by `bench.run` as
`python -m bench.worker LIBRARY PORT [PROCESSOR]`.
"""

import asyncio
import gc
import importlib
import json
import os
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.cases import CASES, Case
from bench.libraries import LIBRARIES, Client, History, Library
from bench.replies import answer_length, arguments_length

CALL_CHUNKS = 50  # the text of a whole reply is as long as a stream of so many chunks
WARM_UP_CHUNKS = 20
HELD_EVENTS = 20
IDLE = 0.05  # seconds of processor time in half a second

Figures = dict[str, float]


class Worker:
    """Everything one measurement needs to know."""

    def __init__(self, library: Library, port: int) -> None:
        self.library = library
        self.port = port

    def open(self, mode: str, case: Case, chunks: int) -> Client:
        """Open the library at the URL that replays `case`."""
        wire = self.library.wire if case.wire == "vllm" else case.wire
        return self.library.open(f"http://127.0.0.1:{self.port}/{wire}/{mode}/{chunks}/v1")

    def measure(self, case: Case) -> Figures:
        """Measure `case` in this process."""
        match case.kind:
            case "stream" | "calls" if case.sync:
                return self._measure_sync(case)
            case "stream":
                return asyncio.run(self._measure_streams(case))
            case "calls":
                return asyncio.run(self._measure_calls(case))
            case "memory":
                return asyncio.run(self._measure_memory(case))
            case "construct":
                return self._measure_construction(case)
            case _:
                raise ValueError(f"{case.kind} is measured from outside")

    async def _measure_streams(self, case: Case) -> Figures:
        mode = f"paced-{case.interval_ms}" if case.interval_ms else "at-once"
        client = self.open(mode, case, case.count)
        messages = client.prepare(build_history(case.history))
        await self.open("at-once", case, WARM_UP_CHUNKS).stream(messages)
        await self._stream_all(client, messages, case)

        async def work() -> None:
            for _ in range(case.repeats):
                await self._stream_all(client, messages, case)

        return await timed(work, case.count * case.at_once * case.repeats)

    async def _stream_all(self, client: Client, messages: Any, case: Case) -> None:
        lengths = await asyncio.gather(*(client.stream(messages) for _ in range(case.at_once)))
        calls = case.wire == "tools"
        wanted = arguments_length(case.count) if calls else answer_length(case.count)
        if any((arguments if calls else answer) < wanted for answer, arguments in lengths):
            raise AssertionError(f"{self.library.name} lost text in {case.name}: {lengths} of {wanted}")

    async def _measure_calls(self, case: Case) -> Figures:
        client = self.open("whole", case, CALL_CHUNKS)
        messages = client.prepare(build_history(case.history))
        await client.call([messages] * min(case.count, 2 * case.at_once), case.at_once)

        async def work() -> None:
            answers = await client.call([messages] * case.count, case.at_once)
            if answers != case.count * answer_length(CALL_CHUNKS):
                raise AssertionError(f"{self.library.name} lost text in {case.name}")

        return await timed(work, case.count)

    def _measure_sync(self, case: Case) -> Figures:
        streams = case.kind == "stream"
        client = self.open("at-once" if streams else "whole", case, case.count if streams else CALL_CHUNKS)
        messages = build_prompt(client)

        def work(count: int) -> None:
            if streams:
                answers = sum(client.stream_sync(messages)[0] for _ in range(count))
                wanted = count * answer_length(case.count)
            else:
                answers = client.call_sync([messages] * count, case.at_once)
                wanted = count * answer_length(CALL_CHUNKS)
            if answers < wanted:
                raise AssertionError(f"{self.library.name} lost text in {case.name}")

        work(1 if streams else 2 * case.at_once)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        work(case.repeats if streams else case.count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        count = case.count * case.repeats
        return {"wall": wall / count, "cpu": cpu / count}

    async def _measure_memory(self, case: Case) -> Figures:
        await self.open("at-once", case, WARM_UP_CHUNKS).stream(build_prompt(self.open("at-once", case, 2)))
        client = self.open(f"hold-{HELD_EVENTS}", case, 1000)
        messages = build_prompt(client)
        gc.collect()
        before = resident_bytes()
        streams = [asyncio.create_task(client.stream(messages)) for _ in range(case.count)]
        await become_idle()
        opened = count_held(self.port)  # fewer than asked for where a library's pool is smaller
        gc.collect()
        grown = resident_bytes() - before
        while streams:  # ChatOpenAI takes one cancellation for a stall, and waits its two minutes out
            for stream in streams:
                stream.cancel()
            _, left = await asyncio.wait(streams, timeout=0.5)
            streams = list(left)
        return {"bytes": grown / opened}

    def _measure_construction(self, case: Case) -> Figures:
        wall, cpu = time.perf_counter(), time.process_time()
        kept = [self.open("at-once", case, 2) for _ in range(case.count)]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": wall / len(kept), "cpu": cpu / len(kept)}


def build_history(length: int) -> History:
    """Build a conversation of `length` messages that ends with a question."""
    text = "请简述人工智能的发展历程。Then name three people who shaped it, and say what each of them did."
    roles = ("user", "assistant")
    return [(roles[(length - 1 - position) % 2], f"{position}: {text}") for position in range(length)]


def build_prompt(client: Client) -> Any:
    """Build the library's own messages for one short question."""
    return client.prepare(build_history(1))


def resident_bytes() -> int:
    """Read this process's resident memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def become_idle() -> None:
    """Wait until this process has had next to nothing to do for half a second."""
    used = -1.0
    while time.process_time() - used > IDLE:
        used = time.process_time()
        await asyncio.sleep(0.5)


def count_held(port: int) -> int:
    """Ask the replay server how many streams it holds open."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/held") as reply:
        return int(reply.read())


async def timed(work: Callable[[], Awaitable[None]], count: int) -> Figures:
    """Return wall and processor seconds of `work`, each divided by `count`."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall / count, "cpu": cpu / count}


def measure_in_fork(worker: Worker, case: Case) -> Figures | dict[str, str]:
    """Measure `case` in a child of this process and return what it found, or its error."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        os.close(read_end)
        try:
            answer: Any = worker.measure(case)
        except BaseException as error:  # noqa: BLE001  # the parent reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        os.write(write_end, json.dumps(answer).encode())
        os._exit(0)  # nothing a library registered at exit belongs to the measurement
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        received = pipe.read()
    os.waitpid(child, 0)
    found: Figures | dict[str, str] = json.loads(received or b'{"error": "the measuring process died"}')
    return found


def main() -> None:
    """Answer every case named on standard input."""
    name, port, *processor = sys.argv[1:]
    if processor:
        os.sched_setaffinity(0, {int(processor[0])})
    library = LIBRARIES[name]
    importlib.import_module(library.module)
    worker = Worker(library, int(port))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(measure_in_fork(worker, CASES[line.strip()])), flush=True)


if __name__ == "__main__":
    main()
