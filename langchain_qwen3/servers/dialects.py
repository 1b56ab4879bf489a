"""All known servers, and functions to find a row by name, host or `owned_by`.

A server is only a `Dialect` row in `engines`, `hosts` or `gateways`: no code depends on a server's name. Grades of
evidence for a row's facts:

- **measured**: real requests to a real server of the named version were recorded (`tests/captures`).
- **source**: read in the server's own source code, not run.
- **documented**: the vendor's documentation only.
- **reported**: other clients' code and public issues; treat as likely, not certain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

from langchain_qwen3.servers import engines, gateways, hosts
from langchain_qwen3.servers.dialect import Dialect

_Value = TypeVar("_Value")

_ROWS: dict[str, Dialect] = {}
_NAMES: dict[str, Dialect] = {}
_OWNERS: dict[str, Dialect] = {}
_HOSTS: list[tuple[re.Pattern[str], Dialect]] = []
_FORGET: list[Callable[[], None]] = []

DIALECTS: Mapping[str, Dialect] = MappingProxyType(_ROWS)
"""Every row by name, in source order: if two servers answer the same probe, the first row is used."""

NAMES: Mapping[str, Dialect] = MappingProxyType(_NAMES)
"""The row for each value of `server=` other than `auto`."""

OWNERS: Mapping[str, Dialect] = MappingProxyType(_OWNERS)
"""The row for each value of `owned_by` in `/v1/models`."""


def cache_rows(function: Callable[..., _Value]) -> Callable[..., _Value]:
    """Cache what a function derives from the rows, until another row is added."""
    cached = lru_cache(maxsize=256)(function)
    forget_on_change(cached.cache_clear)
    return cached


def forget_on_change(forget: Callable[[], None]) -> None:
    """Call this function whenever another row is added: what was derived from the rows may differ now."""
    _FORGET.append(forget)


def add_dialect(row: Dialect) -> None:
    """Register a server in this process, as if its row were in this package.

    Args:
        row: The server; no other row may have its name, aliases, hosts or owners.

    Raises:
        ValueError: Another row has this name, alias or owner.
    """
    names = (row.name, *row.aliases)
    if taken := [name for name in names if name in _NAMES] + [owner for owner in row.owned_by if owner in _OWNERS]:
        raise ValueError(f"{taken[0]!r} is already used by {(_NAMES | _OWNERS)[taken[0]].title}")
    _ROWS[row.name] = row
    _NAMES.update(dict.fromkeys(names, row))
    _OWNERS.update(dict.fromkeys(row.owned_by, row))
    _HOSTS.extend((re.compile(pattern), row) for pattern in row.hosts)
    for forget in _FORGET:
        forget()


for _module in (engines, hosts, gateways):
    for _row in [row for row in vars(_module).values() if isinstance(row, Dialect)]:
        add_dialect(_row)


def find_by_host(host: str) -> Dialect | None:
    """Return the row of a hosted service by its host name, with or without the root's dot, None for an unknown host."""
    host = host.lower().removesuffix(".")
    return next((row for pattern, row in _HOSTS if pattern.fullmatch(host)), None)
