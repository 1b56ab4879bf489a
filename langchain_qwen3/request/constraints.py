"""Engine constraints: restrict the answer to a choice, a regular expression or a grammar, in each server's field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypedDict

from langchain_qwen3.request.schema import read_schema
from langchain_qwen3.request.thinking import set_path

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import Dialect

CONSTRAINT_FIELDS = frozenset({"response_format", "structured_outputs", "grammar", "json_schema", "regex", "ebnf"})
"""Payload fields that constrain the form of the answer; a request has at most one of them."""


def list_constraint_fields(dialect: Dialect) -> frozenset[str]:
    """Return the payload fields that constrain the form of an answer on a server."""
    return CONSTRAINT_FIELDS | {form.path[0] for form in dialect.constraints.values()}


class Constraint(TypedDict, total=False):
    """The value of `model.bind(constraint=…)`; exactly one key.

    Attributes:
        choice: The answer is one of these texts.
        regex: The answer matches this regular expression.
        grammar: The answer follows this grammar, in the server's notation: EBNF for vLLM and SGLang, GBNF for
            llama.cpp.
        json: The answer is JSON that matches this schema: a mapping, its text, or a class as for
            `with_structured_output`.
    """

    choice: list[str]
    regex: str
    grammar: str
    json: dict[str, Any] | str | type


_WANTED = {"choice": "a list of texts", "regex": "a text", "grammar": "a text", "json": "a JSON schema or a class"}


def write_constraint(constraint: Constraint, dialect: Dialect) -> dict[str, Any]:
    """Return the payload fields of a constraint, see `Dialect.constraints`.

    Args:
        constraint: The constraint.
        dialect: The server.

    Raises:
        ValueError: Not exactly one known key, a value of another type, or a key for which this server has no field.
    """
    if len(constraint) != 1 or not constraint.keys() <= Constraint.__annotations__.keys():
        raise ValueError(f"constraint={constraint!r}: pass exactly one of {', '.join(Constraint.__annotations__)}")
    ((kind, given),) = constraint.items()
    if not given:
        raise ValueError(f"constraint[{kind!r}] is empty")
    value = _read_schema(given) if kind == "json" else list(given) if isinstance(given, AbstractSet) else given
    if not _is_valid(kind, value):
        raise ValueError(f"constraint[{kind!r}]: pass {_WANTED[kind]}, not {given!r}")
    form = dialect.constraints.get(kind)
    if form is not None:
        payload: dict[str, Any] = {}
        set_path(payload, form.path, _write_notation(value, form.notation))
        return payload
    if kind != "json":
        kinds = ", ".join(dialect.constraints) or "none but json"
        raise ValueError(
            f"constraint[{kind!r}] has no field on {dialect.title}, server={dialect.name!r} (it has {kinds}): "
            "use `json` or with_structured_output; vLLM and SGLang support more kinds"
        )
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": value}}}


def _read_schema(value: Any) -> Any:
    """Return the schema of a class or in a text; anything else is unchanged."""
    if isinstance(value, type):
        return read_schema(value)["schema"]
    try:
        return json.loads(value) if isinstance(value, str) else value  # SGLang's own field takes a text
    except ValueError:
        return value


def _is_valid(kind: str, value: Any) -> bool:
    if kind == "choice":  # of a text, each letter would be a choice
        return isinstance(value, (list, tuple)) and all(isinstance(choice, str) for choice in value)
    return isinstance(value, Mapping if kind == "json" else str)


def _write_notation(value: Any, notation: str) -> Any:
    if notation == "alternatives":
        return f"({'|'.join(re.escape(choice) for choice in value)})"
    if notation == "gbnf":
        # A GBNF literal is quoted like a JSON string.
        return f"root ::= {' | '.join(json.dumps(choice, ensure_ascii=False) for choice in value)}"
    return value
