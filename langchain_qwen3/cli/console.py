"""Where the commands write: a terminal that obeys us and nobody whose text is shown on it."""

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
"""A server that says nothing for so long is told of."""


class Console(rich.console.Console):
    """Rich's console, which shows the control characters of every text: only its own reach the terminal.

    Whatever is printed passes through `render`, tables and live displays, too, so nothing has to be made safe before.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is shown, as rich does, in characters that only show."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=make_visible(segment.text))


def write_json(value: Any) -> None:
    """Write a value to stdout, exactly; control characters stand there as JSON escapes."""
    sys.stdout.write(make_json_visible(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


class Waiting:
    """A spinner and what is waited for; after `SILENT_SECONDS` it says for how long nothing came."""

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
    """Return what to say about a server that has not answered yet."""
    return f"no answer for {seconds:.0f} s: it may be loading or busy; Ctrl-C stops waiting"


@contextmanager
def show_waiting(console: Console, what: str) -> Iterator[None]:
    """Show what is waited for while the block lasts; without a terminal, one line once it takes `SILENT_SECONDS`."""
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
