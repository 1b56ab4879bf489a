"""Holds calls found in a text until it is known whether they are real. Sans-IO.

A call in the text is real if the reply has no parsed call. Otherwise it repeats the parsed call (ms-swift, mistral.rs,
LocalAI and mlx-vlm leave its markup in the content), or the model only writes about a call. A call in thinking that
leaked into the content is a draft.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_qwen3.reply.reasoning import CLOSE_TAG, find_leaked_tag
from langchain_qwen3.reply.tool_calls.arguments import find_arguments
from langchain_qwen3.reply.tool_calls.rescue import ToolRescuer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_qwen3.reply.tool_calls.open_call import WireCall


class TextEnd(NamedTuple):
    """The held end of a text.

    Attributes:
        raw: The text as received.
        rest: The text without its calls.
        calls: The calls.
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
    """

    def __init__(self, tools: Sequence[WireCall]) -> None:
        self._tools = tools
        self._rescuer = ToolRescuer(tools)
        self._raw: list[str] = []  # the held text, as received
        self._rest: list[str] = []  # the held text without its calls
        self._calls: list[WireCall] = []

    def feed(self, text: str) -> str:
        """Take the next piece and return the part that is certainly text."""
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
        """Return the held text as received: it is not a call."""
        return "".join(self._raw)

    def close(self, *, truncated: bool, may_leak: bool = False) -> TextEnd:
        """End the text.

        Args:
            truncated: Whether the text was cut. If that was inside a call, the call has incomplete arguments.
            may_leak: Whether the text may begin with leaked thinking; its first closing tag then ends the drafts.
        """
        shown, calls = self._rescuer.close(truncated)
        raw, rest = "".join(self._raw), "".join([*self._rest, shown])
        known: Sequence[WireCall] = self._calls
        at = find_leaked_tag(raw) if may_leak and find_leaked_tag(rest) >= 0 else -1
        if at >= 0 and (answer := raw[at + len(CLOSE_TAG) :].lstrip()):
            rescuer = ToolRescuer(self._tools)
            begun, known = rescuer.feed(answer)
            shown, calls = rescuer.close(truncated)
            rest = raw.removesuffix(answer) + begun + shown
        is_cut = truncated and not known and len(calls) == 1 and _is_open(calls[0])
        return TextEnd(raw, rest, [*known, *calls], is_cut=is_cut)


def _is_open(call: WireCall) -> bool:
    """Whether the arguments of a call are incomplete."""
    arguments = call["function"]["arguments"]
    return isinstance(arguments, str) and find_arguments(arguments) is None
