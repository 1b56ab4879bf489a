"""Tool calls: wire → LangChain, streamed or whole, strict about cut calls. Sans-IO.

The contract of `ToolCallStream`, which reads a whole message as one delta:

- One call stays one call, even if its index or id changes, it is sent twice, its name or all its arguments so far stand
  in every fragment, or a single object replaces the list.
- The arguments of a call are parsed once, at the end and strictly. A JSON object makes a tool call; anything
  else makes an invalid tool call that keeps the text. In chunks, a wrong bracket closes the text, which core
  might otherwise take for whole arguments (see `invalidate_arguments`); a whole message has exactly what the model
  wrote.
- If a reply was cut and the server makes arguments of XML, its last call is invalid: vLLM's parser closes a cut call.
- The reason why a call is invalid is its `error` in a whole message. The sum of chunks has no field for it, so it is in
  the metadata, too.
- A fragment is never repaired. A whole argument text is repaired on request, and only known damage of Qwen parsers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.messages import InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk

from langchain_qwen3.reply.chunks import join_fragments
from langchain_qwen3.reply.tool_calls.arguments import (
    EMPTY,
    find_arguments,
    invalidate_arguments,
    read_arguments,
    repair_arguments,
)
from langchain_qwen3.reply.tool_calls.open_call import Fragment, OpenCall, WireCall, list_wires, read_fragment
from langchain_qwen3.reply.tool_calls.xml_arguments import fit_arguments

_NOTHING_WRITTEN: Mapping[int | None, InvalidToolCall] = {}
_CLOSED = "the reply ended before the call was complete, and the server closed its arguments"


class ToolCalls(NamedTuple):
    """The calls of one message: those whose arguments are a complete JSON object, and the invalid ones."""

    calls: list[ToolCall]
    invalid: list[InvalidToolCall]


class ToolCallStream:
    """Reads the tool calls of one choice from fragments.

    `feed` takes the `tool_calls` of each delta, `add` takes whole calls found elsewhere, and `close` is called once at
    the end; all return chunks for `tool_call_chunks`. Fragments are matched by index, then by id, then by order. A
    fragment without a name never begins a second call; a fragment with a name does after complete arguments, unless it
    repeats the same call; if it has no arguments, the next ones decide. An id that is missing or another call's
    becomes `call_<hex>`: strict hosts refuse one that comes twice (https://github.com/HKUDS/nanobot/pull/3943).

    Args:
        repair: Repair damage of Qwen parsers in the arguments of replies that ended properly: a trailing `}` or
            `</tool_call>`, empty arguments, JSON in JSON, types that the schema does not allow. The arguments then
            arrive in one piece at the end.
        parameterless: Names of tools without parameters, for which `{}` is never the beginning of larger arguments.
        optional: Names of tools without required parameters, for which empty arguments, or null, are not damage: for
            `{}`, several servers stream nothing else (https://github.com/NVIDIA/TensorRT-LLM/issues/17574).
        schemas: Name of each tool → JSON schema of its parameters, for repairs.

    Attributes:
        written: The invalid calls as the model wrote them, and why they are invalid, by index; final after
            `close`.
        first: The first call in OpenAI's form of 2023; set by `close`.
    """

    def __init__(
        self,
        *,
        repair: bool = False,
        parameterless: Iterable[str] = (),
        optional: Iterable[str] = (),
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._repair = repair
        self._schemas = schemas or {}
        self._parsed: OpenCall | None = None  # the server's latest call
        self._announced: Fragment | None = None  # a name after whole arguments, which may begin the next call
        self._drifts = False  # whether only a fragment with a name has the index of its call
        self._parameterless = frozenset(parameterless)
        self._optional = self._parameterless.union(optional)
        self._calls: list[OpenCall] = []
        self._by_index: dict[int | str, OpenCall] = {}
        self._by_id: dict[str, OpenCall] = {}
        self._repaired: dict[str, str] = {}
        self._rescued: list[str | None] = []
        self.written: dict[int | None, InvalidToolCall] = {}
        self.first: dict[str, str] | None = None

    @property
    def seen(self) -> bool:
        """Whether any call has begun, valid or not."""
        return bool(self._calls)

    @property
    def metadata(self) -> dict[str, Any]:
        """The calls' entries for `response_metadata`, final after `close`; empty if there are none.

        `tool_call_errors` maps call ids to the reason why the call is invalid, and `tool_call_texts` lists the argument
        texts of these calls as the model wrote them, which chunks cannot have. `repaired_tool_calls` maps the ids of
        repaired calls to the original argument text. `rescued_tool_calls` lists the names of calls found in the text.
        """
        notes = {
            "tool_call_errors": {call["id"]: call["error"] for call in self.written.values()},
            "tool_call_texts": [call["args"] for call in self.written.values()],
            "repaired_tool_calls": dict(self._repaired),
            "rescued_tool_calls": [*self._rescued],
        }
        return {key: value for key, value in notes.items() if value}

    def feed(self, fragments: Iterable[WireCall] | WireCall | None) -> list[ToolCallChunk]:
        """Read the fragments of one delta, or all calls of a whole message."""
        chunks = []
        begun: OpenCall | None = None
        for wire in filter(None, fragments if fragments.__class__ is list else list_wires(fragments)):
            fragment = read_fragment(wire)
            if self._announced is not None:
                fragment = self._take_announced(self._announced, fragment)
            call = self._find(fragment)
            if call is begun and fragment.name and fragment.place is None and not self._by_id.get(fragment.id or ""):
                call = None  # two named entries in one delta are two calls
            elif call is not None and fragment.name:
                if call.is_repeated_by(fragment):
                    continue
                if self._begins_new_call(call, fragment):
                    call = None
                elif not fragment.text and call.is_closed():
                    self._announced = fragment
                    continue
            if call is None:
                if not (fragment.id or fragment.name or fragment.text):
                    continue
                chunks.append(self._begin(fragment))
                call = self._calls[-1]
            else:
                chunks.append(self._extend(call, fragment))
            begun = self._parsed = call
        return [chunk for chunk in chunks if chunk]

    def add(self, calls: Iterable[WireCall], *, rescued: bool = False) -> list[ToolCallChunk]:
        """Read whole calls found in the text, each as a separate call.

        Args:
            calls: The calls.
            rescued: Whether the server left them in the text, which the metadata then reports.
        """
        wires = [{**call, "index": None, "id": build_call_id()} for call in calls]
        if rescued:
            self._rescued += [wire["function"]["name"] for wire in wires]
        return [chunk for wire in wires if (chunk := self._begin(read_fragment(wire)))]

    def list_new(self, wires: Iterable[WireCall] | WireCall | None) -> list[WireCall]:
        """Return the given whole calls that do not equal one that was already read."""
        known = {_write_key(call.name, call.text) for call in self._calls}
        fragments = [(wire, read_fragment(wire)) for wire in list_wires(wires) if wire]
        return [wire for wire, (_, _, name, text) in fragments if _write_key(name, text or "") not in known]

    def close(self, truncated: bool, *, closed: bool = False) -> list[ToolCallChunk]:
        """Validate every call and return the pieces that complete its arguments, or make them invalid.

        Args:
            truncated: Whether the reply was cut, by length or without its end. A call is then valid only if its
                arguments are a closed object.
            closed: Whether the server may have closed the arguments of a last call that was cut.
        """
        chunks = []
        for call in self._calls:
            text = self._judge(call, truncated, closed=closed and call is self._parsed is self._calls[-1])
            self.first = self.first or {"name": call.name, "arguments": text}
            if rest := text[call.sent :]:
                chunks.append(tool_call_chunk(args=rest, index=call.index))
        return chunks

    def _take_announced(self, announced: Fragment, fragment: Fragment) -> Fragment:
        """Return a fragment with the name that the one before it announced, if it begins arguments."""
        if not (fragment.name or (fragment.text or "").strip()):
            return fragment  # an empty one decides nothing
        self._announced = None
        is_other = not self._drifts and fragment.place in self._by_index and fragment.place != announced.place
        stands_alone = fragment.name or is_other or not fragment.begins
        return fragment if stands_alone else announced._replace(text=fragment.text)

    def _find(self, fragment: Fragment) -> OpenCall | None:
        """Return the call that a fragment may belong to: by index, by id, or the last one."""
        index, wire_id, name, text = fragment
        last = self._calls[-1] if self._calls else None
        by_id = self._by_id.get(wire_id) if wire_id else None
        if text and not name and index is not None and last is not None and last.wire_index is not None:
            # SGLang numbers a name by its tool's place in the request, and arguments by their call's in the reply:
            # https://github.com/sgl-project/sglang/issues/6310. An id alone may come before its name.
            self._drifts = self._drifts or index not in self._by_index
            if self._drifts:
                return last
        if index is not None and (by_index := self._by_index.get(index)) is not None:
            # Some servers give all calls the same index: then the id decides.
            return by_id if by_id is not None and by_id.wire_index == index else by_index
        if by_id is not None:
            is_bare = by_id.name_length and not (by_id.length or by_id.is_named(name))  # for {}, some stream nothing
            is_over = is_bare or by_id.is_closed()
            other_call = index is not None and by_id.wire_index is not None and name and is_over
            return by_id if not other_call or by_id.is_repeated_by(fragment) else None
        if last is None or not name or (index is None and not wire_id):
            return last
        is_open = index is None and (last.ids_vary or not last.is_closed())
        return last if is_open and last.is_named(name) else None

    def _begins_new_call(self, call: OpenCall, fragment: Fragment) -> bool:
        """Whether a fragment with a name begins a new call instead of continuing the one it matches."""
        if not call.name_length:
            return False
        other_id = bool(fragment.id and call.wire_id and fragment.id != call.wire_id)
        if not call.is_named(fragment.name):
            # The pieces of a name come before the arguments, with the same index.
            return other_id or fragment.place is None or call.length > 0
        if not call.length:
            return other_id and call.name in self._parameterless
        if call.ids_vary:
            return fragment.begins and call.is_closed()
        is_same = not other_id and (fragment.id or fragment.place is not None)
        if is_same and call.is_outgrown_by(fragment.text or ""):
            return False
        return (other_id and fragment.begins) or ((other_id or fragment.begins) and call.is_closed())

    def _begin(self, fragment: Fragment) -> ToolCallChunk | None:
        call_id = build_call_id() if not fragment.id or fragment.id in self._by_id else fragment.id
        call = OpenCall(len(self._calls), call_id, fragment.place)
        self._calls.append(call)
        if fragment.id:
            self._by_id[fragment.id] = call
        if fragment.place is not None:
            self._by_index[fragment.place] = call
        return self._extend(call, fragment, call.id)

    def _extend(self, call: OpenCall, fragment: Fragment, chunk_id: str | None = None) -> ToolCallChunk | None:
        """Add a fragment to its call and return its chunk; None if it only repeats a name or id."""
        name = "" if call.is_named(fragment.name) else fragment.name
        call.add_name(name)
        if fragment.id:
            self._by_id.setdefault(fragment.id, call)
            call.add_id(fragment.id)
        args = ""
        if fragment.text is not None:
            may_grow = not call.length and call.name not in self._parameterless
            may_be_null = not call.length and call.name in self._optional
            args = call.add_text(fragment.text, may_grow=may_grow, may_be_null=may_be_null)
            if self._repair:
                args = ""
            call.sent += len(args)
        if not (name or args or chunk_id):
            return None
        return tool_call_chunk(name=name or None, args=args, id=chunk_id, index=call.index)

    def _judge(self, call: OpenCall, truncated: bool, *, closed: bool) -> str:
        """Return the argument text for core; record why the call is invalid, or that it was repaired."""
        text = call.text
        absent = not call.pieces or call.name in self._optional
        if absent and call.name and not truncated and text.strip() in EMPTY:
            return text[: call.sent] + "{}"
        may_repair = self._repair and bool(call.name) and not (truncated or closed)
        try:
            args: dict[str, Any] | None = read_arguments(text)
            if call.name and not (closed or may_repair):
                return text
            problem = _CLOSED if closed else "the call has no tool name"
        except ValueError as error:
            problem = "the reply ended before the arguments were complete" if truncated else str(error)
            args = None
        if may_repair and (found := args or repair_arguments(text)) is not None:
            fitting = fit_arguments(found, call.name, self._schemas.get(call.name, {}))
            if fitting == args:
                return text
            self._repaired[call.id] = text
            return json.dumps(fitting, ensure_ascii=False)
        self.written[call.index] = invalid_tool_call(name=call.name or None, args=text, id=call.id, error=problem)
        return invalidate_arguments(text)


def collect_tool_calls(
    chunks: Iterable[ToolCallChunk], written: Mapping[int | None, InvalidToolCall] = _NOTHING_WRITTEN
) -> ToolCalls:
    """Return the calls of a whole message from all chunks of its `ToolCallStream`.

    Args:
        chunks: The chunks.
        written: The stream's `written`, used instead of the sums of the chunks of invalid calls.
    """
    result = ToolCalls([], [])
    for chunk in join_fragments(chunks):
        name, text, call_id = chunk["name"], chunk["args"] or "", chunk["id"]
        if (args := find_arguments(text)) is not None:
            result.calls.append(tool_call(name=name or "", args=args, id=call_id))
        else:
            bad = written.get(chunk["index"]) or invalid_tool_call(name=name or None, args=text, id=call_id)
            result.invalid.append(bad)
    return result


def build_call_id() -> str:
    """Return an id for a call without one."""
    return f"call_{uuid4().hex}"


def list_without(keyword: str, tools: Iterable[WireCall]) -> frozenset[str]:
    """Return the names of the wire tools whose schema has nothing under a keyword, such as `required`."""
    named = [own for tool in tools if (own := tool.get("function") or {}).get("name")]  # a server's own tool has none
    return frozenset([tool["name"] for tool in named if not (tool.get("parameters") or {}).get(keyword)])


def _write_key(name: str, text: str) -> tuple[str, str]:
    """Return a key that is equal for equal calls: the name, and the arguments in normalized form."""
    args = find_arguments(text.strip() or "{}")
    return name, text if args is None else json.dumps(args, sort_keys=True)
