"""Finds the tool calls that a server left in a text, because it has no tool parser or the wrong one. Sans-IO.

Three forms, the first two as Qwen's chat templates request them:

- Hermes, Qwen3 to Qwen3-VL: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`; small models write several
  objects into one tag, or an array of them
- XML, Qwen3-Coder and 3.5 or newer: `<tool_call><function=…><parameter=…>…</parameter></function>…`;
  Qwen3-Coder sometimes forgets the `<tool_call>`.
- a bare array of objects, where the request forced it by a schema; then the text has no other calls

A call in the text is real if the reply has no parsed call. Otherwise it repeats the parsed call (ms-swift, mistral.rs,
LocalAI and mlx-vlm leave its markup in the content), or the model only writes about a call. A call in thinking that
leaked into the content is a draft. So from the first call on, the text is held until its end, and read there.

The contract of `CallsInText`: only a call of a *bound* tool is one; all other text stays unchanged, and is held back
only while it can still be a call, or a fourth longer. Pieces of any size give the same result. Calls inside code or a
quotation are examples and stay text: a quotation begins on the line of the call, or ends directly behind it. White
space around calls is markup and is removed with them. The work is linear in the text: if a text opens more and more
calls without closing any, like a model in a loop, the search for calls stops.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from langchain_qwen3.profiles.think_tags import find_leaked_tag
from langchain_qwen3.reply.reasoning import count_begun, split_leaked
from langchain_qwen3.reply.tool_calls.arguments import find_arguments
from langchain_qwen3.reply.tool_calls.markdown import MarkdownReader
from langchain_qwen3.reply.tool_calls.tag import FUNCTION, OPENING, EndOfTextError, TagReader
from langchain_qwen3.reply.tool_calls.xml_arguments import map_schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_qwen3.reply.tool_calls.open_call import WireCall

_OPENER = re.compile(f"{OPENING}|{FUNCTION}")
_ARRAY = re.compile(r"\s*+(?=\[)")
_CLOSING_MARKS = frozenset("\"'`”’“‘»›」』》〉")  # “ and ‘ close in German
_MAX_READINGS = 8  # per character on average, for text that turned out not to be a call
_GROWTH = 4  # a tag that has not ended is read again when the text has grown by this part of it


class TextEnd(NamedTuple):
    """The held end of a text.

    Attributes:
        raw: The text as received.
        rest: The text without its calls.
        calls: The calls, as whole wire calls without an id.
        is_cut: The only call was being written when the text was cut: parsers leave that one in the text, too. A
            call whose arguments are complete does not count, for it would be valid.
    """

    raw: str
    rest: str
    calls: list[WireCall]
    is_cut: bool


class CallsInText:
    """Finds calls in a text that arrives in pieces; from the first call on, the text is held.

    Args:
        tools: The wire tools whose calls to find.
        is_array: Whether the text is the array of a forced choice.
    """

    def __init__(self, tools: Sequence[WireCall], *, is_array: bool = False) -> None:
        self._tools = tools
        self._schemas = map_schemas(tools)
        self._is_array = is_array
        self._lead: list[str] | None = []  # white space since the start; None after other text
        self._held: list[str] = []  # behind it: what may begin a call, or everything from the first call on
        self._length = self._next_length = 0  # of the held text now; of the held text at the next reading
        self._has_call = False
        self._markdown = MarkdownReader()
        self._passed = self._wasted = 0  # characters returned; characters read for text that was not a call
        self._has_given_up = False

    def feed(self, text: str, *, called: bool = False) -> str:
        """Take the next piece and return the part that is certainly text.

        Args:
            text: The next piece.
            called: Whether a parsed call follows it: then no tag that has only begun goes on.
        """
        if "<" not in text and not self._held and self._lead is None:
            self._passed += len(text)
            self._markdown.feed(text)
            return text
        self._held.append(text)
        self._length += len(text)
        if self._has_call or self._length < self._next_length:
            return ""
        held = "".join(self._held)
        end = self._read(held, [], [], truncated=None)
        if called and self._find_opener(held, end) is None:
            self._markdown.feed(held[end:])
            end = len(held)
        self._held = [held[end:]] if end < len(held) else []
        self._length -= end
        self._passed += end
        return self._show(held[:end])

    def release(self) -> str:
        """Return the held text as received: it is not a call."""
        return "".join((*(self._lead or ()), *self._held))

    def close(self, *, truncated: bool, may_leak: bool = False) -> TextEnd:
        """End the text.

        Args:
            truncated: Whether the text was cut. If that was inside a call, the call has incomplete arguments.
            may_leak: Whether the text may begin with leaked thinking; its first closing tag then ends the drafts.
        """
        raw, held = self.release(), "".join(self._held)
        texts: list[str] = []
        calls: list[WireCall] = []
        texts.append(held[self._read(held, texts, calls, truncated=truncated) :])
        texts[0] = raw.removesuffix(held) + texts[0]
        shown = texts.pop(0) if self._lead is None else ""  # goes on with what was returned, even if it is blank
        rest = "".join((shown, *filter(str.strip, texts))) if calls else raw
        if may_leak and find_leaked_tag(rest) >= 0 and (answer := split_leaked(raw).content.lstrip()):
            reader = CallsInText(self._tools, is_array=self._is_array)
            begun = reader.feed(answer)
            end = reader.close(truncated=truncated)
            return end._replace(raw=raw, rest=raw.removesuffix(answer) + begun + end.rest)
        return TextEnd(raw, rest, calls, is_cut=truncated and len(calls) == 1 and _is_open(calls[0]))

    def _read(self, text: str, texts: list[str], calls: list[WireCall], *, truncated: bool | None) -> int:
        """Find the calls in the held text, and the texts before them.

        Args:
            text: The held text.
            texts: Gets the text before each call.
            calls: Gets the calls.
            truncated: Whether the text was cut; None if more may follow: then reading stops before the first call.

        Returns:
            The offset of the text that follows the last call, or that may begin a call.
        """
        begin = at = 0
        while not self._has_given_up and (opener := self._find_opener(text, at)):
            self._markdown.feed(text[at : opener.start()])
            try:
                at, found = self._read_tag(text, opener, truncated)
            except EndOfTextError:
                length = len(text) - opener.start()
                self._next_length = length + length // _GROWTH
                return opener.start()
            if not found:
                self._markdown.feed(text[opener.start() : at])
            elif truncated is None:
                self._has_call = True
                return opener.start()
            else:
                texts.append(text[begin : opener.start()])
                calls += found
                begin = at
        if truncated is not None:
            return begin
        end = len(text) - count_begun(text, at, OPENING, FUNCTION)
        self._markdown.feed(text[at:end])
        self._next_length = 0
        return end

    def _find_opener(self, text: str, at: int) -> re.Match[str] | None:
        if self._is_array:
            return _ARRAY.match(text) if self._lead is not None and not at else None
        return _OPENER.search(text, at)

    def _read_tag(self, text: str, opener: re.Match[str], truncated: bool | None) -> tuple[int, list[WireCall]]:
        """Return where the search goes on, and the calls of a tag; without calls the tag is text.

        Raises:
            EndOfTextError: That is not decided yet.
        """
        is_quoted = self._markdown.is_quoted()
        if self._markdown.is_fenced:  # what follows in the block is quoted as well, so nothing is held
            return opener.end(), []
        tag = TagReader(text, opener, self._schemas)
        try:
            tag.read(truncated)
        except ValueError:
            self._wasted += tag.at - opener.start()
            self._has_given_up = self._is_array or self._wasted > _MAX_READINGS * (self._passed + tag.at)
            # Whole calls in a quoted tag are quoted, too: their functions are on lines without a quotation mark.
            return tag.at if is_quoted and tag.calls else opener.end(), []
        if truncated is None and tag.at == len(text):
            raise EndOfTextError  # a quotation may end behind it
        return tag.at, [] if is_quoted or text[tag.at : tag.at + 1] in _CLOSING_MARKS else tag.calls

    def _show(self, text: str) -> str:
        """Return a text, without white space at the start: that is markup if a call follows."""
        if self._lead is not None and text:
            self._lead.append(text)
            text = "".join(self._lead) if text.strip() else ""
            self._lead = None if text else self._lead
        return text


def _is_open(call: WireCall) -> bool:
    """Whether the arguments of a call are incomplete."""
    arguments = call["function"]["arguments"]
    return isinstance(arguments, str) and find_arguments(arguments) is None
