"""One choice of a reply: wire deltas → reasoning, content and tool calls. Sans-IO.

A streamed reply feeds many deltas, a whole reply feeds its one message, so both end in the same spans by construction.
The text goes through these readers, each in the way only while it is needed:

    content    think tags → forced calls → calls left in the text → newlines at its start
    reasoning  think tags →                calls left in the text → withheld → newlines at its edges

A call in the content is a call at once. One in the reasoning may be a rehearsal, so it counts only if the model stopped
by itself and said nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages.tool import ToolCallChunk
from langchain_core.utils._merge import merge_dicts

from langchain_qwen3.reply.reasoning import NOTHING, EdgeTrimmer, ThinkSplitter
from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, WireCall, read_parameterless

if TYPE_CHECKING:
    from langchain_qwen3.call import ReplyOptions
    from langchain_qwen3.reply.tool_calls.forced import ForcedCallStream
    from langchain_qwen3.reply.tool_calls.rescue import ToolRescuer

KEPT_FIELDS = frozenset({"refusal", "audio", "annotations", "reasoning_details", "function_call"})
"""Message fields that go to `additional_kwargs` as they are."""


_TRUNCATED = frozenset({"length", "content_filter", "abort", "error"})
_STOPPED = frozenset({"stop", None})


Piece = tuple[str, str, Sequence[ToolCallChunk]]
"""Reasoning, content and calls: what one delta, or the end of a choice, contributed."""

NO_PIECE: Piece = ("", "", ())


class ChoiceReader:
    """Reads the deltas of one choice, or its whole message as a single delta.

    Args:
        options: What reading needs to know of the request.

    Attributes:
        called: True once a tool call was found; complete after `close`.
    """

    __slots__ = (
        "_calls",
        "_content",
        "_forced",
        "_kept",
        "_plain",
        "_reasoning",
        "_rehearsed",
        "_rescuer",
        "_splitter",
        "_withheld",
        "called",
    )

    def __init__(self, options: ReplyOptions) -> None:
        self._splitter = ThinkSplitter(opened=options.opened)
        self._reasoning = EdgeTrimmer(leading=True, trailing=True)
        self._content: EdgeTrimmer | None = None  # made when the content begins
        self._withheld: list[str] | None = [] if options.thinking_off else None
        self._calls = ToolCallStream(repair=options.repair_tool_calls, parameterless=read_parameterless(options.tools))
        self._rescuer, self._rehearsed = _build_rescuers(options)
        self._forced = _build_forced_reader() if options.forced_calls else None
        self._plain = ""  # the field whose text, alone in a delta, nobody but the trimmer has to look at
        self._kept: list[dict[str, Any]] = []
        self.called = False

    def feed(self, delta: Mapping[str, Any]) -> Piece:
        """Take the next delta and return what is certain of it."""
        if self._plain and len(delta) == 1 and (text := delta.get(self._plain)).__class__ is str:
            return ("", text, ()) if self._plain == "content" else (self._reasoning.feed(text), "", ())
        content = delta.get("content")
        key = "reasoning" if delta.get("reasoning") else "reasoning_content"
        reasoning = delta.get(key) or ""
        if reasoning:
            reasoning = _read_text(reasoning)
            self._splitter.end_thinking(found=True)
            if self._rehearsed is None and self._withheld is None:
                self._plain = key
        inline, content = self._splitter.feed(_read_text(content)) if content else NOTHING
        calls: Sequence[ToolCallChunk] = ()
        if fragments := delta.get("tool_calls"):
            self._splitter.end_thinking()
            calls = self._calls.feed(fragments)
        if not KEPT_FIELDS.isdisjoint(delta):
            self._kept += [{key: value} for key, value in delta.items() if value and key in KEPT_FIELDS]
        reasoning += inline
        if self._rescuer is not None or self._forced is not None:
            content, found = self._take_calls(content, None)
            if found:
                calls = [*calls, *self._calls.add(found)]
        return self._emit(reasoning, content, calls)

    def close(self, finish_reason: str | None, *, cut: bool = False) -> Piece:
        """End the choice and return what was held back.

        Args:
            finish_reason: Why the model ended. After an end before its time an open tool call is invalid; only where
                it stopped by itself can text in the wrong field be the whole answer.
            cut: The reply lost its end.
        """
        truncated = cut or finish_reason in _TRUNCATED
        stopped = not cut and finish_reason in _STOPPED
        spans = self._splitter.close()
        content, found = self._take_calls(spans.content, truncated)
        if content:
            content = self._trim(content)
        calls = self._calls.add(found)
        reasoning = spans.reasoning
        if self._rehearsed is not None:
            said = truncated or self._calls.seen or content or self._answered
            reasoning, found = self._rehearsed.close(reasoning, only=not said)
            calls += self._calls.add(found)
        calls += self._calls.close(truncated)
        self.called = self._calls.seen
        if self._withheld is not None:
            reasoning = "".join([*self._withheld, reasoning])
            self._withheld = None
            if stopped and not (self.called or content or self._answered):
                return "", reasoning.lstrip("\n"), calls
        return self._reasoning.feed(reasoning), content, calls

    @property
    def notes(self) -> dict[str, Any]:
        """What metadata should say of the tool calls: errors and repairs, complete after `close`."""
        return self._calls.metadata

    @property
    def kept(self) -> dict[str, Any]:
        """Message fields for `additional_kwargs`, their fragments joined."""
        try:
            return merge_dicts({}, *self._kept)
        except TypeError:  # fragments of different types cannot be joined: the newest stand
            return {key: value for fragment in self._kept for key, value in fragment.items()}

    def _emit(self, reasoning: str, content: str, calls: Sequence[ToolCallChunk]) -> Piece:
        if content:
            content = self._trim(content)
        if self._rehearsed is not None:
            reasoning = self._rehearsed.feed(reasoning)
            if content or calls:
                reasoning += self._rehearsed.release()
                self._rehearsed = None
        if self._withheld is not None:
            reasoning = self._withhold(self._withheld, reasoning, answered=bool(content or calls))
        if reasoning:
            reasoning = self._reasoning.feed(reasoning)
        if content and self._splitter.idle and self._rescuer is None and self._forced is None:
            self._plain = "content"
        return reasoning, content, calls

    @property
    def _answered(self) -> bool:
        return self._content is not None and self._content.text_seen

    def _trim(self, content: str) -> str:
        if self._content is None:
            # Newlines before the answer are the template's only where thinking went before.
            self._content = EdgeTrimmer(leading=self._splitter.found, trailing=False)
        return self._content.feed(content)

    def _withhold(self, withheld: list[str], reasoning: str, *, answered: bool) -> str:
        """Keep reasoning back that may be the answer; once there is an answer of its own, all of it is reasoning."""
        withheld.append(reasoning)
        if not answered:
            return ""
        self._withheld = None
        return "".join(withheld)

    def _take_calls(self, content: str, truncated: bool | None) -> tuple[str, list[WireCall]]:
        """Take calls out of the content; `truncated` is None while there is more to come."""
        calls: list[WireCall] = []
        if self._forced is not None:
            content = _read_calls(self._forced, content, truncated, calls)
        if self._rescuer is not None:
            content = _read_calls(self._rescuer, content, truncated, calls)
        return content, calls


class _RehearsedCalls:
    """Calls in the reasoning: from the first one on the text is held until it is known whether they are meant.

    Args:
        rescuer: Finds them.
    """

    def __init__(self, rescuer: ToolRescuer) -> None:
        self._rescuer = rescuer
        self._held = ""  # as it came; what the rescuer gives before the first call is its beginning
        self._shown = ""  # the held text without its calls
        self._calls: list[WireCall] = []

    def feed(self, text: str) -> str:
        """Take the next piece and return what is reasoning in any case."""
        if not text:
            return ""
        self._held += text
        shown, calls = self._rescuer.feed(text)
        self._calls += calls
        if self._calls:
            self._shown += shown
            return ""
        self._held = self._held[len(shown) :]
        return shown

    def release(self) -> str:
        """Return the held text: it is reasoning."""
        return self._held

    def close(self, text: str, *, only: bool) -> tuple[str, list[WireCall]]:
        """Return the rest of the reasoning and, if the reply has `only` them, the calls."""
        begun = self.feed(text)
        if not only:
            return begun + self._held, []
        shown, calls = self._rescuer.close(truncated=False)
        return begun + self._shown + shown, [*self._calls, *calls]


def _build_rescuers(options: ReplyOptions) -> tuple[ToolRescuer | None, _RehearsedCalls | None]:
    if not (options.tools and options.rescue_tool_calls):
        return None, None
    from langchain_qwen3.reply.tool_calls.rescue import ToolRescuer

    return ToolRescuer(options.tools), _RehearsedCalls(ToolRescuer(options.tools))


def _build_forced_reader() -> ForcedCallStream:
    from langchain_qwen3.reply.tool_calls.forced import ForcedCallStream

    return ForcedCallStream()


def _read_calls(
    reader: ToolRescuer | ForcedCallStream, text: str, truncated: bool | None, calls: list[WireCall]
) -> str:
    """Return the text without its calls, which are added to `calls`."""
    if text:
        text, found = reader.feed(text)
        calls += found
    if truncated is not None:
        rest, found = reader.close(truncated)
        calls += found
        text += rest
    return text


def _read_text(content: Any) -> str:
    """Return the text of a content that some servers send as a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part.get("text") or "" if isinstance(part, dict) else str(part) for part in content)
    return str(content)
