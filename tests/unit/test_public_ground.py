"""What the package uses of other libraries is public; the one private name that is left may go, and only speed does."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import langchain_qwen3

PACKAGE = Path(langchain_qwen3.__file__).parent


def test_nothing_private_of_another_library_is_imported() -> None:
    """Protects users from a minor release of another package that makes this one unimportable."""
    private = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            foreign = [name for name in names if not name.startswith("langchain_qwen3")]
            private += [
                f"{path.name}: {name}"
                for name in foreign
                if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
            ]
    assert not private


RENAME = """
import inspect, sys, openai

def rename(old, new):
    # As a release of the SDK would: in every function and method of its own, and in every class.
    for module in [m for n, m in sys.modules.items() if n.startswith("openai") and m is not None]:
        for thing in list(vars(module).values()):
            if inspect.isclass(thing) and thing.__module__ == module.__name__:
                for name, value in list(vars(thing).items()):
                    if inspect.isfunction(value):
                        names = tuple(new if n == old else n for n in value.__code__.co_names)
                        value.__code__ = value.__code__.replace(co_names=names)
                    if name == old:
                        setattr(thing, new, value)
                        delattr(thing, old)

rename("_build_request", "_make_request")
"""
NO_CLEARING = """
import aiohttp
real = aiohttp.StreamReader.set_exception

def set_exception(self, exc, *args):
    assert exc is not None
    real(self, exc, *args)

aiohttp.StreamReader.set_exception = set_exception
"""
CHECK = """
import asyncio
{change}
from langchain_qwen3 import ChatQwen3
from tests.support.loopback import Loopback

async def stream(model):
    return "".join([chunk.content async for chunk in model.astream("hi")])

with Loopback() as server:
    for transport in ("httpx", "aiohttp"):
        model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", api_key="canary", transport=transport)
        for _ in range(2):
            assert model.invoke("hi").content == "hello"
            assert asyncio.run(model.ainvoke("hi")).content == "hello"
            assert asyncio.run(stream(model)) == "a" * 20
            assert "".join(chunk.content for chunk in model.stream("hi")) == "a" * 20
    assert all(request.headers["authorization"] == "Bearer canary" for request in server.requests)
    assert not any("x-foreign" in request.headers for request in server.requests)
    model.close()
"""


@pytest.mark.parametrize("change", ["", RENAME, NO_CLEARING], ids=["nothing", "_build_request", "set_exception(None)"])
def test_calls_are_right_when_a_name_is_gone(change: str) -> None:
    """Protects users of the next release of the SDK and of aiohttp: nothing but speed may hang on how it is inside."""
    code = textwrap.dedent(CHECK).format(change=change)
    environment = {**os.environ, "OPENAI_CUSTOM_HEADERS": "X-Foreign: canary", "OPENAI_ORG_ID": "org-canary"}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
        cwd=PACKAGE.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
