"""Reasoning told apart from the answer, sans-IO.

A server with a reasoning parser sends reasoning in a field of its own. One without leaves it in the content as
`<think>…</think>`, or, where the template opens `<think>` in the prompt, with the closing tag only.

Contract of both readers: `feed` takes text at any split and returns what is certain; only what could still be part of
a tag, or a newline that may turn out to stand at an edge, is held back. `close` returns what was held.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"


class Spans(NamedTuple):
    """Text by kind; either may be empty."""

    reasoning: str
    content: str


NOTHING = Spans("", "")


class _State(Enum):
    START = "start"  # nothing but white space so far: an opening tag may follow
    THINKING = "thinking"
    CONTENT = "content"  # the answer began: every later tag is text


class ThinkSplitter:
    """Splits inline thinking out of content.

    A tag is a tag only at the very start; once the answer began, `<think>` is text, in code or anywhere.

    Args:
        opened: The prompt already holds `<think>`, so the text begins inside the thinking. A tag that comes all the
            same is taken for it: llama-server without a parser repeats the end of the prompt.

    Attributes:
        found: True once thinking was found, an empty block included.
    """

    __slots__ = ("_held", "_opened", "_state", "found")

    def __init__(self, *, opened: bool = False) -> None:
        self._state = _State.START
        self._opened = opened
        self._held = ""
        self.found = opened

    @property
    def idle(self) -> bool:
        """True when all further text is content and need not be fed."""
        return self._state is _State.CONTENT and not self._held

    def end_thinking(self, *, found: bool = False) -> None:
        """Declare that content holds no tag from here on: `found` thinking has a field of its own, or calls came."""
        self._state = _State.CONTENT
        self.found = self.found or found

    def feed(self, text: str) -> Spans:
        """Take the next piece of content and return what is certain of it."""
        if self._state is _State.CONTENT and not self._held:
            return Spans("", text)
        text, self._held = self._held + text, ""
        if self._state is _State.CONTENT:
            return Spans("", text)
        if self._state is _State.START:
            return self._start(text)
        return self._think(text)

    def close(self) -> Spans:
        """Return what was held back: it was no tag after all."""
        held, self._held = self._held, ""
        if self._state is _State.THINKING or (self._state is _State.START and self._opened):
            return Spans(held, "")
        # Cut inside the opening tag: llama.cpp leaves "<think>" in the content after one or two tokens.
        return Spans("", held)

    def _start(self, text: str) -> Spans:
        stripped = text.lstrip()
        if stripped.startswith(OPEN_TAG):
            self._state, self.found = _State.THINKING, True
            return self._think(stripped[len(OPEN_TAG) :])
        if OPEN_TAG.startswith(stripped):  # also when nothing but white space came
            self._held = text
            return NOTHING
        if self._opened:
            self._state = _State.THINKING
            return self._think(text)
        self._state = _State.CONTENT
        return Spans("", text)

    def _think(self, text: str) -> Spans:
        reasoning, tag, content = text.partition(CLOSE_TAG)
        if tag:
            self._state = _State.CONTENT
            return Spans(reasoning, content)
        keep = _count_tag_start(text)
        if keep:
            self._held = text[-keep:]
            return Spans(text[:-keep], "")
        return Spans(text, "")


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
        self._held = ""
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
            self._held += text
            return ""
        out = self._held + body if self._held else body
        self._held = text[len(body) :]
        return out


def _count_tag_start(text: str) -> int:
    """Return how many characters at the end of the text could be the start of the closing tag."""
    at = text.rfind("<")
    return len(text) - at if at >= 0 and CLOSE_TAG.startswith(text[at:]) else 0
