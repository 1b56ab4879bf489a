"""The command `langchain-qwen3` in tests: in the process of the test, or in one of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from langchain_qwen3.cli.main import commands
from tests.support.python import STRICT_PYTHON

START = "from langchain_qwen3.cli import app; app()"
PROGRAM = [*STRICT_PYTHON, "-c", START]


def run(*words: object, said: str | None = None) -> Result:
    """Run a command in a wide terminal, or with a text piped in; an exception other than its exit fails the test."""
    result = CliRunner().invoke(commands, [*map(str, words)], input=said, env={"COLUMNS": "300", "TERM": "dumb"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the results of a batch, in the order of the rows."""
    results = [json.loads(line) for line in path.read_bytes().splitlines()]
    return sorted(results, key=lambda result: int(result["line"]))
