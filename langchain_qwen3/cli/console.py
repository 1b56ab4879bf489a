"""Output of the commands: control characters in untrusted text never reach the terminal."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rich.console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from langchain_qwen3._visible import make_json_visible, make_visible

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

SILENT_SECONDS = 3.0
"""Silence of a server after which the user is informed."""


class Console(rich.console.Console):
    """Rich's console, which makes control characters in any text visible: only Rich's own reach the terminal.

    All output passes through `render`, including tables and live displays, so callers need not escape anything.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield Rich's segments, with control characters in text made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=make_visible(segment.text))


def write_json(value: Any) -> None:
    """Write a value to stdout as JSON; control characters are written as JSON escapes."""
    sys.stdout.write(make_json_visible(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


class Waiting:
    """A spinner with a label; after `SILENT_SECONDS` it also shows for how long there was no answer."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.since = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> RenderableType:
        seconds = time.monotonic() - self.since
        text = Text(self.what, style="dim")
        if seconds >= SILENT_SECONDS:
            text = Text.assemble((self.what, "dim"), (f"  {describe_silence(seconds)}", "yellow"))
        self._spinner.update(text=text)
        return self._spinner


def describe_silence(seconds: float) -> str:
    """Return the message about a server that has not answered yet."""
    return f"no answer for {seconds:.0f} s: it may be loading or busy; Ctrl-C stops waiting"


@contextmanager
def show_waiting(console: Console, what: str) -> Iterator[None]:
    """Show a spinner during the block; without a terminal, print one line after `SILENT_SECONDS`."""
    if console.is_terminal:
        with Live(Waiting(what), console=console, refresh_per_second=8, transient=True):
            yield
        return
    text = Text(f"{what}  {describe_silence(SILENT_SECONDS)}")
    note = threading.Timer(SILENT_SECONDS, console.print, [text])
    note.daemon = True
    note.start()
    try:
        yield
    finally:
        note.cancel()
