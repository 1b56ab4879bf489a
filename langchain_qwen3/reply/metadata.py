"""Reads the data besides a reply's text: finish reason, usage, metadata, timing. Sans-IO."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from langchain_qwen3.call import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_METADATA_NAMES = {"model": "model_name"}
_CACHE_WRITTEN = ("created_cache_tokens", "cache_creation_input_tokens", "cache_write_tokens")
"""The names in vLLM, DashScope and OpenRouter."""
_NOT_METADATA = frozenset({"choices", "usage", "object", "created", "error"})


def read_finish_reason(reason: str | None, *, called: bool) -> str | None:
    """Return the finish reason; vLLM ends a named tool choice with `stop` (measured on 0.32)."""
    return "tool_calls" if called and reason == "stop" else reason


def read_usage(usage: object) -> UsageMetadata | None:
    """Return usage in LangChain's form, with reasoning and cached tokens if the server reports them.

    Returns:
        The counts; None if they are missing or invalid, because that is no reason to lose an answer.
    """
    if not (isinstance(usage, dict) and usage):
        return None
    prompt = usage.get("prompt_tokens") or 0
    completion = usage.get("completion_tokens") or 0
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    if not (isinstance(read, dict) and isinstance(written, dict)):
        read = written = {}
    inputs = {
        "audio": read.get("audio_tokens"),
        "cache_read": read.get("cached_tokens"),
        "cache_creation": next((read[name] for name in _CACHE_WRITTEN if read.get(name) is not None), None),
    }
    reasoning = written.get("reasoning_tokens")
    outputs = {
        "audio": written.get("audio_tokens"),
        "reasoning": usage.get("reasoning_tokens") if reasoning is None else reasoning,
    }
    if not (type(prompt) is int and type(completion) is int):
        return None
    total = usage.get("total_tokens")
    result = UsageMetadata(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=total if type(total) is int and total else prompt + completion,
    )
    if found := {key: value for key, value in inputs.items() if type(value) is int}:
        result["input_token_details"] = InputTokenDetails(**found)  # type: ignore[typeddict-item]
    if found := {key: value for key, value in outputs.items() if type(value) is int}:
        result["output_token_details"] = OutputTokenDetails(**found)  # type: ignore[typeddict-item]
    return result


def read_metadata(bodies: Iterable[Mapping[str, Any]], usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the response metadata of a reply: everything besides choices that is not null.

    Args:
        bodies: The whole reply, or the events of a stream that carry more than text, in order.
        usage: The final usage; kept as `token_usage` without its nulls.
    """
    metadata: dict[str, Any] = {}
    for body in bodies:
        for key, value in body.items():
            if value is not None and key not in _NOT_METADATA:
                metadata[_METADATA_NAMES.get(key, key)] = value
    if usage:
        metadata["token_usage"] = _drop_nulls(usage) if isinstance(usage, dict) else usage
    metadata["model_provider"] = PROVIDER
    return metadata


def _drop_nulls(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without nulls, at any depth: vLLM sends them in whole replies but not in streams."""
    return {
        key: _drop_nulls(value) if isinstance(value, dict) else value
        for key, value in body.items()
        if value is not None
    }


def read_choice_metadata(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return a choice's data besides its text: stop reason, log probabilities."""
    return {
        key: value
        for key, value in choice.items()
        if value is not None and key not in ("index", "message", "delta", "finish_reason")
    }


def build_timing(started_at: float, first_token_at: float | None, usage: Mapping[str, Any] | None) -> dict[str, float]:
    """Return how long a reply took, in seconds of the local clock.

    `total` is the time from request to end. `time_to_first_token` ends at a stream's first chunk with text or calls.
    `tokens_per_second` is the completion tokens divided by the time in which they were written.
    """
    now = perf_counter()
    timing = {"total": now - started_at}
    if first_token_at is not None:
        timing["time_to_first_token"] = first_token_at - started_at
    written_in = now - (first_token_at or started_at)
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if type(tokens) is int and tokens and written_in > 0:
        timing["tokens_per_second"] = tokens / written_in
    return timing
