"""The state of a conversation, without its terminal: messages, settings, and the request for the next answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

from langchain_qwen3.reply.ending import describe_cut

if TYPE_CHECKING:
    from langchain_qwen3 import ChatQwen3


class Piece(NamedTuple):
    """A piece of a reply."""

    kind: Literal["reasoning", "answer"]
    text: str


@dataclass(slots=True)
class Turn:
    """The last reply, complete or stopped.

    Attributes:
        question: What it answers.
        message: The reply, as far as it arrived; None when nothing did.
        seconds: From the request to the last piece.
        kept: Whether question and reply are the last two messages of the conversation.
    """

    question: str = ""
    message: AIMessageChunk | None = None
    seconds: float = 0.0
    kept: bool = False

    @property
    def reasoning(self) -> str:
        """The text of the thinking."""
        return str(self.message.additional_kwargs.get("reasoning_content") or "") if self.message else ""

    @property
    def tokens(self) -> int | None:
        """Tokens of the reply; None when the server reports none, or the reply was stopped."""
        usage = self.message.usage_metadata if self.message else None
        return usage["output_tokens"] if usage else None

    @property
    def is_answered(self) -> bool:
        """Whether the reply has an answer, whole or not."""
        return self.message is not None and bool(self.message.text.strip())

    @property
    def note(self) -> str:
        """Why the answer is missing or not whole, else an empty text."""
        if self.message is None:
            return ""
        end = describe_cut(self.message.response_metadata.get("finish_reason"))
        if self.is_answered:
            return end
        came = "a tool call" if self.message.tool_call_chunks else "thinking" if self.reasoning else "an empty text"
        return f"no answer, only {came}" + (f"; {end}" if end else "")


@dataclass(slots=True)
class Conversation:
    """The messages so far, and the settings of the next request.

    Attributes:
        llm: The model.
        system: System prompt, empty for none.
        thinking: The thinking switch; None leaves it to the server.
        models: Names that the server lists.
        folded: Whether the thinking is hidden.
        messages: The messages so far.
        last: The last reply.
        to_ask: A question that a command wants to send.
        ended: `/quit` was typed.
    """

    llm: ChatQwen3
    system: str = ""
    thinking: bool | None = None
    models: tuple[str, ...] = ()
    folded: bool = False
    messages: list[BaseMessage] = field(default_factory=list)
    last: Turn = field(default_factory=Turn)
    to_ask: str = ""
    ended: bool = False

    async def ask(self, question: str) -> AsyncGenerator[Piece]:
        """Stream the reply to a question.

        A stopped reply stays in the conversation as far as it arrived. A question whose reply failed does not.
        """
        message = HumanMessage(question)
        head = [SystemMessage(self.system)] if self.system else []
        turn = self.last = Turn(question)
        started_at = perf_counter()
        failed = False
        chunks: list[AIMessageChunk] = []
        stream = self.llm.astream([*head, *self.messages, message], enable_thinking=self.thinking)
        try:
            async with aclosing(cast("AsyncGenerator[AIMessageChunk]", stream)) as opened:
                async for chunk in opened:
                    chunks.append(chunk)
                    turn.seconds = perf_counter() - started_at
                    if reasoning := str(chunk.additional_kwargs.get("reasoning_content") or ""):
                        yield Piece("reasoning", reasoning)
                    if chunk.text:
                        yield Piece("answer", chunk.text)
        except Exception:
            failed = True
            raise
        finally:
            if chunks:
                turn.message = chunks[0] + chunks[1:]
            if turn.message is not None and not failed and (turn.message.text or turn.reasoning):
                self.messages += [message, AIMessage(turn.message.text)]
                turn.kept = True

    def report(self) -> dict[str, Any]:
        """Return the last reply as plain JSON values."""
        message = self.last.message or AIMessageChunk(content="")
        return {
            "model": self.llm.model_name,
            "answer": str(message.text),
            "reasoning": self.last.reasoning,
            "finish_reason": message.response_metadata.get("finish_reason"),
            "usage": message.usage_metadata,
            "seconds": round(self.last.seconds, 3),
        }
