"""The model cards' recommended sampling, applied on request. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.request.thinking import expects_thinking

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.request.thinking import Thinking

_GREEDY = {"temperature": 0, "top_k": 1}


def recommend_sampling(settled: Container[str], thinking: Thinking, line: ModelLine | None) -> dict[str, Any]:
    """Return the sampling that the model's card recommends with or without thinking.

    Args:
        settled: Parameters that the model or the call sets; they are not overridden.
        thinking: The resolved thinking settings, which select the card's values.
        line: The checkpoint's line, None when unknown.
    """
    if line is None:
        warn_once('sampling="recommended" has no effect: the model name is not a known Qwen3 line')
        return {}
    is_on = expects_thinking(thinking, line)
    card = line.sampling_thinking if is_on else line.sampling_plain
    if card is None:
        mode = "with" if is_on else "without"
        warn_once(f'sampling="recommended" has no effect: no values for {line.name} {mode} thinking are known')
        return {}
    return {name: value for name, value in card.items() if name not in settled}


def warn_if_greedy(payload: Mapping[str, Any], thinking: Thinking, line: ModelLine | None) -> None:
    """Warn once about greedy decoding while thinking, which the model cards forbid: it causes endless repetition."""
    greedy = next((name for name, value in _GREEDY.items() if payload.get(name) == value), None)
    if greedy and line is not None and line.sampling_thinking and expects_thinking(thinking, line):
        warn_once(
            f"greedy decoding while thinking makes {line.name} repeat itself endlessly, says its model card: "
            f'leave {greedy} out, or pass sampling="recommended"'
        )
