"""Reads rows from files, pipes and iterables: plain text, JSON lines, CSV and Parquet, one row at a time."""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal

import orjson

from langchain_qwen3.batch.rows import QUESTIONS, Row, RowError, build_row

Format = Literal["text", "jsonl", "csv", "parquet"]
"""The format of a file."""
Source = str | Path | IO[bytes] | Iterable[Any]
"""A path, `-` for the standard input, a binary stream, or rows in memory."""

_FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
_BATCH = 1024
_BOM = b"\xef\xbb\xbf"


def find_format(path: Path) -> Format | None:
    """Return the format that an extension stands for, None for an unknown one."""
    return _FORMATS.get(path.suffix.lower())


def is_pipe(source: Source) -> bool:
    """Tell whether reading the source may wait for another program."""
    return hasattr(source, "read") or source == "-" or (isinstance(source, str | Path) and not Path(source).is_file())


def check_source(source: Source, file_format: Format | None = None) -> None:
    """Check that a source can be read, before an output is made for it.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: Parquet needs pyarrow.
    """
    if not isinstance(source, str | Path):
        return
    if source != "-" and not Path(source).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    if (file_format or find_format(Path(source))) == "parquet":
        import_parquet()


def import_parquet() -> Any:
    """Return the module `pyarrow.parquet`.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError('Parquet needs the extra "batch": pip install "langchain-qwen3-chat[batch]"') from error
    return pq


def read_rows(source: Source, file_format: Format | None = None, column: str | None = None) -> Iterator[Row]:
    """Give the rows of a source. An invalid row has its problem, and does not end the reading.

    Args:
        source: What to read.
        file_format: Its format; None takes it from the extension, else from the first line.
        column: Field or column of the question; None takes the first of `QUESTIONS`.

    Raises:
        OSError: The source cannot be read.
        ImportError: Parquet needs pyarrow.
    """
    if not isinstance(source, str | Path) and not hasattr(source, "read"):
        for number, value in enumerate(source, 1):
            yield build_row(number, value, column=column)
        return
    with _open(source) as stream:
        lines: Any = stream
        chosen = file_format or (find_format(Path(source)) if isinstance(source, str | Path) else None)
        if chosen is None:
            first = stream.readline()
            lines = chain([first], stream)
            chosen = _guess_format(first.removeprefix(_BOM).strip())
        yield from _READERS[chosen](lines, column)


def _guess_format(first: bytes) -> Format:
    """Return the format of an input by its first line.

    Raises:
        ValueError: It is a single JSON document over many lines.
    """
    if first in {b"[", b"{"}:
        raise ValueError("the input is one JSON document, not a line of JSON per row: jq -c '.[]' splits it into lines")
    return "jsonl" if first.startswith((b"{", b"[{")) else "text"


@contextmanager
def _open(source: Any) -> Iterator[IO[bytes]]:
    if hasattr(source, "read") or source == "-":
        yield sys.stdin.buffer if source == "-" else source
    else:
        with Path(source).open("rb") as stream:
            yield stream


def _read_lines(lines: Iterable[bytes], column: str | None, *, is_json: bool) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        raw = (line.removeprefix(_BOM) if number == 1 else line).strip()
        if not raw:
            continue
        try:
            value = orjson.loads(raw) if is_json else raw.decode()
        except orjson.JSONDecodeError as error:
            value = RowError(f"invalid JSON ({error.msg} at character {error.pos + 1})")
        except UnicodeDecodeError as error:
            value = RowError(f"invalid UTF-8 ({error.reason} at byte {error.start})")
        yield build_row(number, value, raw=raw, column=column)


def _read_text(lines: Iterable[bytes], column: str | None) -> Iterator[Row]:
    return _read_lines(lines, column, is_json=False)


def _read_jsonl(lines: Iterable[bytes], column: str | None) -> Iterator[Row]:
    return _read_lines(lines, column, is_json=True)


def _read_csv(stream: Iterable[bytes], column: str | None) -> Iterator[Row]:
    """Read a table with a header. A single column holds the questions, whatever its name."""
    if csv.field_size_limit() < sys.maxsize:
        csv.field_size_limit(2**31 - 1)  # a question may be long; a C int is the largest limit on every system
    # Invalid UTF-8 must fail its own row only.
    texts = (line.decode("utf-8" if at else "utf-8-sig", "surrogateescape") for at, line in enumerate(stream))
    reader = csv.reader(texts, strict=True)
    header = next(reader, [])
    names = set(header)
    only = header[0] if len(header) == 1 and names.isdisjoint(QUESTIONS) else None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield build_row(line, RowError(f"invalid CSV ({error})"), raw=b"csv", column=column)
            continue
        if cells:
            raw = "\x1f".join(cells).encode("utf-8", "surrogateescape")
            yield build_row(line, _read_cells(header, cells, raw), raw=raw, column=column or only)


def _read_cells(header: list[str], cells: list[str], raw: bytes) -> Any:
    if len(cells) != len(header):
        return RowError(f"{len(cells)} cells for {len(header)} columns")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return RowError(f"invalid UTF-8 ({error.reason})")
    value: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    for name in ("messages", "body", "settings", "tools"):  # JSON in a cell
        if name in value:
            try:
                value[name] = orjson.loads(value[name])
            except orjson.JSONDecodeError as error:
                return RowError(f"{name} is not valid JSON ({error})")
    return value


def _read_parquet(stream: IO[bytes], column: str | None) -> Iterator[Row]:
    pq = import_parquet()
    if not stream.seekable():  # the index is at the end
        stream = io.BytesIO(stream.read())
    number = 0
    for batch in pq.ParquetFile(stream).iter_batches(_BATCH):
        for value in batch.to_pylist():
            number += 1
            yield build_row(number, {name: cell for name, cell in value.items() if cell is not None}, column=column)


_READERS: dict[Format, Any] = {
    "text": _read_text,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": _read_parquet,
}


def count_rows(source: Source, file_format: Format | None = None) -> int | None:
    """Return the approximate number of rows, for a progress bar; None for a pipe."""
    if not isinstance(source, str | Path):
        return len(source) if isinstance(source, Sized) else None
    if is_pipe(source):
        return None
    path = Path(source)
    if (file_format or find_format(path)) == "parquet":
        return int(import_parquet().ParquetFile(path).metadata.num_rows)
    with path.open("rb") as stream:
        lines = sum(1 for line in stream if not line.isspace())
    return lines - 1 if (file_format or find_format(path)) == "csv" else lines
