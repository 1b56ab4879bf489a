"""What is learned of a server's replies: what contradicts it makes it unknown, and the next reply tells."""

from __future__ import annotations

import pytest

from langchain_qwen3.servers.habits import ReplyHabits, forget_habits, recall_habits


@pytest.mark.parametrize(
    ("likely", "replies", "expected"),
    [
        (None, [True], True),
        (None, [False], False),
        (None, [None], None),
        (True, [True, None], True),
        (True, [False], None),
        (True, [False, False], False),
        (False, [True], None),
        (False, [True, True], True),
    ],
)
def test_belief_follows_what_replies_tell(likely: bool | None, replies: list[bool | None], expected: bool | None):
    """Protects streams of a server that was started anew with other flags: one odd reply turns nothing round."""
    habits = ReplyHabits(likely)
    for opened in replies:
        habits.note(opened=opened, finishes=False)
    assert habits.opened is expected


def test_habits_are_kept_by_key_until_they_are_forgotten():
    """Protects models of one process: each server, model and switch has habits of its own."""
    recall_habits("a", "m", (1,), likely=None).note(opened=True, finishes=True)
    assert recall_habits("a", "m", (1,), likely=None) == ReplyHabits(opened=True, finishes=True)
    assert recall_habits("a", "m", (2,), likely=False) == ReplyHabits(opened=False)
    forget_habits()
    assert recall_habits("a", "m", (1,), likely=None) == ReplyHabits(opened=None)


def test_parser_is_known_with_and_without_thinking_when_one_reply_showed_it():
    """Protects from quoted calls: a server's parser is the same for every kind of call to a model."""
    recall_habits("a", "m", (True,), likely=None).parses.add("stream")
    assert recall_habits("a", "m", (False,), likely=None).parses == {"stream"}
    assert recall_habits("a", "other", (True,), likely=None).parses == set()
    forget_habits()
    assert recall_habits("a", "m", (True,), likely=None).parses == set()
