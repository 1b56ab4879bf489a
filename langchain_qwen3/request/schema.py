"""The schema of a structured answer, and the parameters that request one. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypedDict

import openai
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import BaseModel, TypeAdapter
from pydantic.v1 import BaseModel as BaseModelV1
from typing_extensions import is_typeddict

from langchain_qwen3.call import Method

_BAD_NAME = re.compile(r"[^a-zA-Z0-9_-]")
# Keys of the schema in OpenAI's functions, OpenAI's response formats and Anthropic's tools.
_SCHEMA_KEYS = ("parameters", "schema", "input_schema")
# A mapping with one of these keys is a JSON schema.
_KEYWORDS = frozenset({"$defs", "$ref", "allOf", "anyOf", "const", "enum", "items", "oneOf", "properties", "type"})


class StructuredOutput(TypedDict, total=False):
    """Value of the bound `structured_output`: plain data, so that caches and traces can store it."""

    name: str
    description: str
    schema: dict[str, Any]
    strict: bool
    method: Method


def read_schema(schema: Any, *, strict: bool | None = None) -> StructuredOutput:
    """Return name, description and JSON schema of the user's schema.

    Args:
        schema: See `build_structured_runnable`.
        strict: Close every object and make its properties required, as OpenAI's strict mode demands.

    Raises:
        ValueError: The schema has an unknown form, or sets a different `strict`.
    """
    if schema is None:
        function: Mapping[str, Any] = {"name": "output", "parameters": {"type": "object"}}
    elif isinstance(schema, Mapping):
        function = _read_mapping(dict(schema), strict)
    elif makes_instances(schema):
        function = _read_class(schema, strict)
    elif is_typeddict(schema) or _is_tool(schema):
        function = convert_to_openai_function(schema, strict=strict)
    else:
        raise ValueError(
            f"schema={schema!r} has an unsupported form: pass a pydantic class (BaseModel), a dataclass, a "
            "TypedDict, a JSON schema, or a tool form of OpenAI or Anthropic. Put an Enum, a list, a Union or a plain "
            "type into a field of such a class"
        )
    spec = StructuredOutput(
        name=_BAD_NAME.sub("_", function["name"])[:64], schema=function.get("parameters") or {"type": "object"}
    )
    if function.get("description"):
        spec["description"] = function["description"]
    strict = function.get("strict") if strict is None else strict
    if strict is not None:
        spec["strict"] = strict
    return spec


def makes_instances(schema: Any) -> bool:
    """Return whether answers are instances of the schema: a pydantic class or a dataclass."""
    return isinstance(schema, type) and (issubclass(schema, (BaseModel, BaseModelV1)) or is_dataclass(schema))


def _is_tool(schema: Any) -> bool:
    return isinstance(schema, BaseTool) or inspect.isroutine(schema)


def _read_class(schema: Any, strict: bool | None) -> Mapping[str, Any]:
    """Return an OpenAI function for a class; core would inline every reference and lose recursive ones."""
    if issubclass(schema, BaseModelV1):
        return convert_to_openai_function(schema, strict=strict)
    if not issubclass(schema, BaseModel):
        parameters = TypeAdapter(schema).json_schema()
    elif strict:
        parameters = dict(openai.pydantic_function_tool(schema)["function"].get("parameters", {}))
    else:
        parameters = schema.model_json_schema()
    if reference := parameters.get("$ref"):  # a recursive class: servers require an object at the root
        parameters = {"$defs": parameters["$defs"], **parameters["$defs"][reference.rpartition("/")[2]]}
    return {"name": schema.__name__, "parameters": parameters, "description": parameters.get("description")}


def _read_mapping(schema: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    """Return an OpenAI function for a JSON schema, one of OpenAI's forms, or an Anthropic tool."""
    inner = schema.get(str(schema.get("type")))
    if isinstance(inner, Mapping):  # a response_format or a tool
        schema = dict(inner)
    form = next((key for key in _SCHEMA_KEYS if isinstance(schema.get(key), Mapping)), None)
    if isinstance(schema.get("name"), str) and (form or not schema.keys() & _KEYWORDS):
        schema["parameters"] = schema.pop(form) if form else None
    elif strict and "properties" in schema:
        schema = convert_to_openai_function({"title": schema.pop("name", "output"), **schema}, strict=True)
    elif schema.keys() & _KEYWORDS:
        name = schema.pop("title", None) or schema.pop("name", None) or "output"
        schema = {"name": str(name), "description": schema.pop("description", None), "parameters": schema}
    else:
        raise ValueError(
            f"schema has the keys {', '.join(map(str, schema)) or '(none)'}, so it is neither a JSON schema nor a "
            'tool: pass {"type": "object", "properties": {...}}'
        )
    if None not in (strict, schema.get("strict")) and strict != schema["strict"]:
        raise ValueError(f"strict={strict} contradicts the schema's strict={schema['strict']}")
    return schema


def write_structured(
    spec: StructuredOutput, method: Method, tools: Sequence[Mapping[str, Any]] = (), *, strict: bool = False
) -> dict[str, Any]:
    """Return the OpenAI parameters that request a structured output.

    Args:
        spec: The bound structured output; its own method takes precedence.
        method: The server's best method.
        tools: The wire tools that are also bound.
        strict: Whether the function is `strict`, unless the user chose or it has no properties. It is in every such
            call, so the prompt's beginning does not change.
    """
    method = spec.get("method", method)
    if method == "json_mode":
        return {"response_format": {"type": "json_object"}}
    if method == "json_schema":
        json_schema = {key: value for key, value in spec.items() if key != "method"}
        return {"response_format": {"type": "json_schema", "json_schema": json_schema}}
    choice = {"type": "function", "function": {"name": spec["name"]}}
    function = build_function(spec)
    if strict and spec["schema"].get("properties"):
        function.setdefault("strict", True)
    return {
        "tools": [*tools, {"type": "function", "function": function}],
        "tool_choice": "required" if tools else choice,
        "parallel_tool_calls": False,
    }


def build_function(spec: StructuredOutput) -> dict[str, Any]:
    """Return the OpenAI function that represents a structured output."""
    function = {key: value for key, value in spec.items() if key in ("name", "description", "strict")}
    return {**function, "parameters": spec["schema"]}
