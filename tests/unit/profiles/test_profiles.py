"""Model names, what is known about them, and LangChain's profile of it."""

from typing import get_type_hints

import pytest
from langchain_core.language_models import ModelProfile

from langchain_qwen3.profiles import MODEL_LINES, build_profile, find_line, normalise_name

NAMES = {
    "Qwen3": (
        "Qwen/Qwen3-0.6B qwen3 qwen3:latest qwen3:8b qwen3:30b-a3b qwen3-8b qwen3-235b-a22b qwen/qwen3-32b:free"
        " Qwen3-0.6B-Q8_0.gguf Qwen_Qwen3-8B-Q4_K_M.gguf unsloth/Qwen3-14B-GGUF hf.co/unsloth/Qwen3-14B-GGUF:Q4_K_M"
        " Qwen/Qwen3-32B-AWQ Qwen/Qwen3-30B-A3B-FP8 mlx-community/Qwen3-4B-4bit qwen-3-32b qwen.qwen3-32b-v1:0"
        " Qwen/Qwen3-235B-A22B-fp8-tput Qwen/Qwen3-32B:nebius qwen3-8b-my-lora Qwen3-8B-Instruct Qwen3-8B-Base"
        " /models/models--Qwen--Qwen3-8B/snapshots/9c925d64 C:\\models\\Qwen3-1.7B-Q8_0.gguf my-qwen3-finetune QWEN3-4B"
    ),
    "Qwen3-2507 Instruct": (
        "Qwen/Qwen3-4B-Instruct-2507 /models/Qwen3-4B-Instruct-2507 qwen3:30b-a3b-instruct-2507-q4_K_M"
        " qwen3-235b-a22b-instruct-2507 qwen/qwen3-235b-a22b-2507 qwen/qwen3-4b-2507 Qwen3-30B-A3B-Instruct-2507-FP8"
        " accounts/fireworks/models/qwen3-235b-a22b-instruct-2507 GGUF_Qwen3-2507-4B-IT-Q4KM"
        " qwen-3-235b-a22b-instruct-2507"
    ),
    "Qwen3-2507 Thinking": (
        "Qwen/Qwen3-4B-Thinking-2507 qwen3:30b-a3b-thinking-2507 qwen3-235b-a22b-thinking-2507"
        " qwen/qwen3-4b-thinking-2507 Qwen3-30B-A3B-Thinking-2507-UD-Q4_K_XL.gguf"
    ),
    "Qwen3-Next Instruct": "Qwen/Qwen3-Next-80B-A3B-Instruct qwen3-next-80b-a3b-instruct",
    "Qwen3-Next Thinking": "Qwen/Qwen3-Next-80B-A3B-Thinking-FP8 qwen3-next-80b-a3b-thinking",
    "Qwen3-Next, edition not named": "qwen3-next:80b",
    "Qwen3-Coder": "Qwen/Qwen3-Coder-480B-A35B-Instruct qwen3-coder:30b qwen3-coder-30b-a3b-instruct qwen/qwen3-coder",
    "Qwen3-Coder-Next": "Qwen/Qwen3-Coder-Next qwen3-coder-next:latest",
    "Qwen3-Coder-Plus/Flash": "qwen3-coder-plus qwen3-coder-flash-2025-07-28",
    "Qwen3-VL Instruct": "Qwen/Qwen3-VL-8B-Instruct qwen3-vl:235b-a22b-instruct qwen3-vl-32b-instruct",
    "Qwen3-VL Thinking": "Qwen3-VL-8B-Thinking-FP8 qwen3-vl-235b-a22b-thinking qwen3-vl:8b-thinking",
    "Qwen3-VL, edition not named": "qwen3-vl:8b qwen/qwen3-vl-8b",
    "Qwen3-VL-Plus/Flash": "qwen3-vl-plus qwen3-vl-flash-2025-10-15",
    "Qwen3-Omni Instruct": "Qwen/Qwen3-Omni-30B-A3B-Instruct",
    "Qwen3-Omni Thinking": "Qwen/Qwen3-Omni-30B-A3B-Thinking",
    "Qwen3-Omni Captioner": "Qwen/Qwen3-Omni-30B-A3B-Captioner",
    "Qwen3-Omni, edition not named": "qwen3-omni:30b",
    "Qwen3-Omni-Flash": "qwen3-omni-flash qwen3-omni-flash-2025-12-01",
    "Qwen3-Max": "qwen3-max qwen3-max-2026-01-23 qwen/qwen3-max",
    "Qwen3-Max 2025-09-23": "qwen3-max-2025-09-23",
    "Qwen-Plus/Flash": "qwen-plus qwen-plus-latest qwen-plus-2025-07-28 qwen-flash qwen/qwen-plus",
    "Qwen-Turbo": "qwen-turbo qwen-turbo-latest",
    "Qwen3.5": "Qwen/Qwen3.5-397B-A17B Qwen/Qwen3.5-27B qwen3.5:9b qwen3.5-35b-a3b Qwen3.5-4B-Q4_K_M.gguf",
    "Qwen3.5 0.8B/2B": "Qwen/Qwen3.5-0.8B qwen3.5:2b",
    "Qwen3.5-Plus/Flash": "qwen3.5-plus qwen/qwen3.5-plus-02-15 qwen3.5-flash",
    "Qwen3.6": "Qwen/Qwen3.6-27B qwen3.6:35b-a3b",
    "Qwen3.6-Plus/Flash": "qwen3.6-plus qwen3.6-flash-2026-04-16",
    "Qwen3.6-Max": "qwen3.6-max-preview",
    "Qwen3.7": "qwen3.7-plus qwen3.7-flash-2026-07-15",
    "Qwen3.7-Max": "qwen3.7-max qwen3.7-max-2026-05-20",
    "Qwen3.7-Max thinking-only snapshots": "qwen3.7-max-preview qwen3.7-max-2026-05-17",
    "Qwen3.8": "Qwen/Qwen3.8-27B qwen3.8:27b",
    "Qwen3.8-2.4T-A95B": "Qwen/Qwen3.8-2.4T-A95B",
    "Qwen3.8-Max": "qwen3.8-max qwen3.8-max-0902",
    "Qwen3.8-Max preview": "qwen3.8-max-preview",
    "Qwen3.8-Flash": "qwen3.8-flash",
    "Qwen3.8-Flash-Next": "Qwen/Qwen3.8-Flash-Next",
    "Qwen3.8-Omni-Flash": "qwen3.8-omni-flash",
}
FOREIGN = (
    "gpt-5 my-lora default llama3.1:8b qwen2.5:7b Qwen/Qwen2.5-7B-Instruct Qwen/QwQ-32B qwen-max qwen-vl-max"
    " qwen3.9-27b"
    " deepseek-ai/DeepSeek-R1-0528-Qwen3-8B deepseek-r1:8b-0528-qwen3 Qwen/Qwen3-Embedding-8B Qwen/Qwen3-Reranker-4B"
    " qwen3-vl-rerank Qwen/Qwen3Guard-Gen-8B qwen3-asr-flash qwen3-tts-flash Qwen3-VL-Embedding-2B"
    " qwen3-livetranslate-flash"
)


@pytest.mark.parametrize(("line", "model"), [(line, name) for line, names in NAMES.items() for name in names.split()])
def test_find_line_knows_model_when_spelled_by_any_server(line: str, model: str) -> None:
    """Protects recognition: Hugging Face, Ollama, GGUF, paths, OpenRouter, DashScope, Bedrock, a LoRA's name."""
    found = find_line(model)
    assert found is not None
    assert found.name == line


@pytest.mark.parametrize("model", [*FOREIGN.split(), "", "/", "snapshots/9c925d64"])
def test_find_line_is_none_when_name_is_foreign(model: str) -> None:
    """Protects every other model from facts that are not its own."""
    assert find_line(model) is None


def test_find_line_reaches_every_row() -> None:
    """Protects the table: a row hidden behind an earlier one would never be used."""
    reached = {
        find_line(name, server) for names in NAMES.values() for name in names.split() for server in (None, "dashscope")
    }
    assert set(MODEL_LINES) == reached
    assert len({line.name for line in MODEL_LINES}) == len(MODEL_LINES)


def test_find_line_depends_on_server_when_service_restricts_the_weights() -> None:
    """Protects from DashScope's 400: there the switch of these weights does not exist."""
    name = "qwen3.8-2.4t-a95b"
    hosted, served = find_line(name, "dashscope"), find_line(name, "vllm")
    assert hosted is not None
    assert served is not None
    assert (hosted.thinking, served.thinking) == ("always", "hybrid")
    assert find_line("qwen3-8b", "dashscope") == find_line("qwen3-8b", "vllm")


@pytest.mark.parametrize("line", MODEL_LINES, ids=lambda line: line.name)
def test_row_is_consistent(line) -> None:
    """Protects the table from rows that contradict themselves."""
    if line.thinking != "hybrid":
        assert line.thinking_default is (line.thinking == "always")
    if line.thinking == "never":
        assert (line.opens_think, line.soft_switch, line.efforts) == (False, False, ())
        assert line.sampling_thinking is None
    if line.thinking == "always":
        assert not line.soft_switch
    assert line.max_output is None or line.max_output < line.context
    assert line.max_input is None or line.max_input < line.context


@pytest.mark.parametrize(
    ("model", "thinks"),
    [("qwen3-8b", True), ("qwen-plus", False), ("Qwen/Qwen3.5-2B", False), ("Qwen/Qwen3.5-27B", True)],
)
def test_thinking_default_is_the_services_when_nothing_is_sent(model: str, thinks: bool) -> None:
    """Protects sampling and limits that depend on whether the model thinks by itself."""
    line = find_line(model)
    assert line is not None
    assert line.thinking_default is thinks


@pytest.mark.parametrize(
    ("model", "keeps"),
    [("qwen3-8b", "last_turn"), ("Qwen3.5-27B", "last_turn"), ("Qwen3.6-27B", "preserve"), ("qwen3.8-max", "all")],
)
def test_keeps_reasoning_follows_the_template(model: str, keeps: str) -> None:
    """Protects history: 3.8 wants all earlier reasoning, earlier lines drop it."""
    line = find_line(model)
    assert line is not None
    assert line.keeps_reasoning == keeps


def test_normalise_name_gives_one_form_when_spellings_differ() -> None:
    """Protects recognition of underscores, colons, case and backslashes."""
    assert normalise_name(" Qwen_Qwen3-8B-Q4_K_M.gguf ") == "qwen-qwen3-8b-q4-k-m.gguf"
    assert normalise_name("models\\Qwen-3:8b") == "models/qwen3-8b"


@pytest.mark.parametrize("line", MODEL_LINES, ids=lambda line: line.name)
def test_build_profile_uses_known_keys_only(line) -> None:
    """Protects from the warning langchain-core gives for keys it does not know, in either version."""
    name = next(name for name in NAMES.get(line.name, "qwen3.8-2.4t-a95b").split())
    profile = build_profile(name)
    assert profile is not None
    assert set(profile) <= set(get_type_hints(ModelProfile))


def test_build_profile_tells_what_the_line_can() -> None:
    """Protects what agents and middleware read: context, output, modalities, tools, reasoning."""
    text, vision = build_profile("Qwen/Qwen3-0.6B"), build_profile("Qwen/Qwen3.8-27B")
    assert text is not None
    assert vision is not None
    assert (text["max_input_tokens"], text["max_output_tokens"]) == (40_960, 32_768)
    assert (text["tool_calling"], text["reasoning_output"], text["image_inputs"]) == (True, True, False)
    assert (vision["image_inputs"], vision["video_inputs"], vision["audio_inputs"]) == (True, True, False)
    assert vision["reasoning_effort_levels"] == ["xhigh", "medium", "low"]
    assert vision["reasoning_effort_default"] == "xhigh"
    assert "reasoning_effort_levels" not in text


def test_build_profile_takes_input_limit_when_service_has_one() -> None:
    """Protects from prompts a hosted service refuses though its window is larger."""
    profile = build_profile("qwen3-max")
    assert profile is not None
    assert profile["max_input_tokens"] == 258_048


def test_build_profile_prefers_served_context_when_given() -> None:
    """Protects trimming: a server started with less than the table's context is believed."""
    profile = build_profile("Qwen/Qwen3-0.6B", served_context=4096)
    assert profile is not None
    assert (profile["max_input_tokens"], profile["max_output_tokens"]) == (4096, 4096)


def test_build_profile_says_only_what_is_known_when_name_is_foreign() -> None:
    """Protects from made-up facts: an alias has the served context and nothing else."""
    assert build_profile("my-alias") is None
    assert build_profile("my-alias", served_context=8192) == {"max_input_tokens": 8192}


def test_build_profile_is_new_each_time() -> None:
    """Protects one model's profile from changes to another's."""
    first, second = build_profile("qwen3.8-27b"), build_profile("qwen3.8-27b")
    assert first is not None
    assert second is not None
    first["reasoning_effort_levels"].clear()
    assert second["reasoning_effort_levels"]


def test_build_profile_raises_when_served_context_is_not_positive() -> None:
    """Protects from a profile that trims everything away."""
    with pytest.raises(ValueError, match="served_context must be a positive number"):
        build_profile("qwen3-8b", served_context=0)
