"""A batch that is killed again and again: every row has one result in the end, and it is the right one."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.plans import content_of, reasoning_of
from tests.faults.soak import read_log, serve
from tests.support.commands import PROGRAM
from tests.support.python import running

IN_FLIGHT = 16
RETRIES = 2
# Fault -> class of the failure, None where a later try is answered.
FAULTS: dict[str, str | None] = {
    "status 503 openai retry-after-ms=10 x1": None,
    "reset 0 x1": None,
    "slow 0.01": None,
    "compressed": None,
    "status 400 openai": "Qwen3InvalidRequestError",
    "status 400 overflow": "Qwen3ContextOverflowError",
    "status 429 string retry-after-ms=10": "Qwen3RateLimitError",
    "status 500 text": "Qwen3ServerError",
    "garbage": "Qwen3ConnectionError",
    "fin 300": "Qwen3ConnectionError",
    "page": "BadReplyError",
    "broken_json": "BadReplyError",
}
# One row in ten, and every fault in turn.
WANTED = [list(FAULTS)[number // 10 % len(FAULTS)] if number % 10 == 3 else "" for number in range(20_000)]


def write_questions(path: Path, rows: int) -> None:
    """Write the rows, of which one in ten meets a fault."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            fault = f" [[{WANTED[number]}]]" if WANTED[number] else ""
            stream.write(json.dumps({"custom_id": f"row-{number}", "question": f"q{number}{fault}"}) + "\n")


def run_and_kill(command: list[str], output: Path, url: str, at_lines: int | None) -> int | None:
    """Run the batch; kill it when the output has so many lines. Return its status, None for a killed one."""
    with running(command, env={**os.environ, "QWEN_BASE_URL": url}, stderr=subprocess.PIPE) as process:
        lines, read = 0, 0
        while at_lines is not None and process.poll() is None:
            if output.exists():
                with output.open("rb") as stream:
                    stream.seek(read)
                    new = stream.read()
                lines, read = lines + new.count(b"\n"), read + len(new)
            if lines >= at_lines:
                process.kill()
                process.communicate()
                return None
            time.sleep(0.005)
        said = process.communicate()[1].decode()
    assert process.returncode in {0, 1}, said
    return process.returncode


@pytest.mark.parametrize(
    ("rows", "kills"),
    [(400, 3), pytest.param(20_000, 10, marks=pytest.mark.slow)],
    ids=["400 rows, 3 kills", "20,000 rows, 10 kills"],
)
def test_every_row_has_one_result_when_the_process_is_killed(tmp_path: Path, rows: int, kills: int) -> None:
    """Protects a night's work: no row lost, none twice, each right or of its class, none but those in flight again."""
    questions, answers = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    write_questions(questions, rows)
    options = ("--retries", str(RETRIES), "--concurrency", str(IN_FLIGHT))
    command = [*PROGRAM, "batch", str(questions), "-o", str(answers), *options]
    with serve() as url:
        for kill in range(1, kills + 1):
            assert run_and_kill(command, answers, url, kill * rows // (kills + 1)) is None
        assert run_and_kill(command, answers, url, None) == 1
        before = answers.read_bytes()
        assert run_and_kill(command, answers, url, None) == 1
        asked = Counter(call["key"] for call in read_log(url)["calls"])
    assert answers.read_bytes() == before
    check_results(answers, rows)
    again = sum(asked[f"q{number}"] - 1 for number in range(rows) if not WANTED[number])
    assert again <= kills * IN_FLIGHT


def check_results(answers: Path, rows: int) -> None:
    """Every row has the one result that its fault leads to."""
    results = [json.loads(line) for line in answers.read_bytes().splitlines()]
    assert sorted(int(result["id"].removeprefix("row-")) for result in results) == list(range(rows))
    for result in results:
        number = result["line"] - 1
        kind = FAULTS.get(WANTED[number])
        assert result["id"] == f"row-{number}"
        if kind is None:
            check_answer(result, f"q{number}")
        else:
            assert result["error"]["class"] == kind, result
            assert result["error"]["message"]
            assert result["error"]["advice"]


def check_answer(result: dict[str, Any], key: str) -> None:
    """An answer has everything that the server sent."""
    assert result["error"] is None, result
    assert result["content"] == content_of(key)
    assert result["reasoning"] == reasoning_of(key)
    assert result["usage"] == {"input_tokens": 11, "output_tokens": 22}
    assert result["finish_reason"] == "stop"
    assert result["seconds"] > 0
