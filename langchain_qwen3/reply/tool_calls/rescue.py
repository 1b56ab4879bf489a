"""Tool calls that a server left in the text, because it has no tool parser or the wrong one. Sans-IO.

Two forms, both as Qwen's chat templates ask for them:

- Hermes, Qwen3 to Qwen3-VL: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`; small models write several
  objects into one tag, or an array of them
- XML, Qwen3-Coder and 3.5 or newer: `<tool_call><function=…><parameter=…>…</parameter></function>…`;
  Qwen3-Coder forgets the `<tool_call>` at times.

The contract of `ToolRescuer`: a call of a *bound* tool leaves the text; whatever is not one stays in it as it
was. Text is held back only from what can still become a call. Pieces of any size give the same result, so a
whole text is read by one `feed` and `close`. Inside Markdown code calls are examples and stay text. White space
around calls is markup and goes with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, read_arguments, read_cut_call
from langchain_qwen3.reply.tool_calls.xml_arguments import END, read_parameters

OPENING, CLOSING, FUNCTION = "<tool_call>", "</tool_call>", "<function="

_OPENER = re.compile(f"{OPENING}|{FUNCTION}")
_BLANK = re.compile(r"\s*")
_BETWEEN = re.compile(r"[\s,\[\]]*")  # between the calls of one tag
_HEADER = re.compile(rf"{FUNCTION}([^>\n]*)>")
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})(.*)")


class Rescued(NamedTuple):
    """What remains of the text, and the calls found in it, as whole wire calls without an id."""

    text: str
    calls: list[dict[str, Any]]


class ToolRescuer:
    """Takes calls of bound tools out of a text that arrives in pieces.

    Args:
        tools: The tools of the request as sent.
    """

    def __init__(self, tools: Iterable[Mapping[str, Any]]) -> None:
        functions = [tool["function"] for tool in tools if "function" in tool]
        self._schemas = {function["name"]: function.get("parameters") or {} for function in functions}
        self._held = ""  # text not decided yet; begins with the opener while a call is being read
        self._tag: _TagText | None = None
        self._blank: str | None = ""  # white space since the start or the last call; None after other text
        self._markdown = _Markdown()
        self._rescued = False

    def feed(self, text: str) -> Rescued:
        """Take the next piece; return the text and the calls that are certain."""
        if "<" not in text and not self._held and self._blank is None:
            self._markdown.feed(text)
            return Rescued(text, [])
        self._held += text
        return self._read(None)

    def close(self, truncated: bool) -> Rescued:
        """End the text.

        Args:
            truncated: The text was cut. A call that was being written is then returned as one whose
                arguments are not whole; otherwise it stays text.
        """
        text, calls = self._read(truncated)
        if not text and not self._rescued:
            text = self._blank or ""
        self._blank = None
        return Rescued(text, calls)

    def _read(self, truncated: bool | None) -> Rescued:
        """Read what is held; `truncated` is None while there is more to come."""
        shown: list[str] = []
        calls: list[dict[str, Any]] = []
        while self._held:
            if self._tag is None and not self._find_opener(shown, last=truncated is not None):
                break
            if self._tag is None:
                continue
            try:
                found = self._tag.read(self._held) if truncated is None else self._tag.end(self._held, truncated)
            except ValueError:
                # Not a call: the opener is text, and another may follow it.
                opener = _OPENER.match(self._held)
                self._release(opener.end() if opener else len(self._held), shown)
                self._tag = None
                continue
            if found is None:
                break
            calls += found
            self._held = self._held[self._tag.length :]
            self._tag, self._blank, self._rescued = None, "", True
        return Rescued("".join(shown), calls)

    def _find_opener(self, shown: list[str], *, last: bool) -> bool:
        """Show the text before the next opener; return whether one was found."""
        opener = _OPENER.search(self._held)
        if not opener:
            held = 0 if last else _count_held(self._held)
            self._release(len(self._held) - held, shown)
            return False
        self._release(opener.start(), shown)
        if self._markdown.is_code():
            self._release(opener.end() - opener.start(), shown)
        else:
            self._tag = _TagText(self._schemas)
        return True

    def _release(self, count: int, shown: list[str]) -> None:
        text, self._held = self._held[:count], self._held[count:]
        self._markdown.feed(text)
        if self._blank is not None:
            text = self._blank + text
            self._blank = None if text.strip() else text
            if self._blank is not None:
                return
        shown.append(text)


class _TagText:
    """Reads the calls of one tag from held text that begins with its opener and grows.

    Attributes:
        length: How much of the text the calls took, once they were read.
    """

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self._schemas = schemas
        self._object = ObjectEnd()
        self._checked = 0
        self._found: list[dict[str, Any]] = []
        self.length = 0

    def read(self, text: str) -> list[dict[str, Any]] | None:
        """Return the calls, None if more text is needed.

        Raises:
            ValueError: This is no call of a bound tool.
        """
        tagged = text.startswith(OPENING)
        while True:
            at = self._find_begin(text)
            rest = text[at : at + len(CLOSING)]
            if rest.startswith("{") and tagged:
                found = self._read_object(text, at)
            elif rest.startswith(FUNCTION) and (tagged or not self._found):
                found = self._read_function(text, at)
            else:
                break
            if not found:
                return None
        if self._found:
            return self._found if self._read_closing(text, rest) else None
        if not FUNCTION.startswith(rest):
            raise ValueError("neither an object nor a function follows")
        return None

    def end(self, text: str, truncated: bool) -> list[dict[str, Any]]:
        """Return the calls at the end of all text; the last one may be cut.

        Raises:
            ValueError: This is no call, or it is incomplete though the text was not cut.
        """
        if calls := self.read(text):
            return calls
        body = text[self._find_begin(text) :]
        if self._found and CLOSING.startswith(body):
            self.length = len(text)
            return self._found
        if not truncated:
            raise ValueError("the call is incomplete")
        self.length = len(text)
        return [*self._found, self._build_cut(body, body if self._found else text)]

    def _find_begin(self, text: str) -> int:
        """Return where the next call begins, or what stands in its place."""
        tagged = text.startswith(OPENING)
        between = (_BETWEEN if tagged else _BLANK).match(text, self.length or len(OPENING) * tagged)
        return between.end()  # type: ignore[union-attr] # it matches nothing, too

    def _read_object(self, text: str, start: int) -> bool:
        end = self._object.find(text, max(start, self._checked))
        self._checked = len(text)
        if end < 0:
            return False
        call = read_arguments(text[start:end])
        self._take(call.get("name"), call.get("arguments", {}), end)
        return True

    def _read_function(self, text: str, start: int) -> bool:
        header = _HEADER.match(text, start)
        if not header:
            if "\n" in text[start:]:
                raise ValueError("the function's tag does not close")
            return False
        name = header[1].strip()
        schema = self._schemas.get(name)
        if schema is None:
            raise ValueError(f"{name} is not bound")
        at = text.find(END, max(header.end(), self._checked - len(END)))
        while at >= 0:
            args = read_parameters(text[header.end() : at + len(END)], schema)
            if args is not None:
                self._take(name, args, at + len(END))
                return True
            at = text.find(END, at + 1)
        self._checked = len(text)
        return False

    def _take(self, name: Any, args: Any, end: int) -> None:
        if not isinstance(name, str) or name not in self._schemas:
            raise ValueError(f"{name} is not bound")
        self._found.append({"type": "function", "function": {"name": name, "arguments": args}})
        self.length = self._checked = end
        self._object = ObjectEnd()

    def _read_closing(self, text: str, rest: str) -> bool:
        """Return whether the tag is over; a missing opening tag makes the closing one optional."""
        if rest == CLOSING:
            self.length = self._find_begin(text) + len(CLOSING)
            return True
        if CLOSING.startswith(rest):
            return False
        if not text.startswith(OPENING):
            return True
        if FUNCTION.startswith(rest):
            return False
        raise ValueError("the tag does not close")

    def _build_cut(self, body: str, written: str) -> dict[str, Any]:
        """Return a call that was cut: its name as far as known, and what was written of it."""
        cut = read_cut_call(body)
        header = _HEADER.match(body)
        name = header[1].strip() if header else cut.name or body.removeprefix(FUNCTION)
        named = bool(header) or cut.named
        if named and name not in self._schemas:
            raise ValueError(f"{name} is not bound")
        begun = cut.name or body.startswith(FUNCTION)
        if begun and not any(bound.startswith(name) for bound in self._schemas):
            raise ValueError(f"no bound tool begins with {name}")
        function = {"name": name if named else None, "arguments": cut.arguments or written}
        return {"type": "function", "function": function}


class _Markdown:
    """Knows whether the text so far ends inside Markdown code. Lines are looked at only when it is asked."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._fence = ""

    def feed(self, text: str) -> None:
        self._pieces.append(text)

    def is_code(self) -> bool:
        *lines, line = "".join(self._pieces).split("\n")
        self._pieces = [line]
        for complete in lines:
            self._pass_line(complete)
        return bool(self._fence or self._opens(line) or line.count("`") % 2)

    def _pass_line(self, line: str) -> None:
        fence = _FENCE.match(line)
        if not self._fence:
            self._fence = fence[1] if fence and self._opens(line) else ""
        elif fence and fence[1].startswith(self._fence) and not fence[2].strip():
            self._fence = ""

    @staticmethod
    def _opens(line: str) -> bool:
        fence = _FENCE.match(line)
        return bool(fence and (fence[1][0] == "~" or "`" not in fence[2]))


def _count_held(text: str) -> int:
    """Return how many last characters may be the beginning of an opener."""
    at = text.rfind("<")
    tail = text[at:] if at >= 0 else ""
    return len(tail) if tail and (OPENING.startswith(tail) or FUNCTION.startswith(tail)) else 0
