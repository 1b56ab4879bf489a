"""Every field of ChatOpenAI does something here or is refused, and every method can be called."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import ConfigurableField
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, ValidationError, model_validator

from langchain_qwen3 import ChatQwen3, StreamStallError
from langchain_qwen3._httpx import httpx
from tests.support.limiter import CountingLimiter
from tests.support.loopback import HELLO, Loopback
from tests.support.scripted import Answer, Scripted

SCHEMA = {"title": "A", "type": "object", "properties": {}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """One server for all."""
    with Loopback() as server:
        yield server


class Seen(BaseCallbackHandler):
    """Keeps what a run is started with."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def on_chat_model_start(self, _serialized: Any, _messages: Any, **kwargs: Any) -> None:
        self.runs.append(kwargs)


class Try:
    """A model with one field set, and what a trial looks at.

    Args:
        server: Where it sends its requests.
        fields: The field and its value.
    """

    def __init__(self, server: Loopback, /, **fields: Any) -> None:
        self.server = server
        self.seen = Seen()
        fields.setdefault("callbacks", [self.seen])
        known = {"model": "Qwen/Qwen3-8B", "base_url": server.base_url, "server": "vllm", "max_retries": 0}
        if "openai_api_base" in fields or "model_name" in fields:
            known.pop("base_url" if "openai_api_base" in fields else "model")
        known = {name: value for name, value in known.items() if name not in fields}
        self.model = ChatQwen3(**{**known, **fields})

    def payload(self, **kwargs: Any) -> dict[str, Any]:
        """What a call would send."""
        return self.model._get_request_payload("hi", **kwargs)

    def request(self) -> Any:
        """The request of a call as it arrives."""
        self.model.invoke("hi")
        return self.server.requests[-1]

    def run(self) -> dict[str, Any]:
        """What callbacks are told of a call."""
        self.model.invoke("hi")
        return self.seen.runs[-1]


def answer(_request: Any) -> Any:
    """The reply of a client that opens no connection."""
    return httpx.Response(200, json={**HELLO, "model": "own client"})


def says_own(message: Any) -> bool:
    """Whether a user's own client answered."""
    return bool(message.response_metadata["model_name"] == "own client")


def is_sent(name: str, value: Any) -> tuple[Any, Callable[[Try], bool]]:
    """A field that is in the body under its own name."""
    return value, lambda trial: bool(trial.payload()[name] == value)


def stalls(trial: Try) -> bool:
    """Whether a stream that says nothing more is given up."""
    trial.server.hold = True
    try:
        list(trial.model.stream("hi"))
    except StreamStallError:
        return True
    finally:
        trial.server.hold = False
    return False


def counts_as_cached(trial: Try) -> bool:
    """Whether the second of two equal questions is answered without a request."""
    trial.model.invoke("hi")
    before = len(trial.server.requests)
    trial.model.invoke("hi")
    return len(trial.server.requests) == before


def has_own_connections(trial: Try) -> bool:
    """Whether a model shares no connections with one that has other socket options."""
    return bool(trial.model.root_client._client is not Try(trial.server).model.root_client._client)


WORKING: dict[str, tuple[Any, Callable[[Try], bool]]] = {
    name: is_sent(name, value)
    for name, value in {
        "temperature": 0.5,
        "top_p": 0.5,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "seed": 3,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
        "logit_bias": {1: 2},
        "stop": ["x"],
        "verbosity": "low",
        "service_tier": "flex",
        "store": True,
        "prompt_cache_options": {"ttl": 1},
        "max_tokens": 5,
    }.items()
} | {
    "reasoning_effort": ("none", lambda trial: trial.payload()["chat_template_kwargs"] == {"enable_thinking": False}),
    "reasoning": (
        {"enabled": True, "max_tokens": 9},
        lambda trial: trial.payload()["thinking_token_budget"] == 9 and "reasoning" not in trial.payload(),
    ),
    "extra_body": ({"a": 1}, lambda trial: trial.payload(extra_body={"b": 2}).items() >= {"a": 1, "b": 2}.items()),
    "model_kwargs": ({"priority": 3}, lambda trial: trial.payload()["priority"] == 3),
    "model_name": ("q", lambda trial: trial.payload()["model"] == trial.model.model == "q"),
    "openai_api_base": ("http://pod.test/v1", lambda trial: trial.model.root_client.base_url.host == "pod.test"),
    "openai_api_key": ("sk-mine", lambda trial: trial.request().headers["authorization"] == "Bearer sk-mine"),
    "openai_organization": ("org", lambda trial: trial.request().headers["openai-organization"] == "org"),
    "default_headers": ({"X-A": "b"}, lambda trial: trial.request().headers["x-a"] == "b"),
    "default_query": ({"a": "b"}, lambda trial: trial.request().target.endswith("?a=b")),
    "request_timeout": (7.5, lambda trial: trial.model.root_client.timeout == 7.5),
    "max_retries": (5, lambda trial: trial.model.root_client.max_retries == 5),
    "http_client": (
        httpx.Client(transport=httpx.MockTransport(answer)),
        lambda trial: says_own(trial.model.invoke("hi")),
    ),
    "http_async_client": (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)),
        lambda trial: says_own(asyncio.run(trial.model.ainvoke("hi"))),
    ),
    "http_socket_options": ([(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)], has_own_connections),
    "stream_chunk_timeout": (0.05, stalls),
    "stream_usage": (False, lambda trial: "stream_options" not in trial.payload(stream=True)),
    "streaming": (True, lambda trial: b'"stream":true' in trial.request().body),
    "disable_streaming": (
        True,
        lambda trial: [*trial.model.stream("hi")] != [] and b'"stream"' not in trial.server.requests[-1].body,
    ),
    "include_response_headers": (True, lambda trial: "headers" in trial.model.invoke("hi").response_metadata),
    "disabled_params": (
        {"parallel_tool_calls": None},
        lambda trial: (
            "parallel_tool_calls"
            not in trial.payload(structured_output={"name": "A", "schema": SCHEMA, "method": "function_calling"})
        ),
    ),
    "output_version": ("v1", lambda trial: isinstance(trial.model.invoke("hi").content, list)),
    "custom_get_token_ids": (
        lambda text: [*map(ord, text)],
        lambda trial: (
            trial.model.get_token_ids("ab") == [97, 98]
            and trial.model.get_num_tokens("abc") == 3
            and trial.model.get_num_tokens_from_messages([HumanMessage("x" * 500)]) > 500
        ),
    ),
    "profile": ({"max_input_tokens": 7}, lambda trial: trial.model.profile == {"max_input_tokens": 7}),
    "name": ("mine", lambda trial: trial.model.get_name() == "mine"),
    "cache": (InMemoryCache(), counts_as_cached),
    "verbose": (True, lambda trial: trial.model.verbose),
    "callbacks": ([seen := Seen()], lambda trial: trial.request() is not None and len(seen.runs) == 1),
    "tags": (["t"], lambda trial: "t" in trial.run()["tags"]),
    "metadata": ({"a": "b"}, lambda trial: trial.run()["metadata"]["a"] == "b"),
    "rate_limiter": (limiter := CountingLimiter(), lambda trial: trial.request() is not None and limiter.count == 1),
}
WITH_PROXY = "openai_proxy"  # the server is the proxy, see below
REFUSED: dict[str, tuple[Any, str]] = {
    "use_responses_api": (True, "chat completions; leave it out"),
    "use_previous_response_id": (True, "send the whole conversation"),
    "include": (["reasoning.encrypted_content"], "additional_kwargs"),
    "truncation": ("auto", "trim_messages"),
    "context_management": ([{"type": "compaction"}], "SummarizationMiddleware"),
    "tiktoken_model_name": ("gpt-4o", "custom_get_token_ids="),
    "client": (object(), "http_client="),
    "async_client": (object(), "http_async_client="),
    "root_client": (openai.OpenAI(api_key="x"), "http_client="),
    "root_async_client": (openai.AsyncOpenAI(api_key="x"), "http_async_client="),
}


def test_no_field_of_chat_openai_is_without_a_trial() -> None:
    """Protects from a field that does nothing: one that ChatOpenAI gains has to be tried or refused here."""
    assert set(ChatOpenAI.model_fields) == {*WORKING, WITH_PROXY, *REFUSED}


@pytest.mark.parametrize("name", WORKING)
def test_field_has_its_effect_when_it_is_set(name: str, server: Loopback) -> None:
    """Protects programs written for ChatOpenAI: each of its fields does here what its name says."""
    value, look = WORKING[name]
    assert look(Try(server, **{name: value}))


def test_proxy_carries_the_request_when_it_is_set(server: Loopback) -> None:
    """Protects `openai_proxy`: the proxy answers for a host that does not exist."""
    trial = Try(server, openai_proxy=server.origin, openai_api_base="http://pod.test/v1")
    assert trial.request().target == "http://pod.test/v1/chat/completions"


@pytest.mark.parametrize("name", REFUSED)
def test_field_is_refused_with_a_way_out_when_it_could_have_no_effect(name: str, server: Loopback) -> None:
    """Protects users from a setting that is silently lost; its default and an empty value are no request for it."""
    value, way_out = REFUSED[name]
    with pytest.raises(ValidationError, match=f"{name}.*{re.escape(way_out)}"):
        Try(server, **{name: value})
    if name != "tiktoken_model_name" and not name.endswith("client"):
        with pytest.raises(TypeError, match=f"{name} belongs to OpenAI's Responses API"):
            Try(server).payload(**{name: value})
    Try(server, **{name: ChatOpenAI.model_fields[name].default})


@pytest.mark.parametrize("name", ["previous_response_id", "instructions", "text", "background", "max_tool_calls"])
def test_keyword_of_the_responses_api_is_named_as_such(name: str, server: Loopback) -> None:
    """Protects from the advice to put it into `extra_body`, where it would have no effect either."""
    with pytest.raises(TypeError, match=f"{name} belongs to OpenAI's Responses API, but ChatQwen3"):
        Try(server).payload(**{name: 1})


def test_unknown_output_version_is_refused(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from a format that nobody writes; the variable meant for OpenAI's models is ignored."""
    for version in ("responses/v1", "v2"):
        with pytest.raises(ValidationError, match='output_version must be "v0", "v1" or None'):
            Try(server, output_version=version)
    monkeypatch.setenv("LC_OUTPUT_VERSION", "responses/v1")
    assert Try(server).model.output_version is None
    monkeypatch.setenv("LC_OUTPUT_VERSION", "v1")
    assert Try(server).model.output_version == "v1"


def test_summary_of_reasoning_is_left_out_with_a_warning(server: Loopback) -> None:
    """Protects strict servers from a key of the Responses API; OpenRouter, which has it, gets it."""
    with pytest.warns(UserWarning, match=r'reasoning\["summary"\] has no effect'):
        payload = Try(server, reasoning={"enabled": False, "summary": "auto"}).payload()
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}
    assert "reasoning" not in payload
    routed = Try(server, server="openrouter", reasoning={"enabled": True, "summary": "auto"}).payload()
    assert routed["reasoning"]["summary"] == "auto"


def test_disabled_parameter_is_sent_when_somebody_sets_it(server: Loopback) -> None:
    """Protects `disabled_params` as ChatOpenAI means it: for what is added unasked, with these values or with any."""
    trial = Try(server, disabled_params={"stream_options": None, "seed": None, "temperature": [0.6]}, seed=3)
    assert trial.payload(stream=True).keys() == {"model", "messages", "stream", "seed"}
    options = {"include_usage": True}
    assert trial.payload(stream=True, stream_options=options)["stream_options"] == options
    card = trial.payload(sampling="recommended")
    assert "temperature" not in card
    assert "top_p" in card
    for disabled, text in (({"temprature": None}, "Did you mean temperature"), ({"seed": 3}, "list of values")):
        with pytest.raises(ValidationError, match=text):
            Try(server, disabled_params=disabled)


async def drain(items: Any) -> bool:
    """Read an async iterator to its end."""
    return [item async for item in items] != []


def run(awaitable: Any) -> Any:
    """Return what is awaited."""
    return asyncio.run(awaitable)


HI = [HumanMessage("hi")]


class Question(BaseModel):
    """What a model is asked as a tool."""

    text: str


async def one_by_one(*texts: str) -> AsyncIterator[str]:
    """Yield texts as a stream does."""
    for text in texts:
        yield text


async def nothing(_run: Any) -> None:
    """Listen."""


# None: what ChatOpenAI cannot do either, with the reason.
METHODS: dict[str, Callable[[ChatQwen3], Any] | None] = {
    "invoke": lambda model: model.invoke("hi"),
    "ainvoke": lambda model: run(model.ainvoke("hi")),
    "batch": lambda model: model.batch(["hi"]),
    "abatch": lambda model: run(model.abatch(["hi"])),
    "batch_as_completed": lambda model: [*model.batch_as_completed(["hi"])],
    "abatch_as_completed": lambda model: run(drain(model.abatch_as_completed(["hi"]))),
    "generate": lambda model: model.generate([HI]),
    "agenerate": lambda model: run(model.agenerate([HI])),
    "generate_prompt": lambda model: model.generate_prompt([model._convert_input("hi")]),
    "agenerate_prompt": lambda model: run(model.agenerate_prompt([model._convert_input("hi")])),
    "stream": lambda model: [*model.stream("hi")],
    "astream": lambda model: run(drain(model.astream("hi"))),
    "stream_events": lambda model: [*model.stream_events("hi", version="v3")],
    "astream_events": lambda model: run(drain(model.astream_events("hi", version="v2"))),
    "astream_log": lambda model: run(drain(model.astream_log("hi"))),
    "transform": lambda model: [*model.transform(iter(["hi"]))],
    "atransform": lambda model: run(drain(model.atransform(one_by_one("hi")))),
    "bind": lambda model: model.bind(seed=1).invoke("hi"),
    "bind_tools": lambda model: model.bind_tools([TOOL]).invoke("hi"),
    "with_config": lambda model: model.with_config(tags=["t"]).invoke("hi"),
    "with_retry": lambda model: model.with_retry().invoke("hi"),
    "configurable_fields": lambda model: model.configurable_fields(seed=ConfigurableField("s")).invoke("hi"),
    "configurable_alternatives": lambda model: model.configurable_alternatives(ConfigurableField("m")).invoke("hi"),
    "with_structured_output": lambda model: model.with_structured_output(SCHEMA, include_raw=True).invoke("hi")["raw"],
    "with_fallbacks": lambda model: model.with_fallbacks([model]).invoke("hi"),
    "with_listeners": lambda model: model.with_listeners(on_end=lambda _run: None).invoke("hi"),
    "with_alisteners": lambda model: run(model.with_alisteners(on_end=nothing).ainvoke("hi")),
    "with_types": lambda model: model.with_types(input_type=str).invoke("hi"),
    "pipe": lambda model: model.pipe(str).invoke("hi"),
    "pick": lambda model: model.pick("content"),
    "assign": lambda model: model.assign(a=lambda _: 1),
    "map": lambda model: model.map().invoke(["hi"]),
    "as_tool": lambda model: model.as_tool(name="f", description="d", args_schema=Question),
    "get_name": lambda model: model.get_name() == "ChatQwen3",
    "get_graph": lambda model: model.get_graph().nodes,
    "get_prompts": lambda model: model.get_prompts() == [],
    "get_num_tokens": lambda model: model.get_num_tokens("hi"),
    "get_num_tokens_from_messages": lambda model: model.get_num_tokens_from_messages(HI),
    "get_token_ids": lambda model: model.get_token_ids("hi"),
    "to_json": lambda model: model.to_json()["id"] == ["langchain_qwen3", "chat_model", "ChatQwen3"],
    "to_json_not_implemented": lambda model: model.to_json_not_implemented(),
    "lc_id": lambda model: model.lc_id() == ["langchain_qwen3", "chat_model", "ChatQwen3"],
    "lc_secrets": lambda model: model.lc_secrets == {"openai_api_key": "QWEN_API_KEY"},
    "lc_attributes": lambda model: "openai_api_base" in model.lc_attributes,
    "get_lc_namespace": lambda model: model.get_lc_namespace() == ["langchain_qwen3", "chat_model"],
    "is_lc_serializable": lambda model: model.is_lc_serializable(),
    "asdict": lambda model: model.asdict()["_type"] == "qwen3",
    "dict": lambda model: model.dict()["_type"] == "qwen3",
    "model": lambda model: model.model == "Qwen/Qwen3-8B",
    "set_verbose": lambda model: model.set_verbose(True) is not None,
    "model_copy": lambda model: model.model_copy(update={"seed": 4}).invoke("hi"),
    "build_extra": lambda model: model.build_extra({"priority": 1}) == {"model_kwargs": {"priority": 1}},
    "validate_environment": lambda model: model.validate_environment() is model,
    "validate_temperature": lambda model: model.validate_temperature({"model": "o1"}) == {"model": "o1"},
    "InputType": lambda model: model.InputType == ChatOpenAI(api_key="x").InputType,
    "OutputType": lambda model: model.OutputType == ChatOpenAI(api_key="x").OutputType,
    "input_schema": lambda model: model.input_schema,
    "output_schema": lambda model: model.output_schema,
    "config_schema": lambda model: model.config_schema(),
    "config_specs": lambda model: model.config_specs == [],
    "get_input_schema": lambda model: model.get_input_schema(),
    "get_output_schema": lambda model: model.get_output_schema(),
    "get_input_jsonschema": lambda model: model.get_input_jsonschema(),
    "get_output_jsonschema": lambda model: model.get_output_jsonschema(),
    "get_config_jsonschema": lambda model: model.get_config_jsonschema(),
    "model_dump": lambda model: model.model_dump()["model_name"] == "Qwen/Qwen3-8B",
    "model_dump_json": lambda model: "sk-" not in model.model_dump_json(),
    "model_fields": lambda model: type(model).model_fields,
    "model_fields_set": lambda model: "server" in model.model_fields_set,
    "model_computed_fields": lambda model: type(model).model_computed_fields == {},
    "model_config": lambda model: model.model_config,
    "model_construct": lambda model: type(model).model_construct(model_name="q").model_name == "q",
    "model_extra": lambda model: model.model_extra is None,
    "model_parametrized_name": None,  # pydantic's, for generic classes
    "model_json_schema": None,  # ChatOpenAI has none either: its fields hold functions
    "model_post_init": lambda model: callable(model.model_post_init),
    "model_rebuild": lambda model: type(model).model_rebuild() is None,
    "model_validate": lambda model: type(model).model_validate({"model": "q"}).model == "q",
    "model_validate_json": lambda model: type(model).model_validate_json('{"model": "q"}').model == "q",
    "model_validate_strings": lambda model: type(model).model_validate_strings({"model": "q"}).model == "q",
    "construct": lambda model: type(model).construct(model_name="q").model_name == "q",
    "copy": lambda model: model.copy(update={"seed": 4}).invoke("hi"),
    "from_orm": None,  # for pydantic's `from_attributes`, which ChatOpenAI does not set
    "json": lambda model: model.json(),
    "parse_file": None,  # removed by pydantic in all but name
    "parse_obj": lambda model: type(model).parse_obj({"model": "q"}).model == "q",
    "parse_raw": lambda model: type(model).parse_raw('{"model": "q"}').model == "q",
    "schema": None,  # as model_json_schema
    "schema_json": None,
    "update_forward_refs": lambda model: type(model).update_forward_refs() is None,
    "validate": lambda model: type(model).validate({"model": "q"}).model == "q",
}


def test_no_method_of_chat_openai_is_without_a_trial() -> None:
    """Protects from a method that breaks here: one that ChatOpenAI gains has to be tried."""
    public = {name for name in dir(ChatOpenAI) if not name.startswith("_")}
    assert public == METHODS.keys()


@pytest.mark.parametrize("name", [name for name, call in METHODS.items() if call is not None])
def test_method_does_something_when_called(name: str, server: Loopback) -> None:
    """Protects programs that call any public method of ChatOpenAI."""
    call = METHODS[name]
    assert call is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's and core's notices of old and of new names
        assert call(Try(server).model)


class Amended(ChatQwen3):
    """A subclass as people write it for ChatOpenAI: it amends the payload by LangChain's hook."""

    amendment: Any = None

    def _get_request_payload(self, input_: Any, *, stop: Any = None, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        self.amendment(payload)
        return payload


OWN = {"role": "user", "content": "also"}
AMENDMENTS: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, Any], dict[str, str]]] = {
    "field": (lambda payload: payload.update(user="u"), {"user": "u"}, {}),
    "other value": (lambda payload: payload.update(temperature=0.9), {"temperature": 0.9}, {}),
    "left out": (lambda payload: payload.pop("temperature"), {"temperature": None}, {}),
    "message": (
        lambda payload: payload["messages"].append(OWN),
        {"messages": [{"role": "user", "content": "hi"}, OWN]},
        {},
    ),
    "message's field": (
        lambda payload: payload["messages"][0].update(name="Bo"),
        {"messages": [{"role": "user", "content": "hi", "name": "Bo"}]},
        {},
    ),
    "extra_body": (lambda payload: payload.update(extra_body={"rid": "r"}), {"rid": "r", "extra_body": None}, {}),
    "extra_body, merged": (
        lambda payload: payload.update(extra_body={"chat_template_kwargs": {"a": 1}}),
        {"chat_template_kwargs": {"enable_thinking": True, "a": 1}},
        {},
    ),
    "extra_body, none": (lambda payload: payload.update(extra_body=None), {"extra_body": None}, {}),
    "extra_headers": (
        lambda payload: payload.update(extra_headers={"X-T": "t"}),
        {"extra_headers": None},
        {"x-t": "t"},
    ),
    "extra_headers beside the call's": (
        lambda payload: payload.update(extra_headers={"X-T": "t"}),
        {"extra_headers": None},
        {"x-t": "t", "x-call": "c"},
    ),
    "nothing": (lambda _: None, {"temperature": 0.3, "stop": ["x"], "user": None}, {}),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda model: model.invoke("hi"),
    "stream": lambda model: [*model.stream("hi")],
    "ainvoke": lambda model: run(model.ainvoke("hi")),
    "astream": lambda model: run(drain(model.astream("hi"))),
}


@pytest.mark.parametrize("way", CALLS)
@pytest.mark.parametrize("case", AMENDMENTS)
def test_subclass_has_the_last_word_on_the_body_when_it_overrides_the_hook(
    case: str, way: str, server: Loopback
) -> None:
    """Protects subclasses written for ChatOpenAI: what they put into the payload, or take out, was silently ignored."""
    amendment, body, headers = AMENDMENTS[case]
    fields = {"base_url": server.base_url, "server": "vllm", "temperature": 0.3, "enable_thinking": True}
    model = Amended(model="Qwen/Qwen3-8B", amendment=amendment, **fields)
    assert CALLS[way](model.bind(stop=["x"], extra_headers={"X-Call": "c"}))
    request = server.requests[-1]
    sent = json.loads(request.body)
    assert {name: sent.get(name) for name in body} == body
    assert {name: request.headers.get(name) for name in headers} == headers
    assert sent.get("stream", False) is ("stream" in way)


def test_model_and_its_tools_stay_as_they_are_when_a_subclass_changes_what_lies_inside_the_body(
    server: Loopback,
) -> None:
    """Protects the next call from a subclass's changes: they were made to the model's own `extra_body` and tools."""

    def amend(payload: dict[str, Any]) -> None:
        payload["metadata"]["run"] = payload["metadata"].get("run", 0) + 1
        payload["tools"][0]["function"]["description"] += "!"

    body = {"metadata": {"a": 1}}
    model = Amended(model="q", base_url=server.base_url, server="vllm", extra_body=body, amendment=amend)
    bound = model.bind_tools([TOOL])
    for _ in range(2):
        bound.invoke("hi")
        sent = json.loads(server.requests[-1].body)
        assert (sent["metadata"], sent["tools"][0]["function"]["description"]) == ({"a": 1, "run": 1}, "d!")
    assert body == {"metadata": {"a": 1}}


def test_subclass_amends_once_when_its_body_is_refused_and_sent_again() -> None:
    """Protects the second try, without the field that an unnamed server refuses, from losing the subclass's word."""

    def refuse(body: Any) -> Any:
        wrong = {"error": {"message": "Unrecognized request argument supplied: chat_template_kwargs"}}
        return Answer(message=wrong, status=400) if "chat_template_kwargs" in body else {"content": "hello"}

    with Scripted(refuse) as host, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Amended(model="Qwen/Qwen3-8B", base_url=host.url, amendment=lambda body: body.update(user="u"))
        assert model.bind(stop=["x"]).invoke("hi", enable_thinking=True).text == "hello"
        assert [(body["user"], body["stop"]) for body in host.requests] == [("u", ["x"])] * 2


@pytest.mark.parametrize("hook", ["_create_chat_result", "_convert_chunk_to_generation_chunk"])
@pytest.mark.parametrize("mixed_in", [False, True])
def test_subclass_is_told_when_it_overrides_a_hook_that_is_not_called(hook: str, mixed_in: bool) -> None:
    """Protects subclasses written for ChatOpenAI from readers of replies that never run, without a word."""
    own = {hook: lambda *_: None}
    parents = (type("Mixin", (), own), ChatQwen3) if mixed_in else (ChatQwen3,)
    with pytest.warns(UserWarning, match=f"^Mine overrides {hook}, .*additional_kwargs") as caught:
        type("Mine", parents, {} if mixed_in else own)
    assert caught[0].filename == __file__


def test_subclass_is_told_nothing_when_its_hooks_are_called() -> None:
    """Protects subclasses whose overrides work from a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind = type("Mine", (Amended,), {"_generate": lambda *_, **__: None, "_llm_type": "mine"})
        type("Grandchild", (kind,), {})


def build_clients(base_url: str | None) -> tuple[openai.OpenAI, openai.AsyncOpenAI]:
    """Return clients of the SDK that keep no connection open."""
    limits = httpx.Limits(max_keepalive_connections=0)
    options: dict[str, Any] = {"api_key": "sk-own", "base_url": base_url}
    sync_client = openai.OpenAI(http_client=httpx.Client(limits=limits), **options)
    return sync_client, openai.AsyncOpenAI(http_client=httpx.AsyncClient(limits=limits), **options)


class WithOwnClients(ChatQwen3):
    """A subclass that builds its clients itself, as many for ChatOpenAI do."""

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        self.root_client, self.root_async_client = build_clients(self.openai_api_base)
        self.client = self.root_client.chat.completions
        self.async_client = self.root_async_client.chat.completions
        return self


@pytest.mark.parametrize("way", CALLS)
@pytest.mark.parametrize("assigned", [True, False])
@pytest.mark.parametrize("settings", [{}, {"extra_headers": {"X-T": "t"}}])
def test_requests_go_through_the_sdks_own_clients_when_they_are_put_in_place(
    settings: dict[str, Any], assigned: bool, way: str, server: Loopback
) -> None:
    """Protects subclasses, wrappers and tests that give ChatOpenAI's `root_client`: it was an AttributeError."""
    kind = ChatQwen3 if assigned else WithOwnClients
    model = kind(model="Qwen/Qwen3-8B", base_url=server.base_url, server="vllm", api_key="sk-other")
    if assigned:
        model.root_client, model.root_async_client = build_clients(server.base_url)
    assert CALLS[way](model.bind(**settings))
    headers = server.requests[-1].headers
    assert headers["authorization"] == "Bearer sk-own"
    assert headers.get("x-t") == settings.get("extra_headers", {}).get("X-T")
