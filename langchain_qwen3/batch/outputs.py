"""Outputs for results: a journal that stays valid when the run is killed, or a pipe.

The journal is a file of JSON lines; each line is appended in one write when its row is done. An output of JSON lines
is its own journal. At the end of a run, the results are sorted or converted to a table in a separate file, which then
replaces the output atomically. So both files are complete at any time.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from langchain_qwen3.batch.results import Form, Result, read_result
from langchain_qwen3.batch.summary import Summary
from langchain_qwen3.batch.writers import open_writer

try:
    import fcntl
except ImportError:  # Windows has no fcntl; there a second run is not prevented
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from langchain_qwen3.batch.rows import Row
    from langchain_qwen3.batch.sources import Format

JOURNAL = ".journal.jsonl"
"""Suffix of the journal's name, if the output is not a file of JSON lines."""
_FIRST_BYTES = b'{"id":"'
_MOST_HELD = 1024


class OutputError(ValueError):
    """The output cannot be written or continued."""


class Journal:
    """An output file, including the results of earlier runs; a context manager.

    Args:
        path: The output.
        file_format: Format of the output.
        form: Form of the JSON lines.
        ordered: Sort the results into the input's order at the end.
        retry_failed: Drop failed rows first, so that they are open again.

    Attributes:
        summary: Counts of all results in it.

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
            raise OutputError(f"{path} is there, but not its journal {self._journal.name}: choose another output")
        self._checks = array("I")  # by line; 0 for a line without a result
        self._stream = self._lock(self._journal.open("ab"))
        try:
            self._read(retry_failed=retry_failed)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._finish()
        finally:
            self._stream.close()

    def is_open(self, row: Row) -> bool:
        """Return whether a row has no result yet.

        Raises:
            OutputError: There is a result for this line, but of a different row.
        """
        done = self._get_check(row.line)
        if done and done != row.check:
            raise OutputError(
                f"line {row.line} (id {row.id}) of the input is not what {self._path} has a result of: the input has "
                "changed. Take another output; a failed row that was mended is asked again with --retry-failed."
            )
        return not done

    def write(self, result: Result) -> None:
        """Append a result."""
        self._stream.write(result.to_json(self._form))
        self._stream.flush()  # now the operating system has it, so killing the process loses nothing
        self._mark(result)
        self.summary.add(result)

    def _get_check(self, line: int) -> int:
        return self._checks[line] if line < len(self._checks) else 0

    def _mark(self, result: Result) -> None:
        if missing := max(0, result.line + 1 - len(self._checks)):
            self._checks.extend(array("I", bytes(4 * max(missing, len(self._checks)))))
        self._checks[result.line] = result.check

    def _lock(self, stream: IO[bytes]) -> IO[bytes]:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.close()
                raise OutputError(f"another run is writing to {self._path}") from None
        return stream

    def _read(self, *, retry_failed: bool) -> None:
        """Load the results of earlier runs; drop incomplete lines, duplicate results and results to retry.

        Raises:
            OutputError: No line in the file was written by a batch.
        """
        end, dropped, torn, is_ours = 0, False, b"", False
        for raw, result in self._scan():
            if not raw.endswith(b"\n"):
                torn = raw
                break
            end += len(raw)
            is_ours |= result is not None
            dropped |= not self._take_in(result, retry_failed=retry_failed)
        if not is_ours and (dropped or not torn.startswith(_FIRST_BYTES[: len(torn)])):
            raise OutputError(f"{self._journal} holds something else than results of a batch: choose another output")
        if torn:
            self._stream.truncate(end)
        if dropped:
            self._rewrite(retry_failed=retry_failed)

    def _take_in(self, result: Result | None, *, retry_failed: bool) -> bool:
        """Count a result of an earlier run; return whether it is kept."""
        if result is None or (retry_failed and result.error) or self._get_check(result.line):
            return False
        self._mark(result)
        self.summary.add(result, is_new=False)
        return True

    def _scan(self) -> Iterator[tuple[bytes, Result | None]]:
        """Yield every line, with its result if the line is complete."""
        with self._journal.open("rb") as stream:
            for raw in stream:
                try:
                    yield raw, read_result(raw) if raw.endswith(b"\n") else None
                except ValueError:
                    yield raw, None

    def _rewrite(self, *, retry_failed: bool) -> None:
        """Rewrite the journal without the dropped lines."""
        self._checks, self.summary = array("I"), Summary()
        with _replacing(self._journal) as stream:
            for raw, result in self._scan():
                if self._take_in(result, retry_failed=retry_failed):
                    stream.write(raw)
        self._stream.close()
        self._stream = self._lock(self._journal.open("ab"))

    def _finish(self) -> None:
        """Write the results in the output's format, in the input's order."""
        if self._format == "jsonl" and not self._ordered:
            return
        places = array("Q", bytes(8 * len(self._checks)))  # by line: offset of its result plus one; 0 for none
        at, is_sorted, last = 0, True, 0
        for raw, result in self._scan():
            if result is not None:
                places[result.line] = at + 1
                is_sorted, last = is_sorted and result.line > last, result.line
            at += len(raw)
        if self._format == "jsonl" and is_sorted:
            return
        with (
            self._journal.open("rb") as source,
            _replacing(self._path) as stream,
            open_writer(stream, self._format, self._form) as writer,
        ):
            for place in places:
                if place:
                    source.seek(place - 1)
                    writer.write(read_result(source.readline()))


class Pipe:
    """An output to a pipe or terminal, which cannot be continued by a later run.

    Args:
        stream: The binary stream; None for the standard output.
        file_format: Format of the output.
        form: Form of the JSON lines.
        ordered: Keep the input's order; results wait for earlier ones.

    Attributes:
        summary: Counts of all results.
    """

    def __init__(
        self, stream: IO[bytes] | None, file_format: Format, form: Form = "rows", *, ordered: bool = False
    ) -> None:
        self.summary = Summary()
        self._stream = stream or sys.stdout.buffer
        self._places: list[int] | None = [] if ordered else None  # lines of open rows, in order
        self._waiting: dict[int, Result] = {}
        self._context = open_writer(self._stream, file_format, form)

    def __enter__(self) -> Self:
        self._writer = self._context.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for line in sorted(self._waiting):  # left over if the run was stopped
            self._writer.write(self._waiting[line])
        self._context.__exit__(None, None, None)
        self._stream.flush()

    @property
    def is_full(self) -> bool:
        """Whether too many results wait for an earlier one, so that no further row may be sent."""
        return len(self._waiting) >= _MOST_HELD

    def is_open(self, row: Row) -> bool:
        """Note a row's place in the order; return True, because a pipe has no earlier results."""
        if self._places is not None:
            self._places.append(row.line)
        return True

    def write(self, result: Result) -> None:
        """Write a result, or hold it until its turn."""
        self.summary.add(result)
        if self._places is None:
            self._writer.write(result)
        else:
            self._waiting[result.line] = result
            while self._places and self._places[0] in self._waiting:
                self._writer.write(self._waiting.pop(self._places.pop(0)))
        self._stream.flush()


Output = Journal | Pipe


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a temporary file that atomically replaces another once it is complete."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
