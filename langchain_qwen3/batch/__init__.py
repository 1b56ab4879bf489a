"""Batches: a file of rows in, a file of results out; a run that was killed can be resumed any number of times.

Example:
    ```python
    from langchain_qwen3.batch import run_batch

    summary = run_batch(llm, "questions.jsonl", "answers.jsonl")
    ```

Modules:
    rows      a row of the input, in every form that people write
    schema    checks the JSON schema of the answers
    sources   rows out of files, pipes and iterables
    requester from a row to its result: the call, its retries, an outage
    pace      how many requests are in flight
    runner    a batch from its rows to its results
    results   the answer to a row, or its failure
    outputs   the journal, or a pipe
    writers   JSON lines, CSV, Parquet
    summary   the counts of all rows
    as_json   JSON of whatever a row or a reply holds
    on_ray    the same on a cluster
"""

from langchain_qwen3.batch.outputs import OutputError
from langchain_qwen3.batch.requester import BatchOptions, BatchStoppedError, Requester
from langchain_qwen3.batch.results import Result
from langchain_qwen3.batch.rows import Row, RowError
from langchain_qwen3.batch.runner import arun_batch, open_output, run_batch
from langchain_qwen3.batch.sources import count_rows, read_rows
from langchain_qwen3.batch.summary import Summary

__all__ = [
    "BatchOptions",
    "BatchStoppedError",
    "OutputError",
    "Requester",
    "Result",
    "Row",
    "RowError",
    "Summary",
    "arun_batch",
    "count_rows",
    "open_output",
    "read_rows",
    "run_batch",
]
