"""What the two transports make of faults, proxies, redirects, cookies, large bodies and cassettes: the same."""

from __future__ import annotations

import asyncio
import socket

import openai
import pytest
import vcr

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.leases import ClientLease
from langchain_qwen3.connections.settings import ConnectionSettings, PoolSettings
from tests.faults.server import closed_port
from tests.support.loopback import FAULTS, Loopback

TRANSPORTS = ["httpx", "aiohttp"]
CUT = ["cut-length", "cut-chunked", "reset-length", "reset-chunked", "stall-body"]


@pytest.fixture(params=TRANSPORTS)
def lease(request):
    """A lease on the clients of each transport."""
    return ClientLease(PoolSettings(transport=request.param))


def find_limit(fault):
    """The time limit, in seconds, for a fault: a short one only where it is what ends the wait."""
    return 0.5 if fault.startswith("stall") else 60.0


async def fault_of(transport, url, **kwargs):
    """What arrived of the body, and the kind of error that ended it."""
    limit = find_limit(url.rpartition("/")[2])
    client = ClientLease(PoolSettings(transport=transport)).async_client
    arrived = b""
    try:
        async with client.stream("POST", url, timeout=httpx.Timeout(limit), json={}, **kwargs) as response:
            async for part in response.aiter_bytes():
                arrived += part
    except httpx.TransportError as error:
        return arrived, type(error)
    raise AssertionError("no error")


KINDS = {
    "hangup": httpx.RemoteProtocolError,
    "garbage": httpx.RemoteProtocolError,
    "cut-length": httpx.RemoteProtocolError,
    "cut-chunked": httpx.RemoteProtocolError,
    "bad-chunk": httpx.RemoteProtocolError,
    "reset": httpx.ReadError,
    "reset-length": httpx.ReadError,
    "reset-chunked": httpx.ReadError,
    "stall": httpx.ReadTimeout,
    "stall-body": httpx.ReadTimeout,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_error_is_of_the_same_kind_on_both_transports(server, transport, fault):
    """Callers and the SDK's retries must not have to know which transport is inside."""
    _arrived, kind = await fault_of(transport, f"{server.origin}/{fault}")
    assert kind is KINDS[fault]


@pytest.mark.parametrize("fault", CUT)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_arrived_is_read_before_the_error(server, transport, fault):
    """By itself aiohttp raises at once, and throws away what it had received."""
    arrived, _kind = await fault_of(transport, f"{server.origin}/{fault}")
    assert arrived == b"half"


@pytest.mark.parametrize("fault", CUT)
async def test_error_names_its_request_when_a_whole_reply_is_cut(lease, server, fault):
    """Whoever logs the error behind ours reads the address from it, as with httpx's own client."""
    url = f"{server.origin}/{fault}"
    with pytest.raises(httpx.TransportError) as caught:
        await lease.async_client.post(url, json={}, timeout=find_limit(fault))
    assert caught.value.request.url == url


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_refused_and_unknown_hosts_are_connect_errors(transport):
    """A timeout would send people looking in the wrong place."""
    assert await fault_of(transport, f"http://127.0.0.1:{closed_port()}/") == (b"", httpx.ConnectError)
    assert await fault_of(transport, "http://no-such-host.invalid/") == (b"", httpx.ConnectError)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_header_that_cannot_be_sent_is_a_protocol_error(server, transport):
    """A key with a line break in it must not end in a bare ValueError."""
    url = f"{server.origin}/x"
    _arrived, kind = await fault_of(transport, url, headers={"Authorization": "Bearer a\nb"})
    assert kind is httpx.LocalProtocolError


@pytest.mark.parametrize("count", [100, 129, 400])
async def test_reply_with_many_headers_is_read(lease, server, count):
    """Gateways add headers for traces and cookies; aiohttp's own limit is 128, and httpx has none."""
    response = await lease.async_client.post(f"{server.origin}/status-404?{'&'.join(['to=x'] * count)}", json={})
    assert response.status_code == 404
    assert len(response.headers.get_list("location")) == count


async def test_sdk_reports_a_connection_error_when_refused(lease):
    """The SDK's own classes: a refused connection is no timeout there either."""
    client = openai.AsyncOpenAI(
        api_key="k", base_url="http://127.0.0.1:1/v1", http_client=lease.async_client, max_retries=0
    )
    with pytest.raises(openai.APIConnectionError) as caught:
        await client.post("/chat/completions", body={}, cast_to=httpx.Response)
    assert not isinstance(caught.value, openai.APITimeoutError)


async def test_no_cookie_is_kept(lease, server):
    """Models share the client, and must not be recognised by each other's cookies."""
    for _ in range(2):
        await lease.async_client.post(server.base_url, json={})
    lease.sync_client.post(server.base_url, json={})
    lease.sync_client.post(server.base_url, json={})
    lease.close()
    assert [request.headers.get("cookie") for request in server.requests] == [None] * 4


async def test_no_key_is_sent_when_redirected_to_another_host(lease, server):
    """A redirect must not hand the key to a stranger."""
    with Loopback() as stranger:
        client = openai.AsyncOpenAI(
            api_key="canary",
            base_url=server.base_url,
            http_client=lease.async_client,
            default_query={"to": f"{stranger.origin}/chat/completions".replace("127.0.0.1", "localhost")},
        )
        response = await client.post("/redirect", body={"n": 1}, cast_to=httpx.Response)
    assert response.status_code == 200
    assert server.requests[0].headers["authorization"] == "Bearer canary"
    assert "canary" not in str(stranger.requests)
    assert stranger.requests[0].body == server.requests[0].body


async def test_request_is_sent_as_it_is_when_its_length_is_not_known(lease, server):
    """Neither the framing of its body nor the quoting of its URL may depend on the transport."""

    async def pieces():
        yield b'{"text": '
        yield b'"x"}'

    await lease.async_client.post(f"{server.base_url}/a%2Fb?x=%E6%9C%88%20", content=pieces())
    request = server.requests[-1]
    assert (request.target, request.body) == ("/v1/a%2Fb?x=%E6%9C%88%20", b'{"text": "x"}')
    assert (request.headers["transfer-encoding"], request.headers.get("content-length")) == ("chunked", None)


async def test_large_body_is_sent_whole(lease, server):
    """Images make bodies of many megabytes, of which aiohttp warns when given bytes."""
    body = {"image": "x" * 3_000_000}
    await lease.async_client.post(server.base_url, json=body)
    assert len(server.requests[0].body) > 3_000_000
    assert "transfer-encoding" not in server.requests[0].headers


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_requests_take_the_proxy_of_the_environment(transport, server, monkeypatch):
    """A transport of one's own switches these variables off in httpx."""
    monkeypatch.setenv("HTTP_PROXY", server.origin)
    settings = ConnectionSettings(base_url="http://model.test/v1", transport=transport)
    lease = ClientLease(settings.resolve_pool())
    await lease.async_client.post("http://model.test/v1", json={})
    lease.sync_client.post("http://model.test/v1", json={})
    lease.close()
    assert [request.target for request in server.requests] == ["http://model.test/v1"] * 2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_requests_go_straight_when_no_proxy_names_the_host(transport, server, monkeypatch):
    """Local servers stand beside company proxies."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    lease = ClientLease(ConnectionSettings(base_url=server.base_url, transport=transport).resolve_pool())
    await lease.async_client.post(server.base_url, json={})
    assert [request.target for request in server.requests] == ["/v1"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_requests_take_the_proxy_of_the_model(transport, server, monkeypatch):
    """`openai_proxy` goes before the environment, and sends its password, on a connection that is reused too."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    proxy = server.origin.replace("://", "://user:secret@")
    lease = ClientLease(PoolSettings(transport=transport, proxy=proxy))
    for _ in range(2):
        await lease.async_client.post("http://model.test/v1", json={})
        lease.sync_client.post("http://model.test/v1", json={})
    lease.close()
    assert [request.target for request in server.requests] == ["http://model.test/v1"] * 4
    assert server.connections == 2
    assert {request.headers.get("proxy-authorization") for request in server.requests} == {"Basic dXNlcjpzZWNyZXQ="}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_unreachable_proxy_is_a_connect_error(transport):
    """The proxy is one more host that may refuse."""
    lease = ClientLease(PoolSettings(transport=transport, proxy="http://127.0.0.1:1"))
    with pytest.raises(httpx.ConnectError):
        await lease.async_client.post("http://model.test/v1", json={})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_socket_options_reach_the_socket(transport, server, monkeypatch):
    """TCP keep-alive finds dead peers; aiohttp's adapter would ignore the options."""
    seen = []
    real = socket.socket.setsockopt
    monkeypatch.setattr("socket.socket.setsockopt", lambda sock, *option: (seen.append(option), real(sock, *option)))
    option = (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    lease = ClientLease(PoolSettings(transport=transport, socket_options=(option,)))
    await lease.async_client.post(server.base_url, json={})
    assert option in seen


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cassette_records_and_replays(transport, tmp_path):
    """Users record their tests with vcrpy, each test on a loop of its own."""
    client = ClientLease(PoolSettings(transport=transport)).async_client

    async def call(url, stream):
        return (await client.post(url, json={"stream": stream})).text

    with Loopback() as server:
        url = server.base_url
        with vcr.use_cassette(str(tmp_path / "c.yaml"), record_mode="once", match_on=["uri", "body"]) as tape:
            recorded = [asyncio.run(call(url, stream)) for stream in (False, True)]
        assert len(tape) == 2
    with vcr.use_cassette(str(tmp_path / "c.yaml"), record_mode="none", match_on=["uri", "body"]) as tape:
        replayed = [asyncio.run(call(url, stream)) for stream in (False, True)]
        assert tape.all_played
    assert replayed == recorded
