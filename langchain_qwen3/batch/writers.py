"""The formats of an output: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import io
from typing import IO, TYPE_CHECKING, Any

from langchain_qwen3.batch.as_json import dump

if TYPE_CHECKING:
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
}
"""Columns of a table of results. Tool calls, parsed answers and content in parts are JSON text."""
_ROWS = 1000


def build_writer(stream: IO[bytes], file_format: Format, form: Form) -> Writer:
    """Return the writer of a format.

    Raises:
        ImportError: Parquet needs pyarrow.
    """
    if file_format == "parquet":
        return _ParquetWriter(stream)
    if file_format == "csv":
        return _CsvWriter(stream)
    return _JsonWriter(stream, form)


class _JsonWriter:
    def __init__(self, stream: IO[bytes], form: Form) -> None:
        self._stream, self._form = stream, form

    def write(self, result: Result) -> None:
        self._stream.write(result.to_json(self._form))

    def close(self) -> None:
        pass


class _CsvWriter:
    def __init__(self, stream: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(stream, "utf-8", "surrogatepass", newline="", write_through=True)
        self._table = csv.DictWriter(self._text, COLUMNS)
        self._table.writeheader()

    def write(self, result: Result) -> None:
        self._table.writerow(_flatten(result))

    def close(self) -> None:
        self._text.detach()


class _ParquetWriter:
    def __init__(self, stream: IO[bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
        self._file = pq.ParquetWriter(stream, self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, result: Result) -> None:
        self._rows.append(_flatten(result))
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._file.close()


Writer = _JsonWriter | _CsvWriter | _ParquetWriter
"""Writes one result after another; `close` completes the stream, which stays open."""


def _flatten(result: Result) -> dict[str, Any]:
    """Return a result as the cells of a table."""
    usage, error = result.usage or {}, result.error or {}
    return {
        "id": result.id,
        "line": result.line,
        "content": _write_cell(result.content),
        "reasoning": result.reasoning,
        "tool_calls": _write_cell(result.tool_calls or None),
        "parsed": _write_cell(result.parsed),
        "finish_reason": result.finish_reason,
        "model": result.model,
        **{name: usage.get(name) for name in ("input_tokens", "output_tokens", "reasoning_tokens")},
        "seconds": result.seconds,
        "tries": result.tries,
        **{f"error_{name}": error.get(name) for name in ("class", "message", "advice")},
    }


def _write_cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else dump(value).decode()
