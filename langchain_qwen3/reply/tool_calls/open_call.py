"""One tool call while its fragments arrive. Sans-IO."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, find_arguments

WireCall = Mapping[str, Any]
"""A call or a call fragment, as servers send it: `{"index", "id", "function": {"name", "arguments"}}`."""

_NULLS = frozenset({"", "null", "None", "undefined"})
"""How gateways write a missing name or id as text (https://github.com/BerriAI/litellm/issues/12513)."""

_OTHER_ARGUMENTS = ("parameters", "input", "args")
"""The names in Llama, Anthropic, and LangChain and Gemini."""

_BEFORE_VALUE = (":", "[", ",")  # after these, outside a string, an object may begin


class Fragment(NamedTuple):
    """The fields of a fragment.

    Attributes:
        place: The wire's index; tuples already have a method `index`.
        id: None if it is missing, empty or "null".
        name: A name or a piece of it, empty if it is missing.
        text: The arguments or a piece of them, None if they are missing.
    """

    place: int | str | None
    id: str | None
    name: str
    text: str | None

    @property
    def begins(self) -> bool:
        """Whether the arguments begin like an object."""
        return bool(self.text and self.text.lstrip().startswith("{"))


def list_wires(calls: Iterable[WireCall] | WireCall | None) -> Iterable[WireCall]:
    """Return the entries of `tool_calls`, which may be a single call in place of the list.

    PHP writes an array whose numbers have a gap as an object: https://www.php.net/manual/en/function.json-encode.php
    """
    if isinstance(calls, Mapping):
        return calls.values() if all(map(str.isdecimal, calls)) else (calls,)
    return calls or ()


def read_fragment(wire: WireCall) -> Fragment:
    """Read a fragment of the wire."""
    function = wire.get("function") or wire  # flat, as in the Responses API
    index, wire_id = wire.get("index"), wire.get("id")
    text = function.get("arguments")
    if text is None:
        text = next((value for name in _OTHER_ARGUMENTS if (value := function.get(name)) is not None), None)
    if text is not None and not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    # Ollama has blanks at the edges at times: https://github.com/openclaw/openclaw/pull/27689
    name = str(called).strip() if (called := function.get("name")) else ""
    word = "" if wire_id is None else str(wire_id)
    is_piece = len(function) == 1 and not word  # of a name, which may itself have the word: is_, null
    return Fragment(
        index if isinstance(index, int | str) else None,
        None if word in _NULLS else word,
        "" if name in _NULLS and not is_piece else name,
        text,
    )


@dataclass(slots=True)
class OpenCall:
    """A call being read: its index and id in the chunks, and the wire data so far.

    Attributes:
        wire_id: The first id on the wire.
        ids_vary: Whether a later fragment had another id: then an id says nothing about where a call begins.
        sent: The number of characters of the arguments that are in chunks.
    """

    index: int
    id: str
    wire_index: int | str | None
    wire_id: str | None = None
    ids_vary: bool = False
    names: list[str] = field(default_factory=list)  # the pieces of its name
    name_length: int = 0
    pieces: list[str] = field(default_factory=list)
    length: int = 0  # of the pieces
    sent: int = 0
    _null: str = ""  # the beginning of null in the place of arguments, held back
    _holds: bool = False  # a whole object that a larger one may replace
    _grows: bool = False  # every piece repeats the text so far
    _end: ObjectEnd = field(default_factory=ObjectEnd)
    _whole: tuple[str, dict[str, Any] | None] | None = None
    _checked: int = 0
    _closed: bool = False

    @property
    def text(self) -> str:
        """The arguments so far."""
        return "".join(self.pieces) or self._null

    @property
    def name(self) -> str:
        """The name so far."""
        return "".join(self.names)

    def is_named(self, name: str) -> bool:
        """Whether the name so far equals `name`; compares lengths first to avoid joining the pieces."""
        return len(name) == self.name_length and name == self.name

    def add_name(self, piece: str) -> None:
        """Add a piece of the name."""
        if piece:
            self.names.append(piece)
            self.name_length += len(piece)

    def add_id(self, wire_id: str) -> None:
        """Take the id of a fragment."""
        self.wire_id = self.wire_id or wire_id
        self.ids_vary = self.ids_vary or wire_id != self.wire_id

    def add_text(self, piece: str, *, may_grow: bool, may_be_null: bool = False) -> str:
        """Add a piece of the arguments, and return the text that is now certain.

        Some servers repeat the arguments so far in every fragment, and some begin with `{}` before the real ones. So
        `{}` is held back until the next piece or the end; the larger objects that follow it, too. The end of an object
        cannot be taken back from a chunk.

        Args:
            piece: The next piece, or all arguments so far.
            may_grow: Whether `{}` may be the beginning of larger arguments.
            may_be_null: Whether this piece is the first one, and null stands for no arguments.
        """
        if may_be_null:
            piece = piece if piece.startswith(self._null) else self._null + piece
            self._null = piece if "null".startswith(piece.strip()) else ""
            if self._null:
                return ""
        if piece.startswith('"') and self.is_closed() and self._is_written_again(piece):
            return ""
        certain = ""
        if self._holds and piece.strip():
            if self.is_outgrown_by(piece):
                self._restart()
                self._holds = find_arguments(piece) is not None
            else:
                self._holds, certain = False, self.text
        elif self.length and piece.startswith("{"):
            repeated = self._measure_repeated(piece)
            self._grows = self._grows or repeated > 0
            piece = piece[repeated:]
        elif not self.length:
            self._holds = may_grow and "".join(piece.split()) == "{}"
        self.pieces.append(piece)
        self.length += len(piece)
        self._whole = None
        return "" if self._holds else certain + piece

    def is_outgrown_by(self, text: str) -> bool:
        """Whether the arguments so far are a whole object, held back, and a text has all its keys and more."""
        if not self._holds or not text.lstrip().startswith("{"):
            return False
        known = find_arguments(self.text)
        return not known or known.keys() <= (find_arguments(text) or {}).keys()

    def has_arguments(self, text: str) -> bool:
        """Whether a text is the same arguments, in any JSON spelling."""
        if self._whole is None:
            self._whole = self.text, find_arguments(self.text)
        written, value = self._whole
        return text == written or (value is not None and value == find_arguments(text))

    def is_repeated_by(self, fragment: Fragment) -> bool:
        """Whether a fragment repeats the whole call that was already read."""
        if not (fragment.begins and self.is_named(fragment.name)):
            return False
        return self.is_closed() and self.has_arguments(fragment.text or "")

    def is_closed(self) -> bool:
        """Whether the arguments are a whole object; every piece is read once."""
        while not self._closed and self._checked < len(self.pieces):
            self._closed = self._end.find(self.pieces[self._checked]) >= 0
            self._checked += 1
        return self._closed

    def _is_written_again(self, piece: str) -> bool:
        """Whether a piece is the whole arguments once more, as JSON in JSON.

        So does vLLM end calls that speculative decoding wrote (https://github.com/vllm-project/vllm/pull/35421).
        """
        try:
            text = json.loads(piece)
        except ValueError:
            return False
        return isinstance(text, str) and self.has_arguments(text)

    def _restart(self) -> None:
        self.pieces, self.length, self._grows = [], 0, True
        self._end, self._checked, self._closed = ObjectEnd(), 0, False

    def _measure_repeated(self, piece: str) -> int:
        """Return how many characters at the beginning of a piece repeat the arguments so far: all of them or none.

        Where no object may begin, such a piece cannot be the next one: it has the quotes of the text so far.
        """
        if len(piece) < self.length:
            return 0
        text = self.text
        repeats = self._grows or self.is_closed() or self._end.in_string or not text.rstrip().endswith(_BEFORE_VALUE)
        return self.length if repeats and piece.startswith(text) else 0
