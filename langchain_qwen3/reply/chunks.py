"""Builds the chunks of a stream fast: the only module of `reply` that uses private parts of another library.

Validation is most of a chunk's cost, and here every value is known to be valid. So fields are copied from templates
validated at import, and pydantic's slots are set directly. If a pydantic version has no such slots, the public
constructors build the same chunks at five times the cost.

The public `model_construct` does not help: it walks every field of the class in Python, which costs more than
validation (https://github.com/pydantic/pydantic/issues/10536).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import BaseModel

from langchain_qwen3.call import PROVIDER

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
        return _build_validated(reasoning, content, [])
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
    text = calls[0]["args"] if len(calls) == 1 and _setters is not None else None
    if not text or text.lstrip()[:1] == "{":
        return _build_validated(reasoning, content, calls)
    # Not the start of an object: core would make an invalid call, after a futile parse that is most of a chunk's cost.
    chunk = build_text_chunk(reasoning, content)
    bad = invalid_tool_call(name=calls[0]["name"], args=text, id=calls[0]["id"])
    fields = {"tool_call_chunks": [calls[0].copy()], "tool_calls": [], "invalid_tool_calls": [bad]}
    chunk.message.__dict__.update(fields)
    chunk.message.model_fields_set.update(fields)
    return chunk


def _build_validated(reasoning: str, content: str, calls: Sequence[ToolCallChunk]) -> ChatGenerationChunk:
    fields: dict[str, Any] = {"tool_call_chunks": _join_fragments(calls)} if calls else {}
    kwargs = {"reasoning_content": reasoning} if reasoning else {}
    metadata = {"model_provider": PROVIDER}
    message = AIMessageChunk(content=content, additional_kwargs=kwargs, response_metadata=metadata, **fields)
    return ChatGenerationChunk(message=message)


def _join_fragments(calls: Iterable[ToolCallChunk]) -> list[ToolCallChunk]:
    """Return one chunk per call: core joins the fragments of two messages, not those within one."""
    by_index: dict[int | None, ToolCallChunk] = {}
    for call in calls:
        begun = by_index.get(call["index"])
        if begun is None:
            by_index[call["index"]] = call.copy()
            continue
        by_index[call["index"]] = tool_call_chunk(
            name=(begun["name"] or "") + (call["name"] or "") or None,
            args=(begun["args"] or "") + (call["args"] or "") or None,
            id=begun["id"] or call["id"],
            index=call["index"],
        )
    return [*by_index.values()]


build_text_chunk("", "")  # CPython fixes a class's attribute layout with its first few objects
