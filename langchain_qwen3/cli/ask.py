"""`langchain-qwen3 ask`: one question, one answer."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import typer
from rich.text import Text

from langchain_qwen3.cli.connect import connect, showing_errors
from langchain_qwen3.cli.console import Console, decode_piped, write_json
from langchain_qwen3.cli.conversation import Conversation
from langchain_qwen3.cli.options import FAILED, UNUSABLE, Target
from langchain_qwen3.cli.screen import PipeScreen, TerminalScreen, show_reply


def run(  # noqa: PLR0913  # the options of the command
    question: str | None, target: Target, fields: dict[str, Any], *, system: str, thinking: bool | None, as_json: bool
) -> None:
    """Ask the question, and write the answer."""
    errors = Console(stderr=True)
    with showing_errors():
        piped = "" if sys.stdin.isatty() else decode_piped(sys.stdin.buffer.read())
        text, target = read_question(question, target, piped)
        conversation = Conversation(connect(target, errors, **fields).llm, system=system, thinking=thinking)
        asyncio.run(_ask(conversation, text, as_json=as_json))
    if as_json:
        write_json(conversation.report())
    if note := conversation.last.note:
        errors.print(Text.assemble(("✗ ", "bold red"), note))
        raise typer.Exit(FAILED if conversation.last.is_answered else UNUSABLE)


async def _ask(conversation: Conversation, text: str, *, as_json: bool) -> None:
    console = Console()
    screen = None if as_json else TerminalScreen(console) if console.is_terminal else PipeScreen()
    await show_reply(conversation.ask(text), screen)
    await conversation.llm.aclose()


def read_question(question: str | None, target: Target, piped: str) -> tuple[str, Target]:
    """Return the question and the target. Piped text follows the question, or is the question.

    A URL that is alone, or before what cannot be a server, is the server, as in every other command.

    Raises:
        ValueError: There is no question.
    """
    other = target.url or ""
    if question and "://" in question and not question.split()[1:] and (other.split()[1:] or not {*":./"} & {*other}):
        question, target = target.url, target._replace(url=question)
    parts = [part.strip() for part in (question or "", piped) if part.strip()]
    if not parts:
        raise ValueError('There is no question.\nlangchain-qwen3 ask "Who are you?", or pipe one in.')
    return "\n\n".join(parts), target
