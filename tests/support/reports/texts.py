"""Reports about thinking in the wrong place, and texts."""

from __future__ import annotations

from tests.support.reports.rows import (
    RUN,
    both,
    call,
    calls,
    report,
    stream,
    whole,
)

CALLED = {"finish": "tool_calls"}
OFF = {"enable_thinking": False}
TEXTS = [
    # Thinking in the wrong place.
    both(
        "vllm-project/vllm/issues/19839",
        message={"content": None, "reasoning_content": "我是Qwen3", "tool_calls": []},
        content="我是Qwen3",
        fields=OFF,
    ),
    report(
        "vllm-project/vllm/issues/40816",
        stream({"reasoning": "the "}, {"reasoning": "answer"}),
        None,
        content="the answer",
        fields=OFF,
    ),
    both(
        "xorbitsai/inference/issues/3673", message={"content": "", "reasoning_content": "答"}, content="答", fields=OFF
    ),
    both(
        "ollama/ollama/issues/17911", message={"content": "a", "reasoning": "r"}, content="a", reasoning="r", fields=OFF
    ),
    report(
        "InternLM/lmdeploy/issues/3664",
        stream(
            {"content": "<think>", "reasoning_content": None, "tool_calls": []},
            {"content": None, "reasoning_content": "\nr\n"},
            {"content": "\n\na", "reasoning_content": None},
        ),
        None,
        content="a",
        reasoning="r",
    ),
    report(
        "ovh/public-cloud-roadmap/issues/1123",
        stream({"content": "<think>"}, {"content": "\nr"}, {"content": "</think>"}, {"content": "\n\na"}),
        whole({"content": "<think>\nr</think>\n\na"}),
        content="a",
        reasoning="r",
    ),
    report(
        "open-webui/open-webui/issues/11259",
        stream({"content": "r\n"}, {"content": "</think>"}, {"content": "\n\na"}),
        whole({"content": "r\n</think>\n\na"}),
        content="a",
        reasoning="r",
        fields={"model": "Qwen/QwQ-32B"},
    ),
    report(
        "thinking-machines-lab/tinker-cookbook/pull/387",
        stream({"content": "<th"}, {"content": "ink>r</th"}, {"content": "ink>a"}),
        None,
        content="a",
        reasoning="r",
    ),
    both(
        "QwenLM/Qwen-Agent/issues/789",
        message={"role": "assistant", "content": "a", "reasoning": "r", "refusal": None},
        content="a",
        reasoning="r",
    ),
    both(
        "QwenLM/Qwen3/issues/1755",
        "tool_calls",
        calls(call("bash", '{"command": "ls"}', 0, "a"), content="\n\n", reasoning_content="r"),
        calls=[RUN],
        reasoning="r",
        **CALLED,
    ),
    report(
        "openai-php/client/issues/780",
        stream({"reasoning_content": "Play"}, {"reasoning_content": "ful"}, {"content": "a"}),
        None,
        content="a",
        reasoning="Playful",
    ),
    report(
        "langchain-ai/langchain/pull/31065",
        stream(
            {"content": None, "reasoning_content": ""},
            {"content": None, "reasoning_content": "好的"},
            {"content": "a", "reasoning_content": None},
        ),
        None,
        content="a",
        reasoning="好的",
    ),
    both(
        "baidu/vLLM-Kunlun/issues/32",
        "length",
        {"reasoning_content": "分点明确"},
        reasoning="分点明确",
        finish="length",
    ),
    both(
        "lmstudio-ai/lmstudio-bug-tracker/issues/1990",
        "length",
        {"content": "", "reasoning": "Okay"},
        reasoning="Okay",
        finish="length",
    ),
    both("NVIDIA/TensorRT-LLM/issues/18084", message={"content": "", "tool_calls": []}),
    report("mudler/LocalAI/issues/677", stream({"content": "\ufffd"}, {"content": "你"}), None, content="\ufffd你"),
]
