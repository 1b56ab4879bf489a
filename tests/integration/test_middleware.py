"""Runnables, callbacks and agent middleware around the model: mostly on the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent, middleware
from langchain.agents.middleware import ModelCallLimitMiddleware, ModelFallbackMiddleware, SummarizationMiddleware
from langchain.chat_models import init_chat_model
from langchain_core.callbacks import AsyncCallbackHandler, get_usage_metadata_callback
from langchain_core.exceptions import ModelAPIError, ModelRateLimitError
from langchain_core.messages import AIMessage, HumanMessage, trim_messages
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3InvalidRequestError, Qwen3RateLimitError
from tests.support.limiter import CountingLimiter
from tests.support.scripted import Answer, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_qwen3.local import LocalServer

HELLO = "Hello! How can I help you today?"
PARIS = "What is the capital of France?"
NOBODY = "http://127.0.0.1:9/v1"


@tool
def get_weather(city: str) -> str:
    """Get the current weather for a city."""
    return f"{city}: 25°C, sunny"


@pytest.fixture
def llm(engine: LocalServer) -> ChatQwen3:
    """The model on the engine, thinking off."""
    return ChatQwen3(model=engine.model, base_url=engine.base_url, temperature=0, max_tokens=256, enable_thinking=False)


async def test_takes_one_ticket_when_called_any_way(llm: ChatQwen3) -> None:
    """Protects `rate_limiter`: each call asks it once, also where a whole reply is streamed inside."""
    limiter = CountingLimiter()
    limited = llm.model_copy(update={"rate_limiter": limiter})
    limited.invoke("Hello")
    await limited.ainvoke("Hello")
    assert [*limited.stream("Hello")]
    assert [chunk async for chunk in limited.astream("Hello")]
    await limited.abatch(["Hello", "Hi"])
    assert limiter.count == 6


def fail_first(times: int, status: int) -> Callable[[dict[str, Any]], Answer | dict[str, Any]]:
    """Return a script that answers with an error some times and then properly."""
    seen = 0

    def reply(_body: dict[str, Any]) -> Answer | dict[str, Any]:
        nonlocal seen
        seen += 1
        if seen <= times:
            return Answer(message={"error": {"message": "not now", "code": status}}, status=status)
        return {"content": "at last"}

    return reply


def build(server: Scripted, **settings: Any) -> ChatQwen3:
    """A model on a scripted server that does not retry by itself."""
    return ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, server="vllm", max_retries=0, **settings)


async def test_tries_again_when_wrapped_in_with_retry() -> None:
    """Protects `with_retry` by core's error kinds: what may pass is tried again, what cannot is not."""
    with Scripted(fail_first(2, 503)) as server:
        retrying = build(server).with_retry(retry_if_exception_type=(ModelAPIError,), wait_exponential_jitter=False)
        assert (await retrying.ainvoke("Hello")).text == "at last"
        assert len(server.requests) == 3
    with Scripted(fail_first(9, 400)) as server:
        retrying = build(server).with_retry(retry_if_exception_type=(ModelAPIError,), wait_exponential_jitter=False)
        with pytest.raises(Qwen3InvalidRequestError):
            retrying.invoke("Hello")
        assert len(server.requests) == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["invoke", "stream"])
async def test_falls_back_when_the_error_is_of_the_named_kind(llm: ChatQwen3, *, streamed: bool) -> None:
    """Protects `with_fallbacks`, streamed too: another server answers for one that is over its limit."""
    with Scripted(fail_first(9, 429)) as server:
        safe = build(server).with_fallbacks([llm], exceptions_to_handle=(ModelRateLimitError,))
        if streamed:
            assert "".join([chunk.text async for chunk in safe.astream("Hello")]) == HELLO
        else:
            assert (await safe.ainvoke("Hello")).text == HELLO
        unsafe = build(server).with_fallbacks([llm], exceptions_to_handle=(Qwen3InvalidRequestError,))
        with pytest.raises(Qwen3RateLimitError):
            await unsafe.ainvoke("Hello")


def test_is_configured_by_the_call_when_fields_are_configurable(llm: ChatQwen3) -> None:
    """Protects `configurable_fields` and `configurable_alternatives`: a config changes one call and nothing else."""
    switch = llm.configurable_fields(enable_thinking=ConfigurableField(id="thinking"))
    thought = switch.invoke(PARIS, {"configurable": {"thinking": True}})
    assert thought.additional_kwargs["reasoning_content"]
    assert "reasoning_content" not in switch.invoke(PARIS).additional_kwargs
    assert llm.enable_thinking is False
    chosen = llm.configurable_alternatives(
        ConfigurableField(id="which"), default_key="plain", thinking=llm.model_copy(update={"enable_thinking": True})
    )
    thought = chosen.invoke(PARIS, {"configurable": {"which": "thinking"}})
    assert thought.additional_kwargs["reasoning_content"]
    assert "reasoning_content" not in chosen.invoke(PARIS).additional_kwargs


def test_is_built_by_its_class_when_langchains_list_of_providers_is_closed(llm: ChatQwen3) -> None:
    """Protects what the documentation says: `init_chat_model` takes no provider of others, configurable fields do."""
    with pytest.raises(ValueError, match="qwen3"):
        init_chat_model("Qwen/Qwen3-0.6B", model_provider="qwen3")
    late = llm.configurable_fields(
        model_name=ConfigurableField(id="model"), openai_api_base=ConfigurableField(id="base_url")
    )
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        late.with_config(max_retries=0).invoke("Hello", {"configurable": {"base_url": NOBODY}})
    assert late.invoke("Hello", {"configurable": {"model": "another-name"}}).text == HELLO


async def test_returns_log_probabilities_when_asked(llm: ChatQwen3) -> None:
    """Protects `logprobs`: one entry for every token, streamed as whole."""
    asking = llm.bind(logprobs=True, top_logprobs=2)
    whole = (await asking.ainvoke("Hello")).response_metadata["logprobs"]["content"]
    assert "".join(entry["token"] for entry in whole) == HELLO
    assert all(len(entry["top_logprobs"]) == 2 for entry in whole)
    chunks = [chunk async for chunk in asking.astream("Hello")]
    entries = [entry for chunk in chunks for entry in chunk.response_metadata.get("logprobs", {}).get("content", [])]
    assert "".join(entry["token"] for entry in entries) == HELLO


class Tokens(AsyncCallbackHandler):
    """Keeps every token it is told of."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def on_llm_new_token(self, token: str, **_: Any) -> None:
        """Keep the token."""
        self.tokens.append(token)


async def test_tells_callbacks_of_tokens_and_usage(llm: ChatQwen3) -> None:
    """Protects handlers: every token once, and the usage of streamed and whole calls added up."""
    handler = Tokens()
    with get_usage_metadata_callback() as usage:
        first = await llm.model_copy(update={"streaming": True}).ainvoke("Hello", {"callbacks": [handler]})
        chunks = [chunk async for chunk in llm.astream("Hello", {"callbacks": [handler]})]
    assert "".join(handler.tokens) == first.text + "".join(chunk.text for chunk in chunks)
    ((name, total),) = usage.usage_metadata.items()
    assert name == "Qwen/Qwen3-0.6B"
    assert first.usage_metadata
    assert total["output_tokens"] == 2 * first.usage_metadata["output_tokens"]


async def test_gives_every_choice_when_several_are_asked_for(llm: ChatQwen3) -> None:
    """Protects `n`: all choices come, also where a callback would like tokens; a stream of them is refused."""
    result = await llm.agenerate([[HumanMessage("Hello")]], n=2, callbacks=[Tokens()])
    assert [generation.text for generation in result.generations[0]] == [HELLO] * 2
    for settings in ({"n": 2}, {"extra_body": {"n": 2}}):
        several = llm.bind(**settings)
        with pytest.raises(ValueError, match="n must be 1 when streaming"):
            assert not [chunk async for chunk in several.astream("Hello")]


@pytest.mark.parametrize("n", [1, 2, 3])
async def test_each_choice_has_the_metadata_of_its_reply(llm: ChatQwen3, n: int) -> None:
    """Protects callbacks: of several choices, LangChain counted no tokens, for none had the name of its model."""
    several = llm.model_copy(update={"include_response_headers": True})
    with get_usage_metadata_callback() as usage:
        result = await several.agenerate([[HumanMessage("Hello")]], n=n)
    messages = [generation.message for generation in result.generations[0]]  # type: ignore[union-attr]
    assert len(messages) == n
    for message in messages:
        metadata = message.response_metadata
        assert metadata["finish_reason"] == "stop"
        assert metadata["timing"]["total"] > 0
        assert metadata["headers"]["content-type"].startswith("application/json")
        assert {"id", "model_name", "model_provider", "token_usage"} <= metadata.keys()
    assert list(usage.usage_metadata.values()) == [messages[0].usage_metadata]


async def test_ends_before_a_stop_word(llm: ChatQwen3) -> None:
    """Protects `stop`, given to the model or to the call."""
    assert (await llm.ainvoke("Count from 1 to 50.", stop=[", 4"])).text == "1, 2, 3"
    stopping = llm.model_copy(update={"stop": [", 3"]})
    assert "".join([chunk.text async for chunk in stopping.astream("Count from 1 to 50.")]) == "1, 2"


def test_says_the_same_again_when_the_seed_is_the_same(engine: LocalServer) -> None:
    """Protects `seed`: hot sampling repeats itself with the same one, and differs among many others."""
    hot = ChatQwen3(model=engine.model, base_url=engine.base_url, temperature=2.0, max_tokens=24, enable_thinking=False)
    first, again = (hot.invoke("Write a poem about rivers.", seed=7).text for _ in range(2))
    assert first == again
    assert len({hot.invoke("Write a poem about rivers.", seed=seed).text for seed in range(4)}) > 1


async def test_keeps_response_headers_when_asked(llm: ChatQwen3) -> None:
    """Protects `include_response_headers`, whole and streamed; without it there are none."""
    keeping = llm.model_copy(update={"include_response_headers": True})
    assert "content-type" in (await keeping.ainvoke("Hello")).response_metadata["headers"]
    last = [chunk async for chunk in keeping.astream("Hello")][-1]
    assert "text/event-stream" in last.response_metadata["headers"]["content-type"]
    assert "headers" not in (await llm.ainvoke("Hello")).response_metadata


async def test_counts_tokens_when_messages_are_trimmed(llm: ChatQwen3) -> None:
    """Protects `trim_messages` with the model as its counter: what is left fits, and more would not."""
    messages = [HumanMessage(f"Question {number}") for number in range(8)]
    limit = llm.get_num_tokens_from_messages(messages[-3:])
    assert trim_messages(messages, max_tokens=limit, token_counter=llm, strategy="last") == messages[-3:]
    assert trim_messages(messages, max_tokens=limit - 1, token_counter=llm, strategy="last") == messages[-2:]


# -- middleware of agents ----------------------------------------------------------------------------------------------


def find_summary(state: dict[str, Any]) -> bool:
    """Whether the conversation of an agent begins with a summary."""
    return state["messages"][0].additional_kwargs.get("lc_source") == "summarization"


@pytest.mark.parametrize("own", [True, False], ids=["reported by the model", "by another provider"])
async def test_summarises_by_reported_usage_when_it_is_the_models_own(llm: ChatQwen3, *, own: bool) -> None:
    """Protects SummarizationMiddleware: it trusts usage only where provider names agree, and ours do."""
    said = await llm.ainvoke("Hello")
    if not own:
        said.response_metadata["model_provider"] = "openai"
    middleware = SummarizationMiddleware(
        model=llm, trigger=("tokens", 10), keep=("messages", 1), token_counter=lambda _messages: 1
    )
    agent: Any = create_agent(llm, [], middleware=[middleware])
    state = await agent.ainvoke({"messages": [HumanMessage("Hello"), said, HumanMessage("Who are you?")]})
    assert find_summary(state) is own


async def test_summarises_less_when_the_history_overflows_the_real_context(llm: ChatQwen3) -> None:
    """Protects ContextOverflowError end to end: the engine refuses the summary's prompt, half of it is tried."""
    middleware = SummarizationMiddleware(
        model=llm, trigger=("messages", 3), keep=("messages", 1), trim_tokens_to_summarize=None
    )
    agent: Any = create_agent(llm, [], middleware=[middleware])
    long = " ".join(["word"] * 2500)  # 5,000 tokens of the tiny model, whose context has 4,096
    history = [HumanMessage(long), AIMessage("Yes."), HumanMessage("Who are you?")]
    assert find_summary(await agent.ainvoke({"messages": history}))


async def test_ends_the_run_when_the_limit_of_calls_is_reached(llm: ChatQwen3) -> None:
    """Protects ModelCallLimitMiddleware: one call, its tool, and no second call."""
    thinking = llm.model_copy(update={"enable_thinking": True})
    limit = ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")
    agent: Any = create_agent(thinking, [get_weather], middleware=[limit])
    state = await agent.ainvoke({"messages": [("user", "What's the weather in Beijing?")]})
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]
    assert "limit" in state["messages"][-1].text


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_another_model_answers_when_the_first_cannot_be_reached(llm: ChatQwen3, *, sync: bool) -> None:
    """Protects ModelFallbackMiddleware, tools and all: the second model gets the same request."""
    nobody = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=NOBODY, server="vllm", max_retries=0)
    thinking = llm.model_copy(update={"enable_thinking": True})
    agent: Any = create_agent(nobody, [get_weather], middleware=[ModelFallbackMiddleware(thinking)])
    question = {"messages": [("user", "What's the weather in Beijing?")]}
    state = agent.invoke(question) if sync else await agent.ainvoke(question)
    assert [message.type for message in state["messages"]][:3] == ["human", "ai", "tool"]
    assert state["messages"][1].tool_calls[0]["args"] == {"city": "Beijing"}


@pytest.mark.skipif(not hasattr(middleware, "ModelRefusalMiddleware"), reason="LangChain 1.5 has it")
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "messages"])
async def test_another_model_answers_when_the_first_refuses(way: str, version: str) -> None:
    """Protects ModelRefusalMiddleware, which finds a refusal in the content blocks: it was taken for an answer."""
    question: Any = {"messages": [("user", "Hello")]}
    with (
        Scripted(lambda _: {"content": None, "refusal": "不能。"}) as server,
        Scripted(lambda _: {"content": "Hi"}) as other,
    ):
        layers = [ModelFallbackMiddleware(build(other)), middleware.ModelRefusalMiddleware()]
        agent: Any = create_agent(build(server, output_version=version), [get_weather], middleware=layers)
        if way == "stream":
            assert [state async for state in agent.astream(question)][-1]["model"]["messages"][-1].text == "Hi"
        elif way == "messages":
            assert "".join(chunk.text for chunk, _ in agent.stream(question, stream_mode="messages")) == "Hi"
        else:
            state = agent.invoke(question) if way == "invoke" else await agent.ainvoke(question)
            assert state["messages"][-1].text == "Hi"


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_reasoning_tells_nothing_personal_when_it_is_not_returned(way: str, version: str) -> None:
    """Protects the page on security: PIIMiddleware leaves reasoning alone, so it must not be there at all."""
    address = "zhang.san@example.cn"
    with Scripted(lambda _: {"reasoning": f"It is {address}.", "content": f"Write to {address}."}) as server:
        model = build(server, return_reasoning=False, output_version=version, streaming=way == "stream")
        layer = middleware.PIIMiddleware("email", apply_to_output=True)
        agent: Any = create_agent(model, [], middleware=[layer])
        last = agent.invoke({"messages": [("user", "Where to?")]})["messages"][-1]
    assert "Write to" in last.text
    assert address not in str(last)
