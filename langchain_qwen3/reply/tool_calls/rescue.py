"""Extracts tool calls that a server left in the text, because it has no tool parser or the wrong one. Sans-IO.

Two forms, as Qwen's chat templates request them:

- Hermes, Qwen3 to Qwen3-VL: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`; small models write several
  objects into one tag, or an array of them
- XML, Qwen3-Coder and 3.5 or newer: `<tool_call><function=…><parameter=…>…</parameter></function>…`;
  Qwen3-Coder sometimes forgets the `<tool_call>`.

The contract of `ToolRescuer`: a call of a *bound* tool is removed from the text; all other text stays unchanged. Text
is held back only while it can still be a call. Pieces of any size give the same result, so a whole text is read by
one `feed` and `close`. Calls inside code or a quotation are examples and stay text: a quotation begins on the line of
the call, or ends directly behind it. White space around calls is markup and is removed with them. The work is linear in
the text: if a text opens more and more calls without closing any, like a model in a loop, the search for calls stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from langchain_qwen3.reply.reasoning import count_begun
from langchain_qwen3.reply.tool_calls.markdown import MarkdownReader
from langchain_qwen3.reply.tool_calls.tag import FUNCTION, OPENING, TagReader

_OPENER = re.compile(f"{OPENING}|{FUNCTION}")
_CLOSING_MARKS = frozenset("\"'`”’“‘»›」』》〉")  # “ and ‘ close in German
_MAX_READINGS = 8  # per character on average, for text that turned out not to be a call


class Rescued(NamedTuple):
    """The remaining text, and the calls removed from it, as whole wire calls without an id."""

    text: str
    calls: list[dict[str, Any]]


class ToolRescuer:
    """Removes calls of bound tools from a text that arrives in pieces.

    Args:
        tools: The tools as sent in the request.
    """

    def __init__(self, tools: Iterable[Mapping[str, Any]]) -> None:
        functions = [tool["function"] for tool in tools if tool.get("function")]
        self._schemas = {function["name"]: function.get("parameters") or {} for function in functions}
        self._rest = ""  # unread text: less than a tag
        self._tag: TagReader | None = None
        self._opener = ""  # of the tag
        self._is_quoted = False  # whether the tag begins in code or a quotation
        self._taken: list[str] = []  # the text that the tag read from earlier pieces
        self._blank: list[str] | None = []  # white space since the start or the last call; None after other text
        self._markdown = MarkdownReader()
        self._has_rescued = False
        self._passed = self._wasted = 0  # characters decided; characters read for text that was not a call
        self._has_given_up = False

    def feed(self, text: str) -> Rescued:
        """Take the next piece; return the text and the calls that are certain."""
        if "<" not in text and not self._rest and self._tag is None and self._blank is None:
            self._passed += len(text)
            self._markdown.feed(text)
            return Rescued(text, [])
        return self._read(text, None)

    def close(self, truncated: bool) -> Rescued:
        """End the text.

        Args:
            truncated: Whether the text was cut. If so, an unfinished call is returned with incomplete arguments;
                otherwise it stays text.
        """
        text, calls = self._read("", truncated)
        if not text and not self._has_rescued:
            text = "".join(self._blank or ())
        self._blank = None
        return Rescued(text, calls)

    def _read(self, text: str, truncated: bool | None) -> Rescued:
        """Read the text so far; `truncated` is None if more may follow."""
        text, at = self._rest + text, 0
        shown: list[str] = []
        calls: list[dict[str, Any]] = []
        while True:
            if self._tag is None:
                at = self._find_opener(text, at, shown, is_last=truncated is not None)
            if (tag := self._tag) is None:
                break
            begin = at
            try:
                at = tag.read(text, begin)
                if truncated is None and (not tag.is_over or at == len(text)):
                    self._taken.append(text[begin:at])
                    break
                if not tag.is_over:
                    whole = "".join((self._opener, *self._taken, text[begin:]))
                    rest, at = text[at:], len(text)
                    tag.end(rest, whole, truncated=bool(truncated))
            except ValueError:
                text, at = self._refuse(tag, text, begin, shown)
            else:
                if self._is_quoted or (not tag.blank and text[at : at + 1] in _CLOSING_MARKS):
                    self._tag = None
                    self._show("".join((self._opener, *self._taken, text[begin:at])), shown)
                else:
                    calls += tag.calls
                    self._accept(tag, shown)
        self._rest = text[at:]
        return Rescued("".join(shown), calls)

    def _find_opener(self, text: str, at: int, shown: list[str], *, is_last: bool) -> int:
        """Show the text before the next opener, begin its tag, and return the offset to continue from."""
        if not self._has_given_up and (opener := _OPENER.search(text, at)):
            self._show(text[at : opener.start()], shown)
            self._is_quoted = self._markdown.is_quoted()
            self._opener, self._taken = opener[0], []
            self._tag = TagReader(self._schemas, is_tagged=opener[0] == OPENING)
            return opener.end()
        end = len(text) if is_last else max(at, len(text) - count_begun(text, at, OPENING, FUNCTION))
        self._show(text[at:end], shown)
        return end

    def _accept(self, tag: TagReader, shown: list[str]) -> None:
        self._tag, self._taken = None, []
        self._passed += tag.length
        self._blank, self._has_rescued = [], True
        self._show(tag.blank, shown)

    def _refuse(self, tag: TagReader, text: str, begin: int, shown: list[str]) -> tuple[str, int]:
        """Show an opener that did not begin a call, and return the text to read again: a call may follow in it.

        Whole calls in a quoted tag are shown with it: read again, their functions are on lines without a quotation.
        """
        self._wasted += tag.length
        self._has_given_up = self._wasted > _MAX_READINGS * (self._passed + tag.length)
        if self._taken:
            text, begin = "".join((*self._taken, text[begin:])), 0
        self._tag, self._taken = None, []
        end = begin + tag.length if self._is_quoted and tag.calls else begin
        self._show(self._opener + text[begin:end], shown)
        return text, end

    def _show(self, text: str, shown: list[str]) -> None:
        """Show a text, without white space at the start, or after a call at the end."""
        self._passed += len(text)
        self._markdown.feed(text)
        if self._blank is not None and text:
            self._blank.append(text)
            text = "".join(self._blank) if text.strip() else ""
            self._blank = None if text else self._blank
        if text:
            shown.append(text)
