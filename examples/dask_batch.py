"""Answer a file of rows with Dask; it can be ended and started again at any time.

    python examples/dask_batch.py questions.jsonl answers.jsonl --workers 2 --in-flight 32

Rows, results and journal are those of `langchain-qwen3 batch`, so either can go on with what the other began.

Needs `pip install "dask[distributed]"`. The server is that of `$QWEN_BASE_URL`, `$QWEN_MODEL` and `$QWEN_API_KEY`; the
key reaches the workers inside the model and is written nowhere.
"""

import argparse
import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dask.distributed import Client, LocalCluster, as_completed, get_worker

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch import Asker, Asking, Result, Row, open_output, read_rows


def main() -> None:
    """Give the rows that are still open to the workers, and write what comes."""
    args = parse_arguments()
    llm = ChatQwen3(enable_thinking=args.thinking, max_tokens=args.max_tokens)
    asker = Asker(llm, Asking(concurrency=args.in_flight))
    local: dict[str, Any] = {"n_workers": args.workers, "dashboard_address": None, "host": "127.0.0.1"}
    with (
        open_output(args.answers, retry_failed=args.retry_failed) as out,
        Client(args.address) if args.address else Client(LocalCluster(threads_per_worker=2, **local)) as client,
    ):
        open_rows = (row for row in read_rows(args.questions) if out.is_open(row))
        for results in ask_all(client, asker, open_rows, args.block):
            for result in results:
                out.write(result)
        print(f"{out.summary.asked} rows asked, {out.summary.answered} answered, {out.summary.failed} failed")
        if not args.address:
            client.cluster.close()


def ask_all(client: Client, asker: Asker, rows: Iterator[Row], size: int) -> Iterator[list[Result]]:
    """Give results block by block; no more blocks are on the way than keep the workers busy."""
    blocks = iter(lambda: list(islice(rows, size)), [])
    most = 4 * len(client.scheduler_info()["workers"])
    running = as_completed([client.submit(ask, block, asker, pure=False) for block in islice(blocks, most)])
    for done in running:
        yield done.result()
        if block := next(blocks, None):
            running.add(client.submit(ask, block, asker, pure=False))


async def ask(block: list[Row], asker: Asker) -> list[Result]:
    """Ask a block on the worker's loop, with the worker's one model and so its one limit and connections."""
    worker = get_worker()
    if not hasattr(worker, "asker"):
        worker.asker = asker
    return list(await asyncio.gather(*map(worker.asker.ask, block)))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Answer a file of rows with Dask.")
    parser.add_argument("questions", help="rows as `langchain-qwen3 batch` takes them")
    parser.add_argument("answers", help=".jsonl, .csv or .parquet")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--in-flight", type=int, default=None, help="requests in flight per worker; found if left out")
    parser.add_argument("--block", type=int, default=32, help="rows per block, which is what a lost worker costs")
    parser.add_argument("--max-tokens", type=int, default=None, help="limit of each answer")
    parser.add_argument("--thinking", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--retry-failed", action="store_true", help="ask rows again that failed")
    parser.add_argument("--address", default=None, help="of a Dask scheduler; without it a cluster on this machine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
