"""The form of the answer: tools, tool choice, response format and constraint, made compatible with thinking. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.request.constraints import CONSTRAINT_FIELDS, list_constraint_fields, write_constraint
from langchain_qwen3.request.schema import read_response_format, write_structured
from langchain_qwen3.request.thinking import Thinking, expects_thinking, without_thinking
from langchain_qwen3.request.tool_choice import ToolPlan, plan_tool_choice, select_tools

if TYPE_CHECKING:
    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect

OUTPUT_PARAMS = CONSTRAINT_FIELDS | {
    "constraint",
    "function_call",
    "functions",
    "parallel_tool_calls",
    "structured_output",
    "tool_choice",
    "tools",
}
"""Parameters that only `plan_output` writes."""


def plan_output(
    params: Mapping[str, Any], thinking: Thinking, dialect: Dialect, line: ModelLine | None, body: Mapping[str, Any]
) -> tuple[ToolPlan, Thinking]:
    """Return the parameters that give the answer the bound form, to be sent instead of `OUTPUT_PARAMS`.

    With them come the thinking settings: off if the server refuses thinking together with the form.

    Args:
        params: The call's parameters.
        thinking: The resolved thinking settings.
        dialect: The server.
        line: The checkpoint's line, None when unknown.
        body: Fields that are sent unchanged; if one of them is a form of the answer, it is kept.

    Raises:
        ValueError: The tool choice or the constraint cannot be sent to this server.
    """
    output = _resolve_output(params, dialect)
    if not output:
        return ToolPlan(), thinking
    always = line is not None and line.thinking == "always"
    response_format = output.get("response_format")
    if dialect.json_refused_thinking and _is_json(response_format) and expects_thinking(thinking, line) and not always:
        warn_once(f"{dialect.title} refuses a JSON response_format while thinking: thinking is off for such calls")
        thinking = without_thinking(thinking)
    forms = {name: value for name, value in body.items() if name in CONSTRAINT_FIELDS}
    plan = plan_tool_choice(
        {**forms, **output}, dialect.tool_choice, thinking=bool(expects_thinking(thinking, line)), thinking_only=always
    )
    fields = list_constraint_fields(dialect)
    payload = {name: value for name, value in output.items() if name in fields} | plan.payload
    if plan.content_is_calls:
        payload.pop("parallel_tool_calls", None)  # the schema sets the number of calls
        payload["response_format"] = _build_format(payload["response_format"], dialect)
    if dialect.format_silences_tools and _is_json(response_format) and plan.rescue and plan.demanded is None:
        warn_once(
            f"{dialect.title} applies the JSON response_format to every reply, so tools are never called: leave one "
            "of them out; for agents, use ToolStrategy"
        )
    # For a structured output, its parser reports a missing call.
    demanded = None if "structured_output" in params else plan.demanded
    plan = replace(plan, payload=payload, demanded=demanded)
    return plan, without_thinking(thinking) if plan.thinking_off else thinking


def _resolve_output(params: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the bound form of the answer as OpenAI parameters or the server's own constraint."""
    output = {name: params[name] for name in params if name in OUTPUT_PARAMS}
    if functions := output.pop("functions", None):  # OpenAI's of 2023: LangChain's older chains bind them
        functions = [{"type": "function", "function": function} for function in functions]
        output = {"parallel_tool_calls": False, **output, "tools": [*(output.get("tools") or ()), *functions]}
    if choice := output.pop("function_call", None):
        output.setdefault("tool_choice", choice)
    if output.get("tools"):
        output["tools"] = select_tools(output["tools"], dialect)
    if spec := output.pop("structured_output", None):
        tools = output.get("tools") or ()
        best = "function_calling" if tools and dialect.format_silences_tools else dialect.structured_method
        output |= write_structured(spec, best, tools, strict=dialect.free_arguments)
    if "parallel_tool_calls" in dialect.unsupported and "parallel_tool_calls" not in params:
        output.pop("parallel_tool_calls", None)  # the user did not set it, so no warning
    if constraint := output.pop("constraint", None):
        output.pop("response_format", None)
        output |= write_constraint(constraint, dialect)
    if "response_format" in output:
        output["response_format"] = _build_format(output.pop("response_format"), dialect)
    return output


def _build_format(response_format: Any, dialect: Dialect) -> Any:
    """Return `response_format` in the server's own form."""
    response_format = read_response_format(response_format)
    if not isinstance(response_format, dict):
        return response_format
    if dialect.response_format == "object_schema" and response_format.get("type") == "json_schema":
        return {"type": "json_object", "schema": response_format.get("json_schema", {}).get("schema")}
    if dialect.response_format == "schema_only" and response_format.get("type") == "json_object":
        return {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
    if dialect.response_format == "value" and "value" not in response_format and response_format.get("type") != "text":
        return {"type": response_format.get("type"), "value": response_format.get("json_schema") or {"type": "object"}}
    return response_format


def _is_json(response_format: Any) -> bool:
    return isinstance(response_format, dict) and response_format.get("type") != "text"
