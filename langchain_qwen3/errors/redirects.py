"""Redirects: the request to the target of one that is followed, and what an error says of any other."""

from __future__ import annotations

from typing import Any

from langchain_qwen3._httpx import httpx
from langchain_qwen3.errors.kinds import Qwen3StatusError
from langchain_qwen3.errors.secrets import clean_url
from langchain_qwen3.servers.address import CHAT_PATH, split_url

FOLLOWED = frozenset({307, 308})
"""The redirects that keep the method, as HTTP statuses."""

TURNED_INTO_GET = frozenset({301, 302, 303})
"""Those that turn a POST into a GET."""

_MAX_TARGET = 200
_IMPERSONAL_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "user-agent"}
)


def build_redirected(request: Any, response: Any) -> Any:
    """Return the request to a redirect's target, without the model's own headers if that is another server.

    Returns:
        None if the response is no redirect, or one without a usable target.
    """
    if response.status_code not in FOLLOWED:
        return None
    try:
        url = request.url.join(response.headers["location"]).copy_with(userinfo=b"")  # the libraries differ on it
        split_url(str(url.copy_with(query=None)))
        content = request.content
    except (KeyError, ValueError, httpx.InvalidURL, httpx.RequestNotRead):
        return None
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    # Another server, or no TLS any more; from http to https on the same host and port is neither, by default ports too.
    old, new = request.url, url
    if old.netloc != new.netloc or (old.scheme, new.scheme) not in {("http", "https"), (old.scheme, old.scheme)}:
        headers = {name: text for name, text in headers.items() if name in _IMPERSONAL_HEADERS}
    return httpx.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)


def refuse_redirected(response: Any) -> Any:
    """Raise if a redirect turns the POST into a GET, or was not followed; else return the response."""
    for reply in (*response.history, response):  # only a user's own client turns it into a GET
        if reply.status_code in TURNED_INTO_GET or (reply is response and reply.status_code in FOLLOWED):
            error = Qwen3StatusError(f"HTTP {reply.status_code}: {_describe_redirect(reply)}", response=reply)
            error.status_code = reply.status_code
            raise error
    return response


def _describe_redirect(reply: Any) -> str:
    location = reply.headers.get("location")
    if not location:
        return "the server redirects, but does not say where to"
    try:
        target = clean_url(str(reply.request.url.join(location)))
    except (ValueError, httpx.InvalidURL):
        target = clean_url(location)[:_MAX_TARGET]
    if reply.status_code in FOLLOWED:
        advice = "a client of your own needs follow_redirects=True"
        return f"the server redirects to {target}, which leads in a circle or to no HTTP server; {advice}"
    base = target.removesuffix("/").removesuffix(CHAT_PATH)
    if base == target.removesuffix("/"):  # such as the login page of a proxy
        advice = "it is no address for chats, but perhaps a login; check base_url and the key"
    elif base == clean_url(str(reply.request.url)).removesuffix(CHAT_PATH):  # adds a slash, or sets a cookie
        advice = "base_url is right, so the server has to answer there, or to redirect with 307 or 308"
    else:
        advice = f"set base_url to {base}"
    return f"the server redirects to {target}, which would turn the request into a GET: {advice}"
