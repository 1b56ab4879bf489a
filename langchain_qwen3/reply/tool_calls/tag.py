"""Reads one `<tool_call>` tag in a text, or `<function=…>` without one, or the array of a forced choice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, read_arguments
from langchain_qwen3.reply.tool_calls.open_call import WireCall
from langchain_qwen3.reply.tool_calls.xml_arguments import read_value

OPENING, CLOSING, FUNCTION = "<tool_call>", "</tool_call>", "<function="
_END, _PARAMETER, _VALUE_END = "</function>", "<parameter=", "</parameter>"

_ARGUMENTS = ("arguments", "parameters")
"""The key of the template, and that of the schema, which models write as well."""

_BLANK = re.compile(r"\s*+")
_BETWEEN = re.compile(r"[\s,\[\]]*+")  # between the calls of one tag
# Closing tags without an opening one, which Qwen3.5 and 3.6 write at times:
# https://github.com/QwenLM/Qwen3.8/issues/178, https://github.com/ollama/ollama/issues/16810
_STRAY_TAGS = (_END, _VALUE_END, "</function_invocation>")
_STRAY = re.compile(rf"(?:\s*+(?:{'|'.join(_STRAY_TAGS)}))*+")
_STRAY_BEHIND = re.compile(rf"(?:\s*+(?:{'|'.join((CLOSING, *_STRAY_TAGS))}))*+")
# Qwen3.5 and 3.6 at times write no bracket behind that of the arguments:
# https://github.com/NousResearch/hermes-agent/pull/5315, https://github.com/warpfront/hipfire/pull/508.
# Or one too many, which servers with a parser pass on: https://github.com/yigit353/langchain-qwq/issues/30.
_ARGUMENTS_BEGIN = re.compile(r'\{\s*+"name"\s*+:\s*+"([^"\\]*+)"\s*+,\s*+"(?:arguments|parameters)"\s*+:\s*+(?=\{)')
_NO_BRACKET = re.compile(rf"(?:\s*+{CLOSING})?+")
_BRACKETS = re.compile(r"(?:\s*+\})*+")
_NAME_END = re.compile(r"[>\n]")
_CUT_CALL = re.compile(
    rf'{FUNCTION}(?P<function>[^>\n]*)(?P<ended>>)?|\{{\s*"name"\s*:\s*"(?P<name>[^"\\]*)'
    r'(?P<named>"\s*(?:,\s*"(?:arguments|parameters)"\s*:\s*(?P<arguments>.+))?)?',
    re.DOTALL,
)
_OPEN_VALUE = re.compile(r"<parameter(?=[\s=>])[^<>]*+>(?<!/>)")  # also of XML: <parameter name="x">
_CLOSED_VALUE = re.compile(rf"{_VALUE_END}\s*+(?={_END}|{_PARAMETER})")  # any other closing tag is part of the value

# Qwen3-Coder and 3.5 or newer sometimes forget to close a parameter, also the last one of a call, or the function:
# https://github.com/vllm-project/vllm/pull/23099, https://github.com/vllm-project/vllm/issues/57699,
# https://github.com/xerrors/Yuxi/issues/844
_NEXT_CALL = rf"{_END}\s*(?:{CLOSING}\s*)?(?:{OPENING}\s*)?{FUNCTION}([^>\n]+)>\s*"
_NEXT_PARAMETER = re.compile(rf"(?:^|\n)(?:{_NEXT_CALL})?{_PARAMETER}([^>\n]+)>(?=\n)")
_TAG = re.compile(f"{OPENING}|{CLOSING}|{FUNCTION}|{_END}|{_PARAMETER}|{_VALUE_END}")
_CALL_END = re.compile(rf"\n(?:{_VALUE_END}\s*)?(?:{_END}\s*(?:{CLOSING}\s*)?|{CLOSING}\s*)$")


class EndOfTextError(Exception):
    """The text ends within a tag."""


class TagReader:
    """Reads the calls of one tag.

    Args:
        text: The text.
        opener: Where the tag begins: `<tool_call>`, `<function=`, or what stands before an array.
        schemas: Name of each bound tool → JSON schema of its parameters.

    Attributes:
        calls: The calls so far, as wire calls without an id.
        at: The offset behind what was read.
    """

    def __init__(self, text: str, opener: re.Match[str], schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self._text = text
        self._schemas = schemas
        self._start = opener.start()
        self._is_tagged = opener[0] != FUNCTION
        self._begin = 0  # of the current call
        self._value = -1  # where a value begins that was not closed
        self._name = self._key = ""
        self._args: dict[str, Any] = {}
        self.calls: list[WireCall] = []
        self.at = opener.end() if self._is_tagged else opener.start()

    def read(self, truncated: bool | None) -> None:
        """Read the whole tag.

        Args:
            truncated: Whether the text was cut: then a call that was being written is added with incomplete arguments.
                None if more text may follow.

        Raises:
            EndOfTextError: The tag has not ended, and more text may follow.
            ValueError: This is not a call of a bound tool, or it is incomplete although the text was not cut.
        """
        try:
            self._read_calls()
        except EndOfTextError:
            if truncated is None:
                raise
            self._end(truncated=truncated)

    def _read_calls(self) -> None:
        while True:
            if self.calls:
                self._skip(_STRAY)
            end = self.at
            self._skip(_BETWEEN if self._is_tagged else _BLANK)
            self._begin = self.at
            rest = self._text[self.at : self.at + len(CLOSING)]
            if rest.startswith("{") and self._is_tagged:
                self._read_object()
            elif rest.startswith(FUNCTION) and (self._is_tagged or not self.calls):
                self._read_function()
            elif self.calls and rest == CLOSING:
                self._skip(_STRAY_BEHIND)
                return
            elif self.calls and not self._is_tagged and not CLOSING.startswith(rest):
                self.at = end  # a missing opening tag makes the closing one optional; white space belongs to the text
                return
            elif FUNCTION.startswith(rest) or (self.calls and _begins_closing(rest)):
                raise EndOfTextError
            else:
                raise ValueError("neither a call nor the closing tag follows")

    def _end(self, *, truncated: bool) -> None:
        """End the tag with the text; a last call may be cut, or lack the closing tags inside the tag's own."""
        self.at = len(self._text)
        body = self._text[self._begin :]
        if self.calls and _begins_closing(body):
            return
        if truncated:
            self.calls.append(self._build_cut(body, body if self.calls else self._text[self._start :].lstrip()))
            return
        value = self._text[self._value :] if self._value >= 0 else ""
        if not (end := _CALL_END.search(value)):
            raise ValueError("the call is incomplete")
        self._take_value(value[: end.start() + 1], is_open=True)
        self._take(self._name, self._args)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self.at = pattern.match(self._text, self.at).end()  # type: ignore[union-attr] # may be empty

    def _read_object(self) -> None:
        begin, end = self.at, ObjectEnd().find(self._text, self.at)
        if head := _ARGUMENTS_BEGIN.match(self._text, begin):
            args_end = ObjectEnd().find(self._text, head.end())
            if args_end >= 0 and _NO_BRACKET.match(self._text, args_end)[0]:  # type: ignore[index] # may be empty
                self.at = args_end
                self._take(head[1], read_arguments(self._text[head.end() : args_end]))
                return
        if end < 0:
            raise EndOfTextError
        self.at = end
        self._skip(_BRACKETS)
        call = read_arguments(self._text[begin:end])
        if len(call) > 1 and call.keys().isdisjoint(_ARGUMENTS):
            raise ValueError("the call has no arguments, but something else")
        self._take(call.get("name"), next((call[key] for key in _ARGUMENTS if key in call), {}))

    def _read_function(self) -> None:
        self._name, self._args = self._read_name(FUNCTION), {}
        if self._name not in self._schemas:
            raise ValueError(f"{self._name} is not a bound tool")
        while True:
            self._skip(_BLANK)
            rest = self._text[self.at : self.at + len(CLOSING)]
            if rest.startswith(_END) or rest == CLOSING:  # a call with parameters ends at the latter in `_end`
                self.at += 0 if rest == CLOSING else len(_END)
                self._take(self._name, self._args)
                return
            if not rest.startswith(_PARAMETER):
                if any(tag.startswith(rest) for tag in (_END, _PARAMETER, CLOSING)):
                    raise EndOfTextError
                raise ValueError("the call contains something other than parameters")
            self._key = self._read_name(_PARAMETER)
            if not self._key:
                raise ValueError("a parameter has no name")
            self._value = self.at + self._text.startswith("\n", self.at)  # the first newline is markup
            if not (closing := _CLOSED_VALUE.search(self._text, self._value)):
                raise EndOfTextError
            self._take_value(_drop_stray_ends(self._text[self._value : closing.start()]))
            self._value, self.at = -1, closing.end()

    def _read_name(self, tag: str) -> str:
        """Read a tag that ends with a name and `>`."""
        begin = self.at + len(tag)
        end = _NAME_END.search(self._text, begin)
        if end is None:
            raise EndOfTextError
        if end[0] == "\n":
            raise ValueError("the tag is not closed")
        self.at = end.end()
        return self._text[begin : end.start()].strip()

    def _take_value(self, value: str, *, is_open: bool = False) -> None:
        """Keep a value, up to the next parameter of the schema if the model forgot to close this one.

        Raises:
            ValueError: Nothing closes the value, and it has tags other than those of parameters or calls that follow.
        """
        at = 0
        for tag in self._find_next(value, is_open=is_open):
            self._args[self._key] = read_value(value[at : tag.start()], self._key, self._schemas[self._name])
            if tag[1]:
                self._take(self._name, self._args)
                self._name, self._args = tag[1], {}
                self._begin = self._value + tag.start(1) - len(FUNCTION)
            self._key, at = tag[2], tag.end() + 1
        self._args[self._key] = read_value(value[at:].removesuffix("\n"), self._key, self._schemas[self._name])

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
        name = name.strip() if isinstance(name, str) else None
        if name not in self._schemas:
            raise ValueError(f"{name} is not a bound tool")
        self.calls.append({"type": "function", "function": {"name": name, "arguments": args}})

    def _build_cut(self, body: str, written: str) -> WireCall:
        """Return a call that was cut: its name, if known, and its text so far."""
        cut = _CUT_CALL.match(body)
        name = (cut["function"] or cut["name"] or "").strip() if cut else ""
        is_named = cut is not None and (cut["ended"] or cut["named"]) is not None
        if cut and not any(bound == name if is_named else bound.startswith(name) for bound in self._schemas):
            raise ValueError(f"{name} is not a bound tool")
        function = {"name": name if is_named else None, "arguments": (cut and cut["arguments"]) or written}
        return {"type": "function", "function": function}


def _begins_closing(text: str) -> bool:
    return any(tag.startswith(text) for tag in (CLOSING, *_STRAY_TAGS))


def _drop_stray_ends(value: str) -> str:
    """Return a value without the closing tags at its end that nothing in it opens: XML may rightly end with one."""
    end, closing = len(value), list(re.finditer(_VALUE_END, value))
    for tag in reversed(closing[len(_OPEN_VALUE.findall(value)) :] if closing else ()):
        if value[tag.end() : end].strip():
            break
        end = tag.start()
    return value[:end]
