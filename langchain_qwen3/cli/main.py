"""The commands together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from langchain_qwen3.cli.bench import bench
from langchain_qwen3.cli.chat import chat
from langchain_qwen3.cli.doctor import doctor
from langchain_qwen3.cli.serve import serve

commands = typer.Typer(
    name="langchain-qwen3",
    help="Examine, measure and try a server of Qwen3, or be one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"langchain-qwen3-chat {version('langchain-qwen3-chat')}")
        raise typer.Exit


@commands.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


for command in (doctor, bench, serve, chat):
    commands.command()(command)
