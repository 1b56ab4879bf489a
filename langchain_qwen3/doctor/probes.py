"""The requests of an examination, one row each, and how a request of each kind is sent.

Prompts are short, so that a hosted API costs little.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3._httpx import httpx
from langchain_qwen3.reply.body import read_body
from langchain_qwen3.servers.address import CHAT_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.chat_model import ChatQwen3

MAX_TOKENS = 1024
"""Limit of one reply. Longer thinking is cut off, which affects no check."""

BUDGET = 10
"""Thinking budget in tokens for its check; the server's minimum if that is larger."""

TOGETHER = 8
"""Number of concurrent calls."""

WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The city name"}},
            "required": ["city"],
        },
    },
}
PERSON = {
    "title": "Person",
    "description": "A person.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


class Streamed(NamedTuple):
    """A streamed reply: the sum of its chunks, and their arrival times in seconds after the request.

    Chunks that came together have one time, however long a busy client takes to read them.
    """

    message: AIMessageChunk
    moments: tuple[float, ...]


class Together(NamedTuple):
    """Duration of a number of calls in seconds, one after another and concurrently."""

    calls: int
    serial: float
    together: float


Evidence = AIMessage | Streamed | Together | dict[str, Any]
"""Result of a probe: a message or, by kind, another type. `wire`: the JSON body. `structured`: raw and parsed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request.

    Attributes:
        kind: How it is sent and what it returns, see `Evidence`.
        prompt: The question.
        settings: Settings of the call.
    """

    kind: Literal["whole", "stream", "wire", "structured", "together"]
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)


# A tool call that the server leaves in the text counts as a failure, although ChatQwen3 would extract it.
_WITH_TOOL = {"enable_thinking": False, "tools": [WEATHER_TOOL], "rescue_tool_calls": False}
_NAMED = {"type": "function", "function": {"name": "get_weather"}}

PROBES: dict[str, Probe] = {
    "plain": Probe("whole", "Hi", {"max_tokens": 1}),
    "think": Probe("stream", "请解释相对论", {"enable_thinking": True}),
    "wire": Probe("wire", "你是谁？", {"enable_thinking": True}),
    "think_off": Probe("whole", "你是谁？", {"enable_thinking": False}),
    "budget": Probe("whole", "请解释相对论", {"enable_thinking": True, "thinking_budget": BUDGET}),
    "tool": Probe("whole", "What's the weather in Beijing?", _WITH_TOOL),
    "tool_forced": Probe("whole", "What's the weather in Beijing?", {**_WITH_TOOL, "tool_choice": _NAMED}),
    "tools_parallel": Probe("whole", "What's the weather in Beijing and Shanghai?", _WITH_TOOL),
    "tool_streamed": Probe("stream", "What's the weather in Beijing?", _WITH_TOOL),
    "structured": Probe("structured", "Extract the person as JSON: Alice is 30 years old.", {"enable_thinking": True}),
    "together": Probe("together", "你是谁？", {"enable_thinking": False, "max_tokens": 64}),
}


async def ask(model: ChatQwen3, probe: Probe) -> Evidence:
    """Send one request; the probe, not the model's settings, decides whether it is streamed.

    Raises:
        Qwen3Error: The request failed.
    """
    settings = {"max_tokens": MAX_TOKENS, **probe.settings}
    match probe.kind:
        case "whole":
            return await model.ainvoke(probe.prompt, stream=False, **settings)
        case "stream":
            return await _ask_stream(model, probe.prompt, settings)
        case "wire":
            return await _ask_wire(model, probe.prompt, settings)
        case "structured":
            runnable = model.with_structured_output(PERSON, include_raw=True, **settings)
            return dict(await runnable.ainvoke(probe.prompt))
        case "together":
            return await _ask_together(model, probe.prompt, settings)


async def _ask_stream(model: ChatQwen3, prompt: str, settings: Mapping[str, Any]) -> Streamed:
    started_at = perf_counter()
    message: AIMessageChunk | None = None
    moments: list[float] = []
    has_waited = True  # for the network: then the event loop has made a turn

    def note_turn() -> None:
        nonlocal has_waited
        has_waited = True

    async for chunk in model.astream(prompt, stream=True, **settings):
        if chunk.content or chunk.additional_kwargs.get("reasoning_content") or chunk.tool_call_chunks:
            moments.append(perf_counter() - started_at if has_waited else moments[-1])
            if has_waited:
                has_waited = False
                asyncio.get_running_loop().call_soon(note_turn)
        message = chunk if message is None else message + chunk
    return Streamed(message or AIMessageChunk(content=""), tuple(moments))


async def _ask_wire(model: ChatQwen3, prompt: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply's raw JSON: a message no longer shows in which field its reasoning was."""
    payload = model._get_request_payload(prompt, **settings)  # noqa: SLF001  # LangChain's own hook, pure
    client: Any = model.root_async_client
    response = await client.post(CHAT_PATH, cast_to=httpx.Response, body=payload)
    return dict(read_body(response.content, response))


async def _ask_together(model: ChatQwen3, prompt: str, settings: Mapping[str, Any]) -> Together:
    """Time the calls, after a warm-up round that opens the connections and fills the prompt cache of every slot."""
    await _ask_at_once(model, prompt, settings)
    started_at = perf_counter()
    for _ in range(TOGETHER):
        await model.ainvoke(prompt, **settings)
    serial = perf_counter() - started_at
    started_at = perf_counter()
    await _ask_at_once(model, prompt, settings)
    return Together(TOGETHER, serial, perf_counter() - started_at)


async def _ask_at_once(model: ChatQwen3, prompt: str, settings: Mapping[str, Any]) -> None:
    await asyncio.gather(*(model.ainvoke(prompt, **settings) for _ in range(TOGETHER)))
