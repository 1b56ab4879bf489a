"""The constructor's arguments for type checkers; a test compares them with the fields.

pydantic shows type checkers each field only under its alias and with its type after validation: they would reject
`max_tokens=`, `stop=` and `api_key="EMPTY"`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from langchain_core.caches import BaseCache
from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.language_models import ModelProfile
from langchain_core.rate_limiters import BaseRateLimiter
from pydantic import SecretStr

ServerName = Literal[
    "auto",
    "vllm",
    "vllm-ascend",
    "aphrodite",
    "sglang",
    "ktransformers",
    "llama.cpp",
    "docker",
    "lemonade",
    "ramalama",
    "jan",
    "ollama",
    "lmstudio",
    "tgi",
    "transformers",
    "lmdeploy",
    "xinference",
    "ms-swift",
    "swift",
    "mlx-lm",
    "tensorrt-llm",
    "tabbyapi",
    "llama-cpp-python",
    "dashscope",
    "openrouter",
    "siliconflow",
    "modelscope",
    "cerebras",
    "groq",
    "fireworks",
    "together",
    "deepinfra",
    "nvidia",
    "huggingface",
    "qianfan",
    "tokenhub",
    "novita",
    "ppio",
    "nebius",
    "scaleway",
    "ovhcloud",
    "sambanova",
    "cloudflare",
    "bedrock",
    "baseten",
    "vercel",
    "litellm",
    "new-api",
    "one-api",
    "gpustack",
    "generic",
]
"""Values of `server=`."""


class Arguments(TypedDict, total=False):
    """Keywords of `ChatQwen3(...)`, each documented at its field."""

    # the server
    model: str | None
    model_name: str | None
    base_url: str | None
    openai_api_base: str | None
    api_key: str | SecretStr | Callable[[], str] | Callable[[], Awaitable[str]] | None
    openai_api_key: str | SecretStr | Callable[[], str] | Callable[[], Awaitable[str]] | None
    organization: str | None
    openai_organization: str | None
    server: ServerName
    model_line: str | None
    # thinking and history
    enable_thinking: bool | None
    thinking_budget: int | None
    reasoning_effort: str | None
    reasoning: dict[str, Any] | None
    return_reasoning: bool
    reasoning_history: Literal["auto", "all", "none"]
    preserve_thinking: bool | None
    normalize_messages: bool
    # sampling and limits
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    sampling: Literal["recommended"] | None
    seed: int | None
    n: int | None
    max_tokens: int | None
    max_completion_tokens: int | None
    stop: str | list[str] | None
    stop_sequences: str | list[str] | None
    logprobs: bool | None
    top_logprobs: int | None
    logit_bias: dict[int, int] | None
    # other parameters of a request
    extra_body: Mapping[str, Any] | None
    model_kwargs: dict[str, Any]
    service_tier: str | None
    store: bool | None
    verbosity: str | None
    prompt_cache_options: dict[str, Any] | None
    # replies
    streaming: bool
    disable_streaming: bool | Literal["tool_calling"]
    stream_usage: bool | None
    stream_chunk_timeout: float | None
    include_response_headers: bool
    output_version: Literal["v0", "v1"] | None
    rescue_tool_calls: bool | None
    repair_tool_calls: bool
    # connections
    timeout: Any
    request_timeout: Any
    max_retries: int | None
    max_concurrency: int | None
    transport: Literal["auto", "httpx", "aiohttp"]
    default_headers: Mapping[str, str] | None
    default_query: Mapping[str, object] | None
    openai_proxy: str | None
    http_client: Any
    http_async_client: Any
    http_socket_options: Sequence[tuple[int, int, int]] | None
    # LangChain's own
    name: str | None
    cache: BaseCache | bool | None
    verbose: bool
    callbacks: list[BaseCallbackHandler] | BaseCallbackManager | None
    tags: list[str] | None
    metadata: dict[str, Any] | None
    rate_limiter: BaseRateLimiter | None
    profile: ModelProfile | None
    custom_get_token_ids: Callable[[str], list[int]] | None
    disabled_params: dict[str, Any] | None
