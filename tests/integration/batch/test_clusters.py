"""The same batch on Ray and on Dask, as a user runs it, each on a cluster of two workers on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.local import LocalServer
from tests.faults.plans import content_of
from tests.faults.soak import serve
from tests.support.commands import START

NOT_INSTALLED = "the dependency group `batch` is not installed; it has the newest dependencies only"
psutil = pytest.importorskip("psutil", reason=NOT_INSTALLED)
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples"
ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
TOO_LONG = 7  # the id of the row that does not fit into the engine's context
MARK = "QWEN3_TEST_BATCH"


COMMANDS = {
    "ray": [sys.executable, "-W", "error::ResourceWarning", "-c", START, "batch"],
    "dask": [sys.executable, "-W", "error::ResourceWarning", str(EXAMPLES / "dask_batch.py")],
}
OPTIONS = {
    "ray": ["--ray", "--concurrency", "2", "--no-think", "--set", "max_tokens=200"],
    "dask": ["--in-flight", "2", "--no-thinking", "--max-tokens", "200", "--block", "4"],
}


def start(name: str, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start a batch on a cluster of two workers on this machine."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    everything = {**os.environ, "QWEN_API_KEY": "sk-canary-of-the-batch", "NO_PROXY": "*", **environment}
    return subprocess.Popen([*COMMANDS[name], *arguments], env=everything, text=True, **pipes)


def run(name: str, engine: LocalServer, questions: Path, answers: Path, *options: str) -> str:
    """Run a batch to its end; no process of it may be left. Return what it said."""
    mark = uuid.uuid4().hex
    environment = {"QWEN_BASE_URL": engine.base_url, "QWEN_MODEL": engine.model, MARK: mark}
    output = ["-o", str(answers)] if name == "ray" else [str(answers)]
    with start(name, environment, str(questions), *output, *OPTIONS[name], *options) as process:
        said = "".join(process.communicate(timeout=300))
    assert process.returncode in {0, 1}, said
    assert "sk-canary" not in said
    _, alive = psutil.wait_procs(find_processes(mark), timeout=30)  # the cluster's end is not waited for
    assert alive == []
    return said


def find_processes(mark: str) -> list[Any]:
    """Return the processes that a run has started, wherever they went: they inherit its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:  # gone, or another user's
            continue
    return found


def read_results(answers: Path) -> dict[int, dict[str, Any]]:
    """Return all results by line; none is there twice."""
    results = [json.loads(line) for line in answers.read_bytes().splitlines()]
    by_line = {result["line"]: result for result in results}
    assert len(by_line) == len(results)
    return by_line


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_every_row_is_answered_once_when_a_batch_is_run_again(name: str, tmp_path: Path, engine: LocalServer) -> None:
    """Protects a batch on a cluster: no row is lost, one that fails does not fail the others, none is asked twice."""
    pytest.importorskip(name, reason=NOT_INSTALLED)
    questions, answers = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    wanted = [{"id": at, "question": "字" * 20_000 if at == TOO_LONG else "你是谁?"} for at in range(20)]
    questions.write_text("\n".join(json.dumps(row) for row in wanted[:12]), "utf-8")
    run(name, engine, questions, answers)
    assert len(read_results(answers)) == 12
    first = answers.read_bytes()
    questions.write_text("\n".join(json.dumps(row) for row in wanted), "utf-8")
    run(name, engine, questions, answers)
    assert answers.read_bytes().startswith(first)
    results = read_results(answers)
    failed = results.pop(TOO_LONG + 1)
    assert failed["error"]["class"] == "Qwen3ContextOverflowError"
    assert sorted({int(result["id"]) for result in results.values()} | {TOO_LONG}) == list(range(20))
    for result in results.values():
        assert result["error"] is None
        assert result["content"] == ANSWER
        assert result["usage"]["output_tokens"] > 0


def test_every_row_is_answered_when_a_worker_of_ray_is_killed(tmp_path: Path) -> None:
    """Protects a batch from a machine that dies: its blocks go to others, and no row is lost or there twice."""
    pytest.importorskip("ray", reason=NOT_INSTALLED)
    questions, answers = tmp_path / "questions.txt", tmp_path / "answers.jsonl"
    questions.write_text("".join(f"q{number} [[slow 0.02]]\n" for number in range(1500)), "utf-8")
    mark = uuid.uuid4().hex
    killed = []
    with serve() as url:
        arguments = [str(questions), "-o", str(answers), "--ray", "--concurrency", "8"]
        with start("ray", {"QWEN_BASE_URL": url, MARK: mark}, *arguments) as process:
            while process.poll() is None and not killed:
                if answers.exists() and answers.read_bytes().count(b"\n") >= 300:
                    killed = [worker for worker in find_processes(mark) if "MapWorker" in worker.name()][:1]
                    for worker in killed:
                        worker.kill()
                time.sleep(0.1)
            said = "".join(process.communicate(timeout=300))
    assert killed
    assert process.returncode == 0, said
    results = read_results(answers)
    assert sorted(results) == list(range(1, 1501))
    assert all(result["content"] == content_of(f"q{line - 1}") for line, result in results.items())
