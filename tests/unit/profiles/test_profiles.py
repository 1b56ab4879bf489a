"""Model names, what is known about them, and LangChain's profile of it."""

import json
from pathlib import Path
from typing import get_type_hints

import pytest
from langchain_core.language_models import ModelProfile

from langchain_qwen3.profiles import MODEL_LINES, build_profile, find_line, normalise_name, resolve_line

NAMES: dict[str, list[str]] = json.loads(Path(__file__).with_name("model_names.json").read_text(encoding="utf-8"))
"""Line → names it is served under: LiteLLM's catalogue, files, architectures. What is none of them is under `none`."""
FOREIGN = NAMES.pop("none")


def describe(model: str, served_context: int | None = None) -> ModelProfile | None:
    """Return the profile of a model by its name."""
    return build_profile(resolve_line(model), served_context)


@pytest.mark.parametrize(("line", "model"), [(line, name) for line, names in NAMES.items() for name in names])
def test_find_line_knows_model_when_spelled_by_any_server(line: str, model: str) -> None:
    """Protects recognition: Hugging Face, Ollama, GGUF, paths, OpenRouter, DashScope, Bedrock, a LoRA's name."""
    row = find_line(model)
    assert row is not None
    assert row.name == line


@pytest.mark.parametrize("model", [*FOREIGN, "", "/", "snapshots/9c925d64"])
def test_find_line_is_none_when_name_is_foreign(model: str) -> None:
    """Protects every other model from facts that are not its own."""
    assert find_line(model) is None


def test_find_line_reaches_every_row() -> None:
    """Protects the table: a row hidden behind an earlier one would never be used."""
    reached = {find_line(name, server) for names in NAMES.values() for name in names for server in (None, "dashscope")}
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


@pytest.mark.parametrize(
    ("model", "normalised"),
    [
        ("accounts/fireworks/models/qwen3p8-2p4t-a95b", "accounts/fireworks/models/qwen3.8-2.4t-a95b"),
        ("Qwen3_5-9B", "qwen3.5-9b"),
        ("databricks-qwen35-122b-a10b", "databricks-qwen3.5-122b-a10b"),
        ("qwen3-8-27b", "qwen3.8-27b"),
        ("qwen3-8-4bit", "qwen3-8-4bit"),
        ("qwen3-5-0-8b", "qwen3.5-0.8b"),
        ("Qwen3-0.6B-FP8", "qwen3-0.6b-fp8"),
        ("Qwen3VL-8B-Instruct-Q8_0.gguf", "qwen3-vl-8b-instruct-q8-0.gguf"),
        ("Qwen3-30B-A3B-VL-Instruct", "qwen3-vl-30b-a3b-instruct"),
        ("/data/qwen3.6-27b/", "/data/qwen3.6-27b/"),
    ],
)
def test_normalise_name_reads_versions_and_sizes_when_dots_are_missing(model: str, normalised: str) -> None:
    """Protects recognition where a host, a file system or a catalogue may not write a dot or a hyphen."""
    assert normalise_name(model) == normalised


@pytest.mark.parametrize("line", MODEL_LINES, ids=lambda line: line.name)
def test_build_profile_uses_known_keys_only(line) -> None:
    """Protects from the warning langchain-core gives for keys it does not know, in either version."""
    profile = describe(NAMES.get(line.name, ["qwen3.8-2.4t-a95b"])[0])
    assert profile is not None
    assert set(profile) <= set(get_type_hints(ModelProfile))


def test_build_profile_tells_what_the_line_can() -> None:
    """Protects what agents and middleware read: context, output, modalities, tools, reasoning."""
    text, vision = describe("Qwen/Qwen3-0.6B"), describe("Qwen/Qwen3.8-27B")
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
    profile = describe("qwen3-max")
    assert profile is not None
    assert profile["max_input_tokens"] == 258_048


def test_build_profile_prefers_served_context_when_given() -> None:
    """Protects trimming: a server started with less than the table's context is believed."""
    profile = describe("Qwen/Qwen3-0.6B", served_context=4096)
    assert profile is not None
    assert (profile["max_input_tokens"], profile["max_output_tokens"]) == (4096, 4096)


def test_build_profile_says_only_what_is_known_when_name_is_foreign() -> None:
    """Protects from made-up facts: an alias has the served context and nothing else."""
    assert describe("my-alias") is None
    assert describe("my-alias", served_context=8192) == {"max_input_tokens": 8192}


def test_build_profile_is_new_each_time() -> None:
    """Protects one model's profile from changes to another's."""
    first, second = describe("qwen3.8-27b"), describe("qwen3.8-27b")
    assert first is not None
    assert second is not None
    first["reasoning_effort_levels"].clear()
    assert second["reasoning_effort_levels"]


def test_build_profile_raises_when_served_context_is_not_positive() -> None:
    """Protects from a profile that trims everything away."""
    with pytest.raises(ValueError, match="served_context must be a positive number"):
        describe("qwen3-8b", served_context=0)
