"""What may be anything: gateways that hide the server behind them, and servers that say nothing."""

from __future__ import annotations

from langchain_qwen3.servers.dialect import KWARGS, Dialect

GENERIC = Dialect(
    name="generic",
    title="OpenAI-compatible server",
    kind="unknown",
    start="as the pod does; best with the engine's own flags from above",
    evidence="measured against vLLM and llama.cpp, which ignore the spellings they do not know",
    thinking=((KWARGS, "enable_thinking"), ("enable_thinking",)),
    budget=("thinking_budget",),
    effort_for_all=True,
    return_reasoning=("return_reasoning",),
    cache_control=True,
    files=True,
    media_settings="unknown",
    video_frames="list",
)
"""A pod or proxy that does not tell what it is, such as `https://gpu-pod<id>-8000.web.gpu.csdn.net/v1`: both common
spellings are sent, and only when asked for. Nobody knows whether such a server honours a budget."""
