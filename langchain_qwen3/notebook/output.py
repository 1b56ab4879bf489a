"""Outputs of a cell, each redrawn in place."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

FULL_SIZE: Final = 20_000
"""Characters of HTML and text after which a text goes on in another output. There must be few: JupyterLab shows 50
(https://github.com/jupyterlab/jupyterlab/issues/13557)."""


class Outputs:
    """The outputs of a cell, each identified by the name of its place.

    Attributes:
        redraws: Whether an output can be redrawn; in a terminal it cannot.

    Raises:
        ImportError: IPython is not installed.
    """

    def __init__(self) -> None:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        shell = get_ipython()
        self.redraws = shell is not None and not type(shell).__module__.startswith("IPython.terminal")
        self._display: Any = display
        self._handles: dict[str, Any] = {}
        self._shown: dict[str, str] = {}

    def put(self, place: str, html_text: str, plain: str) -> None:
        """Draw an output; unchanged output is not redrawn, so it stays folded or scrolled as the reader left it."""
        if self._shown.get(place, "") == html_text:
            return
        self._shown[place] = html_text
        output = {"text/html": html_text, "text/plain": plain}
        if place in self._handles:
            self._handles[place].update(output, raw=True)
        elif self.redraws:
            self._handles[place] = self._display(output, raw=True, display_id=True)
        else:
            sys.stdout.write(f"{plain}\n")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was drawn yet."""
        return not self._shown


class Column:
    """A growing text in outputs below each other. Only the last one is redrawn, so a long text costs its length.

    Args:
        outputs: The outputs of the cell.
        place: Name of the first output.
        build: Returns a part of the text as HTML.

    Attributes:
        head: HTML and plain text above the first output; it may change.
    """

    def __init__(self, outputs: Outputs, place: str, build: Callable[[str], str]) -> None:
        self.head = "", ""
        self._outputs = outputs
        self._place = place
        self._build = build
        self._full: list[tuple[str, str]] = []
        self._html = self._plain = ""

    def draw(self, parts: Iterable[str], rest: str) -> None:
        """Add parts of the text, which grow no more, and draw them and the rest, which is not added."""
        for part in parts:
            self._html += self._build(part)
            self._plain += part
            if len(self._html) + len(self._plain) > FULL_SIZE:
                self._put(len(self._full), self._html, self._plain)
                self._full.append((self._html, self._plain))
                self._html = self._plain = ""
        if self._full:
            self._put(0, *self._full[0])  # its head may be another one
        if self._html or rest:
            self._put(len(self._full), self._html + self._build(rest), self._plain + rest)

    def end(self, html_text: str, plain: str) -> None:
        """Draw the rest of a text; all outputs together are this HTML.

        If an early part looks different in the whole text, such as a link whose address came later, the first output
        gets the whole text.
        """
        done = "".join(html_text for html_text, _ in self._full)
        if not html_text.startswith(done):
            for number in range(1, len(self._full) + 1):
                self._put(number, "", "")
            self._full, done = [], ""
        done_plain = "".join(plain for _, plain in self._full)
        self._put(len(self._full), html_text[len(done) :], plain[len(done_plain) :])

    def _put(self, number: int, html_text: str, plain: str) -> None:
        if number == 0:
            html_text, plain = self.head[0] + html_text, self.head[1] + plain
        self._outputs.put(f"{self._place} {number}" if number else self._place, html_text, plain.strip("\n"))
