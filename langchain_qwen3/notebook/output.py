"""Outputs of a cell, each drawn again in its place."""

from typing import Any


class Outputs:
    """The outputs of a cell, by a name for each place.

    Attributes:
        redraws: Whether an output can be drawn again; in a terminal it cannot.

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
        """Draw an output; one that has not changed stays as it is, and as the reader has it."""
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
    """An output as a notebook and as a terminal show it."""

    def __init__(self, html_text: str, plain: str) -> None:
        self._html = html_text
        self._plain = plain

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._plain
