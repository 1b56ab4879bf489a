"""How long idle connections live in a test."""

import pytest

from langchain_qwen3.connections import loops
from langchain_qwen3.connections.transports import aiohttp_transport, httpx_transport


def set_idle_seconds(monkeypatch, keepalive, check):
    """Change how long connections may be idle."""
    for module in (httpx_transport, aiohttp_transport, loops):
        monkeypatch.setattr(module, "KEEPALIVE_SECONDS", keepalive)
    for module in (httpx_transport, loops):
        monkeypatch.setattr(module, "CHECK_SECONDS", check)


@pytest.fixture(autouse=True)
def long_idle(monkeypatch):
    """Let no connection grow old between two steps of a test: a busy machine may take seconds for one."""
    set_idle_seconds(monkeypatch, 600.0, 1.0)


@pytest.fixture
def short_idle(monkeypatch, long_idle):  # noqa: ARG001 - changes what that has set
    """Make idle connections old within a moment."""
    set_idle_seconds(monkeypatch, 0.1, 0.02)
