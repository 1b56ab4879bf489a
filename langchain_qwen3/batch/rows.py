"""A row of the input, in every form that people write. Pure, no I/O.

A row is identified by its place in the input: its first line in a text file, its number in a table. A checksum of its
text shows whether the input has changed between two runs, with ids or without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson
from langchain_core.messages import BaseMessage, SystemMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue

from langchain_qwen3.batch.as_json import dump
from langchain_qwen3.call import name_type
from langchain_qwen3.request.inputs import read_messages
from langchain_qwen3.request.keywords import openai_fields
from langchain_qwen3.request.settings import OPTION_NAMES
from langchain_qwen3.servers.address import CHAT_PATH

QUESTIONS = ("question", "prompt", "instruction", "input", "text")
"""Names of the field or column of the question; the first one present counts."""
_INSTRUCTION = ("instruction", "input")
# The fields of a question in Alpaca's form (https://github.com/tatsu-lab/stanford_alpaca#data-release).
_IDS = ("custom_id", "id")
_PATHS = (f"/v1{CHAT_PATH}", CHAT_PATH)
# A batch reads whole replies, and passes the messages separately.
_NOT_SETTINGS = frozenset({"messages", "stream", "stream_options"})
# A field of OpenAI's that `ainvoke` takes for LangChain's own.
_METADATA = "metadata"
_PAIR = 2
_FORMS = (
    'a text, {"question": "…"}, {"messages": […]}, a list of messages, or a line of OpenAI\'s batch with '
    '"custom_id", "method", "url" and "body"'
)


class RowError(ValueError):
    """A row cannot be sent: it is malformed, or of no known form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request of a batch.

    Attributes:
        line: Its first line in the input, from 1 on.
        id: Its `custom_id` or `id`, else its line; ids need not be unique.
        check: Checksum of the row as it stands in the input.
        messages: The conversation: messages of LangChain's, or mappings with a role and a content.
        settings: Keyword arguments of this row's call.
        problem: Why the row cannot be sent; empty for a valid row.
    """

    line: int
    id: str
    check: int
    messages: list[Any] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    def build_messages(self) -> list[BaseMessage]:
        """Return the conversation as LangChain's messages; an invalid one raises core's error or a `MediaError`."""
        return read_messages(self.messages, convert_to_messages)


def build_row(line: int, value: Any, *, raw: bytes | None = None, column: str | None = None) -> Row:
    """Return the row of a value; for an invalid value, a row with its problem.

    Args:
        line: Its first line.
        value: A text, a mapping, or messages in a form of LangChain's; an exception stands for a row that could not be
            read. Missing cells of a mapping, as a DataFrame has them, do not count.
        raw: The bytes in the file, for the checksum; None takes the value's JSON.
        column: The field of the question; None takes the first of `QUESTIONS`.
    """
    check, row_id = 1, str(line)
    try:
        check = crc32(_dump(value) if raw is None else raw) or 1
        if isinstance(value, Exception):
            raise value
        if isinstance(value, Mapping):
            value = _read_cells(value)
            row_id = next((str(value[name]) for name in _IDS if value.get(name) is not None), row_id)
        messages, settings = _read_value(value, column)
    except RowError as error:
        return Row(line=line, id=row_id, check=check, problem=f"line {line}: {error}")
    return Row(line=line, id=row_id, check=check, messages=messages, settings=settings)


def _dump(value: Any) -> bytes:
    try:
        return dump(value, orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"it cannot be written as JSON: {error}") from error


def _read_cells(row: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a row with None for its missing cells (NaN, pandas' NA and NaT), and with lists in place of arrays."""
    cells = {name: cell.tolist() if hasattr(cell, "tolist") else cell for name, cell in row.items()}
    return {name: None if _is_missing(cell) else cell for name, cell in cells.items()}


def _is_missing(cell: Any) -> bool:
    try:
        return cell is None or bool(cell != cell)  # noqa: PLR0124  # true of NaN alone
    except TypeError:  # NA is neither equal nor different
        return True
    except ValueError:  # a table in a cell
        return False


def _read_value(value: Any, column: str | None) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(value, str):
        return [_build_question(value, "the text")], {}
    if isinstance(value, BaseMessage):
        value = [value]
    if isinstance(value, PromptValue | Sequence) and not isinstance(value, bytes | bytearray):
        return _check_messages(value), {}
    if not isinstance(value, Mapping):
        if _is_missing(value):
            raise RowError("the text is empty")
        raise RowError(f"{name_type(value)} is not a row: write {_FORMS}")
    if value.get("body") is not None:
        return _read_openai_line(value)
    settings = _read_settings(value.get("settings"))
    if value.get("tools"):
        settings["tools"] = value["tools"]
    if column is None and value.get("messages") is not None:
        messages = _check_messages(value["messages"])
    else:
        name = _find_question(value, column)
        question = _join_instruction(value) if column is None and name in _INSTRUCTION else value[name]
        messages = _read_question(question, name)
    if value.get("system") and not is_system(messages[0]):
        messages = [{"role": "system", "content": value["system"]}, *messages]
    return messages, settings


def is_system(message: Any) -> bool:
    """Return whether a message, or a mapping with a role, is a system message."""
    role = message.get("role") if isinstance(message, dict) else getattr(message, "role", None)  # a ChatMessage's
    return role == "system" or isinstance(message, SystemMessage)


def _find_question(value: Mapping[str, Any], column: str | None) -> str:
    names = [name for name in QUESTIONS if name in value]
    name = column or next((name for name in names if value[name] is not None), next(iter(names), None))
    if name is None or name not in value:
        missing = f"no field {column!r}" if column else "no question"
        raise RowError(f"{missing} among the fields {', '.join(map(str, value)) or '(none)'}: write {_FORMS}")
    return name


def _join_instruction(value: Mapping[str, Any]) -> Any:
    """Return an instruction and its input as one question; a single one of them as it is."""
    parts = [part for name in _INSTRUCTION if (part := value.get(name))]
    if len(parts) <= 1:
        return next(iter(parts), "")
    if not all(isinstance(part, str) for part in parts):
        raise RowError("instruction and input are not both text")
    return "\n".join(parts)


def _read_question(content: Any, name: str) -> list[Any]:
    """Return the messages of a question: a list of them, as in TRL's `prompt` and OpenAI's `input`, or a single one."""
    parts = content if isinstance(content, list) else ()
    if any(isinstance(part, BaseMessage) or (isinstance(part, Mapping) and "role" in part) for part in parts):
        return _check_messages(content)
    return [_build_question(content, name)]


def _build_question(content: Any, name: str) -> dict[str, Any]:
    if not content or (isinstance(content, str) and not content.strip()):
        raise RowError(f"{name} is empty")
    if not isinstance(content, str | list):  # OpenAI's parts
        raise RowError(f"{name} is not text")
    return {"role": "user", "content": content}


def _check_messages(messages: Any) -> list[Any]:
    if isinstance(messages, PromptValue):
        messages = messages.to_messages()
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise RowError("messages must be a list of messages, and not empty")
    return [_read_message(message, at) for at, message in enumerate(messages)]


def _read_message(message: Any, at: int) -> Any:
    """Return a message as it is, or as a mapping with a role and a content."""
    if isinstance(message, BaseMessage):
        return message
    if isinstance(message, tuple) and len(message) == _PAIR:
        message = dict(zip(("role", "content"), message, strict=True))
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise RowError(f'messages[{at}] is not a message: write {{"role": "user", "content": "…"}}')
    return dict(message)


def _read_settings(settings: Any) -> dict[str, Any]:
    if settings is not None and not isinstance(settings, Mapping):
        raise RowError('settings is not an object such as {"enable_thinking": false}')
    kept = _without_reserved(settings or {})
    if body := {name: kept.pop(name) for name in (_METADATA, "extra_body") if name in kept}:
        kept["extra_body"] = _merge_extra_body(body)
    return kept


def _read_openai_line(value: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    body = value["body"]
    if not isinstance(body, Mapping):
        raise RowError("body is not an object")
    if (method := value.get("method") or "POST") != "POST":
        raise RowError(f"method is {method!r}: only POST is supported")
    if (url := value.get("url") or _PATHS[0]) not in _PATHS:
        raise RowError(f"url is {url!r}: only {_PATHS[0]} is supported")
    body = _merge_extra_body(body)
    settings = _without_reserved({name: setting for name, setting in body.items() if setting is not None})
    # Fields beyond OpenAI's go into the body as they are.
    keywords = (openai_fields() | OPTION_NAMES.keys()) - {_METADATA}
    if own := {name: settings.pop(name) for name in [*settings] if name not in keywords}:
        settings["extra_body"] = own
    return _check_messages(body.get("messages")), settings


def _merge_extra_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that OpenAI's `create()` makes of its keywords: the fields of `extra_body` join the others."""
    merged = dict(body)
    while (extra := merged.pop("extra_body", None)) is not None:
        if not isinstance(extra, Mapping):
            raise RowError("extra_body is not an object")
        merged |= extra
    return merged


def _without_reserved(settings: Mapping[str, Any]) -> dict[str, Any]:
    if (settings.get("n") or 1) != 1:
        raise RowError(f"n is {settings['n']!r}: a row has one answer; write one row per answer")
    return {str(name): value for name, value in settings.items() if name not in _NOT_SETTINGS}
