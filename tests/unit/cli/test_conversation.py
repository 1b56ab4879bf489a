"""A conversation as the terminal holds it: commands, what is remembered, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.cli.chat import describe_turn
from langchain_qwen3.cli.conversation import Conversation, Turn
from langchain_qwen3.errors import Qwen3Error
from tests.support.replay import Replay


@pytest.fixture
async def server() -> AsyncIterator[Replay]:
    """A recorded vLLM."""
    with Replay() as replay:
        yield replay


@pytest.fixture
async def talk(server: Replay) -> AsyncIterator[Conversation]:
    """A conversation with it."""
    async with ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, max_retries=0, max_tokens=300) as llm:
        yield Conversation(llm)


async def hear(talk: Conversation, question: str) -> dict[str, str]:
    """Return the whole reply, by kind of piece."""
    said = {"reasoning": "", "answer": ""}
    async for piece in talk.ask(question):
        said[piece.kind] += piece.text
    return said


async def test_tells_thinking_and_answer_apart(talk: Conversation):
    """Protects the dimmed part: reasoning is never mixed into the answer, and not sent back either."""
    said = await hear(talk, "你是谁？")
    assert "通义千问" in said["reasoning"]
    assert said["answer"] == "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
    assert talk.messages == [HumanMessage("你是谁？"), AIMessage(said["answer"])]
    assert talk.last.reasoning == said["reasoning"]
    assert talk.last.tokens


async def test_sends_what_was_said_before(talk: Conversation, server: Replay):
    """Protects the memory of the conversation, the system prompt at its head."""
    talk.system = "Answer briefly."
    await hear(talk, "你是谁？")
    await hear(talk, "请解释相对论")
    roles = [message["role"] for message in server.requests[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


async def test_switches_thinking(talk: Conversation, server: Replay):
    """Protects /think and /no_think: they reach the server, and without them nothing is sent."""
    for line in ("", "/no_think", "/think"):
        if line:
            talk.run_command(line)
        await hear(talk, "你是谁？")
    sent = [body.get("chat_template_kwargs") for body in server.requests]
    assert sent == [None, {"enable_thinking": False}, {"enable_thinking": True}]


async def test_keeps_what_came_when_an_answer_is_stopped(talk: Conversation):
    """Protects "go on": a stopped answer is remembered as far as it came."""
    pieces = talk.ask("你是谁？")
    async for piece in pieces:
        if piece.kind == "answer":
            break
    await pieces.aclose()  # type: ignore[attr-defined]  # an async generator
    question, answer = talk.messages
    assert question.content == "你是谁？"
    assert answer.text
    assert "很高兴为你服务" not in answer.text


async def test_forgets_a_question_that_failed():
    """Protects the next question from one that the server never answered."""
    with Replay(api_key="sk-canary-right") as server:
        async with ChatQwen3(model="q", base_url=server.url, max_retries=0) as llm:
            talk = Conversation(llm)
            with pytest.raises(Qwen3Error):
                await hear(talk, "你是谁？")
            assert talk.messages == []


def build(**fields: Any) -> Conversation:
    """Return a conversation that asks nobody."""
    llm = ChatQwen3(model="q", base_url="http://127.0.0.1:1/v1")
    return Conversation(llm, messages=[SystemMessage("x")], **fields)


def test_clears_what_was_said():
    """Protects /clear: nothing of the conversation is left, thinking to unfold included."""
    talk = build(last=Turn(reasoning="Hm."))
    talk.run_command("/clear")
    assert talk.messages == []
    assert talk.last.reasoning == ""


@pytest.mark.parametrize("line", ["/quit", "/exit", "/QUIT "])
def test_ends(line: str):
    """Protects the way out."""
    talk = build()
    assert talk.run_command(line) == ""
    assert talk.ended


def test_folds_and_unfolds():
    """Protects /fold: it toggles."""
    talk = build()
    assert talk.run_command("/fold") == "thinking is hidden"
    assert talk.run_command("/fold") == "thinking is shown"


def test_shows_the_commands_when_there_is_no_such_one():
    """Protects from a typing error that is sent to the model."""
    assert build().run_command("/nothink now").startswith("/nothink is no command\n/think ")


def test_describes_a_turn_with_what_is_known():
    """Protects the line below an answer where the server tells no usage."""
    assert describe_turn(Turn(tokens=1200, seconds=2.0)) == "1,200 tokens, 2.0 s, 600 tokens/s"
    assert describe_turn(Turn(seconds=2.0)) == "2.0 s"
