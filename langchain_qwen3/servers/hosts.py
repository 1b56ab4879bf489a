"""Hosted services: one frozen row each, no code. None of these rows was tested against the live service by us.

Grades as in `dialects`; "live" means a request and reply published by someone else. Checked in November 2026.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from langchain_qwen3.servers import parameters
from langchain_qwen3.servers.dialect import KWARGS, Dialect, frozen

hosted = partial(Dialect, kind="hosted", preserve=None, history_keys=("reasoning_content",))
"""A row with what most services share: no `preserve_thinking`, and earlier reasoning under `reasoning_content`."""

flat_switch = partial(hosted, thinking=(("enable_thinking",),), effort=None, structured_method="function_calling")
"""A row of a service that takes `enable_thinking` beside OpenAI's fields, and no effort."""

effort_only = partial(hosted, thinking=(), thinking_word=(("reasoning_effort",), "medium", "none"))
"""A row of a service whose only thinking switch is the effort."""

DASHSCOPE = hosted(
    name="dashscope",
    title="Alibaba Cloud Model Studio (DashScope)",
    evidence="documented; no request could be made",
    hosts=(
        r"(.+\.)?dashscope(-[a-z]+)?(\.[\w-]+\.privatelink)?\.aliyuncs\.com",
        r"(.+\.)?maas\.aliyuncs\.com",
    ),
    api_key_variable="DASHSCOPE_API_KEY",
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(1, None),
    preserve=("preserve_thinking",),
    budget_excludes_effort=True,
    cache_control=True,
    own_fields=parameters.DASHSCOPE,
    tool_choice="refused_thinking",
    structured_method="function_calling",
    json_refused_thinking=True,
    stream_when_thinking=True,
    audio="data_uri",
    media_settings="part",
    video_frames="list",
    builtin_tools=False,
)
"""All regional, workspace and token-plan hosts, and those of PrivateLink in a VPC
(https://help.aliyun.com/zh/model-studio/access-model-studio-through-privatelink); dedicated endpoints have no name.

Documented: `max_tokens` limits the answer only, not the thinking (`max_completion_tokens` in `extra_body` limits
both, on 3.5-Plus and newer). Budget and effort exclude each other. The effort is for 3.8 only. While thinking, a
forced tool choice is a 400, and so is JSON mode on most models. Open Qwen3 models think in streams only, and a
non-streamed reply that takes too long is cut off without an error, so a stream is used internally; Qwen-Omni answers
in streams only (https://help.aliyun.com/zh/model-studio/qwen-omni). Reported: newer models do think in non-streamed
replies, and `json_schema` worked while thinking on qwen3.8-max; neither is relied on."""

OPENROUTER = hosted(
    name="openrouter",
    title="OpenRouter",
    evidence="documented; no request could be made",
    hosts=(r"(.+\.)?openrouter\.ai",),
    thinking=(("reasoning", "enabled"),),
    budget=("reasoning", "max_tokens"),
    budget_range=(1, None),
    effort=("reasoning", "effort"),
    effort_for_all=True,
    history_keys=("reasoning",),
    reasoning_details=True,
    cache_control=True,
    own_fields=parameters.OPENROUTER,
    structured_method="function_calling",
    budget_excludes_effort=True,
    files=True,
)
"""OpenRouter. It drops fields that the provider does not know, and passes the provider's errors on. Some routes were
reported to think with thinking switched off, or to refuse a forced tool choice while thinking."""

SILICONFLOW = flat_switch(
    name="siliconflow",
    title="SiliconFlow",
    evidence="documented; no request could be made",
    hosts=(r"(.+\.)?siliconflow\.(cn|com)",),
    budget=("thinking_budget",),
    budget_range=(128, 32_768),
    own_fields=parameters.SILICONFLOW,
    builtin_tools=False,
    audio="audio_url",
    media_settings="video_url",
)
"""SiliconFlow. How it takes media: https://docs.siliconflow.cn/cn/userguide/capabilities/multimodal-vision. Its
documentation advises against sending reasoning back; within a tool loop it is still sent, as Qwen's own documentation
requires. How it treats a forced tool choice or a JSON schema is unknown."""

MODELSCOPE = replace(
    DASHSCOPE,
    name="modelscope",
    title="ModelScope API-Inference",
    evidence="reported; no request could be made",
    hosts=(r"api-inference\.modelscope\.(?:cn|ai)",),
    api_key_variable=None,
    effort=None,
    preserve=None,
    budget_excludes_effort=False,
    cache_control=False,
    own_fields=parameters.SILICONFLOW,
)
"""ModelScope. It returns DashScope's errors, so it is treated like DashScope; this is not officially documented."""

_HIGH = frozen(xhigh="high")  # the hosts' word for Qwen3.8's highest effort

CEREBRAS = hosted(
    name="cerebras",
    title="Cerebras",
    evidence="source of cerebras_cloud_sdk 1.91.0, reported live",
    hosts=(r"api\.cerebras\.ai",),
    refusal=r"wrong_api_format",
    thinking=(),
    thinking_word=(("reasoning_effort",), "high", "none"),
    effort_words=_HIGH,
    history_keys=("reasoning",),
    extra=frozen(reasoning_format="parsed"),
    max_tokens="max_completion_tokens",
    unsupported=frozenset({"n"}),
    strict_fields=True,
)
"""Cerebras. Live: `reasoning`, `enable_thinking`, `chat_template_kwargs` and `reasoning_content` in the history are a
400. In older clients `auto` and `none` were the only tool choices; its SDK has all four."""

GROQ = hosted(
    name="groq",
    title="Groq",
    evidence="source of groq 1.7.0, documented, reported live",
    hosts=(r"api\.groq\.com",),
    refusal=r"property \W{1,3}\w+\W{1,3} is unsupported",
    thinking=(),
    thinking_word=(("reasoning_effort",), "default", "none"),
    effort_words=_HIGH,
    history_keys=("reasoning",),
    extra=frozen(reasoning_format="parsed"),
    max_tokens="max_completion_tokens",
    unsupported=frozenset({"n", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty"}),
    strict_fields=True,
    structured_method="function_calling",
    media_in_results=False,
)
"""Groq (`https://api.groq.com/openai/v1`). Live: `chat_template_kwargs` and `reasoning_content` in the history are a
400; 3.6-27b takes `default` and `none` only. Source: the effort is for 3.8, whose `high` is the model's xhigh.
Documented: without `reasoning_format` the thinking comes inside the content, which is a 400 with tools or JSON.
Reported: a tool's result must be a text (https://github.com/CherryHQ/cherry-studio/issues/3307)."""

FIREWORKS = hosted(
    name="fireworks",
    title="Fireworks",
    evidence="source of fireworks_ai 1.2.30, reported live",
    hosts=(r"api\.fireworks\.ai",),
    refusal=r"Extra inputs are not permitted, field:",
    thinking=(),
    thinking_word=(("thinking", "type"), "enabled", "disabled"),
    budget=("thinking", "budget_tokens"),
    budget_range=(1024, None),
    effort_words=_HIGH,
    budget_excludes_effort=True,
    strict_fields=True,
    own_fields=frozenset({"top_k", "min_p", "repetition_penalty"}),
    format_silences_tools=True,
)
"""Fireworks (`https://api.fireworks.ai/inference/v1`). Live: `reasoning` in the history is a 400 that names the field.
An effort together with the `thinking` object is an error, so only one of them is sent. Reported: a format and tools
do not work together."""

TOGETHER = hosted(
    name="together",
    title="Together",
    evidence="source of together 3.1.1, documented",
    hosts=(r"api(-inference)?\.together\.(xyz|ai)",),
    thinking=(("reasoning", "enabled"),),
    effort_words=_HIGH,
    history_keys=("reasoning",),
    unsupported=frozenset({"parallel_tool_calls"}),
)
"""Together. Its schema has neither `parallel_tool_calls` nor `stream_options`, but its chunks contain usage. How it
treats unknown fields, or an effort on Qwen, is unknown."""

DEEPINFRA = effort_only(
    name="deepinfra",
    title="DeepInfra",
    evidence="reported live",
    hosts=(r"api\.deepinfra\.com",),
    owned_by=("deepinfra",),
    effort_for_all=True,
    tool_choice="refused",
)
"""DeepInfra (`https://api.deepinfra.com/v1/openai`). The effort is the only proven switch, 107 of 107 models took it;
a word other than none, minimal, low, medium, high, xhigh or max is a 422. According to another client's table, the
only tool choices are auto and none; the history key is a guess."""

NVIDIA = hosted(
    name="nvidia",
    title="NVIDIA NIM (hosted)",
    evidence="documented, reported live",
    hosts=(r"integrate\.api\.nvidia\.com",),
    refusal=r"Unsupported parameter\(s\):",
    budget=(KWARGS, "thinking_budget"),
    budget_range=(1, None),
    effort=None,
    strict_fields=True,
    structured_method="function_calling",
    preserve=(KWARGS, "preserve_thinking"),
)
"""NVIDIA's hosted NIMs. Live: a top-level `enable_thinking` is a 400 that names the field. The budget's path is taken
from another client. A self-hosted NIM runs vLLM or TensorRT-LLM: set `server=` to that engine."""

HUGGING_FACE = effort_only(
    name="huggingface",
    title="Hugging Face Inference Providers",
    evidence="documented, reported",
    hosts=(r"router\.huggingface\.co",),
    providers=frozen(
        **{"fireworks-ai": "fireworks"},
        **{name: name for name in ("groq", "cerebras", "together", "novita", "nebius", "sambanova", "scaleway")},
        ovhcloud="ovhcloud",
    ),
    effort_words=_HIGH,
    history_keys=(),
    structured_method="function_calling",
)
"""Hugging Face's router. It sends the body to the provider unchanged. A suffix, as in `Qwen/Qwen3.8-27B:groq`, names
the provider, and the provider's own row is used. Without one, nothing is sent that a strict provider would refuse."""

QIANFAN = flat_switch(
    name="qianfan",
    title="Baidu Qianfan",
    evidence="documented",
    hosts=(r"qianfan\.baidubce\.com",),
    thinking_default=False,
)
"""Qianfan (`https://qianfan.baidubce.com/v2`). Thinking is off by default. Not documented: history, tool choices,
formats, unknown fields."""

TOKENHUB = flat_switch(
    name="tokenhub",
    title="Tencent TokenHub",
    evidence="documented",
    hosts=(r"tokenhub\.tencentmaas\.com",),
    preserve=("preserve_thinking",),
)
"""TokenHub: 3.5-Plus and 3.5-Flash. Not documented: tool choices, formats, unknown fields."""

NOVITA = flat_switch(
    name="novita",
    title="Novita, PPIO",
    evidence="reported",
    aliases=("ppio",),
    hosts=(r"api\.novita\.ai", r"api\.(ppinfra|ppio)\.com"),
)
"""Novita and PPIO. The switch was seen live for DeepSeek; for Qwen it comes from other clients' tables."""

NEBIUS = effort_only(
    name="nebius",
    title="Nebius Token Factory",
    evidence="reported",
    hosts=(r"api\.(tokenfactory(\.[\w-]+)?|studio)\.nebius\.(com|ai)",),
    effort_words=_HIGH,
)
"""Nebius. Other clients send the effort as the thinking switch and read `reasoning_content`."""

SCALEWAY = replace(
    NEBIUS, name="scaleway", title="Scaleway", hosts=(r"api\.scaleway\.ai",), structured_method="function_calling"
)
"""Scaleway. Other clients send the effort words none, low, medium, high."""

OVHCLOUD = replace(
    SCALEWAY, name="ovhcloud", title="OVHcloud AI Endpoints", hosts=(r"(.+\.)?endpoints\.kepler\.ai\.cloud\.ovh\.net",)
)
"""OVHcloud. The effort is for 3.5 and newer; Qwen3-32B takes `/no_think` only and thinks inside the content."""

SAMBANOVA = hosted(
    name="sambanova",
    title="SambaNova",
    evidence="source of sambanova 1.13.0",
    hosts=(r"api\.sambanova\.ai",),
    effort_words=_HIGH,
    history_keys=("reasoning",),
)
"""SambaNova. Its SDK has types for `chat_template_kwargs.enable_thinking` and for `reasoning` in replies; that history
is read from the same key is a guess."""

CLOUDFLARE = hosted(
    name="cloudflare",
    title="Cloudflare Workers AI",
    evidence="documented",
    hosts=(r"api\.cloudflare\.com",),
    effort_words=_HIGH,
    max_tokens="max_completion_tokens",
)
"""Cloudflare (`…/ai/v1`), for `@cf/qwen/qwen3.8-27b`; no switch is documented for other models. To keep earlier
reasoning, set `chat_template_kwargs.clear_thinking: false` in `extra_body`. The history key is a guess."""

BEDROCK = effort_only(
    name="bedrock",
    title="Amazon Bedrock (OpenAI API)",
    evidence="reported live",
    hosts=(r"bedrock-(runtime|mantle)[.\w-]*\.(amazonaws\.com|api\.aws)",),
    refusal=r"Failed to deserialize the JSON body",
    effort_words=_HIGH,
    history_keys=(),
    unsupported=frozenset({"min_p", "repetition_penalty"}),
    strict_fields=True,
    own_fields=frozenset({"top_k"}),
    structured_method="function_calling",
)
"""Bedrock's OpenAI path. Live: an unknown field is a 400 that lists the known ones, including `reasoning_effort` and
`top_k`. That the word `none` switches thinking off is a guess."""

BASETEN = hosted(
    name="baseten",
    title="Baseten",
    evidence="reported",
    hosts=(r"inference\.baseten\.co",),
    thinking=(("chat_template_args", "enable_thinking"),),
    preserve=("chat_template_args", "preserve_thinking"),
    effort_words=_HIGH,
)
"""Baseten. The template's switches are under `chat_template_args`. The history key is a guess."""

VERCEL = replace(
    OPENROUTER,
    name="vercel",
    title="Vercel AI Gateway",
    evidence="documented",
    hosts=(r"ai-gateway\.vercel\.sh",),
)
"""Vercel's gateway takes OpenRouter's `reasoning` object."""
