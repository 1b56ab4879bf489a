"""Shows a reply as it streams: in a terminal as Markdown, the thinking dimmed or folded; in a pipe only the answer."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rich.console
from markdown_it import MarkdownIt
from rich.console import Group
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from langchain_qwen3._visible import make_visible
from langchain_qwen3.cli.console import SILENT_SECONDS, Console, Waiting, describe_silence
from langchain_qwen3.notebook.emphasis import read_bold_beside_wide
from langchain_qwen3.notebook.growing import GrowingText

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rich.console import ConsoleOptions, RenderableType, RenderResult

    from langchain_qwen3.cli.conversation import Piece

THINKING = "dim italic"
_FRAME_SECONDS = 0.1
_SPARE_LINES = 2
"""Lines of the terminal that the growing part leaves free."""
_MAX_DRAWN = 4000
"""Characters of a growing text that are drawn: more than a screen holds."""


async def show_reply(pieces: AsyncGenerator[Piece], screen: Screen) -> None:
    """Write the pieces of a reply as they arrive, and always close the stream."""
    # Drawn in this thread: rich's own would draw while a block is printed, and leave a second copy of it.
    drawing = asyncio.create_task(_draw_frames(screen))
    try:
        async with aclosing(pieces) as opened:
            async for piece in opened:
                (screen.write_answer if piece.kind == "answer" else screen.write_reasoning)(piece.text)
    finally:
        drawing.cancel()
        screen.end()


async def _draw_frames(screen: Screen) -> None:
    while True:
        await asyncio.sleep(_FRAME_SECONDS)
        screen.draw()


class PipeScreen:
    """Writes the answer alone, as it arrives. A line on stderr says when the server is silent."""

    def __init__(self) -> None:
        self._ended_line = True
        self._is_silent = True
        self._since = time.monotonic()

    def write_reasoning(self, text: str) -> None:  # noqa: ARG002  # a pipe gets the answer alone
        """Leave the thinking out."""
        self._is_silent = False

    def write_answer(self, text: str) -> None:
        """Write a piece at once."""
        self._is_silent = False
        sys.stdout.write(make_visible(text))
        sys.stdout.flush()
        self._ended_line = text.endswith("\n")

    def draw(self) -> None:
        """Say once that the server is silent."""
        if self._is_silent and time.monotonic() - self._since >= SILENT_SECONDS:
            self._is_silent = False
            sys.stderr.write(f"{describe_silence(SILENT_SECONDS)}\n")

    def end(self) -> None:
        """End the last line."""
        if not self._ended_line:
            sys.stdout.write("\n")
            sys.stdout.flush()


class TerminalScreen:
    """Redraws the growing part in place; a complete line of thinking or block of Markdown is printed above it."""

    def __init__(self, console: Console, *, folded: bool = False) -> None:
        self._console = console
        self._folded = folded
        self._since = time.monotonic()
        self._thinks = self._answers = False
        self._reasoning = GrowingText()
        self._answer = GrowingText()
        self._waiting = Waiting("waiting for the first token")
        self._live = Live(get_renderable=self._render, console=console, transient=True, auto_refresh=False)
        self._live.start()

    def write_reasoning(self, text: str) -> None:
        """Add a piece of the thinking; complete lines are printed."""
        self._thinks = True
        self._reasoning.add(text)
        if "\n" in text and not self._folded:
            self._print(Text(self._reasoning.take_lines(), style=THINKING))

    def write_answer(self, text: str) -> None:
        """Add a piece of the answer; complete blocks are printed."""
        self._answer.add(text)
        if not self._answers and text.strip():
            self._answers = True
            self._end_thinking()
        if "\n" in text and (blocks := self._answer.take_blocks()):
            self._print(*(part for block in blocks for part in (build_markdown(block), "")))

    def draw(self) -> None:
        """Draw the growing part anew."""
        self._live.refresh()

    def end(self) -> None:
        """Print the rest."""
        if not self._answers:
            self._end_thinking()
        self._live.stop()
        if rest := self._answer.take().strip():
            self._console.print(build_markdown(rest))

    def _print(self, *parts: RenderableType) -> None:
        """Print above the growing part, which is drawn first, without what is printed now."""
        self._live.refresh()
        self._console.print(Group(*parts))

    def _end_thinking(self) -> None:
        if not self._thinks:
            return
        rest = self._reasoning.take().rstrip()
        if self._folded:
            seconds = time.monotonic() - self._since
            self._print(Text(f"▸ thought for {seconds:.1f} s (/fold shows it)", style="dim"), "")
        else:
            self._print(*([Text(rest, style=THINKING)] if rest else []), "")

    def _render(self) -> RenderableType:
        if self._answers:
            return Tail(build_markdown(self._answer.read_end(_MAX_DRAWN)))
        if not self._thinks:
            return self._waiting
        if self._folded:
            seconds = time.monotonic() - self._since
            return Spinner("dots", Text(f"thinking, {seconds:.0f} s", style="dim"), style="cyan")
        return Tail(Text(self._reasoning.read_end(_MAX_DRAWN), style=THINKING))


Screen = PipeScreen | TerminalScreen
"""Shows one reply. `draw` is called ten times a second, for what changes by itself: the spinner, the growing part."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The last lines of a renderable that fit the terminal: it cannot redraw what has scrolled away."""

    renderable: RenderableType

    def __rich_console__(self, console: rich.console.Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.renderable, options.update(height=None), pad=False)
        for line in lines[-max(1, console.height - _SPARE_LINES) :]:
            yield from line
            yield Segment.line()


def build_markdown(text: str) -> RenderableType:
    """Return Markdown for rich, with full link addresses, the model's own line breaks, and HTML as text."""
    markdown = Markdown("", code_theme="ansi_dark", hyperlinks=False)
    markdown.parsed = _PARSER.parse(make_visible(text))
    for token in markdown.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return markdown


# Rich's own parser takes `<b>` and `<div>` for HTML, which rich does not show.
_PARSER = read_bold_beside_wide(MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]))
