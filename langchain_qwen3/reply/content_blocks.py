"""Translates our messages to standard content blocks: reasoning, text, refusal, calls; none lost or duplicated.

Registered under our provider name. In a stream, core merges blocks with equal `index` and numbers blocks without one.
So core numbers reasoning and text, and tool calls carry `lc_tc_<i>`, which never equals a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage
from langchain_core.messages.block_translators import register_translator

from langchain_qwen3.call import PROVIDER

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, InvalidToolCall, ToolCall
    from langchain_core.messages.content import ContentBlock
    from langchain_core.outputs import ChatResult


def register() -> None:
    """Make core use these translators for messages of our provider."""
    register_translator(PROVIDER, translate_content, translate_content_chunk)


def translate_content(message: AIMessage) -> list[ContentBlock]:
    """Return the blocks of a whole message."""
    blocks: list[Any] = _translate_text(message)
    blocks += [{"type": "tool_call", **call} for call in message.tool_calls]
    return blocks + [{"type": "invalid_tool_call", **bad} for bad in list_invalid_calls(message)]


def list_invalid_calls(message: AIMessage) -> list[InvalidToolCall]:
    """Return the invalid calls, each with the reason: for a sum of chunks only the metadata has it."""
    reasons = message.response_metadata.get("tool_call_errors", {})
    return [{**bad, "error": bad.get("error") or reasons.get(bad["id"])} for bad in message.invalid_tool_calls]


def show_call(call: ToolCall) -> str:
    """Return a call as a line of Python, for people."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
    return f"{call['name']}({arguments})"


def translate_content_chunk(message: AIMessageChunk) -> list[ContentBlock]:
    """Return the blocks of a chunk; the sum of a complete stream's chunks has whole calls."""
    is_whole = all(chunk["id"] for chunk in message.tool_call_chunks)  # each call, not just a last fragment
    if is_whole and message.chunk_position == "last" and (message.tool_calls or message.invalid_tool_calls):
        return translate_content(message)
    blocks = _translate_text(message)
    for chunk in message.tool_call_chunks:
        block: dict[str, Any] = {"type": "tool_call_chunk", **{name: chunk[name] for name in ("id", "name", "args")}}
        if chunk["index"] is not None:
            block["index"] = f"lc_tc_{chunk['index']}"
        blocks.append(block)  # type: ignore[arg-type]
    return blocks


def finish_calls(result: ChatResult) -> ChatResult:
    """Give the invalid calls of streamed messages their text and reasons, and in v1 their blocks; return the result.

    Adding chunks in core makes `tool_call` blocks of valid calls and leaves the fragments of all others unchanged; the
    text of an invalid one has the bracket that chunks need.
    """
    for generation in result.generations:
        message = generation.message
        if isinstance(message, AIMessage) and message.invalid_tool_calls:
            message.invalid_tool_calls = list_invalid_calls(message)
            texts = message.response_metadata.get("tool_call_texts", [])
            if len(texts) == len(message.invalid_tool_calls):
                for bad, text in zip(message.invalid_tool_calls, texts, strict=True):
                    bad["args"] = text
            if isinstance(message.content, list):
                invalid = [*message.invalid_tool_calls]
                message.content = [_finish_part(part, invalid) for part in message.content]
    return result


def _finish_part(part: Any, invalid: list[InvalidToolCall]) -> Any:
    """Return a fragment as the first invalid call with its id, which is taken from the list; else the part itself."""
    if isinstance(part, dict) and part.get("type") in ("tool_call_chunk", "invalid_tool_call"):
        for place, bad in enumerate(invalid):
            if bad["id"] == part.get("id"):
                return {"type": "invalid_tool_call", **invalid.pop(place)}
    return part


def _translate_text(message: AIMessage) -> list[ContentBlock]:
    blocks: list[ContentBlock] = []
    reasoning = message.additional_kwargs.get("reasoning_content")
    if isinstance(reasoning, str) and reasoning:
        blocks.append({"type": "reasoning", "reasoning": reasoning})
    if isinstance(message.content, str):
        if message.content:
            blocks.append({"type": "text", "text": message.content})
        if isinstance(refusal := message.additional_kwargs.get("refusal"), str) and refusal:
            blocks.append({"type": "refusal", "refusal": refusal})  # ModelRefusalMiddleware looks for it
    else:
        parts: list[Any] = message.content
        blocks.extend({"type": "text", "text": part} if isinstance(part, str) else part for part in parts)
    return blocks
