"""A request that is cancelled at any of its steps leaves no socket, and nothing that the collector has to find."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.connections import exchange
from tests.support.loopback import Loopback
from tests.support.tls import trusted_tls

Job = Callable[[ChatQwen3], Coroutine[Any, Any, None]]

TURNS = range(61)
"""Of the event loop, from the request's start to its cancellation. Seven jobs make 427 tries on each transport."""

DESCRIPTORS = Path("/proc/self/fd")
"""This process's open files, on Linux."""


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[Loopback]:
    """A server that speaks TLS, with a certificate that is trusted for the length of the test."""
    with trusted_tls(tmp_path) as context, Loopback(tls=context) as server:
        yield server


TRANSPORTS = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
_numbers = itertools.count(1000)


def build_model(server: Loopback, transport: Any) -> ChatQwen3:
    """Return a model over connections of its own."""
    return ChatQwen3(
        model="q",
        base_url=server.base_url,
        server="vllm",
        transport=transport,
        max_retries=0,
        http_socket_options=[(1, 9, next(_numbers))],
        timeout=60,
    )


@pytest.fixture
async def no_collector() -> AsyncIterator[None]:
    """Keep the collector from finding what was left behind."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def call(model: ChatQwen3) -> None:
    """Make a whole call."""
    await model.ainvoke("hi")


async def stream(model: ChatQwen3) -> None:
    """Read a whole stream."""
    async for _ in model.astream("hi"):
        pass


async def upload(model: ChatQwen3) -> None:
    """Make a call whose body takes many writes."""
    await model.ainvoke("x" * 1_000_000)


async def chain(model: ChatQwen3) -> None:
    """Read a stream in a chain, which reads each chunk in a task of its own."""
    async for _ in (model | StrOutputParser()).astream("hi"):
        pass


async def cancel(work: Coroutine[Any, Any, None], turns: int) -> None:
    """Begin a task, and cancel it so many turns of the loop later."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settle(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110  # the server lives on another loop
            await asyncio.sleep(0.002)


def count_descriptors() -> int:
    """Return how many files and sockets are open; 0 where the system does not say."""
    return len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.exists() else 0


# What is done, whether on a connection that was used before, and whether the server redirects it.
JOBS: dict[str, tuple[Job, bool, bool]] = {
    "call on a new connection": (call, False, False),
    "call on a kept one": (call, True, False),
    "stream on a new connection": (stream, False, False),
    "stream in a chain, on a kept one": (chain, True, False),
    "upload": (upload, False, False),
    "redirect to another host": (call, False, True),
}


async def try_every_turn(model: ChatQwen3, server: Loopback, job: Job, *, is_kept: bool) -> None:
    """Cancel a job after each number of turns, and wait until both ends of each connection are gone."""
    await job(model)
    await model.aclose()
    await settle(lambda: not server.open_now)
    before = count_descriptors()
    for turns in TURNS:
        if is_kept:
            await call(model)
        await cancel(job(model), turns)
        await model.aclose()  # what is idle closes; what leaked does not
        await settle(lambda: not server.open_now)
    await job(model)  # by now the server has seen every connection
    await model.aclose()
    await settle(lambda: not server.open_now)
    await settle(lambda: count_descriptors() <= before)  # the server's own ends close a moment later
    assert "requests in flight" not in repr(model._lease)


@pytest.mark.usefixtures("no_collector")
@TRANSPORTS
@pytest.mark.parametrize("name", JOBS)
async def test_no_socket_is_left_when_a_request_is_cancelled_at_any_step(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, transport: str, name: str
) -> None:
    """Protects long-running services, where clients hang up all the time, from running out of sockets."""
    job, is_kept, is_redirected = JOBS[name]
    if is_redirected:  # to a name with two addresses, the first of which refuses
        target = server.base_url.replace("127.0.0.1", "localhost")
        monkeypatch.setattr(exchange, "CHAT_PATH", f"/redirect-307?to={target}/chat/completions")
    await try_every_turn(build_model(server, transport), server, job, is_kept=is_kept)


@pytest.mark.usefixtures("no_collector")
@TRANSPORTS
async def test_no_socket_is_left_when_a_handshake_is_cancelled_at_any_step(
    tls_server: Loopback, transport: str
) -> None:
    """Protects users of hosts, who all speak TLS: httpcore by itself forgets the socket of such a handshake."""
    await try_every_turn(build_model(tls_server, transport), tls_server, call, is_kept=False)
