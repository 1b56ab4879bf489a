"""Reads one `<tool_call>` tag, or `<function=…>` without one, as its text arrives.

The contract of `TagReader`: `read` takes a text and an offset, reads as far as it can and returns the offset where it
stopped. The rest is shorter than a tag and must be passed again, before the following text. Every character is read
once, for any split. A `ValueError` means that this is not a call of a bound tool, whatever text follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from langchain_qwen3.reply.reasoning import count_begun
from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, read_arguments, read_cut_call
from langchain_qwen3.reply.tool_calls.xml_arguments import read_value

OPENING, CLOSING, FUNCTION = "<tool_call>", "</tool_call>", "<function="
_END, _PARAMETER, _VALUE_END = "</function>", "<parameter=", "</parameter>"

_ARGUMENTS = ("arguments", "parameters")
"""The key of the template, and that of the schema, which models write as well."""

_BLANK = re.compile(r"\s*")
_BETWEEN = re.compile(r"[\s,\[\]]*")  # between the calls of one tag
_NAME_END = re.compile(r"[>\n]")
_HEADER = re.compile(rf"{FUNCTION}([^>\n]*)>")

# Qwen3-Coder and 3.5 or newer sometimes forget to close a parameter, also the last one of a call:
# https://github.com/vllm-project/vllm/pull/23099, https://github.com/vllm-project/vllm/issues/57699
_NEXT_CALL = rf"{_END}\s*(?:{CLOSING}\s*)?(?:{OPENING}\s*)?{FUNCTION}([^>\n]+)>\s*"
_NEXT_PARAMETER = re.compile(rf"(?:^|\n)(?:{_NEXT_CALL})?{_PARAMETER}([^>\n]+)>(?=\n)")
_TAG = re.compile(f"{OPENING}|{CLOSING}|{FUNCTION}|{_END}|{_PARAMETER}|{_VALUE_END}")
_CALL_END = re.compile(rf"\n{_END}\s*(?:{CLOSING}\s*)?$")


class TagReader:
    """Reads the calls of one tag.

    Args:
        schemas: Name of each bound tool → JSON schema of its parameters.
        is_tagged: Whether it begins with `<tool_call>`; otherwise with `<function=`. Reading starts after that.

    Attributes:
        calls: The calls so far, as wire calls without an id.
        is_over: Whether the tag has ended.
        blank: White space after a call without a closing tag; it belongs to the text.
        length: The number of characters read.
    """

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]], *, is_tagged: bool) -> None:
        self._schemas = schemas
        self._is_tagged = is_tagged
        self._state: _State = TagReader._read_between
        self._object = ObjectEnd()
        self._written: list[str] = []  # of the current call, as received
        self._pieces: list[str] = []  # of the current name, object or value
        self._behind: list[str] = []  # a closing tag and white space that may be part of the value
        self._blank: list[str] = []
        self._name = self._key = ""
        self._args: dict[str, Any] = {}
        self.calls: list[dict[str, Any]] = []
        self.is_over = False
        self.blank = ""
        self.length = 0
        if not is_tagged:
            self._begin(TagReader._read_header, FUNCTION)

    def read(self, text: str, at: int) -> int:
        """Read from an offset and return the offset where more text is needed, or where the tag ends.

        Raises:
            ValueError: This is not a call of a bound tool.
        """
        while not self.is_over:
            begin, state = at, self._state
            at = state(self, text, at)
            self.length += at - begin
            if TagReader._read_between not in (state, self._state):
                self._written.append(text[begin:at])
            if self._state is state and not self.is_over:
                break
        return at

    def end(self, rest: str, whole: str, *, truncated: bool) -> None:
        """End the text: a call that was cut is added with incomplete arguments.

        Args:
            rest: The text that `read` left.
            whole: The text of the tag as received.
            truncated: Whether the text was cut.

        Raises:
            ValueError: This is not a call, or it is incomplete although the text was not cut.
        """
        body = "".join(self._written) + rest
        if self.calls and self._state is TagReader._read_between and CLOSING.startswith(rest):
            return
        if not truncated:
            value = "".join(self._pieces) + rest
            if self._state is not TagReader._read_value or not (end := _CALL_END.search(value)):
                raise ValueError("the call is incomplete")
            self._take_value(value[: end.start() + 1], is_open=True)
            self._take(self._name, self._args)
            return
        self.calls.append(self._build_cut(body, body if self.calls else whole))

    # -- the states: each reads as far as it can ---------------------------------------------------------------------

    def _read_between(self, text: str, at: int) -> int:
        """Between calls."""
        begin = at
        at = (_BETWEEN if self._is_tagged else _BLANK).match(text, at).end()  # type: ignore[union-attr] # may be empty
        self._blank.append(text[begin:at])
        rest = text[at : at + len(CLOSING)]
        if rest.startswith("{") and self._is_tagged:
            self._begin(TagReader._read_object)
        elif rest.startswith(FUNCTION) and (self._is_tagged or not self.calls):
            self._begin(TagReader._read_header, FUNCTION)
            at += len(FUNCTION)
        elif self.calls and rest == CLOSING:
            self.is_over = True
            at += len(CLOSING)
        elif self.calls and not self._is_tagged and not CLOSING.startswith(rest):
            self.is_over = True  # a missing opening tag makes the closing one optional
            self.blank = "".join(self._blank)
        elif not (FUNCTION.startswith(rest) or (self.calls and CLOSING.startswith(rest))):
            raise ValueError("neither a call nor the closing tag follows")
        return at

    def _read_object(self, text: str, at: int) -> int:
        """In a JSON call."""
        end = self._object.find(text, at)
        self._pieces.append(text[at : end if end >= 0 else len(text)])
        if end < 0:
            return len(text)
        self.length += end - at
        call = read_arguments("".join(self._pieces))
        self.length -= end - at
        if len(call) > 1 and call.keys().isdisjoint(_ARGUMENTS):
            raise ValueError("the call has no arguments, but something else")
        self._take(call.get("name"), next((call[key] for key in _ARGUMENTS if key in call), {}))
        return end

    def _read_header(self, text: str, at: int) -> int:
        """In a function's name."""
        end, name = self._read_name(text, at)
        if name is not None:
            if name not in self._schemas:
                raise ValueError(f"{name} is not a bound tool")
            self._name, self._args, self._state = name, {}, TagReader._read_parameters
        return end

    def _read_parameters(self, text: str, at: int) -> int:
        """Between parameters."""
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]
        mark = self._read_mark(text, at)
        if mark is None:
            raise ValueError("the call contains something other than parameters")
        if mark == _END:
            self._take(self._name, self._args)
        elif mark == _PARAMETER:
            self._begin_pieces(TagReader._read_key)
        return at + len(mark)

    def _read_key(self, text: str, at: int) -> int:
        """In a parameter's name."""
        end, key = self._read_name(text, at)
        if key is not None:
            if not key:
                raise ValueError("a parameter has no name")
            self._key = key
            self._begin_pieces(TagReader._read_value_start)
        return end

    def _read_value_start(self, text: str, at: int) -> int:
        """Before a value, whose first newline is markup."""
        if at < len(text):
            self._state = TagReader._read_value
        return at + text.startswith("\n", at)

    def _read_value(self, text: str, at: int) -> int:
        """In a value."""
        end = text.find(_VALUE_END, at)
        stop = end if end >= 0 else len(text) - count_begun(text, at, _VALUE_END)
        self._pieces.append(text[at:stop])
        if end < 0:
            return stop
        self._behind, self._state = [_VALUE_END], TagReader._read_value_end
        return end + len(_VALUE_END)

    def _read_value_end(self, text: str, at: int) -> int:
        """Behind a closing tag that may be part of the value."""
        end = _BLANK.match(text, at).end()  # type: ignore[union-attr]
        self._behind.append(text[at:end])
        mark = self._read_mark(text, end)
        if mark:
            self._take_value("".join(self._pieces))
            self._state = TagReader._read_parameters
        elif mark is None:
            self._pieces += self._behind
            self._state = TagReader._read_value
        return end

    # -- shared by the states ----------------------------------------------------------------------------------------

    def _read_name(self, text: str, at: int) -> tuple[int, str | None]:
        """Read a name up to its `>`; None until the `>` has arrived."""
        end = _NAME_END.search(text, at)
        self._pieces.append(text[at : end.start() if end else len(text)])
        if end is None:
            return len(text), None
        if end[0] == "\n":
            raise ValueError("the tag is not closed")
        return end.end(), "".join(self._pieces).strip()

    def _read_mark(self, text: str, at: int) -> str | None:
        """Return the tag that ends a value; empty if only its beginning may have arrived; None if there is none."""
        rest = text[at : at + len(_END)]  # both tags have the same length
        if rest in (_END, _PARAMETER):
            return rest
        return "" if _END.startswith(rest) or _PARAMETER.startswith(rest) else None

    def _begin(self, state: _State, *written: str) -> None:
        """Begin a call whose text so far is `written`."""
        self._written = [*written]
        self._object = ObjectEnd()
        self._begin_pieces(state)

    def _begin_pieces(self, state: _State) -> None:
        self._pieces, self._state = [], state

    def _take_value(self, value: str, *, is_open: bool = False) -> None:
        """Keep a value, up to the next parameter of the schema if the model forgot to close this one.

        Raises:
            ValueError: Nothing closes the value, and it has tags other than those of parameters or calls that follow.
        """
        at, tags = 0, self._find_next(value, is_open=is_open)
        for tag in tags:
            self._args[self._key] = read_value(value[at : tag.start()], self._key, self._schemas[self._name])
            if tag[1]:
                self._take(self._name, self._args)
                self._name, self._args = tag[1], {}
            self._key, at = tag[2], tag.end() + 1
        self._args[self._key] = read_value(value[at:].removesuffix("\n"), self._key, self._schemas[self._name])
        if calls := [tag for tag in tags if tag[1]]:
            self._written = [FUNCTION, value[calls[-1].start(1) :], *self._behind[:-1]]

    def _find_next(self, value: str, *, is_open: bool) -> list[re.Match[str]]:
        """Return where the next parameters of the schema, or of the next calls, begin in a value without other tags."""
        if not (is_open or _PARAMETER in value):
            return []
        tags = list(_NEXT_PARAMETER.finditer(value))
        is_read = _TAG.search(_NEXT_PARAMETER.sub("", value)) is None  # a text about calls has others, too
        name, given = self._name, {self._key, *self._args}
        for tag in tags:
            if tag[1]:
                name, given = tag[1], set()
            known = self._schemas.get(name, {}).get("properties") or ()
            is_read = is_read and tag[2] in known and tag[2] not in given
            given.add(tag[2])
        if is_open and not is_read:
            raise ValueError("the call is incomplete")
        return tags if is_read else []

    def _take(self, name: Any, args: Any) -> None:
        if not isinstance(name, str) or name not in self._schemas:
            raise ValueError(f"{name} is not a bound tool")
        self.calls.append({"type": "function", "function": {"name": name, "arguments": args}})
        self._state, self._written, self._blank = TagReader._read_between, [], []

    def _build_cut(self, body: str, written: str) -> dict[str, Any]:
        """Return a call that was cut: its name, if known, and its text so far."""
        cut = read_cut_call(body)
        header = _HEADER.match(body)
        name = header[1].strip() if header else cut.name or body.removeprefix(FUNCTION)
        is_named = bool(header) or cut.named
        if is_named and name not in self._schemas:
            raise ValueError(f"{name} is not a bound tool")
        has_begun = cut.name or body.startswith(FUNCTION)
        if has_begun and not any(bound.startswith(name) for bound in self._schemas):
            raise ValueError(f"no bound tool's name begins with {name}")
        function = {"name": name if is_named else None, "arguments": cut.arguments or written}
        return {"type": "function", "function": function}


_State = Callable[[TagReader, str, int], int]
"""The method that reads on where the last one stopped."""
