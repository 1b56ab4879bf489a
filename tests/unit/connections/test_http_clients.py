"""What the shared clients send with every request; what they send, and to whom, is tested beside `redirects`."""

from __future__ import annotations

from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient
from langchain_qwen3.connections.settings import PoolSettings


def test_servers_are_told_of_nothing_else_when_a_library_could_unpack_it() -> None:
    """Protects memory: of Brotli and Zstandard, httpx unpacks a piece without a limit."""
    for client in (SharedSyncClient(PoolSettings()), SharedAsyncClient(PoolSettings())):
        assert client.headers["accept-encoding"] == "gzip, deflate"
