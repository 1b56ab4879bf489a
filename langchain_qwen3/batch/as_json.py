"""JSON of whatever a user's row or a model's call holds. Pure, no I/O."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson
from pydantic_core import from_json


def dump(value: Any, option: int | None = None) -> bytes:
    """Return a value as JSON on one line, in UTF-8; objects that JSON does not know are written as text.

    orjson is fast, but refuses numbers beyond 64 bits, deep nesting and surrogates: no such value may end a batch.

    Args:
        value: The value.
        option: Options of orjson.

    Raises:
        TypeError: A key cannot be written.
        ValueError: The value contains itself, or a number has thousands of digits.
        RecursionError: The value is nested too deeply.
    """
    try:
        return orjson.dumps(value, default=str, option=option)
    except TypeError:
        text = json.dumps(value, default=_write, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def load(data: str | bytes) -> Any:
    """Return the value of a line of JSON; numbers keep all their digits, which orjson would round.

    Raises:
        ValueError: It is not JSON.
    """
    return from_json(data, allow_inf_nan=False)


def _write(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
