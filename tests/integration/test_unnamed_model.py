"""A model without a name: the only one that the server lists is called, else an error names those there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3, Qwen3ConnectionError
from langchain_qwen3.local import LocalServer
from tests.faults.server import closed_port
from tests.support.scripted import Scripted

NAME = "Qwen/Qwen3-VL-8B-Instruct"
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


class City(BaseModel):
    """A city."""

    name: str


def serve(*names: str, **more: Any) -> Scripted:
    """A server that lists these models, each with these facts."""
    rows = [{"id": name, "object": "model", "owned_by": "vllm", **more} for name in names]
    return Scripted(lambda _body: {"content": '{"name": "Paris"}'}, rows)


async def drain(items: Any) -> list[Any]:
    """Return all items of an async iterator."""
    return [item async for item in items]


WAYS: dict[str, Callable[[ChatQwen3], Any]] = {
    "invoke": lambda model: model.invoke("hi"),
    "stream": lambda model: list(model.stream("hi")),
    "ainvoke": lambda model: asyncio.run(model.ainvoke("hi")),
    "astream": lambda model: asyncio.run(drain(model.astream("hi"))),
    "batch": lambda model: model.batch(["hi", "ho"]),
    "bind_tools": lambda model: model.bind_tools([TOOL]).invoke("hi"),
    "schema": lambda model: model.with_structured_output(City).invoke("hi"),
    "bound": lambda model: model.bind(seed=1).invoke("hi"),
    "counted first": lambda model: (model.get_num_tokens_from_messages([HumanMessage("hi")]), model.invoke("hi")),
}
SERVERS = ["auto", "vllm", "generic"]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("way", WAYS)
def test_only_model_is_called_when_none_is_named(way: str, server: Any) -> None:
    """Protects the shortest program, in every way to call, also where the dialect is named."""
    with serve(NAME) as pod:
        model = ChatQwen3(base_url=pod.url, server=server)
        WAYS[way](model)
        assert {body["model"] for body in pod.requests} == {NAME}
        assert model.model_name == ""  # using a model never changes it
        assert model._get_ls_params()["ls_model_name"] == NAME
        profile = model.served_profile()
        assert profile is not None
        assert profile["image_inputs"]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("way", WAYS)
def test_error_names_the_models_when_there_are_several(way: str, server: Any) -> None:
    """Protects from a guess: which model answers is the user's choice."""
    with serve("qwen3-4b", "qwen3-32b") as pod:
        model = ChatQwen3(base_url=pod.url, server=server)
        with pytest.raises(ValueError, match=r'lists 2 of them: qwen3-4b, qwen3-32b\. Pass one, as model="qwen3-4b"'):
            WAYS[way](model)
        assert not pod.requests


def test_error_stays_short_when_there_are_hundreds() -> None:
    """Protects the screen from a gateway's whole list."""
    with serve(*(f"model-{number}" for number in range(300))) as pod:
        with pytest.raises(ValueError, match=r"lists 300 of them: model-0, .*model-9 and 290 more\.") as caught:
            ChatQwen3(base_url=pod.url).invoke("hi")
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("models", [None, []], ids=["no list", "an empty list"])
def test_error_says_what_to_pass_when_none_is_listed(models: list[Any] | None) -> None:
    """Protects users of servers without a list."""
    advice = r"lists none: pass model=.* or set \$QWEN_MODEL, and check that base_url ends in"
    with Scripted(lambda _body: {"content": "hi"}, models) as pod, pytest.raises(ValueError, match=advice):
        ChatQwen3(base_url=pod.url).invoke("hi")


def test_base_model_is_called_when_the_others_are_no_models_of_their_own() -> None:
    """Protects servers whose list has adapters, aliases or an embedding model beside the one that chats."""
    rows = [
        {"id": NAME, "owned_by": "vllm", "parent": None, "aliases": ["qwen"]},
        {"id": "sql-lora", "owned_by": "vllm", "parent": NAME},
        {"id": "text-embedding-nomic-embed-text-v1.5", "owned_by": "organization_owner"},
    ]
    with Scripted(lambda _body: {"content": "hi"}, rows) as pod:
        ChatQwen3(base_url=pod.url).invoke("hi")
        assert pod.requests[0]["model"] == NAME


def test_name_of_the_call_or_the_body_wins_when_the_model_has_none() -> None:
    """Protects the order of places for the name, too: then nothing is looked up for it."""
    with serve("qwen3-4b", "qwen3-32b") as pod:
        model = ChatQwen3(base_url=pod.url, server="vllm")
        model.invoke("hi", model="qwen3-4b")
        model.bind(model="qwen3-4b").invoke("hi")
        model.invoke("hi", extra_body={"model": "qwen3-4b"})
        ChatQwen3(base_url=pod.url, server="vllm", extra_body={"model": "qwen3-4b"}).invoke("hi")
        assert [body["model"] for body in pod.requests] == ["qwen3-4b"] * 4


def test_connection_error_is_one_when_no_model_is_named() -> None:
    """Protects the real cause: a server that is not there lists nothing."""
    with pytest.raises(Qwen3ConnectionError):
        ChatQwen3(base_url=f"http://127.0.0.1:{closed_port()}/v1", max_retries=0).invoke("hi")


def test_engine_is_called_when_no_model_is_named(engine: LocalServer) -> None:
    """Protects the same on a real llama.cpp."""
    message = ChatQwen3(base_url=engine.base_url, temperature=0, enable_thinking=False).invoke("Hello")
    assert message.response_metadata["model_name"] == engine.model
