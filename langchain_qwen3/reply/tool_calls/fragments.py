"""Tool calls: wire → LangChain, streamed or whole, strict about cut calls. Sans-IO.

The contract of `ToolCallStream`, which reads a whole message as one delta:

- One call stays one call, even if its index or id changes, it is sent twice, or a single object replaces the list.
- The arguments of a call are parsed once, at the end and strictly. A JSON object makes a tool call; anything
  else makes an invalid tool call that keeps the text. In chunks, a wrong bracket closes the text if core would accept
  a half-written object as a whole one (see `invalidate_arguments`); a whole message has exactly what the model wrote.
- The reason why a call is invalid is in the metadata, because the sum of chunks has no field for an error text.
- A fragment is never repaired. A whole argument text is repaired on request, and only known damage of Qwen parsers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.messages import InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk

from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, invalidate_arguments, read_arguments, repair_arguments

WireCall = Mapping[str, Any]
"""A call or a call fragment, as servers send it: `{"index", "id", "function": {"name", "arguments"}}`."""


_NOTHING_WRITTEN: Mapping[str, str] = {}


class ToolCalls(NamedTuple):
    """The calls of one message: those whose arguments are a complete JSON object, and the invalid ones."""

    calls: list[ToolCall]
    invalid: list[InvalidToolCall]


class ToolCallStream:
    """Reads the tool calls of one choice from fragments.

    `feed` takes the `tool_calls` of each delta, `add` takes whole calls found elsewhere, and `close` is called once at
    the end; all return chunks for `tool_call_chunks`. Fragments are matched by index, then by id, then by order. A
    fragment without a name never begins a second call; a fragment with a name does after complete arguments, unless it
    repeats the same call. A missing id becomes `call_<hex>`.

    Args:
        repair: Repair damage of Qwen parsers in the arguments of replies that ended properly: a trailing `}` or
            `</tool_call>`, empty arguments. The arguments then arrive in one piece at the end.
        parameterless: Names of tools without parameters, for which empty arguments are not damage: SGLang
            streams nothing else for them.

    Attributes:
        written: The arguments of invalid calls as the model wrote them, by id; final after `close`.
    """

    def __init__(self, *, repair: bool = False, parameterless: Iterable[str] = ()) -> None:
        self._repair = repair
        self._parameterless = frozenset(parameterless)
        self._calls: list[_Call] = []
        self._by_index: dict[int | str, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._errors: dict[str, str] = {}
        self._repaired: dict[str, str] = {}
        self._rescued: list[str | None] = []
        self.written: dict[str, str] = {}

    @property
    def seen(self) -> bool:
        """Whether any call has begun, valid or not."""
        return bool(self._calls)

    @property
    def metadata(self) -> dict[str, Any]:
        """The calls' entries for `response_metadata`, final after `close`; empty if there are none.

        `tool_call_errors` maps call ids to the reason why the call is invalid. `repaired_tool_calls` maps the ids of
        repaired calls to the original argument text. `rescued_tool_calls` lists the names of calls found in the text.
        """
        notes = {
            "tool_call_errors": dict(self._errors),
            "repaired_tool_calls": dict(self._repaired),
            "rescued_tool_calls": [*self._rescued],
        }
        return {key: value for key, value in notes.items() if value}

    def feed(self, fragments: Iterable[WireCall] | WireCall | None) -> list[ToolCallChunk]:
        """Read the fragments of one delta, or all calls of a whole message."""
        chunks = []
        begun: _Call | None = None
        for wire in (fragments,) if isinstance(fragments, Mapping) else fragments or ():
            fragment = _read_fragment(wire)
            call = self._find(fragment)
            if call is begun and fragment.name and fragment.place is None and not fragment.id:
                call = None  # two named entries in one delta are two calls
            elif call is not None and fragment.name:
                if _repeats_call(call, fragment):
                    continue
                if self._begins_new_call(call, fragment):
                    call = None
            if call is None:
                if not (fragment.id or fragment.name or fragment.text):
                    continue
                call = self._open(fragment)
                chunks.append(self._extend(call, fragment, call.id))
            elif chunk := self._extend(call, fragment):
                chunks.append(chunk)
            begun = call
        return [chunk for chunk in chunks if chunk is not None]

    def add(self, calls: Iterable[WireCall], *, rescued: bool = False) -> list[ToolCallChunk]:
        """Read whole calls found in the text, each as a separate call.

        Args:
            calls: The calls.
            rescued: Whether the server left them in the text, which the metadata then reports.
        """
        wires = [{**call, "index": None, "id": build_call_id()} for call in calls]
        if rescued:
            self._rescued += [wire["function"]["name"] for wire in wires]
        return self.feed(wires)

    def holds_all(self, wires: Iterable[WireCall]) -> bool:
        """Return whether every given whole call equals one that was already read."""
        known = {_write_key(call.name, call.text) for call in self._calls}
        fragments = [_read_fragment(wire) for wire in wires]
        return all(_write_key(fragment.name, fragment.text or "") in known for fragment in fragments)

    def close(self, truncated: bool) -> list[ToolCallChunk]:
        """Validate every call and return the pieces that complete its arguments, or make them invalid.

        Args:
            truncated: Whether the reply was cut, by length or without its end. A call is then valid only if its
                arguments are a closed object.

        Raises:
            ImportError: Damage needs repair, but the extra `repair` is not installed.
        """
        chunks = []
        for call in self._calls:
            text = self._judge(call, truncated)
            if rest := text if self._repair else text[len(call.text) :]:
                chunks.append(tool_call_chunk(args=rest, index=call.index))
        return chunks

    def _find(self, fragment: _Fragment) -> _Call | None:
        """Return the call that a fragment may belong to: by index, by id, or the last one."""
        index, wire_id, name, _ = fragment
        last = self._calls[-1] if self._calls else None
        by_id = self._by_id.get(wire_id) if wire_id else None
        if index is not None and (by_index := self._by_index.get(index)) is not None:
            # Some servers give all calls the same index: then the id decides.
            return by_id if by_id is not None and by_id.wire_index == index else by_index
        if by_id is not None:
            other_call = index is not None and by_id.wire_index is not None and name and by_id.is_closed()
            return by_id if not other_call or _repeats_call(by_id, fragment) else None
        if not name:
            return last
        if index is None and not wire_id:
            return last
        return None

    def _begins_new_call(self, call: _Call, fragment: _Fragment) -> bool:
        """Whether a fragment with a name begins a new call instead of continuing the one it matches."""
        if not call.name_length:
            return False
        other_id = bool(fragment.id and call.wire_id and fragment.id != call.wire_id)
        if not call.is_named(fragment.name):
            # The pieces of a name come before the arguments, with the same index.
            return other_id or fragment.place is None or call.has_text
        if not call.has_text:
            return other_id and call.name in self._parameterless
        begins = bool(fragment.text and fragment.text.lstrip().startswith("{"))
        return (other_id and begins) or ((other_id or begins) and call.is_closed())

    def _open(self, fragment: _Fragment) -> _Call:
        call = _Call(len(self._calls), fragment.id or build_call_id(), fragment.place)
        self._calls.append(call)
        if fragment.place is not None:
            self._by_index[fragment.place] = call
        return call

    def _extend(self, call: _Call, fragment: _Fragment, chunk_id: str | None = None) -> ToolCallChunk | None:
        """Add a fragment to its call and return its chunk; None if it only repeats a name or id."""
        name = "" if call.is_named(fragment.name) else fragment.name
        call.add_name(name)
        if fragment.id:
            self._by_id.setdefault(fragment.id, call)
            call.wire_id = call.wire_id or fragment.id
        if fragment.text is not None:
            call.add_text(fragment.text)
        args = None if self._repair else fragment.text or None
        if not (name or args or chunk_id):
            return None
        return tool_call_chunk(name=name or None, args=args, id=chunk_id, index=call.index)

    def _judge(self, call: _Call, truncated: bool) -> str:
        """Return the argument text for core; record why the call is invalid, or that it was repaired."""
        text = call.text
        absent = not call.pieces or call.name in self._parameterless
        if absent and call.name and not truncated and not text.strip():
            return text + "{}"
        try:
            read_arguments(text)
            if call.name:
                return text
            problem = "the call has no tool name"
        except ValueError as error:
            problem = "the reply ended before the arguments were complete" if truncated else str(error)
            repaired = repair_arguments(text) if self._repair and call.name and not truncated else None
            if repaired is not None:
                self._repaired[call.id] = text
                return json.dumps(repaired, ensure_ascii=False)
        self._errors[call.id] = problem
        self.written[call.id] = text
        return invalidate_arguments(text)


def collect_tool_calls(chunks: Iterable[ToolCallChunk], written: Mapping[str, str] = _NOTHING_WRITTEN) -> ToolCalls:
    """Return the calls of a whole message from all chunks of its `ToolCallStream`.

    Args:
        chunks: The chunks.
        written: The stream's `written`, used in invalid calls instead of the sum of their chunks.
    """
    by_index: dict[int | None, list[ToolCallChunk]] = {}
    for chunk in chunks:
        by_index.setdefault(chunk["index"], []).append(chunk)
    result = ToolCalls([], [])
    for pieces in by_index.values():
        call_id = pieces[0]["id"]
        name = "".join(piece["name"] or "" for piece in pieces)
        text = "".join(piece["args"] or "" for piece in pieces)
        try:
            args = read_arguments(text)
        except ValueError:
            text = written.get(call_id or "", text)
            result.invalid.append(invalid_tool_call(name=name or None, args=text, id=call_id))
        else:
            result.calls.append(tool_call(name=name, args=args, id=call_id))
    return result


def read_parameterless(tools: Iterable[WireCall]) -> frozenset[str]:
    """Return the names of the wire tools that take no parameters."""
    functions = [tool.get("function") or {} for tool in tools]
    named = [function for function in functions if function.get("name")]  # a server's own tool is not a function
    return frozenset(tool["name"] for tool in named if not (tool.get("parameters") or {}).get("properties"))


def build_call_id() -> str:
    """Return an id for a call without one."""
    return f"call_{uuid4().hex}"


class _Fragment(NamedTuple):
    place: int | str | None  # the wire's index; tuples already have an `index` method
    id: str | None
    name: str
    text: str | None


@dataclass(slots=True)
class _Call:
    """A call being read: its index and id in the chunks, and the wire data so far."""

    index: int
    id: str
    wire_index: int | str | None
    wire_id: str | None = None
    names: list[str] = field(default_factory=list)  # the pieces of its name
    name_length: int = 0
    pieces: list[str] = field(default_factory=list)
    has_text: bool = False
    _end: ObjectEnd = field(default_factory=ObjectEnd)
    _whole: tuple[str, dict[str, Any] | None] | None = None
    _checked: int = 0
    _closed: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def name(self) -> str:
        return "".join(self.names)

    def is_named(self, name: str) -> bool:
        """Whether the name so far equals `name`; compares lengths first to avoid joining the pieces."""
        return len(name) == self.name_length and name == self.name

    def add_name(self, piece: str) -> None:
        if piece:
            self.names.append(piece)
            self.name_length += len(piece)

    def add_text(self, piece: str) -> None:
        self.pieces.append(piece)
        self.has_text = self.has_text or bool(piece)
        self._whole = None

    def has_arguments(self, text: str) -> bool:
        """Whether a text is the same arguments, in any JSON spelling."""
        if self._whole is None:
            self._whole = self.text, _read_object(self.text)
        written, value = self._whole
        return text == written or (value is not None and value == _read_object(text))

    def is_closed(self) -> bool:
        """Whether the arguments are a whole object; every piece is read once."""
        while not self._closed and self._checked < len(self.pieces):
            self._closed = self._end.find(self.pieces[self._checked]) >= 0
            self._checked += 1
        return self._closed


def _read_fragment(wire: WireCall) -> _Fragment:
    function = wire.get("function") or wire  # flat, as in the Responses API
    index, wire_id, text = wire.get("index"), wire.get("id"), function.get("arguments")
    if text is not None and not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    return _Fragment(
        index if isinstance(index, int | str) else None,
        str(wire_id) if wire_id not in (None, "") else None,
        str(function.get("name") or ""),
        text,
    )


def _repeats_call(call: _Call, fragment: _Fragment) -> bool:
    """Whether a fragment repeats the whole call that was already read."""
    if not (fragment.text and fragment.text.lstrip().startswith("{") and call.is_named(fragment.name)):
        return False
    return call.is_closed() and call.has_arguments(fragment.text)


def _write_key(name: str, text: str) -> tuple[str, str]:
    """Return a key that is equal for equal calls: the name, and the arguments in normalized form."""
    try:
        return name, json.dumps(read_arguments(text), sort_keys=True)
    except ValueError:
        return name, text


def _read_object(text: str) -> dict[str, Any] | None:
    try:
        return read_arguments(text)
    except ValueError:
        return None
