"""Forced tool calls: the array of calls a schema asked for, and the check that a demanded call came."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.messages import AIMessage

from langchain_qwen3.call import ToolChoice
from langchain_qwen3.errors import ToolChoiceError
from langchain_qwen3.reply.tool_calls.arguments import ObjectEnd, read_arguments, read_cut_call
from langchain_qwen3.reply.tool_calls.rescue import Rescued


def check_forced_call(message: AIMessage, choice: ToolChoice) -> None:
    """Raise if a demanded call is missing. An invalid call counts: it says itself what is wrong.

    Raises:
        ToolChoiceError: The model answered without the call.
    """
    called = [call["name"] for call in (*message.tool_calls, *message.invalid_tool_calls)]
    if None in called or choice.name in called or (called and choice.name is None):
        return
    wanted = f"tool_choice demands a call of {choice.name}" if choice.name else "tool_choice demands a tool call"
    got = f"the model called {', '.join(map(str, called))}" if called else "the model answered without one"
    reason = message.response_metadata.get("finish_reason")
    why = ": it ran out of max_tokens" if reason == "length" else ""
    raise ToolChoiceError(f"{wanted}, but {got}{why}", reply=message)


class ForcedCallStream:
    """Reads the array of calls that `build_forced_format` asks for; each call is given when it is whole.

    Whatever is no such array is text, as it came.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["before", "between", "inside", "after", "text"] = "before"
        self._object = ObjectEnd()
        self._checked = 0

    def feed(self, text: str) -> Rescued:
        """Take the next piece of the content."""
        if self._state == "text":
            return Rescued(text, [])
        self._held += text
        shown: list[str] = []
        calls: list[dict[str, Any]] = []
        while self._held and self._step(shown, calls):
            pass
        return Rescued("".join(shown), calls)

    def close(self, truncated: bool) -> Rescued:
        """End the content; a call that was being written when the text was cut is one whose arguments are not."""
        text, self._held = self._held, ""
        if self._state != "inside" or not truncated:
            return Rescued(text if text.strip() else "", [])
        cut = read_cut_call(text)
        function = {"name": cut.name if cut.named else None, "arguments": cut.arguments or text}
        return Rescued("", [{"type": "function", "function": function}])

    def _step(self, shown: list[str], calls: list[dict[str, Any]]) -> bool:
        """Read on by one bracket or object; return whether there may be more to read."""
        if self._state == "inside":
            end = self._object.find(self._held, self._checked)
            self._checked = len(self._held)
            if end < 0:
                return False
            text, self._held = self._held[:end], self._held[end:]
            call = _read_call(text)
            shown.extend([] if call else [text])
            calls.extend([call] if call else [])
            self._state = "between"
            return True
        rest = self._held.lstrip()
        if self._state == "between":
            rest = self._held = self._held.lstrip(" \t\r\n,")
        if not rest:
            return False
        if self._state == "before" and rest[0] == "[":
            self._held, self._state = rest[1:], "between"
        elif self._state == "between" and rest[0] == "]":
            self._held, self._state = rest[1:], "after"
        elif self._state == "between" and rest[0] == "{":
            self._held, self._state = rest, "inside"
            self._object, self._checked = ObjectEnd(), 0
        else:
            shown.append(self._held)
            self._held, self._state = "", "text"
        return True


def _read_call(text: str) -> dict[str, Any] | None:
    try:
        call = read_arguments(text)
    except ValueError:
        return None
    if not isinstance(call.get("name"), str) or "arguments" not in call:
        return None
    return {"type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
