r"""Counts the steps of a regular expression: a backtracking matcher in Python, over the parse tree of `re`.

The real engine keeps no count, and time says little on a machine that does other things as well. Groups that are
referred to (`\\1`) match nothing here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from re import (
    _constants as codes,  # type: ignore[attr-defined]
    _parser as parser,  # type: ignore[attr-defined]
)
from typing import Any

_Next = Callable[[int], bool]
_Match = Callable[[int, _Next], bool]

_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    codes.CATEGORY_DIGIT: str.isdecimal,
    codes.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    codes.CATEGORY_SPACE: str.isspace,
    codes.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    codes.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    codes.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}
_CHARACTERS = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)


def _build_branch(ways: list[_Match]) -> _Match:
    def match(at: int, then: _Next) -> bool:
        # Not `any`: Python 3.12 limits the depth of calls through C, whatever the recursion limit is.
        for way in ways:  # noqa: SIM110
            if way(at, then):
                return True
        return False

    return match


class _TooManyError(Exception):
    """There are more steps than anybody waits for."""


class Steps:
    """A pattern whose steps are counted.

    Attributes:
        done: Steps so far.
    """

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self.done = 0
        self.tree = parse(pattern)
        self._flags = pattern.flags
        self._text = ""
        self._most: float = 20_000
        self._match = self._build(self.tree)

    def count(self, text: str, *, everywhere: bool, most: float = 20_000) -> float:
        """Return the steps over a text; infinity as soon as there are more than `most`.

        Args:
            text: The text.
            everywhere: Whether the pattern is searched for, as by `finditer`; else it is tried at the beginning alone.
            most: When to stop.
        """
        self._text, self.done, self._most, at = text, 0, most, 0
        try:
            while at <= (len(text) if everywhere else 0):
                ends: list[int] = []
                self._match(at, lambda end: ends.append(end) or True)  # type: ignore[func-returns-value]  # noqa: B023
                at = max(ends[0], at + 1) if ends else at + 1
        except _TooManyError:
            return float("inf")
        return self.done

    def matches(self, text: str) -> bool:
        """Return whether the pattern matches at the beginning of a text."""
        self._text, self.done = text, 0
        return self._match(0, lambda _: True)

    def _build(self, nodes: Any) -> _Match:
        matches = [self._build_node(code, value) for code, value in nodes]

        def match(at: int, then: _Next, number: int = 0) -> bool:
            if number == len(matches):
                return then(at)
            return matches[number](at, lambda end: match(end, then, number + 1))

        return match

    def _build_node(self, code: Any, value: Any) -> _Match:  # noqa: PLR0911  # one line for each kind of node
        if code in _CHARACTERS:
            return self._build_character(code, value)
        if code is codes.BRANCH:
            return _build_branch([self._build(nodes) for nodes in value[1]])
        if code is codes.SUBPATTERN:
            return self._build(value[3])
        if code is codes.ATOMIC_GROUP:
            return self._build_atomic(self._build(value))
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._build_repeat(*value, lazy=code is codes.MIN_REPEAT)
        if code is codes.POSSESSIVE_REPEAT:
            return self._build_atomic(self._build_repeat(*value, lazy=False))
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            inner, back = self._build(value[1]), value[1].getwidth()[0] if value[0] < 0 else 0
            wanted = code is codes.ASSERT
            return lambda at, then: (at >= back and inner(at - back, lambda _: True)) is wanted and then(at)
        if code is codes.AT:
            return lambda at, then: self._is_at(value, at) and then(at)
        return lambda _at, _then: False  # a group that is referred to

    def _build_character(self, code: Any, value: Any) -> _Match:
        def match(at: int, then: _Next) -> bool:
            self._step()
            return at < len(self._text) and self._fits(code, value, self._text[at]) and then(at + 1)

        return match

    def _step(self) -> None:
        self.done += 1
        if self.done > self._most:
            raise _TooManyError

    def _fits(self, code: Any, value: Any, char: str) -> bool:
        if code is codes.ANY:
            return char != "\n" or bool(self._flags & re.DOTALL)
        if code is codes.IN:
            negated = value[0][0] is codes.NEGATE
            return any(self._fits(*item, char) for item in value[negated:]) is not negated
        if code is codes.CATEGORY:
            return _CATEGORIES[value](char)
        forms = {char, char.lower(), char.upper()} if self._flags & re.IGNORECASE else {char}
        if code is codes.RANGE:
            return any(value[0] <= ord(form) <= value[1] for form in forms if len(form) == 1)
        return (chr(value) in forms) is (code is codes.LITERAL)

    def _build_repeat(self, low: int, high: Any, nodes: Any, *, lazy: bool) -> _Match:
        inner = self._build(nodes)
        most = 1 << 30 if high is codes.MAXREPEAT else high

        def match(at: int, then: _Next, count: int = 0) -> bool:
            self._step()

            def repeat() -> bool:
                return count < most and inner(at, lambda end: (end > at or count < low) and match(end, then, count + 1))

            if count < low:
                return repeat()
            return then(at) or repeat() if lazy else repeat() or then(at)

        return match

    def _build_atomic(self, inner: _Match) -> _Match:
        def match(at: int, then: _Next) -> bool:
            ends: list[int] = []
            return inner(at, lambda end: ends.append(end) or True) and then(ends[0])  # type: ignore[func-returns-value]

        return match

    def _is_at(self, kind: Any, at: int) -> bool:
        text = self._text
        before, after = text[at - 1 : at] if at else "", text[at : at + 1]
        if kind in (codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY):
            is_word = [bool(re.match(r"\w", side)) for side in (before, after)]
            return (is_word[0] != is_word[1]) is (kind is codes.AT_BOUNDARY)
        if kind in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            return at == 0 or (kind is codes.AT_BEGINNING and bool(self._flags & re.MULTILINE) and before == "\n")
        return at == len(text) or (kind is codes.AT_END and after == "\n")


def parse(pattern: re.Pattern[Any]) -> Any:
    """Return a pattern's parse tree; bytes are read as Latin-1."""
    source = pattern.pattern
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    return parser.parse(text, pattern.flags & ~re.UNICODE if isinstance(source, bytes) else pattern.flags)


def write_pieces(tree: Any, tries: int = 6) -> list[str]:
    """Return texts that begin as the pattern does: repeated, they make it start again and again, in vain."""
    pieces: dict[str, None] = {}
    for seed in range(tries):
        dice, text = random.Random(seed), ""
        for part in _write_nodes(tree, dice):
            text += part
            pieces[text] = None
            pieces[part] = None
    return [piece for piece in pieces if piece]


def _write_nodes(nodes: Any, dice: random.Random) -> Iterator[str]:
    for code, value in nodes:
        if code in _CHARACTERS:
            yield _write_character(code, value, dice)
        elif code is codes.BRANCH:
            yield from _write_nodes(dice.choice(value[1]), dice)
        elif code is codes.SUBPATTERN:
            yield from _write_nodes(value[3], dice)
        elif code is codes.ATOMIC_GROUP:
            yield from _write_nodes(value, dice)
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            for _ in range(max(value[0], dice.randrange(2))):
                yield from _write_nodes(value[2], dice)


def _write_character(code: Any, value: Any, dice: random.Random) -> str:
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.IN and value[0][0] is not codes.NEGATE:
        kind, item = dice.choice(value)
        if kind is codes.LITERAL:
            return chr(item)
        if kind is codes.RANGE:
            return chr(dice.choice(item))
        return next(char for char in "7 a!" if _CATEGORIES[item](char))
    return "x"
