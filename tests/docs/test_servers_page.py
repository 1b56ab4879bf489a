"""`docs/servers.md` says what the rows of `langchain_qwen3.servers.dialects` say."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.servers.dialects import DIALECTS, Dialect

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script that writes the table."""
    return runpy.run_path(str(DOCS / "servers_table.py"))


def test_table_is_the_rows_when_written_anew(script: dict[str, Any]) -> None:
    """Protects readers from a page that lags behind: after a change of a row run `python docs/servers_table.py`."""
    page = (DOCS / "servers.md").read_text(encoding="utf-8")
    assert script["write_table"](page, script["build_table"]()) == page
    assert script["build_table"]() in page


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_start_line_has_the_flags_when_a_row_names_them(row: Dialect) -> None:
    """Protects users from a start line that lacks what the warnings then ask for: parsers, templates, threads."""
    wanted = [row.flags[what] for what in ("reasoning", "tools", "connections") if what in row.flags]
    flags = [flag for text in wanted for flag in text.split(" (")[0].split() if flag.startswith("--")]
    assert all(flag in row.start for flag in flags)
