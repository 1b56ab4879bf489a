"""Forced tool calls: reads the array of calls that a schema requested, and checks that a demanded call came."""

from __future__ import annotations

import re
from typing import Any, Literal

from langchain_core.messages import AIMessage

from langchain_qwen3.call import ToolChoice
from langchain_qwen3.errors import ToolChoiceError
from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, find_arguments, read_cut_call
from langchain_qwen3.reply.tool_calls.rescue import Rescued

_BLANK, _SEPARATORS = re.compile(r"\s*"), re.compile(r"[ \t\r\n,]*")


def check_forced_call(message: AIMessage, choice: ToolChoice, reason: str | None) -> None:
    """Raise if a demanded call is missing. An invalid call counts: it reports its own error.

    Args:
        message: The whole reply.
        choice: What was demanded.
        reason: Why the model ended.

    Raises:
        ToolChoiceError: The model answered without the call.
    """
    called = [call["name"] for call in (*message.tool_calls, *message.invalid_tool_calls)]
    if None in called or choice.name in called or (called and choice.name is None):
        return
    wanted = f"tool_choice requires a call of {choice.name}" if choice.name else "tool_choice requires a tool call"
    got = f"the model called {', '.join(map(str, called))}" if called else "the model answered without one"
    why = ": it ran out of max_tokens" if reason == "length" else ""
    raise ToolChoiceError(f"{wanted}, but {got}{why}", reply=message)


class ForcedCallStream:
    """Reads the array of calls that `build_forced_format` requests; each call is returned when it is complete.

    Everything else stays text, unchanged.
    """

    def __init__(self) -> None:
        self._state: Literal["before", "between", "inside", "after", "text"] = "before"
        self._object = ObjectEnd()
        self._pieces: list[str] = []  # of the current object, or of the white space before the array

    def feed(self, text: str) -> Rescued:
        """Take the next piece of the content."""
        shown: list[str] = []
        calls: list[dict[str, Any]] = []
        at = 0
        while at < len(text) and self._state != "text":
            at = self._read_object(text, at, shown, calls) if self._state == "inside" else self._step(text, at, shown)
        return Rescued("".join((*shown, text[at:])), calls)

    def close(self, truncated: bool) -> Rescued:
        """End the content; if the text was cut inside a call, that call has incomplete arguments."""
        text, self._pieces = "".join(self._pieces), []
        if self._state != "inside" or not truncated:
            return Rescued(text if text.strip() else "", [])
        cut = read_cut_call(text)
        function = {"name": cut.name if cut.named else None, "arguments": cut.arguments or text}
        return Rescued("", [{"type": "function", "function": function}])

    def _read_object(self, text: str, at: int, shown: list[str], calls: list[dict[str, Any]]) -> int:
        end = self._object.find(text, at)
        self._pieces.append(text[at : end if end >= 0 else len(text)])
        if end < 0:
            return len(text)
        written, self._pieces, self._state = "".join(self._pieces), [], "between"
        call = _read_call(written)
        shown.extend([] if call else [written])
        calls.extend([call] if call else [])
        return end

    def _step(self, text: str, at: int, shown: list[str]) -> int:
        """Read up to the next bracket, and return the offset to continue from."""
        begin = at
        at = (_SEPARATORS if self._state == "between" else _BLANK).match(text, at).end()  # type: ignore[union-attr]
        if self._state != "between":
            self._pieces.append(text[begin:at])
        if at == len(text):
            return at
        if self._state == "before" and text[at] == "[":
            self._pieces, self._state = [], "between"
        elif self._state == "between" and text[at] == "]":
            self._state = "after"
        elif self._state == "between" and text[at] == "{":
            self._object, self._state = ObjectEnd(), "inside"
            return at
        else:
            shown += self._pieces
            self._pieces, self._state = [], "text"
            return at
        return at + 1


def _read_call(text: str) -> dict[str, Any] | None:
    call = find_arguments(text)
    if call is None or not isinstance(call.get("name"), str) or "arguments" not in call:
        return None
    return {"type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
