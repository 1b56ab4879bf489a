"""The schema of a structured answer, and how a server is asked for one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import openai
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import BaseModel

from langchain_qwen3.call import Method

_BAD_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class StructuredOutput(TypedDict, total=False):
    """What `structured_output` binds: plain data, so that caches and traces can hold it."""

    name: str
    description: str
    schema: dict[str, Any]
    strict: bool
    method: Method


def read_schema(schema: Mapping[str, Any] | type | None, *, strict: bool | None = None) -> StructuredOutput:
    """Return name, description and JSON schema of what the user gave.

    Args:
        schema: See `build_structured_runnable`.
        strict: Close every object and make its properties required, as OpenAI's strict mode wants it.

    Raises:
        ValueError: The schema is of no known form, or itself says another `strict`.
    """
    function: Mapping[str, Any]
    if schema is None:
        function = {"name": "output", "parameters": {"type": "object"}}
    elif isinstance(schema, type) and issubclass(schema, BaseModel):
        # Core would inline every reference and so lose recursive ones.
        parameters: dict[str, Any] = schema.model_json_schema()
        if strict:
            parameters = dict(openai.pydantic_function_tool(schema)["function"].get("parameters", {}))
        if reference := parameters.get("$ref"):  # a recursive class: servers want an object at the root
            parameters = {"$defs": parameters["$defs"], **parameters["$defs"][reference.rpartition("/")[2]]}
        function = {"name": schema.__name__, "parameters": parameters}
        function |= {"description": parameters["description"]} if "description" in parameters else {}
    elif isinstance(schema, Mapping):
        function = _read_mapping(dict(schema), strict)
    else:
        function = convert_to_openai_function(schema, strict=strict)
    spec = StructuredOutput(
        name=_BAD_NAME.sub("_", function["name"])[:64], schema=function.get("parameters") or {"type": "object"}
    )
    if function.get("description"):
        spec["description"] = function["description"]
    strict = function.get("strict") if strict is None else strict
    if strict is not None:
        spec["strict"] = strict
    return spec


def _read_mapping(schema: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    """Return an OpenAI function of a JSON schema, or of one of OpenAI's forms."""
    inner = schema.get(str(schema.get("type")))
    if isinstance(inner, Mapping):  # a response_format or a tool
        schema = dict(inner)
    if "name" in schema:
        schema.setdefault("parameters", schema.pop("schema", None))
    elif strict and "properties" in schema:
        schema = convert_to_openai_function({"title": "output", **schema}, strict=True)
    else:
        name, description = schema.pop("title", "output"), schema.pop("description", None)
        schema = {"name": name, "description": description, "parameters": schema}
    if None not in (strict, schema.get("strict")) and strict != schema["strict"]:
        raise ValueError(f"strict={strict} contradicts the schema, which says strict={schema['strict']}")
    return schema


def write_structured(spec: StructuredOutput, method: Method, tools: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the OpenAI parameters that ask for a structured output.

    Args:
        spec: What was bound; its own method wins.
        method: The server's best method.
        tools: The wire tools bound beside it.
    """
    method = spec.get("method", method)
    if method == "json_mode":
        return {"response_format": {"type": "json_object"}}
    if method == "json_schema":
        wanted = {key: value for key, value in spec.items() if key != "method"}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}
    choice = {"type": "function", "function": {"name": spec["name"]}}
    return {
        "tools": [*tools, {"type": "function", "function": build_function(spec)}],
        "tool_choice": "required" if tools else choice,
        "parallel_tool_calls": False,
    }


def build_function(spec: StructuredOutput) -> dict[str, Any]:
    """Return the OpenAI function that stands for a structured output."""
    function = {key: value for key, value in spec.items() if key in ("name", "description", "strict")}
    return {**function, "parameters": spec["schema"]}
