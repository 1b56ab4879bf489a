"""ChatQwen3: the LangChain chat model for Qwen3 on vLLM, SGLang, llama.cpp, Ollama, DashScope and GPU pods."""

import openai  # noqa: F401 - first: after langchain-core the collector would go through all of that again, 0.1 s

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
from langchain_qwen3.notebook import display_stream
from langchain_qwen3.notices import UnsupportedSettingWarning

__all__ = [
    "BadReplyError",
    "ChatQwen3",
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
]
