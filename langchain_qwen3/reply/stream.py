"""A streamed reply: bytes → events → LangChain chunks. Sans-IO, shared by sync and async.

Contract of `StreamReader`: `read` takes the next bytes and yields the chunks they complete. `end` is called once and
returns the last chunks, or raises if the stream was cut. Only the very last chunk carries finish reason, usage and
metadata. The chunks add up to the same message as a whole reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen3.call import PROVIDER, ReplyOptions
from langchain_qwen3.errors import BadReplyError, Qwen3Error, StreamCutError, error_from_event
from langchain_qwen3.reply.body import OTHER_SHAPE, build_shape_error, join_choices, open_envelope, read_lines
from langchain_qwen3.reply.choice import NO_PIECE, ChoiceReader, Piece
from langchain_qwen3.reply.chunks import build_call_chunk, build_call_chunks, build_text_chunk
from langchain_qwen3.reply.ending import StreamEnd, is_stopped, read_limit, read_reason
from langchain_qwen3.reply.fields import has_content, list_said, read_message, read_speech
from langchain_qwen3.reply.json_text import read_json
from langchain_qwen3.reply.metadata import (
    COUNTS,
    PER_CHUNK,
    PieceReader,
    build_timing,
    find_usage,
    read_choice_metadata,
    read_finish_reason,
    read_metadata,
    read_usage,
)
from langchain_qwen3.reply.reasoning import split_leaked
from langchain_qwen3.reply.sse import SseReader
from langchain_qwen3.reply.tool_calls.forced import check_forced_call


class StreamReader:
    """Reads one streamed reply.

    Args:
        options: How to read the reply, from the request.

    Attributes:
        usage: The latest usage; servers report running totals, so it replaces the previous one.
        first_token_at: Clock reading at the first chunk with text or calls; None before it.
    """

    def __init__(self, options: ReplyOptions) -> None:
        self._events = SseReader()
        self._response: Any = None
        self._options = options
        self._started_at = perf_counter()
        self._choice = ChoiceReader(options, "stream")
        self._closed = False  # whether the choice is closed
        self._index: int | None = None  # of the choice; None before the first one
        self._noted: list[Mapping[str, Any]] = []
        self._choice_metadata: dict[str, Any] = {}
        self._pieces = PieceReader()
        # The output so far, for a partial message. Storing chunks would take ten times the memory, and GC time.
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._calls: list[ToolCallChunk] = []
        self._end = StreamEnd()
        self._last: list[ChatGenerationChunk] = []  # made of what came without its end, until they are returned
        self._cause: Any = None
        self._is_reading = False  # stays, where an error ends the reading
        self.usage: Mapping[str, Any] | None = None
        self.first_token_at: float | None = None
        self._chunks = 0

    def begin(self, response: Any) -> None:
        """Receive the response before its body: for its headers, and to attach to errors."""
        self._response = response

    def read(self, data: bytes) -> Iterable[ChatGenerationChunk]:
        """Take the next bytes of the body and return the chunks they complete, including those before a failure.

        Raises:
            Qwen3Error: The server reports an error in the stream.
            BadReplyError: An event is not a chat completion chunk, not JSON or too large.
        """
        events = self._events.read(data)
        if isinstance(events, tuple):  # one complete event: the way engines send them
            chunk = self._feed(events[0])
            return () if chunk is None else (chunk,)
        return self._feed_all(events)

    def end(self) -> list[ChatGenerationChunk]:
        """Return the last chunks after the body's end or `[DONE]`.

        Raises:
            StreamCutError: The stream's end is missing.
            BadReplyError: The body was neither a stream nor a reply.
            ToolChoiceError: A demanded call did not come.
        """
        self._check_end(is_whole=self._feed_rest())
        chunks, self._last = self._last, []
        try:
            chunks += self._finish()
        except OTHER_SHAPE as error:
            raise build_shape_error(self._response) from error
        self._note_habits()
        if self._options.demanded is not None:
            check_forced_call(self.collect(), self._options.demanded, self.finish_reason)
        return chunks

    def abort(self) -> list[ChatGenerationChunk]:
        """Return what was held back when a stream was cut: the last event, text, and the open tool call, made invalid.

        An event may lack only the blank line behind it, which some servers write before the next one.
        """
        if self._closed:
            return []
        if not self._is_reading:
            with suppress(Qwen3Error):  # the stream's own error says more
                self._feed_rest()
        chunk = self._close(cut=True)
        message: Any = chunk.message
        message.chunk_position = "last"  # so that the sum has blocks of calls, not of fragments
        has_more = message.content or message.additional_kwargs or message.tool_call_chunks
        chunks, self._last = self._last + [chunk] * bool(has_more), []
        return chunks

    def partial(self) -> AIMessage | None:
        """Return what arrived before a stream was cut, with its open tool call invalid; None if nothing arrived."""
        self.abort()
        return self.collect() if self._reasoning or self._content or self._calls else None

    def find_cause(self) -> object:
        """Return what came last in place of a chunk, which may say why the stream ended: a text, or an event."""
        if self._cause is not None:
            return self._cause
        if lines := self._events.unframed or self._events.stray:
            try:
                return read_json(b"\n".join(lines))
            except ValueError:
                return b"\n".join(lines)
        return self._noted[-1] if self._noted and "choices" not in self._noted[-1] else None

    def collect(self) -> AIMessage:
        """Return all output so far as one message."""
        metadata = {"usage_metadata": read_usage(self.usage), "response_metadata": self._read_metadata()}
        return self._choice.build_message("".join(self._reasoning), "".join(self._content), self._calls, **metadata)

    @property
    def progress(self) -> int:
        """The number of chunks so far; 0 before the first token or reason, for which a server may need long."""
        return 0 if self.first_token_at is None and self._end.reason is None else self._chunks

    @property
    def done(self) -> bool:
        """Whether the stream is complete."""
        return self._end.done

    @property
    def ended(self) -> bool:
        """Whether the reply has certainly ended: silence or a lost connection now is no error."""
        return self._end.certain

    @property
    def finish_reason(self) -> str | None:
        """Why the model ended; None while it has not."""
        return read_limit(self._end.reason, self.usage, self._options)

    def _check_end(self, *, is_whole: bool) -> None:
        """Raise if the stream's end is missing; a JSON document is complete, with a finish reason or without."""
        if self._index is None and self._end.done:
            raise BadReplyError("the stream has no choices", response=self._response, body=self.find_cause())
        has_answer = bool(self._content or self._calls or self._choice.holds) and not self._events.unframed
        problem = self._end.find_problem(self._options, has_answer=has_answer)
        if problem and not is_whole:
            raise StreamCutError(problem, response=self._response, body=self.find_cause())

    def _note_habits(self) -> None:
        if self._options.habits is not None:
            # vllm-mlx gives a reason only where something cut: https://github.com/waybarrios/vllm-mlx/issues/628
            finishes = self._end.reason is not None and is_stopped(self._end.reason)
            self._options.habits.note(opened=self._read_opening(), finishes=finishes)

    def _read_stray(self) -> list[Any]:
        """Return the events in the lines before the first one: a whole reply, or an error, that lacks its framing."""
        if not self._noted:  # they came instead of a stream
            return read_lines(self._events.stray, self._response)
        try:
            value = read_json(b"\n".join(self._events.stray))
        except ValueError:
            return []
        return [value] if isinstance(value, dict) else []

    def _read_opening(self) -> bool | None:
        """Return whether the reply began inside the thinking; a closing tag between two texts also shows that."""
        if self._choice.opens is True or self._reasoning:
            return self._choice.opens
        thinking, answer = split_leaked("".join(self._content))
        return True if thinking.strip() and (answer.strip() or self._choice.called) else self._choice.opens

    def _feed_rest(self) -> bool:
        """Feed what came without its end or its framing; return whether it is a whole reply."""
        self._feed_last(self._events.close())
        if not self._events.stray or self._choice.heard:
            return False
        events = self._read_stray()
        self._feed_last(events)
        return _is_whole_reply(events)

    def _feed_last(self, events: Iterable[Any]) -> None:
        for chunk in self._feed_all(events):
            self._last.append(chunk)

    def _feed_all(self, events: Iterable[Any]) -> Iterator[ChatGenerationChunk]:
        is_silent = self._end.over
        self._is_reading = True
        for event in events:
            is_silent = False
            chunk = self._feed(event)
            if chunk is not None:
                yield chunk
        if is_silent and self._events.between:  # only heartbeats came after the finish reason
            self._end.take_heartbeat()
        self._end.done = self._end.done or self._events.done
        if (failure := self._events.failure) is not None:
            raise BadReplyError(str(failure), response=self._response, body=failure.raw)
        self._is_reading = False

    def _feed(self, event: Any) -> ChatGenerationChunk | None:
        try:
            try:
                choice = event["choices"][0]
                choice = read_speech(choice) if event.get("modality") == "audio" else choice
                delta = choice["delta"]
            except (KeyError, IndexError, TypeError):
                return self._feed_other(event)
            # Gateways in Java write every field.
            if ("message" in choice or "text" in choice) and not has_content(delta):
                return self._feed_other(event)
            self._chunks += 1
            if (choice.get("index") or 0) != self._index:
                self._take_index(event, choice)
            if event.get("error"):
                self._raise_error(event)
            if usage := event.get("usage"):
                self._take_usage(usage)
            if choice.get("finish_reason") and (reason := read_reason(choice)):
                self._take_end(event, choice, reason)
            elif self._end.over:
                self._end.take_late(delta, usage)
            info: dict[str, Any] | None = None
            if choice.get("logprobs") or choice.get("token_ids"):
                info = self._pieces.read(choice)
            return self._build(self._choice.feed(delta) if delta else NO_PIECE, info)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            text = "the server sent an event that is not a chunk"
            raise BadReplyError(text, response=self._response, body=event) from error

    def _take_end(self, event: Mapping[str, Any], choice: Mapping[str, Any], reason: str) -> None:
        self._raise_error(event)
        answered = not self._choice.heard.isdisjoint(("content", "tool_calls"))
        self._end.take_reason(reason, choice["delta"], answered=answered)
        self._take_usage(find_usage(event, choice))
        self._noted.append(event)
        metadata = read_choice_metadata(choice)
        self._choice_metadata = {key: value for key, value in metadata.items() if key not in PER_CHUNK}

    def _feed_other(self, event: Any) -> ChatGenerationChunk | None:
        """Take an event without a delta: usage, metadata, a keep-alive, a whole reply or an error."""
        self._raise_error(event)
        inner = open_envelope(event)
        if inner is not event:
            return self._feed(inner)
        if event.get("choices"):
            choice = event["choices"][0]
            choice = join_choices(event["choices"])[0] if "message" in choice else choice
            heard = {*self._choice.heard}  # in deltas only: where no event has one, each message is a piece
            message = read_message({"text": None, **choice})  # an end may have no text
            delta = self._choice.drop_heard(message)
            if "content" not in delta and (rest := self._find_rest(message)):
                delta = {**delta, "content": rest}
            kept = {key: value for key, value in choice.items() if key not in ("message", "text")}
            chunk = self._feed({**event, "choices": [{**kept, "delta": delta}]})
            self._choice.heard = heard
            return chunk
        if usage := find_usage(event):
            self._take_usage(usage)
            self._end.take_late(None, usage)
        self._noted.append(event)
        return None

    def _take_usage(self, usage: Any) -> None:
        """Take the latest usage; where there is none, some gateways write one of zeros, or no object."""
        if isinstance(usage, dict) and (self.usage is None or any(map(usage.get, COUNTS))):
            self.usage = usage

    def _find_rest(self, message: Mapping[str, Any]) -> str:
        """Return what the content of a whole message says beyond the deltas; empty where tags may have been read."""
        said, whole = "".join(self._content).lstrip(), message.get("content")
        if not said or not isinstance(whole, str) or not whole.lstrip().startswith(said):
            return ""
        rest = whole.lstrip().removeprefix(said)
        return rest if rest.strip() and "<" not in rest else ""

    def _take_index(self, event: Mapping[str, Any], choice: Mapping[str, Any]) -> None:
        """Take a choice's index: some servers number their chunks with it, so an index that only grows is ignored."""
        index = choice.get("index") or 0
        index = int(index) if isinstance(index, str) else index  # some gateways write it as text
        if self._index is not None and index != self._index and (index < self._index or self._end.over):
            if not has_content(choice["delta"]):
                return
            # The next part of one answer says something else, see `join_choices`.
            if index < self._index or not self._choice.heard.isdisjoint(list_said(choice["delta"])):
                text = "the stream has several choices, but a LangChain stream is a single message: n must be 1"
                raise BadReplyError(text, response=self._response)
        if self._index is None:
            self._noted.append(event)
        self._index = index

    def _raise_error(self, event: Any) -> None:
        if error := error_from_event(event, response=self._response):
            self._cause = event
            raise error

    def _build(self, piece: Piece, info: dict[str, Any] | None) -> ChatGenerationChunk | None:
        reasoning, content, calls = piece
        if reasoning:
            if self._options.return_reasoning:
                self._reasoning.append(reasoning)
            else:
                reasoning = ""
        if content:
            self._content.append(content)
        elif not (reasoning or calls or info):
            return None
        if self.first_token_at is None:
            self.first_token_at = perf_counter()
        if calls:
            self._calls += calls
            chunk = build_call_chunk(reasoning, content, calls)
        else:
            chunk = build_text_chunk(reasoning, content)
        if info:
            chunk.generation_info = info
        return chunk

    def _close(self, *, cut: bool) -> ChatGenerationChunk:
        self._closed = True
        piece = self._choice.close(self.finish_reason, cut=cut)
        return self._build(piece, None) or build_text_chunk("", "")

    def _finish(self) -> Iterator[ChatGenerationChunk]:
        """Yield what was held back, then the last chunk, which has neither text nor calls.

        OpenAI sends no text beside a finish reason, so others skip a chunk that has one, such as ag-ui:
        https://github.com/ag-ui-protocol/ag-ui/blob/main/integrations/langgraph/python/ag_ui_langgraph/agent.py
        """
        held: Any = self._close(cut=False).message
        reasoning = held.additional_kwargs.get("reasoning_content", "")
        if held.content or reasoning:
            yield build_text_chunk(reasoning, held.content)
        yield from build_call_chunks(held.tool_call_chunks)
        message = AIMessageChunk(
            content="",
            additional_kwargs=self._choice.kept,
            usage_metadata=read_usage(self.usage),
            response_metadata={"model_provider": PROVIDER},
            chunk_position="last",
        )
        info = self._read_metadata()
        info["timing"] = build_timing(self._started_at, self.first_token_at, self.usage)
        yield ChatGenerationChunk(message=message, generation_info=info)

    def _read_metadata(self) -> dict[str, Any]:
        metadata = {
            "finish_reason": read_finish_reason(self.finish_reason, called=self._choice.called),
            **self._choice_metadata,
            **self._pieces.odd,
            **self._choice.notes,
            **read_metadata(self._noted, self.usage, self._options.model),
        }
        if self._options.include_headers and self._response is not None:
            metadata["headers"] = dict(self._response.headers)
        return metadata


def _is_whole_reply(events: list[Any]) -> bool:
    """Whether events are a single one with the message of a whole reply."""
    choices = open_envelope(events[0]).get("choices") if len(events) == 1 else None
    choice = choices[0] if choices else {}
    return "message" in choice and any(map(has_content, (choice["message"], choice.get("delta"))))
