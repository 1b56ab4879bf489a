"""`langchain-qwen3 batch`: a file of rows in, a file of results out.

Nothing costly is imported at the top, because `main` imports the command from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from langchain_qwen3.cli.options import FAILED, ApiKey, AsJson, Model, Server, Target, Timeout, Url

if TYPE_CHECKING:
    from rich.table import Table

    from langchain_qwen3.batch import Result, Summary
    from langchain_qwen3.chat_model import ChatQwen3
    from langchain_qwen3.cli.console import Console

Source = Annotated[str, typer.Argument(help="Rows: .txt, .jsonl, .csv or .parquet; - is standard input.")]
Output = Annotated[str, typer.Option("--output", "-o", help="Results: .jsonl, .csv or .parquet; - is standard output.")]
Thinking = Annotated[
    bool | None,
    typer.Option(
        "--thinking/--no-thinking", "--think/--no-think", help="Switch thinking on or off. Default: the server's."
    ),
]
Budget = Annotated[int | None, typer.Option(min=0, help="Maximum number of thinking tokens.")]
System = Annotated[str | None, typer.Option("--system", "-s", help="System message for rows without one.")]
Schema = Annotated[Path | None, typer.Option(help="File with the JSON schema for the answers.")]
Sampling = Annotated[Literal["recommended"] | None, typer.Option(help="Use the sampling settings of the model card.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Any field of ChatQwen3, such as max_tokens=500. Repeatable.")
]
Concurrency = Annotated[
    str, typer.Option("--concurrency", "-c", help='Requests in flight; "auto" finds the best number.')
]
Retries = Annotated[int, typer.Option(min=0, help="Retries of a row after a temporary error.")]
Patience = Annotated[float, typer.Option(min=0, help="Seconds to wait for a server that is unreachable.")]
Ordered = Annotated[bool, typer.Option("--ordered", help="Keep the order of the rows.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Send rows again that failed in earlier runs.")]
Column = Annotated[str | None, typer.Option(help="Field or column of the question. Default: question, prompt, …")]
InputFormat = Annotated[
    Literal["text", "jsonl", "csv", "parquet"] | None,
    typer.Option(help="Format of the rows. Default: by the extension."),
]
OutputFormat = Annotated[
    Literal["jsonl", "csv", "parquet"] | None, typer.Option(help="Format of the results. Default: by the extension.")
]
Form = Annotated[Literal["rows", "openai"], typer.Option(help='"openai" writes lines of OpenAI\'s batch results.')]
Ray = Annotated[
    str | None, typer.Option(metavar="[ADDRESS]", help="Run on Ray: on this machine, or on the cluster at the address.")
]
Workers = Annotated[int, typer.Option(min=1, help="Actors on Ray.")]

_MAX_REASON = 120
_ADDRESS = re.compile(r"auto|local|(ray://)?[\w.-]+:\d+")
_OPTIONS = {
    "model": "--model",
    "model_name": "--model",
    "base_url": "the URL",
    "openai_api_base": "the URL",
    "api_key": "--api-key",
    "openai_api_key": "--api-key",
    "server": "--server",
    "timeout": "--timeout",
    "request_timeout": "--timeout",
    "max_retries": "--retries",
}
"""Fields that have their own option."""


class BatchCommand(TyperCommand):
    """The command, whose `--ray` takes an optional address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the local cluster when no address follows `--ray`."""
        for at, word in enumerate(args):
            following = args[at + 1] if at + 1 < len(args) else ""
            if word == "--ray" and not _ADDRESS.fullmatch(following):
                args = [*args[: at + 1], "local", *args[at + 1 :]]
                break
        return super().parse_args(ctx, args)


def batch(  # noqa: PLR0913  # the options of a command
    source: Source = "-",
    url: Url = None,
    *,
    output: Output = "-",
    model: Model = None,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 600.0,
    thinking: Thinking = None,
    budget: Budget = None,
    system: System = None,
    schema: Schema = None,
    sampling: Sampling = None,
    settings: Settings = None,
    concurrency: Concurrency = "auto",
    retries: Retries = 4,
    patience: Patience = 600.0,
    ordered: Ordered = False,
    retry_failed: RetryFailed = False,
    column: Column = None,
    input_format: InputFormat = None,
    output_format: OutputFormat = None,
    form: Form = "rows",
    ray: Ray = None,
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Process a file of rows: an answer or a failure for each. After a kill, the same command continues the run.

    A row is a text, {"question": …}, {"messages": […]} or a line of OpenAI's batch.

    Exit status: 0, 1 when rows failed, 2 when the batch could not run or stopped by itself, 130 after Ctrl-C.
    """
    from langchain_qwen3.batch import BatchOptions
    from langchain_qwen3.batch.sources import check_source
    from langchain_qwen3.cli.connect import showing_errors
    from langchain_qwen3.cli.console import Console, write_json

    console = Console(stderr=True)
    more = "" if "-" in (source, output) else ": run the same command again to resume"  # a pipe keeps no progress
    with showing_errors(console=console, stopped=f"stopped{more}"):
        kwargs: dict[str, Any] = {
            "options": BatchOptions(
                concurrency=read_concurrency(concurrency),
                retries=retries,
                patience=patience,
                system=system,
                schema=read_schema(schema),
                use_row_model=not model,
            ),
            "input_format": input_format,
            "output_format": output_format,
            "form": form,
            "column": column,
            "ordered": ordered,
            "retry_failed": retry_failed,
        }
        check_source(source, input_format, output)
        fields = {"enable_thinking": thinking, "thinking_budget": budget, "sampling": sampling}
        llm = build_llm(Target(url, model, api_key, server, timeout), fields, settings or [], console)
        with shown_progress(console, source, input_format) as kwargs["on_result"]:
            summary = run(llm, source, output, ray, workers, kwargs)
    if as_json and output != "-":
        write_json(summary.to_dict())
    else:
        console.print(build_table(summary))
    if summary.failed:
        raise typer.Exit(FAILED)


def build_llm(target: Target, fields: dict[str, Any], settings: list[str], console: Console) -> ChatQwen3:
    """Return the model of the options, with the fields that `--set` names.

    Raises:
        ValueError: There is no such field, or its value is invalid.
    """
    from langchain_qwen3.cli.connect import connect, read_text

    values = read_settings(settings)
    try:
        return connect(target, console, **fields | values)[0]
    except (TypeError, ValueError) as error:
        text = read_text(error)
        if isinstance(error, TypeError) or text.startswith(tuple(values)):
            raise ValueError(f"--set: {text}") from error
        raise


def read_concurrency(text: str) -> int | None:
    """Return the number of requests in flight, None for `auto`.

    Raises:
        ValueError: The text is neither `auto` nor a number from 1 on.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f'--concurrency: {text!r} is neither "auto" nor a number ≥ 1')
    return int(text)


def read_schema(path: Path | None) -> dict[str, Any] | None:
    """Return the JSON schema in a file.

    Raises:
        ValueError: The file holds no JSON object.
        OSError: The file cannot be read.
    """
    import json

    if path is None:
        return None
    try:
        schema = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--schema: {path} is not valid JSON: {error}") from error
    if not isinstance(schema, dict):
        text = f'--schema: {path} is not an object such as {{"type": "object", "properties": …}}'
        raise ValueError(text)  # noqa: TRY004
    return schema


def read_settings(words: list[str]) -> dict[str, Any]:
    """Return the model's fields that `--set` sets.

    Raises:
        ValueError: A setting is not `name=value`, or has an option of its own.
    """
    import json

    fields: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"--set: {word!r} is not name=value, such as top_p=0.9")
        if name in _OPTIONS:
            raise ValueError(f"--set: {name} has its own option: {_OPTIONS[name]}")
        try:
            fields[name] = json.loads(text)
        except ValueError:
            fields[name] = text
    return fields


def run(  # noqa: PLR0913, PLR0917  # the options of the command
    llm: ChatQwen3, source: str, output: str, ray: str | None, workers: int, kwargs: dict[str, Any]
) -> Summary:
    """Run the batch, in this process or on Ray."""
    if ray is None:
        from langchain_qwen3.batch import run_batch

        return run_batch(llm, source, output, **kwargs)
    from langchain_qwen3.batch.on_ray import run_on_ray

    return run_on_ray(llm, source, output, address=ray, workers=workers, **kwargs)


@contextmanager
def shown_progress(console: Console, source: str, input_format: Any) -> Iterator[Any]:
    """Show a bar in a terminal (rows, failures, tokens/s, time left), and give the function that updates it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from langchain_qwen3.batch import count_rows

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed  {task.fields[speed]:,.0f} tokens/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        total = count_rows(source, input_format) if console.is_terminal else None
        task = progress.add_task("rows", total=total, failed=0, speed=0.0)

        def show(_: Result, summary: Summary) -> None:
            progress.update(task, completed=summary.rows, failed=summary.failed, speed=summary.tokens_per_second)

        yield show


def build_table(summary: Summary) -> Table:
    """Return the counts as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim")
    table.add_column()
    rows = f"{summary.rows:,}, {summary.answered:,} answered, {summary.failed:,} failed"
    table.add_row("rows", Text(rows, style="bold"))
    if summary.truncated:
        table.add_row("truncated", f"{summary.truncated:,} answers cut by a token limit or filter (see finish_reason)")
    if summary.empty:
        table.add_row("empty", f"{summary.empty:,} answers with neither text nor a call, such as thinking alone")
    for name, number in summary.failures.most_common():
        reason = " ".join(summary.reasons.get(name, "").split())
        shown = reason if len(reason) <= _MAX_REASON else f"{reason[:_MAX_REASON]}…"
        table.add_row(
            "", Text(f"{number:,} × {name}, such as: {shown}" if shown else f"{number:,} × {name}", style="red")
        )
    reasoning = f", {summary.reasoning_tokens:,} of them reasoning" if summary.reasoning_tokens else ""
    table.add_row("tokens", f"{summary.input_tokens:,} in, {summary.output_tokens:,} out{reasoning}")
    slowest = ", ".join(f"{row_id} ({seconds:.1f} s)" for seconds, row_id in summary.slowest)
    table.add_row("slowest", Text(slowest or "–"))
    speed = f"{summary.tokens_per_second:,.0f} tokens/s"
    in_flight = f", {summary.concurrency} in flight" if summary.concurrency else ""
    rows = "1 row" if summary.new_rows == 1 else f"{summary.new_rows:,} rows"
    table.add_row("this run", f"{rows} in {summary.seconds:,.1f} s, {speed}{in_flight}")
    return table
