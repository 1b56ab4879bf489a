"""LangChain messages → wire messages, with earlier reasoning replayed. Pure.

What a Qwen3 template would refuse or drop in silence is put right here (`normalize_messages=True`), after the
templates' own behaviour: 3.5 and newer raise on a late system message and on `developer`, Qwen3-VL drops the first,
Qwen3 the second; engines join text parts with a newline that nobody wrote (measured on vLLM 0.32 and llama.cpp).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

from langchain_qwen3.request.media import write_media

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AIMessage, BaseMessage

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialects import Dialect

ReasoningHistory = Literal["auto", "all", "none"]

# By type name: isinstance of a pydantic model costs more than all the rest of a short message.
_ROLES = {
    "human": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "tool": "tool",
    "ToolMessageChunk": "tool",
    "system": "system",
    "SystemMessageChunk": "system",
    "function": "function",
    "FunctionMessageChunk": "function",
}
_REASONING_BLOCKS = frozenset({"reasoning", "thinking", "reasoning_content"})
# Parts that the wire carries elsewhere.
_DROPPED_BLOCKS = _REASONING_BLOCKS | {"tool_call", "invalid_tool_call", "tool_call_chunk", "tool_use", "function_call"}


class MessageError(ValueError):
    """Messages that no Qwen3 template can render; the text says which and what to change."""


def write_messages(
    messages: Sequence[BaseMessage],
    dialect: Dialect,
    *,
    replay: Literal["all", "last_turn", "none"],
    normalize: bool = True,
    line: ModelLine | None = None,
) -> list[dict[str, Any]]:
    """Return the wire form of a conversation.

    Args:
        messages: The conversation.
        dialect: Says under which keys the server reads earlier reasoning.
        replay: Whose reasoning goes back: every turn's, only what came since the last human message, or none.
        normalize: Put right what a template would refuse or drop.
        line: The checkpoint's line, which says what media it takes; None when its name says nothing.

    Raises:
        MessageError: A message has no role on the wire.
        MediaError: A part cannot be sent to this server or checkpoint.
    """
    roles = [_ROLES.get(message.type) or _read_role(message) for message in messages]
    replay_from = 0 if replay == "all" else len(roles)
    if replay == "last_turn":
        replay_from = next((index for index in range(len(roles) - 1, -1, -1) if roles[index] == "user"), 0)
    wire: list[dict[str, Any]] = []
    merge = False
    for index, (message, role) in enumerate(zip(messages, roles, strict=True)):
        if message.type in ("ai", "AIMessageChunk"):
            # The last one may be a prefill, think tags and all.
            split = normalize and index < len(roles) - 1
            wire.append(_write_assistant(message, dialect, replay=index >= replay_from, split=split))
            continue
        content = message.content
        entry: dict[str, Any] = {
            "role": role,
            "content": content if isinstance(content, str) else _write_parts(content, dialect, line),
        }
        if role == "tool":
            entry["tool_call_id"] = getattr(message, "tool_call_id", "")
        elif (name := message.name or message.additional_kwargs.get("name")) is not None:
            entry["name"] = name
        if role in ("system", "developer"):
            if normalize:
                entry["role"] = "system"
                merge = merge or index > 0
            elif role == "system":
                entry["role"] = message.additional_kwargs.get("__openai_role__", role)
        wire.append(entry)
    return _merge_system(wire) if merge else wire


def check_messages(wire: Sequence[dict[str, Any]], *, thinking: bool) -> None:
    """Raise before anything is sent when no template could render the conversation.

    Args:
        wire: The messages as sent.
        thinking: The model will think, so it cannot continue an assistant message.

    Raises:
        MessageError: There is no user message, or the last one is the assistant's while thinking is on.
    """
    if not any(message["role"] == "user" for message in wire):
        raise MessageError(
            "messages hold no user message, and Qwen3 templates need one: add a HumanMessage, "
            "or pass normalize_messages=False to send them as they are"
        )
    if thinking and wire[-1]["role"] == "assistant":
        raise MessageError(
            "the last message is the assistant's, and a thinking model cannot continue it: end with a HumanMessage "
            "or ToolMessage, pass enable_thinking=False, or normalize_messages=False to send them as they are"
        )


def read_reasoning(message: AIMessage) -> str:
    """Return the reasoning a message carries, from `additional_kwargs` or from v1 content blocks."""
    kept = message.additional_kwargs.get("reasoning_content")
    if isinstance(kept, str) and kept:
        return kept
    if isinstance(message.content, str):
        return ""
    return "".join(
        str(block.get("reasoning") or block.get("thinking") or block.get("reasoning_content") or "")
        for block in message.content
        if isinstance(block, dict) and block.get("type") in _REASONING_BLOCKS
    )


def _write_assistant(message: Any, dialect: Dialect, *, replay: bool, split: bool) -> dict[str, Any]:
    content = message.content
    # "" where OpenAI has null: Qwen3-VL's template fails on null, Ollama refuses it.
    text = content if isinstance(content, str) else _read_answer(content)
    inline = ""
    if split and text.startswith("<think>") and "</think>" in text:
        # Another client left it there; 2507, VL and 3.8 templates would show it to the model as its answer.
        inline, _, text = text[len("<think>") :].partition("</think>")
        text = text.lstrip("\n")
    wire: dict[str, Any] = {"role": "assistant", "content": text}
    kept = message.additional_kwargs
    if replay:
        if reasoning := read_reasoning(message) or inline.strip("\n"):
            for key in dialect.history_keys:
                wire[key] = reasoning
        if dialect.reasoning_details and (details := kept.get("reasoning_details")):
            wire["reasoning_details"] = details
    if message.tool_calls or message.invalid_tool_calls:
        wire["tool_calls"] = [
            _write_call(call["id"], call["name"], _write_arguments(call["args"])) for call in message.tool_calls
        ]
        # A call that was no valid JSON keeps its place, or its ToolMessage would answer nothing; llama.cpp answers 500
        # to arguments that are not JSON (measured), vLLM makes them {} (source).
        for bad in message.invalid_tool_calls:
            wire["tool_calls"].append(_write_call(bad["id"], bad["name"] or "unknown", "{}"))
    elif given := kept.get("tool_calls"):
        wire["tool_calls"] = [
            _write_call(call.get("id"), call["function"]["name"], _mend_arguments(call["function"].get("arguments")))
            for call in given
        ]
    if kept.get("partial"):
        wire["partial"] = True  # DashScope's prefix continuation
    return wire


def _write_call(id_: str | None, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function", "id": id_ or "", "function": {"name": name, "arguments": arguments}}


def _write_arguments(arguments: Any) -> str:
    if not isinstance(arguments, dict):
        return "{}"
    try:
        # NaN and Infinity, which Python reads and JSON does not have, become null.
        return to_json(arguments, inf_nan_mode="null").decode()
    except ValueError:  # half a surrogate pair, which only an escape can carry
        return json.dumps(arguments)


def _mend_arguments(arguments: Any) -> str:
    """Return raw arguments if they are a JSON object, an empty object otherwise."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (TypeError, ValueError):
        return "{}"


def _read_role(message: BaseMessage) -> str:
    if message.type in ("chat", "ChatMessageChunk"):
        role = str(getattr(message, "role", ""))
        return _ROLES.get(role, role)
    raise MessageError(f"messages hold a {type(message).__name__}, which has no role on the wire")


def _write_parts(parts: Sequence[Any], dialect: Dialect, line: ModelLine | None) -> str | list[dict[str, Any]]:
    """Return content parts, neighbouring texts joined; a plain string when there is nothing but text."""
    written: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, str):
            block: dict[str, Any] = {"type": "text", "text": part}
        elif part.get("type") == "text":
            block = {"type": "text", "text": part["text"]}
            if dialect.cache_control and "cache_control" in part:
                block["cache_control"] = part["cache_control"]
        elif part.get("type") in _DROPPED_BLOCKS:
            continue
        elif part.get("type") == "non_standard":  # LangChain's wrapper of what it does not know
            block = dict(part["value"])
        else:
            block = write_media(part, dialect, line)
        if written and _is_plain_text(written[-1]) and _is_plain_text(block):
            written[-1]["text"] += block["text"]
        else:
            written.append(block)
    if not written:
        return ""
    if len(written) == 1 and _is_plain_text(written[0]):
        return str(written[0]["text"])
    return written


def _is_plain_text(block: dict[str, Any]) -> bool:
    return block.get("type") == "text" and "cache_control" not in block


def _read_answer(parts: Sequence[Any]) -> str:
    return "".join(
        part if isinstance(part, str) else str(part.get("text") or "")
        for part in parts
        if isinstance(part, str) or part.get("type") == "text"
    )


def _merge_system(wire: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put all system messages to the front as one, in their order."""
    found = [message for message in wire if message["role"] == "system"]
    contents = [message["content"] for message in found]
    if all(isinstance(content, str) for content in contents):
        merged: Any = "\n\n".join(content for content in contents if content)
    else:
        merged = [
            block
            for content in contents
            for block in ([{"type": "text", "text": content}] if isinstance(content, str) else content)
        ]
    first = {**found[0], "content": merged}
    return [first, *(message for message in wire if message["role"] != "system")]
