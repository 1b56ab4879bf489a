"""The SDK's clients of one model, over shared connections, with nothing of the environment in them."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai
from langchain_openai.chat_models._client_utils import _resolve_socket_options
from pydantic import SecretStr

from langchain_qwen3.connections.leases import ClientLease, PoolSettings, lease_clients
from langchain_qwen3.connections.sdk import AsyncSdkClient, SdkClient
from langchain_qwen3.servers.dialects import find_by_host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_qwen3.fields import Qwen3Fields

CONNECTION_FIELDS = frozenset(
    {
        "openai_api_base",
        "openai_api_key",
        "openai_organization",
        "openai_proxy",
        "request_timeout",
        "max_retries",
        "default_headers",
        "default_query",
        "http_client",
        "http_async_client",
        "http_socket_options",
        "transport",
    }
)
"""Fields that the clients are built from."""


def resolve_api_key(base_url: str) -> str:
    """Return the key for a server: `$QWEN_API_KEY`, its host's own variable at that host only, else `EMPTY`."""
    key = os.getenv("QWEN_API_KEY")
    if not key and (row := find_by_host(urlsplit(base_url).hostname or "")) and row.api_key_variable:
        key = os.getenv(row.api_key_variable)
    return key or "EMPTY"


class Completions:
    """The SDK's `chat.completions`, made when it is first used: `ChatQwen3` itself never does.

    It would be half of the objects that a model keeps alive, and that the garbage collector goes through.
    """

    __slots__ = ("_client",)

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copying asks of an object that has no fields yet
            raise AttributeError(name)
        return getattr(self._client.chat.completions, name)


def build_clients(model: Qwen3Fields) -> tuple[ClientLease | None, openai.OpenAI | None, openai.AsyncOpenAI]:
    """Return the lease on the shared connections and the SDK's clients; no sync one for an async key.

    Raises:
        ValueError: `openai_proxy` is given together with an http client of the user's own, or the key cannot be sent.
    """
    if model.openai_proxy and (model.http_client or model.http_async_client):
        raise ValueError("openai_proxy cannot be given together with http_client or http_async_client: set it there")
    lease = lease_clients(
        PoolSettings(
            transport=model.transport,
            proxy=model.openai_proxy,
            socket_options=_resolve_socket_options(model.http_socket_options),
        )
    )
    sync_key, async_key = _split_key(model.openai_api_key)
    shared: dict[str, Any] = {
        "base_url": model.openai_api_base,
        "organization": model.openai_organization,
        "default_headers": model.default_headers,
        "default_query": model.default_query,
    }
    if model.request_timeout is not None:  # else the SDK's 600 s, or what a user's own client says
        shared["timeout"] = model.request_timeout
    if model.max_retries is not None:
        shared["max_retries"] = model.max_retries
    root_async = AsyncSdkClient(api_key=async_key, http_client=model.http_async_client or lease.async_client, **shared)
    _forget_environment(root_async, model)
    root = None
    if sync_key is not None:
        root = SdkClient(api_key=sync_key, http_client=model.http_client or lease.sync_client, **shared)
        _forget_environment(root, model)
    return lease, root, root_async


def _forget_environment(client: openai.OpenAI | openai.AsyncOpenAI, model: Qwen3Fields) -> None:
    """Take out of a client what the SDK read from `OPENAI_*` variables: they belong to another company's account."""
    client.organization = model.openai_organization
    client.project = None
    client._custom_headers = dict(model.default_headers or {})  # noqa: SLF001  # $OPENAI_CUSTOM_HEADERS
    for name in ("admin_api_key", "webhook_secret"):
        if hasattr(client, name):
            setattr(client, name, None)


def _split_key(
    key: SecretStr | Callable[[], str] | Callable[[], Awaitable[str]] | None,
) -> tuple[str | Callable[[], str] | None, str | Callable[[], Awaitable[str]]]:
    """Return the key as the sync and as the async client want it."""
    if key is None or isinstance(key, SecretStr):
        text = key.get_secret_value() if key else "EMPTY"
        if not (text.isascii() and text.isprintable()):  # http libraries would quote it in their own error
            raise ValueError("api_key holds a line break or another character that no HTTP header can carry")
        return text, text
    if inspect.iscoroutinefunction(key):
        return None, key

    async def call_in_thread() -> str:
        return await asyncio.to_thread(key)  # type: ignore[arg-type]

    return key, call_in_thread  # type: ignore[return-value]
