"""The command `langchain-qwen3` (extra `cli`): ask, batch, chat, models, doctor, bench, serve.

    main       the commands and their options; cheap to import
    options    options shared by several commands
    console    output of the commands: untrusted text is shown without its control characters
    connect    builds a model from the options, and shows errors
    screen     shows a reply as it streams: Markdown in a terminal, only the answer in a pipe

    ask        one question
    batch      a file of rows, and its options; the work is done by `langchain_qwen3.batch`
    chat       a conversation in the terminal; its state is in `conversation`, its commands are in `slash`
    models     the models that a server lists
    doctor     a table of the working features; the examination is `langchain_qwen3.doctor`
    bench      a table of speeds; `load` measures, `plot` draws
    serve      the embedded engine in the foreground

Each command is small: its output is built elsewhere, and tested without a terminal.
"""

from __future__ import annotations

import sys

_NEEDED = frozenset({"typer", "rich", "prompt_toolkit"})


def app() -> None:
    """Run the command."""
    try:
        from langchain_qwen3.cli.main import commands

        commands(prog_name="langchain-qwen3")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        sys.exit('langchain-qwen3 needs the extra "cli": pip install "langchain-qwen3-chat[cli]"')
