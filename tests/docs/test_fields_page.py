"""The page of fields says what the class has, in both languages."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from langchain_openai import ChatOpenAI

from langchain_qwen3 import ChatQwen3

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script that writes the tables."""
    return runpy.run_path(str(DOCS / "fields_table.py"))


@pytest.mark.parametrize(("page", "language"), [("fields.md", 0), ("fields.zh.md", 1)])
def test_page_says_what_each_field_means_when_read(script: dict[str, Any], page: str, language: int) -> None:
    """Protects readers from a field without a meaning: after a new field run `python docs/fields_table.py`."""
    text = (DOCS / "api" / page).read_text(encoding="utf-8")
    own = set(ChatQwen3.model_fields) - set(ChatOpenAI.model_fields)
    assert own <= set(script["MEANINGS"])
    shown = {name for name in script["MEANINGS"] if f"| `{name}` |" in text}
    assert own <= shown
    assert all(script["MEANINGS"][name][language] in text for name in shown)
