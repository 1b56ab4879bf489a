"""Which redirects the shared clients follow, what another server gets to see of a request, and what an error says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.http_clients import SharedAsyncClient, SharedSyncClient
from langchain_qwen3.connections.settings import PoolSettings
from langchain_qwen3.errors import Qwen3StatusError
from langchain_qwen3.errors.redirects import refuse_redirected

PERSONAL = {"authorization": "Bearer canary", "x-tenant": "canary", "openai-organization": "canary"}
IMPERSONAL = {"accept": "application/json", "content-type": "application/json"}


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers in the place of all servers, and keeps what it was sent."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self.answer(request)
        response.request = request
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def redirect(status: int, location: str | None) -> Callable[[httpx.Request], httpx.Response]:
    """Return a server that redirects whoever does not come to `/new` yet."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/new":
            return httpx.Response(200, text="here")
        return httpx.Response(status, headers=[] if location is None else [(b"location", location.encode())])

    return answer


async def send(mode: str, transport: Transport, url: str = "http://old.test/v1") -> httpx.Response:
    """Send a request through one of the clients."""
    client: Any = SharedSyncClient(PoolSettings()) if mode == "sync" else SharedAsyncClient(PoolSettings())
    client.connections = transport
    response = client.send(httpx.Request("POST", url, headers={**PERSONAL, **IMPERSONAL}, content=b'{"n": 1}'))
    answer: httpx.Response = await response if inspect.isawaitable(response) else response
    return answer


NOWHERE = [
    None, "", "ftp://new.test/", "http://[", "file:///etc/passwd", "javascript:alert(1)", "/new\x01",
    "/" + "x" * 70_000, "http://☃.test/", "http://new..test/", f"http://{'a' * 64}.test/", "http://new.test:99999/",
]  # fmt: skip
MODES = pytest.mark.parametrize("mode", ["sync", "async"])


@MODES
@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    ("location", "is_same"),
    [
        ("/new", True),
        ("http://old.test/new", True),
        ("https://old.test/new", True),
        ("//old.test/new", True),
        ("/new?a=1&a=2", True),
        ("http://evil:canary@old.test/new", True),
        ("http://old.test:81/new", False),
        ("https://old.test:8443/new", False),
        ("http://evil:canary@new.test/new", False),
        ("http://new.test/new", False),
        ("https://new.test/new", False),
        ("http://old.test.evil.test/new", False),
    ],
)
async def test_redirect_is_followed_with_what_the_target_may_see(
    mode: str, status: int, location: str, is_same: bool
) -> None:
    """Protects key and tenant from a stranger; the model's own server gets them again."""
    transport = Transport(redirect(status, location))
    response = await send(mode, transport)
    assert (response.status_code, response.text) == (200, "here")
    last = transport.requests[-1]
    assert (last.method, last.content) == ("POST", b'{"n": 1}')
    assert last.headers["host"] == last.url.netloc.decode()
    assert last.url.userinfo == b""
    assert all(last.headers[name] == value for name, value in IMPERSONAL.items())
    assert [name in last.headers for name in PERSONAL] == [is_same] * len(PERSONAL)


@MODES
@pytest.mark.parametrize("location", NOWHERE)
async def test_redirect_is_the_answer_when_it_leads_to_nowhere(mode: str, location: str | None) -> None:
    """Protects callers from an error of the HTTP library about an address that they never gave."""
    transport = Transport(redirect(307, location))
    response = await send(mode, transport)
    assert response.status_code == 307
    with pytest.raises(Qwen3StatusError, match="HTTP 307: the server redirects") as caught:
        refuse_redirected(response)
    assert len(str(caught.value)) < 400
    assert ("follow_redirects=True" in str(caught.value)) == bool(location)


@MODES
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_redirect_is_the_answer_when_it_would_make_a_get_of_the_post(mode: str, status: int) -> None:
    """Protects users from the error of a request that they never made."""
    transport = Transport(redirect(status, "/new"))
    assert (await send(mode, transport)).status_code == status
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("location", "advice"),
    [
        ("https://new.test/v1/chat/completions", "set base_url to https://new.test/v1"),
        ("https://new.test/v1/chat/completions/", "set base_url to https://new.test/v1"),
        ("https://old.test/v1/chat/completions", "set base_url to https://old.test/v1"),
        ("/api/v1/chat/completions?key=1", "set base_url to http://old.test/api/v1"),
        ("/v1/chat/completions/", "base_url is right"),
        ("/v1/chat/completions", "base_url is right"),
        ("http://old.test/v1/chat/completions?token=1", "base_url is right"),
        ("https://login.test/oauth2/start?rd=%2Fv1", "perhaps a login"),
        ("/login?next=/v1/chat/completions", "perhaps a login"),
        ("/cdn-cgi/access/login/old.test", "perhaps a login"),
        ("https://new.test/", "perhaps a login"),
        ("/", "perhaps a login"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_error_advises_the_address_only_where_it_helps(status: int, location: str, advice: str) -> None:
    """Protects from advice that names a login page, `/chat/completions` twice, or the address that is already set."""
    response = await send("sync", Transport(redirect(status, location)), "http://old.test/v1/chat/completions")
    with pytest.raises(Qwen3StatusError, match=f"HTTP {status}: the server redirects to http") as caught:
        refuse_redirected(response)
    said = str(caught.value)
    assert [one for one in ("set base_url to", "base_url is right", "perhaps a login") if one in said] == [
        advice.partition(" http")[0]
    ]
    assert said.endswith(advice) or not advice.startswith("set")


@MODES
async def test_following_ends_when_a_server_redirects_in_a_circle(mode: str) -> None:
    """Protects from a request that never ends."""
    transport = Transport(redirect(308, "/v1"))
    assert (await send(mode, transport)).status_code == 308
    assert len(transport.requests) == 6
