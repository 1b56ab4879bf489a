"""A text that arrives in pieces: where it is cut, and that nothing of it is lost."""

import pytest

from langchain_qwen3._visible import make_visible
from langchain_qwen3.notebook import growing as module
from langchain_qwen3.notebook.growing import GrowingText, split_blocks
from langchain_qwen3.notebook.html import build_answer
from tests.support.replies import MARKDOWN

# Each is cut after every character; a block that is taken too early would be another one in the whole text.
TEXTS = [
    MARKDOWN,
    "1. one\n\n2. two\n\n3. three\n\nend",
    "- a\n\n- b\n\n  c\nlazy\n\nd",
    "text\n| a |\n|---|\n| b |\n\nc\n",
    "title\n===\nmore\n---\nend",
    "> quote\nlazy\n\n> another\n\n    code\n\n    more code\n\nend",
    "~~~\n```\n~~~\n```\n~~~\n",
    "[a]: http://a.b\n\n[a]\n\n[b]: <http://c.d>\n'title'\n[b]\n\nend",
    "<div>\n\n- a\n</div>\nb\n\nc",
    "one\r\n\r\ntwo\r\n- a\r\n- b\r\n\r\nend",
    "\n\n  \na\n\n\x1b[2J\u202e\n\nb",
    "a\n\n[c]: /u\n'title\n\nof no link'\n\n[d]: /u\n'title\nof a link'\n\nend",
    "# a\n[c]:\n/u\n'title\nof a link'\nend\n# b\n",
    "- ```\n  code\nend\n> ~~~\n> code\n\n> ```\n1. ````\n   ```\n\nend",
    "***\n- - -\n# h\n## i\na\n***\n",
    "",
]


def test_text_is_split_where_no_block_can_grow() -> None:
    """Protects the Markdown: a list, a table and a block of code stay whole, and nothing is lost."""
    blocks, rest = split_blocks(MARKDOWN)
    assert [block.split("\n")[0] for block in blocks] == ["Three things:", "1. one", "| a | b |", "```python"]
    assert "y = 2" in blocks[3]
    assert rest == "An end\nin two lines."
    assert "".join([*blocks, rest]) == MARKDOWN


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_blocks_are_those_of_the_whole_text_when_taken_early(text: str, size: int) -> None:
    """Protects what is drawn once: however a text arrives, a complete block looks as it does in the whole text."""
    growing, blocks = GrowingText(), []
    for at in range(0, len(text), size):
        growing.add(text[at : at + size])
        blocks += growing.take_blocks()
    blocks.append(growing.read())
    assert make_visible("".join(blocks)) == make_visible(text)
    links = "[a]: http://a.b\n\n[b]: http://c.d 'title'\n\n" if text.startswith("[a]") else ""
    assert "".join(build_answer(links + block) for block in blocks) == build_answer(text)


@pytest.mark.parametrize("pieces", [["ab"] * 5000, ["a" * 10_000], ["x" * 3000, "y" * 3000], ["a"], []])
def test_end_of_a_text_is_read_when_it_is_longer_than_a_screen(pieces: list[str]) -> None:
    """Protects the terminal: a frame joins what it draws, and not all that was shown before."""
    growing = GrowingText()
    for piece in pieces:
        growing.add(piece)
    assert growing.length == len("".join(pieces))
    assert growing.read_end(4000) == "".join(pieces)[-4000:]


def test_lines_are_taken_without_their_ends_when_they_are_complete() -> None:
    """Protects the reasoning: a line is drawn once, whichever line ends a model writes."""
    growing = GrowingText()
    growing.add("one\r\ntwo\r\nthr")
    assert (growing.take_lines(), growing.take_lines(), growing.read()) == ("one\r\ntwo", "", "thr")


def test_block_is_parsed_seldom_when_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the screen from an endless block of code: ten times the lines, at most twelve times the parsing."""
    parsed: list[int] = []
    split = module.split_blocks
    monkeypatch.setattr(module, "split_blocks", lambda text: (parsed.append(len(text)), split(text))[1])
    costs = []
    for count in (200, 2000):
        parsed.clear()
        growing = GrowingText()
        growing.add("```\n")
        for _ in range(count):
            growing.add("x = 1\n")
            growing.take_blocks()
        costs.append(sum(parsed))
    assert costs[1] <= 12 * costs[0]
