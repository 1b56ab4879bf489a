"""Tests of the shorter way from payload to HTTP request: what is sent is what the SDK would send."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai._models import FinalRequestOptions
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections import sdk
from langchain_qwen3.errors import Qwen3Error, Qwen3InvalidRequestError

PAYLOAD = {"model": "q", "messages": [{"role": "user", "content": "你好 😀"}], "temperature": 0.6, "n": 1}


class Place(BaseModel):
    """An object that only the SDK's own JSON writer knows."""

    city: str


def build_client(kind: str, **fields: Any) -> Any:
    """Return the sync or the async SDK client of a model."""
    model = ChatQwen3(model="q", base_url="http://pod.test/v1", server="vllm", **fields)
    return model.root_client if kind == "sync" else model.root_async_client


def build_both(client: Any, **options: Any) -> tuple[httpx.Request, httpx.Request]:
    """Return a request as we build it, and as the SDK does."""
    fields = {"method": "post", "url": "/chat/completions", "json_data": PAYLOAD} | options
    retries = fields.pop("retries_taken", 0)
    prepared = FinalRequestOptions.construct(**fields)
    sdk = openai.OpenAI if isinstance(client, openai.OpenAI) else openai.AsyncOpenAI
    ours = client._build_request(prepared, retries_taken=retries)
    return ours, sdk._build_request(client, prepared, retries_taken=retries)


def describe(request: httpx.Request) -> tuple[Any, ...]:
    """Return all that a server could tell of a request, the order of headers and the SDK's own ones aside."""
    headers = sorted((name.lower(), value) for name, value in request.headers.raw)
    headers = [header for header in headers if not header[0].startswith(b"x-stainless-")]
    return request.method, str(request.url), headers, request.extensions, json.loads(request.content)


KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


@KINDS
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"timeout": 7.5},
        {"timeout": httpx.Timeout(3.0, connect=1.0)},
        {"headers": {"X-Call": "1"}},
        {"params": {"a": "b"}},
        {"retries_taken": 2},
        {"json_data": {"model": "q", "place": Place(city="北京")}},
    ],
    ids=["plain", "timeout", "timeouts", "headers", "params", "retry", "pydantic"],
)
def test_request_is_the_sdks_own_when_built_the_short_way(kind: str, options: dict[str, Any]) -> None:
    """Protects servers from a request that lacks a header, a timeout or a part of the body."""
    client = build_client(kind, default_headers={"X-Model": "m"}, timeout=30)
    for _ in range(2):  # the second one is made after the first one's template
        ours, sdks = build_both(client, **options)
        assert describe(ours) == describe(sdks)


@KINDS
def test_template_is_made_anew_when_key_url_or_timeout_change(kind: str) -> None:
    """Protects callable keys that expire, and copies of a client, from the last request's headers."""
    client = build_client(kind, api_key="first")
    build_both(client)
    client.api_key = "second"
    assert build_both(client)[0].headers["authorization"] == "Bearer second"
    client.base_url = "http://other.test/v1"
    assert str(build_both(client)[0].url) == "http://other.test/v1/chat/completions"
    assert build_both(client, timeout=3.0)[0].extensions["timeout"]["read"] == 3.0


@KINDS
def test_server_is_told_nothing_of_the_users_machine(kind: str) -> None:
    """Protects users from telling every server their system and versions, and calls from the time it takes."""
    ours, _ = build_both(build_client(kind))
    assert [name for name in ours.headers if name.startswith("x-stainless-")] == []
    chosen, _ = build_both(build_client(kind, default_headers={"X-Stainless-OS": "mine", "X-Stainless-Async": "a"}))
    assert (chosen.headers["x-stainless-os"], chosen.headers["x-stainless-async"]) == ("mine", "a")


@KINDS
def test_headers_of_one_request_stay_its_own_when_another_is_built(kind: str) -> None:
    """Protects requests in flight: hooks and redirects change a request's headers in place."""
    client = build_client(kind)
    first, _ = build_both(client)
    first.headers["X-Hook"] = "1"
    second, _ = build_both(client, json_data={"model": "q"})
    assert "x-hook" not in second.headers
    assert first.headers["content-length"] == str(len(first.content))
    assert second.headers["content-length"] == str(len(second.content))


@KINDS
def test_the_sdk_builds_requests_when_the_http_client_is_the_users_own(kind: str) -> None:
    """Protects cookies, query parameters and event hooks of a client that somebody else configured."""
    own: Any = httpx.Client(params={"token": "t"}) if kind == "sync" else httpx.AsyncClient(params={"token": "t"})
    fields = {"http_client": own} if kind == "sync" else {"http_async_client": own}
    ours, sdks = build_both(build_client(kind, **fields))
    assert describe(ours) == describe(sdks)
    assert ours.url.params["token"] == "t"


CHARSETS = [
    "idna", "punycode", "rot13", "zlib", "hex", "base64", "undefined", "unicode_escape", "utf-7", "utf-16", "cp037",
    "nonsense", "../../x", "x" * 10_000, '"', "",
]  # fmt: skip
REFUSAL = {"error": {"message": "Äther: 坏参数", "code": "bad"}}
BODIES: dict[str, tuple[int, str, bytes]] = {
    "refusal": (400, "application/json", json.dumps(REFUSAL, ensure_ascii=False).encode()),
    "page": (502, "text/html", "<html><title>坏参数</title>".encode()),
    "text": (429, "text/plain", "坏参数".encode()),
}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "你好"}, "finish_reason": "stop"}]}
EVENTS = [{"choices": [{"delta": {"content": "你好"}, "finish_reason": "stop"}]}]


def build_model(status: int, kind: str, body: bytes, requests: list[httpx.Request] | None = None) -> ChatQwen3:
    """Return a model with HTTP clients of the user's own, whose server answers so and keeps its requests."""

    def answer(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return httpx.Response(status, headers={"content-type": kind}, stream=httpx.ByteStream(body))

    transport = httpx.MockTransport(answer)
    return ChatQwen3(
        model="q",
        base_url="http://pod.test/v1",
        server="vllm",
        max_retries=0,
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
    )


async def run(model: ChatQwen3, how: str, **options: Any) -> str:
    """Return the text of an answer."""
    if how == "invoke":
        return model.invoke("hi", **options).text
    if how == "ainvoke":
        return (await model.ainvoke("hi", **options)).text
    if how == "stream":
        return "".join(chunk.text for chunk in model.stream("hi", **options))
    return "".join([chunk.text async for chunk in model.astream("hi", **options)])


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("charset", CHARSETS, ids=lambda charset: charset[:9])
async def test_bodies_are_utf_8_when_a_users_client_is_told_another_codec(charset: str, how: str) -> None:
    """Protects from Python's codecs that raise in the SDK, garble an error, or take the square of its length."""
    for status, kind, body in BODIES.values():
        with pytest.raises(Qwen3Error, match="坏参数") as caught:
            await run(build_model(status, f"{kind}; charset={charset}", body), how)
        assert getattr(caught.value, "status_code", None) == status
    kind, body = "application/json", json.dumps(ANSWER, ensure_ascii=False).encode()
    if "stream" in how:
        events = [json.dumps(event, ensure_ascii=False) for event in EVENTS]
        kind, body = "text/event-stream", "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
    assert await run(build_model(200, f"{kind}; charset={charset}", body), how) == "你好"


@pytest.mark.parametrize("how", ["invoke", "astream"])
@pytest.mark.parametrize("charset", CHARSETS, ids=lambda charset: charset[:9])
async def test_refusal_is_read_when_the_sdk_renames_its_own_reader(
    charset: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects from a release of the SDK without the private method: the error is still a typed one with its text."""
    monkeypatch.delattr(sdk._OwnClient, "_make_status_error_from_response")
    status, kind, body = BODIES["refusal"]
    with pytest.raises(Qwen3InvalidRequestError, match="坏参数"):
        await run(build_model(status, f"{kind}; charset={charset}", body), how)


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 33.0},
        {"extra_headers": {"X-Call": "canary"}},
        {"extra_headers": {"Authorization": "Bearer canary"}},
        {"extra_query": {"token": "canary"}},
        {"extra_body": {"note": "canary"}},
    ],
    ids=str,
)
async def test_call_leaves_nothing_to_the_next_one_when_it_has_options_of_its_own(
    options: dict[str, Any], how: str
) -> None:
    """Protects one call's key, headers, query and time limit from being used for all calls after it."""
    kind = "text/event-stream" if "stream" in how else "application/json"
    body = f"data: {json.dumps(EVENTS[0])}\n\ndata: [DONE]\n\n" if "stream" in how else json.dumps(ANSWER)
    requests: list[httpx.Request] = []
    await run(build_model(200, kind, body.encode(), requests), how)
    model = build_model(200, kind, body.encode(), requests)
    await run(model, how, **options)
    await run(model, how)
    plain, special, after = map(describe, requests)
    assert special != plain
    assert after == plain
