"""Bold text beside wide characters: Chinese, Japanese and Korean put no blanks between words.

CommonMark reads the `**` of `**注意：**请看` as text, because punctuation stands on one side of it and a letter on the
other (https://github.com/commonmark/commonmark-spec/issues/650). Models write it in most of their Chinese answers.
"""

from typing import TYPE_CHECKING
from unicodedata import east_asian_width

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

_SHORTEST = 2
"""A single `*` may be a multiplication."""


def read_bold_beside_wide(parser: "MarkdownIt") -> "MarkdownIt":
    """Let `**` begin and end bold text beside a wide character, whatever stands on its other side."""
    parser.inline.ruler.at("emphasis", _read_stars)
    return parser


def _read_stars(state: "StateInline", silent: bool) -> bool:
    from markdown_it.rules_inline import emphasis

    start, known = state.pos, len(state.delimiters)
    if not emphasis.tokenize(state, silent):
        return False
    before, after = state.src[max(start - 1, 0) : start], state.src[state.pos : state.pos + 1]
    is_bold = state.src[start] == "*" and state.pos - start >= _SHORTEST
    if is_bold and (_is_wide(before) or _is_wide(after)):
        for star in state.delimiters[known:]:
            star.open, star.close = bool(after.strip()), bool(before.strip())
    return True


def _is_wide(character: str) -> bool:
    return bool(character) and east_asian_width(character) in {"W", "F"}
