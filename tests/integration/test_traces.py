"""Headers and query of one call stay out of everything that follows it: callbacks, runs, events, dumps, cache keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langsmith import Client

from langchain_qwen3 import ChatQwen3
from tests.support.loopback import Loopback

CANARY = "kanarienvogel"
SECRETS: dict[str, Any] = {"extra_headers": {"X-Tenant": CANARY}, "extra_query": {"tenant": CANARY}}
TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}


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
    "with_structured_output": lambda model, config: model.with_structured_output(
        {"title": "A", "type": "object", "properties": {}}, include_raw=True, **SECRETS
    ).invoke("hi", config),
    "chain": lambda model, config: (model.bind(**SECRETS) | str).invoke("hi", config),
    "fallbacks": lambda model, config: model.bind(**SECRETS).with_fallbacks([model]).invoke("hi", config),
    "retries": lambda model, config: model.bind(**SECRETS).with_retry().invoke("hi", config),
    "configurable": lambda model, config: (
        model.configurable_fields(seed=ConfigurableField("seed"))
        .with_config(configurable={"seed": 3})
        .invoke("hi", config, **SECRETS)
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_headers_of_a_call_are_not_traced_when_it_is_made(
    way: str, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    """Protects a tenant's token that one call sends: it goes to the server, and into no callback, run or upload."""
    caplog.set_level(logging.ERROR)
    uploads = Uploads()
    client = Client(api_url="http://127.0.0.1:9", api_key="x", session=uploads, auto_batch_tracing=False)  # type: ignore[arg-type]
    watchers: list[Any] = [Handler(), Runs(), LangChainTracer(client=client, project_name="p")]
    model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", max_retries=0)
    result = WAYS[way](model, {"callbacks": watchers})
    request = server.requests[-1]
    assert request.headers["x-tenant"] == CANARY
    assert f"tenant={CANARY}" in request.target
    seen = [*watchers[0].seen, *watchers[1].seen, *uploads.seen]
    assert all((watchers[0].seen, watchers[1].seen))
    assert any("invocation_params" in text for text in uploads.seen)
    assert not [text for text in (*seen, repr(result)) if CANARY in text]


def test_headers_of_a_call_are_not_shown_when_they_are_bound() -> None:
    """Protects what is printed, dumped or used as a cache's key of a model with bound headers."""
    model = ChatQwen3(model="q", server="vllm")
    for bound in (model.bind(**SECRETS), model.bind_tools([TOOL], **SECRETS), model.bind(seed=1).bind(**SECRETS)):
        chain = bound | str
        assert not [text for text in (repr(bound), dumps(bound), repr(chain), dumps(chain)) if CANARY in text]
    key = model._get_llm_string(options=SECRETS)
    assert CANARY not in key
    assert key != model._get_llm_string(options={})
