"""Keywords of calls and constructors: what is misspelt or out of range is said before anything is sent."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.messages import HumanMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.request.keywords import OWN_SETTINGS, check_call, openai_fields
from langchain_qwen3.servers.dialects import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = "http://127.0.0.1:9/v1"
"""No test here may get as far as to ask it."""


def build(**kwargs: Any) -> ChatQwen3:
    """A model on a server that nobody could reach."""
    return ChatQwen3(**{"model": "Qwen/Qwen3-8B", "base_url": NOBODY, "max_retries": 0, **kwargs})


async def aask(model: Any, kwargs: dict[str, Any]) -> None:
    """Ask for a whole reply."""
    await model.ainvoke("hi", **kwargs)


async def astream(model: Any, kwargs: dict[str, Any]) -> None:
    """Ask for a stream."""
    async for _ in model.astream("hi", **kwargs):
        pass


WAYS: list[Callable[[Any, dict[str, Any]], Any]] = [
    lambda model, kwargs: model.invoke("hi", **kwargs),
    lambda model, kwargs: list(model.stream("hi", **kwargs)),
    lambda model, kwargs: model.bind(**kwargs).invoke("hi"),
    lambda model, kwargs: model.bind_tools([{"name": "f", "description": "d"}], **kwargs).invoke("hi"),
    lambda model, kwargs: model.with_structured_output({"title": "A", "type": "object"}, **kwargs).invoke("hi"),
    lambda model, kwargs: model.invoke("hi", options=kwargs),
    lambda model, kwargs: model.get_num_tokens_from_messages([HumanMessage("hi")], **kwargs),
    lambda model, kwargs: model._get_request_payload("hi", **kwargs),
]

MISSPELT = [
    ("enable_thinkin", "enable_thinking"),
    ("enabel_thinking", "enable_thinking"),
    ("temprature", "temperature"),
    ("max_token", "max_tokens"),
    ("thinking_buget", "thinking_budget"),
    ("extra_boddy", "extra_body"),
    ("response_formt", "response_format"),
    ("model_name", "model"),
    ("request_timeout", "timeout"),
    ("stop_sequences", "stop"),
]


@pytest.mark.parametrize("way", WAYS)
def test_call_raises_when_a_keyword_is_misspelt(way: Callable[[Any, dict[str, Any]], Any]) -> None:
    """Protects a setting from getting lost, in every way to call, as the SDK does for ChatOpenAI."""
    with pytest.raises(TypeError, match=r"no keyword 'enable_thinkin'. Did you mean enable_thinking\?.*extra_body"):
        way(build(server="vllm"), {"enable_thinkin": False})


async def test_async_call_raises_when_a_keyword_is_misspelt() -> None:
    """Protects async callers the same way, also where the server would have to be asked first."""
    for ask in (aask, astream):
        with pytest.raises(TypeError, match="temprature"):
            await ask(build(), {"temprature": 0})
    with pytest.raises(TypeError, match="temprature"):
        build().invoke("hi", temprature=0)


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_names_what_was_meant_when_a_keyword_is_misspelt(name: str, meant: str) -> None:
    """Protects users from hunting: the error has the name that was probably meant."""
    with pytest.raises(TypeError, match=f"Did you mean {meant}"):
        build()._get_request_payload("hi", **{name: 1})
    if name not in ("model_name", "request_timeout", "stop_sequences"):
        with pytest.raises(TypeError, match=f"Did you mean {meant}"):
            build(**{name: 1})


@pytest.mark.parametrize("value", [False, True, {"type": "disabled"}])
@pytest.mark.parametrize("name", ["think", "thinking", "thinking_mode", "no_think", "disable_reasoning"])
def test_names_our_switch_when_a_keyword_is_that_of_another_api(name: str, value: Any) -> None:
    """Protects who comes from Ollama, DeepSeek or Doubao: `thinking=False` was sent as it is, and the model thought."""
    for fails in (
        lambda: build()._get_request_payload("hi", **{name: value}),
        lambda: build()._get_request_payload("hi", options={name: value}),
        lambda: build(**{name: value}),
        lambda: build(model_kwargs={name: value}),
    ):
        with pytest.raises(TypeError, match=rf"^{name} is another API's switch: use enable_thinking=True or False"):
            fails()
    assert build(extra_body={name: value})._get_request_payload("hi")[name] == value  # the server's own


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        *((name, "api_key") for name in ("dashscope_api_key", "DASHSCOPE_API_KEY", "qwen_api_key", "apiKey", "apikey")),
        *((name, "base_url") for name in ("api_base", "dashscope_api_base", "api_url", "baseURL", "model_server")),
        *((name, "max_tokens") for name in ("num_predict", "max_output_tokens", "max_new_tokens", "maxOutputTokens")),
        *((name, "api_key") for name in ("huggingfacehub_api_token", "HF_API_TOKEN")),
        *((name, "base_url") for name in ("azure_endpoint", "endpoint_url")),
        *((name, "default_headers") for name in ("headers", "custom_headers")),
        *((name, "openai_proxy") for name in ("http_proxy", "https_proxy", "proxies", "proxy", "groq_proxy")),
        *((name, "model") for name in ("model_id", "repo_id", "deployment_name", "azure_deployment")),
        *((name, "thinking_budget") for name in ("max_thinking_tokens", "budget_tokens", "reasoning_budget")),
        *(("penalty_score", "repetition_penalty"), ("stop_words", "stop"), ("num_retries", "max_retries")),
        ("callback_manager", "callbacks"),
        *(("openrouter_provider", "provider"), ("inference_server_url", "base_url")),
    ],
)
def test_names_our_field_when_a_keyword_is_that_of_another_class(name: str, ours: str) -> None:
    """Protects who comes from ChatTongyi, ChatQwen or Qwen-Agent: a key in `extra_body` would be sent in the body."""
    for fails in list_ways(name):
        with pytest.raises(TypeError, match=rf"^{name} is another class's name: use {ours}=$"):
            fails()


def list_ways(name: str) -> tuple[Callable[[], Any], ...]:
    """Give a keyword to the constructor, in `model_kwargs`, and to a call."""
    return (
        lambda: build(**{name: "x"}),
        lambda: build(model_kwargs={name: "x"}),
        lambda: build()._get_request_payload("hi", **{name: "x"}),
    )


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("num_ctx", r"\$OLLAMA_CONTEXT_LENGTH"),
        ("keep_alive", r"\$OLLAMA_KEEP_ALIVE"),
        ("format", "with_structured_output"),
        ("num_gpu", "PARAMETER num_gpu"),
        ("num_thread", "PARAMETER num_thread"),
    ],
)
def test_says_where_a_setting_of_chat_ollama_goes(name: str, advice: str) -> None:
    """Protects who comes from ChatOllama: Ollama reads none of these over this API, in `extra_body` either."""
    for fails in list_ways(name):
        with pytest.raises(TypeError, match=f"^{name} is ChatOllama's: .*{advice}.* extra_body="):
            fails()
    assert build(extra_body={name: "x"})._get_request_payload("hi")[name] == "x"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("incremental_output", "leave it out: every stream is incremental"),
        ("result_format", "leave it out: every reply is a message"),
        ("model_provider", "leave it out"),
        ("clear_thinking", "pass preserve_thinking=, which says the opposite"),
        ("validate_model_on_init", "leave it out"),
        ("client_kwargs", "pass timeout=, default_headers="),
        ("async_client_kwargs", "pass timeout=, default_headers="),
        *((name, "set it where the server is started") for name in ("n_ctx", "vllm_kwargs", "max_model_len", "dtype")),
        *((f"guided_{kind}", f'bind constraint={{"{kind}": ...}}') for kind in ("json", "choice", "regex", "grammar")),
        *((name, "pass http_client= and http_async_client=") for name in ("verify", "verify_ssl")),
        *((name, 'pass default_headers={"OpenAI-Project"') for name in ("project", "openai_project")),
        *((name, "pass default_headers= with X-Title") for name in ("app_title", "app_url")),
    ],
)
def test_does_not_advise_the_body_for_what_no_body_takes(name: str, advice: str) -> None:
    """Protects who comes from another class, or from OpenAI's client: the error led into `extra_body`, in vain."""
    for fails in list_ways(name):
        with pytest.raises(TypeError, match=f"^{name} (is|belongs to) [^;]*; {re.escape(advice)}") as raised:
            fails()
        assert "extra_body" not in str(raised.value)


@pytest.mark.parametrize("name", ["default_headers", "include_response_headers", "openai_proxy", "base_url"])
def test_says_that_a_call_has_no_setting_of_the_model_whose_name_ends_like_anothers(name: str) -> None:
    """Protects our own names from advice about another class's."""
    with pytest.raises(TypeError, match=rf"^{name} is a setting of the model.* ChatQwen3\({name}="):
        build()._get_request_payload("hi", **{name: "x"})


@pytest.mark.parametrize("name", ["constraint", "options"])
def test_says_that_the_constructor_has_no_setting_of_a_call(name: str) -> None:
    """Protects users from putting our own settings of a call into `extra_body`, where no server reads them."""
    for fails in list_ways(name)[:2]:
        with pytest.raises(TypeError, match=rf"^{name} is a setting of a call, not of the model: use \.bind\({name}="):
            fails()


@pytest.mark.parametrize("value", [True, False])
def test_names_our_switch_when_reasoning_is_the_one_of_chat_ollama(value: bool) -> None:
    """Protects who comes from ChatOllama: the constructor's error only asked for a dictionary."""
    with pytest.raises(ValueError, match=rf"reasoning must be a dict, not {value}: use enable_thinking=True or False"):
        build(reasoning=value)
    assert build(reasoning={"effort": "low"}).reasoning == {"effort": "low"}
    assert build(reasoning=None).reasoning is None


@pytest.mark.parametrize("name", ["max_concurrency", "configurable", "recursion_limit", "run_name"])
def test_names_the_config_when_a_call_has_one_of_its_keys(name: str) -> None:
    """Protects `llm.abatch(questions, max_concurrency=8)`: LangChain takes the limit in `config`."""
    with pytest.raises(TypeError, match=rf'pass config={{"{name}": \.\.\.}} to the call$'):
        build()._get_request_payload("hi", **{name: 8})


@pytest.mark.parametrize(
    "name",
    [
        *("server", "transport", "max_concurrency", "max_retries", "cache"),
        *("base_url", "api_key", "openai_api_base", "openai_api_key"),
    ],
)
def test_says_where_a_setting_goes_when_a_call_has_one_of_the_constructor(name: str) -> None:
    """Protects per-call `server=` and the like from landing in the body."""
    with pytest.raises(TypeError, match=rf"pass it to ChatQwen3\({name}="):
        build()._get_request_payload("hi", **{name: "auto"})
    with pytest.raises(TypeError, match=r"pass it to ChatQwen3\(server="):
        build()._get_request_payload("hi", server="vllm")


def test_known_parameters_of_every_server_pass_to_calls_and_constructors() -> None:
    """Protects people who use their server's own fields: a keyword, a constructor's argument, `model_kwargs`."""
    names = set().union(*(row.own_fields for row in DIALECTS.values()), openai_fields()) - {"messages", "model"}
    fields = ChatQwen3.model_fields
    values: dict[str, Any] = {
        **{name: [{"type": "x"}] for name in ("functions", "tools")},
        **dict.fromkeys(("prompt_cache_key", "safety_identifier", "user"), "x"),
        "parallel_tool_calls": True,
    }
    for name in names:
        check_call({name: None}, fields)
        if name not in {*fields, "max_completion_tokens"}:
            value = values.get(name, {"type": "x"})
            assert build(**{name: value}).model_kwargs == {name: value}
    model = build(server="vllm", priority=3, model_kwargs={"min_tokens": 2})
    payload = model._get_request_payload("hi", cache_salt="s", extra_body={"anything": 1})
    assert [payload[name] for name in ("priority", "min_tokens", "cache_salt", "anything")] == [3, 2, "s", 1]


def test_body_takes_anything_when_only_the_server_knows_it() -> None:
    """Protects the way out that the error names, for model and call."""
    model = build(server="vllm", extra_body={"enable_thinkin": 1})
    assert model._get_request_payload("hi", extra_body={"temprature": 2})["enable_thinkin"] == 1
    for empty in ({}, None):  # in a body that was dumped
        assert model._get_request_payload("hi", extra_body={"extra_body": empty})["enable_thinkin"] == 1


def test_constructor_raises_when_a_parameter_is_misspelt_or_given_twice() -> None:
    """Protects `model_kwargs`, where ChatOpenAI puts what it does not know."""
    with pytest.raises(TypeError, match=r"min_token'. Did you mean min_tokens\?"):
        build(model_kwargs={"min_token": 2})
    with pytest.raises(TypeError, match="has no keyword ''"):
        build(**{"": 2})
    for name in ("priority", "temperature", "extra_body"):
        with pytest.raises(ValueError, match=f"{name} is set twice"):
            build(**{name: 1}, model_kwargs={name: 2})
    with pytest.raises(ValueError, match="temperature must be"):
        build(model_kwargs={"temperature": -1})


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": 0.5, "top_p": 0.9, "seed": 1},
        {"max_tokens": 5, "stop": ["."]},
        {"enable_thinking": True, "thinking_budget": 9},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "rid": "r"}},
        {"extra_body": {"enable_thinking": False}, "user": "u"},
        {"top_k": 3, "priority": 1, "response_format": {"type": "json_object"}},
        {"timeout": 3, "streaming": True, "default_headers": {"X-A": "1"}},
        {"extra_headers": {"X-A": "1"}, "extra_query": {"v": "2"}},
        {"extra_headers": None, "extra_query": {}},
        {},
    ],
)
def test_constructor_takes_a_field_from_model_kwargs_as_if_it_were_given_directly(given: dict[str, Any]) -> None:
    """Protects programs written for ChatOpenAI, which takes it with a warning, and for ChatTongyi, which needs it."""
    direct, inside = build(server="vllm", **given), build(server="vllm", model_kwargs=given)
    assert repr(inside) == repr(direct)
    assert inside._get_request_payload("hi") == direct._get_request_payload("hi")
    for name in ("request_timeout", "streaming", "default_headers", "default_query", "model_kwargs"):
        assert getattr(inside, name) == getattr(direct, name)


@pytest.mark.parametrize(("call", "field"), [("extra_headers", "default_headers"), ("extra_query", "default_query")])
def test_constructor_adds_what_the_sdk_takes_with_a_call_to_the_field_that_means_it(call: str, field: str) -> None:
    """Protects `ChatOpenAI(extra_headers=...)` and its `model_kwargs`: the error advised to put them into the body."""
    for ways in ({call: {"b": "secret"}}, {"model_kwargs": {call: {"b": "secret"}}}):
        model = build(**{field: {"a": "1", "b": "1"}}, **ways)
        assert getattr(model, field) == {"a": "1", "b": "secret"}
        assert "secret" not in repr(model)


def test_copy_empties_model_kwargs_when_told_to() -> None:
    """Protects `model_copy(update={"model_kwargs": {}})`, which replaces them all."""
    model = build(priority=1)
    assert model.model_copy(update={"model_kwargs": {}}).model_kwargs == {}
    assert model.model_copy(update={"model_kwargs": {"user": "u", "top_k": 3}}).model_kwargs == {"user": "u"}
    assert model.model_copy(update={"top_k": 3}).model_kwargs == {"priority": 1}


OUT_OF_RANGE = [
    ({"temperature": -1}, "temperature must be 0 or more, not -1"),
    ({"temperature": math.nan}, "temperature must be 0 or more, not nan"),
    ({"temperature": math.inf}, "temperature must be 0 or more, not inf"),
    ({"repetition_penalty": math.inf}, "repetition_penalty must be 0 or more, not inf"),
    ({"top_p": 1.5}, "top_p must be 0 to 1"),
    ({"min_p": -0.1}, "min_p must be 0 to 1"),
    ({"top_k": -5}, "top_k must be a whole number, -1 or more"),
    ({"repetition_penalty": -1}, "repetition_penalty must be 0 or more"),
    ({"presence_penalty": 3}, "presence_penalty must be -2 to 2"),
    ({"frequency_penalty": -3}, "frequency_penalty must be -2 to 2"),
    ({"n": 0}, "n must be a whole number, 1 or more"),
    ({"max_tokens": -5}, "max_tokens must be a whole number, -1 or more"),
    ({"thinking_budget": -5}, "thinking_budget must be a whole number, 0 or more tokens, or None"),
    ({"extra_body": {"extra_body": {"top_k": 3}}}, "extra_body has another extra_body in it: put the inner"),
]
OF_A_WRONG_TYPE = [
    ({"thinking_budget": True}, "thinking_budget must be"),
    ({"n": "many"}, "n must be a whole number"),
    ({"thinking_budget": "many"}, "thinking_budget must be"),
    ({"temperature": "hot"}, "temperature must be"),
    ({"enable_thinking": "false"}, "enable_thinking must be True, False or None"),
    ({"preserve_thinking": 1}, "preserve_thinking must be True, False or None"),
    ({"return_reasoning": "no"}, "return_reasoning must be True"),
    ({"reasoning_effort": 3}, "reasoning_effort must be a word"),
    ({"sampling": "recomended"}, 'sampling must be "recommended", not .*Did you mean recommended'),
    *(
        ({name: value}, f"{name} must be a dict, not")
        for name in (
            *("extra_body", "chat_template_kwargs", "options", "reasoning", "response_format", "stream_options"),
            *("constraint", "structured_output"),
        )
        for value in ("json", ["a"], 5)
    ),
    *(
        ({"structured_output": value}, "structured_output has no name and schema: call with_structured_output")
        for value in ({"type": "object"}, {"schema": {"type": "object"}}, {"name": "a", "schema": "b"})
    ),
    *(({"reasoning": value}, "reasoning must be a dict, .*: use enable_thinking=True") for value in (True, False)),
    ({"tools": {"type": "function"}}, "tools must be a list of dicts, not {'type'"),
    ({"tools": "search"}, "tools must be a list of dicts, not 'search'"),
    *(({"functions": value}, "functions must be a list of dicts, not") for value in ("search", {"name": "a"}, 5)),
    ({"functions": [print]}, r"functions\[0\] must be a dict, not <built-in"),
    *(
        ({name: value}, f"{name} must be a dict, not an? {kind.__name__}$")
        for name in ("extra_headers", "extra_query")
        for value, kind in (("x-key=secret", str), ([("key", "secret")], list), (5, int), (True, bool))
    ),
    ({"tools": [print]}, r"tools\[0\] must be a dict, not <built-in function print>: bind_tools converts"),
    *(
        ({"stop": value}, "stop must be a text or a list of texts, not")
        for value in (5, {"a"}, {"a": 1}, True, b"a", [1], ("a", None), ["a", 1])
    ),
    *(({"stop": value}, r"stop\[1\] must be a text that is not empty") for value in (["a", ""], ("a", ""))),
    *(({"seed": value}, "seed must be a whole number, not") for value in ("x", "1", 1.5, True, {})),
    *(
        ({name: value}, f"{name} must be True, False or None, not")
        for name in ("logprobs", "parallel_tool_calls", "rescue_tool_calls", "store", "stream", "stream_usage")
        for value in ("false", 1)
    ),
    *(
        ({name: 5}, f"{name} must be a text, not 5")
        for name in ("model", "prompt_cache_key", "safety_identifier", "service_tier", "user", "verbosity")
    ),
    ({"reasoning_history": "last"}, 'reasoning_history must be "auto" or "all" or "none"'),
]


@pytest.mark.parametrize(("params", "text"), OUT_OF_RANGE + OF_A_WRONG_TYPE)
def test_call_raises_when_a_value_is_out_of_its_range(params: dict[str, Any], text: str) -> None:
    """Protects from a server's 400, or from a value that it silently bends; nothing is asked before that."""
    with pytest.raises(ValueError, match=text):
        build().invoke("hi", **params)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        *(row for row in OUT_OF_RANGE + OF_A_WRONG_TYPE if {*row[0]} <= {*ChatQwen3.model_fields}),
        *(
            ({"stream_chunk_timeout": value}, "stream_chunk_timeout must be seconds, 0 or")
            for value in (-1, math.nan, "x")
        ),
        *(({name: "no"}, f"{name} must be True, False") for name in ("include_response_headers", "streaming")),
        ({"output_version": "v2"}, 'output_version must be "v0", "v1" or None'),
        ({"server": "vlm"}, "server must be"),
    ],
)
def test_assignment_and_copy_raise_when_a_value_is_out_of_its_range(params: dict[str, Any], text: str) -> None:
    """Protects a model that is changed later from a setting that fails at its next call, or in the server."""
    model = build()
    with pytest.raises(ValueError, match=text):
        model.model_copy(update=params)
    for name, value in params.items():
        with pytest.raises(ValueError, match=text):
            setattr(model, name, value)


@pytest.mark.parametrize("value", [openai.NOT_GIVEN, openai.omit])
@pytest.mark.parametrize("name", ["temperature", "max_tokens", "seed", "logprobs", "user", "stop", "logit_bias"])
def test_call_leaves_out_what_the_sdk_would_leave_out(name: str, value: object) -> None:
    """Protects code written for the SDK, whose signs for "not given" were refused for some of the parameters."""
    assert name not in build(server="vllm")._get_request_payload("hi", **{name: value})


@pytest.mark.parametrize(("params", "text"), OUT_OF_RANGE)
def test_constructor_raises_when_a_value_is_out_of_its_range(params: dict[str, Any], text: str) -> None:
    """Protects a model from a setting that fails at its first call only."""
    with pytest.raises(ValueError, match=text):
        build(**params)


@pytest.mark.parametrize(
    ("params", "text"), [row for row in OUT_OF_RANGE + OF_A_WRONG_TYPE if {*row[0]} & {*OWN_SETTINGS}]
)
def test_setting_of_ours_is_checked_when_it_stands_in_a_body(params: dict[str, Any], text: str) -> None:
    """Protects settings in `extra_body`, which are read as ours; everything else there is the user's own affair."""
    with pytest.raises(ValueError, match=text):
        build(server="vllm")._get_request_payload("hi", extra_body=params)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        *(
            (name, value, f"{name} must be a dict, not a str")
            for name in ("extra_headers", "extra_query")
            for value in "x"
        ),
        *(("model_kwargs", value, "model_kwargs must be a dict, not") for value in ("x", ["a"], [("a", "b")], 5, True)),
        *(("functions", value, "functions must be a list of dicts") for value in ("x", 5)),
        *(
            (name, "x", f"{name} must be a client of httpx or httpx2, not a str")
            for name in ("http_client", "http_async_client")
        ),
    ],
)
def test_constructor_raises_when_a_value_is_of_a_wrong_type(name: str, value: Any, text: str) -> None:
    """Protects from Python's own errors, which name neither the field nor the fix."""
    with pytest.raises(ValueError, match=text):
        build(**{name: value})


@pytest.mark.parametrize("given", ["sk-secret", 3, [("a", "sk-secret")]])
@pytest.mark.parametrize("name", ["extra_headers", "extra_query", "default_headers", "default_query"])
def test_says_that_headers_must_be_a_dict_wherever_the_constructor_has_them(name: str, given: Any) -> None:
    """Protects headers in `model_kwargs`, or beside others, from Python's own error; none may show a key."""
    beside = {"extra_headers": {"X-A": "1"}, "extra_query": {"v": "2"}}
    for values in ({"model_kwargs": {name: given}}, {**beside, name: given}):
        with pytest.raises(ValueError, match=f"{name} must be a dict, not ") as caught:
            build(**values)
        assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        *("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
        *("n", "seed", "max_tokens", "max_completion_tokens", "top_logprobs", "thinking_budget", "max_concurrency"),
    ],
)
def test_constructor_takes_no_switch_for_a_number(name: str, value: bool) -> None:
    """Protects from `thinking_budget=True`, which pydantic reads as 1 token, while a call refuses it."""
    for values in ({name: value}, {"model_kwargs": {name: value}}):
        with pytest.raises(ValueError, match=f"{name} must be .*, not {value}"):
            build(**values)


def test_names_a_keyword_that_is_no_text() -> None:
    """Protects from an AttributeError of a look-up among names."""
    with pytest.raises(TypeError, match="ChatQwen3 has no keyword '1'"):
        build(model_kwargs={1: 2})
    with pytest.raises(TypeError, match="a call of ChatQwen3 has no keyword '1'"):
        build().invoke("hi", options={1: 2})


def test_every_value_that_some_server_takes_passes() -> None:
    """Protects what servers use as "off": 0 and -1."""
    for params in ({"top_k": -1}, {"top_k": 0}, {"max_tokens": -1}, {"thinking_budget": 0}, {"temperature": 0}):
        check_call(params, {})
        build(**params)
