"""Server-sent events, sans-IO: bytes in, parsed JSON events out.

Contract: `feed` takes any split of the byte stream, returns the events completed by it and keeps the rest; the work is
linear in bytes. `close` returns what an ended stream left unterminated. Neither reads, waits or decides whether the
stream was complete. Lines end with LF, CRLF or CR; comments and unknown fields are passed over, as the standard says.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from jiter import from_json

MAX_EVENT_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_PASSED_OVER = (b":", b"event:", b"id:", b"retry:")
_FIELDS = (b"data:", b"error:", *_PASSED_OVER)


class BadEventError(ValueError):
    """An event that is no JSON, or larger than the limit.

    Attributes:
        raw: The start of the event's bytes.
    """

    def __init__(self, message: str, raw: bytes) -> None:
        super().__init__(message)
        self.raw = raw[:2000]


class SseReader:
    """Reads one `text/event-stream` body.

    Args:
        max_event_bytes: Largest event, or body that is no event stream, that is held in memory, in bytes.

    Attributes:
        done: True once `[DONE]` was read; what follows it is ignored.
        failure: Why reading stopped: an event is no JSON, or larger than the limit. The events before it were returned.
        stray: Lines before the first event that are of no event stream: an HTML page, a plain JSON reply.
    """

    __slots__ = (
        "_after_cr",
        "_begun",
        "_data",
        "_held",
        "_max",
        "_pieces",
        "_start",
        "_stray_size",
        "done",
        "failure",
        "stray",
    )

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.done = False
        self.failure: BadEventError | None = None
        self.stray: list[bytes] = []
        self._stray_size = 0
        self._pieces: list[bytes] = []  # of the unfinished line
        self._data: list[bytes] = []  # data lines of the unfinished event
        self._held = 0  # bytes in both
        self._max = max_event_bytes
        self._after_cr = False
        self._start = True
        self._begun = False

    def feed(self, data: bytes) -> list[Any]:
        """Take the next bytes and return the events they complete, those before a failure included."""
        if self._after_cr or b"\r" in data:
            data = self._normalize(data)
        arrived = len(data)
        if b"\n" not in data:
            if data:
                self._pieces.append(data)
                self._hold(self._held + arrived)
            return []
        if self._pieces:
            self._pieces.append(data)
            data = b"".join(self._pieces)
        lines = data.split(b"\n")
        rest = lines.pop()
        self._pieces = [rest] if rest else []
        events: list[Any] = []
        try:
            self._read_lines(lines, events)
        except BadEventError as error:
            self.failure = error
        if not self._data:
            self._hold(len(rest))
        elif b"" in lines:  # the unfinished event began in these bytes
            self._hold(sum(map(len, self._data)) + len(rest))
        else:
            self._hold(self._held + arrived)
        return events

    def close(self) -> list[Any]:
        """Return the event that the end of the stream left without its blank line."""
        rest = b"".join(self._pieces)
        self._pieces = []
        cut = any(name.startswith(rest) for name in _FIELDS)
        events: list[Any] = []
        with suppress(BadEventError):  # half an event: the stream was cut inside it
            self._read_lines([b""] if cut else [rest, b""], events)
        return events

    def _read_lines(self, lines: list[bytes], events: list[Any]) -> None:
        if self._start:
            self._start = False
            lines[0] = lines[0].removeprefix(_BOM)
        pending = self._data
        for line in lines:
            if line.startswith(b"data:"):
                pending.append(line[5:])
            elif not line:
                if pending:
                    self._dispatch(events)
            elif not line.startswith(_PASSED_OVER):
                self._take_odd_line(line)

    def _dispatch(self, events: list[Any]) -> None:
        pending = self._data
        body = (pending[0] if len(pending) == 1 else b"\n".join(pending)).strip()
        pending.clear()
        if self.done or not body:
            return
        self._begun = True
        if body == b"[DONE]":
            self.done = True
        elif len(body) > self._max:
            raise self._build_too_large(body)
        else:
            events.append(_parse(body))

    def _take_odd_line(self, line: bytes) -> None:
        if line.startswith(b"error:"):  # older llama-server names its error events by the field
            self._data.append(line[6:])
        elif not self._begun:
            self.stray.append(line)
            self._stray_size += len(line)
            if self._stray_size > self._max:
                raise self._build_too_large(self.stray[0])

    def _normalize(self, data: bytes) -> bytes:
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        self._after_cr = self._after_cr or data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, size: int) -> None:
        self._held = size
        if size > self._max:
            self.failure = self._build_too_large(b"".join([*self._data, *self._pieces]))

    def _build_too_large(self, raw: bytes) -> BadEventError:
        return BadEventError(f"an event is larger than {self._max} bytes", raw)


def _parse(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        message = f"an event is no JSON ({error})"
        raise BadEventError(message, body) from None
