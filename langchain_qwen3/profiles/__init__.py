"""Facts about each line of Qwen3 models: one row per line, and functions to find it by a model's name."""

from langchain_qwen3.profiles.lines import MODEL_LINES, ModelLine, Sampling
from langchain_qwen3.profiles.lookup import build_profile, can_chat, find_line, normalise_name, resolve_line

__all__ = [
    "MODEL_LINES",
    "ModelLine",
    "Sampling",
    "build_profile",
    "can_chat",
    "find_line",
    "normalise_name",
    "resolve_line",
]
