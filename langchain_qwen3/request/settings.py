"""Our own settings of a call: found wherever they were put, resolved to one value each. Pure.

The nearest to the call wins: keyword, then the call's `extra_body`, then the model's field, then its `extra_body`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langchain_qwen3.request.thinking import Thinking
from langchain_qwen3.servers.dialects import KWARGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.request.messages import ReasoningHistory

OWN_SETTINGS = (
    "enable_thinking",
    "thinking_budget",
    "preserve_thinking",
    "return_reasoning",
    "reasoning_history",
    "normalize_messages",
    "rescue_tool_calls",
    "repair_tool_calls",
    "sampling",
)
"""Keywords of a call that are ours: they shape the request and never reach the wire under their own names."""

# None is a value of these: the server's default, no limit.
_NULLABLE = frozenset({"enable_thinking", "thinking_budget", "preserve_thinking", "reasoning_effort"})
_TEMPLATE_SWITCHES = ("enable_thinking", "preserve_thinking")
# OpenRouter's object, and that of OpenAI's other API.
_REASONING_NAMES = {"enabled": "enable_thinking", "effort": "reasoning_effort", "max_tokens": "thinking_budget"}
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Our own settings of one call, resolved from call, model and `extra_body`."""

    thinking: Thinking
    reasoning_history: ReasoningHistory = "auto"
    normalize_messages: bool = True
    rescue_tool_calls: bool = True
    repair_tool_calls: bool = False
    sampling: Literal["recommended"] | None = None


def take_settings(asked: dict[str, Any], fields: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """Take our own settings from wherever they were put, the nearest to the call first, and merge what is left.

    Args:
        asked: OpenAI parameters of model and call, the call's own settings and its `extra_body` among them.
        fields: Our own settings as the model has them, and its `extra_body`.

    Returns:
        The settings, and what is left of both bodies for the wire.

    Tutorials put them into `extra_body` or its `chat_template_kwargs`, of the model or of the call.
    """
    layers: list[dict[str, Any]] = []
    beside = {name: asked.pop(name) for name in (KWARGS, "reasoning") if name in asked}
    given = (fields.get("extra_body"), beside, asked.pop("extra_body", None))
    bodies = [dict(body) for body in given if body]
    for body in bodies:
        _spread_reasoning(body)
        if isinstance(inner := body.get(KWARGS), dict):
            body[KWARGS] = inner = dict(inner)
            layers.append({name: inner.pop(name) for name in _TEMPLATE_SWITCHES if name in inner})
            if not inner:
                del body[KWARGS]
        layers.append(body)
    layers.append(asked)
    effort = _take(layers, "reasoning_effort", None)
    found = {name: _take(layers, name, fields[name]) for name in OWN_SETTINGS}
    thinking = Thinking(
        enabled=found.pop("enable_thinking"),
        budget=found.pop("thinking_budget"),
        effort=effort,
        preserve=found.pop("preserve_thinking"),
        return_reasoning=found.pop("return_reasoning"),
    )
    merged: dict[str, Any] = {}
    for body in bodies:
        body.pop("stream", None)  # the method called decides
        if (stream_options := body.pop("stream_options", None)) is not None:
            asked["stream_options"] = stream_options
        merge_body(merged, body)
    return Settings(thinking=thinking, **found), merged


def _take(layers: list[dict[str, Any]], name: str, default: Any) -> Any:
    """Take a setting out of all layers, the last of which wins."""
    found = default
    for layer in layers:
        value = layer.pop(name, _ABSENT)
        if value is not _ABSENT and (value is not None or name in _NULLABLE):
            found = value
    return found


def _spread_reasoning(layer: dict[str, Any]) -> None:
    """Read OpenRouter's `reasoning` object as the settings it holds."""
    reasoning = layer.get("reasoning")
    if not isinstance(reasoning, dict):
        return
    rest = dict(reasoning)
    for key, name in _REASONING_NAMES.items():
        if key in rest:
            layer.setdefault(name, rest.pop(key))
    if rest:
        layer["reasoning"] = rest
    else:
        del layer["reasoning"]


def merge_body(base: dict[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `added` into `base`, mappings key by key, and return it; what is added wins."""
    for key, value in added.items():
        inner = base.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            base[key] = merge_body(dict(inner), value)
        else:
            base[key] = value
    return base
