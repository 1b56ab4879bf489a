"""Runs a batch on Ray Data: actors on any number of machines send the rows; a lost actor costs only its blocks of rows.

Rows are read and results written where the command runs, so the files are the same, and the machines of the cluster
need no access to them. Ray keeps the blocks in its object store and spills to disk. It restarts an actor that died,
and gives its blocks to other actors.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

from langchain_qwen3.batch.asking import Asker, Asking, BatchStoppedError
from langchain_qwen3.batch.results import read_result
from langchain_qwen3.batch.rows import Row
from langchain_qwen3.batch.runner import OnResult, find_most, open_output
from langchain_qwen3.batch.sources import read_rows

if TYPE_CHECKING:
    from langchain_qwen3.batch.results import Form
    from langchain_qwen3.batch.sources import Format, Source
    from langchain_qwen3.batch.summary import Summary
    from langchain_qwen3.chat_model import ChatQwen3

LOCAL = "local"
"""Address of a temporary cluster on this machine, for the duration of the run."""
BLOCK = 32
"""Rows in a block: they are sent again if their actor dies."""


def run_on_ray(  # noqa: PLR0913  # all options of a batch
    llm: ChatQwen3,
    source: Source,
    output: str | Path | IO[bytes],
    *,
    address: str = LOCAL,
    workers: int = 2,
    asking: Asking | None = None,
    input_format: Format | None = None,
    output_format: Format | None = None,
    form: Form = "rows",
    column: str | None = None,
    ordered: bool = False,
    retry_failed: bool = False,
    on_result: OnResult | None = None,
) -> Summary:
    """Run a batch like `arun_batch`, with actors on a Ray cluster; needs `pip install "ray[data]"`.

    Args:
        llm: The model; it is sent to the actors together with its API key.
        source: As for `arun_batch`.
        output: As for `arun_batch`.
        address: `local`, `auto`, or an address for `ray.init`.
        workers: Number of actors; each finds its own concurrency.
        asking: As for `arun_batch`, for each actor.
        input_format: As for `arun_batch`.
        output_format: As for `arun_batch`.
        form: As for `arun_batch`.
        column: As for `arun_batch`.
        ordered: As for `arun_batch`.
        retry_failed: As for `arun_batch`.
        on_result: As for `arun_batch`.

    Raises:
        ImportError: Ray Data is not installed.
        BatchStoppedError: As for `arun_batch`.
        OutputError: As for `arun_batch`.
    """
    ray = _import_ray()
    with open_output(output, output_format, form, ordered=ordered, retry_failed=retry_failed) as out:
        started_at = perf_counter()
        is_local = address == LOCAL
        try:
            ray.init(
                address=None if is_local else address,
                num_cpus=workers + 1 if is_local else None,  # workers wait for the server and need almost no CPU
                include_dashboard=False if is_local else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray raises plain Exception
            raise RuntimeError(f"Ray does not start, or cannot be reached at {address}: {error}") from error
        try:
            rows = (row for row in read_rows(source, input_format, column) if out.is_open(row))
            for line in _ask_all(ray, rows, (llm, asking or Asking(), find_most()), workers):
                result = read_result(line)
                out.write(result)
                if on_result is not None:
                    out.summary.seconds = perf_counter() - started_at
                    on_result(result, out.summary)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, BatchStoppedError):
                raise error.cause from None
            raise
        finally:
            out.summary.seconds = perf_counter() - started_at
            ray.shutdown()
    return out.summary


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # must be set before ray is imported
    try:
        import ray.data
    except ImportError as error:
        raise ImportError('a batch on Ray needs Ray Data: pip install "ray[data]"') from error
    return ray


def _ask_all(ray: Any, rows: Iterator[Row], parts: tuple[Any, ...], workers: int) -> Iterator[bytes]:
    """Yield the results as lines, block by block, in order of completion."""
    import pyarrow as pa

    blocks = []
    while block := [row.to_bytes() for row in islice(rows, BLOCK)]:
        blocks.append(ray.put(pa.table({"row": pa.array(block, pa.binary())})))
    if not blocks:
        return
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    answered = ray.data.from_arrow_refs(blocks).map_batches(
        _Worker,
        fn_constructor_args=parts,
        batch_format="pyarrow",
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=0.5,
    )
    for batch in answered.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from batch["result"].to_pylist()


class _Worker:
    """One actor, with its own connections and its own concurrency."""

    def __init__(self, llm: ChatQwen3, asking: Asking, most: int) -> None:
        self._asker = Asker(llm, asking, most)

    async def __call__(self, batch: Any) -> AsyncIterator[Any]:
        """Send a block; Ray runs several on the actor's event loop, so no block waits for another's slowest row."""
        import pyarrow as pa

        rows = [Row.from_bytes(data) for data in batch["row"].to_pylist()]
        results = await asyncio.gather(*(self._asker.ask(row) for row in rows))
        yield pa.table({"result": pa.array([result.to_json() for result in results], pa.binary())})
