"""How the replies of one server and model come, learned from those that came.

A name says what is likely: Qwen3.5's template opens `<think>` in the prompt, so a server without a reasoning parser
sends the closing tag alone. Whether this server has a parser, or thinks at all, only its replies say. What is learned
lets a stream show text at once that has to be held while nobody knows whether it is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

_MOST = 1024

Key = tuple[object, ...]


@dataclass(slots=True)
class ReplyHabits:
    """What the replies of one server and model have in common; assignments are all that threads share.

    Attributes:
        opened: Whether replies begin inside the thinking; None while nobody knows.
        finishes: Whether its streams end with a finish reason.
    """

    opened: bool | None
    finishes: bool = False

    def note(self, *, opened: bool | None, finishes: bool) -> None:
        """Take what one reply told; if it contradicts the belief, nobody knows, and the next reply tells."""
        if opened is not None:
            self.opened = opened if self.opened in (None, opened) else None
        self.finishes = self.finishes or finishes


_habits: dict[Key, ReplyHabits] = {}


def recall_habits(key: Key, *, likely: bool | None) -> ReplyHabits:
    """Return what is known of the replies of one kind of call.

    Args:
        key: Server, model and what else shapes the beginning of a reply, such as the thinking switch.
        likely: What is believed before the first reply: None where it has to tell.
    """
    habits = _habits.get(key)
    if habits is None:
        if len(_habits) >= _MOST:
            _habits.clear()
        habits = _habits[key] = ReplyHabits(likely)
    return habits


def forget_habits() -> None:
    """Forget them all, as when a server was replaced."""
    _habits.clear()
