"""A forced tool choice: the fields to send so that the server honours it.

`plan_tool_choice` converts the parameters to payload fields and a condition that the reply must satisfy.
llama.cpp ignores a named choice, and with `required` the model may write text until its tokens run out. A call can
still be forced, even with thinking: send the tools with `tool_choice: "none"`, so that they are in the prompt but no
tool grammar is built, and a JSON schema for an array of calls. `reply.tool_calls.in_text` reads that array.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from langchain_core.tools import BaseTool
from langchain_core.utils.json_schema import dereference_refs

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.call import ToolChoice
from langchain_qwen3.request.constraints import CONSTRAINT_FIELDS
from langchain_qwen3.request.json_schema import has_map, tidy_schema
from langchain_qwen3.request.schema import convert_tool, read_named
from langchain_qwen3.servers.dialect import ChoicePolicy

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import Dialect

_WORDS = {"auto": "auto", "none": "none", "any": "required", "required": "required"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPlan:
    """The fields to send, and how to read the reply.

    Attributes:
        payload: `tools`, `tool_choice`, `parallel_tool_calls` and the form of the answer, those that are sent.
        demanded: The choice the reply must honour, see `check_forced_call`.
        content_is_calls: Whether the content is an array of calls, which the reply's reader takes for them.
        rescue: Whether tool calls left in the text may be extracted from it.
        thinking_off: Whether thinking must be off for this call.
    """

    payload: dict[str, Any] = field(default_factory=dict)
    demanded: ToolChoice | None = None
    content_is_calls: bool = False
    rescue: bool = False
    thinking_off: bool = False


def is_builtin_tool(tool: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a tool is a server's own, such as `{"type": "web_search"}`, not a function of the user."""
    if not isinstance(tool, Mapping) or tool.get("function") or tool.keys() & {"input_schema", "properties"}:
        return False
    if "parameters" in tool and "name" in tool:  # without a name, they are the settings of a server's tool
        return False
    return isinstance(kind := tool.get("type"), str) and kind not in ("function", "object")


def convert_tools(tools: Iterable[Any], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Return tools in OpenAI's form, see `convert_tool`; a server's own tools are unchanged.

    Raises:
        TypeError: `tools` is no list.
        ValueError: A tool has no name, or an unknown form.
    """
    # A single tool of LangChain is iterable, too: it is a pydantic object, and yields its fields. LangChain's graph
    # chains ask by an empty dict whether a model takes tools.
    is_single = isinstance(tools, (str, type, BaseTool)) or (isinstance(tools, Mapping) and tools)
    if is_single or not hasattr(tools, "__iter__"):
        raise TypeError(f"tools must be a list of tools, not {tools!r}")
    return [
        dict(tool)
        if is_builtin_tool(tool)
        else _complete(tidy_schema(dict(read_tool(convert_tool(tool, strict=strict)))))
        for tool in tools
    ]


def select_tools(tools: Sequence[Mapping[str, Any]], dialect: Dialect) -> list[Mapping[str, Any]]:
    """Return the tools that a server takes, with one warning for each other tool."""
    selected: list[Mapping[str, Any]] = []
    for tool in tools:
        if dialect.builtin_tools or not is_builtin_tool(tool):
            wire = read_tool(tool)
            selected.append(wire if dialect.kind == "engine" else _free_maps(wire))
        else:
            warn_once(
                f"{dialect.title} has no built-in tools, so {tool['type']!r} was not sent: bind a function that does it"
            )
    return selected


def _free_maps(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool without `strict` if an argument is a map of any keys.

    `create_agent` sets it for all tools, and hosts with OpenAI's strict mode refuse the whole request for such a map
    (https://github.com/elizaOS/eliza/pull/17060).
    """
    function = tool.get("function") or {}
    if not (function.get("strict") and has_map(function.get("parameters"))):
        return tool
    return {**tool, "function": {name: value for name, value in function.items() if name != "strict"}}


def list_functions(tools: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the functions among wire tools; the field of a server's own tool is missing or empty."""
    return [tool["function"] for tool in tools if tool.get("function")]


def read_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a function tool in the form of chat completions; the Responses API has its fields beside the type.

    Raises:
        ValueError: The function has no name, or its schema is no dict or under an unknown key.
    """
    if tool.get("type") != "function":
        return tool
    if "function" not in tool:
        tool = {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
    function = tool["function"]
    if not isinstance(function, Mapping) or not (isinstance(name := function.get("name"), str) and name.strip()):
        raise ValueError(f'a tool has no name: give {{"type": "function", "function": {{"name": …}}}}, not {tool!r}')
    function = function if "parameters" in function else read_named(dict(function))
    if (parameters := function.get("parameters")) is not None and not isinstance(parameters, Mapping):
        raise ValueError(
            f"the parameters of the tool {name!r} must be a JSON schema, as a dict, not {parameters!r}: bind_tools "
            "converts functions and classes"
        )
    return tool if function is tool["function"] else {**tool, "function": function}


def read_tool_choice(choice: Any, names: Collection[str]) -> ToolChoice | None:
    """Read LangChain's and OpenAI's spellings of `tool_choice`.

    Args:
        choice: None, anything empty, "auto", "none", "any", "required", True, a tool's name, or
            `{"type": "function", "function": {"name": …}}`; also in the forms of Anthropic.
        names: The bound tools.

    Returns:
        The choice, None if there is none.

    Raises:
        ValueError: The choice names a tool that is not bound, or has an unknown form.
    """
    if not choice:
        return None
    if choice is True:
        choice = "required"
    if isinstance(choice, Mapping):
        function = choice.get("function") or choice
        name = function.get("name") if isinstance(function, Mapping) else None
        word = choice.get("type") if name is None else None  # Anthropic's form
    else:
        name, word = choice, (None if choice in names else choice)
    if isinstance(word, str) and word in _WORDS:
        return ToolChoice(_WORDS[word])  # type: ignore[arg-type]  # the words are its modes
    if not isinstance(name, str):
        raise ValueError(  # noqa: TRY004 # whatever its type, it is a bad setting
            f"tool_choice={choice!r} has an unknown form: pass 'auto', 'none', 'required', a tool's name or"
            ' {"type": "function", "function": {"name": ...}}'
        )
    if name not in names:
        bound = ", ".join(names) or "none"
        raise ValueError(f"tool_choice names {name!r}, which is not among the bound tools ({bound}): bind it too")
    return ToolChoice("named", name)


def plan_tool_choice(
    params: Mapping[str, Any], policy: ChoicePolicy, *, thinking: bool = False, thinking_only: bool = False
) -> ToolPlan:
    """Return the fields to send for `tools`, `tool_choice` and `parallel_tool_calls`.

    Args:
        params: The call's OpenAI parameters.
        policy: How the server treats a forced choice.
        thinking: Whether the model may think in this call.
        thinking_only: Whether thinking cannot be switched off.

    Raises:
        ValueError: `tool_choice` is malformed, names a tool that is not bound, or demands a call without tools.
    """
    tools: Sequence[Mapping[str, Any]] = params.get("tools") or ()
    names = [function["name"] for function in list_functions(tools)]
    choice = read_tool_choice(params.get("tool_choice"), names)
    if not tools and choice and choice.forced:
        raise ValueError(
            f"tool_choice={choice.mode!r} requires a call, but no tools are bound: bind them, or leave it out"
        )
    # vLLM answers 400 to a choice without tools; a server that ignores the choice would call any tool it receives.
    if not tools or (policy == "ignored" and choice and choice.mode == "none"):
        return ToolPlan()
    payload: dict[str, Any] = {"tools": list(tools)}
    parallel = params.get("parallel_tool_calls")
    if parallel is not None:
        payload["parallel_tool_calls"] = parallel
    if choice is None:
        return ToolPlan(payload=payload, rescue=True)
    is_only_tool = choice.mode == "required" and len(tools) == len(names) == 1
    if is_only_tool and policy in ("refused_thinking", "required_by_format"):
        choice = ToolChoice("named", names[0])  # a named choice is honoured there, and `required` is not always
    if policy == "required_by_format":
        policy = "by_format" if choice.mode == "required" else "honoured"
    payload["tool_choice"] = choice.wire
    if not choice.forced:
        return ToolPlan(payload=payload, rescue=choice.mode == "auto")
    if policy == "by_format" and not any(params.get(name) for name in CONSTRAINT_FIELDS):
        payload["tool_choice"] = "none"
        payload["response_format"] = build_forced_format(tools, choice.name, parallel=parallel is not False)
        return ToolPlan(payload=payload, demanded=choice, content_is_calls=True)
    thinking_off = _write_forced(payload, choice, policy, thinking=thinking, thinking_only=thinking_only)
    return ToolPlan(payload=payload, demanded=choice, rescue=True, thinking_off=thinking_off)


def _write_forced(
    payload: dict[str, Any], choice: ToolChoice, policy: ChoicePolicy, *, thinking: bool, thinking_only: bool
) -> bool:
    """Write a forced choice in the closest form that the server takes; return whether thinking must be off."""
    if choice.name and policy in ("by_format", "named_ignored", "ignored", "refused"):
        # If no other tool is sent, any call is the right one.
        payload["tools"] = [tool for tool in payload["tools"] if tool.get("function", {}).get("name") == choice.name]
        payload["tool_choice"] = "required"
    if policy == "refused":
        payload["tool_choice"] = "auto"
    if policy != "refused_thinking" or not thinking:
        return False
    if thinking_only:
        payload["tool_choice"] = "auto"
        warn_once("this model always thinks and the server refuses a forced tool_choice while it does: auto is sent")
    else:
        warn_once("the server refuses a forced tool_choice while thinking: thinking is off for such calls")
    return not thinking_only


def build_forced_format(
    tools: Sequence[Mapping[str, Any]], name: str | None = None, *, parallel: bool = True
) -> dict[str, Any]:
    """Return the `response_format` that allows only an array of calls.

    Args:
        tools: The bound wire tools.
        name: The only tool to call, exactly once.
        parallel: Whether more than one call may be made.
    """
    functions = list_functions(tools)
    calls = [_build_call_schema(function) for function in functions if name in (None, function["name"])]
    schema: dict[str, Any] = {"type": "array", "minItems": 1}
    schema["items"] = {"anyOf": calls} if len(calls) > 1 else calls[0]
    if name or not parallel:
        schema["maxItems"] = 1
    return {"type": "json_schema", "json_schema": {"name": "tool_calls", "schema": schema, "strict": True}}


def _build_call_schema(function: Mapping[str, Any]) -> dict[str, Any]:
    # References are relative to the schema's root, which changes when it is nested.
    try:
        parameters = dereference_refs(dict(function.get("parameters") or {"type": "object", "properties": {}}))
    except (AttributeError, KeyError, ValueError) as error:  # of core, which names no tool
        raise ValueError(
            f"the parameters of the tool {function['name']!r} have a $ref that leads to no part of them: {error}"
        ) from None
    parameters.pop("$defs", None)
    return {
        "type": "object",
        "properties": {"name": {"const": function["name"]}, "arguments": parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _complete(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as every server takes it: with a type and properties, without `strict` if it has no arguments.

    LM Studio refuses the schema `{"type": "object"}`: https://github.com/QwenLM/qwen-code/pull/11431.
    """
    if not isinstance(tool.get("function"), Mapping):
        return tool
    function = {**tool["function"]}
    parameters = function.get("parameters")
    if isinstance(parameters, Mapping) and not parameters.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        function["parameters"] = {**parameters, "type": "object", "properties": {}, **parameters}
    if not (parameters or {}).get("properties"):
        function.pop("strict", None)  # there is nothing to constrain
    return {**tool, "function": function}
