"""The commands of `chat`: what each does to the conversation, and what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.cli.conversation import Conversation, Turn
from langchain_qwen3.cli.slash import is_command, run_command


def build(**fields: Any) -> Conversation:
    """Return a conversation of one exchange, that asks nobody."""
    llm = ChatQwen3(model="q", base_url="http://127.0.0.1:1/v1")
    messages = [HumanMessage("Who?"), AIMessage("I \ud83d am *q*.")]
    return Conversation(llm, messages=messages, last=Turn("Who?", kept=True), **fields)


def test_clears_what_was_said():
    """Protects /clear: nothing of the conversation is left."""
    talk = build()
    run_command(talk, "/clear")
    assert (talk.messages, talk.last) == ([], Turn())


@pytest.mark.parametrize("line", ["/quit", "/exit", "/QUIT "])
def test_ends(line: str):
    """Protects the way out."""
    talk = build()
    assert run_command(talk, line) == ""
    assert talk.ended


@pytest.mark.parametrize("name", ["/think", "/no_think", "/NO_THINK"])
@pytest.mark.parametrize(
    ("text", "asked"),
    [("", ""), (" What is 17*23?", "What is 17*23?"), ("  写一首诗 ", "写一首诗")],
)
def test_asks_what_follows_a_switch(name: str, text: str, asked: str):
    """Protects a question from being lost where Qwen's own switch is written before it."""
    talk = build()
    assert run_command(talk, name + text) == f"thinking is {'on' if name == '/think' else 'off'}"
    assert (talk.thinking, talk.to_ask) == (name == "/think", asked)


def test_folds_and_unfolds():
    """Protects /fold: it toggles."""
    talk = build()
    assert run_command(talk, "/fold") == "thinking is hidden"
    assert run_command(talk, "/fold") == "thinking is shown"


def test_shows_the_commands_when_there_is_no_such_one():
    """Protects from a typing error that is sent to the model."""
    assert run_command(build(), "/nothink now").startswith("/nothink is not a command\n/think ")


def test_sets_shows_and_takes_away_the_system_prompt():
    """Protects /system, with and without a text."""
    talk = build()
    assert run_command(talk, "/system") == "there is no system prompt"
    assert run_command(talk, "/system  Answer briefly. ") == "system prompt: Answer briefly."
    assert run_command(talk, "/system") == "system prompt: Answer briefly."
    assert run_command(talk, "/system -") == "there is no system prompt"


def test_goes_on_with_another_model():
    """Protects /model: the list, the switch, and a name that is not in the list."""
    talk = build(models=("q", "Qwen/Qwen3-8B"))
    assert run_command(talk, "/model") == "› q\n  Qwen/Qwen3-8B"
    assert run_command(talk, "/model Qwen/Qwen3-8B") == "now using Qwen/Qwen3-8B"
    assert talk.llm.model_name == "Qwen/Qwen3-8B"
    assert run_command(talk, "/model q2").endswith("which the server does not list")


def test_asks_the_last_question_again():
    """Protects /retry: the old answer is forgotten, and one that failed can be asked for again."""
    talk = build()
    assert run_command(talk, "/retry") == ""
    assert (talk.to_ask, talk.messages) == ("Who?", [])
    assert run_command(talk, "/retry") == ""
    run_command(talk, "/clear")
    assert run_command(talk, "/retry") == "there is no question yet"


def test_saves_what_was_said(tmp_path: Path):
    """Protects /save: Markdown and JSON, whatever a model wrote, and no file is written over."""
    talk = build(system="Be brief.")
    markdown, document = tmp_path / "my chat.md", tmp_path / "chat.json"
    assert run_command(talk, f"/save {markdown}") == f"saved to {markdown}"
    shown = "## System\n\nBe brief.\n\n## You\n\nWho?\n\n## Model\n\nI \\ud83d am *q*.\n"
    assert markdown.read_text("utf-8") == shown
    assert run_command(talk, f"/save {markdown}") == f"{markdown} already exists: choose another name"
    run_command(talk, f"/save {document}")
    assert [turn["role"] for turn in json.loads(document.read_text("utf-8"))] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "needs the name of a file"),
        ("/no/such/folder/x.md", "cannot be written"),
        ("~nobody-of-this-name/x.md", "home directory"),
        ("x\0.md", "null byte"),
        ("x" * 300, "cannot be written"),
    ],
)
def test_says_so_when_nothing_can_be_saved(name: str, said: str):
    """Protects the conversation from a path that is wrong."""
    assert said in run_command(build(), f"/save {name}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/clear", True),
        ("/nothink", True),
        ("/SYSTEM Be brief.\nAnswer in Chinese.", True),
        ("/system\nBe brief.", True),
        ("/no_think\nWrite this anew:\nprint(1)", False),
        ("/clear the cache\nof npm: how?", False),
        ("/etc/hosts has these lines:\n127.0.0.1", False),
        ("Who?\n/clear", False),
        ("", False),
    ],
)
def test_tells_commands_from_messages(text: str, expected: bool):
    """Protects a system prompt of several lines that is pasted, and a message that begins with a path."""
    assert is_command(text) is expected
    if expected:
        talk = build()
        run_command(talk, text)
        assert talk.system == text[7:].strip() * text.lower().startswith("/system")
