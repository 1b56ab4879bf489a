"""Every fault ends in the right answer or the right typed error, the same on every way to call and carry it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import HumanMessage

from langchain_qwen3 import ChatQwen3, errors
from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import exchange, stall
from langchain_qwen3.errors import (
    BadReplyError,
    Qwen3ConnectionError,
    Qwen3ContextOverflowError,
    Qwen3InvalidRequestError,
    Qwen3RateLimitError,
    Qwen3ServerError,
    Qwen3TimeoutError,
    StreamCutError,
    StreamStallError,
)
from tests.faults.plans import content_of, reasoning_of
from tests.faults.server import FaultServer, closed_port

MODEL = "Qwen/Qwen3-0.6B"
KEY = "token-canary-31415926"
RIGHT = "right"
WAYS = [
    ("invoke", "httpx"),
    ("stream", "httpx"),
    ("ainvoke", "httpx"),
    ("astream", "httpx"),
    ("ainvoke", "aiohttp"),
    ("astream", "aiohttp"),
]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    """One server for all; every test's requests have keys of their own."""
    with FaultServer() as running:
        yield running


def new_key():
    """A key no other request has."""
    return f"q{next(_numbers)}"


def build_model(server, transport="httpx", **fields):
    """A model that neither retries nor waits long, unless told."""
    fields = {"max_retries": 0, "timeout": 60, **fields}
    return ChatQwen3(model=MODEL, base_url=server.url, api_key=KEY, transport=transport, **fields)


def add(chunks):
    """The sum of a stream's chunks."""
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    return total


async def ask(model, way, text):
    """Call a model in one of the four ways; returns the whole message."""
    match way:
        case "invoke":
            return await asyncio.to_thread(model.invoke, text)
        case "stream":
            return await asyncio.to_thread(lambda: add(model.stream(text)))
        case "ainvoke":
            return await model.ainvoke(text)
        case _:
            return add([chunk async for chunk in model.astream(text)])


def calls_of(server, key):
    """The requests with this key that reached the server."""
    return [call for call in server.calls if call.key == key]


def is_right(message, key):
    """Tell whether a message is the right answer to a key."""
    reasoning = message.additional_kwargs.get("reasoning_content")
    return message.content == content_of(key) and reasoning == reasoning_of(key)


# Fault -> outcome of a whole reply, outcome of a stream; None: the fault is of streams alone.
OUTCOMES = [
    ("ok", RIGHT, RIGHT),
    ("drip", RIGHT, RIGHT),
    ("slow 0.001", RIGHT, RIGHT),
    ("close_after", RIGHT, RIGHT),
    ("compressed", RIGHT, RIGHT),
    ("no_done", None, RIGHT),
    ("no_finish", None, StreamCutError),
    ("huge 1", None, "more"),
    ("sse_forms crlf", None, RIGHT),
    ("sse_forms cr", None, RIGHT),
    ("sse_forms comments", None, RIGHT),
    ("sse_forms lines", None, RIGHT),
    ("sse_forms bom", None, RIGHT),
    ("reset 0", Qwen3ConnectionError, Qwen3ConnectionError),
    ("fin 0", Qwen3ConnectionError, Qwen3ConnectionError),
    ("reset 30", Qwen3ConnectionError, Qwen3ConnectionError),
    ("fin 30", Qwen3ConnectionError, Qwen3ConnectionError),
    ("reset head", Qwen3ConnectionError, StreamCutError),
    ("fin head", Qwen3ConnectionError, StreamCutError),
    ("reset 300", Qwen3ConnectionError, StreamCutError),
    ("fin 300", Qwen3ConnectionError, StreamCutError),
    ("neither", None, StreamCutError),
    ("neither 0", None, StreamCutError),
    ("garbage", Qwen3ConnectionError, Qwen3ConnectionError),
    ("wrong_length 50", Qwen3ConnectionError, RIGHT),
    ("page", BadReplyError, BadReplyError),
    ("empty", BadReplyError, StreamCutError),
    ("no_choices", BadReplyError, BadReplyError),
    ("broken_json", BadReplyError, BadReplyError),
    ("bad_gzip", BadReplyError, BadReplyError),
    ("huge 17", None, BadReplyError),
    ("error_200 openai", Qwen3InvalidRequestError, Qwen3InvalidRequestError),
    ("error_200 string", Qwen3ServerError, Qwen3ServerError),
    ("error_200 flat", Qwen3InvalidRequestError, Qwen3InvalidRequestError),
    ("error_200 detail", Qwen3ServerError, Qwen3ServerError),
    ("error_200 dashscope", Qwen3InvalidRequestError, Qwen3InvalidRequestError),
    ("error_200 overflow", Qwen3ContextOverflowError, Qwen3ContextOverflowError),
    ("error_event 4", None, Qwen3InvalidRequestError),
    ("error_event 4 openai 429", None, Qwen3RateLimitError),
    ("error_event 4 openai 500", None, Qwen3ServerError),
    ("error_event 4 overflow", None, Qwen3ContextOverflowError),
    ("error_event 4 string", None, Qwen3ServerError),
    ("status 400 openai", *[Qwen3InvalidRequestError] * 2),
    ("status 400 string", *[Qwen3InvalidRequestError] * 2),
    ("status 400 flat", *[Qwen3InvalidRequestError] * 2),
    ("status 400 detail", *[Qwen3InvalidRequestError] * 2),
    ("status 422 list", *[errors.Qwen3UnprocessableEntityError] * 2),
    ("status 422 tgi", *[errors.Qwen3UnprocessableEntityError] * 2),
    ("status 400 dashscope", *[Qwen3InvalidRequestError] * 2),
    ("status 400 overflow", *[Qwen3ContextOverflowError] * 2),
    ("status 400 text", *[Qwen3InvalidRequestError] * 2),
    ("status 400 empty", *[Qwen3InvalidRequestError] * 2),
    ("status 401 string", *[errors.Qwen3AuthenticationError] * 2),
    ("status 403 openai", *[errors.Qwen3PermissionDeniedError] * 2),
    ("status 404 detail", *[errors.Qwen3ModelNotFoundError] * 2),
    ("status 408 empty", *[errors.Qwen3RequestTimeoutError] * 2),
    ("status 409 openai", *[errors.Qwen3ConflictError] * 2),
    ("status 413 text", *[errors.Qwen3StatusError] * 2),
    ("status 429 openai retry-after=2", *[Qwen3RateLimitError] * 2),
    ("status 500 openai", *[Qwen3ServerError] * 2),
    ("status 502 html", *[Qwen3ServerError] * 2),
    ("status 503 empty", *[Qwen3ServerError] * 2),
]


@pytest.mark.parametrize(("way", "transport"), WAYS)
@pytest.mark.parametrize(("fault", "whole", "streamed"), OUTCOMES)
async def test_call_ends_rightly_when_the_server_fails(server, fault, whole, streamed, *, way, transport):
    """Protects the promise of the whole suite: the right answer or the right class, on every way alike."""
    outcome = streamed if "stream" in way else whole
    if outcome is None:
        way, outcome = way.replace("invoke", "stream"), streamed
    key = new_key()
    model = build_model(server, transport)
    if outcome == "more":
        assert len((await ask(model, way, f"{key} [[{fault}]]")).content) > 2**20
    elif outcome == RIGHT:
        assert is_right(await ask(model, way, f"{key} [[{fault}]]"), key)
    else:
        with pytest.raises(errors.Qwen3Error) as caught:
            await ask(model, way, f"{key} [[{fault}]]")
        assert type(caught.value) is outcome
        assert server.url in caught.value.message
        assert KEY not in f"{caught.value!r} {vars(caught.value)}"
    assert len(calls_of(server, key)) == 1


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_answer_is_right_or_an_error_when_the_length_is_too_short(server, way, transport):
    """Protects against half a reply: httpx reads a broken one, aiohttp refuses what follows it."""
    key = new_key()
    with contextlib.suppress(BadReplyError, Qwen3ConnectionError):
        assert is_right(await ask(build_model(server, transport), way, f"{key} [[wrong_length -20]]"), key)


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_connection_error_says_what_to_check_when_nothing_listens(way, transport):
    """Protects the first error everyone meets: the server is not running."""
    model = ChatQwen3(model=MODEL, base_url=f"http://127.0.0.1:{closed_port()}/v1", transport=transport, max_retries=0)
    with pytest.raises(Qwen3ConnectionError, match="Nothing is listening there"):
        await ask(model, way, "hi")


@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_connection_error_says_what_to_check_when_a_tls_handshake_is_cut(way, transport, resets):
    """Protects users behind a proxy or firewall that cuts connections: the server itself is up."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)  # Python's ssl leaves its socket open where the reset comes before the handshake begins
        if resets:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as box:
        url = f"https://127.0.0.1:{box.sockets[0].getsockname()[1]}/v1"
        model = ChatQwen3(model=MODEL, base_url=url, server="vllm", transport=transport, max_retries=0)
        with pytest.raises(Qwen3ConnectionError, match="check VPN, proxy and firewall"):
            await ask(model, way, "hi")


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_call_times_out_when_the_server_is_silent(server, way, transport):
    """Protects against waiting for ever on a server that accepted the request and says nothing."""
    key = new_key()
    with pytest.raises(Qwen3TimeoutError):
        await ask(build_model(server, transport, timeout=0.2), way, f"{key} [[stall 0]]")
    await wait_until_left(server, key)


@pytest.mark.parametrize(("way", "transport"), [way for way in WAYS if "stream" in way[0]])
async def test_stream_stalls_with_what_arrived_when_it_goes_silent(server, way, transport):
    """Protects against a server that hangs in mid-stream, for sync streams too; nothing that arrived is lost."""
    key = new_key()
    with pytest.raises(StreamStallError) as caught:
        await ask(build_model(server, transport, stream_chunk_timeout=0.2), way, f"{key} [[stall e4]]")
    said = caught.value.partial.additional_kwargs["reasoning_content"]
    assert said
    assert reasoning_of(key).startswith(said)
    await wait_until_left(server, key)


@pytest.mark.parametrize("limit", [None, 60])
@pytest.mark.parametrize(("way", "transport"), [way for way in WAYS if "stream" in way[0]])
async def test_stream_is_whole_when_it_goes_silent_after_its_end(server, way, transport, limit, monkeypatch):
    """Protects users of servers that send no `[DONE]` and keep the connection: no stall, no limit needed."""
    monkeypatch.setattr(stall, "END_SECONDS", 0.2)
    key = new_key()
    model = build_model(server, transport, stream_chunk_timeout=limit, timeout=None)
    assert is_right(await ask(model, way, f"{key} [[silent_end]]"), key)
    await wait_until_left(server, key)


def test_stream_stalls_when_its_silent_body_has_no_length():
    """Protects the error's kind: shutting the socket ends such a body well, which looks like a cut."""
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": None}]})
    reply = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: {event}\n\n"

    def answer():
        connection, _ = listener.accept()
        with connection:
            connection.recv(2**16)
            connection.sendall(reply.encode())
            while connection.recv(2**16):  # until the client leaves
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        thread.submit(answer)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        model = ChatQwen3(model=MODEL, base_url=url, api_key=KEY, server="vllm", stream_chunk_timeout=0.1)
        with pytest.raises(StreamStallError) as caught:
            add(model.stream("hi"))
    assert caught.value.partial.text == "half"


@pytest.mark.parametrize(("way", "transport"), [way for way in WAYS if "stream" in way[0]])
async def test_slow_prefill_is_no_stall_when_the_first_chunk_is_late(server, way, transport):
    """Protects long prompts: before the first token only the request's timeout counts."""
    key = new_key()
    model = build_model(server, transport, stream_chunk_timeout=0.5)
    assert is_right(await ask(model, way, f"{key} [[stall head 1.0]]"), key)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
async def test_slow_caller_is_no_stall_when_it_thinks_about_a_chunk(server, transport):
    """Protects callers that take their time: only the wait for the server counts."""
    key = new_key()
    stream = build_model(server, transport, stream_chunk_timeout=1.0).astream(f"{key} [[slow 0.001]]")
    chunks = [await anext(stream), await anext(stream)]
    await asyncio.sleep(1.5)
    assert is_right(add([*chunks, *[chunk async for chunk in stream]]), key)


def test_slow_caller_is_no_stall_when_it_is_a_thread(server):
    """Protects the same for threads."""
    key = new_key()
    stream = build_model(server, stream_chunk_timeout=1.0).stream(f"{key} [[slow 0.001]]")
    chunks = [next(stream), next(stream)]
    time.sleep(1.5)
    assert is_right(add([*chunks, *stream]), key)


class FailingCallback(BaseCallbackHandler):
    """Fails at the chunk that comes with the reason for the end, as a handler that reaches the network may."""

    raise_error = True

    def on_llm_new_token(self, token, **_kwargs):
        """Fail with an error of the kind that a broken body raises."""
        if token.endswith("end"):
            raise ConnectionResetError("the callback's own")


def test_callbacks_error_is_told_when_the_stream_has_ended():
    """Protects the caller's own errors: what breaks after the end is passed over in the body alone."""
    delta = {"role": "assistant", "content": "the end"}
    event = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})
    reply = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=f"data: {event}\n\n")
    client = httpx.Client(transport=httpx.MockTransport(lambda _: reply))
    model = ChatQwen3(model="qwen3-8b", base_url="http://x/v1", api_key=KEY, server="dashscope", http_client=client)
    messages = [HumanMessage("hi")]
    (manager,) = CallbackManager([FailingCallback()]).on_chat_model_start({}, [messages])
    with pytest.raises(ConnectionResetError, match="own"):  # of a hook that is called with a manager
        list(model._stream(messages, run_manager=manager))


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_call_is_retried_when_nothing_was_handed_out(server, way, transport):
    """Protects against giving up on a server that is briefly busy."""
    key = new_key()
    model = build_model(server, transport, max_retries=2)
    text = f"{key} [[status 503 openai retry-after-ms=10 x2]]"
    assert is_right(await ask(model, way, text), key)
    assert len(calls_of(server, key)) == 3


@pytest.mark.parametrize(("way", "transport"), WAYS)
@pytest.mark.parametrize("fault", ["reset 0", "fin 0"])
async def test_call_is_retried_when_a_kept_connection_was_stale(server, fault, way, transport):
    """Protects against keep-alive connections that the server closed while the request was on its way."""
    key = new_key()
    assert is_right(await ask(build_model(server, transport, max_retries=2), way, f"{key} [[{fault} x1]]"), key)
    assert len(calls_of(server, key)) == 2


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_call_is_not_retried_when_the_request_is_at_fault(server, way, transport):
    """Protects servers and bills from requests that can only fail again."""
    key = new_key()
    with pytest.raises(Qwen3InvalidRequestError):
        await ask(build_model(server, transport, max_retries=2), way, f"{key} [[status 400 openai x1]]")
    assert len(calls_of(server, key)) == 1


@pytest.mark.parametrize(("way", "transport"), [way for way in WAYS if "stream" in way[0]])
async def test_stream_is_not_retried_when_chunks_were_handed_out(server, way, transport):
    """Protects the caller from text twice: a broken stream is an error, not a fresh start."""
    key = new_key()
    with pytest.raises(StreamCutError):
        await ask(build_model(server, transport, max_retries=2), way, f"{key} [[reset e4 x1]]")
    assert len(calls_of(server, key)) == 1


async def wait_until_left(server, key):
    """Wait for the server to see that the client closed the connection of this request."""
    left = await asyncio.to_thread(
        server.wait_until, lambda: bool(calls_of(server, key)) and calls_of(server, key)[-1].ended == "left"
    )
    assert left


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
async def test_connection_closes_at_once_when_the_loop_over_a_stream_is_left(server, transport):
    """Protects the server's slots: who stops reading stops the generation."""
    key = new_key()
    stream = build_model(server, transport).astream(f"{key} [[stall e6]]")
    async with contextlib.aclosing(stream):
        await anext(stream)
    await wait_until_left(server, key)


def test_connection_closes_at_once_when_a_sync_stream_is_closed(server):
    """Protects the same for threads."""
    key = new_key()
    stream = build_model(server).stream(f"{key} [[stall e6]]")
    next(stream)
    stream.close()
    assert server.wait_until(lambda: calls_of(server, key)[0].ended == "left")


def test_connection_is_left_alone_when_another_thread_has_it_already(server, monkeypatch):
    """Protects calls from the watch over a stream that has just ended: their request would be sent twice."""
    monkeypatch.setattr(exchange, "_DRAIN_SECONDS", 0.001)  # fires while the connection changes hands
    model, keys = build_model(server, max_retries=2), [new_key() for _ in range(12)]

    def call_often(key):
        for _ in range(10):
            add(model.stream(key))
            model.invoke(key)

    with ThreadPoolExecutor(len(keys)) as threads:
        list(threads.map(call_often, keys))
    assert [len(calls_of(server, key)) for key in keys] == [20] * len(keys)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize(("way", "fault"), [("astream", "stall e4"), ("ainvoke", "stall 0")])
async def test_connection_closes_at_once_when_the_task_is_cancelled(server, transport, way, fault):
    """Protects web servers whose clients go away: the cancelled call is gone at the model's server as well."""
    key = new_key()
    task = asyncio.create_task(ask(build_model(server, transport), way, f"{key} [[{fault}]]"))
    assert await asyncio.to_thread(server.wait_until, lambda: bool(calls_of(server, key)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until_left(server, key)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize(("way", "fault"), [("astream", "stall e4"), ("ainvoke", "stall 0")])
async def test_connection_closes_at_once_when_asyncio_timeout_fires(server, transport, way, fault):
    """Protects `asyncio.timeout` from being swallowed, renamed or outlived."""
    key = new_key()
    model = build_model(server, transport)

    async def let_time_run_out(limit: asyncio.Timeout):
        assert await asyncio.to_thread(server.wait_until, lambda: bool(calls_of(server, key)))
        limit.reschedule(asyncio.get_running_loop().time())

    async def ask_in_time():  # on a busy machine a number of seconds may end before the request is sent
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as tasks:
            tasks.create_task(let_time_run_out(limit))
            await ask(model, way, f"{key} [[{fault}]]")

    with pytest.raises(TimeoutError) as caught:
        await ask_in_time()
    assert type(caught.value) is TimeoutError
    await wait_until_left(server, key)


@pytest.mark.parametrize(("way", "transport"), WAYS)
async def test_key_is_left_out_when_another_host_is_redirected_to(server, way, transport):
    """Protects the key: a redirect to another origin carries the request there without it."""
    with FaultServer(fault=f"redirect {server.url}/chat/completions") as first:
        key = new_key()
        assert is_right(await ask(build_model(first, transport), way, key), key)
        assert first.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in calls_of(server, key)[0].headers
