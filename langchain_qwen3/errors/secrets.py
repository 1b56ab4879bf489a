"""Removes secrets from everything that an error shows of a call. Pure, no I/O.

Errors end up in logs, traces, pickles and bug reports. So an error holds copies of request and response without any
key, password, token or cookie, and all text from a server is masked. Such text is truncated before a regular expression
runs on it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from traceback import walk_tb
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

from langchain_qwen3.servers.address import parse_url

MAX_BODY_TEXT = 100_000
"""How many characters of a text in an error's body are kept."""
_MAX_DEPTH = 20
_MAX_CHAIN = 8
_MAX_ITEMS = 1000
_SHORTEST_SECRET = 6
_NO_SECRETS = frozenset({"ollama", "lm-studio", "not-needed", "sk-no-key-required"})  # placeholder keys from tutorials
_MASK = "***"

# In a request every header except these may contain a secret; in a response only a few do.
_PLAIN_HEADERS = frozenset({"accept", "content-type", "date", "retry-after", "server", "user-agent", "x-request-id"})
_SECRET_REPLY_HEADERS = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authorization"})
_FRAMING_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})
# Headers that HTTP libraries and the SDK set, and what else is sent in headers and query without being a secret.
_KNOWN_NAME = re.compile(
    r"accept.*|connection|content-.*|date|expect|host|http-referer|referer|te|transfer-encoding|user-agent|x-stainless-.*"
    r"|x-title|x-request-id|traceparent|tracestate|api-version|version|model|deployment",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    r"(?i:\bbearer\s{1,8})\S+"
    r"|\b(?:sk[-_]|hf_|gsk_|lsv2_)[A-Za-z0-9*][A-Za-z0-9_.*-]{5,}"
    r"|\bms-[0-9a-f]{8}-[0-9a-f-]{20,}"
    r"|\b(?:nvapi-|tvly-|tgp_v1_|AIza|eyJ)[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)*"
    r"|\b(?:fw_|r8_|csk-|xai-|pplx-)[A-Za-z0-9]{16,}"
    r"|(?<=//)[^\s/@]+(?=@)"
    r"|(?i:(?<=api_key=)|(?<=api-key=)|(?<=apikey=)|(?<=access_token=))[^\s&\"']+"
)


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace `secrets` and anything that looks like a key, a bearer token or a URL's password with `***`."""
    text = text[:MAX_BODY_TEXT]
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return _SECRETS.sub(_MASK, text)


def mask_body(body: object, secrets: Iterable[str] = (), depth: int = _MAX_DEPTH) -> object:
    """Return a JSON value with every string masked, keys too; values nested too deeply are dropped."""
    if isinstance(body, bytes | bytearray | memoryview):
        body = bytes(body[:MAX_BODY_TEXT]).decode("utf-8", "replace")
    if isinstance(body, str):
        return mask_text(body, secrets)
    if isinstance(body, int) and abs(body) >= 1 << 64:
        return "…"  # Python cannot print a number of thousands of digits
    if not isinstance(body, Mapping | list):
        return body
    if depth == 0:
        return "…"
    if isinstance(body, list):
        return [mask_body(item, secrets, depth - 1) for item in body[:_MAX_ITEMS]]
    pairs = [*body.items()][:_MAX_ITEMS]
    return {mask_body(key, secrets, 1): mask_body(value, secrets, depth - 1) for key, value in pairs}


def clean_url(url: str) -> str:
    """Return a URL without user, password, query and fragment, which may hold secrets."""
    try:
        parts = parse_url(url)
    except ValueError:  # such as "http://[::1"
        return mask_text(url).partition("?")[0].rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def read_secrets(request: Any) -> list[str]:
    """Return the values in a request that may be secrets, in every form in which a server may echo them.

    Any header or query parameter may hold one, except those that are known to hold none.
    """
    if request is None:
        return []
    pairs = [*request.headers.items(), *request.url.params.items()]
    values = {value for name, value in pairs if not _KNOWN_NAME.fullmatch(name)}
    values |= {request.url.password or "", request.url.username or ""}
    for value in [*values]:
        scheme, _, word = value.rpartition(" ")
        values |= {word, *(_read_basic(word) if scheme.lower() == "basic" else ())}
    values |= {form for value in values for form in (quote(value), quote(value, safe=""), unquote(value))}
    values |= {form for value in values for form in (json.dumps(value)[1:-1], html.escape(value))}
    # The longest first: replacing a shorter one inside it would leave the rest visible.
    return sorted((value for value in values - _NO_SECRETS if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)


def strip_request(request: Any) -> Any:
    """Return a copy of a request without its body, and without possible secrets in URL and headers."""
    if request is None:
        return None
    headers = {name: value for name, value in request.headers.items() if name.lower() in _PLAIN_HEADERS}
    return type(request)(request.method, clean_url(str(request.url)), headers=headers)


def strip_response(response: Any) -> Any:
    """Return a copy of a response with its request stripped, and with headers and text masked.

    If the body was not read, the copy's body is empty.
    """
    if response is None:
        return None
    request = find_request(response)
    secrets = read_secrets(request)
    headers = {
        name: mask_text(value, secrets)
        for name, value in response.headers.items()
        if name.lower() not in _SECRET_REPLY_HEADERS | _FRAMING_HEADERS
    }
    if kind := headers.get("content-type"):
        headers["content-type"] = kind.partition(";")[0]  # the copy is UTF-8, whatever charset the server names
    raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]  # httpx encodes text as ASCII
    try:
        content = response.content[:MAX_BODY_TEXT].decode("utf-8", "replace")
    except RuntimeError:  # the body was never read
        content = ""
    return type(response)(
        response.status_code,
        headers=raw_headers,
        content=mask_text(content, secrets).encode(),
        request=strip_request(request),
    )


def _strip_exception(exc: BaseException, secrets: Iterable[str]) -> None:
    """Remove the secrets from another library's exception: from its texts, request, response and body.

    Args:
        exc: The exception.
        secrets: The secrets of its call: some of aiohttp's errors quote the URL, but hold no request.
    """
    secrets = [*secrets, *read_secrets(find_request(exc))]
    if isinstance(exc, OSError) and isinstance(exc.strerror, str):  # `str` shows this, not the arguments
        exc.strerror = mask_text(exc.strerror, secrets)
    exc.args = tuple(mask_text(part, secrets) if isinstance(part, str) else part for part in exc.args)
    for name, value in vars(exc).items():
        if isinstance(value, str):
            setattr(exc, name, mask_text(value, secrets))
    for name, strip in (("request", strip_request), ("response", strip_response)):
        with suppress(AttributeError, RuntimeError):  # httpx's property raises if it is not set
            setattr(exc, name, strip(getattr(exc, name)))
    if (info := getattr(exc, "request_info", None)) is not None:  # aiohttp's, with all headers in its repr
        exc.request_info = SimpleNamespace(real_url=clean_url(str(info.real_url)))  # type: ignore[attr-defined]
        exc.history = ()  # type: ignore[attr-defined]
        exc.args = (exc.request_info, ())  # type: ignore[attr-defined]
    if getattr(exc, "body", None) is not None:
        with suppress(AttributeError):
            exc.body = mask_body(exc.body, secrets)  # type: ignore[attr-defined]


def strip_causes(exc: BaseException, error: Exception) -> bool:
    """Remove the secrets of the call from all that led to its error; return whether a text quoted one.

    They are in no variable where the error is raised: Sentry, loguru and rich show the variables of a traceback.
    """
    secrets = read_secrets(find_request(exc))
    quotes_secret = any(secret in str(link) for link in walk_causes(exc) for secret in secrets)
    for link in walk_causes(exc, hidden=True):
        if link is not error:
            _strip_exception(link, secrets)
        for frame, _ in walk_tb(link.__traceback__):
            # With a proxy, a variable of httpcore holds all headers that were sent, the proxy's own among them:
            # https://github.com/encode/httpcore/blob/1.0.9/httpcore/_async/http_proxy.py
            # Its other frames stay: HTTP/2 ends several calls with one error, and clearing stops one that still closes.
            name = str(frame.f_globals.get("__name__"))
            if name.startswith("httpcore") and name.endswith("_proxy"):
                with suppress(RuntimeError):  # it still runs
                    frame.clear()
    return quotes_secret


def walk_causes(exc: BaseException, *, hidden: bool = False) -> Iterator[BaseException]:
    """Yield an exception and its causes; with `hidden`, also those that `raise … from None` suppresses."""
    link: BaseException | None = exc
    for _ in range(_MAX_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ and not hidden else link.__context__)


def find_request(exc: Any) -> Any:
    """Return the request of another library's exception or response, or None."""
    try:
        return exc.request
    except (AttributeError, RuntimeError):
        return None


def _read_basic(word: str) -> list[str]:
    try:
        user, _, password = base64.b64decode(word, validate=True).decode().partition(":")
    except ValueError:
        return []
    return [user, password]
