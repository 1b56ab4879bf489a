"""Where the commands write: a terminal that no text of a server can control."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import rich.console
from rich.console import ConsoleDimensions
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from langchain_qwen3._visible import make_json_visible, make_visible

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

SILENT_SECONDS = 3.0
"""After so long without a reply, a line says that the server is silent."""


class Console(rich.console.Console):
    """Rich's console, but control characters in a text are shown, not sent to the terminal.

    Everything passes through `render`, tables and live displays included, so no caller has to escape a text.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        self._signs = _find_signs(self.encoding)

    @property  # type: ignore[misc]  # rich has a setter, too, which no command uses
    def size(self) -> ConsoleDimensions:
        """The terminal's real size: rich prefers `$COLUMNS`, which is stale once the window has changed.

        For a dumb terminal, such as a shell in Emacs, it takes 80 columns, of whatever width the window is.
        """
        if self.is_terminal:
            with suppress(OSError, ValueError):  # a terminal of tests has no descriptor
                columns, lines = os.get_terminal_size(self.file.fileno())
                if columns and lines:  # a new pseudo terminal has no size, until somebody sets one
                    return ConsoleDimensions(columns, lines)
        return super().size

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield rich's segments with visible characters only; a table's cell is wrapped, where rich shortens words.

        A word is what stands between blanks, so a line of Chinese is one.
        """
        if options is not None and options.overflow == "ellipsis" and not options.no_wrap:
            options = options.update(overflow="fold")
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else make_visible(segment.text).translate(self._signs)
            yield segment._replace(text=text)


def _find_signs(encoding: str) -> dict[int, int]:
    """Return what stands for the commands' signs in an encoding: √ and × in GBK, that of files on Chinese Windows."""
    for signs in ("✓✗→", "√×→"):
        with suppress(UnicodeEncodeError):
            signs.encode(encoding)
            return str.maketrans("✓✗→", signs)
    return str.maketrans("✓✗→", "+x>")


def decode_piped(raw: bytes) -> str:
    """Return what was piped, in UTF-8 or in the system's encoding; line by line if neither can read the whole.

    git and most editors write UTF-8. Python expects the system's encoding, which is GBK on Chinese Windows.

    Raises:
        ValueError: It is in another encoding, or no text.
    """
    texts = []
    for encoding in (sys.stdin.encoding, "utf-8-sig"):
        with suppress(UnicodeDecodeError):
            texts.append(raw.decode(encoding))
    if texts:  # "图片" in GBK is also UTF-8, of as many letters; Chinese in UTF-8 gives more characters in GBK
        return min(texts, key=len).replace("\r\n", "\n").replace("\r", "\n")
    lines = raw.splitlines(keepends=True)
    if len(lines) > 1:
        return "".join(map(decode_piped, lines))
    raise ValueError("the piped text is not UTF-8\nConvert it first: iconv -f GBK -t UTF-8, or -f UTF-16")


def write_json(value: Any) -> None:
    """Write a value to stdout as JSON; control characters are escaped, and all that is not ASCII if it is not UTF-8."""
    is_utf8 = sys.stdout.encoding.lower() in {"utf-8", "utf8"}
    sys.stdout.write(make_json_visible(json.dumps(value, ensure_ascii=not is_utf8, indent=2)) + "\n")


class Waiting:
    """A spinner with a text; after `SILENT_SECONDS` it adds how long the server has been silent."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.since = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> RenderableType:
        seconds = time.monotonic() - self.since
        silence = f"  {describe_silence(seconds)}" if seconds >= SILENT_SECONDS else ""
        self._spinner.update(text=Text.assemble((self.what, "dim"), (silence, "yellow")))
        return self._spinner


def describe_silence(seconds: float) -> str:
    """Return the text about a server that has not answered yet."""
    return f"no answer for {seconds:.0f} s: it may be loading or busy; Ctrl-C stops waiting"


@contextmanager
def show_waiting(console: Console, what: str) -> Iterator[None]:
    """Show a text while the block lasts; without a terminal, print it once after `SILENT_SECONDS`."""
    if console.is_terminal:
        with Live(Waiting(what), console=console, refresh_per_second=8, transient=True):
            yield
        return
    text = Text(f"{what}  {describe_silence(SILENT_SECONDS)}")
    note = threading.Timer(SILENT_SECONDS, console.print, [text], {"soft_wrap": True})  # a log keeps its lines
    note.daemon = True
    note.start()
    try:
        yield
    finally:
        note.cancel()
