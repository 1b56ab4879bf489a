"""Engine constraints: hold the answer to a choice, a regular expression or a grammar, in each server's field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypedDict

CONSTRAINT_FIELDS = frozenset({"response_format", "structured_outputs", "grammar", "json_schema", "regex", "ebnf"})
"""Payload fields that hold the answer to a form; a request has one of them at most."""


class Constraint(TypedDict, total=False):
    """The value of `model.bind(constraint=…)`; exactly one key.

    Attributes:
        choice: The answer is one of these texts.
        regex: The answer matches this regular expression.
        grammar: The answer follows this grammar, in the server's notation: EBNF for vLLM and SGLang, GBNF for
            llama.cpp.
        json: The answer is JSON of this schema.
    """

    choice: list[str]
    regex: str
    grammar: str
    json: dict[str, Any]


def write_constraint(constraint: Constraint, server: str) -> dict[str, Any]:
    """Return the payload fields of a constraint.

    vLLM (0.11.1 or newer) applies it after the thinking if it runs with a reasoning parser, SGLang likewise.
    llama.cpp applies a grammar from the first token, so there is no thinking, and refuses one beside tools
    (measured); `json` works with both.

    Args:
        constraint: What to hold the answer to.
        server: The dialect's name.

    Raises:
        ValueError: Not exactly one known key, or one this server has no field for.
    """
    if len(constraint) != 1 or not constraint.keys() <= Constraint.__annotations__.keys():
        raise ValueError(f"constraint={constraint!r}: give exactly one of {', '.join(Constraint.__annotations__)}")
    ((kind, value),) = constraint.items()
    if not value:
        raise ValueError(f"constraint[{kind!r}] is empty")
    if server == "vllm":
        return {"structured_outputs": {kind: value}}
    if kind == "json":
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": value}}}
    fields = _read_fields(server, constraint)
    if kind not in fields:
        raise ValueError(
            f"constraint[{kind!r}] needs a server that can hold to it (vLLM, SGLang; llama.cpp for choice and"
            f" grammar), and this is {server}: use `json` or with_structured_output"
        )
    return fields[kind]


def _read_fields(server: str, constraint: Constraint) -> Mapping[str, dict[str, Any]]:
    choices = constraint.get("choice") or []
    if server == "sglang":
        alternatives = "|".join(re.escape(choice) for choice in choices)
        return {
            "choice": {"regex": f"({alternatives})"},
            "regex": {"regex": constraint.get("regex")},
            "grammar": {"ebnf": constraint.get("grammar")},
        }
    if server == "llama.cpp":
        # A GBNF literal is quoted like a JSON string.
        literals = " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
        return {"choice": {"grammar": f"root ::= {literals}"}, "grammar": {"grammar": constraint.get("grammar")}}
    return {}
