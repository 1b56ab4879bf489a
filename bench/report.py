"""Shows the results of a run: a table in the terminal, a picture, and the page `docs/benchmarks.md`.

`python -m bench.report [JSON]` writes the picture and the page beside the results, by default `docs/benchmarks.json`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.libraries import BASELINE

Report = dict[str, Any]
Case = dict[str, Any]

RESULTS = Path("docs/benchmarks.json")
PICTURED = (
    *("stream-2000", "paced-x1", "paced-x16", "stream-x128", "stream-tools", "stream-inline"),
    *("calls-x100", "calls-x500", "history-100"),
)
COLOURS = {
    "ChatQwen3 (aiohttp)": "#5b3cc4",
    "ChatQwen3 (httpx)": "#9b86e8",
    "ChatLlama": "#c9a227",
    BASELINE: "#8a8f98",
}
HEADINGS = ("library", "CPU", "min-max", "wall", "ratio CPU", "min-max", "ratio wall")

_PAGE = """# Benchmarks

How much of one processor `ChatQwen3` needs, next to its peers: measured {measured} on Python {python} with
{processors} processors, medians of {rounds} rounds. A ratio is {baseline}'s time divided by the library's, so 2 means
half the time.

![CPU time ratios against {baseline}](benchmarks.png)

## How it was measured

- A replay server in a process and on a processor of its own answers with prebuilt bytes in the shape of vLLM's (for
  ChatLlama llama-server's, whose reasoning key it reads): one JSON object per event, one HTTP chunk per event, half
  reasoning, half answer. Paced streams get one TCP write per event, as engines send them; the others are written at
  once, so that nothing but the client takes time.
- Every figure comes from a process forked for it alone: no heap, connection or garbage-collector state is left over
  from another. It warms up with the same work first. The garbage collector keeps its defaults.
- In each round the libraries take turns on the same case, and a ratio is the median of the rounds' own ratios.
- CPU is the processor time of the whole process, wall the time that passed. On a paced stream the wall time is the
  server's, and part of the CPU is the system's for waking a process at all: the socket's row shows how much.
- Every client is checked to have got all the text of the answer.
- LangChain models are used as anyone would: `astream` and `abatch`, callbacks and tracing hooks included. The openai
  SDK, httpx2 and the bare socket are floors: they build no messages.

- Rows without an event loop use `stream`, `invoke` and `batch`; both of ChatQwen3's transports have the same sync path.

## What was given up

An earlier version was faster on paced streams: it read the frames of HTTP itself and ran the reader's next step inside
the event loop's own callback, and it put a network backend of its own under httpx. That saved about a sixth of a paced
chunk over aiohttp and two fifths over httpx, and nothing where many chunks come at once. It also leaked a socket when a
connect was cancelled, logged an exception a turn under nested event loops, failed under eager tasks, and lived on
private names of five libraries. A tenth of a processor at 5,000 tokens a second is not worth that, so both libraries
are used as they come. The rest of the difference is for them to make: see
[httpx2 #1169](https://github.com/pydantic/httpx2/issues/1169) and
[#1170](https://github.com/pydantic/httpx2/issues/1170).

Versions: {versions}.

Again on your machine: `make bench` (about half an hour; keep the machine idle otherwise), one case with
`.venv-bench/bin/python -m bench.run --only stream-2000`.

## Results

{tables}
"""


def print_table(report: Report) -> None:
    """Print one row per case and library: medians, spread, and ratios against the baseline."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"CPU and wall time per unit; ratios against {BASELINE}, higher is better")
    for heading in ("case", *HEADINGS):
        table.add_column(heading, justify="left" if heading in {"case", "library"} else "right")
    for case in report["cases"].values():
        title = describe(case)
        for row in build_rows(case):
            table.add_row(title, *row)
            title = ""
        table.add_section()
    Console(width=140).print(table)


def describe(case: Case) -> str:
    """Name a case and what its figures are for."""
    return f"{case['title']} (per {case['unit']})"


def build_rows(case: Case) -> Iterator[list[str]]:
    """Yield the cells of one case's table, a row per library, under `HEADINGS`."""
    for library, figures in case["libraries"].items():
        main = figures.get("cpu") or figures["bytes"]
        wall = figures.get("wall", {})
        write = _write_seconds if "cpu" in figures else _write_bytes
        yield [
            library,
            write(main["median"]),
            f"{write(main['min'])} - {write(main['max'])}",
            write(wall["median"]) if wall else "",
            *_write_ratios(main),
            f"{wall['ratio']:.2f}" if "ratio" in wall else "",
        ]


def _write_ratios(figures: dict[str, float]) -> tuple[str, str]:
    if "ratio" not in figures:
        return "", ""
    return f"{figures['ratio']:.2f}", f"{figures['ratio_min']:.2f} - {figures['ratio_max']:.2f}"


def _write_bytes(value: float) -> str:
    return f"{value / 1024:.1f} KiB"


def _write_seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def write_page(report: Report, page: Path) -> None:
    """Write the page with how it was measured and every figure."""
    machine = report["machine"]
    text = _PAGE.format(
        measured=report["measured"],
        python=machine["python"],
        processors=machine["processors"],
        rounds=report["rounds"],
        baseline=BASELINE,
        versions=", ".join(f"{name} {version}" for name, version in machine["packages"].items()),
        tables="\n".join(_write_table(case) for case in report["cases"].values()),
    )
    page.write_text(text.rstrip() + "\n", encoding="utf-8")


def _write_table(case: Case) -> str:
    lines = [f"### {describe(case).capitalize()}", "", *map(_write_row, (HEADINGS, ["---"] + ["---:"] * 6))]
    return "\n".join([*lines, *map(_write_row, build_rows(case)), ""])


def _write_row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def draw(report: Report, picture: Path) -> None:
    """Draw the CPU ratios of the main cases as horizontal bars."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    cases = [report["cases"][name] for name in PICTURED if name in report["cases"]]
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.85 * len(cases)), layout="constrained")
    height = 0.8 / len(COLOURS)
    for offset, (library, colour) in enumerate(COLOURS.items()):
        drawn = [
            (place, case["libraries"][library]["cpu"])
            for place, case in enumerate(cases)
            if library in case["libraries"]
        ]
        places = [place + (offset - (len(COLOURS) - 1) / 2) * height for place, _ in drawn]
        ratios = [figures["ratio"] for _, figures in drawn]
        bars = axes.barh(places, ratios, height * 0.92, color=colour, label=library)
        axes.bar_label(bars, [f"{ratio:.1f} ×" for ratio in ratios], padding=3, fontsize=8)
    axes.set_yticks(range(len(cases)), [case["title"] for case in cases])
    axes.invert_yaxis()
    axes.axvline(1, color=COLOURS[BASELINE], linewidth=0.8)
    axes.set_xlabel(f"times {BASELINE}'s speed (CPU time per chunk or call, median of {report['rounds']} rounds)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)
    figure.legend(frameon=False, loc="outside upper center", ncols=len(COLOURS))
    figure.savefig(picture, dpi=150)


def main() -> None:
    """Write the page and the picture of the results."""
    results = Path(sys.argv[1]) if sys.argv[1:] else RESULTS
    report: Report = json.loads(results.read_text("utf-8"))
    write_page(report, results.with_suffix(".md"))
    draw(report, results.with_suffix(".png"))


if __name__ == "__main__":
    main()
