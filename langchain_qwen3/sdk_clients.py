"""The SDK's clients with a shorter way from payload to HTTP request: a fifth of a short call's whole cost less.

For every request the SDK parses the URL three times and merges headers twice. All of ours go to one URL with one set
of headers, so that is done once a client. `_build_request` is the SDK's private step: should it be renamed, ours is
not called any more and the SDK's own works as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import openai
import orjson
from openai import NotGiven

from langchain_qwen3.pools import http

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AsyncSdkClient", "SdkClient"]


class _Target(NamedTuple):
    """What stays the same from request to request: the URL, and the headers of the HTTP client beside the SDK's."""

    base_url: Any
    path: str
    url: http.URL
    headers: Sequence[tuple[str, str]]


class _PlainRequests:
    """Builds a POST of a JSON body over our own shared http client; leaves everything else to the SDK."""

    _target: _Target | None = None

    def _build_request(self: Any, options: Any, *, retries_taken: int = 0) -> Any:
        if not self._is_plain(options):
            return super()._build_request(options, retries_taken=retries_taken)  # type: ignore[misc]  # the SDK's
        headers = self._build_headers(options, retries_taken=retries_taken)
        target = self._target
        if target is None or target.base_url is not self._base_url or target.path != options.url:
            added = [(name, value) for name, value in self._client.headers.items() if name not in headers]
            target = self._target = _Target(self._base_url, options.url, self._prepare_url(options.url), added)
        for name, value in target.headers:
            headers.setdefault(name, value)
        timeout = http.Timeout(self.timeout if isinstance(options.timeout, NotGiven) else options.timeout)
        return http.Request(
            "POST",
            target.url,
            headers=headers,
            content=_dump(options.json_data),
            extensions={"timeout": timeout.as_dict()},
        )

    def _is_plain(self: Any, options: Any) -> bool:
        return bool(
            options.method.lower() == "post"
            and type(options.json_data) is dict
            and not (options.params or options.files or options.extra_json or self.default_query)
            and getattr(options, "content", None) is None
            and getattr(self._client, "is_shared", False)
        )


def _dump(payload: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(payload)
    except TypeError:  # the SDK's own writes pydantic objects, keys that are no strings, ...
        from openai._utils._json import openapi_dumps

        return openapi_dumps(payload)


class SdkClient(_PlainRequests, openai.OpenAI):
    """`openai.OpenAI`, quicker."""


class AsyncSdkClient(_PlainRequests, openai.AsyncOpenAI):
    """`openai.AsyncOpenAI`, quicker."""
