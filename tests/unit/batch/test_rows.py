"""What a row asks, in every form, and what is said of one that asks nothing."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
)
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

from langchain_qwen3.batch.rows import RowError, build_row

HI = {"role": "user", "content": "Hi"}
BODY = {
    "model": "m",
    "messages": [HI],
    "temperature": 0,
    "seed": None,
    "stream": True,
    "stream_options": {},
    "guided_regex": "a",
}
SYSTEM = {"role": "system", "content": "Be brief."}
PARTS = [{"type": "text", "text": "role"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
BODY_SETTINGS = {"model": "m", "temperature": 0, "extra_body": {"guided_regex": "a"}}


@pytest.mark.parametrize(
    ("value", "row_id", "messages", "settings"),
    [
        ("Hi", "7", [HI], {}),
        ({"question": "Hi"}, "7", [HI], {}),
        ({"prompt": "Hi", "id": 3}, "3", [HI], {}),
        ({"input": "Hi", "id": "a", "custom_id": "b"}, "b", [HI], {}),
        ({"text": "Hi", "label": 1}, "7", [HI], {}),
        ({"question": "Hi", "text": "no"}, "7", [HI], {}),
        (
            {"question": [{"type": "text", "text": "Hi"}]},
            "7",
            [{**HI, "content": [{"type": "text", "text": "Hi"}]}],
            {},
        ),
        *(({name: [HI]}, "7", [HI], {}) for name in ("question", "prompt", "input", "text")),
        ({"prompt": [SYSTEM, HI], "system": "no", "id": "a"}, "a", [SYSTEM, HI], {}),
        ({"prompt": [HI], "system": "Be brief."}, "7", [SYSTEM, HI], {}),
        ({"prompt": [HumanMessage("Hi")], "chosen": [HI]}, "7", [HumanMessage("Hi")], {}),
        ({"input": [{"role": "user", "content": PARTS}]}, "7", [{"role": "user", "content": PARTS}], {}),
        ({"prompt": PARTS}, "7", [{"role": "user", "content": PARTS}], {}),
        ({"instruction": "Hi", "input": ""}, "7", [HI], {}),
        ({"instruction": "Hi", "output": "no", "text": "no"}, "7", [HI], {}),
        ({"instruction": "", "input": "Hi"}, "7", [HI], {}),
        ({"instruction": "Say", "input": "Hi", "output": "no"}, "7", [{**HI, "content": "Say\nHi"}], {}),
        ({"instruction": "Hi", "system": "Be brief."}, "7", [SYSTEM, HI], {}),
        ({"instruction": "no", "input": "no", "question": "Hi"}, "7", [HI], {}),
        ({"question": "Hi", "system": "Be brief."}, "7", [{"role": "system", "content": "Be brief."}, HI], {}),
        ({"question": "Hi", "settings": {"enable_thinking": False}}, "7", [HI], {"enable_thinking": False}),
        ({"messages": [HI]}, "7", [HI], {}),
        ({"messages": [HI], "tools": [{"type": "function"}]}, "7", [HI], {"tools": [{"type": "function"}]}),
        ([HI], "7", [HI], {}),
        ({"custom_id": "x", "method": "POST", "url": "/v1/chat/completions", "body": BODY}, "x", [HI], None),
        ({"custom_id": "x", "body": BODY}, "x", [HI], None),
    ],
)
def test_reads_what_is_asked_when_written_in_any_form(
    value: Any, row_id: str, messages: list[Any], settings: dict[str, Any] | None
):
    """Protects every form that people write: the conversation, the id, the row's own settings."""
    row = build_row(7, value)
    assert row.problem == ""
    assert (row.id, row.messages) == (row_id, messages)
    assert row.settings == (BODY_SETTINGS if settings is None else settings)
    assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301  # the test's own


OFF = {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.mark.parametrize(
    ("body", "settings"),
    [
        ({"extra_body": OFF}, {"extra_body": OFF}),
        ({"extra_body": {"top_k": 20}, "min_p": 0.1}, {"extra_body": {"min_p": 0.1, "top_k": 20}}),
        ({"extra_body": {"top_k": 20}, "top_k": 5}, {"extra_body": {"top_k": 20}}),  # as the SDK does
        ({"extra_body": {"extra_body": {"top_k": 20}}}, {"extra_body": {"top_k": 20}}),
        ({"extra_body": {"temperature": 0.5, "stream": True}}, {"temperature": 0.5}),
        ({"extra_body": {}}, {}),
        ({"extra_body": None, "seed": 1}, {"seed": 1}),
        (
            {"extra_headers": {"x": "y"}, "extra_query": {"a": "b"}},
            {"extra_headers": {"x": "y"}, "extra_query": {"a": "b"}},
        ),
        ({"timeout": 5}, {"timeout": 5}),
        ({"metadata": {"a": "b"}}, {"extra_body": {"metadata": {"a": "b"}}}),
        ({"metadata": {"a": "b"}, "extra_body": OFF}, {"extra_body": {"metadata": {"a": "b"}, **OFF}}),
        ({"stop": ["a"], "user": "u", "tags": ["t"]}, {"stop": ["a"], "user": "u", "extra_body": {"tags": ["t"]}}),
    ],
    ids=str,
)
def test_sends_what_the_sdk_would_when_a_body_has_its_keywords(body: dict[str, Any], settings: dict[str, Any]):
    """Protects bodies written for `client.chat.completions.create(**body)`: nothing is dropped, or misplaced."""
    row = build_row(1, {"custom_id": "x", "body": {"messages": [HI], **body}})
    assert (row.problem, row.messages, row.settings) == ("", [HI], settings)


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"extra_body": {"extra_body": {"top_k": 20}}}, {"extra_body": {"top_k": 20}}),
        ({"extra_body": {"top_k": 20}, "top_p": 1}, {"top_p": 1, "extra_body": {"top_k": 20}}),
        ({"metadata": {"a": "b"}}, {"extra_body": {"metadata": {"a": "b"}}}),
        ({"metadata": {"a": "b"}, "extra_body": OFF}, {"extra_body": {"metadata": {"a": "b"}, **OFF}}),
        (OFF, OFF),
    ],
    ids=str,
)
def test_keeps_every_setting_when_a_row_has_some_of_its_own(given: dict[str, Any], settings: dict[str, Any]):
    """Protects a row's settings from being dropped in silence, or taken for those of LangChain's call."""
    assert build_row(1, {"question": "Hi", "settings": given}).settings == settings


class NA:
    """As pandas' NA: its comparisons give itself, which is neither true nor false."""

    def __eq__(self, _other: object) -> Any:
        return self

    def __ne__(self, _other: object) -> Any:
        return self

    def __hash__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class Array:
    """As numpy's: it has no truth value and is no sequence."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def tolist(self) -> list[Any]:
        """Return its items."""
        return [*self.items]

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


@pytest.mark.parametrize("missing", [None, float("nan"), Decimal("NaN"), NA()], ids=["None", "NaN", "Decimal", "NA"])
@pytest.mark.parametrize("name", ["id", "custom_id", "system", "settings", "tools", "messages", "body", "prompt"])
def test_skips_a_cell_when_a_table_in_memory_lacks_it(name: str, missing: Any):
    """Protects `df.to_dict("records")`, where optional columns hold NaN or NA: the row is that of a file."""
    row = build_row(7, {name: missing, "text": "Hi", "label": missing})
    assert (row.problem, row.id, row.messages, row.settings) == ("", "7", [HI], {})
    assert build_row(7, {"id": 1, "question": missing}).problem == "line 7: question is empty"
    assert build_row(7, {"q": missing, "text": "Hi"}, column="q").problem == "line 7: q is empty"
    assert build_row(7, missing).problem == "line 7: the text is empty"
    assert build_row(7, {"id": 0, "text": "Hi"}).id == "0"


def test_reads_arrays_when_a_table_in_memory_has_them():
    """Protects columns of lists in a DataFrame out of Parquet, and the run from an error that ends it."""
    tools = [{"type": "function"}]
    row = build_row(1, {"messages": Array(HI), "tools": Array(*tools), "settings": {"seed": 1}})
    assert (row.problem, row.messages, row.settings) == ("", [HI], {"seed": 1, "tools": tools})


CALL = {"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
BAD_CALL = {"name": "g", "args": "{", "id": "c2", "error": None, "type": "invalid_tool_call"}
CONVERSATION: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage([{"type": "image_url", "image_url": {"url": "https://pod.test/a.png"}}], name="Bob"),
    AIMessage("", tool_calls=[CALL], additional_kwargs={"reasoning_content": "R"}, id="r1"),
    ToolMessage("out", tool_call_id="c1"),
    AIMessage("", invalid_tool_calls=[BAD_CALL]),
    ToolMessage("no JSON", tool_call_id="c2"),
]


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ([HumanMessage("Hi")], [HumanMessage("Hi")]),
        (CONVERSATION, CONVERSATION),
        ({"messages": CONVERSATION}, CONVERSATION),
        ({"messages": (HI, HumanMessage("Ho"))}, [HumanMessage("Hi"), HumanMessage("Ho")]),
        ({"messages": CONVERSATION[:1], "system": "no"}, CONVERSATION[:1]),
        ({"messages": [HumanMessage("Hi")], "system": "yes"}, [SystemMessage("yes"), HumanMessage("Hi")]),
        *(
            ({"messages": [message, HumanMessage("Hi")], "system": "no"}, [message, HumanMessage("Hi")])
            for message in (SystemMessageChunk("S"), ChatMessage("S", role="system"))
        ),
        ([("user", "Hi")], [HumanMessage("Hi")]),
        ([("system", "S"), ("human", "Hi"), ("ai", "Ho")], [SystemMessage("S"), HumanMessage("Hi"), AIMessage("Ho")]),
        (ChatPromptValue(messages=CONVERSATION), CONVERSATION),
        ({"messages": ChatPromptValue(messages=CONVERSATION)}, CONVERSATION),
        (StringPromptValue(text="Hi"), [HumanMessage("Hi")]),
        (HumanMessage("Hi"), [HumanMessage("Hi")]),
        ([AIMessageChunk("Hi")], [AIMessageChunk("Hi")]),
        ([ChatMessage("Hi", role="user")], [ChatMessage("Hi", role="user")]),
        ({"body": {"messages": [HumanMessage("Hi")]}}, [HumanMessage("Hi")]),
    ],
    ids=range(17),
)
def test_reads_messages_when_they_are_those_of_langchain(value: Any, messages: list[BaseMessage]):
    """Protects rows in memory: every form that `invoke` takes, with calls and reasoning, on another machine too."""
    row = build_row(1, value)
    assert row.problem == ""
    assert row.build_messages() == messages
    assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301  # the test's own
    assert row.check != build_row(1, [HumanMessage("another")]).check


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "the text is empty"),
        ("  ", "the text is empty"),
        (None, "the text is empty"),
        (3, "an int is not a row"),
        ({}, "no question among the fields (none)"),
        ({"foo": 1, "bar": 2}, "no question among the fields foo, bar: write a text"),
        ({"question": ""}, "question is empty"),
        ({"question": 5}, "question is not text"),
        ({"instruction": "", "input": ""}, "instruction is empty"),
        ({"instruction": "Hi", "input": [HI]}, "instruction and input are not both text"),
        ({"messages": []}, "messages must be a list of messages, and not empty"),
        ({"messages": "Hi"}, "messages must be a list"),
        ([], "messages must be a list"),
        ({"messages": [HI, "Hi"]}, "messages[1] is not a message"),
        ({"prompt": [HI, "Hi"]}, "messages[1] is not a message"),
        ({"messages": [{"content": "Hi"}]}, "messages[0] is not a message"),
        ([["user", "Hi"]], "messages[0] is not a message"),
        ([("user", "Hi", "Ho")], "messages[0] is not a message"),
        ([(1, "Hi")], "messages[0] is not a message"),
        ({"question": "Hi", "settings": 3}, "settings is not an object"),
        ({"custom_id": "x", "body": "Hi"}, "body is not an object"),
        ({"custom_id": "x", "body": {}}, "messages must be a list"),
        ({"custom_id": "x", "url": "/v1/embeddings", "body": BODY}, "url is '/v1/embeddings': only /v1/chat/compl"),
        ({"custom_id": "x", "method": "GET", "body": BODY}, "method is 'GET': only POST"),
        ({"custom_id": "x", "body": {**BODY, "n": 2}}, "n is 2: a row has one answer"),
        ({"custom_id": "x", "body": {**BODY, "extra_body": {"n": 2}}}, "n is 2: a row has one answer"),
        ({"custom_id": "x", "body": {**BODY, "extra_body": "a"}}, "extra_body is not an object"),
        ({"custom_id": "x", "body": {**BODY, "extra_body": {"extra_body": [1]}}}, "extra_body is not an object"),
        ({"question": "Hi", "settings": {"extra_body": 3}}, "extra_body is not an object"),
        (RowError("invalid JSON"), "invalid JSON"),
    ],
    ids=str,
)
def test_says_what_is_wrong_when_a_row_asks_nothing(value: Any, said: str):
    """Protects whoever has one bad line in a million: its number, the field and the fix, and no exception."""
    row = build_row(7, value)
    assert row.problem.startswith("line 7: ")
    assert said in row.problem
    assert row.check


def test_takes_the_column_when_one_is_named():
    """Protects tables whose question has another name, and says which fields there are when it has not."""
    assert build_row(1, {"q": "Hi", "question": "no", "messages": [HI]}, column="q").messages == [HI]
    assert build_row(1, {"instruction": "no", "input": "Hi"}, column="input").messages == [HI]
    assert "no field 'q' among the fields question" in build_row(1, {"question": "Hi"}, column="q").problem


def test_checks_differ_when_rows_do():
    """Protects from answers beside other questions: a row that changed is seen, in whichever form."""
    values = ["Hi", "Ho", {"question": "Hi"}, {"question": "Hi", "id": 1}, [HI]]
    assert len({build_row(1, value).check for value in values}) == len(values)
    assert build_row(1, {"a": 1, "b": 2}).check == build_row(2, {"b": 2, "a": 1}).check


@pytest.mark.parametrize("value", ["a\ud83d", {"question": "a", "n": 2**70}, {"question": "a", 1: {2}}])
def test_takes_a_row_when_it_holds_what_orjson_refuses(value: Any):
    """Protects rows in memory from an error that ends the whole run, here and on another machine."""
    row = build_row(1, value)
    assert row.problem == ""
    assert row.check == build_row(1, value).check != build_row(1, "b").check
    assert pickle.loads(pickle.dumps(row)).line == 1  # noqa: S301  # the test's own


def test_names_the_row_when_it_cannot_be_written():
    """Protects the rows behind one that is nested without end."""
    deep: list[Any] = []
    deep.append(deep)
    for value in ({"question": "a", "meta": deep}, {"question": "a", (1, 2): 3}):
        assert build_row(7, value).problem.startswith("line 7: it cannot be written as JSON")
