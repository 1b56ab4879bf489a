"""Plots the measurements of `bench` (extra `plot`, matplotlib)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_qwen3.cli.load import Level

FORMATS = frozenset({".png", ".svg", ".pdf"})
_TEAL, _ORANGE, _PURPLE = "#0f766e", "#d97706", "#6d28d9"


def check_plot(path: Path) -> None:
    """Check before the measurement that the picture can be drawn.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: The extension is not a picture format.
        FileNotFoundError: There is no such folder.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--plot: {path} must end in one of {', '.join(sorted(FORMATS))}")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"--plot: there is no folder {path.absolute().parent}")
    if find_spec("matplotlib") is None:
        raise ImportError('--plot needs the extra "plot": pip install "langchain-qwen3-chat[plot]"')


def draw(levels: list[Level], title: str, path: Path) -> None:
    """Draw throughput and latency over the number of streams.

    Args:
        levels: The measurements.
        title: Title of the figure.
        path: Output file; its extension determines the format.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    streams = [level.streams for level in levels]
    ticks = range(len(levels))
    rates = [level.throughput for level in levels]
    bars = left.bar(ticks, rates, color=_TEAL, width=0.6)
    left.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates], padding=2, fontsize=9)
    left.set(title="throughput", ylabel="tokens/s", ylim=(0, max([*rates, 1.0]) * 1.15))
    for name, color, spreads in (
        ("first token", _ORANGE, [level.first_token for level in levels]),
        ("between tokens", _PURPLE, [level.between_tokens for level in levels]),
    ):
        medians, tails = [row.p50 * 1000 for row in spreads], [row.p95 * 1000 for row in spreads]
        right.plot(ticks, medians, "o-", color=color, label=f"{name}, median to p95")
        right.fill_between(ticks, medians, tails, color=color, alpha=0.15, linewidth=0)
    right.set(title="latency", ylabel="ms", yscale="log")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    right.legend(frameon=False, fontsize=9)
    for axes in (left, right):
        axes.set_xticks(ticks, [str(number) for number in streams])
        axes.set_xlabel("streams at once")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
