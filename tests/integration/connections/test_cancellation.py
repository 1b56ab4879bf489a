"""A request that is cancelled at any of its steps leaves no connection, and nothing that the collector has to find."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from langchain_qwen3 import ChatQwen3
from tests.support.loopback import Loopback

TURNS = range(61)


@pytest.fixture(params=["httpx", "aiohttp"])
def model(request: pytest.FixtureRequest, server: Loopback) -> ChatQwen3:
    """A model on each transport, over connections of its own."""
    transport: Any = request.param
    options = [(1, 9, 1), (1, 9, 1)]  # no other test's
    return ChatQwen3(
        model="q",
        base_url=server.base_url,
        server="vllm",
        transport=transport,
        max_retries=0,
        http_socket_options=options,
        timeout=60,
    )


@pytest.fixture
def server() -> Any:
    """A server of the test's own."""
    with Loopback() as server:
        yield server


@pytest.fixture
async def no_collector() -> AsyncIterator[None]:
    """Keep the collector from finding what was left behind."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def stream(model: ChatQwen3) -> None:
    """Read a whole stream."""
    async for _ in model.astream("hi"):
        pass


async def call(model: ChatQwen3) -> None:
    """Make a whole call."""
    await model.ainvoke("hi")


async def cancel(work: Coroutine[Any, Any, None], turns: int) -> None:
    """Begin a task, and cancel it so many turns of the loop later."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("job", [call, stream])
@pytest.mark.parametrize("is_first", [True, False], ids=["on a new connection", "on a kept one"])
async def test_no_connection_is_left_when_a_request_is_cancelled_at_any_step(
    model: ChatQwen3, server: Loopback, job: Callable[[ChatQwen3], Coroutine[Any, Any, None]], is_first: bool
) -> None:
    """Protects long-running services, where clients hang up all the time, from running out of sockets."""
    for turns in TURNS:
        if not is_first:
            await call(model)
        await cancel(job(model), turns)
        await model.aclose()  # what is idle closes; what leaked does not
        async with asyncio.timeout(60):
            while server.open_now:  # noqa: ASYNC110  # the server lives on another loop
                await asyncio.sleep(0.002)
    assert "requests in flight" not in repr(model._lease)
