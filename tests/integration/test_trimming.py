"""`trim_messages(token_counter=llm)` on a real engine: within its limit, and as much as fits.

Core hands the messages over reversed, and whose reasoning is sent depends on the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages

from langchain_qwen3 import ChatQwen3

if TYPE_CHECKING:
    from langchain_qwen3.local import LocalServer

LONG = "Let me think about it carefully. " * 60
THOUGHT = {"reasoning_content": LONG}
SYSTEM = SystemMessage("You are helpful.")
CALL: Any = {"name": "get_weather", "args": {"city": "Beijing"}, "id": "c1", "type": "tool_call"}
LOOP: list[BaseMessage] = [
    HumanMessage("Hi"),
    AIMessage("Hello."),
    HumanMessage("What's the weather in Beijing?"),
    AIMessage("", additional_kwargs=THOUGHT, tool_calls=[CALL]),
    ToolMessage("25 C", tool_call_id="c1"),
]
CHAT: list[BaseMessage] = [
    message
    for number in range(7)
    for message in (HumanMessage(f"Question {number}?"), AIMessage(f"Answer {number}.", additional_kwargs=THOUGHT))
]


@pytest.fixture
def model(engine: LocalServer) -> ChatQwen3:
    """The model on the engine, which counts with the tokenizer and template that it uses."""
    return ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=engine.base_url)


def trim(model: ChatQwen3, messages: list[BaseMessage], limit: int, **how: Any) -> list[BaseMessage]:
    """What is kept of the end of a conversation."""
    how = {"strategy": "last", "include_system": True, "start_on": "human", **how}
    return trim_messages([SYSTEM, *messages], max_tokens=limit, token_counter=model, **how)


@pytest.mark.parametrize(("limit", "number"), [(60, 1), (200, 1), (900, 6)])
def test_keeps_within_the_limit_when_a_tool_loop_has_long_reasoning(model: ChatQwen3, limit: int, number: int):
    """Protects the context: reasoning that will be sent is counted."""
    kept = trim(model, LOOP, limit)
    assert len(kept) == number
    assert model.get_num_tokens_from_messages(kept) <= limit


@pytest.mark.parametrize("limit", [60, 120, 200])
def test_keeps_as_much_as_fits_when_reasoning_will_not_be_sent(model: ChatQwen3, limit: int):
    """Protects the history of a chat: reasoning that the server never sees does not push answers out."""
    chat = [*CHAT, HumanMessage("What is 17*23?")]
    bare = [AIMessage(message.content) if message.type == "ai" else message for message in chat]
    kept = trim(model, chat, limit)
    assert len(kept) == len(trim(model, bare, limit)) > 2
    assert model.get_num_tokens_from_messages(kept) <= limit


def test_counts_the_reasoning_of_a_last_answer_when_it_will_be_sent(model: ChatQwen3):
    """Protects graphs that ask again after the assistant's message: its reasoning goes out, so it is counted."""
    kept = trim(model, CHAT, 200, start_on=None)
    assert len(kept) == 1
    assert len(trim(model, CHAT, 900, start_on=None)) > 2


@pytest.mark.parametrize("messages", [LOOP, CHAT[:-1], [*LOOP, AIMessage("Warm."), HumanMessage("And now?")]])
def test_counts_alike_in_both_directions(model: ChatQwen3, messages: list[BaseMessage]):
    """Protects the count itself: it does not depend on the order in which a piece is handed over."""
    forwards = model.get_num_tokens_from_messages([SYSTEM, *messages])
    assert model.get_num_tokens_from_messages([SYSTEM, *reversed(messages)]) == forwards
