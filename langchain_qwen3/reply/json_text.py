"""Parses the JSON that servers send, strictly first, and the JSON in the answers that models write. Sans-IO."""

from __future__ import annotations

import json
import re
from typing import Any

from jiter import from_json

from langchain_qwen3._visible import join_halves, join_text
from langchain_qwen3.errors.body import decode_body

_DECODER = json.JSONDecoder(strict=False)
# Between the values of a body: event stream framing that is glued to the preceding JSON.
_FRAME = re.compile(r'(?:\s|\ufeff|data:|"?\[DONE\]"?)*', re.IGNORECASE)
_DONE = "[DONE]"
_FENCES = ("```", "~~~")
_OPENED_FENCE = re.compile(r"(?:```|~~~)[\w+.-]*+\s*+")
_FENCED_BRACKET = re.compile(_OPENED_FENCE.pattern + r"(?=[\[{])")
_FENCED_JSON = re.compile(r"(?:```|~~~)[ \t]*+json\w*+\s*+(?=[\[{])", re.IGNORECASE)
_MORE_JSON = tuple('{[]},:"')
_ANOTHER_VALUE = re.compile(r'\{\s*+"|\[\s*+[\[{"]')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x20)}
_CUT_NUMBER = re.compile(r"(?<=[0-9])[.eE][+-]?\Z")
MAX_DEPTH = 200
"""The limit in jiter. Deeper values cannot be copied or pickled."""


def read_json(data: bytes) -> Any:
    """Return the one JSON value of a body; event stream framing glued to it is skipped. A body may be GB 2312.

    Raises:
        ValueError: The body is not JSON, or holds several values.
    """
    try:
        return from_json(data)
    except ValueError:
        values, _ = read_loose_json(decode_body(data).encode())
        if len(values) != 1:
            raise
        return values[0]


def read_loose_json(data: bytes) -> tuple[list[Any], bool]:
    """Return the JSON values of an event that is not strict JSON, and whether `[DONE]` is glued to them.

    Invalid UTF-8 bytes become U+FFFD. Halves of surrogate pairs stay, because the other half may be in the next event
    (see `HalfJoiner`).

    Raises:
        ValueError: The text holds something other than JSON values and event stream framing.
    """
    text = data.decode("utf-8", "replace")
    values: list[Any] = []
    start, done = 0, False
    while True:
        frame = _FRAME.match(text, start)
        start = frame.end() if frame else start
        done = done or bool(frame and _DONE in frame[0].upper())
        if start == len(text):
            return values, done
        value, start = _read_value(text, start)
        values.append(value)


def _read_value(text: str, start: int) -> tuple[Any, int]:
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        problem = "the JSON is nested too deeply"
    except ValueError as error:
        problem = str(error)
    else:
        refuse_deep(value)
        return value, end
    raise ValueError(problem)  # out here, or the decoder's error would keep the whole text as its context


def refuse_deep(value: Any) -> None:
    """Raise a ValueError if lists and objects are nested more than 200 levels deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [value for values in inner for value in values]
        if not level:
            return
    raise ValueError("the JSON is nested too deeply")


def find_json(text: str, *, behind_words: bool = True) -> int:
    """Return where the JSON begins: with the text, or in the first Markdown fence of JSON, or of any with a bracket.

    Args:
        text: The answer.
        behind_words: Whether it may also begin on a line of its own behind words; the first value then has to.
    """
    start = len(text) - len(text.lstrip())
    if text.startswith(("{", "["), start):
        return start
    if fence := _FENCED_JSON.search(text) or _FENCED_BRACKET.search(text) or _OPENED_FENCE.search(text):
        return fence.end()
    value = _ANOTHER_VALUE.search(text) if behind_words else None
    if value is None or text[: value.start()].rpartition("\n")[2].strip():
        return start
    return value.start()


def read_whole_json(text: str) -> Any:
    """Parse the JSON in a text to its own end: a fence inside one of its strings is no end, and words may follow.

    Raises:
        ValueError: There is none, it is not complete, or more JSON follows, so it may be a part of the answer only.
    """
    value, end = _DECODER.raw_decode(text, find_json(text))
    rest = text[end:].lstrip()
    if rest.startswith(_FENCES):
        return value
    if rest and (rest.startswith(_MORE_JSON) or not isinstance(value, dict | list) or _ANOTHER_VALUE.search(rest)):
        raise ValueError(f"something follows its end at character {end}")
    return value


def read_growing_json(text: str) -> Any:
    """Parse the beginning of a JSON text; raw newlines inside strings are accepted.

    Core's `parse_partial_json` is not linear: it retries for each character of text that is not JSON.
    """
    text = text[:-3] + _CUT_NUMBER.sub("", text[-3:])
    try:
        return from_json(text.encode(errors="replace"), partial_mode="trailing-strings")
    except ValueError:
        text = _STRING.sub(lambda string: string[0].translate(_CONTROLS), text)
        return from_json(text.encode(errors="replace"), partial_mode="trailing-strings")


class HalfJoiner:
    """Joins the halves of characters that a server split between two events (emoji, as UTF-16 escapes)."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, value: Any) -> Any:
        """Return a JSON value with all halves joined; a half that stays alone becomes U+FFFD."""
        return join_halves(value, self._join_text)

    def _join_text(self, text: str) -> str:
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return join_text(text)
