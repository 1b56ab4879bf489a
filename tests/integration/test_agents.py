"""Agents on the embedded engine: tool loops, response formats, streaming; what the tiny model lacks is scripted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3, UnsupportedSettingWarning
from langchain_qwen3._httpx import httpx
from langchain_qwen3.errors import ToolChoiceError
from tests.support.scripted import Answer, Scripted, write_call

if TYPE_CHECKING:
    from langchain_qwen3.local import LocalServer

BETA = pytest.mark.filterwarnings("ignore:The v3 streaming protocol")  # LangGraph's and core's own notice
TWO_CITIES = {"messages": [("user", "What's the weather in Beijing and Shanghai?")]}
REPORTS = {"Beijing": "25°C, sunny", "Shanghai": "22°C, cloudy"}
ANSWER = "Beijing: 25°C, sunny. Shanghai: 22°C, cloudy."
CALLING = "The user wants the weather in two cities. I should call get_weather twice, in parallel."
ANSWERING = "Both results are here. I can answer now."
ALICE = {"messages": [("user", "Extract the person as JSON: Alice is 30 years old.")]}


@tool
def get_weather(city: str) -> str:
    """Get the current weather for a city."""
    return REPORTS[city]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class Report(BaseModel):
    """A report, of so few words that the tiny model cannot write for ever."""

    sunny: bool


@pytest.fixture
def sent() -> list[dict[str, Any]]:
    """Bodies of the requests that the model of the test sent."""
    return []


@pytest.fixture
async def model(engine: LocalServer, sent: list[dict[str, Any]]) -> AsyncIterator[ChatQwen3]:
    """The model on the engine, over clients of its own that note what they send."""

    def note(request: Any) -> None:
        if request.method == "POST":
            sent.append(json.loads(request.content))

    async def anote(request: Any) -> None:
        note(request)

    sync_client = httpx.Client(event_hooks={"request": [note]}, timeout=60)
    async_client = httpx.AsyncClient(event_hooks={"request": [anote]}, timeout=60)
    with sync_client:
        async with async_client:
            yield ChatQwen3(
                model=engine.model,
                base_url=engine.base_url,
                server="llama.cpp",
                temperature=0,
                max_tokens=512,
                http_client=sync_client,
                http_async_client=async_client,
            )


def check_weather_run(messages: list[BaseMessage], sent: list[dict[str, Any]]) -> None:
    """Hold a finished run against the dialogue, and what was sent back in its second request."""
    _, asking, first, second, answer = messages
    assert isinstance(asking, AIMessage)
    assert isinstance(answer, AIMessage)
    assert [call["args"] for call in asking.tool_calls] == [{"city": "Beijing"}, {"city": "Shanghai"}]
    assert asking.additional_kwargs["reasoning_content"] == CALLING
    assert [first.text, second.text] == list(REPORTS.values())
    assert answer.additional_kwargs["reasoning_content"] == ANSWERING
    assert answer.text == ANSWER
    check_replay(sent)


def check_replay(sent: list[dict[str, Any]]) -> None:
    """Every request after the first carries the reasoning of the steps before it, and their calls."""
    for before, after in pairwise(sent):
        assert after["messages"][: len(before["messages"])] == before["messages"]
        said = after["messages"][len(before["messages"])]
        assert said["role"] == "assistant"
        assert said["reasoning_content"] if "reasoning_content" in said else said["reasoning"]
        assert said["tool_calls"]
    assert len(sent) > 1


async def run_values(agent: Any, *, sync: bool) -> list[BaseMessage]:
    """Run an agent with stream mode `values` and return its messages."""
    if sync:
        return [*agent.stream(TWO_CITIES, stream_mode="values")][-1]["messages"]
    return [state async for state in agent.astream(TWO_CITIES, stream_mode="values")][-1]["messages"]


async def run_updates(agent: Any, *, sync: bool) -> list[BaseMessage]:
    """Run an agent with stream mode `updates` and return its messages in order, the question in front."""
    if sync:
        updates = [*agent.stream(TWO_CITIES, stream_mode="updates")]
    else:
        updates = [update async for update in agent.astream(TWO_CITIES, stream_mode="updates")]
    found = [message for update in updates for state in update.values() for message in state["messages"]]
    return [AIMessage("the question"), *found]


async def run_whole(agent: Any, *, sync: bool) -> list[BaseMessage]:
    """Run an agent at once."""
    return (agent.invoke(TWO_CITIES) if sync else await agent.ainvoke(TWO_CITIES))["messages"]


async def run_messages(agent: Any, *, sync: bool) -> list[BaseMessage]:
    """Run an agent with stream mode `messages` and add its chunks up."""
    if sync:
        pieces = [*agent.stream(TWO_CITIES, stream_mode="messages")]
    else:
        pieces = [piece async for piece in agent.astream(TWO_CITIES, stream_mode="messages")]
    sums: dict[str | None, Any] = {}
    for piece, _ in pieces:
        grows = isinstance(piece, AIMessageChunk) and piece.id in sums
        sums[piece.id] = sums[piece.id] + piece if grows else piece
    assert len(pieces) > len(sums) + 10, "nothing was streamed"
    return [AIMessage("the question"), *sums.values()]


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("run", [run_whole, run_values, run_updates, run_messages])
async def test_agent_calls_in_parallel_and_answers_when_run_any_way(
    model: ChatQwen3, sent: list[dict[str, Any]], run: Callable[..., Any], *, sync: bool
):
    """Protects `create_agent`: both calls run, and the second step sees the reasoning of the first."""
    messages = await run(create_agent(model, [get_weather]), sync=sync)
    # Tools run at the same time, so their results stream in any order.
    results = sorted((found for found in messages if isinstance(found, ToolMessage)), key=lambda found: found.text)
    others = [found for found in messages if not isinstance(found, ToolMessage)]
    check_weather_run([*others[:2], *results[::-1], *others[2:]], sent)


@BETA
async def test_agent_streams_typed_events_when_asked_for_version_3(model: ChatQwen3, sent: list[dict[str, Any]]):
    """Protects LangGraph's newest protocol: reasoning, text and calls of every step arrive as what they are."""
    stream = create_agent(model, [get_weather]).stream_events(TWO_CITIES, version="v3")
    steps = [(str(step.reasoning), str(step.text), step.tool_calls.get()) for step in stream.messages]
    assert [(reasoning, text, [call["args"] for call in calls]) for reasoning, text, calls in steps] == [
        (CALLING, "", [{"city": "Beijing"}, {"city": "Shanghai"}]),
        (ANSWERING, ANSWER, []),
    ]
    check_replay(sent)
    run = await create_agent(model, [get_weather]).astream_events(TWO_CITIES, version="v3")
    texts = [await step.text async for step in run.messages]
    assert texts == ["", ANSWER]


@pytest.mark.parametrize("streamed", [False, True], ids=["invoke", "stream"])
async def test_blocks_of_an_agent_keep_their_order_when_the_output_is_v1(model: ChatQwen3, *, streamed: bool):
    """Protects `output_version="v1"` in agents: reasoning first, then the calls, none lost, and it can be sent back."""
    agent = create_agent(model.model_copy(update={"output_version": "v1"}), [get_weather])
    if streamed:
        states = agent.stream(TWO_CITIES, stream_mode=["values", "messages"])
        messages = [state for kind, state in states if kind == "values"][-1]["messages"]
    else:
        messages = agent.invoke(TWO_CITIES)["messages"]
    kinds = [[block["type"] for block in found.content_blocks] for found in messages if isinstance(found, AIMessage)]
    assert kinds == [["reasoning", "tool_call", "tool_call"], ["reasoning", "text"]]
    assert messages[-1].text == ANSWER


class State(TypedDict):
    """The state of a loop written by hand."""

    messages: Annotated[list[BaseMessage], add_messages]


@tool
def failing_weather(city: str) -> str:
    """Get the current weather for a city."""
    if city == "Shanghai":
        raise ConnectionError("no route to Shanghai")
    return REPORTS[city]


failing_weather.name = "get_weather"


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_loop_of_langgraph_goes_on_when_a_tool_fails(model: ChatQwen3, sent: list[dict[str, Any]], *, sync: bool):
    """Protects ToolNode on the real engine: two calls, one of them failing, and an answer to both results.

    The text of the failure is the report that the tiny model knows how to go on from.
    """
    with_tools = model.bind_tools([failing_weather])

    async def acall(state: State) -> dict[str, Any]:
        return {"messages": [await with_tools.ainvoke(state["messages"])]}

    def call(state: State) -> dict[str, Any]:
        return {"messages": [with_tools.invoke(state["messages"])]}

    graph = StateGraph(State)
    graph.add_node("model", call if sync else acall)
    graph.add_node("tools", ToolNode([failing_weather], handle_tool_errors=lambda _error: REPORTS["Shanghai"]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    loop = graph.compile()
    messages = (loop.invoke(TWO_CITIES) if sync else await loop.ainvoke(TWO_CITIES))["messages"]  # type: ignore[arg-type]
    assert [result.status for result in messages if isinstance(result, ToolMessage)] == ["success", "error"]
    check_weather_run(messages, sent)


def answer_in_three_steps(body: dict[str, Any]) -> Answer | dict[str, Any]:
    """Two calls, a second try of the one that failed, an answer."""
    results = [message for message in body["messages"] if message["role"] == "tool"]
    if not results:
        calls = [
            write_call("a", "get_weather", '{"city": "Beijing"}'),
            write_call("b", "get_weather", '{"city": "Rome"}'),
        ]
        return Answer(message={"reasoning": "Two cities.", "tool_calls": calls}, reason="tool_calls")
    if len(results) == 2:
        again = [write_call("c", "get_weather", '{"city": "Shanghai"}')]
        return Answer(message={"reasoning": "Rome failed.", "content": "Once more.", "tool_calls": again})
    return {"reasoning": "All there.", "content": f"{results[0]['content']}; {results[-1]['content']}"}


@pytest.mark.parametrize("mode", ["invoke", "messages"])
async def test_agent_takes_three_steps_when_a_tool_fails_in_between(mode: str):
    """Protects longer runs, which the tiny model never learned, so the server's replies are scripted.

    The reasoning of every step goes back, the failed result keeps its call, vLLM's `stop` after a call ends no run.
    """
    with Scripted(answer_in_three_steps) as server:
        model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, server="vllm")

        @tool(description="Get the current weather for a city.")
        def get_weather(city: str) -> str:
            return REPORTS.get(city, "Error: unknown city")

        agent = create_agent(model, [get_weather])
        question = {"messages": [("user", "Beijing and Rome?")]}
        if mode == "invoke":
            messages = (await agent.ainvoke(question))["messages"]
        else:
            states = agent.astream(question, stream_mode=["values", "messages"])
            messages = [state async for kind, state in states if kind == "values"][-1]["messages"]
        assert messages[-1].text == "25°C, sunny; 22°C, cloudy"
        assert len(server.requests) == 3
        check_replay(server.requests)
        replayed = [message.get("reasoning") for message in server.requests[-1]["messages"]]
        assert [text for text in replayed if text] == ["Two cities.", "Rome failed."]
        assert [
            message["tool_call_id"] for message in server.requests[-1]["messages"] if message["role"] == "tool"
        ] == [
            "a",
            "b",
            "c",
        ]


@pytest.mark.filterwarnings("ignore:llama.cpp applies the JSON response_format to every reply")
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("tools", [[], [get_weather]], ids=["alone", "beside a tool"])
async def test_agent_answers_in_a_schema_when_the_provider_holds_it(model: ChatQwen3, tools: list[Any], *, sync: bool):
    """Protects ProviderStrategy on the engine: the format goes to the server, thinking stays, the object is right."""
    agent: Any = create_agent(model, tools, response_format=ProviderStrategy(Person))
    state = agent.invoke(ALICE) if sync else await agent.ainvoke(ALICE)
    assert state["structured_response"] == Person(name="Alice", age=30)
    assert state["messages"][-1].additional_kwargs["reasoning_content"]


async def test_agent_is_warned_when_the_schema_silences_its_tools(model: ChatQwen3):
    """Protects from an agent that makes its answer up: beside a schema the engine never calls the tool it needs."""
    agent: Any = create_agent(model, [get_weather], response_format=ProviderStrategy(Report))
    with pytest.warns(UnsupportedSettingWarning, match="so tools are never called"):
        state = await agent.ainvoke({"messages": [("user", "What's the weather in Beijing?")]})
    assert [type(message) for message in state["messages"]] == [HumanMessage, AIMessage]


async def test_agent_answers_by_a_tool_when_the_schema_is_one(model: ChatQwen3, sent: list[dict[str, Any]]):
    """Protects ToolStrategy on the engine: the call is forced after the thinking and fits the schema.

    What the tiny model writes into a forced array of calls is no English, so the values are asserted below, scripted.
    """
    agent: Any = create_agent(model, [], response_format=ToolStrategy(Person))
    state = await agent.ainvoke(ALICE)
    assert isinstance(state["structured_response"], Person)
    called = state["messages"][1]
    assert called.additional_kwargs["reasoning_content"].endswith("I should call Person.")
    assert sent[0]["tool_choice"] == "none"
    assert sent[0]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("server_name", ["vllm", "llama.cpp"])
@pytest.mark.parametrize("streamed", [False, True], ids=["invoke", "stream"])
@pytest.mark.parametrize("wanted", [Person, ToolStrategy(Person)], ids=["schema", "strategy"])
async def test_agent_uses_a_tool_and_then_the_schema_when_both_are_bound(
    server_name: str, wanted: Any, *, streamed: bool
):
    """Protects ToolStrategy beside a tool, on both ways of forcing a call: the values of the second step's call.

    A bare schema means the same: a profile that claimed `structured_output` would make it a ProviderStrategy, under
    which engines write JSON at once and never call the tool.
    """

    def answer(body: dict[str, Any]) -> Answer:
        done = body["messages"][-1]["role"] == "tool"
        name, args = ("Person", {"name": "Alice", "age": 30}) if done else ("get_weather", {"city": "Beijing"})
        if server_name == "llama.cpp":
            text = json.dumps([{"name": name, "arguments": args}])
            return Answer(message={"reasoning_content": f"Now {name}.", "content": text})
        call = write_call(f"c{done}", name, json.dumps(args))
        return Answer(message={"reasoning": f"Now {name}.", "tool_calls": [call]})

    with Scripted(answer) as server:
        model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, server=server_name, streaming=streamed)
        agent: Any = create_agent(model, [get_weather], response_format=wanted)
        state = await agent.ainvoke({"messages": [("user", "Who is in Beijing?")]})
        assert state["structured_response"] == Person(name="Alice", age=30)
        assert all(body.get("stream", False) is streamed for body in server.requests)
        check_replay(server.requests)


@pytest.mark.parametrize("streamed", [False, True], ids=["invoke", "stream"])
async def test_agent_fails_loudly_when_the_demanded_call_does_not_come(*, streamed: bool):
    """Protects from an agent that takes talk for its answer: ToolStrategy demands a call, and the reply has none."""
    with Scripted(lambda _body: {"content": "I would rather talk."}) as server:
        model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, server="vllm", streaming=streamed)
        agent: Any = create_agent(model, [], response_format=ToolStrategy(Person))
        with pytest.raises(ToolChoiceError) as caught:
            await agent.ainvoke(ALICE)
        assert caught.value.reply is not None
        assert caught.value.reply.text == "I would rather talk."


WAYS_TO_SET: dict[str, Callable[[ChatQwen3], Any]] = {
    "bound": lambda llm: llm.bind(enable_thinking=False),
    "bound and configured": lambda llm: llm.bind(enable_thinking=False).with_config(tags=["t"]),
    "with retries": lambda llm: llm.bind(enable_thinking=False).with_retry(),
    "with fallbacks": lambda llm: llm.bind(enable_thinking=False).with_fallbacks([llm]),
    "configurable": lambda llm: llm.configurable_fields(enable_thinking=ConfigurableField(id="thinking")).with_config(
        configurable={"thinking": False}
    ),
}


OPEN_CHOICES: dict[str, Callable[[ChatQwen3], Any]] = {
    "a field": lambda llm: llm.configurable_fields(enable_thinking=ConfigurableField(id="choice")),
    "whole models": lambda llm: llm.configurable_alternatives(
        ConfigurableField(id="choice"), default_key="True", **{"False": llm.bind(enable_thinking=False)}
    ),
}


@pytest.mark.parametrize("choice", OPEN_CHOICES)
async def test_agent_leaves_the_choice_to_the_config_of_its_call(engine: LocalServer, choice: str) -> None:
    """Protects one agent for many users: tools are bound when it is built, the config comes with each call."""
    llm = ChatQwen3(model=engine.model, base_url=engine.base_url, temperature=0, enable_thinking=True)
    agent: Any = create_agent(OPEN_CHOICES[choice](llm), [get_weather])
    for thinking in (False, True):
        word = thinking if choice == "a field" else str(thinking)
        messages = (await agent.ainvoke(TWO_CITIES, {"configurable": {"choice": word}}))["messages"]
        assert messages[-1].text == ANSWER
        assert ("reasoning_content" in messages[1].additional_kwargs) is thinking


@pytest.mark.parametrize("way", WAYS_TO_SET)
async def test_agent_keeps_a_setting_however_the_model_was_given_it(engine: LocalServer, way: str) -> None:
    """Protects agents from thinking that somebody switched off: create_agent binds its tools to what it is given."""
    llm = ChatQwen3(model=engine.model, base_url=engine.base_url, temperature=0)
    agent: Any = create_agent(WAYS_TO_SET[way](llm), [get_weather])
    messages = (await agent.ainvoke(TWO_CITIES))["messages"]
    replies = [message for message in messages if isinstance(message, AIMessage)]
    assert [call["name"] for call in replies[0].tool_calls] == ["get_weather", "get_weather"]
    assert not any("reasoning_content" in reply.additional_kwargs for reply in replies)
    thinking: Any = create_agent(llm.bind(enable_thinking=True), [get_weather])
    assert "reasoning_content" in (await thinking.ainvoke(TWO_CITIES))["messages"][1].additional_kwargs
