"""The SDK's clients of one model, with nothing of the environment in them and a shorter way to an HTTP request.

For every request the SDK validates its options, parses the URL three times and merges headers twice: a fifth of a short
call's whole cost. All of ours go to one URL with one set of headers, so the SDK does it once for each key and timeout,
and what it made is used again. `_build_request` and a field of its options are private to the SDK; where a version
names them otherwise, its own way is gone.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import openai
import orjson
from pydantic import SecretStr

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient
from langchain_qwen3.connections.leases import ClientLease, lease_clients

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_qwen3.connections.settings import ConnectionSettings, Key

__all__ = ["Completions", "build_clients"]


class _Template(NamedTuple):
    """A request as all of a client's are, but for the body; and what it was made of."""

    source: tuple[Any, ...]
    url: httpx.URL
    headers: httpx.Headers
    extensions: dict[str, Any]


class _OwnClient:
    """What both of the SDK's clients have of ours."""

    _template: _Template | None = None
    _options: Any = None
    _is_shared = False

    def __init__(self: Any, **options: Any) -> None:
        super().__init__(**options)
        # What the SDK read from `OPENAI_*` variables belongs to another company's account.
        self.organization = options.get("organization")
        for name in ("project", "admin_api_key", "webhook_secret"):
            if hasattr(self, name):
                setattr(self, name, None)
        lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
        self._foreign = {line.partition(":")[0].strip() for line in lines} - {*(options.get("default_headers") or ())}
        self._is_shared = isinstance(options.get("http_client"), SharedSyncClient | SharedAsyncClient)
        self.platform_headers()  # asks programs, under a lock: not within a request, which a fork could cut short

    @property
    def default_headers(self: Any) -> dict[str, Any]:
        """Headers of every request, without those of `$OPENAI_CUSTOM_HEADERS`."""
        headers: dict[str, Any] = super().default_headers  # type: ignore[misc]  # the SDK's
        return {name: value for name, value in headers.items() if name not in self._foreign}

    def request(self: Any, cast_to: Any, options: Any, **stream: Any) -> Any:
        """Keep the options that the SDK made of a call, to copy them for the next."""
        if self._options is None and type(getattr(options, "json_data", None)) is dict and options.method == "post":
            self._options = options.model_copy(update={"json_data": None})
        return super().request(cast_to, options, **stream)  # type: ignore[misc]  # the SDK's

    def post_payload(self: Any, path: str, payload: dict[str, Any], options: dict[str, Any], **stream: Any) -> Any:
        """Do what the SDK's `post` does; 30 µs faster where the call has no options of its own."""
        if options or self._options is None or self._options.url != path:
            return self.post(path, cast_to=httpx.Response, body=payload, options=options, **stream)
        copied = self._options.model_copy(update={"json_data": payload})
        return self.request(httpx.Response, copied, **stream)

    def _build_request(self: Any, options: Any, *, retries_taken: int = 0) -> Any:
        body = None if retries_taken or not self._is_shared else _dump_plain(options)
        if body is None:
            return super()._build_request(options, retries_taken=retries_taken)  # type: ignore[misc]  # the SDK's
        source = (self.base_url, options.url, self.api_key, self.timeout, options.timeout)
        template = self._template
        if template is None or template.source != source:
            request = super()._build_request(options)  # type: ignore[misc]  # the SDK's
            del request.headers["Content-Length"]
            if "idempotency-key" in request.headers:  # one request's own
                return super()._build_request(options)  # type: ignore[misc]  # the SDK's
            template = self._template = _Template(source, request.url, request.headers, request.extensions)
        request = httpx.Request(
            "POST",
            template.url,
            headers=template.headers,
            stream=httpx.ByteStream(body),
            extensions=template.extensions,
        )
        request.headers.encoding = "ascii"  # or every look at them decodes all of them to find out
        request.headers["Content-Length"] = str(len(body))
        request.read()
        return request


def _dump_plain(options: Any) -> bytes | None:
    """Return the body of a POST that has nothing but a JSON body; None for any other request."""
    payload = options.json_data
    if type(payload) is not dict or options.method != "post" or options.headers or options.params or options.extra_json:
        return None
    try:
        return orjson.dumps(payload)
    except TypeError:  # the SDK's own writes pydantic objects, keys that are no strings, ...
        return None


class SdkClient(_OwnClient, openai.OpenAI):
    """`openai.OpenAI`, quicker."""


class AsyncSdkClient(_OwnClient, openai.AsyncOpenAI):
    """`openai.AsyncOpenAI`, quicker."""


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


def build_clients(settings: ConnectionSettings) -> tuple[ClientLease, SdkClient | None, AsyncSdkClient]:
    """Return the lease on the shared connections and the SDK's clients; no sync one for an async key.

    Raises:
        ValueError: A setting cannot work.
    """
    lease = lease_clients(settings.resolve_pool())
    sync_key, async_key = _split_key(settings.api_key)
    options = settings.build_client_options()
    async_client = settings.http_async_client or lease.async_client
    root_async = AsyncSdkClient(api_key=async_key, http_client=async_client, **options)
    root = None
    if sync_key is not None:
        root = SdkClient(api_key=sync_key, http_client=settings.http_client or lease.sync_client, **options)
    return lease, root, root_async


def _split_key(key: Key) -> tuple[str | Callable[[], str] | None, str | Callable[[], Awaitable[str]]]:
    """Return the key as the sync and as the async client want it."""
    if key is None or isinstance(key, SecretStr):
        text = key.get_secret_value() if key else "EMPTY"
        return text, text
    if inspect.iscoroutinefunction(key):
        return None, key

    async def call_in_thread() -> str:
        return await asyncio.to_thread(key)  # type: ignore[arg-type]

    return key, call_in_thread  # type: ignore[return-value]
