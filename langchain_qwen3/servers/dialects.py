"""Every server that is known, and how to find its row by name, host or `owned_by`.

A row is a `Dialect` in `engines`, `hosts` or `gateways`, and nothing else: no code asks for a server's name. How its
facts are known:

- **measured**: real requests to a real server of the named version were recorded (`tests/captures`).
- **source**: read in the server's own source code, not run.
- **documented**: the vendor's documentation only.
- **reported**: other clients' code and public issues; treat as likely, not certain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from langchain_qwen3.servers import engines, gateways, hosts
from langchain_qwen3.servers.dialect import BOTH_KEYS, KWARGS, ChoicePolicy, Dialect, Path
from langchain_qwen3.servers.gateways import GENERIC

__all__ = [
    "BOTH_KEYS",
    "DIALECTS",
    "GENERIC",
    "KWARGS",
    "ChoicePolicy",
    "Dialect",
    "Path",
    "add_dialect",
    "find_by_host",
    "find_by_name",
    "find_by_owner",
    "list_names",
]


_ROWS: dict[str, Dialect] = {}
_NAMES: dict[str, Dialect] = {}
_OWNERS: dict[str, Dialect] = {}
_HOSTS: list[tuple[re.Pattern[str], Dialect]] = []

DIALECTS: Mapping[str, Dialect] = MappingProxyType(_ROWS)
"""Every row by name, in the order in which they are written: a probe that two servers answer belongs to the first."""


def add_dialect(row: Dialect) -> None:
    """Make a server known to this process, as its row in this package would.

    Args:
        row: The server; its name, aliases, hosts and owners must not be another's.

    Raises:
        ValueError: A name, alias or owner is another row's.
    """
    names = (row.name, *row.aliases)
    if taken := [name for name in names if name in _NAMES] + [owner for owner in row.owned_by if owner in _OWNERS]:
        raise ValueError(f"{taken[0]!r} is taken: it names {(_NAMES | _OWNERS)[taken[0]].title}")
    _ROWS[row.name] = row
    _NAMES.update(dict.fromkeys(names, row))
    _OWNERS.update(dict.fromkeys(row.owned_by, row))
    _HOSTS.extend((re.compile(pattern), row) for pattern in row.hosts)


for _module in (engines, hosts, gateways):
    for _row in [row for row in vars(_module).values() if isinstance(row, Dialect)]:
        add_dialect(_row)


def list_names() -> tuple[str, ...]:
    """Return what `server=` may be besides `auto`."""
    return tuple(_NAMES)


def find_by_name(name: str) -> Dialect | None:
    """Return the row of a value of `server=`."""
    return _NAMES.get(name)


def find_by_host(host: str) -> Dialect | None:
    """Return the row of a hosted service by its host name, None for a host nobody knows."""
    return next((row for pattern, row in _HOSTS if pattern.fullmatch(host.lower())), None)


def find_by_owner(owned_by: str) -> Dialect | None:
    """Return the row that `/v1/models` names in `owned_by`, None when that says nothing."""
    return _OWNERS.get(owned_by)
