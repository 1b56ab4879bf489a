"""The registry of shared clients, and the arithmetic of pool sets; connections are tested in tests/integration."""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
from unittest import mock

import aiohttp
import openai
import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import leases as client_pool
from langchain_qwen3.connections.leases import PoolSettings, lease_clients
from langchain_qwen3.connections.transports.aiohttp_transport import translate_aiohttp_error
from langchain_qwen3.connections.transports.httpx_transport import (
    PoolSet,
    build_ssl_context,
    has_aiohttp,
    prepare_first_request,
)


def test_http_is_the_library_the_sdk_is_built_on():
    """Errors and clients of the wrong httpx would match nothing in the SDK."""
    assert issubclass(openai.DefaultAsyncHttpxClient, httpx.AsyncClient)
    assert issubclass(openai.DefaultHttpxClient, httpx.Client)


def test_models_share_clients_when_settings_are_equal():
    """A client per model would mean a pool per model."""
    leases = [lease_clients(PoolSettings()) for _ in range(3)]
    assert len({id(lease.async_client) for lease in leases}) == 1
    assert len({id(lease.sync_client) for lease in leases}) == 1


def test_auto_shares_clients_with_what_it_stands_for():
    """Spelling out the default must not open a second set of connections."""
    chosen = "aiohttp" if has_aiohttp() else "httpx"
    assert lease_clients(PoolSettings()).async_client is lease_clients(PoolSettings(transport=chosen)).async_client


@pytest.mark.parametrize(
    "other",
    [
        PoolSettings(transport="aiohttp"),
        PoolSettings(transport="httpx", proxy="http://proxy.test"),
        PoolSettings(transport="httpx", socket_options=((1, 9, 1),)),
    ],
)
def test_models_have_their_own_clients_when_settings_differ(other):
    """A model's requests must not take another model's proxy."""
    mine = lease_clients(PoolSettings(transport="httpx"))
    assert lease_clients(other).async_client is not mine.async_client
    assert lease_clients(other).sync_client is not mine.sync_client


def test_models_have_their_own_clients_when_the_proxy_variables_changed(monkeypatch):
    """A client built before `HTTP_PROXY` was set would bypass it for ever."""
    before = lease_clients(PoolSettings()).async_client
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert lease_clients(PoolSettings()).async_client is not before


def test_one_tls_context_is_built_when_there_are_many_models(monkeypatch):
    """A context per model took 50 ms and a megabyte each."""
    monkeypatch.setenv("ALL_PROXY", "http://fresh.settings.test")
    build_ssl_context.cache_clear()
    prepare_first_request.cache_clear()
    leases = [lease_clients(PoolSettings()) for _ in range(200)]
    assert "no async client, no sync client" in repr(leases[-1])
    assert build_ssl_context.cache_info().misses == 0
    for lease in leases:
        assert lease.async_client is leases[0].async_client
        assert lease.sync_client is leases[0].sync_client
    assert build_ssl_context.cache_info().misses == 1


def test_lease_is_given_back_when_its_model_is_collected(monkeypatch):
    """Models that nobody closes must not keep the last close of others from closing connections."""
    monkeypatch.setenv("ALL_PROXY", "http://fresh.settings.test")
    kept = lease_clients(PoolSettings())
    dropped = lease_clients(PoolSettings())
    assert "of 2:" in repr(kept)
    del dropped
    gc.collect()
    assert "of 1:" in repr(kept)


@pytest.mark.parametrize(
    ("field", "values"),
    [("transport", {"transport": "http3"}), ("openai_proxy", {"proxy": "ftp://user:canary@proxy"})],
)
def test_settings_name_the_field_when_a_value_cannot_work(field, values):
    """A bad value is reported at construction, without the password it may hold."""
    with pytest.raises(ValueError, match=field) as caught:
        PoolSettings(**values)
    assert "canary" not in str(caught.value)


def test_settings_say_what_to_install_when_aiohttp_is_missing():
    """An explicit `transport="aiohttp"` must not fall back silently."""
    with (
        mock.patch.object(client_pool, "has_aiohttp", return_value=False),
        pytest.raises(ImportError, match=r"langchain-qwen3-chat\[aiohttp\]"),
    ):
        PoolSettings(transport="aiohttp")


@pytest.mark.parametrize(("installed", "chosen"), [(None, "httpx"), ("3.11.18", "httpx"), ("3.12.0", "aiohttp")])
def test_auto_takes_aiohttp_when_one_that_will_do_is_installed(monkeypatch, installed, chosen):
    """The extra is optional, and what another package brought may be too old."""

    def version(name):
        if installed is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(importlib.metadata, "version", version)
    has_aiohttp.cache_clear()
    try:
        assert PoolSettings().resolve_transport().transport == chosen
    finally:
        has_aiohttp.cache_clear()


def test_repr_hides_the_proxy():
    """A proxy URL may hold a password."""
    assert "canary" not in repr(PoolSettings(proxy="http://user:canary@proxy"))


def test_pool_set_takes_the_pool_given_back_last_when_one_is_idle():
    """Requests one after another stay on one connection."""
    pools = PoolSet(object, shared=False)
    first, second = pools.take(), pools.take()
    pools.give_back(second)
    pools.give_back(first)
    assert [pools.take(), pools.take()] == [first, second]
    assert len(pools.pools) == 2


def test_pool_set_opens_a_pool_for_each_request_in_flight():
    """A pool's cost grows with its connections, so none may get a second one."""
    pools = PoolSet(object, shared=False)
    for _ in range(100):
        pools.take()
    assert pools.in_flight == [1] * 100


def test_pool_set_keeps_to_one_pool_when_it_is_shared():
    """Aiohttp's session finds a connection at once, however many it has."""
    pools = PoolSet(object, shared=True)
    for _ in range(100):
        pools.take()
    assert pools.in_flight == [100]


def test_pool_set_is_closed_by_its_last_request_when_retired():
    """Closing must not cut another model's stream."""
    pools = PoolSet(object, shared=False)
    first, second = pools.take(), pools.take()
    assert not pools.retire()
    assert not pools.give_back(first)
    assert pools.give_back(second)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ServerDisconnectedError(), httpx.RemoteProtocolError),
        (aiohttp.ClientOSError(104, "reset"), httpx.ReadError),
        (aiohttp.ConnectionTimeoutError(), httpx.ConnectTimeout),
        (aiohttp.SocketTimeoutError(), httpx.ReadTimeout),
        (aiohttp.InvalidUrlClientError("x"), httpx.UnsupportedProtocol),
        (ValueError("header"), httpx.LocalProtocolError),
    ],
)
def test_aiohttp_error_becomes_the_one_httpx_raises(error, kind):
    """Callers must not have to know which transport is inside."""
    assert type(translate_aiohttp_error(error)) is kind


async def test_shared_client_goes_on_when_closed():
    """The SDK's `close()` on one model must not end the others."""
    client = lease_clients(PoolSettings()).async_client
    await client.aclose()
    async with openai.AsyncOpenAI(api_key="k", http_client=client):
        pass
    assert not client.is_closed


def test_lease_may_be_closed_twice_when_nothing_was_opened():
    """`close` and `aclose` stand in `finally` blocks, which must not fail on their own."""
    lease = lease_clients(PoolSettings())
    asyncio.run(lease.aclose())
    asyncio.run(lease.aclose())
    lease.close()
    assert lease.async_client.count_connections() == 0
