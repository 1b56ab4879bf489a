"""Parses structured answers, and accepts only complete ones.

A reply that was cut, refused or broken is a parser error: with `include_raw=True` it goes to `parsing_error`, and in a
batch only that input fails. While an answer is streamed, its growing part is returned; the same rules apply at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from typing import Any

from langchain_core import exceptions
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InvalidToolCall
from langchain_core.output_parsers import BaseTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables.utils import AddableDict
from pydantic import BaseModel, TypeAdapter
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_qwen3._visible import make_visible
from langchain_qwen3.call import Method
from langchain_qwen3.profiles.think_tags import CLOSE_TAG
from langchain_qwen3.reply.ending import is_finished
from langchain_qwen3.reply.json_text import find_json, read_growing_json, read_whole_json, refuse_deep
from langchain_qwen3.reply.reasoning import split_leaked

_STEPS = 16  # a growing answer is parsed again after growing by 1/16; short ones with every piece
_BRACKETS = ("{", "[")
_ENDS = ("}", "]", "```")
_TAG_AND_JSON = re.compile(rf"{CLOSE_TAG}\s*+(?=[\[{{])")
# In core since 1.7.5.
_RefusalError: Any = getattr(exceptions, "ModelRefusalError", None)


class StructuredOutputParser(BaseTransformOutputParser[Any]):
    """Parses a whole reply strictly; in a stream, returns the growing object and is strict at the end.

    Attributes:
        output: The user's schema: a pydantic class or a dataclass gives instances, everything else gives dicts.
        name: The name sent with the schema.
        method: Where the answer must be; None: in a call of that name, or else in the text.
        objects: Whether the answer must be a JSON object.
        has_tools: Whether the model may call tools instead.
    """

    output: Any
    name: str
    method: Method | None = None
    objects: bool = True
    has_tools: bool = False

    @property
    def OutputType(self) -> Any:  # noqa: N802 # core's name
        """The class of the answers."""
        return self.output if isinstance(self.output, type) else dict[str, Any]

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Parse the first candidate; with `partial`, as much of a growing one as possible, or None."""
        first = result[0]
        message = first.message if isinstance(first, ChatGeneration) else AIMessage(first.text)
        return self.read_partial(message.text) if partial else self.read(message)

    async def aparse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Do what `parse_result` does, without a thread."""
        return self.parse_result(result, partial=partial)

    def parse(self, text: str) -> Any:
        """Parse a text that is a whole answer."""
        return self.read(AIMessage(text))

    def read(self, message: BaseMessage) -> Any:
        """Return the answer in a whole message.

        Returns:
            The object; None if tools were bound and called instead.

        Raises:
            OutputParserException: The answer was cut, is missing, is not JSON or does not match the schema.
            ModelRefusalError: The model refused or a filter stopped it (if core has that error).
        """
        text = _skip_leaked(message.text)
        _check_end(message, text)
        calls, invalid = (
            (message.tool_calls, message.invalid_tool_calls) if isinstance(message, AIMessage) else ([], [])
        )
        may_call = self.method in (None, "function_calling")
        if may_call and (found := [call for call in calls if call["name"] == self.name]):
            return self._build(found[0]["args"], json.dumps(found[0]["args"], ensure_ascii=False))
        if invalid and (may_call or not (calls or text.strip())):
            raise OutputParserException(self._describe(invalid[0], message), llm_output=invalid[0]["args"])
        if self.has_tools and calls:
            return None
        if self.method == "function_calling" or (calls and not text.strip()):
            others = ", ".join(call["name"] for call in calls)
            called = f"the model called {others}, not {self.name}" if others else f"the model did not call {self.name}"
            called += "" if others or text.strip() else f": {_explain_empty(message)}"
            raise OutputParserException(make_visible(called), llm_output=text)
        if not text.strip():
            raise OutputParserException(_explain_empty(message), llm_output=text)
        return self._build(_read_json(text), text)

    def _describe(self, call: InvalidToolCall, message: BaseMessage) -> str:
        """Return which call is invalid and why; the sum of a stream's chunks has the reason in its metadata."""
        why = call.get("error") or message.response_metadata.get("tool_call_errors", {}).get(call["id"])
        text = f"the call of {call['name'] or self.name} has invalid arguments"
        return make_visible(f"{text}: {why}" if why else text)

    def read_partial(self, text: str) -> Any:
        """Return the object parsed from the beginning of an answer, or None."""
        text = _skip_leaked(text)
        try:
            value = read_growing_json(text[find_json(text) :])
            return self._build(value, text) if value not in (None, {}) else None
        except (ValueError, RecursionError):
            return None

    def _build(self, value: Any, text: str) -> Any:
        """Return the object as an instance of the schema's class; raises OutputParserException if it does not fit."""
        if self.objects and not isinstance(value, dict):
            raise OutputParserException("the answer is JSON but not an object", llm_output=text)
        if not isinstance(self.output, type):
            return value
        try:
            if issubclass(self.output, BaseModelV1):
                return self.output.parse_obj(value)
            if issubclass(self.output, BaseModel) or is_dataclass(self.output):
                # A strict class takes a date or an Enum from JSON, but from Python no text for it:
                # https://docs.pydantic.dev/latest/concepts/strict_mode/
                written = json.dumps(value, ensure_ascii=False).encode(errors="replace")
                return TypeAdapter(self.output).validate_json(written)
        except Exception as error:  # validators are user code and may raise anything
            why = str(error) if isinstance(error, ValueError) else repr(error)
            raise OutputParserException(f"the answer does not match {self.name}: {why}", llm_output=text) from error
        return value

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:  # noqa: A002 # core's name
        growing = _GrowingAnswer(self)
        for piece in input:
            yield from growing.feed(piece)
        yield from growing.close()

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:  # noqa: A002 # core's name
        growing = _GrowingAnswer(self)
        async for piece in input:
            for value in growing.feed(piece):
                yield value
        for value in growing.close():
            yield value

    def keep_raw(self, pieces: Iterator[BaseMessage]) -> Iterator[AddableDict]:
        """Yield each piece under `raw` as it arrives, and `parsed` and `parsing_error` at the end.

        Core's own composition raises from a stream, because its fallback covers only the first piece.
        """
        kept: list[BaseMessage] = []
        for piece in pieces:
            kept.append(piece)
            yield AddableDict(raw=piece)
        yield self._judge(kept)

    async def akeep_raw(self, pieces: AsyncIterator[BaseMessage]) -> AsyncIterator[AddableDict]:
        """Do what `keep_raw` does."""
        kept: list[BaseMessage] = []
        async for piece in pieces:
            kept.append(piece)
            yield AddableDict(raw=piece)
        yield self._judge(kept)

    def _judge(self, pieces: Sequence[BaseMessage]) -> AddableDict:
        try:
            return AddableDict(parsed=self.read(_add_up(pieces)), parsing_error=None)
        except exceptions.LangChainException as error:
            return AddableDict(parsed=None, parsing_error=error)


def _add_up(pieces: Sequence[str | BaseMessage]) -> BaseMessage:
    """Return the message that the pieces make up, one of which may be whole; raises OutputParserException for none."""
    chunks: list[Any] = [AIMessageChunk(content=piece) if isinstance(piece, str) else piece for piece in pieces]
    if not chunks:
        raise OutputParserException("the reply is empty")
    first, *rest = [piece for piece in chunks if not isinstance(piece, AIMessageChunk)][-1:] or chunks
    message: BaseMessage = first + rest if rest else first
    return message


class _GrowingAnswer:
    """An answer being streamed: text or the arguments of the call, whichever comes."""

    def __init__(self, parser: StructuredOutputParser) -> None:
        self._parser = parser
        self._pieces: list[str | BaseMessage] = []
        self._texts: list[str] = []
        self._length = self._next_length = 0  # of the text now; of the text at the next parse
        self._call_index: int | None = None
        self._last: Any = None

    def feed(self, piece: str | BaseMessage) -> list[Any]:
        """Return the object in a list if the piece made it grow."""
        self._pieces.append(piece)
        text = self._read_text(piece)
        if not text:
            return []
        self._texts.append(text)
        self._length += len(text)
        if self._length < self._next_length:
            return []
        self._next_length = self._length + self._length // _STEPS
        self._texts = ["".join(self._texts)]
        value = self._parser.read_partial(self._texts[0])
        if value is None or _equals(value, self._last):
            return []
        self._last = value
        return [value]

    def close(self) -> list[Any]:
        """Return the final object unless already returned; raises like `StructuredOutputParser.read`."""
        value = self._parser.read(_add_up(self._pieces))
        return [] if value is None or _equals(value, self._last) else [value]

    def _read_text(self, piece: str | BaseMessage) -> str:
        if isinstance(piece, BaseMessage) and not isinstance(piece, AIMessageChunk):
            return ""  # a whole message is read at the end
        text, calls = (piece, ()) if isinstance(piece, str) else (piece.text, piece.tool_call_chunks)
        if self._parser.method in ("json_schema", "json_mode"):
            return text
        for call in calls:
            if self._call_index is None and call["name"] == self._parser.name:
                self._call_index = call["index"]
                self._texts, self._length, self._next_length = [], 0, 0
            if self._call_index is not None and call["index"] == self._call_index:
                return call["args"] or ""
        return text if self._call_index is None and self._parser.method is None else ""


def _check_end(message: BaseMessage, text: str) -> None:
    """Raise unless the reply ended by itself."""
    reason = message.response_metadata.get("finish_reason")
    refusal = message.additional_kwargs.get("refusal")
    if refusal or reason == "content_filter":
        why = f"the model refused to answer: {refusal}" if refusal else "a content filter stopped the answer"
        why = make_visible(why)
        if _RefusalError is not None:
            raise _RefusalError(why, raw_message=message)
        raise OutputParserException(why, llm_output=text)
    if reason == "length":
        raise OutputParserException(
            "the answer was cut by the token limit: raise max_tokens, or limit thinking with thinking_budget",
            llm_output=text,
        )
    if not is_finished(reason):
        raise OutputParserException(f"the server aborted the answer (finish_reason {reason!r})", llm_output=text)


def _explain_empty(message: BaseMessage) -> str:
    """Return why there is no answer: some reasoning parsers mistake the JSON for thinking.

    See https://github.com/vllm-project/vllm/issues/18819.
    """
    reasoning = message.additional_kwargs.get("reasoning_content")
    if not (isinstance(reasoning, str) and reasoning.strip()):
        written = (getattr(message, "usage_metadata", None) or {}).get("output_tokens", 0)
        if written <= 1:  # the token that ends the answer
            return "the answer is empty"
        return (
            f"the answer is empty, though the model wrote {written} tokens: the server's parser lost them, or they are "
            "reasoning that return_reasoning=False leaves out; try enable_thinking=False"
        )
    with suppress(ValueError, RecursionError):
        if reasoning.rstrip().endswith(_ENDS) and isinstance(read_whole_json(reasoning), dict | list):
            return (  # with words behind it, it is a draft
                "the answer is empty: the server put the JSON into the reasoning (reasoning_content); "
                "set enable_thinking=False, or start the server with the model's own reasoning parser"
            )
    return "the answer is empty: the model produced only reasoning; raise max_tokens, or set enable_thinking=False"


def _equals(value: Any, other: Any) -> bool:
    """Whether two answers are equal. Arrays in them raise when compared; such answers count as different."""
    try:
        return bool(value == other)
    except Exception:  # noqa: BLE001 # the classes are the user's
        return False


def _skip_leaked(text: str) -> str:
    """Return the text behind thinking that leaked into it: a stream showed it before the closing tag came.

    Where a grammar writes the JSON, it begins right behind the tag:
    https://github.com/tenstorrent/tt-inference-server/issues/4386
    """
    answer = split_leaked(text).content
    begins = text.startswith(_BRACKETS, find_json(text, behind_words=False))
    if not answer.strip() and not begins and (tag := _TAG_AND_JSON.search(text)):
        answer = text[tag.end() :]
    return answer if answer.strip() else text


def _read_json(text: str) -> Any:
    try:
        value = read_whole_json(text)
        refuse_deep(value)
    except (ValueError, RecursionError) as error:
        raise OutputParserException(f"the answer is not JSON: {error}", llm_output=text) from None
    return value
