"""The registry of shared clients; their connections are tested in tests/integration."""

from __future__ import annotations

import asyncio
import gc
import itertools
from typing import Any

import openai
import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import leases
from langchain_qwen3.connections.http_clients import prepare_first_request
from langchain_qwen3.connections.leases import ClientLease
from langchain_qwen3.connections.sdk import build_clients
from langchain_qwen3.connections.settings import ConnectionSettings, PoolSettings
from langchain_qwen3.connections.transports.shared import build_ssl_context

_values = itertools.count(1000)


def build_own() -> PoolSettings:
    """Return settings that no other test uses."""
    return PoolSettings(socket_options=((1, 9, next(_values)),))


def test_models_share_clients_when_settings_are_equal() -> None:
    """Protects services from a pool per model."""
    shares = [ClientLease(PoolSettings()) for _ in range(3)]
    assert len({id(lease.async_client) for lease in shares}) == 1
    assert len({id(lease.sync_client) for lease in shares}) == 1


@pytest.mark.parametrize(
    "other",
    [
        PoolSettings(transport="aiohttp"),
        PoolSettings(transport="httpx", proxy="http://proxy.test"),
        PoolSettings(transport="httpx", socket_options=((1, 9, 1),)),
    ],
)
def test_models_have_their_own_clients_when_settings_differ(other: PoolSettings) -> None:
    """Protects a model's requests from another model's proxy."""
    mine, theirs = ClientLease(PoolSettings(transport="httpx")), ClientLease(other)
    assert theirs.async_client is not mine.async_client
    assert theirs.sync_client is not mine.sync_client


def test_one_tls_context_is_built_when_there_are_many_models() -> None:
    """Protects memory and time: a context per model took 50 ms and a megabyte each."""
    build_ssl_context.cache_clear()
    prepare_first_request.cache_clear()
    settings = build_own()
    shares = [ClientLease(settings) for _ in range(200)]
    for lease in shares:
        assert lease.async_client is shares[0].async_client
        assert lease.sync_client is shares[0].sync_client
    assert build_ssl_context.cache_info().misses == 1


def test_no_tls_context_is_built_when_both_clients_are_the_users() -> None:
    """Protects programs with clients of their own from time and memory for clients that they never use."""
    build_ssl_context.cache_clear()
    with httpx.Client() as client:
        settings = ConnectionSettings(
            base_url="http://server.test/v1", http_client=client, http_async_client=httpx.AsyncClient()
        )
        assert build_clients(settings)[0] is None
    assert build_ssl_context.cache_info().misses == 0


def test_lease_is_given_back_when_its_model_is_collected() -> None:
    """Protects the last close from models that nobody closes."""
    settings = build_own()
    kept, dropped = ClientLease(settings), ClientLease(settings)
    assert "of 2:" in repr(kept)
    del dropped
    gc.collect()
    assert "of 1:" in repr(kept)


def test_settings_are_forgotten_when_their_last_model_is_gone() -> None:
    """Protects memory, and the proxies' passwords, of a service that changes proxies with each model."""
    settings = PoolSettings(proxy="http://user:canary@proxy.test")
    lease: Any = ClientLease(settings)
    assert lease.sync_client is not lease.async_client
    assert settings in leases._registry.clients
    del lease
    gc.collect()
    assert settings not in leases._registry.clients


async def test_shared_client_goes_on_when_closed() -> None:
    """Protects other models: the SDK's `close()` on one must not end them."""
    client = ClientLease(PoolSettings()).async_client
    await client.aclose()
    async with openai.AsyncOpenAI(api_key="k", http_client=client):
        pass
    assert not client.is_closed


def test_lease_may_be_closed_twice_when_nothing_was_opened() -> None:
    """Protects `finally` blocks, in which `close` and `aclose` stand, from failing on their own."""
    lease = ClientLease(PoolSettings())
    asyncio.run(lease.aclose())
    asyncio.run(lease.aclose())
    lease.close()
    assert "no loop" in repr(lease)
