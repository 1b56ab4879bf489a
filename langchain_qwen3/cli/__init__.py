"""The command `langchain-qwen3` (extra `cli`): doctor, bench, serve, chat.

    main       the commands together
    doctor     a table of what works; the examination is `langchain_qwen3.doctor`
    bench      a table of how fast; measured in `load`, drawn in `plot`
    serve      the embedded engine in the foreground
    chat       a conversation in the terminal; what is said is kept in `conversation`
    connect    options and errors that all of them share

Each command is small: what it shows is made elsewhere, and tested without a terminal.
"""

from __future__ import annotations

import sys

_NEEDED = frozenset({"typer", "rich"})


def app() -> None:
    """Run the command."""
    try:
        from langchain_qwen3.cli.main import commands
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.exit('langchain-qwen3 needs the extra "cli": pip install "langchain-qwen3-chat[cli]"')
    commands()
