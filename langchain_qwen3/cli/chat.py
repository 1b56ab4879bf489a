"""`langchain-qwen3 chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from importlib import import_module
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from langchain_qwen3.cli.connect import (
    ApiKey,
    Model,
    Server,
    Timeout,
    Url,
    build_model,
    name_model,
    show_error,
    shown_errors,
)
from langchain_qwen3.cli.conversation import Conversation, Turn
from langchain_qwen3.errors import Qwen3Error

System = Annotated[str, typer.Option(help="System prompt.")]
Thinking = Annotated[bool | None, typer.Option(help="Begin with thinking on or off. Default: the server's.")]
Temperature = Annotated[float | None, typer.Option(min=0.0, help="Default: the server's.")]

PROMPT = "› "


def chat(  # noqa: PLR0913  # the options of a command
    url: Url = None,
    *,
    model: Model = None,
    api_key: ApiKey = None,
    server: Server = "auto",
    timeout: Timeout = 600.0,
    system: System = "",
    thinking: Thinking = None,
    temperature: Temperature = None,
) -> None:
    """Talk to a model: /think, /no_think, /fold, /clear, /quit; Ctrl-C stops the answer and not the program."""
    console = Console(highlight=False)
    with shown_errors():
        llm = name_model(build_model(url, model, api_key, server, timeout, temperature=temperature))
        console.print(Text.assemble((llm.model_name, "bold"), (f" at {llm.openai_api_base}", "dim")))
        console.print("/help shows the commands", style="dim")
        _talk(Conversation(llm, system=system, thinking=thinking), console)


def _talk(conversation: Conversation, console: Console) -> None:
    """Read lines and answer them until the end."""
    with suppress(ImportError):  # not on Windows
        import_module("readline")  # gives input() its history and line editing
    with asyncio.Runner() as runner:
        while not conversation.ended:
            try:
                line = _read_line(console)
            except EOFError:
                console.print()
                return
            if line.startswith("/"):
                _show_command(conversation, line, console)
            elif line:
                _show_answer(conversation, line, console, runner)


def _read_line(console: Console) -> str:
    """Return the next line; Ctrl-C clears it.

    Raises:
        EOFError: Ctrl-D, or the input ended.
    """
    while True:
        try:
            return input(f"\001\033[1;36m\002{PROMPT}\001\033[0m\002" if console.is_terminal else "").strip()
        except KeyboardInterrupt:
            console.print("\n(/quit or Ctrl-D leaves)", style="dim")


def _show_command(conversation: Conversation, line: str, console: Console) -> None:
    said = conversation.run_command(line)
    if said:
        console.print(Text(said, style="dim"))
    if line.strip().lower() == "/fold" and not conversation.folded and conversation.last.reasoning:
        console.print(Text(conversation.last.reasoning.strip(), style="dim italic"))


def _show_answer(conversation: Conversation, question: str, console: Console, runner: asyncio.Runner) -> None:
    screen = _Screen(console, folded=conversation.folded)
    try:
        runner.run(_stream(conversation, question, screen))
    except KeyboardInterrupt:
        screen.end()
        console.print("(stopped)", style="yellow")
    except Qwen3Error as error:
        screen.end()
        show_error(console, error)
    else:
        screen.end()
        console.print(Text(describe_turn(conversation.last), style="dim"))


async def _stream(conversation: Conversation, question: str, screen: _Screen) -> None:
    async with aclosing(conversation.ask(question)) as pieces:  # type: ignore[type-var]  # an async generator
        async for piece in pieces:
            if piece.kind == "reasoning":
                screen.write_reasoning(piece.text, conversation.last)
            else:
                screen.write_answer(piece.text, conversation.last)


class _Screen:
    """Writes one reply: the thinking dimmed, or folded into one line that counts; then the answer."""

    def __init__(self, console: Console, *, folded: bool) -> None:
        self._console = console
        self._folded = folded
        self._status = console.status(Text("…", style="dim"), spinner="dots", spinner_style="dim")
        self._status.start()
        self._waiting = True
        self._thought = False
        self._answered = False

    def write_reasoning(self, text: str, turn: Turn) -> None:
        """Write a piece of the thinking."""
        self._thought = True
        if self._folded:
            self._status.update(Text(f"thinking, {turn.thinking_seconds:.0f} s", style="dim"))
        else:
            self._end_waiting()
            self._print(text, "dim italic")

    def write_answer(self, text: str, turn: Turn) -> None:
        """Write a piece of the answer."""
        self._end_waiting()
        if self._thought and not self._answered:
            if self._folded:
                self._console.print(f"▸ thought for {turn.thinking_seconds:.1f} s (/fold shows it)", style="dim")
            else:
                self._console.print("\n")
        self._answered = True
        self._print(text, "")

    def end(self) -> None:
        """End the reply's last line."""
        self._end_waiting()
        if self._answered or (self._thought and not self._folded):
            self._console.print()

    def _end_waiting(self) -> None:
        if self._waiting:
            self._status.stop()
            self._waiting = False

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), end="", soft_wrap=True)


def describe_turn(turn: Turn) -> str:
    """Return how long a reply took, as one line."""
    tokens = f"{turn.tokens:,} tokens, " if turn.tokens else ""
    rate = f", {turn.tokens / turn.seconds:,.0f} tokens/s" if turn.tokens and turn.seconds else ""
    return f"{tokens}{turn.seconds:.1f} s{rate}"
