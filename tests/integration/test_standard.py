"""LangChain's own integration suite for chat models, live on the embedded llama.cpp engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.standard import Standard

if TYPE_CHECKING:
    from langchain_qwen3.local import LocalServer

TEXT_ALONE = "Qwen3-0.6B reads text alone, and llama.cpp answers 500 to media without a projector"
ONE_NAME = "llama.cpp serves one model and answers under its name, whichever was asked for"


class TestChatQwen3OnLlamaCpp(Standard):
    """Protects that everything LangChain promises of a chat model holds against a real engine."""

    limits = {  # noqa: RUF012  # pytest collects instances of its own
        "test_image_inputs": TEXT_ALONE,
        "test_image_tool_message": TEXT_ALONE,
        "test_audio_inputs": TEXT_ALONE,
        "test_pdf_inputs": "llama.cpp does not accept files",
        "test_pdf_tool_message": "llama.cpp does not accept files",
        "test_invoke_with_model_override": ONE_NAME,
        "test_ainvoke_with_model_override": ONE_NAME,
        "test_stream_with_model_override": ONE_NAME,
        "test_astream_with_model_override": ONE_NAME,
        "test_stream_time": "it times the client alone, so it needs a recording: test_vllm has it",
    }

    @pytest.fixture(autouse=True)
    def _served(self, engine: LocalServer) -> None:
        type(self).base_url = engine.base_url
