"""Structured output: what is asked of the server.

How a server is asked depends on its dialect, which is known only when a call is made. `with_structured_output`
therefore binds the plain `structured_output` mapping; the request path turns it into `response_format` or a
forced tool with `write_structured`, and `StructuredOutputParser` reads either. The model's own settings are never
touched, so thinking stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableGenerator
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import BaseModel

from langchain_qwen3.reply.structured_parser import METHODS, Method, StructuredOutputParser

_BAD_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class StructuredOutput(TypedDict, total=False):
    """What `structured_output` binds: plain data, so that caches and traces can hold it."""

    name: str
    description: str
    schema: dict[str, Any]
    strict: bool
    method: Method


def build_structured_runnable(  # noqa: PLR0913 # the arguments of LangChain's with_structured_output
    model: BaseChatModel,
    schema: Mapping[str, Any] | type | None,
    *,
    method: Method | None = None,
    include_raw: bool = False,
    strict: bool | None = None,
    tools: Sequence[Any] | None = None,
    **kwargs: Any,
) -> Runnable[Any, Any]:
    """Return a runnable that asks `model` for `schema` and parses the answer.

    Args:
        model: The chat model; it is bound, never changed.
        schema: A pydantic class, a TypedDict, a JSON schema, an OpenAI function or tool, or OpenAI's
            `{"type": "json_schema", …}`. None with `json_mode`: any JSON object.
        method: How to ask; None: the server's best.
        include_raw: Return `{"raw", "parsed", "parsing_error"}`; what is wrong with the answer is not raised.
        strict: Sent to the server, which may then hold the answer to the schema more closely.
        tools: Tools the model may call instead of answering; the answer is then None.
        **kwargs: Bound to the model. With `constraint` the server is held to that instead of the schema.

    Raises:
        ValueError: The method is unknown, or schema, `strict` or `constraint` do not go with it.
    """
    if method is not None and method not in METHODS:
        raise ValueError(f"method={method!r} is unknown: give one of {', '.join(METHODS)} or None")
    if method == "json_mode" and strict is not None:
        raise ValueError("strict has no meaning with method='json_mode': leave it out or use 'json_schema'")
    if schema is None and method != "json_mode":
        raise ValueError("schema is None, which only method='json_mode' takes")
    spec = read_schema(schema, strict=strict)
    if "constraint" in kwargs:
        method = "json_schema"
    else:
        if method is not None:
            spec["method"] = method
        kwargs["structured_output"] = spec
    kwargs["ls_structured_output_format"] = {
        "kwargs": {"method": method, "strict": strict},
        # A class as it is: core writes traces with its own converter.
        "schema": schema if isinstance(schema, type) else {"type": "function", "function": _build_function(spec)},
    }
    asking = model.bind_tools(tools, **kwargs) if tools else model.bind(**kwargs)
    parser = StructuredOutputParser(
        output=schema,
        name=spec["name"],
        method=method,
        objects=spec["schema"].get("type") == "object" or "properties" in spec["schema"],
        has_tools=bool(tools),
    )
    if include_raw:
        return asking | RunnableGenerator(parser.keep_raw, parser.akeep_raw)
    return asking | parser


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
        "tools": [*tools, {"type": "function", "function": _build_function(spec)}],
        "tool_choice": "required" if tools else choice,
        "parallel_tool_calls": False,
    }


def _build_function(spec: StructuredOutput) -> dict[str, Any]:
    function = {key: value for key, value in spec.items() if key in ("name", "description", "strict")}
    return {**function, "parameters": spec["schema"]}
