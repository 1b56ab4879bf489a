"""Runs the comparison: `python -m bench.run [--quick] [--rounds N] [--only CASE] [--libraries NAME] [--json FILE]`.

A replay server has one processor, the measured process the other. Within a case the libraries take turns, A B C A
B C, and a ratio is the median over the rounds of that round's own ratio: a machine that slows down slows both.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.cases import CASES, Case
from bench.libraries import BASELINE, LIBRARIES, Library

ROUNDS = 5
QUICK_ROUNDS = 1
QUICK_CASES = ("stream-2000", "stream-tools", "stream-inline", "paced-x16", "calls-x100", "history-100", "import")
MEASURED = ("cpu", "wall", "bytes")
PACKAGES = (
    *("langchain-qwen3-chat", "langchain-core", "langchain-openai", "langchain-qwq", "langchain-deepseek"),
    *("langchain-llama-cpp", "openai", "httpx2", "httpx", "aiohttp", "orjson", "jiter", "pydantic"),
)

Figures = dict[str, float]
Results = dict[str, dict[str, list[Figures]]]
"""Case name → library name → one figure a round."""


class Worker:
    """A process that has imported one library and measures it on request."""

    def __init__(self, library: Library, port: int, processor: int | None) -> None:
        command = [sys.executable, "-m", "bench.worker", library.name, str(port)]
        self._process = start(command, processor)
        if self._read() != "ready":
            raise RuntimeError(f"{library.name} does not start; see the error above")
        self.library = library

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  # opened as a pipe by `start`
        return self._process.stdout.readline().strip()

    def measure(self, case: Case) -> Figures:
        """Measure one round of `case`."""
        assert self._process.stdin is not None  # noqa: S101  # opened as a pipe by `start`
        self._process.stdin.write(case.name + "\n")
        self._process.stdin.flush()
        figures: dict[str, Any] = json.loads(self._read())
        if "error" in figures:
            raise RuntimeError(f"{self.library.name}, {case.name}: {figures['error']}")
        return figures

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def start(command: Sequence[str], processor: int | None) -> subprocess.Popen[str]:
    """Start one of the benchmark's own processes, alone on `processor` if that is given."""
    pinned = [*command, str(processor)] if processor is not None else [*command]
    return subprocess.Popen(pinned, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own


def split_processors() -> tuple[int | None, int | None]:
    """Return a processor for the server and one for who is measured; None where there is no choice."""
    numbers = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (numbers[0], numbers[-1]) if len(numbers) > 1 else (None, None)


@contextmanager
def running_server(processor: int | None) -> Iterator[int]:
    """Run the replay server and give its port."""
    server = start([sys.executable, "-m", "bench.server"], processor)
    try:
        assert server.stdout is not None  # noqa: S101  # opened as a pipe by `start`
        yield int(server.stdout.readline())
    finally:
        server.communicate()


def measure_import(library: Library) -> Figures:
    """Measure a fresh interpreter that imports the library and ends; its second run, as the first may compile."""
    command = [sys.executable, "-c", f"import {library.module}"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, env=environment)  # noqa: S603  # names of our own table
    before = os.times()
    wall = time.perf_counter()
    subprocess.run(command, check=True, env=environment)  # noqa: S603  # the same
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": time.perf_counter() - wall, "cpu": cpu}


def run(cases: Sequence[Case], names: Sequence[str], rounds: int) -> Results:
    """Measure every case `rounds` times for every library named that takes part in it."""
    ours, theirs = split_processors()
    results: Results = {}
    with ExitStack() as stack:
        port = stack.enter_context(running_server(ours))
        workers: dict[str, Worker] = {}
        for name in names:
            workers[name] = Worker(LIBRARIES[name], port, theirs)
            stack.callback(workers[name].close)
        for case in cases:
            taking_part = [workers[name] for name in case.libraries if name in workers]
            figures: dict[str, list[Figures]] = {worker.library.name: [] for worker in taking_part}
            started = time.perf_counter()
            for _ in range(rounds):
                for worker in taking_part:
                    measured = measure_import(worker.library) if case.kind == "import" else worker.measure(case)
                    figures[worker.library.name].append(measured)
            results[case.name] = figures
            print(f"{case.name} ({time.perf_counter() - started:.0f} s): {_describe(figures)}", file=sys.stderr)
    return results


def _describe(figures: dict[str, list[Figures]]) -> str:
    middle = {name: {key: median(one[key] for one in rounds) for key in rounds[0]} for name, rounds in figures.items()}
    return ", ".join(
        f"{name} {one['bytes'] / 1024:.0f} KiB" if "bytes" in one else f"{name} {one['cpu'] * 1e6:.1f} µs"
        for name, one in middle.items()
    )


def summarise(results: Results) -> dict[str, Any]:
    """Reduce the rounds to medians, spread and ratios against the baseline of the same round."""
    return {
        name: {
            "title": CASES[name].title,
            "unit": CASES[name].unit,
            "libraries": {
                library: {
                    measure: _summarise_one(rounds, libraries.get(BASELINE), measure)
                    for measure in MEASURED
                    if measure in rounds[0]
                }
                for library, rounds in libraries.items()
            },
        }
        for name, libraries in results.items()
    }


def _summarise_one(rounds: list[Figures], baseline: list[Figures] | None, measure: str) -> Figures:
    values = [figures[measure] for figures in rounds]
    summary = {"median": median(values), "min": min(values), "max": max(values)}
    if baseline:
        ratios = [base[measure] / value for base, value in zip(baseline, values, strict=True)]
        summary |= {"ratio": median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
    return summary


def describe_machine() -> dict[str, Any]:
    """Say what the figures were measured with."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Compare ChatQwen3 with its peers.")
    parser.add_argument("--quick", action="store_true", help="few cases, one round: a smoke test, no figures")
    parser.add_argument("--rounds", type=int, help=f"rounds per case (default {ROUNDS})")
    parser.add_argument("--only", action="append", choices=CASES, metavar="CASE", help="measure this case; repeatable")
    parser.add_argument("--libraries", action="append", choices=LIBRARIES, metavar="NAME", help="repeatable")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, and write the results."""
    from bench.report import print_table

    arguments = parse_arguments()
    names = arguments.only or (QUICK_CASES if arguments.quick else list(CASES))
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    started = datetime.now(UTC)
    results = run([CASES[name] for name in names], arguments.libraries or list(LIBRARIES), rounds)
    report = {
        "measured": started.date().isoformat(),
        "rounds": rounds,
        "machine": describe_machine(),
        "cases": summarise(results),
    }
    print_table(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
