"""Checks and repairs the messages that a user passes, before LangChain's core changes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue

from langchain_qwen3.call import name_type
from langchain_qwen3.request.blocks import build_bare_error, read_call_block
from langchain_qwen3.request.media_data import MediaError
from langchain_qwen3.request.messages import MessageError

T = TypeVar("T")

# `source_type` of LangChain's old blocks → the key that core reads without looking whether it is there.
_OLD_BLOCKS = {"url": "url", "base64": "data", "id": "id", "text": "url"}

# The fields of a message that a request reads → their types, and their names for a user.
_FIELDS: Mapping[str, tuple[Any, str]] = {
    "type": (str, "a text"),
    "content": ((str, list, tuple), "a text, or a list of parts"),
    "additional_kwargs": (dict, "a dict"),
    "response_metadata": ((dict, type(None)), "a dict"),
    "tool_calls": ((list, tuple, type(None)), "a list of dicts"),
    "invalid_tool_calls": ((list, tuple, type(None)), "a list of dicts"),
}


def check_fields(messages: Sequence[BaseMessage]) -> None:
    """Raise for a field of a wrong type: LangChain checks a message when it is built, but no assignment or copy.

    Raises:
        MessageError: The text names the message, the field, and what it should be.
    """
    for index, message in enumerate(messages):
        for name, value in message.__dict__.items():
            if name not in _FIELDS:
                continue
            kind, what = _FIELDS[name]
            if not isinstance(value, kind):
                raise MessageError(f"messages[{index}].{name} is {name_type(value)}: pass {what}")
            if name in ("tool_calls", "invalid_tool_calls"):
                for place, call in enumerate(value or ()):
                    if not isinstance(call, Mapping):
                        where = f"messages[{index}].{name}[{place}]"
                        raise MessageError(f"{where} is {name_type(call)}: pass a dict with id, name and args")


def refuse_contents(messages: Any) -> None:
    """Name message and part where LangChain's core found content that it cannot make a message of.

    Raises:
        MediaError: A content is neither text nor a list, or a part is neither text nor a dict.
    """
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        is_pair = isinstance(message, (tuple, list)) and len(message) == 2  # noqa: PLR2004
        content = message.get("content") if isinstance(message, Mapping) else message[1] if is_pair else None
        if not isinstance(content, (str, list, tuple, type(None))):
            what = f".content is {name_type(content)}: pass a string, or a list of parts"
            raise MediaError(f"messages[{index}]{what}") from None
        for place, part in enumerate(content if isinstance(content, (list, tuple)) else ()):
            if not isinstance(part, (str, Mapping)):
                raise MediaError(f"messages[{index}].content[{place}]: {build_bare_error(part)}") from None


def read_messages(messages: Any, convert: Callable[[Any], T]) -> T:
    """Return what core's conversion makes of messages; dicts that it cannot read are repaired for it.

    Core fails on a call whose arguments are no JSON object, on a call or a result without an id, on calls without
    content, and on the dump of a chunk. Clients keep what a model wrote: several servers send no arguments for an empty
    object, a call cut by `max_tokens` has half of them, and in Ollama's own API neither needs an id
    (https://github.com/ollama/ollama/blob/main/docs/api.md). The SDK's `model_dump(exclude_none=True)` leaves the
    content out.

    Raises:
        MediaError: As `refuse_contents`.
    """
    try:
        return convert(messages)
    except (KeyError, TypeError, ValueError):
        refuse_contents(messages)
        given = list(messages) if isinstance(messages, list | tuple) else []
        repaired = [_repair_message(message) if isinstance(message, Mapping) else message for message in given]
        if repaired == given:
            raise
        return convert(repaired)


def _repair_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if message.get("lc") == 1 and isinstance(message.get("kwargs"), Mapping):  # of `langchain_core.load`
        message = message["kwargs"]
    kind = str(message.get("type"))
    if kind.endswith("MessageChunk"):
        message = {**message, "type": kind.removesuffix("MessageChunk").lower()}
    if message.get("role") == "tool":
        name = message.get("name") or message.get("tool_name")  # Ollama's
        return {**message, "name": name, "tool_call_id": message.get("tool_call_id") or ""}
    calls = message.get("tool_calls")
    if not calls or not isinstance(calls, list) or not all(isinstance(call, Mapping) for call in calls):
        return message
    wire = map(read_call_block, calls)
    repaired = [{"id": id_, "function": {"name": name, "arguments": text}} for id_, name, text in wire]
    return {"content": "", **message, "tool_calls": repaired}


def protect_parts(prompt: PromptValue) -> PromptValue:
    """Return a prompt whose parts core leaves as they are, so that the server decides what becomes of them.

    Core converts parts for traces and for older packages. It raises for an image without a MIME type
    (https://github.com/langchain-ai/langchain/issues/39799) and for an old block without its data, and takes every
    file in OpenAI's form for a PDF (https://github.com/langchain-ai/langchain/issues/36939). Such a part gets
    Anthropic's form: its data is under `source`, where core does not look.
    """
    if not isinstance(prompt, ChatPromptValue):
        return prompt
    messages = list(prompt.messages)
    is_same = True
    for index, message in enumerate(messages):
        parts: Any = message.content
        if isinstance(parts, list | tuple) and any(map(_is_changed, parts)):
            content = [_protect_part(part) if _is_changed(part) else part for part in parts]
            messages[index] = message.model_copy(update={"content": content})
            is_same = False
    return prompt if is_same else ChatPromptValue(messages=messages)


def _is_changed(part: Any) -> bool:
    """Return whether core would raise for a part, or change its type."""
    if not isinstance(part, Mapping) or part.get("type") not in ("image", "audio", "file"):
        return False
    if isinstance(file := part.get("file"), Mapping):
        return part["type"] == "file" and "file_data" in file
    needed = _OLD_BLOCKS.get(str(part.get("source_type")))
    if needed and part.get(needed) is None:
        return True
    has_no_type = "mime_type" not in part and ("base64" in part or needed == "data")
    return part["type"] == "image" and "url" not in part and (has_no_type or "text" in part)


def _protect_part(part: Mapping[str, Any]) -> dict[str, Any]:
    file = part.get("file")
    own = {name: value for name, value in part.items() if name not in ("type", "file")}
    return {"type": part["type"], "source": {**own, **(file if isinstance(file, Mapping) else {})}}
