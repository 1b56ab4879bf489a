"""Outputs of a cell, each redrawn in place."""

from typing import Any


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
        if self._shown.get(place) == html_text:
            return
        self._shown[place] = html_text
        output = _Output(html_text, plain)
        if place in self._handles:
            self._handles[place].update(output)
        elif self.redraws:
            self._handles[place] = self._display(output, display_id=True)
        else:
            self._display(output)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was drawn yet."""
        return not self._shown


class _Output:
    """An output with one form for notebooks and one for terminals."""

    def __init__(self, html_text: str, plain: str) -> None:
        self._html = html_text
        self._plain = plain

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._plain
