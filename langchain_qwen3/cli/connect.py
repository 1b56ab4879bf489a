"""What the commands share: how a server is named on the command line, and how an error is shown."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.errors import Qwen3AuthenticationError, Qwen3Error

Url = Annotated[
    str | None,
    typer.Argument(help="Base URL, mostly ending in /v1. Default: $QWEN_BASE_URL, else http://localhost:8000/v1."),
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="Served model. Default: the first one listed.")]
ApiKey = Annotated[str | None, typer.Option(help="The server's key. Default: $QWEN_API_KEY.")]
Server = Annotated[str, typer.Option(help='What the server is: "vllm", "sglang", "llama.cpp", …; "auto" finds out.')]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds that one request may take.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]

FAILED, UNUSABLE = 1, 2
"""Exit statuses: something did not work; the server cannot be used at all, or the command was given wrong."""

UNNAMED = "served"
"""Stands for the model's name until the server has listed its models."""


def build_model(  # the options of a command
    url: str | None, model: str | None, api_key: str | None, server: str, timeout: float, **fields: Any
) -> ChatQwen3:
    """Return the model that the options describe.

    It tries again once: llama.cpp closes a connection at times that it promised to keep.
    """
    if url is not None and "://" not in url:
        url = f"http://{url}"
    given = {"base_url": url, "api_key": api_key, "model": model or UNNAMED, "server": server, **fields}
    given = {name: value for name, value in given.items() if value is not None}
    return ChatQwen3(timeout=timeout, max_retries=1, **given)


def name_model(llm: ChatQwen3) -> ChatQwen3:
    """Return the model, under the first name its server lists where it has none yet; the server is asked in any case.

    Raises:
        Qwen3Error: The server cannot be reached, or has no list and no name was given.
        ValueError: It serves no model.
    """
    from langchain_qwen3.doctor.reach import reach

    reached = asyncio.run(reach(llm, named=llm.model_name != UNNAMED))
    if reached.outcome.status != "ok":
        raise UnreachableError(f"{llm.openai_api_base}: {reached.outcome.detail}\n{reached.outcome.fix}")
    if llm.model_name != UNNAMED:
        return llm
    return llm.model_copy(update={"model_name": reached.models[0]})


class UnreachableError(Exception):
    """There is no usable API at the URL."""


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show what goes wrong as one message and end with status 2; a traceback helps nobody at a terminal."""
    console = Console(stderr=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedSettingWarning)
        try:
            yield
        except KeyboardInterrupt:
            console.print("stopped", style="dim")
            raise typer.Exit(130) from None
        except (Qwen3Error, UnreachableError, ValueError, OSError, ImportError, RuntimeError) as error:
            show_error(console, error)
            raise typer.Exit(UNUSABLE) from None


def show_error(console: Console, error: Exception) -> None:
    """Print an error: what happened in red, what to do below it."""
    what, _, fix = _read_text(error).partition("\n")
    if isinstance(error, Qwen3AuthenticationError):
        fix = "Pass the server's key with --api-key, or set $QWEN_API_KEY."
    console.print(Text.assemble(("✗ ", "bold red"), what))
    if fix:
        console.print(Text.assemble(("→ ", "yellow"), fix))


def _read_text(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "\n".join(f"{_name(row)}{row['msg'].removeprefix('Value error, ')}" for row in error.errors())
    return str(error) or type(error).__name__


def _name(row: Any) -> str:
    return f"{row['loc'][0]}: " if row["loc"] else ""
