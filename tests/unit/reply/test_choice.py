"""One choice: reasoning, content and calls told apart, alike in whole and streamed replies."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from hypothesis import assume, example, given, settings, strategies as st
from langchain_core.messages import AIMessage

from langchain_qwen3._warnings import forget_warnings
from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.profiles.think_tags import find_leaked_tag
from langchain_qwen3.reply.choice import ChoiceReader
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.request.messages import write_messages
from langchain_qwen3.servers.habits import ReplyHabits
from langchain_qwen3.servers.hosts import OPENROUTER
from tests.support.replies import (
    TOOL,
    facts,
    load,
    read_chunks,
    read_stream,
    read_whole,
    write_body,
    write_events,
    write_sse,
)

OFF = {"thinking_off": True}
TOOLS = {"tools": (TOOL,)}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Beijing"}}\n</tool_call>'
OTHER_CALL = CALL.replace("Beijing", "Rome")
BEIJING = [("get_weather", {"city": "Beijing"})]
WIRE_CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Beijing"}'}}

# options, wire message, expected reasoning, content and calls
SPANS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str, list[Any]]]] = {
    "vllm": ({}, {"reasoning": "\nA\n", "content": "\n\nB"}, ("A", "B", [])),
    "llama.cpp": ({}, {"content": "B", "reasoning_content": "A\n"}, ("A", "B", [])),
    "both keys": ({}, {"reasoning": "A", "reasoning_content": "A", "content": "B"}, ("A", "B", [])),
    "empty reasoning": ({}, {"reasoning": "\n\n", "content": "\n\nB"}, ("", "B", [])),
    "no reasoning": ({}, {"reasoning": None, "content": "\n\nB\n"}, ("", "\n\nB\n", [])),
    "newlines at the end": ({}, {"reasoning": "A", "content": "\nB\n\n"}, ("A", "B\n\n", [])),
    "inline": ({}, {"content": "<think>\nA\n</think>\n\nB"}, ("A", "B", [])),
    "empty block": ({}, {"content": "<think>\n\n</think>\n\nB"}, ("", "B", [])),
    "a tag beside a field": ({}, {"reasoning": "A", "content": "<think>B"}, ("A", "<think>B", [])),
    "in both places": ({}, {"reasoning": "A\n", "content": "\n<think>\nA\n</think>\n\nB"}, ("A", "B", [])),
    "in both places, cut": ({}, {"reasoning": "A", "content": "<think>\nA"}, ("A", "", [])),
    "a quotation in both": ({}, {"reasoning": 'A "x"', "content": '<think>A "x"</think>B'}, ('A "x"', "B", [])),
    "in both places, call": (TOOLS, {"reasoning": "A", "content": f"<think>A</think>{CALL}"}, ("A", "", BEIJING)),
    "a sign in both": ({}, {"reasoning": "<", "content": "<"}, ("<", "<", [])),
    "other thinking": ({}, {"reasoning": "A", "content": "<think>C</think>B"}, ("A", "<think>C</think>B", [])),
    "opened": ({"opened": True}, {"content": "A\n</think>\n\nB"}, ("A", "B", [])),
    "opened, but parsed": ({"opened": True}, {"reasoning": "A", "content": "B"}, ("A", "B", [])),
    "null content": ({}, {"reasoning": "A", "content": None}, ("A", "", [])),
    "list content": ({}, {"content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]}, ("", "AB", [])),
    "left out": ({"return_reasoning": False}, {"reasoning": "A", "content": "\nB"}, ("", "B", [])),
    "left out inline": ({"return_reasoning": False}, {"content": "<think>A</think>B"}, ("", "B", [])),
    "answer in the wrong field": (OFF, {"reasoning": "\nA\nB\n", "content": None}, ("", "A\nB\n", [])),
    "thinking all the same": (OFF, {"reasoning": "\nA\n", "content": "\n\nB"}, ("A", "B", [])),
    "thinking on": ({}, {"reasoning": "A", "content": None}, ("A", "", [])),
    "unclosed inline, off": (OFF, {"content": "<think>A"}, ("", "A", [])),
    "a call while off": (OFF, {"reasoning": "A", "tool_calls": [WIRE_CALL]}, ("A", "", BEIJING)),
    "call": ({}, {"content": None, "tool_calls": [WIRE_CALL]}, ("", "", BEIJING)),
    "thinking and call": ({}, {"reasoning": "\nA\n", "content": "\n\n", "tool_calls": [WIRE_CALL]}, ("A", "", BEIJING)),
    "text and call": ({}, {"content": "B", "tool_calls": [WIRE_CALL]}, ("", "B", BEIJING)),
    "call left in content": (TOOLS, {"content": CALL}, ("", "", BEIJING)),
    "call after thinking": (TOOLS, {"content": f"<think>\nA\n</think>\n\n{CALL}"}, ("A", "", BEIJING)),
    "call after text": (TOOLS, {"reasoning": "A", "content": f"\n\nB\n{CALL}"}, ("A", "B\n", BEIJING)),
    "call left in reasoning": (TOOLS, {"reasoning": f"A{CALL}", "content": None}, ("A", "", BEIJING)),
    "call in the wrong field": ({**TOOLS, **OFF}, {"reasoning": CALL, "content": None}, ("", "", BEIJING)),
    "newlines only, tools bound": (TOOLS, {"reasoning": "A", "content": "\n\n"}, ("A", "", [])),
    "newlines first, tools bound": (TOOLS, {"content": "\n\nB"}, ("", "\n\nB", [])),
    "no tools bound": ({}, {"content": CALL}, ("", CALL, [])),
    "half a tag": (TOOLS, {"content": "1 <"}, ("", "1 <", [])),
    "a call and its text": (TOOLS, {"content": CALL, "tool_calls": [WIRE_CALL]}, ("", "", BEIJING)),
    "a call and its text after thinking": (
        TOOLS,
        {"content": f"<think>\n\n</think>\n\n{CALL}", "tool_calls": [WIRE_CALL]},
        ("", "", BEIJING),
    ),
    "a call and another in the text": (
        TOOLS,
        {"content": f"Not {OTHER_CALL}, no.", "tool_calls": [WIRE_CALL]},
        ("", f"Not {OTHER_CALL}, no.", BEIJING),
    ),
    "forced": (
        {**TOOLS, "content_is_calls": True},
        {"reasoning": "A", "content": '[{"name": "get_weather", "arguments": {"city": "Beijing"}}]'},
        ("A", "", BEIJING),
    ),
    "forced, but text came": ({**TOOLS, "content_is_calls": True}, {"content": "\nNo."}, ("", "\nNo.", [])),
    "forced and off": (
        {**TOOLS, "content_is_calls": True, **OFF},
        {"content": '\n[{"name": "get_weather", "arguments": {"city": "Beijing"}}]\n'},
        ("", "", BEIJING),
    ),
}


def spans(message: AIMessage) -> tuple[str, Any, list[Any]]:
    """Return reasoning, content and calls; no key stands for no reasoning."""
    reasoning = message.additional_kwargs.get("reasoning_content", "")
    assert ("reasoning_content" in message.additional_kwargs) == bool(reasoning)
    return reasoning, message.content, [(call["name"], call["args"]) for call in message.tool_calls]


def read_both_ways(
    message: dict[str, Any], options: ReplyOptions, reason: str | None = "stop", *, size: int = 1
) -> AIMessage:
    """Hold the whole message against a stream of pieces of that size, and return it."""
    whole = read_whole(write_body(message, reason), options)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    keys = [key for key in ("reasoning", "reasoning_content") if message.get(key)]
    longest = max((len(message[key]) for key in keys), default=0)
    deltas += [{key: message[key][at : at + size] for key in keys} for at in range(0, longest, size)]
    content = message.get("content") or ""
    deltas += [{"content": content[at : at + size]} for at in range(0, len(content), size)]
    for index, call in enumerate(message.get("tool_calls", [])):
        arguments = call["function"]["arguments"]
        begun = {**call, "index": index, "function": {**call["function"], "arguments": arguments[:1]}}
        rest = [arguments[at : at + size] for at in range(1, len(arguments), size)]
        pieces = [{"index": index, "function": {"arguments": piece}} for piece in rest]
        deltas += [{"content": None, "tool_calls": [piece]} for piece in (begun, *pieces)]
    assert facts(read_stream(write_events(*deltas, reason=reason), options)) == facts(whole)
    return whole


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("case", SPANS)
def test_tells_spans_apart_when_a_choice_is_read_whole_or_streamed(case: str, size: int):
    """Protects every way servers write thinking, answer and calls, and that streams say the same."""
    options, message, expected = SPANS[case]
    assert spans(read_both_ways(message, ReplyOptions(**options), size=size)) == expected


@given(
    words=st.lists(
        st.sampled_from(["<think>", "</think>", "\n", "A", CALL, "<tool_call>", "<", "</tool_call>", "```\n"]),
        max_size=6,
    ),
    reasoning=st.text(alphabet="\nA<", max_size=4),
    reason=st.sampled_from(["stop", "length", "tool_calls", "abort"]),
    thinking_off=st.booleans(),
    opened=st.sampled_from([False, None]),
    bound=st.booleans(),
    size=st.integers(1, 12),
)
@example(words=["<think>"], reasoning="\n", reason="stop", thinking_off=False, opened=False, bound=False, size=1)
@settings(max_examples=150)
def test_stream_says_what_the_whole_reply_says_when_text_is_random(
    *, words, reasoning, reason, thinking_off, opened, bound, size
):
    """Protects invariant 1 where readers stand one behind another: tags, calls, withheld text, newlines."""
    options = ReplyOptions(thinking_off=thinking_off, opened=opened, tools=(TOOL,) if bound else ())
    content = "".join(words)
    # Thinking that leaked into the content was shown as text by then: a stream cannot take it back.
    assume(find_leaked_tag(content) < 0 or opened is None)
    assume(not reasoning or find_leaked_tag(content) < 0)
    read_both_ways({"reasoning": reasoning, "content": content}, options, reason, size=size)


@pytest.mark.parametrize("return_reasoning", [True, False])
@pytest.mark.parametrize("opened", [None, False, True])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_answer_is_content_when_a_server_was_expected_to_think(
    opened: bool | None, size: int, *, return_reasoning: bool
):
    """Protects answers of servers that switch thinking off, or drop its field: the name of the model says nothing."""
    options = ReplyOptions(opened=opened, return_reasoning=return_reasoning, tools=(TOOL,))
    deltas = [{"content": "Hello, you."[at : at + size]} for at in range(0, 11, size)]
    assert read_stream(write_events(*deltas), options).content == "Hello, you."
    whole = read_whole(write_body({"content": "Hello, you.", "reasoning": None}), options)
    assert spans(whole) == ("", "Hello, you.", [])


@pytest.mark.parametrize("opened", [None, True])
def test_text_without_a_tag_is_thinking_when_it_was_cut_and_thinking_is_likely(opened: bool | None):
    """Protects from half a thought that looks like an answer."""
    assert spans(read_both_ways({"content": "I should"}, ReplyOptions(opened=opened), "length")) == ("I should", "", [])


def test_thinking_streams_at_once_when_the_server_is_known_to_leave_out_the_tag():
    """Protects latency once something was learned, and that text is held while nothing was."""
    data = write_sse(write_events({"content": "A"}, {"content": "</think>B"}))
    known, _, _ = read_chunks([data], ReplyOptions(opened=True))
    assert known.message.additional_kwargs == {"reasoning_content": "A"}
    first, *_ = read_chunks([data], ReplyOptions(opened=None))
    assert (first.message.additional_kwargs, first.text) == ({"reasoning_content": "A"}, "B")


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls"])
@pytest.mark.parametrize("case", SPANS)
def test_only_the_reasoning_is_missing_when_it_is_left_out(case: str, reason: str):
    """Protects `return_reasoning=False`: it neither hides an answer nor shows the thinking in place of one."""
    options, message, _ = SPANS[case]
    _, content, calls = spans(read_both_ways(message, ReplyOptions(**options), reason))
    left_out = read_both_ways(message, ReplyOptions(**{**options, "return_reasoning": False}), reason)
    assert spans(left_out) == ("", content, calls)


@pytest.mark.parametrize(
    ("message", "thinking_off", "content"),
    [
        ({"reasoning": "A", "content": None}, True, "A"),
        ({"content": "<think>A"}, True, "A"),
        ({"reasoning": "A", "content": "B"}, True, "B"),
        ({"reasoning": "A", "content": None}, False, ""),
        ({"reasoning": "A", "content": "\n\n"}, False, ""),
        ({"reasoning_content": "A", "content": ""}, False, ""),
        ({"content": "<think>\nA"}, False, ""),
        ({"content": "<think>\nA</think>"}, False, ""),
        (load("vllm-parsers/stop_in_thinking").body["choices"][0]["message"], False, ""),  # type: ignore[index]
    ],
)
@pytest.mark.parametrize("tools", [(), (TOOL,)])
def test_reasoning_alone_is_the_answer_only_when_thinking_is_off(
    message: dict[str, Any], content: str, tools: tuple[dict[str, Any], ...], *, thinking_off: bool
):
    """Protects hidden thoughts: Qwen3.8 ends inside its thinking at times, and so does every model at a stop word."""
    options = ReplyOptions(return_reasoning=False, thinking_off=thinking_off, tools=tools)
    assert spans(read_both_ways(message, options)) == ("", content, [])


LEAKED = [
    ({"reasoning": "first ", "content": "tail of it\n</think>\n\nANSWER"}, "first tail of it"),
    ({"content": "Okay.\n</think>\n\nANSWER"}, "Okay."),
    ({"reasoning_content": "R", "content": "\n</think>\n\nANSWER"}, "R"),
    ({"reasoning_content": "R", "content": "\n</think>ANSWER"}, "R"),
    ({"content": "</think>\n\nANSWER"}, ""),
    # in both places
    ({"reasoning_content": "R", "content": "<think>\nR\n</think>\n\nANSWER"}, "R"),
    ({"reasoning": "R\n", "content": "\n<think>R</think>ANSWER"}, "R"),
]
MENTIONED = [
    "在 Qwen3 里，模型用</think>标签结束思考。",
    "Close with **</think>**.",
    "Tag: </think>\nMeaning: the end.",
]


def test_thinking_is_left_out_of_the_content_when_each_event_has_it_in_both_places():
    """Protects answers of gateways that pass on both fields piece by piece."""
    both = [{"reasoning_content": "A", "content": "<think>A"}, {"reasoning_content": "A", "content": "A"}]
    message = read_stream(write_events(*both, {"content": "</think>B"}))
    assert spans(message) == ("AA", "B", [])


@pytest.mark.parametrize("tag", [["<think>"], ["<", "think>"], ["\n", "<think>\n"]])
@pytest.mark.parametrize("begun", [[" is"], ["The", " tag"], [" The user wants", " more"], ["</", "thin"]])
def test_answer_that_begins_with_the_tag_streams_once_it_is_no_repetition(tag: list[str], begun: list[str]):
    """Protects the stream of an answer about the tag: it was held until the end, in case it repeated the thinking."""
    reader = ChoiceReader(ReplyOptions(), "stream")
    for piece in ("The user", " wants", " to know."):
        reader.feed({"reasoning_content": piece})
    pieces = [*tag, *begun, " x"]
    shown = [reader.feed({"content": piece})[1] for piece in pieces]
    assert "".join(shown) == "".join(pieces).lstrip("\n")
    assert reader.feed({"content": "</think> y"})[1] == "</think> y"
    assert reader.close("stop") == ("", "", [])


@pytest.mark.parametrize(("message", "reasoning"), LEAKED)
def test_thinking_that_leaked_into_a_whole_answer_is_reasoning(message: dict[str, Any], reasoning: str):
    """Protects answers from parsers that stop too early, or strip the opening tag only."""
    assert spans(read_whole(write_body(message))) == (reasoning, "ANSWER", [])


def test_an_answer_that_begins_with_another_block_is_whole():
    """Protects answers that show what thinking looks like, where the thinking itself came in its field."""
    text = "<think>another</think> is how it looks."
    assert spans(read_both_ways({"reasoning": "R", "content": text}, ReplyOptions())) == ("R", text, [])


@pytest.mark.parametrize("text", MENTIONED)
@pytest.mark.parametrize("reasoning", [{"reasoning": "R"}, {}])
def test_an_answer_about_the_tag_is_whole(text: str, reasoning: dict[str, str]):
    """Protects answers that mention the tag, and later streams: nothing is learned from such an answer."""
    for thinking_off in (True, False):
        habits = ReplyHabits(opened=False)
        options = ReplyOptions(opened=False, thinking_off=thinking_off, habits=habits)
        assert spans(read_both_ways({**reasoning, "content": text}, options)) == (
            reasoning.get("reasoning", ""),
            text,
            [],
        )
        assert habits.opened is False


@pytest.mark.parametrize("text", ["<", "A <", "A <tool_c", "A <func", "A <b", "A</thi", "</thi", "\n\nA <", "A"])
@pytest.mark.parametrize("opened", [False, None])
@pytest.mark.parametrize("reasoning", [[], [{"reasoning": "R"}]])
def test_text_before_a_parsed_call_streams_before_it(text: str, opened: bool | None, reasoning: list[dict[str, Any]]):
    """Protects the order of a v1 message's blocks, and the next request: what may begin a tag came behind."""
    reader = ChoiceReader(ReplyOptions(tools=(TOOL,), opened=opened), "stream")
    pieces = [reader.feed(delta) for delta in [*reasoning, *({"content": mark} for mark in text)]]
    pieces.append(reader.feed({"tool_calls": [{**WIRE_CALL, "index": 0}]}))
    assert pieces[-1][2]
    assert "".join(content for _, content, _ in pieces) == (text.lstrip("\n") if reasoning else text)
    second = {"tool_calls": [{**WIRE_CALL, "index": 1, "id": "2"}]}
    between = [reader.feed(delta)[1] for delta in ({"content": text}, second)]
    assert "".join(between) == text
    assert reader.close("tool_calls") == ("", "", [])


@pytest.mark.parametrize("text", [CALL, f"A\n{CALL}", f"A\n{CALL[:30]}"])
def test_a_tag_before_a_parsed_call_is_held_to_its_end(text: str):
    """Protects from a call that shows in the answer, too: only its end tells whether it repeats the parsed one."""
    reader = ChoiceReader(ReplyOptions(tools=(TOOL,)), "stream")
    shown = [reader.feed(delta)[1] for delta in [{"content": text}, {"tool_calls": [{**WIRE_CALL, "index": 0}]}]]
    assert "".join(shown) == text.partition("<")[0]
    assert reader.close("tool_calls")[1] == ("" if text.endswith(">") else CALL[:30])


@pytest.mark.parametrize(("reason", "expected"), [("stop", ("", "A")), ("length", ("A", "")), ("abort", ("A", ""))])
def test_reasoning_becomes_content_only_when_the_model_stopped_by_itself(reason: str, expected: tuple[str, str]):
    """Protects vLLM's trap with thinking off: a whole answer is rescued, half of one is not shown as an answer."""
    message = read_both_ways({"reasoning": "A", "content": None}, ReplyOptions(thinking_off=True), reason)
    assert spans(message)[:2] == expected


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_reasoning_streams_at_once_when_thinking_is_on(key: str):
    """Protects latency: nothing of the thinking waits for the answer."""
    first, second, *_ = read_chunks([write_sse(write_events({key: "A"}, {key: "B"}, {"content": "C"}))])
    assert first.message.additional_kwargs == {"reasoning_content": "A"}
    assert second.message.additional_kwargs == {"reasoning_content": "B"}


def test_content_streams_at_once_when_tools_are_bound():
    """Protects latency: text waits only while it can still become a call."""
    events = write_events({"content": "A"}, {"content": " <"}, {"content": "b"}, {"content": "C"})
    chunks = read_chunks([write_sse(events)], ReplyOptions(tools=(TOOL,)))
    assert [chunk.text for chunk in chunks] == ["A", " ", "<b", "C", ""]


@pytest.mark.parametrize("engine", ["vllm-noparsers", "vllm-parsers", "llama-server"])
def test_takes_the_recorded_call_out_of_the_content_when_its_tool_is_bound(engine: str):
    """Protects servers without a tool parser: what they really send becomes thinking, no text, and a call."""
    recording = load(f"{engine}/tool_none")
    options = ReplyOptions(tools=tuple(recording.request["tools"]))
    choice = (recording.body or {})["choices"][0]
    for size in (1, 5, 1000):
        message = read_both_ways(choice["message"] | {"tool_calls": []}, options, size=size)
        assert spans(message) == ("The user wants the weather in Beijing. I should call get_weather.", "", BEIJING)
        assert message.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("end", range(len("<tool_call>"), len(CALL) - len("}\n</tool_call>")))
def test_half_a_call_is_invalid_when_its_text_was_truncated(end: int):
    """Protects invariant 4: a call cut inside the text is never one with whole arguments, nor an answer."""
    message = read_both_ways({"content": CALL[:end]}, ReplyOptions(tools=(TOOL,)), "length")
    assert message.tool_calls == []
    assert len(message.invalid_tool_calls) == 1
    assert message.content == ""


def test_fragments_make_one_call_when_a_delta_or_the_end_holds_several():
    """Protects against calls that fall apart: core joins the fragments of two messages, not those within one."""
    begun = {"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": '{"city"'}}
    rest = {"index": 0, "function": {"arguments": ': "Beijing"}'}}
    other = {"index": 1, "id": "c2", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
    chunks = read_chunks([write_sse(write_events({"tool_calls": [begun, other, rest]}))])
    assert [len(chunk.message.tool_call_chunks) for chunk in chunks] == [2, 0]  # type: ignore[attr-defined]
    message = read_stream(write_events({"tool_calls": [begun, other, rest]}))
    assert spans(message)[2] == [*BEIJING, ("get_weather", {"city": "Rome"})]
    cut = read_stream(write_events({"content": CALL[:-30]}, reason="length"), ReplyOptions(tools=(TOOL,)))
    assert len(cut.tool_call_chunks) == len(cut.invalid_tool_calls) == 1


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([{"refusal": "I "}, {"refusal": "can't"}], {"refusal": "I can't"}),
        (
            [{"audio": {"data": "QQ", "expires_at": 7}}, {"audio": {"data": "==", "transcript": "A", "expires_at": 7}}],
            {"audio": {"data": "QQ==", "transcript": "A", "expires_at": 7}},
        ),
        ([{"annotations": [{"url": 1}]}, {"annotations": [{"url": 2}]}], {"annotations": [{"url": 1}, {"url": 2}]}),
        (
            [
                {"reasoning": "A", "reasoning_details": [{"index": 0, "text": "A"}]},
                {"reasoning": "B", "reasoning_details": [{"index": 0, "text": "B"}]},
            ],
            {"reasoning_content": "AB", "reasoning_details": [{"index": 0, "text": "AB"}]},
        ),
        ([{"refusal": None, "audio": None, "annotations": [], "reasoning_details": None}], {}),
    ],
)
def test_keeps_other_fields_of_the_message_when_they_are_not_empty(
    deltas: list[dict[str, Any]], expected: dict[str, Any]
):
    """Protects what arrived: refusal, audio, annotations and OpenRouter's reasoning_details reach the message."""
    assert read_stream(write_events(*deltas)).additional_kwargs == expected
    assert read_whole(write_body({"content": "", **expected})).additional_kwargs == expected


@pytest.mark.parametrize(
    "details",
    [
        [{"type": "reasoning.text", "text": "SECRET", "index": 0}],
        [{"type": "reasoning.summary", "summary": "SECRET"}, {"type": "reasoning.encrypted", "data": "x"}],
        [{"type": "thinking", "thinking": "SECRET"}],
        {"text": "SECRET"},
        "SECRET",
    ],
)
@pytest.mark.parametrize("field", [{}, {"reasoning": "SECRET"}, {"reasoning_content": "SECRET"}])
def test_leaves_out_reasoning_in_every_field(details: Any, field: dict[str, str]):
    """Protects `return_reasoning=False`: OpenRouter's details are the same reasoning in another field."""
    options = ReplyOptions(return_reasoning=False)
    delta = {**field, "reasoning_details": details, "refusal": "R"}
    streamed = read_stream(write_events(delta, {"content": "A"}), options)
    for message in (streamed, read_whole(write_body({**delta, "content": "A"}), options)):
        assert (message.content, message.additional_kwargs) == ("A", {"refusal": "R"})
    shown = read_whole(write_body({**delta, "content": "A"}))
    assert shown.additional_kwargs["reasoning_details"] == details


@pytest.mark.parametrize("field", [{}, {"reasoning": "SAID"}])
@pytest.mark.parametrize(
    ("options", "said", "sent_back"),
    [
        (OFF, "An answer.", ("An answer.", None)),
        (TOOLS, CALL, ("", None)),
        (TOOLS, f"Hm.\n{CALL}", ("", "Hm.")),
        ({}, "Hm.", ("", "Hm.")),
        (OFF | TOOLS, CALL, ("", None)),
    ],
    ids=["answer", "call", "reasoning and call", "reasoning", "call, thinking off"],
)
def test_says_nothing_twice_when_details_repeat_what_was_no_reasoning(
    options: dict[str, Any], said: str, sent_back: tuple[str, str | None], field: dict[str, str]
):
    """Protects the next request: an answer or a call in the wrong field is not sent back as reasoning as well."""
    field = dict.fromkeys(field, said)
    delta = {**field, "reasoning_details": [{"type": "reasoning.text", "text": said, "index": 0}]}
    for message in (
        read_stream(write_events(delta), ReplyOptions(**options)),
        read_whole(write_body({"content": "", **delta}), ReplyOptions(**options)),
    ):
        (wire,) = write_messages([message], OPENROUTER, replay="all")
        assert (wire["content"], wire.get("reasoning")) == sent_back
        assert ("reasoning_details" in wire) == (said == sent_back[1])


@pytest.mark.parametrize(
    ("reason", "calls", "expected"),
    [
        ("stop", [WIRE_CALL], "tool_calls"),
        ("tool_calls", [WIRE_CALL], "tool_calls"),
        ("length", [WIRE_CALL], "length"),
        ("stop", [], "stop"),
        (None, [], None),
    ],
)
def test_finish_reason_tells_of_calls_when_vllm_says_stop(reason: str | None, calls: list[Any], expected: str | None):
    """Protects agents that look at the finish reason: vLLM ends a named tool choice with `stop`."""
    message = read_both_ways({"content": "A", "tool_calls": calls}, ReplyOptions(), reason)
    assert message.response_metadata["finish_reason"] == expected


XML = {"server_writes_arguments": True}
LIMIT = {"max_tokens": 4}  # the tokens of every reply here


@pytest.mark.parametrize(
    ("options", "reason", "finish_reason", "is_whole"),
    [
        (XML, "length", "length", False),
        (XML, "content_filter", "content_filter", False),
        (XML, "abort", "abort", False),
        ({**XML, **LIMIT}, "tool_calls", "length", False),  # vLLM's qwen3_coder, not streamed
        ({**XML, **LIMIT}, "length", "length", False),
        ({**XML, "context": 7}, "tool_calls", "length", False),
        ({**XML, "max_tokens": 5}, "tool_calls", "tool_calls", True),
        ({**XML, "max_tokens": 5, "context": 4}, "tool_calls", "tool_calls", True),  # a list may name too small a one
        ({**XML, "max_tokens": 0, "context": -1}, "tool_calls", "tool_calls", True),
        (XML, "tool_calls", "tool_calls", True),
        (XML, "stop", "tool_calls", True),
        (XML, "tool_use", "tool_use", True),
        (XML, "function_called", "function_called", True),  # a server's own word
        ({}, "length", "length", True),  # JSON, which the model closed
        (LIMIT, "tool_calls", "length", True),
        (LIMIT, "stop", "tool_calls", True),
    ],
)
@pytest.mark.parametrize("arguments", ["{}", '{"city": "Beijing"}', '{"city": "Bei", "days": 1}'])
def test_last_call_is_invalid_when_the_server_may_have_closed_it(
    arguments: str, options: dict[str, Any], reason: str, finish_reason: str, is_whole: bool
):
    """Protects agents from half a call: vLLM's parser of XML closes the arguments of a call that the limit cut."""
    calls = [WIRE_CALL, {**WIRE_CALL, "id": "c2", "function": {"name": "get_weather", "arguments": arguments}}]
    message = read_both_ways({"content": None, "tool_calls": calls}, ReplyOptions(**TOOLS, **options), reason, size=9)
    valid = [call["id"] for call in message.tool_calls]
    assert valid == (["c1", "c2"] if is_whole else ["c1"])
    assert [call["args"] for call in message.invalid_tool_calls] == ([] if is_whole else [arguments])
    assert message.response_metadata["finish_reason"] == finish_reason


def test_call_is_whole_when_its_closing_tag_was_in_the_text_before_the_cut():
    """Protects calls that are read here: their end is known, no server wrote it."""
    options = ReplyOptions(**TOOLS, **XML)
    assert spans(read_both_ways({"content": CALL}, options, "length"))[2] == BEIJING


@pytest.mark.parametrize("properties", [{}, {"zone": {"type": "string"}}])
def test_call_without_parameters_is_whole_when_its_arguments_are_empty(properties: dict[str, Any]):
    """Protects tools without required parameters, for which SGLang streams no arguments at all."""
    now = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": properties}}}
    call = {"id": "c", "index": 0, "type": "function", "function": {"name": "now", "arguments": ""}}
    options = ReplyOptions(tools=(now,))
    assert spans(read_both_ways({"content": None, "tool_calls": [call]}, options))[2] == [("now", {})]
    cut = read_both_ways({"content": None, "tool_calls": [call]}, options, "length")
    assert cut.tool_calls == []
    assert json.dumps(cut.response_metadata["tool_call_errors"])


REHEARSED = f"I could{CALL} do that."


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ({"reasoning": REHEARSED, "content": "B"}, "stop", (REHEARSED, "B", [])),
        ({"reasoning": REHEARSED, "tool_calls": [WIRE_CALL]}, "stop", (REHEARSED, "", BEIJING)),
        ({"reasoning": REHEARSED, "content": CALL}, "stop", (REHEARSED, "", BEIJING)),
        ({"content": f"<think>{REHEARSED}</think>B"}, "stop", (REHEARSED, "B", [])),
        ({"reasoning": REHEARSED, "content": "\n\n"}, "stop", ("I could do that.", "", BEIJING)),
        ({"reasoning": REHEARSED}, "length", (REHEARSED, "", [])),
        ({"reasoning": f"A{CALL[:-30]}"}, "length", (f"A{CALL[:-30]}", "", [])),
    ],
)
@pytest.mark.parametrize("thinking_off", [False, True])
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_call_in_the_reasoning_counts_only_when_nothing_else_was_said(
    message: dict[str, Any], reason: str, expected: tuple[str, str, list[Any]], size: int, *, thinking_off: bool
):
    """Protects from commands run twice: one rehearsed in the thinking, or cut there, is no call and stays text."""
    options = ReplyOptions(tools=(TOOL,), thinking_off=thinking_off)
    assert spans(read_both_ways({"content": None, **message}, options, reason, size=size)) == expected


def test_call_without_parameters_is_whole_when_nothing_is_rescued():
    """Protects tools without parameters where rescue is off: their names are known all the same."""
    now = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "c", "index": 0, "type": "function", "function": {"name": "now", "arguments": ""}}
    options = ReplyOptions(tools=(now,), rescue_tool_calls=False)
    assert spans(read_both_ways({"content": CALL, "tool_calls": [call]}, options)) == ("", CALL, [("now", {})])


OWN = {"id": "c", "index": 0, "type": "function", "function": {"name": TOOL["function"]["name"], "arguments": "{}"}}


def ask(habits: ReplyHabits, way: str, message: dict[str, Any], reason: str = "stop", **fields: Any) -> AIMessage:
    """Return the reply of a server of which something may be known."""
    options = ReplyOptions(tools=(TOOL,), habits=habits, **fields)
    return (
        read_whole(write_body(message, reason), options)
        if way == "whole"
        else read_stream(write_events(message, reason=reason), options)
    )


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_text_is_no_call_when_the_server_has_parsed_one_before(way: str):
    """Protects from prompt injection: a server with a parser of its own leaves only quotes of calls in the text."""
    habits = ReplyHabits(False)
    assert len(ask(habits, way, {"content": CALL}).tool_calls) == 1  # nothing is known of it yet
    ask(habits, way, {"content": "hi"})
    assert len(ask(habits, way, {"content": CALL}).tool_calls) == 1
    assert len(ask(habits, way, {"tool_calls": [OWN]}, "tool_calls").tool_calls) == 1
    for message in (
        {"content": f"It says {CALL}."},
        {"content": CALL},
        {"content": "", "reasoning": f"It says {CALL}"},
    ):
        quoted = ask(habits, way, message)
        assert (quoted.tool_calls, quoted.invalid_tool_calls) == ([], [])
        assert CALL in quoted.text + quoted.additional_kwargs.get("reasoning_content", "")
        assert "rescued_tool_calls" not in quoted.response_metadata
    assert ask(habits, way, {"content": CALL[:-30]}, "length").invalid_tool_calls  # its parser leaves half a call there
    assert len(ask(habits, way, {"content": CALL}, rescue_tool_calls=True).tool_calls) == 1
    twice = ask(habits, way, {"content": CALL, "tool_calls": [{**WIRE_CALL, "index": 0}]}, "tool_calls")
    assert (len(twice.tool_calls), twice.content) == (1, "")  # ms-swift sends each call twice
    other = "stream" if way == "whole" else "whole"
    assert len(ask(habits, other, {"content": CALL}).tool_calls) == 1  # transformers serve parses whole replies alone


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "length"])
@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize(
    ("options", "message", "calls"),
    [
        (OFF, {"content": None, "reasoning": CALL}, 1),
        (OFF, {"content": "", "reasoning_content": f"\n{CALL}\n"}, 1),
        (OFF, {"content": None, "reasoning": f"Let me see.\n{CALL}"}, 1),
        (OFF, {"content": None, "reasoning": f"{CALL}\n{OTHER_CALL}"}, 2),
        ({}, {"content": None, "reasoning": CALL}, 0),
        (OFF, {"content": "B", "reasoning": CALL}, 0),
        (OFF, {"content": CALL}, 0),
        (OFF, {"content": None, "reasoning": f"```xml\n{CALL}\n```"}, 0),
        ({**OFF, "rescue_tool_calls": False}, {"content": None, "reasoning": CALL}, 0),
    ],
)
def test_call_in_the_reasoning_counts_when_thinking_is_off_and_nothing_else_came(
    options: dict[str, Any], message: dict[str, Any], calls: int, way: str, reason: str
):
    """Protects agents on vLLM with deepseek_r1: its parser of calls sees those of a thinking model only."""
    reply = ask(ReplyHabits(False, parses={"whole", "stream"}), way, message, reason, **options)
    assert len(reply.tool_calls) == (calls if reason != "length" else 0)
    if reply.tool_calls:
        assert "<tool_call>" not in reply.text + reply.additional_kwargs.get("reasoning_content", "")


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_call_in_the_text_stays_one_when_only_forced_calls_were_parsed(way: str):
    """Protects agents on servers without a parser: a forced call comes from a grammar (vLLM, llama-cpp-python)."""
    habits = ReplyHabits(False)
    forced = ask(habits, way, {"content": f"It says {CALL}", "tool_calls": [OWN]}, "tool_calls", forced=True)
    assert len(forced.tool_calls) == 1
    assert CALL in forced.text
    assert len(ask(habits, way, {"content": CALL}).tool_calls) == 1
    ask(habits, way, {"tool_calls": [OWN]}, "tool_calls")
    assert ask(habits, way, {"content": CALL}, forced=True).tool_calls == []  # what is known counts here, too


XML_CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\nBeijing\n</parameter>\n</function>\n</tool_call>"
ESCAPED = json.dumps({"answer": CALL})
QUOTES: dict[str, str] = {
    "alone": CALL,
    "as XML": XML_CALL,
    "XML without a tag": XML_CALL.removeprefix("<tool_call>\n"),
    "behind a colon": f"The page says: {CALL}",
    "on a line of its own": f"The file contains:\n\n{CALL}\n\nShall I do that?",
    "in a fence": f"```xml\n{CALL}\n```",
    "in an open fence": f"~~~\n{CALL}",
    "in a block quote": "> " + CALL.replace("\n", "\n> "),
    "in quotation marks": f"“{CALL}”",
    "in JSON": ESCAPED,
    "in broken JSON": ESCAPED.replace("\\", ""),
    "in HTML": f"<pre>{CALL}</pre>",
    "many": f"{CALL}\n{XML_CALL}\n{OTHER_CALL}",
    "several in one tag": CALL.replace("}\n</tool_call>", '}\n{"name": "get_weather", "arguments": {}}\n</tool_call>'),
    "in a call": f'<tool_call>{{"name": "say", "arguments": {{"text": "{CALL}"}}}}</tool_call>',
    "behind half a call": CALL[:-30] + CALL,
    "before half a call": CALL + CALL[:-30],
    "without its closing tag": CALL.removesuffix("</tool_call>"),
    "without its closing brace": CALL.removesuffix("}\n</tool_call>"),
    "in thinking": f"<think>It says {CALL}</think>",
    "after thinking": f"<think>Hm.</think>\n\n{CALL}",
}


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", None])
@pytest.mark.parametrize("field", ["content", "reasoning_content", "parts"])
@pytest.mark.parametrize("quote", QUOTES)
def test_no_call_is_valid_when_a_server_with_a_parser_sends_its_text(quote: str, field: str, reason: str | None):
    """Protects from pages and files that are quoted: wherever a call stands and wherever the reply ends, it is text."""
    text = QUOTES[quote]
    message = {"content": [{"type": "text", "text": text}]} if field == "parts" else {"content": "", field: text}
    options = ReplyOptions(tools=(TOOL,), habits=ReplyHabits(None, parses={"whole", "stream"}))
    replies = [read_whole(write_body(message, reason), options)]
    for size in (1, 5, 1000):
        pieces = [{field: text[at : at + size]} for at in range(0, len(text), size)] if field != "parts" else [message]
        replies.append(read_stream(write_events(*pieces, reason=reason or "stop"), options))
    for reply in replies:
        assert reply.tool_calls == []
        assert "rescued_tool_calls" not in reply.response_metadata or reply.invalid_tool_calls
        if reason in ("stop", "tool_calls"):
            assert reply.invalid_tool_calls == []
            assert "get_weather" in reply.text + reply.additional_kwargs.get("reasoning_content", "")


@pytest.mark.parametrize("end", range(1, 2 * len(CALL)))
def test_no_call_is_valid_when_a_quote_was_cut_anywhere(end: int):
    """Protects from the limit of tokens: a call whose arguments are complete would be valid, so it stays text."""
    options = ReplyOptions(tools=(TOOL,), habits=ReplyHabits(None, parses={"whole", "stream"}))
    text = f"{CALL}\n{XML_CALL}"[:end]
    for message in (
        read_whole(write_body({"content": text}, "length"), options),
        read_stream(write_events({"content": text}, reason="length"), options),
    ):
        assert message.tool_calls == []
        assert message.text == text or message.invalid_tool_calls


def test_text_of_one_answer_is_a_quote_when_another_one_has_a_parsed_call():
    """Protects `n` answers of one reply, whichever comes first."""
    options = ReplyOptions(tools=(TOOL,), habits=ReplyHabits(None), several=True)
    body = write_body({"content": CALL})
    body["choices"].append({**body["choices"][0], "index": 1, "message": {"content": "", "tool_calls": [OWN]}})
    assert read_whole(body, options).tool_calls == []
    assert len(read_whole(body, options, 1).tool_calls) == 1


def test_text_is_a_quote_when_the_parsed_call_of_the_stream_before_was_read_and_the_rest_was_not():
    """Protects agents that leave a stream at its first call."""
    options = ReplyOptions(tools=(TOOL,), habits=ReplyHabits(None))
    reader = StreamReader(options)
    list(reader.read(write_sse(write_events({"tool_calls": [OWN]})[:1], done=False)))
    assert read_stream(write_events({"content": CALL}), options).tool_calls == []


@pytest.mark.parametrize("key", ["input", "arguments"])
@pytest.mark.parametrize("kind", ["tool_use", "tool_call", "function_call"])
def test_call_is_read_when_it_is_a_part_of_the_content(kind: str, key: str):
    """Protects calls of gateways that keep Anthropic's or the Responses API's form of a message."""
    part = {"type": kind, "id": "c", "name": "get_weather", key: {"city": "Beijing"}}
    message = {"content": [{"type": "text", "text": "A"}, part]}
    assert spans(read_stream(write_events(message))) == ("", "A", BEIJING)
    assert spans(read_whole(write_body(message))) == ("", "A", BEIJING)


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([{"type": "refusal", "refusal": "No."}], {"refusal": "No."}),
        ({"type": "refusal", "refusal": "No."}, {"refusal": "No."}),
        ([{"type": "output_text", "text": "A", "annotations": [{"url": 1}]}], {"annotations": [{"url": 1}]}),
        ([{"text": "A", "citations": [{"url": 1}]}, {"text": "B", "citations": [2]}], {"citations": [{"url": 1}, 2]}),
        ([{"type": "text", "text": "A"}, IMAGE], {"images": [IMAGE]}),
        ([{"type": "text", "text": "A", "annotations": None}], {}),
        ({"refusal": "a key of an answer in JSON"}, {}),
        ([{"annotations": [1], "row": 2}], {}),
    ],
)
def test_parts_of_the_content_are_kept_where_their_fields_are(parts: Any, kept: dict[str, Any]):
    """Protects what arrived: a refusal in a part was an empty answer, and sources beside the text were lost."""
    for message in (read_stream(write_events({"content": parts})), read_whole(write_body({"content": parts}))):
        assert message.additional_kwargs == kept


@pytest.mark.parametrize(
    "kept", [{"refusal": "No."}, {"annotations": [{"url": 1}]}, {"images": [IMAGE]}, {"citations": ["a"]}]
)
def test_what_a_part_repeats_of_its_message_is_kept_once(kept: dict[str, Any]):
    """Protects against a refusal, a source or a picture that is there twice, where a server writes both places."""
    part = IMAGE if "images" in kept else {"type": "text", "text": "", **kept}
    for message in (
        read_stream(write_events({"content": [part], **kept})),
        read_whole(write_body({"content": [part], **kept})),
    ):
        assert message.additional_kwargs == kept


IN_BEIJING = {"name": "get_weather", "arguments": '{"city": "Beijing"}'}


@pytest.mark.parametrize(
    "deltas",
    [
        [{"function_call": IN_BEIJING}],
        [{"function_call": {"name": "get_weather", "arguments": {"city": "Beijing"}}}],
        [
            {"content": None, "tool_calls": None, "function_call": {"name": "get_weather", "arguments": ""}},
            {"content": None, "tool_calls": [], "function_call": {"name": None, "arguments": '{"city": "Bei'}},
            {"content": None, "tool_calls": [], "function_call": {"arguments": 'jing"}'}},
        ],
        [{"tool_calls": [{"index": 0, "id": "c", "function": IN_BEIJING}], "function_call": IN_BEIJING}],
        *(
            [{"tool_calls": [{**number, "id": "c", "function": IN_BEIJING}]}, {"function_call": IN_BEIJING}]
            for number in ({"index": 0}, {"index": 1}, {})
        ),
        [{"function_call": IN_BEIJING}, {"tool_calls": [{"index": 0, "id": "c", "function": IN_BEIJING}]}],
    ],
    ids=["text", "object", "pieces", "both forms", *["the old form again"] * 3, "the new form again"],
)
def test_call_in_the_form_of_2023_is_a_call_if_tools_were_sent(deltas: list[dict[str, Any]]):
    """Protects agents: they ended silently, with an empty answer, where a server answers `tools` with this form."""
    options = ReplyOptions(tools=(TOOL,))
    messages = [read_stream(write_events(*deltas, reason="function_call"), options)]
    messages += [read_whole(write_body(deltas[0], "function_call"), options)] * (len(deltas) == 1)
    for message in messages:
        assert spans(message) == ("", "", BEIJING)
        assert message.additional_kwargs == {}
    assert read_stream(write_events(*deltas)).additional_kwargs["function_call"]["name"] == "get_weather"


IN_ROME = {"name": "get_weather", "arguments": '{"city": "Rome"}'}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"tool_calls": [WIRE_CALL]}, {"city": "Beijing"}),
        ({"tool_calls": [WIRE_CALL, {**WIRE_CALL, "id": "c2", "function": IN_ROME}]}, {"city": "Beijing"}),
        ({"function_call": IN_BEIJING}, {"city": "Beijing"}),
        ({"reasoning": "A", "content": CALL}, {"city": "Beijing"}),
        ({"tool_calls": [{**WIRE_CALL, "function": {"name": "get_weather"}}]}, {}),
        ({"reasoning": "A", "content": "B"}, None),
    ],
    ids=["call", "two", "form of 2023", "in the text", "no arguments", "no call"],
)
def test_call_is_also_in_the_form_of_2023_if_functions_were_bound(
    message: dict[str, Any], expected: dict[str, Any] | None
):
    """Protects LangChain's older chains and agents: they look for the call in `additional_kwargs` alone."""
    options = ReplyOptions(tools=(TOOL,), function_call=True)
    whole, streamed = read_whole(write_body(message), options), read_stream(write_events(message), options)
    assert whole.additional_kwargs == streamed.additional_kwargs
    function = whole.additional_kwargs.get("function_call")
    read = (function["name"], json.loads(function["arguments"])) if function else None
    assert read == (None if expected is None else ("get_weather", expected))
    assert spans(whole)[2][:1] == ([] if read is None else [read])


@pytest.mark.parametrize("arguments", ['{"city": "Bei', '{"city": "Beijing"', "{", ""])
def test_call_in_the_form_of_2023_cannot_be_parsed_if_it_was_cut(arguments: str):
    """Protects from half a call: these chains parse the text themselves, some of them leniently."""
    message = {"tool_calls": [{**WIRE_CALL, "function": {"name": "get_weather", "arguments": arguments}}]}
    options = ReplyOptions(tools=(TOOL,), function_call=True)
    whole = read_whole(write_body(message, "length"), options)
    streamed = read_stream(write_events(message, reason="length"), options)
    for read in (whole, streamed):
        assert read.tool_calls == []
        with pytest.raises(ValueError, match=r"Expecting"):
            json.loads(read.additional_kwargs["function_call"]["arguments"])


@pytest.mark.parametrize("key", ["images", "citations"])
def test_lists_beside_the_text_are_kept(key: str):
    """Protects what arrived: OpenRouter's images, and the sources of a search."""
    events = write_events({"content": "A", key: [{"url": 1}]}, {key: [{"url": 2}]})
    assert read_stream(events).additional_kwargs[key] == [{"url": 1}, {"url": 2}]


_ROME = [("get_weather", {"city": "Rome"})]
_TAG_INSIDE = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nA\n</think>\n\nB\n</parameter>\n</function>\n</tool_call>"
)


@pytest.mark.parametrize(
    ("text", "shown", "calls"),
    [
        (f"Maybe {CALL}\nNo.\n</think>\n\nFive.", None, []),
        (f"Maybe {CALL}\n</think>\n\nFive.", None, []),
        (f"Maybe {CALL} and {CALL}\nNo.</think>\n\nFive.", None, []),
        (f"Maybe {CALL}\nNo.\n</think>\n\n{OTHER_CALL}", f"Maybe {CALL}\nNo.\n</think>\n\n", _ROME),
        (f"Maybe {CALL}\n</think>\n\n{OTHER_CALL}\n</think>\n\nA", f"Maybe {CALL}\n</think>\n\n\n</think>\n\nA", _ROME),
        (f"Ok.</think>\n\n{CALL}\n{OTHER_CALL}", "Ok.</think>\n\n", [*BEIJING, *_ROME]),
        (f"No.\n</think>\n\n{CALL}", "No.\n</think>\n\n", BEIJING),
        (f"So {CALL}\n</think>\n\n", "So \n</think>\n\n", BEIJING),
        (f"So {CALL} as the tag </think> says", "So  as the tag </think> says", BEIJING),
        (_TAG_INSIDE, "", [("get_weather", {"city": "A\n</think>\n\nB"})]),
        (f"{CALL}\n{_TAG_INSIDE}", "", [*BEIJING, ("get_weather", {"city": "A\n</think>\n\nB"})]),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_call_in_leaked_thinking_is_a_draft(text: str, shown: str | None, calls: list[Any], size: int):
    """Protects agents that stream: as with `invoke`, a call that the model only thought about is not executed."""
    pieces = [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    message = read_stream(write_events({"reasoning": "T"}, *pieces), ReplyOptions(**TOOLS))
    assert [(call["name"], call["args"]) for call in message.tool_calls] == calls
    assert message.text == (text if shown is None else shown)


@pytest.mark.parametrize("opened", [None, True])
def test_thinking_ends_once_where_the_prompt_opens_it(*, opened: bool | None):
    """Protects a call behind the tag that ended the thinking from another tag behind it, as `invoke` does."""
    message = {"content": f"Maybe.\n</think>\n\n{CALL}\n</think>\n\nBye."}
    options = ReplyOptions(opened=opened, **TOOLS)
    for reply in (read_stream(write_events(message), options), read_whole(write_body(message), options)):
        assert [(call["name"], call["args"]) for call in reply.tool_calls] == BEIJING


@pytest.mark.parametrize(
    ("message", "reason", "options", "warned"),
    [
        ({"reasoning": "A"}, "stop", {}, True),
        ({"reasoning_content": "A", "content": "\n"}, "stop", {"return_reasoning": False}, True),
        ({"content": "<think>A"}, "stop", {}, True),
        ({"reasoning": "A"}, "stop", {"tools": (TOOL,)}, True),
        ({"reasoning": "A", "content": "B"}, "stop", {}, False),
        ({"reasoning": "A", "tool_calls": [WIRE_CALL]}, "tool_calls", {}, False),
        ({"reasoning": CALL}, "stop", {"tools": (TOOL,)}, False),
        ({"reasoning": "A"}, "length", {}, False),
        ({"reasoning": "A"}, "stop", {"stops": False}, False),
        ({"reasoning": "A"}, "stop", OFF, False),
        ({"content": ""}, "stop", {}, False),
    ],
)
def test_says_so_when_a_stop_sequence_ended_the_thinking(
    message: dict[str, Any], reason: str, options: dict[str, Any], warned: bool
):
    """Protects ReAct agents, whose `stop` also ends the thinking: the answer is empty, and nothing said why."""
    own = ReplyOptions(**{"stops": True, **options})
    for read in (
        lambda: read_whole(write_body(message, reason), own),
        lambda: read_stream(write_events(message, reason=reason), own),
    ):
        forget_warnings()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            read()
        assert ["`stop`" in str(one.message) for one in caught] == [True] * warned
