"""What a JSON schema holds: keywords, maps, and references such as `{"$ref": "#/$defs/Node"}`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

_DEFINITIONS = ("$defs", "definitions")
# Under these keywords of a schema, null is a value, or the keys are names.
_VALUES = frozenset({"const", "default", "enum", "examples"})
_NAMES = frozenset({"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS})
# The lists whose entries are schemas: in all others, `true` and `false` are values.
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})


def is_recursive(schema: Mapping[str, Any]) -> bool:
    """Return whether a part of a schema that it uses contains itself."""
    inner: dict[str, set[str]] = {}
    used = {key: part for key, part in schema.items() if key not in _DEFINITIONS}
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


def has_map(schema: Any) -> bool:
    """Return whether a part of a schema is an object of any keys."""
    return any(extra is not False for extra in list_values(schema, "additionalProperties"))


def tidy_schema(part: Any, *, named: bool = False) -> Any:
    """Return a tool or a schema without null for a keyword, and with an object for `true` and `false`.

    Programs in other languages write so what is absent, and what may be any value or none
    (https://github.com/anomalyco/opencode/issues/49464). llama.cpp refuses the whole request for either (measured in
    November 2026), and SGLang for a null (https://github.com/sgl-project/sglang/issues/35242). Core raises at a null in
    a strict schema, so they go first.

    Definitions and references lose what a reference escapes: core and llama.cpp look for a name as it stands.

    Args:
        part: The tool, the schema or a part of it.
        named: Whether the keys are names, or the part is a list, whose schemas may be anything.
    """
    if isinstance(part, list):
        kinds = (dict, bool) if named else dict
        return [tidy_schema(inner) if isinstance(inner, kinds) else inner for inner in part]
    if isinstance(part, bool):
        return {} if part else {"not": {}}
    if not isinstance(part, dict):
        return part
    if named:
        return {name: {} if inner is None else tidy_schema(inner) for name, inner in part.items()}
    if isinstance(reference := part.get("$ref"), str) and reference.startswith("#"):
        part = {**part, "$ref": "/".join(map(_name_plainly, reference.split("/")))}
    for key in _DEFINITIONS:
        if isinstance(part.get(key), dict):
            part = {**part, key: {_name_plainly(name): inner for name, inner in part[key].items()}}
    if part.get("items") is False:
        # It ends a tuple. llama.cpp takes any object here for all entries, in the place of prefixItems:
        # https://github.com/ggml-org/llama.cpp/blob/master/common/json-schema-to-grammar.cpp
        part = {"maxItems": len(part.get("prefixItems") or ()), **part, "items": None}
    return {  # most values are texts and need no call
        key: tidy_schema(value, named=key in (_LISTS if isinstance(value, list) else _NAMES))
        if (isinstance(value, (dict, list)) or key == "items") and key not in _VALUES
        else value
        for key, value in part.items()
        if value is not None or key in ("const", "default")
    }


def _name_plainly(name: str) -> str:
    """Return a name as it is written in a definition or in a reference, which may be percent-encoded and escaped.

    Generators in JavaScript encode it (https://github.com/APIDevTools/json-schema-ref-parser/issues/356); a pointer has
    `~1` for a slash and `~0` for a tilde (https://www.rfc-editor.org/rfc/rfc6901#section-3).
    """
    return re.sub("~[01]|[/~]", "_", unquote(name))
