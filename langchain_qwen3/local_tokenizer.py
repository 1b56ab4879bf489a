"""The former place of `LocalTokenizer`, kept for programs that import it from here; use `langchain_qwen3` instead."""

from langchain_qwen3.tokens.local import LocalTokenizer

__all__ = ["LocalTokenizer"]
