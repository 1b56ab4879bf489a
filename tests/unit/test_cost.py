"""What a chunk and a call may cost, counted in Python function calls: exact on any machine, however busy it is."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from bench.replies import build_events
from bench.server import ReplayProtocol
from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.reply.stream import StreamReader

TRANSPORTS = ("httpx", "aiohttp")
LINEAR = 1.1  # how much more than four times as many calls four times the work may take

# Measured, and a tenth more. A number that must go up needs a reason in the commit that raises it.
CALLS_PER_CHUNK_READ = {"vllm": 7.3, "tools": 23.5, "inline": 10.6}
CALLS_PER_CHUNK_STREAMED = {"httpx": 69, "aiohttp": 41}
CALLS_PER_CHUNK_ALONE = {"httpx": 210, "aiohttp": 103}  # one wake a chunk; a busy machine merges some, and pays less
CALLS_PER_MODEL = 540
OBJECTS_PER_MODEL = 29 if sys.version_info < (3, 14) else 34  # which tracks dicts of plain values, too
CALLS_PER_CALL = {"httpx": 2000, "aiohttp": 1130}


class CallCounter:
    """Counts the Python functions entered in this thread, generators resumed among them."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _frame: Any, event: str, _argument: Any) -> None:
        self.calls += event == "call"


def count(work: Callable[[], object]) -> int:
    """Return the calls `work` makes."""
    with CallCounter() as counter:
        work()
    return counter.calls


async def acount(work: Callable[[], Awaitable[object]]) -> int:
    """Return the calls `work` makes, those of the event loop among them."""
    with CallCounter() as counter:
        await work()
    return counter.calls


@pytest.fixture(scope="module")
def replay_url() -> Iterator[str]:
    """Run the benchmark's replay server in a thread, whose calls are not counted."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(ReplayProtocol, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.close()


def build_model(url: str, transport: Any = "httpx") -> ChatQwen3:
    """Return a model that asks nobody what the server is."""
    return ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=url + "/v1", server="vllm", transport=transport)


async def count_stream(url: str, transport: str) -> int:
    """Return the calls that the second of two streams makes."""
    model = build_model(url, transport)

    async def read() -> None:
        async for _ in model.astream("Hello"):
            pass

    await read()
    return await acount(read)


def build_body(wire: str, chunks: int) -> list[bytes]:
    """Return the events of a stream without their HTTP framing."""
    return [event.split(b"\r\n", 1)[1].removesuffix(b"\r\n") for event in build_events(wire, chunks)]


def read_stream(pieces: list[bytes]) -> int:
    """Read a stream and return its chunks."""
    reader = StreamReader(ReplyOptions())
    chunks = [chunk for piece in pieces for chunk in reader.read(piece)]
    return len([*chunks, *reader.end()])


def build_history(length: int) -> list[BaseMessage]:
    """Return a conversation with reasoning, tool calls and their results."""
    call = {"name": "search", "args": {"text": "月"}, "id": "call-1"}
    turn = [
        HumanMessage("Who was first on the moon?"),
        AIMessage("", additional_kwargs={"reasoning_content": "I look it up."}, tool_calls=[call]),
        ToolMessage("Armstrong", tool_call_id="call-1"),
        AIMessage("Neil Armstrong."),
    ]
    return [*turn * (length // len(turn)), HumanMessage("And then?")]


@pytest.mark.parametrize("wire", CALLS_PER_CHUNK_READ)
def test_reading_a_chunk_stays_in_its_budget(wire: str) -> None:
    """From bytes to chunk is the path of every token: a call more there is paid millions of times."""
    pieces = build_body(wire, 1000)
    read_stream(pieces)
    assert count(lambda: read_stream(pieces)) / 1000 <= CALLS_PER_CHUNK_READ[wire]


@pytest.mark.parametrize("wire", CALLS_PER_CHUNK_READ)
@pytest.mark.parametrize("joined", [False, True])
def test_reading_is_linear_in_chunks(wire: str, joined: bool) -> None:
    """A reader that looks back at what it has read makes long reasoning slower with every token."""

    def cost(chunks: int) -> int:
        pieces = build_body(wire, chunks)
        pieces = [b"".join(pieces)] if joined else pieces
        return count(lambda: read_stream(pieces))

    cost(100)
    assert cost(4000) <= 4 * LINEAR * cost(1000)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_streamed_chunk_stays_in_its_budget(replay_url: str, transport: str) -> None:
    """What a user pays per token, langchain-core, SDK and HTTP library included."""
    short = await count_stream(f"{replay_url}/vllm/at-once/1000", transport)
    long = await count_stream(f"{replay_url}/vllm/at-once/4000", transport)
    assert (long - short) / 3000 <= CALLS_PER_CHUNK_STREAMED[transport]
    assert long <= 4 * LINEAR * short


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_chunk_that_comes_alone_stays_in_its_budget(replay_url: str, transport: str) -> None:
    """Engines send one token at a time, so each wakes the process: this is what users feel."""
    calls = await count_stream(f"{replay_url}/vllm/paced-1/250", transport)
    assert (calls - CALLS_PER_CALL[transport]) / 250 <= CALLS_PER_CHUNK_ALONE[transport]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_stays_in_its_budget(replay_url: str, transport: str) -> None:
    """What a short call costs beside the model's time, langchain-core, SDK and HTTP library included."""
    model = build_model(f"{replay_url}/vllm/whole/50", transport)
    await model.ainvoke("Hello")

    async def call() -> None:
        for _ in range(20):
            await model.ainvoke("Hello")

    assert await acount(call) / 20 <= CALLS_PER_CALL[transport]


def test_a_model_stays_in_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services build a model per request: it costs calls to build, and objects that the collector goes through."""
    if sys.modules.get("httpx") is not httpx:  # openai 3 makes four calls more where another test has imported it
        monkeypatch.delitem(sys.modules, "httpx", raising=False)
    first = build_model("http://127.0.0.1:1")  # or an open connection keeps what models share
    assert count(lambda: build_model("http://127.0.0.1:1")) <= CALLS_PER_MODEL
    gc.collect()
    before = len(gc.get_objects())
    models = [build_model("http://127.0.0.1:1") for _ in range(100)]
    gc.collect()
    assert (len(gc.get_objects()) - before) / len(models) <= OBJECTS_PER_MODEL
    first.close()


def test_writing_a_request_is_linear_in_history() -> None:
    """An agent sends its whole history with every step: what grows faster than it makes long runs crawl."""
    model = build_model("http://127.0.0.1:1")

    def cost(length: int) -> int:
        messages = build_history(length)
        return count(lambda: model._get_request_payload(messages))

    cost(4)
    assert cost(400) <= 4 * LINEAR * cost(100)


@pytest.mark.parametrize("server", ["vllm", "lmstudio"])
def test_a_long_result_of_a_tool_costs_no_more_calls_than_a_short_one(server: Any) -> None:
    """Protects agents whose tools return pages: nothing is done for each character."""
    model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url="http://127.0.0.1:1/v1", server=server)

    def cost(length: int) -> int:
        messages = [*build_history(4)[:2], ToolMessage("x" * length, tool_call_id="call-1")]
        return count(lambda: model._get_request_payload(messages))

    cost(1)
    assert cost(10_000) <= cost(1) + 100
