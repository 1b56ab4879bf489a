"""The rows themselves, and how a host or `owned_by` finds one."""

from __future__ import annotations

import dataclasses

import pytest

from langchain_qwen3.servers import dialects
from langchain_qwen3.servers.dialects import DIALECTS, find_by_host, find_by_owner


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
        ("openrouter.ai", "openrouter"),
        ("api.siliconflow.cn", "siliconflow"),
        ("api.siliconflow.com", "siliconflow"),
        ("api-inference.modelscope.cn", "modelscope"),
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
        "aliyuncs.com",
    ],
)
def test_finds_nothing_when_a_host_only_looks_like_a_service(host: str):
    """Protects keys: $DASHSCOPE_API_KEY goes where this table says."""
    assert find_by_host(host) is None


@pytest.mark.parametrize(("owner", "name"), [("vllm", "vllm"), ("sglang", "sglang"), ("library", "ollama")])
def test_finds_the_server_when_owned_by_names_it(owner: str, name: str):
    """Protects detection on the servers that say what they are."""
    row = find_by_owner(owner)
    assert row is not None
    assert row.name == name
    assert find_by_owner("me") is None


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_says_how_it_is_known_when_it_is_a_row(row: dialects.Dialect):
    """Protects readers from taking documentation for a measurement: every row states its grade, and none can change."""
    assert any(word in row.evidence for word in ("measured", "source", "documented", "reported"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_takes_the_switch_in_one_way_when_it_takes_it_at_all(row: dialects.Dialect):
    """Protects rows from saying the switch twice, as a boolean and as a word."""
    assert not (row.thinking and row.thinking_word)
