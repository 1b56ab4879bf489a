"""How many tokens a text or a conversation has: by the server, by Qwen's own vocabulary, or by an estimate."""

from langchain_qwen3.tokens.estimate import estimate_tokens

__all__ = ["estimate_tokens"]
