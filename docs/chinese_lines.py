"""A hook of MkDocs: joins the lines of a Chinese sentence, because browsers show a line break as a space."""

import re
from typing import Any

_FENCED = re.compile(r"(^ *```.*?^ *```[^\n]*$)", re.MULTILINE | re.DOTALL)
_BREAK = re.compile(r"(?<=[\u3001-\u9fff\uff00-\uffef])\n *(?=[\u4e00-\u9fff])")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page's text with Chinese lines joined, outside of code blocks."""
    parts = _FENCED.split(markdown)  # every second part is a code block
    return "".join(part if number % 2 else _BREAK.sub("", part) for number, part in enumerate(parts))
