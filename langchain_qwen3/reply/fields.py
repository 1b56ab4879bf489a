"""Reads the fields of a wire message: its texts in every form, and the fields kept unchanged. Sans-IO."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

from langchain_qwen3.reply.reasoning import Spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REASONING_KEYS = ("reasoning", "reasoning_content", "thinking", "reasoning_text")
"""Names in vLLM, DeepSeek (also SGLang, llama.cpp, DashScope), Ollama and gateways; the first with text counts."""

REASONING_FIELDS = frozenset({*REASONING_KEYS, "reasoning_details"})

KEPT_FIELDS = frozenset(
    {"refusal", "audio", "annotations", "reasoning_details", "function_call", "images", "citations"}
)
"""Message fields that go to `additional_kwargs` unchanged."""

_SAID = frozenset({"content", "tool_calls", *REASONING_FIELDS, *KEPT_FIELDS})

_REASONING = ("thinking", "reasoning")
"""How the types of parts with reasoning begin, and the names of its text."""
_CALL_PARTS = frozenset({"tool_use", "tool_call", "function_call"})
_TEXT_NAMES = ("text", "content", "thinking", "reasoning", "summary", "value", "reasoningContent", "reasoningText")
"""Bedrock's are the last two, one inside the other (https://github.com/envoyproxy/ai-gateway/issues/2519)."""
_PART_KEYS = frozenset(
    {
        *("text", "content", "thinking", "reasoningContent", "signature", "thought", "thoughtSignature"),
        *("annotations", "citations", "index", "id"),
    }
)
"""All that an untyped part has: an object with any other key is an answer in JSON, which may have a key "text", too."""
_GROWING = frozenset({"text", "summary", "data", "content", "arguments", "transcript", "refusal", "name"})
"""Fields whose pieces are concatenated; every other field repeats its value in each piece."""


def read_content(content: Any) -> Spans:
    """Return the texts of a message's content; some gateways parse an answer in JSON, which is written again."""
    if all(_is_json(value) for value in (content if isinstance(content, list) else (content,))):
        return Spans("", json.dumps(content, ensure_ascii=False))
    return read_texts(content)


def _is_json(value: Any) -> bool:
    """Whether a content is a number, or an object that is no part."""
    if isinstance(value, dict):
        return "type" not in value and not (value and value.keys() <= _PART_KEYS)
    return isinstance(value, int | float)


def read_texts(content: Any) -> Spans:
    """Return the text of a content: a string, a part, or a list of parts, some of which may be reasoning."""
    reasoning: list[str] = []
    answer: list[str] = []
    _collect_texts(content, reasoning, answer)
    return Spans("".join(reasoning), "".join(answer))


def list_parts(content: Any) -> list[Mapping[str, Any]]:
    """Return the parts of a content that are objects; an image has the place where OpenRouter writes it."""
    parts = content if isinstance(content, list) else [content]
    objects = [part for part in parts if isinstance(part, dict) and not _is_json(part)]
    return [{"images": [part]} if part.get("type") == "image_url" else part for part in objects]


def read_part_calls(content: Any) -> list[Mapping[str, Any]]:
    """Return the tool calls among a content's parts, as Anthropic writes them."""
    return [part for part in list_parts(content) if part.get("type") in _CALL_PARTS]


def _collect_texts(content: Any, reasoning: list[str], answer: list[str]) -> None:
    """Add every text of a content; parts may lie in parts, and what lies in reasoning is reasoning."""
    if isinstance(content, list):
        for part in content:
            _collect_texts(part, reasoning, answer)
    elif isinstance(content, dict):
        name = next((name for name in _TEXT_NAMES if content.get(name)), None)
        is_reasoning = any(str(word).startswith(_REASONING) for word in (name, content.get("type")))
        _collect_texts(name and content[name], reasoning, reasoning if is_reasoning else answer)
    elif content is not None:
        answer.append(str(content))


def read_reasoning(message: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key and the text of a message's or delta's reasoning; the text is empty if it has none."""
    empty = ""
    for key in REASONING_KEYS:
        value = message.get(key)
        if isinstance(value, bool) or not (value or value == 0):  # a flag is no text; a number may be 0
            continue
        if text := value if isinstance(value, str) else "".join(read_texts(value)):
            return key, text
        empty = empty or key
    return empty, ""


def read_details(details: Any) -> str:
    """Return the text of OpenRouter's `reasoning_details`; encrypted entries have none."""
    entries = details if isinstance(details, list) else [details]
    texts = (entry.get("text") or entry.get("summary") or "" for entry in entries if isinstance(entry, dict))
    return "".join(text for text in texts if isinstance(text, str))


def read_message(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the message of a whole choice; some servers name it `delta`, or give the `text` of older completions.

    Some write all three, and fill one.

    Raises:
        KeyError: It has none of them, and no filter took them.
    """
    if choice.keys().isdisjoint(("message", "delta", "text")) and choice.get("finish_reason") != "content_filter":
        raise KeyError("message")
    found: list[Any] = [choice.get("message"), choice.get("delta"), {"content": choice.get("text")}]
    return next((message for message in found if has_content(message)), found[0] or found[1] or found[2])


def read_speech(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return a choice whose content is speech with the speech where whole replies have it; each piece is a file.

    vLLM-Omni streams it like this and sends it unasked:
    https://github.com/vllm-project/vllm-omni/blob/main/vllm_omni/entrypoints/openai/serving_chat.py
    """
    data = (choice["delta"] or {}).get("content")
    return {**choice, "delta": {"audio": [{"data": data}] if data else None}}


def list_said(message: Mapping[str, Any]) -> set[str]:
    """Return the fields in which a message or a delta says something."""
    return {key for key in _SAID if (value := message.get(key)) and value is not True}


def has_content(delta: Mapping[str, Any] | None) -> bool:
    """Whether a delta contains more than the role."""
    return delta is not None and any(value for key, value in delta.items() if key != "role")


def join_pieces(key: str, pieces: list[Any]) -> Any:
    """Return a kept field of a whole message from what the deltas of a stream had; what came once is unchanged."""
    if len(pieces) == 1:
        return pieces[0]
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    if all(isinstance(piece, list) for piece in pieces):
        return _join_entries(pieces) if key == "reasoning_details" else [entry for piece in pieces for entry in piece]
    if all(isinstance(piece, dict) for piece in pieces):
        return _join_objects(pieces)
    return pieces[-1]  # pieces of different types cannot be joined: the last one counts


def _join_entries(pieces: Iterable[list[Any]]) -> list[Any]:
    """Join `reasoning_details`: an entry continues the latest one of an earlier piece with equal index, type and id.

    A field that the entry lacks is not compared: a signature may come alone, without a type.
    """
    parts: list[list[Any]] = []
    by_place: dict[tuple[Any, ...], list[Any]] = {}
    for piece in pieces:
        begun = []
        for entry in piece:
            place = _read_place(entry)
            if (part := by_place.get(place)) is None or not _goes_on(entry):
                part = []
                begun.append((place, part))
            part.append(entry)
        parts += [part for _, part in begun]
        for place, part in begun:
            by_place.update((key, part) for key in product(*((value, None) for value in place)) if place)
    return [part[0] if len(part) == 1 else _join_objects(part) for part in parts]


def _read_place(entry: Any) -> tuple[Any, ...]:
    """Return the fields that identify an entry; an empty tuple if it is not an object."""
    if not isinstance(entry, dict):
        return ()
    values = (entry.get(name) for name in ("index", "type", "id"))
    return tuple(value if isinstance(value, str | int | None) else repr(value) for value in values)


def _goes_on(entry: Any) -> bool:
    """Whether an entry may continue another; an encrypted one without an index is complete."""
    return isinstance(entry, dict) and (entry.get("type") != "reasoning.encrypted" or entry.get("index") is not None)


def _join_objects(pieces: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    texts: dict[str, list[str]] = {}
    joined: dict[str, Any] = {}
    for piece in pieces:
        for key, value in piece.items():
            if isinstance(value, str) and key in _GROWING:
                texts.setdefault(key, []).append(value)
                joined.setdefault(key, "")
            elif value is not None or key not in joined:
                joined[key] = value
    return {**joined, **{key: "".join(parts) for key, parts in texts.items()}}
