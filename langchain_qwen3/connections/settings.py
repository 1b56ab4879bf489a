"""The settings of a model's connections, validated and resolved before anything is opened."""

from __future__ import annotations

import functools
import os
import re
import socket
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import TIMEOUT_MAX
from typing import Any, Literal
from urllib.parse import urlsplit

import openai
from pydantic import SecretStr

from langchain_qwen3._httpx import httpx
from langchain_qwen3.call import name_type
from langchain_qwen3.connections.transports.shared import SocketOption
from langchain_qwen3.servers.address import is_exempt

Key = SecretStr | Callable[[], str] | Callable[[], Awaitable[str]] | None
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Settings of shared connections. Models with equal settings share them.

    Attributes:
        transport: The library for async requests.
        proxy: URL of the proxy for all requests.
        socket_options: Arguments of `setsockopt` for every socket.
    """

    transport: Literal["httpx", "aiohttp"] = "aiohttp"
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    socket_options: tuple[SocketOption, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """Settings from which one model's clients are built.

    Attributes:
        base_url: Address of the API, without user, password and query.
        api_key: The key, or a function that returns it.
        organization: Sent as a header.
        proxy: URL of the proxy; None for that of the environment (`HTTPS_PROXY`, `NO_PROXY`, ...).
        timeout: Seconds as one number or `(connect, read)`, or an `httpx.Timeout`; None for the SDK's 600 s.
        max_retries: None for the SDK's 2.
        default_headers: Headers of every request.
        default_query: Query of every request.
        http_client: The user's own client for sync calls.
        http_async_client: The user's own client for async calls.
        socket_options: None for TCP keep-alive that detects a dead peer within two minutes.
        transport: `auto` is `aiohttp`.

    Raises:
        ValueError: A value is invalid; the message names the field.
    """

    base_url: str
    api_key: Key = field(default=None, repr=False)
    organization: str | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: Any = None
    max_retries: int | None = None
    default_headers: Mapping[str, str] | None = field(default=None, repr=False)
    default_query: Mapping[str, object] | None = field(default=None, repr=False)
    http_client: Any = None
    http_async_client: Any = None
    socket_options: Sequence[SocketOption] | None = None
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"

    def __post_init__(self) -> None:
        if self.transport not in {"auto", "httpx", "aiohttp"}:
            raise ValueError(f'transport must be "auto", "httpx" or "aiohttp", not {self.transport!r}')
        if self.proxy and (self.http_client or self.http_async_client):
            raise ValueError(
                "openai_proxy cannot be combined with http_client or http_async_client: set the proxy on that client"
            )
        for name in ("http_client", "http_async_client"):  # the SDK's error for one without a timeout names neither
            if (client := getattr(self, name)) is not None and not hasattr(client, "timeout"):
                raise ValueError(f"{name} must be a client of httpx or httpx2, not {name_type(client)}")
        if isinstance(self.api_key, SecretStr):
            check_headers({"Authorization": self.api_key.get_secret_value()}, "api_key")
        check_headers(self.default_headers or {}, "default_headers")
        check_headers({"OpenAI-Organization": self.organization or ""}, "organization")

    def resolve_pool(self) -> PoolSettings:
        """Return the settings of the shared connections.

        Raises:
            ValueError: The proxy's address is invalid.
        """
        name, proxy = "openai_proxy", self.proxy
        if not proxy and not (self.http_client and self.http_async_client):
            name, proxy = "$HTTP_PROXY, $HTTPS_PROXY or $ALL_PROXY", _find_proxy(self.base_url)
        proxy = (proxy or "").strip() or None
        transport: Literal["httpx", "aiohttp"] = "aiohttp" if self.transport == "auto" else self.transport
        if proxy is not None:
            try:
                is_socks = httpx.Proxy(proxy).url.scheme.startswith("socks")
            except (ValueError, httpx.InvalidURL):  # its message quotes the URL, which may hold a password
                raise ValueError(f"{name} must be an http, https, socks5 or socks5h URL") from None
            if is_socks:
                transport = "httpx"  # aiohttp does not support SOCKS
        options = _find_socket_options() if self.socket_options is None else tuple(self.socket_options)
        return PoolSettings(transport=transport, proxy=proxy, socket_options=options)

    def build_client_options(self) -> dict[str, Any]:
        """Return the arguments of the SDK's clients, except key and HTTP client."""
        options: dict[str, Any] = {
            "base_url": self.base_url,
            "organization": self.organization,
            "default_headers": self.default_headers or None,
            "default_query": self.default_query or None,
            "timeout": read_timeout(self.timeout),
            "max_retries": self.max_retries,
        }
        # Without a timeout it is the SDK's 600 s, or that of the user's own client.
        return {name: value for name, value in options.items() if value is not None}


def check_headers(headers: Any, name: str) -> None:
    """Raise for a header that no request can carry: HTTP libraries differ on it, and may quote a secret.

    Raises:
        ValueError: A name is no token, or a value is not printable ASCII text.
    """
    if not isinstance(headers, Mapping):
        raise ValueError(f"{name} must be a mapping from names to values")  # noqa: TRY004  # as for a bad header
    for header, value in headers.items():
        if not (isinstance(header, str) and _TOKEN.fullmatch(header)):
            raise ValueError(f"{name}: {header!r} cannot be the name of an HTTP header")
        if isinstance(value, bytes | openai.Omit | openai.NotGiven):  # the SDK leaves the last two out
            continue
        if not (isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip()):
            raise ValueError(f"{name}: {header} must be ASCII text without line breaks or blanks around it")


def read_timeout(value: Any) -> Any:
    """Return a time limit in the SDK's form: seconds, or the `Timeout` of the SDK's httpx.

    Args:
        value: Seconds, `(connect, read)` or `(connect, read, write, pool)`, the `Timeout` of httpx or httpx2, openai's
            NOT_GIVEN, or None for the SDK's default. In a pair, `read` also limits each write. Infinity, and more than
            the operating system can count, is no limit; so is None within a pair.

    Raises:
        ValueError: The value is none of these, or a limit is not above 0.
    """
    if value is None or isinstance(value, openai.NotGiven):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return httpx.Timeout(None) if _read_seconds(value) is None else value
    if isinstance(value, tuple | list) and len(value) in (2, 4):
        connect, read, *others = value
        write, pool = others or (read, connect)
        limits = {"connect": connect, "read": read, "write": write, "pool": pool}
    else:
        limits = {step: getattr(value, step, ...) for step in ("connect", "read", "write", "pool")}
    return httpx.Timeout(**{step: _read_seconds(seconds) for step, seconds in limits.items()})


def _read_seconds(seconds: Any) -> float | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        text = "timeout must be seconds, (connect, read), an httpx.Timeout or None"
        raise ValueError(text if seconds is ... else f"{text}, not {seconds!r}")  # noqa: TRY004  # pydantic's
    if not seconds > 0:
        raise ValueError(f"timeout must be greater than 0 s, not {seconds!r}; use math.inf for no limit")
    return seconds if seconds <= TIMEOUT_MAX else None


def _find_proxy(base_url: str) -> str | None:
    """Return the environment's or the system's proxy for an address, or None."""
    if sys.platform not in ("darwin", "win32") and not any(map(os.environ.get, _PROXY_VARIABLES)):
        return None  # `getproxies` scans every environment variable
    proxies, exempt = urllib.request.getproxies(), os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    proxy = (proxies.get(urlsplit(base_url).scheme) or proxies.get("all") or "").strip()
    # The last one knows the system's own exceptions, on macOS and Windows.
    if not proxy or is_exempt(base_url, exempt) or urllib.request.proxy_bypass(urlsplit(base_url).netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


@functools.cache
def _find_socket_options() -> tuple[SocketOption, ...]:
    """Return options that detect a dead peer: the first probe after 60 s, then one every 10 s.

    They are the same as ChatOpenAI's, and `LANGCHAIN_OPENAI_TCP_KEEPALIVE=0` turns them off here too.
    """
    if os.environ.get("LANGCHAIN_OPENAI_TCP_KEEPALIVE", "1") == "0":
        return ()
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    values = {idle: 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 120_000}
    with socket.socket() as probe:
        for name, value in values.items():
            option = (socket.IPPROTO_TCP, getattr(socket, name, -1), value)
            try:
                probe.setsockopt(*option)
            except OSError:  # not supported by the system
                continue
            options.append(option)
    return tuple(options)
