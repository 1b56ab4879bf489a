"""The request path: settings and messages → the exact JSON body. Pure, no I/O.

build_call: settings → thinking → tools and response format → history → sampling → extra_body
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import openai
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

from langchain_qwen3._warnings import warn_once, warn_unsupported
from langchain_qwen3.call import Call, ReplyOptions
from langchain_qwen3.profiles import find_line
from langchain_qwen3.request.constraints import CONSTRAINT_FIELDS, write_constraint
from langchain_qwen3.request.messages import check_messages, write_messages
from langchain_qwen3.request.sampling import recommend_sampling, warn_if_greedy
from langchain_qwen3.request.schema import write_structured
from langchain_qwen3.request.settings import merge_body, take_settings
from langchain_qwen3.request.thinking import (
    Thinking,
    is_thinking_off,
    is_thinking_on,
    resolve_thinking,
    without_thinking,
    write_thinking,
)
from langchain_qwen3.request.tool_choice import ToolPlan, plan_tool_choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.request.messages import ReasoningHistory
    from langchain_qwen3.request.settings import Settings
    from langchain_qwen3.servers.dialects import Dialect

FEW_IN_FLIGHT = 4
"""Requests that llama-server answers at once whatever its settings: it starts `--parallel` + 2 HTTP threads or more."""

_SDK_OPTIONS = {"extra_headers": "headers", "extra_query": "params", "timeout": "timeout"}
_PLANNED = ("tools", "tool_choice", "parallel_tool_calls", "response_format")
_NO_CHANGE = {"n": 1, "parallel_tool_calls": True}  # what a server that lacks the setting does anyway


def build_call(  # noqa: PLR0913  # the four hooks all have just these at hand
    messages: Sequence[BaseMessage],
    asked: dict[str, Any],
    fields: Mapping[str, Any],
    dialect: Dialect,
    *,
    stream: bool,
    in_flight: int = 0,
) -> Call:
    """Return the call for a conversation.

    Args:
        messages: The conversation.
        asked: OpenAI parameters of model and call, the call's own settings and its `extra_body` among them; used up.
        fields: Our own settings as the model has them, its `extra_body` and whether it wants `include_headers`.
        dialect: The server's spelling.
        stream: Whether the reply is streamed.
        in_flight: Other requests on their way to this server; beyond a few, one whose idle connections hold threads
            is told to close this one.

    Raises:
        ValueError: A setting is out of its range; the text names it.
        MessageError: No template could render the messages.
        MediaError: A content part cannot be sent to this server or checkpoint.
    """
    settings, extra_body = take_settings(asked, fields)
    model = str(asked.pop("model"))
    line = dialect.adapt_line(find_line(model, dialect.name))
    thinking = resolve_thinking(settings.thinking, dialect, line, model)
    options = _take_options(asked)
    if dialect.idle_connections_hold_threads and in_flight >= FEW_IN_FLIGHT:
        options["headers"] = {"Connection": "close", **options.get("headers", {})}
    parsed = "structured_output" in asked  # its parser reports a call that is missing
    _resolve_output(asked, dialect)
    plan, thinking = _plan_tools(asked, dialect, thinking, line)
    continues = extra_body.get("continue_final_message") or asked.get("continue_final_message")
    wire = _write_history(messages, settings, thinking, dialect, line, continues=bool(continues))
    payload: dict[str, Any] = {"model": model, "messages": wire}
    if settings.sampling == "recommended":
        recommend_sampling(asked, thinking, line)
    warn_if_greedy(asked, thinking, line)
    _write_stream(payload, asked, stream=stream)
    write_thinking(payload, thinking, dialect, line)
    _write_parameters(payload, {**asked, **plan.payload}, dialect)
    for name, value in dialect.extra.items():
        payload.setdefault(name, value)
    merge_body(payload, extra_body)
    several = (payload.get("n") or 1) > 1
    if stream and several:
        raise ValueError("n must be 1 when streaming: a LangChain stream is one message")
    return Call(
        payload=payload,
        options=options,
        reply=_build_reply_options(
            payload, settings, thinking, line, plan, include_headers=bool(fields.get("include_headers"))
        ),
        dialect=dialect,
        stream_inside=dialect.stream_when_thinking and is_thinking_on(thinking, line) and not (stream or several),
        demanded=None if parsed else plan.demanded,
    )


def _write_history(  # noqa: PLR0913  # what decides about a message
    messages: Sequence[BaseMessage],
    settings: Settings,
    thinking: Thinking,
    dialect: Dialect,
    line: ModelLine | None,
    *,
    continues: bool,
) -> list[dict[str, Any]]:
    """Return the wire messages, checked unless they are to be sent as they are."""
    replay = _resolve_replay(settings.reasoning_history, thinking, line)
    wire = write_messages(messages, dialect, replay=replay, normalize=settings.normalize_messages, line=line)
    if settings.normalize_messages:
        check_messages(wire, thinking=is_thinking_on(thinking, line) and not continues)
    return wire


def _take_options(asked: dict[str, Any]) -> dict[str, Any]:
    """Take what `post` wants beside the body, and drop what was not given."""
    options = {}
    for name, sdk_name in _SDK_OPTIONS.items():
        value = asked.pop(name, None)
        if value is not None and not isinstance(value, openai.NotGiven):
            options[sdk_name] = value
    for name in [
        name for name, value in asked.items() if value is None or isinstance(value, (openai.NotGiven, openai.Omit))
    ]:
        del asked[name]  # SGLang answers 400 to explicit nulls
    return options


def _build_format(wanted: Any, dialect: Dialect) -> Any:
    """Return `response_format` in the server's own form, None when none was given."""
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        schema = convert_to_json_schema(wanted)
        name = schema.pop("title", wanted.__name__)
        wanted = {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}
    if not isinstance(wanted, dict):
        return wanted
    if dialect.response_format == "schema_only" and wanted.get("type") == "json_object":
        return {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
    if dialect.response_format == "value" and "value" not in wanted and wanted.get("type") != "text":
        return {"type": wanted.get("type"), "value": wanted.get("json_schema") or {"type": "object"}}
    return wanted


def _resolve_output(asked: dict[str, Any], dialect: Dialect) -> None:
    """Turn what `with_structured_output` or `.bind(constraint=…)` bound into OpenAI parameters for this server."""
    if spec := asked.pop("structured_output", None):
        tools = asked.get("tools") or ()
        best = "function_calling" if tools and dialect.format_silences_tools else dialect.structured_method
        asked.update(write_structured(spec, best, tools))
    if constraint := asked.pop("constraint", None):
        asked.pop("response_format", None)
        asked.update(write_constraint(constraint, dialect))
    if (wanted := asked.pop("response_format", None)) is not None:
        asked["response_format"] = _build_format(wanted, dialect)


def _plan_tools(
    asked: dict[str, Any], dialect: Dialect, thinking: Thinking, line: ModelLine | None
) -> tuple[ToolPlan, Thinking]:
    """Settle tools and response format against thinking: where one excludes the other, thinking is off for the call."""
    always = line is not None and line.thinking == "always"
    wanted = asked.get("response_format")
    if dialect.json_refused_thinking and _is_json(wanted) and is_thinking_on(thinking, line) and not always:
        warn_once(f"{dialect.title} refuses a JSON response_format while thinking: thinking is off for calls with one")
        thinking = without_thinking(thinking)
    on = is_thinking_on(thinking, line)
    plan = plan_tool_choice(asked, dialect.tool_choice, thinking=on, thinking_only=always)
    if plan.forced_calls:
        plan.payload.pop("parallel_tool_calls", None)  # the schema says it
    if plan.notice:
        warn_once(plan.notice)
    if plan.thinking_off:
        thinking = without_thinking(thinking)
    kept = {"response_format": wanted} if wanted is not None and "response_format" not in plan.payload else {}
    if dialect.format_silences_tools and kept and plan.rescue and plan.demanded is None and _is_json(wanted):
        warn_once(
            f"{dialect.title} holds every reply to the JSON response_format, so the tools beside it are never called: "
            "leave one of them out; agents have ToolStrategy for it"
        )
    for name in _PLANNED:
        asked.pop(name, None)
    asked.update(kept)
    return plan, thinking


def _is_json(wanted: Any) -> bool:
    return isinstance(wanted, dict) and wanted.get("type") != "text"


def _resolve_replay(
    history: ReasoningHistory, thinking: Thinking, line: ModelLine | None
) -> Literal["all", "last_turn", "none"]:
    if history != "auto":
        return history
    if thinking.preserve is not None:
        return "all" if thinking.preserve else "last_turn"
    return "all" if line is not None and line.keeps_reasoning == "all" else "last_turn"


def _write_stream(payload: dict[str, Any], asked: dict[str, Any], *, stream: bool) -> None:
    asked.pop("stream", None)
    stream_options = dict(asked.pop("stream_options", None) or {})
    usage = asked.pop("stream_usage", None)
    if not stream:
        return  # vLLM answers 400 to stream_options without stream
    payload["stream"] = True
    if usage is not False:
        stream_options.setdefault("include_usage", True)
    if stream_options:
        payload["stream_options"] = stream_options


def _write_parameters(payload: dict[str, Any], asked: dict[str, Any], dialect: Dialect) -> None:
    """Write every other parameter under the server's own name; none that it refuses."""
    limit = asked.pop("max_tokens", None)
    total = asked.pop("max_completion_tokens", None)
    if limit is not None or total is not None:
        payload[dialect.max_tokens] = total if limit is None else limit
    for name, value in asked.items():
        if name in dialect.unsupported or (dialect.strict_fields and name not in dialect.own_fields | _openai_fields()):
            if _NO_CHANGE.get(name) != value:
                warn_unsupported(name, dialect)
            continue
        payload[dialect.sampling_names.get(name, name)] = value


def _openai_fields() -> frozenset[str]:
    """Return the fields of OpenAI's own request."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    return frozenset(CompletionCreateParamsBase.__annotations__)


def _build_reply_options(  # noqa: PLR0913  # what a reply depends on
    payload: dict[str, Any],
    settings: Settings,
    thinking: Thinking,
    line: ModelLine | None,
    plan: ToolPlan,
    *,
    include_headers: bool,
) -> ReplyOptions:
    return ReplyOptions(
        include_headers=include_headers,
        return_reasoning=thinking.return_reasoning,
        thinking_off=is_thinking_off(thinking, line),
        # A grammar may apply from the first token, so a constrained reply need not begin with reasoning.
        opened=(
            line is not None
            and line.opens_think
            and is_thinking_on(thinking, line)
            and CONSTRAINT_FIELDS.isdisjoint(payload)
        ),
        tools=tuple(plan.payload.get("tools", ())),
        rescue_tool_calls=plan.rescue and settings.rescue_tool_calls,
        forced_calls=plan.forced_calls,
        repair_tool_calls=settings.repair_tool_calls,
    )
