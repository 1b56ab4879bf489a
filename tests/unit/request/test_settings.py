"""Where a setting may stand, and which place wins: the nearest to the call, whatever the setting and its spelling."""

from __future__ import annotations

import itertools
import json
import warnings
from collections import UserList, deque
from copy import deepcopy
from functools import cache
from numbers import Integral
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.call import Call
from langchain_qwen3.profiles import find_line
from langchain_qwen3.request.keywords import OWN_SETTINGS, openai_fields
from langchain_qwen3.request.merging import merge_keywords
from langchain_qwen3.request.settings import resolve_settings
from langchain_qwen3.request.thinking import resolve_thinking, write_thinking
from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.engines import LLAMA_CPP, VLLM
from langchain_qwen3.servers.hosts import DASHSCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES = ("model's extra_body", "model's field", "call's extra_body", "call's keyword")
"""From far to near."""
PAIRS = list(itertools.combinations(PLACES, 2))


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def sent(name: str) -> Callable[[Call], Any]:
    """What the body says under a name."""
    return lambda call: call.payload.get(name)


def sent_switch(name: str) -> Callable[[Call], Any]:
    """What the template is told."""
    return lambda call: call.payload.get("chat_template_kwargs", {}).get(name)


SETTINGS: dict[str, tuple[Any, Any, Callable[[Call], Any]]] = {
    # two values that are no default, and where they are seen
    "enable_thinking": (True, False, sent_switch("enable_thinking")),
    "thinking_budget": (100, 200, sent("thinking_token_budget")),
    "preserve_thinking": (True, False, sent_switch("preserve_thinking")),
    "return_reasoning": (True, False, lambda call: call.reply.return_reasoning),
    "reasoning_history": ("all", "none", lambda call: "reasoning" in call.payload["messages"][2]),
    "normalize_messages": (True, False, lambda call: call.payload["messages"][0]["role"]),
    "rescue_tool_calls": (True, False, lambda call: call.reply.rescue_tool_calls),
    "repair_tool_calls": (True, False, lambda call: call.reply.repair_tool_calls),
    "reasoning_effort": ("low", "medium", sent("reasoning_effort")),
    "temperature": (0.3, 0.4, sent("temperature")),
    "top_p": (0.3, 0.4, sent("top_p")),
    "top_k": (3, 4, sent("top_k")),
    "min_p": (0.3, 0.4, sent("min_p")),
    "repetition_penalty": (1.1, 1.2, sent("repetition_penalty")),
    "presence_penalty": (0.3, 0.4, sent("presence_penalty")),
    "frequency_penalty": (0.3, 0.4, sent("frequency_penalty")),
    "max_tokens": (30, 40, sent("max_tokens")),
    "seed": (3, 4, sent("seed")),
    "stop": (["a"], ["b"], sent("stop")),
    "n": (2, 3, sent("n")),
    "logprobs": (True, False, sent("logprobs")),
    "top_logprobs": (3, 4, sent("top_logprobs")),
    "logit_bias": ({1: 1}, {1: 2}, sent("logit_bias")),
    "service_tier": ("auto", "flex", sent("service_tier")),
    "store": (True, False, sent("store")),
    # 3.8 keeps the reasoning of all turns, 3.6 that of the last.
    "model_line": ("Qwen3.6", "Qwen3.8", lambda call: "reasoning" in call.payload["messages"][2]),
}
# Parameters of OpenAI and of vLLM that are only passed on: any two values will do.
APART = {
    "messages",  # no setting
    "metadata",  # as a model's field LangChain's own
    "stream",  # the method that is called
    "max_completion_tokens",  # another name of max_tokens, see below
    "chat_template_kwargs",  # an object of settings, merged key by key
    "thinking_token_budget",  # vLLM's name of thinking_budget
}
SETTINGS |= {
    name: ("one", "two", sent(name)) for name in sorted((openai_fields() | VLLM.own_fields) - SETTINGS.keys() - APART)
}
SETTINGS |= {
    "model": ("Qwen/Qwen3-8B", "Qwen/Qwen3-4B", sent("model")),
    "tools": ([TOOL], [{**TOOL, "function": {**TOOL["function"], "name": "g"}}], sent("tools")),
    "tool_choice": ("none", "auto", sent("tool_choice")),
    # A keyword goes out as tools; a body is sent as it is.
    "functions": (
        [{"name": "one"}],
        [{"name": "two"}],
        lambda call: call.payload.get("functions") or [tool["function"] for tool in call.payload["tools"][-1:]],
    ),
    "function_call": (
        "none",
        "auto",
        lambda call: call.payload.get("function_call") or call.payload.get("tool_choice"),
    ),
    "parallel_tool_calls": (True, False, sent("parallel_tool_calls")),
    "response_format": ({"type": "text"}, {"type": "text", "strict": True}, sent("response_format")),
    "prompt_cache_options": ({"mode": "one"}, {"mode": "two"}, sent("prompt_cache_options")),
    "stream_options": ({"include_usage": True}, {"include_usage": False}, sent("stream_options")),
    "sampling": ("recommended", None, sent("top_k")),
    "structured_outputs": ({"choice": ["one"]}, {"choice": ["two"]}, sent("structured_outputs")),
}
MESSAGES = [
    SystemMessage("s", additional_kwargs={"__openai_role__": "developer"}),
    HumanMessage("a"),
    AIMessage("b", additional_kwargs={"reasoning_content": "r"}),
    HumanMessage("c"),
]


@cache
def build_plain() -> ChatQwen3:
    """The model without settings of its own: no call changes it, and building one takes longer than a request."""
    return ChatQwen3(model="Qwen/Qwen3.8-27B", server="vllm", api_key="x")


def build(near: dict[str, Any], far: dict[str, Any], places: tuple[str, str]) -> Call:
    """The call of a model that has one setting in the far place and one in the near place."""
    fields: dict[str, Any] = {} if "model" in near or "model" in far else {"model": "Qwen/Qwen3.8-27B"}
    kwargs: dict[str, Any] = {} if "tools" in near or "tools" in far else {"tools": [TOOL]}
    for settings, place in ((far, places[0]), (near, places[1])):
        target = fields if place.startswith("model") else kwargs
        if place.endswith("extra_body"):
            target["extra_body"] = settings
        else:
            target.update(settings)
    is_plain = not any(place.startswith("model") for place in places) and "model" in fields
    model = build_plain() if is_plain else ChatQwen3(server="vllm", api_key="x", **fields)
    return model._build_call(MESSAGES, None, kwargs, stream="stream_options" in near or "stream_options" in far)


@pytest.mark.parametrize("name", SETTINGS)
def test_nearest_place_wins_when_a_setting_stands_in_two(name: str) -> None:
    """Protects the documented order for every setting: keyword, call's body, field, model's body."""
    first, second, read = SETTINGS[name]
    alone = {place: [read(build({name: value}, {}, (place, place))) for value in (first, second)] for place in PLACES}
    for places in PAIRS:
        for at, (near, far) in enumerate(((first, second), (second, first))):
            assert read(build({name: near}, {name: far}, places)) == alone[places[1]][at], places
    for place, (one, two) in alone.items():
        assert (one, two) == tuple(alone[PLACES[0]]), place
        assert one != two, place


def test_every_setting_is_in_the_table() -> None:
    """Protects the table above from a setting that nobody put in: ours, a model's field, a parameter of a request."""
    of_requests = openai_fields() | {"top_k", "min_p", "repetition_penalty"}
    fields = {name for name in ChatQwen3.model_fields if name in of_requests}
    assert OWN_SETTINGS.keys() | fields | of_requests <= SETTINGS.keys() | APART


@pytest.mark.parametrize("places", PAIRS, ids=" < ".join)
@pytest.mark.parametrize(
    ("near", "far"),
    [
        ({"enable_thinking": True}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"chat_template_kwargs": {"enable_thinking": True}}, {"enable_thinking": False}),
        ({"reasoning": {"enabled": True}}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"enable_thinking": True}, {"reasoning": {"enabled": False}}),
    ],
)
def test_nearest_place_wins_when_the_spellings_differ(
    near: dict[str, Any], far: dict[str, Any], places: tuple[str, str]
) -> None:
    """Protects a call's switch from a tutorial's spelling of it further away, and the other way round."""
    call = build(near, far, places)
    assert call.payload["chat_template_kwargs"] == {"enable_thinking": True}


@pytest.mark.parametrize(
    ("dialect", "wire", "name"),
    [
        (VLLM, "thinking_token_budget", "thinking_budget"),
        (LLAMA_CPP, "thinking_budget_tokens", "thinking_budget"),
        (LLAMA_CPP, "repeat_penalty", "repetition_penalty"),
        (DASHSCOPE, "thinking_budget", "thinking_budget"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_servers_own_spelling_is_the_setting_when_it_stands_anywhere(dialect: Any, wire: str, name: str) -> None:
    """Protects a setting from standing in a body twice, once as a keyword and once as the server spells it."""

    def read(**places: Any) -> Any:
        settings = resolve_settings(places.get("kwargs", {}), {"model": "m", **places.get("fields", {})}, dialect)
        return settings.thinking.budget if name == "thinking_budget" else settings.params[name]

    assert read(kwargs={"extra_body": {wire: 3}}) == 3
    assert read(kwargs={name: 4}, fields={"extra_body": {wire: 3}}) == 4
    assert read(kwargs={"extra_body": {wire: 3}}, fields={name: 4}) == 3


@pytest.mark.parametrize(
    ("server", "sent"),
    [
        *((server, {"repetition_penalty": 1.1}) for server in ("vllm", "sglang", "dashscope", "openrouter")),
        *((server, {"repeat_penalty": 1.1}) for server in ("llama.cpp", "lmstudio", "generic", "litellm")),
        *((server, {}) for server in ("ollama", "tgi", "new-api", "bedrock")),
    ],
)
@pytest.mark.parametrize("place", ["model", "call"])
def test_penalty_reaches_the_server_when_it_is_named_as_in_chat_ollama(
    server: str, sent: dict[str, Any], place: str
) -> None:
    """Protects who leaves ChatOllama or llama.cpp: their name for it was sent to servers that silently ignore it."""
    given = {"repeat_penalty": 1.1}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ChatQwen3(model="Qwen/Qwen3-8B", server=server, api_key="x", **(given if place == "model" else {}))
        payload = model._get_request_payload("hi", **(given if place == "call" else {}))
    assert {name: payload[name] for name in ("repetition_penalty", "repeat_penalty") if name in payload} == sent
    warned = [str(warning.message) for warning in caught]
    assert all(text.startswith("repeat_penalty has no effect") for text in warned)
    assert [bool(warned), "PARAMETER repeat_penalty" in "".join(warned)] == [not sent, server == "ollama"]


@pytest.mark.parametrize("server", ["ollama", "tgi", "new-api", "generic", "litellm", "llama.cpp", "lmstudio"])
def test_penalty_keeps_its_name_in_a_body_when_the_server_is_not_known_to_take_another(server: str) -> None:
    """Protects `extra_body`, which is sent as it is: behind a gateway there may be a llama.cpp."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server=server, api_key="x", extra_body={"repeat_penalty": 1.1})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        payload = model._get_request_payload("hi")
    assert (payload["repeat_penalty"], "repetition_penalty" in payload) == (1.1, False)
    assert bool(caught) is (server in ("ollama", "tgi"))  # which have none


@pytest.mark.parametrize("name", ["top_k", "min_p", "repeat_last_n", "mirostat", "mirostat_eta", "mirostat_tau"])
def test_warns_of_a_setting_that_ollama_takes_from_a_modelfile_alone(name: str) -> None:
    """Protects who leaves ChatOllama from settings that Ollama's /v1 silently ignores."""
    model = ChatQwen3(model="qwen3:8b", server="ollama", api_key="x", **{name: 1})
    with pytest.warns(UserWarning, match=f"^{name} has no effect on Ollama, .*PARAMETER {name}$"):
        assert name not in model._get_request_payload("hi")


def test_limit_of_the_call_wins_when_the_names_differ() -> None:
    """Protects `max_completion_tokens=` of a call from the model's `max_tokens`: one setting under two names."""
    model = ChatQwen3(model="q", server="vllm", api_key="x", max_tokens=100)
    assert model._get_request_payload("hi", max_completion_tokens=5)["max_tokens"] == 5
    assert model._get_request_payload("hi", max_tokens=5)["max_tokens"] == 5


def test_cards_sampling_gives_way_when_anything_is_set_in_any_place() -> None:
    """Protects a value that somebody set from `sampling="recommended"`, wherever it stands."""
    for place in PLACES:
        fields: dict[str, Any] = {"sampling": "recommended"}
        kwargs: dict[str, Any] = {}
        target = fields if place.startswith("model") else kwargs
        target |= {"extra_body": {"top_k": 7}} if place.endswith("extra_body") else {"top_k": 7}
        model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm", api_key="x", **fields)
        payload = model._get_request_payload("hi", **kwargs)
        assert (payload["top_k"], payload["temperature"]) == (7, 0.6)


def test_default_of_a_field_hides_nothing_when_the_models_body_says_otherwise() -> None:
    """Protects `extra_body={"return_reasoning": False}` from a field that nobody set; one that is set wins."""
    body = {"return_reasoning": False, "enable_thinking": False}
    call = ChatQwen3(model="Qwen/Qwen3-8B", api_key="x", server="vllm", extra_body=body)._build_call(
        MESSAGES, None, {}, stream=False
    )
    assert not call.reply.return_reasoning
    assert call.payload["chat_template_kwargs"] == {"enable_thinking": False}
    model = ChatQwen3(model="Qwen/Qwen3-8B", api_key="x", server="vllm", extra_body=body, return_reasoning=True)
    assert model._build_call(MESSAGES, None, {}, stream=False).reply.return_reasoning


def test_bodies_are_merged_key_by_key_and_forms_are_not_mixed() -> None:
    """Protects nested objects of both bodies; a keyword's response_format replaces the body's as a whole."""
    fields = {"model": "m", "extra_body": {"provider": {"order": ["a"]}, "response_format": {"type": "json_object"}}}
    kwargs = {"extra_body": {"provider": {"only": ["b"]}}, "response_format": {"type": "text"}}
    settings = resolve_settings(kwargs, fields, VLLM)
    assert settings.extra_body == {"provider": {"order": ["a"], "only": ["b"]}}
    assert settings.params["response_format"] == {"type": "text"}
    assert fields["extra_body"] == {"provider": {"order": ["a"]}, "response_format": {"type": "json_object"}}


FORMS: dict[str, tuple[dict[str, Any], str]] = {
    # what a near place sets, and the field of the body that has to be the only form then
    "a body": ({"extra_body": {"response_format": {"type": "json_object"}}}, "response_format"),
    "another field of a body": ({"extra_body": {"structured_outputs": {"choice": ["a"]}}}, "structured_outputs"),
    "a keyword": ({"response_format": {"type": "json_object"}}, "response_format"),
    "a constraint": ({"constraint": {"choice": ["a", "b"]}}, "structured_outputs"),
    "a schema": ({"structured_output": {"name": "A", "schema": {"type": "object"}}}, "response_format"),
}


@pytest.mark.parametrize("near", FORMS)
@pytest.mark.parametrize("place", ["extra_body", "field"])
def test_form_of_the_nearest_place_is_the_only_one(near: str, place: str) -> None:
    """Protects an answer from two schemas mixed into one, and from two forms at once, of which a server takes one."""
    schema = {"type": "object", "properties": {"far": {"type": "string"}}}
    far = {"response_format": {"type": "json_schema", "json_schema": {"name": "Far", "schema": schema}}}
    model = ChatQwen3(model="q", server="vllm", **({"extra_body": far} if place == "extra_body" else far))
    kwargs, name = FORMS[near]
    payload = model._get_request_payload("hi", **kwargs)
    assert payload == ChatQwen3(model="q", server="vllm")._get_request_payload("hi", **kwargs)
    assert payload.keys() - {"model", "messages"} == {name}


def test_form_in_a_body_stays_when_a_call_is_forced() -> None:
    """Protects it on llama.cpp, where a forced call is a form itself; the reply is checked instead."""
    body = {"response_format": {"type": "json_object"}}
    model = ChatQwen3(model="q", server="llama.cpp", extra_body=body)
    payload = model._get_request_payload("hi", tools=[TOOL], tool_choice="required")
    assert payload["response_format"] == body["response_format"]
    assert payload["tool_choice"] == "required"


ON = ({"enable_thinking": True}, {"reasoning_effort": "high"}, {"reasoning": {"effort": "low"}})
OFF = (
    {"enable_thinking": False},
    {"reasoning_effort": "none"},
    {"reasoning": {"effort": "none"}},
    {"thinking_budget": 0},
)
OPPOSITES = [pair for on, off in itertools.product(ON, OFF) for pair in ((on, off), (off, on))]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.filterwarnings("ignore")  # a server without the switch says so
def test_nearest_place_wins_when_several_settings_say_whether_to_think(name: str) -> None:
    """Protects a call's `reasoning_effort="none"` from the model's `enable_thinking=True`, on every server."""
    dialect, line = DIALECTS[name], find_line("Qwen/Qwen3-8B")

    def write(settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
        fields, kwargs = (
            {**settings.get(f"{side} {kind}", {}), "extra_body": settings.get(f"{side} extra_body", {})}
            for side, kind in (("model's", "field"), ("call's", "keyword"))
        )
        payload: dict[str, Any] = {}
        thinking = resolve_settings(kwargs, {"model": "m", **fields}, dialect).thinking
        write_thinking(payload, resolve_thinking(thinking, dialect, line, "m"), dialect, line)
        return payload

    for far, near in PAIRS:
        for wish, opposite in OPPOSITES:
            assert write({far: opposite, near: wish}) == write({near: wish}), (far, opposite, near, wish)


@pytest.mark.parametrize("empty", [[], (), ""])
def test_no_stop_texts_are_sent_when_a_call_empties_them(empty: Any) -> None:
    """Protects programs that always pass a list: some servers refuse an empty one, and it means that there is none."""
    for model in (build_plain(), ChatQwen3(model="q", api_key="x", stop=["END"]), build_plain().bind(stop=["END"])):
        for kwargs in ({"stop": empty}, {"options": {"stop": empty}}):
            bound = model.bind(**kwargs)
            assert "stop" not in bound.bound._get_request_payload("hi", **bound.kwargs)


@pytest.mark.parametrize("kind", [list, tuple, deque, UserList])
def test_stop_texts_may_be_any_sequence(kind: Any) -> None:
    """Protects programs whose stop texts are the list of a configuration, such as OmegaConf's, which is no `list`."""
    stop = kind(["END", "\n\n"])
    for model in (build_plain(), ChatQwen3(model="q", api_key="x", stop=["x"])):
        for kwargs in ({"stop": stop}, {"options": {"stop": stop}}):
            bound = model.bind(**kwargs)
            assert bound.bound._get_request_payload("hi", **bound.kwargs)["stop"] == ["END", "\n\n"]


@pytest.mark.parametrize("name", ["chat_template_kwargs", "reasoning"])
@pytest.mark.parametrize("place", PLACES)
def test_object_of_settings_is_left_out_when_it_is_none(name: str, place: str) -> None:
    """Protects the switch, which may be a key of the object, from a null in the object's place."""
    nothing: dict[str, Any] = {"extra_body": {name: None}} if place.endswith("extra_body") else {name: None}
    for server in ("vllm", "openrouter"):
        fields: dict[str, Any] = {"model": "q", "server": server, "api_key": "x", "enable_thinking": True}
        fields, kwargs = ({**fields, **nothing}, {}) if place.startswith("model") else (fields, nothing)
        expected = {VLLM.name: "chat_template_kwargs"}.get(server, "reasoning")
        payload = ChatQwen3(**fields)._get_request_payload("hi", **kwargs)
        assert payload.keys() == {"model", "messages", expected}


@pytest.mark.parametrize("name", ["constraint", "structured_output", "structured_outputs"])
def test_form_stays_when_another_form_is_none(name: str) -> None:
    """Protects the model's `response_format` from a call that passes `constraint=None` on; its own None resets it."""
    form = {"type": "json_object"}
    model = ChatQwen3(model="q", server="vllm", api_key="x", response_format=form)
    assert model._get_request_payload("hi", **{name: None})["response_format"] == form
    assert "response_format" not in model._get_request_payload("hi", response_format=None)


BOUND_PLACES = ("extra_body", "keyword", "options")
"""Where a bound setting may stand, and one of a call."""


def put(settings: dict[str, Any], place: str) -> dict[str, Any]:
    """Keywords with the settings in a place."""
    if place == "options":
        return {"options": {"extra_body": settings}}
    return {"extra_body": settings} if place == "extra_body" else settings


def build_bound(far: dict[str, Any], near: dict[str, Any], **fields: Any) -> Call:
    """The call of a model with bound keywords and others at the call."""
    own = {"model": "Qwen/Qwen3.8-27B", "server": "vllm", "api_key": "x", **fields}
    model = ChatQwen3(**own) if fields else build_plain()
    kwargs = merge_keywords(far, near)
    return model._build_call(
        MESSAGES, None, {"tools": [TOOL], **kwargs}, stream="stream_options" in str([*far.values(), far, near])
    )


@pytest.mark.parametrize("server", ["generic", "ollama", "vllm", "transformers"])
@pytest.mark.parametrize(
    ("field", "near", "sent"),
    [
        ({"num_ctx": 8192}, None, {"num_ctx": 8192}),
        (None, {"extra_body": {"options": {"num_ctx": 8192}}}, {"num_ctx": 8192}),
        (None, {"options": {"extra_body": {"options": {"num_ctx": 8192}}}}, {"num_ctx": 8192}),
        ({"num_ctx": 8192, "seed": 1}, {"extra_body": {"options": {"seed": 2}}}, {"num_ctx": 8192, "seed": 2}),
        (None, {"options": {"seed": 1}}, None),
        (None, {"options": {"extra_body": {"keep_alive": "5m"}}}, None),
    ],
)
def test_options_in_a_body_are_sent_as_they_are(server: str, field: Any, near: Any, sent: Any) -> None:
    """Protects Ollama's options behind Open WebUI; `options=` of a call holds keywords of its own."""
    body = {"extra_body": {"options": field}} if field else {}
    model = ChatQwen3(model="q", server=server, api_key="x", **body)
    assert model._get_request_payload("hi", **(near or {})).get("options") == sent


@pytest.mark.parametrize("name", SETTINGS)
def test_call_wins_when_a_setting_is_bound_in_any_place(name: str) -> None:
    """Protects a call's own setting from the same one that was bound, for every setting and in every place."""
    first, second, read = SETTINGS[name]
    for value, other in ((first, second), (second, first)):
        alone = {place: read(build_bound({}, put({name: value}, place))) for place in BOUND_PLACES}
        for far, near in itertools.product(BOUND_PLACES, repeat=2):
            both = build_bound(put({name: other}, far), put({name: value}, near))
            assert read(both) == alone[near], (far, near)
            kept = build_bound(put({name: value}, far), put({"user": "me"}, near))
            assert read(kept) == alone[far] or name == "user", (far, near)


KWARGS = "chat_template_kwargs"
RESPELT: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # what is bound, what the call says, and the body beside model and messages
    ({"enable_thinking": True}, {KWARGS: {"enable_thinking": False}}, {KWARGS: {"enable_thinking": False}}),
    (
        {KWARGS: {"enable_thinking": True, "a": 1}},
        {"enable_thinking": False},
        {KWARGS: {"enable_thinking": False, "a": 1}},
    ),
    ({"reasoning": {"enabled": True}}, {"enable_thinking": False}, {KWARGS: {"enable_thinking": False}}),
    ({KWARGS: {"a": 1, "b": 1}}, {KWARGS: {"b": 2, "c": 2}}, {KWARGS: {"a": 1, "b": 2, "c": 2}}),
    ({KWARGS: {"a": 1}}, {KWARGS: None}, {KWARGS: {"a": 1}}),
    ({"thinking_budget": 9}, {"thinking_token_budget": 5}, {"thinking_token_budget": 5}),
    ({"thinking_budget_tokens": 9}, {"thinking_budget": 5}, {"thinking_token_budget": 5}),
    ({"repetition_penalty": 1.5}, {"repetition_penalty": 1.0}, {"repetition_penalty": 1.0}),
    ({"max_tokens": 64}, {"max_tokens": 9}, {"max_tokens": 9}),
    ({"temperature": 0.5}, {"top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}),
]


@pytest.mark.parametrize(("bound", "called", "body"), RESPELT)
@pytest.mark.parametrize("places", [*itertools.product(BOUND_PLACES, repeat=2)], ids=" < ".join)
def test_call_wins_when_it_spells_a_bound_setting_otherwise(
    bound: dict[str, Any], called: dict[str, Any], body: dict[str, Any], places: tuple[str, str]
) -> None:
    """Protects a call in a tutorial's spelling from a bound keyword, and bound keys that the call does not name."""
    far, near = put(bound, places[0]), put(called, places[1])
    copies = deepcopy((far, near))
    payload = ChatQwen3(model="q", server="vllm", api_key="x")._get_request_payload("hi", **merge_keywords(far, near))
    assert {name: value for name, value in payload.items() if name not in ("model", "messages")} == body
    assert (far, near) == copies


@pytest.mark.parametrize(
    ("bound", "called", "merged"),
    [
        ({"max_tokens": 64}, {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
        ({"max_completion_tokens": 64}, {"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 64}, {"extra_body": {"max_tokens": 9}}, {"extra_body": {"max_tokens": 9}}),
        ({"extra_body": {"repeat_penalty": 2}}, {"repetition_penalty": 1}, {"repetition_penalty": 1}),
        ({"extra_body": {"a": 1}}, {"extra_body": None}, {"extra_body": {"a": 1}}),
        (
            {"extra_body": {"a": {"b": 1}}},
            {"options": {"extra_body": {"a": {"c": 2}}}},
            {"extra_body": {"a": {"b": 1, "c": 2}}},
        ),
        ({"model": "a"}, {"model": None}, {"model": "a"}),
        ({"return_reasoning": False}, {"return_reasoning": None}, {"return_reasoning": False}),
        ({"enable_thinking": True}, {"enable_thinking": None}, {"enable_thinking": None}),
        ({"temperature": 1}, {"temperature": None}, {"temperature": None}),
        ({"enable_thinking": False}, {"thinking_budget": 9}, {"enable_thinking": False, "thinking_budget": 9}),
        (
            {"constraint": {"regex": "a"}},
            {"response_format": None},
            {"constraint": {"regex": "a"}, "response_format": None},
        ),
        ({"extra_headers": {"a": "1"}}, {"extra_headers": {"b": "2"}}, {"extra_headers": {"b": "2"}}),
        ({"tools": [TOOL], "tool_choice": "any"}, {"tools": []}, {"tools": [], "tool_choice": "any"}),
        ({"options": {"seed": 1}}, {}, {"options": {"seed": 1}}),
        ({"options": {"seed": 1}}, {"seed": 2}, {"seed": 2}),
        ({"extra_body": {"a": 1}}, {"extra_body": "b"}, {"extra_body": "b"}),
        ({"seed": 1}, {"options": "b"}, {"seed": 1, "options": "b"}),
        (
            {"extra_body": {"reasoning": True}},
            {"extra_body": {"reasoning": False}},
            {"extra_body": {"reasoning": False}},
        ),
    ],
)
def test_keywords_are_one_dict_when_they_are_merged(
    bound: dict[str, Any], called: dict[str, Any], merged: dict[str, Any]
) -> None:
    """Protects what callbacks, caches and frameworks see of a bound call: each setting once."""
    assert merge_keywords(bound, called) == merged


@pytest.mark.parametrize("place", BOUND_PLACES)
@pytest.mark.parametrize("near", FORMS)
def test_form_of_a_call_is_the_only_one_when_another_is_bound(near: str, place: str) -> None:
    """Protects a schema from a constraint that was bound before: the reply could not be parsed."""
    called, name = FORMS[near]
    for far in ({"structured_outputs": {"regex": "a"}}, {"response_format": {"type": "text"}}, {"grammar": "a"}):
        model = ChatQwen3(model="q", server="vllm", api_key="x")
        payload = model._get_request_payload("hi", **merge_keywords(put(far, place), called))
        assert payload == model._get_request_payload("hi", **called)
        assert payload.keys() - {"model", "messages"} == {name}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.filterwarnings("ignore")  # a server without the switch says so
def test_call_wins_when_another_bound_setting_says_whether_to_think(name: str) -> None:
    """Protects a call's `reasoning_effort="none"` from a bound `enable_thinking=True`, on every server."""
    dialect = DIALECTS[name]
    for far, near in itertools.product(BOUND_PLACES, repeat=2):
        for wish, opposite in OPPOSITES:
            merged = merge_keywords(put(opposite, far), put(wish, near))
            both, alone = (resolve_settings(kwargs, {"model": "m"}, dialect) for kwargs in (merged, put(wish, near)))
            assert (both.thinking, both.extra_body) == (alone.thinking, alone.extra_body), (far, opposite, near, wish)


@Integral.register
class Number:
    """A number as numpy has them: in order with Python's, but no JSON."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __lt__(self, other: float) -> bool:
        return self._value < other

    def __gt__(self, other: float) -> bool:
        return self._value > other

    def __le__(self, other: float) -> bool:
        return self._value <= other

    def __ge__(self, other: float) -> bool:
        return self._value >= other

    def tolist(self) -> float:
        """Return Python's number."""
        return self._value


@pytest.mark.parametrize("place", ["keyword", "extra_body", "bound"])
@pytest.mark.parametrize("server", ["vllm", "llama.cpp", "dashscope"])
@pytest.mark.parametrize("name", [name for name, (value, *_) in SETTINGS.items() if type(value) in (int, float)])
def test_sends_a_number_of_numpy_as_pythons_when_a_call_has_one(name: str, server: str, place: str):
    """Protects loops over `np.arange` and `np.linspace`: JSON refused their numbers without naming the setting."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", base_url="http://127.0.0.1:9/v1", api_key="x", server=server)
    value = SETTINGS[name][0]
    payloads = []
    for number in (Number(value), value):
        setting = {"extra_body": {name: number}} if place == "extra_body" else {name: number}
        setting = {**model.bind(**setting).kwargs} if place == "bound" else setting
        payloads.append(json.dumps(model._get_request_payload("q", **setting)))
    assert payloads[0] == payloads[1]
