"""`langchain-qwen3 serve`: the embedded engine in the foreground."""

from __future__ import annotations

import ipaddress
import json
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from langchain_qwen3.cli.connect import showing_errors
from langchain_qwen3.cli.console import Console
from langchain_qwen3.local import LocalServer

if TYPE_CHECKING:
    from rich.console import RenderableType

_CHECK_SECONDS = 5.0


def run(model: str, settings: dict[str, Any]) -> None:
    """Serve until Ctrl-C or `kill`."""
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and container runtimes end it like Ctrl-C
    with showing_errors():
        server = LocalServer(model or ".", **settings)  # the error for a folder says what to give
        with console.status(Text(f"loading {server.path.name}")):
            server.start()
        try:
            has_key = settings["api_key"] is not None
            console.print(render_welcome(server.base_url, server.model, has_key=has_key))
            if not is_loopback(server.host):
                console.print(render_exposure(server.host, has_key=has_key))
            _wait(server)
        finally:
            server.stop()


def _wait(server: LocalServer) -> None:
    """Return on Ctrl-C.

    Raises:
        RuntimeError: The engine has ended unexpectedly.
    """
    with suppress(KeyboardInterrupt):
        while server._is_alive():  # noqa: SLF001  # our own
            time.sleep(_CHECK_SECONDS)
        raise RuntimeError("the engine exited unexpectedly: --verbose shows its log")


def render_welcome(base_url: str, model: str, *, has_key: bool) -> RenderableType:
    """Return the text for a server that answers: its address, how to use it, how to stop it."""
    key = ', api_key="…"' if has_key else ""
    code = (
        "from langchain_qwen3 import ChatQwen3\n\n"
        f'llm = ChatQwen3(model={json.dumps(model, ensure_ascii=False)}, base_url="{base_url}"{key})\n'
        'print(llm.invoke("你是谁？").text)'
    )
    return Group(
        Text.assemble(("✓ ", "green"), "serving ", (model, "bold"), " at ", (base_url, "bold cyan")),
        Padding(Syntax(code, "python", theme="ansi_light", background_color="default", word_wrap=True), (1, 2)),
        Text.assemble("Talk to it: ", (f"langchain-qwen3 chat {base_url}", "bold")),
        Text("Ctrl-C stops it.", style="dim"),
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def render_exposure(host: str, *, has_key: bool) -> RenderableType:
    """Return the warning that others can reach the server."""
    who = "Anyone who has the key" if has_key else "Anyone who can reach this machine"
    text = Text.assemble(("! ", "bold yellow"), f"It listens on {host}, beyond this machine. {who} can use the model.")
    if not has_key:
        text.append("\n→ ", style="yellow").append("Require a key with --api-key, or leave --host out.", style="yellow")
    return text
