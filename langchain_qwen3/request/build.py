"""Builds the exact JSON body from settings and messages. Pure, no I/O.

settings → thinking → form of the answer → messages → payload; each stage returns a frozen value for the next.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_qwen3._warnings import warn_once, warn_unsupported
from langchain_qwen3.call import Call, ReplyOptions
from langchain_qwen3.profiles.think_tags import CLOSE_TAG
from langchain_qwen3.request.constraints import list_constraint_fields
from langchain_qwen3.request.foreign_settings import OTHER_SWITCHES, OUR_SWITCH
from langchain_qwen3.request.history import write_history
from langchain_qwen3.request.keywords import openai_fields
from langchain_qwen3.request.media import lift_media_settings
from langchain_qwen3.request.output import OUTPUT_PARAMS, plan_output
from langchain_qwen3.request.sampling import recommend_sampling, warn_if_greedy
from langchain_qwen3.request.settings import OPTION_NAMES, merge_body, resolve_settings
from langchain_qwen3.request.thinking import Thinking, expects_thinking, resolve_thinking, write_thinking
from langchain_qwen3.servers.dialect import KWARGS, WHOLE_REPLY
from langchain_qwen3.servers.facts import resolve_served_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.request.messages import ReasoningHistory, Replay
    from langchain_qwen3.request.settings import Settings
    from langchain_qwen3.request.tool_choice import ToolPlan
    from langchain_qwen3.servers.dialect import Dialect
    from langchain_qwen3.servers.facts import ModelFacts
    from langchain_qwen3.servers.habits import ReplyHabits
    from langchain_qwen3.servers.refusals import Lesson

FEW_IN_FLIGHT = 4
"""Concurrent requests that llama-server can always handle: it starts at least `--parallel` + 2 HTTP threads."""

_NO_CHANGE = {"n": 1, "parallel_tool_calls": True}  # the default behaviour of a server without the setting
_WRITTEN_APART = OUTPUT_PARAMS | {"max_tokens", "stream_options", "stream_usage"}


class _Resolved(NamedTuple):
    """The settings of a call, resolved for its server and checkpoint."""

    settings: Settings
    plan: ToolPlan
    thinking: Thinking
    dialect: Dialect
    line: ModelLine | None


def build_call(  # noqa: PLR0913  # exactly what the four hooks have available
    messages: Sequence[BaseMessage],
    kwargs: Mapping[str, Any],
    fields: Mapping[str, Any],
    dialect: Dialect,
    *,
    stream: bool,
    models: Mapping[str, ModelFacts] = MappingProxyType({}),
    in_flight: int = 0,
    recall: Callable[..., ReplyHabits] | None = None,
    lesson: Lesson[Call] | None = None,
    piece: bool = False,
) -> Call:
    """Return the call for a conversation.

    Args:
        messages: The conversation.
        kwargs: The call's keywords.
        fields: The model's parameters, see `resolve_settings`.
        dialect: The server.
        stream: Whether the reply is streamed.
        models: Facts the server reports about its models.
        in_flight: Number of other running requests to this server. Beyond a few, a server whose idle connections hold
            threads is asked to close this connection.
        recall: Finds the server's habits, see `recall_habits`; None to use and learn none.
        lesson: Learns what the server refuses; None to learn nothing.
        piece: Whether the messages are only counted, so that they may be a piece of a conversation.

    Raises:
        ValueError: A setting is out of its range; the text names it.
        MessageError: No template could render the messages.
        MediaError: A content part cannot be sent to this server or checkpoint.
    """
    settings = resolve_settings(kwargs, fields, dialect)
    line = resolve_served_line(settings.model, dialect, models, settings.model_line)
    thinking = resolve_thinking(settings.thinking, dialect, line, settings.model)
    plan, thinking = plan_output(settings.params, thinking, dialect, line, settings.extra_body)
    thinks = bool(expects_thinking(thinking, line))
    is_continued = {**settings.params, **settings.extra_body}.get("continue_final_message")
    wire = write_history(
        messages,
        dialect,
        line,
        replay=_resolve_replay(settings.reasoning_history, thinking, line),
        normalize=settings.normalize_messages,
        continues=thinks and not is_continued,
        piece=piece,
    )
    resolved = _Resolved(settings, plan, thinking, dialect, line)
    payload = _write_payload(wire, resolved, stream=stream)
    several = _asks_for_several(payload)
    is_omni = line is not None and line.inputs_known and "audio" in line.inputs
    if stream and several:
        raise ValueError("n must be 1 when streaming: a LangChain stream is one message")
    options = dict(settings.options)
    if dialect.idle_connections_hold_threads and in_flight >= FEW_IN_FLIGHT:
        options["headers"] = {"Connection": "close", **options.get("headers", {})}
    return Call(
        payload=payload,
        options=options,
        reply=_build_reply_options(payload, resolved, known=models.get(settings.model), several=several, recall=recall),
        dialect=dialect,
        line=line,
        stream_inside=(WHOLE_REPLY in dialect.refused or (dialect.stream_when_thinking and (thinks or is_omni)))
        and not (stream or several),
        lesson=lesson,
    )


def replace_payload(call: Call, payload: dict[str, Any]) -> Call:
    """Return the call with a payload that a subclass changed: as in ChatOpenAI's, there may be keywords of the SDK."""
    options = {sdk: payload.pop(name) for name, sdk in OPTION_NAMES.items() if name in payload}
    body = merge_body(payload, payload.pop("extra_body", None) or {})
    reply = replace(call.reply, several=_asks_for_several(body))
    return replace(call, payload=body, options=merge_body(call.options, options), reply=reply)


def _asks_for_several(payload: Mapping[str, Any]) -> bool:
    return payload.get("n") not in (None, 0, 1)  # `extra_body` may hold anything, such as "2"


def _resolve_replay(history: ReasoningHistory, thinking: Thinking, line: ModelLine | None) -> Replay:
    if history != "auto":
        return history
    if thinking.preserve is not None:
        return "all" if thinking.preserve else "last_turn"
    return "all" if line is not None and line.keeps_reasoning == "all" else "last_turn"


def _write_payload(wire: list[dict[str, Any]], resolved: _Resolved, *, stream: bool) -> dict[str, Any]:
    """Return the body: common fields, thinking, parameters under the server's names, then `extra_body`."""
    settings, plan, thinking, dialect, line = resolved
    payload: dict[str, Any] = {
        "model": settings.model,
        "messages": wire,
        **_write_stream(settings.params, dialect, stream),
    }
    lifted = lift_media_settings(wire, dialect)
    write_thinking(payload, thinking, dialect, line)
    if (limit := settings.params.get("max_tokens")) is not None:
        payload[dialect.max_tokens] = limit
    params = {name: value for name, value in settings.params.items() if name not in _WRITTEN_APART}
    if settings.sampling == "recommended" and settings.model:  # a server that does not answer has named none yet
        params = {**params, **recommend_sampling({*params, *settings.extra_body}, thinking, line)}
    _write_parameters(payload, {**params, **plan.payload}, dialect)
    for name, value in lifted.items():
        if isinstance(own := payload.get(name, {}), dict):
            payload[name] = {**value, **own}
    if line is None or line.thinking != "never":
        payload.update({name: value for name, value in dialect.extra.items() if name not in payload})
    _leave_out_disabled(payload, settings)
    merge_body(payload, settings.extra_body)
    _warn_of_ignored(settings, dialect, line)
    warn_if_greedy(payload, thinking, line)
    return payload


def _leave_out_disabled(payload: dict[str, Any], settings: Settings) -> None:
    """Take out what was written without anybody setting it, where `disabled_params` says so."""
    for name, values in settings.disabled.items():
        if name in payload and name not in settings.params and (values is None or payload[name] in values):
            del payload[name]


def _write_stream(params: Mapping[str, Any], dialect: Dialect, stream: bool) -> dict[str, Any]:
    if not stream:
        return {}  # vLLM answers 400 to stream_options without stream
    options = dict(params.get("stream_options") or {})
    if params.get("stream_usage") is not False:
        options.setdefault("include_usage", True)
    is_taken = "stream_options" not in dialect.unsupported
    return {"stream": True, "stream_options": options} if options and is_taken else {"stream": True}


def _write_parameters(payload: dict[str, Any], params: Mapping[str, Any], dialect: Dialect) -> None:
    """Write parameters under the server's own names, without those it refuses."""
    for name, value in params.items():
        if name in dialect.unsupported or (dialect.strict_fields and name not in dialect.own_fields | openai_fields()):
            if _NO_CHANGE.get(name) != value:
                warn_unsupported(name, dialect)
            continue
        payload[dialect.sampling_names.get(name, name)] = value


def _warn_of_ignored(settings: Settings, dialect: Dialect, line: ModelLine | None) -> None:
    """Warn of what was put into `extra_body` for another server: an engine ignores it without a word."""
    body, thinking = settings.extra_body, settings.thinking
    if dialect.kind != "engine" or dialect.strict_fields or not body:
        return
    for name in body.keys() & dialect.unsupported:
        if _NO_CHANGE.get(name) != body[name]:
            warn_unsupported(name, dialect, sent=True)
    if (thinking.enabled, thinking.effort) != (None, None):
        return
    template = body.get(KWARGS) if line else None  # the template of another model may have such a switch
    for name in OTHER_SWITCHES & {*body, *(template if isinstance(template, dict) else ())}:
        warn_once(f"{name} is another API's switch, which Qwen3 on {dialect.title} is not known to have: {OUR_SWITCH}")


def _build_reply_options(
    payload: Mapping[str, Any],
    resolved: _Resolved,
    *,
    known: ModelFacts | None,
    several: bool,
    recall: Callable[..., ReplyHabits] | None,
) -> ReplyOptions:
    settings, plan, thinking, dialect, line = resolved
    # A grammar may apply from the first token, so a constrained reply need not begin with reasoning, as others do.
    is_free = list_constraint_fields(dialect).isdisjoint(payload)
    expected = expects_thinking(thinking, line)
    may_be_opened = (
        line is not None
        and line.opens_think
        and expected
        and not (dialect.kind == "hosted" or dialect.repeats_open_tag)
        and is_free
    )
    opened = None if may_be_opened else False
    habits = recall and recall(settings.model, (thinking.enabled, opened, is_free), likely=opened)
    stop = payload.get("stop")
    return ReplyOptions(
        model=payload["model"],
        include_headers=settings.include_headers,
        return_reasoning=thinking.return_reasoning,
        thinking_off=expected is False,
        stops=bool(stop) and CLOSE_TAG not in str(stop),  # who stops there wants the thinking alone
        opened=habits.opened if habits else opened,
        habits=habits,
        finishes=dialect.kind in ("engine", "hosted"),
        tools=tuple(tool for tool in plan.payload.get("tools", ()) if tool.get("function")),
        function_call=bool(settings.params.get("functions")),
        rescue_tool_calls=_read_rescue(settings, dialect) if plan.rescue else False,
        demanded=plan.demanded,
        forced=payload.get("tool_choice") not in (None, "auto", "none"),
        content_is_calls=plan.content_is_calls,
        # Where both are sent, vLLM takes the first. The usage of several replies is their sum.
        max_tokens=None if several else payload.get("max_completion_tokens", payload.get("max_tokens")),
        context=known.context if known and not several else None,
        several=several,
        server_writes_arguments=line is None or line.tool_format == "xml",
        repair_tool_calls=settings.repair_tool_calls,
    )


def _read_rescue(settings: Settings, dialect: Dialect) -> bool | None:
    """Return whether to rescue calls. One server of several behind an address says nothing of the others."""
    has_several = dialect.kind == "gateway" or bool(dialect.providers)
    return True if settings.rescue_tool_calls is None and has_several else settings.rescue_tool_calls
