"""LangChain messages as they go out: roles, content, calls and earlier reasoning."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.request.blocks import write_arguments
from langchain_qwen3.request.messages import MessageError, write_messages
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from langchain_qwen3.servers.engines import TGI, VLLM
from langchain_qwen3.servers.hosts import DASHSCOPE, OPENROUTER

REASONED = AIMessage("Hi.", additional_kwargs={"reasoning_content": "Greet."})


def write(*messages: BaseMessage, dialect: Dialect = VLLM, replay: Any = "all", **options: Any) -> list[dict[str, Any]]:
    """The wire form."""
    return write_messages(messages, dialect, replay=replay, **options)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_sends_reasoning_under_the_servers_keys_and_never_in_content_when_replayed(dialect: Dialect):
    """Protects history: 3.8 and 2507 templates would show think tags in content to the model as its answer."""
    (wire,) = write(REASONED, dialect=dialect)
    assert wire == {"role": "assistant", "content": "Hi.", **dict.fromkeys(dialect.history_keys, "Greet.")}


@pytest.mark.parametrize(
    ("replay", "kept"), [("all", [True, True, True]), ("last_turn", [False, True, True]), ("none", [False] * 3)]
)
def test_replays_what_the_setting_names_when_there_are_several_turns(replay: str, kept: list[bool]):
    """Protects reasoning_history: all, since the last human message, none."""
    wire = write(
        HumanMessage("a"),
        REASONED,
        HumanMessage("b"),
        REASONED,
        ToolMessage("x", tool_call_id="1"),
        REASONED,
        replay=replay,
    )
    assert ["reasoning" in message for message in wire if message["role"] == "assistant"] == kept


def test_counts_a_user_message_as_human_when_it_is_a_chat_message():
    """Protects the last turn of those who write roles as text."""
    wire = write(REASONED, ChatMessage("b", role="user"), REASONED, replay="last_turn")
    assert ["reasoning" in message for message in wire] == [False, False, True]


@pytest.mark.parametrize("kind", ["reasoning", "thinking", "reasoning_content"])
def test_reads_reasoning_from_content_blocks_when_the_message_has_v1_output(kind: str):
    """Protects output_version="v1" and messages of other providers: blocks are split into reasoning and answer."""
    message = AIMessage([{"type": kind, kind: "Gre"}, {"type": kind, kind: "et."}, {"type": "text", "text": "Hi."}])
    (wire,) = write(message)
    assert (wire["reasoning"], wire["content"]) == ("Greet.", "Hi.")


@pytest.mark.parametrize("before", ["", "\n", "\n\n", "\r\n", " ", "\t\n "])
@pytest.mark.parametrize("opening", ["<think>\n", ""], ids=["both tags", "the template wrote the first"])
def test_takes_think_tags_out_of_content_when_another_client_left_them_there(opening: str, before: str):
    """Protects conversations begun with ChatOpenAI."""
    first = AIMessage(f"{before}{opening}Greet.\n</think>\n\nHi.")
    wire = write(first, HumanMessage("b"), replay="all")
    assert wire[0] == {"role": "assistant", "content": "Hi.", "reasoning_content": "Greet.", "reasoning": "Greet."}
    assert write(first, HumanMessage("b"), replay="none")[0] == {"role": "assistant", "content": "Hi."}


def test_adds_the_thinking_of_the_content_to_that_of_its_field():
    """Protects what a stream showed: a parser stopped early, and only the end told that the rest was thinking, too."""
    wire = write(
        AIMessage("you.\n</think>\n\nHi.", additional_kwargs={"reasoning_content": "Greet "}), HumanMessage("b")
    )
    assert (wire[0]["reasoning"], wire[0]["content"]) == ("Greet you.", "Hi.")
    for inline in ("Greet", "\r\n Greet \r\n"):
        twice = AIMessage(f"<think>{inline}</think>Hi.", additional_kwargs={"reasoning": "Greet"})
        wire = write(twice, HumanMessage("b"))
        assert (wire[0]["reasoning"], wire[0]["content"]) == ("Greet", "Hi.")
    called = AIMessage("Look.\n</think>\n\n", tool_calls=[{"id": "1", "name": "f", "args": {}}])
    wire = write(called, ToolMessage("r", tool_call_id="1"))
    assert (wire[0]["reasoning"], wire[0]["content"]) == ("Look.", "")


@pytest.mark.parametrize(
    "content",
    [
        "The tag <think>x</think> is",
        "<think> opens",
        "\n<think> opens",
        " a",
        "</think> closes",
        "It ends with `</think>`\n\nthen.",
        "So:\n```\n</think>\n\n```\nThen.",
        "x\n</think>\ny",
    ],
)
def test_leaves_think_tags_alone_when_they_are_not_a_leading_span(content: str):
    """Protects answers about think tags, and prefills."""
    assert write(AIMessage(content), HumanMessage("b"))[0]["content"] == content
    assert write(AIMessage("<think>\n\n</think>\n\n"))[0]["content"] == "<think>\n\n</think>\n\n"


def test_sends_reasoning_details_when_the_service_reads_them():
    """Protects OpenRouter's signatures: they go back as they came, and nowhere else."""
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    message = AIMessage("", additional_kwargs={"reasoning_content": "r", "reasoning_details": details})
    (wire,) = write(message, dialect=OPENROUTER)
    assert (wire["reasoning"], wire["reasoning_details"]) == ("r", details)
    assert "reasoning_details" not in write(message)[0]
    assert "reasoning_details" not in write(message, dialect=OPENROUTER, replay="none")[0]


def test_sends_an_empty_string_when_a_call_has_no_content():
    """Protects Qwen3-VL's template and Ollama, which refuse null."""
    (wire,) = write(AIMessage([], tool_calls=[{"id": "1", "name": "f", "args": {"a": "é"}}]))
    assert wire["content"] == ""
    call = {"type": "function", "id": "1", "function": {"name": "f", "arguments": '{"a":"é"}'}}
    assert wire["tool_calls"] == [call]


def test_keeps_an_invalid_call_when_its_arguments_were_no_json():
    """Protects llama.cpp from a 500 and the ToolMessage from answering nothing."""
    bad = {"id": "2", "name": "f", "args": '{"a', "error": "cut", "type": "invalid_tool_call"}
    nameless = {"id": None, "name": None, "args": "", "error": None, "type": "invalid_tool_call"}
    message = AIMessage("", tool_calls=[{"id": "1", "name": "f", "args": {}}], invalid_tool_calls=[bad, nameless])
    calls = write(message)[0]["tool_calls"]
    assert [(call["id"], call["function"]["name"]) for call in calls] == [
        ("1", "f"),
        ("2", "f"),
        ("call_unknown", "unknown"),
    ]
    assert all(json.loads(call["function"]["arguments"]) == {} for call in calls)


@pytest.mark.parametrize("arguments", ["36", "{", "", None, "[1]"])
def test_mends_raw_calls_when_only_the_wire_form_is_there(arguments: Any):
    """Protects from raw tool_calls in additional_kwargs whose arguments no template can read."""
    raw = [{"id": "1", "type": "function", "index": 0, "function": {"name": "f", "arguments": arguments}}]
    message = AIMessage("")
    message.additional_kwargs["tool_calls"] = raw
    function = {"name": "f", "arguments": "{}"}
    assert write(message)[0]["tool_calls"] == [{"type": "function", "id": "1", "function": function}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_writes_a_json_object_when_arguments_hold_anything(arguments: dict[str, Any]):
    """Protects servers that parse strictly: NaN and Infinity, which Python reads, are no JSON."""
    (wire,) = write(AIMessage("", tool_calls=[{"id": "1", "name": "f", "args": arguments}]))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads(wire["tool_calls"][0]["function"]["arguments"], parse_constant=refuse)
    assert read.keys() == arguments.keys()


class Number:
    """A number as numpy has them."""

    def __init__(self, value: float) -> None:
        self.value = value

    def tolist(self) -> float:
        """Return Python's number."""
        return self.value


DEEP: dict[str, Any] = {}
for _ in range(3000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ({"a": "\ud83d"}, '{"a":"\ufffd"}'),
        ({"a": ["\udcff x", {"b": "\ud800"}]}, '{"a":["\ufffd x",{"b":"\ufffd"}]}'),
        ({"a": "\ud83d\ude00"}, '{"a":"😀"}'),
        ({"\ud83d": {"b\udcff": 1}, 2: 3}, '{"\ufffd":{"b\ufffd":1},"2":3}'),
        ('{"\\ud83d": 1}', '{"\ufffd":1}'),
        ({"a": "\ud800", "b": math.nan}, '{"a":"\ufffd","b":null}'),
        ({"a": Number(3), "b": [Number(math.inf)]}, '{"a":3,"b":[null]}'),
        ({"a": Fraction(1, 3)}, '{"a":"1/3"}'),
        (DEEP, "{}"),
        ('{"a": NaN, "b": -Infinity}', '{"a":null,"b":null}'),
        ('{"a": "\\ud83d"}', '{"a":"\ufffd"}'),
        ('{"a": "\ud83d"}', '{"a":"\ufffd"}'),
        ('{"a": "\\ud83d\\ude00"}', '{"a": "\\ud83d\\ude00"}'),
        ('{"a": "NaN",  "b": 1}', '{"a": "NaN",  "b": 1}'),
        ('{"a": "x\ny\t"}', '{"a":"x\\ny\\t"}'),
        ('{"a": 1} {"b": 2}', "{}"),
        ('{"a": "北京",  "b": 1.0}', '{"a": "北京",  "b": 1.0}'),
        ('{"a":' * 100_000, "{}"),
        ("[" * 100_000, "{}"),
    ],
    ids=lambda value: ascii(value)[:40] if value is not DEEP else "deep",
)
def test_writes_arguments_that_every_server_reads_when_python_alone_does(arguments: Any, written: str):
    """Protects the conversation: llama.cpp answers 500 to half an emoji or NaN in an old call (measured)."""
    assert write_arguments(arguments) == written


def test_makes_system_of_developer_when_messages_are_normalized():
    """Protects from templates that drop the role in silence (Qwen3) or raise (3.5 and newer)."""
    developer = SystemMessage("x", additional_kwargs={"__openai_role__": "developer"})
    for message in (developer, ChatMessage("x", role="developer")):
        assert write(message)[0]["role"] == "system"
        assert write(message, normalize=False)[0]["role"] == "developer"


def test_merges_system_messages_to_the_front_when_there_are_several_or_late_ones():
    """Protects from 3.5's "must be at the beginning" and from Qwen3-VL, which drops late ones."""
    messages = [HumanMessage("q"), SystemMessage("a"), REASONED, SystemMessage("b")]
    wire = write(*messages)
    assert [message["role"] for message in wire] == ["system", "user", "assistant"]
    assert wire[0]["content"] == "a\n\nb"
    assert [message["role"] for message in write(*messages, normalize=False)] == [
        "user",
        "system",
        "assistant",
        "system",
    ]


def test_merges_system_messages_in_order_when_one_is_a_list_of_parts():
    """Protects cached prefixes: parts with cache_control stay parts."""
    cached = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    wire = write(SystemMessage([cached]), HumanMessage("q"), SystemMessage("b"), dialect=DASHSCOPE)
    assert wire[0]["content"] == [cached, {"type": "text", "text": "b"}]


def test_joins_text_parts_as_they_stand_when_content_is_a_list():
    """Protects the question: engines put a newline between parts that nobody wrote."""
    parts: list[str | dict[str, Any]] = [
        "你是",
        {"type": "text", "text": "谁"},
        {"type": "text", "text": "？", "id": "x"},
    ]
    for message in (HumanMessage(parts), SystemMessage(parts), AIMessage(parts)):
        assert write(message)[0]["content"] == "你是谁？"
    assert write(HumanMessage([]))[0]["content"] == ""


def test_keeps_cache_control_when_the_service_reads_it():
    """Protects DashScope's and OpenRouter's explicit caches; elsewhere nothing is split for it."""
    parts: list[str | dict[str, Any]] = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, "b"]
    assert write(HumanMessage(parts), dialect=DASHSCOPE)[0]["content"] == [parts[0], {"type": "text", "text": "b"}]
    assert write(HumanMessage(parts))[0]["content"] == "ab"


def test_unwraps_a_part_when_langchain_wrapped_what_it_did_not_know():
    """Protects parts of a server's own that went through v1 content blocks."""
    value = {"type": "video", "video": ["a.jpg", "b.jpg"]}
    assert write(HumanMessage([{"type": "non_standard", "value": value}]))[0]["content"] == [value]


def test_keeps_names_and_ids_when_messages_carry_them():
    """Protects what a server may show to the model, and the tie between call and answer."""
    assert write(HumanMessage("q", name="Ann"))[0]["name"] == "Ann"
    assert write(ToolMessage("x", tool_call_id="7", name="f"))[0] == {
        "role": "tool",
        "content": "x",
        "tool_call_id": "7",
    }


def test_writes_chunks_as_messages_when_they_are_sums_of_a_stream():
    """Protects history that was collected from streams."""
    chunk = AIMessageChunk("Hi.", additional_kwargs={"reasoning_content": "Greet."})
    assert write(chunk) == write(REASONED)


def test_marks_a_partial_message_when_dashscope_is_to_continue_it():
    """Protects DashScope's prefix continuation."""
    assert write(AIMessage("def f", additional_kwargs={"partial": True}))[0]["partial"] is True


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        *[(role, "user") for role in ("user", "human", "User", "HUMAN", " user")],
        *[(role, "assistant") for role in ("assistant", "ai", "Assistant", "AI")],
        *[(role, "system") for role in ("system", "System", "developer", "Developer")],
    ],
)
def test_takes_the_role_of_a_chat_message_however_it_is_written(role: str, sent: str):
    """Protects messages whose role is capitalised: templates compare it letter by letter and drop the others."""
    assert [message["role"] for message in write(ChatMessage("x", role=role))] == [sent]
    assert write(ChatMessage("x", role="User"), normalize=False)[0]["role"] == "User"


@pytest.mark.parametrize("role", ["Jedi", "critic", "model", "bot", "", "用户"])
def test_sends_a_message_as_the_users_when_no_template_has_its_role(role: str):
    """Protects `ChatMessage(role="Jedi")` of LangChain's guides: Qwen3's template drops it in silence, 3.5's raises."""
    message = ChatMessage("May the force be with you.", role=role)
    with pytest.warns(UnsupportedSettingWarning, match=f"has the role {role!r}"):
        assert write(message) == [{"role": "user", "content": "May the force be with you."}]
    assert write(message, normalize=False)[0]["role"] == role


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (RemoveMessage(id="1"), "RemoveMessage"),
        (BaseMessage("Hi.", type="AI"), "BaseMessage"),
        (BaseMessage("Hi.", type="System"), "BaseMessage"),
        (BaseMessage("Hi.", type="aiMessageChunk"), "BaseMessage"),
    ],
)
def test_names_the_kind_when_a_message_has_no_role(message, name):
    """Protects from LangGraph's RemoveMessage, and from a type that only looks like core's, reaching the wire."""
    with pytest.raises(MessageError, match=name):
        write(message)


def test_sends_no_reasoning_when_the_server_drops_it():
    """Protects TGI users from uploads for nothing."""
    assert write(REASONED, dialect=TGI) == [{"role": "assistant", "content": "Hi."}]


def test_leaves_messages_as_they_were_when_they_are_written():
    """Protects the caller's history: writing changes nothing in it."""
    parts: list[str | dict[str, Any]] = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = HumanMessage(parts)
    before = message.model_dump_json()
    wire = write(SystemMessage("s"), message, SystemMessage("t"))
    assert wire[1]["content"] == "ab"
    assert message.model_dump_json() == before


def test_chat_message_is_the_message_of_its_role_when_it_has_calls_and_reasoning() -> None:
    """Protects histories of frameworks that store a role and OpenAI's keys: no call, result or reasoning is lost."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    kept = {"reasoning_content": "r", "tool_calls": [call]}
    for content in ("b", [{"type": "text", "text": "b"}]):
        stored = (
            ChatMessage(content, role="assistant", additional_kwargs=kept),
            ChatMessage("18", role="tool", additional_kwargs={"tool_call_id": "1"}),
        )
        assert write(*stored) == write(AIMessage("b", additional_kwargs=kept), ToolMessage("18", tool_call_id="1"))
    assert write(*stored)[0]["tool_calls"] == [call]
