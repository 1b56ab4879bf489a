"""A reply as it streams: what is left on the screen, in a terminal and in a pipe."""

import io

import pytest

from langchain_qwen3.cli import screen as module
from langchain_qwen3.cli.console import Console
from langchain_qwen3.cli.screen import PipeScreen, Screen, TerminalScreen
from tests.support.replies import MARKDOWN


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
    show(TerminalScreen(console), "Hm.\nWell.", MARKDOWN, size)
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


def test_shows_html_as_text_when_a_model_writes_it(console: Console):
    """Protects answers: rich leaves out what it takes for HTML, and all that stands in a block of it."""
    show(TerminalScreen(console), "", "Use <b> so:\n\n<div>\nhello\n</div>\n\n<!-- note -->\n")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert [text for text in ("<b>", "<div>", "hello", "</div>", "<!-- note -->") if text not in shown] == []


def test_bold_text_has_no_stars_when_it_is_chinese(console: Console) -> None:
    """Protects Chinese answers in the terminal, whose bold text has no blanks beside it."""
    show(TerminalScreen(console), "", "**注意：**请看**“北京”**的")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "注意：" in shown
    assert "*" not in shown


@pytest.mark.parametrize("width", [60, 30, 20])
@pytest.mark.parametrize(
    "cell",
    [
        "支持思考模式与非思考模式之间的无缝切换，推理能力显著增强",
        "https://example.com/a?b=" + "x" * 40,
        "`" + "模" * 40 + "`",
    ],
)
def test_table_has_every_character_when_its_cells_are_longer_than_the_terminal(
    console: Console, cell: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects tables in Chinese, whose cells have no blanks: rich ended each with an ellipsis."""
    monkeypatch.setenv("COLUMNS", str(width))
    console.print(module.build_markdown(f"| {cell} | 值 |\n|---|--:|\n| {cell} | {cell} |\n"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown
    for character in {*cell} - {"`"}:
        assert shown.count(character) >= 3 * cell.count(character)
