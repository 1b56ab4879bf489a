"""A real Qwen3 engine on this machine, and the download of its model."""

from langchain_qwen3.local.server import LocalServer, ReasoningFormat

__all__ = ["LocalServer", "ReasoningFormat"]
