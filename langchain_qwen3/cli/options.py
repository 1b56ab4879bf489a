"""Options shared by several commands. No slow imports, because `--help` and completion import this module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import typer


def _complete_server() -> Iterable[str]:
    from langchain_qwen3.servers.dialects import DIALECTS

    return ["auto", *DIALECTS]


Url = Annotated[
    str | None,
    typer.Argument(help="Base URL, usually ending in /v1. Default: $QWEN_BASE_URL, else http://localhost:8000/v1."),
]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Served model. Default: $QWEN_MODEL, else the first one listed.")
]
ApiKey = Annotated[str | None, typer.Option(help="The server's key. Default: $QWEN_API_KEY.")]
Server = Annotated[
    str,
    typer.Option(
        help='Kind of server: "vllm", "sglang", "llama.cpp", …; "auto" detects it.', autocompletion=_complete_server
    ),
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds that one request may take.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
System = Annotated[str, typer.Option("--system", "-s", help="System prompt.")]
Thinking = Annotated[
    bool | None, typer.Option("--thinking/--no-thinking", help="Switch thinking on or off. Default: the server's.")
]
Temperature = Annotated[float | None, typer.Option(min=0.0, help="Default: the server's.")]


class Target(NamedTuple):
    """The model and the server of a command, as its options name them."""

    url: str | None
    model: str | None
    api_key: str | None
    server: str
    timeout: float


FAILED, UNUSABLE = 1, 2
"""Exit statuses: something failed; the server cannot be used, or an option is wrong."""
