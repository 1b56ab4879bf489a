"""The tables of ChatOpenAI's fields and methods on the page on migrating."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from packaging.version import Version

from langchain_qwen3.request.foreign_settings import REFUSED

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["migrating.md", "migrating.zh.md"]
FIELDS, METHODS = 0, 1
VERDICTS = {"works", "differs", "refused", "可用", "有所不同", "拒绝"}


def read_table(page: str, number: int) -> dict[str, str]:
    """Return the verdict of each name in a table."""
    section = re.split("^### ", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE)[1 + number].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (\S+) \|", section, re.MULTILINE)
    names = [(name, verdict) for cell, verdict in rows for name in re.findall(r"`(\w+)`", cell)]
    assert len(names) == len(dict(names))  # each once
    return dict(names)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("number", [FIELDS, METHODS])
def test_table_names_everything_public_when_compared(page: str, number: int) -> None:
    """Protects readers from a field or method that ChatOpenAI gained, and from one that it lost."""
    public = {name for name in dir(ChatOpenAI) if not name.startswith("_")} if number else set(ChatOpenAI.model_fields)
    table = read_table(page, number)
    assert public - table.keys() == set()
    assert set(table.values()) <= VERDICTS
    checked = re.search(r"langchain-openai ([\d.]+)", (DOCS / page).read_text("utf-8"))
    assert checked is not None
    if Version(version("langchain-openai")) >= Version(checked[1]):  # an older one may lack what came since
        assert table.keys() - public == set()


@pytest.mark.parametrize(("page", "verdict"), [("migrating.md", "refused"), ("migrating.zh.md", "拒绝")])
def test_table_says_refused_of_what_is_refused(page: str, verdict: str) -> None:
    """Protects readers from a promise that the constructor does not keep."""
    assert {name for name, said in read_table(page, FIELDS).items() if said == verdict} == REFUSED.keys()
