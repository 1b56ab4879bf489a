"""`docs/servers.md` says what the rows of `langchain_qwen3.servers.dialects` say, and what live servers showed."""

import re
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
    assert script["write_english"](page) == page
    assert script["build_table"]() in page
    assert script["build_starts"]() in page
    chinese = (DOCS / "servers.zh.md").read_text(encoding="utf-8")
    assert script["write_chinese"](chinese, page) == chinese


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_start_line_has_the_flags_when_a_row_names_them(row: Dialect) -> None:
    """Protects users from a start line that lacks what the warnings then ask for: parsers, templates, threads."""
    wanted = [row.flags[what] for what in ("reasoning", "tools", "connections") if what in row.flags]
    assert bool(row.start) == (row.kind == "engine" or row.name == "litellm")
    flags = [flag for text in wanted for flag in text.split(" (")[0].split() if flag.startswith("--")]
    assert all(flag in row.start for flag in flags)


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    """The script that brings real servers up."""
    return runpy.run_path(str(DOCS.parent / "tools" / "live_servers.py"))


def test_live_table_keeps_other_rows_when_a_server_is_run_again(live: dict[str, Any]) -> None:
    """Protects results of servers that take long to install from those that do not."""
    begin, end = live["MARKERS"]
    page = f"before\n{begin}\n\n{end}\nafter"
    counts = {"ChatQwen3": (35, 5, 10), "ChatOpenAI": (26, 13, 11)}
    failures = {"ChatQwen3": ["test_a[x]", "test_a[y]", "test_b"], "ChatOpenAI": ["test_a[x]", "test_a[y]"]}
    for title, version in (("Xinference", "4.1.0"), ("LiteLLM, in front", "1.0"), ("Xinference", "4.2.0")):
        page = live["write_table"](page, live["Result"](title, version, "xinference", counts, failures, ["tools"]))
    assert page.count("| Server |") == page.count("| --- | --- | --- | --- | --- | --- |") == 1
    fails = "`test_a`, `test_b` (passes with ChatOpenAI)"
    assert f"| Xinference 4.2.0 | xinference | 35 / 5 / 10 | 26 / 13 / 11 | {fails} | tools |" in page
    assert "4.1.0" not in page
    assert "| LiteLLM 1.0, in front |" in page
    assert page.startswith("before\n")
    assert page.endswith("\nafter")


def test_live_table_has_known_servers_when_read(live: dict[str, Any]) -> None:
    """Protects readers from results that nobody can make again."""
    begin, end = live["MARKERS"]
    page = (DOCS / "servers.md").read_text(encoding="utf-8")
    rows = page.partition(begin)[2].partition(end)[0].strip().splitlines()[2:]
    names = tuple(f"| {server.title.partition(',')[0]} " for server in live["SERVERS"].values())
    assert all(row.startswith(names) for row in rows)


def test_every_failure_has_its_reason_when_it_is_on_the_page() -> None:
    """Protects readers from a bare count: what fails on a live server is explained below the table."""
    page = (DOCS / "servers.md").read_text(encoding="utf-8")
    table = page.partition("<!-- table of live servers")[2].partition("<!-- end of live table -->")
    reasons = table[2].partition("\n## ")[0]
    names = set(re.findall(r"`(test_\w+)`", table[0]))
    assert names == set(re.findall(r"^\| `(test_\w+)` \|", reasons, re.MULTILINE))
    assert "passes with ChatOpenAI" not in table[0]


@pytest.mark.parametrize("name", ["litellm", "nginx-no-buffering"])
def test_start_line_is_a_command_when_a_live_server_is_started(live: dict[str, Any], name: str, tmp_path: Path) -> None:
    """Protects the start lines of gateways, whose configuration is written on the way."""
    command = live["SERVERS"][name].command(Path("/env/bin"), 1234, tmp_path, "http://127.0.0.1:9/v1")
    assert all(isinstance(word, str) for word in command)
    (config,) = tmp_path.iterdir()
    assert "http://127.0.0.1:9/v1" in config.read_text()
    assert str(config) in command
    assert live["SERVERS"][name].url.startswith("http://127.0.0.1:{port}")


def test_names_are_listed_when_one_is_unknown(
    live: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects contributors from a bare KeyError, after minutes where a known name comes first."""
    monkeypatch.setattr("sys.argv", ["live_servers.py", "litellm", "nginx"])
    with pytest.raises(SystemExit):
        live["main"]()
    assert "unknown: nginx; known: transformers" in capsys.readouterr().err
