"""A real Qwen3 engine on this machine, and where its model comes from."""

from langchain_qwen3.local.server import LocalServer, ReasoningFormat

__all__ = ["LocalServer", "ReasoningFormat"]
