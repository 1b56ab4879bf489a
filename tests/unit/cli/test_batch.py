"""The options of `batch` that typer does not read by itself."""

from __future__ import annotations

import pytest
from typer.main import get_command

from langchain_qwen3.cli.main import commands


@pytest.mark.parametrize(
    ("words", "ray", "source", "url"),
    [
        (["q.txt"], None, "q.txt", None),
        (["q.txt", "--ray"], "local", "q.txt", None),
        (["--ray", "q.txt"], "local", "q.txt", None),
        (["q.txt", "--ray", "http://127.0.0.1:8000/v1"], "local", "q.txt", "http://127.0.0.1:8000/v1"),
        (["q.txt", "--ray", "--workers", "3"], "local", "q.txt", None),
        (["q.txt", "--ray", "auto"], "auto", "q.txt", None),
        (["q.txt", "--ray", "ray://head:10001"], "ray://head:10001", "q.txt", None),
        (["--ray", "head:6379", "q.txt"], "head:6379", "q.txt", None),
    ],
)
def test_ray_takes_an_address_when_one_follows(words: list[str], ray: str | None, source: str, url: str | None):
    """Protects `--ray` without an address: a file or a server after it is no cluster."""
    command = get_command(commands).commands["batch"]  # type: ignore[attr-defined]
    params = command.make_context("batch", words).params
    assert (params["ray"], params["source"], params["url"]) == (ray, source, url)
