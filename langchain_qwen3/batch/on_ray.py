"""A batch on Ray Data: actors on any number of machines send the rows; a lost actor costs its blocks of rows.

Rows are read, and results written, on the machine where the command runs: the files are those of a run without Ray, and
no other machine needs to see them. Ray restarts an actor that died, and gives its blocks to others.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_qwen3.batch.requester import BatchOptions, BatchStoppedError, Requester
from langchain_qwen3.batch.results import read_result
from langchain_qwen3.batch.rows import Row
from langchain_qwen3.batch.runner import OnResult, open_output
from langchain_qwen3.batch.sources import check_source, read_rows

if TYPE_CHECKING:
    from langchain_qwen3.batch.sources import Format, Source
    from langchain_qwen3.batch.summary import Summary
    from langchain_qwen3.chat_model import ChatQwen3

LOCAL = "local"
"""The address of a cluster on this machine, which lasts as long as the run."""
BLOCK = 32
"""Rows in a block; a block is sent again when its actor dies."""
_BLOCKS_PER_WORKER = 512
"""Blocks that Ray gets at once, for each worker: memory stays flat, and actors start anew once in many minutes."""
_CONNECT_SECONDS = 10.0


def run_on_ray(  # noqa: PLR0913  # the options of a batch, and two of its own
    llm: ChatQwen3,
    source: Source,
    output: str | Path | IO[bytes],
    *,
    address: str = LOCAL,
    workers: int = 2,
    options: BatchOptions | None = None,
    input_format: Format | None = None,
    output_format: Format | None = None,
    column: str | None = None,
    on_result: OnResult | None = None,
    **output_options: Any,
) -> Summary:
    """Run a batch like `arun_batch`, with actors on a Ray cluster; needs `pip install "ray[data]"`.

    Each of the `workers` actors gets the model with its key, sends rows as `options` say, and searches for its own
    concurrency. The `address` is `local`, `auto`, or one that `ray.init` takes. All else is as in `arun_batch`.

    Raises:
        ImportError: Ray Data is not installed.
        RuntimeError: Ray does not start, or cannot be reached.
        BatchStoppedError: See `arun_batch`.
        OutputError: See `arun_batch`.
    """
    check_source(source, input_format, output)
    args = (llm, options or BatchOptions())
    Requester(*args)  # refuses options here, not in every actor
    with open_output(output, output_format, **output_options) as out:
        started_at = perf_counter()
        rows = (row for row in read_rows(source, input_format, column) if out.is_open(row))
        with _running(address, workers) as ray:
            for line in _process_all(ray, rows, args, workers):
                result = read_result(line)
                out.write(result)
                out.summary.seconds = perf_counter() - started_at
                if on_result is not None:
                    on_result(result, out.summary)
    return out.summary


@contextmanager
def _running(address: str, workers: int) -> Iterator[Any]:
    """Give the `ray` package, connected to a cluster for the time of the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is imported
    try:
        import ray.data
    except ImportError as error:
        raise ImportError('a batch on Ray needs Ray Data: pip install "ray[data]"') from error
    is_local = address == LOCAL
    try:
        _check_reachable(address)
        ray.init(
            address=None if is_local else address,
            num_cpus=workers + 1 if is_local else None,  # workers wait for the server, and need next to no CPU
            include_dashboard=False if is_local else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises no narrower class
        raise RuntimeError(f"Ray cannot be started, or cannot be reached at {address}: {error}") from error
    try:
        yield ray
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, BatchStoppedError):
            raise error.cause from None
        raise
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Connect to a cluster's address once: Ray itself tries, and prints, for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is not None:
        socket.create_connection((place.hostname or "", place.port), timeout=_CONNECT_SECONDS).close()


def _process_all(ray: Any, rows: Iterator[Row], args: tuple[Any, ...], workers: int) -> Iterator[bytes]:
    """Give the results as lines, in the order in which their blocks are done."""
    import pyarrow as pa

    ray.data.DataContext.get_current().enable_progress_bars = False
    blocks = iter(lambda: [ray.cloudpickle.dumps(row) for row in islice(rows, BLOCK)], [])
    tables = (ray.put(pa.table({"row": pa.array(block, pa.binary())})) for block in blocks)
    while refs := list(islice(tables, workers * _BLOCKS_PER_WORKER)):
        results = ray.data.from_arrow_refs(refs).map_batches(
            _Worker,
            fn_constructor_args=args,
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=0.5,
        )
        for batch in results.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from batch["result"].to_pylist()


class _Worker:
    """One actor, with connections and a pace of its own."""

    def __init__(self, llm: ChatQwen3, options: BatchOptions) -> None:
        self._requester = Requester(llm, options)

    async def __call__(self, batch: Any) -> AsyncIterator[Any]:
        """Process a block. Ray runs several on the actor's loop, so no block waits for a slow row of another."""
        import pyarrow as pa

        rows: list[Row] = [pickle.loads(data) for data in batch["row"].to_pylist()]  # noqa: S301  # our own
        results = await asyncio.gather(*(self._requester.process(row) for row in rows))
        yield pa.table({"result": pa.array([result.to_json() for result in results], pa.binary())})
