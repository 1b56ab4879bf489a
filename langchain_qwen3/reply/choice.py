"""One choice of a reply: wire deltas → reasoning, content and tool calls. Sans-IO.

A streamed reply feeds many deltas, a whole reply feeds its one message; both pass through the same code and give the
same spans. The text passes through these readers, each only while it is needed:

    content    think tags → calls left in the text, or forced → newlines at its start
    reasoning  think tags →                calls left in the text → withheld → newlines at its edges

A call in the content counts if the server sent no parsed call, in this reply or before; otherwise it is a quote, unless
the reply was cut inside it, because parsers leave such a call in the text. A call in the reasoning may be only a draft,
so it counts only if, besides, the model stopped by itself and wrote nothing else. With thinking off such reasoning is
the answer, which the server's parser of calls has never seen, so it is no quote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import ToolCallChunk

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.reply.ending import is_cut, is_finished, is_stopped
from langchain_qwen3.reply.fields import (
    KEPT_FIELDS,
    REASONING_FIELDS,
    REASONING_KEYS,
    join_pieces,
    list_parts,
    read_content,
    read_details,
    read_part_calls,
    read_reasoning,
)
from langchain_qwen3.reply.reasoning import NOTHING, EdgeTrimmer, ThinkSplitter
from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, collect_tool_calls, list_without
from langchain_qwen3.reply.tool_calls.xml_arguments import map_schemas

if TYPE_CHECKING:
    from langchain_qwen3.call import ReplyOptions
    from langchain_qwen3.reply.tool_calls.in_text import CallsInText

Piece = tuple[str, str, Sequence[ToolCallChunk]]
"""Reasoning, content and calls of one delta, or of the end of a choice."""

NO_PIECE: Piece = ("", "", ())

_STOPPED_THINKING = (
    "a reply ended in the thinking and has no answer, for servers apply `stop` to the thinking, too: set "
    "enable_thinking=False for calls with `stop`; an agent made with create_agent needs none"
)


class ChoiceReader:
    """Reads the deltas of one choice, or its whole message as a single delta.

    Args:
        options: The facts about the request that reading needs.
        kind: Whether the reply is whole or a stream: some servers parse the calls of one kind only.

    Attributes:
        called: Whether a tool call was found; final after `close`.
        heard: The message fields that had text or calls, under every name.
    """

    def __init__(self, options: ReplyOptions, kind: Literal["whole", "stream"]) -> None:
        self._options = options
        self._kind = kind
        self._in_field: list[str] = []  # the reasoning that did not come in the content
        self._splitter = ThinkSplitter(opened=options.opened, field=self._in_field)
        self._reasoning = EdgeTrimmer(leading=True, trailing=True)
        self._content: EdgeTrimmer | None = None  # created when the content begins
        # If a reply has only reasoning although thinking is off, it is the answer in the wrong field. With thinking on,
        # the model may have ended inside the thinking: https://github.com/vllm-project/vllm/issues/55420
        self._withheld: list[str] | None = [] if options.thinking_off else None
        self._calls = ToolCallStream(
            repair=options.repair_tool_calls,
            parameterless=list_without("properties", options.tools),
            optional=list_without("required", options.tools),
            schemas=map_schemas(options.tools) if options.repair_tool_calls else None,
        )
        self._in_content, self._in_reasoning = _build_text_readers(options)
        self._may_hold = True  # whether text may be held back before a call: not between the pieces of its arguments
        self._plain = ""  # fast path: the field whose text, alone in a delta, needs only the trimmer
        self._reasoning_key = ""
        self._kept: dict[str, list[Any]] = {}  # name of each kept field → what came
        self._keeps_details = options.return_reasoning  # OpenRouter's, which repeat the reasoning
        self.called = False
        self.heard: set[str] = set()
        self._parses = options.recall_parses()

    def feed(self, delta: Mapping[str, Any]) -> Piece:
        """Take the next delta and return the part that is certain."""
        if self._plain and len(delta) == 1 and (text := delta.get(self._plain)).__class__ is str:
            if self._plain == "content":
                return "", text, ()
            self._in_field.append(text)
            return self._reasoning.feed(text), "", ()
        reasoning, content, fragments = "", delta.get("content"), delta.get("tool_calls")
        if content.__class__ is not str and (content or content == 0):  # a number may be 0
            fragments = self._read_parts(delta, fragments)
            reasoning, content = read_content(content)
        if not REASONING_FIELDS.isdisjoint(delta):
            reasoning = self._read_reasoning(delta) + reasoning
        if reasoning:
            self._in_field.append(reasoning)
            self._splitter.end_thinking(in_field=True)
        if content and not content.isspace():
            self.heard.add("content")
            self._may_hold = True
        inline, content = self._splitter.feed(content) if content else NOTHING
        if not KEPT_FIELDS.isdisjoint(delta):
            fragments = self._keep(delta, fragments)
        calls: Sequence[ToolCallChunk] = ()
        if fragments:
            self.heard.add("tool_calls")
            content = self._release(content) if self._may_hold else content
            calls = self._calls.feed(fragments)
            self._parses.add(self._kind)
        elif content and self._in_content is not None:
            content = self._in_content.feed(content)
        return self._emit(reasoning + inline, content, calls)

    def drop_heard(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a whole message says that the deltas before it did not: their text is in it once more."""
        if not self.heard:
            return message
        calls = message.get("tool_calls") or read_part_calls(message.get("content"))
        new = self._calls.list_new(calls)
        known = self.heard.union(self._kept)
        return {**{key: value for key, value in message.items() if key not in known}, "tool_calls": new}

    def close(self, finish_reason: str | None, *, cut: bool = False) -> Piece:
        """End the choice and return the text held back.

        Args:
            finish_reason: Why the model ended. If it was cut, an open tool call is invalid; only if it stopped by
                itself can text in the wrong field be the whole answer.
            cut: Whether the reply's end is missing.
        """
        truncated = cut or not is_finished(finish_reason)
        reasoning, content = self._splitter.close(finished=not truncated)
        content, calls = self._close_content(content, truncated)
        if content:
            content = self._trim(content)
        answered = self._content is not None and self._content.text_seen
        has_answer = bool(content or answered or self._calls.seen)
        reasoning, meant = self._close_reasoning(reasoning, may_call=not (truncated or has_answer))
        calls += meant
        may_be_closed = self._options.server_writes_arguments and (cut or is_cut(finish_reason))
        calls += self._calls.close(truncated, closed=may_be_closed)
        self.called = self._calls.seen
        only_thought = is_stopped(finish_reason) and not (cut or self.called or has_answer)
        if self._withheld is not None:
            reasoning = "".join([*self._withheld, reasoning])
            self._withheld = None
            if only_thought:
                self._keeps_details = False  # or the answer would be sent back once more, as reasoning
                return "", reasoning.lstrip("\r\n"), calls
        elif only_thought and self._options.stops and (reasoning or self.heard):
            warn_once(_STOPPED_THINKING)
        return self._reasoning.feed(reasoning), content, calls

    @property
    def opens(self) -> bool | None:
        """Whether the reply began inside the thinking; None if that is unknown. Final after `close`."""
        return self._splitter.opens

    @property
    def holds(self) -> bool:
        """Whether text that may be the answer is held back."""
        return self._splitter.holds or bool(self._in_content is not None and self._in_content.release())

    @property
    def notes(self) -> dict[str, Any]:
        """Metadata about the tool calls: errors, repairs, rescues. Final after `close`."""
        return self._calls.metadata

    def build_message(
        self, reasoning: str, content: str, chunks: Iterable[ToolCallChunk], **metadata: Any
    ) -> AIMessage:
        """Return all pieces as one message; its invalid calls are as the model wrote them."""
        calls = collect_tool_calls(chunks, self._calls.written)
        kwargs = self.kept
        if reasoning and self._options.return_reasoning:
            kwargs["reasoning_content"] = reasoning
        found: Any = {"tool_calls": calls.calls, "invalid_tool_calls": calls.invalid}
        return AIMessage(content=content, additional_kwargs=kwargs, **found, **metadata)

    @property
    def kept(self) -> dict[str, Any]:
        """Message fields for `additional_kwargs`, their fragments joined."""
        kept = {key: join_pieces(key, pieces) for key, pieces in self._kept.items()}
        if not self._keeps_details:
            kept.pop("reasoning_details", None)
        if self._options.function_call and self._calls.first is not None:
            kept["function_call"] = self._calls.first
        return kept

    def _release(self, content: str) -> str:
        """Return the content before a parsed call: what only began there goes no further."""
        self._may_hold = False
        self._splitter.end_thinking()
        content += self._splitter.feed("").content
        return content if self._in_content is None else self._in_content.feed(content, called=True)

    def _read_parts(self, delta: Mapping[str, Any], fragments: Any) -> Any:
        """Keep what a content's parts say besides their text: a refusal, or its sources. Return the calls.

        What the delta itself has, the parts only repeat.
        """
        fragments = fragments or read_part_calls(delta["content"])
        for part in list_parts(delta["content"]):
            fragments = self._keep({key: value for key, value in part.items() if not delta.get(key)}, fragments)
        return fragments

    def _keep(self, delta: Mapping[str, Any], fragments: Any) -> Any:
        """Keep fields for `additional_kwargs`; return the calls, also one in the form of 2023 if `tools` were sent."""
        if self._options.tools and (call := delta.get("function_call")):
            delta = {**delta, "function_call": None}
            if not fragments and ("function_call" in self.heard or "tool_calls" not in self.heard):  # else said again
                self.heard.add("function_call")
                fragments = [{"index": 0, "function": call}]
        for key in KEPT_FIELDS.intersection(delta):
            if value := delta[key]:
                self._kept.setdefault(key, []).append(value)
        return fragments

    def _read_reasoning(self, delta: Mapping[str, Any]) -> str:
        """Return the delta's reasoning: its field, or its details if no field ever had text."""
        key, reasoning = read_reasoning(delta)
        if reasoning:
            if self._in_reasoning is None and self._withheld is None and isinstance(delta[key], str):
                self._plain = key
            self._reasoning_key = self._reasoning_key or key
        elif (details := delta.get("reasoning_details")) and self._reasoning_key in ("", "reasoning_details"):
            reasoning = read_details(details)
            self._reasoning_key = "reasoning_details" if reasoning else self._reasoning_key
        return reasoning

    def _close_content(self, content: str, truncated: bool) -> tuple[str, list[ToolCallChunk]]:
        """Take the last content; return the text among everything held back, and the calls that count."""
        if self._in_content is None:
            return content, []
        content = self._in_content.feed(content)
        may_leak = self._kind == "stream" and not self._splitter.opens
        end = self._in_content.close(truncated=truncated, may_leak=may_leak)
        is_quote = self._quotes and not end.is_cut
        if not (self._calls.seen or is_quote):
            return content + end.rest, self._calls.add(end.calls, rescued=not self._options.content_is_calls)
        repeated = bool(end.calls) and not self._calls.list_new(end.calls)
        return content + (end.rest if repeated or not end.calls else end.raw), []

    def _close_reasoning(self, reasoning: str, *, may_call: bool) -> tuple[str, list[ToolCallChunk]]:
        """Take the last reasoning; return the text among everything held back, and the calls that count."""
        if self._in_reasoning is None:
            return reasoning, []
        reasoning = self._in_reasoning.feed(reasoning)
        end = self._in_reasoning.close(truncated=False)
        # vLLM's deepseek_r1 takes an answer without thinking for reasoning, before calls are parsed (0.32).
        is_quote = self._quotes and self._withheld is None
        if is_quote or not may_call:
            return reasoning + end.raw, []
        self._keeps_details = self._keeps_details and not end.calls
        return reasoning + end.rest, self._calls.add(end.calls, rescued=True)

    def _emit(self, reasoning: str, content: str, calls: Sequence[ToolCallChunk]) -> Piece:
        if content:
            content = self._trim(content)
        if reasoning:
            self.heard.update(REASONING_KEYS)
        if self._in_reasoning is not None:
            reasoning = self._in_reasoning.feed(reasoning)
            if content or calls:
                reasoning += self._in_reasoning.release()
                self._in_reasoning = None
        if self._withheld is not None:
            self._withheld.append(reasoning)
            reasoning = ""
            if content or calls:  # then all of it is reasoning
                reasoning, self._withheld = "".join(self._withheld), None
        if reasoning:
            reasoning = self._reasoning.feed(reasoning)
        if content and self._splitter.idle and self._in_content is None:
            self._plain = "content"
        return reasoning, content, calls

    @property
    def _quotes(self) -> bool:
        """Whether a call in the text is a quote: the server has a parser, which takes out every other call."""
        return self._options.rescue_tool_calls is None and self._kind in self._parses

    def _trim(self, content: str) -> str:
        if self._content is None:
            # Newlines before the answer come from the template only if thinking came first.
            self._content = EdgeTrimmer(leading=self._splitter.has_thinking, trailing=False)
        return self._content.feed(content)


def _build_text_readers(options: ReplyOptions) -> tuple[CallsInText | None, CallsInText | None]:
    """Return the readers that find calls in the content and in the reasoning, if there are tools to call."""
    if not options.tools or (options.rescue_tool_calls is False and not options.content_is_calls):
        return None, None
    from langchain_qwen3.reply.tool_calls.in_text import CallsInText

    in_content = CallsInText(options.tools, is_array=options.content_is_calls)
    return in_content, None if options.content_is_calls else CallsInText(options.tools)
