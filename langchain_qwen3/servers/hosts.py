"""Hosted services: one frozen row each, no code. No request to any of them could be made from here."""

from __future__ import annotations

from langchain_qwen3.servers import parameters
from langchain_qwen3.servers.dialect import Dialect

DASHSCOPE = Dialect(
    name="dashscope",
    title="Alibaba Cloud Model Studio (DashScope)",
    evidence="documented; no request could be made",
    kind="hosted",
    hosts=(r"(.+\.)?dashscope(-[a-z]+)?\.aliyuncs\.com", r"(.+\.)?maas\.aliyuncs\.com"),
    api_key_variable="DASHSCOPE_API_KEY",
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(1, None),
    preserve=("preserve_thinking",),
    budget_excludes_effort=True,
    history_keys=("reasoning_content",),
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
    kind="hosted",
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
    own_fields=parameters.OPENROUTER,
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
    kind="hosted",
    hosts=(r"(.+\.)?siliconflow\.(cn|com)",),
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(128, 32_768),
    effort=None,
    preserve=None,
    history_keys=("reasoning_content",),
    own_fields=parameters.SILICONFLOW,
    structured_method="function_calling",
    builtin_tools=False,
)
"""SiliconFlow. Its documentation advises against sending reasoning back; within a tool loop it is sent all the same, as
Qwen's own documentation wants it. What it does with a forced tool choice or a JSON schema is unknown."""

MODELSCOPE = Dialect(
    name="modelscope",
    title="ModelScope API-Inference",
    evidence="reported; no request could be made",
    kind="hosted",
    hosts=(r"api-inference\.modelscope\.cn",),
    thinking=(("enable_thinking",),),
    budget=("thinking_budget",),
    budget_range=(1, None),
    effort=None,
    preserve=None,
    history_keys=("reasoning_content",),
    own_fields=parameters.SILICONFLOW,
    tool_choice="refused_thinking",
    structured_method="function_calling",
    json_refused_thinking=True,
    stream_when_thinking=True,
    audio="data_uri",
    media_settings="part",
    video_frames="list",
    builtin_tools=False,
)
"""ModelScope. Its errors are DashScope's, so it is treated like DashScope; nothing official says so."""
