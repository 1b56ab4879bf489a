"""Every code block of README and docs: Python runs on the real engine, everything else is checked for what it is."""

import asyncio
import configparser
import inspect
import json
import re
import shutil
import socket
import subprocess
import tomllib
import warnings
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import forget_warnings
from langchain_qwen3.fields import DEFAULT_BASE_URL
from langchain_qwen3.local import LocalServer
from tests.conftest import TINY_QWEN3

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"python", "bash", "json", "text", "toml", "yaml", "ini", "nginx"}
FENCE = re.compile(r"^[ \t]*```(?P<info>.+)$", re.MULTILINE)
EXPECTED = re.compile(r"^\s*# →[ ]?(.*)$", re.MULTILINE)
GGUF = "Qwen3-0.6B-Q8_0.gguf"
"""The file that the pages name; the tests put the tiny model in its place."""


def read_page(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def find_blocks(page: Path, language: str) -> list[Example]:
    """Return the code blocks of one language, in order."""
    return list(Document.parse(str(page), CodeBlockParser(language, evaluator=lambda _: None)))


def run_block(block: Example, runner: asyncio.Runner, namespace: dict[str, Any], base_url: str) -> None:
    """Run a block as Jupyter does: names stay for the next one, and `await` needs no function around it."""
    source = str(block.parsed).replace(DEFAULT_BASE_URL, base_url)
    place = "\n" * (block.line + block.parsed.line_offset - 1)
    code = compile(place + source, block.path, "exec", flags=PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(eval(code, namespace))  # noqa: S307  # our own pages
    else:
        exec(code, namespace)  # noqa: S102  # our own pages


@pytest.fixture
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no block reach a host outside."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not address[0].startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a code block connects to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture
def reader_place(engine: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where a reader would stand: a server in `$QWEN_BASE_URL`, and a model file in the working directory."""
    monkeypatch.setenv("QWEN_BASE_URL", engine.base_url)
    monkeypatch.setenv("QWEN_MODEL", engine.model)
    monkeypatch.chdir(tmp_path)
    forget_warnings()
    Path(GGUF).symlink_to(TINY_QWEN3)
    return tmp_path


@pytest.mark.usefixtures("loopback_only", "reader_place")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_print_what_they_say_when_run(
    page: Path, engine: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects readers from examples that do not run, or print something else than the `# →` lines under them."""
    namespace: dict[str, Any] = {"__name__": "__page__"}
    with asyncio.Runner() as runner:
        for block in find_blocks(page, "python"):
            run_block(block, runner, namespace, engine.base_url)
            printed = capsys.readouterr().out
            if expected := EXPECTED.findall(block.parsed):
                assert [line.rstrip() for line in printed.splitlines()] == expected, f"{page}:{block.line}"
    check_models([value for value in namespace.values() if isinstance(value, ChatQwen3)])


def check_models(models: list[ChatQwen3]) -> None:
    """Build a request of every model a page makes: those of hosted services are called nowhere else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in models:
            assert model._get_request_payload("你好")["model"] == model.model_name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_are_found_when_fenced(page: Path) -> None:
    """Protects the tests of this file from a fence they would pass over, such as `py` or `python title=…`."""
    infos = [match["info"] for match in FENCE.finditer(read_page(page))]
    assert set(infos) <= LANGUAGES
    for language in LANGUAGES:
        assert len(find_blocks(page, language)) == infos.count(language)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_other_blocks_are_valid_when_parsed(page: Path) -> None:
    """Protects readers from blocks that cannot be pasted, and from targets and extras that do not exist."""
    for block in find_blocks(page, "json"):
        json.loads(block.parsed)
    for block in find_blocks(page, "toml"):
        tomllib.loads(block.parsed)
    for block in find_blocks(page, "yaml"):
        assert yaml.safe_load(block.parsed)
    for block in find_blocks(page, "ini"):
        assert configparser.ConfigParser(strict=True).read_string(block.parsed) is None
    for block in find_blocks(page, "nginx"):
        assert block.parsed.count("{") == block.parsed.count("}")
    project = tomllib.loads(read_page(ROOT / "pyproject.toml"))
    targets = set(re.findall(r"^([a-z-]+):", read_page(ROOT / "Makefile"), re.MULTILINE))
    bash = shutil.which("bash")
    for block in find_blocks(page, "bash"):
        if bash:
            subprocess.run([bash, "-n"], input=block.parsed, text=True, check=True)
        assert set(re.findall(r"^make ([a-z-]+)", block.parsed, re.MULTILINE)) <= targets
        for script, arguments in re.findall(r"^python (\S+\.py)(.*)$", block.parsed, re.MULTILINE):
            source = read_page(ROOT / script)
            flags = re.findall(r"--(?:no-)?([a-z-]+)", arguments)
            assert [flag for flag in flags if f'"--{flag}"' not in source] == []
        for extras in re.findall(r"\"\.\[([a-z,]+)\]\"", block.parsed):
            assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


CHINESE = [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.zh.md"))]


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_chinese_page_has_what_the_english_one_has_when_compared(page: Path) -> None:
    """Protects Chinese readers from a page that stays behind: the same code, sections and table rows."""
    english = page.with_name(re.sub(r"\.zh(-CN)?\.md$", ".md", page.name))
    assert read_shape(page) == read_shape(english)


def read_shape(page: Path) -> dict[str, Any]:
    """Return what is the same in every language: code without its comments, and how much there is of the rest."""
    text = read_page(page)
    code = [
        re.sub(r"\s*# (?!→).*", "", block.parsed) for name in ("python", "bash") for block in find_blocks(page, name)
    ]
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {
        "code": code,
        "headings": re.findall(r"^#+", rest, re.MULTILINE),
        "rows": len(re.findall(r"^\|", rest, re.MULTILINE)),
        "links": {re.sub(r"\.zh(-CN)?\.md$", ".md", link) for link in re.findall(r"\]\((?!http)([^)#\s]+)", rest)},
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere_when_they_are_local(page: Path) -> None:
    """Protects readers of the repository from dead links; those of the site are checked when it is built."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", read_page(page)):
        if "://" not in target:
            assert (page.parent / target).exists(), target
