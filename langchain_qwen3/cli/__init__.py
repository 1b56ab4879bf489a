"""The command `langchain-qwen3` (extra `cli`): ask, batch, chat, models, doctor, bench, serve.

    main       the commands with their options; cheap to import
    options    options that commands share
    console    the terminal; control characters in a text are shown, not sent
    connect    from the options to a model; how errors are shown
    wording    messages with options in place of Python's arguments
    screen     a reply as it streams: in a terminal Markdown, in a pipe the answer alone

    ask        one question
    batch      a file of rows; the work is done in `langchain_qwen3.batch`
    chat       a conversation in the terminal; its state is in `conversation`, its commands in `slash`
    models     the models that a server lists
    doctor     a table of what works; the checks are in `langchain_qwen3.doctor`
    bench      a table of speed; measured in `load`, drawn in `plot`
    serve      the embedded engine in the foreground

Each command is thin: the parts that it shows are built in functions of their own, and tested without a terminal.
"""

from __future__ import annotations

import io
import os
import sys

_NEEDED = frozenset({"typer", "rich", "prompt_toolkit"})


def app() -> None:
    """Run the command."""
    _open_streams()
    try:
        from langchain_qwen3.cli.main import commands

        try:
            commands(prog_name="langchain-qwen3")
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:  # while the commands are imported; later they say what was stopped
        sys.exit(130)
    except OSError as error:  # stdout is full, or nobody reads it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at its end
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"✗ {error.strerror or error}\n")
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        sys.exit('langchain-qwen3 needs the extra "cli": pip install "langchain-qwen3-chat[cli]"')


def _open_streams() -> None:
    """Open streams that the caller has closed, and let no character fail that the encoding of one lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  # until the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as Python's stderr has it
