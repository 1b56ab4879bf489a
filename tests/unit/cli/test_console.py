"""Where the commands write: whatever rich makes of a foreign text, the terminal gets text."""

import fcntl
import io
import os
import re
import struct
import termios
from typing import Any

import pytest
from rich.columns import Columns
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from langchain_qwen3.cli import doctor
from langchain_qwen3.cli.console import Console
from langchain_qwen3.cli.screen import build_markdown
from langchain_qwen3.doctor import Finding

EVIL = "x\x1b]52;c;cm0=\x1b\\\x9b2J\u202e"


def build_table(cell: str) -> Table:
    """Return a table of one cell, which is its title and header, too."""
    table = Table(title=cell)
    table.add_column(cell)
    table.add_row(cell)
    return table


@pytest.fixture
def console() -> Console:
    """A console on a terminal that is a string."""
    console = Console()
    console.file = io.StringIO()
    console._force_terminal = True
    return console


@pytest.mark.parametrize(
    "show",
    [
        str,
        Text,
        Panel,
        Markdown,
        build_markdown,
        build_table,
        Tree,
        lambda text: Columns([text]),
        lambda text: Syntax(text, "python"),
        lambda text: Text.assemble((text, "bold red")),
        lambda text: Markdown(f"[link](http://x/{text}) ![{text}](y)\n\n```\n{text}\n```\n\n<b>{text}</b>"),
    ],
)
def test_shows_control_characters_in_whatever_is_printed(console: Console, show: Any):
    """Protects the terminal in every form in which a text can be printed, live displays among them."""
    console.print(show(EVIL))
    with Live(show(EVIL), console=console):
        pass
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # a string
    assert "\x1b]52" not in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b]52" in shown.replace("\n", "")


def test_takes_no_markup_from_a_text(console: Console):
    """Protects from names in brackets that would be styles or links."""
    console.print("[link=http://x]llama[/link] :smile: [bold]")
    assert console.file.getvalue() == "[link=http://x]llama[/link] :smile: [bold]\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_console_has_the_width_of_its_terminal_once_it_has_one(kind: str, monkeypatch):
    """Protects answers from being drawn at no width: a new pseudo terminal says 0 × 0 until somebody sets its size."""
    monkeypatch.setenv("TERM", kind)
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        pytest.skip(f"this system gives no pseudo terminals: {error}")  # a chroot without /dev/pts
    with open(theirs, "w", encoding="utf-8") as terminal, open(ours, "rb"):  # noqa: PTH123  # descriptors
        console = Console()
        console.file, console._force_terminal = terminal, True
        assert console.size.width > 0
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 77, 0, 0))
        assert tuple(console.size) == (77, 30)


@pytest.mark.parametrize("width", [80, 40, 24])
def test_doctor_keeps_mark_cause_and_fix_when_the_terminal_is_narrow(
    width: int, console: Console, monkeypatch: pytest.MonkeyPatch
):
    """Protects the doctor's table on a phone: its titles took the whole width."""
    monkeypatch.setenv("COLUMNS", str(width))
    finding = Finding(
        name="a",
        title="reasoning in its own field",
        status="failed",
        detail="inline",
        fix="--reasoning-parser",
        seconds=0,
    )
    console.print(doctor.build_table([finding]))
    shown = re.sub(r"\x1b\[.*?m", "", console.file.getvalue())  # type: ignore[attr-defined]  # a string
    assert shown.startswith("✗  ")
    for word in ("inline", "→", "field"):
        assert word in shown
    assert "…" not in shown
