"""Rows of servers for tests: a server is only data, and rows alike in the fields that some code reads are one to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from langchain_qwen3.servers.dialects import DIALECTS, Dialect

_FIELDS = frozenset(field.name for field in fields(Dialect))


def list_unlike(read: Callable[[Dialect], Any]) -> list[Dialect]:
    """Return the rows that differ in what is read of them: of those that are alike, the first one."""
    unlike: list[Dialect] = []
    for row in DIALECTS.values():
        if read(row) not in map(read, unlike):
            unlike.append(row)
    return unlike


def watch(row: Dialect) -> tuple[Dialect, set[str]]:
    """Return a copy of a row, and the set of its fields that were read, which grows with each of them."""
    read: set[str] = set()

    class Watched(Dialect):
        def __getattribute__(self, name: str) -> Any:
            if name in _FIELDS:
                read.add(name)
            return super().__getattribute__(name)

    return Watched(**{name: getattr(row, name) for name in _FIELDS}), read
