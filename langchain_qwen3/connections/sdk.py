"""One model's SDK clients, without settings from the environment and with a fast path to an HTTP request.

For every request the SDK validates its options, parses the URL three times and merges headers twice: a fifth of a short
call's total cost. All our requests go to one URL with one set of headers, so the SDK builds them once per key and
timeout, and the result is reused. `_build_request` and the options it takes are private to the SDK; if a version
renames them, its own path is used. No issue asks for it yet; nearest: https://github.com/openai/openai-python/pull/3616.

`_make_status_error_from_response` is private, too: it decodes an error's body with the codec that the server names
(https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py). If a version renames it, the errors are
the same, because `errors` reads the bytes; but with a user's own HTTP client, a slow codec costs time again.
"""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import orjson

from langchain_qwen3._httpx import httpx
from langchain_qwen3.call import keeps_numbers
from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient
from langchain_qwen3.connections.keys import split_key
from langchain_qwen3.connections.leases import ClientLease

if TYPE_CHECKING:
    from langchain_qwen3.connections.settings import ConnectionSettings


class _OwnClient:
    """Our overrides, the same for both of the SDK's clients."""

    _template: tuple[Any, Any] = (None, None)
    """What a request was made of, and the request, as all of the client's are but for the body."""

    def __init__(self: Any, **options: Any) -> None:
        super().__init__(**options)
        # Values that the SDK reads from `OPENAI_*` variables belong to another company's account.
        self.organization = options.get("organization")
        for name in ("project", "admin_api_key", "webhook_secret"):
            if hasattr(self, name):
                setattr(self, name, None)
        lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
        # `platform_headers` runs programs under a lock: not during a request, where a fork could interrupt it.
        foreign = {line.partition(":")[0].strip() for line in lines} | {*self.platform_headers(), "X-Stainless-Async"}
        self._foreign = foreign - {*(options.get("default_headers") or ())}
        self._is_shared = isinstance(options.get("http_client"), SharedSyncClient | SharedAsyncClient)

    @property
    def default_headers(self: Any) -> dict[str, Any]:
        """Headers of every request, without those of `$OPENAI_CUSTOM_HEADERS` and those about the user's machine."""
        headers: dict[str, Any] = super().default_headers  # type: ignore[misc]  # the SDK's
        return {name: value for name, value in headers.items() if name not in self._foreign}

    def _make_status_error_from_response(self: Any, response: Any) -> Any:
        """Return the SDK's error, whose body is read as UTF-8: see `limit_body`, which a user's client does not use."""
        with suppress(ValueError):  # a hook of the user's client has decoded it
            response.encoding = "utf-8"
        return super()._make_status_error_from_response(response)  # type: ignore[misc]  # the SDK's

    def _build_request(self: Any, options: Any, *, retries_taken: int = 0) -> Any:
        plain = None if retries_taken or not self._is_shared else _read_plain(options)
        if plain is None:
            return super()._build_request(options, retries_taken=retries_taken)  # type: ignore[misc]  # the SDK's
        body, *others = plain
        source = (self.base_url, self.api_key, self.timeout, others)
        made_of, template = self._template
        if made_of != source:
            template = super()._build_request(options)  # type: ignore[misc]  # the SDK's
            if "idempotency-key" in template.headers:  # unique to each request
                return template
            for name in ("Content-Length", "Transfer-Encoding", "X-Stainless-Retry-Count", "X-Stainless-Read-Timeout"):
                template.headers.pop(name, None)
            self._template = source, template
        stream = httpx.ByteStream(body)
        request = httpx.Request(
            "POST", template.url, headers=template.headers, stream=stream, extensions=template.extensions
        )
        request.headers.encoding = "ascii"  # otherwise every access decodes all headers to detect it
        request.headers["Content-Length"] = str(len(body))
        request.read()
        return request


def post_payload(client: Any, path: str, payload: dict[str, Any], options: dict[str, Any], **stream: Any) -> Any:
    """Do what the `post` of any of the SDK's clients does, 30 µs faster if the call has no options of its own."""
    if options or (plain := _find_plain_options(path)) is None:
        return client.post(path, cast_to=httpx.Response, body=payload, options=options, **stream)
    return client.request(httpx.Response, plain.model_copy(update={"json_data": payload}), **stream)


@functools.cache
def _find_plain_options(path: str) -> Any:
    """Return the SDK's options of a POST to a path that has none of its own; None if they are not as expected."""
    recorder: Any = SimpleNamespace(request=lambda _cast_to, options, **_: options)
    with suppress(AttributeError, TypeError):
        options: Any = openai.OpenAI.post(recorder, path, cast_to=httpx.Response, body={})
        if options.json_data == {} and options.model_copy:
            return options
    return None


def _read_plain(options: Any) -> tuple[bytes, str, Any] | None:
    """Return body, path and timeout of a POST that has only a JSON body; None for any other request."""
    try:
        payload = options.json_data
        has_more = options.headers or options.params or options.extra_json
        if type(payload) is not dict or options.method != "post" or has_more:
            return None
        body = orjson.dumps(payload)
        return (body, options.url, options.timeout) if keeps_numbers(body, payload) else None
    except (AttributeError, TypeError):  # the SDK's encoder handles pydantic objects, keys that are not strings, ...
        return None


class SdkClient(_OwnClient, openai.OpenAI):
    """`openai.OpenAI`, faster."""


class AsyncSdkClient(_OwnClient, openai.AsyncOpenAI):
    """`openai.AsyncOpenAI`, faster.

    Attributes:
        origin: What its model hands to those that are built from the model's fields, this client among them.
    """

    origin: Any = None


class Completions:
    """The SDK's `chat.completions`, created on first use; `ChatQwen3` itself never uses it.

    It would be half of the objects that a model keeps alive and the garbage collector scans.
    """

    __slots__ = ("_client",)

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `copy` looks these up before the object has fields
            raise AttributeError(name)
        return getattr(self._client.chat.completions, name)


def build_clients(settings: ConnectionSettings) -> tuple[ClientLease | None, SdkClient | None, AsyncSdkClient]:
    """Return the lease on the shared connections and the SDK's clients.

    There is no lease where both HTTP clients are the user's own, and no sync client for an async key.

    Raises:
        ValueError: A setting is invalid.
    """
    pool = settings.resolve_pool()
    lease = None if settings.http_client and settings.http_async_client else ClientLease(pool)
    sync_key, async_key = split_key(settings.api_key)
    options = settings.build_client_options()
    async_client = settings.http_async_client or (lease and lease.async_client)
    root_async = AsyncSdkClient(api_key=async_key, http_client=async_client, **options)
    root = None
    if sync_key is not None:
        root = SdkClient(api_key=sync_key, http_client=settings.http_client or (lease and lease.sync_client), **options)
    return lease, root, root_async
