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


@pytest.mark.parametrize(("page", "language"), [("fields.md", "en"), ("fields.zh.md", "zh")])
def test_page_is_the_class_when_written_anew(script: dict[str, Any], page: str, language: str) -> None:
    """Protects readers from a field that is missing or has changed: after that run `python docs/fields_table.py`."""
    own = set(ChatQwen3.model_fields) - set(ChatOpenAI.model_fields)
    assert own <= set(script["MEANINGS"])
    text = (DOCS / "api" / page).read_text(encoding="utf-8")
    assert script["write_table"](text, script["build_table"](language)) == text
