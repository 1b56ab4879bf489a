"""Models that are built from another model's fields, as `configurable_fields` and `model_copy` do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField
from pydantic import SecretStr

from langchain_qwen3 import ChatQwen3

ALIBABA = "https://dashscope.aliyuncs.com/compatible-mode/v1"
POD = "http://pod.test/v1"
FIELDS = {
    "temperature": ConfigurableField("temperature"),
    "model_name": ConfigurableField("model"),
    "openai_api_base": ConfigurableField("base_url"),
}


def build(**fields: Any) -> ChatQwen3:
    """A model on a server that is known without asking."""
    return ChatQwen3(**{"model": "Qwen/Qwen3-8B", "base_url": POD, "server": "vllm", **fields})


def configure(model: ChatQwen3, /, **choice: Any) -> ChatQwen3:
    """The model that a call with this config would use."""
    configured: Any = model.configurable_fields(**FIELDS).prepare({"configurable": choice})[0]
    assert configured is not model
    return configured  # type: ignore[no-any-return]


def test_configured_model_shares_the_limit_of_the_first() -> None:
    """Protects `max_concurrency`: a model is built for each call with a config, and they share one limit."""
    model = build(max_concurrency=2)
    first, second = configure(model, temperature=0.1), configure(model, temperature=0.2)
    assert first._in_flight is second._in_flight is model._in_flight


def test_configured_model_keeps_the_secrets_of_its_address() -> None:
    """Protects a password or token in `base_url`, which is no field; another address does not get it."""
    model = build(base_url="http://user:secret@pod.test/v1?token=t")
    same, other = configure(model, temperature=0.1), configure(model, base_url="http://other.test/v1")
    assert "Authorization" in same.root_async_client._custom_headers
    assert same.root_async_client._custom_query == {"token": "t"}
    assert "secret" not in repr(same)
    assert not other.root_async_client._custom_query
    assert "Authorization" not in other.root_async_client._custom_headers


def test_configured_model_has_only_what_somebody_set() -> None:
    """Protects `extra_body` from the defaults of fields, all of which core hands over; and the repr from them."""
    model = build(extra_body={"enable_thinking": False, "return_reasoning": False}, top_k=3)
    configured = configure(model, temperature=0.5)
    payload = configured._get_request_payload("hi")
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}
    assert (payload["temperature"], payload["top_k"]) == (0.5, 3)
    assert "min_p" not in repr(configured)
    assert configure(configured, temperature=0.6)._get_request_payload("hi") == {**payload, "temperature": 0.6}


def test_configured_model_has_the_profile_of_its_own_name() -> None:
    """Protects middleware that asks what the model can do; a profile that somebody gave stays."""
    vision = configure(build(), model="Qwen/Qwen3-VL-8B-Instruct")
    assert vision.profile == build(model="Qwen/Qwen3-VL-8B-Instruct").profile
    given = configure(build(profile={"max_input_tokens": 5}), model="Qwen/Qwen3-VL-8B-Instruct")
    assert given.profile == {"max_input_tokens": 5}


def test_profile_follows_the_name_and_the_line_when_they_are_assigned() -> None:
    """Protects notebooks, which change a model in place; a profile that somebody gave stays."""
    model = build(model="my-alias")
    model.model_line = "Qwen3-VL"
    assert model.profile == build(model="my-alias", model_line="Qwen3-VL").profile
    model.model_line = None
    assert model.profile is None
    model.model_name = "Qwen/Qwen3-8B"
    assert model.profile == build().profile
    given = build(profile={"max_input_tokens": 5})
    given.model_line = "Qwen3-VL"
    assert given.profile == {"max_input_tokens": 5}


def test_assigned_line_is_refused_when_it_is_unknown() -> None:
    """Protects from a typo that only the next call would report; the model stays as it was."""
    model = build()
    with pytest.raises(ValueError, match="model_line='Quen-VL' is not a known model line"):
        model.model_line = "Quen-VL"
    assert (model.model_line, model.profile) == (None, build().profile)


@pytest.mark.parametrize(
    ("name", "value", "read", "seen"),
    [
        ("openai_api_base", ALIBABA, lambda client: str(client.base_url), f"{ALIBABA}/"),
        ("openai_api_base", "http://me:pw@pod.test/v1/", lambda client: str(client.base_url), "http://pod.test/v1/"),
        ("openai_api_key", "sk-new", lambda client: client.api_key, "sk-new"),
        ("openai_api_key", SecretStr("sk-new"), lambda client: client.api_key, "sk-new"),
        ("request_timeout", 7, lambda client: client.timeout, 7),
        ("max_retries", 0, lambda client: client.max_retries, 0),
        ("default_headers", {"X-Team": "a"}, lambda client: client.default_headers["X-Team"], "a"),
        ("default_query", {"v": "1"}, lambda client: client.default_query["v"], "1"),
        ("openai_organization", "org", lambda client: client.organization, "org"),
    ],
)
def test_clients_follow_what_is_assigned(name: str, value: Any, read: Callable[[Any], Any], seen: object) -> None:
    """Protects programs that move a model to another pod or renew its key: calls went on as before."""
    model, other = build(), build()
    setattr(model, name, value)
    assert read(model.root_async_client) == read(model.root_client) == seen
    assert str(other.root_async_client.base_url) == str(build().root_async_client.base_url)
    assert read(pickle.loads(pickle.dumps(model)).root_async_client) == seen  # noqa: S301  # our own


def test_assignment_is_refused_when_no_call_can_be_made_with_it() -> None:
    """Protects a model in use from half a change: it stays as it was."""
    model = build()
    before = dict(model.__dict__)
    for name, value in (
        ("openai_api_base", "localhost:8000"),
        ("transport", "curl"),
        ("default_headers", {"a b": "c"}),
        ("default_headers", "x-key: secret"),
        ("temperature", "hot"),
        ("top_p", 2),
        ("disabled_params", 3),
        ("extra_body", 5),
    ):
        with pytest.raises(ValueError, match=rf"base_url|^{name}"):
            setattr(model, name, value)
    assert model.__dict__ == before


@pytest.mark.parametrize("way", ["configured", "copied", "assigned"])
def test_key_of_a_variable_stays_with_its_host_when_the_address_changes(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects `$DASHSCOPE_API_KEY`, which is for Alibaba's hosts; a key that somebody gave goes along."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-alibaba")

    def move(model: ChatQwen3, url: str) -> str:
        if way == "assigned":
            model.openai_api_base = url
            return str(model.root_async_client.api_key)
        if way == "copied":
            return str(model.model_copy(update={"openai_api_base": url}).root_async_client.api_key)
        return str(configure(model, base_url=url).root_async_client.api_key)

    assert build(base_url=ALIBABA).root_async_client.api_key == "sk-alibaba"
    assert move(build(base_url=ALIBABA), POD) == "EMPTY"
    assert move(build(), ALIBABA) == "sk-alibaba"
    assert move(build(base_url=ALIBABA, api_key="sk-mine"), POD) == "sk-mine"
