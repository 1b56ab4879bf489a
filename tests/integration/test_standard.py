"""LangChain's own integration suite for chat models, live on the embedded llama.cpp engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_qwen3 import ChatQwen3

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from langchain_qwen3.local import LocalServer


class TestChatQwen3OnLlamaCpp(ChatModelIntegrationTests):
    """Protects that everything LangChain promises of a chat model holds against a real engine."""

    @pytest.fixture(autouse=True)
    def _served(self, engine: LocalServer) -> None:
        type(self).server = engine

    server: LocalServer

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatQwen3

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": self.server.model,
            "base_url": self.server.base_url,
            "temperature": 0,
            "max_tokens": 512,
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return False
