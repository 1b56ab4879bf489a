"""Reads why a reply ended, and whether the model ended it by itself. Sans-IO."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from langchain_qwen3.reply.fields import has_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.call import ReplyOptions

_PATIENCE = 2
"""Heartbeats after the finish reason until the stream counts as complete: only `[DONE]` is missing then."""

_STOPPED = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence", "completed", "normal", None})
"""`normal` is Qianfan's word for an answer that nothing cut (https://cloud.baidu.com/doc/WENXINWORKSHOP/s/Fm2vrveyu)."""

_FINISHED = _STOPPED | {"tool_calls", "tool_use", "function_call"}
_WORDS: dict[str, str | None] = {
    **{word: word for word in (*_FINISHED, "length", "content_filter") if word},
    # The first was mlx-lm's until January 2026: https://github.com/ml-explore/mlx-lm/pull/782.
    **dict.fromkeys(("tool_call", "tool-call", "tool-calls", "tooluse", "function_calls"), "tool_calls"),
    # Of other APIs, whose words gateways pass on: https://github.com/ferro-labs/ai-gateway/issues/142.
    **dict.fromkeys(("max_tokens", "max_output_tokens", "max_length", "model_length"), "length"),
    "model_context_window_exceeded": "length",
    # A missing reason as text: https://github.com/PowerShell/AIShell/issues/350 (KoboldCpp).
    **dict.fromkeys(("null", "none", "nil", "<nil>", "undefined")),
}
"""What servers write, in small letters, and the reason that they mean."""
_GIVEN_UP = re.compile(
    r"error|abort|cancel|fail|time(d?_?out|_limit)|interrupt|disconnect|insufficient|overload", re.IGNORECASE
)  # https://ibm.github.io/watsonx-ai-node-sdk/interfaces/1_6_x.WatsonXAI.TextChatResultChoice-1.html


def read_reason(choice: Mapping[str, Any]) -> str | None:
    """Return why a choice ended; None while it has not.

    OpenRouter writes `stop` for any end at its provider, and reports a network failure only in
    `native_finish_reason: "network_error"`; then that is the reason returned, as for every other cut.
    """
    reason = _read_word(choice.get("finish_reason"))
    native = _read_word(choice.get("native_finish_reason"))
    return native if reason and is_finished(reason) and is_cut(native) else reason


def _read_word(reason: Any) -> str | None:
    """Return a reason in OpenAI's spelling: there are also `STOP`, `"null"`, and SGLang's own `{"type": "stop"}`."""
    if isinstance(reason, dict):
        reason = reason.get("type")
    word = str(reason or "null")
    return _WORDS.get(word.lower(), word)


def read_limit(reason: str | None, usage: object, options: ReplyOptions) -> str | None:
    """Return the reason, or `length` if a reply with calls has used up its tokens, or the context.

    vLLM then writes `tool_calls` (measured on 0.32.0, whole replies):
    https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/entrypoints/openai/chat_completion/serving.py
    """
    if reason != "tool_calls" or not isinstance(usage, dict):
        return reason
    ends = ((usage.get("completion_tokens"), options.max_tokens), (usage.get("total_tokens"), options.context))
    return "length" if any(limit and used == limit > 0 for used, limit in ends) else reason


def is_stopped(reason: str | None) -> bool:
    """Whether the model ended its text by itself, without a call."""
    return reason in _STOPPED


def is_finished(reason: str | None) -> bool:
    """Whether the model ended by itself. `length`, `abort` and every unknown reason mean that it did not."""
    return reason in _FINISHED


def is_cut(reason: str | None) -> bool:
    """Whether something other than the model ended it; an unknown reason may be a server's own word for calls."""
    return reason in ("length", "content_filter") or is_given_up(reason)


def is_given_up(reason: str | None) -> bool:
    """Whether the reason says that the server broke the reply off, such as SGLang's `abort`."""
    return reason is not None and _GIVEN_UP.search(reason) is not None


def describe_cut(reason: str | None) -> str:
    """Return in words that something other than the model ended a reply; an empty text if nothing did."""
    if reason == "length":
        return "truncated: the token limit was reached"
    return "" if is_finished(reason) else f"broken off: the server ended it with {reason!r}"


class StreamEnd:
    """Tracks the end of a stream.

    Attributes:
        reason: Why the model ended; None while it has not.
        over: Whether a reason came and no text came after it.
        certain: Whether the reason is the end even if nothing follows; one that means a cut is. Some servers write
            `stop`, or a word of their own, on every piece or after the reasoning: that is uncertain before the answer,
            and when it is repeated on a piece of text.
        done: Whether the stream is complete: `[DONE]` came, or usage or heartbeats after a certain finish reason.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.over = self.certain = self.done = False
        self._passed: str | None = None  # the reason after which text came
        self._heartbeats = 0

    def take_reason(self, reason: str, delta: Mapping[str, Any] | None, *, answered: bool) -> None:
        """Take a finish reason; one that means a cut is kept (Xinference sends `stop` after `length`).

        So is an unknown one, unless a cut or text came after it: text shows that it was no end.

        Args:
            reason: Why the model ended.
            delta: The delta of the same event.
            answered: Whether an answer or a call came before it.
        """
        answered = answered or bool(delta and (delta.get("content") or delta.get("tool_calls")))
        is_repeated = self.reason is not None and has_content(delta)
        if is_repeated:
            self._passed = self.reason
        self.over = True
        if not is_cut(self.reason) and (is_finished(self.reason) or is_cut(reason) or self.reason == self._passed):
            self.reason = reason
        # https://github.com/open-webui/open-webui/issues/16377
        self.certain = is_cut(self.reason) or (answered and not is_repeated)

    def take_late(self, delta: Mapping[str, Any] | None, usage: object) -> None:
        """Take an event after the finish reason: usage completes the stream, text means that it has not ended."""
        if has_content(delta):
            self.over = self.certain = self.done = False
            self._passed = self.reason
        elif usage:
            self.done = self.done or self.certain

    def take_heartbeat(self) -> None:
        """Take a heartbeat after the finish reason: a server that keeps sending them sends no `[DONE]`."""
        self._heartbeats += 1
        self.done = self.done or (self.certain and self._heartbeats >= _PATIENCE)

    def find_problem(self, options: ReplyOptions, *, has_answer: bool) -> str | None:
        """Return what is wrong with the stream's end, or None.

        Args:
            options: Its `finishes` and `habits` say whether this server sends finish reasons.
            has_answer: Whether an answer or a call came, and no text of another kind.
        """
        if self.over or (self.done and self.reason is not None):
            return None
        if self.done:
            # llama-cpp-python ends a stream like this when another request interrupts it.
            gives_reasons = options.finishes or (options.habits is not None and options.habits.finishes)
            return "the stream ended without a finish_reason: it was cut" if gives_reasons or not has_answer else None
        if self.reason is None:
            return "the stream ended without a finish_reason and without [DONE]"
        return "the stream ended without [DONE], while text still followed a finish_reason"
