"""The formats of an output: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from langchain_qwen3.batch.as_json import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_qwen3.batch.results import Form, Result
    from langchain_qwen3.batch.sources import Format

COLUMNS: dict[str, str] = {
    "id": "string",
    "line": "int64",
    "content": "string",
    "reasoning": "string",
    "tool_calls": "string",
    "parsed": "string",
    "finish_reason": "string",
    "model": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "reasoning_tokens": "int64",
    "seconds": "float64",
    "tries": "int64",
    "error_class": "string",
    "error_message": "string",
    "error_advice": "string",
    "error_status": "int64",
}
"""Columns of a table of results. Tool calls, parsed answers and content in parts are JSON text."""
_ROWS = 1000


@contextmanager
def open_writer(stream: IO[bytes], file_format: Format, form: Form) -> Iterator[Callable[[Result], object]]:
    """Give a function that writes one result. On exit the file is complete; the stream stays open.

    Raises:
        ImportError: Parquet needs pyarrow.
    """
    if file_format == "parquet":
        with _open_parquet(stream) as write:
            yield write
    elif file_format == "csv":
        text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        try:
            table = csv.DictWriter(text, COLUMNS)
            table.writeheader()
            yield lambda result: table.writerow(_flatten(result))
        finally:
            text.detach()
    else:
        yield lambda result: stream.write(result.to_json(form))


@contextmanager
def _open_parquet(stream: IO[bytes]) -> Iterator[Callable[[Result], object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
    rows: list[dict[str, Any]] = []

    def write(result: Result) -> None:
        rows.append(_flatten(result))
        if len(rows) >= _ROWS:
            flush()

    def flush() -> None:
        file.write_table(pa.Table.from_pylist(rows, schema=schema))
        rows.clear()

    with pq.ParquetWriter(stream, schema) as file:
        try:
            yield write
        finally:
            if rows:
                flush()


def _flatten(result: Result) -> dict[str, Any]:
    """Return a result as the cells of a table: JSON is what a column of text cannot hold otherwise."""
    usage, error = result.usage or {}, result.error or {}
    row = {**result.to_row(), **usage, **{f"error_{name}": value for name, value in error.items()}}
    row["tool_calls"] = result.tool_calls or None
    cells = {name: row.get(name) for name in COLUMNS}
    return {name: _write_cell(cell) if COLUMNS[name] == "string" else cell for name, cell in cells.items()}


def _write_cell(value: Any) -> str | None:
    if isinstance(value, str):  # as `dump` does, for no file in UTF-8 holds a surrogate
        return value.encode("utf-8", "replace").decode()
    return value if value is None else dump(value).decode()
