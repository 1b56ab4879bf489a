"""What a model is: said outright, by the server's own word, by its name; and what nobody says takes nothing away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.profiles import MODEL_LINES, build_profile, find_line, resolve_line
from langchain_qwen3.request.media_data import MediaError

PICTURE = [HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])]
SOUND = [HumanMessage([{"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}])]
ALL = {"text", "image", "video", "audio"}
# Names that say too little, or hold a word that is not the vendor's.
UNCLEAR = (
    "qwen3",
    "qwen3:latest",
    "qwen-plus",
    "Qwen3-8B-Vision",
    "Qwen3-8B-eyes",
    "my-qwen3-8b",
    "acme/qwen3-8b-sees-all",
    "Qwen3-8B-finetuned-ocr",
    "qwen3-14b-mm-lora",
    "/models/qwen3-8b/checkpoint-100",
)
CLEAR = (
    "Qwen/Qwen3-8B",
    "qwen3:8b",
    "qwen3:30b-a3b-instruct-2507-q4_K_M",
    "Qwen_Qwen3-8B-Q8_0.gguf",
    "unsloth/Qwen3-14B-unsloth-bnb-4bit",
    "Qwen/Qwen3-30B-A3B-Thinking-2507-FP8",
    "mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit",
    "qwen3-max-2026-01-23",
    "Qwen3-4B-Instruct-2507.Q4_K_M.gguf",
    "Qwen3-8B.i1-IQ3_XXS.gguf",
    "Qwen3-8B.f16.gguf",
)


def build(model: str, **fields: Any) -> ChatQwen3:
    """A model that asks nobody what the server is."""
    return ChatQwen3(model=model, base_url="http://localhost:1/v1", **{"server": "vllm", **fields})


@pytest.mark.parametrize("name", UNCLEAR)
def test_takes_every_kind_of_input_when_a_name_says_too_little(name: str):
    """Protects aliases and names nobody foresaw: no MediaError for a picture that the server may take."""
    line = resolve_line(name)
    assert line is not None
    assert line.inputs == ALL
    for messages in (PICTURE, SOUND):
        build(name)._get_request_payload(messages)
    profile = build(name).profile or {}
    assert not profile.keys() & {"image_inputs", "audio_inputs", "video_inputs", "attachment"}


@pytest.mark.parametrize("name", CLEAR)
def test_refuses_a_picture_when_the_name_is_the_vendors_own(name: str):
    """Protects from a 500 or a part that a template drops: all of the name is understood, and it cannot see."""
    with pytest.raises(MediaError, match="model_line"):
        build(name)._get_request_payload(PICTURE)
    assert (build(name).profile or {})["image_inputs"] is False


@pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "qwen3", "my-alias"])
@pytest.mark.parametrize(
    "model_line", ["Qwen3-VL", "Qwen/Qwen3-VL-8B-Instruct", "Qwen3-VL Instruct", "qwen3-vl instruct"]
)
def test_is_what_is_said_outright_when_the_name_says_otherwise(name: str, model_line: str):
    """Protects the field: pictures go out, sound is refused, and the profile follows."""
    model = build(name, model_line=model_line)
    model._get_request_payload(PICTURE)
    with pytest.raises(MediaError, match="Qwen3-VL"):
        model._get_request_payload(SOUND)
    profile = model.profile or {}
    assert (profile["image_inputs"], profile["audio_inputs"]) == (True, False)
    assert profile["max_input_tokens"] == 262_144


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.model_copy(update={"model_line": "Qwen3-VL"}),
        lambda model: model.model_copy(update={"model_name": "Qwen/Qwen3-VL-8B-Instruct"}),
        lambda model: model.bind(model_line="Qwen3-VL"),
        lambda model: model.bind(model="Qwen/Qwen3-VL-8B-Instruct").with_config(tags=["x"]),
        lambda model: model.bind_tools([]).bind(model_line="Qwen3-VL"),
    ],
    ids=["copy", "copy of another model", "bound", "another model bound", "bound beside tools"],
)
def test_the_profile_follows_when_a_copy_or_a_binding_says_it(change: Any):
    """Protects agents that look at the profile of what they are handed; a profile of the user's own stays."""
    profile = change(build("Qwen/Qwen3-8B")).profile
    assert (profile["image_inputs"], profile["max_input_tokens"]) == (True, 262_144)
    own = {"max_input_tokens": 5}
    assert change(build("Qwen/Qwen3-8B", profile=own)).profile == own
    of_another = build("x", model_line="Qwen3-VL").bind(model="Qwen/Qwen3-8B")
    assert (of_another.profile or {})["image_inputs"] is False


def test_is_what_a_call_says_when_it_says_it():
    """Protects the keyword of a call and of `.bind()`, and a call of another model, whose line the field is not."""
    model = build("Qwen/Qwen3-8B")
    model._get_request_payload(PICTURE, model_line="Qwen3-VL")
    assert "model_line" not in model._get_request_payload(PICTURE, model_line="Qwen3-VL")
    seeing = build("my-alias", model_line="Qwen3-VL")
    with pytest.raises(MediaError, match="Qwen3 models accept only text"):
        seeing._get_request_payload(PICTURE, model="Qwen/Qwen3-8B")


@pytest.mark.parametrize("line", MODEL_LINES, ids=lambda line: line.name)
def test_knows_every_line_by_its_own_name(line: Any):
    """Protects model_line: what the error lists can be said."""
    assert find_line(line.name) is line


def test_names_the_lines_when_what_is_said_is_none():
    """Protects from a typing error that would be taken for nothing: in the field and in a call."""
    with pytest.raises(ValueError, match=r"model_line='Qwen9'.*Qwen3-VL Instruct"):
        build("x", model_line="Qwen9")
    with pytest.raises(ValueError, match=r"model_line='Qwen9'"):
        build("x")._get_request_payload(PICTURE, model_line="Qwen9")


@pytest.mark.parametrize(
    ("model", "known", "name", "inputs"),
    [
        ("qwen3", {"weights": ("Qwen/Qwen3-VL-8B-Instruct",)}, "Qwen3-VL Instruct", {"text", "image", "video"}),
        ("Qwen/Qwen3-8B", {"weights": ("/m/Qwen3-VL-8B-Instruct",)}, "Qwen3-VL Instruct", {"text", "image", "video"}),
        ("Qwen/Qwen3-8B", {"weights": ("/models/x",)}, "Qwen3", {"text"}),
        # A folder that says little stands back, and what it leaves open stays open.
        ("Qwen/Qwen3-VL-8B-Thinking", {"weights": ("/models/qwen3",)}, "Qwen3-VL Thinking", ALL),
        ("Qwen/Qwen3-8B", {"weights": ("/models/qwen3-eyes",)}, "Qwen3", ALL),
        ("qwen3", {"weights": ("/m/qwen3", "qwen3vl")}, "Qwen3-VL, edition not named", ALL),
        ("Qwen/Qwen3-8B", {"inputs": frozenset({"text", "image"})}, "Qwen3", {"text", "image"}),
        ("Qwen/Qwen3-VL-8B", {"inputs": frozenset({"text"})}, "Qwen3-VL, edition not named", {"text"}),
        ("Qwen/Qwen3.5-9B", {"inputs": frozenset({"text", "image"})}, "Qwen3.5", {"text", "image", "video"}),
        ("qwen3", {"inputs": frozenset({"text"})}, "Qwen3", {"text"}),
    ],
)
def test_believes_the_server_before_the_name(model: str, known: dict[str, Any], name: str, inputs: set[str]):
    """Protects models under a mistaken or meaningless name: weights and kinds of input as the server tells them."""
    line = resolve_line(model, **known)
    assert line is not None
    assert (line.name, line.inputs) == (name, inputs)
    profile = build_profile(line) or {}
    assert (profile["name"], profile.get("image_inputs", inputs == ALL)) == (name, "image" in inputs)
    named = resolve_line(model, model_line="Qwen3-Omni", **known)
    assert named is not None
    assert named.inputs == ALL


def test_public_names_take_no_input_away_that_their_line_has():
    """Protects the names that hosts and hubs really use: none of a line that sees is refused a picture."""
    names: dict[str, list[str]] = json.loads((Path(__file__).parent / "model_names.json").read_text(encoding="utf-8"))
    for line_name, models in names.items():
        for model in models:
            line = resolve_line(model)
            assert line is None or line.inputs >= find_line(line_name).inputs  # type: ignore[union-attr]
