"""`langchain-qwen3 serve`: the embedded engine in the foreground."""

from __future__ import annotations

import http.client
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from langchain_qwen3.cli.connect import shown_errors
from langchain_qwen3.local import LocalServer
from langchain_qwen3.local.downloads import fetch_model

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import RenderableType

GgufModel = Annotated[
    str,
    typer.Argument(
        help="A GGUF file, or a repository: Qwen/Qwen3-0.6B-GGUF, Qwen/Qwen3-0.6B-GGUF:Q8_0 or a file's name there; "
        "modelscope: before it asks ModelScope instead of Hugging Face (extra download)."
    ),
]
Name = Annotated[str | None, typer.Option(help="Name to serve it under. Default: the file's, without its ending.")]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all, then with --api-key.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
ApiKey = Annotated[str | None, typer.Option(help="Key that requests must carry.")]
Context = Annotated[int, typer.Option("--n-ctx", min=1, help="Context window of one request, in tokens.")]
Parallel = Annotated[int, typer.Option("--n-parallel", min=1, help="Requests answered at the same time.")]
Threads = Annotated[int | None, typer.Option("--n-threads", min=1, help="CPU threads. Default: the physical cores.")]
Format = Annotated[str, typer.Option(help="How reasoning comes back: deepseek, deepseek-legacy or none.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show llama.cpp's log.")]

_CHECK_SECONDS = 5.0


def serve(  # noqa: PLR0913  # the options of a command
    model: GgufModel,
    *,
    name: Name = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: ApiKey = None,
    n_ctx: Context = 8192,
    n_parallel: Parallel = 4,
    n_threads: Threads = None,
    reasoning_format: Format = "deepseek",
    verbose: Verbose = False,
) -> None:
    """Serve a model with llama.cpp on this machine (extra local), OpenAI-compatible, until Ctrl-C."""
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)  # `kill` and container runtimes stop it as cleanly as Ctrl-C
    with shown_errors():
        path = fetch_model(model)
        settings: dict[str, Any] = {
            "name": name,
            "host": host,
            "port": port,
            "api_key": api_key,
            "n_ctx": n_ctx,
            "n_parallel": n_parallel,
            "n_threads": n_threads,
            "reasoning_format": reasoning_format,
            "verbose": verbose,
        }
        server = LocalServer(path, **settings)
        with console.status(f"loading {path.name}"):
            server.start()
        try:
            console.print(render_welcome(server.base_url, server.model, has_key=api_key is not None))
            _wait(server.base_url)
        finally:
            server.stop()
    raise typer.Exit


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait(base_url: str) -> None:
    """Return on Ctrl-C.

    Raises:
        RuntimeError: The engine ended by itself.
    """
    address = urlsplit(base_url)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(_CHECK_SECONDS)
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_CHECK_SECONDS)
            try:
                connection.request("GET", "/health", headers={"Connection": "close"})
                connection.getresponse().read()
            except ConnectionRefusedError:
                raise RuntimeError("the engine ended by itself: --verbose shows its log") from None
            except (OSError, http.client.HTTPException):
                continue  # busy
            finally:
                connection.close()


def render_welcome(base_url: str, model: str, *, has_key: bool) -> RenderableType:
    """Return what to show once the server answers: where, how to use it, how to stop it."""
    key = ', api_key="…"' if has_key else ""
    code = (
        "from langchain_qwen3 import ChatQwen3\n\n"
        f'llm = ChatQwen3(model="{model}", base_url="{base_url}"{key})\n'
        'print(llm.invoke("你是谁？").text)'
    )
    return Group(
        Text.assemble(("✓ ", "green"), "serving ", (model, "bold"), " at ", (base_url, "bold cyan")),
        Padding(Syntax(code, "python", theme="ansi_light", background_color="default", word_wrap=True), (1, 2)),
        Text.assemble("Talk to it: ", (f"langchain-qwen3 chat {base_url}", "bold")),
        Text("Ctrl-C stops it.", style="dim"),
    )
