"""From the options of a command to a model, and how errors are shown."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import ValidationError
from rich.text import Text

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.cli.console import Console, show_waiting
from langchain_qwen3.cli.options import UNUSABLE, Target
from langchain_qwen3.cli.wording import name_options
from langchain_qwen3.doctor.reach import Listing, reach
from langchain_qwen3.errors import Qwen3Error

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells: 128 plus the signal number."""


def build_model(target: Target, **fields: Any) -> ChatQwen3:
    """Return the model of the options; fields that are None are left out. Without a name, `$QWEN_MODEL` counts.

    One retry is allowed, because llama.cpp sometimes closes a kept connection.
    """
    url = target.url
    if url is not None and "://" not in url:
        url = f"http://{url}"
    fields |= {"base_url": url, "api_key": target.api_key, "model": target.model, "server": target.server}
    set_fields = {name: value for name, value in fields.items() if value is not None}
    return ChatQwen3(timeout=target.timeout, max_retries=1, **set_fields)


def connect(target: Target, console: Console, **fields: Any) -> tuple[ChatQwen3, tuple[str, ...]]:
    """Return the model of the options, and the names that its server lists; without a name it takes the first of them.

    The server is called in any case, so that a wrong address or key is reported first.

    Raises:
        ConnectionError: See `ask_server`.
    """
    llm = build_model(target, **fields)
    named = bool(llm.model_name)
    models = ask_server(llm, console, named=named).models
    if not named:
        llm = llm.model_copy(update={"model_name": models[0]})
    return llm, models


def ask_server(llm: ChatQwen3, console: Console, *, named: bool) -> Listing:
    """Return what the server lists.

    Raises:
        ConnectionError: There is no usable API at the URL, or it serves no model and no option names one.
    """
    with show_waiting(console, f"asking {llm.openai_api_base}"):
        outcome, listing = asyncio.run(reach(llm, named=named))
    if outcome.status != "ok":
        raise ConnectionError(f"{llm.openai_api_base}: {outcome.detail}\n{outcome.fix}")
    return listing


@contextmanager
def showing_errors(*, console: Console | None = None, warns: bool = True, stopped: str = "stopped") -> Iterator[None]:
    """Show an error as one message, without a traceback, and exit with status 2. A warning is one line.

    Args:
        console: Where to show it; stderr by default.
        warns: Whether to warn of settings without effect: not where the command itself chose them.
        stopped: What to say after Ctrl-C.
    """
    console = console or Console(stderr=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always" if warns else "ignore", UnsupportedSettingWarning)
        warnings.showwarning = lambda text, *_, **__: _print_marked(console, ("! ", "yellow"), name_options(str(text)))
        try:
            yield
        except typer.Exit:  # a RuntimeError
            raise
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print(Text(stopped, style="dim"))
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # `| head` has read all it wants
            raise typer.Exit(UNUSABLE) from None
        except (Qwen3Error, ValueError, OSError, ImportError, RuntimeError) as error:
            show_error(console, error)
            raise typer.Exit(UNUSABLE) from None


def show_error(console: Console, error: Exception) -> None:
    """Print an error: the cause, and below it the fix."""
    cause, _, fix = name_options("\n".join((read_text(error), *getattr(error, "__notes__", ())))).partition("\n")
    _print_marked(console, ("✗ ", "bold red"), cause)
    if fix:
        _print_marked(console, ("→ ", "yellow"), fix)


def _print_marked(console: Console, mark: tuple[str, str], text: str) -> None:
    console.print(Text.assemble(mark, text), soft_wrap=not console.is_terminal)  # a log keeps its lines


def read_text(error: Exception) -> str:
    """Return what an error says, without the numbers and headings of its library."""
    if isinstance(error, ValidationError):
        rows = [(f"{row['loc'][0]}: " if row["loc"] else "", row["msg"]) for row in error.errors()]
        return "\n".join(field + text.removeprefix("Value error, ") for field, text in rows)
    if isinstance(error, OSError) and error.strerror:  # str() would begin with the error number
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__
