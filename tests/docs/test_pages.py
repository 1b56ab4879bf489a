"""Pages say what the code says, and the workflows call what exists."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

import langchain_qwen3
from langchain_qwen3 import errors

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read_page(name: str) -> str:
    """Return the text of a page below the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_errors_page_draws_the_tree_when_compared() -> None:
    """Protects readers from an error tree that is no longer the package's."""
    paragraphs = str(errors.__doc__).split("\n\n")
    tree = next(text for text in paragraphs if "├──" in text)
    drawn = "\n".join(line.removeprefix("    ") for line in tree.splitlines())
    assert f"```text\n{drawn}\n```" in read_page("docs/errors.md")


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/architecture.zh.md"])
def test_architecture_page_names_every_module_when_compared(page: str) -> None:
    """Protects newcomers from a table of modules that lacks some or names dead ones."""
    package = Path(str(langchain_qwen3.__file__)).parent
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in package.glob("[a-z]*/__init__.py")}
    table = re.split(r"^## ", read_page(page), flags=re.MULTILINE)[2]
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+)`", " ".join(first_cells))) == files | folders


COMMAND = re.compile(r"^langchain-qwen3 ([a-z]+) (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_commands_are_understood_when_parsed(page: str) -> None:
    """Protects readers from a command or an option that was renamed: every line shown is parsed, and not run."""
    from typer.main import get_group

    from langchain_qwen3.cli.main import commands

    group = get_group(commands)
    shown = COMMAND.findall(read_page(page))
    assert shown
    for name, arguments in shown:
        group.commands[name].make_context(name, shlex.split(arguments))


def test_every_page_is_in_the_navigation_when_listed() -> None:
    """Protects pages from being built and never found."""
    listed = set(re.findall(r": (\S+\.md)$", read_page("mkdocs.yml"), re.MULTILINE))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert listed == {page for page in pages if not page.endswith(".zh.md")}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_that_exist_when_read(path: Path) -> None:
    """Protects a release from failing at a make target that was renamed."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    lines = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    words = [word for line in lines if line.startswith("make ") for word in line.split()[1:]]
    called = {word for word in words if "=" not in word}
    assert called
    assert called <= set(re.findall(r"^([a-z-]+):", read_page("Makefile"), re.MULTILINE))


def test_every_page_has_its_chinese_half_when_listed() -> None:
    """Protects Chinese readers from a switch that leads to an English page."""
    pages = [path for path in (ROOT / "docs").rglob("*.md") if not path.name.endswith(".zh.md")]
    assert [path.name for path in pages if not path.with_suffix(".zh.md").exists()] == []


def test_list_for_language_models_names_every_page_when_read() -> None:
    """Protects models that read `llms.txt` from pages they would never find."""
    listed = set(re.findall(r"\]\((\S+)\.html\)", read_page("docs/llms.txt")))
    pages = set(re.findall(r": (\S+)\.md$", read_page("mkdocs.yml"), re.MULTILINE))
    assert listed == pages
