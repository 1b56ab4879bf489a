"""Tools and schemas in every form that people write: what they say reaches the server, or building raises."""

from __future__ import annotations

import copy
import json
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, NotRequired, Required

import pydantic.v1
import pytest
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, RootModel, TypeAdapter, create_model
from typing_extensions import TypedDict

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.request.json_schema import list_values, tidy_schema
from langchain_qwen3.request.schema import (
    close_format,
    convert_tool,
    read_response_format,
    read_schema,
    write_structured,
)
from langchain_qwen3.request.tool_choice import build_forced_format, convert_tools, read_tool
from tests.support.scripted import Scripted

AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
NAMED = {"name": "Person", "description": "d"}
DICTS: dict[str, dict[str, Any]] = {
    "OpenAI's function": {**NAMED, "parameters": AGE},
    "Responses API": {"type": "function", **NAMED, "parameters": AGE},
    "Anthropic": {**NAMED, "input_schema": AGE},
    "MCP": {
        **NAMED,
        "inputSchema": AGE,
        "outputSchema": {"type": "object", "properties": {"x": {}}},
        "annotations": {},
    },
    "Gemini": {**NAMED, "parametersJsonSchema": AGE},
    "Gemini in Python": {**NAMED, "parameters_json_schema": AGE},
    "MCP's in OpenAI's": {"type": "function", "function": {**NAMED, "inputSchema": AGE}},
    "Anthropic's in OpenAI's": {"type": "function", "function": {**NAMED, "input_schema": AGE}},
    "Bedrock": {"toolSpec": {**NAMED, "inputSchema": {"json": AGE}}},
    "Bedrock's inner form": {**NAMED, "inputSchema": {"json": AGE}},
    "JSON schema with a title": {"title": "Person", "description": "d", **AGE},
    "JSON schema with a name": {**NAMED, **AGE},
}


class Leaf(BaseModel):
    v: int


class Tree(BaseModel):
    """A tree."""

    v: int
    kids: list[Tree] = []


class Holder(BaseModel):
    tree: Tree
    leaf: Leaf


@dataclass
class Point:
    x: int
    leaf: Leaf
    y: int = 0


class Optionals(TypedDict, total=False):
    """Some."""

    name: Required[str]
    age: int


class Sparse(TypedDict):
    name: str
    leaf: Leaf
    age: NotRequired[int]


@pytest.mark.parametrize("form", DICTS)
@pytest.mark.parametrize("strict", [None, True])
def test_the_schema_arrives_when_a_dict_has_any_known_form(form: str, strict: bool | None):
    """Protects from a tool without parameters, and from an answer that may be any object."""
    function = read_tool(convert_tool(DICTS[form], strict=strict))["function"]
    assert (function["name"], function["description"]) == ("Person", "d")
    assert function["parameters"]["properties"] == AGE["properties"]
    spec = read_schema(DICTS[form], strict=strict)
    assert (spec["name"], spec["description"], spec["schema"]["properties"]) == ("Person", "d", AGE["properties"])


@pytest.mark.parametrize("key", ["args", "arguments", "json_schema", "params"])
def test_raises_when_a_schema_is_under_an_unknown_key(key: str):
    """Protects from a schema that is dropped in silence."""
    for read in (convert_tool, read_schema):
        with pytest.raises(ValueError, match=f"Person has its schema under '{key}': put it under 'parameters'"):
            read({**NAMED, key: AGE})


@pytest.mark.parametrize(
    "make",
    [
        lambda schema: schema,
        lambda schema: StructuredTool.from_function(print, name="t", description="d", args_schema=schema),
    ],
)
@pytest.mark.parametrize("schema", [Tree, Holder])
def test_a_tool_keeps_its_recursive_part(make: Any, schema: type[BaseModel]):
    """Protects trees and filters: core makes `{}` of a part that contains itself, so the model may write anything."""
    parameters = convert_tool(make(schema))["function"]["parameters"]
    assert parameters["$defs"]["Tree"]["properties"]["kids"]["items"] == {"$ref": "#/$defs/Tree"}
    assert parameters["type"] == "object"
    flat = convert_tool(make(Leaf))["function"]["parameters"]
    assert flat == {"type": "object", "properties": {"v": {"type": "integer"}}, "required": ["v"]}


NODE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}
HOLDS = {"type": "object", "properties": {"root": {"$ref": "#/$defs/Node"}}, "required": ["root"]}
RECURSIVE: dict[str, dict[str, Any]] = {
    "$defs": {**HOLDS, "$defs": {"Node": NODE}},
    "in a circle": {
        **HOLDS,
        "$defs": {"Node": {"anyOf": [{"$ref": "#/$defs/All"}]}, "All": {"items": [{"$ref": "#/$defs/Node"}]}},
    },
    "draft 7": {
        "type": "object",
        "properties": {"root": {"$ref": "#/definitions/N"}},
        "definitions": {"N": {"properties": {"kid": {"$ref": "#/definitions/N"}}}},
    },
    "zod": {"type": "object", "properties": {"f": {"properties": {"and": {"items": {"$ref": "#/properties/f"}}}}}},
    "the whole": {"type": "object", "properties": {"kid": {"$ref": "#"}}},
    "Chinese": {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/树"}},
        "$defs": {"树": {"properties": {"叶": {"$ref": "#/$defs/树"}}}},
    },
    "in a list": {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "null"}, {"items": {"$ref": "#/properties/a/anyOf/1"}}]}},
    },
}
FLAT: dict[str, dict[str, Any]] = {
    "used twice": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/Leaf"}, "b": {"$ref": "#/$defs/Leaf"}},
        "$defs": {"Leaf": {"type": "object", "properties": {"v": {"type": "integer"}}}},
    },
    "an unused definition": {**AGE, "$defs": {"Node": NODE}},
}


def build_tool(schema: dict[str, Any]) -> StructuredTool:
    """A tool as langchain-mcp-adapters builds it: with the server's own schema."""
    return StructuredTool(name="t", description="d", args_schema=copy.deepcopy(schema), func=print)


@pytest.mark.parametrize("form", RECURSIVE)
def test_a_tool_of_mcp_keeps_its_recursive_part(form: str):
    """Protects filters and trees of MCP servers, of which core sends `{}`, with every kind of reference."""
    schema = RECURSIVE[form]
    for given in (build_tool(schema), build_tool({"title": "t", "description": "x", **schema})):
        assert convert_tool(given) == {
            "type": "function",
            "function": {"name": "t", "description": "d", "parameters": schema},
        }
        assert read_schema(given) == {"name": "t", "description": "d", "schema": schema}
        strict = convert_tool(given, strict=True)["function"]
        assert strict["strict"] is True
        assert strict["parameters"]["additionalProperties"] is False


@pytest.mark.parametrize("form", FLAT)
def test_a_tool_of_mcp_is_as_core_writes_it_when_no_part_contains_itself(form: str):
    """Protects servers that know no references from more of them than needed."""
    tool = build_tool(FLAT[form])
    assert convert_tool(tool) == convert_to_openai_tool(tool)
    assert '"$ref": "#' not in json.dumps(convert_tool(tool))


class OldTree(pydantic.v1.BaseModel):
    """A tree."""

    kids: list["OldTree"] = []  # noqa: UP037  # pydantic 1 evaluates it


OldTree.update_forward_refs()


class DictTree(TypedDict):
    kids: list["DictTree"]  # noqa: UP037


@dataclass
class DataTree:
    kids: list["DataTree"]  # noqa: UP037


def grow_model(tree: Tree) -> str:
    """Grow.

    Args:
        tree: What grows.
    """
    return str(tree)


def grow_list(trees: list[Tree]) -> str:
    """Grow."""
    return str(trees)


def grow_dict(tree: DictTree) -> str:
    """Grow."""
    return str(tree)


def grow_data(tree: DataTree) -> str:
    """Grow."""
    return str(tree)


def print_all(*names: str, leaf: Leaf | None = None, **rest: int) -> None:
    """Print."""


async def grow_later(tree: Tree | None = None) -> str:
    """Grow."""
    return str(tree)


@pytest.mark.parametrize(
    "given", [grow_model, grow_list, grow_dict, grow_data, grow_later, OldTree, DictTree, DataTree]
)
@pytest.mark.parametrize("strict", [None, True])
def test_a_function_keeps_its_recursive_part(given: Any, strict: bool | None):
    """Protects plain functions and old classes as tools and as schemas, whatever the type of the argument."""
    function = convert_tool(given, strict=strict)["function"]
    assert function["name"] == given.__name__
    spec = read_schema(given, strict=strict)
    for parameters in (function["parameters"], spec["schema"]):
        written = json.dumps(parameters)
        assert '{"$ref": "#/' in written.replace('"allOf": [', "")
        assert '"items": {}' not in written
        assert parameters["type"] == "object"
    if given is grow_model:
        assert function["description"] == "Grow."
        assert function["parameters"]["properties"]["tree"].get("description", "What grows.") == "What grows."


@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("given", [print_all, json.dumps, Leaf, Point])
def test_a_function_is_as_core_writes_it_when_no_part_contains_itself(given: Any, strict: bool | None):
    """Protects the prompts of all other functions from a change, but for the maps that core closes."""
    expected = convert_to_openai_tool(given, strict=strict)
    if strict and given in (print_all, json.dumps):
        expected["function"]["parameters"] = convert_to_openai_tool(given)["function"]["parameters"]
    assert convert_tool(given, strict=strict) == expected


async def call_mcp(**arguments: Any) -> str:
    """Call an MCP server's tool."""
    return str(arguments)


def list_tools_with(kind: Any) -> dict[str, Any]:
    """Return one tool in every form, each with an argument of a type."""
    schema = TypeAdapter(create_model("Find", where=(kind, ...), top=(int, 3))).json_schema()
    named = {"name": "Find", "description": "Find.", "parameters": schema}

    def find(where: Any, top: int = 3) -> str:
        """Find."""
        return f"{where} {top}"

    find.__annotations__["where"] = kind
    return {
        "a function": find,
        "a tool": StructuredTool.from_function(find),
        "MCP": StructuredTool(name="Find", description="Find.", args_schema=schema, coroutine=call_mcp),
        "a class": create_model("Find", __doc__="Find.", where=(kind, ...), top=(int, 3)),
        "a TypedDict": TypedDict("Find", {"where": kind, "top": int}),
        "a dataclass's schema": {"title": "Find", **schema},
        "a named dict": named,
        "Anthropic": {"name": "Find", "input_schema": schema},
    }


@pytest.mark.parametrize("form", list_tools_with(str))
@pytest.mark.parametrize("kind", [dict[str, int], dict[str, Any], list[dict[str, str]], dict[str, str] | None], ids=str)
def test_a_strict_tool_keeps_its_map(form: str, kind: Any):
    """Protects filters and headers as arguments: `create_agent` sets strict, and a closed map may only be `{}`.

    https://github.com/langchain-ai/langchain/issues/34264
    """
    given = list_tools_with(kind)[form]
    written = convert_tool(given, strict=True)["function"]
    assert [*written] == [*convert_tool(given)["function"], "strict"]  # llama.cpp writes a prompt in this order
    assert written["parameters"]["properties"] == convert_tool(given)["function"]["parameters"]["properties"]


@pytest.mark.parametrize("form", list_tools_with(str))
def test_a_strict_tool_is_closed_when_it_has_no_map(form: str):
    """Protects strict tools from 400 of hosts that check them, in every form but the wire's own."""
    given = list_tools_with(str)[form]
    written = convert_tool(given, strict=True)["function"]
    parameters = written["parameters"]
    assert [*written] == [*convert_tool(given)["function"], "strict"]
    assert (parameters["required"], parameters["additionalProperties"]) == (["where", "top"], False)


def test_names_the_tool_that_sets_a_different_strict():
    """Protects from core's error, which does not say which of fifty tools it was."""
    with pytest.raises(ValueError, match=r"^the tool \{'name': 'now'.+ cannot be read \(ValueError: .+'strict'"):
        convert_tool({"name": "now", "strict": True, "parameters": AGE}, strict=False)


@pytest.mark.parametrize("strict", [None, True, False])
def test_a_tool_without_parameters_may_be_strict(strict: bool | None):
    """Protects a tool that takes nothing, as OpenAI's form allows it, in an agent that makes all of them strict."""
    (written,) = convert_tools([{"name": "now", "description": "d"}], strict=strict)
    assert written["function"].get("parameters", NOTHING) == NOTHING
    assert "strict" not in written["function"]  # there is nothing to constrain


@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("tool", [{"name": "now"}, {"title": "now"}, {"name": "now", "parameters": None}], ids=str)
def test_a_tool_without_arguments_may_have_no_schema(tool: dict[str, Any], strict: bool | None):
    """Protects `create_agent` with a response format: such a tool was an error as soon as it was to be strict."""
    assert convert_tool(tool, strict=strict)["function"].get("parameters", {}) == {}


@pytest.mark.parametrize("kind", [dict[str, int], list[dict[str, str]]], ids=str)
def test_a_strict_typed_dict_keeps_its_map(kind: Any):
    """Protects a TypedDict as the schema of an answer: its map was closed, that of a class was not."""
    schema = list_tools_with(kind)["a TypedDict"]
    assert read_schema(schema, strict=True) == {**read_schema(schema), "strict": True}


@pytest.mark.parametrize(("schema", "required"), [(Optionals, ["name"]), (Sparse, ["name", "leaf"])])
def test_a_typed_dict_may_have_optional_keys_and_classes(schema: Any, required: list[str]):
    """Protects from pydantic 1's raw errors: TypeError for NotRequired, RuntimeError for a class."""
    for function in (convert_tool(schema)["function"], read_schema(schema)):
        parameters = function.get("parameters") or function["schema"]
        assert parameters["required"] == required
        assert {"name", "age"} <= parameters["properties"].keys()
    strict = read_schema(schema, strict=True)["schema"]
    assert strict["required"] == [*strict["properties"]]


TITLED: list[dict[str, Any]] = [
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "patternProperties": {"^a": {"type": "integer"}}},
    {"type": "object"},
    {**AGE, "type": ["object", "null"]},
    {"allOf": [AGE]},
    {"oneOf": [AGE, {"type": "object"}]},
    {"anyOf": [AGE, {"type": "object"}]},
    {"$ref": "#/$defs/A", "$defs": {"A": AGE}},
    {"$ref": "#/definitions/A", "definitions": {"A": AGE}},
]


@pytest.mark.parametrize("schema", TITLED)
def test_a_titled_schema_reaches_the_server_when_it_has_no_properties(schema: dict[str, Any]):
    """Protects JSON schemas given as tools: core drops all of one that has no `properties` of its own."""
    given = {"title": "Person", "description": "d", **schema}
    before = copy.deepcopy(given)
    function = {"name": "Person", "description": "d", "parameters": schema}
    assert convert_tool(given) == {"type": "function", "function": function}
    assert convert_tool(given, strict=True)["function"]["parameters"].keys() >= schema.keys()
    assert given == before


@pytest.mark.parametrize(
    "given",
    [
        {"title": "Person", "description": "d", **AGE},
        {"type": "web_search", "title": "x"},
    ],
)
@pytest.mark.parametrize("strict", [None, True])
def test_a_titled_dict_is_as_core_writes_it_otherwise(given: dict[str, Any], strict: bool | None):
    """Protects schemas with properties, and servers' own tools, from a change."""
    answers = []
    for convert in (convert_tool, convert_to_openai_tool):
        try:
            answers.append(convert(given, strict=strict))
        except ValueError as error:
            answers.append(str(error))
    assert answers[0] == answers[1]


Said = Annotated[int, ..., "said"]


class SaidAlone(TypedDict):
    x: Said


class SaidBesideOptional(TypedDict):
    x: Said
    other: NotRequired[int]


class SaidBesideClass(TypedDict):
    x: Said
    leaf: Leaf


class SaidOfOptional(TypedDict):
    x: NotRequired[Said]


class SaidAroundOptional(TypedDict):
    x: Annotated[NotRequired[int], ..., "said"]


class SaidOfRequired(TypedDict, total=False):
    x: Required[Said]


class SaidWithDefault(TypedDict):
    x: Annotated[int | None, None, "said"]
    leaf: Leaf


class SaidByField(TypedDict):
    x: Annotated[int, Field(description="said", gt=0)]
    leaf: Leaf


class SaidBehindField(TypedDict):
    x: Annotated[int, Field(gt=0), "said"]
    leaf: Leaf


class SaidOfClass(TypedDict):
    x: Annotated[Leaf, ..., "said"]


class SaidInside(TypedDict):
    inner: list[SaidBesideOptional]


class SaidOfItself(TypedDict):
    x: Said
    inner: NotRequired[list[SaidOfItself]]


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize(
    ("schema", "required"),
    [
        (SaidAlone, True),
        (SaidBesideOptional, True),
        (SaidBesideClass, True),
        (SaidOfOptional, False),
        (SaidAroundOptional, False),
        (SaidOfRequired, True),
        (SaidWithDefault, False),
        (SaidByField, True),
        (SaidBehindField, True),
        (SaidOfClass, True),
        (SaidInside, True),
    ],
)
def test_a_typed_dict_says_what_its_hints_say(schema: Any, required: bool, strict: bool | None):
    """Protects descriptions in LangChain's form, whatever else the TypedDict has."""
    for function in (convert_tool(schema, strict=strict)["function"], read_schema(schema, strict=strict)):
        parameters = function.get("parameters") or function["schema"]
        place = parameters["$defs"]["SaidBesideOptional"] if schema is SaidInside else parameters
        assert place["properties"]["x"]["description"] == "said"
        assert ("x" in place.get("required", ())) is (required or strict is True)


def test_a_typed_dict_without_descriptions_stays_as_it_is():
    """Protects the schemas of all other TypedDicts from a change."""
    assert read_schema(Sparse)["schema"]["properties"]["age"] == {"title": "Age", "type": "integer"}
    recursive = read_schema(SaidOfItself)["schema"]
    assert recursive["properties"].keys() == {"x", "inner"}


def test_a_chain_of_a_typed_dict_answers_or_says_which_one_to_take():
    """Protects the chain as a whole, with the traces that core writes of it."""

    class Plain(typing.TypedDict):
        name: str
        age: typing.NotRequired[int]

    with Scripted(lambda _: {"content": '{"name": "A"}'}) as server:
        model = ChatQwen3(model="m", base_url=server.url, server="vllm")
        assert model.with_structured_output(Optionals).invoke("x") == {"name": "A"}
        if sys.version_info >= (3, 12):
            assert model.with_structured_output(Plain).invoke("x") == {"name": "A"}
        else:
            with pytest.raises(ValueError, match=r"use `typing_extensions.TypedDict`"):
                model.with_structured_output(Plain)


def test_a_dataclass_is_closed_when_it_is_strict():
    """Protects from 400 of servers that check strict schemas: every object is closed, every property required."""
    schema = read_schema(Point, strict=True)["schema"]
    assert (schema["required"], schema["additionalProperties"]) == (["x", "leaf", "y"], False)
    assert schema["$defs"]["Leaf"]["additionalProperties"] is False
    assert read_schema(Point)["schema"]["required"] == ["x", "leaf"]


@pytest.mark.parametrize(
    "schema", [RootModel[list[Leaf]], {"title": "L", "type": "array", "items": {}}, {"type": "string"}]
)
def test_raises_when_a_call_could_not_hold_the_answer(schema: Any):
    """Protects from a chain that fails at every answer: the arguments of a call are an object."""
    model = ChatQwen3(model="m", base_url="http://localhost:1/v1", server="dashscope")
    with pytest.raises(ValueError, match="method='json_schema'"):
        model.with_structured_output(schema, method="function_calling")
    with pytest.raises(ValueError, match="method='json_schema'"):  # the server's own method
        model.with_structured_output(schema).invoke("x")
    assert "array" in json.dumps(read_schema(RootModel[list[Leaf]])["schema"])
    model.with_structured_output(schema, method="json_schema")


class Partial(TypedDict, total=False):
    a: int
    b: Annotated[int, ..., "the b"]


class Nest(Partial):
    c: list[Partial]


@pytest.mark.parametrize(("schema", "required"), [(Partial, []), (Nest, ["c"])])
def test_a_typed_dict_without_text_says_nothing_of_dict(schema: Any, required: list[str]):
    """Protects the prompt from the text of Python's own `dict`, and keys of `total=False` from being demanded."""
    function = convert_tool(schema)["function"]
    assert "dictionary" not in json.dumps(function)
    assert function["parameters"]["required"] == required
    assert function["parameters"]["properties"]["b"]["description"] == "the b"
    spec = read_schema(schema)
    assert ("description" in spec, spec["schema"]) == (False, function["parameters"])


class Spot(NamedTuple):
    """A named tuple."""

    x: int
    name: str


class Tuples(TypedDict):
    """Tuples of every kind; `items` is also a name."""

    pair: tuple[str, int]
    pairs: list[tuple[str, int]]
    spot: Annotated[Spot, ..., "where"]
    items: tuple[str, ...]
    order: Annotated[dict[str, Any], {"items": [1, 2], "default": [{"items": []}]}, "an order"]


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("convert", [convert_tool, read_schema])
def test_tuples_in_a_typed_dict_are_json_schema_of_today(convert: Callable[..., Any], strict: bool | None):
    """Protects tuples from 400 of servers that know only `prefixItems`; core writes a list under `items`."""
    written = convert(Tuples, strict=strict)
    schema = written["function"]["parameters"] if convert is convert_tool else written["schema"]
    properties = schema["properties"]
    assert properties.pop("order")["default"] == {"items": [1, 2], "default": [{"items": []}]}
    assert not [items for items in list_values(schema, "items") if isinstance(items, list)]
    assert [part["type"] for part in properties["pair"]["prefixItems"]] == ["string", "integer"]
    assert properties["pairs"]["items"]["prefixItems"] == properties["pair"]["prefixItems"]
    assert properties["spot"]["description"] == "where"
    assert [part["title"] for part in properties["spot"]["prefixItems"]] == ["X", "Name"]
    assert properties["items"] == {"type": "array", "items": {"type": "string"}}


FORMATS: list[dict[str, Any]] = [
    {"type": "text"},
    {"type": "json_object"},
    {"type": "json_object", "schema": AGE},  # llama.cpp's older form
    {"type": "json_schema", "json_schema": {"name": "Person", "schema": AGE}},
    {"type": "json_schema", "json_schema": {"name": "Ages", "schema": {"type": "array"}, "strict": True}},
    {"type": "json_schema", "json_schema": {"name": "None", "strict": True}},
    {"type": "json_schema", "json_schema": None},
    {"type": "structural_tag", "format": {}},  # vLLM's and SGLang's
    {"type": "regex", "value": "a"},  # TGI's
]


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("form", [*DICTS, "OpenAI's inner form", "a schema alone", "a list of types"])
def test_a_response_format_is_openais_when_it_is_a_schema(form: str, strict: bool | None) -> None:
    """Protects `bind_tools(tools, response_format=schema)`, which servers refuse or ignore if it is sent as it is."""
    others: dict[str, dict[str, Any]] = {
        "OpenAI's inner form": {**NAMED, "schema": AGE},
        "a schema alone": AGE,
        "a list of types": {**AGE, "type": ["object", "null"]},
    }
    given = DICTS.get(form) or others[form]
    copied = json.dumps(given)
    llm = ChatQwen3(model="q", server="vllm", api_key="x")
    bound: Any = llm.bind_tools([], response_format=given, strict=strict)
    written = bound.kwargs["response_format"]
    assert written == read_response_format(written, strict=strict)
    assert written["type"] == "json_schema"
    spec = written["json_schema"]
    assert spec["schema"]["properties"] == AGE["properties"]
    assert spec["schema"]["required"] == AGE["required"]
    assert spec.get("strict") == strict
    assert spec["name"] == ("output" if form in ("a schema alone", "a list of types") else "Person")
    assert llm._get_request_payload("hi", **bound.kwargs)["response_format"] == written
    if strict is None:
        assert llm._get_request_payload("hi", response_format=given)["response_format"] == written
    assert json.dumps(given) == copied


@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("schema", [Leaf, Tree, Point, Sparse])
def test_a_response_format_is_strict_when_the_tools_are(schema: Any, strict: bool | None) -> None:
    """Protects `bind_tools(tools, response_format=Class, strict=True)`: only the tools were strict."""
    bound: Any = ChatQwen3(model="q", api_key="x").bind_tools([], response_format=schema, strict=strict)
    spec = bound.kwargs["response_format"]["json_schema"]
    assert spec == read_schema(schema, strict=strict)
    assert spec.get("strict") is strict


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("form", [*FORMATS, None, {}])
def test_a_response_format_is_unchanged_when_it_is_one(form: Any, strict: bool | None) -> None:
    """Protects OpenAI's and servers' own forms from being taken for a schema."""
    bound: Any = ChatQwen3(model="q", api_key="x").bind_tools([], response_format=form, strict=strict)
    assert bound.kwargs["response_format"] == form


def list_objects(schema: Any) -> list[dict[str, Any]]:
    """Return every object with properties in a schema."""
    if isinstance(schema, list):
        return [found for part in schema for found in list_objects(part)]
    if not isinstance(schema, dict):
        return []
    return [schema] * isinstance(schema.get("properties"), dict) + list_objects([*schema.values()])


@pytest.mark.parametrize("strict", [None, True])  # of the tools: create_agent sets it for a bare model only
@pytest.mark.parametrize("schema", [Leaf, Holder, Tree, Point, Optionals, Sparse, Nest, AGE])
def test_a_response_format_is_closed_when_an_agent_wants_it_strict(schema: Any, strict: bool | None) -> None:
    """Protects `ProviderStrategy(schema, strict=True)`: hosts with a strict mode answer 400 to an open object."""
    open_schema = schema if isinstance(schema, dict) else TypeAdapter(schema).json_schema()
    for is_strict in (True, False, None):
        spec = {"name": "Person", "schema": open_schema} | ({} if is_strict is None else {"strict": is_strict})
        form = {"type": "json_schema", "json_schema": spec}
        copied = json.dumps(form)
        bound: Any = ChatQwen3(model="q", api_key="x").bind_tools([], response_format=form, strict=strict)
        written = bound.kwargs["response_format"]
        assert json.dumps(form) == copied
        if not is_strict:
            assert written == form
            continue
        assert {**written["json_schema"], "schema": open_schema} == spec
        assert "$ref" not in written["json_schema"]["schema"]
        for part in (objects := list_objects(written["json_schema"]["schema"])):
            assert part["additionalProperties"] is False
            assert part["required"] == [*part["properties"]]
        assert len(objects) >= len(list_objects(open_schema))
        again: Any = ChatQwen3(model="q", api_key="x").bind_tools([], response_format=written)
        assert again.kwargs["response_format"] == written


@pytest.mark.parametrize("form", DICTS)
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_dict_of_any_known_form_is_closed_when_it_shall_be_strict(form: str, method: Any) -> None:
    """Protects `strict=True` from 400 of hosts with a strict mode: only a JSON schema without a name was closed."""
    inner = {"type": "object", "properties": {"age": {"type": "integer"}, "kid": copy.deepcopy(AGE)}}
    schema = json.loads(json.dumps(DICTS[form]).replace(json.dumps(AGE)[1:-1], json.dumps(inner)[1:-1]))
    before = copy.deepcopy(schema)
    written = write_structured({**read_schema(schema, strict=True), "method": method}, "json_schema")
    objects = list_objects(written)
    assert len(objects) == 2
    for part in objects:
        assert part["additionalProperties"] is False
        assert part["required"] == [*part["properties"]]
    assert schema == before


@pytest.mark.parametrize(
    "kind", [dict[str, int], dict[str, Any], list[dict[str, Leaf]], dict[str, int] | None], ids=str
)
def test_a_strict_schema_is_unchanged_when_it_has_a_map(kind: Any) -> None:
    """Protects the fields of `dict[str, int]`: a grammar of a closed object without properties writes `{}` only."""
    schema = TypeAdapter(create_model("Rates", rates=(kind, ...), day=(str, "today"))).json_schema()
    form = {"type": "json_schema", "json_schema": {"name": "Rates", "schema": schema, "strict": True}}
    bound: Any = ChatQwen3(model="q", api_key="x").bind_tools([], response_format=form)
    assert bound.kwargs["response_format"] == form
    for given in (schema, {"name": "Rates", "parameters": schema}):
        assert read_schema(given, strict=True)["schema"]["properties"] == schema["properties"]


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
@pytest.mark.parametrize("named", [{}, {"name": "Person"}])
def test_reads_the_schema_of_a_flat_response_format(kind: str, named: dict[str, str]) -> None:
    """Protects `{"type": "json_object", "schema": …}` of llama.cpp and Together: it was sent inside another schema."""
    spec = read_schema({"type": kind, **named, "schema": AGE})
    assert spec == {"name": named.get("name", "output"), "schema": AGE}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "json_object"},
        {"type": "text"},
        {"type": "json", "value": AGE},
        {"type": "OBJECT", "properties": {"age": {"type": "INTEGER"}}},
        {"type": "dict", "properties": AGE["properties"], "title": "Person"},
    ],
)
def test_raises_when_a_schema_has_a_type_of_something_else(schema: dict[str, Any]) -> None:
    """Protects from a schema that no grammar knows: servers answer 400 to it, or take any JSON."""
    with pytest.raises(
        ValueError, match=f"type in the JSON schema is invalid: '{schema['type']}' is not one of array,"
    ):
        read_schema(schema)


@pytest.mark.parametrize("key", ["parameter_definitions", "arguments", "args", "params"])
def test_raises_when_a_tool_has_its_properties_under_an_unknown_key(key: str) -> None:
    """Protects a tool's parameters, which core drops in silence: Cohere's form, and `tool.args` of LangChain."""
    tool = {**NAMED, key: {"city": {"type": "string"}, "days": {"title": "Days", "type": "integer"}}}
    for read in (convert_tool, read_schema):
        with pytest.raises(ValueError, match=f"Person has its schema under '{key}'"):
            read(tool)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"annotations": {"readOnlyHint": True}},
        {"_meta": {}},
        {"icons": [{"src": "x"}]},
        {"outputSchema": AGE},
        {"response": AGE},
    ],
)
def test_takes_a_tool_without_parameters(more: dict[str, Any]) -> None:
    """Protects tools that take nothing, whatever else their form holds, such as the schema of the result."""
    assert convert_tool({**NAMED, **more})["function"]["name"] == "Person"
    assert read_tool({"type": "function", "function": {**NAMED, **more}})["function"]["name"] == "Person"


def test_a_response_format_raises_when_it_is_neither() -> None:
    """Protects from a misspelt format that servers ignore."""
    with pytest.raises(ValueError, match="neither a JSON schema nor a tool"):
        ChatQwen3(model="q", api_key="x").bind_tools([], response_format={"jsonschema": AGE})


@pytest.mark.parametrize(
    ("key", "name", "reference", "plain"),
    [
        ("definitions", "Page<User>", "#/definitions/Page%3CUser%3E", "Page<User>"),
        ("definitions", "Page%3CUser%3E", "#/definitions/Page%3CUser%3E", "Page<User>"),
        ("$defs", "User", "#/%24defs/User", "User"),
        ("$defs", "城市", "#/$defs/%E5%9F%8E%E5%B8%82", "城市"),
        ("$defs", "a b", "#/$defs/a%20b", "a b"),
        ("$defs", "v1/User", "#/$defs/v1~1User", "v1_User"),
        ("$defs", "v1/User", "#/$defs/v1%2FUser", "v1_User"),
        ("$defs", "a~b", "#/$defs/a~0b", "a_b"),
        ("definitions", "io.k8s~1User", "#/definitions/io.k8s~1User", "io.k8s_User"),
    ],
)
def test_follows_a_reference_that_is_escaped(key: str, name: str, reference: str, plain: str):
    """Protects MCP servers in JavaScript: the whole agent failed, for core looks for the name as it stands.

    https://github.com/APIDevTools/json-schema-ref-parser/issues/356
    """
    user = {"type": "object", "properties": {"age": {"type": "integer"}}}
    parameters = {"type": "object", "properties": {"user": {"$ref": reference}}, key: {name: user}}
    decoded = {**parameters, "properties": {"user": {"$ref": f"#/{key}/{plain}"}}, key: {plain: user}}
    of_mcp = StructuredTool(name="f", description="d", args_schema=parameters, coroutine=call_mcp)
    assert convert_tools([of_mcp])[0]["function"]["parameters"]["properties"] == {"user": user}
    named = {"name": "f", "parameters": parameters}
    for given in (named, {"type": "function", "function": named}, {"name": "f", "input_schema": parameters}):
        (tool,) = convert_tools([given])
        assert tool["function"]["parameters"] == decoded
        forced = build_forced_format([tool])["json_schema"]["schema"]["items"]["properties"]["arguments"]
        assert forced["properties"] == {"user": user}
    assert read_schema(parameters)["schema"] == decoded
    user["properties"]["boss"] = {"$ref": reference}
    of_mcp = StructuredTool(name="f", description="d", args_schema=parameters, coroutine=call_mcp)
    assert convert_tools([of_mcp])[0]["function"]["parameters"] == tidy_schema(parameters)


@pytest.mark.parametrize(
    "part",
    [
        {"$ref": "https://example.com/a%20b.json"},
        {"properties": {"$ref": {"type": "string"}}},
        {"default": {"$ref": "#/%24defs/A"}},
        {"$ref": 5},
    ],
)
def test_leaves_alone_what_is_no_reference_inside_the_schema(part: dict[str, Any]):
    """Protects addresses, values, and properties that are named like the keyword."""
    assert tidy_schema(part) == part


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"type": "object", "properties": None, "required": None}, {"type": "object"}),
        ({"type": "object", "properties": {"a": {**TEXT, "enum": None, "pattern": None}}}, {"a": TEXT}),
        ({"type": "object", "properties": {"a": {"type": "array", "items": None}}}, {"a": {"type": "array"}}),
        ({"type": "object", "properties": {"a": None}}, {"a": {}}),
        ({"type": "object", "properties": {"a": {"anyOf": [{**TEXT, "title": None}]}}}, {"a": {"anyOf": [TEXT]}}),
        ({"type": "object", "properties": {"a": {"allOf": None, "$defs": {"b": None}}}}, {"a": {"$defs": {"b": {}}}}),
        # What stays: values, and properties with the name of a keyword.
        ({"type": "object", "properties": {"a": {"default": None}}}, {"a": {"default": None}}),
        ({"type": "object", "properties": {"a": {"const": None}}}, {"a": {"const": None}}),
        ({"type": "object", "properties": {"a": {"enum": [None, 1]}}}, {"a": {"enum": [None, 1]}}),
        (
            {"type": "object", "properties": {"a": {"default": {"b": None}, "examples": [{"c": None}]}}},
            {"a": {"default": {"b": None}, "examples": [{"c": None}]}},
        ),
        (
            {"type": "object", "properties": {"default": {**TEXT, "description": None}, "enum": None}},
            {"default": TEXT, "enum": {}},
        ),
        ({"type": "object", "properties": {"a": {"default": True}}}, {"a": {"default": True}}),
        ({"type": "object", "properties": {"a": {"enum": [True, 1]}}}, {"a": {"enum": [True, 1]}}),
        (
            {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": False}}},
            {"a": {"type": "object", "additionalProperties": False}},
        ),
        ({"type": "object", "properties": {"a": {**TEXT, "nullable": True}}}, {"a": {**TEXT, "nullable": True}}),
        ({"type": "object", "properties": {"a": {"example": [True]}}}, {"a": {"example": [True]}}),
        ({"type": "object", "properties": {"a": {"x-values": [True, 1]}}}, {"a": {"x-values": [True, 1]}}),
        # Any value, and none, as programs in C#, Go and Rust write them.
        ({"type": "object", "properties": {"a": True, "b": TEXT}}, {"a": {}, "b": TEXT}),
        ({"type": "object", "properties": {"a": False}}, {"a": {"not": {}}}),
        ({"type": "object", "properties": {"items": True}}, {"items": {}}),
        ({"type": "object", "properties": {"a": {"anyOf": [True, TEXT]}}}, {"a": {"anyOf": [{}, TEXT]}}),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": True}}},
            {"a": {"type": "array", "items": {}}},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [TEXT, True], "items": False}}},
            {"a": {"type": "array", "prefixItems": [TEXT, {}], "maxItems": 2}},
        ),
        ({"type": "object", "properties": {"a": {"items": False, "maxItems": 0}}}, {"a": {"maxItems": 0}}),
        ({"type": "object", "properties": {"a": {"items": [True, TEXT]}}}, {"a": {"items": [{}, TEXT]}}),
        ({"type": "object", "properties": {"a": {"$defs": {"b": True}}}}, {"a": {"$defs": {"b": {}}}}),
    ],
)
def test_keywords_that_are_null_and_bare_booleans_are_not_sent(parameters: dict[str, Any], expected: dict[str, Any]):
    """Protects tools of MCP servers in Go, C# and of `model_dump()`: engines refuse a request with one of either."""
    before = copy.deepcopy(parameters)
    expected = expected if "type" in expected else {"type": "object", "properties": expected}

    async def call(**_: Any) -> str:
        return ""

    of_mcp = StructuredTool(name="f", description="d", args_schema=parameters, coroutine=call)
    for tool in ({"type": "function", "function": {"name": "f", "parameters": parameters}}, of_mcp):
        assert convert_tools([tool])[0]["function"]["parameters"] == {"properties": {}, **expected}
    assert read_schema({"name": "f", "parameters": parameters})["schema"] == expected
    spec = {"name": "f", "schema": parameters, "strict": None}  # as `create_agent` writes a format, and people do
    form = {"type": "json_schema", "json_schema": spec}
    plain = {"type": "json_schema", "json_schema": {"name": "f", "schema": expected}}
    model = ChatQwen3(model="q", api_key="x")
    assert model.bind_tools([], response_format=form).kwargs["response_format"] == plain
    assert model._get_request_payload("hi", response_format=form)["response_format"] == plain
    assert parameters == before


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": None, "required": None},
        {"type": "object", "properties": {"a": {"type": "object", "properties": None}}},
        {"type": "object", "properties": {"a": {**TEXT, "anyOf": None}}, "additionalProperties": None},
        {"type": "object", "properties": {"a": {"type": "array", "items": None}}, "$defs": None},
    ],
)
def test_strict_is_kept_when_keywords_are_null(parameters: dict[str, Any]):
    """Protects an agent that is strict about tools of MCP servers in Go: the closing of objects raised at null."""

    def show(schema: dict[str, Any]) -> list[Any]:
        tool = StructuredTool(name="f", description="d", args_schema=schema, func=print)
        named = {"name": "f", "description": "d", "parameters": schema}
        form = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema, "strict": True}}
        answer = read_schema({"title": "f", **schema}, strict=True)
        return [*convert_tools([tool, named], strict=True), answer, close_format(form)["json_schema"]["schema"]]

    before = copy.deepcopy(parameters)
    assert show(parameters) == show(tidy_schema(parameters))
    assert parameters == before


def test_a_function_has_no_fields_that_are_null():
    """Protects tools without a description: llama.cpp answers 500 to null."""
    function = {"name": "f", "description": None, "parameters": None, "strict": None}
    assert convert_tools([{"type": "function", "function": function}]) == [
        {"type": "function", "function": {"name": "f"}}
    ]


NOTHING = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, NOTHING),
        ({"type": "object"}, NOTHING),
        ({"type": "object", "additionalProperties": True}, {**NOTHING, "additionalProperties": True}),
        ({"$schema": "x", "type": "object", "required": []}, {**NOTHING, "$schema": "x", "required": []}),
        ({"properties": {"a": TEXT}}, {"type": "object", "properties": {"a": TEXT}}),
        # What stays: a part of a schema, and a schema that has its arguments elsewhere.
        ({"type": "object", "properties": {"a": {"type": "object"}}}, None),
        ({"anyOf": [AGE, {"type": "object"}]}, None),
        ({"type": "object", "allOf": [AGE]}, None),
    ],
)
def test_a_tool_without_arguments_has_the_keywords_of_an_object(parameters: Any, expected: Any):
    """Protects tools of MCP servers without arguments: LM Studio refuses a request with one that is `{"type": …}`."""

    async def call(**_: Any) -> str:
        return ""

    wire = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    for tool in (wire, StructuredTool(name="f", description="d", args_schema=parameters, coroutine=call)):
        assert convert_tools([tool])[0]["function"]["parameters"] == (parameters if expected is None else expected)


def test_a_tool_without_a_schema_and_a_tool_of_the_server_stay():
    """Protects against a schema that nobody wrote."""
    tools = [
        {"type": "function", "function": {"name": "f"}},
        {"type": "web_search"},
        {"type": "web_search", "function": {}},
    ]
    assert convert_tools(tools) == tools
