"""LangChain's own integration suite for chat models on vLLM: from cassettes, and live with `make integration-vllm`.

The live server at `$VLLM_BASE_URL` is to be started as `tools/record_cassettes.py` starts it: on the tiny Qwen3 or
another model, with both parsers and `--enable-prompt-tokens-details`.
"""

from __future__ import annotations

import os
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.detection import forget_servers
from tests.cassettes import API_KEY, CASSETTES, RECORD_FROM, block_sockets, find_base_url, open_cassette

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from vcr.cassette import Cassette

TEXT_ALONE = "Qwen3-0.6B reads text alone, and vLLM answers 400 to media"
FIRST_NAME = "vLLM answers under the first of its served names, whichever was asked for"
LIMITS = {
    "test_image_inputs": TEXT_ALONE,
    "test_image_tool_message": TEXT_ALONE,
    "test_audio_inputs": TEXT_ALONE,
    "test_pdf_inputs": "vLLM takes no files",
    "test_pdf_tool_message": "vLLM takes no files",
    "test_anthropic_inputs": "vLLM's chat completions take OpenAI's content parts, not Anthropic's",
    "test_invoke_with_model_override": FIRST_NAME,
    "test_ainvoke_with_model_override": FIRST_NAME,
    "test_stream_with_model_override": FIRST_NAME,
    "test_astream_with_model_override": FIRST_NAME,
}
"""Tests that cannot be passed there, and why."""
LEARNED_AS_CALL = "test_structured_output_optional_param"
"""What it asks first the tiny model learned to answer by a call; as JSON it never ends, for a grammar allows spaces."""


class OnVllm(ChatModelIntegrationTests):
    """The suite, with everything that vLLM can do switched on."""

    base_url: str
    api_key: str
    method: str | None
    limits = LIMITS
    model_name = "Qwen/Qwen3-0.6B"

    @pytest.fixture(autouse=True)
    def _limits(self, request: pytest.FixtureRequest) -> None:
        if reason := self.limits.get(request.node.originalname):
            pytest.skip(reason)
        self.method = "function_calling" if request.node.originalname == LEARNED_AS_CALL else None

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatQwen3

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": self.model_name,
            "base_url": self.base_url,
            "api_key": self.api_key,
            "temperature": 0,
            "max_tokens": 512,
            "transport": "httpx",
        }

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[Any, Any]:
        details = ["reasoning_output", "cache_read_input"]
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


class TestChatQwen3OnVllmRecorded(OnVllm):
    """Protects that everything LangChain promises of a chat model holds against vLLM, as it answered when recorded."""

    base_url = find_base_url("vllm")
    api_key = API_KEY

    @pytest.fixture(autouse=True)
    def vcr(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
        """Take the place of pytest-recording's fixture, which `test_stream_time` asks for."""
        forget_servers()
        if "vllm" not in RECORD_FROM:
            block_sockets(monkeypatch)
        name = request.node.name.replace("[", "-").rstrip("]")
        with open_cassette(CASSETTES / "vllm" / "standard" / f"{name}.yaml.gz", "vllm", repeats=True) as cassette:
            yield cassette

    @property
    def enable_vcr_tests(self) -> bool:
        return True


@pytest.mark.vllm
class TestChatQwen3OnVllm(OnVllm):
    """Protects the same against the vLLM that is installed today."""

    base_url = os.getenv("VLLM_BASE_URL", "")
    api_key = os.getenv("VLLM_API_KEY", "EMPTY")
    model_name = os.getenv("VLLM_MODEL", OnVllm.model_name)
    limits = LIMITS | {"test_stream_time": "it times the client alone, so it needs a recording"}

    @pytest.fixture(autouse=True)
    def _served(self) -> None:
        assert self.base_url, "set VLLM_BASE_URL, such as http://localhost:8000/v1"
