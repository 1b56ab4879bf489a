"""A demanded tool choice: its spellings, what each server is sent, and the check of the reply."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

import pytest
from hypothesis import given, strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.tools import StructuredTool
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.call import ToolChoice
from langchain_qwen3.errors import ToolChoiceError
from langchain_qwen3.reply.tool_calls.forced import check_forced_call
from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, collect_tool_calls
from langchain_qwen3.reply.tool_calls.in_text import CallsInText
from langchain_qwen3.request.tool_choice import (
    build_forced_format,
    is_builtin_tool,
    plan_tool_choice,
    read_tool_choice,
    select_tools,
)
from langchain_qwen3.servers.dialect import ChoicePolicy, Dialect
from langchain_qwen3.servers.dialects import DIALECTS
from tests.unit.request.request_cases import build

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
NOW = {"type": "function", "function": {"name": "now"}}
NAMED = {"type": "function", "function": {"name": "now"}}
REQUIRED, NOW_NAMED = ToolChoice("required"), ToolChoice("named", "now")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (False, None),
        ("", None),
        ({}, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("any", REQUIRED),
        ("required", REQUIRED),
        (True, REQUIRED),
        ("now", NOW_NAMED),
        (NAMED, NOW_NAMED),
        ({"type": "function", "name": "now"}, NOW_NAMED),
    ],
)
def test_reads_every_spelling_when_it_is_langchains_or_openais(choice: Any, expected: ToolChoice | None):
    """Protects code that moves over: each spelling of tool_choice means one thing."""
    assert read_tool_choice(choice, ["get_weather", "now"]) == expected


def test_takes_a_tools_name_when_it_is_a_word_of_the_api():
    """Protects a tool that is called like a choice: the bound name wins."""
    assert read_tool_choice("any", ["any"]) == ToolChoice("named", "any")


@pytest.mark.parametrize(("word", "mode"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_reads_the_mode_when_the_choice_has_the_form_of_anthropic(word: str, mode: str):
    """Protects code that moves from Anthropic's API, where each choice is a dict."""
    assert read_tool_choice({"type": word}, ["now"]) == read_tool_choice(word, ["now"]) == ToolChoice(mode)  # type: ignore[arg-type] # three of its modes


@pytest.mark.parametrize("choice", ["later", {"function": {"name": "later"}}, {"type": "x"}, 3, {"function": 1}])
def test_names_the_field_when_the_choice_cannot_be_read(choice: Any):
    """Protects users from a choice that servers would ignore in silence: the error says tool_choice."""
    with pytest.raises(ValueError, match="tool_choice"):
        read_tool_choice(choice, ["now"])


TOOLS = [WEATHER, NOW]
PLANS: list[tuple[ChoicePolicy, Any, list[Any], Any, set[str]]] = [
    # policy, tool_choice → tools, tool_choice, flags
    ("honoured", None, TOOLS, None, {"rescue"}),
    ("honoured", "auto", TOOLS, "auto", {"rescue"}),
    ("honoured", "none", TOOLS, "none", set()),
    ("honoured", "any", TOOLS, "required", {"rescue"}),
    ("honoured", "now", TOOLS, NAMED, {"rescue"}),
    ("by_format", "auto", TOOLS, "auto", {"rescue"}),
    ("by_format", "any", TOOLS, "none", {"content_is_calls"}),
    ("by_format", "now", TOOLS, "none", {"content_is_calls"}),
    ("required_by_format", "auto", TOOLS, "auto", {"rescue"}),
    ("required_by_format", "none", TOOLS, "none", set()),
    ("required_by_format", "any", TOOLS, "none", {"content_is_calls"}),
    ("required_by_format", "now", TOOLS, NAMED, {"rescue"}),
    ("named_ignored", "any", TOOLS, "required", {"rescue"}),
    ("named_ignored", "now", [NOW], "required", {"rescue"}),
    ("ignored", "now", [NOW], "required", {"rescue"}),
    ("refused_thinking", "auto", TOOLS, "auto", {"rescue"}),
    ("refused_thinking", "now", TOOLS, NAMED, {"rescue", "thinking_off"}),
    ("refused_thinking", "any", TOOLS, "required", {"rescue", "thinking_off"}),
]


@pytest.mark.parametrize(("policy", "choice", "tools", "wire", "flags"), PLANS)
def test_sends_what_the_server_honours_when_a_choice_is_given(
    policy: ChoicePolicy, choice: Any, tools: list[Any], wire: Any, flags: set[str]
):
    """Protects the demand of a call on every kind of server: what is sent, and how the reply is read."""
    params = {"tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": False}
    with warnings.catch_warnings(record=True, action="always") as warned:
        plan = plan_tool_choice(params, policy, thinking=True)
    assert plan.payload["tools"] == tools
    assert plan.payload.get("tool_choice") == wire
    assert plan.payload["parallel_tool_calls"] is False
    assert ("response_format" in plan.payload) is plan.content_is_calls
    assert {name for name in ("rescue", "thinking_off", "content_is_calls") if getattr(plan, name)} == flags
    assert (plan.demanded is not None) is (choice in ("any", "now"))
    assert bool(warned) is plan.thinking_off
    assert params == {"tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": False}


def test_leaves_thinking_alone_when_it_is_off_already():
    """Protects calls without thinking on DashScope: nothing to switch, nothing to warn about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = plan_tool_choice({"tools": TOOLS, "tool_choice": "now"}, "refused_thinking", thinking=False)
    assert (plan.payload["tool_choice"], plan.thinking_off) == (NAMED, False)


@pytest.mark.parametrize("policy", ["refused_thinking", "required_by_format"])
def test_names_the_only_tool_when_any_is_demanded(policy: ChoicePolicy):
    """Protects users of servers where `required` is not guaranteed, and a named choice is."""
    plan = plan_tool_choice({"tools": [NOW], "tool_choice": "any"}, policy, thinking=False)
    assert plan.payload["tool_choice"] == NAMED


def test_asks_for_auto_when_a_model_that_always_thinks_cannot_be_forced():
    """Protects thinking-only models on DashScope: the call is made, checked and warned about."""
    params = {"tools": TOOLS, "tool_choice": "now"}
    with pytest.warns(UnsupportedSettingWarning, match="auto is sent"):
        plan = plan_tool_choice(params, "refused_thinking", thinking=True, thinking_only=True)
    assert (plan.payload["tool_choice"], plan.thinking_off, plan.demanded) == ("auto", False, NOW_NAMED)


def test_keeps_the_users_format_when_a_choice_is_forced_beside_it():
    """Protects a response_format of the user's own: it is not replaced, the choice is checked instead."""
    params = {"tools": TOOLS, "tool_choice": "any", "response_format": {"type": "json_object"}}
    plan = plan_tool_choice(params, "by_format")
    assert plan.payload["tool_choice"] == "required"
    assert not plan.content_is_calls
    assert plan.demanded == REQUIRED


def test_sends_nothing_when_no_tools_are_bound():
    """Protects plain calls: vLLM answers 400 to `tools: []` and to a choice without tools."""
    assert plan_tool_choice({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, "honoured").payload == {}
    with pytest.raises(ValueError, match="no tools are bound"):
        plan_tool_choice({"tool_choice": "any"}, "honoured")


def test_sends_no_tools_when_the_server_ignores_that_none_are_to_be_called():
    """Protects `tool_choice="none"` on Ollama and transformers serve, which call whatever they are shown."""
    params = {"tools": TOOLS, "tool_choice": "none", "parallel_tool_calls": True}
    assert plan_tool_choice(params, "ignored").payload == {}
    assert plan_tool_choice(params, "named_ignored").payload["tool_choice"] == "none"


@pytest.mark.parametrize(("name", "parallel", "most"), [(None, True, None), (None, False, 1), ("now", True, 1)])
def test_asks_for_an_array_of_calls_when_llama_cpp_is_to_be_forced(name: str | None, parallel: bool, most: int | None):
    """Protects the schema that forces llama.cpp: names are constants, arguments the tool's own schema."""
    schema = build_forced_format(TOOLS, name, parallel=parallel)["json_schema"]["schema"]
    calls = schema["items"].get("anyOf", [schema["items"]])
    assert [call["properties"]["name"]["const"] for call in calls] == [name] if name else ["get_weather", "now"]
    assert calls[-1]["properties"]["arguments"] == {"type": "object", "properties": {}}
    assert schema["minItems"] == 1
    assert schema.get("maxItems") == most


def test_resolves_references_when_a_tools_schema_is_nested_in_another():
    """Protects tools with `$defs`: their references would point nowhere from the array's root."""
    parameters = {"properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "put", "parameters": parameters}}
    schema = build_forced_format([tool])["json_schema"]["schema"]
    assert schema["items"]["properties"]["arguments"] == {"properties": {"p": {"type": "integer"}}}
    assert "$defs" in parameters


@pytest.mark.parametrize("reference", ["#/$defs/Q", "#/Q", "https://example.com/q.json", "Q", 5])
def test_names_the_tool_when_a_reference_of_its_schema_leads_nowhere(reference: Any):
    """Protects an agent with many tools of MCP servers from core's errors, which do not say which tool is meant."""
    parameters = {"properties": {"p": {"$ref": reference}}, "$defs": {"P": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "put", "parameters": parameters}}
    with pytest.raises(ValueError, match="tool 'put' have"):
        build_forced_format([tool])


def read_forced(pieces: list[str], *, truncated: bool = False) -> tuple[str, list[tuple[Any, Any]]]:
    """Return text and calls of a forced content; invalid calls have text as arguments."""
    forced, stream = CallsInText([WEATHER, NOW], is_array=True), ToolCallStream()
    text = "".join(map(forced.feed, pieces))
    end = forced.close(truncated=truncated)
    calls = collect_tool_calls(stream.add(end.calls) + stream.close(truncated))
    return text + end.rest, [(call["name"], call["args"]) for call in (*calls.calls, *calls.invalid)]


ARRAY = '[{"name": "get_weather", "arguments": {"city": "北\\"]}京"}},\n {"name": "now", "arguments": {} }\n ]\n'
BOTH = [("get_weather", {"city": '北"]}京'}), ("now", {})]
CONTENTS = {
    ARRAY: ("", BOTH),
    "\n " + ARRAY: ("", BOTH),
    "[]": ("[]", []),
    "": ("", []),
    "Hello [1]!": ("Hello [1]!", []),
    ' {"name": "now", "arguments": {}}': (' {"name": "now", "arguments": {}}', []),
    '[{"name": "now", "arguments": {}}, 7]': ('[{"name": "now", "arguments": {}}, 7]', []),
    '[{"nom": "now"}]': ('[{"nom": "now"}]', []),
    '[{"name": "now", "arguments": 3}] bye': ('[{"name": "now", "arguments": 3}] bye', []),
    '[{"name": "now", "argu': ('[{"name": "now", "argu', []),
}


@pytest.mark.parametrize("content", CONTENTS)
def test_reads_the_forced_array_when_it_is_split_anywhere(content: str):
    """Protects forced calls on llama.cpp: any chunking gives the same calls, and what is none stays text."""
    assert read_forced([content]) == CONTENTS[content]
    assert read_forced(list(content)) == CONTENTS[content]


def test_returns_an_invalid_call_when_the_forced_array_was_cut():
    """Protects agents from half a forced call: whole ones stay calls, the open one is invalid."""
    for end in range(len(ARRAY)):
        text, calls = read_forced([ARRAY[:end]], truncated=True)
        assert text == ""
        for at, (name, args) in enumerate(calls):
            assert (name, args) == BOTH[at] or (name in (BOTH[at][0], None) and isinstance(args, str))
        for blank in ("", "\n", "\n\n"):  # as thinking in the text leaves them
            cut = blank + ARRAY[:end]
            assert read_forced(list(cut), truncated=True) == read_forced([cut], truncated=True)


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=3), st.integers(1, 9))
def test_reads_any_arguments_when_they_come_in_pieces(args: dict[str, Any], size: int):
    """Protects forced arguments of any content: quotes, brackets and escapes do not end a call early."""
    content = json.dumps([{"name": "now", "arguments": args}] * 2)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    assert read_forced(pieces) == ("", [("now", args)] * 2)


def message(*names: str | None) -> AIMessage:
    """Return a reply with calls of these names, None for an invalid one."""
    return AIMessage(
        "Hi",
        tool_calls=[tool_call(name=name, args={}, id=name) for name in names if name],
        invalid_tool_calls=[invalid_tool_call(args="{]") for name in names if name is None],
    )


@pytest.mark.parametrize(
    ("choice", "names"),
    [(REQUIRED, ["now"]), (NOW_NAMED, ["now"]), (NOW_NAMED, ["later", "now"]), (REQUIRED, [None]), (NOW_NAMED, [None])],
)
def test_accepts_the_reply_when_the_demanded_call_is_there(choice: ToolChoice, names: list[str | None]):
    """Protects replies that honour the choice, and invalid calls, which say themselves what is wrong."""
    check_forced_call(message(*names), choice, "stop")


@pytest.mark.parametrize(
    ("choice", "reply", "reason", "text"),
    [
        (REQUIRED, message(), "stop", "requires a tool call, but the model answered without one"),
        (NOW_NAMED, message(), "stop", "requires a call of now, but the model answered without one"),
        (NOW_NAMED, message("later"), "stop", "requires a call of now, but the model called later"),
        (REQUIRED, message(), "length", "max_tokens"),
    ],
)
def test_raises_when_the_demanded_call_is_missing(choice: ToolChoice, reply: AIMessage, reason: str, text: str):
    """Protects callers from a silent answer in place of a call: a typed error that holds the reply."""
    with pytest.raises(ToolChoiceError, match=text) as caught:
        check_forced_call(reply, choice, reason)
    assert caught.value.reply is reply


BUILTIN_TOOLS: list[dict[str, Any]] = [
    {"type": "web_search"},
    {"type": "web_search", "function": None},
    {"type": "web_search", "function": {}},
    {"type": "openrouter:web_search"},
    {"type": "openrouter:web_search", "parameters": {"max_results": 3}},
    {"type": "openrouter:datetime", "parameters": {}},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    {"type": "mcp", "server_label": "x", "server_url": "https://example.com"},
]
FUNCTION_TOOLS: list[Any] = [
    WEATHER,
    {"name": "f", "description": "d", "input_schema": CITY},
    {"type": "custom", "name": "f", "input_schema": CITY},
    {"type": "custom", "name": "f", "description": "d", "parameters": CITY},
    {"type": "function", "name": "f", "description": "d", "parameters": CITY},
    {"title": "f", "description": "d", **CITY},
    {"name": "f", "description": "d", "parameters": CITY},
]


@pytest.mark.parametrize("tool", BUILTIN_TOOLS)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_leaves_a_servers_own_tool_out_where_there_is_none(dialect: Dialect, tool: dict[str, Any]):
    """Protects from a 400 and from silence: it goes to hosted services; elsewhere one warning, and functions stay."""
    if dialect.builtin_tools:
        assert select_tools([WEATHER, tool], dialect) == [WEATHER, tool]
        return
    with pytest.warns(UnsupportedSettingWarning, match=re.escape(tool["type"])):
        assert select_tools([WEATHER, tool], dialect) == [WEATHER]
    assert select_tools([tool], dialect) == []


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_a_strict_tool_with_a_map_is_strict_for_engines_only(dialect: Dialect):
    """Protects agents from 400 of hosts with OpenAI's strict mode: `create_agent` sets `strict` for every tool.

    https://github.com/elizaOS/eliza/pull/17060
    """
    maps = {"type": "object", "properties": {"where": {"type": "object", "additionalProperties": {"type": "string"}}}}
    closed = {**CITY, "additionalProperties": False}
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": parameters, "strict": True}}
        for parameters in (maps, closed)
    ]
    written = [tool["function"].get("strict") for tool in select_tools(tools, dialect)]
    assert written == [True if dialect.kind == "engine" else None, True]
    assert [tool["function"]["strict"] for tool in tools] == [True, True]


@pytest.mark.parametrize(
    "dialect", [row for row in DIALECTS.values() if row.kind == "engine"], ids=lambda row: row.name
)
def test_no_engine_gets_a_tool_that_only_services_run(dialect: Dialect):
    """Protects from a 400 or a template's error: an engine knows functions alone, and searches no web."""
    with pytest.warns(UnsupportedSettingWarning, match="web_search"):
        assert select_tools([WEATHER, {"type": "web_search"}], dialect) == [WEATHER]


FLAT = {"type": "function", "name": "f", "description": "d", "parameters": CITY}


@pytest.mark.parametrize(
    "tools", [[FLAT], [{"type": "function", "function": {"name": "f", "description": "d", "parameters": CITY}}]]
)
def test_writes_a_function_of_the_responses_api_as_chat_completions_do(tools: list[dict[str, Any]]):
    """Protects from a 400: that API has a function's fields beside its type. Bound and as a keyword."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")
    bound: Any = model.bind_tools(tools, tool_choice="f")
    for kwargs in (bound.kwargs, {"tools": tools}):
        (tool,) = model._get_request_payload("x", **kwargs)["tools"]
        assert (tool["function"]["name"], tool["function"]["parameters"]) == ("f", CITY)
        assert tool.keys() == {"type", "function"}


@pytest.mark.parametrize(
    "tool",
    [
        *({"type": "function"}, {"type": "function", "function": {}}, {"type": "function", "function": 7}),
        *({"type": "function", "function": {"name": name}} for name in ("", " ", None, 5)),
    ],
)
def test_says_so_when_a_function_has_no_name(tool: dict[str, Any]):
    """Protects from a raw KeyError."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")
    for send in (lambda: model.bind_tools([tool]), lambda: model._get_request_payload("x", tools=[WEATHER, tool])):
        with pytest.raises(ValueError, match="a tool has no name"):
            send()


@pytest.mark.parametrize("parameters", ["{}", 3, True, [], int])
def test_names_the_tool_whose_parameters_are_no_schema(parameters: Any):
    """Protects from an AttributeError that names no tool, where a schema is a text, a class or a list."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")
    tool = {"type": "function", "function": {"name": "天气", "parameters": parameters}}
    for send in (lambda: model.bind_tools([tool]), lambda: model._get_request_payload("x", tools=[WEATHER, tool])):
        with pytest.raises(ValueError, match=r"^the parameters of the tool '天气' must be a JSON schema, as a dict"):
            send()


class _Plain:
    def __init__(self, city: str) -> None: ...


def _refers(city: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def _build_of_mcp(reference: str) -> StructuredTool:
    schema = {"type": "object", "properties": {"a": {"$ref": reference}}}
    return StructuredTool(name="far", description="d", args_schema=schema, func=print)


@pytest.mark.parametrize(
    "tool",
    [
        {"type": 3},
        {"toolSpec": None},
        _Plain,
        _refers,
        BaseModel,
        _build_of_mcp("#/$defs/A"),
        _build_of_mcp("https://example.com/a.json"),
        _build_of_mcp("A"),
    ],
)
def test_names_the_tool_that_cannot_be_read(tool: Any):
    """Protects from raw errors of LangChain, pydantic and Python, which do not say which of fifty tools it was."""
    text = rf"^the tool {re.escape(repr(tool))} cannot be read \(\w+: .+\): pass a function with type hints"
    with pytest.raises(ValueError, match=text):
        ChatQwen3(model="Qwen/Qwen3-8B", server="vllm").bind_tools([tool])


def test_tells_a_servers_own_tool_from_the_forms_of_a_function():
    """Protects OpenAI's, Anthropic's and JSON schema's forms of a function, which are the caller's own."""
    assert all(is_builtin_tool(tool) for tool in BUILTIN_TOOLS)
    assert not any(is_builtin_tool(tool) for tool in FUNCTION_TOOLS)


def test_binds_a_servers_own_tool_beside_functions():
    """Protects bind_tools: LangChain's converter knows no server's tools but OpenAI's."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="openrouter")
    bound: Any = model.bind_tools([WEATHER, *BUILTIN_TOOLS])
    assert bound.kwargs["tools"] == [WEATHER, *BUILTIN_TOOLS]
    assert model._get_request_payload("x", **bound.kwargs)["tools"] == [WEATHER, *BUILTIN_TOOLS]


@pytest.mark.parametrize("server", ["openrouter", "vllm"])
@pytest.mark.parametrize("tool", BUILTIN_TOOLS)
@pytest.mark.filterwarnings("ignore")  # vLLM has none
def test_counts_tokens_with_a_servers_own_tool(tool: dict[str, Any], server: str):
    """Protects agents that count before they call: the tools that can be bound can be counted."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server=server, custom_get_token_ids=lambda text: [*map(ord, text)])
    functions = model.get_num_tokens_from_messages([HumanMessage("x")], tools=[WEATHER])
    both = model.get_num_tokens_from_messages([HumanMessage("x")], tools=[WEATHER, tool])
    assert both > functions if server == "openrouter" else both == functions
    bound: Any = model.bind_tools([WEATHER, tool])
    assert bound.get_num_tokens_from_messages([HumanMessage("x")]) == both


@pytest.mark.parametrize("tool", FUNCTION_TOOLS)
def test_counts_tokens_of_a_function_as_it_is_sent(tool: Any):
    """Protects the count of every form of a function, which are one on the wire."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm", custom_get_token_ids=lambda text: [*map(ord, text)])
    bound: Any = model.bind_tools([tool])
    counted = model.get_num_tokens_from_messages([HumanMessage("x")], tools=[tool])
    assert counted == bound.get_num_tokens_from_messages([HumanMessage("x")])
    assert bound.kwargs["tools"][0]["function"]["parameters"] == CITY


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(
    ("choice", "tool_choice"),
    [(None, None), ("auto", "auto"), ("none", "none"), ({"name": "now"}, NAMED)],
    ids=["no choice", "auto", "none", "named"],
)
@pytest.mark.filterwarnings("ignore")
def test_functions_of_2023_go_out_as_tools(dialect: Dialect, choice: Any, tool_choice: Any):
    """Protects LangChain's older chains and agents, which bind `functions`: most servers ignore that field."""
    functions = [tool["function"] for tool in (WEATHER, NOW)]
    call = build(dialect, functions=functions, function_call=choice)
    as_tools = build(dialect, tools=[WEATHER, NOW], tool_choice=tool_choice, parallel_tool_calls=False)
    beside = build(dialect, tools=[WEATHER], functions=[NOW["function"]], function_call=choice)
    assert call.payload == beside.payload == as_tools.payload
    assert [one.reply.function_call for one in (call, beside, as_tools)] == [True, True, False]


@pytest.mark.parametrize("params", [{"functions": []}, {"functions": None}, {"function_call": "auto"}])
def test_sends_nothing_when_there_are_no_functions(params: dict[str, Any]):
    """Protects a chain whose list of functions is empty: servers refuse a choice without tools."""
    call = build(DIALECTS["vllm"], **params)
    assert call == build(DIALECTS["vllm"])
