"""Caches, dumps and checkpoints: what comes back from them is what the server said."""

from __future__ import annotations

import itertools
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_qwen3 import ChatQwen3
from tests.support.scripted import Answer, Scripted, write_call
from tests.tiny_qwen3.dialogues import GET_WEATHER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.outputs import Generation

    from langchain_qwen3.local import LocalServer

LOADING = pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
CALL = Answer(
    message={
        "reasoning": "Two cities.",
        "content": "Let me see.",
        "tool_calls": [
            write_call("a", "get_weather", '{"city": "北京"}'),
            write_call("b", "get_weather", '{"city": "Sha'),
        ],
    },
    reason="tool_calls",
)


class SQLiteCache(BaseCache):
    """A cache that keeps generations as text in SQLite, as langchain-community's does."""

    def __init__(self) -> None:
        self.table = sqlite3.connect(":memory:", check_same_thread=False)
        self.table.execute("CREATE TABLE answers (prompt, model, place, answer)")

    def lookup(self, prompt: str, llm_string: str) -> list[Any] | None:
        """Return what was kept."""
        query = "SELECT answer FROM answers WHERE prompt = ? AND model = ? ORDER BY place"
        rows = self.table.execute(query, (prompt, llm_string)).fetchall()
        return [loads(row[0], allowed_objects="all") for row in rows] or None

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep an answer."""
        rows = [(prompt, llm_string, place, dumps(found)) for place, found in enumerate(return_val)]
        self.table.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", rows)

    def clear(self, **_: Any) -> None:
        """Forget all."""
        self.table.execute("DELETE FROM answers")


@pytest.fixture(params=[InMemoryCache, SQLiteCache])
def cache(request: pytest.FixtureRequest) -> Iterator[BaseCache]:
    """A cache in memory and one in SQLite."""
    cache = request.param()
    yield cache
    if isinstance(cache, SQLiteCache):
        cache.table.close()


def bare(message: AIMessage) -> dict[str, Any]:
    """Return everything of a message but what a cache changes: its id, and the cost that core adds."""
    said = message.model_dump(exclude={"id", "usage_metadata"})
    usage: Any = message.usage_metadata or {}
    return {**said, "usage": {key: value for key, value in usage.items() if key != "total_cost"}}


@LOADING
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_answers_the_same_when_it_comes_from_the_cache(cache: BaseCache, version: str, *, streaming: bool):
    """Protects cached answers: reasoning, valid and invalid calls, usage and metadata are all there."""
    with Scripted(lambda _body: CALL) as server:
        model = ChatQwen3(
            model="Qwen/Qwen3-0.6B",
            base_url=server.url,
            server="vllm",
            cache=cache,
            output_version=version,
            streaming=streaming,
        )
        first = await model.ainvoke("Weather?")
        again = await model.ainvoke("Weather?")
        sync = model.invoke("Weather?")
        assert len(server.requests) == 1
    assert bare(again) == bare(sync) == bare(first)
    assert again.additional_kwargs["reasoning_content"] == "Two cities."
    assert [call["args"] for call in again.tool_calls] == [{"city": "北京"}]
    assert len(again.invalid_tool_calls) == 1
    assert again.usage_metadata
    assert again.usage_metadata["total_tokens"] == 7
    assert again.content_blocks == first.content_blocks


SETTINGS: list[dict[str, Any]] = [
    {},
    {"enable_thinking": True},
    {"enable_thinking": False},
    {"thinking_budget": 5},
    {"preserve_thinking": True},
    {"return_reasoning": False},
    {"reasoning_history": "none"},
    {"reasoning_effort": "low"},
    {"normalize_messages": False},
    {"rescue_tool_calls": False},
    {"repair_tool_calls": True},
    {"sampling": "recommended"},
    {"temperature": 0.5},
    {"top_p": 0.5},
    {"top_k": 3},
    {"min_p": 0.1},
    {"repetition_penalty": 1.1},
    {"presence_penalty": 1.1},
    {"seed": 1},
    {"max_tokens": 9},
    {"n": 2},
    {"stop": ["x"]},
    {"logprobs": True},
    {"extra_body": {"top_k": 4}},
    {"model": "other"},
]
FIELDS: list[dict[str, Any]] = [
    *SETTINGS,
    {"server": "llama.cpp"},
    {"base_url": "http://127.0.0.1:9/v1"},
    {"output_version": "v1"},
    {"default_headers": {"x-tenant": "a"}},
    {"default_headers": {"x-tenant": "b"}},
    {"default_query": {"deployment": "a"}},
]
BOUND: list[dict[str, Any]] = [
    *SETTINGS,
    {"tools": [GET_WEATHER]},
    {"tools": [GET_WEATHER], "tool_choice": "required"},
    {"structured_output": {"name": "A", "schema": {"type": "object"}}},
    {"constraint": {"choice": ["a", "b"]}},
    {"constraint": {"choice": ["a", "c"]}},
    {"extra_headers": {"x": "y"}},
    {"extra_query": {"x": "y"}},
    {"options": {"extra_body": {"enable_thinking": False}}},
    {"options": {"extra_headers": {"x": "y"}}},
]


def build(**settings: Any) -> ChatQwen3:
    """A model on a server that is known."""
    return ChatQwen3(**{"model": "Qwen/Qwen3-0.6B", "server": "vllm", **settings})


def test_asks_the_cache_with_every_setting_when_it_changes_the_answer(monkeypatch: pytest.MonkeyPatch):
    """Protects cached answers from models, calls and servers that would get another one."""
    keys = {str(setting): build(**setting)._get_llm_string() for setting in FIELDS}
    keys |= {f"bound {setting}": build()._get_llm_string(**setting) for setting in BOUND[1:]}
    for url in ("http://127.0.0.1:7/v1", "http://127.0.0.1:8/v1"):
        monkeypatch.setenv("QWEN_BASE_URL", url)
        keys[url] = build()._get_llm_string()
    monkeypatch.setenv("QWEN_MODEL", "from-the-environment")
    keys["model"] = ChatQwen3(server="vllm")._get_llm_string()
    alike = [(one, other) for one, other in itertools.combinations(keys, 2) if keys[one] == keys[other]]
    assert alike == []
    assert build(top_k=3)._get_llm_string() == build(top_k=3)._get_llm_string()


def test_keys_of_the_cache_hold_no_secret_when_there_are_some():
    """Protects keys and headers: caches are files and databases that others read."""
    model = build(api_key="sk-canary", default_headers={"X-Key": "canary"}, default_query={"key": "canary"})
    key = model._get_llm_string(extra_headers={"X-Key": "canary"}, extra_query={"key": "canary"})
    assert "canary" not in key
    assert key != model._get_llm_string()


@pytest.fixture
def llm(engine: LocalServer) -> ChatQwen3:
    """The model on the engine."""
    return ChatQwen3(model=engine.model, base_url=engine.base_url, temperature=0, max_tokens=256)


@LOADING
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_messages_of_the_engine_come_back_when_dumped(llm: ChatQwen3, version: str):
    """Protects dumps, pickled checkpoints and message stores: whole messages and sums of chunks alike."""
    model = llm.model_copy(update={"output_version": version})
    asking = model.bind_tools([GET_WEATHER])
    question = "What's the weather in Beijing and Shanghai?"
    whole = await asking.ainvoke(question)
    chunks = [chunk async for chunk in asking.astream(question)]
    total = sum(chunks[1:], chunks[0])
    cut = await asking.ainvoke(question, max_tokens=40)
    serde = JsonPlusSerializer()
    for message in (whole, chunks[0], total, cut):
        assert isinstance(message, AIMessage)
        assert loads(dumps(message), allowed_objects="messages") == message
        kept = serde.loads_typed(serde.dumps_typed(message))
        assert kept == message
        assert type(kept) is type(message)
        assert kept.content_blocks == message.content_blocks
    assert isinstance(total, AIMessageChunk)
    assert len(total.tool_calls) == 2


@tool
def get_weather(city: str) -> str:
    """Get the current weather for a city."""
    return "25°C, sunny" if city == "Beijing" else "22°C, cloudy"


async def test_conversation_goes_on_when_it_comes_from_a_checkpoint(llm: ChatQwen3):
    """Protects threads of LangGraph: after a checkpoint the next turn has the calls and reasoning of the one before."""
    saver = InMemorySaver()
    thread: Any = {"configurable": {"thread_id": "1"}}
    first: Any = create_agent(llm, [get_weather], checkpointer=saver)
    state = await first.ainvoke({"messages": [("user", "What's the weather in Beijing?")]}, thread)
    assert state["messages"][-1].text == "The weather in Beijing is 25°C, sunny."
    second: Any = create_agent(llm, [get_weather], checkpointer=saver)
    kept = (await second.aget_state(thread)).values["messages"]
    assert kept == state["messages"]
    going_on = [*kept, HumanMessage("Who are you?")]
    assert llm._get_request_payload(going_on) == llm._get_request_payload([*state["messages"], going_on[-1]])
    replayed = llm._get_request_payload(going_on, reasoning_history="all")["messages"]
    assert sum(bool(message.get("reasoning_content") or message.get("reasoning")) for message in replayed) == 2
    state = await second.ainvoke({"messages": [("user", "Who are you?")]}, thread)
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai", "human", "ai"]
