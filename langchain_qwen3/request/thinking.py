"""Resolves the thinking settings for a server and checkpoint, and writes them into the server's own fields. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_qwen3._warnings import warn_once, warn_unsupported
from langchain_qwen3.servers.dialect import KWARGS

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect, Path

# Qwen3.8's template raises on any word except low, medium and xhigh; DashScope uses the same mapping.
_EFFORT_WORDS = {"max": "xhigh", "high": "xhigh", "ultra": "xhigh", "minimal": "low"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """The thinking settings of a call; after `resolve_thinking`, only those that server and checkpoint support.

    Attributes:
        enabled: On, off, or None for the server's default.
        budget: Maximum tokens of thinking, None for no limit.
        effort: Effort word, None for the server's default; `none` switches thinking off.
        preserve: `preserve_thinking` of 3.6 and newer templates, None for the template's default.
        return_reasoning: Whether the reasoning is returned to the user.
    """

    enabled: bool | None = None
    budget: int | None = None
    effort: str | None = None
    preserve: bool | None = None
    return_reasoning: bool = True


def resolve_thinking(settings: Thinking, dialect: Dialect, line: ModelLine | None, model: str) -> Thinking:
    """Return the settings that this server and checkpoint support; warn once about the others.

    Args:
        settings: The settings of model and call.
        dialect: The server.
        line: The checkpoint's line, None when unknown.
        model: The model's name, for the warnings.

    Raises:
        ValueError: A setting is outside the server's range, or two settings exclude each other; the text names them.
    """
    if settings.enabled is None and settings.budget is None and settings.effort is None and settings.preserve is None:
        return settings
    thinking = _resolve_server(settings, dialect)
    if line is not None:
        thinking = _resolve_line(thinking, dialect, line, model)
    if thinking.enabled is False:
        thinking = without_thinking(thinking)
    if thinking.budget is not None and thinking.effort and dialect.budget_excludes_effort:
        raise ValueError(f"set thinking_budget or reasoning_effort, not both: {dialect.title} refuses them together")
    return thinking


def without_thinking(thinking: Thinking) -> Thinking:
    """Return the settings with thinking off, and without settings that only affect thinking."""
    return replace(thinking, enabled=False, budget=None, effort=None)


def expects_thinking(thinking: Thinking, line: ModelLine | None) -> bool | None:
    """Return whether thinking is switched on, also by an effort, or on by default; None if unknown."""
    if thinking.enabled is not None:
        return thinking.enabled
    if thinking.effort:
        return True
    return None if line is None else line.thinking_default


def write_thinking(
    payload: MutableMapping[str, Any], thinking: Thinking, dialect: Dialect, line: ModelLine | None
) -> None:
    """Write resolved settings into the payload, in the server's own fields, as its row in `servers` names them."""
    if thinking.enabled is not None:
        never_thinks = line is not None and line.thinking == "never"
        for path in dialect.thinking:
            # For a model that never thinks: its template ignores the switch, but vLLM's parser needs it (measured);
            # a hosted API may answer 400.
            if path[0] == KWARGS or not never_thinks:
                set_path(payload, path, thinking.enabled)
        # An effort also switches thinking on, and some hosts refuse both together.
        if dialect.thinking_word and not never_thinks and not (thinking.effort and dialect.effort):
            path, on, off = dialect.thinking_word
            word = on if thinking.enabled else off
            # A word that is also a level would lower the effort; beside a boolean it is not needed.
            is_level = bool(dialect.thinking and line is not None and word in line.efforts)
            if not is_level and f"{path[0]}={word}" not in dialect.refused:
                set_path(payload, path, word)
        if dialect.return_reasoning and thinking.enabled:
            set_path(payload, dialect.return_reasoning, thinking.return_reasoning)
    effort = thinking.effort and dialect.effort_words.get(thinking.effort, thinking.effort)
    for path_or_none, value in (
        (dialect.budget, thinking.budget),
        (dialect.effort, effort),
        (dialect.preserve, thinking.preserve),  # also with thinking off: it affects the history
    ):
        if path_or_none is not None and value is not None:
            set_path(payload, path_or_none, value)


def set_path(payload: MutableMapping[str, Any], path: Path, value: Any) -> None:
    """Set a value at a path of nested keys, and create missing mappings."""
    for key in path[:-1]:
        inner = payload.get(key)
        payload[key] = payload = dict(inner) if isinstance(inner, dict) else {}
    payload[path[-1]] = value


def _resolve_server(settings: Thinking, dialect: Dialect) -> Thinking:
    """Drop settings for which the server has no field, and check the budget against its range."""
    enabled, budget, effort, preserve = settings.enabled, settings.budget, settings.effort, settings.preserve
    if effort == "none":
        enabled, effort = (False if enabled is None else enabled), None
    if budget == 0 and (dialect.budget is None or dialect.budget_range[0] > 0):
        enabled, budget = False, None
    if budget is not None and dialect.budget is None:
        warn_unsupported("thinking_budget", dialect)
        budget = None
    if budget is not None:
        low, high = dialect.budget_range
        if budget < low or (high is not None and budget > high):
            upper = f" to {high}" if high is not None else " or more"
            raise ValueError(
                f"thinking_budget must be {low}{upper} tokens on {dialect.title}, or 0 for no thinking, not {budget}"
            )
    if effort and dialect.effort is None:
        warn_unsupported("reasoning_effort", dialect)
        effort = None
    if preserve is not None and dialect.preserve is None:
        warn_unsupported("preserve_thinking", dialect)
        preserve = None
    if enabled is not None and not dialect.has_thinking_switch:
        warn_unsupported("enable_thinking", dialect)
        enabled = None
    return replace(settings, enabled=enabled, budget=budget, effort=effort, preserve=preserve)


def _resolve_line(settings: Thinking, dialect: Dialect, line: ModelLine, model: str) -> Thinking:
    """Drop settings that the checkpoint does not support, and convert the effort to a word its template knows."""
    who = f"{model} ({line.name})"
    if line.thinking == "never":
        if settings.enabled or settings.budget or settings.effort or settings.preserve:
            warn_once(f"thinking settings have no effect: {who} never thinks")
        return replace(
            settings, enabled=False if settings.enabled is False else None, budget=None, effort=None, preserve=None
        )
    enabled, effort, preserve = settings.enabled, settings.effort, settings.preserve
    if line.thinking == "always" and enabled is False:
        warn_once(f"thinking cannot be switched off: {who} always thinks")
        enabled = None
    if preserve is not None and line.keeps_reasoning == "last_turn":
        if preserve:
            warn_once(f"preserve_thinking has no effect: the template of {who} drops the reasoning of earlier turns")
        preserve = None
    if effort and enabled is not False:
        effort = _resolve_effort(effort, dialect, line, who)
        enabled = enabled if effort else True
    if settings.budget and enabled is None and not effort and not line.thinking_default:
        warn_once(f"thinking_budget only limits thinking: {who} does not think without enable_thinking=True")
    return replace(settings, enabled=enabled, effort=effort, preserve=preserve)


def _resolve_effort(effort: str, dialect: Dialect, line: ModelLine, who: str) -> str | None:
    """Return the word that the template knows, None if any word only switches thinking on."""
    if line.efforts:
        word = _EFFORT_WORDS.get(effort, effort)
        if word not in line.efforts:
            words = ", ".join(("none", *_EFFORT_WORDS, *line.efforts))
            raise ValueError(f"reasoning_effort must be one of {words} for {who}, not {effort!r}")
        return word
    if dialect.effort_for_all:
        return effort
    limit = "; thinking_budget limits it" if dialect.budget else ""
    warn_once(f"reasoning_effort only switches thinking on: {who} has no effort levels{limit}")
    return None
