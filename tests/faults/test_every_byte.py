"""A stream cut after any byte is whole, or an error that carries exactly what had arrived."""

from __future__ import annotations

import asyncio
import json

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3ConnectionError, StreamCutError
from tests.faults.plans import Ask, ok
from tests.faults.server import FaultServer

IN_FLIGHT = 50
MARK_LIMIT = 4


def read_prefixes(asked):
    """For every number of bytes of the right streamed reply: reasoning, content, arguments, and if it is whole."""
    arrived = [("", "", "", False)]
    for step in ok(asked):
        reasoning, content, arguments, ended = arrived[-1]
        event = json.loads(step.partition(b"data: ")[2]) if b"data: {" in step else {"choices": []}
        for choice in event["choices"]:
            delta = choice["delta"]
            reasoning += delta.get("reasoning") or delta.get("reasoning_content") or ""
            content += delta.get("content") or ""
            for call in delta.get("tool_calls", []):
                arguments += call["function"].get("arguments", "")
            ended = ended or choice["finish_reason"] is not None
        # What an event says is read with the last byte of its JSON, the reply's end with that of its blank line. The
        # two bytes behind that end the HTTP chunk.
        texts = reasoning, content, arguments
        arrived += [arrived[-1]] * (len(step) - 5) + [(*texts, arrived[-1][3])] * 2 + [(*texts, ended)] * 3
    return arrived


async def read_cut(model, text, tools):
    """What a cut stream brings: reasoning, content, arguments, and whether it counted as whole."""
    message, whole = None, True
    try:
        async for chunk in model.astream(text, **tools):
            message = chunk if message is None else message + chunk
    except StreamCutError as error:
        message, whole = error.partial, False
    except Qwen3ConnectionError:
        whole = False
    if message is None:
        return "", "", "", whole
    assert all(call["args"] == {"city": "q1"} for call in message.tool_calls), "half a call must not be valid"
    arguments = "".join(
        [json.dumps(call["args"]) for call in message.tool_calls]
        + [call["args"] or "" for call in message.invalid_tool_calls]
    )
    return message.additional_kwargs.get("reasoning_content", ""), message.content, arguments, whole


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("end", ["reset", "fin"])
@pytest.mark.parametrize(
    ("transport", "flavor", "tools"),
    [("httpx", "vllm", {}), ("aiohttp", "llama", {}), ("httpx", "llama", {"tools": [TOOL]})],
)
async def test_partial_is_what_arrived_when_the_stream_is_cut_at_any_byte(transport, flavor, tools, end, step):
    """Protects invariant 4: no lost end is taken for a whole, no half call for a call, nothing arrived is lost."""
    expected = read_prefixes(Ask(key="q1", stream=True, tools=bool(tools), flavor=flavor))
    free = asyncio.Semaphore(IN_FLIGHT)
    with FaultServer(flavor) as server:
        model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, transport=transport, max_retries=0, timeout=60)

        async def check(size):
            async with free:
                *texts, arguments, whole = await read_cut(model, f"q1 [[{end} {size}]]", tools)
            *right_texts, right_arguments, right_whole = expected[size]
            where = f"cut after {size} of {len(expected) - 1} bytes"
            assert (texts, whole) == (right_texts, right_whole), where
            # A call that was cut ends in a fragment that no parser takes for the rest of it.
            extra = arguments.removeprefix(right_arguments)
            assert arguments.startswith(right_arguments), where
            assert len(extra) < MARK_LIMIT, where

        async with asyncio.TaskGroup() as checks:
            for size in range(0, len(expected), step):
                checks.create_task(check(size))
        await model.aclose()
