"""Detects Markdown code in a text that arrives in pieces."""

from __future__ import annotations

import re

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})(.*)")
_MAX_HEAD = 200  # of a line; a fence that begins farther right does not count


class MarkdownReader:
    """Tracks whether the text so far ends inside Markdown code. Every character is read once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # read only when `is_code` is called
        self._fence = ""
        self._head = ""  # of the current line
        self._ticks = 0  # in the current line
        self._is_rest_blank = True

    def feed(self, text: str) -> None:
        """Take the next piece."""
        self._pieces.append(text)

    def is_code(self) -> bool:
        """Return whether the following text is code: in a fenced block, on a fence's line or after an open backtick."""
        *lines, line = "".join(self._pieces).split("\n")
        self._pieces = []
        for complete in lines:
            self._read(complete)
            self._end_line()
        self._read(line)
        return bool(self._fence or self._opens(_FENCE.match(self._head)) or self._ticks % 2)

    def _read(self, text: str) -> None:
        space = _MAX_HEAD - len(self._head)
        self._head += text[:space]
        self._is_rest_blank = self._is_rest_blank and not text[space:].strip()
        self._ticks += text.count("`")

    def _end_line(self) -> None:
        fence = _FENCE.match(self._head)
        if not self._fence:
            self._fence = fence[1] if fence and self._opens(fence) else ""
        elif fence and fence[1].startswith(self._fence) and not fence[2].strip() and self._is_rest_blank:
            self._fence = ""
        self._head, self._ticks, self._is_rest_blank = "", 0, True

    def _opens(self, fence: re.Match[str] | None) -> bool:
        """Return whether a line begins a block; more backticks after the fence mean inline code."""
        return bool(fence and (fence[1][0] == "~" or self._ticks == len(fence[1])))
