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
from collections.abc import Iterator, Mapping
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
    "find_by_host",
    "find_by_name",
    "find_by_owner",
    "list_names",
]


def _iter_rows() -> Iterator[Dialect]:
    """Yield the rows in the order in which they are written."""
    for module in (engines, hosts, gateways):
        yield from (row for row in vars(module).values() if isinstance(row, Dialect))


DIALECTS: Mapping[str, Dialect] = MappingProxyType({row.name: row for row in _iter_rows()})
"""Every row by name, in the order in which they are written: a probe that two servers answer belongs to the first."""

_NAMES = {name: row for row in DIALECTS.values() for name in (row.name, *row.aliases)}
_HOSTS = tuple((re.compile(pattern), row) for row in DIALECTS.values() for pattern in row.hosts)
_OWNERS = {owner: row for row in DIALECTS.values() for owner in row.owned_by}


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
