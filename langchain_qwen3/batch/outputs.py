"""Where results are written: a journal that survives a kill, or a pipe.

The journal is a file of JSON lines. Each line is appended in one write when its row is done. An output of JSON lines
is its own journal. When a run ends, the rows are sorted or written as a table, in a new file that then replaces the
output in one step. So the output is valid at every moment.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from langchain_qwen3.batch.as_json import load
from langchain_qwen3.batch.results import Form, Result, read_result
from langchain_qwen3.batch.summary import Summary
from langchain_qwen3.batch.writers import open_writer

try:
    import fcntl
except ImportError:  # Windows has none: there, a second run at the same output is not refused
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from langchain_qwen3.batch.rows import Row
    from langchain_qwen3.batch.sources import Format

JOURNAL = ".journal.jsonl"
"""Suffix of the journal beside an output that is no file of JSON lines."""
_FIRST_BYTES = b'{"id":"'
_MAX_WAITING = 1024
_REPLACES_OPEN_FILES = os.name != "nt"  # Windows refuses: https://docs.python.org/3/library/os.html#os.remove


class OutputError(ValueError):
    """The output cannot be continued."""


class Journal:
    """An output file, with the results of earlier runs; a context manager.

    For the arguments see `open_output`.

    Attributes:
        summary: The counts of all its results.

    Raises:
        OutputError: Another run writes to it, or it is not the output of a batch.
        OSError: It cannot be written.
    """

    is_full = False

    def __init__(
        self, path: Path, file_format: Format, form: Form = "rows", *, ordered: bool = False, retry_failed: bool = False
    ) -> None:
        self.summary = Summary()
        self._path, self._format, self._form = path, file_format, form
        self._ordered = ordered
        self._journal = path if file_format == "jsonl" else path.with_name(path.name + JOURNAL)
        if self._journal != path and path.exists() and not self._journal.exists():
            raise OutputError(f"{path} exists, but its journal {self._journal.name} does not: choose another output")
        self._checks = array("I")  # checksums by line; 0 for a line without a result
        self._stream = self._open()
        try:
            self._read(retry_failed=retry_failed)
        except BaseException:
            self._stream.close()
            raise
        self._has_place = self._is_in_place(self._stream)  # False where a network's file system numbers files anew

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _naming(self._journal), self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._check_place()
            self._finish()

    def is_open(self, row: Row) -> bool:
        """Return whether a row has no result yet.

        Raises:
            OutputError: The line has a result, but its text has changed since.
        """
        check = self._get_check(row.line)
        if check and check != row.check:
            raise OutputError(
                f"line {row.line} (id {row.id}) of the input does not match its result in {self._path}. Choose "
                "another output; with --retry-failed, a corrected row is sent again."
            )
        return not check

    def write(self, result: Result) -> None:
        """Append a result.

        Raises:
            OutputError: The file is gone: what is written into it would be lost.
            OSError: It cannot be written.
        """
        with _naming(self._journal):
            self._stream.write(result.to_json(self._form))
            self._stream.flush()  # the system has it now; a kill of this process loses nothing
        self._check_place()
        self._mark(result)
        self.summary.add(result)

    def _check_place(self) -> None:
        if self._has_place and not self._is_in_place(self._stream):
            raise OutputError(
                f"{self._journal} was moved, deleted or replaced while this run wrote to it. Move it back, or run the "
                "same command again: what is not in the file is then processed again."
            )

    def _is_in_place(self, stream: IO[bytes]) -> bool:
        """Return whether the open file is the one that its name leads to."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(stream.fileno()), self._journal.stat())
        return False

    def _get_check(self, line: int) -> int:
        return self._checks[line] if line < len(self._checks) else 0

    def _mark(self, result: Result) -> None:
        if missing := max(0, result.line + 1 - len(self._checks)):
            self._checks.extend(array("I", bytes(4 * max(missing, len(self._checks)))))
        self._checks[result.line] = result.check

    def _open(self) -> IO[bytes]:
        """Open the journal and lock it. The system drops the lock when the process ends, however it ends.

        Raises:
            OutputError: Another run writes to it.
        """
        while True:
            stream = self._journal.open("ab")
            try:
                if fcntl is not None:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.close()
                raise OutputError(f"another run is writing to {self._path}") from None
            except OSError:
                return stream  # a file system without locks
            if self._is_in_place(stream):
                return stream
            stream.close()  # since it was opened, another run has ended, and put a new file in its place

    def _read(self, *, retry_failed: bool) -> None:
        """Read the results of earlier runs; drop a torn line, a row's second result, and failures to retry.

        Raises:
            OutputError: No line of the file is a result of a batch.
        """
        end, dropped, torn, is_ours = 0, False, b"", False
        for raw, result in self._scan():
            is_ours |= result is not None
            if not raw.endswith(b"\n"):
                torn = raw
                break
            end += len(raw)
            dropped |= not self._add(result, retry_failed=retry_failed)
        if not is_ours and (dropped or not _is_torn_result(torn)):
            raise OutputError(f"{self._journal} does not contain batch results: choose another output")
        if torn:
            self._stream.truncate(end)
        if dropped:
            self._rewrite(retry_failed=retry_failed)

    def _add(self, result: Result | None, *, retry_failed: bool) -> bool:
        """Count a result of an earlier run; return whether it stays."""
        if result is None or (retry_failed and result.error) or self._get_check(result.line):
            return False
        self._mark(result)
        self.summary.add(result, is_new=False)
        return True

    def _scan(self) -> Iterator[tuple[bytes, Result | None]]:
        """Give every line, with its result if it has one."""
        with self._journal.open("rb") as stream:
            for raw in stream:
                try:
                    yield raw, read_result(raw)
                except ValueError:
                    yield raw, None

    def _rewrite(self, *, retry_failed: bool) -> None:
        """Write the journal anew, without the dropped lines."""
        self._checks, self.summary = array("I"), Summary()
        with _replacing(self._journal, self._stream) as stream:
            for raw, result in self._scan():
                if self._add(result, retry_failed=retry_failed):
                    stream.write(raw)
        self._stream.close()
        self._stream = self._open()

    def _finish(self) -> None:
        """Write the results in the format of the output, sorted by line."""
        if self._format == "jsonl" and not self._ordered:
            return
        places = array("Q", bytes(8 * len(self._checks)))  # by line: 1 + the offset of its result
        at, is_sorted, last = 0, True, 0
        for raw, result in self._scan():
            if result is not None:
                places[result.line] = at + 1
                is_sorted, last = is_sorted and result.line > last, result.line
            at += len(raw)
        if self._format == "jsonl" and is_sorted:
            return
        with (
            _replacing(self._path, self._stream) as stream,
            self._journal.open("rb") as source,
            open_writer(stream, self._format, self._form) as write,
        ):
            for place in places:
                if place:
                    source.seek(place - 1)
                    line = source.readline()
                    if self._format == "jsonl":
                        stream.write(line)
                    else:
                        write(read_result(line))


class Pipe:
    """A pipe or terminal as the output; a run into it cannot be continued.

    The target is the pipe or its path, None for the standard output; for the other arguments see `open_output`. Where
    the order is kept, a result waits for those before it.

    Attributes:
        summary: The counts of all results.
    """

    def __init__(
        self, target: Path | IO[bytes] | None, file_format: Format, form: Form = "rows", *, ordered: bool = False
    ) -> None:
        self.summary = Summary()
        self._target = target
        self._stream = target.open("wb") if isinstance(target, Path) else target or sys.stdout.buffer
        try:
            self._stream.write(b"")
        except (AttributeError, TypeError):
            raise TypeError('output must be a path or a binary stream, such as open("answers.jsonl", "wb")') from None
        self._order: list[int] | None = [] if ordered else None  # lines of rows without a written result
        self._waiting: dict[int, Result] = {}
        self._format, self._form = file_format, form
        self._writer = ExitStack()

    def __enter__(self) -> Self:
        self._write = self._writer.enter_context(open_writer(self._stream, self._format, self._form))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with self._writer:
                for line in sorted(self._waiting):  # left when a run is stopped
                    self._write(self._waiting[line])
            self._stream.flush()
        finally:
            if isinstance(self._target, Path):
                self._stream.close()

    @property
    def is_full(self) -> bool:
        """Whether so many results wait for an earlier one that no further row may start."""
        return len(self._waiting) >= _MAX_WAITING

    def is_open(self, row: Row) -> bool:
        """Note a row; none has a result yet."""
        if self._order is not None:
            self._order.append(row.line)
        return True

    def write(self, result: Result) -> None:
        """Write a result, at once or when its turn comes."""
        self.summary.add(result)
        if self._order is None:
            self._write(result)
        else:
            self._waiting[result.line] = result
            while self._order and self._order[0] in self._waiting:
                self._write(self._waiting.pop(self._order.pop(0)))
        self._stream.flush()


Output = Journal | Pipe


def _is_torn_result(line: bytes) -> bool:
    """Tell whether a last line without its end can be a result that a kill broke off, and no file of a user's."""
    try:
        load(line)
    except ValueError:
        return line.startswith(_FIRST_BYTES[: len(line)])
    return False


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in an error: of a full disk, Python does not say where it is."""
    try:
        yield
    except OSError as error:
        if error.strerror:  # otherwise its text would give way to the name
            error.filename = error.filename or str(path)
        raise


@contextmanager
def _replacing(path: Path, journal: IO[bytes]) -> Iterator[IO[bytes]]:
    """Write a file that replaces another in one step when it is complete; a link to it stays.

    The journal, whose lock keeps other runs away, stays open where the system can replace an open file.
    """
    path = path.resolve()
    part = path.with_name(f"{path.name}.part")
    try:
        with _naming(part), part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if not _REPLACES_OPEN_FILES:
            journal.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
