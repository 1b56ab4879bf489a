"""Requests before any chat: whether there is an API at the URL, which models it serves, and its version."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from langchain_qwen3.connections.exchange import afetch_json
from langchain_qwen3.doctor.findings import Outcome
from langchain_qwen3.doctor.readers import read_error
from langchain_qwen3.errors import (
    BadReplyError,
    ErrorTranslator,
    Qwen3AuthenticationError,
    Qwen3ConnectionError,
    Qwen3Error,
    Qwen3ModelNotFoundError,
    Qwen3ServerError,
)
from langchain_qwen3.errors.redirects import TURNED_INTO_GET
from langchain_qwen3.errors.secrets import clean_url
from langchain_qwen3.servers.address import find_root
from langchain_qwen3.servers.facts import find_list, read_id, read_models

if TYPE_CHECKING:
    from langchain_qwen3.chat_model import ChatQwen3
    from langchain_qwen3.servers.dialect import Dialect

_VERSION_SECONDS = 3.0
_PATIENCE_SECONDS = 3.0
_PLAIN_SECONDS = 1.5
_PREFIXES = ("/compatible-mode/v1", "/api", "/api/v1", "/openai/v1")
"""Where APIs are, if not under /v1: on Alibaba's hosts, Open WebUI, OpenRouter, and Groq."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Contents of `/v1/models`: names, and context lengths in tokens if reported."""

    models: tuple[str, ...] = ()
    contexts: Mapping[str, int] = field(default_factory=dict)
    moved_to: str = ""
    """URL that a redirect leads to, if a POST cannot follow it."""


async def list_models(model: ChatQwen3, url: str = "/models") -> Listing:
    """Return the models that the server lists.

    Args:
        model: The model, which identifies the server.
        url: Path of the list, or its full URL if it is not under the base URL.

    Raises:
        Qwen3Error: The server cannot be reached, refuses, or does not answer with a list.
    """
    with ErrorTranslator(model.dialect.name, str(model.openai_api_base), model.model_name):
        answer = await afetch_json(model.root_async_client, url)
        if moved_to := _find_moved(answer.response):
            return Listing(moved_to=moved_to)
        if answer.error:
            raise answer.error
        if answer.body is None:
            page = "an HTML page" if answer.response.content.lstrip()[:1] == b"<" else "invalid JSON"
            raise BadReplyError(
                f"the server answered with {page} instead of its list of models", response=answer.response
            )
        rows = find_list(answer.body)
        if rows is None:
            raise BadReplyError("the reply is not a list of models", response=answer.response, body=answer.body)
    _, served = read_models(answer)
    contexts = {name: model.context for name, model in served.items() if model.context}
    names = (read_id(row) for row in rows if isinstance(row, dict))
    return Listing(tuple(filter(None, names)), contexts)


def _find_moved(response: Any) -> str:
    """Return the target of a redirect that turns a POST into a GET; 307 and 308 do not."""
    for hop in (*response.history, response):  # only a user's own client follows redirects
        if hop.status_code in TURNED_INTO_GET and (target := hop.headers.get("location")):
            return clean_url(urljoin(str(hop.url), str(target)))
    return ""


async def reach(model: ChatQwen3, *, named: bool) -> tuple[Outcome, Listing]:
    """Find out whether there is an API at the model's base URL, and what it lists.

    Args:
        model: The model, which identifies the server.
        named: Whether the user chose the model's name; then, without a list, one chat shows whether there is an API.
    """
    url = str(model.openai_api_base)
    try:
        listing = await _list_or_notice(model)
    except Qwen3Error as error:
        if isinstance(error, BadReplyError) or getattr(error, "status_code", None):
            return await _reach_without_list(model, error, named=named), Listing()
        outcome = read_error(error, "", None)
        if isinstance(error, Qwen3ConnectionError) and url.startswith("http://") and await _speaks_tls(url):
            fix = f"Write {url.replace('http://', 'https://', 1)} for base_url."
            outcome = Outcome("failed", "the server uses https, not plain HTTP", fix)
        elif isinstance(error, Qwen3ConnectionError) and named:
            once = model.model_copy(update={"max_retries": 0})  # most likely no server is there
            if await _try_chat(once) is None:
                outcome = Outcome("ok", f"{url}, {_describe_missing_list(error)}")
        return outcome, Listing()
    if listing is None:
        fix = f"Write {url.replace('https://', 'http://', 1)} for base_url."
        return Outcome("failed", "the server uses plain HTTP, not https", fix), Listing()
    if listing.moved_to:
        return await _judge_redirect(model, listing.moved_to, named=named), listing
    if not listing.models and not named:
        return Outcome("failed", "it serves no models", "Load a model, or set --model."), listing
    return Outcome("ok", url), listing


async def _judge_redirect(model: ChatQwen3, target: str, *, named: bool) -> Outcome:
    """Explain why the list is redirected: the API has moved, or a log-in page or a framework redirects a GET only."""
    url, place = str(model.openai_api_base), target.removesuffix("/models")
    if place not in {target, url.rstrip("/")}:
        detail = f"it redirects to {place}, which turns each chat's POST into a GET"
        return Outcome("failed", detail, f"Use {place} for base_url.")
    refused = await _try_chat(model) if named else None
    if named and refused is None:
        return Outcome("ok", f"{url}, which redirects its list of models to {target}")
    if refused is not None and getattr(refused, "status_code", None) not in TURNED_INTO_GET:
        return read_error(refused, "", None)
    fix = "Check the URL, and the proxy or log-in page in front of the server."
    if not named:
        fix += " If only the list is redirected, name a model with --model (in Python model=)."
    return Outcome("failed", f"it redirects to {target}, which is no API", fix)


async def _list_or_notice(model: ChatQwen3) -> Listing | None:
    """Return the server's list; None, and early, for a plain HTTP server that waits for the rest of a TLS handshake."""
    parts = urlsplit(str(model.openai_api_base))
    listing = asyncio.ensure_future(list_models(model))
    try:
        if parts.scheme == "https" and parts.hostname:
            await asyncio.wait({listing}, timeout=_PATIENCE_SECONDS)
            if not listing.done() and await _speaks_plain_http(parts.hostname, parts.port or 443):
                return None
        return await listing
    finally:
        listing.cancel()


async def _speaks_plain_http(host: str, port: int) -> bool:
    """Send a plain HTTP request without the key; nginx answers it on a TLS port too, but names the "HTTPS port"."""
    try:
        async with asyncio.timeout(_PLAIN_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                head = await reader.read(1024)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return head.startswith(b"HTTP/") and b"HTTPS port" not in head


async def _speaks_tls(url: str) -> bool:
    """Begin a TLS handshake without a request; a TLS server closes plain HTTP without a word."""
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PLAIN_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, ssl=context)
            writer.close()
    except (OSError, TimeoutError):
        return False
    return True


async def _reach_without_list(model: ChatQwen3, error: Qwen3Error, *, named: bool) -> Outcome:
    """Explain a missing list: the server has none or refuses it, the API is elsewhere, or there is no API."""
    url = str(model.openai_api_base)
    reason = error
    if named:
        refused = await _try_chat(model)
        if refused is None:
            return Outcome("ok", f"{url}, {_describe_missing_list(error)}")
        reason = refused
    if place := await _find_api(model, reason):
        cause = str(error).partition("\n")[0]
        return Outcome("failed", cause, f"The API is at {place}: use that URL.")
    if isinstance(error, BadReplyError):
        reason = error  # a web page explains more than a refused chat
    outcome = read_error(reason, "", None)
    if not named and isinstance(error, Qwen3ModelNotFoundError):  # a 404
        fix = f"{outcome.fix} If it does, the server lists no models: name one with --model (in Python model=)."
        return replace(outcome, fix=fix)
    return outcome


async def _try_chat(model: ChatQwen3) -> Qwen3Error | None:
    """Return the error of one short chat, None if it is answered."""
    try:
        await model.ainvoke("Hi", max_tokens=1)
    except Qwen3Error as refused:
        return refused
    return None


def _describe_missing_list(error: Qwen3Error) -> str:
    if isinstance(error, Qwen3ModelNotFoundError):  # a 404
        return "which lists no models"
    if isinstance(error, Qwen3ConnectionError):
        return "which breaks off its list of models"
    if status := getattr(error, "status_code", None):
        return f"which refuses its list of models (HTTP {status})"
    what = "a web page" if "HTML page" in str(error) else "something else"
    return f"which answers with {what} instead of its list of models"


async def _find_api(model: ChatQwen3, reason: Qwen3Error) -> str | None:
    """Return the actual URL of the API, None if it is not at a similar URL."""
    address = str(model.openai_api_base)
    stem = address.removesuffix("/completions").removesuffix("/chat").removesuffix("/models")
    parts = urlsplit(address)
    root = f"{parts.scheme}://{parts.netloc}"
    others = () if isinstance(reason, Qwen3ServerError) else _PREFIXES  # each may take a proxy's whole patience
    places = (stem, f"{stem}/v1", f"{root}/v1", *(root + prefix for prefix in others))
    for place in dict.fromkeys(place for place in places if place != address):
        try:
            await list_models(model, f"{place}/models")
        except Qwen3Error as error:
            # Where the model's own URL needs no key, a /v1 that does is the API; under /api there may be others.
            wants_key = isinstance(error, Qwen3AuthenticationError) and not isinstance(reason, Qwen3AuthenticationError)
            if not wants_key or place.removeprefix(root) in _PREFIXES:
                continue
        return place
    return None


async def ask_version(model: ChatQwen3, dialect: Dialect) -> str:
    """Return the version that the server reports, empty if it reports none."""
    if dialect.version is None:
        return ""
    path, key = dialect.version
    url = find_root(str(model.openai_api_base)) + path
    try:
        answer = await afetch_json(model.root_async_client, url, seconds=_VERSION_SECONDS)
    except Exception:  # noqa: BLE001  # the version is optional
        return ""
    version = str(answer.body.get(key) or "") if isinstance(answer.body, dict) else ""
    return "" if "unknown" in version else version  # llama.cpp built as a library: "b0-unknown"
