"""A prompt that is too long is recognised in every server's words, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.errors.overflow import is_overflow, read_limit, read_prompt_tokens

OVERFLOWS = json.loads((Path(__file__).parent / "wire_errors" / "overflow_texts.json").read_text("utf-8"))
NO_OVERFLOWS = (
    "max_tokens=100000 cannot be greater than max_model_len=4096. Please request fewer output tokens.",
    "max_completion_tokens is too large: 9.This model supports at most 8 completion tokens.",
    "Range of max_tokens should be [1, 8192]",
    "max_completion_tokens (9000) exceeds the model's maximum output length",
    "Request too large for model `qwen` on tokens per minute (TPM): Limit 6000, Requested 9000, reduce the message.",
    "The image is too large: at most 20 MB",
    "Input image exceeds the maximum number of pixels",
    "tool name exceeds maximum length of 64",
    "top_k must be less than vocabulary size",
    "temperature must be less than 2",
    "the prompt field is required",
    "System message must be at the beginning.",
    "requested 5 tools, maximum is 4",
    "messages: Input should be a valid list",
    "stop: at most 4 sequences",
    "CUDA out of memory",
    "Requested rate limit exceeded: quota of 100 requests, context length irrelevant",
    "number of input images exceeds the limit of 5",
    "The request exceeds the size limit",
    "request headers length exceeded",
    "Message too large (20 MB)",
    "input_schema exceeds maximum length of 1000",
    "messages[0].name is too long: maximum length 100 characters for name",
    "truncate_prompt_tokens should be an int greater than 0",
    "String should have at most 64 characters [type=string_too_long, input_value='x', input_type=str]",
    "min_tokens must be less than or equal to max_tokens",
    "stop sequence length exceeds 64",
    "tool_call_id length exceeds 40 in messages",
    "video prompt: the number of frames (1000) exceeds the maximum number of frames (768)",
    "The video file is too long: input video exceeds the maximum length 40 s",
    "Input audio is too long",
    "图片内容超过10MB",
    "输入参数 temperature 超出取值范围",
    "max_tokens 超过最大值 8192",
    "token 数量超过每分钟限制",
    "请求频率超过限制",
    "tools[0].function.name 长度超过64",
)


@pytest.mark.parametrize("row", OVERFLOWS, ids=lambda row: row["text"][:40])
def test_overflow_is_recognised_when_any_server_says_it(row: dict[str, Any]) -> None:
    """Protects SummarizationMiddleware, and whoever trims to `.limit`: a wrong number is worse than none."""
    text = row["text"]
    assert is_overflow(text)
    assert (read_limit(text), read_prompt_tokens(text)) == (row["limit"], row["prompt_tokens"])


@pytest.mark.parametrize("text", NO_OVERFLOWS)
def test_overflow_is_not_seen_when_another_limit_was_passed(text: str) -> None:
    """Protects a history from being cut for a limit of the output, of requests per minute or of an image."""
    assert not is_overflow(text)
