"""Structured output: how servers are asked, what counts as an answer, and how it grows while streamed."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st
from langchain_core import exceptions
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field, RootModel, Strict, create_model, field_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.v1 import BaseModel as BaseModelV1
from pydantic_core import core_schema

from langchain_qwen3.call import METHODS, Method
from langchain_qwen3.reply.structured_parser import StructuredOutputParser
from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, collect_tool_calls
from langchain_qwen3.request.schema import read_schema, write_structured
from langchain_qwen3.structured import build_structured_runnable

ANSWER = {"value": 42, "note": "四十二"}
REFUSAL = getattr(exceptions, "ModelRefusalError", OutputParserException)


class Answer(BaseModel):
    """A number and a word about it."""

    value: int
    note: str = ""


class AnswerV1(BaseModelV1):
    """The same for pydantic 1."""

    value: int
    note: str = ""


class AnswerDict(TypedDict):
    """The same as a dict."""

    value: int
    note: str


class Tree(BaseModel):
    """Refers to itself."""

    name: str
    children: list[Tree] = Field(default_factory=list)


SCHEMA = {
    "title": "Answer",
    "type": "object",
    "properties": {"value": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["value"],
}
FUNCTION: dict[str, Any] = {
    "name": "Answer",
    "description": "d",
    "parameters": {key: SCHEMA[key] for key in ("type", "properties")},
}


class Scripted(BaseChatModel):
    """A model that gives a prepared reply, some characters at a time when streamed, and keeps what was bound."""

    text: str = ""
    arguments: str | None = None
    reason: str = "stop"
    size: int = 9
    extra: dict[str, Any] = Field(default_factory=dict)
    received: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _build(self, kwargs: dict[str, Any]) -> Iterator[AIMessageChunk]:
        self.received.update({key: value for key, value in kwargs.items() if key not in ("stop", "run_manager")})
        name = kwargs.get("structured_output", {}).get("name", "Answer")
        calls = ToolCallStream()
        kwargs = {"reasoning_content": "hm", **self.extra}
        yield AIMessageChunk(content="", additional_kwargs=kwargs)
        for at in range(0, len(self.text), self.size):
            yield AIMessageChunk(content=self.text[at : at + self.size])
        if self.arguments is not None:
            head = {"index": 0, "id": "a", "function": {"name": name}}
            yield AIMessageChunk(content="", tool_call_chunks=calls.feed([head]))
            for at in range(0, len(self.arguments), self.size):
                piece = {"index": 0, "function": {"arguments": self.arguments[at : at + self.size]}}
                yield AIMessageChunk(content="", tool_call_chunks=calls.feed([piece]))
        yield AIMessageChunk(
            content="",
            tool_call_chunks=calls.close(self.reason == "length"),
            response_metadata={"finish_reason": self.reason},
            chunk_position="last",
        )

    def _generate(self, *_: Any, **kwargs: Any) -> ChatResult:
        first, *rest = self._build(kwargs)
        whole = first + rest
        calls = collect_tool_calls(whole.tool_call_chunks)
        message = AIMessage(
            content=whole.content,
            additional_kwargs=whole.additional_kwargs,
            response_metadata=whole.response_metadata,
            tool_calls=calls.calls,
            invalid_tool_calls=calls.invalid,
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, *_: Any, **kwargs: Any) -> Iterator[Any]:
        for chunk in self._build(kwargs):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(self, *_: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for chunk in self._build(kwargs):
            yield ChatGenerationChunk(message=chunk)


def reply(form: Literal["text", "call"], answer: str, **fields: Any) -> Scripted:
    """Return a model that answers so."""
    return Scripted(**{"text" if form == "text" else "arguments": answer}, **fields)


Mode = Literal["invoke", "ainvoke", "stream", "astream"]
MODES: tuple[Mode, ...] = ("invoke", "ainvoke", "stream", "astream")


async def run(runnable: Any, mode: Mode) -> list[Any]:
    """Return everything the runnable gives in that mode."""
    if mode == "invoke":
        return [runnable.invoke("?")]
    if mode == "ainvoke":
        return [await runnable.ainvoke("?")]
    if mode == "stream":
        return list(runnable.stream("?"))
    return [value async for value in runnable.astream("?")]


async def run_raw(runnable: Any, mode: Mode) -> dict[str, Any]:
    """Return the sum of what the runnable gives in that mode."""
    first, *rest = await run(runnable, mode)
    return reduce(add, rest, first)


WAYS: list[tuple[Method | None, Literal["text", "call"]]] = [
    ("json_schema", "text"),
    ("json_mode", "text"),
    ("function_calling", "call"),
    (None, "text"),
    (None, "call"),
]
SCHEMAS: dict[str, tuple[Any, Any]] = {
    "pydantic": (Answer, Answer(**ANSWER)),
    "pydantic v1": (AnswerV1, AnswerV1(**ANSWER)),
    "typed dict": (AnswerDict, ANSWER),
    "json schema": (SCHEMA, ANSWER),
    "function": (FUNCTION, ANSWER),
}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(("method", "form"), WAYS)
async def test_gives_the_object_when_the_answer_is_whole(method: Any, form: Any, schema: str):
    """Protects every way to ask x every schema x every mode: the last object is the whole answer."""
    source, expected = SCHEMAS[schema]
    model = reply(form, json.dumps(ANSWER, ensure_ascii=False))
    for mode in MODES:
        values = await run(build_structured_runnable(model, source, method=method), mode)
        assert values[-1] == expected, mode
        assert type(values[-1]) is type(expected)


ENDS = {
    "cut": ('{"value": 42, "no', {"reason": "length"}),
    "cut after a whole object": ('{"value": 42}', {"reason": "length"}),
    "cut before it began": ("", {"reason": "length"}),
    "half though it stopped": ('{"value": 42, "note": "hel', {}),
    "broken": ('{"value" 42}', {}),
    "no object": ("[42]", {}),
    "another shape": ('{"note": "no value"}', {}),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("method", "form"), WAYS)
async def test_raises_when_the_answer_is_not_whole(method: Any, form: Any, end: str):
    """Protects callers from default-filled objects: what was cut, is broken or does not fit is an error."""
    answer, fields = ENDS[end]
    for mode in MODES:
        with pytest.raises(OutputParserException):
            await run(build_structured_runnable(reply(form, answer, **fields), Answer, method=method), mode)


@pytest.mark.parametrize("end", [*ENDS, "refused", "filtered"])
@pytest.mark.parametrize(("method", "form"), WAYS)
async def test_reports_the_error_beside_the_raw_reply_when_asked(method: Any, form: Any, end: str):
    """Protects include_raw: nothing is raised, the reply keeps its reasoning, parsed is None."""
    more: dict[str, Any] = {
        "refused": (json.dumps(ANSWER), {"extra": {"refusal": "No."}}),
        "filtered": ("", {"reason": "content_filter"}),
    }
    answer, fields = (ENDS | more)[end]
    model = reply(form, answer, **fields)
    for mode in MODES:
        last = await run_raw(build_structured_runnable(model, Answer, method=method, include_raw=True), mode)
        assert isinstance(last["parsing_error"], REFUSAL if end in more else OutputParserException), mode
        assert last["parsed"] is None
        assert last["raw"].additional_kwargs["reasoning_content"] == "hm"


@pytest.mark.parametrize("mode", MODES)
async def test_gives_raw_and_parsed_when_asked(mode: Mode):
    """Protects include_raw for whole answers: object, message with its reasoning, no error."""
    model = reply("text", json.dumps(ANSWER))
    last = await run_raw(build_structured_runnable(model, Answer, include_raw=True), mode)
    assert (last["parsed"], last["parsing_error"]) == (Answer(**ANSWER), None)
    assert last["raw"].additional_kwargs["reasoning_content"] == "hm"


@pytest.mark.parametrize("mode", MODES)
async def test_raises_a_refusal_when_the_model_refused(mode: Mode):
    """Protects callers that handle refusals alike for all providers: core's error, where core has it."""
    model = Scripted(text="", extra={"refusal": "I will not."})
    with pytest.raises(REFUSAL, match="I will not"):
        await run(build_structured_runnable(model, Answer), mode)


def test_fails_alone_when_one_of_a_batch_was_cut():
    """Protects batches: a cut answer is the error of its own item."""
    parser = build_structured_runnable(Scripted(), Answer).last
    cut = AIMessage('{"value": 4', response_metadata={"finish_reason": "length"})
    values = parser.batch([AIMessage('{"value": 1}'), cut, AIMessage('{"value": 2}')], return_exceptions=True)
    assert [type(value) for value in values] == [Answer, OutputParserException, Answer]
    assert values[1].llm_output == cut.content


@pytest.mark.parametrize(("method", "form"), WAYS)
async def test_streams_growing_objects_when_the_schema_is_a_dict(method: Any, form: Any):
    """Protects partial objects: each is the one before grown, and sync and async give the same."""
    model = reply(form, '{"value": 42, "note": "four"}', size=1)
    runnable = build_structured_runnable(model, SCHEMA, method=method)
    values = await run(runnable, "stream")
    assert values == [
        {"value": 4},
        {"value": 42},
        *({"value": 42, "note": "four"[:end]} for end in range(5)),
    ]
    assert await run(runnable, "astream") == values


async def test_streams_only_what_validates_when_the_schema_is_a_class():
    """Protects typed partial objects: every one is an instance, none is made of defaults alone."""
    values = await run(
        build_structured_runnable(reply("text", '{"value": 4, "note": "ab"}', size=1), Answer), "astream"
    )
    assert values == [Answer(value=4), Answer(value=4, note="a"), Answer(value=4, note="ab")]


def test_reads_a_whole_message_when_the_stream_is_one():
    """Protects models that cannot stream: their single message is parsed like any other."""
    parser = StructuredOutputParser(output=Answer, name="Answer")
    assert list(parser.transform(iter([AIMessage('{"value": 1}')]))) == [Answer(value=1)]
    assert list(parser.transform(iter(['{"val', 'ue": 1}']))) == [Answer(value=1)]
    with pytest.raises(OutputParserException, match="empty"):
        list(parser.transform(iter([])))


WRAPPED = {
    "bare": ' {"value": 1}\n',
    "fence": '```json\n{"value": 1}\n```',
    "fence without a label": 'Here:\n```\n{"value": 1}\n```\nbye',
    "fence, CRLF": '```json\r\n{"value": 1}\r\n```\r\n',
    "fence on one line": '```json {"value": 1} ```',
    "fence without white space": '```json{"value": 1}```',
    "fence with empty lines": '```json\n\n\n{"value": 1}\n\n```',
    "fence that never ends": 'Sure!\n```json\n{"value": 1}',
    "fence in capitals": '```JSON\n{"value": 1}\n```',
    "fence with a space": '``` json\n{"value": 1}\n```',
    "fence with a space, words around": 'Here:\n```  JSON\n{"value": 1}\n```\nbye',
    "fence of tildes": '~~~json\n{"value": 1}\n~~~',
    "fence of tildes without a name": 'Here:\n~~~\n{"value": 1}\n~~~\nbye',
    "fence of tildes of another name": '~~~jsonc\n{"value": 1}\n~~~',
    "fence of four": '````json\n{"value": 1}\n````',
    "fence of another name": '```jsonc\n{"value": 1}\n```',
    "fence in a list": '1. The answer:\n   ```json\n   {"value": 1}\n   ```',
    "another fence first": '```python\nprint({"a": 1})\n```\nThe answer:\n```json\n{"value": 1}\n```',
    "another object in a fence first": 'The input was ```{"a": 2}```:\n```json\n{"value": 1}\n```',
    "a list in a fence first": '```python\n[1, 2]\n```\n```json\n{"value": 1}\n```',
    "another fence behind": '```json\n{"value": 1}\n```\nwhich is\n```json\n{"value": 2}\n```',
    "words behind": '{"value": 1}\n\nLet me know if you need more.',
    "Chinese words behind": '{"value": 1}。以上是结果，{}。',
    "words before": 'Here is the JSON:\n\n{"value": 1}',
    "Chinese words before": '好的，结果如下：\n{\n  "value": 1\n}',
    "words before and behind": 'Sure {name}:\r\n  {"value": 1}\n\nThat is [all].',
    "end token": '{"value": 1}<|im_end|>',
    "fence behind": '{"value": 1}\n```',
}
BROKEN = {
    "cut": '{"value": 1',
    "cut in a fence": '```json\n{"value": 1\n```',
    "cut, words behind": '{"value": 1\n\nLet me know.',
    "cut, a whole object in a string": '{"value": 1, "note": "```json\n{\\"value\\": 2}\n```',
    "cut, a raw object in a string": '```json\n{"value": 1, "note": "```json\n{"value": 2}\n```"\n```',
    "closed too early": '{"value": 1}, "note": "b"}',
    "a bracket too many": '{"value": 1}}',
    "two objects": '{"value": 1}\n{"value": 2}',
    "two objects with words between": '{"value": 1}\n\nWait, corrected:\n\n{"value": 2}',
    "a choice of two": '{"value": 1} or { "value": 2}',
    "corrected in a fence": '{"value": 1}\nCorrected:\n```json\n{"value": 2}\n```',
    "a list in pieces": '{"value": 1}, {"value": 2}',
    "in the middle of words": 'I would say {"value": 1}.',
    "first in the middle of words": 'Not {"value": 2} but\n{"value": 1}',
    "words and two objects": 'Maybe:\n{"value": 1}\nNo:\n{"value": 2}',
    "words and a cut object": 'Here:\n{"value": 1',
    "words and an object in a quotation": 'Here:\n> {"value": 1}',
    "words and a list": 'Here:\n[{"value": 1}]',
    "a list": '[{"value": 1}]',
    "a fence of words": "```json\nvalue = 1\n```",
    "an empty fence": "```json\n```",
    "cut in a fence of tildes": '~~~json\n{"value": 1\n~~~',
    "words behind a fence of tildes": '~~~\nno value\n~~~ so {"value": 1}',
    "words behind a fence": '```\nno value\n``` so {"value": 1}',
    "no JSON": "I cannot say.",
}


@pytest.mark.parametrize("case", WRAPPED)
def test_finds_the_object_when_words_or_a_fence_are_around_it(case: str):
    """Protects JSON mode on servers without a grammar: models wrap JSON in Markdown, and add words."""
    parser = StructuredOutputParser(output=Answer, name="Answer")
    assert parser.invoke(AIMessage(WRAPPED[case])) == Answer(value=1)
    for size in (1, 7, 100):
        pieces = [WRAPPED[case][at : at + size] for at in range(0, len(WRAPPED[case]), size)]
        assert list(parser.transform(iter(pieces))) == [Answer(value=1)]


@pytest.mark.parametrize("case", BROKEN)
def test_raises_when_the_object_is_not_complete_or_not_alone(case: str):
    """Protects callers from a part of an answer: what is cut, or has more JSON behind it, is no object."""
    parser = StructuredOutputParser(output=Answer, name="Answer")
    with pytest.raises(OutputParserException):
        parser.invoke(AIMessage(BROKEN[case]))


@pytest.mark.parametrize(
    ("text", "value"),
    [("36\n", 36), ('"a"', "a"), ("```json\n36\n```", 36), ("```\n[1]\n```", [1]), ("[1] is all", [1])],
)
def test_reads_what_is_no_object_when_the_schema_has_none(text: str, value: Any):
    """Protects schemas of lists and single values."""
    assert StructuredOutputParser(output={}, name="output", objects=False).invoke(AIMessage(text)) == value


@pytest.mark.parametrize("text", ["36 degrees", '"a", he said', "null and void", "```\n36 degrees\n```"])
def test_raises_when_words_follow_a_single_value(text: str):
    """Protects callers from words taken for an answer: only brackets show that a value is meant."""
    with pytest.raises(OutputParserException, match="not JSON"):
        StructuredOutputParser(output={}, name="output", objects=False).invoke(AIMessage(text))


def test_keeps_a_fence_when_it_is_inside_a_string():
    """Protects answers that hold Markdown: a fence inside the JSON is content."""
    note = "```json\n{}\n```"
    parser = StructuredOutputParser(output=Answer, name="Answer")
    assert parser.invoke(AIMessage(json.dumps({"value": 1, "note": note}))).note == note
    assert parser.invoke(AIMessage(f'{{"value": 1, "note": "{note}"}}')).note == note
    assert parser.invoke(AIMessage(f'```json\n{{"value": 1, "note": "{note}"}}\n```')).note == note


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "x\ny', {"a": "x\ny"}),
        ('{"a": "' + "line\n\t" * 1000, {"a": "line\n\t" * 1000}),
        ('{"a": 1.5, "b": 0.', {"a": 1.5, "b": 0}),
        ('{"a": 1e-', {"a": 1}),
        ('{"a": tru', None),
        ('{"a": "\\u00', {"a": ""}),
        ('{"a": "\ud83d', {"a": "?"}),
        ("no JSON", None),
        ('{"a": ' * 300, None),
    ],
)
def test_shows_what_is_there_when_an_answer_grows(text: str, value: Any):
    """Protects what a page shows while an answer comes: raw newlines and half numbers take nothing of it away."""
    assert StructuredOutputParser(output={}, name="output").read_partial(text) == value


@pytest.mark.parametrize("depth", [300, 10_000])
def test_raises_when_an_answer_is_nested_too_deeply(depth: int):
    """Protects from objects that can be neither copied nor pickled."""
    with pytest.raises(OutputParserException, match="not JSON"):
        StructuredOutputParser(output={}, name="output").invoke(AIMessage('{"a": ' * depth + "1" + "}" * depth))


def test_gives_none_when_a_tool_was_called_instead():
    """Protects structured output beside tools: a call of another tool is no parsing error."""
    call = AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "a"}])
    assert StructuredOutputParser(output=Answer, name="Answer", has_tools=True).invoke(call) is None
    with pytest.raises(OutputParserException):
        StructuredOutputParser(output=Answer, name="Answer").invoke(call)


def test_wants_the_call_when_the_method_is_function_calling():
    """Protects method='function_calling': text in place of the call is an error, not None."""
    parser = StructuredOutputParser(output=Answer, name="Answer", method="function_calling")
    with pytest.raises(OutputParserException, match="did not call Answer"):
        parser.invoke(AIMessage('{"value": 1}'))


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=3), st.integers(1, 7))
def test_ends_with_the_same_object_when_the_text_comes_in_pieces(answer: dict[str, Any], size: int):
    """Protects the equality of stream and invoke for any content and chunking."""
    text = json.dumps(answer, ensure_ascii=False)
    parser = StructuredOutputParser(output={}, name="output")
    pieces = [AIMessageChunk(content=text[at : at + size]) for at in range(0, len(text), size)]
    assert list(parser.transform(iter(pieces)))[-1] == parser.invoke(AIMessage(text)) == answer


def test_binds_plain_data_when_a_chain_is_built():
    """Protects model and caches: the model is not changed, and what is bound is JSON."""
    model = Scripted(text=json.dumps(ANSWER))
    before = model.model_dump()
    runnable = build_structured_runnable(model, Answer, strict=False, seed=7)
    assert model.model_dump() == before
    runnable.invoke("?")
    spec = model.received["structured_output"]
    assert json.loads(json.dumps(spec)) == spec
    assert (spec["name"], spec["strict"], spec["schema"]["required"]) == ("Answer", False, ["value"])
    assert "method" not in spec
    assert model.received["seed"] == 7


def test_binds_tools_when_some_may_be_called_instead():
    """Protects structured output beside tools: both are bound."""
    model = Scripted(text=json.dumps(ANSWER))
    build_structured_runnable(model, Answer, tools=[FUNCTION], method="json_schema").invoke("?")
    assert model.received["tools"][0]["function"]["name"] == "Answer"
    assert model.received["structured_output"]["method"] == "json_schema"


def test_leaves_the_schema_out_when_a_constraint_is_given():
    """Protects engine constraints: they replace the schema on the wire, the answer is still parsed."""
    model = Scripted(text=json.dumps(ANSWER))
    runnable = build_structured_runnable(model, Answer, constraint={"grammar": "root ::= x"})
    assert runnable.invoke("?") == Answer(**ANSWER)
    assert model.received == {"constraint": {"grammar": "root ::= x"}}


@pytest.mark.parametrize(
    ("schema", "fields", "text"),
    [
        (Answer, {"method": "guess"}, "method='guess'"),
        (Answer, {"method": "json_mode", "strict": True}, "strict"),
        (None, {}, "schema may be None"),
        ({**FUNCTION, "strict": False}, {"strict": True}, "strict=True contradicts"),
    ],
)
def test_names_the_field_when_the_settings_do_not_fit(schema: Any, fields: dict[str, Any], text: str):
    """Protects users from settings without effect: the error names the argument."""
    with pytest.raises(ValueError, match=text):
        build_structured_runnable(Scripted(), schema, **fields)


def test_takes_any_object_when_json_mode_has_no_schema():
    """Protects method='json_mode' without a schema: any JSON object is an answer."""
    model = Scripted(text='{"a": [1]}')
    assert build_structured_runnable(model, None, method="json_mode").invoke("?") == {"a": [1]}


OBJECT = {key: SCHEMA[key] for key in ("type", "properties", "required")}


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {"name": "Answer", "parameters": OBJECT},
        {"name": "Answer", "schema": OBJECT},
        {"type": "json_schema", "json_schema": {"name": "Answer", "schema": OBJECT}},
        {"type": "function", "function": {"name": "Answer", "parameters": OBJECT}},
    ],
)
def test_reads_one_schema_when_it_is_spelled_differently(schema: dict[str, Any]):
    """Protects code that moves over: each of OpenAI's and LangChain's forms names the same schema."""
    assert read_schema(schema) == {"name": "Answer", "schema": OBJECT}


def test_keeps_recursion_when_a_class_refers_to_itself():
    """Protects recursive schemas: references are kept, engines resolve them."""
    spec = read_schema(Tree)
    assert spec["schema"]["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert spec["schema"]["type"] == "object"
    assert spec["description"] == "Refers to itself."
    assert read_schema(Tree, strict=True)["schema"]["additionalProperties"] is False


@pytest.mark.parametrize("schema", [Answer, AnswerDict, SCHEMA])
def test_closes_the_object_when_it_is_to_be_strict(schema: Any):
    """Protects strict=True: servers get closed objects and the flag."""
    spec = read_schema(schema, strict=True)
    assert spec["schema"]["additionalProperties"] is False
    assert spec["strict"] is True


def test_names_the_schema_for_servers_when_its_own_name_would_be_refused():
    """Protects generic classes: `Box[int]` is no name that servers take."""
    assert read_schema({"title": "Box[int]", "type": "array"}) == {"name": "Box_int_", "schema": {"type": "array"}}
    assert read_schema({"type": "object"})["name"] == "output"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("人物", "output"),
        ("人物 信息（新）", "output"),
        ("人物Info", "__Info"),
        ("_Person", "_Person"),
        ("事件2", "__2"),
        ("__", "output"),
    ],
)
def test_names_the_schema_by_a_word_when_its_own_name_is_chinese(title: str, name: str):
    """Protects the prompt and the errors: the tool that the model was to call was named `__`."""
    assert read_schema({"title": title, "type": "object"})["name"] == name
    model = create_model(title, x=int)
    assert read_schema(model)["name"] == name


@pytest.mark.parametrize("own", [None, *METHODS])
@pytest.mark.parametrize("best", METHODS)
def test_asks_by_the_servers_method_when_the_user_named_none(own: Method | None, best: Method):
    """Protects the choice of method: the user's wins, else the server's best."""
    spec = read_schema({"name": "Answer", "description": "d", "strict": True, "parameters": OBJECT})
    if own:
        spec["method"] = own
    json_schema = {"name": "Answer", "description": "d", "strict": True, "schema": OBJECT}
    function = {"name": "Answer", "description": "d", "strict": True, "parameters": OBJECT}
    expected = {
        "json_schema": {"response_format": {"type": "json_schema", "json_schema": json_schema}},
        "json_mode": {"response_format": {"type": "json_object"}},
        "function_calling": {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "Answer"}},
            "parallel_tool_calls": False,
        },
    }
    assert write_structured(spec, best) == expected[own or best]


def test_lets_the_model_choose_when_tools_stand_beside_the_forced_one():
    """Protects tools beside function calling: any of them may be called, one must be."""
    search = {"type": "function", "function": {"name": "search"}}
    params = write_structured(read_schema(SCHEMA), "function_calling", [search])
    assert [tool["function"]["name"] for tool in params["tools"]] == ["search", "Answer"]
    assert params["tool_choice"] == "required"


@dataclass
class AnswerData:
    """The same as a dataclass."""

    value: int
    note: str = ""


class Colour(enum.Enum):
    """No form that is taken."""

    RED = "red"


ANTHROPIC: dict[str, Any] = {"name": "Answer", "description": "d", "input_schema": FUNCTION["parameters"]}


@pytest.mark.parametrize(
    "schema",
    [
        ANTHROPIC,
        {"name": "Answer", "schema": FUNCTION["parameters"]},
        {"type": "json_schema", "json_schema": {"name": "Answer", "schema": FUNCTION["parameters"]}},
        {"type": "function", "function": FUNCTION},
        {**SCHEMA, "title": "Answer"},
        {"name": "Answer", **FUNCTION["parameters"]},
        AnswerData,
    ],
)
def test_properties_reach_the_server_when_the_schema_is_of_any_form(schema: Any) -> None:
    """Protects forms that other libraries take: the schema is sent, not any object."""
    spec = read_schema(schema)
    assert spec["schema"]["properties"].keys() == {"value", "note"}
    assert spec["name"] in ("Answer", "AnswerData")


@pytest.mark.parametrize("strict", [None, True])
def test_property_keeps_its_name_when_it_is_a_word_of_the_form(strict: bool | None) -> None:
    """Protects schemas with a property called name, title, description, parameters or schema."""
    words = ("name", "title", "description", "parameters", "schema", "strict", "type", "input_schema")
    properties = {word: {"type": "string"} for word in words}
    for extra in ({"title": "Words"}, {}):
        spec = read_schema({**extra, "type": "object", "properties": properties}, strict=strict)
        assert spec["schema"]["properties"].keys() == set(words)
        assert spec["name"] == extra.get("title", "output")


NO_FORMS: list[Any] = [Colour, list[Answer], Answer | None, Answer | int, Literal["a"], int, str, dict, 3, "Answer", {}]


@pytest.mark.parametrize("schema", [*NO_FORMS, {"a": 1}])
def test_names_the_forms_when_the_schema_is_none_of_them(schema: Any) -> None:
    """Protects users from a chain that can never answer: the error comes when it is built and says what is taken."""
    with pytest.raises(ValueError, match=r"pydantic class|JSON schema"):
        build_structured_runnable(Scripted(), schema)


def test_makes_instances_when_the_schema_is_a_dataclass() -> None:
    """Protects dataclasses: what comes is checked like a pydantic class."""
    assert build_structured_runnable(reply("text", json.dumps(ANSWER)), AnswerData).invoke("x") == AnswerData(**ANSWER)
    with pytest.raises(OutputParserException, match="does not match AnswerData"):
        build_structured_runnable(reply("text", '{"value": "much"}'), AnswerData).invoke("x")


@dataclass
class Filled:
    """It fills its parts itself."""

    value: int
    parts: list[str] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)


@pydantic_dataclass
class FilledToo:
    """The same for pydantic's dataclasses."""

    value: int
    parts: list[str] = Field(default_factory=list)


@dataclass
class Doubled:
    """It takes a value that it does not keep."""

    value: int
    by: InitVar[int] = 2
    note: str = field(init=False, default="")


@dataclass
class Shadows:
    """Its fields have names of pydantic's methods."""

    value: int
    schema: str = ""
    copy: str = ""


class Seen(BaseCallbackHandler):
    """Keeps the schema that a trace gets."""

    schema: Any = None

    def on_chat_model_start(self, *_: Any, options: Any, **__: Any) -> None:
        """Read it where LangSmith does."""
        self.schema = options["ls_structured_output_format"]["schema"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "schema", [Filled, FilledToo, Doubled, Shadows, AnswerData, Answer, AnswerV1, Tree, AnswerDict]
)
def test_traces_the_schema_that_was_sent_when_it_is_a_class(schema: Any) -> None:
    """Protects calls from core's converter of classes: it warned of a list that is filled, and raised for others."""
    seen, model = Seen(), Scripted(text='{"value": 42, "note": "", "name": "a"}')
    answer = build_structured_runnable(model, schema).invoke("x", {"callbacks": [seen]})
    assert answer
    assert seen.schema["title"] == schema.__name__
    if issubclass(schema, (BaseModel, BaseModelV1)):  # langchain-tests demands it
        assert seen.schema == convert_to_json_schema(schema)
    else:
        assert seen.schema["properties"] == model.received["structured_output"]["schema"]["properties"]


class Token:
    """A library's own type: pydantic takes it as a text from JSON, and from Python as an instance only."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other.text == self.text

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        """Say how to read one."""
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(json_schema=text, python_schema=core_schema.is_instance_schema(cls))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, Any]:
        """Say how it is written."""
        return {"type": "string"}


DAY = date(2026, 1, 2)
WRITTEN = [
    (date, "2026-01-02", DAY),
    (datetime, "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001
    (timedelta, "PT1H", timedelta(hours=1)),
    (Colour, "red", Colour("red")),
    (UUID, str(UUID(int=7)), UUID(int=7)),
    (Decimal, "1.50", Decimal("1.50")),
    (tuple[int, str], [1, "a"], (1, "a")),
    (set[int], [1, 2], {1, 2}),
    (bytes, "abc", b"abc"),
    (dict[int, date], {"1": "2026-01-02"}, {1: DAY}),
    (list[Colour] | None, ["red"], [Colour("red")]),
    (Token, "abc", Token("abc")),
    (str, "abc", "abc"),
    (str, "\ud83d", "?"),
]


@pytest.mark.parametrize("form", ["text", "call"])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("kind", "written", "value"), WRITTEN)
def test_reads_json_when_a_class_is_strict(kind: Any, written: Any, value: Any, strict: bool, form: str) -> None:
    """Protects strict classes: JSON has no date, Enum or tuple, so an answer writes them as texts and lists."""
    config = ConfigDict(strict=strict)
    by_field = Annotated[kind, Strict()] if strict and kind in (date, Colour) else kind
    plain = type("Kind", (), {"__annotations__": {"value": kind}})
    answer = {"value": written}
    call = {"name": "Kind", "args": answer, "id": "1"}
    message = AIMessage(json.dumps(answer)) if form == "text" else AIMessage("", tool_calls=[call])
    for schema in (
        create_model("Kind", __config__=config, value=(kind, ...)),
        create_model("Kind", value=(by_field, ...)),
        pydantic_dataclass(config=config)(plain),
    ):
        assert StructuredOutputParser(output=schema, name="Kind").invoke(message).value == value


@pytest.mark.parametrize("written", ["3", True, 1.5, None])
def test_coerces_nothing_when_a_class_is_strict(written: Any) -> None:
    """Protects what a strict class is for: a number in quotes is no number."""
    schema = create_model("Kind", __config__=ConfigDict(strict=True), value=(int, ...))
    with pytest.raises(OutputParserException, match="does not match Kind"):
        StructuredOutputParser(output=schema, name="Kind").invoke(AIMessage(json.dumps({"value": written})))


def test_grows_when_a_class_is_strict() -> None:
    """Protects streams of strict classes, whose every piece is read like the whole."""
    schema = create_model("Kind", __config__=ConfigDict(strict=True), day=(date | None, None), note=(str, ""))
    pieces = iter(['{"day": "2026-01-02", "note": "a', "b", '"}'])
    values = list(StructuredOutputParser(output=schema, name="Kind").transform(pieces))
    assert values == [schema(day=DAY, note="a"), schema(day=DAY, note="ab")]
    listed = StructuredOutputParser(output=RootModel[list[Colour]], name="Kind", objects=False)
    assert listed.invoke(AIMessage('["red"]')).root == [Colour("red")]


LEAK = "\n</think>\n\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f'the end{LEAK}{{"value": 1}}', 1),
        (f'I could say {{"value": 5}}.{LEAK}{{"value": 1}}', 1),
        (f'```json\n{{"value": 5}}\n```\nNo.{LEAK}{{"value": 1}}', 1),
        (f'{{"value": 5}}{LEAK}```json\n{{"value": 1}}\n```', 1),
        ('So 1.</think>\n\n{"value": 1}', 1),
        (f'{LEAK}{{"value": 1}}', 1),
        ('So it is 1</think>{"value": 1}', 1),
        ('so 1 </think>\n{"value": 1}', 1),
        ('```json\n{"value": 1, "note": "a</think>{b"}\n```', 1),
        ('{"value": 1, "note": "a</think>{b"}', 1),
        (f'{{"value": 1}}{LEAK}', 1),
        ('{"value": 1, "note": "a tag: </think>"}', 1),
        ('{"value": 1, "note": "ends.</think>"}', 1),
        ('{"value": 1, "note": "\\n</think>\\n\\n{\\"value\\": 5}"}', 1),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_reads_the_answer_behind_leaked_thinking_in_a_stream(text: str, value: int, size: int) -> None:
    """Protects streams, which show leaked thinking before its closing tag comes: the object is that of `invoke`."""
    chain = build_structured_runnable(reply("text", text, size=size), Answer)
    raw = build_structured_runnable(reply("text", text, size=size), Answer, include_raw=True)
    for stream in ("stream", "astream"):
        assert (await run(chain, stream))[-1].value == value
        assert (await run_raw(raw, stream))["parsed"].value == value


@pytest.mark.parametrize("method", [None, *METHODS])
@pytest.mark.parametrize(
    ("kwargs", "tokens", "hint"),
    [
        ({"reasoning_content": '{"value": 1}'}, 9, "put the JSON into the reasoning"),
        ({"reasoning_content": 'Here it is:\n{"value": 1}\n'}, 9, "put the JSON into the reasoning"),
        ({"reasoning_content": '```json\n{"value": 1}\n```'}, 9, "put the JSON into the reasoning"),
        ({"reasoning_content": 'Draft:\n{"value": 1}\nBut wait, is it 2?'}, 9, "only reasoning"),
        ({"reasoning_content": "I think"}, 9, "only reasoning"),
        ({}, 9, "9 tokens: the server's parser lost them, or .* return_reasoning=False"),
        ({}, 1, "empty$"),
        ({}, None, "empty$"),
    ],
)
def test_says_where_the_answer_may_be_when_there_is_none(
    method: Method | None, kwargs: dict[str, Any], tokens: int | None, hint: str
) -> None:
    """Protects users of every method, and of `return_reasoning=False`, from an error without a remedy."""
    usage: Any = tokens and {"input_tokens": 1, "output_tokens": tokens, "total_tokens": 1 + tokens}
    message = AIMessage("", additional_kwargs=kwargs, usage_metadata=usage)
    with pytest.raises(OutputParserException) as caught:
        StructuredOutputParser(output=Answer, name="Answer", method=method).read(message)
    assert re.search(hint, str(caught.value).partition("\n")[0])


class NoTruth(BaseModel):  # noqa: PLW1641 # classes of pydantic have no hash
    """Comparing two of these raises, as with an array in them."""

    value: int

    def __eq__(self, other: object) -> bool:
        """Raise what numpy raises for the truth of an array."""
        raise ValueError("The truth value of an array with more than one element is ambiguous")


@pytest.mark.parametrize("mode", ["stream", "astream"])
async def test_streams_objects_that_cannot_be_compared(mode: Any) -> None:
    """Protects streams from a user's own classes: those with arrays raised a raw error."""
    chain = build_structured_runnable(reply("text", '{"value": 42}', size=3), NoTruth)
    assert [answer.value for answer in await run(chain, mode)][-1] == 42


class Careless(BaseModel):
    """Its validator raises by accident what no validator should."""

    value: int

    @field_validator("value")
    @classmethod
    def look_up(cls, value: int) -> str:
        """Look up what is not there."""
        return {1: "one"}[value]


@pytest.mark.parametrize("mode", MODES)
async def test_keeps_the_error_when_a_validator_raises_anything(mode: Mode) -> None:
    """Protects the promise of include_raw: nothing is raised, whatever a user's own code does."""
    model = reply("text", '{"value": 42}')
    chain = build_structured_runnable(model, Careless, include_raw=True)
    result = await run_raw(chain, mode)
    assert result["parsed"] is None
    assert isinstance(result["parsing_error"], OutputParserException)
    assert isinstance(result["parsing_error"].__cause__, KeyError)


def test_says_which_call_came_when_it_is_another() -> None:
    """Protects users from guessing what the model did instead."""
    message = AIMessage("", tool_calls=[{"name": "look_up", "args": {}, "id": "1"}])
    for method in (None, "function_calling"):
        with pytest.raises(OutputParserException, match="the model called look_up, not Answer"):
            StructuredOutputParser(output=Answer, name="Answer", method=method).read(message)


@pytest.mark.parametrize("method", [None, "function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("name", ["look_up", "Answer"])
def test_says_which_call_is_invalid(method: Any, name: str) -> None:
    """Protects structured output beside tools from an error about another call, or about an empty answer."""
    parser = StructuredOutputParser(output=Answer, name="Answer", method=method, has_tools=True)
    for error, why in (("cut", ": cut"), (None, ": cut in a stream"), (None, None)):
        broken = InvalidToolCall(type="invalid_tool_call", name=name, args='{"q": ', id="1", error=error)
        metadata = {"tool_call_errors": {"0": "other", "1": "cut in a stream"}} if why else {}
        message = AIMessage("", invalid_tool_calls=[broken], response_metadata=metadata)
        text = f"the call of {name} has invalid arguments{why or ''}\n"
        with pytest.raises(OutputParserException, match=text) as caught:
            parser.read(message)
        assert caught.value.llm_output == '{"q": '


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_an_invalid_call_does_not_outdo_what_came_beside_it(method: Any) -> None:
    """Protects answers, and calls that an agent can make, from the error about another call."""
    broken = InvalidToolCall(type="invalid_tool_call", name="look_up", args='{"q": ', id="1", error="cut")
    parser = StructuredOutputParser(output=Answer, name="Answer", method=method, has_tools=True)
    call = {"name": "look_up", "args": {}, "id": "2"}
    assert parser.read(AIMessage("", tool_calls=[call], invalid_tool_calls=[broken])) is None
    answer = Answer(value=1)
    assert parser.read(AIMessage(answer.model_dump_json(), invalid_tool_calls=[broken])) == answer
