"""Converts content blocks of LangChain, OpenAI (both APIs), Anthropic, Bedrock and Gemini to the wire form. Pure.

A history may come from another model, whose blocks have the same content under other names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from langchain_qwen3._visible import join_halves
from langchain_qwen3._warnings import warn_once
from langchain_qwen3.call import name_type
from langchain_qwen3.errors.body import decode_body
from langchain_qwen3.request.media import write_media
from langchain_qwen3.request.media_data import MediaError
from langchain_qwen3.request.media_forms import (
    OPENAI_TYPES,
    describe_part,
    find_kind,
    has_own_keys,
    holds_data,
    is_data,
)

if TYPE_CHECKING:
    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect

_TEXT_BLOCKS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
_REASONING_BLOCKS = frozenset({"reasoning", "thinking", "reasoning_content", "redacted_thinking"})
_CALL_BLOCKS = frozenset({"tool_call", "tool_use", "function_call", "tool_call_chunk", "invalid_tool_call"})
_RESULT_BLOCKS = frozenset({"tool_result", "function_call_output"})
# Bedrock's blocks have no type; their only key identifies it. So does that of OpenAI's parts, as vLLM reads them:
# https://github.com/vllm-project/vllm/blob/v0.11.0/vllm/entrypoints/chat_utils.py
_UNTYPED = {key: key for key in ("text", *OPENAI_TYPES)}
_UNTYPED |= {"reasoningContent": "reasoning_content", "toolUse": "tool_use", "toolResult": "tool_result"}

_AS_IT_IS = "_as_it_is"  # key of a block that was wrapped as `non_standard`
_BARE = "_bare"
"""Key of a part that is neither a string nor a dict: results inside a user's message are not checked by LangChain."""

_MEDIA = frozenset({*OPENAI_TYPES, "video"})


class WireCall(NamedTuple):
    """A tool call in wire form."""

    id: str
    name: str
    arguments: str


def iter_blocks(content: str | Sequence[Any], *, alone: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a message's content, each with a type if it can be derived.

    Args:
        content: The content of a message, or its parts.
        alone: Whether a key must be alone to tell the type, as in a tool's message, where others make it JSON.
    """
    if isinstance(content, Mapping):
        raise TypeError("a content is a list of parts")  # its keys would be taken for texts
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, str):
            yield {"type": "text", "text": part}
            continue
        if not isinstance(part, Mapping):
            yield {_BARE: part}
            continue
        block = dict(part)
        if block.get("type") == "non_standard" and isinstance(block.get("value"), Mapping):
            block = {**block["value"], _AS_IT_IS: True}  # LangChain's wrapper for unknown blocks
        if "type" not in block:
            rest = {key: value for key, value in block.items() if key != "text"}
            if not alone and block.get("text") and _is_untyped_media(rest):  # a question with its picture
                yield {"type": "text", "text": block["text"]}
                block = rest
            key = _find_untyped_key(block, alone=alone)
            if key is not None and _UNTYPED[key] == key:
                block["type"] = key
            elif key is not None:
                block = {"type": _UNTYPED[key], **(block[key] if isinstance(block[key], Mapping) else {})}
        yield block


def is_reasoning(block: Mapping[str, Any]) -> bool:
    """Return whether a block is reasoning, encrypted reasoning included."""
    return _has_type(block, _REASONING_BLOCKS)


def _find_untyped_key(block: Mapping[str, Any], *, alone: bool) -> str | None:
    """Return the key that tells the type of a block without one; None if it has words of its own beside it."""
    said = {key for key, value in block.items() if value is not None} - {"cache_control", "index"}
    if alone and len(said) > 1 and not any(is_data(block[key]) for key in said - {"text"}):
        return None
    key = next((key for key in _UNTYPED if key in said), None)
    # A URL is a tool's own word, as in a list of search hits.
    return None if alone and key in OPENAI_TYPES and not is_data(block[key]) else key


def _is_untyped_media(block: Mapping[str, Any]) -> bool:
    key = _find_untyped_key(block, alone=False)
    return holds_data(block) or (key in OPENAI_TYPES and holds_data({**block, "type": key}))


def is_call(block: Mapping[str, Any]) -> bool:
    """Return whether a block is a call of one of the user's tools."""
    return _has_type(block, _CALL_BLOCKS)


def is_result(block: Mapping[str, Any]) -> bool:
    """Return whether a block is a tool's result, which Anthropic and Bedrock put into user messages."""
    return _has_type(block, _RESULT_BLOCKS)


def read_reasoning_block(block: Mapping[str, Any]) -> str:
    """Return the text of a reasoning block, without its signature; "" for an encrypted block."""
    for key in ("reasoning", "thinking", "reasoning_content", "reasoningText", "text", "summary", "content"):
        value = block.get(key)
        parts = value if isinstance(value, list) else [value]  # Mistral's thinking and OpenAI's summary are lists
        texts = [part.get("text") or part.get("summary") if isinstance(part, Mapping) else part for part in parts]
        if text := "\n\n".join(text for text in texts if isinstance(text, str) and text):
            return text
    return ""


def read_call_block(block: Mapping[str, Any]) -> WireCall:
    """Return the call in a block of any supported form, or in OpenAI's raw form of a call."""
    function = block.get("function") or {}
    block = {**block, **(function if isinstance(function, Mapping) else {"name": function})}
    id_ = block.get("id") or block.get("toolUseId") or ""
    if block.get("type") == "function_call":  # OpenAI's Responses: `id` identifies the item, `call_id` the call
        id_ = block.get("call_id") or id_
    # ChatAnthropic's streams write them under `partial_json`, beside an `input` that stays empty; either may be.
    names = ("partial_json", "args", "input", "arguments")
    arguments: Any = next((block[name] for name in names if block.get(name)), {})
    return WireCall(str(id_), str(block.get("name") or "unknown"), write_arguments(arguments))


def read_result_id(block: Mapping[str, Any]) -> str:
    """Return the id of the call that a result block answers."""
    return str(next((block[key] for key in ("tool_use_id", "toolUseId", "call_id") if block.get(key)), ""))


def write_arguments(arguments: Any) -> str:
    """Return a call's arguments as a JSON object; anything else becomes {}, because llama.cpp answers 500 to it.

    It also does so to what Python reads but JSON does not have (measured): NaN and Infinity become null, half a
    surrogate pair becomes U+FFFD, and a raw line break is escaped.
    """
    try:
        if isinstance(arguments, str):
            with suppress(ValueError):
                return arguments if isinstance(from_json(arguments.encode(), allow_inf_nan=False), dict) else "{}"
            arguments = json.loads(arguments, strict=False)
        if not isinstance(arguments, dict):
            return "{}"
        with suppress(ValueError):
            return _write_strict(arguments)
        return _write_strict(join_halves(arguments))
    except (ValueError, RecursionError):
        return "{}"


def _write_strict(value: Any) -> str:
    return to_json(value, inf_nan_mode="null", fallback=_read_unknown).decode()


def _read_unknown(value: Any) -> Any:
    """Return numbers and lists of numpy or torch, and any other unknown value as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def read_text(block: Mapping[str, Any]) -> str | None:
    """Return the text of a block, None for a block that is not text.

    Raises:
        MediaError: A text block has no text.
    """
    if block.get("type") == "refusal":
        return str(block.get("refusal") or "")
    if not _has_type(block, _TEXT_BLOCKS):
        return None
    text = block.get("text")
    if not isinstance(text, str):
        what = "no text" if text is None else f"{name_type(text)} for its text"
        raise MediaError(f'the text part has {what}: pass {{"type": "text", "text": "…"}}, or leave it out')
    return text


def write_parts(
    content: str | Sequence[Any], dialect: Dialect, line: ModelLine | None, *, role: str = "user"
) -> str | list[dict[str, Any]]:
    """Return content parts in the server's form, adjacent texts joined; a plain string if all parts are text.

    Texts of a user or system message are pieces of one text and are joined without a separator: engines would insert
    newlines that the user did not write (measured on vLLM 0.32 and llama.cpp). A file's text, or a search result, is
    separated by a blank line, and the items of a tool's list by a newline, as engines do.

    Args:
        content: The parts of one message.
        dialect: The server.
        line: The checkpoint's line, None when unknown.
        role: The message's role. In a tool's message, a part that cannot be sent becomes a line of text that describes
            it: a tool's result cannot be changed, and an error would make the whole thread unusable. Without data to
            send, or with keys that no form of media has, it is the tool's own JSON, such as `{"type": "file", "name":
            "a.txt"}` from a list of files. The answer of a model, such as a sub-agent's, is sent without its reasoning.

    Raises:
        MediaError: A part of another role's message cannot be sent; the text names its position.
    """
    if not isinstance(content, (str, list, tuple)):  # a result inside a user's message, which LangChain does not check
        content = [content]
    written: list[dict[str, Any]] = []
    was_document = False
    blocks = list(iter_blocks(content, alone=role == "tool"))
    is_own = role == "tool" and not _is_answer(blocks)
    for index, block in enumerate(blocks):
        is_document = _is_document(block, role)
        try:
            part = _write_block(block, dialect, line, role, is_own=is_own)
        except MediaError as error:
            if role != "tool":
                raise MediaError(f"content[{index}]: {error}") from None
            is_document = False
            if not holds_data(block):
                part = _write_json(block)
            else:
                about = describe_part(block)
                part = {"type": "text", "text": f"[{about}: omitted, this model cannot take it]"}
                warn_once(f"a part of a tool's result was replaced by a line of text ({about}): {error}")
        if part is None:
            continue
        if written and _is_plain_text(written[-1]) and _is_plain_text(part):
            apart = "\n\n" if is_document or was_document else "\n" if role == "tool" else ""
            written[-1]["text"] += apart + part["text"]
        else:
            written.append(part)
        was_document = is_document
    if not written:
        return "[]" if role == "tool" and not blocks else ""  # a tool's list without items: nothing was found
    if len(written) == 1 and _is_plain_text(written[0]):
        return str(written[0]["text"])
    return written


def build_bare_error(part: Any) -> MediaError:
    """Return the error for a content part that is neither a text nor a dict."""
    return MediaError(f"a content part is {name_type(part)}: pass a string, or a dict with a type")


def warn_left_out(block: Mapping[str, Any], role: str) -> None:
    """Warn that a block has no wire form."""
    kind = block.get("type") or f"with {', '.join(str(key) for key in block if key != _AS_IT_IS)}"
    warn_once(f"a content block {kind!r} of {role} message cannot be sent in a chat request and was dropped")


def _is_answer(blocks: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether blocks are the answer of a model: texts, with reasoning beside them and nothing else."""
    reasoning = [block for block in blocks if is_reasoning(block)]
    texts = [block for block in blocks if _has_type(block, _TEXT_BLOCKS)]
    return bool(reasoning and texts) and len(reasoning) + len(texts) == len(blocks)


def _write_block(
    block: dict[str, Any], dialect: Dialect, line: ModelLine | None, role: str, *, is_own: bool
) -> dict[str, Any] | None:
    if block.pop(_AS_IT_IS, False) and "type" in block:
        return block
    if (text := read_text(block)) is not None:
        part: dict[str, Any] = {"type": "text", "text": text}
        if dialect.cache_control and "cache_control" in block:
            part["cache_control"] = block["cache_control"]
        return part
    if block.keys() == {"cachePoint"}:  # Bedrock's mark, without content
        return None
    if (is_own and _is_own_json(block)) or block.get("type") == "search_result":  # Anthropic's
        return _write_json(block)
    if _BARE in block:
        raise build_bare_error(block[_BARE])
    if is_reasoning(block) or is_call(block):
        if read_reasoning_block(block) or is_call(block):
            warn_left_out(block, f"a {role}")
        return None
    part = write_media(block, dialect, line)
    # Qwen3-VL's template drops media of a system message, those of 3.5 and newer refuse it; that of Omni was not seen.
    if role == "system" and part["type"] in _MEDIA and line is not None and "audio" not in line.inputs:
        raise MediaError(f"{line.name} models read only text in a system message: move it to a HumanMessage")
    return part


def _is_document(block: Mapping[str, Any], role: str) -> bool:
    """Return whether the text of a block is a document, which a blank line separates from its neighbours."""
    if role == "tool":
        return find_kind(block) is not None and not _is_own_json(block)
    return find_kind(block) is not None or block.get("type") == "search_result"


def _is_own_json(block: Mapping[str, Any]) -> bool:
    """Return whether a tool's block is no media in any form, but the tool's own JSON.

    A file by its URL or text is such JSON if it has keys of its own. An image, video or audio by URL is sent.
    """
    kind = find_kind(block)
    may_be_own = kind == "file" or "type" not in block
    return kind is None or (may_be_own and has_own_keys(block) and not holds_data(block))


def _write_json(block: Mapping[str, Any]) -> dict[str, Any]:
    """Write a tool's own JSON, or anything else that it returned, as text."""
    value = next(iter(block.values())) if block.keys() <= {"json", _BARE} and block else block
    try:
        text = json.dumps(value, ensure_ascii=False, default=_write_foreign)
    except (TypeError, ValueError, RecursionError):  # keys that JSON lacks, a circle
        text = str(value)
    return {"type": "text", "text": text}


def _write_foreign(value: object) -> str:
    """Return a value that JSON cannot hold as text. Bytes are decoded: programs write them."""
    return decode_body(bytes(value)) if isinstance(value, bytes | bytearray) else str(value)


def _has_type(block: Mapping[str, Any], types: frozenset[str]) -> bool:
    kind = block.get("type")
    return isinstance(kind, str) and kind in types


def _is_plain_text(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "text" and "cache_control" not in block
