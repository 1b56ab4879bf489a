"""Runs a batch, from its rows to its results, in one process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import aclosing
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

from langchain_qwen3.batch.outputs import Journal, Output, OutputError, Pipe
from langchain_qwen3.batch.requester import BatchOptions, BatchStoppedError, Requester
from langchain_qwen3.batch.results import Form
from langchain_qwen3.batch.sources import (
    Format,
    check_choice,
    check_source,
    find_format,
    import_parquet,
    is_pipe,
    read_rows,
)
from langchain_qwen3.call import check_type

if TYPE_CHECKING:
    from langchain_qwen3.batch.results import Result
    from langchain_qwen3.batch.rows import Row
    from langchain_qwen3.batch.sources import Source
    from langchain_qwen3.batch.summary import Summary
    from langchain_qwen3.chat_model import ChatQwen3

OnResult = Callable[["Result", "Summary"], None]
_OTHER_FORMATS = frozenset({".tsv", ".xlsx", ".xls", ".gz", ".bz2", ".xz", ".zst", ".zip"})
"""Extensions of formats that are not written: JSON lines under such a name cannot be opened."""
_MAX_WAITING = 100
"""Rows that may wait for their next try; the source is not read further meanwhile."""


def open_output(
    output: str | Path | IO[bytes],
    file_format: Format | None = None,
    form: Form = "rows",
    *,
    ordered: bool = False,
    retry_failed: bool = False,
) -> Output:
    """Return the place that results are written to; a context manager.

    Args:
        output: A path, `-` for the standard output, or a binary stream.
        file_format: The format to write; None takes it from the extension, else JSON lines.
        form: `openai` writes lines of OpenAI's batch results in place of our own.
        ordered: Keep the order of the input.
        retry_failed: Drop failed rows of earlier runs, so that they are processed again.

    Raises:
        OutputError: The output cannot be continued, or the options exclude each other.
        ImportError: Parquet needs pyarrow.
    """
    check_choice("output_format", file_format, Format)
    check_choice("form", form, Form)
    target = Path(output) if isinstance(output, str) and output != "-" else output
    path = target if isinstance(target, Path) else None
    if path is not None and file_format is None and path.suffix.lower() in _OTHER_FORMATS:
        raise OutputError(f"results are .jsonl, .csv or .parquet, not {path.suffix}: choose another output")
    chosen = file_format or (find_format(path) if path else None) or "jsonl"
    chosen = "jsonl" if chosen == "text" else chosen
    if chosen == "parquet":
        import_parquet()
    if form == "openai" and chosen != "jsonl":
        raise OutputError(f"OpenAI's results are lines of JSON, not {chosen}: name the output .jsonl")
    if path is not None and (path.is_file() or not path.exists()):
        return Journal(path, chosen, form, ordered=ordered, retry_failed=retry_failed)
    if retry_failed:
        raise OutputError("--retry-failed needs a file, not a pipe, as the output")
    return Pipe(None if isinstance(target, str) else target, chosen, form, ordered=ordered)


def run_batch(llm: ChatQwen3, source: Source, output: str | Path | IO[bytes], **kwargs: Any) -> Summary:
    """Do what `arun_batch` does, from code without an event loop.

    Raises:
        RuntimeError: An event loop runs, as in a notebook.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(arun_batch(llm, source, output, **kwargs))
    raise RuntimeError("an event loop runs, as in a notebook: write await arun_batch(...)")


async def arun_batch(  # noqa: PLR0913  # all options of a batch
    llm: ChatQwen3,
    source: Source,
    output: str | Path | IO[bytes],
    *,
    options: BatchOptions | None = None,
    input_format: Format | None = None,
    output_format: Format | None = None,
    form: Form = "rows",
    column: str | None = None,
    ordered: bool = False,
    retry_failed: bool = False,
    on_result: OnResult | None = None,
) -> Summary:
    """Send every row of a source to a model, and write a result for each. Rows with a result are skipped.

    Args:
        llm: The model.
        source: A path, `-` for the standard input, a binary stream, or texts, mappings and lists of messages in memory.
        output: A path, `-` for the standard output, or a binary stream.
        options: How rows are sent; None searches for the best concurrency, and retries a row four times.
        input_format: The format of the source; None takes it from the extension.
        output_format: The format of the output; None takes it from the extension.
        form: `openai` writes lines of OpenAI's batch results.
        column: Field or column of the question.
        ordered: Keep the order of the input.
        retry_failed: Process rows again that failed in earlier runs.
        on_result: Called with every result and the counts so far.

    Returns:
        The counts of the whole output, earlier runs included.

    Raises:
        TypeError: An argument is of another type.
        OutputError: The output cannot be continued.
        BatchStoppedError: The server stayed down, or refused every row. The output is whole; a new run continues it.
        OSError: A file cannot be read or written.
    """
    check_source(source, input_format, output)
    if not callable(on_result):
        check_type("on_result", on_result, type(None), "a function of a result and the counts, or None")
    rows = read_rows(source, input_format, column)
    requester = Requester(llm, options or BatchOptions())  # refuses options before any file
    with open_output(output, output_format, form, ordered=ordered, retry_failed=retry_failed) as out:
        try:
            async with aclosing(_read(rows, waits=is_pipe(source))) as stream:
                await _process_all(requester, stream, out, on_result)
        finally:
            out.summary.concurrency = requester.pace.limit
            await requester.aclose()
    return out.summary


async def _process_all(requester: Requester, rows: AsyncIterator[Row], out: Output, on_result: OnResult | None) -> None:
    """Process the open rows, as many at once as the pace allows."""
    started_at, running = perf_counter(), 0
    ended = asyncio.Event()

    async def process(row: Row) -> None:
        nonlocal running
        result = await requester.process(row)
        out.write(result)
        running -= 1
        ended.set()
        out.summary.seconds = perf_counter() - started_at
        if on_result is not None:
            on_result(result, out.summary)

    try:
        async with asyncio.TaskGroup() as tasks:
            async for row in rows:
                if not out.is_open(row):
                    continue
                while running >= 2 * requester.pace.limit + _MAX_WAITING or out.is_full:
                    ended.clear()
                    await ended.wait()
                running += 1
                tasks.create_task(process(row))
    except BaseExceptionGroup as group:
        stopped = group.subgroup(BatchStoppedError)  # says most; all have the same cause
        raise (stopped or group).exceptions[0] from None


async def _read(rows: Iterator[Row], *, waits: bool) -> AsyncGenerator[Row]:
    """Give the rows. A pipe is read in a thread, because a read may block."""
    if not waits:
        for row in rows:
            yield row
        return
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Any](1024)

    def put(item: Any) -> bool:
        waiting = queue.put(item)
        try:
            asyncio.run_coroutine_threadsafe(waiting, loop).result()
        except (CancelledError, RuntimeError):  # the run has ended, and its loop may be closed
            waiting.close()
            return False
        return True

    def read() -> None:
        try:
            if all(map(put, rows)):
                put(None)
        except BaseException as error:  # noqa: BLE001  # raised again below
            put(error)

    # A daemon: nothing interrupts a read of a silent pipe.
    threading.Thread(target=read, name="batch input", daemon=True).start()
    while (item := await queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
