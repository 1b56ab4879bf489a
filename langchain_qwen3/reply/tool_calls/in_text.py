"""Calls that stand in a text, held until it is known whether they are meant. Sans-IO.

A call in the text is meant where the reply brings no call of its own. Beside one, it is the server's own call a second
time (ms-swift, mistral.rs, LocalAI and mlx-vlm leave its markup in the content), or one that the model speaks of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langchain_qwen3.reply.tool_calls.fragments import WireCall
    from langchain_qwen3.reply.tool_calls.rescue import ToolRescuer


class TextEnd(NamedTuple):
    """The held end of a text.

    Attributes:
        raw: As it came.
        rest: Without its calls.
        calls: The calls.
    """

    raw: str
    rest: str
    calls: list[WireCall]


class CallsInText:
    """Finds calls in a text that arrives in pieces; from the first one on the text is held.

    Args:
        rescuer: Finds them.
    """

    __slots__ = ("_calls", "_raw", "_rescuer", "_rest")

    def __init__(self, rescuer: ToolRescuer) -> None:
        self._rescuer = rescuer
        self._raw: list[str] = []  # what is held, as it came
        self._rest: list[str] = []  # the same without its calls
        self._calls: list[WireCall] = []

    def feed(self, text: str) -> str:
        """Take the next piece and return what is text in any case."""
        if not text:
            return ""
        self._raw.append(text)
        shown, calls = self._rescuer.feed(text)
        self._calls += calls
        if self._calls:
            self._rest.append(shown)
            return ""
        if shown == text and len(self._raw) == 1:
            self._raw.clear()
        elif shown:
            raw = "".join(self._raw)[len(shown) :]
            self._raw = [raw] if raw else []
        return shown

    def release(self) -> str:
        """Return the held text as it came: it is no call."""
        return "".join(self._raw)

    def close(self, *, truncated: bool) -> TextEnd:
        """End the text; a call that was being written when it was truncated is one whose arguments are not whole."""
        shown, calls = self._rescuer.close(truncated)
        return TextEnd("".join(self._raw), "".join([*self._rest, shown]), [*self._calls, *calls])
