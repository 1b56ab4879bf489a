"""What is read from the list of models: the server, context lengths, kinds of input, names of the weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.facts import (
    ModelFacts,
    ServerFacts,
    ask,
    list_served,
    read_model,
    read_models,
    resolve_served_line,
)
from langchain_qwen3.servers.gateways import GENERIC

CAPTURES = Path(__file__).parents[2] / "captures"


def answer(body: Any, status: int = 200, **headers: str) -> Any:
    """An answer as it comes from a look-up; a header's name is written with underscores."""
    return SimpleNamespace(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )


def listing(*rows: dict[str, Any]) -> dict[str, Any]:
    """A list of models."""
    return {"object": "list", "data": list(rows)}


ROW = {"id": "m", "object": "model"}
LITELLM = {**ROW, "owned_by": "openai", "created": 1677610602}


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (answer(listing(LITELLM)), "litellm"),
        (answer(listing({**LITELLM, "created": 1700000000})), None),
        (answer(listing({**ROW, "owned_by": "openai"}), x_litellm_version="1.108.7"), "litellm"),
        (answer(listing({**ROW, "owned_by": "custom"}), x_oneapi_request_id="2026"), "one-api"),
        (answer(listing(ROW), x_oneapi_request_id="2026", x_new_api_version="v1"), "new-api"),
        (answer(listing({**ROW, "owned_by": "local", "status": {"value": "loaded"}})), "transformers"),
        (answer(listing({**ROW, "owned_by": "local"})), None),
        (answer(listing({**ROW, "created": 1700000000}), server="BaseHTTP/0.6 Python/3.12.3"), "mlx-lm"),
        (answer(listing(ROW), server="BaseHTTP/0.6 Python/3.12.3"), None),
        (answer(listing({**ROW, "owned_by": "us"}), server="BaseHTTP/0.6 Python/3.12.3"), None),
        (answer(None, 404, server="llama.cpp"), "llama.cpp"),
        (answer({"data": "none"}), None),
        (answer([LITELLM]), "litellm"),
    ],
)
def test_knows_the_server_when_its_list_has_a_sign(reply: Any, name: str | None):
    """Protects detection by what is under `/v1/` alone: behind a proxy nothing else can be seen."""
    dialect, _ = read_models(reply)
    assert (dialect and dialect.name) == name


@pytest.mark.parametrize(
    "fields",
    [
        {"max_model_len": 4096},
        {"meta": {"n_ctx": 4096, "n_ctx_train": 40960}},
        {"context_length": 4096},
        {"context_window": 4096, "max_completion_tokens": 100},
        {"max_input_tokens": 4096},
        {"metadata": {"context_length": 4096}},
        {"context_size": 4096},
        {"limits": {"max_context_length": 4096}},
        {"providers": [{"context_length": 8192}, {"context_length": 4096}, {"provider": "x"}]},
        {"context_length": 4096.0},
        {"max_model_len": "4096"},
    ],
    ids=str,
)
def test_reads_the_context_when_a_server_tells_it_in_its_own_way(fields: dict[str, Any]):
    """Protects profiles and trimming: what is served counts, whatever it is called; of providers the smallest."""
    assert read_model({**ROW, **fields}).context == 4096


@pytest.mark.parametrize(
    "fields",
    [
        *({}, {"max_model_len": 0}, {"meta": None}, {"meta": []}),
        *(
            {"context_length": value}
            for value in ("long", "", "-1", "4e3", "²", "9" * 5000, 0.5, -1.0, math.inf, math.nan, True)
        ),
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_reads_no_context_when_none_is_told(fields: dict[str, Any]):
    """Protects profiles from numbers that are none."""
    assert read_model({**ROW, **fields}).context is None


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        ({"architecture": {"input_modalities": ["text", "image"]}}, {"text", "image"}),
        ({"architecture": {"input_modalities": ["text"]}}, {"text"}),
        ({"input_modalities": ["text", "audio"]}, {"text", "audio"}),
        ({"model_ability": ["chat", "vision", "tools"]}, {"text", "image"}),
        ({"modalities": {"vision": True, "audio": False}}, {"text", "image"}),
        ({"capabilities": {"vision": False}}, {"text"}),
        ({"capabilities": ["completion", "multimodal"]}, None),
        ({}, None),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_reads_kinds_of_input_when_a_server_tells_them(fields: dict[str, Any], inputs: set[str] | None):
    """Protects pictures: what the server says of itself is surer than what a name suggests."""
    assert read_model({**ROW, **fields}).inputs == inputs


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        ({"capabilities": ["chat", "vision"]}, ["image"]),
        ({"capabilities": ["completion", "multimodal"]}, ["image"]),
        ({"supports_vision": True}, ["image"]),
        ({"modality": "text+image->text"}, ["image"]),
        ({"architecture": {"modality": "text+image+video->text"}}, ["image", "video"]),
        ({"modalities": ["text", "image"]}, ["image"]),
        ({"modalities": {"input": ["text", "audio"], "output": ["text"]}}, ["audio"]),
        ({"capabilities": ["completion"]}, []),
        ({"modality": "text->image"}, []),
        ({"modalities": ["text"], "supports_vision": False}, []),
        ({"modalities": {"vision": False}, "capabilities": ["multimodal"]}, []),  # the flags are exact
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "Qwen/Qwen3-VL-8B-Instruct", "qwen3"])
def test_words_of_a_list_add_kinds_of_input_and_take_none_away(name: str, fields: dict[str, Any], added: list[str]):
    """Protects pictures for a model whose name says text only, where the server says in other words that it sees."""
    models = {name: read_model({**ROW, **fields})}
    plain = read_model({**ROW, "modalities": fields.get("modalities")})
    by_name = resolve_served_line(name, GENERIC, {name: plain} if plain.inputs else {}, None)
    line = resolve_served_line(name, GENERIC, models, None)
    assert line
    assert by_name
    assert line.inputs == by_name.inputs.union(added)
    assert resolve_served_line(name, GENERIC, models, "Qwen3") == resolve_served_line(name, GENERIC, {}, "Qwen3")


def test_reads_the_names_of_the_weights_when_the_served_name_is_an_alias():
    """Protects aliases: vLLM, llama.cpp and OpenRouter say what is behind one."""
    assert read_model({**ROW, "root": "Qwen/Qwen3-VL-8B-Instruct"}).weights == ("Qwen/Qwen3-VL-8B-Instruct",)
    assert read_model({"model_path": "/m/Qwen3-8B.gguf"}).weights == ("/m/Qwen3-8B.gguf",)
    assert read_model({**ROW, "architecture": {"name": "qwen3vl"}}).weights == ("qwen3vl",)
    assert read_model(ROW).weights == ()


VLLM_BASE = {"id": "base", "owned_by": "vllm", "root": "Qwen/Qwen3-4B-Thinking-2507", "max_model_len": 8192}


@pytest.mark.parametrize(
    ("base", "adapter", "line", "context"),
    [
        ({}, {"root": "/adapters/sql"}, "Qwen3-2507 Thinking", 8192),
        ({}, {"root": "/adapters/qwen3-sql"}, "Qwen3-2507 Thinking", 8192),
        ({}, {"root": None}, "Qwen3-2507 Thinking", 8192),
        ({}, {"root": "/adapters/sql", "max_model_len": 4096}, "Qwen3-2507 Thinking", 4096),
        ({}, {"root": "Qwen/Qwen3-8B-Instruct"}, "Qwen3", 8192),
        ({"root": "/models/x", "id": "qwen3-coder"}, {"parent": "qwen3-coder"}, "Qwen3-Coder", 8192),
        ({}, {"parent": "elsewhere"}, None, None),
        ({}, {"parent": "sql"}, None, None),
        ({}, {"parent": None}, None, None),
        ({"max_model_len": None}, {}, "Qwen3-2507 Thinking", None),
    ],
)
def test_reads_an_adapter_by_its_base_when_the_list_tells_no_more(
    base: dict[str, Any], adapter: dict[str, Any], line: str | None, context: int | None
):
    """Protects LoRA adapters, of which vLLM and SGLang list a name, a path and the base model."""
    rows = ({**VLLM_BASE, **base}, {"id": "sql", "parent": "base", **adapter})
    for listed in (rows, rows[::-1]):
        dialect, models = read_models(answer(listing(*listed)))
        assert dialect is not None
        assert models["sql"].context == context
        found = resolve_served_line("sql", dialect, models, None)
        assert (found and found.name) == line


@pytest.mark.parametrize("value", [None, "", "  ", {"a": 1}, ["m"], 1.5])
def test_leaves_a_model_out_when_its_name_is_none(value: Any):
    """Protects from a model called "None", which would be sent, and from advice to pass an empty name."""
    _, models = read_models(answer(listing({"id": value, "aliases": [value, "m"]}, {"id": 5, "owned_by": "vllm"})))
    assert [*models] == ["m", "5"]


def test_takes_the_row_of_the_model_when_a_list_has_several_servers():
    """Protects gateways with an engine of each kind: the model that is called decides."""
    rows = [{**ROW, "id": "a", "owned_by": "vllm"}, {**ROW, "id": "b", "owned_by": "library"}]
    dialect, models = read_models(answer(listing(*rows)))
    assert dialect is not None
    facts = ServerFacts(dialect, models)
    assert [facts.find_dialect(name).name for name in ("a", "b", "c")] == ["vllm", "ollama", "vllm"]


@pytest.mark.parametrize(
    ("capture", "name", "context"),
    [
        ("vllm-parsers", "vllm", 4096),
        ("llama-server", "llama.cpp", 4096),
        ("litellm", "litellm", None),
        ("xinference", "xinference", 40960),
        ("llama-cpp-python", "llama-cpp-python", None),
    ],
)
def test_knows_recorded_lists_when_read(capture: str, name: str, context: int | None):
    """Protects against the real thing: lists of models as real servers sent them."""
    response = json.loads((CAPTURES / capture / "get_v1_models.json").read_text("utf-8"))["response"]
    dialect, models = read_models(answer(response["body"], **dict(response["headers"])))
    assert dialect is DIALECTS[name]
    assert {facts.context for facts in models.values()} == {context}


def run(reply: Callable[[str], Any]) -> tuple[ServerFacts, list[str]]:
    """Answer every question; return what the answers tell, and the paths that were asked for."""
    questions, paths = ask("http://h:1"), []
    try:
        path = next(questions)
        while True:
            paths.append(path)
            path = questions.send(reply(path))
    except StopIteration as end:
        return end.value, paths


NOT_THERE = answer({"detail": "Not Found"}, 404)


def test_asks_each_probe_once_when_nothing_tells():
    """Protects unknown servers from more requests than there are probes, and from a schema of megabytes."""
    facts, paths = run(lambda _: NOT_THERE)
    assert facts.dialect.name == "generic"
    assert paths == ["/models", *(f"http://h:1{row.probe.path}" for row in DIALECTS.values() if row.probe)]
    assert not any("openapi" in path for path in paths)


VERSION = answer({"version": "0.33.0"})
BUILD = answer({"version": "179", "commit": "abcd1234", "build_date": "2026-11-01"})  # llama-swap
METHOD = answer(None, 405)


def list_owned(*owned: tuple[str, str | None]) -> Any:
    """The list of models with these names and owners."""
    return answer(listing(*({"id": name, "object": "model", "owned_by": owner} for name, owner in owned)))


def look(replies: dict[str, Any], others: Any) -> str:
    """Return the server that is found, by its replies under these paths, and by the one under all others."""
    return run(lambda path: replies.get(path.removeprefix("http://h:1"), others))[0].dialect.name


@pytest.mark.parametrize(
    ("models", "version", "name"),
    [
        (list_owned(("us/qwen3:8b", "us")), VERSION, "ollama"),
        (list_owned(("hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M", "unsloth")), VERSION, "ollama"),
        (list_owned(("qwen3.5:122b", "ollama"), ("glm-4.6", "ollama")), VERSION, "ollama"),  # ollama.com
        (answer({"object": "list", "data": None}), VERSION, "ollama"),  # no model was pulled yet
        (list_owned(("m", None)), VERSION, "ollama"),
        (NOT_THERE, VERSION, "ollama"),
        (list_owned(("qwen3-8b", "llama-swap")), BUILD, "generic"),
        (list_owned(("qwen3-8b", "llama-swap")), VERSION, "generic"),
        (list_owned(("qwen3:8b", "llama-swap")), VERSION, "generic"),
        (list_owned(("us/qwen3:8b", "us"), ("qwen3-8b", "custom")), VERSION, "generic"),
        (list_owned(("koboldcpp/Qwen3-8B", "koboldcpp")), VERSION, "generic"),
        (list_owned(("Qwen/Qwen3-8B", "Acme Inc.")), VERSION, "generic"),
        (list_owned(("m", None)), BUILD, "generic"),
        (NOT_THERE, BUILD, "generic"),
        (NOT_THERE, answer([{"version": "1", "commit": "a"}]), "generic"),
    ],
)
def test_knows_ollama_from_others_that_tell_a_version(models: Any, version: Any, name: str):
    """Protects gateways and pods with a path for their version: Ollama's row has no switch, no top_k, no URLs."""
    assert look({"/models": models, "/api/version": version}, NOT_THERE) == name


@pytest.mark.parametrize(
    ("replies", "others", "name"),
    [
        ({"/load_model": METHOD}, NOT_THERE, "transformers"),
        ({"/models": list_owned(("m", "us")), "/load_model": METHOD}, NOT_THERE, "transformers"),
        ({"/models": list_owned(("m", "us")), "/load_model": METHOD}, answer(None, 404), "transformers"),
        ({}, METHOD, "generic"),
        ({}, answer({"message": "Method Not Allowed"}, 405), "generic"),
        ({"/models": list_owned(("m", "us"))}, METHOD, "generic"),
        ({"/models": NOT_THERE}, METHOD, "generic"),
        ({}, VERSION, "generic"),
        ({}, answer({"version": "1", "router": "text-generation-router", "tool_call_parser": None}), "generic"),
        ({"/models": list_owned(("m", "us"))}, answer({"version": "1", "path": "*"}), "generic"),
        ({"/info": answer({"router": "text-generation-router"})}, METHOD, "tgi"),
        ({"/props": answer({"default_generation_settings": {}})}, METHOD, "llama.cpp"),
        ({"/server_info": answer({"server_args": {}})}, answer({"status": "ok"}), "sglang"),
    ],
)
def test_probe_tells_nothing_when_other_paths_answer_like_it(replies: dict[str, Any], others: Any, name: str):
    """Protects endpoints that take only POST, or answer every path alike: nothing tells which server is behind."""
    assert look(replies, others) == name


PAGE = answer(None)


@pytest.mark.parametrize(
    ("replies", "others", "is_known"),
    [
        ({}, answer(None, 404), False),  # Traefik, ngrok
        ({}, PAGE, False),
        ({"/models": PAGE}, answer(None, 404), False),
        ({"/models": answer(None, 404)}, PAGE, False),
        ({"/models": answer("starting")}, answer(None, 404), False),
        ({"/models": answer(0)}, PAGE, False),
        ({"/models": answer(None, 404)}, answer(None, 503), False),
        ({}, NOT_THERE, True),
        ({"/models": answer(listing(ROW))}, answer(None, 404), True),
        ({"/models": answer(listing(ROW))}, PAGE, True),
        ({"/models": answer([])}, PAGE, True),
        ({"/models": answer({"message": "no Route matched"}, 404)}, PAGE, True),
        ({"/models": answer(None, 404)}, NOT_THERE, True),  # a proxy that hides the list alone
        ({}, METHOD, True),  # takes only POST
        ({"/models": answer(None, 501)}, answer(None, 404), True),
        ({"/models": answer(None, 404), "/props": answer({"default_generation_settings": {}})}, PAGE, True),
    ],
)
def test_decides_only_when_a_reply_is_one_of_an_api(replies: dict[str, Any], others: Any, is_known: bool):
    """Protects a pod that is starting: what its proxy says meanwhile must not settle the dialect for good."""
    facts, _ = run(lambda path: replies.get(path.removeprefix("http://h:1"), others))
    assert (facts is not None) is is_known


LLAMA = {**ROW, "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}
PROPS = {
    "default_generation_settings": {"n_ctx": 4096},
    "model_path": "/models/Qwen3-VL-8B-Instruct-Q8_0.gguf",
    "modalities": {"vision": True, "audio": False},
}
ALIASED = {**LLAMA, "aliases": ["qwen3"]}


@pytest.mark.parametrize(
    ("rows", "props", "inputs", "weights"),
    [
        ([ALIASED], answer(PROPS), {"text", "image"}, (PROPS["model_path"],)),
        ([ROW], answer(PROPS), {"text", "image"}, (PROPS["model_path"],)),  # found by the probe itself
        ([LLAMA], answer({**PROPS, "modalities": {"vision": False}}), {"text"}, (PROPS["model_path"],)),
        ([LLAMA], answer({"model_path": "/m/a.gguf"}), None, ("/m/a.gguf",)),
        ([LLAMA], answer(None, 404), None, ()),
        ([LLAMA], answer([], 200), None, ()),
        ([LLAMA], answer({"error": {"message": "no key"}}, 401), None, ()),
    ],
)
def test_asks_for_properties_when_the_list_names_no_inputs(
    rows: list[Any], props: Any, inputs: set[str] | None, weights: tuple[str, ...]
):
    """Protects pictures for an alias on older builds of llama.cpp, whose list has no modalities."""
    facts, paths = run(
        lambda path: props if "/props" in path else answer(listing(*rows) if path == "/models" else None)
    )
    assert facts.dialect.name == "llama.cpp"
    assert paths.count("http://h:1/props") == 1
    names = ["m", *rows[0].get("aliases", ())]
    context = 2048 if "meta" in rows[0] else 4096
    expected = ModelFacts(context=context, inputs=inputs and frozenset(inputs), weights=weights)
    assert {name: replace(known, dialect=None) for name, known in facts.models.items()} == dict.fromkeys(
        names, expected
    )


@pytest.mark.parametrize(
    "rows",
    [
        [{**LLAMA, "architecture": {"input_modalities": ["text"]}}],
        [LLAMA, {**LLAMA, "id": "other"}],
        [{**ROW, "owned_by": "vllm"}],
    ],
    ids=["inputs are listed", "several models", "another server"],
)
def test_asks_for_no_properties_when_they_add_nothing(rows: list[Any]):
    """Protects the first call from a request for nothing, and models of a router from another one's properties."""
    facts, paths = run(lambda _: answer(listing(*rows)))
    assert paths == ["/models"]
    assert len(facts.models) == len(rows)


def test_keeps_what_props_say_when_the_list_said_nothing():
    """Protects llama.cpp behind a gateway that hides its list: context and pictures are in its properties."""
    props = {"default_generation_settings": {"n_ctx": 4096}, "model_alias": "m", "modalities": {"vision": True}}
    facts, _ = run(lambda path: answer(props if "/props" in path else None))
    assert facts.models == {"m": ModelFacts(context=4096, inputs=frozenset({"text", "image"}))}


@pytest.mark.parametrize(
    ("names", "served"),
    [
        (["text-embedding-nomic", "qwen3-8b"], ["qwen3-8b"]),
        (["Qwen3-ASR-1.7B", "/models/Qwen3-8B", "bge-reranker-v2", "Qwen3TTS"], ["/models/Qwen3-8B"]),
        (["/models/embeddings/bge-m3", "Qwen/Qwen3-8B"], ["Qwen/Qwen3-8B"]),
        (["Qwen3Guard-Gen-8B"], ["Qwen3Guard-Gen-8B"]),
    ],
)
def test_lists_models_that_can_chat_when_others_are_served_beside(names: list[str], served: list[str]):
    """Protects a call without a model from an embedding model or a voice; a server's only model is still taken."""
    assert list_served({name: ModelFacts(weights=(name,)) for name in names}) == served


NAMED = {"id": "m", "owned_by": "vllm", "max_model_len": 4096}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (listing(NAMED), {"m": 4096}),
        ([NAMED], {"m": 4096}),  # Together, and older gateways
        ({"models": [NAMED]}, {"m": 4096}),
        ({"data": [NAMED], "models": [{"name": "other"}]}, {"m": 4096}),  # llama.cpp
        ({"code": 0, "msg": "ok", "data": {"object": "list", "data": [NAMED]}}, {"m": 4096}),
        ({"code": 0, "data": {"total": 1, "list": [NAMED]}}, {"m": 4096}),
        ({"models": [{"name": "qwen3:8b", "model": "qwen3:8b"}]}, {"qwen3:8b": None}),
        ({"data": [{"id": None, "name": "m"}, {"id": "", "model": " "}, "m", None]}, {"m": None}),
        ({"data": []}, {}),
        ({"data": {}}, {}),
        ({"data": None, "error": {"message": "m"}}, {}),
        ({"detail": "Not Found"}, {}),
        ("m", {}),
        (None, {}),
    ],
    ids=str,
)
def test_models_are_read_when_their_list_has_another_form(body: Any, expected: dict[str, int | None]):
    """Protects who leaves the model's name to the server: a gateway's own form was a server without models."""
    _, models = read_models(answer(body))
    assert {name: known.context for name, known in models.items()} == expected
    assert list_served(models) == list(expected)
