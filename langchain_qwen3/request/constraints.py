"""Engine constraints: restrict the answer to a choice, a regular expression or a grammar, in each server's field."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypedDict

from langchain_qwen3.request.thinking import set_path

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialects import Dialect

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
        json: The answer is JSON that matches this schema.
    """

    choice: list[str]
    regex: str
    grammar: str
    json: dict[str, Any]


def write_constraint(constraint: Constraint, dialect: Dialect) -> dict[str, Any]:
    """Return the payload fields of a constraint, see `Dialect.constraints`.

    Args:
        constraint: The constraint.
        dialect: The server.

    Raises:
        ValueError: Not exactly one known key, or a key for which this server has no field.
    """
    if len(constraint) != 1 or not constraint.keys() <= Constraint.__annotations__.keys():
        raise ValueError(f"constraint={constraint!r}: pass exactly one of {', '.join(Constraint.__annotations__)}")
    ((kind, value),) = constraint.items()
    if not value:
        raise ValueError(f"constraint[{kind!r}] is empty")
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


def _write_notation(value: Any, notation: str) -> Any:
    if notation == "alternatives":
        return f"({'|'.join(re.escape(choice) for choice in value)})"
    if notation == "gbnf":
        # A GBNF literal is quoted like a JSON string.
        return f"root ::= {' | '.join(json.dumps(choice, ensure_ascii=False) for choice in value)}"
    return value
