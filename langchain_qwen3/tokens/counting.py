"""Counts tokens: by the server if it can, or by the local tokenizer, or by an estimate.

Nothing is downloaded. The order is by exactness: vLLM, SGLang and llama.cpp count with the tokenizer and the template
they really use; the extra `tokenizer` has Qwen's vocabularies; `estimate_tokens` documents the estimate's error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import openai

from langchain_qwen3.call import check_type
from langchain_qwen3.connections.exchange import fetch_json
from langchain_qwen3.servers.dialect import KWARGS
from langchain_qwen3.servers.facts import find_values
from langchain_qwen3.tokens.estimate import estimate_message_tokens, estimate_tokens
from langchain_qwen3.tokens.wire import build_count_request, build_encode_request, read_count, read_token_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_qwen3.call import Call
    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect
    from langchain_qwen3.tokens.local import LocalTokenizer

_T = TypeVar("_T")
_SECONDS = 5.0


class Counter(NamedTuple):
    """Counts tokens of one model through one server."""

    client: Any
    """The SDK's sync client; None if there is none, as with an async key."""

    base_url: str
    dialect: Dialect
    model: str
    line: ModelLine | None = None
    """The model's line, None if it is unknown."""

    encode: Callable[[str], list[int]] | None = None
    """The user's own tokenizer, which counts before everything else."""

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of a text.

        Raises:
            ImportError: The server cannot return them and the extra `tokenizer` is not installed.
        """
        check_type("text", text, str, "a text")  # before a server is asked
        if self.encode is not None:
            return self.encode(text)
        if counting := self.dialect.token_counting:
            ids = self._ask(build_encode_request(counting, self.base_url, self.model, text), read_token_ids)
            if ids is not None:
                return ids
        return self._load_tokenizer().encode(text)

    def count_text(self, text: str) -> int:
        """Return the number of tokens of a text."""
        try:
            return len(self.encode_text(text))
        except ImportError:
            return estimate_tokens(text)

    def count_messages(self, call: Call) -> int:
        """Return the number of prompt tokens of a request, including its chat template."""
        payload = call.payload
        if self.encode is not None:
            return self._estimate(payload, count=lambda text: len(self.encode_text(text)))
        if counting := self.dialect.token_counting:
            count = self._ask(build_count_request(counting, self.base_url, payload), read_count)
            if count is not None:
                return count
        thinking = not call.reply.thinking_off
        try:
            return self._load_tokenizer().count_messages(
                payload["messages"], payload.get("tools"), thinking, **self._read_switches(payload)
            )
        except ImportError:
            return self._estimate(payload)

    def _read_switches(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the template's other switches, from the fields in which this server takes them."""
        preserve, effort, own = (
            next(find_values(payload, path), None) if path else None
            for path in (self.dialect.preserve, self.dialect.effort, (KWARGS, "reasoning_effort"))
        )
        effort = own or effort  # the user's own `extra_body` gives it to the template itself
        effort = next((word for word, sent in self.dialect.effort_words.items() if sent == effort), effort)
        levels = self.line.efforts if self.line else ()
        switches = {
            "preserve_thinking": preserve,
            "reasoning_effort": effort if effort in levels else None,  # some servers have the thinking switch there
        }
        return {name: value for name, value in switches.items() if value is not None}

    def _estimate(self, payload: dict[str, Any], count: Callable[[str], int] = estimate_tokens) -> int:
        tool_format = self.line.tool_format if self.line else "hermes"
        keeps = self.line is not None and self.line.keeps_reasoning == "all"
        keeps = self._read_switches(payload).get("preserve_thinking", keeps)
        return estimate_message_tokens(
            payload["messages"], payload.get("tools"), tool_format, count, keeps_reasoning=keeps
        )

    def _load_tokenizer(self) -> LocalTokenizer:
        from langchain_qwen3.tokens.local import LocalTokenizer

        return LocalTokenizer(self.line.name if self.line else self.model)

    def _ask(self, request: tuple[str, dict[str, Any]], read: Callable[[Any], _T]) -> _T | None:
        """Return the server's result, or None if it cannot count; a failed count never raises."""
        if self.client is None:
            return None
        try:
            answer = fetch_json(self.client, *request, seconds=_SECONDS)
            return None if answer.error else read(answer.body)
        except (openai.APIError, ValueError, KeyError, TypeError, AttributeError):
            return None
