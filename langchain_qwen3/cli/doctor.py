"""`langchain-qwen3 doctor`: a table of what a server can do."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from langchain_qwen3.cli.connect import build_model, showing_errors
from langchain_qwen3.cli.console import Console, Waiting, show_waiting, write_json
from langchain_qwen3.cli.options import FAILED, UNUSABLE, Target
from langchain_qwen3.cli.wording import name_options
from langchain_qwen3.doctor import Diagnosis, Finding, Status, examine
from langchain_qwen3.doctor.findings import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

_STYLES: dict[Status, str] = {"ok": "green", "failed": "bold red", "unsure": "yellow", "skipped": "dim"}


def run(target: Target, *, as_json: bool) -> None:
    """Examine the server, show the findings as they arrive, and write the diagnosis."""
    console = Console(stderr=as_json)
    findings: list[Finding] = []
    with showing_errors(warns=False):
        llm = build_model(target)
        waiting = Waiting(str(llm.openai_api_base))

        def start(title: str) -> None:
            nonlocal waiting
            waiting = Waiting(f"{llm.openai_api_base}  {title}")

        def render() -> RenderableType:
            return Group(waiting, build_table(findings))

        live = Live(get_renderable=render, console=console, refresh_per_second=8, transient=True)
        with ExitStack() as shown:
            shown.enter_context(live if console.is_terminal else show_waiting(Console(stderr=True), waiting.what))

            def add(finding: Finding) -> None:
                findings.append(finding)
                if not console.is_terminal:
                    shown.close()  # the server has answered, or cannot be reached

            diagnosis = asyncio.run(examine(llm, on_start=start, on_finding=add))
    if as_json:
        write_json(diagnosis.to_dict())
    else:
        console.print(render_diagnosis(diagnosis))
    if not diagnosis.ok:
        raise typer.Exit(FAILED if diagnosis.reachable else UNUSABLE)


def render_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """Return the whole diagnosis: a heading, the table, and the verdict."""
    heading = Text.assemble((diagnosis.base_url, "bold"), f"  {diagnosis.model}")
    table = build_table(diagnosis.findings)
    return Group(heading, table, _sum_up(diagnosis)) if diagnosis.reachable else Group(heading, table)


def build_table(findings: Iterable[Finding]) -> Table:
    """Return the findings as a table, with the fix below each failure."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(width=1, no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    for finding in findings:
        style = _STYLES[finding.status]
        detail = Text(finding.detail, style="dim" if finding.status == "skipped" else "")
        if finding.fix:
            detail.append("\n→ ", style="bold yellow").append(name_options(finding.fix), style="yellow")
        table.add_row(Text(MARKS[finding.status], style=style), Text(finding.title), detail)
    return table


def _sum_up(diagnosis: Diagnosis) -> Text:
    failed = sum(finding.status == "failed" for finding in diagnosis.findings)
    if not failed:
        return Text("\nAll is well.", style="bold green")
    text = Text(f"\n{failed} of {len(diagnosis.findings)} checks failed.", style="bold red")
    if diagnosis.flags:
        text.append(f"\nStart {diagnosis.server} with:", style="not bold default")
        for flag in diagnosis.flags:
            text.append(f"\n  {flag}", style="bold yellow")
    return text
