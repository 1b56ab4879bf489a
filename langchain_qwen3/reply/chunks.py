"""Builds the chunks of a stream fast: the only module of `reply` that uses private parts of another library.

Validation is most of a chunk's cost, and here every value is known to be valid. So fields are copied from templates
validated at import, and pydantic's slots are set directly. If a pydantic version has no such slots, the public
constructors build the same chunks at five times the cost.

The public `model_construct` does not help: it walks every field of the class in Python, which costs more than
validation (https://github.com/pydantic/pydantic/issues/10536).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jiter import from_json
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.json import parse_partial_json
from pydantic import BaseModel

from langchain_qwen3.call import PROVIDER

_MAX_PATIENT = 500
"""Longest fragment for core's partial parser, in characters: it retries for each character that is not JSON."""

_SLOTS = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
_MESSAGE = AIMessageChunk(content="", additional_kwargs={}, response_metadata={"model_provider": PROVIDER})
_GENERATION = ChatGenerationChunk(message=_MESSAGE)
_DEFAULTS = [item for item in vars(_GENERATION).items() if item[0] not in {"text", "message"}]

# Bound once: a lookup per chunk is a cost per token.
_new, _set = object.__new__, object.__setattr__
_copy_fields = {name: None if isinstance(value, dict | list) else value for name, value in vars(_MESSAGE).items()}.copy
_copy_fields_set, _copy_generation_fields_set = (
    template.model_fields_set.copy().copy for template in (_MESSAGE, _GENERATION)
)


def _find_setters(slots: Sequence[str]) -> tuple[Any, ...] | None:
    """Return the functions that set pydantic's slots; None if this pydantic has none."""
    setters = [getattr(BaseModel.__dict__.get(name), "__set__", None) for name in slots]
    return tuple(setters) if all(setters) else None


_setters = _find_setters(_SLOTS)


def build_text_chunk(reasoning: str, content: str) -> ChatGenerationChunk:
    """Return a chunk of text, equal to the validated one."""
    if _setters is None:
        return _build_validated(reasoning, content)
    set_fields, set_fields_set, set_extra, set_private = _setters
    fields = _copy_fields()
    fields["content"] = content
    fields["additional_kwargs"] = {"reasoning_content": reasoning} if reasoning else {}
    fields["response_metadata"] = {"model_provider": PROVIDER}
    fields["tool_calls"] = []
    fields["invalid_tool_calls"] = []
    fields["tool_call_chunks"] = []
    message = _new(AIMessageChunk)
    set_fields(message, fields)
    set_fields_set(message, _copy_fields_set())
    set_extra(message, {})
    set_private(message, None)
    generation = _new(ChatGenerationChunk)
    _set(generation, "text", content)  # set one by one, fields are stored inline: no dict for the garbage collector
    for name, value in _DEFAULTS:
        _set(generation, name, value)
    _set(generation, "message", message)
    set_fields_set(generation, _copy_generation_fields_set())
    set_extra(generation, None)
    set_private(generation, None)
    return generation


def build_call_chunk(reasoning: str, content: str, calls: Sequence[ToolCallChunk]) -> ChatGenerationChunk:
    """Return a chunk with tool call fragments, equal to the validated one."""
    chunk = build_text_chunk(reasoning, content)
    fragments = [calls[0].copy()] if len(calls) == 1 else join_fragments(calls)
    fields: dict[str, list[Any]] = {"tool_call_chunks": fragments, "tool_calls": [], "invalid_tool_calls": []}
    for call in fragments:
        name, args, call_id = call["name"], call["args"], call["id"]
        if (value := _read_fragment(args)) is None:
            fields["invalid_tool_calls"].append(invalid_tool_call(name=name, args=args, id=call_id))
        else:
            fields["tool_calls"].append(tool_call(name=name or "", args=value, id=call_id))
    chunk.message.__dict__.update(fields)  # attribute by attribute, pydantic would look each one up
    chunk.message.model_fields_set.update(fields)
    return chunk


def build_call_chunks(calls: Iterable[ToolCallChunk]) -> Iterator[ChatGenerationChunk]:
    """Yield the chunks of held-back calls one by one, as OpenAI sends them: a name, then its arguments."""
    for call in calls:
        rest = call
        if call["name"] and call["args"]:
            yield build_call_chunk("", "", [{**call, "args": ""}])
            rest = {**call, "name": None, "id": None}
        yield build_call_chunk("", "", [rest])


def _build_validated(reasoning: str, content: str) -> ChatGenerationChunk:
    kwargs = {"reasoning_content": reasoning} if reasoning else {}
    message = AIMessageChunk(content=content, additional_kwargs=kwargs, response_metadata={"model_provider": PROVIDER})
    return ChatGenerationChunk(message=message)


def _read_fragment(args: str | None) -> dict[str, Any] | None:
    """Return the object that a fragment begins, as core would parse it; None if it begins none."""
    if not args:
        return {}
    if args.lstrip()[:1] != "{":
        return None
    try:
        value = parse_partial_json(args) if len(args) <= _MAX_PATIENT else _read_long(args)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_long(args: str) -> Any:
    """Parse a long fragment in linear work."""
    try:
        return json.loads(args, strict=False)
    except ValueError:
        return from_json(args.encode(), partial_mode="trailing-strings")


def join_fragments(calls: Iterable[ToolCallChunk]) -> list[ToolCallChunk]:
    """Return one chunk per call: core joins the fragments of two messages, not those within one."""
    by_index: dict[int | None, list[ToolCallChunk]] = {}
    for call in calls:
        by_index.setdefault(call["index"], []).append(call)
    return [
        tool_call_chunk(
            name="".join(piece["name"] or "" for piece in pieces) or None,
            args="".join(piece["args"] or "" for piece in pieces),
            id=next((piece["id"] for piece in pieces if piece["id"]), None),
            index=index,
        )
        if len(pieces) > 1
        else pieces[0].copy()
        for index, pieces in by_index.items()
    ]


build_text_chunk("", "")  # CPython fixes a class's attribute layout with its first few objects
