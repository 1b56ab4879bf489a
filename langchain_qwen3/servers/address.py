"""The address of a server, and the key that belongs to it."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address, ip_network
from unicodedata import category
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from langchain_qwen3._httpx import httpx
from langchain_qwen3.servers.dialects import find_by_host

CHAT_PATH = "/chat/completions"
"""Where chats are sent to, below the base URL."""

_PLACEHOLDER = frozenset("<>{}")

parse_url: Callable[[str], SplitResult] = getattr(urlsplit, "__wrapped__", urlsplit)
"""`urlsplit` without its cache, which would keep a URL and its password after the model is gone."""


def resolve_api_key(base_url: str) -> str:
    """Return the key for a server: `$QWEN_API_KEY`, the variable in the host's dialect row, or `EMPTY`."""
    key = os.getenv("QWEN_API_KEY", "").strip()
    try:
        host = parse_url(base_url.strip()).hostname or ""
    except ValueError:  # its text may show the password; `split_url` names the field
        host = ""
    if not key and (row := find_by_host(host)) and row.api_key_variable:
        key = os.getenv(row.api_key_variable, "").strip()
    return key or "EMPTY"


def check_key(api_key: object) -> None:
    """Raise for a key from a curl command.

    Raises:
        ValueError: The key has the header's word before it.
    """
    if isinstance(api_key, SecretStr) and api_key.get_secret_value().lower().startswith("bearer "):
        raise ValueError('api_key begins with "Bearer ", which each request adds: leave that word off')


def find_root(base_url: str) -> str:
    """Return the address that a server's own paths start from: a base URL without the `/v1` at its end."""
    return base_url.rstrip("/").removesuffix("/v1")


def is_exempt(base_url: str, no_proxy: str) -> bool:
    """Return whether the text of `$NO_PROXY` names the host of a URL.

    Each entry is a host or a domain above it, with or without a dot before it and a port, with `*` for any characters;
    or an IP address, or a network such as `10.0.0.0/8` or `fd00::/8`; or a URL, whose path does not count. So it is all
    that curl, requests and httpx take.
    """
    parts = parse_url(base_url)
    host, port = parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
    # A dot at the end of a host, as in Kubernetes, spares the resolver its search list.
    places = [f"{name}{end}" for name in (host, host.rstrip("."), f"[{host}]") for end in ("", f":{port}")]
    for entry in no_proxy.lower().replace(",", " ").split():
        scheme, is_url, name = entry.rpartition("://")
        if is_url and scheme not in ("all", parts.scheme):
            continue
        name = (name.partition("/")[0] if is_url else name).lstrip(".")
        with suppress(ValueError):  # no address, or no network
            if ip_address(host) in ip_network(name, strict=False):
                return True
        pattern = name.replace("[", "[[]")  # brackets are those of IPv6 addresses
        if name and any(fnmatchcase(place, form) for place in places for form in (pattern, f"*.{pattern}")):
            return True
    return False


@lru_cache
def _find_fault(host: str) -> str | None:
    """Return the rule that a host breaks, None if it can exist."""
    try:
        httpx.URL(scheme="http", host=host)
        host.encode("idna")  # as Python does before it looks a host up
    except (httpx.InvalidURL, UnicodeError):
        if host.isascii() and host.replace(".", "").isdigit():
            return "an address has four numbers from 0 to 255, without zeros before them"
        return "between its dots belong 1 to 63 letters, digits or hyphens, not full-width ones"
    return None


def _point_at_sign(url: str) -> str:
    """Return a remark on a full-width colon or another sign that is none of a URL, and on the variable it came from."""
    signs = (sign for sign in url.rpartition("@")[2] if not sign.isascii() and category(sign).startswith("P"))
    sign = next(signs, None)
    remark = f"; it contains {sign!r}: type it with an English keyboard" if sign else ""
    if url[:1] in ("'", '"'):
        remark = "; it begins with a quotation mark: leave that off"
    return f"{remark} (it is the value of $QWEN_BASE_URL)" if url == os.getenv("QWEN_BASE_URL", "").strip() else remark


def split_url(url: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Split the parts that may be secret off a URL; return the URL without them, headers and the query.

    User and password become an `Authorization` header, because no two HTTP libraries treat them alike. The SDK would
    put a query before the path. Many services show the address of their chats, as other clients want it, so its end is
    left out.

    Raises:
        ValueError: Requests cannot be sent to this URL.
    """
    url = url.strip()
    try:
        parts = parse_url(url)
        _ = parts.port
        is_read = "@" in parts.netloc or "@" not in parts.fragment  # bob:2024#x@host is no host bob
    except ValueError:
        is_read = False
    if not is_read:
        rule = "its port must be a number up to 65535, and only IPv6 addresses use brackets"
        if "@" in url and "@" not in min((url.partition("//")[2].partition(sign)[0] for sign in "/?#"), key=len):
            rule = "in user and password, # must be written as %23, / as %2F, and ? as %3F"
        raise ValueError(f"base_url cannot be read: {rule}{_point_at_sign(url)}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            'base_url must begin with http:// or https:// and contain a host, such as "http://localhost:8000/v1"'
            f"{_point_at_sign(url)}"
        )
    if not _PLACEHOLDER.isdisjoint(parts.netloc.rpartition("@")[2] + parts.path):
        raise ValueError("base_url still contains a placeholder: put your own value there, such as the id of your pod")
    if not url.isprintable() or " " in url:
        raise ValueError("base_url contains a space, a line break or another character not allowed in a URL")
    if fault := _find_fault(parts.hostname):
        raise ValueError(f"base_url contains the host {parts.hostname!r}, which cannot exist: {fault}")
    headers = {}
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    path = parts.path.rstrip("/").removesuffix(CHAT_PATH).rstrip("/")
    clean = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(pairs)
    if any(query[name] != value for name, value in pairs):  # a list is sent as `name[]=`, which is another name
        raise ValueError("base_url contains a query parameter twice, with different values: only one can be sent")
    return clean, headers, query
