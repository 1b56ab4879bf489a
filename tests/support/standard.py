"""LangChain's own integration suite for chat models, with everything switched on that a Qwen3 server can do."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_qwen3 import ChatQwen3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage


class Standard(ChatModelIntegrationTests):
    """The suite for one server.

    Attributes:
        base_url: Where it answers.
        model_name: What it serves.
        usage_details: What it counts beside the plain numbers.
        limits: Tests that cannot be passed there, and why.
    """

    base_url: str
    model_name = "Qwen/Qwen3-0.6B"
    usage_details: tuple[str, ...] = ("cache_read_input",)
    limits: Mapping[str, str]

    @pytest.fixture(autouse=True)
    def _limits(self, request: pytest.FixtureRequest) -> None:
        if reason := self.limits.get(request.node.originalname):
            pytest.skip(reason)

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatQwen3

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": self.model_name, "base_url": self.base_url, "temperature": 0, "max_tokens": 512}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[Any, Any]:
        details = list(self.usage_details)
        return {"invoke": details, "stream": details}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._ask("你好", stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        long_question = "你好" * 200
        self._ask(long_question, stream=stream, max_tokens=1)
        return self._ask(long_question, stream=stream, max_tokens=1)

    def _ask(self, question: str, *, stream: bool, **kwargs: Any) -> AIMessage:
        model = ChatQwen3(**self.chat_model_params)
        return reduce(add, model.stream(question, **kwargs)) if stream else model.invoke(question, **kwargs)
