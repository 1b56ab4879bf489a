"""The offline batch examples as a user runs them, each on a cluster of two worker processes and a real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.local import LocalServer

NOT_INSTALLED = "the dependency group `batch` is not installed; it has the newest dependencies only"
pq = pytest.importorskip("pyarrow.parquet", reason=NOT_INSTALLED)
psutil = pytest.importorskip("psutil", reason=NOT_INSTALLED)
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
TOO_LONG = 7  # the id of the row that does not fit into the engine's context
MARK = "QWEN3_TEST_BATCH"


def run_example(name: str, prompts: Path, answers: Path, engine: LocalServer, *options: str) -> str:
    """Run an example; no process of it may be left."""
    mark = uuid.uuid4().hex
    environment = {
        **os.environ,
        "QWEN_BASE_URL": engine.base_url,
        "QWEN_MODEL": engine.model,
        "QWEN_API_KEY": "sk-canary-of-the-batch",
        "NO_PROXY": "*",
        MARK: mark,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", EXAMPLES / f"{name}_batch.py", prompts, answers, *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sk-canary" not in done.stdout + done.stderr
    _, alive = psutil.wait_procs(find_processes(mark), timeout=30)  # the cluster's end is not waited for
    assert alive == []
    return done.stdout


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


def read_rows(answers: Path) -> list[dict[str, Any]]:
    """Return all rows that were written."""
    return [row for path in sorted(answers.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_batch_answers_every_row_once_when_it_is_run_again(name: str, tmp_path: Path, engine: LocalServer) -> None:
    """Protects an offline batch: no row is lost, one that fails does not fail the others, none is asked twice."""
    pytest.importorskip(name, reason=NOT_INSTALLED)
    prompts, answers = tmp_path / "prompts.jsonl", tmp_path / "answers"
    wanted = [{"id": at, "prompt": "字" * 20_000 if at == TOO_LONG else "你是谁?"} for at in range(20)]
    prompts.write_text("\n".join(json.dumps(row) for row in wanted[:12]), "utf-8")
    options = ("--batch-size", "4", "--in-flight", "2", "--no-thinking", "--max-tokens", "200")
    assert "12 rows to answer" in run_example(name, prompts, answers, engine, *options)
    prompts.write_text("\n".join(json.dumps(row) for row in wanted), "utf-8")
    assert "8 rows to answer" in run_example(name, prompts, answers, engine, *options)
    files = sorted(answers.iterdir())
    assert "0 rows to answer" in run_example(name, prompts, answers, engine, *options)
    assert sorted(answers.iterdir()) == files
    rows = {row["id"]: row for row in read_rows(answers)}
    assert len(read_rows(answers)) == len(rows) == 20
    failed = rows.pop(str(TOO_LONG))
    assert failed["error"].startswith("Qwen3ContextOverflowError: ")
    assert failed["answer"] is None
    for row in rows.values():
        assert row["error"] is None
        assert row["answer"] == ANSWER
        assert row["output_tokens"] > 0
