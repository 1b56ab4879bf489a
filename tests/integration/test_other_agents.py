"""Agents of others on a scripted server: swarm, supervisor, deepagents, a human in the loop, time travel.

Each runs once, whole; what goes out is looked at where a template without call ids could mix it up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_qwen3 import ChatQwen3
from tests.support.scripted import Scripted, write_call

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "1"}}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of these libraries among each other
Body = dict[str, Any]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """A reply that thinks and calls."""
    return {"reasoning": f"Now {name}.", "tool_calls": [write_call(f"c_{name}", name, json.dumps(arguments))]}


def list_tools(body: Body) -> set[str]:
    """Names of the tools that were sent."""
    return {one["function"]["name"] for one in body.get("tools", ())}


def build(server: Scripted) -> ChatQwen3:
    """The model."""
    return ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server="vllm")


def check_pairs(server: Scripted) -> None:
    """Every call that was sent is followed by its result, in order."""
    for body in server.requests:
        waiting: list[str] = []
        for message in body["messages"]:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0)
            else:
                assert not waiting
                waiting = [one["id"] for one in message.get("tool_calls", ())]


def last_results(body: Body) -> list[str]:
    """Texts of the results at the end."""
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


async def test_a_swarm_hands_over_when_an_agent_says_so():
    """Protects langgraph-swarm: a hand-off is a call whose result stands before the next agent's turn."""
    swarm = pytest.importorskip("langgraph_swarm", reason="needs langgraph-swarm (group agents)")

    def answer(body: Body) -> dict[str, Any]:
        if "transfer_to_bob" in list_tools(body):
            return call("transfer_to_bob")
        return {"content": "5"} if "c_add" in str(body["messages"]) else call("add", a=2, b=3)

    with Scripted(answer) as server:
        model = build(server)
        hand_off = swarm.create_handoff_tool(agent_name="bob")
        alice = create_agent(model, [hand_off], system_prompt="You are Alice.", name="alice")
        bob = create_agent(model, [add], system_prompt="You are Bob.", name="bob")
        graph = swarm.create_swarm([alice, bob], default_active_agent="alice").compile()
        state = await graph.ainvoke({"messages": [("user", "2 + 3?")]})
        assert state["messages"][-1].content == "5"
        assert state["active_agent"] == "bob"
        check_pairs(server)


async def test_a_supervisor_delegates_and_answers():
    """Protects langgraph-supervisor: a worker's answer, the assistant's last message, is sent on, not refused."""
    supervisor = pytest.importorskip("langgraph_supervisor", reason="needs langgraph-supervisor (group agents)")

    def answer(body: Body) -> dict[str, Any]:
        text = str(body["messages"])
        if "transfer_to_adder" in list_tools(body):
            return {"content": "It is 5."} if "Five." in text else call("transfer_to_adder")
        return {"content": "Five."} if "c_add" in text else call("add", a=2, b=3)

    with Scripted(answer) as server:
        model = build(server)
        adder = create_agent(model, [add], name="adder")
        graph = supervisor.create_supervisor([adder], model=model, prompt="Delegate.").compile()
        state = await graph.ainvoke({"messages": [("user", "2 + 3?")]})
        assert state["messages"][-1].content == "It is 5."
        check_pairs(server)


async def test_a_deep_agent_plans_and_asks_a_sub_agent():
    """Protects deepagents: planning, a sub-agent with a thread of its own, and its report as a result."""
    deepagents = pytest.importorskip("deepagents", reason="needs deepagents (group agents)")

    def answer(body: Body) -> dict[str, Any]:
        text = str(body["messages"])
        if "Add the numbers." in text and "task" not in list_tools(body):
            return {"content": "5"} if "c_add" in text else call("add", a=2, b=3)
        if "c_write_todos" not in text:
            return call("write_todos", todos=[{"content": "add", "status": "in_progress"}])
        if "c_task" not in text:
            return call("task", description="Add the numbers.", subagent_type="adder")
        return {"content": "The sum is 5."}

    with Scripted(answer) as server:
        adder = {"name": "adder", "description": "Adds.", "system_prompt": "Add.", "tools": [add]}
        agent = deepagents.create_deep_agent(model=build(server), tools=[], subagents=[adder])
        state = await agent.ainvoke({"messages": [("user", "2 + 3?")]})
        assert state["messages"][-1].content == "The sum is 5."
        assert last_results(server.requests[-1])[-1] == "5"
        check_pairs(server)


async def test_a_deep_agent_summarises_when_its_context_is_nearly_full():
    """Protects deepagents' summaries: the profile's length starts one, and the thread goes on from it."""
    deepagents = pytest.importorskip("deepagents", reason="needs deepagents (group agents)")

    def answer(body: Body) -> dict[str, Any]:
        if "tools" not in body:
            return {"content": "They counted words."}
        return {"reasoning": "Long.", "content": "word " * 4000}

    with Scripted(answer) as server:
        model = build(server).model_copy(update={"profile": {"max_input_tokens": 16_000, "tool_calling": True}})
        agent = deepagents.create_deep_agent(model=model, checkpointer=InMemorySaver())
        for number in range(8):
            state = await agent.ainvoke({"messages": [("user", f"Question {number}")]}, CONFIG)
            assert state["messages"][-1].content.startswith("word")
        summaries = [body for body in server.requests if "tools" not in body]
        assert summaries
        last = str(server.requests[-1]["messages"])
        assert "They counted words." in last
        assert "Question 7" in last
        assert "Question 0" not in last
        check_pairs(server)


@pytest.mark.parametrize(
    ("decision", "result"),
    [
        ({"type": "approve"}, "5"),
        ({"type": "edit", "edited_action": {"name": "add", "args": {"a": 4, "b": 3}}}, "7"),
        ({"type": "reject", "message": "Not today."}, "Not today."),
    ],
    ids=["approve", "edit", "reject"],
)
async def test_a_human_decides_about_a_call(decision: dict[str, Any], result: str):
    """Protects interrupts: what a human decided is the call's result, and the thread goes on."""

    def answer(body: Body) -> dict[str, Any]:
        return {"content": "Done."} if body["messages"][-1]["role"] == "tool" else call("add", a=2, b=3)

    with Scripted(answer) as server:
        ask: Callable[..., Any] = HumanInTheLoopMiddleware
        agent: Any = create_agent(
            build(server), [add], middleware=[ask(interrupt_on={"add": True})], checkpointer=InMemorySaver()
        )
        stopped = await agent.ainvoke({"messages": [("user", "2 + 3?")]}, CONFIG)
        assert stopped["__interrupt__"]
        state = await agent.ainvoke(Command(resume={"decisions": [decision]}), CONFIG)
        assert state["messages"][-1].content == "Done."
        (sent,) = last_results(server.requests[-1])
        assert sent.endswith(result)  # the middleware writes a note before it
        check_pairs(server)


async def test_a_thread_goes_on_from_an_earlier_state():
    """Protects time travel: a fork of the thread sends its own past, and what the first branch said is not in it."""

    def answer(body: Body) -> dict[str, Any]:
        return {"content": f"Answer to {body['messages'][-1]['content']}", "reasoning": "r"}

    with Scripted(answer) as server:
        agent: Any = create_agent(build(server), [], checkpointer=InMemorySaver())
        for question in ("one", "two"):
            await agent.ainvoke({"messages": [("user", question)]}, CONFIG)
        after_one = next(
            state
            for state in agent.get_state_history(CONFIG)
            if state.values["messages"][-1].content == "Answer to one"
        )
        await agent.ainvoke({"messages": [("user", "three")]}, after_one.config)
        sent = [message["content"] for message in server.requests[-1]["messages"]]
        assert sent == ["one", "Answer to one", "three"]
