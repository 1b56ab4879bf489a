"""Tool calls from the wire: whole and streamed, complete, damaged and cut."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.reply.chunks import join_fragments
from langchain_qwen3.reply.tool_calls.arguments import invalidate_arguments, read_arguments
from langchain_qwen3.reply.tool_calls.fragments import (
    ToolCalls,
    ToolCallStream,
    collect_tool_calls,
    list_without,
)
from tests.support.replies import write_events, write_sse

CAPTURES = Path(__file__).parents[3] / "captures"
TEXT = '{"path": "/home/us\\"er\\\\", "深": [1, {"a": null}, "\\u5317京"], "n": -1.5e3}'

TEXTS = st.text(max_size=9)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
JSON_OBJECTS = st.dictionaries(TEXTS, JSON_VALUES, max_size=3)


def fragment(index: int | None, call_id: str | None, name: str | None, text: Any = None) -> dict[str, Any]:
    """Return a wire fragment with just these fields."""
    wire: dict[str, Any] = {"type": "function", "function": {}}
    if index is not None:
        wire["index"] = index
    if call_id is not None:
        wire["id"] = call_id
    if name is not None:
        wire["function"]["name"] = name
    if text is not None:
        wire["function"]["arguments"] = text
    return wire


def read(deltas: list[list[dict[str, Any]]], *, truncated: bool = False, **options: Any) -> list[ToolCallChunk]:
    """Return all chunks of a stream."""
    stream = ToolCallStream(**options)
    chunks = [chunk for delta in deltas for chunk in stream.feed(delta)]
    return chunks + stream.close(truncated)


def add_up(chunks: list[ToolCallChunk]) -> AIMessageChunk:
    """Return the sum core makes of the chunks."""
    messages = [AIMessageChunk(content="", tool_call_chunks=[chunk]) for chunk in chunks]
    return reduce(add, messages, AIMessageChunk(content=""))


def read_both_ways(deltas: list[list[dict[str, Any]]], *, truncated: bool = False, **options: Any) -> ToolCalls:
    """Read deltas, hold the sum core makes of the chunks against the collected calls, return those."""
    chunks = read(deltas, truncated=truncated, **options)
    whole, summed = collect_tool_calls(chunks), add_up(chunks)
    assert summed.tool_calls == whole.calls
    assert summed.invalid_tool_calls == whole.invalid
    return whole


def show(calls: ToolCalls) -> list[tuple[str | None, Any]]:
    """Return names and arguments, valid calls first."""
    return [(call["name"], call["args"]) for call in (*calls.calls, *calls.invalid)]


def load_deltas(path: Path) -> tuple[list[list[dict[str, Any]]], str | None]:
    """Return the tool calls of each recorded delta, and the finish reason."""
    deltas, reason = [], None
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                deltas.append(choice["delta"].get("tool_calls") or [])
                reason = choice["finish_reason"] or reason
    return deltas, reason


ENGINE_CALLS = [path for path in CAPTURES.glob("*/tool_*") if path.parent.name in ("llama-server", "vllm-parsers")]
STREAMS = sorted(path for path in ENGINE_CALLS if path.suffix == ".sse" and '"tool_calls":[' in path.read_text("utf-8"))
WHOLES = sorted(
    path
    for path in ENGINE_CALLS
    if path.suffix == ".json" and not path.stem.endswith("_stream")
    if '"tool_calls": [' in path.read_text("utf-8").partition('"response":')[2]
)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_reads_the_same_calls_when_a_real_stream_is_cut_anywhere(path: Path):
    """Protects agents: every prefix of a recorded stream gives calls of the full stream or invalid ones."""
    deltas, reason = load_deltas(path)
    full = read_both_ways(deltas, truncated=reason == "length")
    assert full.calls
    assert not full.invalid
    for end in range(len(deltas)):
        cut = read_both_ways(deltas[:end], truncated=True)
        assert all(call in full.calls for call in cut.calls)
        assert len(cut.calls) + len(cut.invalid) <= len(full.calls)


@pytest.mark.parametrize("path", WHOLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_reads_a_whole_message_like_its_stream_when_it_was_recorded(path: Path):
    """Protects the equality of invoke and stream: a whole message is one delta."""
    wire = json.loads(path.read_text("utf-8"))["response"]["body"]["choices"][0]["message"]["tool_calls"]
    calls = read_both_ways([wire])
    assert [(call["id"], call["name"], call["args"]) for call in calls.calls] == [
        (item["id"], item["function"]["name"], json.loads(item["function"]["arguments"])) for item in wire
    ]


def test_never_takes_half_arguments_for_whole_when_the_reply_was_cut():
    """Protects against half-written commands: only the closed object is a call, in a chunk sum too."""
    for end in range(len(TEXT)):
        calls = read_both_ways([[fragment(0, "a", "rm", TEXT[:end])]], truncated=True)
        assert not calls.calls, end
        assert str(calls.invalid[0]["args"]).startswith(TEXT[:end])
    assert show(read_both_ways([[fragment(0, "a", "rm", TEXT)]], truncated=True)) == [("rm", json.loads(TEXT))]


@pytest.mark.parametrize("names", ["first", "all"])
@pytest.mark.parametrize("ids", ["first", "all", "none"])
@pytest.mark.parametrize("indexed", [True, False])
def test_reads_one_call_when_its_fragments_are_split_and_lack_fields(names: str, ids: str, indexed: bool):
    """Protects calls from servers that leave out or repeat index, id or name: no split changes the call."""
    index = 0 if indexed else None
    for cut in range(1, len(TEXT)):
        first = fragment(index, None if ids == "none" else "a", "f", TEXT[:cut])
        second = fragment(index, "a" if ids == "all" else None, "f" if names == "all" else None, TEXT[cut:])
        calls = read_both_ways([[first], [second]])
        assert show(calls) == [("f", json.loads(TEXT))], cut
        assert calls.calls[0]["id"] == "a" or str(calls.calls[0]["id"]).startswith("call_")


ONE, TWO = '{"x": 1}', '{"x": 2}'
PARALLEL = {
    "index": [[(0, "a", "f", ONE)], [(1, "b", "f", TWO)]],
    "one delta": [[(0, "a", "f", ONE), (1, "b", "f", TWO)]],
    "same index, other id": [[(0, "a", "f", ONE)], [(0, "b", "f", TWO)]],
    "same index, no id": [[(0, None, "f", ONE)], [(0, None, "f", TWO)]],
    "bare": [[(None, None, "f", ONE)], [(None, None, "f", TWO)]],
    "bare in one delta": [[(None, None, "f", ONE), (None, None, "f", TWO)]],
    "ids": [[(None, "a", "f", ONE)], [(None, "b", "f", TWO)]],
    "objects": [[(None, None, "f", {"x": 1}), (None, None, "f", {"x": 2})]],
    "interleaved by index": [
        [(0, "a", "f"), (1, "b", "f")],
        [(1, None, None, TWO)],
        [(0, None, None, ONE)],
    ],
    "interleaved by index, names again at the end": [
        [(0, "a", "f"), (1, "b", "f")],
        [(0, None, None, ONE)],
        [(0, "a", "f", "")],
        [(1, None, None, TWO)],
        [(1, "b", "f", "")],
    ],
    "ids before names": [
        *([(0, "a", None, "")], [(0, "a", "f", "")], [(0, "a", None, ONE)]),
        *([(1, "b", None, "")], [(1, "b", "f", "")], [(1, "b", None, TWO)]),
    ],
    "interleaved by id": [
        [(None, "a", "f"), (None, "b", "f")],
        [(None, "b", None, TWO)],
        [(None, "a", None, ONE)],
    ],
    "interleaved on one index": [
        [(0, "a", "f", '{"x"')],
        [(0, "b", "f", '{"x"')],
        [(0, "a", None, ": 1}")],
        [(0, "b", None, ": 2}")],
    ],
    "empty repeated fields": [
        [(0, "a", "f", "")],
        [(0, "", "", ONE)],
        [(1, "b", "f", "")],
        [(1, "", "", TWO)],
    ],
    "an id for each piece, no index": [
        [(None, "a", "f", "")],
        [(None, "b", "f", '{"x"')],
        [(None, "c", "f", ": 1}")],
        [(None, "d", "f", "")],
        [(None, "e", "f", '{"x"')],
        [(None, "g", "f", ": 2}")],
    ],
    "same id, other index": [[(0, "same", "f", ONE)], [(1, "same", "f", TWO)]],
    "index comes later": [[(None, "a", "f", '{"x":')], [(0, None, None, "1}")], [(None, "b", "f", TWO)]],
    "id comes before the name": [
        [(0, "a", "f", "")],
        [(1, "b", None, "")],
        [(1, None, "f", "")],
        [(0, None, None, ONE)],
        [(1, None, None, TWO)],
    ],
    "id comes later": [[(0, None, "f", '{"x":')], [(0, "late", None, "1}")], [(0, "b", "f", TWO)]],
}


ONE_CALL = {
    "an id that changes": [[(0, "a", "f", "")], [(0, "b", None, '{"x"')], [(0, "c", None, ": 1}")]],
    "an id and a name that come again": [[(0, "a", "f", "")], [(0, "b", "f", '{"x"')], [(0, "c", "f", ": 1}")]],
    "an id that changes and a name that comes again, no index": [
        [(None, "a", "f", "")],
        [(None, "b", "f", '{"x"')],
        [(None, "c", "f", ": 1")],
        [(None, "d", "f", "}")],
        [(None, "e", "f", "")],
    ],
    "the same, begun without text": [[(None, "a", "f")], [(None, "b", "f", '{"x"')], [(None, "c", "f", ": 1}")]],
    "the same, with the call again": [[(None, "a", "f", '{"x"')], [(None, "b", "f", ": 1}")], [(None, "c", "f", ONE)]],
    "an index as text": [[("0", "a", "f", "")], [(0, None, None, ONE)]],
    "an index that drifts": [[(1, "a", "f", "")], [(0, None, None, ONE)]],
    "an index that drifts, with its id": [[(1, "a", "f", "")], [(0, "a", "f", ONE)]],
    "index and id that drift": [[(1, "a", "f", "")], [(0, "b", None, '{"x"')], [(2, "c", None, ": 1}")]],
    "an id that comes later": [[(None, None, "f", "")], [(None, "a", None, ONE)]],
    "an id that is lost": [[(None, "a", "f", "")], [(None, "b", None, ONE)]],
    "the whole call again": [[(0, "a", "f", '{"x"')], [(0, None, None, ": 1}")], [(0, "a", "f", '{"x":1}')]],
    "the whole call again, another id": [[(0, "a", "f", ONE)], [(0, "b", "f", ONE)]],
    "the whole call again, another index": [[(0, "a", "f", ONE)], [(1, "a", "f", ONE)]],
    "the whole call again, no index": [[(0, "a", "f", ONE)], [(None, "a", "f", ONE)]],
    "a name that is null as text": [[(0, "a", "f", '{"x"')], [(0, "", "null", ": 1}")]],
    "an id that is null as text": [[(0, "a", "f")], [(0, "null", "", ONE)]],
    "id and name null as text, no index": [[(None, "a", "f", '{"x"')], [(None, "None", "None", ": 1}")]],
    "null as text before the call": [[(0, "undefined", "undefined", "")], [(0, "a", "f", ONE)]],
    "the whole call twice in one list": [[(0, "a", "f", ONE), (0, "a", "f", ONE)]],
    "a name that comes again at the end": [[(0, None, "f", "")], [(0, None, None, ONE)], [(0, None, "f", "")]],
    "name and arguments again, apart": [
        [(0, None, "f", "")],
        [(0, None, None, ONE)],
        [(0, None, "f", "")],
        [(0, None, None, '{"x":1}')],
    ],
    "a name that comes again, then an empty end": [
        [(0, None, "f", "")],
        [(0, None, None, ONE)],
        [(0, None, "f", "")],
        [(0, None, None, "")],
    ],
}


@pytest.mark.parametrize("marks", ONE_CALL)
def test_one_call_is_one_call_when_a_server_marks_it_badly(marks: str):
    """Protects from tools that run twice: a drifting index or id, or a call said again, begins no second call."""
    deltas = [[fragment(*fields) for fields in delta] for delta in ONE_CALL[marks]]  # type: ignore[arg-type]
    assert show(read_both_ways(deltas)) == [("f", {"x": 1})]


# How SGLang before 0.4.7 numbers fragments: https://github.com/langchain-ai/langchain/issues/31511
@pytest.mark.parametrize("ids", ["each", "call", "first", "same", "none"])
@pytest.mark.parametrize("tools", ["f", "g", "ff", "gg", "fg", "gf", "fgf", "gfg", "hfg", "ghhf"])
def test_keeps_calls_apart_when_a_name_has_its_tools_place_as_index(tools: str, ids: str):
    """Protects parallel calls whose names are numbered as the request's tools, and whose arguments as the calls."""
    for blank in ([], [""], [" "]):
        deltas = []
        for at, name in enumerate(tools):
            texts = [*blank, '{"x":', f" {at}}}"]
            pieces = [("fgh".index(name), name, ""), *((at, None, text) for text in texts)]
            for number, (index, piece, text) in enumerate(pieces):
                named = {"each": f"{at}.{number}", "call": str(at), "first": None if number else str(at), "same": "c"}
                deltas.append([fragment(index, named.get(ids), piece, text)])
        found = read_both_ways(deltas)
        assert show(found) == [(name, {"x": at}) for at, name in enumerate(tools)]
        assert len({call["id"] for call in found.calls}) == len(tools)


# https://github.com/HKUDS/nanobot/pull/3943, https://github.com/can1357/oh-my-pi/issues/2055
@pytest.mark.parametrize("text", [ONE, "{"], ids=["whole", "cut"])
@pytest.mark.parametrize("indexes", [(0, 1, 2), (0, 0, 0), (None, None, None)], ids=str)
def test_every_call_has_an_id_of_its_own(indexes: tuple[int | None, ...], text: str):
    """Protects agents, which match results by id, and histories: strict hosts answer 400 to an id that comes twice."""
    calls = [fragment(index, "same", name, text) for index, name in zip(indexes, "fgh", strict=True)]
    for deltas in ([calls], [[call] for call in calls]):
        found = read_both_ways(deltas)
        ids = [call["id"] for call in (*found.calls, *found.invalid)]
        assert ids[0] == "same"
        assert len(set(ids)) == len(ids) == 3


@pytest.mark.parametrize("indexes", [(0, 1, 2), (0, 0, 0), (None, None, None)], ids=str)
@pytest.mark.parametrize("repeats", [False, True])
def test_pieces_belong_to_the_latest_call_when_all_calls_share_an_id(indexes: tuple[int | None, ...], repeats: bool):
    """Protects parallel calls of servers whose id says nothing, and that number none of them."""
    deltas = []
    for number, (index, name) in enumerate(zip(indexes, "fgh", strict=True)):
        pieces = ['{"x":', f" {number}", "}"]
        names = [name, name if repeats else None, name if repeats else None]
        deltas += [[fragment(index, "same", own, piece)] for own, piece in zip(names, pieces, strict=True)]
    assert show(read_both_ways(deltas)) == [(name, {"x": number}) for number, name in enumerate("fgh")]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (fragment(0, "a", "f", ONE), [1]),
        ({"0": fragment(0, "a", "f", ONE)}, [1]),
        ({"2": fragment(None, "a", "f", ONE)}, [1]),
        ({"1": fragment(1, "a", "f", ONE), "3": fragment(3, "b", "f", TWO)}, [1, 2]),
        ({}, []),
    ],
)
def test_calls_that_are_no_list_are_read(calls: Any, expected: list[int]):
    """Protects from gateways that give a single call, or an object with numbers, in place of the list."""
    stream = ToolCallStream()
    chunks = stream.feed(calls)
    assert show(collect_tool_calls([*chunks, *stream.close(False)])) == [("f", {"x": x}) for x in expected]


def test_invalid_call_has_what_the_model_wrote_in_a_whole_message():
    """Protects who reads `invalid_tool_calls`: the bracket that chunks need is not the model's."""
    stream = ToolCallStream()
    chunks = stream.feed([fragment(0, "a", "f", '{"x": "Ro')])
    chunks += stream.close(True)
    assert collect_tool_calls(chunks, stream.written).invalid[0]["args"] == '{"x": "Ro'
    assert collect_tool_calls(chunks).invalid[0]["args"] == '{"x": "Ro"]'


def test_invalid_calls_keep_their_own_text_when_the_server_gives_them_one_id():
    """Protects who reads `invalid_tool_calls`: the text of another call would be an answer to another question."""
    stream = ToolCallStream()
    chunks = stream.feed([fragment(0, "a", "f", '{"x": 1}}'), fragment(1, "a", "g", "[2]")])
    chunks += stream.close(False)
    invalid = collect_tool_calls(chunks, stream.written).invalid
    assert [(call["name"], call["args"]) for call in invalid] == [("f", '{"x": 1}}'), ("g", "[2]")]
    assert invalid[0]["error"] != invalid[1]["error"]


# Each row is the arguments of one call's fragments, and what the call then has.
GROWING = {
    "empty object, then pieces": (["{}", '{"x":', " 1}"], {"x": 1}),
    "empty object, then the whole": (["{}", ONE], {"x": 1}),
    "empty object with a space": (["{ }", "", ONE], {"x": 1}),
    "empty object twice": (["{}", "{}", ONE], {"x": 1}),
    "empty object as an object": ([{}, {"x": 1}], {"x": 1}),
    "whole objects": (["{}", '{"x": 1}', '{"x": 1, "y": {}}', '{"x":1,"y":{"z":2}}'], {"x": 1, "y": {"z": 2}}),
    "values that grow": (["{}", '{"x": "a"}', '{"x": "ab"}'], {"x": "ab"}),
    "empty object, then texts": (["{}", '{"x":', '{"x": ', '{"x": [1', '{"x": [1]}', '{"x": [1]}'], {"x": [1]}),
    "texts": (["{", '{"x', '{"x": "a', '{"x": "ab', '{"x": "ab"}'], {"x": "ab"}),
    "texts that end where an object may begin": (
        ["{", '{"x":', '{"x": [', '{"x": [1,', '{"x": [1, 2]}'],
        {"x": [1, 2]},
    ),
    "texts of which some say nothing new": (
        ['{"', '{"x":', '{"x":', '{"x": {"y":', '{"x": {"y": 1}}'],
        {"x": {"y": 1}},
    ),
    "a first text that comes twice": (['{"x": "a', '{"x": "a', '{"x": "ab"}'], {"x": "ab"}),
    "texts that end in a string": (['{"x": "a', '{"x": "a,', '{"x": "a, b:', '{"x": "a, b: c"}'], {"x": "a, b: c"}),
    "a first text that ends in a string": (['{"x": "a:', '{"x": "a: [', '{"x": "a: [b"}'], {"x": "a: [b"}),
    "a first text that ends in JSON in a string": (['{"x": "{\\"a\\":', '{"x": "{\\"a\\": 1}"}'], {"x": '{"a": 1}'}),
    "no growth: such a text in another": (['{"x": "a:', ' b", "y":', '{"x": 1}}'], {"x": "a: b", "y": {"x": 1}}),
    "pieces, then the whole as JSON in JSON": (['{"x":', " 1}", json.dumps(ONE)], {"x": 1}),
    "pieces, then the whole in another spelling": (['{"x":', ' "你"}', json.dumps('{"x":"\\u4f60"}')], {"x": "你"}),
    "an empty object, then the same as JSON in JSON": (["{}", '"{}"'], {}),
    "no growth: a text with JSON": (['{"x":', json.dumps(ONE), "}"], {"x": ONE}),
    "only an empty object": (["{}"], {}),
    "an empty object and a newline": (["{}", "\n"], {}),
    "no growth: an object in itself": (['{"x":', '{"x":', "1}}"], {"x": {"x": 1}}),
    "no growth: objects in a list": (['{"x": [', '{"x": [', "1]}", "]}"], {"x": [{"x": [1]}]}),
    "no growth: pieces alike": (['{"x": "{', "{", '{"}'], {"x": "{{{"}),
}


@pytest.mark.parametrize("names", [False, True], ids=["name once", "name in each"])
@pytest.mark.parametrize("repair", [False, True], ids=["as written", "repaired"])
@pytest.mark.parametrize("case", GROWING)
def test_call_has_its_last_arguments_when_every_fragment_repeats_them(case: str, repair: bool, names: bool):
    """Protects calls of servers that send the arguments so far, or an empty object before the real ones."""
    texts, args = GROWING[case]
    deltas = [[fragment(0, "a", "f" if names or not at else None, text)] for at, text in enumerate(texts)]
    assert show(read_both_ways(deltas, repair=repair)) == [("f", args)]


@pytest.mark.parametrize(
    "texts",
    [
        *(["{}", "1"], ["{}", '{"x": 1}', '{"y": 1}'], ["{}", '{"x": 1}', "}"], ['{"x": 1}', '{"y": 1}']),
        *(['{"x": 1}', '"{}"'], ['{"x": 1}', '"'], ['{"x": 1}', '"x"'], ['{"x": 1}', '"{\\"x\\": 1}" and']),
    ],
)
def test_nothing_is_lost_when_fragments_do_not_fit(texts: list[str]):
    """Protects what arrived: pieces that make no object stay in the invalid call."""
    deltas = [[fragment(0, "a", None if at else "f", text)] for at, text in enumerate(texts)]
    (call,) = read_both_ways(deltas).invalid
    assert "".join(texts[-2:]) in str(call["args"])


def test_empty_object_is_streamed_when_the_tool_takes_no_arguments():
    """Protects the order of the chunks: only where more may follow is `{}` held back."""
    assert read([[fragment(0, "a", "f", "{}")]], parameterless=["f"])[0]["args"] == "{}"
    held, rest = read([[fragment(0, "a", "f", "{}")]])
    assert (held["args"], rest["args"]) == ("", "{}")


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("first", ["", None, "{}", {}, '{"x', {"x": 1}, ' {"x": 1}'])
@pytest.mark.parametrize("rest", [None, "", '": 1}', '{"x": 1}'])
def test_every_chunk_has_arguments_that_can_be_added(first: Any, rest: str | None, *, truncated: bool, repair: bool):
    """Protects `arguments += chunk["args"]` in others' code: a call that only begins has empty ones, as in OpenAI's."""
    deltas = [[fragment(0, "a", "f", first)], [fragment(0, None, None, rest)]]
    chunks = read(deltas, truncated=truncated, repair=repair)
    arguments = "".join(chunk["args"] for chunk in chunks)  # type: ignore[misc]
    (whole,) = join_fragments(chunks)
    assert whole["args"] == arguments
    assert chunks[0]["name"] == whole["name"] == "f"


@pytest.mark.parametrize("marks", PARALLEL)
def test_keeps_parallel_calls_apart_when_servers_mark_them_differently(marks: str):
    """Protects parallel calls: two calls stay two, whichever of index, id and name tells them apart."""
    deltas = [[fragment(*fields) for fields in delta] for delta in PARALLEL[marks]]
    assert show(read_both_ways(deltas)) == [("f", {"x": 1}), ("f", {"x": 2})]
    flat = [[{**wire, **wire.pop("function")} for wire in delta] for delta in deltas]
    assert show(read_both_ways(flat)) == [("f", {"x": 1}), ("f", {"x": 2})]


def test_joins_a_name_when_it_comes_in_pieces():
    """Protects tool names: a name split over fragments of one index is one name."""
    for call_id in (None, "", "null"):  # some gateways write every field, and null as text
        deltas = [[fragment(0, "a", "get_")], [fragment(0, call_id, "weather")], [fragment(0, call_id, "null", "{}")]]
        assert show(read_both_ways(deltas)) == [("get_weather", {})]
    pieces = [[fragment(0, "a", "is_")], [{"index": 0, "function": {"name": "null"}}], [fragment(0, None, None, "{}")]]
    assert show(read_both_ways(pieces)) == [("is_null", {})]


@pytest.mark.parametrize("name", [" f", "f ", "\nf\n", "\tf"])
def test_name_has_no_blanks_at_its_edges(name: str):
    """Protects agents from "f is not a valid tool": several servers leave a newline or a blank at a tool's name."""
    for deltas in (
        [[fragment(0, "a", name, ONE)]],
        [[fragment(0, "a", name)], [fragment(0, None, name, ONE)]],
        [[fragment(0, "a", name)], [fragment(0, None, " ", ONE)]],
        [[fragment(0, "a", name[:-1])], [fragment(0, None, name[-1:], ONE)]],
    ):
        assert show(read_both_ways(deltas)) == [("f", {"x": 1})]


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("first", ["now", "is"])
def test_keeps_calls_apart_when_they_share_an_id_and_one_has_no_arguments(first: str, nothing: str | None):
    """Protects tools without parameters where all calls of a reply have the same id: the index tells them apart."""
    deltas = [[fragment(0, "same", first, nothing)], [fragment(1, "same", "look")], [fragment(1, None, None, ONE)]]
    for cut in (deltas, [deltas[0], [fragment(1, "same", "look", ONE)]]):
        calls = read_both_ways(cut, optional=[first])
        assert show(calls) == [(first, {}), ("look", {"x": 1})]
        assert [call["id"] == "same" for call in calls.calls] == [True, False]


def test_is_one_call_when_its_id_comes_before_its_name_and_the_index_differs():
    """Protects the call from a nameless one beside it: only a call with a name can be over without arguments."""
    pieces = [[fragment(0, "same", None)], [fragment(1, "same", "look", ONE)]]
    assert show(read_both_ways(pieces)) == [("look", {"x": 1})]


def test_ignores_fields_when_they_are_null():
    """Protects against servers that send every field in every fragment: null is the same as missing."""
    blank = {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": None}}
    deltas = [[blank], [fragment(0, "a", "f")], [blank], [fragment(0, None, None, '{"x": 1}')], [blank]]
    assert show(read_both_ways([*deltas, [{"index": 0, "function": None}]])) == [("f", {"x": 1})]
    assert show(read_both_ways([[blank]])) == []


NO_OBJECTS = [
    "36",
    "[1]",
    '"x"',
    "null",
    "{}{}",
    '{"a": 1}}',
    '{"a": 1}</tool_call>',
    '{"a": NaN}',
    "nul",
    "]",
]
NO_OBJECTS += ["\\", "{'a': 1}", "x{", '{"a": 1} b', "[" * 5000, '{"a":' * 5000, '{"a": ' + "9" * 5000 + "}"]


@pytest.mark.parametrize("text", NO_OBJECTS, ids=lambda text: text[:20])
@pytest.mark.parametrize("truncated", [True, False])
def test_keeps_the_text_when_arguments_are_no_object(text: str, truncated: bool):
    """Protects against made-up arguments: not JSON, or JSON but no object, is invalid and nothing is lost."""
    stream = ToolCallStream()
    chunks = stream.feed([fragment(0, "a", "f", text)]) + stream.close(truncated)
    calls = collect_tool_calls(chunks)
    assert add_up(chunks).invalid_tool_calls == calls.invalid
    assert not calls.calls
    assert str(calls.invalid[0]["args"]).startswith(text)
    assert stream.metadata["tool_call_errors"]["a"]
    (whole,) = collect_tool_calls(chunks, stream.written).invalid
    assert (whole["name"], whole["args"], whole["error"]) == ("f", text, stream.metadata["tool_call_errors"]["a"])


MORE_VALUES = [
    " null\n",
    "true",
    "1.5",
    '""',
    "[]",
    '[{"a": "]"}]',
    '"{\\"a\\": 1}"',
    '"]"',
    '"{"',
    '"\\\\"',
    '["\\""]',
    "[1",
    '"x',
    "",
]


@pytest.mark.parametrize("text", [*NO_OBJECTS, *MORE_VALUES, '{"a": 1', "{}", ONE], ids=lambda text: text[:20])
def test_marks_the_text_so_that_no_reader_takes_it_for_a_value(text: str):
    """Protects core's v3 events, which make a call of any JSON value: what we call invalid is no JSON at all."""
    marked = invalidate_arguments(text)
    assert marked.startswith(text)
    with pytest.raises((ValueError, RecursionError)):
        json.loads(marked)
    with pytest.raises((ValueError, RecursionError)):
        json.loads(marked, strict=False)
    assert invalidate_arguments(marked) == marked


@pytest.mark.parametrize("text", ["null", "36", '["UTC"]', '"{\\"timezone\\": \\"UTC\\"}"', '{"timezone": "UT'])
@pytest.mark.filterwarnings("ignore:The method .*_v3. is in beta")
def test_v3_events_give_an_invalid_call_when_the_arguments_are_no_object(text: str):
    """Protects agents on v3 events from a raw ValidationError: the verdict is that of a stream."""
    body = write_sse(write_events({"tool_calls": [fragment(0, "a", "f", text)]}, reason="tool_calls"))
    answer = httpx.MockTransport(lambda _request: httpx.Response(200, content=body))
    model = ChatQwen3(
        model="q", base_url="http://pod.test/v1", server="vllm", http_client=httpx.Client(transport=answer)
    )
    for message in (model.stream_events("hi", version="v3").output, reduce(add, model.stream("hi"))):
        assert message.tool_calls == []
        assert [call["args"] for call in message.invalid_tool_calls] == [invalidate_arguments(text)]


def test_stays_invalid_when_a_message_is_turned_into_chunks_again():
    """Protects agents behind wrappers that rebuild chunks from a message: a cut call cannot come back."""
    calls = collect_tool_calls(read([[fragment(0, "a", "rm", '{"path": "/home/us')]], truncated=True))
    message = AIMessage("", invalid_tool_calls=calls.invalid)
    rebuilt = AIMessageChunk("", invalid_tool_calls=message.invalid_tool_calls) + AIMessageChunk("")
    assert not rebuilt.tool_calls
    assert len(rebuilt.invalid_tool_calls) == 1


@pytest.mark.parametrize(
    ("text", "parameterless", "truncated", "valid"),
    [
        (None, False, False, True),
        ("", False, False, False),
        (" ", False, False, False),
        ("", True, False, True),
        ("\n", True, False, True),
        ("{}", False, False, True),
        (None, True, True, False),
        ("", True, True, False),
        ("{}", False, True, True),
    ],
)
def test_reads_a_call_without_arguments_when_none_were_due(
    text: str | None, parameterless: bool, truncated: bool, valid: bool
):
    """Protects tools without parameters: nothing sent is `{}`, empty text only where it is no damage."""
    names = ["now"] if parameterless else []
    calls = read_both_ways([[fragment(0, "a", "now", text)]], truncated=truncated, parameterless=names)
    assert show(calls) == ([("now", {})] if valid else [("now", (text or "") + "]")])


def test_finds_tools_without_parameters_when_schemas_are_bare():
    """Protects the empty-arguments rule: no parameters, null or empty properties all mean none."""
    schemas = [None, {}, {"type": "object", "properties": {}}, {"type": "object", "properties": {"x": {}}}]
    tools = [{"function": {"name": f"t{i}", "parameters": schema}} for i, schema in enumerate(schemas)]
    assert list_without("properties", [*tools, {"function": {"name": "bare"}}]) == {"t0", "t1", "t2", "bare"}


CITY = {"city": {"type": "string"}}
# Each row is the schema of a tool, and whether it can be called without arguments.
SCHEMAS: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "none": (None, True),
    "empty": ({}, True),
    "no properties": ({"type": "object", "properties": {}}, True),
    "optional": ({"type": "object", "properties": CITY}, True),
    "optional, said so": ({"type": "object", "properties": CITY, "required": []}, True),
    "optional, null": ({"type": "object", "properties": CITY, "required": None}, True),
    "required": ({"type": "object", "properties": CITY, "required": ["city"]}, False),
    "one of two": ({"properties": {**CITY, "unit": {"type": "string"}}, "required": ["city"]}, False),
}


@pytest.mark.parametrize("text", ["", " \n", "null", " null\n"])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_call_without_arguments_is_whole_when_its_tool_requires_none(schema: str, text: str):
    """Protects agents: servers stream `""` or `null` for `{}`; only where an argument is missing is that damage."""
    parameters, whole = SCHEMAS[schema]
    tools = [{"type": "function", "function": {"name": "now", "parameters": parameters}}, {"type": "web_search"}]
    known = {"parameterless": list_without("properties", tools), "optional": list_without("required", tools)}
    for deltas in (
        [[fragment(0, "a", "now", text)]],
        [[fragment(0, "a", "now", "")], [fragment(0, None, None, text)], [fragment(0, None, None, "")]],
        [[fragment(0, "a", "now"), fragment(0, None, None, text)]],
        [[fragment(0, "a", "now", "")], *([fragment(0, None, None, piece)] for piece in text)],
    ):
        for repair in (False, True):
            calls = read_both_ways(deltas, repair=repair, **known)
            assert (len(calls.calls), len(calls.invalid)) == ((1, 0) if whole or repair else (0, 1))
            assert not calls.calls or show(calls) == [("now", {})]
        assert not read_both_ways(deltas, truncated=True, **known).calls
        assert not read_both_ways([[{**deltas[0][0], "function": {"name": "other", "arguments": text}}]], **known).calls


@pytest.mark.parametrize(
    "text", ["null", " {}", "\r\n{}", ' {"x": 1}', ' {"nu": 1}', "nul", "nullable", "null null", "number 5", "n"]
)
def test_arguments_are_the_same_in_pieces_when_they_begin_like_null(text: str):
    """Protects what arrived: null is held back where it may stand for no arguments, and all other text stays."""
    whole = ToolCallStream(optional=["f"])
    calls = collect_tool_calls(whole.feed([fragment(0, "a", "f", text)]) + whole.close(False), whole.written)
    for size in (1, 2, 4):
        stream = ToolCallStream(optional=["f"])
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        chunks = stream.feed([fragment(0, "a", "f")])
        chunks += [chunk for piece in pieces for chunk in stream.feed([fragment(0, None, None, piece)])]
        assert collect_tool_calls(chunks + stream.close(False), stream.written) == calls
        assert stream.list_new([fragment(0, "a", "f", text)]) == []
    assert [call["args"] for call in calls.invalid] in ([], [text])


@pytest.mark.parametrize("texts", [["null", "null"], ["", "null", "null"], ["n", "nu", "null"], [" null", " null"]])
def test_null_is_no_argument_when_it_comes_again(texts: list[str]):
    """Protects agents where a server repeats a call, or its arguments so far, in each event."""
    stream = ToolCallStream(optional=["f"])
    chunks = [chunk for text in texts for chunk in stream.feed([fragment(0, "a", "f", text)])]
    assert show(collect_tool_calls(chunks + stream.close(False), stream.written)) == [("f", {})]


@pytest.mark.parametrize("case", GROWING)
def test_arguments_grow_when_all_of_them_are_optional(case: str):
    """Protects the arguments of a tool that could do without them: `{}` may be only their beginning."""
    texts, args = GROWING[case]
    deltas = [[fragment(0, "a", None if at else "f", text)] for at, text in enumerate(texts)]
    assert show(read_both_ways(deltas, optional=["f"])) == [("f", args)]


@pytest.mark.parametrize("marks", ONE_CALL)
def test_one_call_is_one_call_when_its_arguments_are_optional(marks: str):
    """Protects from tools that run twice: a fragment without arguments is no call of its own."""
    deltas = [[fragment(*fields) for fields in delta] for delta in ONE_CALL[marks]]  # type: ignore[arg-type]
    assert show(read_both_ways(deltas, optional=["f"])) == [("f", {"x": 1})]


def test_is_invalid_when_the_call_names_no_tool():
    """Protects agents from a call of nothing: core would make it a tool call named ''."""
    stream = ToolCallStream()
    chunks = stream.feed([fragment(0, "a", None, '{"x": 1}')]) + stream.close(truncated=False)
    assert add_up(chunks).invalid_tool_calls == collect_tool_calls(chunks).invalid
    assert not add_up(chunks).tool_calls
    reasons = {"a": "the call has no tool name"}
    assert stream.metadata == {"tool_call_errors": reasons, "tool_call_texts": ['{"x": 1}']}


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ('{"a": 1}}', {"a": 1}),
        ('{"a": {"b": "}"}}}', {"a": {"b": "}"}}),
        ('{"a": 1}\n</tool_call>', {"a": 1}),
        ('{"a": 1}}</tool_call>\n', {"a": 1}),
        ("", {}),
        (" \n", {}),
        ("null", {}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        (json.dumps(json.dumps('{"a": 1}')), {"a": 1}),
        ('"{\\"a\\": 1}}"', {"a": 1}),
        ('"null"', {}),
        ('"{\\"a\\": 1}" and more', None),
        ('"{\\"a\\": 1', None),
        ('"Rome"', None),
        ('{"a": "Ro', None),
        ("{'a': 1}", None),
        ('{"a": 1}{"b": 2}', None),
        ('{"a": 1} and more', None),
        ("[1]}", None),
        ("36", None),
    ],
)
def test_repairs_only_parser_debris_when_asked(text: str, args: dict[str, Any] | None):
    """Protects arguments from guesses: what parsers put around a whole object goes, all else stays invalid."""
    stream = ToolCallStream(repair=True)
    chunks = stream.feed([fragment(0, "a", "f", "")]) + [
        chunk for piece in text for chunk in stream.feed([fragment(0, None, None, piece)])
    ]
    chunks += stream.close(truncated=False)
    calls = collect_tool_calls(chunks)
    assert add_up(chunks).tool_calls == calls.calls
    assert add_up(chunks).invalid_tool_calls == calls.invalid
    assert [call["args"] for call in calls.calls] == ([] if args is None else [args])
    expected = {"tool_call_errors", "tool_call_texts"} if args is None else {"repaired_tool_calls"}
    assert set(stream.metadata) == expected
    if args is not None:
        assert stream.metadata["repaired_tool_calls"] == {"a": text}


SCHEMA = {
    "properties": {
        "edits": {"type": "array"},
        "spec": {"$ref": "#/$defs/Spec"},
        "maybe": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        "count": {"type": "integer"},
        "force": {"type": "boolean"},
        "text": {"type": "string"},
        "either": {"anyOf": [{"type": "string"}, {"type": "array"}]},
        "any": {},
    },
    "$defs": {"Spec": {"type": "object"}},
}


# https://github.com/vllm-project/vllm/issues/46924, https://github.com/LeXwDeX/OpenCode-GraphAgent/issues/297,
# https://github.com/earendil-works/pi/issues/9931, https://github.com/ollama/ollama/issues/11805
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"edits": '[{"old": "a"}]'}, {"edits": [{"old": "a"}]}),
        ({"edits": " []\n", "count": 1}, {"edits": [], "count": 1}),
        ({"spec": '{"kind": "week"}'}, {"spec": {"kind": "week"}}),
        ({"maybe": '{"a": 1}'}, {"maybe": {"a": 1}}),
        ({"maybe": "null"}, {"maybe": None}),
        ({"count": "3", "force": "True"}, {"count": 3, "force": True}),
        ({"name": "f", "arguments": {"edits": "[1]"}}, {"edits": [1]}),
        *(({key: text}, None) for key in ("text", "either", "any", "unknown") for text in ("[1]", "{}", "3", "null")),
        *(({"edits": text}, None) for text in ("", "a", "[1", '{"a": 1}', "3", '"[1]"')),
        *(({"count": text}, None) for text in ("three", "[3]", "true")),
        *(({"edits": value}, None) for value in ([], ["[1]"], None, 3)),
        *(({"name": name, "arguments": value}, None) for name, value in (("g", {}), ("f", "{}"), ("f", [1]))),
        ({"name": "f", "arguments": {}, "text": "a"}, None),
        ({"arguments": {}}, None),
    ],
)
def test_repairs_what_the_schema_does_not_allow_when_asked(written: dict[str, Any], expected: dict[str, Any] | None):
    """Protects agents from asking in circles: the tool refuses a text for a list, and the model writes it again."""
    text = json.dumps(written, ensure_ascii=False)
    deltas = [[fragment(0, "a", "f", "")], [fragment(0, None, None, text[:7])], [fragment(0, None, None, text[7:])]]
    for options, args in (({"repair": True}, expected or written), ({}, written)):
        assert show(read_both_ways(deltas, schemas={"f": SCHEMA}, **options)) == [("f", args)]
    stream = ToolCallStream(repair=True, schemas={"f": SCHEMA})
    for delta in deltas:
        stream.feed(delta)
    stream.close(truncated=False)
    assert stream.metadata == ({"repaired_tool_calls": {"a": text}} if expected else {})


def test_keeps_a_tool_that_takes_arguments_of_that_name():
    """Protects tools that call tools: `name` and `arguments` are their own parameters."""
    schema = {"properties": {"name": {"type": "string"}, "arguments": {"type": "object"}}}
    written = {"name": "f", "arguments": {"a": 1}}
    calls = read_both_ways([[fragment(0, "a", "f", json.dumps(written))]], repair=True, schemas={"f": schema})
    assert show(calls) == [("f", written)]


@pytest.mark.parametrize("text", ['{"a": 1}}', "", '{"a": 1', '{"edits": "[1]"}'])
def test_repairs_nothing_when_the_reply_was_cut(text: str):
    """Protects against half-written commands: repair never completes what the model did not."""
    calls = read_both_ways([[fragment(0, "a", "f", text)]], truncated=True, repair=True, schemas={"f": SCHEMA}).calls
    assert [call["args"] for call in calls] == ([{"edits": "[1]"}] if text.endswith('"}') else [])


@settings(max_examples=60)
@given(JSON_OBJECTS, st.booleans(), st.data())
def test_reads_any_object_when_it_is_cut_or_split_anywhere(args: dict[str, Any], ascii_only: bool, data: st.DataObject):
    """Protects every argument text: split anywhere it is the same call, cut anywhere it is invalid."""
    text = json.dumps(args, ensure_ascii=ascii_only)
    end = data.draw(st.integers(0, len(text) - 1))
    whole = [[fragment(0, "a", "f", text[:end])], [fragment(0, None, None, text[end:])]]
    assert show(read_both_ways(whole)) == [("f", args)]
    cut = read_both_ways([[fragment(0, "a", "f", text[:end])]], truncated=True)
    assert not cut.calls
    assert len(cut.invalid) == 1


@given(st.text(alphabet='{}[]":,\\ \n1ae-.'), st.booleans())
def test_agrees_with_core_when_the_text_is_arbitrary(text: str, truncated: bool):
    """Protects the equality of stream and whole for any garbage: no exception, no other verdict."""
    calls = read_both_ways([[fragment(0, "a", "f", text)]], truncated=truncated)
    assert len(calls.calls) + len(calls.invalid) == 1


def test_closes_wrongly_in_linear_time_when_the_text_is_full_of_quotes():
    """Protects the last chunk of a long cut call: one pass over escaped quotes finds the open string."""
    text = '{"code": "' + 'print(\\"hi\\")\\n' * 20_000
    assert invalidate_arguments(text) == text + '"]'


def test_refuses_what_is_no_json_when_python_would_take_it():
    """Protects history: `NaN` and `Infinity` parse in Python, but no server takes them back."""
    for text in ('{"a": NaN}', '{"a": [-Infinity]}'):
        with pytest.raises(ValueError, match="not JSON"):
            read_arguments(text)
    assert read_arguments('{"a": "two\nlines"}') == {"a": "two\nlines"}


@pytest.mark.parametrize("key", ["arguments", "parameters", "input", "args"])
@pytest.mark.parametrize("args", [{"x": 1}, ONE], ids=["object", "text"])
def test_arguments_are_read_when_they_have_another_name(key: str, args: Any):
    """Protects from a tool that runs without its arguments: others say `parameters`, `input` (Anthropic) or `args`."""
    for wire in ({"function": {"name": "f", key: args}}, {"name": "f", key: args}):
        assert show(read_both_ways([[{"index": 0, "id": "a", **wire}, None]])) == [("f", {"x": 1})]  # type: ignore[list-item]
