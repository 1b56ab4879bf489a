"""How one server and model format their replies, learned from earlier replies.

The model's name only suggests it: Qwen3.5's template opens `<think>` in the prompt, so a server without a reasoning
parser sends the closing tag alone. Only the replies show whether this server has a parser, or thinks at all. Once
this is known, a stream can show text at once; before, it must hold text back that may be thinking or answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_MAX_SERVERS = 1024

Key = tuple[object, ...]


@dataclass(slots=True)
class ReplyHabits:
    """Common properties of the replies of one server and model; thread-safe, because it only assigns attributes.

    Attributes:
        opened: Whether replies begin inside the thinking; None while unknown.
        finishes: Whether its streams end with a finish reason when the model stops by itself.
        parses: The kinds of reply, `whole` and `stream`, that have come with a call that the server parsed.
            `transformers serve` parses whole replies and leaves the calls of streams in the text. All habits of a
            server and model share them, because a parser reads calls with and without thinking.
    """

    opened: bool | None
    finishes: bool = False
    parses: set[str] = field(default_factory=set)

    def note(self, *, opened: bool | None, finishes: bool = False) -> None:
        """Learn from one reply; if it contradicts `opened`, that becomes unknown until the next reply."""
        if opened is not None:
            self.opened = opened if self.opened in (None, opened) else None
        self.finishes = self.finishes or finishes


_habits: dict[Key, ReplyHabits] = {}
_parses: dict[Key, set[str]] = {}


def recall_habits(base_url: str, model: str, kind: Key, *, likely: bool | None) -> ReplyHabits:
    """Return the habits for one kind of call.

    Args:
        base_url: The server.
        model: The model's name there.
        kind: What shapes the start of a reply besides, such as the thinking switch.
        likely: Initial value of `opened` before the first reply: None if only the reply can show it.
    """
    server = base_url, model
    habits = _habits.get((server, kind))
    if habits is None:
        if len(_habits) >= _MAX_SERVERS:
            forget_habits()
        parses = _parses.setdefault(server, set())
        habits = _habits[server, kind] = ReplyHabits(likely, parses=parses)
    return habits


def forget_habits() -> None:
    """Forget all habits, for example after a server was replaced."""
    _habits.clear()
    _parses.clear()
