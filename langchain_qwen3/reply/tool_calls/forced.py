"""Checks that a demanded call came."""

from __future__ import annotations

from langchain_core.messages import AIMessage

from langchain_qwen3.call import ToolChoice
from langchain_qwen3.errors import ToolChoiceError


def check_forced_call(message: AIMessage, choice: ToolChoice, reason: str | None) -> None:
    """Raise if a demanded call is missing. An invalid call counts: it reports its own error.

    Args:
        message: The whole reply.
        choice: What was demanded.
        reason: Why the model ended.

    Raises:
        ToolChoiceError: The model answered without the call.
    """
    called = [call["name"] for call in (*message.tool_calls, *message.invalid_tool_calls)]
    if None in called or choice.name in called or (called and choice.name is None):
        return
    wanted = f"tool_choice requires a call of {choice.name}" if choice.name else "tool_choice requires a tool call"
    got = f"the model called {', '.join(map(str, called))}" if called else "the model answered without one"
    why = ": it ran out of max_tokens" if reason == "length" else ""
    raise ToolChoiceError(f"{wanted}, but {got}{why}", reply=message)
