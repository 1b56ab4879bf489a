"""The schema of a structured answer, and the parameters that request one. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypedDict

import openai
from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_function, convert_to_openai_tool
from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1
from typing_extensions import is_typeddict

from langchain_qwen3.call import Method
from langchain_qwen3.request.json_schema import has_map, is_recursive, place_root, tidy_schema
from langchain_qwen3.request.typed_classes import convert_type, read_typed_dict

_BAD_NAME = re.compile(r"[^a-zA-Z0-9_-]")
# Keys of the schema in OpenAI's functions, OpenAI's response formats, Anthropic's, MCP's and Gemini's tools.
_SCHEMA_KEYS = ("parameters", "schema", "input_schema", "inputSchema", "parametersJsonSchema", "parameters_json_schema")
# A mapping with one of these keys is a JSON schema.
_KEYWORDS = frozenset({"$defs", "$ref", "allOf", "anyOf", "const", "enum", "items", "oneOf", "properties", "type"})
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})


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
        schema: See `Bindable.with_structured_output`.
        strict: Close every object and make its properties required, as OpenAI's strict mode demands.

    Raises:
        ValueError: The schema has an unknown form, or sets a different `strict`.
    """
    if schema is None:
        function: Mapping[str, Any] = {"name": "output", "parameters": {"type": "object"}}
    elif isinstance(schema, Mapping):
        function = _read_mapping(tidy_schema(dict(schema)), strict)
    elif makes_instances(schema):
        function = _read_class(schema, strict)
    elif is_typeddict(schema):
        function = read_typed_dict(schema)
    elif isinstance(schema, BaseTool) or inspect.isroutine(schema):
        function = convert_tool(schema)["function"]
    else:
        raise ValueError(
            f"schema={schema!r} has an unsupported form: pass a pydantic class (BaseModel), a dataclass, a "
            "TypedDict, a JSON schema, or a tool form of OpenAI or Anthropic. Put an Enum, a list, a tuple, a Union or "
            "a plain type into a field of such a class"
        )
    name = _BAD_NAME.sub("_", function["name"])[:64]
    parameters = tidy_schema(function.get("parameters")) or {"type": "object"}
    spec = StructuredOutput(
        name=name if name.strip("_-") else "output",  # of a Chinese name only "__" is left
        schema=_close(parameters) if strict else parameters,
    )
    if function.get("description"):
        spec["description"] = function["description"]
    strict = function.get("strict") if strict is None else strict
    if strict is not None:
        spec["strict"] = strict
    return spec


def convert_tool(tool: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Return a tool in OpenAI's form, as core does; core drops what it does not know of a dict, and recursive parts.

    Raises:
        ValueError: The tool has an unknown form, or sets a different `strict`.
    """
    try:
        wire = _convert_tool(tool)
    except (AttributeError, KeyError, NameError, TypeError) as error:  # of core, Python or pydantic: they name no tool
        raise _build_error(tool, error) from error
    if strict is None or "function" not in wire or (isinstance(tool, Mapping) and "function" in tool):
        return wire  # it came in the wire's form, or is a server's own
    try:
        return {**wire, "function": _set_strict(wire["function"], strict)}
    except ValueError as error:
        raise _build_error(tool, error) from error


def _build_error(tool: Any, error: Exception) -> ValueError:
    """Return the error that names a tool, for one of core that does not."""
    return ValueError(
        f"the tool {tool!r} cannot be read ({type(error).__name__}: {error}): pass a function with type hints, a "
        'pydantic class, a TypedDict, a LangChain tool, or {"type": "function", "function": {...}}'
    )


def _convert_tool(tool: Any) -> dict[str, Any]:
    if isinstance(tool, BaseTool) and isinstance(tool.args_schema, dict):  # an MCP server's
        tool = tool.model_copy(update={"args_schema": tidy_schema(tool.args_schema)})
    kind = tool.get("type", "object") if isinstance(tool, Mapping) and isinstance(tool.get("title"), str) else ""
    if isinstance(kind, list) or kind in _TYPES:
        tool = {"name": tool["title"], **{key: value for key, value in tool.items() if key != "title"}}
    if isinstance(tool, Mapping) and "name" in tool:
        tool = read_named(tidy_schema(dict(tool)))
    elif is_typeddict(tool):
        return {"type": "function", "function": read_typed_dict(tool)}
    elif callable(tool) and not isinstance(tool, BaseTool) and not hasattr(tool, "__name__"):
        raise ValueError(f"the tool {tool!r} has no name: pass a function with type hints that calls it")
    elif callable(tool) and not isinstance(tool, BaseTool) and not is_pydantic(tool):
        tool = create_schema_from_function(  # as core does inside
            tool.__name__,
            tool,
            filter_args=(),
            parse_docstring=True,
            error_on_invalid_docstring=False,
            include_injected=False,
        )
    try:
        wire = convert_to_openai_tool(tool)
    except ValueError as error:  # such as for a reference to another document
        raise _build_error(tool, error) from error
    schema = tool.tool_call_schema if isinstance(tool, BaseTool) else tool
    if (isinstance(tool, BaseTool) or is_pydantic(tool)) and (parameters := _read_recursive(schema)):
        wire["function"]["parameters"] = parameters
    return wire


def is_pydantic(schema: Any) -> bool:
    """Return whether a schema is a class of pydantic, version 1 or 2."""
    return isinstance(schema, type) and issubclass(schema, (BaseModel, BaseModelV1))


def _read_recursive(schema: Any) -> dict[str, Any] | None:
    """Return the parameters of a class or JSON schema of which a part contains itself; None if there is no such part.

    Core puts definitions in the place of references, and `{}` where that has no end.
    """
    if isinstance(schema, Mapping):
        full = dict(schema)
    else:
        full = schema.schema() if issubclass(schema, BaseModelV1) else schema.model_json_schema()
    if not is_recursive(full):
        return None
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return place_root(full)
    return {key: value for key, value in place_root(full).items() if key not in ("title", "description")}


def makes_instances(schema: Any) -> bool:
    """Return whether answers are instances of the schema: a pydantic class or a dataclass."""
    return is_pydantic(schema) or (isinstance(schema, type) and is_dataclass(schema))


def _read_class(schema: Any, strict: bool | None) -> Mapping[str, Any]:
    """Return an OpenAI function for a class; core would inline every reference and lose recursive ones."""
    if issubclass(schema, BaseModelV1):
        function: Mapping[str, Any] = convert_tool(schema)["function"]
        return function
    if not issubclass(schema, BaseModel):
        return convert_type(schema)
    if strict:
        parameters = dict(openai.pydantic_function_tool(schema)["function"].get("parameters", {}))
    else:
        parameters = schema.model_json_schema()
    parameters = place_root(parameters)
    return {"name": schema.__name__, "parameters": parameters, "description": parameters.get("description")}


def _read_mapping(schema: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    """Return an OpenAI function for a JSON schema, one of OpenAI's forms, or an Anthropic tool."""
    inner = schema.get("toolSpec", schema.get(str(schema.get("type"))))
    if isinstance(inner, Mapping):  # a response_format, or a tool of OpenAI or Bedrock
        schema = dict(inner)
    kind = schema.get("type")
    is_typed = not isinstance(kind, str) or kind in _TYPES
    if not is_typed and isinstance(schema.get("schema"), Mapping):  # a response_format of llama.cpp or Together
        schema = {"name": "output", **schema}
    if isinstance(schema.get("name"), str):
        schema = read_named(schema)
        if not isinstance(schema.get("parameters"), Mapping):
            raise ValueError(  # noqa: TRY004  # a bad setting
                f"schema is named {schema['name']!r}, but has no JSON schema: put it under 'parameters'"
            )
    elif not is_typed:
        types = ", ".join(sorted(_TYPES))
        raise ValueError(f"$.type in the JSON schema is invalid: {kind!r} is not one of {types}")
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


def read_named(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a tool with a name, or a JSON schema with one, with its schema under `parameters`.

    Raises:
        ValueError: The schema is under an unknown key.
    """
    form = next((key for key in _SCHEMA_KEYS if isinstance(schema.get(key), Mapping)), None)
    if form:
        parameters = schema[form]["json"] if schema[form].keys() == {"json"} else schema[form]  # Bedrock's
        return {**{key: value for key, value in schema.items() if key != form}, "parameters": parameters}
    if schema.keys() & _KEYWORDS - {"type"} or str(schema.get("type")) in _TYPES:
        own: dict[str, Any] = {key: schema.pop(key) for key in ("name", "description") if key in schema}
        return {**own, "parameters": schema}
    for key, value in schema.items():
        is_result = key.startswith(("output", "response", "return"))  # MCP's and Gemini's schema of the result
        if isinstance(value, Mapping) and not is_result and ("properties" in value or _holds_types(value)):
            raise ValueError(f"{schema['name']} has its schema under {key!r}: put it under 'parameters'")
    return schema


def _holds_types(value: Mapping[str, Any]) -> bool:
    """Return whether a mapping may be the properties of a schema."""
    return bool(value) and all(isinstance(part, Mapping) and "type" in part for part in value.values())


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

    Raises:
        ValueError: A function would have arguments that are no object.
    """
    method = spec.get("method", method)
    if method == "json_mode":
        return {"response_format": {"type": "json_object"}}
    if method == "json_schema":
        json_schema = {key: value for key, value in spec.items() if key != "method"}
        return {"response_format": {"type": "json_schema", "json_schema": json_schema}}
    if "object" not in spec["schema"].get("type", "object"):
        raise ValueError(
            f"{spec['name']} is no object, as a call's arguments are: use method='json_schema', or put it into a field"
        )
    choice = {"type": "function", "function": {"name": spec["name"]}}
    function = build_function(spec)
    if strict and spec["schema"].get("properties"):
        function.setdefault("strict", True)
    return {
        "tools": [*tools, {"type": "function", "function": function}],
        "tool_choice": "required" if tools else choice,
        "parallel_tool_calls": False,
    }


def read_response_format(value: Any, *, strict: bool | None = None) -> Any:
    """Return OpenAI's response format for a class or a JSON schema.

    OpenAI's own loses keywords that are null; a server's own is unchanged.

    Raises:
        ValueError: The schema has an unknown form, or sets a different `strict`.
    """
    kind = value.get("type") if isinstance(value, Mapping) else None
    is_format = isinstance(kind, str) and kind not in _TYPES | {"function"}
    if not value or is_format or not isinstance(value, (Mapping, type)):
        spec = value.get("json_schema") if isinstance(value, Mapping) else None
        return {**value, "json_schema": tidy_schema(spec)} if isinstance(spec, dict) else value
    return write_structured(read_schema(value, strict=strict), "json_schema")["response_format"]


def close_format(value: Any) -> Any:
    """Return a response format whose schema is as OpenAI's strict mode demands, if it says that it is strict.

    `create_agent` writes `ProviderStrategy(schema, strict=True)` as such a format and leaves its objects open; hosts
    with OpenAI's strict mode answer 400 to that (https://github.com/lfnovo/esperanto/pull/273).
    """
    spec = tidy_schema(value.get("json_schema")) if isinstance(value, Mapping) else None
    if not isinstance(spec, Mapping) or spec.get("strict") is not True or not isinstance(spec.get("schema"), Mapping):
        return value
    return {**value, "json_schema": {**spec, "schema": _close(spec["schema"])}}


def _close(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema whose objects are closed and whose properties are required."""
    closed: dict[str, Any] = _set_strict({"name": "f", "parameters": place_root(dict(schema))}, strict=True)[
        "parameters"
    ]
    return closed


def _set_strict(function: Mapping[str, Any], strict: bool) -> dict[str, Any]:
    """Return a function that says whether it is strict, as core does, but leave a map of any keys open.

    Closed, it would always be empty. Engines take an open one; for hosts see `select_tools`.
    """
    parameters = function.get("parameters") or {}  # core raises where a strict tool without arguments has none
    written = convert_to_openai_function({**function, "parameters": parameters}, strict=strict)
    return {**written, "parameters": parameters} if has_map(parameters) else written


def build_function(spec: StructuredOutput) -> dict[str, Any]:
    """Return the OpenAI function that represents a structured output."""
    function = {key: value for key, value in spec.items() if key in ("name", "description", "strict")}
    return {**function, "parameters": spec["schema"]}
