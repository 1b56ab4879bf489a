"""A reply as it streams: what is left on the screen, in a terminal and in a pipe."""

import io
from itertools import pairwise

import pytest

from langchain_qwen3.cli import screen as module
from langchain_qwen3.cli.console import Console
from langchain_qwen3.cli.screen import PipeScreen, Screen, TerminalScreen, split_blocks

ANSWER = """\
Three things:

1. one
2. two

   still two

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1

y = 2
```

An end
in two lines."""


def test_splits_a_text_where_no_block_can_grow():
    """Protects the Markdown: a list, a table and a block of code stay whole, and nothing is lost."""
    blocks, rest = split_blocks(ANSWER)
    assert [block.split("\n")[0] for block in blocks] == ["Three things:", "1. one", "| a | b |", "```python"]
    assert "y = 2" in blocks[3]
    assert rest == "An end\nin two lines."
    assert "\n".join([*blocks, rest]) == ANSWER


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A console on a terminal of 60 columns that is a string."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    console = Console()
    console.file = io.StringIO()
    console._force_terminal = True
    return console


def show(screen: Screen, reasoning: str, answer: str, size: int = 3) -> None:
    """Write a reply in pieces."""
    for at in range(0, len(reasoning), size):
        screen.write_reasoning(reasoning[at : at + size])
    for at in range(0, len(answer), size):
        screen.write_answer(answer[at : at + size])
    screen.end()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_leaves_every_block_once_when_it_is_complete(console: Console, size: int, monkeypatch: pytest.MonkeyPatch):
    """Protects the transcript: thinking, then each block of the answer, whatever the pieces were."""
    monkeypatch.setattr(module, "Live", _NoLive)
    show(TerminalScreen(console), "Hm.\nWell.", ANSWER, size)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    places = [shown.index(text) for text in ("Hm.", "Well.", "Three things", "still two", "An end", "in two lines.")]
    assert places == sorted(places)
    assert shown.count("Three things") == shown.count("still two") == 1


class _NoLive:
    """In the place of what is drawn again and again."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def start(self) -> None:
        pass

    def refresh(self) -> None:
        pass

    def stop(self) -> None:
        pass


def test_hides_the_thinking_when_folded(console: Console):
    """Protects /fold: one line in its place."""
    show(TerminalScreen(console, folded=True), "secret thoughts", "Yes.")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "secret" not in shown
    assert "▸ thought for" in shown
    assert "Yes." in shown


def test_writes_the_answer_alone_into_a_pipe(capsys: pytest.CaptureFixture[str]):
    """Protects scripts: no thinking, no colours, one line end, and control characters written out."""
    show(PipeScreen(), "Hm.", "**Yes** \x1b[2J\n- or no")
    assert capsys.readouterr() == ("**Yes** \\x1b[2J\n- or no\n", "")


def test_costs_what_its_length_is_when_a_block_grows(console: Console, monkeypatch: pytest.MonkeyPatch):
    """Protects the terminal from an endless block of code: ten times the lines, at most twelve times the parsing."""
    monkeypatch.setattr(module, "Live", _NoLive)
    parsed = []
    split = module.split_blocks
    monkeypatch.setattr(module, "split_blocks", lambda text: (parsed.append(len(text)), split(text))[1])
    costs = []
    for lines in (200, 2000):
        parsed.clear()
        show(TerminalScreen(console), "", "```\n" + "x = 1\n" * lines, 6)
        costs.append(sum(parsed))
    assert all(more <= 12 * less for less, more in pairwise(costs))


@pytest.mark.parametrize("pieces", [["ab"] * 5000, ["a" * 10_000], ["x" * 3000, "y" * 3000], ["a"], []])
def test_tail_of_a_growing_text_is_its_end_when_it_is_longer_than_a_screen(pieces: list[str]):
    """Protects the terminal: a frame joins what it draws, and not all that was shown before."""
    growing = module._Growing()
    for piece in pieces:
        growing.add(piece)
    assert growing.tail() == "".join(pieces)[-module._MAX_DRAWN :]
