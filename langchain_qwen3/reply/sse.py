"""Server-sent events, sans-IO: bytes in, parsed JSON events out.

Contract: `read` takes any split of the byte stream, returns the events it completes and keeps the rest; the work is
linear in bytes. `close` returns the unterminated event at the end of a stream. Neither reads, waits or decides whether
the stream was complete. Lines end with LF, CRLF or CR; comments and unknown fields are skipped, as the standard says,
but for the comment of an event that is named "error" and has no data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from jiter import from_json

from langchain_qwen3.reply.json_text import HalfJoiner, read_loose_json

MAX_EVENT_BYTES = 16 * 1024 * 1024

_LF, _CR = b"\n\r"  # as integers: finding bytes in bytes costs six times as much
_BOM = b"\xef\xbb\xbf"
_PASSED_OVER = (b":", b"id:", b"retry:")
_FIELDS = (b"data:", b"error:", b"event:", *_PASSED_OVER)
_FIELD = re.compile(rb"[\w-]{1,40}(?::|$)")  # an unknown field, in the standard's form
_ODD_DATA = re.compile(
    rb'error:|(?:\xef\xbb\xbf|[\s\x00])*+data[ \t]*+:(?=\s*+(?:\{\s*+".*\}|\[DONE\])\s*+$)', re.IGNORECASE
)
"""Data in older llama-server's field, or in another spelling; only JSON, for pages and tracebacks have such lines."""
_MAX_UNFRAMED = 20
_PINGS = frozenset({b"", b"ping", b"pong", b"heartbeat", b"keepalive", b"null", b"openrouterprocessing"})
"""The letters of heartbeats that gateways send as data, or as an event's name, instead of a comment."""
_MAX_PING = 40
_ERROR_TEXT = re.compile(rb"""[^\w{]{0,9}(?:error\b|\{\s*["']?error["']?\s*:\s*[^\sn])""", re.IGNORECASE)
"""How an error begins that is data in its own words (https://github.com/lucasjinreal/Crane/pull/121), or an object that
was cut; a chunk may begin with an error that is null."""
_MAX_BEHIND = 16  # objects at the end of a broken event that may be its error
_OBJECT_BEGIN = re.compile(r"(?:^|data:)\s*+(?=\{)", re.MULTILINE)
_NO_LETTER = re.compile(rb"[^a-z\x80-\xff]")


class BadEventError(ValueError):
    """An event that is not JSON, or larger than the limit.

    Attributes:
        raw: The start of the event's bytes.
    """

    def __init__(self, message: str, raw: bytes) -> None:
        super().__init__(message)
        self.raw = raw[:2000]


class SseReader:
    """Reads one `text/event-stream` body.

    Args:
        max_event_bytes: The largest event, or body that is not an event stream, held in memory, in bytes.

    Attributes:
        between: Whether the reader is between two events, with nothing held.
        done: Whether `[DONE]` was read; everything after it is ignored.
        failure: Why reading stopped: an event is not JSON or above the limit. The events before it were returned.
        stray: Lines before the first event that do not belong to an event stream: an HTML page, a plain JSON reply.
        unframed: Lines of text among the events that belong to none: an error in a gateway's own words.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.between = self.done = False
        self.failure: BadEventError | None = None
        self.stray: list[bytes] = []
        self.unframed: list[bytes] = []
        self._stray_size = 0
        self._pieces: list[bytes] = []  # of the unfinished line
        self._halves = HalfJoiner()
        self._data: list[bytes] = []  # data lines of the unfinished event
        self._said: list[bytes] | None = None  # comments of the unfinished event if its name is "error"
        self._held = 0  # bytes in both
        self._max = max_event_bytes
        self._after_cr = False
        self._start = True
        self._begun = False

    def read(self, data: bytes) -> Iterable[Any]:
        """Take the next bytes and return the events they complete, including those before a failure.

        Events are parsed on iteration; consume all of them before the next call.
        """
        if (
            self.between
            and data[:7] == b"data: {"
            and data.find(b"\n") == len(data) - 2 <= self._max
            and data[-1] == _LF
            and _CR not in data
        ):
            try:  # fast path: one complete event, the way engines send them
                event = from_json(data[6:])
            except ValueError:
                pass  # reported below
            else:
                self._begun = True
                return (event,)
        if self._after_cr or _CR in data:
            data = self._normalize(data)
        arrived = len(data)
        if _LF not in data:
            if data:
                self.between = False
                self._pieces.append(data)
                self._hold(self._held + arrived)
            return []
        if self._pieces:
            self._pieces.append(data)
            data = b"".join(self._pieces)
        lines = data.split(b"\n")
        rest = lines.pop()
        self._pieces = [rest] if rest else []
        if b"" in lines:  # everything after the last blank line belongs to an unfinished event
            unfinished = lines[len(lines) - lines[::-1].index(b"") :]
            self._hold(sum(map(len, unfinished)) + len(rest))
        else:
            self._hold(self._held + arrived)
        self.between = not (self._held or lines[-1] or self._after_cr)
        return self._read_lines(lines)

    def close(self) -> list[Any]:
        """Return the last event if the stream ended without its blank line."""
        rest = b"".join(self._pieces)
        self._pieces = []
        cut = any(name.startswith(rest) for name in _FIELDS)
        failure = self.failure
        events = [*self._read_lines([b""] if cut else [rest, b""])]
        self.failure = failure  # half an event is not a failure: the stream was cut inside it
        return events

    def _read_lines(self, lines: list[bytes]) -> Iterator[Any]:
        if self._start:
            self._start = False
            lines[0] = lines[0].removeprefix(_BOM)
        pending = self._data
        try:
            for line in lines:
                if line.startswith(b"data:"):
                    pending.append(line[5:])
                elif not line:
                    if self._said is not None:
                        self._end_error(pending)
                    if pending and (body := self._take_event(pending)):
                        yield from self._parse(body)
                elif self._said is not None or not line.startswith(_PASSED_OVER):
                    self._take_odd_line(line)
        except BadEventError as error:
            self._fail(error)
        except (ValueError, RecursionError) as error:
            self._fail(BadEventError(f"an event is not valid JSON ({error})", body))

    def _parse(self, body: bytes) -> Iterable[Any]:
        try:
            return (from_json(body),)
        except ValueError as error:
            try:
                values, done = _read_loosely(body)
            except ValueError:
                if _ERROR_TEXT.match(body):
                    return (from_json(_write_error(body)),)
                if behind := _find_error_behind(body):
                    return (behind,)
                raise error from None
        if done:
            self.done = True
            self.between = False
        return [self._halves.join(value) for value in values if value is not None]

    def _take_event(self, pending: list[bytes]) -> bytes:
        """Return the body of a complete event; empty if it has no content."""
        body = (pending[0] if len(pending) == 1 else b"\n".join(pending)).strip()
        pending.clear()
        word = _read_word(body)
        if self.done or body.startswith(b":") or word in _PINGS:
            return b""
        self._begun = True
        if word == b"done" and body[:1] != b"{":  # some gateways write "[DONE]" in quotes or in small letters
            self.done = True
            self.between = False
            return b""
        if len(body) > self._max:
            raise self._build_too_large(body)
        return body

    def _end_error(self, pending: list[bytes]) -> None:
        """Give an event that is named "error" its text as JSON: its data, or else its comments, heartbeats aside."""
        comments = [line[1:].strip() for line in self._said or () if line[:1] == b":"]
        said = [text for text in comments if _read_word(text) not in _PINGS]
        if text := b"\n".join(map(bytes.strip, pending or said)).strip():
            pending[:] = [text if text.startswith((b"{", b"[")) else _write_error(text)]
        self._said = None

    def _take_odd_line(self, line: bytes) -> None:
        if self._said is not None and line.startswith(_PASSED_OVER):
            self._said.append(line)
        elif line.startswith(b"event:"):
            if (name := _read_word(line[6:])) in _PINGS:
                self._data.append(b":")  # makes a comment of the event
            elif name == b"error":
                self._said = []  # Dynamo writes no data, but a comment (https://github.com/ai-dynamo/dynamo/pull/8430)
        elif field := _ODD_DATA.match(line):
            self._data.append(line[field.end() :])
        elif (self._begun and self._data) or ((self._begun or self._data) and line.lstrip().startswith((b"{", b"["))):
            self._data.append(line)  # an error that a gateway wrote into the stream without framing
        elif self._begun:
            if len(self.unframed) < _MAX_UNFRAMED and not _FIELD.match(line):
                self.unframed.append(line)
        else:
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
            self._fail(self._build_too_large(b"".join([*self._data, *self._pieces])))

    def _fail(self, failure: BadEventError) -> None:
        self.failure = failure
        self.between = False

    def _build_too_large(self, raw: bytes) -> BadEventError:
        return BadEventError(f"an event is larger than {self._max} bytes", raw)


def _read_loosely(body: bytes) -> tuple[list[Any], bool]:
    """Read several values from one event: where no blank lines are between events, many are read as one."""
    try:
        return read_loose_json(body)
    except ValueError:  # heartbeats may be among them
        lines = (line for line in body.split(b"\n") if line != b":" and _read_word(line) not in _PINGS)
        return read_loose_json(b"\n".join(lines))


def _find_error_behind(body: bytes) -> Any:
    """Return the error that a gateway wrote behind half an event, when its server was lost; None if there is none.

    See https://github.com/dativo-io/talon/issues/393 and https://github.com/Wei-Shaw/sub2api/issues/1471.
    """
    text = body.decode(errors="replace")
    for begin in [*_OBJECT_BEGIN.finditer(text)][-_MAX_BEHIND:]:
        with suppress(ValueError, RecursionError):
            _, end = json.JSONDecoder().raw_decode(text, begin.end())
            event = from_json(text[begin.end() : end].encode())  # which takes what it takes elsewhere
            if event.get("error"):
                return event
    return None


def _write_error(text: bytes) -> bytes:
    return json.dumps({"error": text.decode(errors="replace")}).encode()


def _read_word(text: bytes) -> bytes | None:
    """Return the letters of a short text, in lower case; None if it is longer than any heartbeat."""
    return _NO_LETTER.sub(b"", text.lower()) if len(text) <= _MAX_PING else None
