"""The plan of the package: which part may import which, and that no two modules import each other."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import langchain_qwen3

PACKAGE = Path(langchain_qwen3.__file__).parent
# What lies below everything, and what each part may import beside itself. Who is not named here lives in the roof.
GROUND = {"call", "servers", "profiles", "errors", "_httpx", "_warnings", "_visible"}
MAY_IMPORT = {
    "chat_model": {"arguments", "binding", "fields", "tokens", "request", "reply", "connections", "doctor", "notebook"}
    | GROUND,
    "binding": {"structured", "request"} | GROUND,
    "structured": {"request", "reply"} | GROUND,
    "fields": {"request", "reply", "connections"} | GROUND,
    "tokens": {"chat_model", "connections"} | GROUND,
    "request": GROUND,
    "reply": GROUND,
    "connections": GROUND,
    "call": {"servers", "profiles", "errors", "_httpx"},
    "errors": {"servers", "profiles", "_httpx", "_warnings", "_visible"},
    "servers": {"profiles", "_httpx", "_warnings"},
    "profiles": set(),
    "_warnings": {"servers"},
    "_httpx": set(),
    "_visible": set(),
}
# The doctor is started from the model that it examines, and tokens are counted for the model that has them.
CIRCLES = ("langchain_qwen3.doctor", "langchain_qwen3.tokens.counting")


def read_name(path: Path) -> str:
    """Return the dotted name of a module of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def find_part(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return [*module.split("."), "__init__"][1]


@cache
def read_imports() -> dict[str, set[str]]:
    """Return what each module imports of the package, inside functions and for types as well."""
    names = {read_name(path) for path in PACKAGE.rglob("*.py")}
    imports: dict[str, set[str]] = {name: set() for name in names}
    for path in PACKAGE.rglob("*.py"):
        module = read_name(path)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [name if name in names else node.module for name in targets]
            else:
                continue
            imports[module] |= {target for target in targets if target in names and target != module}
    return imports


def test_parts_import_downwards_only_when_read() -> None:
    """Protects the plan: request, reply and connections do not know each other, and facts know nobody."""
    broken = [
        f"{module} imports {target}"
        for module, targets in read_imports().items()
        if (part := find_part(module)) in MAY_IMPORT
        for target in targets
        if find_part(target) not in MAY_IMPORT[part] | {part}
    ]
    assert not broken


def test_modules_import_in_no_circle_when_sorted() -> None:
    """Protects readers: each module can be read after those it imports, types included."""
    graph = {
        module: {target for target in targets if target != "langchain_qwen3"}
        for module, targets in read_imports().items()
        if not module.startswith(CIRCLES)
    }
    TopologicalSorter(graph).prepare()


def test_root_has_few_files_when_listed() -> None:
    """Protects the first look: `ls` shows the parts, not the parts' parts."""
    assert len([*PACKAGE.glob("*.py")]) <= 12


def test_each_module_of_connections_has_tests_of_its_own_when_listed() -> None:
    """Protects whoever changes one: the tests of it are found without a search."""
    rooms = PACKAGE / "connections"
    tests = Path(__file__).parent / "connections"
    modules = [path.relative_to(rooms) for path in rooms.rglob("*.py") if path.name != "__init__.py"]
    assert not [str(path) for path in modules if not (tests / path.parent / f"test_{path.name}").exists()]
