"""The rows themselves, and how a host or `owned_by` finds one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.profiles import find_line
from langchain_qwen3.servers import dialect, dialects
from langchain_qwen3.servers.dialect import Dialect, Sign
from langchain_qwen3.servers.dialects import (
    DIALECTS,
    NAMES,
    OWNERS,
    add_dialect,
    find_by_host,
)
from tests.support.scripted import Scripted

CAPTURES = Path(__file__).parents[2] / "captures"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("dashscope.aliyuncs.com", "dashscope"),
        ("dashscope-intl.aliyuncs.com", "dashscope"),
        ("dashscope-us.aliyuncs.com", "dashscope"),
        ("cn-hongkong.dashscope.aliyuncs.com", "dashscope"),
        ("llm-x1.cn-beijing.maas.aliyuncs.com", "dashscope"),
        ("token-plan.ap-southeast-1.maas.aliyuncs.com", "dashscope"),
        ("DashScope.aliyuncs.com", "dashscope"),
        ("dashscope.aliyuncs.com.", "dashscope"),  # the dot of DNS's root
        ("vpc-cn-beijing.dashscope.aliyuncs.com", "dashscope"),
        ("ep-2zei6917b47e.dashscope.cn-beijing.privatelink.aliyuncs.com", "dashscope"),
        ("ep-t4n1-ap-southeast-1a.dashscope.ap-southeast-1.privatelink.aliyuncs.com", "dashscope"),
        ("openrouter.ai", "openrouter"),
        ("api.siliconflow.cn", "siliconflow"),
        ("api.siliconflow.com", "siliconflow"),
        ("api-inference.modelscope.cn", "modelscope"),
        ("api-inference.modelscope.ai", "modelscope"),  # outside China
        ("api.groq.com", "groq"),
        ("api.cerebras.ai", "cerebras"),
        ("api.fireworks.ai", "fireworks"),
        ("api.together.xyz", "together"),
        ("api-inference.together.ai", "together"),
        ("api.deepinfra.com", "deepinfra"),
        ("integrate.api.nvidia.com", "nvidia"),
        ("router.huggingface.co", "huggingface"),
        ("qianfan.baidubce.com", "qianfan"),
        ("tokenhub.tencentmaas.com", "tokenhub"),
        ("api.novita.ai", "novita"),
        ("api.ppinfra.com", "novita"),
        ("api.tokenfactory.us-central1.nebius.com", "nebius"),
        ("api.studio.nebius.ai", "nebius"),
        ("api.sambanova.ai", "sambanova"),
        ("api.cloudflare.com", "cloudflare"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock"),
        ("bedrock-mantle.us-west-2.api.aws", "bedrock"),
        ("oai.endpoints.kepler.ai.cloud.ovh.net", "ovhcloud"),
        ("api.scaleway.ai", "scaleway"),
        ("inference.baseten.co", "baseten"),
        ("ai-gateway.vercel.sh", "vercel"),
    ],
)
def test_finds_the_service_when_the_host_is_one_of_its_own(host: str, name: str):
    """Protects hosted users from a look-up, and every region from the wrong dialect."""
    row = find_by_host(host)
    assert row is not None
    assert row.name == name


@pytest.mark.parametrize(
    "host",
    [
        "dashscope.aliyuncs.com.evil.example",
        "evil-dashscope.aliyuncs.co",
        "notopenrouter.ai",
        "localhost",
        "api.groq.com.evil.example",
        "evil.api.groq.com",
        "aliyuncs.com",
        "dashscope.aliyuncs.com..",
        "ep-1.epsrv-2.cn-hangzhou.privatelink.aliyuncs.com",  # a service of anybody's
        "dashscope.ep-1.epsrv-2.cn-hangzhou.privatelink.aliyuncs.com",
        "ep-1.dashscope.cn-beijing.privatelink.aliyuncs.com.evil.example",
    ],
)
def test_finds_nothing_when_a_host_only_looks_like_a_service(host: str):
    """Protects keys: $DASHSCOPE_API_KEY goes where this table says."""
    assert find_by_host(host) is None


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("vllm", "vllm"),
        ("aphrodite", "vllm"),
        ("sglang", "sglang"),
        ("library", "ollama"),
        ("docker", "llama.cpp"),
        ("lemonade", "llama.cpp"),
        ("lmdeploy", "lmdeploy"),
        ("xinference", "xinference"),
        ("swift", "ms-swift"),
        ("tensorrt_llm", "tensorrt-llm"),
        ("tabbyAPI", "tabbyapi"),
        ("me", "llama-cpp-python"),
        ("deepinfra", "deepinfra"),
        ("gpustack", "gpustack"),
    ],
)
def test_finds_the_server_when_owned_by_names_it(owner: str, name: str):
    """Protects detection on the servers that say what they are."""
    row = OWNERS.get(owner)
    assert row is not None
    assert row.name == name
    assert OWNERS.get("somebody") is None


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_says_how_it_is_known_when_it_is_a_row(row: dialects.Dialect):
    """Protects readers from taking documentation for a measurement: every row states its grade, and none can change."""
    assert any(word in row.evidence for word in ("measured", "source", "documented", "reported"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.name = "x"  # type: ignore[misc]


def test_has_recordings_when_it_is_called_measured():
    """Protects the grade: a measured row has whole replies and streams of its server in this repository."""
    folders = {"vllm": "vllm-parsers", "llama.cpp": "llama-server", "transformers": "transformers-serve"}
    measured = [row.name for row in DIALECTS.values() if row.evidence.startswith("measured on")]
    assert len(measured) >= 7
    for name in measured:
        folder = CAPTURES / folders.get(name, name)
        assert len([*folder.glob("*.json")]) > 30
        assert len([*folder.glob("*.sse")]) > 5


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_takes_the_switch_in_one_way_when_it_takes_it_at_all(row: dialects.Dialect):
    """Protects rows from saying the switch twice, as a boolean and as a word; one-api may pass on the word alone."""
    assert not (row.thinking and row.thinking_word) or row.name == "one-api"


def test_names_are_unique_when_aliases_count():
    """Protects `server=`: a name, an alias and an owner mean one row each."""
    names = [name for row in DIALECTS.values() for name in (row.name, *row.aliases)]
    owners = [owner for row in DIALECTS.values() for owner in row.owned_by]
    assert len(set(names)) == len(names) == len(NAMES)
    assert len(set(owners)) == len(owners)


@pytest.mark.parametrize("name", ["aphrodite", "vllm-ascend", "docker", "lemonade", "ktransformers", "swift", "ppio"])
def test_takes_the_row_of_the_kin_when_an_alias_is_named(name: str):
    """Protects users of forks and shells: their name is as good as the row's own."""
    row = NAMES.get(name)
    assert row is not None
    assert name in row.aliases
    assert ChatQwen3(model="m", base_url="http://127.0.0.1:9/v1", server=name).dialect is row


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen3.8-27B:groq", "groq"),
        ("Qwen/Qwen3.8-27B:fireworks-ai", "fireworks"),
        ("Qwen/Qwen3.8-27B:ovhcloud", "ovhcloud"),
        ("Qwen/Qwen3.8-27B:cheapest", "huggingface"),
        ("Qwen/Qwen3.8-27B", "huggingface"),
    ],
)
def test_takes_the_providers_row_when_the_model_names_one(model: str, name: str):
    """Protects routers: the body goes to the provider as it is, so it is the provider's dialect that counts."""
    assert ChatQwen3(model=model, base_url="https://router.huggingface.co/v1", api_key="x").dialect.name == name
    assert all(DIALECTS[provider] for row in DIALECTS.values() for provider in row.providers.values())


def test_hybrid_models_do_not_think_by_default_when_the_server_switches_it_off():
    """Protects sampling and history on servers that think on request only; other models stay as they are."""
    line, instruct = find_line("Qwen/Qwen3-8B"), find_line("Qwen/Qwen3-4B-Instruct-2507")
    assert line is not None
    served = DIALECTS["qianfan"].adapt_line(line)
    assert (line.thinking_default, served and served.thinking_default) == (True, False)
    assert DIALECTS["qianfan"].adapt_line(instruct) is instruct
    assert DIALECTS["vllm"].adapt_line(line) is line
    assert DIALECTS["ms-swift"].adapt_line(None) is None


@pytest.mark.parametrize(("server", "count"), [("ms-swift", 1), ("vllm", 2)])
def test_system_messages_are_joined_when_the_server_has_templates_of_its_own(server: str, count: int):
    """Protects ms-swift from a 400: Qwen3's template renders a late system message, its own does not."""
    model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url="http://127.0.0.1:9/v1", server=server)
    messages = [SystemMessage("Be brief."), HumanMessage("Hi"), SystemMessage("Be kind."), HumanMessage("Hi?")]
    roles = [message["role"] for message in model._get_request_payload(messages)["messages"]]
    assert roles.count("system") == count
    assert roles[0] == "system"


@pytest.mark.parametrize("fields", [{"name": "vllm"}, {"name": "x", "aliases": ("docker",)}, {"owned_by": ("swift",)}])
def test_row_is_refused_when_its_name_is_anothers(fields: dict[str, Any]):
    """Protects rows from each other: a name that means two servers would mean neither."""
    with pytest.raises(ValueError, match="is already used by"):
        add_dialect(dialects.Dialect(**{"name": "x", "title": "X", "evidence": "reported", **fields}))
    assert "x" not in DIALECTS


@pytest.fixture
def brew() -> Iterator[Dialect]:
    """A made-up server, which a test may add to the table."""
    row = dialects.Dialect(
        name="brew",
        title="Brew",
        evidence="reported",
        aliases=("ale",),
        owned_by=("brewery",),
        hosts=(r"brew\.test",),
        thinking=(("mind", "open"),),
        budget=("mind", "tokens"),
        sampling_names=dialect.frozen(repetition_penalty="dullness"),
        own_fields=frozenset({"strength"}),
        constraints=dialect.frozen(regex=dialect.ConstraintForm(("pattern",))),
    )
    yield row
    for name in (row.name, *row.aliases):
        dialects._NAMES.pop(name, None)
    dialects._ROWS.pop(row.name, None)
    dialects._HOSTS[:] = [entry for entry in dialects._HOSTS if entry[1] is not row]
    for owner in row.owned_by:
        dialects._OWNERS.pop(owner, None)
    for forget in dialects._FORGET:
        forget()


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"strength": 3}, {"strength": 3}),
        ({"dullness": 1.1}, {"dullness": 1.1}),
        ({"pattern": "[0-9]"}, {"pattern": "[0-9]"}),
        ({"mind": {"tokens": 5}}, {"mind": {"tokens": 5}}),
        ({"enable_thinking": True, "thinking_budget": 7}, {"mind": {"open": True, "tokens": 7}}),
    ],
    ids=str,
)
def test_row_counts_everywhere_when_it_is_added_after_calls(
    brew: Dialect, settings: dict[str, Any], sent: dict[str, Any]
):
    """Protects who adds a server to a running program: what was derived from the table before is derived again."""
    url = "http://brew.test/v1"
    before = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=url, api_key="k")
    before.bind(top_k=1)._get_request_payload("q", temperature=1)
    assert before.dialect.name == "generic"
    add_dialect(brew)
    assert before.dialect is brew
    for model in (before, ChatQwen3(model="Qwen/Qwen3-0.6B", base_url="http://127.0.0.1:9/v1", server="ale")):
        payload = model._get_request_payload("q", **settings)
        assert {name: value for name, value in payload.items() if name not in ("model", "messages")} == sent
        payload = model.bind(**settings).bind(dullness=2, mind={"tokens": 1}).kwargs
        assert (payload["dullness"], payload["mind"]["tokens"]) == (2, 1)
        assert "thinking_budget" not in payload


def test_row_counts_when_it_is_added_after_its_server_was_asked(brew: Dialect):
    """Protects who adds a server because it counts as unknown: its look-up is made again."""
    listed = [{"id": "m", "object": "model", "owned_by": "brewery"}]
    with Scripted(lambda _: {"content": "A"}, models=listed) as scripted:
        model = ChatQwen3(model="m", base_url=scripted.url, enable_thinking=True)
        model.invoke("q")
        assert model.dialect.name == "generic"
        add_dialect(brew)
        model.invoke("q")
    assert model.dialect is brew
    assert scripted.requests[-1]["mind"] == {"open": True}


def test_sign_says_what_it_needs_when_it_says_nothing():
    """Protects the table: a sign without a condition would match every server."""
    with pytest.raises(ValueError, match="needs a row or a header"):
        Sign()
