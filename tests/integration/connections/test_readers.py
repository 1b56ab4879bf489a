"""Who reads a stream, and under which loop: the limits and the cancellation are the same for all of them."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import openai
import pytest
import uvloop
from langchain_core.output_parsers import StrOutputParser

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.errors import StreamStallError
from tests.support.loopback import CHUNKS, Loopback

TRANSPORTS = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
PARSER = StrOutputParser()


def build_model(server: Loopback, transport: Any = "httpx", limit: float | None = 0.3) -> ChatQwen3:
    """Return a model that does not wait for long."""
    return ChatQwen3(
        model="q",
        base_url=server.base_url,
        server="vllm",
        transport=transport,
        max_retries=0,
        timeout=60,
        stream_chunk_timeout=limit,
    )


async def read_by_wait_for(model: Any) -> AsyncIterator[Any]:
    """Read as many programs do that have a limit of their own: each chunk in a task of its own."""
    stream = model.astream("hi")
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), 60)
        except StopAsyncIteration:
            return


async def read_in_another_task(model: Any) -> AsyncIterator[Any]:
    """Begin a stream here, and let another task read the rest."""
    async with aclosing(model.astream("hi")) as stream:  # a cancelled task's error would keep it, and it the connection
        yield await anext(stream)

        async def read_rest() -> list[Any]:
            return [chunk async for chunk in stream]

        for chunk in await asyncio.create_task(read_rest()):
            yield chunk


READERS: dict[str, Callable[[Any], AsyncIterator[Any]]] = {
    "task": lambda model: model.astream("hi"),
    "chain": lambda model: (model | PARSER).astream("hi"),
    "fallbacks": lambda model: model.with_fallbacks([model]).astream("hi"),
    "wait_for": read_by_wait_for,
    "handed over": read_in_another_task,
}


@TRANSPORTS
@pytest.mark.parametrize("reader", READERS)
async def test_stall_is_an_error_whoever_reads(server: Loopback, transport: str, reader: str) -> None:
    """Protects chains, fallbacks and handed-over streams, whose chunks are each read in another task."""
    server.hold = True
    with pytest.raises(StreamStallError) as caught:
        async for _ in READERS[reader](build_model(server, transport)):
            pass
    assert isinstance(caught.value, TimeoutError)  # as ChatOpenAI's is
    server.hold = False


@TRANSPORTS
@pytest.mark.parametrize("reader", READERS)
async def test_cancellation_is_the_callers_whoever_reads(server: Loopback, transport: str, reader: str) -> None:
    """Protects services: a request that its client left must end as cancelled, not as an error of the server's."""
    server.hold = True
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in READERS[reader](build_model(server, transport, limit=60)):
            begun.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.hold = False
    async with asyncio.timeout(60):
        while server.open_now:  # noqa: ASYNC110  # the server lives on another loop
            await asyncio.sleep(0.01)


@TRANSPORTS
@pytest.mark.parametrize("reader", ["task", "chain", "fallbacks"])
@pytest.mark.parametrize("end", [None, SystemExit, KeyboardInterrupt])
def test_no_generator_of_ours_fails_when_a_loop_ends_with_a_stream_open(
    server: Loopback, transport: str, reader: str, end: type[BaseException] | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Protects scripts that end in the midst of a stream: asyncio then closes all generators, in any order."""
    server.hold = True
    kept = []

    async def main() -> None:
        stream = READERS[reader](build_model(server, transport, limit=60))
        kept.append(stream)
        await anext(stream)
        if end is not None:
            raise end

    with suppress(SystemExit, KeyboardInterrupt):
        asyncio.run(main())
    server.hold = False
    assert "ChatQwen3" not in caplog.text  # httpx's own generators are closed so, too


class Bare(httpx.AsyncBaseTransport):
    """A transport of somebody's own: its responses do not name their connection, as httpx's do."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        response.extensions = {}
        return response


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(httpx.AsyncClient, id="httpx"),
        pytest.param(lambda: httpx.AsyncClient(transport=Bare()), id="own transport"),
        pytest.param(
            openai.DefaultAioHttpClient,
            id="the SDK's over aiohttp",
            marks=pytest.mark.skipif(openai.__version__ < "3", reason="openai 2 needs httpx-aiohttp for it"),
        ),
    ],
)
async def test_stall_is_an_error_when_the_http_client_is_the_users_own(server: Loopback, build: Any) -> None:
    """Protects users of any HTTP client, the SDK's own over aiohttp for one."""
    server.hold = True
    async with build() as own:
        model = build_model(server).model_copy(update={"http_async_client": own})
        with pytest.raises(StreamStallError):
            await asyncio.wait_for(model.ainvoke("hi", stream=True), 60)
    server.hold = False


@pytest.mark.parametrize("is_chain", [False, True])
def test_stall_is_an_error_when_a_thread_reads(server: Loopback, is_chain: bool) -> None:
    """Protects scripts, which cannot be cancelled at all."""
    server.hold = True
    model: Any = build_model(server)
    with pytest.raises(StreamStallError):
        list((model | PARSER if is_chain else model).stream("hi"))
    server.hold = False


@TRANSPORTS
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_calls_and_streams_are_right_when_tasks_are_eager(server: Loopback, transport: str) -> None:
    """Protects services that start tasks eagerly: a step then runs before its task is known to the loop."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
    model = build_model(server, transport)
    assert {message.text for message in await asyncio.gather(*(model.ainvoke("hi") for _ in range(20)))} == {"hello"}
    assert "".join([text async for text in (model | PARSER).astream("hi")]) == "a" * CHUNKS
    await model.aclose()


@TRANSPORTS
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_exit_ends_the_program_when_it_is_raised_between_chunks(server: Loopback, transport: str, run: Any) -> None:
    """Protects `sys.exit` in a streaming program: a loop that runs a step in its own callback swallows it."""

    async def main() -> None:
        async for _ in build_model(server, transport).astream("hi"):
            sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        run(main())
    assert caught.value.code == 3


@TRANSPORTS
@pytest.mark.skipif(importlib.util.find_spec("nest_asyncio2") is None, reason="nest_asyncio2 is not installed")
def test_nested_call_works_within_a_stream(server: Loopback, transport: str) -> None:
    """Protects notebooks that nest event loops: each turn of such a loop logged an exception."""
    script = """
        import asyncio, sys
        import nest_asyncio2
        from langchain_qwen3 import ChatQwen3

        nest_asyncio2.apply()

        async def main():
            model = ChatQwen3(model="q", base_url=sys.argv[1], server="vllm", transport=sys.argv[2], max_retries=0)
            text = ""
            async for chunk in model.astream("hi"):
                text += chunk.text
                nested = asyncio.get_event_loop().run_until_complete(model.ainvoke("hi"))
                assert nested.text == "hello"
            assert text == "a" * 20, text
            await model.aclose()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), server.base_url, transport],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert (done.returncode, done.stderr) == (0, "")
