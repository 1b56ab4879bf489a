"""Separates reasoning from the answer, sans-IO.

A server with a reasoning parser sends reasoning in its own field. A server without one leaves it in the content as
`<think>…</think>`, or with only the closing tag if the template opened `<think>` in the prompt.

Contract of both readers: `feed` takes text at any split and returns the part that is certain. Only a possible part of a
tag, or a newline that may be at an edge, is held back. `close` returns the text held back.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from langchain_qwen3.profiles.think_tags import CLOSE_TAG, OPEN_TAG, find_leaked_tag

_TELLING = 16  # so many pieces show whether a block repeats the thinking; to compare all of them would be quadratic
_QUOTES = ("`", '"', "'", "\u201c", "\u2018", "\u300c")


class Spans(NamedTuple):
    """Text by kind; either may be empty."""

    reasoning: str
    content: str


NOTHING = Spans("", "")


def split_leaked(text: str) -> Spans:
    """Return thinking that leaked into a content, and the answer behind its closing tag; nothing if none did."""
    at = find_leaked_tag(text)
    return Spans(text[:at], text[at + len(CLOSE_TAG) :]) if at >= 0 else NOTHING


class _State(Enum):
    START = "start"  # only white space so far: a tag may follow
    THINKING = "thinking"  # after an opening tag in the text
    ASSUMED = "assumed"  # assumed to be thinking, because this server's opening tag is in the prompt
    UNKNOWN = "unknown"  # may be either, or repeat a field: held until a closing tag, a field or the end decides
    CONTENT = "content"  # the answer began: every later tag is text


class ThinkSplitter:
    """Splits inline thinking out of content.

    An opening tag counts only at the very start; once the answer has begun, `<think>` is text, in code or anywhere. A
    closing tag at the very start ends thinking that was omitted, or came in its own field.

    Args:
        opened: Whether the text begins inside the thinking, because the prompt ended in `<think>`. None: unknown, so
            the text is held until it is decided. An opening tag in the text still counts as one: llama-server without
            a parser repeats the end of the prompt.
        field: What came of the thinking in its own field; a block at the start that repeats it is left out
            (`deepseek-legacy` in https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md).

    Attributes:
        has_thinking: Whether there was thinking, even an empty block.
        opens: The value of `opened` that the text shows; None while it is undecided.
    """

    def __init__(self, *, opened: bool | None = False, field: list[str] | tuple[str, ...] = ()) -> None:
        self._state = _State.START
        self._opened, self._field = opened, field
        self._blank: list[str] = []  # white space at the start
        self._held = ""  # possible beginning of a tag
        self._pieces: list[str] = []  # text assumed to be thinking, or held because it is unknown
        self.has_thinking = False
        self.opens: bool | None = None

    @property
    def idle(self) -> bool:
        """Whether all further text is content and need not be fed."""
        return self._state is _State.CONTENT and not (self._held or self._blank)

    @property
    def holds(self) -> bool:
        """Whether text that may be the answer is held back."""
        return self._state is _State.UNKNOWN and any(piece.strip() for piece in self._pieces)

    def end_thinking(self, *, in_field: bool = False) -> None:
        """Declare that no thinking follows in the content: it came in its own field (`in_field`), or calls came."""
        if in_field:
            self.has_thinking, self.opens = True, False
            if self._state is _State.START or (self._state is _State.UNKNOWN and self._opened is False):
                self._opened = False  # only a closing tag, left by a parser, or the same block may follow
                return
        if self._state is _State.UNKNOWN:
            self._held = "".join([*self._pieces, self._take_held()])
            self._pieces = []
        if in_field or self._state is not _State.ASSUMED:
            self._state = _State.CONTENT

    def feed(self, text: str) -> Spans:
        """Take the next piece of content and return the part that is certain."""
        if self._state is _State.CONTENT:
            return Spans("", self._take_held() + text if self._held or self._blank else text)
        text, self._held = self._held + text, ""
        if self._state is _State.START:
            return self._start(text)
        return self._think(text)

    def close(self, *, finished: bool = True) -> Spans:
        """Return the text held back: it was not a tag.

        Args:
            finished: Whether the model ended by itself. If so, text without a tag is the answer, whatever was
                expected; otherwise it may just as well be unfinished thinking.
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
            return Spans(held, "".join([*pieces, held]))  # already shown as thinking, but it is the answer
        text = "".join([*pieces, held])
        if finished or self._opened is False:
            # Possibly cut inside the opening tag: llama.cpp leaves "<think>" in the content after one or two tokens.
            self.opens = False if finished and text.strip() else self.opens
            return Spans("", self._drop_repeated(text))
        return Spans(text, "")

    def _start(self, text: str) -> Spans:
        stripped = text.lstrip()
        if stripped.startswith(OPEN_TAG) and not self.has_thinking:
            self._state, self.has_thinking, self.opens, self._blank = _State.THINKING, True, False, []
            return self._think(stripped[len(OPEN_TAG) :])
        if stripped.startswith(CLOSE_TAG):
            self._end(closed=not self.has_thinking)
            return Spans(self._take_held() + text[: len(text) - len(stripped)], stripped[len(CLOSE_TAG) :])
        if CLOSE_TAG.startswith(stripped) or OPEN_TAG.startswith(stripped):
            self._blank.append(text[: len(text) - len(stripped)])  # also if only white space came
            self._held = stripped
            return NOTHING
        text = self._take_held() + text
        if self._opened is False and not (self._field and stripped.startswith(OPEN_TAG)):
            self._state = _State.CONTENT
            return Spans("", text)
        self._state = _State.ASSUMED if self._opened else _State.UNKNOWN
        return self._think(text)

    def _take_held(self) -> str:
        """Return the text held back, and clear it."""
        text = "".join((*self._blank, self._held))
        self._blank, self._held = [], ""
        return text

    def _think(self, text: str) -> Spans:
        at = text.find(CLOSE_TAG)
        is_guess = self._state is not _State.THINKING and not self._field
        while at >= 0 and is_guess and self._is_quoted(text, at):
            at = text.find(CLOSE_TAG, at + 1)
        if at >= 0:
            reasoning, content = text[:at], text[at + len(CLOSE_TAG) :]
            if self._state is _State.UNKNOWN:
                reasoning = "".join([*self._pieces, reasoning])
            if self._field:
                reasoning, content = "", self._drop_repeated(f"{reasoning}{CLOSE_TAG}") + content
            self._end(closed=is_guess)
            return Spans(reasoning, content)
        keep = count_begun(text, 0, CLOSE_TAG)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        if self._state is _State.THINKING:
            return Spans(text, "")
        self._pieces.append(text)
        if self._field and len(self._pieces) <= _TELLING and not self._begins_to_repeat():
            self.end_thinking()
            return Spans("", self._take_held())
        return Spans(text, "") if self._state is _State.ASSUMED else NOTHING

    def _begins_to_repeat(self) -> bool:
        """Whether the block held so far may repeat the thinking in the field: if not, the answer need not wait."""
        begun = "".join(self._pieces).lstrip().removeprefix(OPEN_TAG).strip()
        return "".join(self._field).lstrip().startswith(begun)

    def _drop_repeated(self, text: str) -> str:
        """Return a text, unless it is a block that repeats the thinking in the field."""
        block = text.strip()
        inner = block.removeprefix(OPEN_TAG).removesuffix(CLOSE_TAG).strip()
        is_repeated = inner and inner == "".join(self._field).strip() and block.startswith(OPEN_TAG)
        return "" if is_repeated else text

    def _end(self, *, closed: bool) -> None:
        """Begin the answer; `closed`: by a closing tag without an opening tag."""
        self.opens = True if closed else self.opens
        self._state, self.has_thinking = _State.CONTENT, True
        self._pieces = []

    def _is_quoted(self, text: str, at: int) -> bool:
        """Whether the tag is inside quotes, so the model writes about it: a server never quotes its own tag."""
        before = text[:at] or next((piece for piece in reversed(self._pieces) if piece), "")
        return before.endswith(_QUOTES)


class EdgeTrimmer:
    r"""Removes newlines from the edges of a span as it streams.

    vLLM leaves the newlines of `<think>\n…\n</think>\n\n` in place (measured on 0.32).

    Args:
        leading: Drop newlines before the first other character.
        trailing: Drop newlines after the last other character.
    """

    def __init__(self, *, leading: bool, trailing: bool) -> None:
        self._leading = leading
        self._trailing = trailing
        self._held: list[str] = []
        self.text_seen = False

    def feed(self, text: str) -> str:
        """Take the next piece and return the text that is not at an edge."""
        if not self.text_seen:
            if self._leading:
                text = text.lstrip("\r\n")
            if not text:
                return ""
            self.text_seen = True
        if not self._trailing or not (self._held or text.endswith(("\n", "\r"))):
            return text
        body = text.rstrip("\r\n")
        if not body:
            self._held.append(text)
            return ""
        out = "".join((*self._held, body))
        self._held = [text[len(body) :]] if len(body) < len(text) else []
        return out


def count_begun(text: str, start: int, *tags: str) -> int:
    """Return how many characters at the end of a text, after `start`, may be the beginning of one of the tags."""
    at = text.rfind("<", max(start, len(text) - max(map(len, tags))))
    tail = text[at:] if at >= 0 else ""
    return len(tail) if tail and any(tag.startswith(tail) for tag in tags) else 0
