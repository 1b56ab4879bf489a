"""Reasoning told apart from the answer, sans-IO.

A server with a reasoning parser sends reasoning in a field of its own. One without leaves it in the content as
`<think>…</think>`, or, where the template opened `<think>` in the prompt, with the closing tag only.

Contract of both readers: `feed` takes text at any split and returns what is certain; only what could still be part of
a tag, or a newline that may turn out to stand at an edge, is held back. `close` returns what was held.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"

_QUOTES = ("`", '"', "'", "\u201c", "\u2018", "\u300c")
_FENCE = "```"


class Spans(NamedTuple):
    """Text by kind; either may be empty."""

    reasoning: str
    content: str


NOTHING = Spans("", "")


class _State(Enum):
    START = "start"  # nothing but white space so far: a tag may follow
    THINKING = "thinking"  # behind an opening tag that came
    ASSUMED = "assumed"  # taken for thinking, because this server leaves the opening tag to the prompt
    UNKNOWN = "unknown"  # may be either: held until a closing tag, a field or the end tells
    CONTENT = "content"  # the answer began: every later tag is text


class ThinkSplitter:
    """Splits inline thinking out of content.

    A tag is a tag only at the very start; once the answer began, `<think>` is text, in code or anywhere. A closing tag
    at the very start ends thinking that was left out, or stood in a field of its own.

    Args:
        opened: Whether the text begins inside the thinking, because the prompt ended in `<think>`. None: nobody knows,
            so the text is held until it can be told. A tag that comes all the same is taken for it: llama-server
            without a parser repeats the end of the prompt.

    Attributes:
        found: True once thinking was found, an empty block included.
        opens: What the text told of `opened`; None while it told nothing.
    """

    __slots__ = ("_blank", "_held", "_opened", "_pieces", "_state", "found", "opens")

    def __init__(self, *, opened: bool | None = False) -> None:
        self._state = _State.START
        self._opened = opened
        self._blank: list[str] = []  # white space at the start
        self._held = ""  # what may be the beginning of a tag
        self._pieces: list[str] = []  # what was assumed to be thinking, or is held because it is unknown
        self.found = False
        self.opens: bool | None = None

    @property
    def idle(self) -> bool:
        """True when all further text is content and need not be fed."""
        return self._state is _State.CONTENT and not (self._held or self._blank)

    @property
    def holds(self) -> bool:
        """True while text is held that may be the answer."""
        return self._state is _State.UNKNOWN and any(piece.strip() for piece in self._pieces)

    def end_thinking(self, *, found: bool = False) -> None:
        """Declare that no thinking follows in the content: `found` thinking has a field of its own, or calls came."""
        if found:
            self.found, self.opens = True, False
            if self._state is _State.START:
                self._opened = False  # only a closing tag may follow, which a parser left behind
                return
        if self._state is _State.UNKNOWN:
            self._held = "".join([*self._pieces, self._take_held()])
            self._pieces = []
        if found or self._state is not _State.ASSUMED:
            self._state = _State.CONTENT

    def feed(self, text: str) -> Spans:
        """Take the next piece of content and return what is certain of it."""
        if self._state is _State.CONTENT:
            return Spans("", self._take_held() + text if self._held or self._blank else text)
        text, self._held = self._held + text, ""
        if self._state is _State.START:
            return self._start(text)
        return self._think(text)

    def close(self, *, finished: bool = True) -> Spans:
        """Return what was held back: it was no tag after all.

        Args:
            finished: The model ended by itself. Its text without a tag is then the answer, whatever was expected; one
                that was cut is as likely as not unfinished thinking.
        """
        held = self._take_held()
        pieces, self._pieces = self._pieces, []
        if self._state is _State.CONTENT:
            return Spans("", held)
        if self._state is _State.THINKING:
            return Spans(held, "")
        if self._state is _State.ASSUMED:
            if not finished:
                return Spans(held, "")
            self.opens = False
            return Spans(held, "".join([*pieces, held]))  # shown as thinking, and the answer all the same
        text = "".join([*pieces, held])
        if finished or self._opened is False:
            # Cut inside the opening tag: llama.cpp leaves "<think>" in the content after one or two tokens.
            self.opens = False if finished and text.strip() else self.opens
            return Spans("", text)
        return Spans(text, "")

    def _start(self, text: str) -> Spans:
        stripped = text.lstrip()
        if stripped.startswith(OPEN_TAG) and not self.found:
            self._state, self.found, self.opens, self._blank = _State.THINKING, True, False, []
            return self._think(stripped[len(OPEN_TAG) :])
        if stripped.startswith(CLOSE_TAG):
            self._end(closed=not self.found)
            return Spans(self._take_held() + text[: len(text) - len(stripped)], stripped[len(CLOSE_TAG) :])
        if CLOSE_TAG.startswith(stripped) or (OPEN_TAG.startswith(stripped) and not self.found):
            self._blank.append(text[: len(text) - len(stripped)])  # also when nothing but white space came
            self._held = stripped
            return NOTHING
        text = self._take_held() + text
        if self._opened is False:
            self._state = _State.CONTENT
            return Spans("", text)
        self._state = _State.ASSUMED if self._opened else _State.UNKNOWN
        return self._think(text)

    def _take_held(self) -> str:
        """Return what was held back, and hold it no longer."""
        text = "".join((*self._blank, self._held))
        self._blank, self._held = [], ""
        return text

    def _think(self, text: str) -> Spans:
        at = text.find(CLOSE_TAG)
        while at >= 0 and self._state is not _State.THINKING and self._is_quoted(text, at):
            at = text.find(CLOSE_TAG, at + 1)
        if at >= 0:
            reasoning, content = text[:at], text[at + len(CLOSE_TAG) :]
            if self._state is _State.UNKNOWN:
                reasoning = "".join([*self._pieces, reasoning])
            self._end(closed=self._state is not _State.THINKING)
            return Spans(reasoning, content)
        keep = _count_tag_start(text)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        if self._state is _State.THINKING:
            return Spans(text, "")
        self._pieces.append(text)
        return Spans(text, "") if self._state is _State.ASSUMED else NOTHING

    def _end(self, *, closed: bool) -> None:
        """Begin the answer; `closed` by a tag whose opening one did not come."""
        self.opens = True if closed else self.opens
        self._state, self.found = _State.CONTENT, True
        self._pieces = []

    def _is_quoted(self, text: str, at: int) -> bool:
        """Whether the tag is spoken of: no server quotes its own."""
        before = text[:at] or next((piece for piece in reversed(self._pieces) if piece), "")
        return before.endswith(_QUOTES)


def find_leaked_tag(text: str) -> int:
    """Return where a closing tag ends thinking that leaked into the content, -1 where none does.

    Parsers that stop early leave the rest of the thinking and the tag in front of the answer (vLLM,
    https://github.com/vllm-project/vllm/issues/29408; llama.cpp, https://github.com/ggml-org/llama.cpp/issues/23320).
    A tag that is spoken of stands in code or quotes, behind an opening one, or between words.
    """
    end = text.find(OPEN_TAG)
    fences = ticks = last = 0
    for tag in re.finditer(CLOSE_TAG, text if end < 0 else text[:end]):
        between, last = text[last : tag.start()], tag.end()
        fences += between.count(_FENCE)
        line_break, line = between.rfind("\n"), between
        if line_break >= 0:
            ticks, line = 0, between[line_break + 1 :]
        ticks += line.count("`")
        before, after = text[max(tag.start() - 1, 0) : tag.start()], text[tag.end() : tag.end() + 1]
        is_code = fences % 2 or ticks % 2 or before in _QUOTES
        is_prose = " " in (before, after)
        at_edge = before in ("", "\n") or after in ("", "\n")
        if not is_code and (at_edge or not is_prose):
            return tag.start()
    return -1


class EdgeTrimmer:
    r"""Takes newlines off the edges of a span as it streams.

    vLLM leaves the newlines of `<think>\n…\n</think>\n\n` in place (measured on 0.32).

    Args:
        leading: Drop newlines before the first other character.
        trailing: Drop newlines after the last other character.
    """

    __slots__ = ("_held", "_leading", "_trailing", "text_seen")

    def __init__(self, *, leading: bool, trailing: bool) -> None:
        self._leading = leading
        self._trailing = trailing
        self._held: list[str] = []
        self.text_seen = False

    def feed(self, text: str) -> str:
        """Take the next piece and return what stands at no edge."""
        if not self.text_seen:
            if self._leading:
                text = text.lstrip("\n")
            if not text:
                return ""
            self.text_seen = True
        if not self._trailing or not (self._held or text.endswith("\n")):
            return text
        body = text.rstrip("\n")
        if not body:
            self._held.append(text)
            return ""
        out = "".join((*self._held, body))
        self._held = [text[len(body) :]] if len(body) < len(text) else []
        return out


def _count_tag_start(text: str) -> int:
    """Return how many characters at the end of the text could be the start of the closing tag."""
    at = text.rfind("<")
    return len(text) - at if at >= 0 and CLOSE_TAG.startswith(text[at:]) else 0
