"""The request path: whence settings are taken, what becomes of parameters, and what the reply is told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.profiles import find_line
from langchain_qwen3.request.build import FEW_IN_FLIGHT, build_call, replace_payload
from langchain_qwen3.request.messages import MessageError
from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.engines import LLAMA_CPP, OLLAMA, SGLANG, TGI, TRANSFORMERS, VLLM
from langchain_qwen3.servers.facts import ModelFacts
from langchain_qwen3.servers.gateways import GENERIC
from langchain_qwen3.servers.habits import recall_habits
from langchain_qwen3.servers.hosts import DASHSCOPE, GROQ, OPENROUTER
from tests.unit.request.request_cases import FORMAT, QUESTION, TOOL_LOOP, WEATHER, build

if TYPE_CHECKING:
    from langchain_qwen3.call import ReplyOptions
    from langchain_qwen3.servers.dialect import Dialect

ON = {"chat_template_kwargs": {"enable_thinking": True}}
OFF = {"chat_template_kwargs": {"enable_thinking": False}}


def read_switch(**options: Any) -> Any:
    """What vLLM is told of thinking."""
    return build(VLLM, **options).payload.get("chat_template_kwargs", {}).get("enable_thinking")


@pytest.mark.parametrize(
    "params",
    [
        {"enable_thinking": True},
        {"extra_body": {"enable_thinking": True}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"extra_body": {"reasoning": {"enabled": True}}},
        {"reasoning": {"enabled": True}},
    ],
)
def test_switches_thinking_when_the_setting_stands_in_any_place(params: dict[str, Any]):
    """Protects tutorials: each place means the same, is spelled as the server wants it, and leaves nothing behind."""
    plain = build(VLLM).payload
    assert build(VLLM, **params).payload == {**plain, **ON}
    assert build(DASHSCOPE, **params).payload == {**plain, "enable_thinking": True}
    fields = {"extra_body": params["extra_body"]} if "extra_body" in params else {}
    assert read_switch(fields=fields, **({} if fields else params)) is True


@pytest.mark.parametrize(
    "call",
    [
        {"enable_thinking": False},
        {"extra_body": {"enable_thinking": False}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {"enable_thinking": True},
        {"extra_body": {"enable_thinking": True}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
    ],
)
def test_call_beats_constructor_when_both_set_thinking(call: dict[str, Any], fields: dict[str, Any]):
    """Protects a call's own setting, wherever either of them was put."""
    assert read_switch(fields=fields, **call) is False


def test_leaves_it_to_the_server_when_a_call_says_none():
    """Protects a call that wants the default of a model whose constructor set something."""
    fields = {"enable_thinking": True, "thinking_budget": 100}
    assert build(VLLM, fields=fields, enable_thinking=None, thinking_budget=None).payload == build(VLLM).payload
    assert build(VLLM, fields=fields, return_reasoning=None).reply.return_reasoning is True


def test_merges_bodies_when_constructor_and_call_have_one():
    """Protects extra_body: deep, the call's wins, and neither dict is changed."""
    model = {"chat_template_kwargs": {"a": 1, "enable_thinking": True}, "priority": 1, "reasoning_effort": "high"}
    call = {"chat_template_kwargs": {"b": 2}, "priority": 2, "stream": True, "stream_options": {"x": 1}}
    before = repr((model, call))
    payload = build(VLLM, fields={"extra_body": model}, extra_body=call).payload
    assert payload["chat_template_kwargs"] == {"enable_thinking": True, "a": 1, "b": 2}
    assert (payload["priority"], payload["reasoning_effort"]) == (2, "xhigh")
    assert "stream" not in payload
    assert "stream_options" not in payload
    assert repr((model, call)) == before


def test_reads_openrouters_object_when_it_was_given_to_another_server():
    """Protects code that moves from OpenRouter; what has no other spelling stays in the object."""
    reasoning = {"max_tokens": 100, "enabled": True, "exclude": True}
    assert build(OPENROUTER, reasoning=reasoning).payload["reasoning"] == reasoning
    payload = build(VLLM, reasoning={"max_tokens": 100, "enabled": True}).payload
    assert payload == {**build(VLLM).payload, **ON, "thinking_token_budget": 100}
    assert build(VLLM, reasoning={"effort": "low"}, reasoning_effort="high").payload["reasoning_effort"] == "xhigh"


def test_keeps_what_it_does_not_know_when_it_stands_in_extra_body():
    """Protects servers' own fields: DashScope's search, vLLM's structured outputs."""
    body = {"enable_search": True, "search_options": {"forced_search": True}}
    payload = build(DASHSCOPE, extra_body=body).payload
    assert payload == {**build(DASHSCOPE).payload, **body}


def test_drops_what_was_not_given_when_parameters_are_empty():
    """Protects SGLang (400 to nulls) and vLLM (400 to an empty list of tools, or a choice without tools)."""
    params = {
        "temperature": None,
        "tools": [],
        "tool_choice": "auto",
        "seed": openai.NOT_GIVEN,
        "response_format": None,
    }
    assert build(SGLANG, **params).payload == build(SGLANG).payload


@pytest.mark.parametrize(
    "params", [{"max_tokens": 5}, {"max_completion_tokens": 5}, {"max_tokens": 5, "max_completion_tokens": 9}]
)
def test_limits_tokens_under_the_servers_name_when_a_limit_is_given(params: dict[str, Any]):
    """Protects the limit on servers that ignore OpenAI's newer name."""
    payload = build(OLLAMA, **params).payload
    assert payload["max_tokens"] == 5
    assert "max_completion_tokens" not in payload


def test_warns_when_a_parameter_is_unknown_to_a_strict_server():
    """Protects from transformers' 422 to any field that is not OpenAI's."""
    with pytest.warns(UnsupportedSettingWarning, match="priority has no effect on transformers serve"):
        payload = build(TRANSFORMERS, priority=1, temperature=0.5).payload
    assert payload == {**build(TRANSFORMERS).payload, "temperature": 0.5}


def test_is_silent_when_an_unsupported_setting_asks_for_what_happens_anyway():
    """Protects from noise: one choice, parallel calls."""
    payload = build(OLLAMA, n=1, tools=[WEATHER], parallel_tool_calls=True).payload
    assert payload == build(OLLAMA, tools=[WEATHER]).payload


SWITCH = "is another API's switch, .* use enable_thinking=True or False"


@pytest.mark.parametrize(
    ("dialect", "body", "text"),
    [
        (
            VLLM,
            {"guided_json": {}},
            r"guided_json .* vLLM; use constraint=\{\"json\": ...\}, unless it is older than 0.12",
        ),
        (VLLM, {"guided_choice": ["a"]}, r"guided_choice has no effect on vLLM; use constraint=\{\"choice\": ...\}"),
        (OLLAMA, {"top_k": 20}, "top_k has no effect on Ollama; use a Modelfile"),
        (OLLAMA, {"think": False}, f"think {SWITCH}"),
        (VLLM, {"thinking": {"type": "disabled"}}, f"thinking {SWITCH}"),
        (SGLANG, {"chat_template_kwargs": {"thinking": False}}, f"thinking {SWITCH}"),
    ],
)
def test_warns_when_the_body_has_a_field_that_the_server_ignores(dialect: Dialect, body: dict[str, Any], text: str):
    """Protects who comes with a body that was written for another server: nothing said that it does not count.

    vLLM's own example has `thinking`: https://github.com/vllm-project/vllm/issues/20976. Ollama:
    https://github.com/ollama/ollama/issues/11979.
    """
    with pytest.warns(UnsupportedSettingWarning, match=f"^{text}"):
        payload = build(dialect, extra_body=body).payload
    assert payload == {**build(dialect).payload, **body}  # the server may be a newer one


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (VLLM, {"thinking": {"type": "disabled"}, "enable_thinking": False}),
        (VLLM, {"chat_template_kwargs": {"thinking": False, "enable_thinking": False}}),
        (VLLM, {"chat_template_kwargs": {"thinking": False}, "model": "deepseek-v3.1"}),
        (OLLAMA, {"think": False, "reasoning_effort": "none"}),
        (OLLAMA, {"n": 1, "parallel_tool_calls": True}),
        (VLLM, {"chat_template_kwargs": {"clear_thinking": False}}),
        (DASHSCOPE, {"thinking": {"type": "disabled"}}),
        (GENERIC, {"thinking": {"type": "disabled"}}),
        (TRANSFORMERS, {"n": 2}),
        (DIALECTS["new-api"], {"min_p": 0.1}),
    ],
)
def test_is_silent_when_the_field_may_count_or_another_says_the_same(dialect: Dialect, body: dict[str, Any]):
    """Protects from noise a body for several servers, the server that has the field, and the one that refuses it."""
    body = dict(body)
    model = {"model": body.pop("model")} if "model" in body else {}
    assert build(dialect, **model, extra_body=body).payload


def test_writes_the_schema_when_the_format_is_a_class():
    """Protects bind(response_format=Model)."""

    class Answer(BaseModel):
        city: str

    format_ = build(VLLM, response_format=Answer).payload["response_format"]
    assert (format_["type"], format_["json_schema"]["name"]) == ("json_schema", "Answer")
    assert format_["json_schema"]["schema"]["required"] == ["city"]
    assert build(TGI, response_format=Answer).payload["response_format"]["value"]["schema"]["required"] == ["city"]


@pytest.mark.parametrize(
    ("model", "params", "inside"),
    [
        ("qwen3-8b", {}, True),
        ("qwen3-8b", {"enable_thinking": False}, False),
        ("qwen-plus", {}, False),
        ("qwen-plus", {"enable_thinking": True}, True),
        ("qwq-alias", {"enable_thinking": True}, True),
        ("qwen3-30b-a3b-thinking-2507", {"enable_thinking": False}, True),
        ("qwen3-8b", {"response_format": FORMAT}, False),
        ("qwen3-8b", {"n": 2}, False),
        ("qwen3-omni-flash", {}, True),
        ("qwen3-omni-flash", {"enable_thinking": False, "modalities": ["text", "audio"]}, True),
        ("qwen3.5-omni-plus", {"response_format": FORMAT}, True),
        ("qwen3.8-omni-flash", {"enable_thinking": False}, True),
        ("qwen3-omni-flash", {"n": 2}, False),
        ("qwen3-vl-plus", {}, False),
    ],
)
@pytest.mark.filterwarnings("ignore::langchain_qwen3._warnings.UnsupportedSettingWarning")
def test_asks_for_a_stream_inside_when_dashscope_thinks(model: str, params: dict[str, Any], inside: bool):
    """Protects whole replies on DashScope: a 400 on open and on Omni models, a silent cut on slow ones."""
    assert build_call(QUESTION, {"model": model, **params}, {}, DASHSCOPE, stream=False).stream_inside is inside
    assert not build(VLLM, enable_thinking=True).stream_inside


def test_turns_thinking_off_for_the_call_when_the_service_refuses_json_or_a_forced_choice():
    """Protects DashScope's structured output: one warning, this call only, and no budget is left behind."""
    with pytest.warns(UnsupportedSettingWarning, match="thinking is off for such calls"):
        call = build(DASHSCOPE, response_format=FORMAT, enable_thinking=True, thinking_budget=9)
    assert call.payload["enable_thinking"] is False
    assert "thinking_budget" not in call.payload
    assert call.reply.thinking_off
    with pytest.warns(UnsupportedSettingWarning, match="forced tool_choice"):
        call = build(DASHSCOPE, tools=[WEATHER], tool_choice="weather", enable_thinking=True)
    assert call.payload["enable_thinking"] is False
    assert call.reply.demanded is not None
    always = {"model": "qwen3-30b-a3b-thinking-2507", "response_format": FORMAT}
    assert "enable_thinking" not in build_call(QUESTION, always, {}, DASHSCOPE, stream=True).payload


def test_tells_the_reply_what_to_expect_when_the_request_decides_it():
    """Protects the readers: rescue, forced calls, an opened think tag, thinking off."""
    forced = build(LLAMA_CPP, tools=[WEATHER], tool_choice="any", parallel_tool_calls=False)
    assert forced.reply.content_is_calls
    assert "parallel_tool_calls" not in forced.payload
    assert build(VLLM, tools=[WEATHER]).reply.tools == (WEATHER,)
    limited = build(VLLM, max_tokens=9, model="Qwen/Qwen3-Coder-30B-A3B-Instruct").reply
    assert (limited.max_tokens, limited.server_writes_arguments) == (9, True)
    assert build(VLLM, model="our-model").reply.server_writes_arguments  # an alias tells nothing of the format
    listed = {"our-model": ModelFacts(context=4096)}
    for several, limits in (({}, (9, 4096)), ({"n": 1}, (9, 4096)), ({"n": 2}, (None, None))):  # usage is a sum
        settings = {"model": "our-model", "max_tokens": 9, **several}
        reply = build_call(QUESTION, settings, {}, VLLM, stream=False, models=listed).reply
        assert (reply.max_tokens, reply.context) == limits
    assert build(GROQ, max_tokens=9).reply.max_tokens == 9  # sent as max_completion_tokens
    assert build(VLLM, max_tokens=9, extra_body={"max_completion_tokens": 7}).reply.max_tokens == 7
    plain = build(VLLM, model="Qwen/Qwen3-8B").reply
    assert (plain.model, plain.max_tokens, plain.server_writes_arguments) == ("Qwen/Qwen3-8B", None, False)
    assert build(VLLM, tools=[WEATHER]).reply.rescue_tool_calls is None
    assert build(VLLM, tools=[WEATHER], rescue_tool_calls=True).reply.rescue_tool_calls is True
    assert build(VLLM, tools=[WEATHER], rescue_tool_calls=False).reply.rescue_tool_calls is False
    assert build(VLLM, tools=[WEATHER], tool_choice="none").reply.rescue_tool_calls is False
    several = [row for row in DIALECTS.values() if row.kind == "gateway" or row.providers]
    assert several
    for gateway in several:  # one of several servers says nothing of the others
        assert build(gateway, tools=[WEATHER]).reply.rescue_tool_calls is True
    assert build(VLLM).reply.opened is None
    assert build(VLLM, enable_thinking=False).reply.opened is False
    assert build(VLLM, response_format=FORMAT).reply.opened is False
    assert build(VLLM, enable_thinking=False).reply.thinking_off
    for stop, stops in ((["a"], True), ("a", True), ([], False), (["</think>"], False), ("</think>", False)):
        for places in ({"stop": stop}, {"extra_body": {"stop": stop}}):
            assert build(VLLM, **places).reply.stops is stops


@pytest.mark.parametrize(
    ("dialect", "constraint"),
    [
        (VLLM, {"response_format": FORMAT}),
        (VLLM, {"response_format": {"type": "json_object"}}),
        (VLLM, {"constraint": {"choice": ["a", "b"]}}),
        (SGLANG, {"constraint": {"regex": "a+"}}),
        (LLAMA_CPP, {"constraint": {"grammar": 'root ::= "a"'}}),
        (OLLAMA, {"constraint": {"json": {"type": "object"}}}),
    ],
)
def test_constrained_reply_teaches_nothing_of_others_when_both_go_to_one_server(
    dialect: Dialect, constraint: dict[str, Any]
):
    """Protects JSON that streams from a server whose other replies begin inside the thinking: it is no reasoning."""

    def read_reply(**options: Any) -> ReplyOptions:
        recall = partial(recall_habits, "u")
        return build_call(QUESTION, options, {"model": "alias"}, dialect, stream=True, recall=recall).reply

    habits = read_reply().habits
    assert habits is not None
    habits.note(opened=True)
    habits.note(opened=True)
    assert read_reply().opened is True
    assert read_reply(**constraint).opened is False
    assert read_reply(temperature=0.5).opened is True


def test_uses_the_services_own_facts_when_a_checkpoint_differs_there():
    """Protects qwen3.8-2.4t-a95b, which DashScope alone refuses to switch off."""
    model = "qwen3.8-2.4t-a95b"
    assert find_line(model) != find_line(model, "dashscope")
    with pytest.warns(UnsupportedSettingWarning, match="always thinks"):
        call = build_call(QUESTION, {"model": model, "enable_thinking": False}, {}, DASHSCOPE, stream=True)
    assert "enable_thinking" not in call.payload
    call = build_call(QUESTION, {"model": model, "enable_thinking": False}, {}, VLLM, stream=True)
    assert call.payload["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("model", "params", "kept"),
    [
        ("Qwen/Qwen3-8B", {}, [False, True]),
        ("Qwen/Qwen3.6-27B", {}, [False, True]),
        ("Qwen/Qwen3.6-27B", {"preserve_thinking": True}, [True, True]),
        ("Qwen/Qwen3.8-27B", {}, [True, True]),
        ("Qwen/Qwen3.8-27B", {"preserve_thinking": False}, [False, True]),
        ("Qwen/Qwen3.8-27B", {"reasoning_history": "none"}, [False, False]),
        ("Qwen/Qwen3-8B", {"reasoning_history": "all"}, [True, True]),
        ("my-alias", {}, [False, True]),
    ],
)
def test_replays_what_the_checkpoint_wants_when_history_is_auto(model: str, params: dict[str, Any], kept: list[bool]):
    """Protects 3.8, which wants all earlier reasoning, and prompts of others from an upload for nothing."""
    old = [HumanMessage("q"), AIMessage("a", additional_kwargs={"reasoning_content": "r"})]
    call = build_call([*old, *TOOL_LOOP], {"model": model, **params}, {}, VLLM, stream=False)
    assert ["reasoning" in message for message in call.payload["messages"] if message["role"] == "assistant"] == kept


def test_checks_messages_unless_it_is_told_not_to():
    """Protects from a request that only a template can refuse; a continuation that was params for is let through."""
    trailing = [HumanMessage("q"), AIMessage("def")]
    with pytest.raises(MessageError):
        build(VLLM, [SystemMessage("s")])
    with pytest.raises(MessageError):
        build(LLAMA_CPP, trailing)
    assert build(VLLM, trailing).payload["messages"][-1]["content"] == "def"
    assert build(LLAMA_CPP, trailing, normalize_messages=False).payload["messages"][-1]["content"] == "def"
    assert build(LLAMA_CPP, trailing, enable_thinking=False).payload["messages"][-1]["content"] == "def"
    going_on = {"continue_final_message": True, "add_generation_prompt": False}
    assert build(LLAMA_CPP, trailing, extra_body=going_on).payload["continue_final_message"] is True


def test_refuses_several_choices_when_streaming():
    """Protects from a stream whose choices would be mixed into one message."""
    with pytest.raises(ValueError, match="n must be 1"):
        build(VLLM, stream=True, n=2)
    with pytest.raises(ValueError, match="n must be 1"):
        build(VLLM, stream=True, extra_body={"n": 2})


SPEC = {"name": "Answer", "schema": {"type": "object", "properties": {"a": {}}}, "method": "function_calling"}


def test_function_of_a_structured_output_is_strict_where_nothing_else_holds_its_arguments():
    """Protects structured output by a call on vLLM; the user's choice stays, and so does a dict of any keys."""

    def write(dialect: Any, **changes: Any) -> Any:
        tools = build(dialect, structured_output={**SPEC, **changes}, tools=[WEATHER]).payload["tools"]
        assert tools[0] == WEATHER
        return tools[1]["function"].get("strict")

    assert write(VLLM) is True
    assert write(VLLM, strict=False) is False
    assert write(VLLM, schema={"type": "object"}) is None
    assert write(SGLANG) is None


@pytest.mark.parametrize(
    ("params", "forced"),
    [
        ({}, False),
        ({"tool_choice": "auto"}, False),
        ({"tool_choice": "none"}, False),
        ({"tool_choice": "any"}, True),
        ({"tool_choice": "weather"}, True),
        ({"extra_body": {"tool_choice": "required"}}, True),
    ],
)
def test_reply_teaches_no_parser_when_the_server_is_told_to_force_a_call(params: dict[str, Any], forced: bool):
    """Protects later calls that stand in the text: a forced one may come from a grammar."""
    assert build(VLLM, tools=[WEATHER], **params).reply.forced is forced
    assert build(LLAMA_CPP, tools=[WEATHER], **params).reply.forced is (forced and "extra_body" in params)


@pytest.mark.parametrize("dialect", [VLLM, LLAMA_CPP], ids=lambda dialect: dialect.name)
def test_leaves_a_missing_call_to_the_parser_when_output_is_structured(dialect: Any):
    """Protects `include_raw` and batches: the parser reports what is missing, nothing is raised before it."""
    call = build(dialect, structured_output=SPEC)
    assert call.reply.demanded is None
    assert build(dialect, tools=[WEATHER], tool_choice="any").reply.demanded is not None


def test_holds_the_reply_to_one_form_when_a_constraint_is_given():
    """Protects engines from two grammars at once, and the readers from taking constrained text for thinking."""
    choice = {"choice": ["yes", "no"]}
    for dialect in (VLLM, LLAMA_CPP):
        call = build(dialect, constraint=choice, structured_output={**SPEC, "method": "json_schema"})
        assert "response_format" not in call.payload
        assert not call.reply.opened
    forced = build(LLAMA_CPP, constraint=choice, tools=[WEATHER], tool_choice="any")
    assert "response_format" not in forced.payload
    assert not forced.reply.content_is_calls
    assert not build(VLLM, extra_body={"structured_outputs": choice}).reply.opened


def test_asks_for_usage_unless_the_stream_is_not_to_have_it():
    """Protects token counts of streams."""
    assert build(VLLM, stream=True).payload["stream_options"] == {"include_usage": True}
    assert "stream_options" not in build(VLLM, stream=True, stream_usage=False).payload
    assert "stream_options" not in build(VLLM, stream_options={"include_usage": True}).payload


@pytest.mark.parametrize("dialect", [VLLM, SGLANG, LLAMA_CPP], ids=lambda row: row.name)
def test_asks_for_a_schema_by_a_call_when_tools_stand_beside_it(dialect: Dialect):
    """Protects `with_structured_output(tools=…)`: under a JSON schema these servers never call a tool."""
    spec = {"name": "Answer", "schema": {"type": "object"}}
    both = build(dialect, tools=[WEATHER], structured_output=spec).payload
    assert [tool["function"]["name"] for tool in both["tools"]] == ["weather", "Answer"]
    assert both.get("response_format", {}).get("json_schema", {}).get("name") in (None, "tool_calls")
    assert "tools" not in build(dialect, structured_output=spec).payload
    with pytest.warns(UnsupportedSettingWarning, match="ToolStrategy"):
        build(dialect, tools=[WEATHER], structured_output=spec | {"method": "json_schema"})


def test_closes_the_connection_when_many_idle_ones_would_hold_the_servers_threads():
    """Protects llama.cpp's HTTP threads from connections that nobody uses; other servers keep theirs."""
    params = {"model": "m", "extra_headers": {"X-A": "1"}}
    crowded = build_call(QUESTION, dict(params), {}, LLAMA_CPP, stream=False, in_flight=FEW_IN_FLIGHT)
    assert crowded.options == {"headers": {"Connection": "close", "X-A": "1"}}
    for dialect, in_flight in ((LLAMA_CPP, FEW_IN_FLIGHT - 1), (VLLM, 99)):
        call = build_call(QUESTION, dict(params), {}, dialect, stream=False, in_flight=in_flight)
        assert call.options == {"headers": {"X-A": "1"}}


def test_takes_the_sdks_options_out_when_they_stand_among_parameters():
    """Protects the body from headers, query and timeout."""
    call = build(VLLM, extra_headers={"a": "b"}, extra_query={"c": "d"}, timeout=3.0)
    assert call.options == {"headers": {"a": "b"}, "params": {"c": "d"}, "timeout": 3.0}
    assert call.payload == build(VLLM).payload


def test_sends_the_same_when_a_model_is_bound_called_or_given_options():
    """Protects the public ways in: constructor, call, bind, and a tutorial's options={"extra_body": …}."""
    plain = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm", api_key="x")
    switched = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm", api_key="x", enable_thinking=False)
    expected = switched._get_request_payload(QUESTION)
    assert expected["chat_template_kwargs"] == {"enable_thinking": False}
    assert plain._get_request_payload(QUESTION, enable_thinking=False) == expected
    assert plain._get_request_payload(QUESTION, options={"extra_body": {"enable_thinking": False}}) == expected
    bound = plain.bind(enable_thinking=False)
    assert plain._get_request_payload(QUESTION, **bound.kwargs) == expected
    assert plain._get_request_payload(QUESTION) == build(GENERIC).payload | {"model": "Qwen/Qwen3-8B"}


@pytest.mark.parametrize("amended", [{"n": 2}, {"n": "2"}, {"extra_body": {"n": 2}}, {"extra_body": {"n": "2"}}])
def test_choices_stay_apart_when_a_subclass_asks_for_several(amended: dict[str, Any]) -> None:
    """Protects the replies of a payload that a subclass changed: they would be read as parts of one answer."""
    call = build_call([HumanMessage("q")], {}, {"model": "q"}, VLLM, stream=False)
    assert not replace_payload(call, {**call.payload}).reply.several
    assert replace_payload(call, {**call.payload, **amended}).reply.several
    body = amended.get("extra_body", amended)
    assert build_call([HumanMessage("q")], {"extra_body": body}, {"model": "q"}, VLLM, stream=False).reply.several
