"""What an error says of a redirect that was not followed, or that would turn the POST into a GET."""

from __future__ import annotations

from typing import Any

from langchain_qwen3._httpx import httpx
from langchain_qwen3.errors.kinds import Qwen3StatusError
from langchain_qwen3.errors.secrets import clean_url

FOLLOWED = frozenset({307, 308})
"""The redirects that keep the method, as HTTP statuses."""

TURNED_INTO_GET = frozenset({301, 302, 303})
"""Those that turn a POST into a GET."""

_MAX_TARGET = 200


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
    advice = f"set base_url to {target.removesuffix('/chat/completions')}"
    return f"the server redirects to {target}, which would turn the request into a GET: {advice}"
