"""LangChain's own unit suite for chat models."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_qwen3 import ChatQwen3


class TestChatQwen3Standard(ChatModelUnitTests):
    """Protects that ChatQwen3 is what LangChain expects of a chat model, before any server is asked."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatQwen3

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "Qwen/Qwen3-0.6B"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"QWEN_API_KEY": "key-of-env", "QWEN_BASE_URL": "http://127.0.0.1:1/v1", "QWEN_MODEL": "Qwen3-8B"},
            {},
            {"openai_api_key": "key-of-env", "openai_api_base": "http://127.0.0.1:1/v1", "model_name": "Qwen3-8B"},
        )
