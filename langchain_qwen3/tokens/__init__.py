"""Counts the tokens of a text or a conversation: by the server, with Qwen's own vocabulary, or by an estimate."""

from langchain_qwen3.tokens.estimate import estimate_tokens

__all__ = ["estimate_tokens"]
