"""Measures a batch: `python -m bench.batch [memory] [overhead] [pace]`.

- `memory`: the peak memory of a process that works off 2,000 and 200,000 rows;
- `overhead`: processor and wall time per row, against plain `abatch` with as many requests in flight;
- `pace`: throughput of `--concurrency auto` against fixed numbers, on the replay of vLLM's replies and on llama.cpp
  with the tests' tiny Qwen3.

The replay server has one processor, and the measured process the other. Ways take turns within a round, and a ratio is
the median over the rounds.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.run import running_server, split_processors
from bench.worker import CALL_CHUNKS, timed
from langchain_qwen3 import ChatQwen3, LocalServer
from langchain_qwen3.batch import BatchOptions, arun_batch, run_batch

TINY_QWEN3 = Path(__file__).parents[1] / "tests" / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
IN_FLIGHT = 64
ROUNDS = 5
FIXED = (1, 2, 4, 8, 16, 32, 64)
QUESTION = "What is the capital of France?"

Way = Callable[[Path], Awaitable[None]]


def build_model(port: int) -> ChatQwen3:
    """Return a model on the replay of vLLM's whole replies."""
    url = f"http://127.0.0.1:{port}/vllm/whole/{CALL_CHUNKS}/v1"
    return ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=url, server="vllm", max_retries=0)


def measure_memory(port: int) -> None:
    """Print the peak memory of child processes with few and with many rows."""
    peaks = {}
    for rows in (2_000, 200_000):
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "bench.batch", "child", str(port), str(rows)])  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0  # noqa: S101
        peaks[rows] = usage.ru_maxrss / 1024
        print(f"memory: {rows:,} rows, peak {peaks[rows]:.1f} MiB, {time.perf_counter() - started:.0f} s")
    few, many = peaks.values()
    print(f"memory: {many / few:.3f} times")


def run_child(port: int, rows: int) -> None:
    """Work off so many rows of a file."""
    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions.jsonl"
        with questions.open("w", encoding="utf-8") as stream:
            stream.writelines(
                json.dumps({"id": f"row-{number}", "question": QUESTION}) + "\n" for number in range(rows)
            )
        options = BatchOptions(concurrency=IN_FLIGHT)
        summary = run_batch(build_model(port), questions, Path(folder) / "answers.jsonl", options=options)
    assert summary.answered == rows  # noqa: S101


async def measure_overhead(port: int, rows: int = 2_000) -> None:
    """Print the time of a row in a batch, against a call of `abatch`."""
    llm = build_model(port)
    inputs = [QUESTION] * rows

    async def plain(_: Path) -> None:
        assert len(await llm.abatch(inputs, config={"max_concurrency": IN_FLIGHT})) == rows  # noqa: S101

    fixed, found = (build_way(llm, inputs, concurrency) for concurrency in (IN_FLIGHT, None))
    ways = {"abatch": plain, f"batch, {IN_FLIGHT} in flight": fixed, "batch, auto": found}
    figures = await take_turns(ways, rows)
    for name in [*ways][1:]:
        for kind in ("cpu", "wall"):
            ratios = [one[kind] / base[kind] for one, base in zip(figures[name], figures["abatch"], strict=True)]
            print(f"overhead: {name}, {kind}: {median(ratios):.3f} times abatch, rounds {_show(ratios)}")


async def measure_pace(name: str, llm: ChatQwen3, rows: int) -> None:
    """Print the throughput of `auto` against the best fixed number."""
    inputs = [f"{QUESTION} {number}" for number in range(rows)]

    ways = {str(number or "auto"): build_way(llm, inputs, number) for number in (*FIXED, None)}
    figures = await take_turns(ways, rows)
    rates = {way: median(1 / one["wall"] for one in rounds) for way, rounds in figures.items()}
    best = max((way for way in rates if way != "auto"), key=lambda way: rates[way])
    print(f"pace: {name}, rows/s: {', '.join(f'{way}: {rate:.0f}' for way, rate in rates.items())}")
    ratios = [one["wall"] / auto["wall"] for one, auto in zip(figures[best], figures["auto"], strict=True)]
    print(f"pace: {name}, auto: {median(ratios):.3f} times the best fixed number ({best}), rounds {_show(ratios)}")


def build_way(llm: ChatQwen3, inputs: list[str], concurrency: int | None) -> Way:
    """Return a batch with so many requests in flight; None: it finds the number itself."""

    async def run(path: Path) -> None:
        summary = await arun_batch(llm, inputs, path, options=BatchOptions(concurrency=concurrency))
        assert summary.answered == len(inputs)  # noqa: S101

    return run


async def take_turns(ways: dict[str, Way], rows: int) -> dict[str, list[dict[str, float]]]:
    """Return processor and wall seconds per row of every way, a value for each round; one round before is warm-up."""
    figures: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way, run in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "answers.jsonl"
                measured = await timed(lambda run=run, path=path: run(path), rows)  # type: ignore[misc]
            if number:
                figures[way].append(measured)
    return figures


def _show(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    """Measure what the arguments name, by default everything."""
    chosen: list[Any] = sys.argv[1:] or ["memory", "overhead", "pace"]
    if chosen[0] == "child":
        run_child(int(chosen[1]), int(chosen[2]))
        return
    ours, theirs = split_processors()
    with running_server(ours) as port:
        if theirs is not None:
            os.sched_setaffinity(0, {theirs})
        if "memory" in chosen:
            measure_memory(port)
        if "overhead" in chosen:
            asyncio.run(measure_overhead(port))
        if "pace" in chosen:
            asyncio.run(measure_pace("vLLM's replay", build_model(port), 2_000))
    if "pace" in chosen:
        if theirs is not None:
            os.sched_setaffinity(0, {ours, theirs})
        with LocalServer(TINY_QWEN3, name="q", n_ctx=2048) as engine:
            settings: dict[str, Any] = {"temperature": 0, "max_tokens": 60, "enable_thinking": False}
            llm = ChatQwen3(model="q", base_url=engine.base_url, max_retries=0, **settings)
            asyncio.run(measure_pace("llama.cpp", llm, 300))


if __name__ == "__main__":
    main()
