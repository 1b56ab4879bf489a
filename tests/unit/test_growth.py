"""Every reader of foreign text is linear, its regular expressions included; the work is counted, not timed.

`reply/test_growth.py` counts the readers of replies, piece by piece. Here are the others, and every pattern of the
package.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage

import langchain_qwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3._visible import make_json_visible, make_visible
from langchain_qwen3.batch.results import build_result, read_result
from langchain_qwen3.batch.rows import Row, build_row
from langchain_qwen3.cli.wording import name_options
from langchain_qwen3.connections.limits import limit_body
from langchain_qwen3.doctor.readers import read_error
from langchain_qwen3.errors import kinds
from langchain_qwen3.errors.body import read_error_body
from langchain_qwen3.errors.hints import find_hint
from langchain_qwen3.errors.secrets import clean_url, mask_body
from langchain_qwen3.local.downloads import choose_files, read_name
from langchain_qwen3.local.server import _explain_import
from langchain_qwen3.notebook.growing import split_blocks
from langchain_qwen3.notebook.html import build_reasoning, describe_end
from langchain_qwen3.profiles.lookup import find_line, normalise_name, resolve_line
from langchain_qwen3.profiles.think_tags import find_leaked_tag
from langchain_qwen3.request.files import decode_text, find_type, is_media_type, is_text_type, read_data_uri
from langchain_qwen3.request.media_data import check_url
from langchain_qwen3.servers.facts import list_served, read_models
from langchain_qwen3.servers.refusals import advise_refusal, read_refused
from langchain_qwen3.tokens.estimate import estimate_tokens
from langchain_qwen3.tokens.wire import read_token_ids
from tests.support.replies import respond
from tests.support.steps import Steps, write_pieces
from tests.support.work import count_work

PACKAGE = "langchain_qwen3."
MOST = 12
SHORT, LONG = 300, 3000
ROW = Row(line=1, id="1", check=1)

PIECES = (
    "a",
    " ",
    "\n",
    "1",
    "é",
    "\x1b",
    "[",
    "<tool_call>",
    "```a.</think>\n\n",
    "<title>",
    "```\n",
    "\\(",
    "$$a",
    "| a |\n",
    "qwen3-4b-",
    "qwen3-vl-a/",
    "Q8_0-",
    ", model x)",
    "bearer ",
    "://a",
    'host="',
    "unknown field 'x",
    "'loc': [",
    "../",
    "data:",
)


def read_facts(text: str) -> None:
    """Read a list of models that has the text everywhere."""
    row = {"id": text, "owned_by": text, "root": text, "aliases": [text], "architecture": {"input_modalities": [text]}}
    rows = [row, *({"id": word} for word in text.split())]
    _, models = read_models(SimpleNamespace(status=200, headers={"server": text[:100]}, body={"data": rows}))
    list_served(models)


def read_refusals(text: str) -> None:
    """Read errors that refuse fields, and one that repeats the text."""
    for body in (text, {"error": {"message": text}}, [{"msg": text, "loc": [text]}] * 3, text.split("a")):
        read_refused(400, body)
        advise_refusal(body)


def read_batch(text: str) -> None:
    """Read rows of an input, a line of an output, and the error of a row."""
    for value in (text, {"question": text}, {text: text}, {"messages": [{"role": text}]}):
        build_row(1, value)
    with suppress(ValueError):
        read_result(text.encode())
    build_result(ROW, ValueError(text), 0.0, 1)


def read_file(text: str) -> None:
    """Read a file part with every part of its head, and its bytes in every declared charset."""
    find_type(text, text)
    is_text_type(f"a/{text}")
    is_media_type(f"a/{text}")
    with suppress(ValueError):
        read_data_uri(f"data:{text},{text}")
    for charset in (None, "punycode", "idna", "unicode_escape", "gbk", text):
        with suppress(ValueError):
            decode_text(text.encode(), charset, guess=False)


def read_hub(text: str) -> None:
    """Read the names of a hub's files, and a model's name."""
    for names in ([f"{text}.gguf"], [f"{word}.gguf" for word in text.split("a")]):
        with suppress(ValueError):
            choose_files(names, "Q8_0")
    with suppress(OSError):
        read_name(f"a/b:{text}")


def read_names(text: str) -> None:
    """Read the name of a model."""
    find_line.cache_clear()
    resolve_line.cache_clear()
    resolve_line(text, weights=(text,))
    normalise_name(text)


def read_errors(text: str) -> None:
    """Read an error's body and headers."""
    read_error_body(f"<html>{text}")
    read_error_body({"error": {"message": text, text: text}})
    read_error_body(f"event:{text}\ndata:{text}")
    mask_body([text, {text: text}], ["kanarienvogel"])
    clean_url(f"http://{text}")
    find_hint(read_error_body(text).message, text[:2000], url="u", host="h", model="m")
    kinds.read_retry_after({"retry-after": text, "retry-after-ms": text})
    kinds.BadReplyError(text, response=respond(text.encode()), body=text)._render_traceback_()


def read_answer(text: str) -> None:
    """Draw calls and reasoning, and split an answer; how markdown-it reads it is not counted."""
    build_reasoning("n", text)
    call = {"name": text, "args": {text: text}, "id": "c"}
    describe_end(AIMessage(text, tool_calls=[call]))
    split_blocks(text)


def read_limited(text: str) -> None:
    """Read a body whose server names a codec that is no charset."""
    for charset in ("punycode", "idna", "zlib", "undefined", "rot13"):
        content = httpx.ByteStream(text.encode())
        response = httpx.Response(200, headers={"content-type": f"text/plain; charset={charset}"}, stream=content)
        limit_body(response, stream=False)
        response.read()
        assert response.text == text


def read_tokens(text: str) -> None:
    """Estimate and read the tokens of a text."""
    estimate_tokens(text)
    read_token_ids({"tokens": [*range(len(text))]})


READERS: dict[Callable[[str], None], tuple[str, ...]] = {
    read_errors: (
        "errors.body",
        "errors.causes",
        "errors.hints",
        "errors.overflow",
        "errors.secrets",
        "errors.kinds",
        "errors.traceback",
        "errors.translation",
    ),
    read_facts: ("servers.facts", "servers.dialect", "servers.dialects"),
    read_refusals: ("servers.refusals",),
    read_names: ("profiles.lookup", "profiles.lines"),
    read_batch: ("batch.rows", "batch.results"),
    read_file: ("request.files",),
    read_hub: ("local.downloads",),
    read_answer: ("notebook.html", "notebook.growing"),
    read_limited: ("connections.limits",),
    read_tokens: ("tokens.estimate", "tokens.wire"),
    lambda text: read_error(ValueError(text), "", None): ("doctor.readers", "doctor.advice"),
    name_options: ("cli.wording",),
    lambda text: check_url(f"data:video/webm;codecs={text},", "file"): ("request.media_data",),
    lambda text: make_visible(text) + make_json_visible(text): ("_visible",),
    lambda text: find_leaked_tag(f"{text}</think> \n\n{text}"): ("profiles.think_tags",),
    _explain_import: ("local.server",),
}
NO_READERS = {
    "request.schema": "the user's own schemas and tools",
    "request.json_schema": "names in the user's own schemas and tools",
    "request.constraints": "the user's own schemas",
    "connections.settings": "names of the user's own headers",
    "servers.refused_fields": "it sees 64,000 characters, counted below",
    "cli.ask": "the words of the command line",
    "cli.batch": "an option of the command line",
}
# Their patterns may take more than linear time, so they see the beginning or the end of a text only.
CUT: dict[str, tuple[int, Callable[[str], object]]] = {
    "errors.causes": (2000, lambda text: read_error_body({"message": text})),
    "errors.overflow": (2000, lambda text: read_error_body({"message": text})),
    "profiles.lookup": (300, lambda text: resolve_line(text, weights=(text,))),
    "servers.refused_fields": (64_000, lambda text: read_refused(400, {"error": [text[at::9] for at in range(9)]})),
}
EXEMPT = {
    "servers.dialects": "the address that the user writes",
    "errors.body": "the first 4,000 characters of a page, and the framing before a body; no repetition can begin anew",
    "profiles.lines": "names that the module lookup has cut",
}


def list_modules() -> dict[str, ModuleType]:
    """Return every module of the package by its name without the package's."""
    names = [found.name for found in pkgutil.walk_packages(langchain_qwen3.__path__, PACKAGE)]
    return {name.removeprefix(PACKAGE): importlib.import_module(name) for name in names if not name.endswith("on_ray")}


def parse_module(module: ModuleType) -> ast.AST:
    """Return the parse tree of a module."""
    return ast.parse(inspect.getsource(module))


@pytest.mark.parametrize("read", READERS, ids=lambda read: READERS[read][0])
def test_work_is_linear_when_a_text_is_ten_times_as_long(read: Callable[[str], None]) -> None:
    """Protects the event loop from what servers, hubs, files and models write."""
    grown = {}
    with count_work(*(list_modules()[name] for name in READERS[read] if has_functions(name))) as work:
        for piece in PIECES:
            costs = []
            for length in (SHORT, LONG):
                text, work.done = (piece * length)[:length], 0
                read(text)
                costs.append(work.done)
            grown[piece] = costs[1] / costs[0]
    assert {piece: growth for piece, growth in grown.items() if growth > MOST} == {}


def has_functions(name: str) -> bool:
    """Return whether there is work to count in a module."""
    module = list_modules()[name]
    return any(inspect.isfunction(value) and value.__module__ == module.__name__ for value in vars(module).values())


def test_every_module_that_searches_texts_stands_in_a_table() -> None:
    """Protects readers that are new: who uses regular expressions is counted, or reads nothing foreign."""
    counted = {name for names in READERS.values() for name in names} | {*NO_READERS}
    searching = {name for name, module in list_modules().items() if "re" in vars(module)}
    assert {name for name in searching - counted if not name.startswith("reply.")} == set()


@pytest.mark.parametrize("name", sorted(CUT))
def test_patterns_see_no_more_when_a_text_is_longer_than_its_limit(name: str) -> None:
    """Protects from patterns that are not linear: beyond the limit a longer text costs no more steps of theirs."""
    limit, read = CUT[name]
    for piece in ("a", "x.", "qwen3-4b-"):
        searched = []
        for times in (2 * limit, 10 * limit):
            find_line.cache_clear()
            resolve_line.cache_clear()
            with count_work(list_modules()[name]) as work:
                read(piece * times)
            searched.append(work.searched)
        assert searched[1] == searched[0]


# -- patterns ----------------------------------------------------------------------------------------------------------


def find_patterns(value: Any, depth: int = 3) -> Iterator[re.Pattern[Any]]:
    """Yield the compiled patterns in a value of a module."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, (tuple, list, set, frozenset, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from find_patterns(item, depth - 1)
    elif depth and dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from find_patterns(getattr(value, field.name), depth - 1)


@cache
def list_patterns() -> dict[re.Pattern[Any], tuple[str, bool]]:
    """Return every pattern of the package: its module, and whether it is searched for everywhere in a text."""
    patterns: dict[re.Pattern[Any], tuple[str, bool]] = {}
    for name, module in list_modules().items():
        tree = parse_module(module)
        for variable, value in vars(module).items():
            for pattern in find_patterns(value):
                uses = find_uses(tree, variable)
                is_searched = value is not pattern or not uses <= {"match", "fullmatch"}
                if uses or value is not pattern:
                    patterns.setdefault(pattern, (name, is_searched))
        for node in ast.walk(tree):
            if is_re_call(node) and isinstance(node.args[0], ast.Constant):
                is_searched = node.func.attr not in ("match", "fullmatch", "compile")
                patterns.setdefault(re.compile(node.args[0].value), (name, is_searched))
    return patterns


def find_uses(tree: ast.AST, variable: str) -> set[str]:
    """Return the methods that a module calls of a pattern."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == variable
    }


def is_re_call(node: Any) -> bool:
    """Return whether a node calls a function of `re`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and bool(node.args)
    )


def count_growth(pattern: re.Pattern[Any], *, is_searched: bool) -> dict[str, float]:
    """Return the texts of which ten times as much costs too many steps, with the steps of the short one."""
    steps, grown = Steps(pattern), {}
    for piece in write_pieces(steps.tree)[:12]:
        few = max(1, steps.count((piece * 60)[:60], everywhere=is_searched))
        most = min(MOST * few, 1_000_000)
        many = steps.count((piece * 600)[:600], everywhere=is_searched, most=most)
        if many == float("inf"):
            grown[piece] = few
    return grown


def run_deep(function: Callable[[], None]) -> None:
    """Run with room for the recursion of the matcher."""
    import sys

    limit, size = sys.getrecursionlimit(), threading.stack_size(256 * 1024 * 1024)
    sys.setrecursionlimit(100_000)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    threading.stack_size(size)
    sys.setrecursionlimit(limit)
    if errors:
        raise errors[0]


ROOMS = sorted({name.partition(".")[0] for name, _ in list_patterns().values()})


@pytest.mark.parametrize("room", ROOMS)
def test_every_pattern_is_linear_when_it_starts_again_and_again(room: str) -> None:
    """Protects from a regular expression that looks through the whole rest of a text at every place."""

    def check() -> None:
        found = {}
        for pattern, (name, is_searched) in list_patterns().items():
            if name.partition(".")[0] == room and name not in {*CUT, *EXEMPT}:
                found[pattern.pattern] = count_growth(pattern, is_searched=is_searched)
        assert {pattern: grown for pattern, grown in found.items() if grown} == {}

    run_deep(check)


@pytest.mark.parametrize(
    ("pattern", "is_linear"),
    [
        (r"<a>.*</a>", False),
        (r"\d+x", False),
        (r"(?:a+)+b", False),
        (r"<a>[^<]*</a>", True),
        (r'"(?:[^"\\]|\\.)*+"?', True),
        (r"(?<!\d)\d+x", True),
        (r"a{1,9}b", True),
    ],
)
def test_growth_of_a_pattern_is_noticed(pattern: str, is_linear: bool) -> None:
    """Protects the counter itself: patterns that are known to be bad are found."""
    run_deep(lambda: check_growth(pattern, is_linear=is_linear))


def check_growth(pattern: str, *, is_linear: bool) -> None:
    """Assert whether a pattern is linear."""
    assert (count_growth(re.compile(pattern), is_searched=True) == {}) is is_linear


@pytest.mark.parametrize("pattern", sorted({p.pattern for p in list_patterns() if isinstance(p.pattern, str)})[::5])
def test_counting_matcher_finds_what_the_real_one_finds(pattern: str) -> None:
    """Protects the counter itself: it reads patterns as `re` does."""

    def check() -> None:
        compiled = next(found for found in list_patterns() if found.pattern == pattern)
        steps = Steps(compiled)
        for piece in write_pieces(steps.tree)[:12]:
            assert steps.matches(piece) is bool(compiled.match(piece)), piece

    run_deep(check)
