"""Where a setting may stand, and which place wins: the nearest to the call, whatever the setting and its spelling."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.call import Call
from langchain_qwen3.request.keywords import OWN_SETTINGS
from langchain_qwen3.request.settings import resolve_settings
from langchain_qwen3.servers.engines import LLAMA_CPP, VLLM
from langchain_qwen3.servers.hosts import DASHSCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES = ("model's extra_body", "model's field", "call's extra_body", "call's keyword")
"""From far to near."""
PAIRS = list(itertools.combinations(PLACES, 2))


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
    "reasoning_history": ("all", "none", lambda call: "reasoning" in call.payload["messages"][1]),
    "normalize_messages": (True, False, lambda call: call.payload["messages"][-1]["role"]),
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
    "model_line": ("Qwen3.6", "Qwen3.8", lambda call: "reasoning" in call.payload["messages"][1]),
}
MESSAGES = [
    HumanMessage("a"),
    AIMessage("b", additional_kwargs={"reasoning_content": "r"}),
    HumanMessage("c"),
]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def build(near: dict[str, Any], far: dict[str, Any], places: tuple[str, str]) -> Call:
    """The call of a model that has one setting in the far place and one in the near place."""
    fields: dict[str, Any] = {}
    kwargs: dict[str, Any] = {"tools": [TOOL]}
    for settings, place in ((far, places[0]), (near, places[1])):
        target = fields if place.startswith("model") else kwargs
        if place.endswith("extra_body"):
            target["extra_body"] = settings
        else:
            target.update(settings)
    model = ChatQwen3(model="Qwen/Qwen3.8-27B", server="vllm", api_key="x", **fields)
    return model._build_call(MESSAGES, None, kwargs, stream=False)


@pytest.mark.parametrize("places", PAIRS, ids=" < ".join)
@pytest.mark.parametrize("name", SETTINGS)
def test_nearest_place_wins_when_a_setting_stands_in_two(name: str, places: tuple[str, str]) -> None:
    """Protects the documented order for every setting: keyword, call's body, field, model's body."""
    first, second, read = SETTINGS[name]
    for near, far in ((first, second), (second, first)):
        both = build({name: near}, {name: far}, places)
        assert read(both) == read(build({name: near}, {}, places))
    assert read(build({name: first}, {}, places)) == read(build({}, {name: first}, places))


def test_every_setting_of_ours_is_in_the_table() -> None:
    """Protects the table above from a new setting that nobody put in; sampling has a test of its own."""
    assert OWN_SETTINGS.keys() - {"sampling"} <= SETTINGS.keys()


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
