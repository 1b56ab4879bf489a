"""Detects code and quotations in a Markdown text that arrives in pieces."""

from __future__ import annotations

import re

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})(.*)")
_FIRST_FENCE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(`{3,}|~{3,})(.*)")  # a list item may begin with it
_TICKS = re.compile(r"`+")
_MAX_HEAD = 200  # of a line; a fence that begins farther right does not count
_BLOCK_QUOTE = re.compile(r"[ \t]*>")
_MARK = re.compile(r'(?<!\\)"')
# An apostrophe within a word quotes nothing. A call on a new line behind `<pre>` is real: see Qwen's template.
_OPENING_QUOTE = re.compile(r"(?:^|[\s:(\[{,=])'$|[‘‚„‹《〈]$|<(?:code|pre)(?: [^<>]*)?>$", re.IGNORECASE)
_TAIL = 80  # characters of a line that it may match


class MarkdownReader:
    """Tracks whether the text so far ends inside code or a quotation. Every character is read once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # read only when `is_quoted` is called
        self._fence = ""
        self._head = ""  # of the current line
        self._ticks = 0  # in the current line
        self._code = 0  # how many backticks opened the inline code; as many close it
        self._is_marked = False  # whether a straight quotation mark is open in the current line
        self._pairs = 0  # other quotation marks: those that open less those that close
        self._last = ""  # of the current line
        self._is_rest_blank = True

    def feed(self, text: str) -> None:
        """Take the next piece."""
        self._pieces.append(text)

    def is_quoted(self) -> bool:
        """Return whether the following text is code or a quotation.

        Code is in a fenced block, on a fence's line or after an open backtick; a quotation is in a block quote or
        after a quotation mark that is open on this line, such as that of a JSON string.
        """
        *lines, line = "".join(self._pieces).split("\n")
        self._pieces = []
        for complete in lines:
            self._read(complete)
            self._end_line()
        self._read(line)
        is_code = self._fence or self._opens(_FIRST_FENCE.match(self._head)) or self._code
        is_marked = self._is_marked or self._pairs > 0 or _OPENING_QUOTE.search(self._last)
        return bool(is_code or is_marked or _BLOCK_QUOTE.match(self._head))

    @property
    def is_fenced(self) -> bool:
        """Whether that code, as of the last `is_quoted`, is the inside of a fenced block: it is code up to its end."""
        return bool(self._fence)

    def _read(self, text: str) -> None:
        space = _MAX_HEAD - len(self._head)
        self._head += text[:space]
        self._is_rest_blank = self._is_rest_blank and not text[space:].strip()
        self._ticks += text.count("`")
        for run in map(len, _TICKS.findall(text)):
            self._code = 0 if run == self._code else self._code or run
        for mark in _MARK.finditer(text):
            is_inch = text[mark.start() - 1 : mark.start()].isdigit()  # unless it closes a quotation: `"room 27"`
            self._is_marked = not self._is_marked and not is_inch
        self._pairs += sum(map(text.count, "“«「『")) - sum(map(text.count, "”»」』"))
        self._last = (self._last + text[-_TAIL:])[-_TAIL:]

    def _end_line(self) -> None:
        fence = (_FENCE if self._fence else _FIRST_FENCE).match(self._head)
        if not self._fence:
            self._fence = fence[1] if fence and self._opens(fence) else ""
        elif fence and fence[1].startswith(self._fence) and not fence[2].strip() and self._is_rest_blank:
            self._fence = ""
        self._head, self._last, self._is_rest_blank = "", "", True
        self._ticks = self._code = self._pairs = 0
        self._is_marked = False

    def _opens(self, fence: re.Match[str] | None) -> bool:
        """Return whether a line begins a block; more backticks after the fence mean inline code."""
        return bool(fence and (fence[1][0] == "~" or self._ticks == len(fence[1])))
