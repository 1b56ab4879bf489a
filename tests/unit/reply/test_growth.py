"""Every reader is linear: ten times the input costs at most twelve times the work, which is counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import Qwen3Error, error_from_event, read_error_body
from langchain_qwen3.errors.hints import find_hint
from langchain_qwen3.errors.secrets import mask_body
from langchain_qwen3.profiles.lookup import find_line
from langchain_qwen3.reply.choice import ChoiceReader
from langchain_qwen3.reply.sse import SseReader
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.structured_parser import StructuredOutputParser
from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, collect_tool_calls
from langchain_qwen3.reply.tool_calls.in_text import CallsInText
from langchain_qwen3.reply.whole import read_response
from tests.support.replies import TOOL, respond
from tests.support.work import count_work

ROOMS = ("langchain_qwen3.reply.", "langchain_qwen3.errors.", "langchain_qwen3.profiles.")
SMALL = 45
MOST = 12
NAME = TOOL["function"]["name"]
CALL = f'<tool_call>{{"name":"{NAME}","arguments":{{"city":"x"}}}}</tool_call>\n'
XML = f"<tool_call>\n<function={NAME}>\n<parameter=city>\n"
TEXTS: dict[str, tuple[str, str]] = {
    "openers on lines": ("", "<tool_call>\n"),
    "openers on one line": ("", "<tool_call>"),
    "functions on one line": ("", "<function=x>"),
    "openers in code": ("`", "<tool_call>"),
    "openers in a fence": ("```\n", "<tool_call>` "),
    "objects that never end": ("", '<tool_call>{"'),
    "objects in objects": ("", "<tool_call>{"),
    "calls": ("", CALL),
    "calls in leaked thinking": ("", f"{CALL}</think>\n\n"),
    "calls in one tag": ("<tool_call>", f'{{"name":"{NAME}","arguments":{{}}}},'),
    "one long call": (f'<tool_call>{{"name":"{NAME}","arguments":{{"city":"', "word "),
    "xml call full of ends": (XML, "</function> "),
    "xml call full of closing tags": (XML, "</parameter> "),
    "xml call of closing tags alone": (f"{XML}x\n</parameter>\n</function>\n", "</parameter>\n</function>\n"),
    "xml call with many parameters": (XML, "x\n</parameter>\n<parameter=city>\n"),
    "xml calls": ("", f"{XML}x\n</parameter>\n</function>\n</tool_call>\n"),
    "xml calls without tags": ("", f"<function={NAME}>\n</function>\n"),
    "xml name that never ends": ("<function=", "a"),
    "blanks": ("", " "),
    "newlines": ("", "\n"),
    "blanks in a tag": ("<tool_call>", " \n"),
    "blanks behind a value": (f"{XML}x</parameter>", " \n"),
    "backticks": ("", "```\n"),
    "angles": ("", "<"),
    "think tags": ("<think>", "</think"),
    "brackets": ("", "["),
    "objects": ("[", '{"name": "a", "arguments": {}}, '),
    "braces": ('[{"name": "', "{"),
    "digits": ("", "11111111"),
    "quotes": ('{"a": "', '\\"'),
    "fences": ("```json\n", "``` \n"),
    "an answer": ('{"city": "', "word "),
    "an answer with a list": ('{"city": ["', '", "'),
    "garbage behind an answer": ('{"city": "x"', "x"),
}


def read_text(pieces: list[str]) -> None:
    """Read a text with every reader that a model's words go through."""
    for options, key, reason in (
        (ReplyOptions(tools=(TOOL,)), "content", "length"),
        (ReplyOptions(tools=(TOOL,)), "reasoning_content", "stop"),
        (ReplyOptions(opened=True), "content", "stop"),
        (ReplyOptions(tools=(TOOL,), content_is_calls=True), "content", "length"),
    ):
        reader = ChoiceReader(options, "stream")
        for piece in pieces:
            reader.feed({key: piece})
        reader.close(reason)
    for rescuer in (CallsInText([TOOL]), CallsInText([TOOL], is_array=True)):
        for piece in pieces:
            rescuer.feed(piece)
        rescuer.close(truncated=False)


def read_arguments(pieces: list[str]) -> None:
    """Read a text as the arguments of a call, whose id and name come again with each piece."""
    for name in (NAME, "other"):
        for place in ({"index": 0}, {}):
            stream = ToolCallStream()
            chunks = stream.feed([{**place, "id": "c", "function": {"name": NAME, "arguments": ""}}])
            for piece in pieces:
                chunks += stream.feed([{**place, "id": "c", "function": {"name": name, "arguments": piece}}])
            collect_tool_calls([*chunks, *stream.close(truncated=True)])


def read_names(pieces: list[str]) -> None:
    """Read a text as the name of a call, piece by piece."""
    stream = ToolCallStream()
    chunks = [
        chunk for piece in pieces for chunk in stream.feed([{"index": 0, "id": "c", "function": {"name": piece}}])
    ]
    collect_tool_calls([*chunks, *stream.close(truncated=False)])


def batched(pieces: list[str], size: int) -> Iterator[list[str]]:
    """Yield pieces by so many: core takes long to add up thousands of chunks."""
    for at in range(0, len(pieces), size):
        yield pieces[at : at + size]


def read_structured(pieces: list[str]) -> None:
    """Read a text as a structured answer that grows."""
    chunks = [AIMessageChunk(content="".join(some)) for some in batched(pieces, 16)]
    parser = StructuredOutputParser(output={}, name="A")
    with suppress(ValueError):
        list(parser.transform(iter(chunks)))


def read_stream(pieces: list[str]) -> None:
    """Read a text as a stream's events, its lines, and as bytes that are no stream."""
    events = [f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': piece}}]})}\n\n" for piece in pieces]
    for body in (events, [f"data: {piece}\n" for piece in pieces], pieces, [f": {piece}\n\n" for piece in pieces]):
        reader = StreamReader(ReplyOptions(tools=(TOOL,)))
        reader.begin(respond(b""))
        try:
            for piece in body:
                list(reader.read(piece.encode()))
            reader.end()
        except Qwen3Error:
            reader.partial()
        lines = SseReader()
        for piece in body:
            list(lines.read(piece.encode()))
        lines.close()
    message = {"message": {"role": "assistant", "content": "".join(pieces)}, "finish_reason": "stop"}
    for whole in (json.dumps({"choices": [message]}), "".join(events), "".join(pieces)):
        try:
            read_response(respond(whole.encode()), ReplyOptions(tools=(TOOL,)), started_at=0.0)
        except Qwen3Error:
            continue


def read_errors(pieces: list[str]) -> None:
    """Read a text as an error, and as the name of a model."""
    text = "".join(pieces)
    for body in (
        text,
        f"<html>{text}",
        {"error": {"message": text, "code": "context_length_exceeded"}},
        {text: [text]},
    ):
        read_error_body(body)
        error_from_event({"error": body})
        mask_body(body, ["kanarienvogel"])
    find_hint(text[:2000], text[:2000], url="u", host="h", model="m")
    find_line(text)


def list_modules() -> list[ModuleType]:
    """Return every module of a room that reads."""
    return [module for name, module in sorted(sys.modules.items()) if name.startswith(ROOMS)]


READERS: dict[Callable[[list[str]], None], int] = {
    read_text: SMALL,
    read_arguments: SMALL,
    read_names: SMALL,
    read_structured: 1600,  # short answers are parsed with every piece, longer ones when they grew by a sixteenth
    read_stream: SMALL,
    read_errors: SMALL,
}


ANSWERS = {"one long call", "brackets", "quotes", "fences", "an answer with a list", "garbage behind an answer"}


@pytest.mark.parametrize("name", TEXTS)
def test_work_is_linear_when_a_text_is_ten_times_as_long(name: str) -> None:
    """Protects the event loop from a model in a loop, and from whoever writes what a model reads."""
    begin, piece = TEXTS[name]
    grown = {}
    with count_work(*list_modules()) as work:
        for read, small in READERS.items():
            if read is read_structured and name not in ANSWERS:
                continue
            for at_once in (True, False):
                costs = []
                for count in (small, 10 * small):
                    pieces, work.done = [begin, *[piece] * count], 0
                    read(["".join(pieces)] if at_once else pieces)
                    costs.append(work.done)
                grown[read.__name__, at_once] = costs[1] / costs[0]
    assert {key: growth for key, growth in grown.items() if growth > MOST} == {}


def test_work_is_counted_when_a_reader_is_not_linear() -> None:
    """Protects the counter itself: what looks through all that came before, with each piece, is found out."""
    module = ModuleType("grows")
    module.__file__ = __file__
    source = "class Reader:\n    text = ''\n    def feed(self, piece):\n        self.text += piece\n"
    exec(source, vars(module))  # noqa: S102  # a reader as it should not be
    vars(module)["Reader"].__module__ = "grows"
    assert grow(module, source, 1000) > 50 * grow(module, source, 100)


def grow(module: ModuleType, source: str, count: int) -> int:
    """Return the work of that reader."""
    import inspect
    from unittest.mock import patch

    with patch.object(inspect, "getsource", return_value=source), count_work(module) as work:
        reader = vars(module)["Reader"]()
        for _ in range(count):
            reader.feed("word ")
    return work.done
