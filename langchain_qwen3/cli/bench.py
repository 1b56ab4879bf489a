"""`langchain-qwen3 bench`: the throughput of a server, with ever more streams at once."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from langchain_qwen3._visible import make_visible
from langchain_qwen3.cli.connect import connect, show_error, showing_errors
from langchain_qwen3.cli.console import Console, write_json
from langchain_qwen3.cli.load import Level, Send, Spread, compare, measure, time_reply
from langchain_qwen3.cli.options import FAILED, Target
from langchain_qwen3.cli.plot import check_plot, draw

if TYPE_CHECKING:
    from langchain_qwen3 import ChatQwen3


def run(  # noqa: PLR0913  # the options of the command
    target: Target,
    prompt: str,
    settings: dict[str, Any],
    *,
    streams: str,
    requests: int | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Measure every level, and write the table, the comparison and the plot."""
    console = Console(stderr=as_json)
    levels: list[Level] = []
    with showing_errors(warns=False):
        numbers = read_streams(streams)
        if plot:
            check_plot(plot)
        llm, _ = connect(target, Console(stderr=True), temperature=0.0)
        try:
            send = partial(time_reply, llm, prompt, settings)
            asyncio.run(_measure_all(llm, send, numbers, requests or max(numbers), console, levels))
        finally:  # also after Ctrl-C
            if levels:
                _write_levels(llm, levels, None if as_json else console)
    if plot:
        with showing_errors():  # after the table: what was measured does not need the picture
            draw(levels, make_visible(f"{llm.model_name} at {llm.openai_api_base}"), plot)
        console.print(f"plot saved to {plot}", style="dim")
    if errors := [error for level in levels for error in level.errors]:
        show_error(Console(stderr=True), errors[0])
        raise typer.Exit(FAILED)


def read_streams(text: str) -> list[int]:
    """Return the numbers of streams, sorted and without duplicates.

    Raises:
        ValueError: The text is not a list of numbers from 1 on.
    """
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1:
        raise ValueError(f"--streams: {text!r} is not a list of numbers ≥ 1, such as 1,2,4,8")
    return numbers


async def _measure_all(  # noqa: PLR0913, PLR0917  # all parts of a measurement
    llm: ChatQwen3, send: Send, numbers: list[int], requests: int, console: Console, levels: list[Level]
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("one to warm up", total=requests * len(numbers) + 1)
        advance = partial(progress.advance, task)
        await send()
        advance()
        for number in numbers:
            progress.update(task, description=f"{number} at once")
            levels.append(await measure(send, streams=number, requests=requests, on_reply=advance))
    await llm.aclose()


def _write_levels(llm: ChatQwen3, levels: list[Level], console: Console | None) -> None:
    if console is None:
        write_json(_build_report(llm, levels))
        return
    console.print(Text.assemble((str(llm.openai_api_base), "bold"), f"  {llm.model_name}"))
    console.print(build_table(levels))
    if comparison := compare(levels):
        console.print(Text(f"\n{comparison}", style="bold green"))


def build_table(levels: list[Level]) -> Table:
    """Return the levels as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    spreads = "first token\np50 / p95 ms", "between tokens\np50 / p95 ms"
    for name in ("streams", "tokens/s", "gain", *spreads, "seconds", "failed"):
        table.add_column(name, justify="right")
    alone = levels[0].throughput
    for level in levels:
        gain = f"{level.throughput / alone:.1f} ×" if alone else "–"
        failed = Text(str(len(level.errors)), style="bold red") if level.errors else Text("–", style="dim")
        table.add_row(
            str(level.streams),
            Text(f"{level.throughput:,.0f}", style="bold"),
            gain,
            _show_spread(level.first_token),
            _show_spread(level.between_tokens),
            f"{level.seconds:.2f}",
            failed,
        )
    return table


def _show_spread(times: Spread) -> str:
    return f"{times.p50 * 1000:,.1f} / {times.p95 * 1000:,.1f}"


def _build_report(llm: ChatQwen3, levels: list[Level]) -> dict[str, Any]:
    return {
        "base_url": llm.openai_api_base,
        "model": llm.model_name,
        "server": llm.dialect.title,
        "levels": [level.to_dict() for level in levels],
        "comparison": compare(levels),
    }
