"""What is bound to a model stays bound, whatever is bound next, and LangChain can inspect every method."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import AIMessage
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBinding,
    RunnableLambda,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.retry import RunnableRetry
from langchain_core.tools import tool
from pydantic import BaseModel

import langchain_qwen3
from langchain_qwen3 import ChatQwen3
from langchain_qwen3.binding import BoundChatQwen3


class Person(BaseModel):
    """A person."""

    name: str


@tool
def get_weather(city: str) -> str:
    """Get the weather."""
    return city


def build(**kwargs: Any) -> ChatQwen3:
    """A model on a server that is known without asking."""
    return ChatQwen3(**{"model": "Qwen/Qwen3-8B", "server": "vllm", "api_key": "x", **kwargs})


def find_binding(runnable: Any) -> Any:
    """The binding at the head of a chain."""
    return runnable if isinstance(runnable, RunnableBinding) else find_binding(runnable.first)


NEXT: dict[str, Callable[[Any], Any]] = {
    "bind": lambda model: model.bind(stop=["x"]),
    "bind_tools": lambda model: model.bind_tools([get_weather]),
    "bind_tools with a setting": lambda model: model.bind_tools([get_weather], temperature=0.5),
    "with_structured_output": lambda model: model.with_structured_output(Person),
    "with_structured_output and tools": lambda model: model.with_structured_output(Person, tools=[get_weather]),
    "include_raw": lambda model: model.with_structured_output(Person, include_raw=True),
    "tools, then a schema": lambda model: model.bind_tools([get_weather]).with_structured_output(Person),
    "with_config": lambda model: model.with_config(tags=["t"]).bind_tools([get_weather]),
    "with_retry": lambda model: model.with_retry(stop_after_attempt=2).bind_tools([get_weather]),
    "with_types": lambda model: model.with_types(input_type=str).bind_tools([get_weather]),
}


@pytest.mark.parametrize("following", NEXT)
def test_settings_stay_bound_when_something_else_is_bound(following: str) -> None:
    """Protects `.bind(enable_thinking=False)`, which core drops with the next method of the model."""
    bound = find_binding(NEXT[following](build().bind(enable_thinking=False, seed=7)))
    assert bound.kwargs["enable_thinking"] is False
    assert bound.kwargs["seed"] == 7
    if "tools" in following or following.startswith("with_"):
        assert {"tools", "structured_output"} & bound.kwargs.keys()


def test_config_stays_bound_when_tools_are_bound() -> None:
    """Protects tags, callbacks and limits that were bound before the tools."""
    for model in (build().with_config(tags=["t"]), build().bind(seed=7).with_config(tags=["t"])):
        assert model.bind_tools([get_weather]).config["tags"] == ["t"]
        assert model.with_structured_output(Person).first.config["tags"] == ["t"]


def test_later_setting_wins_when_one_is_bound_twice() -> None:
    """Protects the order: the nearest to the call."""
    bound = build().bind(seed=1, tools=[]).bind_tools([get_weather], seed=2)
    assert bound.kwargs["seed"] == 2
    assert [entry["function"]["name"] for entry in bound.kwargs["tools"]] == ["get_weather"]


@pytest.mark.parametrize(
    ("method", "arguments", "setting"),
    [
        *(("bind", (), name) for name in ("model", "method", "schema")),
        *(("bind_tools", ([get_weather],), name) for name in ("model", "method", "schema")),
        ("with_structured_output", (Person,), "model"),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_setting_is_bound_when_an_argument_of_ours_has_its_name(
    method: str, arguments: tuple[Any, ...], setting: str, several: bool
) -> None:
    """Protects another model for one chain: binding its name raised a TypeError of a function nobody called."""
    model: Any = build().with_fallbacks([build()]) if several else build()
    bound = getattr(model, method)(*arguments, **{setting: "other"})
    bound = bound.runnable if several else bound
    assert getattr(bound, "first", bound).kwargs[setting] == "other"


def test_schema_knows_bound_tools_when_they_were_bound_before() -> None:
    """Protects a chain whose model calls a tool that was bound before the schema: no answer, and no error."""
    chain = build().bind_tools([get_weather]).with_structured_output(Person)
    assert chain.last.has_tools
    assert not build().bind(seed=7).with_structured_output(Person).last.has_tools


def test_binding_is_what_core_takes_it_for() -> None:
    """Protects dumps, pickles and frameworks that look for core's binding."""
    bound = build().bind(seed=7)
    assert isinstance(bound, RunnableBinding)
    assert bound.lc_id() == RunnableBinding.lc_id()
    assert '"BoundChatQwen3"' not in dumps(bound)
    copied = pickle.loads(pickle.dumps(bound))  # noqa: S301
    assert copied.bind_tools([get_weather]).kwargs["seed"] == 7
    assert bound.model_name == "Qwen/Qwen3-8B"


def test_fallbacks_bind_tools_to_every_model() -> None:
    """Protects `with_fallbacks([...]).bind_tools(...)`: core reads from our types what they return."""
    safe = build().bind(seed=7).with_fallbacks([build(model="other")])
    bound: Any = safe.bind_tools([get_weather])
    assert [runnable.kwargs["tools"][0]["function"]["name"] for runnable in (bound.runnable, *bound.fallbacks)] == [
        "get_weather",
        "get_weather",
    ]
    assert bound.runnable.kwargs["seed"] == 7
    assert callable(safe.get_num_tokens_from_messages)


class Stop(Exception):  # noqa: N818  # it ends a call on purpose
    """Raised with the payload in place of sending it."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Payloads of the calls; each call ends before it is sent."""
    payloads: list[dict[str, Any]] = []

    def keep(_client: Any, call: Any, *_: Any) -> Any:
        payloads.append(call.payload)
        raise Stop

    monkeypatch.setattr("langchain_qwen3.chat_model.post", keep)
    return payloads


async def listen(*_: Any) -> None:
    """A listener that does nothing."""


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda model: model,
    "with_config": lambda model: model.with_config(tags=["t"]),
    "with_retry": lambda model: model.with_retry(stop_after_attempt=1),
    "with_listeners": lambda model: model.with_listeners(on_end=lambda _run: None),
    "with_alisteners": lambda model: model.with_alisteners(on_end=listen),
    "with_types": lambda model: model.with_types(input_type=str),
    "with_types in place": lambda model: model.with_types(str),
    "with_fallbacks": lambda model: model.with_fallbacks([build(model="other")], exceptions_to_handle=(KeyError,)),
    "with_fallbacks twice": lambda model: WRAPPERS["with_fallbacks"](WRAPPERS["with_fallbacks"](model)),
    "configurable": lambda model: model.configurable_fields(temperature=ConfigurableField("t")),
    "alternatives": lambda model: model.configurable_alternatives(ConfigurableField("which"), big=build(model="big")),
    "alternatives with_fallbacks": lambda model: WRAPPERS["with_fallbacks"](WRAPPERS["alternatives"](model)),
}
ENDS: dict[str, Callable[[Any], Any]] = {
    "bind_tools": lambda model: model.bind_tools([get_weather]),
    "with_structured_output": lambda model: model.with_structured_output(Person),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("outer", ["nothing", "with_config", "with_listeners", "with_types", "with_fallbacks"])
@pytest.mark.parametrize("inner", WRAPPERS)
def test_settings_stay_bound_when_the_model_was_wrapped_before(
    inner: str, outer: str, end: str, sent: list[dict[str, Any]]
) -> None:
    """Protects `model.with_listeners(…).bind(enable_thinking=False).bind_tools(…)` and the like, in any order."""
    wrapped = WRAPPERS[inner](build()).bind(enable_thinking=False)
    for model in (wrapped, WRAPPERS[outer](wrapped)):
        with pytest.raises(Stop):
            ENDS[end](model).invoke("hi")
    assert len(sent) == 2
    for payload in sent:
        assert payload["chat_template_kwargs"] == {"enable_thinking": False}
        assert {"tools", "response_format"} & payload.keys()


def test_fallbacks_keep_what_was_bound_to_all_of_them(sent: list[dict[str, Any]]) -> None:
    """Protects `with_fallbacks([…]).bind(…)`: each model has the setting, and a fallback may be of any class."""
    other = RunnableLambda(lambda _, **kwargs: AIMessage(str(kwargs)))
    safe = build().with_fallbacks([other], exceptions_to_handle=(Stop,)).bind(seed=7)
    assert isinstance(safe, RunnableWithFallbacks)
    assert safe.exceptions_to_handle == (Stop,)
    assert safe.invoke("hi").content == "{'seed': 7}"
    assert sent[0]["seed"] == 7
    assert safe.lc_id() == RunnableWithFallbacks.lc_id()
    assert safe.get_name() == "RunnableWithFallbacks"  # traces and events are filtered by it
    assert safe.model_copy(update={"name": "mine"}).get_name() == "mine"


SEVERAL = ["with_fallbacks", "with_fallbacks twice", "alternatives", "alternatives with_fallbacks"]
AROUND: dict[str, Callable[[Any], Any]] = {
    **{name: WRAPPERS[name] for name in WRAPPERS if name.startswith("with_") and "fallbacks" not in name},
    "with_config and with_retry": lambda model: WRAPPERS["with_retry"](WRAPPERS["with_config"](model)),
    "with_retry and with_config": lambda model: WRAPPERS["with_config"](WRAPPERS["with_retry"](model)),
    "with_listeners and with_types": lambda model: WRAPPERS["with_types"](WRAPPERS["with_listeners"](model)),
    "with_alisteners twice": lambda model: WRAPPERS["with_alisteners"](WRAPPERS["with_alisteners"](model)),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("several", SEVERAL)
def test_settings_stay_bound_when_something_is_around_several_models(
    several: str, around: str, end: str, sent: list[dict[str, Any]]
) -> None:
    """Protects `with_fallbacks([…]).with_config(…).bind(…).bind_tools(…)` and the like: nothing bound is lost."""
    starts: list[Any] = []
    models = WRAPPERS[several](build()).with_config(tags=["first"]).with_listeners(on_start=starts.append)
    model = ENDS[end](AROUND[around](AROUND[around](models).bind(enable_thinking=False)))
    tags: list[str] = []
    with pytest.raises(Stop):
        model.invoke("hi", {"callbacks": [KeepTags(tags)]})
    assert sent[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert {"tools", "response_format"} & sent[0].keys()
    assert starts
    assert ("t" if "with_config" in around else "first") in tags  # a later list of tags replaces an earlier one


class KeepTags(BaseCallbackHandler):
    """Keeps the tags with which a chat model starts."""

    def __init__(self, tags: list[str]) -> None:
        """Keep them in this list."""
        self.tags = tags

    def on_chat_model_start(self, *_: Any, tags: list[str] | None = None, **__: Any) -> None:
        """Keep the tags."""
        self.tags += tags or []


CORES: dict[str, Callable[[Any], Any]] = {
    "retries": lambda model: RunnableRetry(bound=model, kwargs={}, config={}, max_attempt_number=1),
    "a config": lambda model: RunnableBinding(bound=model, config={"tags": ["t"]}),
    "retries and a config": lambda model: CORES["a config"](CORES["retries"](model)),
    "a config and retries": lambda model: CORES["retries"](CORES["a config"](model)),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("around", CORES)
def test_what_core_puts_around_a_fallback_stays_around_what_is_bound(
    around: str, end: str, sent: list[dict[str, Any]]
) -> None:
    """Protects `with_fallbacks([ChatOpenAI().with_config(…)]).bind_tools(…)`: core's bindings have no such method."""
    other = CORES[around](build(model="other"))
    safe = ENDS[end](build().with_fallbacks([other], exceptions_to_handle=(Stop,)))
    tags: list[str] = []
    with pytest.raises(Stop):
        safe.invoke("hi", {"callbacks": [KeepTags(tags)]})
    assert [payload["model"] for payload in sent] == ["Qwen/Qwen3-8B", "other"]
    assert all({"tools", "response_format"} & payload.keys() for payload in sent)
    assert ("t" in tags) is ("config" in around)
    assert type(safe.fallbacks[0]) is type(other)


def build_choice() -> Any:
    """A model two fields of which a config chooses."""
    return build().configurable_fields(model=ConfigurableField("m"), temperature=ConfigurableField("t"))


@pytest.mark.parametrize(
    "configurable",
    [
        build_choice,
        lambda: WRAPPERS["alternatives"](build_choice()),
        lambda: build_choice().bind(seed=7),
        *(lambda wrap=wrap: wrap(build_choice()) for wrap in AROUND.values()),
        *(lambda wrap=wrap: wrap(WRAPPERS["with_fallbacks"](build_choice())) for wrap in AROUND.values()),
    ],
)
@pytest.mark.parametrize("later", [{"tags": ["t"]}, {"configurable": {"t": 0.5}}, {"max_concurrency": 3}, {}])
def test_choice_stays_when_another_config_is_bound(
    configurable: Callable[[], Any], later: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    """Protects `with_config(configurable=…).with_config(tags=…)`: the second config cost the choice of the first."""
    chosen = configurable().with_config(configurable={"m": "big"})
    for model in (chosen.with_config(later), chosen.with_config(**later)):
        with pytest.raises(Stop):
            model.bind_tools([get_weather]).invoke("hi")
        assert sent.pop()["model"] == "big"
    with pytest.raises(Stop):
        model.with_config(configurable={"m": "small"}).invoke("hi")
    assert sent[-1]["model"] == "small"
    assert sent[-1].get("temperature") == (0.5 if "configurable" in later else None)


def test_bindings_of_several_models_are_what_core_takes_them_for() -> None:
    """Protects dumps and pickles of fallbacks with a config."""
    safe = build().with_fallbacks([build(model="other")]).with_config(tags=["t"])
    assert isinstance(safe, RunnableBinding)
    assert safe.lc_id() == RunnableBinding.lc_id()
    copied: Any = pickle.loads(pickle.dumps(safe))  # noqa: S301
    assert copied.bind(seed=7).bound.fallbacks[0].kwargs == {"seed": 7}


@pytest.mark.parametrize("wrap", ["with_listeners", "with_types"])
def test_listeners_and_types_stay_when_tools_are_bound(wrap: str) -> None:
    """Protects listeners and types that were set before the tools."""
    bound = WRAPPERS[wrap](build()).bind_tools([get_weather])
    assert len(bound.config_factories) == (wrap == "with_listeners")
    assert bound.custom_input_type is (str if wrap == "with_types" else None)


@pytest.mark.parametrize("method", ["with_retry", "with_listeners", "with_alisteners", "with_fallbacks"])
def test_wrapping_takes_the_keywords_of_core(method: str) -> None:
    """Protects editors and type checkers, which know a keyword only by the signature, and what core may add to it."""
    ours, core = (inspect.signature(getattr(owner, method)).parameters for owner in (ChatQwen3, Runnable))
    assert {name: (each.kind, each.default) for name, each in ours.items()} == {
        name: (each.kind, each.default) for name, each in core.items()
    }


PUBLIC_CLASSES = [owner for name in langchain_qwen3.__all__ if inspect.isclass(owner := getattr(langchain_qwen3, name))]


@pytest.mark.parametrize("owner", [*PUBLIC_CLASSES, BoundChatQwen3])
def test_every_method_has_types_that_can_be_read(owner: type) -> None:
    """Protects LangChain, FastAPI and others that call `typing.get_type_hints`: no name for type checkers alone."""
    ours = [base for base in owner.__mro__ if base.__module__.startswith("langchain_qwen3")]
    functions = [
        getattr(member, "fget", None) or getattr(member, "__func__", member)
        for base in ours
        for member in vars(base).values()
        if isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member)
    ]
    for function in functions:
        typing.get_type_hints(function)


TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
LATER: dict[str, Callable[[Any], Any]] = {
    "bind": lambda model: model.bind(seed=7),
    "bind_tools": lambda model: model.bind_tools([TOOL]),
    "schema": lambda model: model.with_structured_output(Person),
    "all": lambda model: model.bind(seed=7).bind_tools([TOOL]).with_structured_output(Person),
    "retries": lambda model: model.with_retry(stop_after_attempt=1).bind_tools([TOOL]),
    "config": lambda model: model.with_config(tags=["t"]).bind_tools([TOOL]),
}


@pytest.mark.parametrize("following", LATER)
def test_config_still_chooses_when_something_is_bound_to_a_configurable_model(
    following: str, sent: list[dict[str, Any]]
) -> None:
    """Protects agents: they bind tools first and get the config of a call later, which core then ignores."""
    chosen = LATER[following](build().configurable_fields(enable_thinking=ConfigurableField("thinking")))
    for thinking in (True, False):
        with pytest.raises(Stop):
            chosen.invoke("hi", {"configurable": {"thinking": thinking}})
    assert [payload["chat_template_kwargs"]["enable_thinking"] for payload in sent] == [True, False]
    assert all("tools" in payload for payload in sent) is (following in ("bind_tools", "all", "retries", "config"))


@pytest.mark.parametrize("following", [name for name in LATER if name not in ("retries", "config")])
def test_config_still_chooses_when_something_is_bound_to_alternatives(
    following: str, sent: list[dict[str, Any]]
) -> None:
    """Protects `configurable_alternatives`: what is bound is bound to each model, and the config chooses then."""
    several = build().configurable_alternatives(
        ConfigurableField("which"), default_key="small", big=build(model="big"), late=lambda: build(model="late")
    )
    chosen = LATER[following](several)
    for which in ("small", "big", "late"):
        with pytest.raises(Stop):
            chosen.invoke("hi", {"configurable": {"which": which}})
    assert [payload["model"] for payload in sent] == ["Qwen/Qwen3-8B", "big", "late"]
    assert all("tools" in payload for payload in sent) is (following in ("bind_tools", "all"))


class Caller:
    def __call__(self, place: str) -> str:
        """Call."""
        return place


@pytest.mark.parametrize("tools", [None, print, Caller(), "search", {"type": "function"}, Person, get_weather])
def test_names_the_tools_when_they_are_no_list(tools: Any) -> None:
    """Protects from Python's own words about iteration."""
    for use in (build().bind_tools, lambda given: build().get_num_tokens_from_messages([], tools=given)):
        if tools is not None or use == build().bind_tools:  # a count takes None for no tools
            with pytest.raises(TypeError, match="tools must be a list of tools, not "):
                use(tools)


@pytest.mark.parametrize("nothing", [[], (), set(), {}, iter(())], ids=["list", "tuple", "set", "dict", "iterator"])
@pytest.mark.parametrize("before", ["model", "bound", "fallbacks"])
def test_binds_no_tools_when_there_are_none(nothing: Any, before: str, sent: list[dict[str, Any]]) -> None:
    """Protects LangChain's graph chains: by `bind_tools({})` they ask whether a model takes tools."""
    model: Any = {"model": build(), "bound": build().bind(seed=1), "fallbacks": build().with_fallbacks([])}[before]
    with pytest.raises(Stop):
        model.bind_tools(nothing).invoke("hi")
    assert "tools" not in sent[0]


@pytest.mark.parametrize("tool", [functools.partial(print, end=""), Caller()])
def test_names_the_tool_when_it_has_no_name(tool: Any) -> None:
    """Protects from Python's AttributeError, which says nothing of tools."""
    with pytest.raises(ValueError, match=r"the tool .* has no name: pass a function"):
        build().bind_tools([tool])


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("model", "other", lambda model: model.model_name),
        ("base_url", "http://other:1/v1", lambda model: str(model.root_client.base_url).rstrip("/")),
        ("api_key", "sk-other", lambda model: model.root_client.api_key),
        ("timeout", 7.0, lambda model: model.root_client.timeout),
        ("max_completion_tokens", 7, lambda model: model.max_tokens),
        ("stop_sequences", ["x"], lambda model: model.stop),
        ("temperature", 0.7, lambda model: model.temperature),
    ],
)
@pytest.mark.parametrize("way", ["copied", "configured"])
def test_constructors_names_are_those_of_copies_and_configs(name: str, value: Any, read: Any, way: str) -> None:
    """Protects a copy from calling the old model or host, because only the field's own name counted."""
    if way == "copied":
        changed: Any = build().model_copy(update={name: value})
    else:
        chosen = build().configurable_fields(**{name: ConfigurableField("it")})
        changed, _ = chosen.prepare({"configurable": {"it": value}})
    assert read(changed) == read(build(**{name: value})) == value


@pytest.mark.parametrize(
    ("update", "error", "text"),
    [
        ({"temprature": 1}, TypeError, "Did you mean temperature"),
        *(
            (value, TypeError, "^update: pass a dict of new values, not an? ")
            for value in ("temperature", [("n", 1)], 5)
        ),
        ({"temperature": "hot"}, ValueError, "temperature must be 0 or more, not 'hot'"),
        ({"server": "vlm"}, ValueError, "server must be"),
        ({"enable_thinking": "false"}, ValueError, "enable_thinking must be True, False or None"),
        ({"base_url": 8000}, ValueError, "^base_url: Input should be a valid string; it is an int$"),
        ({"model": ["q"]}, ValueError, "^model: Input should be a valid string; it is a list$"),
        ({"api_key": ["sk-secret"]}, ValueError, "^api_key: Input should be a valid string; it is a list$"),
        ({"server": ["vllm"]}, ValueError, "^server: .*; it is a list$"),
        ({"transport": {}}, ValueError, "^transport: Input should be 'auto', 'httpx' or 'aiohttp'; it is a dict$"),
        ({"default_headers": "x-key: secret"}, ValueError, "^default_headers must be a dict, not a str$"),
        ({"default_query": 5}, ValueError, "^default_query must be a dict, not an int$"),
        ({"openai_proxy": 7890}, ValueError, "^openai_proxy: Input should be a valid string; it is an int$"),
        ({"http_socket_options": 5}, ValueError, "^http_socket_options: .*; it is an int$"),
        ({"disabled_params": "seed"}, ValueError, "^disabled_params must be a dict of lists, not 'seed'$"),
        ({"max_concurrency": 0}, ValueError, "^max_concurrency must be a whole number, 1 or more"),
        ({"max_concurrency": "many"}, ValueError, "^max_concurrency must be a whole number, 1 or more"),
        ({"streaming": "maybe"}, ValueError, "^streaming must be True, False or None, not 'maybe'"),
        ({"disable_streaming": "maybe"}, ValueError, "^disable_streaming: Input should be a valid boolean"),
        ({"callbacks": "log"}, ValueError, "^callbacks: "),
    ],
)
def test_copy_is_refused_when_the_constructor_would_refuse_it(update: Any, error: Any, text: str) -> None:
    """Protects from a setting that is dropped without a word, and from one that only the server refuses."""
    with pytest.raises(error, match=text):
        build().model_copy(update=update)


def test_copy_keeps_other_parameters_when_one_without_a_field_changes() -> None:
    """Protects `model_kwargs` from a copy that sets one more of them; a new `model_kwargs` replaces all."""
    model = build(user="me")
    assert model.model_copy(update={"tool_choice": "none"}).model_kwargs == {"user": "me", "tool_choice": "none"}
    assert model.model_copy(update={"model_kwargs": {"tool_choice": "none"}}).model_kwargs == {"tool_choice": "none"}
    assert model.model_kwargs == {"user": "me"}


class Recorder(Runnable[Any, Any]):
    """Keeps the keywords of each call."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:  # noqa: A002, ARG002  # core's names
        """Answer."""
        self.seen.append(kwargs)
        return "x"

    def stream_events(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        """Answer in core's newest form, which only chat models have."""
        return self.invoke(input, config, **{name: kwargs[name] for name in kwargs if name != "version"})


async def gather(items: Any) -> list[Any]:
    """All items of an async iterator."""
    return [item async for item in items]


async def send() -> Any:
    """One input."""
    yield "hi"


CALLS: dict[str, Callable[..., Any]] = {
    "invoke": lambda bound, **kwargs: bound.invoke("hi", **kwargs),
    "ainvoke": lambda bound, **kwargs: asyncio.run(bound.ainvoke("hi", **kwargs)),
    "batch": lambda bound, **kwargs: bound.batch(["hi"], **kwargs),
    "abatch": lambda bound, **kwargs: asyncio.run(bound.abatch(["hi"], **kwargs)),
    "batch_as_completed": lambda bound, **kwargs: list(bound.batch_as_completed(["hi"], **kwargs)),
    "abatch_as_completed": lambda bound, **kwargs: asyncio.run(gather(bound.abatch_as_completed(["hi"], **kwargs))),
    "stream": lambda bound, **kwargs: list(bound.stream("hi", **kwargs)),
    "astream": lambda bound, **kwargs: asyncio.run(gather(bound.astream("hi", **kwargs))),
    "stream_events": lambda bound, **kwargs: bound.stream_events("hi", version="v3", **kwargs),
    "astream_events": lambda bound, **kwargs: asyncio.run(gather(bound.astream_events("hi", **kwargs))),
    "transform": lambda bound, **kwargs: list(bound.transform(iter(["hi"]), **kwargs)),
    "atransform": lambda bound, **kwargs: asyncio.run(gather(bound.atransform(send(), **kwargs))),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("config", [{}, {"config": {"tags": ["t"]}}], ids=["", "config"])
def test_call_wins_when_it_says_otherwise_than_what_is_bound(method: str, config: dict[str, Any]) -> None:
    """Protects a call's own setting, and the bound ones that it does not name, whichever method makes the call."""
    recorder = Recorder()
    bound = BoundChatQwen3(bound=recorder, kwargs={"enable_thinking": True, "extra_body": {"a": 1}}, config={})
    CALLS[method](bound, **config, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    CALLS[method](bound, **config)
    assert recorder.seen == [
        {"extra_body": {"a": 1, "chat_template_kwargs": {"enable_thinking": False}}},
        {"enable_thinking": True, "extra_body": {"a": 1}},
    ]


def test_every_method_of_cores_binding_merges() -> None:
    """Protects the table above from a method that core adds, which would update a dict again."""
    methods = {
        name
        for name, method in vars(RunnableBindingBase).items()
        if inspect.isfunction(method) and "kwargs" in inspect.signature(method).parameters and not name.startswith("_")
    }
    assert methods == CALLS.keys()
    for name in methods:
        ours, cores = getattr(BoundChatQwen3, name), getattr(RunnableBinding, name)
        assert ours is not cores
        assert inspect.signature(ours) == inspect.signature(cores)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            assert kind(ours) is kind(cores)


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        (lambda model: model.bind(max_completion_tokens=9), {"max_completion_tokens": 9}),
        (
            lambda model: model.bind_tools([], extra_body={"a": 2}),
            {"max_tokens": 64, "tools": [], "extra_body": {"a": 2}},
        ),
        (lambda model: model.with_config(tags=["t"]).bind(max_tokens=9), {"max_tokens": 9}),
        (lambda model: model.with_retry().bind(max_tokens=9), {"max_tokens": 9}),
        (lambda model: model.bind(), {"max_tokens": 64}),
    ],
)
def test_later_binding_wins_when_it_says_otherwise(bind: Any, expected: dict[str, Any]) -> None:
    """Protects `model_settings` of an agent, which go to `bind_tools`, from what was bound before."""
    first = build().bind(max_tokens=64)
    assert find_binding(bind(first)).kwargs == expected
    assert first.kwargs == {"max_tokens": 64}


def test_schema_wins_when_a_constraint_is_bound() -> None:
    """Protects `with_structured_output` from a choice bound before, with which every answer fails to parse."""
    chain: Any = build().bind(constraint={"choice": ["a"]}).with_structured_output(Person)
    assert "constraint" not in chain.first.kwargs
    assert chain.first.kwargs["structured_output"]["name"] == "Person"


def test_tokens_are_counted_as_the_call_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the count of a bound model from a switch that the call sets otherwise."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(
        ChatQwen3, "get_num_tokens_from_messages", lambda _self, _messages, _tools, **kwargs: seen.append(kwargs) or 0
    )
    build().bind(enable_thinking=True).get_num_tokens_from_messages([], reasoning_effort="none")
    assert seen == [{"reasoning_effort": "none"}]
