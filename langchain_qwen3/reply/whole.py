"""A whole reply, and what it shares with a streamed one: usage and metadata. Sans-IO."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from jiter import from_json
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_qwen3.errors import BadReplyError, error_from_event
from langchain_qwen3.reply.choice import ChoiceReader
from langchain_qwen3.reply.tool_calls.fragments import collect_tool_calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROVIDER = "qwen3"
"""`model_provider` in metadata and LangSmith's `ls_provider`: one word, or middleware distrusts reported usage."""

_METADATA_NAMES = {"model": "model_name"}
_CACHE_WRITTEN = ("created_cache_tokens", "cache_creation_input_tokens", "cache_write_tokens")
"""vLLM's, DashScope's and OpenRouter's names."""
_NOT_METADATA = frozenset({"choices", "usage", "object", "created", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOptions:
    """What reading a reply needs to know of its request.

    Attributes:
        return_reasoning: False leaves reasoning out of messages and chunks.
        thinking_off: Thinking was switched off or the checkpoint has none, so a reply of nothing but reasoning is the
            answer in the wrong field (vLLM's parser does that, measured on 0.32).
        opened: The template opened `<think>` in the prompt and no parser is known to strip it.
        tools: The wire tools of the request.
        rescue_tool_calls: Read calls of these tools that were left in the text.
        forced_calls: The content is the JSON array of a forced choice.
        repair_tool_calls: Mend the known damage of Qwen's tool parsers.
        include_headers: Put the response headers into the metadata.
    """

    return_reasoning: bool = True
    thinking_off: bool = False
    opened: bool = False
    tools: tuple[Mapping[str, Any], ...] = ()
    rescue_tool_calls: bool = True
    forced_calls: bool = False
    repair_tool_calls: bool = False
    include_headers: bool = False


def read_finish_reason(reason: str | None, *, called: bool) -> str | None:
    """Return the finish reason; vLLM ends a named tool choice with `stop` (measured on 0.32)."""
    return "tool_calls" if called and reason == "stop" else reason


def read_usage(usage: object) -> UsageMetadata | None:
    """Return usage in LangChain's form, with reasoning and cached tokens where the server reports them.

    Returns:
        The counts; None if none came, or something else than counts, which is no reason to lose an answer.
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
    """Return the response metadata of a reply: everything beside choices that is not null.

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
    """Return the object without nulls, inner ones too: vLLM streams without them and answers whole with them."""
    return {
        key: _drop_nulls(value) if isinstance(value, dict) else value
        for key, value in body.items()
        if value is not None
    }


def read_choice_metadata(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a choice says beside its text: why it stopped, log probabilities."""
    return {
        key: value
        for key, value in choice.items()
        if value is not None and key not in ("index", "message", "delta", "finish_reason")
    }


def build_timing(started_at: float, first_token_at: float | None, usage: Mapping[str, Any] | None) -> dict[str, float]:
    """Return how long a reply took, in seconds of the local clock.

    `total` is the time from request to end, `time_to_first_token` to the first chunk of a stream with text or calls,
    `tokens_per_second` the completion tokens over the time they were written in.
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


def read_body(content: bytes, response: Any = None) -> dict[str, Any]:
    """Return the JSON of a whole reply that has at least one choice.

    Raises:
        Qwen3Error: The reply is an error with status 200.
        BadReplyError: It is an HTML page, empty, no JSON or without choices.
    """
    try:
        body = from_json(content)
    except ValueError:
        what = "an HTML page" if content.lstrip()[:1] == b"<" else "no JSON" if content.strip() else "an empty body"
        text = f"the server answered with {what} instead of a chat completion"
        raise BadReplyError(text, response=response, body=content[:2000].decode(errors="replace")) from None
    if error := error_from_event(body, response=response):
        raise error
    if not (isinstance(body, dict) and isinstance(body.get("choices"), list) and body["choices"]):
        text = "the reply has no choices"
        raise BadReplyError(text, response=response, body=body)
    return body


def read_response(response: Any, options: ReplyOptions, started_at: float) -> ChatResult:
    """Return the result of a whole HTTP response, one generation per choice.

    Raises:
        Qwen3Error: As `read_body`.
    """
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        # Some gateways stream whatever was asked for.
        from langchain_qwen3.reply.stream import read_streamed_response

        return read_streamed_response(response, options)
    body = read_body(response.content, response)
    with refuse_other_shapes(response, body):
        usage = body.get("usage")
        metadata = read_metadata((body,), usage)
        metadata["timing"] = build_timing(started_at, None, usage)
        if options.include_headers:
            metadata["headers"] = dict(response.headers)
        generations = [_read_choice(choice, options, usage) for choice in body["choices"]]
    return ChatResult(generations=generations, llm_output=metadata)


@contextmanager
def refuse_other_shapes(response: Any, body: object = None) -> Iterator[None]:
    """Make a bad reply of what fails because the JSON is not of a chat completion's shape."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise BadReplyError("the reply is no chat completion", response=response, body=body) from error


def _read_choice(choice: Mapping[str, Any], options: ReplyOptions, usage: Mapping[str, Any] | None) -> ChatGeneration:
    reader = ChoiceReader(options)
    reason = choice.get("finish_reason")
    reasoning, content, calls_fed = reader.feed(choice.get("message") or {})
    last_reasoning, last_content, calls_held = reader.close(reason)
    calls = collect_tool_calls([*calls_fed, *calls_held])
    kwargs = reader.kept
    reasoning += last_reasoning
    if reasoning and options.return_reasoning:
        kwargs["reasoning_content"] = reasoning
    message = AIMessage(
        content=content + last_content,
        additional_kwargs=kwargs,
        tool_calls=calls.calls,
        invalid_tool_calls=calls.invalid,
        usage_metadata=read_usage(usage),
        response_metadata={"model_provider": PROVIDER},
    )
    info = {
        "finish_reason": read_finish_reason(reason, called=reader.called),
        **read_choice_metadata(choice),
        **reader.notes,
    }
    return ChatGeneration(message=message, generation_info=info)
