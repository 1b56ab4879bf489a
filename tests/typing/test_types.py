"""Type checkers understand code that uses the package, and the constructor's types are those of its fields."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.arguments import Arguments, ServerName
from langchain_qwen3.request.foreign_settings import REFUSED
from langchain_qwen3.servers.dialects import NAMES

HERE = Path(__file__).parent
COMMANDS = {
    "mypy": ["--strict", "--no-error-summary", "--config-file="],
    "pyright": ["--pythonpath", sys.executable],
}


def run(checker: str, file: str) -> subprocess.CompletedProcess[str]:
    """Run a checker over one of the files here."""
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed: it belongs to the group `lint`, which the oldest environment lacks")
    command = [sys.executable, "-m", checker, *COMMANDS[checker], str(HERE / file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])


@pytest.mark.slow
@pytest.mark.parametrize("checker", COMMANDS)
def test_checker_understands_the_usual_code(checker: str) -> None:
    """Protects users of mypy and pyright: arguments under all their names, and answers of the schema's type."""
    done = run(checker, "usage.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("checker", COMMANDS)
def test_checker_finds_every_mistake(checker: str) -> None:
    """Protects the types from being so wide that they say nothing."""
    done = run(checker, "mistakes.py")
    lines = (HERE / "mistakes.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# WRONG" in line}
    reported = re.findall(r"mistakes\.py:(\d+)(?::\d+)?(?: -|:) error", done.stdout)
    assert {int(number) for number in reported} == wrong, done.stdout


def test_constructors_types_name_every_field() -> None:
    """Protects the list for checkers: every field is in it, under its alias as well, but for those refused."""
    names = {name for field, info in ChatQwen3.model_fields.items() for name in (field, info.alias) if name}
    assert Arguments.__annotations__.keys() == names - REFUSED.keys()


def test_servers_type_names_every_server() -> None:
    """Protects `server=` under a checker from a row that came later."""
    assert set(get_args(ServerName)) == {"auto", *NAMES}
