"""Answer a file of prompts on a running engine with Dask; it can be ended and started again at any time.

    python examples/dask_batch.py prompts.parquet answers --workers 2 --in-flight 32

The same chain, rows and files as in `ray_batch.py`: the file (Parquet or JSON lines) has the columns `id` and `prompt`,
every row becomes a row of the Parquet files in `answers`, with an answer or with an error, and ids that are there
already are not asked again.

Needs `pip install "dask[distributed]" pyarrow`. The server is that of `$QWEN_BASE_URL`, `$QWEN_MODEL` and
`$QWEN_API_KEY`; the key reaches the workers in their settings and is written nowhere.
"""

import argparse
import os
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from dask.distributed import Client, LocalCluster, as_completed, get_worker
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate

from langchain_qwen3 import ChatQwen3

FIELDS = ("id", "answer", "reasoning", "finish_reason", "input_tokens", "output_tokens", "error")
SCHEMA = pa.schema([(name, pa.int64() if name.endswith("_tokens") else pa.string()) for name in FIELDS])
ENVIRONMENT = {"QWEN_BASE_URL": "base_url", "QWEN_MODEL": "model", "QWEN_API_KEY": "api_key"}


def main() -> None:
    """Read the rows that are still open, answer them and write what comes."""
    args = parse_arguments()
    rows = read_open_rows(args.prompts, args.answers, retry_errors=args.retry_errors)
    print(f"{rows.num_rows} rows to answer")
    if not rows.num_rows:
        return
    settings = {"max_concurrency": args.in_flight, "enable_thinking": args.thinking, "max_tokens": args.max_tokens}
    settings |= {field: os.environ[name] for name, field in ENVIRONMENT.items() if os.environ.get(name)}
    args.answers.mkdir(parents=True, exist_ok=True)
    if args.address:
        with Client(args.address) as client:
            answer_all(client, rows, args, settings)
        return
    with (
        LocalCluster(args.workers, threads_per_worker=2, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        answer_all(client, rows, args, settings)


def answer_all(client: Client, rows: pa.Table, args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Give the batches to the workers, and write each as it comes back."""
    starts = range(0, rows.num_rows, args.batch_size)
    batches = [rows.slice(start, args.batch_size).to_pylist() for start in starts]
    for _, answers in as_completed(client.map(answer, batches, settings=settings, pure=False), with_results=True):
        part = args.answers / f"{uuid.uuid4().hex}.part"
        pq.write_table(pa.Table.from_pylist(answers, schema=SCHEMA), part)
        part.rename(part.with_suffix(".parquet"))  # never half a file, whenever this ends


async def answer(batch: list[dict[str, Any]], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer a batch on the worker's loop, with the worker's one model and so its one limit and connections."""
    worker = get_worker()
    if not hasattr(worker, "chain"):
        worker.chain = ChatPromptTemplate.from_messages([("human", "{prompt}")]) | ChatQwen3(**settings)
    replies = await worker.chain.abatch([{"prompt": row["prompt"]} for row in batch], return_exceptions=True)
    return [write_row(row["id"], reply) for row, reply in zip(batch, replies, strict=True)]


def write_row(row_id: Any, reply: Any) -> dict[str, Any]:
    """Return the row of an answer, or of the error in its place."""
    if not isinstance(reply, AIMessage):
        return {"id": str(row_id), "error": f"{type(reply).__name__}: {reply}"}
    usage = reply.usage_metadata
    return {
        "id": str(row_id),
        "answer": reply.text,
        "reasoning": reply.additional_kwargs.get("reasoning_content"),
        "finish_reason": reply.response_metadata.get("finish_reason"),
        "input_tokens": usage and usage["input_tokens"],
        "output_tokens": usage and usage["output_tokens"],
    }


def read_open_rows(prompts: Path, answers: Path, *, retry_errors: bool) -> pa.Table:
    """Return the rows without an answer; those with an error are open only if it is to be tried again."""
    rows = ds.dataset(prompts, format="parquet" if prompts.suffix == ".parquet" else "json").to_table(["id", "prompt"])
    files = sorted(answers.glob("*.parquet"))
    if not files:
        return rows
    answered = ds.dataset(files, schema=SCHEMA)
    done = answered.to_table(["id"], filter=pc.field("error").is_null() if retry_errors else None)
    return rows.filter(pc.invert(pc.is_in(pc.cast(rows["id"], pa.string()), done["id"].combine_chunks())))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Answer a file of prompts with Dask.")
    parser.add_argument("prompts", type=Path, help="Parquet or JSON lines with the columns id and prompt")
    parser.add_argument("answers", type=Path, help="directory of the Parquet files with the answers")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--in-flight", type=int, default=32, help="requests in flight per worker")
    parser.add_argument("--batch-size", type=int, default=64, help="rows per batch, which is what a crash can cost")
    parser.add_argument("--max-tokens", type=int, default=None, help="limit of each answer")
    parser.add_argument("--thinking", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--retry-errors", action="store_true", help="ask rows again that ended in an error")
    parser.add_argument("--address", default=None, help="of a Dask scheduler; without it a cluster on this machine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
