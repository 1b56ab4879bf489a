"""What the package uses of other libraries is public; the private names that are left may go, and little changes."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import langchain_qwen3
from tests.support.loopback import Loopback

PACKAGE = Path(langchain_qwen3.__file__).parent

DOCUMENTED = {
    # LangChain's own guide to a chat model tells to write these.
    "_generate", "_agenerate", "_stream", "_astream", "_llm_type",
    # Python's and typing's.
    "_replace", "_asdict", "_exit", "_getframe", "_is_protocol",
}  # fmt: skip
"""Names that begin with an underscore and are documented."""

PARENTS = {
    "_agenerate_with_cache", "_convert_input", "_default_params",
    "_generate_with_cache", "_get_invocation_params", "_get_llm_string", "_get_ls_params", "_get_request_payload",
    "_infer_use_responses_api",
    "_resolve_model_profile", "_streaming_disabled", "_use_responses_api", "_transform", "_atransform",
}  # fmt: skip
"""What a subclass of `ChatOpenAI`, or of an output parser, overrides; none is called but where it is overridden."""

PRIVATE = {"_build_request": "connections/sdk.py", "_make_status_error_from_response": "connections/sdk.py"}
"""What is left, and the one module that knows it."""


def read_trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of each module."""
    for path in PACKAGE.rglob("*.py"):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def is_private(name: str) -> bool:
    """Return whether a name is private by its form."""
    return name.startswith("_") and not name.endswith("__")


def read_own_names() -> set[str]:
    """Return every name that the package itself gives to something."""
    own = set()
    for _, tree in read_trees():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    own.add(node.name)
                case ast.Attribute(ctx=ast.Store()):
                    own.add(node.attr)
                case ast.Name(ctx=ast.Store()):
                    own.add(node.id)
    return own


def find_reads() -> Iterator[tuple[str, str]]:
    """Yield each private name that the package reads of something it has not made, and the module that does."""
    own = read_own_names()
    for path, tree in read_trees():
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name) if is_private(name):
                    yield name, path
                case ast.Attribute(attr=name) if is_private(name) and name not in own:
                    yield name, path
                case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(name), *_]):
                    if is_private(str(name)) and name not in own:
                        yield str(name), path


def find_overrides() -> Iterator[str]:
    """Yield each private name of another library's class that a class of ours has, too."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "langchain_qwen3."):
        if module.name.rpartition(".")[2] in {"__main__", "engine_script"}:  # programs
            continue
        try:
            classes = vars(importlib.import_module(module.name)).values()
        except ImportError:  # an extra that is not installed
            continue
        for kind in classes:
            if inspect.isclass(kind) and kind.__module__ == module.name:
                foreign = [base for base in kind.__mro__ if not base.__module__.startswith("langchain_qwen3")]
                names = filter(is_private, vars(kind))
                yield from (name for name in names if any(name in vars(base) for base in foreign))


def test_nothing_private_of_another_library_is_imported() -> None:
    """Protects users from a minor release of another package that makes this one unimportable."""
    private = []
    for path, tree in read_trees():
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=str(module), names=aliases):
                    names = [f"{module}.{alias.name}" for alias in aliases]
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case _:
                    continue
            foreign = [name for name in names if not name.startswith("langchain_qwen3")]
            private += [f"{path}: {name}" for name in foreign if any(map(is_private, name.split(".")))]
    assert not private


def test_private_names_are_these_when_all_modules_are_read() -> None:
    """Protects the list: what is not on it is not tested."""
    reads = [*find_reads()]
    names = {name for name, _ in reads} | {*find_overrides()}
    left = {name for name in names - DOCUMENTED if not name.startswith("_abc_") and not name.endswith("_")}
    assert left == PARENTS | PRIVATE.keys()
    for name, module in PRIVATE.items():
        assert {path for read, path in reads if read == name} == {module}
        assert "https://github.com/" in (PACKAGE / module).read_text("utf-8").partition('"""\n\n')[0]


PRELOAD = r'''
import asyncio, functools, inspect, json, os, sys, types
import aiohttp, httpx, openai, langchain_core, langchain_openai, pydantic
import langchain_core.language_models, langchain_core.output_parsers, langchain_core.tracers
LIBRARIES = ("openai", "aiohttp", "langchain_core", "langchain_openai")

def rename(old):
    """As a release of a library would: the name in each of its classes, and in all that reads it."""
    new = old + "_anew"
    for module in [m for n, m in list(sys.modules.items()) if m and n.partition(".")[0] in LIBRARIES]:
        for thing in list(vars(module).values()):
            if inspect.isclass(thing) and thing.__module__ == module.__name__:
                for name, value in list(vars(thing).items()):
                    patch(value, old, new)
                    if name == old:
                        if isinstance(value, functools.cached_property):
                            value.attrname = new
                        setattr(thing, new, value)
                        delattr(thing, old)
                validators = getattr(thing, "__pydantic_decorators__", None)
                if validators and old in validators.model_validators:
                    validators.model_validators[new] = validators.model_validators.pop(old)
                    validators.model_validators[new].cls_var_name = new
            else:
                patch(thing, old, new)

def patch(value, old, new):
    for name in ("fget", "__func__", "__wrapped__", "func"):
        inner = getattr(value, name, None)
        if inspect.isfunction(inner):
            value = inner
    if inspect.isfunction(value):
        value.__code__ = patch_code(value.__code__, old, new)

def patch_code(code, old, new):
    names = tuple(new if name == old else name for name in code.co_names)
    consts = tuple(patch_code(c, old, new) if isinstance(c, types.CodeType) else c for c in code.co_consts)
    return code.replace(co_names=names, co_consts=consts)

def hide_field(names):
    """As a release of the SDK would that names a field of its options otherwise: we do not find it."""
    from openai._models import FinalRequestOptions
    real = FinalRequestOptions.__getattribute__
    def read(self, name):
        if name in names.split() and sys._getframe(1).f_globals["__name__"].startswith("langchain_qwen3"):
            raise AttributeError(name)
        return real(self, name)
    FinalRequestOptions.__getattribute__ = read

def skip_override(name):
    """As a release of aiohttp would that calls another method of a request."""
    def __init_subclass__(kind):
        delattr(kind, name)
    aiohttp.ClientRequest.__init_subclass__ = classmethod(__init_subclass__)

def forbid_clearing(_):
    real = aiohttp.StreamReader.set_exception
    def set_exception(self, exc, *args):
        assert exc is not None
        real(self, exc, *args)
    aiohttp.StreamReader.set_exception = set_exception

def drop_slots(_):
    """As a pydantic that keeps its fields elsewhere: their names are looked up at import."""
    import builtins
    real = builtins.getattr
    def without(thing, name, *default):
        return default[0] if name == "__set__" and default else real(thing, name, *default)
    builtins.getattr = without

def check(url):
    from langchain_qwen3 import ChatQwen3
    from langchain_core.caches import InMemoryCache

    async def stream(model):
        return "".join([chunk.text async for chunk in model.astream("hi")])

    for transport in ("httpx", "aiohttp"):
        model = ChatQwen3(
            model="q", base_url=url, server="vllm", api_key="canary", transport=transport, max_retries=0
        )
        for _ in range(2):
            assert model.invoke("hi").text == "hello"
            assert asyncio.run(model.ainvoke("hi", temperature=0.5)).text == "hello"
            assert asyncio.run(stream(model)) == "a" * 20
            assert "".join(chunk.text for chunk in model.stream("hi", extra_headers={"X-Call": "1"})) == "a" * 20
        assert (model | (lambda message: message.text)).invoke("hi") == "hello"
        assert "canary" not in repr(model)
        model.cache = cache = InMemoryCache()
        cache.update = lambda prompt, key, _: keys.append(key)
        keys = []
        model.invoke("hi")
        model.temperature = 0.25
        model.invoke("hi")
        model.model_copy(update={"temperature": 0.75}).invoke("hi")
        assert len(set(keys)) == 3, keys
        model.close()

CHANGES = json.loads(sys.argv[1])
results = {}
for kind, name in CHANGES:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(write, 2)
        code = 1
        try:
            globals()[kind](name)
            check(sys.argv[2])
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    results[f"{kind} {name}"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
print(json.dumps(results))
'''
FIELDS = ("json_data", "extra_json", "url", "method", "headers", "params", "timeout", "model_copy")
CHANGES = [
    ("rename", "_build_request"),
    ("rename", "_make_status_error_from_response"),
    ("rename", "_serialized"),
    ("hide_field", " ".join(FIELDS)),
    ("skip_override", "send"),
    ("forbid_clearing", "set_exception(None)"),
    ("drop_slots", "pydantic's slots"),
]
SLOW_CHANGES = [
    *(("hide_field", name) for name in FIELDS),
    # `_default_params` is what each subclass of ChatOpenAI extends, the Azure one of the same package too.
    *(("rename", name) for name in sorted(PARENTS - {"_default_params"})),
]


def run_changes(changes: list[tuple[str, str]]) -> dict[str, tuple[int, str]]:
    """Return how a process of its own ended for each change; all are forked from one that has the libraries."""
    environment = {**os.environ, "OPENAI_CUSTOM_HEADERS": "X-Foreign: canary", "OPENAI_ORG_ID": "org-canary"}
    with Loopback() as server:
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", PRELOAD, json.dumps(changes), server.base_url],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=environment,
            cwd=PACKAGE.parent,
        )
        assert (done.returncode, done.stderr) == (0, "")
        # No change lets a key go astray, or lets another company's variables in.
        assert {request.headers["authorization"] for request in server.requests} == {"Bearer canary"}
        assert not any({"x-foreign", "openai-organization"} & request.headers.keys() for request in server.requests)
    results: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return results


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_calls_are_right_when_a_private_name_is_gone() -> None:
    """Protects users of the next release of another library: nothing but speed may hang on how it is inside."""
    for change, (code, said) in run_changes(CHANGES).items():
        assert (code, said) == (0, ""), change


@pytest.mark.slow
def test_calls_are_right_when_a_parents_method_is_gone() -> None:
    """Protects users of the next release of LangChain, and of an SDK that changes one field of its options."""
    for change, (code, said) in run_changes(SLOW_CHANGES).items():
        assert (code, said) == (0, ""), change
