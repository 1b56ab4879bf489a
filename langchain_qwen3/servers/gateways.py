"""Servers of unknown kind: gateways with another server behind them, and servers that cannot be identified."""

from __future__ import annotations

from langchain_qwen3.servers.dialect import KWARGS, Dialect, Sign, frozen

LITELLM = Dialect(
    name="litellm",
    title="LiteLLM proxy",
    evidence="measured on 1.108.7 in front of llama.cpp and transformers serve",
    kind="gateway",
    start="litellm --config litellm.yaml",
    forwarding_note="forwards every field, and some providers refuse fields they do not know",
    signs=(
        Sign(row=frozen(owned_by="openai", created=1677610602)),
        Sign(header=("x-litellm-version", "")),
    ),
    refusal=r"litellm\.UnsupportedParamsError",
    thinking=((KWARGS, "enable_thinking"), ("enable_thinking",)),
    budget=("thinking_budget",),
    budget_range=(1, None),
    history_keys=("reasoning_content",),
    cache_control=True,
    files=True,
)
"""LiteLLM. Both spellings of the switch reach the server behind it, with all five providers tried; a budget is
honoured only if the server's own field is sent, as with `server="llama.cpp"`. Reasoning comes in `reasoning_content`,
whatever the server's key. A 422 from the server behind it came without its reason, or as status 200 with the body
`null`. By source: OpenAI fields that the provider's table lacks are a 400, unless `drop_params` is set."""

NEW_API = Dialect(
    name="new-api",
    title="new-api",
    evidence="source of September 2025 and reported",
    kind="gateway",
    forwarding_note="drops chat_template_kwargs and budgets; its administrator can let request bodies pass unchanged",
    signs=(Sign(header=("x-new-api-version", "")),),
    thinking=(("enable_thinking",),),
    preserve=None,
    unsupported=frozenset({"min_p", "repetition_penalty", "repeat_penalty"}),
)
"""new-api. It rebuilds the body from the fields it knows: a top-level `enable_thinking` survives,
`chat_template_kwargs` do not. Both history keys survive."""

ONE_API = Dialect(
    name="one-api",
    title="one-api",
    evidence="source of February 2025 and reported",
    kind="gateway",
    forwarding_note="drops every thinking switch except reasoning_effort where it maps a model's name",
    signs=(Sign(header=("x-oneapi-request-id", "")),),
    thinking=((KWARGS, "enable_thinking"), ("enable_thinking",)),
    thinking_word=(("reasoning_effort",), "medium", "none"),
    preserve=None,
    history_keys=("reasoning_content",),
    unsupported=frozenset({"min_p", "repetition_penalty", "repeat_penalty"}),
)
"""one-api and its forks. By source, a body for an OpenAI-like channel passes unchanged, with every spelling
(https://github.com/songquanpeng/one-api/blob/main/relay/controller/text.go). If the channel maps the model's name or
has a system prompt, or with `ENFORCE_INCLUDE_USAGE`, it is rebuilt from the fields that one-api knows, and of the
switches only the effort survives: vLLM (0.22 and newer), SGLang, llama.cpp and Ollama take `none` as off."""

GPUSTACK = Dialect(
    name="gpustack",
    title="GPUStack",
    evidence="source of 2.3.0 and reported",
    kind="gateway",
    forwarding_note="forwards every field to the engine behind it",
    owned_by=("gpustack",),
)
"""GPUStack. Keys and parsers are those of the engine behind it, mostly vLLM."""

GENERIC = Dialect(
    name="generic",
    title="OpenAI-compatible server",
    evidence="measured against vLLM and llama.cpp, which ignore the spellings they do not know",
    kind="unknown",
    thinking=((KWARGS, "enable_thinking"), ("enable_thinking",)),
    budget=("thinking_budget",),
    budget_range=(1, None),  # nobody knows what it does with 0, so the switch is sent
    effort_for_all=True,
    return_reasoning=("return_reasoning",),
    cache_control=True,
    files=True,
    media_settings="unknown",
    video_frames="list",
)
"""An unidentified pod or proxy, such as `https://gpu-pod<id>-8000.web.gpu.csdn.net/v1`: both common spellings are
sent, and only for settings the user has set. A field that the server refuses by name is left out from then on.
Whether such a server honours a budget is unknown."""
