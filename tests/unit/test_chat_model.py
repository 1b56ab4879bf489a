"""ChatQwen3 before any server is asked: fields, identity, keys, copies."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import warnings
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import cloudpickle
import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import CallbackManager, UsageMetadataCallbackHandler
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from langchain_qwen3 import ChatQwen3, UnsupportedSettingWarning
from langchain_qwen3.request.keywords import OWN_SETTINGS

QUESTION = [HumanMessage("你是谁?")]
OTHER = openai.OpenAI(api_key="x", base_url="http://127.0.0.1:1/v1")
CANARIES = {
    "OPENAI_API_KEY": "sk-canary-key",
    "OPENAI_ADMIN_KEY": "sk-canary-admin",
    "OPENAI_ORG_ID": "canary-org",
    "OPENAI_PROJECT_ID": "canary-project",
    "OPENAI_BASE_URL": "http://canary.invalid/v1",
    "OPENAI_API_BASE": "http://canary.invalid/v1",
    "OPENAI_PROXY": "http://canary.invalid:3128",
    "OPENAI_CUSTOM_HEADERS": "X-Canary: canary-header",
    "LANGSMITH_GATEWAY": "true",
    "LANGSMITH_GATEWAY_API_KEY": "lsv2_canary",
    "LC_OUTPUT_VERSION": "responses/v1",
    "DASHSCOPE_API_KEY": "sk-canary-dashscope",
}


def build(**kwargs: Any) -> ChatQwen3:
    """A model on a server that is known without asking."""
    return ChatQwen3(**{"model": "Qwen/Qwen3-0.6B", "server": "vllm", **kwargs})


def test_takes_nothing_of_openai_when_its_variables_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects one company's secrets from another company's server."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    model = build()
    assert model.openai_api_base == "http://localhost:8000/v1"
    assert model.openai_api_key == SecretStr("EMPTY")
    assert model.openai_proxy is None
    assert not model._use_responses_api({})
    for client in (model.root_client, model.root_async_client):
        headers = {**client.default_headers, **client.auth_headers}
        assert headers["Authorization"] == "Bearer EMPTY"
        sent = json.dumps({name: value for name, value in headers.items() if isinstance(value, str)})
        assert "canary" not in sent.lower()
        assert "canary" not in str(client.base_url)


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "sk-dash"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "sk-dash"),
        ("https://abc.cn-beijing.maas.aliyuncs.com/compatible-mode/v1", "sk-dash"),
        ("https://dashscope.aliyuncs.com.evil.example/v1", "EMPTY"),
        ("https://evil-dashscope.aliyuncs.com/v1", "EMPTY"),
        ("https://gpu-pod1234-8000.web.gpu.csdn.net/v1", "EMPTY"),
    ],
)
def test_sends_the_dashscope_key_to_alibaba_alone_when_it_is_set(
    monkeypatch: pytest.MonkeyPatch, base_url: str, key: str
) -> None:
    """Protects $DASHSCOPE_API_KEY from hosts that only look like Alibaba's."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-dash")
    assert ChatQwen3(model="qwen3-max", base_url=base_url).openai_api_key == SecretStr(key)


@pytest.mark.parametrize("kwargs", [{}, {"model": None}, {"model_name": None}, {"base_url": None}, {"api_key": None}])
@pytest.mark.parametrize("name", ["Qwen3-8B", ""])
def test_reads_its_own_variables_when_a_value_is_none(
    kwargs: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects `model=os.getenv("MODEL")`: None raised for the model, but not for URL and key."""
    monkeypatch.setenv("QWEN_MODEL", name)
    model = ChatQwen3(**kwargs)
    assert (model.model_name, "model_name" in model.model_fields_set) == (name, False)
    assert ChatQwen3(**{**kwargs, "model": "Qwen3-4B"}).model_name == "Qwen3-4B"


@pytest.mark.parametrize("name", ["model", "base_url", "api_key"])
@pytest.mark.parametrize("assigns", [False, True])
def test_reads_its_own_variables_when_a_value_becomes_none(
    name: str, assigns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects copies and assignments: None raised for the model, called localhost, or sent no key."""
    model = ChatQwen3(model="Qwen3-4B", base_url="http://10.0.0.2/v1", api_key="sk-own")
    for variable, value in {"MODEL": "Qwen3-8B", "BASE_URL": "http://10.0.0.1/v1", "API_KEY": "sk-env"}.items():
        monkeypatch.setenv(f"QWEN_{variable}", value)
    field = {"model": "model_name", "base_url": "openai_api_base", "api_key": "openai_api_key"}[name]
    if assigns:
        setattr(model, field, None)
    else:
        model = model.model_copy(update={name: None})
    built = ChatQwen3(**{"model": "Qwen3-4B", "base_url": "http://10.0.0.2/v1", "api_key": "sk-own", name: None})  # type: ignore[arg-type]
    for own in ("model_name", "openai_api_base", "openai_api_key", "profile"):
        assert getattr(model, own) == getattr(built, own)
    assert (model.root_client.base_url, model.root_client.api_key) == (
        built.root_client.base_url,
        built.root_client.api_key,
    )


@pytest.mark.parametrize("stream_usage", [True, None])
def test_asks_for_usage_in_streams_when_stream_usage_is_none(stream_usage: bool | None) -> None:
    """Protects settings made for ChatOpenAI, where None is the default: it was refused."""
    payload = build(stream_usage=stream_usage)._get_request_payload("hi", stream=True)
    assert payload["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("key", ["Bearer sk-canary", SecretStr("bearer sk-canary"), "BEARER  sk-canary"])
def test_says_what_is_too_much_when_the_key_comes_from_a_curl_command(key: Any) -> None:
    """Protects who pastes a line of a tutorial: the server's error asked for another key."""
    for fails in (lambda: build(api_key=key), lambda: build().model_copy(update={"api_key": key})):
        with pytest.raises(ValueError, match='api_key begins with "Bearer ", which each request adds') as caught:
            fails()
        assert "canary" not in str(caught.value)
    assert build(api_key="bearer-of-news").openai_api_key == SecretStr("bearer-of-news")


def test_reads_model_url_and_key_from_its_own_variables_when_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects deployments that configure by environment."""
    monkeypatch.setenv("QWEN_MODEL", "Qwen3-8B")
    monkeypatch.setenv("QWEN_BASE_URL", "http://10.0.0.1:9000/v1/")
    monkeypatch.setenv("QWEN_API_KEY", "sk-own")
    model = ChatQwen3()
    assert (model.model_name, model.openai_api_base) == ("Qwen3-8B", "http://10.0.0.1:9000/v1")
    assert model.openai_api_key == SecretStr("sk-own")


@pytest.mark.parametrize("end", ["\r", "\r\n", " ", "\n"])
@pytest.mark.parametrize("key", ["QWEN_API_KEY", "DASHSCOPE_API_KEY"])
def test_reads_its_own_variables_without_blanks_round_them(key: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects `.env` files written on Windows: the server did not know the model, and the key was refused."""
    url = "https://dashscope.aliyuncs.com/compatible-mode/v1"
    for variable, value in {"QWEN_MODEL": "qwen3-max", "QWEN_BASE_URL": url, key: "sk-own"}.items():
        monkeypatch.setenv(variable, f"{value}{end}")
    model = ChatQwen3()
    assert (model.model_name, model.openai_api_base) == ("qwen3-max", url)
    assert model.openai_api_key == SecretStr("sk-own")
    for variable in ("QWEN_MODEL", "QWEN_BASE_URL", key):
        monkeypatch.setenv(variable, end)  # as if it were not set
    model = ChatQwen3()
    assert (model.model_name, model.openai_api_base) == ("", "http://localhost:8000/v1")
    assert model.openai_api_key == SecretStr("EMPTY")


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"server": "vlm"}, "server must be"),
        ({"n": 0}, "n must be a whole number, 1 or more"),
        ({"n": 2, "streaming": True}, "n must be 1 when streaming"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"transport": "curl"}, "transport"),
        ({"use_responses_api": True}, "use_responses_api"),
        ({"output_version": "responses/v1"}, "output_version"),
        ({"enable_thinking": "maybe"}, "enable_thinking"),
        ({"api_key": "sk-with-a\nline-break"}, "api_key: Authorization must be ASCII text without line breaks"),
    ],
)
def test_names_the_field_when_a_setting_is_wrong(kwargs: dict[str, Any], text: str) -> None:
    """Protects users from hunting for the setting that is wrong."""
    with pytest.raises(ValueError, match=text):
        build(**kwargs)


def test_keeps_temperature_when_the_alias_looks_like_openai() -> None:
    """Protects served names such as gpt-5-… from ChatOpenAI's special cases."""
    model = build(model="gpt-5-alias", temperature=0.3)
    assert model._get_request_payload(QUESTION)["temperature"] == 0.3
    assert build(model="o1-alias").temperature is None
    assert build(model="o1-alias")._get_request_payload("hi")["messages"][0]["role"] == "user"


def test_never_changes_when_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects later calls from the settings of earlier ones."""
    model = build(extra_body={"top_k": 5}, enable_thinking=True)
    before = copy.deepcopy({name: getattr(model, name) for name in type(model).model_fields if "client" not in name})
    first = model._get_request_payload(QUESTION, enable_thinking=False, extra_body={"min_p": 0.1})
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert (first["top_k"], first["min_p"]) == (5, 0.1)
    second = model._get_request_payload(QUESTION)
    assert second["chat_template_kwargs"] == {"enable_thinking": True}
    assert "min_p" not in second
    assert before == {name: getattr(model, name) for name in before}
    assert capsys.readouterr().out == ""


def test_says_who_it_is_when_traced() -> None:
    """Protects middleware that trusts reported usage only where both names agree."""
    model = build(temperature=0.5, max_tokens=7)
    assert model._llm_type == "qwen3"
    params = model._get_ls_params()
    assert params["ls_provider"] == "qwen3"
    assert (params["ls_model_name"], params["ls_temperature"], params["ls_max_tokens"]) == ("Qwen/Qwen3-0.6B", 0.5, 7)


@pytest.mark.parametrize("fields", [{}, {"temperature": 0.1, "max_tokens": 9, "stop": ["x"]}], ids=["none", "all"])
@pytest.mark.parametrize("given", [{}, {"model": "b", "temperature": 0.2}, {"max_tokens": 3}])
@pytest.mark.parametrize("stop", [None, ["z"]])
def test_traces_are_told_what_chatopenai_tells_them(fields, given, stop):
    """Traces and cost tables go by model, temperature, limit and stop words, those of the call before the model's."""
    model = ChatQwen3(model="a", base_url="http://127.0.0.1:1/v1", **fields)
    expected = {**ChatOpenAI._get_ls_params(model, stop=stop, **given), "ls_provider": "qwen3"}
    assert model._get_ls_params(stop=stop, **given) == expected


@pytest.mark.parametrize(
    ("fields", "given", "shown"),
    [
        ({}, {}, {}),
        ({"enable_thinking": None}, {}, {"enable_thinking": None}),
        ({"enable_thinking": True}, {}, {"enable_thinking": True}),
        ({"enable_thinking": True}, {"enable_thinking": False}, {"enable_thinking": False}),
        ({"thinking_budget": 9, "preserve_thinking": True}, {}, {"thinking_budget": 9, "preserve_thinking": True}),
        ({"return_reasoning": False}, {"thinking_budget": 9}, {"return_reasoning": False, "thinking_budget": 9}),
        (
            {"sampling": "recommended", "model_line": "Qwen3-VL"},
            {},
            {"sampling": "recommended", "model_line": "Qwen3-VL"},
        ),
        (
            {"reasoning_history": "all"},
            {"enable_thinking": True},
            {"reasoning_history": "all", "enable_thinking": True},
        ),
    ],
)
def test_traces_tell_our_own_settings_when_they_are_set(
    fields: dict[str, Any], given: dict[str, Any], shown: dict[str, Any]
) -> None:
    """Protects who compares traces with and without thinking: a field is told as a call's keyword is."""
    model = ChatQwen3(model="a", base_url="http://127.0.0.1:1/v1", top_k=20, **fields)
    told = model._get_invocation_params(extra_headers={"X-Token": "secret"}, **given)
    assert {name: told[name] for name in OWN_SETTINGS if name in told} == shown
    assert told["top_k"] == 20
    assert "secret" not in json.dumps(told)


def test_shows_no_key_when_printed_or_dumped() -> None:
    """Protects the key from logs, traces and dumps."""
    model = build(api_key="sk-very-secret", default_headers={"X-Token": "header-secret"})
    shown = repr(model) + str(model) + dumps(model)
    assert "sk-very-secret" not in shown
    assert "header-secret" not in shown


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_comes_back_when_loaded_from_a_dump() -> None:
    """Protects chains that are stored as JSON."""
    model = build(enable_thinking=True, thinking_budget=100, temperature=0.1)
    text = dumps(model)
    loaded = loads(
        text,
        allowed_objects=[ChatQwen3],
        valid_namespaces=["langchain_qwen3"],
        secrets_map={"QWEN_API_KEY": "sk-mine"},
    )
    assert isinstance(loaded, ChatQwen3)
    assert (loaded.enable_thinking, loaded.thinking_budget, loaded.temperature) == (True, 100, 0.1)
    assert loaded.openai_api_key == SecretStr("sk-mine")


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"extra_body": {"return_reasoning": False}},
        {"extra_body": {"reasoning_history": "none"}},
        {"extra_body": {"normalize_messages": False}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "x": 1}},
        {"extra_body": {"enable_thinking": True}, "enable_thinking": None},
        {"extra_body": {"return_reasoning": False}, "return_reasoning": True},
        {"reasoning_history": "none", "normalize_messages": False, "rescue_tool_calls": False},
        {"stream_usage": False, "temperature": 0.0, "seed": 0},
    ],
    ids=str,
)
def test_calls_alike_when_loaded_from_a_dump(fields: dict[str, Any]) -> None:
    """Protects settings in `extra_body` from the defaults of a dump, which count as set when it is loaded."""
    model = build(**fields)
    loaded = loads(dumps(model), allowed_objects=[ChatQwen3], valid_namespaces=["langchain_qwen3"])
    call = {"name": "f", "args": {}, "id": "c"}
    messages = [
        SystemMessage("s", additional_kwargs={"__openai_role__": "developer"}),
        *QUESTION,
        AIMessage("", additional_kwargs={"reasoning_content": "r"}, tool_calls=[call]),
        ToolMessage("t", tool_call_id="c"),
    ]
    sent, again = (one._build_call(messages, None, {}, stream=True) for one in (model, loaded))
    assert again.payload == sent.payload
    assert again.reply.return_reasoning == sent.reply.return_reasoning
    assert loaded._get_llm_string() == model._get_llm_string()


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_works_when_copied_or_pickled(clone: Any) -> None:
    """Protects workers, caches and frameworks that copy what they are given."""
    model = build(enable_thinking=True, api_key="sk-mine", max_concurrency=3)
    twin = clone(model)
    assert twin._get_request_payload(QUESTION) == model._get_request_payload(QUESTION)
    assert twin.openai_api_key == SecretStr("sk-mine")
    assert twin.root_async_client is not None
    assert twin._in_flight.size == 3
    bound = cloudpickle.loads(cloudpickle.dumps(model.bind(stop=["x"]) | str))
    assert bound.first.bound.model_name == model.model_name


class Counting(ChatQwen3):
    """A subclass that counts in a private attribute, by pydantic's own means."""

    _seen: dict[str, int] = PrivateAttr(default_factory=dict)


@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        lambda model: model.model_copy(deep=True),
        lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
        lambda model: model.model_copy(update={"base_url": "http://other.test/v1"}),
    ],
)
def test_subclass_keeps_its_private_attributes_when_copied_or_pickled(clone: Any) -> None:
    """Protects subclasses with a `PrivateAttr`: a deep copy and a pickle had none, an AttributeError at first use."""
    model = Counting(model="q", base_url="http://me:secret@pod.test/v1")
    model._seen["a"] = 1
    twin = clone(model)
    assert twin._seen == {"a": 1}
    assert twin.root_client is not None
    if "pod" in twin.openai_api_base:
        assert twin._url_secrets == model._url_secrets


@pytest.mark.parametrize("names", [None, (), ("_url_secrets",), ("_lease", "_limits")])
def test_takes_a_state_that_lacks_private_attributes(names: Any) -> None:
    """Protects pickles of another version: earlier ones had fewer private attributes, or only `_url_secrets`."""
    model = build(base_url="http://me:secret@pod.test/v1")
    state = model.__getstate__()
    private = state["__pydantic_private__"]
    state["__pydantic_private__"] = None if names is None else {name: private[name] for name in names}
    twin = ChatQwen3.__new__(ChatQwen3)
    twin.__setstate__(state)
    assert twin._get_request_payload(QUESTION) == model._get_request_payload(QUESTION)
    assert twin._url_secrets == (model._url_secrets if "_url_secrets" in (names or ()) else {})


class Vault:
    """A key's function, a cache or another object of the user's that holds a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self) -> str:
        return "sk-of-the-vault"

    def read(self) -> str:
        return "sk-of-the-vault"

    async def aread(self) -> str:
        return "sk-of-the-vault"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_limiter", InMemoryRateLimiter(requests_per_second=1)),
        ("callbacks", [UsageMetadataCallbackHandler()]),
        ("callbacks", CallbackManager([UsageMetadataCallbackHandler()])),
        ("cache", InMemoryCache()),
        ("cache", False),
        ("openai_api_key", Vault()),
        ("openai_api_key", Vault().read),
        ("openai_api_key", Vault().aread),
        ("openai_api_key", SecretStr("sk-mine")),
        ("custom_get_token_ids", Vault()),
    ],
)
@pytest.mark.parametrize(
    "clone",
    [
        copy.deepcopy,
        lambda m: m.model_copy(deep=True),
        lambda m: m.model_copy(update={"temperature": m.temperature}, deep=True),
        lambda m: copy.deepcopy(m.bind(stop=["x"])).bound,
        lambda m: copy.deepcopy([m, m])[1],
    ],
    ids=["deepcopy", "model_copy", "model_copy with an update", "bound", "twice in a list"],
)
def test_deep_copy_shares_what_works_for_the_model(clone: Any, field: str, value: Any) -> None:
    """Protects limits, counts and caches, which are one for all copies; their locks cannot be copied either."""
    model = build(**{field: value}, metadata={"a": [1]})
    twin = clone(model)
    assert getattr(twin, field) == getattr(model, field)
    if isinstance(value, list):
        assert twin.callbacks is not model.callbacks
    assert twin.metadata == model.metadata
    assert twin.metadata["a"] is not model.metadata["a"]
    assert twin._get_request_payload(QUESTION) == model._get_request_payload(QUESTION)


def test_shares_its_limit_when_bound_or_copied() -> None:
    """Protects the server: every runnable made from a model counts against the one limit."""
    model = build(max_concurrency=3)
    assert model.bind(stop=["x"]).bound._in_flight is model._in_flight
    assert model.model_copy()._in_flight is model._in_flight
    assert model.model_copy(update={"temperature": 1.0})._in_flight is model._in_flight
    assert model.model_copy(update={"max_concurrency": 5})._in_flight.size == 5
    assert pickle.loads(pickle.dumps(model))._in_flight is not model._in_flight  # noqa: S301


def test_connects_anew_when_copied_with_another_url() -> None:
    """Protects a copy with another address from talking to the old one."""
    model = build()
    twin = model.model_copy(update={"openai_api_base": "http://127.0.0.1:9/v1"})
    assert str(twin.root_async_client.base_url) == "http://127.0.0.1:9/v1/"
    assert str(model.root_async_client.base_url) == "http://localhost:8000/v1/"


def test_asks_the_cache_with_every_setting_that_changes_the_answer() -> None:
    """Protects answers in the LLM cache from being handed to a model with other settings."""
    settings: list[dict[str, Any]] = [
        {},
        {"enable_thinking": True},
        {"enable_thinking": False},
        {"thinking_budget": 5},
        {"server": "llama.cpp"},
        {"base_url": "http://127.0.0.1:9/v1"},
        {"model": "other"},
        {"top_k": 3},
        {"return_reasoning": False},
        {"preserve_thinking": True},
    ]
    keys = {build(**setting)._get_llm_string() for setting in settings}
    assert len(keys) == len(settings)
    model = build()
    assert model._get_llm_string(enable_thinking=True) != model._get_llm_string()
    assert model.model_copy(update={"top_k": 9})._get_llm_string() != model._get_llm_string()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable_thinking", True),
        ("temperature", 0.5),
        ("max_tokens", 5),
        ("extra_body", {"top_k": 5}),
        ("model_kwargs", {"seed": 5}),
        ("model_name", "other"),
        ("model_line", "Qwen3.8"),
        ("reasoning_history", "all"),
        ("default_headers", {"x": "y"}),
    ],
)
@pytest.mark.parametrize(
    "copied",
    [
        lambda model: model,
        copy.copy,
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
        ChatQwen3.model_copy,
    ],
    ids=["itself", "copy", "deepcopy", "pickle", "model_copy"],
)
def test_asks_the_cache_with_a_setting_when_it_was_assigned(copied: Any, name: str, value: Any) -> None:
    """Protects a setting that is assigned after a call from the cached answer of the old one."""
    model = build()
    key = model._get_llm_string()
    changed = copied(model)
    assert changed._get_llm_string() == key
    setattr(changed, name, value)
    assert changed._get_llm_string() != key
    assert changed is model or model._get_llm_string() == key
    assert changed._get_llm_string() == changed._get_llm_string()


def test_takes_a_tutorials_arguments_when_written_for_chatopenai() -> None:
    """Protects the drop-in promise: only the class name changes."""
    model = build(
        streaming=True, http_client=None, extra_body={"enable_thinking": True, "return_reasoning": True, "x": 1}
    )
    payload = model._get_request_payload(QUESTION)
    assert payload["chat_template_kwargs"] == {"enable_thinking": True}
    assert payload["x"] == 1
    assert "enable_thinking" not in payload
    payload = model._get_request_payload(QUESTION, options={"extra_body": {"enable_thinking": False}})
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}
    assert "options" not in payload


def test_sends_what_the_card_recommends_when_asked_for() -> None:
    """Protects users from sampling by guess: thinking and not thinking have different values."""
    model = build(sampling="recommended")
    thinking = model._get_request_payload(QUESTION, enable_thinking=True)
    plain = model._get_request_payload(QUESTION, enable_thinking=False)
    assert [thinking[name] for name in ("temperature", "top_p", "top_k", "min_p")] == [0.6, 0.95, 20, 0.0]
    assert [plain[name] for name in ("temperature", "top_p", "top_k", "min_p")] == [0.7, 0.8, 20, 0.0]
    assert model._get_request_payload(QUESTION, temperature=0.2)["temperature"] == 0.2
    assert "temperature" not in build()._get_request_payload(QUESTION)


@pytest.mark.parametrize(
    ("model", "thinking", "said"),
    [
        ("qwen3-max", True, "for Qwen3-Max with thinking"),
        ("qwen3-max", False, "for Qwen3-Max without thinking"),
        ("Qwen/Qwen3-Coder-Next", None, "for Qwen3-Coder-Next without thinking"),
        ("our-model", None, "is not a known Qwen3 line"),
        ("Qwen/Qwen3-8B", True, None),
        ("Qwen/Qwen3-8B", False, None),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", None, None),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", None, None),
    ],
)
def test_says_so_when_no_sampling_is_recommended(model: str, thinking: bool | None, said: str | None) -> None:
    """Protects users from a setting that does nothing: of some lines no recommendation is known."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        payload = build(model=model, sampling="recommended")._get_request_payload(QUESTION, enable_thinking=thinking)
    texts = [str(warning.message) for warning in caught if "sampling" in str(warning.message)]
    assert ("temperature" in payload) == (said is None)
    assert len(texts) == (said is not None)
    assert not said or said in texts[0]


@pytest.mark.parametrize(("name", "value"), [("temperature", 0), ("top_k", 1)])
def test_names_the_setting_when_decoding_is_greedy(name: str, value: int) -> None:
    """Protects users from advice about a setting that they did not make."""
    with pytest.warns(UnsupportedSettingWarning, match=f"leave {name} out"):
        build(**{name: value})._get_request_payload(QUESTION, enable_thinking=True)


@pytest.mark.filterwarnings("error:greedy decoding while thinking")
def test_warns_once_when_decoding_greedily_while_thinking() -> None:
    """Protects users from endless repetition, which the model card warns of."""
    model = build(temperature=0)
    assert model._get_request_payload(QUESTION, enable_thinking=False)["temperature"] == 0
    with pytest.warns(UnsupportedSettingWarning, match="greedy decoding"):
        model._get_request_payload(QUESTION, enable_thinking=True)
    model._get_request_payload(QUESTION, enable_thinking=True)


def test_lets_the_nearest_setting_win_when_it_is_given_in_several_places() -> None:
    """Protects a call's switch from the constructor's, however either is spelled."""
    model = build(extra_body={"enable_thinking": True})
    payload = model._get_request_payload(QUESTION, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}


def test_hides_the_key_when_construction_fails() -> None:
    """Protects the key from the text of an error about another field."""
    with pytest.raises(ValueError, match="server must be") as caught:
        build(api_key="sk-very-secret", server="nope")
    assert "sk-very-secret" not in str(caught.value)


def test_clients_are_the_sdks_completions_when_somebody_uses_them() -> None:
    """Code written for ChatOpenAI calls `llm.client.create(...)`; the model itself never does, and makes them late."""
    llm = ChatQwen3(model="q", base_url="http://127.0.0.1:1/v1")
    assert llm.client.create == llm.root_client.chat.completions.create
    assert llm.async_client.create == llm.root_async_client.chat.completions.create
    assert copy.copy(llm.client).create == llm.client.create


class Tracker:
    """A tracker's wrapper, which passes on whatever it does not count."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@pytest.mark.parametrize("name", ["client", "async_client"])
@pytest.mark.parametrize(
    "value", [Mock(), MagicMock(), SimpleNamespace(), OTHER, OTHER.chat.completions, Tracker], ids=type
)
def test_says_so_when_a_client_is_assigned_that_no_request_goes_through(name: str, value: Any) -> None:
    """Protects tests with a mock, and trackers that wrap `llm.client`: the real server was called, without a word."""
    llm = ChatQwen3(model="q", base_url="http://127.0.0.1:1/v1")
    with pytest.warns(UserWarning, match=f"^assigning {name} has no effect on requests: pass http_client=") as caught:
        setattr(llm, name, Tracker(getattr(llm, name)) if value is Tracker else value)
    assert caught[0].filename == __file__


def test_says_nothing_when_the_assigned_client_is_the_models_own() -> None:
    """Protects `llm.root_client = llm.root_client.with_options(...)` and what goes with it from a warning."""
    llm = ChatQwen3(model="q", base_url="http://127.0.0.1:1/v1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        llm.root_client = llm.root_client.with_options(max_retries=7)
        llm.client = llm.root_client.chat.completions
        llm.async_client = llm.root_async_client.chat.completions
        llm.client = None
        llm.openai_api_base = "http://127.0.0.1:2/v1"
        copy.deepcopy(llm).model_copy(update={"base_url": "http://127.0.0.1:3/v1"})


def test_counts_a_text_by_the_users_own_function_when_there_is_one() -> None:
    """Protects `custom_get_token_ids`, which ChatOpenAI honours: nobody is asked then."""
    model = build(base_url="http://127.0.0.1:9/v1", custom_get_token_ids=lambda text: [ord(letter) for letter in text])
    assert model.get_token_ids("ab") == [97, 98]
    assert model.get_num_tokens("abc") == 3
