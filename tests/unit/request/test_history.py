"""What holds between the messages of a request: results answer their calls, and a template can render the whole."""

from __future__ import annotations

from itertools import permutations
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, strategies as st
from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_qwen3._warnings import UnsupportedSettingWarning, forget_warnings
from langchain_qwen3.profiles import MODEL_LINES, find_line
from langchain_qwen3.request.history import answer_calls, check_messages, restore_order, write_history
from langchain_qwen3.request.messages import MessageError
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from langchain_qwen3.servers.engines import LM_STUDIO, VLLM
from langchain_qwen3.servers.hosts import GROQ

QUESTION = HumanMessage("q")


def call(*ids: str) -> AIMessage:
    """A step with calls."""
    return AIMessage("", tool_calls=[{"id": id_, "name": f"f{id_}", "args": {}} for id_ in ids])


def result(id_: str, text: str = "") -> ToolMessage:
    """A result."""
    return ToolMessage(text or f"of {id_}", tool_call_id=id_)


def write(*messages: BaseMessage, dialect: Dialect = VLLM, model: str = "Qwen/Qwen3-8B", **options: Any) -> Any:
    """The messages as they go out."""
    settings: dict[str, Any] = {"replay": "all", "normalize": True, **options}
    return write_history(messages, dialect, find_line(model), **settings)


def list_ids(wire: list[dict[str, Any]]) -> list[Any]:
    """Calls as lists of ids, results as ids, other messages as roles."""
    return [
        [one["id"] for one in message["tool_calls"]]
        if "tool_calls" in message
        else message.get("tool_call_id", message["role"])
        for message in wire
    ]


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_puts_results_into_the_order_of_the_calls_when_they_came_in_another(order: tuple[str, ...]):
    """Protects parallel calls: Qwen's templates have no ids, so the nth result is read as that of the nth call."""
    wire = write(QUESTION, call(*"abc"), *(result(id_) for id_ in order), HumanMessage("and?"))
    assert list_ids(wire) == ["user", ["a", "b", "c"], "a", "b", "c", "user"]
    assert [message["content"] for message in wire[2:5]] == ["of a", "of b", "of c"]


def test_moves_results_behind_their_calls_when_other_messages_stand_between():
    """Protects notes and hurried questions between a call and its result; each step keeps its own results."""
    late = SystemMessage("note")
    wire = write(
        QUESTION, call("a", "b"), result("b"), late, HumanMessage("hurry"), result("a"), call("a"), result("a")
    )
    assert list_ids(wire) == ["user", ["a", "b"], "a", "b", "system", "user", ["a"], "a"]


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_gives_results_to_their_calls_when_several_messages_call_before_any_comes(order: tuple[str, ...]):
    """Protects agents that run in parallel and write into one thread: swarm, supervisor, Send."""
    wire = write(QUESTION, call("a"), call("b"), call("c"), *(result(id_) for id_ in order), HumanMessage("and?"))
    assert list_ids(wire) == ["user", ["a"], "a", ["b"], "b", ["c"], "c", "user"]
    assert [message["content"] for message in wire[2:7:2]] == ["of a", "of b", "of c"]


def test_gives_each_call_its_result_when_ids_are_equal_or_missing():
    """Protects servers that send no ids, or the same ones: results are taken in their order."""
    for id_ in ("", "call_0"):
        wire = write(QUESTION, call(id_, id_), result(id_, "first"), result(id_, "second"))
        assert [message["content"] for message in wire[2:]] == ["first", "second"]


def test_says_so_when_a_result_is_missing():
    """Protects the results after it, and services that answer 400: a line in its place, a warning with the id."""
    with pytest.warns(UnsupportedSettingWarning, match="'b'"):
        wire = write(QUESTION, call(*"abc"), result("c"), result("a"), HumanMessage("and?"))
    assert list_ids(wire) == ["user", ["a", "b", "c"], "a", "b", "c", "user"]
    assert "no result" in wire[3]["content"]


def test_gives_a_result_a_call_of_its_own_when_no_call_has_its_id():
    """Protects trimmed histories and mistaken ids: services answer 400, templates would show it for another call's."""
    with pytest.warns(UnsupportedSettingWarning, match="'x'"):
        wire = write(QUESTION, call("a"), result("x"), result("a"), HumanMessage("and?"))
    assert list_ids(wire) == ["user", ["a"], "a", ["x"], "x", "user"]
    forget_warnings()
    with pytest.warns(UnsupportedSettingWarning, match="'y'"):
        assert list_ids(write(result("y"), QUESTION)) == [["y"], "y", "user"]
    forget_warnings()
    with pytest.warns(UnsupportedSettingWarning, match="'call_unknown'"):
        assert list_ids(write(result(""), QUESTION)) == [["call_unknown"], "call_unknown", "user"]


LATE = {
    "after an answer": [call("a"), HumanMessage("hurry"), AIMessage("wait"), result("a")],
    "after the next question": [
        call("a"),
        HumanMessage("hurry"),
        AIMessage("wait"),
        HumanMessage("well?"),
        result("a"),
    ],
    "a second time": [call("a"), result("a", "first"), result("a")],
    "again after an answer": [call("a"), result("a", "first"), AIMessage("k"), HumanMessage("and?"), result("a")],
}


@pytest.mark.filterwarnings("ignore:no ToolMessage")
@pytest.mark.parametrize("messages", LATE.values(), ids=LATE)
def test_repeats_the_call_when_its_result_comes_late(messages: list[BaseMessage]):
    """Protects background tools: the model reads which call the result is of, and no earlier message is rewritten."""
    before = write(QUESTION, *messages[:-1])
    with pytest.warns(
        UnsupportedSettingWarning, match=r"tool_call_id='a' comes after .* the call of fa was sent again"
    ):
        wire = write(QUESTION, *messages)
    again, last = wire[-2:]
    assert again["tool_calls"] == wire[1]["tool_calls"]
    assert (last["tool_call_id"], last["content"]) == ("a", "of a")
    assert wire[: len(before)] == before


def test_sends_history_as_it_is_when_it_is_told_to():
    """Protects normalize_messages=False."""
    messages = [QUESTION, call("a", "b"), result("b"), result("x")]
    assert list_ids(write(*messages, normalize=False)) == ["user", ["a", "b"], "b", "x"]


def ask(*names: str, id_: str | None = "") -> AIMessage:
    """A step that calls functions, without ids unless one is given."""
    return AIMessage("", tool_calls=[{"id": id_, "name": name, "args": {}} for name in names])


def answer(text: str, *, name: str | None = None) -> ToolMessage:
    """A result without an id, with the function's name if LangGraph's ToolNode wrote it."""
    return ToolMessage(text, tool_call_id="", name=name)


LEGACY = AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}})
GEMINI = AIMessage([{"type": "function_call", "name": name, "args": {}} for name in "fg"])
RAW = AIMessage("", additional_kwargs={"tool_calls": [{"id": "", "function": {"name": "f", "arguments": "{}"}}]})
# Messages, and the results' texts in the order of the calls.
WITHOUT_IDS: dict[str, tuple[list[BaseMessage], list[str]]] = {
    "by name": ([ask("f", "g"), answer("F", name="f"), answer("G", name="g")], ["f F", "g G"]),
    "by name, in another order": ([ask("f", "g"), answer("G", name="g"), answer("F", name="f")], ["f F", "g G"]),
    "the id is None": ([ask("f", "g", id_=None), answer("F", name="f"), answer("G", name="g")], ["f F", "g G"]),
    "one function twice": ([ask("f", "f"), answer("1", name="f"), answer("2", name="f")], ["f 1", "f 2"]),
    "in every step": ([ask("f"), answer("1", name="f"), ask("f"), answer("2", name="f")], ["f 1", "f 2"]),
    "agents in parallel": ([ask("f"), ask("g"), answer("F", name="f"), answer("G", name="g")], ["f F", "g G"]),
    "calls as blocks": ([GEMINI, answer("F", name="f"), answer("G", name="g")], ["f F", "g G"]),
    "calls as they came": ([RAW, answer("F", name="f")], ["f F"]),
    "neither ids nor names": ([ask("f", "g"), answer("F"), answer("G")], ["f F", "g G"]),
    "names for some": ([ask("f", "g"), answer("F"), answer("G", name="g")], ["f F", "g G"]),
    "only the call has an id": ([ask("f", id_="c1"), answer("F")], ["f F"]),
    "only the calls have ids": ([call("a", "b"), answer("B", name="fb"), answer("A", name="fa")], ["fa A", "fb B"]),
    "only one result has an id": ([call("a", "b"), answer("B"), result("a", "A")], ["fa A", "fb B"]),
    "a function of 2023": ([LEGACY, FunctionMessage(name="f", content="F")], ["f F"]),
    "a function of 2023 with a tool's result": ([LEGACY, answer("F", name="f")], ["f F"]),
    "a function of 2023 with a result without a name": ([LEGACY, answer("F")], ["f F"]),
}


@pytest.mark.parametrize(("messages", "pairs"), WITHOUT_IDS.values(), ids=WITHOUT_IDS)
def test_gives_each_call_its_result_when_ids_are_missing(messages: list[BaseMessage], pairs: list[str]):
    """Protects threads of servers that send no ids: the name tells, else the order, and no call or text is made up."""
    wire = write(QUESTION, *messages, HumanMessage("and?"))
    names = [one["function"]["name"] for message in wire for one in message.get("tool_calls", ())]
    results = [message for message in wire if message["role"] == "tool"]
    assert [f"{name} {message['content']}" for name, message in zip(names, results, strict=True)] == pairs
    ids = [one["id"] for message in wire for one in message.get("tool_calls", ())]
    assert all(ids)
    assert [message["tool_call_id"] for message in results] == ids


def test_gives_no_result_to_another_call_when_one_is_missing_and_ids_are():
    """Protects a thread that was interrupted: the name tells which of two calls has no result yet."""
    with pytest.warns(UnsupportedSettingWarning, match="follows the call of f"):
        wire = write(QUESTION, ask("f", "g"), answer("G", name="g"))
    assert ["no result" in message["content"] for message in wire[2:]] == [True, False]


def test_gives_no_result_to_another_call_when_an_id_is_made_of_a_name():
    """Protects servers that write such ids: the second call's own result was taken for the first call's."""
    made = AIMessage("", tool_calls=[{"id": id_, "name": "f", "args": {}} for id_ in ("c1", "call_f")])
    with pytest.warns(UnsupportedSettingWarning, match="follows the call of f"):
        wire = write(QUESTION, made, result("call_f", "F"), HumanMessage("and?"))
    assert [message["content"] for message in wire[2:4]] == ["[no result so far]", "F"]


def test_pairs_functions_of_2023_when_a_history_has_them():
    """Protects old histories: `function_call` and FunctionMessage are a call and its result."""
    made = AIMessage("", additional_kwargs={"function_call": {"name": "look_up", "arguments": '{"a": 1}'}})
    wire = write(QUESTION, made, FunctionMessage(name="look_up", content="r"))
    (sent,) = wire[1]["tool_calls"]
    assert sent["function"] == {"name": "look_up", "arguments": '{"a": 1}'}
    assert wire[2] == {"role": "tool", "content": "r", "tool_call_id": sent["id"]}


STEPS = st.lists(
    st.tuples(st.lists(st.sampled_from("abcd"), max_size=4), st.lists(st.sampled_from("abcdx"), max_size=5))
)


@given(STEPS)
@pytest.mark.filterwarnings("ignore:(no|the) .*ToolMessage")
def test_every_call_has_one_result_behind_it_when_a_history_is_any(steps: list[tuple[list[str], list[str]]]):
    """Protects the promise itself: calls and results pair up in order, and no result's text is lost."""
    messages: list[BaseMessage] = [QUESTION]
    for number, (ids, results) in enumerate(steps):
        messages.append(call(*ids))
        messages += [result(id_, f"{number} {place} {id_}") for place, id_ in enumerate(results)]
    wire = write(*messages)
    waiting: list[str] = []
    for message in wire:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
        else:
            assert not waiting
            waiting = [one["id"] for one in message.get("tool_calls", ())]
    assert not waiting
    texts = [message["content"] for message in wire if message["role"] == "tool"]
    assert all(message.content in texts for message in messages if message.type == "tool")
    assert answer_calls(wire) == wire


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("continues", [True, False])
def test_refuses_an_assistants_last_message_only_where_it_would_be_continued(dialect: Dialect, *, continues: bool):
    """Protects reflection, hand-offs and structured answers, which end so; a prefill without thinking is fine."""
    messages = [QUESTION, AIMessage("def")]
    if continues and dialect.continues_assistant:
        with pytest.raises(MessageError, match="enable_thinking=False"):
            write(*messages, dialect=dialect, continues=True)
    else:
        assert write(*messages, dialect=dialect, continues=continues)[-1]["content"] == "def"


@pytest.mark.parametrize("line", MODEL_LINES, ids=lambda line: line.name)
def test_refuses_a_conversation_without_a_user_where_the_template_does(line: Any):
    """Protects prompts of one system message, which 3.5 and newer refuse and the others render."""
    wire = [{"role": "system", "content": "a"}]
    if line.template in ("qwen3_5", "qwen3_6", "qwen3_8"):
        with pytest.raises(MessageError, match="HumanMessage"):
            check_messages(wire, VLLM, line)
    else:
        check_messages(wire, VLLM, line)


def test_refuses_a_conversation_when_it_is_empty():
    """Protects from the template's IndexError; a name that says nothing leaves all else to the server."""
    with pytest.raises(MessageError, match="HumanMessage"):
        check_messages([], VLLM)
    check_messages([{"role": "system", "content": "a"}], VLLM)


LOOP = [HumanMessage("q"), call("a"), result("a"), AIMessage("x"), HumanMessage("r"), call("b"), result("b")]


@pytest.mark.parametrize("length", range(1, len(LOOP) + 1))
@pytest.mark.parametrize("system", [[], [SystemMessage("s")]], ids=["bare", "with a system message"])
def test_finds_the_order_of_a_piece_when_it_is_handed_over_reversed(length: int, system: list[BaseMessage]):
    """Protects trim_messages, which counts pieces from the end: reasoning after the last question is sent."""
    ordered = LOOP[-length:]
    assert list(restore_order([*system, *reversed(ordered)]))[len(system) :] == ordered


@pytest.mark.parametrize(
    "piece",
    [
        [result("a"), HumanMessage("r")],
        [result("a"), AIMessage("x"), HumanMessage("r")],
        [result("a"), result("b"), AIMessage("x"), HumanMessage("r")],
        [result("a"), AIMessage("x"), HumanMessage("r"), AIMessage("y")],
    ],
    ids=lambda piece: " ".join(message.type for message in piece),
)
def test_finds_the_order_of_a_piece_that_begins_with_the_result_of_an_earlier_call(piece: list[BaseMessage]):
    """Protects trim_messages within an agent's thread: a result comes first only where its call was cut off."""
    assert list(restore_order(piece)) == piece
    assert list(restore_order(piece[::-1])) == piece


def test_leaves_a_piece_alone_when_its_order_is_told():
    """Protects counts of a conversation as it is: results beside their calls tell, and a chat between questions."""
    for piece in (LOOP, LOOP[:3], [HumanMessage("a"), AIMessage("b"), HumanMessage("c")], [], [SystemMessage("s")]):
        assert list(restore_order(piece)) == piece


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "Qwen/Qwen3-4B-Instruct-2507"])
def test_leaves_a_late_system_message_in_place_where_the_template_renders_it(model: str):
    """Protects the prefix cache: moving it to the front changes the beginning of the prompt."""
    messages = [SystemMessage("a"), QUESTION, SystemMessage("b"), HumanMessage("r")]
    assert [message["role"] for message in write(*messages, model=model)] == ["system", "user", "system", "user"]
    for other in ("Qwen/Qwen3.5-9B", "Qwen/Qwen3-VL-8B-Instruct", "my-alias"):
        moved = write(*messages, model=other)
        assert [message["role"] for message in moved] == ["system", "user", "user"]
        assert moved[0]["content"] == "a\n\nb"


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
OTHER = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TEXT = {"type": "text", "text": "a page"}


def picture_of(id_: str, *parts: Any) -> ToolMessage:
    """A result with parts."""
    return ToolMessage(list(parts), tool_call_id=id_)


@pytest.mark.parametrize(
    ("messages", "shape", "shown"),
    [
        ([call("a"), picture_of("a", PICTURE)], [["a"], "a", "user"], [[PICTURE]]),
        ([call("a"), picture_of("a", TEXT, PICTURE, OTHER)], [["a"], "a", "user"], [[PICTURE, OTHER]]),
        (
            [call(*"ab"), picture_of("b", OTHER), picture_of("a", PICTURE)],
            [["a", "b"], "a", "b", "user"],
            [[PICTURE, OTHER]],
        ),
        ([call(*"ab"), picture_of("a", PICTURE), result("b")], [["a", "b"], "a", "b", "user"], [[PICTURE]]),
        (
            [call("a"), picture_of("a", PICTURE), call("b"), picture_of("b", OTHER), AIMessage("so")],
            [["a"], "a", "user", ["b"], "b", "user", "assistant"],
            [[PICTURE], [OTHER]],
        ),
        (
            [call("a"), picture_of("a", PICTURE), HumanMessage([OTHER])],
            [["a"], "a", "user", "user"],
            [[PICTURE], [OTHER]],
        ),
        ([call("a"), picture_of("a", TEXT)], [["a"], "a"], []),
        ([call("a"), picture_of("a")], [["a"], "a"], []),
        ([call("a"), result("a")], [["a"], "a"], []),
        ([HumanMessage([TEXT, PICTURE])], ["user"], [[PICTURE]]),
    ],
)
@pytest.mark.parametrize("dialect", [LM_STUDIO, GROQ], ids=attrgetter("name"))
def test_shows_the_media_of_results_behind_them_where_a_result_must_be_text(
    messages: list[BaseMessage], shape: list[Any], shown: list[Any], dialect: Dialect
):
    """Protects screenshots of MCP servers where the whole request is refused for media in a result."""
    model = "Qwen/Qwen3-VL-8B-Instruct"
    wire = write(QUESTION, *messages, dialect=dialect, model=model)[1:]
    assert list_ids(wire) == shape
    contents = [message["content"] for message in wire if isinstance(message["content"], list)]
    media = [[part for part in content if part["type"] != "text"] for content in contents]
    assert [parts for parts in media if parts] == shown
    assert all(isinstance(message["content"], str) for message in wire if message["role"] == "tool") or not shown
    elsewhere = write(QUESTION, *messages, dialect=VLLM, model=model)[1:]
    assert len(elsewhere) == len(messages)  # every other server takes them where they are
