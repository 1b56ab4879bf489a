"""How each server spells things: one frozen row per server, no code.

Adding a server is adding a `Dialect` row to `DIALECTS` (see `docs/servers.md`). Every row says how its facts are known:

- **measured**: real requests to a real server of the named version were recorded (`tests/captures`).
- **source**: read in the server's own source code, not run.
- **documented**: the vendor's documentation only.
- **reported**: other clients' code and public issues; treat as likely, not certain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str, ...]
"""Where a value goes in the request body: `("chat_template_kwargs", "enable_thinking")`."""

ChoicePolicy = Literal["honoured", "by_strict", "by_format", "named_ignored", "ignored", "refused_thinking"]
"""What becomes of a forced choice on a server.

`honoured`: all forms work. `by_strict`: they do, but only `strict` holds the arguments to their schema (vLLM 0.32,
measured). `by_format`: only by a JSON format, see `request.tool_choice` (llama.cpp). `named_ignored`: a named choice
acts as auto. `ignored`: every choice does. `refused_thinking`: an error while thinking.
"""

KWARGS = "chat_template_kwargs"
BOTH_KEYS = ("reasoning_content", "reasoning")


def _frozen(**items: str) -> Mapping[str, str]:
    return MappingProxyType(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One server's spelling of the things OpenAI's API does not define.

    Attributes:
        name: The value of `ChatQwen3(server=...)`.
        title: The server's name for people.
        evidence: How the row's facts are known, with the version they were seen on; its docstring has the exceptions.
        hosts: Regular expressions that the whole host name of a hosted service matches.
        owned_by: What `/v1/models` says in `data[].owned_by`, where that tells the server.
        thinking: Paths that take the switch as a boolean.
        thinking_effort: The switch is an effort word instead: path, word for on, word for off.
        budget: Path of the thinking budget in tokens, None when the server has none.
        budget_range: Smallest and largest budget the server takes. Where 0 is too small it switches thinking off.
        effort: Path of the reasoning effort, None when the server has none.
        effort_for_all: Every model takes an effort; elsewhere only those whose template knows the word.
        preserve: Path of the `preserve_thinking` template switch, None when the server has none.
        return_reasoning: Path that asks the server for reasoning, for pods that want to be asked.
        budget_excludes_effort: Budget and effort together are an error.
        history_keys: Keys under which earlier reasoning is sent back; none where the server drops it.
        reasoning_details: Earlier `reasoning_details` are sent back as they came.
        cache_control: Text parts may carry `cache_control`.
        max_tokens: Field of the token limit.
        sampling_names: Sampling fields the server spells differently.
        unsupported: Payload fields the server refuses or ignores; sent never, warned about once.
        tool_choice: What becomes of a forced choice, see `ChoicePolicy`.
        structured_method: What `with_structured_output` uses when asked for nothing.
        response_format: OpenAI's form; `value` (the schema stands under that key); `schema_only` (no `json_object`).
        format_silences_tools: A JSON `response_format` holds every reply, so no tool beside it is ever called.
        json_refused_thinking: A JSON `response_format` is an error while thinking.
        stream_when_thinking: A whole (non-streamed) reply is refused or risky while thinking, so ask for a stream.
        strict_fields: Unknown body fields are an error, so nothing but OpenAI's own goes out.
        audio: How audio is sent: `base64` (OpenAI's `input_audio`, no URLs); `audio_url` (URLs and data URIs);
            `data_uri` (either of them in `input_audio`).
        media_kinds: Kinds of media parts the server takes at all.
        base64_media_only: Media must be base64 data, URLs are refused.
        files: `file` parts are taken (PDF).
        idle_connections_hold_threads: Kept-alive connections occupy the server's HTTP threads.
        flags: What to start the server with, or do instead, when a setting or a feature is missing.
    """

    name: str
    title: str
    evidence: str
    hosts: tuple[str, ...] = ()
    owned_by: str | None = None
    thinking: tuple[Path, ...] = ((KWARGS, "enable_thinking"),)
    thinking_effort: tuple[Path, str, str] | None = None
    budget: Path | None = None
    budget_range: tuple[int, int | None] = (0, None)
    effort: Path | None = ("reasoning_effort",)
    effort_for_all: bool = False
    preserve: Path | None = (KWARGS, "preserve_thinking")
    return_reasoning: Path | None = None
    budget_excludes_effort: bool = False
    history_keys: tuple[str, ...] = BOTH_KEYS
    reasoning_details: bool = False
    cache_control: bool = False
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    sampling_names: Mapping[str, str] = field(default_factory=_frozen)
    unsupported: frozenset[str] = frozenset()
    tool_choice: ChoicePolicy = "honoured"
    structured_method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema"
    response_format: Literal["openai", "value", "schema_only"] = "openai"
    format_silences_tools: bool = False
    json_refused_thinking: bool = False
    stream_when_thinking: bool = False
    strict_fields: bool = False
    audio: Literal["base64", "audio_url", "data_uri"] = "base64"
    media_kinds: frozenset[str] = frozenset({"image", "video", "audio"})
    base64_media_only: bool = False
    files: bool = False
    idle_connections_hold_threads: bool = False
    flags: Mapping[str, str] = field(default_factory=_frozen)


VLLM = Dialect(
    name="vllm",
    title="vLLM",
    evidence="measured on 0.32.0",
    owned_by="vllm",
    budget=("thinking_token_budget",),
    tool_choice="by_strict",
    format_silences_tools=True,
    audio="audio_url",
    flags=_frozen(
        reasoning="--reasoning-parser qwen3",
        thinking_budget="--reasoning-parser qwen3",
        tools="--enable-auto-tool-choice --tool-call-parser hermes (qwen3_coder for Coder and 3.5 or newer)",
        cached_tokens="--enable-prompt-tokens-details",
        concurrency="--max-num-seqs 256",
    ),
)
"""vLLM. A top-level `enable_thinking` is ignored in silence, `guided_*` too; `include_reasoning: false` is never sent,
for with a JSON format it makes the content null (all measured).

By source: a format beside tools leaves no call; replies have `reasoning` alone since 0.16, history is read from
`reasoning` (0.16 to 0.21) or from either key (0.22 and newer), the budget field came with 0.19; `audio_url` parts. The
budget without a reasoning parser is a 400."""

SGLANG = Dialect(
    name="sglang",
    title="SGLang",
    evidence="source of 0.5.23",
    owned_by="sglang",
    format_silences_tools=True,
    audio="audio_url",
    flags=_frozen(
        reasoning="--reasoning-parser qwen3",
        tools="--tool-call-parser qwen25 (qwen3_coder for Coder and 3.5 or newer)",
        thinking_budget="a custom_logit_processor in extra_body and --enable-custom-logit-processor",
        cached_tokens="--enable-cache-report",
    ),
)
"""SGLang. Reads history from `reasoning_content` only and drops the other key; answers 400 to explicit nulls.
That it takes `audio_url` parts is reported, not read."""

LLAMA_CPP = Dialect(
    name="llama.cpp",
    title="llama.cpp",
    evidence="measured on builds of October and November 2026",
    owned_by="llamacpp",
    budget=("thinking_budget_tokens",),
    effort=(KWARGS, "reasoning_effort"),
    sampling_names=_frozen(repetition_penalty="repeat_penalty"),
    unsupported=frozenset({"parallel_tool_calls"}),
    tool_choice="by_format",
    format_silences_tools=True,
    idle_connections_hold_threads=True,
    flags=_frozen(
        reasoning="--reasoning-format auto",
        tools="--jinja",
        connections="--threads-http 128",
        concurrency="--parallel 8",
    ),
)
"""llama.cpp's llama-server and everything built on it. An idle kept connection holds one of its HTTP threads for
5 s: 64 calls at once took 36 s with the default number of threads, 1 s with 96. History is read from
`reasoning_content` only. `parallel_tool_calls: false` is ignored. Not measured: that audio must be base64, and that
the effort reaches 3.8's template (`chat_template_kwargs` do)."""

OLLAMA = Dialect(
    name="ollama",
    title="Ollama",
    evidence="source of 0.33.0-rc2",
    owned_by="library",
    thinking=(),
    thinking_effort=(("reasoning_effort",), "medium", "none"),
    preserve=None,
    unsupported=frozenset({"top_k", "min_p", "repetition_penalty", "n", "parallel_tool_calls"}),
    tool_choice="ignored",
    media_kinds=frozenset({"image"}),
    base64_media_only=True,
    flags=_frozen(
        top_k="a Modelfile with PARAMETER top_k",
        min_p="a Modelfile with PARAMETER min_p",
        repetition_penalty="a Modelfile with PARAMETER repeat_penalty",
    ),
)
"""Ollama's `/v1`. `enable_thinking`, `think` and `max_completion_tokens` are ignored in silence; an effort other than
`none` on a model that cannot think is a 400; temperature and top_p are 1.0 when not sent, whatever the Modelfile says.
History is read from `reasoning` only. Models of other namespaces do not say `library`: `/api/version` tells then."""

LM_STUDIO = Dialect(
    name="lmstudio",
    title="LM Studio",
    evidence="documented and reported for 0.4",
    thinking=(),
    thinking_effort=(("reasoning_effort",), "medium", "none"),
    effort_for_all=True,
    preserve=None,
    sampling_names=_frozen(repetition_penalty="repeat_penalty"),
    tool_choice="named_ignored",
    response_format="schema_only",
    flags=_frozen(reasoning='the developer setting "separate reasoning_content"'),
)
"""LM Studio. Documented: `repeat_penalty`, `json_schema` as the only JSON format. Reported: the effort as switch,
`chat_template_kwargs` ignored, `required` on the llama.cpp engine only. Unknown: how it reads earlier reasoning, so
both keys are sent."""

DASHSCOPE = Dialect(
    name="dashscope",
    title="Alibaba Cloud Model Studio (DashScope)",
    evidence="documented; no request could be made",
    hosts=(r"(.+\.)?dashscope(-[a-z]+)?\.aliyuncs\.com", r"(.+\.)?maas\.aliyuncs\.com"),
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(1, None),
    preserve=("preserve_thinking",),
    budget_excludes_effort=True,
    history_keys=("reasoning_content",),
    cache_control=True,
    tool_choice="refused_thinking",
    structured_method="function_calling",
    json_refused_thinking=True,
    stream_when_thinking=True,
    audio="data_uri",
)
"""All regional, workspace and token-plan hosts.

Documented: `max_tokens` bounds the answer only, thinking excluded (`max_completion_tokens` in `extra_body` bounds both,
on 3.5-Plus and newer); budget and effort exclude each other; the effort is for 3.8 alone; a forced tool choice is a 400
while thinking, JSON mode on most models; open Qwen3 models think in streams only, and a whole reply that takes too long
comes back cut without an error, hence the stream inside. Reported: newer models do think in whole replies, and
`json_schema` worked while thinking on qwen3.8-max; neither is relied on."""

OPENROUTER = Dialect(
    name="openrouter",
    title="OpenRouter",
    evidence="documented; no request could be made",
    hosts=(r"(.+\.)?openrouter\.ai",),
    thinking=(("reasoning", "enabled"),),
    budget=("reasoning", "max_tokens"),
    budget_range=(1, None),
    effort=("reasoning", "effort"),
    effort_for_all=True,
    preserve=None,
    history_keys=("reasoning",),
    reasoning_details=True,
    cache_control=True,
    structured_method="function_calling",
    budget_excludes_effort=True,
    files=True,
)
"""OpenRouter. What a provider behind it does not know is dropped, and a provider's errors come through. Some routes
were reported to think although told not to, or to refuse a forced tool choice while thinking."""

SILICONFLOW = Dialect(
    name="siliconflow",
    title="SiliconFlow",
    evidence="documented; no request could be made",
    hosts=(r"(.+\.)?siliconflow\.(cn|com)",),
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(128, 32_768),
    effort=None,
    preserve=None,
    history_keys=("reasoning_content",),
    structured_method="function_calling",
)
"""SiliconFlow. Its documentation advises against sending reasoning back; within a tool loop it is sent all the same, as
Qwen's own documentation wants it. What it does with a forced tool choice or a JSON schema is unknown."""

MODELSCOPE = Dialect(
    name="modelscope",
    title="ModelScope API-Inference",
    evidence="reported; no request could be made",
    hosts=(r"api-inference\.modelscope\.cn",),
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(1, None),
    effort=None,
    preserve=None,
    history_keys=("reasoning_content",),
    tool_choice="refused_thinking",
    structured_method="function_calling",
    json_refused_thinking=True,
    stream_when_thinking=True,
    audio="data_uri",
)
"""ModelScope. Its errors are DashScope's, so it is treated like DashScope; nothing official says so."""

TGI = Dialect(
    name="tgi",
    title="Text Generation Inference",
    evidence="source of 3.x",
    thinking=(),
    effort=None,
    preserve=None,
    history_keys=(),
    unsupported=frozenset({"top_k", "min_p", "repetition_penalty", "n", "parallel_tool_calls"}),
    response_format="value",
    flags=_frozen(enable_thinking="/no_think at the end of the question (Qwen3 hybrid models)"),
)
"""TGI has no thinking switch and no reasoning parser: `<think>` arrives in the content and is split here, and earlier
reasoning cannot be sent back. Unknown fields are ignored in silence."""

TRANSFORMERS = Dialect(
    name="transformers",
    title="transformers serve",
    evidence="source of 5.19.0",
    effort=(KWARGS, "reasoning_effort"),
    preserve=None,
    unsupported=frozenset(
        {
            "audio",
            "function_call",
            "functions",
            "logprobs",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "response_format",
            "service_tier",
            "store",
            "top_logprobs",
            "user",
            "web_search_options",
        }
    ),
    history_keys=(),
    tool_choice="ignored",
    structured_method="function_calling",
    strict_fields=True,
    audio="audio_url",
    flags=_frozen(
        reasoning="--reasoning auto",
        top_k="generation_config (a JSON string) in extra_body",
        min_p="generation_config (a JSON string) in extra_body",
        repetition_penalty="generation_config (a JSON string) in extra_body",
    ),
)
"""`transformers serve` answers 422 to any field it does not know and ignores many that it does. It drops earlier
reasoning, and the content of assistant messages with tool calls. Without `max_tokens` it ends after 1,024 tokens."""

GENERIC = Dialect(
    name="generic",
    title="OpenAI-compatible server",
    evidence="measured against vLLM and llama.cpp, which ignore the spellings they do not know",
    thinking=((KWARGS, "enable_thinking"), ("enable_thinking",)),
    budget=("thinking_budget",),
    effort_for_all=True,
    return_reasoning=("return_reasoning",),
    cache_control=True,
    files=True,
)
"""A pod or proxy that does not tell what it is, such as `https://gpu-pod<id>-8000.web.gpu.csdn.net/v1`: both common
spellings are sent, and only when asked for. Nobody knows whether such a server honours a budget."""

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        row.name: row
        for row in (
            VLLM,
            SGLANG,
            LLAMA_CPP,
            OLLAMA,
            LM_STUDIO,
            DASHSCOPE,
            OPENROUTER,
            SILICONFLOW,
            MODELSCOPE,
            TGI,
            TRANSFORMERS,
            GENERIC,
        )
    },
)
"""Every row by name."""

_HOSTS = tuple((re.compile(pattern), row) for row in DIALECTS.values() for pattern in row.hosts)


def find_by_host(host: str) -> Dialect | None:
    """Return the row of a hosted service by its host name, None for a host nobody knows."""
    return next((row for pattern, row in _HOSTS if pattern.fullmatch(host.lower())), None)


def find_by_owner(owned_by: str) -> Dialect | None:
    """Return the row that `/v1/models` names in `owned_by`, None when that says nothing."""
    return next((row for row in DIALECTS.values() if row.owned_by and row.owned_by == owned_by), None)
