"""No secret goes where it does not belong: not to a foreign server, not into dumps, errors, logs or traces."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3Error
from tests.faults.server import closed_port
from tests.support.loopback import Loopback

FOREIGN = (
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_API_BASE",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_ORGANIZATION",
    "OPENAI_PROJECT_ID",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_PROXY",
    "OPENAI_WEBHOOK_SECRET",
    "LANGSMITH_GATEWAY",
    "LANGSMITH_GATEWAY_URL",
    "LANGSMITH_GATEWAY_API_KEY",
    "LANGSMITH_GATEWAY_PROXY_HEADERS",
    "LANGSMITH_API_KEY",
    "DASHSCOPE_API_KEY",
)
KEY, HEADER, QUERY, PASSWORD = "kanarienvogel-key", "kanarienvogel-header", "kanarienvogel-query", "kanarienvogel-proxy"
URLS = frozenset({"OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "LANGSMITH_GATEWAY_URL"})


def call_all_ways(model: ChatQwen3) -> None:
    """Make every kind of request that a model can make."""
    model.invoke("hi")
    list(model.stream("hi"))
    model.bind_tools([{"name": "f", "description": "", "parameters": {}}]).invoke("hi")
    model.get_num_tokens("hi")
    model.get_num_tokens_from_messages([HumanMessage("hi")])
    model.served_profile()

    async def acall() -> None:
        await model.ainvoke("hi")
        async for _ in model.astream("hi"):
            pass
        await model.aserved_profile()

    asyncio.run(acall())


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("dialect", ["auto", "vllm", "llama.cpp"])
def test_no_foreign_variable_arrives_when_all_are_set(
    transport: Any, dialect: str, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects another company's keys: chat, look-up and token counts are free of them, in header, path and body."""
    for name in FOREIGN:
        value = f"kanarienvogel-{name.lower().replace('_', '-')}"
        form = "X-Foreign: {}" if "HEADERS" in name else "http://{}.test/v1" if name in URLS else "{}"
        monkeypatch.setenv(name, form.format(value))
    model = ChatQwen3(model="q", base_url=server.base_url, transport=transport, server=dialect, max_retries=0)
    call_all_ways(model)
    targets = {request.target for request in server.requests}
    assert "/v1/chat/completions" in targets
    assert "/v1/models" in targets
    assert dialect != "vllm" or "/tokenize" in targets
    for request in server.requests:
        assert "kanarienvogel" not in f"{request}".lower()
        assert request.headers["authorization"] == "Bearer EMPTY"


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_no_key_follows_when_a_server_redirects_to_another_host(transport: Any, server: Loopback) -> None:
    """Protects the key from a pod that sends its callers elsewhere; the answer itself may come from there."""
    with Loopback() as other:
        model = ChatQwen3(
            model="q",
            base_url=server.base_url,
            api_key=KEY,
            transport=transport,
            server="vllm",
            max_retries=0,
            default_headers={"X-Api-Key": HEADER, "Cookie": f"session={HEADER}"},
            default_query={"to": f"{other.origin.replace('127.0.0.1', 'localhost')}/v1/chat/completions"},
        )
        send_to(model, "redirect")
        for call in (lambda: model.invoke("hi"), lambda: asyncio.run(model.ainvoke("hi"))):
            try:
                call()
            except Qwen3Error as error:  # refusing to follow is as good
                shown = show_error(error)
                assert "kanarienvogel" not in shown
        assert other.requests
        assert [request.target.partition("?")[0] for request in server.requests] == ["/v1/redirect"] * 2
        for request in other.requests:
            assert "kanarienvogel" not in f"{request}"


def build_secretive(base_url: str, **fields: Any) -> ChatQwen3:
    """Return a model with a secret in every place that can hold one."""
    return ChatQwen3(
        model="q",
        base_url=base_url,
        api_key=KEY,
        default_headers={"X-Api-Key": HEADER, "Authorization-Extra": f"Bearer {HEADER}"},
        default_query={"token": QUERY},
        max_retries=0,
        timeout=60,
        **fields,
    )


def show_error(error: BaseException) -> str:
    """Return everything an error shows to logs, traces and other processes, its causes included."""
    shown = ["".join(traceback.format_exception(error)), repr(vars(error)), repr(pickle.dumps(error))]
    for name in ("request", "response"):
        if (part := getattr(error, name, None)) is not None:
            shown += [repr(part), repr(part.headers), str(part.url)]
    one: BaseException | None = error
    while one is not None:
        shown += [str(one), repr(one), repr(one.args)]
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(shown)


def test_nothing_is_shown_when_a_model_is_printed_dumped_or_traced(server: Loopback) -> None:
    """Protects notebooks, LangSmith and logs of objects: repr, dumps, identifying parameters."""
    model = build_secretive(server.base_url, openai_proxy=f"http://user:{PASSWORD}@127.0.0.1:1")
    for thing in (model, ChatPromptTemplate.from_messages([("human", "{q}")]) | model, model.bind_tools([])):
        shown = [repr(thing), str(thing), dumps(thing), json.dumps(dumpd(thing), default=repr)]
        assert "kanarienvogel" not in "\n".join(shown)
    shown = [repr(model._identifying_params), repr(model._get_ls_params()), repr(model._get_llm_string())]
    assert "kanarienvogel" not in "\n".join(shown)
    assert "kanarienvogel" not in repr([model.root_client, model._lease, model.root_async_client])


class Tracer(BaseCallbackHandler):
    """Keeps all that a tracer is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        self.told.append(repr((serialized, messages, kwargs)))
        assert "invocation_params" in kwargs

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.told.append(repr((response, kwargs)))

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.told += [show_error(error), repr(kwargs)]


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_nothing_is_shown_when_calls_are_traced_and_logged(
    transport: Any, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    """Protects LangSmith and debug logs: what callbacks are told, and what every library logs, holds no secret."""
    caplog.set_level(logging.DEBUG)
    tracer = Tracer()
    settings: dict[str, Any] = {"transport": transport, "server": "vllm", "include_response_headers": True}
    model = build_secretive(server.base_url, callbacks=[tracer], **settings)
    call_all_ways(model)
    assert any(HEADER in f"{request.headers}" for request in server.requests)  # they were sent
    assert len(tracer.told) >= 10
    assert "kanarienvogel" not in "\n".join(tracer.told)
    lines = [record for record in caplog.records if "kanarienvogel" in record.getMessage()]
    # httpx and openai log the whole URL of every request: a secret in the query is in the user's own hands.
    assert {record.name.partition(".")[0].rstrip("2") for record in lines} <= {"httpx", "openai"}
    assert not any(secret in record.getMessage() for record in lines for secret in (KEY, HEADER))


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("place", ["hangup", "garbage", "cut-length", "closed", "proxy"])
def test_nothing_is_shown_when_a_call_fails(transport: Any, place: str, server: Loopback) -> None:
    """Protects error reports: text, repr, pickle, causes and traceback, also of a proxy with a password."""
    fields: dict[str, Any] = {"transport": transport, "server": "vllm"}
    url = f"http://127.0.0.1:{closed_port()}/v1" if place == "closed" else server.base_url
    if place == "proxy":
        url = "http://pod.test/v1"
        fields["openai_proxy"] = f"http://user:{PASSWORD}@127.0.0.1:{closed_port()}"
    model = build_secretive(url, **fields)
    if place not in ("closed", "proxy"):
        send_to(model, place)

    async def astream() -> None:
        async for _ in model.astream("hi"):
            pass

    calls = (
        lambda: model.invoke("hi"),
        lambda: list(model.stream("hi")),
        lambda: asyncio.run(model.ainvoke("hi")),
        lambda: asyncio.run(astream()),
    )
    for call in calls:
        with pytest.raises(Qwen3Error) as caught:
            call()
        assert "kanarienvogel" not in show_error(caught.value)


def send_to(model: ChatQwen3, place: str) -> None:
    """Send the model's calls to one place of the server, whose name says how it answers."""
    for client in (model.root_client, model.root_async_client):
        client.request = partial(_send_to, client.request, place)


def _send_to(request: Callable[..., Any], place: str, cast_to: Any, options: Any, **fields: Any) -> Any:
    return request(cast_to, options.model_copy(update={"url": f"/{place}"}), **fields)
