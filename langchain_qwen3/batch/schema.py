"""Checks the JSON schema of a batch's answers, because a server would refuse it in every row. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_qwen3.request.json_schema import list_references
from langchain_qwen3.request.schema import read_schema


def check_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema if a server can take it. Without the package `jsonschema`, only its outer form is checked.

    Raises:
        ValueError: It is no JSON schema, a keyword has an invalid value, a `$ref` leads nowhere, or it nests too deep.
    """
    try:
        _check_keywords(schema)
    except RecursionError:
        raise ValueError("the JSON schema nests too deep to be checked") from None
    return schema


def _check_keywords(schema: Mapping[str, Any]) -> None:
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    spec = read_schema(schema)
    inner = {"description": spec.get("description", ""), **spec["schema"]}
    try:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import Draft202012Validator, validator_for
        from referencing import Registry
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import DRAFT202012
    except ImportError:
        return
    try:
        # No formats: a pattern is a regex of the server's language, not of Python's.
        validator_for(inner, default=Draft202012Validator).check_schema(inner, format_checker=None)
    except SchemaError as error:
        raise ValueError(f"{error.json_path} in the JSON schema is invalid: {error.message}") from None
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(inner))
    for reference in list_references(inner):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise ValueError(f'"$ref": "{reference}" leads to nothing in the JSON schema: put it under $defs') from None
