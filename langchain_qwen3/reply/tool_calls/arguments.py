"""The argument text of a tool call: parsed strictly, closed safely, repaired on request."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

from langchain_qwen3.reply.json_text import MAX_DEPTH, refuse_deep

EMPTY = ("", "null")
"""Arguments that say nothing: vLLM's parser writes whatever the model gave as JSON, also null.

See https://github.com/vllm-project/vllm/blob/v0.9.1/vllm/entrypoints/openai/tool_parsers/hermes_tool_parser.py.
"""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
_IN_STRING = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["\[\]{}]')
_BRACKET = re.compile(r"[\[\]{}]")
_CLOSES = {"{": "}", "[": "]"}
# Hermes-style regexes leave the outer object's brace or the closing tag after the arguments.
_PARSER_DEBRIS = re.compile(r"(?:\s|\}|</tool_call>)*+")


def read_arguments(text: str) -> dict[str, Any]:
    """Parse the whole arguments of a call.

    Raises:
        ValueError: As `read_json_value`, or the text is JSON but not an object.
    """
    try:
        value = read_json_value(text)
    except ValueError as error:
        raise ValueError(f"the arguments are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the arguments are JSON but not an object")  # noqa: TRY004 # bad input, not a bad type
    return value


def find_arguments(text: str) -> dict[str, Any] | None:
    """Return the whole arguments of a call, None for any other text."""
    try:
        return read_arguments(text)
    except ValueError:
        return None


def read_json_value(text: str) -> Any:
    """Parse JSON that a model wrote.

    Control characters inside strings are accepted, as in core: Qwen models write raw newlines. `NaN`, `Infinity` and
    numbers too large for a float are rejected: servers refuse them when the call is sent back.

    Raises:
        ValueError: The text is not JSON, or nested more than 200 levels deep.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if text.count("{") + text.count("[") > MAX_DEPTH:
        refuse_deep(value)
    return value


def invalidate_arguments(text: str) -> str:
    """Return argument text with a wrong bracket, so that core does not take it for whole arguments.

    LangChain's core accepts any prefix of an object as arguments (`parse_partial_json`), so a half-written
    `{"path": "/home/us` would become `rm(path="/home/us")`. `{"path": "/home/us"]` prevents that. Its
    `stream_events(version="v3")` makes a call of any JSON value, which then fails as a message: `null]` prevents that.
    Text with a wrong bracket of its own is returned unchanged.
    """
    quote, end = "", len(text)
    for string in _STRING.finditer(text):
        if not string[1]:
            # After a lone backslash the first quote is still inside the string.
            quote, end = '"' if string.end() == len(text) else '""', string.start()
    open_brackets: list[str] = []
    for bracket in _BRACKET.findall(_STRING.sub("", text[:end])):
        if bracket in _CLOSES:
            open_brackets.append(bracket)
        elif not open_brackets or _CLOSES[open_brackets.pop()] != bracket:
            return text
    return text + quote + ("}" if open_brackets and open_brackets[-1] == "[" else "]")


class ObjectEnd:
    """Finds the end of a JSON object that arrives in pieces, reading every character once.

    Attributes:
        in_string: Whether the text so far ends within a string.
    """

    def __init__(self) -> None:
        self._depth = 0
        self.in_string = self._escaped = False

    def find(self, text: str, start: int = 0) -> int:
        """Continue reading at `start`; return the offset after the closing bracket, -1 if it has not arrived."""
        while start < len(text):
            if self._escaped:
                self._escaped = False
                start += 1
                continue
            match = (_IN_STRING if self.in_string else _OUTSIDE).search(text, start)
            if not match:
                break
            start = match.end()
            if match[0] == "\\":
                self._escaped = True
            elif match[0] == '"':
                self.in_string = not self.in_string
            else:
                self._depth += 1 if match[0] in _CLOSES else -1
                if self._depth <= 0:
                    return start
        return -1


def repair_arguments(text: str) -> dict[str, Any] | None:
    """Repair the known damage of Qwen tool parsers: debris (`}`, `</tool_call>`) after an object, no text or null.

    The arguments may also be JSON in JSON (https://github.com/vllm-project/vllm/pull/54964).

    Returns:
        The arguments; None for any other damage.
    """
    text = text.strip()
    if text in EMPTY:
        return {}
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, str) and end == len(text):
        return repair_arguments(value)
    return value if isinstance(value, dict) and _PARSER_DEBRIS.fullmatch(text, end) else None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _read_float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse_constant, parse_float=_read_float)
