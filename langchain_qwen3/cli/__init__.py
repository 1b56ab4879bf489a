"""The command `langchain-qwen3` (extra `cli`): ask, batch, chat, models, doctor, bench, serve.

    main       the commands as they are typed, with their options; cheap to import
    options    options that commands share
    console    where the commands write: foreign text is shown, never obeyed
    connect    from the options to a model, and how an error is shown
    screen     a reply as it streams: in a terminal Markdown, in a pipe the answer alone

    ask        one question
    batch      a file of rows, with its options; what is done is `langchain_qwen3.batch`
    chat       a conversation in the terminal; its state and commands are in `conversation`
    models     what a server lists
    doctor     a table of what works; the examination is `langchain_qwen3.doctor`
    bench      a table of how fast; measured in `load`, drawn in `plot`
    serve      the embedded engine in the foreground

Each command is small: what it shows is made elsewhere, and tested without a terminal.
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
