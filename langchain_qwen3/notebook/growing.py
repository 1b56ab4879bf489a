"""A text that arrives in pieces, and leaves in lines or blocks that grow no more, so that each is drawn once."""

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from langchain_qwen3._visible import make_visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


class GrowingText:
    """A text that arrives in pieces.

    Attributes:
        length: Number of characters that were not taken yet.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._split_at = 0
        self.length = 0

    def add(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self.length += len(piece)

    def read(self) -> str:
        """Return the text that was not taken yet."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def take(self) -> str:
        """Return the text, and start with an empty one."""
        text = "".join(self._pieces)
        self._pieces = []
        self.length = 0
        return text

    def take_lines(self) -> str:
        """Return the complete lines, without their last line end, and keep the rest."""
        done, _, rest = self.take().rpartition("\n")
        self.add(rest)
        return done.removesuffix("\r")

    def take_blocks(self) -> list[str]:
        """Return the complete blocks of a Markdown text, with visible control characters, and keep the last block.

        The last block is parsed again when it has grown by a quarter, so the cost stays linear in its length.
        """
        if self.length < self._split_at:
            return []
        blocks, rest = split_blocks(self.take())
        self.add(rest)
        self._split_at = self.length * 5 // 4
        return blocks

    def read_end(self, length: int) -> str:
        """Return at most so many characters of the text's end."""
        pieces = []
        for piece in reversed(self._pieces):
            if length <= 0:
                break
            pieces.append(piece[-length:])
            length -= len(piece)
        return "".join(reversed(pieces))


def split_blocks(text: str) -> tuple[list[str], str]:
    """Return the complete blocks of a Markdown text, with visible control characters, and its last block.

    The last line may still grow: `2` may become `2. two`, which belongs to the list above it. So only the lines before
    it are parsed. Blocks and last block, joined, are the whole text; a block keeps its last newline, because
    without it, unclosed code in a list looks different.
    """
    done, newline, line = text.rpartition("\n")
    done = make_visible(done + newline)
    places = [token.map for token in _build_parser().parse(done) if token.level == 0 and token.map]
    lines = [f"{complete}\n" for complete in done.split("\n")[:-1]] + [line]
    cuts = [0]  # what stands before the first block belongs to it, such as the address of a link
    for (_, end), (start, _) in pairwise(places):
        # The line below a link's address may begin its title, which may end in a later line
        # (https://spec.commonmark.org/0.31.2/#link-reference-definition).
        cuts.append(end if lines[start - 1].strip() else start)
    return ["".join(lines[start:end]) for start, end in pairwise(cuts)], "".join(lines[cuts[-1] :])


@cache
def _build_parser() -> "MarkdownIt":
    """Return a parser that only looks for blocks, and not at what stands in their lines."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["inline", "text_join"])
