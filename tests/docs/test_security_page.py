"""The page on security: every promise names the test that holds it, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/security.md", "docs/security.zh.md"])
def test_every_promise_names_a_test_that_exists(page: str) -> None:
    """Protects readers from promises that nobody holds any more."""
    text = (ROOT / page).read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    promises = [row for row in rows if not row.startswith(("| promise", "| 承诺"))]
    assert len(promises) >= 10
    assert [row for row in promises if "`tests/" not in row] == []
    named = set(re.findall(r"`(tests/[^`]+)`", text))
    assert {path for path in named if not (ROOT / path).exists()} == set()
