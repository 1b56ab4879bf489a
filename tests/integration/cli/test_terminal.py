"""`chat` in a real terminal, played by tmux: what stands on the screen, and what the server gets."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.commands import START
from tests.support.in_turns import InTurns
from tests.support.replay import Replay

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux, which plays the terminal, is not installed"),
]
PROMPT = "›"
ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"


class Terminal:
    """A terminal in which `chat` runs.

    Args:
        url: The server.
        home: The folder of the history.
        columns: Its width.
        env: More environment variables.
    """

    def __init__(self, url: str, home: Path, columns: int, env: dict[str, str]) -> None:
        self._name = f"qwen3-{uuid4().hex}"
        command = [sys.executable, "-c", START, "chat", url]
        size = ["-x", str(columns), "-y", "40"]
        stale = {"COLUMNS": "200", "LINES": "100"}  # as a shell exports them before its window changes
        home_env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        everything = {"LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path.cwd()), **home_env, **stale, **env}
        settings = [part for name, value in everything.items() for part in ("-e", f"{name}={value}")]
        self.run("-u", "-f", "/dev/null", "new-session", "-d", *size, *settings, *command)

    def run(self, *arguments: str) -> str:
        """Run a command of tmux, and return what it prints."""
        command = ["tmux", "-L", self._name, *arguments]  # on the PATH
        return subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout

    def type(self, *keys: str) -> None:
        """Press keys, by their names in tmux."""
        self.run("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste as a terminal does."""
        self.run("set-buffer", text)
        self.run("paste-buffer", "-p")

    @property
    def screen(self) -> str:
        """What stands there, without colours."""
        return self.run("capture-pane", "-p", "-S", "-200")

    def wait(self, condition: Callable[[str], object]) -> str:
        """Return the screen once it is as it should be."""
        for _ in range(1800):
            screen = self.screen
            if condition(screen):
                return screen
            time.sleep(0.1)
        pytest.fail(f"it never came:\n{screen}")

    def wait_for_prompt(self, count: int) -> str:
        """Return the screen once the last line is a prompt and so many are there."""
        return self.wait(lambda screen: len(re.findall(f"^{PROMPT}", screen, re.MULTILINE)) >= count)


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals, and close them in the end."""
    opened: list[Terminal] = []

    def open_one(url: str, columns: int = 100, **env: str) -> Terminal:
        opened.append(Terminal(url, tmp_path, columns, env))
        opened[-1].wait_for_prompt(1)
        return opened[-1]

    yield open_one
    for terminal in opened:
        with contextlib.suppress(subprocess.CalledProcessError):  # it ended with its program
            terminal.run("kill-server")


def squeeze(screen: str) -> str:
    """Return a screen without what wrapping adds."""
    return re.sub(r"\s+", "", screen)


def test_paste_is_one_message_and_up_brings_it_back_in_the_next_session(open_terminal: Callable[..., Terminal]):
    """Protects pasted code, which would be a message a line, and the history."""
    with Replay() as server:
        terminal = open_terminal(server.url)
        terminal.paste("def f():\n    return 1")
        terminal.type("Enter")
        terminal.wait_for_prompt(2)
        terminal.type("C-d")
        again = open_terminal(server.url)
        again.type("Up", "Enter")
        again.wait_for_prompt(2)
    assert [body["messages"][-1]["content"] for body in server.requests] == ["def f():\n    return 1"] * 2


def test_ctrl_c_stops_the_answer_and_keys_typed_meanwhile_wait(open_terminal: Callable[..., Terminal]):
    """Protects the conversation from Ctrl-C, and the answer's text from what is typed while it is written."""
    with Replay(pause=0.1) as server:
        terminal = open_terminal(server.url)
        terminal.type("-l", "请解释相对论")
        terminal.type("Enter")
        terminal.wait(lambda screen: "好的，用户让我" in screen)
        terminal.type("-l", "zzz")
        time.sleep(0.5)
        assert "zzz" not in terminal.screen
        terminal.type("C-c")
        assert "时空弯曲的结果" not in squeeze(terminal.wait(lambda screen: "(stopped)" in screen))
        server.pause = 0.03
        terminal.wait_for_prompt(2)
        terminal.type("-l", "你是谁？")
        terminal.type("Enter")
        terminal.wait(lambda screen: "用户在问" in screen)
        terminal.type("-l", "next")
        screen = terminal.wait(lambda screen: f"{PROMPT} next" in screen)
    assert ANSWER in squeeze(screen)
    assert squeeze(screen).count("next") == 1


def test_silent_server_is_told_of_after_three_seconds(open_terminal: Callable[..., Terminal]):
    """Protects from a cursor that blinks for ten minutes."""
    release = threading.Event()
    with InTurns([release, {"content": "Yes."}]) as server:
        terminal = open_terminal(server.url)
        terminal.type("-l", "Is it?")
        terminal.type("Enter")
        terminal.wait(lambda screen: "no answer for 3 s" in screen)
        release.set()
        screen = terminal.wait_for_prompt(2)
    assert "Yes." in screen
    assert "no answer" not in screen


def test_answer_stands_once_and_whole_in_sixty_columns(open_terminal: Callable[..., Terminal]):
    """Protects narrow terminals, with a stale $COLUMNS, too: growing Markdown is drawn once, and nothing is cut."""
    code = "\n".join(f"line_{number} = {number}" for number in range(60))
    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    answer = f"# Title\n\nSome **bold** text, {'word ' * 30}end.\n\n{table}\n\n```python\n{code}\n```\n\nThe end."
    pieces = [{"content": answer[at : at + 5]} for at in range(0, len(answer), 5)]
    with InTurns([{"reasoning": "Let me think.\nWell."}, *pieces]) as server:
        terminal = open_terminal(server.url, columns=60)
        terminal.type("-l", "Show me")
        terminal.type("Enter")
        screen = terminal.wait_for_prompt(2)
    assert [screen.count(text) for text in ("Title", "Some bold text", "Let me think.", "The end.")] == [1, 1, 1, 1]
    assert [len(re.findall(rf"line_{number} = ", screen)) for number in range(60)] == [1] * 60
    assert screen.count("word") == 30
    assert max(map(len, screen.splitlines())) <= 60


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["with colours", "without"])
def test_answer_has_no_colours_when_no_color_is_set(open_terminal: Callable[..., Terminal], env: dict[str, str]):
    """Protects readers who switch colours off: the answer, the thinking and the notes, in the same session."""
    pieces = [{"reasoning": "Hm."}, {"content": "# Title\n\n`code`\n\n```python\nx = 'one'\n```\n"}]
    with InTurns(pieces) as server:
        terminal = open_terminal(server.url, **env)
        terminal.type("-l", "Show me")
        terminal.type("Enter")
        terminal.wait_for_prompt(2)
        drawn = terminal.run("capture-pane", "-p", "-e", "-S", "-200")
    colours = re.findall(r"\x1b\[(?:\d+;)*(?:[349][0-7]|10[0-7])(?:;\d+)*m", drawn)
    assert drawn.count("Title") == drawn.count("'one'") == 1
    assert bool(colours) is not bool(env), drawn
