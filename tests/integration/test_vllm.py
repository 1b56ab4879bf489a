"""LangChain's own integration suite for chat models on vLLM: from cassettes, and live with `make integration-vllm`.

The live server at `$VLLM_BASE_URL` is to be started as `tools/record_cassettes.py` starts it: on the tiny Qwen3 or
another model, with both parsers, `--tool-strict-level parameter` and `--enable-prompt-tokens-details`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cassettes import API_KEY, CASSETTES, RECORD_FROM, block_sockets, find_base_url, open_cassette
from tests.support.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vcr.cassette import Cassette

TEXT_ALONE = "Qwen3-0.6B reads text alone, and vLLM answers 400 to media"
FIRST_NAME = "vLLM answers under the first of its served names, whichever was asked for"
LIMITS = {
    "test_image_inputs": TEXT_ALONE,
    "test_image_tool_message": TEXT_ALONE,
    "test_audio_inputs": TEXT_ALONE,
    "test_pdf_inputs": "vLLM does not accept files",
    "test_pdf_tool_message": "vLLM does not accept files",
    "test_invoke_with_model_override": FIRST_NAME,
    "test_ainvoke_with_model_override": FIRST_NAME,
    "test_stream_with_model_override": FIRST_NAME,
    "test_astream_with_model_override": FIRST_NAME,
}
"""Tests that cannot be passed there, and why."""
LEARNED_AS_CALL = "test_structured_output_optional_param"
"""What it asks first the tiny model learned to answer by a call; as JSON it never ends, for a grammar allows spaces."""


class OnVllm(Standard):
    """The suite, with everything that vLLM can do switched on."""

    api_key: str
    method: str | None
    limits = LIMITS
    usage_details = ("reasoning_output", "cache_read_input")

    @pytest.fixture(autouse=True)
    def _method(self, request: pytest.FixtureRequest) -> None:
        self.method = "function_calling" if request.node.originalname == LEARNED_AS_CALL else None

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "api_key": self.api_key, "transport": "httpx"}

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method}


class TestChatQwen3OnVllmRecorded(OnVllm):
    """Protects that everything LangChain promises of a chat model holds against vLLM, as it answered when recorded."""

    base_url = find_base_url("vllm")
    api_key = API_KEY

    @pytest.fixture(autouse=True)
    def vcr(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
        """Take the place of pytest-recording's fixture, which `test_stream_time` asks for."""
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
    model_name = os.getenv("VLLM_MODEL", Standard.model_name)
    limits = LIMITS | {"test_stream_time": "it times the client alone, so it needs a recording"}

    @pytest.fixture(autouse=True)
    def _served(self) -> None:
        assert self.base_url, "set VLLM_BASE_URL, such as http://localhost:8000/v1"
