"""Secrets of a model and a call stay out of what follows the call: callbacks, runs, events, dumps, cache keys.

The secrets are the API key, the password in `base_url`, and a call's headers and query.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from langchain_core.runnables import ConfigurableField, RunnableParallel
from langchain_core.tools import tool
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer
from langchain_core.tracers.schemas import Run
from langsmith import Client

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3Error
from tests.integration.test_canaries import Echo
from tests.support.loopback import Loopback

CANARY = "kanarienvogel"
SECRETS: dict[str, Any] = {"extra_headers": {"X-Tenant": CANARY}, "extra_query": {"tenant": CANARY}}
TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}
SCHEMA: dict[str, Any] = {"title": "A", "type": "object", "properties": {}}
QUESTION: Any = {"messages": [("user", "hi")]}


@tool
def look_up() -> str:
    """Look something up."""
    return ""


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """One server for all."""
    with Loopback() as server:
        yield server


class Handler(BaseCallbackHandler):
    """Keeps everything that callbacks are told."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr((args, kwargs)))

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr((args, kwargs)))

    def on_llm_new_token(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr((args, kwargs)))

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr((args, kwargs)))


class Runs(BaseTracer):
    """Keeps every run as it is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def _persist_run(self, run: Run) -> None:
        self.seen.append(repr(run.model_dump() if hasattr(run, "model_dump") else run.dict()))


class AsyncRuns(AsyncBaseTracer):
    """Does what `Runs` does, as a tracer that writes to a database does it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    async def _persist_run(self, run: Run) -> None:
        self.seen.append(repr(run.model_dump() if hasattr(run, "model_dump") else run.dict()))


class Settings(AgentMiddleware):
    """Gives each call of an agent the secrets."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        """Call the model with them."""
        return handler(request.override(model_settings=SECRETS))

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        """Do what `wrap_model_call` does."""
        return await handler(request.override(model_settings=SECRETS))


class Uploads:
    """The session of a LangSmith client, which keeps what would be uploaded."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def request(self, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(repr((args, kwargs)))
        raise OSError("nobody is there")

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_kwargs: None


async def drain(items: Any) -> list[Any]:
    """Return all items of an async iterator."""
    return [item async for item in items]


def structure(model: ChatQwen3, **how: Any) -> Any:
    """Return the model with structured output, and its raw answer, which is no JSON."""
    return model.with_structured_output(SCHEMA, include_raw=True, **how, **SECRETS)


WAYS: dict[str, Callable[[ChatQwen3, Any], Any]] = {
    "invoke": lambda model, config: model.invoke("hi", config, **SECRETS),
    "stream": lambda model, config: list(model.stream("hi", config, **SECRETS)),
    "ainvoke": lambda model, config: asyncio.run(model.ainvoke("hi", config, **SECRETS)),
    "astream": lambda model, config: asyncio.run(drain(model.astream("hi", config, **SECRETS))),
    "batch": lambda model, config: model.batch(["hi"], config, **SECRETS),
    "abatch": lambda model, config: asyncio.run(model.abatch(["hi"], config, **SECRETS)),
    "generate": lambda model, config: model.generate([[HumanMessage("hi")]], **config, **SECRETS),
    "events": lambda model, config: asyncio.run(drain(model.astream_events("hi", config, version="v2", **SECRETS))),
    "a tutorial's options": lambda model, config: model.invoke("hi", config, options=SECRETS),
    "bind": lambda model, config: model.bind(**SECRETS).invoke("hi", config),
    "bound twice": lambda model, config: model.bind(**SECRETS).bind(seed=1).invoke("hi", config),
    "bind_tools": lambda model, config: model.bind(**SECRETS).bind_tools([TOOL]).invoke("hi", config),
    "bind_tools with them": lambda model, config: model.bind_tools([TOOL], **SECRETS).invoke("hi", config),
    "with_structured_output": lambda model, config: structure(model).invoke("hi", config),
    "structured, async": lambda model, config: asyncio.run(structure(model).ainvoke("hi", config)),
    "structured, streamed": lambda model, config: list(structure(model).stream("hi", config)),
    "structured, streamed async": lambda model, config: asyncio.run(drain(structure(model).astream("hi", config))),
    "structured, batched": lambda model, config: asyncio.run(structure(model).abatch(["hi"], config)),
    "structured by a call": lambda model, config: structure(model, method="function_calling").invoke("hi", config),
    "structured, bound": lambda model, config: (
        model.bind(**SECRETS).with_structured_output(SCHEMA, include_raw=True).invoke("hi", config)
    ),
    "batch as completed": lambda model, config: list(model.batch_as_completed(["hi"], config, **SECRETS)),
    "abatch as completed": lambda model, config: asyncio.run(
        drain(model.abatch_as_completed(["hi"], config, **SECRETS))
    ),
    "agenerate": lambda model, config: asyncio.run(model.agenerate([[HumanMessage("hi")]], **config, **SECRETS)),
    "transform": lambda model, config: list(model.transform(iter(["hi"]), config, **SECRETS)),
    "tagged": lambda model, config: model.bind(**SECRETS).with_config(tags=["t"]).invoke("hi", config),
    "side by side": lambda model, config: RunnableParallel(a=model.bind(**SECRETS), b=str).invoke("hi", config),
    "alternatives": lambda model, config: (
        model.configurable_alternatives(ConfigurableField("m"), other=model.bind(**SECRETS))
        .with_config(configurable={"m": "other"})
        .invoke("hi", config)
    ),
    "agent": lambda model, config: create_agent(model.bind(**SECRETS), [look_up]).invoke(QUESTION, config),
    "agent, async": lambda model, config: asyncio.run(
        create_agent(model.bind(**SECRETS), [look_up]).ainvoke(QUESTION, config)
    ),
    "agent, streamed": lambda model, config: asyncio.run(
        drain(create_agent(model.bind(**SECRETS), [look_up]).astream(QUESTION, config, stream_mode="messages"))
    ),
    "agent's settings": lambda model, config: create_agent(model, [look_up], middleware=[Settings()]).invoke(
        QUESTION, config
    ),
    "agent's settings, async": lambda model, config: asyncio.run(
        create_agent(model, middleware=[Settings()]).ainvoke(QUESTION, config)
    ),
    "chain": lambda model, config: (model.bind(**SECRETS) | str).invoke("hi", config),
    "fallbacks": lambda model, config: model.bind(**SECRETS).with_fallbacks([model]).invoke("hi", config),
    "retries": lambda model, config: model.bind(**SECRETS).with_retry().invoke("hi", config),
    "configurable": lambda model, config: (
        model.configurable_fields(seed=ConfigurableField("seed"))
        .with_config(configurable={"seed": 3})
        .invoke("hi", config, **SECRETS)
    ),
}


def watch(way: str, address: str) -> list[str]:
    """Make a call with a secret in every place; return all that callbacks, runs, uploads and the result show."""
    uploads = Uploads()
    client = Client(api_url="http://127.0.0.1:9", api_key="x", session=uploads, auto_batch_tracing=False)  # type: ignore[arg-type]
    watchers: list[Any] = [Handler(), Runs(), AsyncRuns(), LangChainTracer(client=client, project_name="p")]
    model = ChatQwen3(
        model="q",
        base_url=address.replace("//", f"//user:{CANARY}-password@"),
        api_key=f"{CANARY}-key",
        server="vllm",
        max_retries=0,
    )
    try:
        result = WAYS[way](model, {"callbacks": watchers})
    except Qwen3Error as error:
        result = error
    assert all(watcher.seen for watcher in watchers[:3])
    assert any("invocation_params" in text for text in uploads.seen)
    return [repr(result), *uploads.seen, *(text for watcher in watchers[:3] for text in watcher.seen)]


@pytest.mark.parametrize("way", WAYS)
def test_secrets_are_not_traced_when_a_call_is_made(
    way: str, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    """Protects keys and a tenant's token of one call: they go to the server, and into no callback, run or upload."""
    caplog.set_level(logging.ERROR)
    seen = watch(way, server.base_url)
    request = server.requests[-1]
    password = request.headers["authorization"].removeprefix("Basic ")  # an address's password wins over a key
    assert CANARY in b64decode(password).decode()
    assert request.headers["x-tenant"] == CANARY
    assert f"tenant={CANARY}" in request.target
    assert not [text for text in seen if CANARY in text or password in text]


@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"retries"}))  # which wait for seconds
def test_secrets_are_not_traced_when_a_call_fails(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Protects them where a run holds the error of a server that repeats all it was sent."""
    caplog.set_level(logging.ERROR)
    with Echo() as echo:
        seen = watch(way, f"{echo.root}/400/v1")
    password = echo.echoes[-1].partition("Basic ")[2].partition("'")[0]
    assert CANARY in b64decode(password).decode()
    assert any("bad request of" in text for text in seen)
    assert not [text for text in seen if CANARY in text or password in text]


def test_headers_of_a_call_are_not_shown_when_they_are_bound() -> None:
    """Protects what is printed, dumped or used as a cache's key of a model with bound headers."""
    model = ChatQwen3(model="q", server="vllm")
    for bound in (model.bind(**SECRETS), model.bind_tools([TOOL], **SECRETS), model.bind(seed=1).bind(**SECRETS)):
        chain = bound | str
        assert not [text for text in (repr(bound), dumps(bound), repr(chain), dumps(chain)) if CANARY in text]
    key = model._get_llm_string(options=SECRETS)
    assert CANARY not in key
    assert key != model._get_llm_string(options={})
