"""References inside a JSON schema, as `{"$ref": "#/$defs/Node"}`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any


def is_recursive(schema: Mapping[str, Any]) -> bool:
    """Return whether a part of a schema that it uses contains itself."""
    inner: dict[str, set[str]] = {}
    used = {key: part for key, part in schema.items() if key not in ("$defs", "definitions")}
    names = set(list_references(used))
    while names:
        name = names.pop()
        inner[name] = set(list_references(_follow(schema, name)))
        names |= inner[name] - inner.keys()
    try:
        TopologicalSorter(inner).prepare()
    except CycleError:
        return True
    return False


def place_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without a reference at its root, which a recursive class has: servers require an object."""
    root = _follow(schema, schema["$ref"]) if isinstance(schema.get("$ref"), str) else None
    return {**{key: value for key, value in schema.items() if key != "$ref"}, **root} if root else schema


def list_references(part: Any) -> Iterator[str]:
    """Yield the references in a schema and in its parts."""
    return (value for value in list_values(part, "$ref") if isinstance(value, str))


def list_values(part: Any, keyword: str) -> Iterator[Any]:
    """Yield the values of a keyword in a schema and in its parts."""
    if isinstance(part, Mapping):
        if keyword in part:
            yield part[keyword]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from list_values(inner, keyword)


def _follow(schema: Any, reference: str) -> Any:
    """Return what a JSON pointer leads to inside the schema, None if it leads nowhere."""
    root, *keys = reference.split("/")
    part = schema if root == "#" else None
    for key in keys:
        if isinstance(part, list) and key.isdecimal():
            part = dict(enumerate(part)).get(int(key))
        else:
            part = part.get(key) if isinstance(part, Mapping) else None
    return part
