"""`langchain-qwen3 ask`: one question, one answer."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import typer
from rich.text import Text

from langchain_qwen3.cli.connect import connect, showing_errors
from langchain_qwen3.cli.console import Console, decode_piped, write_json
from langchain_qwen3.cli.conversation import Conversation
from langchain_qwen3.cli.options import FAILED, UNUSABLE, Target
from langchain_qwen3.cli.screen import PipeScreen, TerminalScreen, show_reply

_URL = re.compile(r"\s*[a-z]+://\S+\s*", re.IGNORECASE)
_ADDRESS = re.compile(rf"{_URL.pattern}|[\w.-]+:\d+(?:/\S*)?", re.IGNORECASE | re.ASCII)
"""A URL, or a host with its port: a question in Chinese has no spaces, and many have a dot or a slash."""


def run(  # noqa: PLR0913  # the options of the command
    question: str | None, target: Target, fields: dict[str, Any], *, system: str, thinking: bool | None, as_json: bool
) -> None:
    """Ask the question, and write the answer."""
    errors = Console(stderr=True)
    with showing_errors():
        piped = "" if sys.stdin.isatty() else decode_piped(sys.stdin.buffer.read())
        text, target = read_question(question, target, piped)
        llm, _ = connect(target, errors, **fields)
        conversation = Conversation(llm, system=system, thinking=thinking)
        asyncio.run(_ask(conversation, text, as_json=as_json))
    if as_json:
        write_json(conversation.report())
    if note := conversation.last.note:
        errors.print(Text.assemble(("✗ ", "bold red"), note))
        raise typer.Exit(FAILED if conversation.last.is_answered else UNUSABLE)


async def _ask(conversation: Conversation, text: str, *, as_json: bool) -> None:
    console, pieces = Console(), conversation.ask(text)
    if as_json:
        async for _ in pieces:
            pass
    else:
        await show_reply(pieces, TerminalScreen(console) if console.is_terminal else PipeScreen())
    await conversation.llm.aclose()


def read_question(question: str | None, target: Target, piped: str) -> tuple[str, Target]:
    """Return the question and the target. Piped text follows the question, or is the question.

    A URL in front is the server, as in every other command, unless another address follows.

    Raises:
        ValueError: There is no question.
    """
    if _URL.fullmatch(question or "") and not _ADDRESS.fullmatch(target.url or ""):
        question, target = target.url, target._replace(url=question)
    parts = [part.strip() for part in (question or "", piped) if part.strip()]
    if not parts:
        raise ValueError('There is no question.\nlangchain-qwen3 ask "Who are you?", or pipe one in.')
    return "\n\n".join(parts), target
