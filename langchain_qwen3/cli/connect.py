"""From the options of a command to a model, and how errors are shown."""

from __future__ import annotations

import asyncio
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import typer
from pydantic import ValidationError
from rich.text import Text

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.cli.console import Console, show_waiting
from langchain_qwen3.cli.options import UNUSABLE, Target
from langchain_qwen3.errors import Qwen3AuthenticationError, Qwen3Error

UNNAMED = "served"
"""Placeholder for the model's name until the server has listed its models."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells: 128 plus the signal number."""


class Connected(NamedTuple):
    """A model whose server answers, and the names that the server lists."""

    llm: ChatQwen3
    models: tuple[str, ...]


def build_model(target: Target, **fields: Any) -> ChatQwen3:
    """Return the model of the options; fields that are None are left out.

    One retry is allowed, because llama.cpp sometimes closes a kept connection.
    """
    url = target.url
    if url is not None and "://" not in url:
        url = f"http://{url}"
    model = target.model or os.environ.get("QWEN_MODEL") or UNNAMED
    fields |= {"base_url": url, "api_key": target.api_key, "model": model, "server": target.server}
    set_fields = {name: value for name, value in fields.items() if value is not None}
    return ChatQwen3(timeout=target.timeout, max_retries=1, **set_fields)


def connect(target: Target, console: Console, **fields: Any) -> Connected:
    """Return the model of the options; without a name it takes the first one that the server lists.

    The server is called in any case, so that a wrong address or key is reported first.

    Raises:
        Qwen3Error: The server cannot be reached, or it has no list and no option names a model.
        UnreachableError: There is no usable API at the URL, or it serves no model.
    """
    from langchain_qwen3.doctor.reach import reach

    llm = build_model(target, **fields)
    named = llm.model_name != UNNAMED
    with show_waiting(console, f"asking {llm.openai_api_base}"):
        reached = asyncio.run(reach(llm, named=named))
    if reached.outcome.status != "ok":
        raise UnreachableError(f"{llm.openai_api_base}: {reached.outcome.detail}\n{reached.outcome.fix}")
    if not named:
        llm = llm.model_copy(update={"model_name": reached.models[0]})
    return Connected(llm, reached.models)


class UnreachableError(Exception):
    """There is no usable API at the URL."""


@contextmanager
def showing_errors(*, console: Console | None = None) -> Iterator[None]:
    """Show an error as one message, without a traceback, and exit with status 2. A warning is one line."""
    console = console or Console(stderr=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedSettingWarning)
        warnings.showwarning = lambda message, *_, **__: console.print(Text.assemble(("! ", "yellow"), str(message)))
        try:
            yield
        except typer.Exit:  # a RuntimeError
            raise
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print(Text("stopped", style="dim"))
            raise typer.Exit(INTERRUPTED) from None
        except (Qwen3Error, UnreachableError, ValueError, OSError, ImportError, RuntimeError) as error:
            show_error(console, error)
            raise typer.Exit(UNUSABLE) from None


def show_error(console: Console, error: Exception) -> None:
    """Print an error: the cause, and below it the fix."""
    cause, _, fix = name_options(_read_text(error)).partition("\n")
    if isinstance(error, Qwen3AuthenticationError):
        fix = "Pass the server's key with --api-key, or set $QWEN_API_KEY."
    soft_wrap = not console.is_terminal  # a log keeps its lines
    console.print(Text.assemble(("✗ ", "bold red"), cause), soft_wrap=soft_wrap)
    if fix:
        console.print(Text.assemble(("→ ", "yellow"), fix), soft_wrap=soft_wrap)


_FIELDS = "api_key|host|max_tokens|model|n_ctx|n_parallel|n_threads|port|reasoning_format|server|temperature|timeout"
_SETTING = re.compile(rf"""(?<![(,])(?<!, )\b({_FIELDS})=("[^"\n]*"|[\w.:/-]+)""")
_NAMED = re.compile(rf"^({_FIELDS})(?=: | must )", re.MULTILINE)


def name_options(text: str) -> str:
    """Return a message with options in place of Python's arguments: `--n-ctx 4096`, not `n_ctx=4096`."""
    text = _SETTING.sub(lambda match: f"{_flag(match[1])} {match[2]}", text)
    text = _NAMED.sub(lambda match: _flag(match[1]), text)
    return re.sub(r"\bbase_url\b", "the URL", text)


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _read_text(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "\n".join(f"{_name(row)}{row['msg'].removeprefix('Value error, ')}" for row in error.errors())
    if isinstance(error, OSError) and error.strerror:  # str() would begin with the error number
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _name(row: Any) -> str:
    return f"{row['loc'][0]}: " if row["loc"] else ""
