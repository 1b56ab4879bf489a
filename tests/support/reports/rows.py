"""What the tables of public reports share: each row is what arrived at somebody, and what `ChatQwen3` makes of it.

A report that only changes how a good reply is written belongs into `oddities.py`. Here is what needs its own words: a
call that a parser damaged, thinking in the wrong place, an end that says too much. `tests/integration/test_reports.py`
serves every row and asks in all four ways.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.oddities import sse
from tests.support.replies import write_body, write_events

Wire = dict[str, Any]
SAID: Wire = {"content": "", "reasoning": None, "calls": [], "invalid": [], "finish": "stop", "usage": 7}
"""What a message says if the row says nothing else."""


def build_tool(name: str, required: tuple[str, ...] = (), **types: str) -> Wire:
    """Return a tool whose parameters have these types."""
    properties = {key: {"type": kind} for key, kind in types.items()}
    parameters = {"type": "object", "properties": properties, "required": [*required]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


TOOLS = [
    build_tool("weather", ("city",), city="string"),
    build_tool("now", zone="string"),
    build_tool("add", ("a", "b"), a="integer", b="integer"),
    build_tool("bash", ("command",), command="string"),
    build_tool("write", ("path", "content"), path="string", content="string"),
    build_tool("todo", ("items",), items="array", urgent="boolean"),
]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report.

    Attributes:
        link: Where it is.
        stream: The body of a stream; None: the report has none.
        whole: The body of a whole reply; None: the report has none.
        says: What the message says, beside `SAID`.
        raises: Name of the error class that comes in place of a message.
        words: What the error's text says.
        fields: Fields of the model.
    """

    link: str
    stream: bytes | None = None
    whole: bytes | None = None
    says: Mapping[str, Any] = field(default_factory=dict)
    raises: str | None = None
    words: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.link.removeprefix("https://github.com/").replace("/issues/", "#").replace("/pull/", "#")


def report(link: str, stream: bytes | None, whole: bytes | None, **row: Any) -> Report:
    """Return a report; what is no field of a row is what the message says."""
    known = {key: row.pop(key) for key in ("raises", "words", "fields") if key in row}
    return Report(link=f"https://github.com/{link}", stream=stream, whole=whole, says=row, **known)


def both(link: str, reason: str = "stop", message: Wire | None = None, **row: Any) -> Report:
    """Return a report whose stream has the message of its whole reply in one delta."""
    message = message or {}
    return report(link, stream(message, reason=reason), whole(message, reason), **row)


def stream(*deltas: Wire, reason: str | None = "stop", **last: Any) -> bytes:
    """Return a stream."""
    return sse(write_events(*deltas, reason=reason, **last))


def begin(delta: Wire, *rest: Any, done: bytes = b"") -> bytes:
    """Return a stream that begins with a delta and has no end of its own."""
    return sse([write_events(delta, reason=None)[0], *rest], done=done)


def whole(message: Wire, reason: str | None = "stop", **fields: Any) -> bytes:
    """Return a whole reply."""
    return json.dumps(write_body(message, reason, **fields), ensure_ascii=False).encode()


def event(choice: Wire, **fields: Any) -> Wire:
    """Return one event."""
    return {"id": "r", "choices": [{"index": 0, **choice}], **fields}


def error(message: str, **fields: Any) -> Wire:
    """Return an error as servers write it."""
    return {"error": {"message": message, "type": "server_error", "code": 500, **fields}}


def call(name: str | None, arguments: Any = None, index: int | None = 0, id_: str | None = None) -> Wire:
    """Return a call, or a fragment of one."""
    function = {"name": name, "arguments": arguments}
    wire = {"index": index, "id": id_, "type": "function", "function": function}
    wire["function"] = {key: value for key, value in function.items() if value is not None}
    return {key: value for key, value in wire.items() if value is not None}


def calls(*wires: Wire, **more: Any) -> Wire:
    """Return a delta, or a message, with calls."""
    return {"tool_calls": [*wires], **more}


def pieces(name: str, *texts: str, id_: str | None = "a", index: int = 0) -> list[Wire]:
    """Return the deltas of one call."""
    return [calls(call(name, "", index, id_)), *(calls(call(None, text, index)) for text in texts)]


def xml(name: str = "bash", **values: str) -> str:
    """Return a call in Qwen3-Coder's form."""
    parameters = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


HERMES = '<tool_call>\n{"name": "weather", "arguments": {"city": "A"}}\n</tool_call>'
LS = xml(command="ls")
A, B, RUN = ("weather", {"city": "A"}), ("weather", {"city": "B"}), ("bash", {"command": "ls"})
CITY, CITY_B = '{"city": "A"}', '{"city": "B"}'
