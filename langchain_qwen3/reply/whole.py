"""A whole reply: one HTTP response → one message per choice. Sans-IO."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_qwen3.call import PROVIDER
from langchain_qwen3.errors import BadReplyError, Qwen3Error
from langchain_qwen3.reply.body import OTHER_SHAPE, build_shape_error, is_event_stream, join_choices, read_body
from langchain_qwen3.reply.choice import ChoiceReader
from langchain_qwen3.reply.ending import read_limit, read_reason
from langchain_qwen3.reply.fields import REASONING_KEYS, read_message, read_reasoning
from langchain_qwen3.reply.metadata import (
    build_timing,
    find_usage,
    read_choice_metadata,
    read_finish_reason,
    read_metadata,
    read_usage,
)
from langchain_qwen3.reply.reasoning import split_leaked
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.tool_calls.forced import check_forced_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.call import ReplyOptions


def read_response(response: Any, options: ReplyOptions, started_at: float) -> ChatResult:
    """Return the result of a whole HTTP response, one generation per choice.

    Raises:
        Qwen3Error: As `read_body`.
        BadReplyError: The reply has neither an answer nor a reason for its end.
        ToolChoiceError: A demanded call did not come.
    """
    if options.opened:  # a whole text shows whether it begins inside the thinking, whatever earlier replies did
        options = replace(options, opened=None)
    if is_event_stream(response.content):
        # Some gateways always stream, with any content type.
        return _read_streamed(response, options)
    body = read_body(response.content, response)
    try:
        choices = body["choices"] if options.several else join_choices(body["choices"])
        usage = find_usage(body, choices[0])
        metadata = read_metadata((body,), usage, options.model)
        metadata["timing"] = build_timing(started_at, None, usage)
        if options.include_headers:
            metadata["headers"] = dict(response.headers)
        if any(read_message(choice).get("tool_calls") for choice in choices):
            options.recall_parses().add("whole")  # a parsed call in any choice: text in the others is a quote
        generations = [_read_choice(choice, options, usage) for choice in choices]
    except OTHER_SHAPE as error:
        raise build_shape_error(response, body) from error
    if not any(map(_has_anything, generations)):  # a gateway lost the server's error; a stream like this is cut
        raise BadReplyError("the reply is empty and has no finish_reason", response=response, body=body)
    if len(generations) > 1:  # core puts it into the message of a single choice
        for generation in generations:
            generation.message.response_metadata |= metadata
    return ChatResult(generations=generations, llm_output=metadata)


def _has_anything(generation: ChatGeneration) -> bool:
    message: Any = generation.message
    reason = (generation.generation_info or {}).get("finish_reason")
    return bool(
        message.content or message.tool_calls or message.invalid_tool_calls or message.additional_kwargs or reason
    )


def _read_streamed(response: Any, options: ReplyOptions) -> ChatResult:
    """Return the result of an event stream that was read to its end; an error carries what arrived before it."""
    reader = StreamReader(options)
    reader.begin(response)
    try:
        chunks = [*reader.read(response.content), *reader.end()]
    except Qwen3Error as error:
        error.partial = error.partial or reader.partial()
        raise
    result = fill_llm_output(generate_from_stream(iter(chunks)))
    message: Any = result.generations[0].message
    # As the model wrote them: core closes their brackets in chunks.
    message.invalid_tool_calls = reader.collect().invalid_tool_calls
    return result


def fill_llm_output(result: ChatResult) -> ChatResult:
    """Give a summed stream its metadata as `llm_output`, where callbacks find the usage of a whole reply."""
    result.llm_output = {**(result.generations[0].generation_info or {})}
    return result


def _read_choice(choice: Mapping[str, Any], options: ReplyOptions, usage: Mapping[str, Any] | None) -> ChatGeneration:
    reader = ChoiceReader(options, "whole")
    reason = read_limit(read_reason(choice), usage, options)
    message_read, leaked = _split_leaked(read_message(choice), options)
    reasoning, content, calls_fed = reader.feed(message_read)
    last_reasoning, last_content, calls_held = reader.close(reason)
    if options.habits is not None:
        options.habits.note(opened=leaked or reader.opens)
    message = reader.build_message(
        reasoning + last_reasoning,
        content + last_content,
        [*calls_fed, *calls_held],
        usage_metadata=read_usage(usage),
        response_metadata={"model_provider": PROVIDER},
    )
    info = {
        "finish_reason": read_finish_reason(reason, called=reader.called),
        **read_choice_metadata(choice),
        **reader.notes,
    }
    if options.demanded is not None:
        check_forced_call(message, options.demanded, reason)
    return ChatGeneration(message=message, generation_info=info)


def _split_leaked(message: Mapping[str, Any], options: ReplyOptions) -> tuple[Mapping[str, Any], bool]:
    """Move thinking that leaked into the content to the reasoning.

    Returns:
        The message, and whether the leak shows that the reply began inside the thinking.
    """
    content = message.get("content")
    key, reasoning = read_reasoning(message)
    if not isinstance(content, str) or not (key or options.opened is False):
        return message, False
    thinking, answer = split_leaked(content)
    if not thinking.strip() or not (answer.strip() or message.get("tool_calls")):
        return message, False
    return {**message, key or REASONING_KEYS[0]: reasoning + thinking, "content": answer}, not key
