"""Chunks as core would have made them, with pydantic's slots and without."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen3.reply import chunks
from langchain_qwen3.reply.chunks import build_call_chunk, build_text_chunk
from tests.support.replies import add_up


@pytest.fixture(params=["slots", "no slots"], autouse=True)
def slots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test a second time as on a pydantic that keeps no such slots."""
    if request.param == "no slots":
        monkeypatch.setattr(chunks, "_setters", chunks._find_setters(["__no_such_slot__"]))


def test_finds_the_slots_of_this_pydantic():
    """Protects the speed: without its slots every chunk costs five times as much, and nothing else would say so."""
    assert chunks._find_setters(chunks._SLOTS)


LOADS_IS_BETA = pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
PROVIDER = {"model_provider": "qwen3"}
TEXTS = [("", "A"), ("R", ""), ("R", "A"), ("", "")]


def build_validated(reasoning: str, content: str, calls: list[Any] | None = None) -> ChatGenerationChunk:
    """Return the chunk as pydantic makes it."""
    kwargs = {"reasoning_content": reasoning} if reasoning else {}
    fields = {"tool_call_chunks": calls} if calls else {}
    message = AIMessageChunk(content=content, additional_kwargs=kwargs, response_metadata=PROVIDER, **fields)
    return ChatGenerationChunk(message=message)


def assert_same(built: ChatGenerationChunk, validated: ChatGenerationChunk) -> None:
    """Hold every side of a built chunk against the validated one."""
    for one, other in ((built, validated), (built.message, validated.message)):
        assert one == other
        assert one.__dict__.keys() == other.__dict__.keys()
        assert one.model_fields_set == other.model_fields_set
        assert one.model_extra == other.model_extra
        assert one.__pydantic_private__ == other.__pydantic_private__
        assert one.model_dump() == other.model_dump()
        assert one.model_dump_json(exclude_unset=True) == other.model_dump_json(exclude_unset=True)
        assert repr(one) == repr(other)
        assert dumps(one) == dumps(other)
        for made in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), one.model_copy(deep=True)):  # noqa: S301
            assert made == other
    assert loads(dumps(built.message), allowed_objects="core") == validated.message
    assert built.text == validated.text
    assert built.message.content_blocks == validated.message.content_blocks
    assert built.message.text == validated.message.text


@LOADS_IS_BETA
@pytest.mark.parametrize(("reasoning", "content"), TEXTS)
def test_chunk_equals_the_validated_one_when_it_is_built_without_pydantic(reasoning: str, content: str):
    """Protects everything that is done with chunks: they are built by hand for speed."""
    assert_same(build_text_chunk(reasoning, content), build_validated(reasoning, content))


@given(
    args=st.none() | st.text(alphabet='{}[]":,\\ \n\tab1\u00a0', max_size=6),
    name=st.none() | st.just("f"),
    call_id=st.none() | st.just("c"),
    content=st.sampled_from(["", "A"]),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_call_chunk_equals_the_validated_one_when_its_fragment_is_random(args, name, call_id, content):
    """Protects agents: the parse that is left out could only have failed."""
    call = tool_call_chunk(name=name, args=args, id=call_id, index=0)
    built, validated = build_call_chunk("R", content, [call]), build_validated("R", content, [call])
    assert built == validated
    assert built.message.__dict__ == validated.message.__dict__
    assert built.message.model_fields_set == validated.message.model_fields_set
    assert built.message.model_dump() == validated.message.model_dump()


@LOADS_IS_BETA
@pytest.mark.parametrize("args", [None, "", "{", '{"a": 1}', "ab", '": '])
def test_call_chunk_can_be_used_like_the_validated_one(args: str | None):
    """Protects everything that is done with chunks of calls."""
    call = tool_call_chunk(name="f", args=args, id="c", index=0)
    assert_same(build_call_chunk("", "A", [call]), build_validated("", "A", [call]))


def test_chunks_add_up_like_validated_ones():
    """Protects sums, the first thing users do with chunks; adding changes neither side."""
    texts = [("R", ""), ("S", ""), ("", "A"), ("", "B")]
    call = tool_call_chunk(name="f", args='{"a"', id="c", index=0)
    rest = tool_call_chunk(name=None, args=": 1}", id=None, index=0)
    built = [*(build_text_chunk(*text) for text in texts), *(build_call_chunk("", "", [part]) for part in (call, rest))]
    validated = [
        *(build_validated(*text) for text in texts),
        *(build_validated("", "", [part]) for part in (call, rest)),
    ]
    before = copy.deepcopy(built)
    total, expected = built[0], validated[0]
    for one, other in zip(built[1:], validated[1:], strict=True):
        total, expected = total + one, expected + other
    assert total == expected
    assert total.message == expected.message
    assert add_up(built) == add_up(validated)
    assert built == before


def test_chunks_share_nothing_when_they_are_changed():
    """Protects one stream's chunks from another's: every container is fresh."""
    call = tool_call_chunk(name=None, args="ab", id=None, index=0)
    build: list[Any] = [lambda: build_text_chunk("R", "A"), lambda: build_call_chunk("R", "A", [call])]
    for make in build:
        chunk, untouched = make(), make()
        expected = copy.deepcopy(untouched)
        message = chunk.message
        message.additional_kwargs["x"] = message.response_metadata["x"] = 1
        for calls in (message.tool_calls, message.invalid_tool_calls, message.tool_call_chunks):
            calls.append({})
        message.tool_call_chunks[0]["args"] = "changed"
        message.id = message.name = "x"
        message.foreign = 1
        chunk.generation_info = {"x": 1}
        assert untouched == expected == make()
        assert call["args"] == "ab"
