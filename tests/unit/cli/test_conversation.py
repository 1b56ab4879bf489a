"""A conversation as `ask` and `chat` have it: what is remembered, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.messages.tool import tool_call_chunk

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.cli.chat import describe_turn
from langchain_qwen3.cli.conversation import Conversation, Turn
from langchain_qwen3.cli.slash import run_command
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
            run_command(talk, line)
        await hear(talk, "你是谁？")
    sent = [body.get("chat_template_kwargs") for body in server.requests]
    assert sent == [None, {"enable_thinking": False}, {"enable_thinking": True}]


async def test_keeps_what_came_when_an_answer_is_stopped(talk: Conversation):
    """Protects "go on": a stopped answer is remembered as far as it came."""
    pieces = talk.ask("你是谁？")
    async for piece in pieces:
        if piece.kind == "answer":
            break
    await pieces.aclose()
    question, answer = talk.messages
    assert question.content == "你是谁？"
    assert answer.text
    assert "很高兴为你服务" not in answer.text


async def test_asks_again_only_what_was_asked_last(talk: Conversation, server: Replay):
    """Protects earlier turns from /retry: the same words failed a second time, and the first answer was deleted."""
    await hear(talk, "你是谁？")
    server.fails_after = 1
    with pytest.raises(Qwen3Error):
        await hear(talk, "你是谁？")
    said = list(talk.messages)
    run_command(talk, "/retry")
    assert (talk.to_ask, talk.messages) == ("你是谁？", said)
    server.fails_after = None
    await hear(talk, talk.to_ask)
    run_command(talk, "/retry")
    assert talk.messages == said


async def test_forgets_a_question_that_failed():
    """Protects the next question from one that the server never answered."""
    with Replay(api_key="sk-canary-right") as server:
        async with ChatQwen3(model="q", base_url=server.url, max_retries=0) as llm:
            talk = Conversation(llm)
            with pytest.raises(Qwen3Error):
                await hear(talk, "你是谁？")
            assert talk.messages == []


async def test_reports_the_last_reply_as_plain_values(talk: Conversation):
    """Protects `ask --json`: the whole reply in values that JSON has."""
    said = await hear(talk, "你是谁？")
    report = talk.report()
    assert report["model"] == "Qwen/Qwen3-0.6B"
    assert said == {"reasoning": report["reasoning"], "answer": report["answer"]}
    assert report["finish_reason"] == "stop"
    assert report["usage"]["output_tokens"] == talk.last.tokens


def build_turn(tokens: int | None = None, reason: str = "stop") -> Turn:
    """Return a turn of two seconds."""
    usage = {"input_tokens": 1, "output_tokens": tokens, "total_tokens": tokens + 1} if tokens else None
    message = AIMessageChunk("Yes.", usage_metadata=usage, response_metadata={"finish_reason": reason})
    return Turn("Is it?", message, 2.0)


def test_describes_a_turn_with_what_is_known():
    """Protects the line below an answer where the server tells no usage."""
    assert describe_turn(build_turn(1200)) == "1,200 tokens, 2.0 s, 600 tokens/s"
    assert describe_turn(build_turn()) == "2.0 s"
    assert describe_turn(Turn()) == "0.0 s"


CALL = tool_call_chunk(name="f", args="{}", id="1", index=0)


@pytest.mark.parametrize(
    ("content", "more", "reason", "note"),
    [
        ("Yes.", {}, "stop", ""),
        ("Yes.", {}, "eos", ""),
        ("Yes.", {}, None, ""),
        ("Yes.", {"tool_call_chunks": [CALL]}, "tool_calls", ""),
        ("Ye", {}, "length", "truncated: the token limit was reached"),
        ("Ye", {}, "content_filter", "broken off: the server ended it with 'content_filter'"),
        ("Ye", {}, "abort", "broken off: the server ended it with 'abort'"),
        ("", {}, "stop", "no answer, only an empty text"),
        (" \n", {}, "stop", "no answer, only an empty text"),
        ("", {"additional_kwargs": {"reasoning_content": "Hm."}}, "stop", "no answer, only thinking"),
        ("", {"tool_call_chunks": [CALL]}, "tool_calls", "no answer, only a tool call"),
        (
            "",
            {"additional_kwargs": {"reasoning_content": "Hm."}},
            "length",
            "no answer, only thinking; truncated: the token limit was reached",
        ),
    ],
)
def test_says_so_when_an_answer_is_missing_or_not_whole(
    content: str, more: dict[str, Any], reason: str | None, note: str
):
    """Protects from half an answer that looks whole, and from none that looks like one."""
    turn = Turn("Is it?", AIMessageChunk(content, response_metadata={"finish_reason": reason}, **more))
    assert turn.note == note
    assert turn.is_answered == (content.strip() != "")


def test_has_no_note_before_the_first_reply():
    """Protects a conversation's beginning from a note on nothing."""
    assert Turn().note == ""
