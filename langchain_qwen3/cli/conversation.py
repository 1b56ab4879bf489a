"""A conversation in a terminal, without the terminal: what was said, the settings, and the commands for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

if TYPE_CHECKING:
    from langchain_qwen3 import ChatQwen3

HELP = """\
/think      think before answering
/no_think   answer at once
/fold       show or hide the thinking
/clear      forget what was said
/quit       leave, as Ctrl-D does
Ctrl-C      stop the answer"""


class Piece(NamedTuple):
    """A piece of a reply."""

    kind: Literal["reasoning", "answer"]
    text: str


@dataclass(slots=True)
class Turn:
    """The last reply, complete or stopped.

    Attributes:
        reasoning: What was thought.
        thinking_seconds: From the request to the first of the answer, or as far as it came.
        tokens: Tokens written, None where the server does not say or the reply was stopped.
        seconds: From the request to the last piece.
    """

    reasoning: str = ""
    thinking_seconds: float = 0.0
    tokens: int | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Conversation:
    """What was said so far, and how the next answer is asked for.

    Attributes:
        llm: The model.
        system: System prompt, empty for none.
        thinking: The switch; None leaves it to the server.
        folded: The thinking is hidden.
        messages: What was said.
        last: The last reply.
        ended: `/quit` was given.
    """

    llm: ChatQwen3
    system: str = ""
    thinking: bool | None = None
    folded: bool = False
    messages: list[BaseMessage] = field(default_factory=list)
    last: Turn = field(default_factory=Turn)
    ended: bool = False

    def run_command(self, line: str) -> str:
        """Do what a line that begins with `/` says, and return what to show."""
        match line.strip().lower():
            case "/think" | "/no_think":
                self.thinking = line.strip().lower() == "/think"
                return f"thinking is {'on' if self.thinking else 'off'}"
            case "/fold":
                self.folded = not self.folded
                return f"thinking is {'hidden' if self.folded else 'shown'}"
            case "/clear":
                self.messages.clear()
                self.last = Turn()
                return "forgotten, from here on it is a new conversation"
            case "/quit" | "/exit" | "/bye":
                self.ended = True
                return ""
            case "/help" | "/?":
                return HELP
        return f"{line.strip().split()[0]} is no command\n{HELP}"

    async def ask(self, question: str) -> AsyncIterator[Piece]:
        """Stream the reply to a question.

        What came of a reply that was stopped is kept, so that one can ask on; a question whose reply failed is not.
        """
        asked = HumanMessage(question)
        head = [SystemMessage(self.system)] if self.system else []
        turn = self.last = Turn()
        message: AIMessageChunk | None = None
        started_at = perf_counter()
        failed = False
        try:
            async for chunk in self.llm.astream([*head, *self.messages, asked], enable_thinking=self.thinking):
                message = chunk if message is None else message + chunk
                turn.seconds = perf_counter() - started_at
                if reasoning := str(chunk.additional_kwargs.get("reasoning_content") or ""):
                    turn.reasoning += reasoning
                    turn.thinking_seconds = turn.seconds
                    yield Piece("reasoning", reasoning)
                if chunk.text:
                    yield Piece("answer", chunk.text)
                if chunk.usage_metadata:
                    turn.tokens = chunk.usage_metadata["output_tokens"]
        except Exception:
            failed = True
            raise
        finally:
            if message is not None and not failed and (message.text or turn.reasoning):
                self.messages += [asked, AIMessage(message.text)]
