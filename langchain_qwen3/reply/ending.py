"""Why a reply ended, and whether that was the model's own end. Sans-IO."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

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
