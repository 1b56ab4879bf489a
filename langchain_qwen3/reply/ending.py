"""Why a reply ended, and whether that was the model's own end. Sans-IO."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from langchain_qwen3.reply.fields import says_something

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.call import ReplyOptions

_PATIENCE = 2
"""Heartbeats after the model's end until the stream counts as over: nothing but `[DONE]` is missing then."""

_STOPPED = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence", "completed", None})
_FINISHED = _STOPPED | {"tool_calls", "tool_use", "function_call"}
_GIVEN_UP = re.compile(r"error|abort|cancel|fail|timeout|interrupt|disconnect", re.IGNORECASE)


def read_reason(choice: Mapping[str, Any]) -> str | None:
    """Return why a choice ended, None while it has not.

    OpenRouter writes `stop` for whatever ended at its provider and says beside it that the network failed
    (`native_finish_reason: "network_error"`); that word then is the reason.
    """
    reason = choice.get("finish_reason") or None
    native = choice.get("native_finish_reason")
    if reason and is_finished(reason) and isinstance(native, str) and _GIVEN_UP.search(native):
        return native
    return reason


def is_stopped(reason: str | None) -> bool:
    """Whether the model ended its text by itself, without a call."""
    return reason in _STOPPED


def is_finished(reason: str | None) -> bool:
    """Whether the model ended by itself. `length`, `abort` and every word nobody knows mean that it did not."""
    return reason in _FINISHED


class StreamEnd:
    """What is known of a stream's end.

    Attributes:
        reason: Why the model ended, None while it has not.
        over: True while there is a reason and no text came after it.
        done: True once nothing more is to come: `[DONE]`, or the usage or heartbeats behind the end.
    """

    __slots__ = ("_heartbeats", "done", "over", "reason")

    def __init__(self) -> None:
        self.reason: str | None = None
        self.over = self.done = False
        self._heartbeats = 0

    def take_reason(self, choice: Mapping[str, Any]) -> None:
        """Take a finish reason; one that tells of a cut stays (Xinference follows `length` by `stop`)."""
        self.over = True
        if self.reason is None or is_finished(self.reason):
            self.reason = read_reason(choice)

    def take_late(self, delta: Mapping[str, Any] | None, usage: object) -> None:
        """Take what comes after the end: usage is the last of a stream, text shows that it was no end."""
        if says_something(delta):
            self.over = self.done = False  # some servers write `stop` on every piece of the reasoning
        elif usage:
            self.done = self.done or self.over

    def take_heartbeat(self) -> None:
        """Take a sign of life after the end: a server that goes on with them sends no `[DONE]`."""
        self._heartbeats += 1
        self.done = self.done or self._heartbeats >= _PATIENCE

    def find_problem(self, options: ReplyOptions, *, said: bool) -> str | None:
        """Return what is wrong with the end that came, None for nothing.

        Args:
            options: Whether this server gives reasons, as its row or its earlier streams tell.
            said: Whether an answer or a call came.
        """
        if self.over or (self.done and self.reason is not None):
            return None
        if self.done:
            # llama-cpp-python ends a stream so that another request interrupted.
            gives_reasons = options.finishes or (options.habits is not None and options.habits.finishes)
            return "the stream ended without a finish_reason: it was broken off" if gives_reasons or not said else None
        if self.reason is None:
            return "the stream ended without a finish_reason and without [DONE]"
        return "the stream ended without [DONE], in the text that came after a finish_reason"
