"""Resolves the settings of a call from the model and the call, one value for each. Pure.

A setting may be set in four places. In order of precedence: the call's keyword, the call's `extra_body`, the model's
field, the model's `extra_body`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.request.constraints import CONSTRAINT_FIELDS
from langchain_qwen3.request.keywords import OWN_SETTINGS, check_values, is_missing
from langchain_qwen3.request.thinking import Thinking
from langchain_qwen3.servers.dialect import KWARGS, Dialect

if TYPE_CHECKING:
    from langchain_qwen3.request.messages import ReasoningHistory
    from langchain_qwen3.servers.dialect import Path

# For these, None is a value: the server's default, or no limit.
_NULLABLE = frozenset(
    {"enable_thinking", "thinking_budget", "preserve_thinking", "reasoning_effort", "sampling", "model_line"}
)
_THINKING_NAMES = {
    "enable_thinking": "enabled",
    "thinking_budget": "budget",
    "reasoning_effort": "effort",
    "preserve_thinking": "preserve",
    "return_reasoning": "return_reasoning",
}
# The value of each setting that switches thinking off; any other switches it on, or limits it.
_OFF: Mapping[str, Any] = {"enable_thinking": False, "reasoning_effort": "none", "thinking_budget": 0}
# Keywords of OpenAI's `create()` that are no fields of its body → the SDK's options.
OPTION_NAMES = {"extra_headers": "headers", "extra_query": "params", "timeout": "timeout"}
_ABSENT: Any = object()
# Objects with several settings: after known settings are taken out, the rest is merged key by key from all places.
MERGED = (KWARGS, "reasoning")
# The form of the answer, which a place sets as a whole.
FORMS = CONSTRAINT_FIELDS | {"constraint", "structured_output"}
# Written by this package, even if they come from an `extra_body`.
_WRITTEN = frozenset({"model", "stream_options"})
# `stream` depends on the called method; the others are internal to LangChain.
_NOT_SENT = frozenset(
    {"disabled_params", "extra_body", "include_headers", "ls_structured_output_format", "options", "stream"}
)
# In a body, Open WebUI reads Ollama's options:
# https://github.com/open-webui/open-webui/blob/main/backend/open_webui/utils/payload.py
_NOT_SENT_IN_BODY = _NOT_SENT - {"options"}
# Paths of settings in any server's tutorials; `reasoning` is the object of OpenRouter and of OpenAI's Responses API.
_SPELLINGS: tuple[tuple[Path, str], ...] = (
    ((KWARGS, "enable_thinking"), "enable_thinking"),
    ((KWARGS, "preserve_thinking"), "preserve_thinking"),
    (("reasoning", "enabled"), "enable_thinking"),
    (("reasoning", "effort"), "reasoning_effort"),
    (("reasoning", "max_tokens"), "thinking_budget"),
)
# Keys of `reasoning` that only OpenAI's Responses API and OpenRouter have.
_SUMMARY = ("summary", "generate_summary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of model and call, not yet adapted to the server.

    Attributes:
        model: The served model name.
        thinking: The thinking settings.
        reasoning_history: Which earlier reasoning is sent back.
        normalize_messages: Repair what a template would refuse.
        rescue_tool_calls: Parse tool calls that were left in the text; None where this server does not parse them.
        repair_tool_calls: Repair known damage done by tool parsers.
        sampling: `recommended` for the model card's values.
        model_line: The model's line according to the user.
        include_headers: Put the response headers into the metadata.
        disabled: Parameters to leave out unless somebody set them: None for any value, else the values.
        options: Headers, query and timeout, under the SDK's names.
        params: Every other parameter, under OpenAI's name or the server's own; none of them is None.
        extra_body: The rest of both `extra_body`; it is sent unchanged.
    """

    model: str
    thinking: Thinking
    reasoning_history: ReasoningHistory
    normalize_messages: bool
    rescue_tool_calls: bool | None
    repair_tool_calls: bool
    sampling: Literal["recommended"] | None
    model_line: str | None
    include_headers: bool
    disabled: Mapping[str, Any]
    options: Mapping[str, Any]
    params: Mapping[str, Any]
    extra_body: Mapping[str, Any]


def resolve_settings(kwargs: Mapping[str, Any], fields: Mapping[str, Any], dialect: Dialect) -> Settings:
    """Return one value for every setting, by the order of precedence.

    Args:
        kwargs: The call's keywords, including `extra_body` and `options={"extra_body": …}`, which tutorials use.
        fields: The model's parameters under the same names, including `extra_body` and `include_headers`. This
            package's own settings are included only if the user set them.
        dialect: The server; its own spelling of a setting, such as `thinking_token_budget`, is recognised.

    Raises:
        ValueError: A setting of this package has the wrong type or is out of its range; the text names it.
    """
    own, params, body = _merge_places(fields, spread_options(kwargs), dialect)
    check_values(own)
    # SGLang answers 400 to explicit nulls, and others to an empty list of stop texts
    # (https://github.com/promptfoo/promptfoo/pull/280). What `extra_body` has is the user's decision.
    params = {name: value for name, value in params.items() if not is_missing(value) and (value or name != "stop")}
    if isinstance(stop := params.get("stop"), Sequence) and not isinstance(stop, str):
        params["stop"] = [*stop]  # the list of a configuration, such as OmegaConf's, is none for JSON
    thinking = Thinking(**{field: own.pop(name, None) for name, field in _THINKING_NAMES.items()})
    return Settings(
        model=str(params.pop("model", "")),
        thinking=thinking,
        include_headers=bool(fields.get("include_headers")),
        disabled=fields.get("disabled_params") or {},
        options={sdk: params.pop(name) for name, sdk in OPTION_NAMES.items() if name in params},
        params=params,
        extra_body=body,
        **own,
    )


def _merge_places(
    fields: Mapping[str, Any], kwargs: Mapping[str, Any], dialect: Dialect
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return this package's own settings, the parameters and the fields that are sent unchanged; later places win."""
    spellings = list_spellings(dialect)
    own = dict(OWN_SETTINGS)
    params: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for layer, is_body in (
        (fields.get("extra_body"), True),
        (fields, False),
        (kwargs.get("extra_body"), True),
        (kwargs, False),
    ):
        if not layer:
            continue
        settings = read_layer(layer, spellings, is_body=is_body)
        if not is_body:
            _drop_summary(settings, dialect)
        if sets_form(settings):
            for name in FORMS:
                params.pop(name, None)
                body.pop(name, None)
        for name in find_overruled(own, settings):
            own[name] = None
        for name, raw in settings.items():
            value = raw.tolist() if hasattr(raw, "tolist") else raw  # numpy's numbers are no JSON
            if name in own or name in _NULLABLE:
                own[name] = value
            elif name in MERGED or (is_body and name not in _WRITTEN and name not in dialect.sampling_names):
                params.pop(name, None)
                merge_body(body, {name: value})
            else:
                body.pop(name, None)
                params[name] = value
    return own, params, body


def spread_options(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a call's keywords with those of `options=`, which tutorials use, among them."""
    options = kwargs.get("options")
    if not isinstance(options, Mapping):
        return kwargs
    return {**options, **{name: value for name, value in kwargs.items() if name != "options"}}


def sets_form(settings: Mapping[str, Any]) -> bool:
    """Return whether a place sets the form of the answer, and so replaces every form of a farther place."""
    return any(not is_missing(settings[name]) for name in FORMS & settings.keys())


def find_overruled(own: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Return what farther places say of whether to think, if this place says the opposite by any of the settings."""
    enabled, effort = settings.get("enable_thinking"), settings.get("reasoning_effort")
    if enabled is None:
        if effort is None and settings.get("thinking_budget") != 0:
            return []  # a budget only limits thinking
        enabled = effort is not None and effort != "none"
    return [name for name, off in _OFF.items() if own.get(name) is not None and (own[name] == off) is enabled]


def is_unset(name: str, value: Any) -> bool:
    """Return whether a place that has this value leaves the setting to the places further away."""
    if name == "model":
        return not value
    if name in MERGED:
        return is_missing(value)
    return value is None and name in OWN_SETTINGS and name not in _NULLABLE


def read_layer(layer: Mapping[str, Any], spellings: Sequence[tuple[Path, str]], *, is_body: bool) -> dict[str, Any]:
    """Return what one place sets, every spelling converted to our names."""
    hidden = _NOT_SENT_IN_BODY if is_body else _NOT_SENT
    settings = {name: value for name, value in layer.items() if name not in hidden and not is_unset(name, value)}
    for path, name in spellings:
        if path[0] in settings and (value := take_path(settings, path)) is not _ABSENT and not is_unset(name, value):
            settings.setdefault(name, value)
    # Two names of one setting; in `extra_body`, `max_completion_tokens` is the server's own field and may differ.
    if not is_body and "max_completion_tokens" in settings:
        total = settings.pop("max_completion_tokens")
        if is_missing(settings.get("max_tokens")):
            settings["max_tokens"] = total
    return settings


def _drop_summary(settings: dict[str, Any], dialect: Dialect) -> None:
    """Leave out what `reasoning=` says of a summary where the reasoning itself comes back."""
    reasoning = settings.get("reasoning")
    if isinstance(reasoning, Mapping) and "reasoning" not in dialect.own_fields:
        kept = {name: value for name, value in reasoning.items() if name not in _SUMMARY}
        if kept != reasoning:
            warn_once('reasoning["summary"] has no effect: the whole reasoning is in additional_kwargs')
        settings["reasoning"] = kept
        if not kept:
            del settings["reasoning"]


def list_spellings(dialect: Dialect) -> list[tuple[Path, str]]:
    """Return the paths under which tutorials and the server put a setting, with our name for it."""
    own = (
        (dialect.budget, "thinking_budget"),
        (dialect.effort, "reasoning_effort"),
        (dialect.preserve, "preserve_thinking"),
    )
    sampling = [((wire,), name) for name, wire in dialect.sampling_names.items()]
    if "repetition_penalty" in dialect.own_fields:
        sampling.append((("repeat_penalty",), "repetition_penalty"))  # ChatOllama's name
    return [*_SPELLINGS, *[(path, name) for path, name in own if path and path != (name,)], *sampling]


def take_path(layer: dict[str, Any], path: Path) -> Any:
    """Take a value out of a layer that has its first key; an inner object is copied, and removed when empty."""
    key, *rest = path
    if not rest:
        return layer.pop(key)
    inner = layer[key]
    if not isinstance(inner, Mapping) or rest[0] not in inner:
        return _ABSENT
    layer[key] = inner = dict(inner)
    value = inner.pop(rest[0])
    if not inner:
        del layer[key]
    return value


def merge_body(base: dict[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `added` into `base`, mappings key by key, and return it; values of `added` take precedence."""
    for key, value in added.items():
        inner = base.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            base[key] = merge_body(dict(inner), value)
        else:
            base[key] = value
    return base
