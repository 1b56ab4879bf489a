"""What the commands send beside text: no colour under $NO_COLOR, nothing at all to a dumb terminal or a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.server import closed_port
from tests.support.commands import START
from tests.support.in_turns import InTurns
from tests.support.python import running

pytestmark = [
    pytest.mark.slow,  # each line of the table starts a Python
    pytest.mark.skipif(sys.platform == "win32", reason="the standard library has no pseudo terminals there"),
]
MARKDOWN = "# Title\n\n**bold** `code` [link](http://a.example)\n\n| a |\n|---|\n| 1 |\n\n```python\nx = 'one'\n```\n"
PIECES = [{"reasoning": "Hm.\nWell."}, {"content": MARKDOWN}]
COLOUR = re.compile(r"\x1b\[(?:\d+[;:])*(?:[349]\d|10[0-7])(?:[;:]\d+)*m")

RUNS = {
    "help": ["--help"],
    "ask": ["ask", "Hi", "URL"],
    "ask as JSON": ["ask", "Hi", "URL", "--json"],
    "ask, nothing listens": ["ask", "Hi", "DEAD"],
    "ask, no option": ["ask", "Hi", "URL", "--no-such-option"],
    "chat": ["chat", "URL"],
    "chat, nothing listens": ["chat", "DEAD"],
    "models": ["models", "URL"],
    "models, wrong setting": ["models", "URL", "--server", "vlm"],
    "doctor": ["doctor", "URL"],
    "doctor, nothing listens": ["doctor", "DEAD"],
    "bench": ["bench", "URL", "--streams", "1,2"],
    "bench, nothing listens": ["bench", "DEAD"],
    "batch": ["batch", "rows.jsonl", "URL", "-o", "out.jsonl"],
    "batch, nothing listens": ["batch", "rows.jsonl", "DEAD", "-o", "out.jsonl"],
    "serve help": ["serve", "--help"],
    "serve, no file": ["serve", "missing.gguf"],
}
"""Arguments of every command, where it works and where it does not."""

TERMINAL = {"TERM": "xterm-256color"}
PLACES = {"no colour": {**TERMINAL, "NO_COLOR": "1"}, "dumb": {"TERM": "dumb"}, "pipe": TERMINAL, "colours": TERMINAL}
"""Environment variables of each place in which a command runs."""


def play(command: list[str], folder: Path, env: dict[str, str]) -> str:
    """Run a command in a terminal; return what it wrote. `chat` gets a question, a command, and the end."""
    ours, theirs = os.openpty()
    shown = ""
    with running(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=folder):
        os.close(theirs)
        is_asked = False
        with contextlib.suppress(OSError):  # nobody holds the other end any more
            while part := os.read(ours, 65536):
                shown += part.decode(errors="replace")
                if "›" in shown and not is_asked:
                    is_asked = True
                    os.write(ours, b"Hi\r/help\r/quit\r")
    os.close(ours)
    return shown


def run(name: str, place: str, folder: Path) -> str:
    """Run a line of the table; return what it wrote."""
    (folder / "rows.jsonl").write_text('{"question": "Hi"}\n', encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR", "TERM"}}
    env = {**kept, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PROMPT_TOOLKIT_NO_CPR": "1", **PLACES[place]}
    with InTurns(PIECES) as server:
        urls = {"URL": server.url, "DEAD": f"http://127.0.0.1:{closed_port()}/v1"}
        command = [sys.executable, "-c", START, *(urls.get(part, part) for part in RUNS[name])]
        if place != "pipe":
            return play(command, folder, env)
        done = subprocess.run(command, input=b"Hi\n", capture_output=True, env=env, cwd=folder, check=False)
        return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("name", RUNS)
def test_sends_no_colour_when_no_color_is_set(name: str, tmp_path: Path):
    """Protects readers who switch colours off, in every command and its errors; bold and dim may stay."""
    shown = run(name, "no colour", tmp_path)
    assert "\x1b[" in shown
    assert COLOUR.findall(shown) == []


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("place", ["dumb", "pipe"])
def test_sends_text_alone_when_the_terminal_is_dumb_or_a_pipe(place: str, name: str, tmp_path: Path):
    """Protects log files, editors and scripts from escape sequences."""
    shown = run(name, place, tmp_path)
    assert shown.strip()
    assert "\x1b" not in shown


@pytest.mark.parametrize("name", ["help", "ask", "chat", "doctor", "batch, nothing listens"])
def test_sends_colours_when_nothing_forbids_them(name: str, tmp_path: Path):
    """Protects this table: the terminal that it plays would show colours."""
    assert COLOUR.search(run(name, "colours", tmp_path))
