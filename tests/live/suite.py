"""LangChain's suite for chat models on a live server, with ChatQwen3 or ChatOpenAI; run by `make servers`.

The server is told in the environment: LIVE_BASE_URL, LIVE_MODEL, LIVE_API_KEY, LIVE_CLASS, LIVE_SERVER.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_qwen3 import ChatQwen3

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class TestLive(ChatModelIntegrationTests):
    """The suite, with nothing switched off that LangChain switches on by itself."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """The class under test."""
        return {"ChatQwen3": ChatQwen3, "ChatOpenAI": ChatOpenAI}[os.environ["LIVE_CLASS"]]

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Where the server is."""
        own = {"server": os.getenv("LIVE_SERVER", "auto")} if self.chat_model_class is ChatQwen3 else {}
        return {
            "model": os.environ["LIVE_MODEL"],
            "base_url": os.environ["LIVE_BASE_URL"],
            "api_key": os.getenv("LIVE_API_KEY", "EMPTY"),
            "temperature": 0,
            "max_tokens": 512,
            "timeout": 120,
            **own,
        }

    @property
    def supports_json_mode(self) -> bool:
        """Every Qwen3 server is asked for JSON."""
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        """Anthropic's content blocks are something that ChatQwen3 takes and ChatOpenAI does not."""
        return self.chat_model_class is ChatQwen3
