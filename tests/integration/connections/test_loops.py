"""Connections of the shared clients over loops and threads, counted at a loopback server, on both transports."""

from __future__ import annotations

import asyncio
import gc
import threading

import openai
import pytest
import uvloop

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import leases
from langchain_qwen3.connections.leases import ClientLease
from langchain_qwen3.connections.settings import PoolSettings
from tests.support.loopback import CHUNKS


@pytest.fixture(params=["httpx", "aiohttp"])
def lease(request):
    """A lease on the clients of each transport."""
    return ClientLease(PoolSettings(transport=request.param))


def sdk_client(server, lease):
    """One model's SDK client, which never retries."""
    return openai.AsyncOpenAI(
        api_key="k", base_url=server.base_url, http_client=lease.async_client, max_retries=0, timeout=60
    )


async def call(client):
    """One whole reply."""
    response = await client.post("/chat/completions", body={"n": 1}, cast_to=httpx.Response)
    assert response.json()["choices"]


async def open_stream(client):
    """A stream of which nothing has been read."""
    return await client.post(
        "/chat/completions",
        body={"stream": True},
        cast_to=httpx.Response,
        stream=True,
        stream_cls=openai.AsyncStream[dict],
    )


async def stream(client):
    """One streamed reply, read to its end."""
    response = await open_stream(client)
    text = b"".join([part async for part in response.aiter_bytes()])
    await response.aclose()
    assert text.count(b"data:") == CHUNKS + 1


async def settled(server, count):
    """Wait until the server has seen connections come or go."""
    async with asyncio.timeout(60):
        while server.open_now != count:  # noqa: ASYNC110 - the server lives on another loop
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("job", [call, stream])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_client_works_when_every_run_has_its_own_loop(lease, server, run, job):
    """A second `asyncio.run` used to die with "Event loop is closed"; now none leaves a socket behind."""
    client = sdk_client(server, lease)
    for _ in range(20):
        run(job(client))
    gc.collect()  # an unclosed socket would warn here, and warnings are errors
    assert len(server.requests) == 20
    asyncio.run(settled(server, 0))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a closed loop cannot close its socket
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_nothing_is_logged_when_a_model_is_dropped_after_its_loop_was_closed_by_hand(server, caplog, transport):
    """Protects Flask and Celery tasks, which make loop and model for one answer: each logged "Unclosed connector"."""
    lease = ClientLease(PoolSettings(transport=transport))
    client = sdk_client(server, lease)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(call(client))
    loop.close()
    del client, lease
    gc.collect()
    assert "Unclosed" not in caplog.text


def test_client_works_when_threads_have_their_own_loops(lease, server):
    """Web servers and notebooks run loops beside each other; they share a client but no connection."""
    client = sdk_client(server, lease)
    errors = []

    def work():
        try:
            for _ in range(10):
                asyncio.run(stream(client))
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert errors == []
    assert len(server.requests) == 80
    asyncio.run(settled(server, 0))


async def test_one_connection_is_used_when_streams_follow_each_other(lease, server):
    """Every new connection costs the user a handshake."""
    client = sdk_client(server, lease)
    for _ in range(100):
        await stream(client)
    assert server.connections == 1


async def test_two_models_share_a_connection(lease, server):
    """Each model has its own SDK client; the connections below are the same."""
    await call(sdk_client(server, lease))
    await call(sdk_client(server, ClientLease(lease.settings)))
    assert server.connections == 1


async def test_connections_are_reused_when_a_burst_comes_twice(lease, server):
    """Small keep-alive limits would open every connection of the second burst again."""
    client = sdk_client(server, lease)
    for count in (100, 200):
        server.crowd = count  # all hundred are in flight at once
        await asyncio.gather(*(call(client) for _ in range(100)))
    assert server.connections == 100
    assert "0 requests in flight" in repr(lease)


async def test_more_than_a_hundred_requests_are_in_flight_when_asked_for(lease, server):
    """100 is the default limit of both libraries."""
    client = sdk_client(server, lease)
    server.crowd = 150
    await asyncio.gather(*(call(client) for _ in range(150)))
    assert server.connections == 150


async def test_stream_goes_on_when_the_last_lease_is_closed(lease, server):
    """Closing under an open stream gave a ReadError, or hung; what is in use is closed when it is done."""
    client = sdk_client(server, lease)
    server.hold = True
    response = await open_stream(client)
    await lease.aclose()
    server.hold = False
    text = b"".join([part async for part in response.aiter_bytes()])
    assert text.count(b"data:") == CHUNKS + 1
    await response.aclose()
    await settled(server, 0)


async def test_connections_close_when_the_last_lease_does(lease, server):
    """`async with model:` promises that nothing stays open; the next request simply opens a connection."""
    other = ClientLease(lease.settings)
    client = sdk_client(server, lease)
    await call(client)
    await other.aclose()
    other_is_last = server.open_now == 0
    await lease.aclose()
    await settled(server, 0)
    assert not other_is_last
    await call(client)
    assert server.connections == 2


async def test_connection_closes_when_a_stream_is_left(lease, server):
    """A server goes on generating for a client that only stopped listening."""
    client = sdk_client(server, lease)
    response = await client.post(
        "/stall-body", body={}, cast_to=httpx.Response, stream=True, stream_cls=openai.AsyncStream[dict]
    )
    async for _ in response.aiter_bytes():
        break
    await response.aclose()
    await settled(server, 0)
    assert "0 requests in flight" in repr(lease)


async def test_request_is_counted_out_when_it_is_cancelled(lease, server):
    """A count that stays would send every later request to other pools, and keep connections open."""
    client = sdk_client(server, lease)
    task = asyncio.create_task(client.post("/stall", body={}, cast_to=httpx.Response))
    await settled(server, 1)
    assert "1 requests in flight" in repr(lease)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "0 requests in flight" in repr(lease)
    await settled(server, 0)


def test_loop_may_end_when_a_stream_was_left_open(lease, server, caplog):
    """A stream kept in a variable is closed by the end of the loop, and so is a lease closed before it."""
    client = sdk_client(server, lease)
    server.hold = True

    async def read(response):
        try:
            async for part in response.aiter_bytes():
                yield part
        finally:
            await response.aclose()

    async def leave(*, close_lease):
        parts = read(await open_stream(client))
        await anext(parts)
        if close_lease:
            await lease.aclose()
        kept.append(parts)

    kept = []
    asyncio.run(leave(close_lease=False))
    asyncio.run(leave(close_lease=True))
    server.hold = False
    kept.clear()
    gc.collect()
    # asyncio closes all generators at once, of which httpx's nested ones complain; the guard must not
    assert "langchain_qwen3" not in caplog.text
    asyncio.run(settled(server, 0))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_connections_of_a_dead_loop_go_when_the_next_loop_begins(lease, server):
    """A loop closed without `shutdown_asyncgens` cannot be cleaned up, but must not pile up either."""
    client = sdk_client(server, lease)
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(call(client))
        loop.close()
    del loop
    asyncio.run(call(client))
    gc.collect()
    asyncio.run(settled(server, 0))
    assert repr(lease).count("requests in flight") <= 1


@pytest.mark.usefixtures("short_idle")
async def test_connections_close_when_they_are_idle(server):
    """Servers close theirs after 5 s, even under a request, and each one kept may hold a thread of theirs."""
    for transport in ("httpx", "aiohttp"):
        lease = ClientLease(PoolSettings(transport=transport, socket_options=((1, 9, 1),)))
        client = sdk_client(server, lease)
        server.crowd = len(server.requests) + 5
        opened = server.connections
        await asyncio.gather(*(call(client) for _ in range(5)))
        assert server.connections == opened + 5
        await settled(server, 0)
        await call(client)
        await settled(server, 0)


@pytest.mark.usefixtures("short_idle")
async def test_idle_connections_close_when_another_is_in_use(server):
    """After a burst most connections get no request for long, while one streams for minutes."""
    client = sdk_client(server, ClientLease(PoolSettings(transport="httpx", socket_options=((1, 9, 1),))))
    server.crowd = 5
    await asyncio.gather(*(call(client) for _ in range(5)))
    server.hold = True
    response = await open_stream(client)
    await settled(server, 1)
    server.hold = False
    await response.aclose()


@pytest.mark.usefixtures("short_idle")
def test_sync_connections_close_when_they_are_idle(server):
    """No event loop runs that could do it."""
    lease = ClientLease(PoolSettings(socket_options=((1, 9, 1),)))
    client = openai.OpenAI(api_key="k", base_url=server.base_url, http_client=lease.sync_client)
    for opened in (1, 2):
        client.post("/chat/completions", body={}, cast_to=httpx.Response)
        assert server.connections == opened
        asyncio.run(settled(server, 0))


async def test_connection_is_reused_when_the_next_model_comes_at_once(lease, server):
    """A service builds a model per request, and drops it without closing it."""
    settings = lease.settings
    for _ in range(3):
        model = ClientLease(settings)
        await call(sdk_client(server, model))
        del model
        gc.collect()
    assert server.connections == 1


@pytest.mark.usefixtures("short_idle")
async def test_nothing_is_left_when_the_last_model_is_dropped(server):
    """Connections close, and then settings and clients go, with the passwords that a proxy's address holds."""
    for transport in ("httpx", "aiohttp"):
        settings = PoolSettings(transport=transport, socket_options=((1, 9, 1),))
        model = ClientLease(settings)
        await call(sdk_client(server, model))
        client = openai.OpenAI(api_key="k", base_url=server.base_url, http_client=model.sync_client)
        await asyncio.to_thread(client.post, "/chat/completions", body={}, cast_to=httpx.Response)
        del model, client
        async with asyncio.timeout(60):
            while settings in leases._registry.clients:
                await asyncio.sleep(0.02)
                gc.collect()
        await settled(server, 0)


async def test_request_succeeds_when_the_server_closed_the_idle_connection(lease, server):
    """Servers such as uvicorn and vLLM close idle connections after 5 s; ours must not be the one that is used then."""
    client = sdk_client(server, lease)
    server.idle_close = 0.05
    await call(client)
    await settled(server, 0)
    server.idle_close = None  # or a busy machine's server would close the next one under its request
    await call(client)
    assert server.connections == 2


def test_sync_client_reuses_its_connection_and_closes_it_with_the_lease(server):
    """The sync side is shared in the same way."""
    lease = ClientLease(PoolSettings(socket_options=((1, 9, 1),)))
    client = openai.OpenAI(api_key="k", base_url=server.base_url, http_client=lease.sync_client)
    for _ in range(5):
        client.post("/chat/completions", body={}, cast_to=httpx.Response)
    assert (server.connections, server.open_now) == (1, 1)
    lease.close()
    asyncio.run(settled(server, 0))
    client.post("/chat/completions", body={}, cast_to=httpx.Response)
    lease.close()
    assert server.connections == 2


def test_sync_stream_goes_on_when_the_lease_is_closed(server):
    """The same promise as for async streams."""
    lease = ClientLease(PoolSettings())
    client = openai.OpenAI(api_key="k", base_url=server.base_url, http_client=lease.sync_client)
    server.hold = True
    response = client.post(
        "/chat/completions", body={"stream": True}, cast_to=httpx.Response, stream=True, stream_cls=openai.Stream[dict]
    )
    lease.close()
    server.hold = False
    assert b"".join(response.iter_bytes()).count(b"data:") == CHUNKS + 1
    response.close()
    asyncio.run(settled(server, 0))
