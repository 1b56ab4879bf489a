"""Shows the results of a run: a table in the terminal, a picture, and a page in English and one in Chinese.

`python -m bench.report [JSON]` writes the picture and the pages beside the results, by default `docs/benchmarks.json`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
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
CHINESE_HEADINGS = ("库", "CPU", "最小-最大", "实际时间", "CPU 比值", "最小-最大", "实际时间比值")


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


def write_page(report: Report, page: Path, template: str, headings: Sequence[str]) -> None:
    """Write the page with how it was measured and every figure."""
    machine = report["machine"]
    text = (
        (Path(__file__).parent / template)
        .read_text("utf-8")
        .format(
            measured=report["measured"],
            python=machine["python"],
            processors=machine["processors"],
            rounds=report["rounds"],
            baseline=BASELINE,
            versions=", ".join(f"{name} {version}" for name, version in machine["packages"].items()),
            tables="\n".join(_write_table(case, headings) for case in report["cases"].values()),
        )
    )
    page.write_text(text.rstrip() + "\n", encoding="utf-8")


def _write_table(case: Case, headings: Sequence[str]) -> str:
    lines = [f"### {describe(case).capitalize()}", "", *map(_write_row, (headings, ["---"] + ["---:"] * 6))]
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
    write_page(report, results.with_suffix(".md"), "page.md", HEADINGS)
    write_page(report, results.with_suffix(".zh.md"), "page.zh.md", CHINESE_HEADINGS)
    draw(report, results.with_suffix(".png"))


if __name__ == "__main__":
    main()
