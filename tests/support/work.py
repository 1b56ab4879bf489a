"""Counts what readers do: every step of a loop and every call, and every character that a call, a slice or a sum reads.

Time says little on a machine that does other things as well. So the functions of the readers' modules are compiled
again with counters around all that costs more for longer texts; what they do stays the same.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from json import JSONDecoder
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

# What costs the same whatever it is given; counting it would take longer than all else.
_FREE = frozenset({"len", "isinstance", "type", "bool", "getattr", "iter", "next", "id", "repr", "reversed", "super"})
_FREE_METHODS = frozenset({"append", "get", "start", "end", "setdefault", "items", "values"})


class Work:
    """Counts.

    Attributes:
        done: Steps and characters so far.
        searched: Characters among them that regular expressions could read.
    """

    def __init__(self) -> None:
        self.done = 0
        self.searched = 0

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, counted by what it reads unless it is one that is counted itself."""
        self.done += 1
        result = function(*args, **kwargs)
        if isinstance(function, FunctionType | MethodType | type):
            module = str(function.__module__)
            if module.startswith("langchain_qwen3"):
                return result
            searches = module == "re"
        else:
            searches = type(getattr(function, "__self__", None)) is re.Pattern
        if searches:
            self.searched += max(map(_length, args), default=0)
        self.done += _measure(function, args, kwargs, result)
        return result

    def part(self, value: Any) -> Any:
        """Count a slice."""
        self.done += _length(value)
        return value

    def add(self, left: Any, right: Any) -> Any:
        """Add, which copies both."""
        return self.part(left + right)

    def extend(self, left: Any, right: Any) -> Any:
        """Add in place, which copies a text, but only what comes to a list."""
        self.done += _length(left) if isinstance(left, str | bytes) else 0
        self.done += _length(right)
        return operator.iadd(left, right)

    def holds(self, value: Any, container: Any) -> Any:
        """Look for something in a text or list."""
        self.done += _length(container)
        return value in container

    def each(self, items: Iterable[Any]) -> Iterator[Any]:
        """Count the steps of a comprehension."""
        for item in items:
            self.done += 1
            yield item

    def tick(self) -> None:
        """Count a step."""
        self.done += 1


@contextmanager
def count_work(*modules: ModuleType) -> Iterator[Work]:
    """Count the work of all functions and methods of these modules within the block."""
    work, replaced = Work(), []
    for module in modules:
        vars(module)["_work_"] = work
        codes = _compile(module)
        for function in _find_functions(module):
            code = codes.get(function.__qualname__)
            if code is not None and code.co_freevars == function.__code__.co_freevars:
                replaced.append((function, function.__code__))
                function.__code__ = code
    assert replaced
    try:
        yield work
    finally:
        for function, code in reversed(replaced):  # a function with two names was replaced twice
            function.__code__ = code
        for module in modules:
            del vars(module)["_work_"]


class _Counters(ast.NodeTransformer):
    """Puts a counter around calls, slices, sums and look-ups, and one into each loop."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node.func:
            case ast.Name(id=name) if name in _FREE:
                return node
            case ast.Attribute(attr=name) if name in _FREE_METHODS:
                return node
        return self._count("call", node.func, *node.args, keywords=node.keywords, at=node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        is_read_slice = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return self._count("part", node, at=node) if is_read_slice else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._count("add", node.left, node.right, at=node) if isinstance(node.op, ast.Add) else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add) or isinstance(node.target, ast.Subscript):
            return node
        read = ast.parse(ast.unparse(node.target), mode="eval").body
        counted = self._count("extend", read, node.value, at=node)
        return ast.copy_location(ast.Assign([node.target], counted), node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.In):
            return node
        return self._count("holds", node.left, node.comparators[0], at=node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._tick(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._tick(node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if not node.is_async:
            node.iter = self._count("each", node.iter, at=node.iter)
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        return node  # defaults belong to the function around

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.value = self.visit(node.value) if node.value else None
        return node

    def _tick(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.copy_location(ast.Expr(self._count("tick", at=node)), node))
        return node

    @staticmethod
    def _count(name: str, *args: Any, at: ast.AST, keywords: Any = ()) -> Any:
        method = ast.Attribute(ast.Name("_work_", ast.Load()), name, ast.Load())
        return ast.copy_location(ast.Call(method, [*args], [*keywords]), at)


@cache
def _compile(module: ModuleType) -> dict[str, CodeType]:
    """Return the code of every function of a module, with counters in it."""
    tree = _Counters().visit(ast.parse(inspect.getsource(module)))
    code = compile(ast.fix_missing_locations(tree), module.__file__ or "", "exec")
    return {inner.co_qualname: inner for inner in _walk(code)}


def _walk(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _walk(constant)


def _find_functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in vars(module).values():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        for member in vars(value).values() if isinstance(value, type) else (value,):
            member = getattr(member, "__func__", None) or getattr(member, "fget", None) or member  # noqa: PLW2901
            member = getattr(member, "__wrapped__", member)  # noqa: PLW2901
            if isinstance(member, FunctionType):
                yield member


def _measure(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Return how many characters a call of someone else's function reads."""
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(owner, str | bytes):
        if name in ("find", "rfind") and len(args) > 1:
            return abs((result if result >= 0 else len(owner)) - args[1])
        return sum(map(_length, args)) if name.endswith("swith") else len(owner) + _length(result)
    if isinstance(owner, re.Pattern):
        begin = args[1] if len(args) > 1 and name != "sub" else 0
        return (result.end() if isinstance(result, re.Match) else max(map(_length, args))) - begin
    if isinstance(owner, JSONDecoder) and name == "raw_decode":
        return int(result[1] - args[1])
    if isinstance(owner, list | dict | set) or type(owner).__name__ == "deque":
        return 1
    return sum(map(_length, (*args, *kwargs.values())))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0
