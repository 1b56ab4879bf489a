"""Reads the data besides a reply's text: finish reason, usage, metadata, timing. Sans-IO."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from langchain_qwen3.call import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COUNTS = ("total_tokens", "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
PER_CHUNK = ("logprobs", "token_ids")
"""Fields of a choice that also arrive in pieces."""

_CACHE_READ = ("cached_tokens", "prompt_cache_hit_tokens")
"""The names in OpenAI and in DeepSeek; omlx and Moonshot write theirs outside of the details."""

_CACHE_WRITTEN = ("created_cache_tokens", "cache_creation_input_tokens", "cache_write_tokens")
"""The names in vLLM, DashScope and OpenRouter."""
_MAX_TOKENS = 1 << 53
"""Above any real count; larger integers are not exact in every JSON parser."""
_NOT_METADATA = frozenset({"choices", "usage", "object", "created", "error", "model", "modality"})


def read_finish_reason(reason: str | None, *, called: bool) -> str | None:
    """Return the finish reason; vLLM ends a named tool choice with `stop` (measured on 0.32)."""
    return "tool_calls" if called and reason == "stop" else reason


def find_usage(body: Mapping[str, Any], choice: Any = None) -> Any:
    """Return the usage of a whole reply or an event: Moonshot puts it into the choice, Groq into `x_groq`."""
    inner = (choice.get("delta"), choice.get("message")) if isinstance(choice, dict) else ()
    places = (body, choice, *inner, body.get("x_groq"))
    return next((place["usage"] for place in places if isinstance(place, dict) and place.get("usage")), None)


def read_usage(usage: object) -> UsageMetadata | None:
    """Return usage in LangChain's form, with reasoning and cached tokens if the server reports them.

    Returns:
        The counts; None if they are missing or invalid, because that is no reason to lose an answer.
    """
    if not isinstance(usage, dict) or all(usage.get(name) is None for name in COUNTS):
        return None
    prompt = _read_count(usage.get("prompt_tokens") or usage.get("input_tokens") or 0)
    completion = _read_count(usage.get("completion_tokens") or usage.get("output_tokens") or 0)
    if prompt is None or completion is None:
        return None
    read = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    written = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    inputs = {
        **_read_counts(usage, cache_read=_CACHE_READ),
        **_read_counts(read, audio=("audio_tokens",), cache_read=_CACHE_READ, cache_creation=_CACHE_WRITTEN),
    }
    outputs = {
        **_read_counts(usage, reasoning=("reasoning_tokens",)),
        **_read_counts(written, audio=("audio_tokens",), reasoning=("reasoning_tokens",)),
    }
    total = _read_count(usage.get("total_tokens"))
    result = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=total or prompt + completion)
    if inputs:
        result["input_token_details"] = InputTokenDetails(**inputs)  # type: ignore[typeddict-item]
    if outputs:
        result["output_token_details"] = OutputTokenDetails(**outputs)  # type: ignore[typeddict-item]
    return result


def _read_counts(details: object, **names: tuple[str, ...]) -> dict[str, int]:
    """Return the counts in an object, each from the first of its field names that has one."""
    if not isinstance(details, dict):
        return {}
    counts = {}
    for key, fields in names.items():
        values = [count for name in fields if (count := _read_count(details.get(name))) is not None]
        if values:
            counts[key] = values[0]
    return counts


def _read_count(value: object) -> int | None:
    """Return a token count, or None for any other value. Some gateways send counts as floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < _MAX_TOKENS else None


def read_metadata(
    bodies: Iterable[Mapping[str, Any]], usage: Mapping[str, Any] | None, model: str = ""
) -> dict[str, Any]:
    """Return the response metadata of a reply: everything besides choices that is not null; a model's name is text.

    Args:
        bodies: The whole reply, or the events of a stream that carry more than text, in order.
        usage: The final usage; kept as `token_usage` without its nulls.
        model: The name for a reply that names no model: LangChain counts tokens by name, and no others.
    """
    metadata: dict[str, Any] = {"model_name": model} if model else {}
    for body in bodies:
        metadata.update((key, value) for key, value in body.items() if value is not None and key not in _NOT_METADATA)
        if isinstance(name := body.get("model"), str) and name:
            metadata["model_name"] = name
    if isinstance(usage, dict) and usage:  # core fails on any other
        metadata["token_usage"] = _drop_nulls(usage)
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
        if value is not None and key not in ("index", "message", "delta", "text", "finish_reason", "usage")
    }


class PieceReader:
    """Reads the fields of a choice that come in pieces, so that core can add them up: as lists, or objects of lists.

    The first piece of a field decides. Some servers write a number for the object
    (https://github.com/UKGovernmentBEIS/inspect_ai/issues/1540), and core raises where it has to add numbers, or two
    types.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, type | None] = {}
        self._odd: dict[str, list[Any]] = {}

    def read(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        """Return the pieces of an event's choice."""
        pieces: dict[str, Any] = {}
        for key in PER_CHUNK:
            if value := choice.get(key):
                kind = _find_kind(value)
                first = self._kinds.setdefault(key, kind)
                if first is None:
                    self._odd.setdefault(key, []).append(value)
                else:
                    listed = value if isinstance(value, list) else [value]
                    pieces[key] = value if kind is first else listed if first is list else {"content": listed}
        return pieces

    @property
    def odd(self) -> dict[str, Any]:
        """The fields that cannot be added up: what came once is unchanged, anything else is a list."""
        return {key: values[0] if len(values) == 1 else values for key, values in self._odd.items()}


def _find_kind(value: Any) -> type | None:
    """Return the type of what core can add up, None for everything else."""
    if isinstance(value, dict):
        return dict if all(isinstance(part, list | None) for part in value.values()) else None
    return list if isinstance(value, list) else None


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
    tokens = _read_count(usage.get("completion_tokens")) if isinstance(usage, dict) else None
    if tokens and written_in > 0:
        timing["tokens_per_second"] = tokens / written_in
    return timing
