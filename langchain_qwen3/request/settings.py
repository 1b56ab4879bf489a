"""The settings of a call: read from model and call, one value for each. Pure.

A setting may stand in four places, and the nearest to the call wins: the call's keyword, the call's `extra_body`, the
model's field, the model's `extra_body`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import openai

from langchain_qwen3.request.keywords import OWN_SETTINGS, check_values
from langchain_qwen3.request.thinking import Thinking
from langchain_qwen3.servers.dialects import KWARGS, Dialect

if TYPE_CHECKING:
    from langchain_qwen3.request.messages import ReasoningHistory
    from langchain_qwen3.servers.dialects import Path

# None is a value of these: the server's default, no limit.
_NULLABLE = frozenset({"enable_thinking", "thinking_budget", "preserve_thinking", "reasoning_effort"})
_THINKING_NAMES = {
    "enable_thinking": "enabled",
    "thinking_budget": "budget",
    "reasoning_effort": "effort",
    "preserve_thinking": "preserve",
    "return_reasoning": "return_reasoning",
}
_OPTION_NAMES = {"extra_headers": "headers", "extra_query": "params", "timeout": "timeout"}
_ABSENT: Any = object()
# Objects that hold several settings: what is left of them is merged key by key, wherever they stand.
_MERGED = (KWARGS, "reasoning")
# Written by us, also where they come from an `extra_body`.
_WRITTEN = frozenset({"model", "stream_options"})
# `stream` is decided by the method that is called; the others are for LangChain's own machinery.
_NOT_SENT = frozenset({"extra_body", "include_headers", "ls_structured_output_format", "options", "stream"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What model and call want, before anybody looked at the server.

    Attributes:
        model: The served model name.
        thinking: The thinking settings.
        reasoning_history: Which earlier reasoning goes back.
        normalize_messages: Put right what a template would refuse.
        rescue_tool_calls: Read calls that were left in the text.
        repair_tool_calls: Mend the known damage of tool parsers.
        sampling: `recommended` for the model card's values.
        model_line: What the model is said to be.
        include_headers: Put the response headers into the metadata.
        options: Headers, query and timeout, by the SDK's names.
        params: Every other parameter, by OpenAI's name or the server's own; none of them is None.
        extra_body: What is left of both `extra_body`; it is sent as it is.
    """

    model: str
    thinking: Thinking
    reasoning_history: ReasoningHistory
    normalize_messages: bool
    rescue_tool_calls: bool
    repair_tool_calls: bool
    sampling: Literal["recommended"] | None
    model_line: str | None
    include_headers: bool
    options: Mapping[str, Any]
    params: Mapping[str, Any]
    extra_body: Mapping[str, Any]


def resolve_settings(kwargs: Mapping[str, Any], fields: Mapping[str, Any], dialect: Dialect) -> Settings:
    """Return one value for every setting, the nearest to the call.

    Args:
        kwargs: The call's keywords, `extra_body` and a tutorial's `options={"extra_body": …}` among them.
        fields: The model's parameters by the same names, its `extra_body` and `include_headers` among them. Settings
            of our own only as far as somebody set them.
        dialect: Its own spelling of a setting, such as `thinking_token_budget`, is understood as that setting.

    Raises:
        ValueError: A setting of ours is of the wrong type or out of its range; the text names it.
    """
    if options := kwargs.get("options"):
        kwargs = {**options, **kwargs}
    own = dict(OWN_SETTINGS)
    params: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for layer, is_body in (
        (fields.get("extra_body"), True),
        (fields, False),
        (kwargs.get("extra_body"), True),
        (kwargs, False),
    ):
        for name, value in _read_layer(layer or {}, dialect, is_body=is_body).items():
            if name in own or name in _NULLABLE:
                if value is not None or name in _NULLABLE:
                    own[name] = value
            elif name in _MERGED or (is_body and name not in _WRITTEN and name not in dialect.sampling_names):
                params.pop(name, None)
                merge_body(body, {name: value})
            else:
                body.pop(name, None)
                params[name] = value
    check_values(own)
    # SGLang answers 400 to explicit nulls; in `extra_body` they are the user's own.
    params = {name: value for name, value in params.items() if not _is_missing(value)}
    thinking = Thinking(**{ours: own.pop(name, None) for name, ours in _THINKING_NAMES.items()})
    return Settings(
        model=str(params.pop("model")),
        thinking=thinking,
        include_headers=bool(fields.get("include_headers")),
        options={sdk: params.pop(name) for name, sdk in _OPTION_NAMES.items() if name in params},
        params=params,
        extra_body=body,
        **own,
    )


def _is_missing(value: Any) -> bool:
    return value is None or isinstance(value, (openai.NotGiven, openai.Omit))


def _read_layer(layer: Mapping[str, Any], dialect: Dialect, *, is_body: bool) -> dict[str, Any]:
    """Return a place's settings under our names, whichever way they are spelled there."""
    settings = {name: value for name, value in layer.items() if name not in _NOT_SENT}
    for path, name in _iter_spellings(dialect):
        value = _take_path(settings, path)
        if value is not _ABSENT:
            settings.setdefault(name, value)
    # Two names of one setting; in a body the longer one is the server's own, and may mean something else.
    if not is_body and "max_completion_tokens" in settings:
        total = settings.pop("max_completion_tokens")
        if _is_missing(settings.get("max_tokens")):
            settings["max_tokens"] = total
    return settings


def _iter_spellings(dialect: Dialect) -> Iterator[tuple[Path, str]]:
    """Yield where tutorials and the server itself put a setting."""
    yield (KWARGS, "enable_thinking"), "enable_thinking"
    yield (KWARGS, "preserve_thinking"), "preserve_thinking"
    # OpenRouter's object, and that of OpenAI's other API.
    yield ("reasoning", "enabled"), "enable_thinking"
    yield ("reasoning", "effort"), "reasoning_effort"
    yield ("reasoning", "max_tokens"), "thinking_budget"
    for path, name in (
        (dialect.budget, "thinking_budget"),
        (dialect.effort, "reasoning_effort"),
        (dialect.preserve, "preserve_thinking"),
    ):
        if path and path != (name,):
            yield path, name
    for name, wire in dialect.sampling_names.items():
        yield (wire,), name


def _take_path(layer: dict[str, Any], path: Path) -> Any:
    """Take a value out of a layer; an object on the way is copied, and goes when nothing is left of it."""
    key, *rest = path
    if key not in layer:
        return _ABSENT
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
    """Merge `added` into `base`, mappings key by key, and return it; what is added wins."""
    for key, value in added.items():
        inner = base.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            base[key] = merge_body(dict(inner), value)
        else:
            base[key] = value
    return base
