"""ChatQwen3: the LangChain chat model for Qwen3 on vLLM, SGLang, llama.cpp, Ollama, DashScope and GPU pods.

All public names are here. Each is imported on first use, so `import langchain_qwen3` is fast.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_qwen3._warnings import UnsupportedSettingWarning
    from langchain_qwen3.chat_model import ChatQwen3
    from langchain_qwen3.errors import (
        BadReplyError,
        Qwen3AuthenticationError,
        Qwen3ConflictError,
        Qwen3ConnectionError,
        Qwen3ContextOverflowError,
        Qwen3Error,
        Qwen3InvalidRequestError,
        Qwen3ModelNotFoundError,
        Qwen3PermissionDeniedError,
        Qwen3RateLimitError,
        Qwen3RequestTimeoutError,
        Qwen3ServerError,
        Qwen3StatusError,
        Qwen3TimeoutError,
        Qwen3UnprocessableEntityError,
        StreamCutError,
        StreamStallError,
        ToolChoiceError,
    )
    from langchain_qwen3.local import LocalServer
    from langchain_qwen3.notebook import display_stream
    from langchain_qwen3.progress import BatchProgress
    from langchain_qwen3.request.constraints import Constraint
    from langchain_qwen3.request.media import read_media
    from langchain_qwen3.request.media_data import MediaError
    from langchain_qwen3.tokens import estimate_tokens
    from langchain_qwen3.tokens.local import LocalTokenizer

__version__ = "0.1.0"
__all__ = [
    "BadReplyError",
    "BatchProgress",
    "ChatQwen3",
    "Constraint",
    "LocalServer",
    "LocalTokenizer",
    "MediaError",
    "Qwen3AuthenticationError",
    "Qwen3ConflictError",
    "Qwen3ConnectionError",
    "Qwen3ContextOverflowError",
    "Qwen3Error",
    "Qwen3InvalidRequestError",
    "Qwen3ModelNotFoundError",
    "Qwen3PermissionDeniedError",
    "Qwen3RateLimitError",
    "Qwen3RequestTimeoutError",
    "Qwen3ServerError",
    "Qwen3StatusError",
    "Qwen3TimeoutError",
    "Qwen3UnprocessableEntityError",
    "StreamCutError",
    "StreamStallError",
    "ToolChoiceError",
    "UnsupportedSettingWarning",
    "display_stream",
    "estimate_tokens",
    "read_media",
]

_HOME = {
    "BatchProgress": "progress",
    "ChatQwen3": "chat_model",
    "Constraint": "request.constraints",
    "LocalServer": "local",
    "LocalTokenizer": "tokens.local",
    "MediaError": "request.media_data",
    "UnsupportedSettingWarning": "_warnings",
    "display_stream": "notebook",
    "estimate_tokens": "tokens",
    "read_media": "request.media",
}
"""The module of each public name; errors are in `errors`."""


def _load(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "ChatQwen3":
        _warn_of_namesake()
        import_module("openai")  # before langchain-core: otherwise the garbage collector scans core's objects, 0.1 s
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)
    return value


if not TYPE_CHECKING:  # a checker that sees it would accept any name in an import
    __getattr__ = _load


def _warn_of_namesake() -> None:
    """Warn if the project `langchain-qwen3` is installed too: its files overwrite this package's."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    with suppress(PackageNotFoundError):
        version("langchain-qwen3")
        warnings.warn(
            "langchain-qwen3 (embeddings) and langchain-qwen3-chat both install the package langchain_qwen3, and one "
            "overwrites the other: pip uninstall langchain-qwen3, then pip install --force-reinstall --no-deps "
            "langchain-qwen3-chat",
            stacklevel=4,
        )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
