"""Converts LangChain messages to wire messages, one at a time, with earlier reasoning sent back. Pure.

With `normalize_messages=True` it repairs what a Qwen3 template would refuse or silently drop: 3.5 and newer raise on a
late system message and on `developer`, Qwen3-VL drops a late system message, Qwen3 drops `developer` and every role
that it does not know. Repairs across several messages are in `history`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.call import name_type
from langchain_qwen3.profiles.think_tags import CLOSE_TAG, OPEN_TAG, find_leaked_tag
from langchain_qwen3.request.blocks import (
    WireCall,
    is_call,
    is_reasoning,
    is_result,
    iter_blocks,
    read_call_block,
    read_reasoning_block,
    read_result_id,
    read_text,
    warn_left_out,
    write_parts,
)
from langchain_qwen3.request.media_data import MediaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect

ReasoningHistory = Literal["auto", "all", "none"]
Replay = Literal["all", "last_turn", "none"]

# By type name: isinstance on a pydantic model takes longer than the rest of a short message.
_ROLES = {"human": "user", "ai": "assistant", "tool": "tool", "system": "system", "function": "tool"}
_CHUNKS = {f"{name}MessageChunk": name.lower() for name in ("Human", "AI", "Tool", "System", "Function", "Chat")}
_TEMPLATES_ROLES = frozenset({*_ROLES.values(), "developer"})


class MessageError(ValueError):
    """Messages cannot be rendered by any Qwen3 template; the text says which messages, and what to change."""


def write_messages(
    messages: Sequence[BaseMessage],
    dialect: Dialect,
    *,
    replay: Replay,
    normalize: bool = True,
    line: ModelLine | None = None,
) -> list[dict[str, Any]]:
    """Return the wire form of a conversation.

    Args:
        messages: The conversation.
        dialect: The server, with the keys under which it reads earlier reasoning.
        replay: Which reasoning is sent back: of all turns, only after the last human message, or none.
        normalize: Repair what a template would refuse or drop.
        line: The checkpoint's line, with the media it takes; None when unknown.

    Raises:
        MessageError: A message has no role on the wire.
        MediaError: A part cannot be sent to this server or checkpoint; the text names its position.
    """
    roles = [_ROLES.get(read_kind(message)) or _read_role(message, normalize=normalize) for message in messages]
    replay_from = 0 if replay == "all" else len(roles)
    if replay == "last_turn":
        replay_from = _find_last_turn(messages, roles)
    wire: list[dict[str, Any]] = []
    merge = False
    for index, (message, role) in enumerate(zip(messages, roles, strict=True)):
        try:
            if role == "assistant":
                # The last message may be a prefill that includes think tags.
                split = normalize and index < len(roles) - 1
                wire.append(_write_assistant(message, dialect, replay=index >= replay_from, split=split))
                continue
            entries = _write_other(message, role, dialect, line)
        except MediaError as error:
            raise MediaError(f"messages[{index}].{error}") from None
        if role in ("system", "developer"):
            if normalize:
                entries[0]["role"] = "system"
                merge = merge or (index > 0 and not (line is not None and line.late_system))
            elif role == "system":
                entries[0]["role"] = message.additional_kwargs.get("__openai_role__", role)
        wire += entries
    return _merge_system(wire) if merge else wire


def read_kind(message: BaseMessage) -> str:
    """Return a message's type, that of a whole message for a chunk."""
    return _CHUNKS.get(message.type, message.type)


def _find_last_turn(messages: Sequence[BaseMessage], roles: Sequence[str]) -> int:
    """Return the index of the last human message, 0 if there is none."""
    for index in range(len(messages) - 1, -1, -1):
        if roles[index] == "user" and not _holds_only_results(messages[index]):
            return index
    return 0


def read_reasoning(message: AIMessage) -> str:
    """Return the reasoning of a message: from `additional_kwargs`, where clients store it, or from content blocks."""
    for key in ("reasoning_content", "reasoning", "thinking", "reasoning_details"):
        kept = message.additional_kwargs.get(key)
        if kept and (text := read_reasoning_block(kept if isinstance(kept, dict) else {"reasoning": kept})):
            return text
    if isinstance(message.content, str):
        return ""
    return "".join(read_reasoning_block(block) for block in iter_blocks(message.content) if is_reasoning(block))


def _write_other(message: BaseMessage, role: str, dialect: Dialect, line: ModelLine | None) -> list[dict[str, Any]]:
    """Convert a message that is not the assistant's; results inside a user message become separate messages."""
    content = message.content
    if isinstance(content, str):
        entry: dict[str, Any] = {"role": role, "content": content}
    elif role == "user" and any(map(is_result, iter_blocks(content))):
        return _write_user_with_results(content, dialect, line)
    else:
        entry = {
            "role": role,
            "content": write_parts(content, dialect, line, role="system" if role == "developer" else role),
        }
    if role == "tool":
        id_ = getattr(message, "tool_call_id", None) or message.additional_kwargs.get("tool_call_id")
        entry["tool_call_id"] = str(id_ or derive_id(message.name))
    elif (name := message.name or message.additional_kwargs.get("name")) is not None:
        entry["name"] = name
    return [entry]


def _write_user_with_results(content: Sequence[Any], dialect: Dialect, line: ModelLine | None) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for block in iter_blocks(content):
        (results if is_result(block) else rest).append(block)
    entries: list[dict[str, Any]] = []
    for block in results:
        inner = block.get("content", block.get("output"))
        text = write_parts("" if inner is None else inner, dialect, line, role="tool")
        entries.append({"role": "tool", "content": text, "tool_call_id": read_result_id(block)})
    if rest:
        entries.append({"role": "user", "content": write_parts(rest, dialect, line)})
    return entries


def _holds_only_results(message: BaseMessage) -> bool:
    content = message.content
    return bool(content) and not isinstance(content, str) and all(is_result(block) for block in iter_blocks(content))


def _write_assistant(message: Any, dialect: Dialect, *, replay: bool, split: bool) -> dict[str, Any]:
    if read_kind(message) != "ai":  # a ChatMessage, whose calls are in additional_kwargs
        message = AIMessage(message.content, additional_kwargs=message.additional_kwargs)
    content, kept = message.content, message.additional_kwargs
    # "" instead of OpenAI's null: Qwen3-VL's template fails on null, Ollama refuses it.
    text = content if isinstance(content, str) else _read_answer(content)
    if not text:
        text = _read_kept(kept)
    inline, text = _split_thinking(text) if split else ("", text)
    wire: dict[str, Any] = {"role": "assistant", "content": text}
    if replay:
        reasoning = read_reasoning(message)
        if inline.strip() not in reasoning:
            reasoning += inline
        if reasoning:
            for key in dialect.history_keys:
                wire[key] = reasoning
        if dialect.reasoning_details and (details := kept.get("reasoning_details")):
            wire["reasoning_details"] = details
    may_call = message.tool_calls or message.invalid_tool_calls or kept or not isinstance(content, str)
    if may_call and (calls := _read_calls(message)):
        wire["tool_calls"] = [
            {
                "type": "function",
                "id": call.id or derive_id(call.name),
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    if kept.get("partial"):
        wire["partial"] = True  # DashScope's prefix continuation
    return wire


def _split_thinking(text: str) -> tuple[str, str]:
    """Return the thinking in front of an answer, and the answer.

    Another client, or a stream, left it in the text, without its opening tag where the template writes that into the
    prompt. The templates of 2507, VL and 3.8 would render it as the answer.
    """
    body = text.lstrip()
    at = body.find(CLOSE_TAG) if body.startswith(OPEN_TAG) else find_leaked_tag(body)
    if at < 0:
        return "", text
    return body[:at].removeprefix(OPEN_TAG).strip("\n"), body[at + len(CLOSE_TAG) :].lstrip("\n")


def _read_kept(kept: Mapping[str, Any]) -> str:
    """Return what the model said beside an empty content: a refusal, or the transcript of its speech."""
    audio = kept.get("audio")
    said = kept.get("refusal") or (audio.get("transcript") if isinstance(audio, dict) else None)
    return said if isinstance(said, str) else ""


def _read_answer(content: Sequence[Any]) -> str:
    """Return an answer's text: its pieces joined, with a blank line where another block stood between two."""
    texts: list[str] = []
    was_other = False
    for index, block in enumerate(iter_blocks(content)):
        try:
            text = read_text(block)
        except MediaError as error:
            raise MediaError(f"content[{index}]: {error}") from None
        if text:
            texts += ["\n\n", text] if was_other and texts else [text]
        elif text is None and not is_reasoning(block) and not is_call(block):
            warn_left_out(block, "an assistant's")
        was_other = text is None or (was_other and not text)
    return "".join(texts)


def _read_calls(message: Any) -> list[WireCall]:
    """Return the calls of a message in the order the model made them, as far as it is known.

    Content blocks and raw calls show the order. They are the calls only if the message lists none and is not in
    LangChain's v1 form: who takes a call out of `tool_calls`, as langgraph-supervisor does, leaves it in the content.

    A call with invalid JSON keeps its place. Otherwise its ToolMessage would answer no call, and every later result
    the wrong call, because Qwen's templates write no ids. llama.cpp answers 500 to arguments that are not JSON
    (measured), vLLM replaces them with {} (source).
    """
    kept = message.additional_kwargs
    invalid = [read_call_block(bad) for bad in message.invalid_tool_calls or ()]
    # Core puts those of a message that is a dict there.
    invalid = invalid or _read_kept_calls(kept, "invalid_tool_calls")
    calls = [read_call_block(call) for call in message.tool_calls or ()]
    calls += [bad._replace(arguments="{}") for bad in invalid]
    raw = _read_kept_calls(kept, "tool_calls") or _read_kept_calls(kept, "function_call")  # OpenAI's only one in 2023
    blocks = iter_blocks(message.content) if not isinstance(message.content, str) else ()
    listed = [read_call_block(block) for block in blocks if is_call(block)] or raw
    places = {call.id: place for place, call in enumerate(listed)}
    if not calls and (message.response_metadata or {}).get("output_version") != "v1":
        calls = listed
    return sorted(calls, key=lambda call: places.get(call.id, len(places)))


def _read_kept_calls(kept: Mapping[str, Any], name: str) -> list[WireCall]:
    """Return the calls that a client or LangChain keeps beside the content; none for a value of another kind."""
    value = kept.get(name)
    calls = value if isinstance(value, list | tuple) else [value]
    return [read_call_block(call) for call in calls if isinstance(call, dict)]


def derive_id(name: str | None) -> str:
    """Return the id of a call, or of its result, that came without one; "" if the function's name is unknown, too.

    llama.cpp used to send none (https://github.com/ggml-org/llama.cpp/issues/11992), Gemini's OpenAI endpoint sends ""
    (https://github.com/vercel/ai/issues/7834), and OpenAI's function calls of 2023 had only a name.
    """
    return f"call_{name}" if name else ""


def _read_role(message: BaseMessage, *, normalize: bool) -> str:
    if read_kind(message) == "chat":
        given = str(getattr(message, "role", ""))
        word = given.strip().lower() if normalize else given
        role = _ROLES.get(word, word)
        if not normalize or role in _TEMPLATES_ROLES:
            return role
        warn_once(f"no Qwen3 template has the role {given!r}: the message was sent as a user's")
        return "user"
    raise MessageError(f"messages contain {name_type(message)}, which has no role in a chat request")


def _merge_system(wire: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge all system messages, in order, into one at the front."""
    systems = [message for message in wire if message["role"] == "system"]
    contents = [message["content"] for message in systems]
    if all(isinstance(content, str) for content in contents):
        merged: Any = "\n\n".join(content for content in contents if content)
    else:
        merged = [
            block
            for content in contents
            for block in ([{"type": "text", "text": content}] if isinstance(content, str) else content)
        ]
    first = {**systems[0], "content": merged}
    return [first, *(message for message in wire if message["role"] != "system")]
