"""What fuzzing checks: any bytes lead to a reply or to one of our own errors, and the same at any split.

Each target takes raw bytes, of which the first two say how the rest is read: the request's options and where the text
is cut. `fuzz.py` searches for inputs with atheris; `test_corpus.py` checks the kept ones in every test run.
"""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import Any

import openai
from jiter import from_json
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from pydantic import BaseModel

from langchain_qwen3._visible import make_visible
from langchain_qwen3.call import METHODS, ReplyOptions
from langchain_qwen3.cli.console import Console
from langchain_qwen3.cli.screen import build_markdown
from langchain_qwen3.errors import ErrorTranslator, Qwen3Error, error_from_event, read_error_body
from langchain_qwen3.errors.body import MAX_TEXT
from langchain_qwen3.errors.secrets import mask_body
from langchain_qwen3.notebook.growing import split_blocks
from langchain_qwen3.notebook.html import build_answer, build_line, build_reasoning
from langchain_qwen3.profiles.lookup import build_profile, normalise_name, resolve_line
from langchain_qwen3.reply.choice import ChoiceReader
from langchain_qwen3.reply.sse import BadEventError, SseReader
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.structured_parser import StructuredOutputParser
from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, collect_tool_calls
from langchain_qwen3.reply.tool_calls.in_text import CallsInText
from langchain_qwen3.reply.whole import read_response
from langchain_qwen3.servers.facts import read_model, read_models
from langchain_qwen3.servers.refusals import read_refused
from tests.support.replies import TOOL, respond, split_bytes

NO_ARGUMENTS = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
REASONS = ("stop", "length", "tool_calls", None)
FIELD = "\x00"
"""Between the texts of different fields of a message."""


class Weather(BaseModel):
    """The answer of the structured target."""

    city: str
    degrees: int = 0


def check_sse(data: bytes) -> None:
    """Events, `[DONE]`, stray lines and failure are the same at any split; a small limit is no exception either."""
    _, dice, body = _open(data)
    assert _read_sse([body]) == _read_sse(_split(body, dice)) == _read_sse([bytes([byte]) for byte in body])
    _read_sse(_split(body, dice), limit=16)


def check_stream(data: bytes) -> None:
    """A stream of any events ends in chunks or our own error, the same at any split; so does a whole reply."""
    flags, dice, body = _open(data)
    options = _read_options(flags)
    if flags & 128:  # each line a delta
        lines = [b'data: {"choices":[{"delta":' + line + b"}]}\n\n" for line in body.split(b"\n")]
        body = b"".join([*lines, b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'])
    assert _read_stream([body], options) == _read_stream(_split(body, dice), options)
    with suppress(Qwen3Error):
        read_response(respond(body), options, started_at=0.0)


def check_text(data: bytes) -> None:
    """Think tags, calls left in the text and forced calls are found in the same places at any split."""
    flags, dice, body = _open(data)
    fields = body.decode(errors="replace").split(FIELD)
    options, reason = _read_options(flags), REASONS[dice.randrange(4)]
    whole = [*_name_fields(fields)]
    pieces = [(name, piece) for name, text in whole for piece in _split(text, dice)]
    assert _read_choice(whole, options, reason) == _read_choice(pieces, options, reason)
    text, truncated = fields[0], reason == "length"
    for is_array in (False, True):
        found = [
            _read_calls(CallsInText([TOOL, NO_ARGUMENTS], is_array=is_array), some, truncated)
            for some in ([text], _split(text, dice))
        ]
        assert found[0] == found[1]


def check_tools(data: bytes) -> None:
    """Argument fragments make the same calls at any split, and none is read twice or as half of itself."""
    flags, dice, body = _open(data)
    text = body.decode(errors="replace")
    fragments: Any = None
    with suppress(ValueError):
        fragments = from_json(body)
    if isinstance(fragments, list) and all(_is_fragment(wire) for wire in fragments):
        reader = ToolCallStream(repair=bool(flags & 1))
        collect_tool_calls([*reader.feed(fragments), *reader.close(bool(flags & 2))])
    calls = [text] if flags & 4 else text.split(FIELD)
    head = [{"index": at, "id": f"c{at}", "function": {"name": "now"}} for at in range(len(calls))]
    whole = [(at, args) for at, args in enumerate(calls)]
    pieces = [(at, piece) for at, args in whole for piece in _split(args, dice)]
    assert _read_arguments(head, whole, flags) == _read_arguments(head, pieces, flags)


def check_structured(data: bytes) -> None:
    """A structured answer is the same object, or an error of the parser, whole and streamed in any pieces."""
    flags, dice, body = _open(data)
    text = body.decode(errors="replace")
    method = (*METHODS, None)[flags & 3]
    parser = StructuredOutputParser(output=Weather if flags & 4 else {}, name="Weather", method=method)
    if flags & 8:
        parser = parser.model_copy(update={"objects": False, "output": {}})
    in_call = bool(flags & 16)
    assert _parse(parser, [text], in_call) == _parse(parser, _split(text, dice), in_call)
    parser.read_partial(text)


def check_errors(data: bytes) -> None:
    """Any body under any status is one of our errors, which can be shown, pickled and masked."""
    flags, _, body = _open(data)
    value: Any = body
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
    facts = read_error_body(body if flags & 1 else value)
    assert len(facts.message) <= MAX_TEXT
    status = (400, 401, 404, 422, 429, 500, 503, 200)[flags >> 1 & 7]
    response = respond(body)
    response.status_code = status
    exc = openai.APIStatusError("Error code", response=response, body=value)
    error = ErrorTranslator("generic", "http://pod.test/v1", "q").translate(exc)
    for one in (error, error_from_event(value, response=response)):
        if one is not None:
            assert isinstance(pickle.loads(pickle.dumps(one)), Qwen3Error)  # noqa: S301
            assert "\x1b" not in str(one)
    read_refused(status, mask_body(value))


def check_names(data: bytes) -> None:
    """Any name, list of models or properties leads to a line or to none, and any profile can be built of it."""
    flags, _, body = _open(data)
    text = body.decode(errors="replace")
    assert normalise_name(normalise_name(text)) is not None
    line = resolve_line(text, "vllm" if flags & 1 else None, weights=tuple(text.split(FIELD)))
    if line is not None:
        assert build_profile(line, 4096)
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
    _, models = read_models(SimpleNamespace(status=200, headers={}, body=value))
    for name, known in models.items():
        resolve_line(name, weights=known.weights, inputs=known.inputs)
    if isinstance(value, dict):
        read_model(value)


def check_visible(data: bytes) -> None:
    """A notebook and a terminal show any text of a model, and obey none of it."""
    text = _open(data)[2].decode(errors="replace")
    for shown in (make_visible(text), build_answer(text), build_line(text), build_reasoning("r", text)):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    page = build_answer(text) + build_line(text)
    assert not re.search(r"<(script|iframe|img|object|embed|style|link|svg)\b", page, re.IGNORECASE)
    assert not re.search(r"<[^>]*\s(?:href|src)=[\"']?\s*(?:javascript|data|vbscript):", page, re.IGNORECASE)
    blocks, rest = split_blocks(text)
    assert make_visible("".join([*blocks, rest])) == make_visible(text)
    console = Console()
    console.file = io.StringIO()
    console.print(build_markdown(text))
    assert "\x1b" not in console.file.getvalue()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "errors": check_errors,
    "names": check_names,
    "visible": check_visible,
    "sse": check_sse,
    "stream": check_stream,
    "text": check_text,
    "tools": check_tools,
    "structured": check_structured,
}


def _open(data: bytes) -> tuple[int, Random, bytes]:
    """Return the option bits, where to cut, and the rest."""
    flags, seed, body = *data[:2].ljust(2, b"\0"), data[2:]
    return flags, Random(seed), body


def _split(whole: Any, dice: Random) -> Any:
    """Return bytes or text in up to nine pieces, or every unit alone."""
    if isinstance(whole, str):
        if dice.randrange(4) == 0:
            return [*whole] or [whole]  # nothing at all is another message than an empty text
        cuts = sorted(dice.randrange(len(whole) + 1) for _ in range(8))
        return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return split_bytes(whole, (dice.randrange(len(whole) + 1) for _ in range(8)))


def _read_options(flags: int) -> ReplyOptions:
    return ReplyOptions(
        opened=(False, True, None, True)[flags & 1 | (flags >> 5) & 2],
        thinking_off=bool(flags & 2),
        tools=(TOOL, NO_ARGUMENTS) if flags & 4 else (),
        content_is_calls=bool(flags & 8),
        repair_tool_calls=bool(flags & 16),
        return_reasoning=not flags & 32,
    )


def _read_sse(pieces: list[bytes], limit: int = 1 << 24) -> Any:
    reader = SseReader(limit)
    events = []
    for piece in pieces:
        events += reader.read(piece)
        if reader.failure:
            return repr(events), str(reader.failure)
    events += reader.close()
    return repr(events), reader.done, reader.stray


def _read_stream(pieces: list[bytes], options: ReplyOptions) -> Any:
    reader = StreamReader(options)
    reader.begin(respond(b""))
    chunks = []
    try:
        for piece in pieces:
            chunks += reader.read(piece)
        chunks += reader.end()
        outcome = "whole"
    except (Qwen3Error, BadEventError) as error:
        outcome = repr(error)
    for chunk in chunks:
        (chunk.generation_info or {}).pop("timing", None)
    return outcome, _without_ids(chunks), _without_ids(reader.partial() and reader.collect())


def _name_fields(texts: list[str]) -> Iterator[tuple[str, str]]:
    for at, text in enumerate(texts):
        yield ("content", "reasoning_content")[at % 2], text


def _read_choice(deltas: list[tuple[str, str]], options: ReplyOptions, reason: str | None) -> Any:
    reader = ChoiceReader(options, "stream")
    pieces = [reader.feed({name: text}) for name, text in deltas]
    pieces.append(reader.close(reason))
    reasoning, content, found = zip(*pieces, strict=True)
    calls = collect_tool_calls(chunk for chunks in found for chunk in chunks)
    return (
        ["".join(reasoning), "".join(content)],
        _without_ids(calls),
        [*reader.notes.get("tool_call_errors", {}).values()],
    )


def _read_calls(reader: CallsInText, pieces: list[str], truncated: bool) -> Any:
    text, end = "".join(map(reader.feed, pieces)), reader.close(truncated=truncated)
    return text + end.rest, end.calls


def _is_fragment(wire: Any) -> bool:
    return isinstance(wire, dict) and isinstance(wire.get("function") or {}, dict)


def _read_arguments(head: list[Any], pieces: list[tuple[int, str]], flags: int) -> Any:
    reader = ToolCallStream(repair=bool(flags & 1), parameterless=["now"] if flags & 8 else [])
    chunks = reader.feed(head)
    for at, piece in pieces:
        chunks += reader.feed([{"index": at, "function": {"arguments": piece}}])
    return collect_tool_calls([*chunks, *reader.close(bool(flags & 2))]), reader.metadata


def _parse(parser: StructuredOutputParser, pieces: list[str], in_call: bool) -> Any:
    if in_call:
        head = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="Weather", id="c", index=0)])
        chunks = [AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=p, index=0)]) for p in pieces]
        chunks.insert(0, head)
    else:
        chunks = [AIMessageChunk(content=piece) for piece in pieces]
    try:
        return repr([*parser.transform(iter(chunks))][-1:])
    except OutputParserException as error:
        return str(error)


def _without_ids(found: Any) -> str:
    """Return a text of what was found, in which made-up call ids are all the same."""
    return re.sub(r"call_[0-9a-f]{32}", "call_x", repr(found))


def write_seed(flags: int, text: str, cut: int = 7) -> bytes:
    """Return an input from its parts, for who adds to the corpus."""
    return bytes([flags, cut]) + text.encode()


def write_events(*events: Any) -> str:
    """Return events as a stream."""
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events)
