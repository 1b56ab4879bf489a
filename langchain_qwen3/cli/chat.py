"""`langchain-qwen3 chat`: a conversation in the terminal, or in a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from langchain_qwen3.cli.connect import connect, show_error, showing_errors
from langchain_qwen3.cli.console import Console, decode_piped
from langchain_qwen3.cli.conversation import Conversation, Turn
from langchain_qwen3.cli.options import FAILED, Target
from langchain_qwen3.cli.screen import THINKING, PipeScreen, TerminalScreen, show_reply
from langchain_qwen3.cli.slash import COMMAND_NAMES, is_command, run_command
from langchain_qwen3.errors import Qwen3Error

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyPressEvent
    from prompt_toolkit.key_binding.key_processor import KeyPress

PROMPT = "› "


def run(target: Target, *, system: str, thinking: bool | None, temperature: float | None) -> None:
    """Chat until the end of the input, or `/quit`."""
    console = Console()
    errors = Console(stderr=True)
    with showing_errors():
        llm, models = connect(target, errors, temperature=temperature)
        conversation = Conversation(llm, system=system, thinking=thinking, models=models)
        if not (sys.stdin.isatty() and console.is_terminal):
            _talk_in_pipe(conversation, errors)
            return
        console.print(Text.assemble((llm.model_name, "bold"), (f" at {llm.openai_api_base}", "dim")))
        console.print(Text("/help shows the commands", style="dim"))
        asyncio.run(talk(conversation, console, build_session()))


# -- in a pipe ---------------------------------------------------------------------------------------------------------


def _talk_in_pipe(conversation: Conversation, errors: Console) -> None:
    """Answer each line of the input; everything but the answers goes to stderr.

    Raises:
        Exit: A question failed.
    """
    failed = False
    with asyncio.Runner() as runner:
        for line in sys.stdin.buffer:
            question = decode_piped(line).strip()
            if question.startswith("/"):
                if reply := run_command(conversation, question):
                    errors.print(Text(reply))
                question, conversation.to_ask = conversation.to_ask, ""
            if conversation.ended:
                break
            if question:
                failed |= not _answer_in_pipe(conversation, question, runner, errors)
    if failed:
        raise typer.Exit(FAILED)


def _answer_in_pipe(conversation: Conversation, question: str, runner: asyncio.Runner, errors: Console) -> bool:
    """Write the answer; return whether it is complete."""
    try:
        runner.run(show_reply(conversation.ask(question), PipeScreen()))
    except KeyboardInterrupt:
        errors.print(Text("(stopped)", style="yellow"))
        return False
    except Qwen3Error as error:
        show_error(errors, error)
        return False
    if conversation.last.note:
        errors.print(Text(conversation.last.note, style="yellow"))
    return not conversation.last.note


# -- in a terminal -----------------------------------------------------------------------------------------------------


def build_session() -> PromptSession[str]:
    """Return the prompt: Enter sends; Alt-Enter, or a backslash before Enter, begins a line; a paste is one message.

    The history is kept across sessions, in a file that only the user can read.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.output.plain_text import PlainTextOutput
    from prompt_toolkit.utils import is_dumb_terminal

    keys = KeyBindings()

    @keys.add("enter")
    @keys.add("c-j")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def begin_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    history: History = InMemoryHistory()
    path = Path(typer.get_app_dir("langchain-qwen3")) / "chat_history"
    with suppress(OSError):  # the home cannot be written: the history lasts for this session
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        history = FileHistory(path)
    # In a dumb terminal prompt_toolkit asks without escape sequences, but for those about the cursor.
    with create_app_session(output=PlainTextOutput(sys.stdout) if is_dumb_terminal() else None):
        return PromptSession(
            history=history,
            key_bindings=keys,
            multiline=True,
            prompt_continuation=" " * len(PROMPT),
            completer=WordCompleter([*COMMAND_NAMES], sentence=True),
            complete_while_typing=False,
        )


async def talk(conversation: Conversation, console: Console, session: PromptSession[str]) -> None:
    """Read messages and answer them until the end."""
    while not conversation.ended:
        try:
            text = (await session.prompt_async(PROMPT)).strip()
        except KeyboardInterrupt:
            console.print(Text("(/quit or Ctrl-D leaves)", style="dim"))
            continue
        except EOFError:
            break
        if is_command(text):
            _show_command(conversation, text, console)
            text, conversation.to_ask = conversation.to_ask, ""
        if text:
            await _answer(conversation, text, console, session)
    await conversation.llm.aclose()


def _show_command(conversation: Conversation, line: str, console: Console) -> None:
    if reply := run_command(conversation, line):
        console.print(Text(reply, style="dim"))
    if line.lower() == "/fold" and not conversation.folded and conversation.last.reasoning:
        console.print(Text(conversation.last.reasoning.strip(), style=THINKING))


async def _answer(conversation: Conversation, question: str, console: Console, session: PromptSession[str]) -> None:
    screen = TerminalScreen(console, folded=conversation.folded)
    task = asyncio.ensure_future(show_reply(conversation.ask(question), screen))
    with _hold_keys(session, task.cancel):
        try:
            await task
        except asyncio.CancelledError:
            console.print(Text("(stopped)", style="yellow"))
        except Qwen3Error as error:
            show_error(console, error)
        else:
            if note := conversation.last.note:
                console.print(Text(note, style="yellow"))
            console.print(Text(describe_turn(conversation.last), style="dim"))


@contextmanager
def _hold_keys(session: PromptSession[str], stop: Callable[[], object]) -> Iterator[None]:
    """Read the keyboard during an answer: Ctrl-C stops it, and all other keys are kept for the next question."""
    from prompt_toolkit.input.typeahead import store_typeahead
    from prompt_toolkit.keys import Keys

    terminal = session.app.input
    pressed: list[KeyPress] = []

    def read_keys() -> None:
        for key in terminal.read_keys():
            if key.key == Keys.ControlC:
                pressed.clear()
                stop()
            else:
                pressed.append(key)

    session.app.output.enable_bracketed_paste()
    session.app.output.flush()
    with terminal.raw_mode(), terminal.attach(read_keys):
        yield
    store_typeahead(terminal, pressed)


def describe_turn(turn: Turn) -> str:
    """Return tokens, seconds and speed of a reply as one line."""
    tokens = f"{turn.tokens:,} tokens, " if turn.tokens else ""
    rate = f", {turn.tokens / turn.seconds:,.0f} tokens/s" if turn.tokens and turn.seconds else ""
    return f"{tokens}{turn.seconds:.1f} s{rate}"
