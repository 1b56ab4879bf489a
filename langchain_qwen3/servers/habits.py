"""How one server and model format their replies, learned from earlier replies.

The model's name only suggests it: Qwen3.5's template opens `<think>` in the prompt, so a server without a reasoning
parser sends the closing tag alone. Only the replies show whether this server has a parser, or thinks at all. Once
this is known, a stream can show text at once; before, it must hold text back that may be thinking or answer.
"""

from __future__ import annotations

from dataclasses import dataclass

_MAX_SERVERS = 1024

Key = tuple[object, ...]


@dataclass(slots=True)
class ReplyHabits:
    """Common properties of the replies of one server and model; thread-safe, because it only assigns attributes.

    Attributes:
        opened: Whether replies begin inside the thinking; None while unknown.
        finishes: Whether its streams end with a finish reason.
        parses_whole: Whether a whole reply has come with a call that the server parsed.
        parses_streams: The same of a stream. `transformers serve` parses whole replies and leaves the calls of
            streams in the text.
    """

    opened: bool | None
    finishes: bool = False
    parses_whole: bool = False
    parses_streams: bool = False

    def note(self, *, opened: bool | None, finishes: bool = False) -> None:
        """Learn from one reply; if it contradicts `opened`, that becomes unknown until the next reply."""
        if opened is not None:
            self.opened = opened if self.opened in (None, opened) else None
        self.finishes = self.finishes or finishes


_habits: dict[Key, ReplyHabits] = {}


def recall_habits(key: Key, *, likely: bool | None) -> ReplyHabits:
    """Return the habits for one kind of call.

    Args:
        key: Server, model and everything else that shapes the start of a reply, such as the thinking switch.
        likely: Initial value of `opened` before the first reply: None if only the reply can show it.
    """
    habits = _habits.get(key)
    if habits is None:
        if len(_habits) >= _MAX_SERVERS:
            _habits.clear()
        habits = _habits[key] = ReplyHabits(likely)
    return habits


def forget_habits() -> None:
    """Forget all habits, for example after a server was replaced."""
    _habits.clear()
