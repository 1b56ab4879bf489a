"""What ChatOpenAI takes and ChatQwen3 refuses: settings that could have no effect, each with what to do instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParamsBase

from langchain_qwen3.servers.dialect import words

_RESPONSES_API = "belongs to OpenAI's Responses API, but ChatQwen3 only uses chat completions"
REFUSED: Mapping[str, tuple[str, str]] = {
    "use_responses_api": (_RESPONSES_API, "leave it out"),
    "use_previous_response_id": (
        _RESPONSES_API,
        "send the whole conversation: the server keeps its beginning in the prefix cache",
    ),
    "include": (_RESPONSES_API, 'leave it out: reasoning is always in additional_kwargs["reasoning_content"]'),
    "truncation": (_RESPONSES_API, "shorten the conversation with trim_messages(token_counter=llm, ...)"),
    "context_management": (_RESPONSES_API, "use trim_messages, or LangChain's SummarizationMiddleware in agents"),
    "tiktoken_model_name": (
        "names an OpenAI vocabulary, but tokens are counted by the server or with Qwen's own (extra `tokenizer`)",
        "leave it out, or pass your own counter as custom_get_token_ids=",
    ),
    **dict.fromkeys(
        ("client", "async_client", "root_client", "root_async_client"),
        ("is built by the model", "pass http_client=, http_async_client=, default_headers= or api_key= instead"),
    ),
}
"""Field → why it can have no effect, and what to do instead."""

# Ollama's, DeepSeek's and Doubao's, and what people guess. A server that has one of them gets it in `extra_body`.
OTHER_SWITCHES = words(
    """
    disable_reasoning enable_reasoning enable_think is_thinking no_think nothink reasoning_enabled think thinking
    thinking_config thinking_enabled thinking_level thinking_mode use_thinking
    """
)
OUR_SWITCH = "use enable_thinking=True or False, and thinking_budget= for a limit"
_OR_BODY = "or extra_body={...} for a server that has it"
SWITCH_ADVICE = f"{OUR_SWITCH}; {_OR_BODY}"

# Our fields → how the names end that other classes have for them: dashscope_api_key, groq_proxy, model_server.
_OTHER_NAMES = {
    "api_key": ("apikey", "apitoken"),
    "base_url": ("apibase", "apiurl", "baseurl", "endpoint", "endpointurl", "modelserver", "serverurl"),
    "callbacks": ("callbackmanager",),
    "default_headers": ("headers",),
    "max_retries": ("numretries",),
    "max_tokens": ("numpredict", "maxoutputtokens", "maxnewtokens"),
    "model": ("modelid", "repoid", "deployment", "deploymentname"),
    "openai_proxy": ("proxy", "proxies"),
    "provider": ("openrouterprovider",),
    "repetition_penalty": ("penaltyscore",),
    "stop": ("stopwords",),
    "thinking_budget": ("thinkingtokens", "reasoningtokens", "budgettokens", "reasoningbudget"),
}
# Ollama does not read them over the API that ChatQwen3 uses: https://docs.ollama.com/api/openai-compatibility
_OLLAMA_NAMES = {
    "num_ctx": "set $OLLAMA_CONTEXT_LENGTH where Ollama runs, or num_ctx in a Modelfile",
    "keep_alive": "set $OLLAMA_KEEP_ALIVE where Ollama runs",
    "format": 'use with_structured_output, or response_format={"type": "json_object"}',
    **{name: f"write PARAMETER {name} into a Modelfile" for name in ("num_gpu", "num_thread", "tfs_z")},
}
_OF_HTTP = ("is ChatOllama's", "pass timeout=, default_headers=, http_client= or http_async_client=")
# The arguments of ChatLlamaCpp and of LangChain's VLLM, which load the model themselves.
_OF_ENGINES = words(
    """
    device_map download_dir dtype f16_kv gpu_memory_utilization max_model_len model_path n_batch n_ctx n_gpu_layers
    n_threads pipeline_kwargs tensor_parallel_size trust_remote_code use_mlock use_mmap vllm_kwargs
    """
)
# All names that no call takes, in the form of REFUSED.
_KNOWN: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(ResponseCreateParamsBase.__annotations__, (_RESPONSES_API, "leave it out")),
    **REFUSED,
    **dict.fromkeys(OTHER_SWITCHES, (f"is another API's switch: {OUR_SWITCH}", _OR_BODY)),
    **{name: (f"is ChatOllama's: {advice}", _OR_BODY) for name, advice in _OLLAMA_NAMES.items()},
    **dict.fromkeys(("client_kwargs", "sync_client_kwargs", "async_client_kwargs"), _OF_HTTP),
    **dict.fromkeys(
        _OF_ENGINES, ("is for loading a model", "set it where the server is started, and pass base_url= here")
    ),
    **{
        f"guided_{kind}": ("is ignored by vLLM since 0.12", f'bind constraint={{"{kind}": ...}}')
        for kind in ("choice", "grammar", "json", "regex")
    },
    **dict.fromkeys(
        ("verify", "verify_ssl", "ssl_verify"),
        ("is the HTTP client's", "pass http_client= and http_async_client= that have it"),
    ),
    **dict.fromkeys(("project", "openai_project"), ("is OpenAI's", 'pass default_headers={"OpenAI-Project": ...}')),
    **dict.fromkeys(
        ("app_title", "app_url"), ("is ChatOpenRouter's", "pass default_headers= with X-Title and HTTP-Referer")
    ),
    "clear_thinking": ("is GLM's", "pass preserve_thinking=, which says the opposite"),
    "validate_model_on_init": ("is ChatOllama's", "leave it out: the first call says if the model is unknown"),
    "incremental_output": ("belongs to DashScope's own API", "leave it out: every stream is incremental"),
    "result_format": ("belongs to DashScope's own API", "leave it out: every reply is a message"),
    "model_provider": ("belongs to init_chat_model", "leave it out"),
}


def check_refused(values: Mapping[str, Any]) -> None:
    """Raise for a field of ChatOpenAI that could have no effect here; what is empty or False is no request for it.

    Args:
        values: Fields by name.

    Raises:
        ValueError: A field is set; the text names it and what to do instead.
    """
    for name, (reason, advice) in REFUSED.items():
        if values.get(name):
            shown = f"{name}={values[name]!r}" if not name.endswith("client") else name
            raise ValueError(f"{shown} {reason}; {advice}")
    version = values.get("output_version")
    if version not in (None, "v0", "v1"):
        raise ValueError(f'output_version must be "v0", "v1" or None, not {version!r}')


def explain_refused(name: str, fields: Collection[str] = ()) -> str | None:
    """Return why a call cannot take a keyword that the Responses API, another API or another class has; else None.

    Args:
        name: The keyword.
        fields: The names and aliases of the model's fields, which are no other class's.
    """
    plain = name.lower().replace("_", "")
    ours = next((ours for ours, endings in _OTHER_NAMES.items() if plain.endswith(endings)), None)
    if ours and name not in fields:
        return f"{name} is another class's name: use {ours}="
    return f"{name} {'; '.join(_KNOWN[name])}" if name in _KNOWN else None
