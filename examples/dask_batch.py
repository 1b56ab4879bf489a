"""Process a file of rows with Dask. A run can be stopped at any time; the next one continues it.

    python examples/dask_batch.py questions.jsonl answers.jsonl --workers 2 --in-flight 32

Rows, results and journal are those of `langchain-qwen3 batch`, so either can continue a run of the other.

Needs `pip install "dask[distributed]"`. Server, model and key come from `$QWEN_BASE_URL`, `$QWEN_MODEL` and
`$QWEN_API_KEY`; the key reaches the workers inside the model and is written nowhere.
"""

import argparse
import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dask.distributed import Client, LocalCluster, as_completed, get_worker

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch import BatchOptions, Requester, Result, Row, open_output, read_rows


def main() -> None:
    """Send the open rows to the workers, and write their results."""
    args = parse_arguments()
    llm = ChatQwen3(enable_thinking=args.thinking, max_tokens=args.max_tokens)
    requester = Requester(llm, BatchOptions(concurrency=args.in_flight))
    local: dict[str, Any] = {"n_workers": args.workers, "dashboard_address": None, "host": "127.0.0.1"}
    with (
        open_output(args.answers, retry_failed=args.retry_failed) as out,
        Client(args.address) if args.address else Client(LocalCluster(threads_per_worker=2, **local)) as client,
    ):
        open_rows = (row for row in read_rows(args.questions) if out.is_open(row))
        for results in process_all(client, requester, open_rows, args.block):
            for result in results:
                out.write(result)
        summary = out.summary
        print(f"{summary.new_rows} rows processed; in all {summary.answered} answered, {summary.failed} failed")
        if not args.address:
            client.cluster.close()


def process_all(client: Client, requester: Requester, rows: Iterator[Row], size: int) -> Iterator[list[Result]]:
    """Give results block by block; only as many blocks are sent as keep the workers busy."""
    blocks = iter(lambda: list(islice(rows, size)), [])
    in_flight = 4 * len(client.scheduler_info()["workers"])
    running = as_completed(
        [client.submit(process, block, requester, pure=False) for block in islice(blocks, in_flight)]
    )
    for done in running:
        yield done.result()
        if block := next(blocks, None):
            running.add(client.submit(process, block, requester, pure=False))


async def process(block: list[Row], requester: Requester) -> list[Result]:
    """Process a block on the worker's loop. All blocks share the worker's model, its limit and its connections."""
    worker = get_worker()
    if not hasattr(worker, "requester"):
        worker.requester = requester
    return list(await asyncio.gather(*map(worker.requester.process, block)))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Process a file of rows with Dask.")
    parser.add_argument("questions", help="rows as `langchain-qwen3 batch` takes them")
    parser.add_argument("answers", help=".jsonl, .csv or .parquet")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument(
        "--in-flight", type=int, default=None, help="requests in flight per worker; default: search for the best number"
    )
    parser.add_argument(
        "--block", type=int, default=32, help="rows per block; a block is sent again when its worker dies"
    )
    parser.add_argument("--max-tokens", type=int, default=None, help="token limit of each answer")
    parser.add_argument("--thinking", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--retry-failed", action="store_true", help="process rows again that failed")
    parser.add_argument("--address", default=None, help="Dask scheduler; default: a cluster on this machine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
