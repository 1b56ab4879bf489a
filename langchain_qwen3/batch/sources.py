"""Reads rows from files, pipes and iterables: plain text, JSON lines, CSV and Parquet, one row at a time."""

from __future__ import annotations

import codecs
import csv
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal, get_args

from langchain_qwen3.batch.as_json import load
from langchain_qwen3.batch.rows import QUESTIONS, Row, RowError, build_row
from langchain_qwen3.call import name_type

Format = Literal["text", "jsonl", "csv", "parquet"]
"""The format of a file."""
Source = str | Path | IO[bytes] | Iterable[Any]
"""A path, `-` for the standard input, a binary stream, or rows in memory."""

_FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",  # is told to be saved with commas
    ".parquet": "parquet",
}
_BATCH = 1024
_BOM = codecs.BOM_UTF8
_BRACKETS = (b"[", b"{")
_BEGINNINGS = (*_BRACKETS, b'["', b"[[", b"[{", b'{"')
# The first bytes of files that hold no lines of text; parts of them would be read as questions.
_NO_TEXT: dict[bytes, str] = {
    b"\x1f\x8b": "gzip: use zcat",
    b"BZh91AY": "bzip2: use bzcat",
    b"\x28\xb5\x2f\xfd": "Zstandard: use zstdcat",
    b"\xfd7zXZ": "xz: use xzcat",
    b"PK\x03\x04": "a workbook or a zip archive: save the sheet as CSV in UTF-8, or unpack it",
    b"\xd0\xcf\x11\xe0": "an old workbook: save the sheet as CSV in UTF-8",
    b"PAR1\x15": "Parquet: give it a name that ends in .parquet, or set the input format",
}
_SAVE_AS_UTF8 = "save the file as UTF-8, or use iconv -f GBK -t UTF-8 if it is in GBK, as Excel saves CSV in China"
_NO_END = "unexpected end of data"  # the text of the module csv
_SHOWN = 20  # names of columns in an error
_FOREIGN_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE begins as UTF-16-LE does


def find_format(path: Path) -> Format | None:
    """Return the format that an extension stands for, None for an unknown one."""
    return _FORMATS.get(path.suffix.lower())


def is_pipe(source: Source) -> bool:
    """Tell whether reading the source may wait for another program."""
    if not isinstance(source, str | Path):
        return hasattr(source, "read")
    return source == "-" or not Path(source).is_file()


def check_choice(name: str, value: str | None, form: Any) -> None:
    """Check the value of an argument whose type is a `Literal`.

    Raises:
        ValueError: It is not one of them.
    """
    if value is not None and value not in get_args(form):
        raise ValueError(f"{name} must be one of {', '.join(get_args(form))}, not {value!r}")


def check_source(source: Source, file_format: Format | None = None, output: Any = None) -> None:
    """Check that a source can be read, before an output is made for it.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: Parquet needs pyarrow.
        TypeError: It holds no rows.
        ValueError: There is no such format, or the output is the source.
    """
    check_choice("input_format", file_format, Format)
    if not isinstance(source, str | Path):
        is_table = hasattr(source, "columns")  # of pandas, whose iterator gives the names of the columns
        if is_table or isinstance(source, Mapping | bytes | bytearray) or not isinstance(source, Iterable):
            raise TypeError(
                f"source is {name_type(source)}: pass a path, a binary stream or a list of rows, which of a "
                'DataFrame is df.to_dict("records"), of one of Polars df.to_dicts()'
            )
        return
    if source != "-" and not Path(source).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    if source != "-" and isinstance(output, str | Path) and Path(output).exists() and Path(source).samefile(output):
        raise ValueError(f"the output {output} is the input: choose another output")
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
        chosen = file_format or (find_format(Path(source)) if isinstance(source, str | Path) else None)
        if chosen == "parquet":
            yield from _read_parquet(stream, column)
            return
        head = [stream.readline()]
        _check_encoding(head[0])
        text = head[0].removeprefix(_BOM).strip()
        while chosen is None and head[-1] and not text:  # a blank line tells nothing
            head.append(stream.readline())
            text = head[-1].strip()
        yield from _READERS[chosen or _guess_format(text)](chain(head, stream) if head[0] else [], column)


def _check_encoding(first: bytes | str) -> None:
    """Check the first line: in UTF-16 or compressed, parts of a file would look like lines of UTF-8.

    Raises:
        TypeError: The stream is one of text.
        ValueError: The input is in UTF-16 or UTF-32, or no text.
    """
    if isinstance(first, str):
        raise TypeError('source is a stream of text: open it in binary mode, such as open("questions.jsonl", "rb")')
    if kind := next((kind for start, kind in _NO_TEXT.items() if first.startswith(start)), None):
        raise ValueError(f"the input is {kind}")
    if first.startswith(_FOREIGN_BOMS) or b"\0" in first:
        raise ValueError("the input is UTF-16, UTF-32 or no text: save it as UTF-8, or use iconv -f UTF-16 -t UTF-8")


def _guess_format(first: bytes) -> Format:
    """Return the format of an input by its first line that is not blank.

    Raises:
        ValueError: It is a single JSON document, on one line or over many.
    """
    try:
        value = load(first)
    except ValueError:  # also a broken line of JSON, which is to fail alone
        is_open = first.endswith(_BRACKETS) or (first.startswith(b"[") and first.endswith(b","))
        is_document = is_open and first[:1] + first[1:].lstrip()[:1] in _BEGINNINGS
        is_json = first.startswith((b"{", b"[{"))
    else:
        is_document = isinstance(value, list) and not any(isinstance(item, dict) and "role" in item for item in value)
        is_json = isinstance(value, dict | list | str)  # a number may be a question
    if is_document:
        raise ValueError("the input is one JSON document, not a line of JSON per row: jq -c '.[]' splits it into lines")
    return "jsonl" if is_json else "text"


def _open(source: Any) -> AbstractContextManager[IO[bytes]]:
    if hasattr(source, "read") or source == "-":
        return nullcontext(_open_stdin() if source == "-" else source)
    return Path(source).open("rb")


def _open_stdin() -> IO[bytes]:
    # A stream of our own: at its exit, Python aborts if another thread is reading `sys.stdin`, which it closes
    # (https://github.com/python/cpython/issues/86883).
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # replaced by a stream in memory
        return sys.stdin.buffer


def _read_lines(lines: Iterable[bytes], column: str | None, *, is_json: bool) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        raw = (line.removeprefix(_BOM) if number == 1 else line).strip()
        if not raw:
            continue
        try:
            value = load(raw) if is_json else raw.decode()
        except UnicodeDecodeError as error:
            value = RowError(f"invalid UTF-8 ({error.reason} at byte {error.start}): {_SAVE_AS_UTF8}")
        except ValueError as error:
            is_utf8 = raw.decode(errors="ignore").encode() == raw
            value = RowError(f"invalid JSON ({error})" + ("" if is_utf8 else f": {_SAVE_AS_UTF8}"))
        yield build_row(number, value, raw=raw, column=column)


def _read_csv(stream: Iterable[bytes], column: str | None) -> Iterator[Row]:
    """Read a table with a header. A single column holds the questions, whatever its name."""
    if csv.field_size_limit() < sys.maxsize:
        csv.field_size_limit(2**31 - 1)  # a question may be long; a C int is the largest limit on every system
    # Invalid UTF-8 must fail its own row only.
    texts = (line.decode("utf-8" if at else "utf-8-sig", "surrogateescape") for at, line in enumerate(stream))
    reader = csv.reader(texts, strict=True)
    header = _read_header(reader)
    column = column or (header[0] if len(header) == 1 and header[0] not in QUESTIONS else None)
    _check_columns(header, column)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Without its end, a cell takes all that follows: the row fails for the whole rest of the file.
            end = ": a quotation mark here has no end, so all lines below belong to its cell" * (str(error) == _NO_END)
            yield build_row(line, RowError(f"invalid CSV ({error}){end}"), raw=b"csv", column=column)
            continue
        if cells:
            raw = "\x1f".join(cells).encode("utf-8", "surrogateescape")
            yield build_row(line, _read_cells(header, cells, raw), raw=raw, column=column)


def _read_header(reader: Iterator[list[str]]) -> list[str]:
    """Return the names of the columns, from the first line that is not blank.

    Raises:
        ValueError: It is no line of CSV with commas, in UTF-8.
    """
    try:
        header = next(filter(None, reader), [])
    except csv.Error as error:
        raise ValueError(f"the header is invalid CSV ({error})") from error
    if len(header) == 1 and (other := next((mark for mark in ";\t" if mark in header[0]), None)):
        raise ValueError(f"the columns {header[0]!r} are separated by {other!r}: save the table with commas")
    if any("\ud800" <= character <= "\udfff" for name in header for character in name):
        raise ValueError(f"the header is not UTF-8: {_SAVE_AS_UTF8}")
    return header


def _check_columns(names: list[str], column: str | None) -> None:
    """Check that a table has a column for the question: without one, every row would fail.

    Raises:
        ValueError: It has none.
    """
    wanted = (column,) if column else (*QUESTIONS, "messages")
    if names and not {*wanted, "body"} & {*names}:
        found = f"no column {' or '.join(wanted)} among the columns {', '.join(names[:_SHOWN])}"
        raise ValueError(f"{found}: name it with --column (in Python column=)")


def _read_cells(header: list[str], cells: list[str], raw: bytes) -> Any:
    if len(cells) != len(header):
        return RowError(f"{len(cells)} cells for {len(header)} columns")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return RowError(f"invalid UTF-8 ({error.reason}): {_SAVE_AS_UTF8}")
    return _read_json_cells({name: cell for name, cell in zip(header, cells, strict=True) if cell})


def _read_json_cells(value: dict[str, Any]) -> Any:
    """Return a row of a table with its cells of JSON read."""
    for name in ("messages", "body", "settings", "tools"):
        if isinstance(value.get(name), str):
            try:
                value[name] = load(value[name])
            except ValueError as error:
                return RowError(f"{name} is not valid JSON ({error})")
    return value


def _read_parquet(stream: IO[bytes], column: str | None) -> Iterator[Row]:
    pq = import_parquet()
    if not stream.seekable():  # the index is at the end
        stream = io.BytesIO(stream.read())
    table = pq.ParquetFile(stream)
    _check_columns(table.schema_arrow.names, column)
    values = chain.from_iterable(batch.to_pylist() for batch in table.iter_batches(_BATCH))
    for number, value in enumerate(values, 1):
        yield build_row(number, _read_json_cells(_drop_missing(value)), column=column)


def _drop_missing(cell: Any) -> Any:
    """Return a cell without missing fields: each struct of a column has the fields of all, as null."""
    if isinstance(cell, dict):
        return {name: _drop_missing(inner) for name, inner in cell.items() if inner is not None}
    return [*map(_drop_missing, cell)] if isinstance(cell, list) else cell


_READERS: dict[Format, Any] = {
    "text": partial(_read_lines, is_json=False),
    "jsonl": partial(_read_lines, is_json=True),
    "csv": _read_csv,
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
