"""What goes out and comes back through `exchange`: look-ups, redirects, uploads, empty replies, addresses, copies."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import math
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import openai
import pytest
from langchain_core.load import dumps

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.connections import exchange
from langchain_qwen3.connections.exchange import Answer, afetch_json, fetch_json
from langchain_qwen3.errors import Qwen3ConnectionError, Qwen3Error, Qwen3StatusError, Qwen3TimeoutError
from langchain_qwen3.errors.secrets import find_request
from tests.support.loopback import Loopback

MODES = pytest.mark.parametrize("mode", ["sync", "async"])


def look_up(mode: str, base_url: str, path: str) -> Answer:
    """Return the answer of one path, sync or async."""
    model = ChatQwen3(model="q", base_url=base_url, server="vllm")
    if mode == "async":
        return asyncio.run(afetch_json(model.root_async_client, path, seconds=5))
    answer = fetch_json(model.root_client, path, seconds=5)
    model.close()
    return answer


@MODES
def test_look_up_returns_the_parsed_answer_when_there_is_one(mode: str, server: Loopback) -> None:
    """Protects detection: status, headers and body of a GET."""
    answer = look_up(mode, server.base_url, "/models")
    assert (answer.status, answer.error) == (200, None)
    assert answer.body["choices"]
    assert answer.headers["Content-Type"] == "application/json"
    assert [request.method for request in server.requests] == ["GET"]


def test_post_returns_the_parsed_answer_and_is_not_retried(server: Loopback) -> None:
    """Protects counting, which posts a text and reads its tokens."""
    model = ChatQwen3(model="q", base_url=server.base_url, server="vllm")
    answer = fetch_json(model.root_client, "/tokenize", {"prompt": "x"}, seconds=5)
    assert (answer.status, bool(answer.body["choices"])) == (200, True)
    assert server.requests[-1].body == b'{"prompt":"x"}'
    with pytest.raises(openai.APIConnectionError):
        fetch_json(model.root_client, "/hangup", {})
    assert len(server.requests) == 2
    model.close()


def test_look_up_has_no_body_when_the_reply_is_nested_too_deeply() -> None:
    """Protects detection and counting: JSON that no parser can take is as none, and no RecursionError."""
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text="[" * 100_000))) as http:
        model = ChatQwen3(model="q", base_url="http://deep/v1", server="vllm", http_client=http)
        assert fetch_json(model.root_client, "/tokenize").body is None
        assert fetch_json(model.root_client, "/tokenize", {}).body is None


@MODES
def test_look_up_returns_what_came_when_the_status_is_an_error(mode: str, server: Loopback) -> None:
    """Protects detection: a 404 tells something, and is asked for once."""
    answer = look_up(mode, server.base_url, "/status-404")
    assert (answer.status, answer.body) == (404, None)
    assert isinstance(answer.error, openai.NotFoundError)
    assert len(server.requests) == 1


@MODES
def test_look_up_raises_when_no_answer_comes(mode: str, server: Loopback) -> None:
    """Protects callers from taking silence for an answer; a look-up is not retried."""
    with pytest.raises(openai.APIConnectionError):
        look_up(mode, server.base_url, "/hangup")
    # aiohttp repeats a GET whose connection broke (https://www.rfc-editor.org/rfc/rfc9112.html#name-retrying-requests).
    assert len(server.requests) == {"sync": 1, "async": 2}[mode]


def build_model(base_url: str, **settings: Any) -> ChatQwen3:
    """Return a model of a server that needs no detection; a call of it is made once."""
    return ChatQwen3(model="q", base_url=base_url, server="vllm", max_retries=0, **settings)


def run_call(mode: str, model: ChatQwen3, text: str = "hi") -> str:
    """Return the answer of one call, sync or async; then no connection is left."""
    try:
        answer = model.invoke(text) if mode == "sync" else asyncio.run(model.ainvoke(text))
        return str(answer.content)
    finally:
        model.close()
        gc.collect()


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed_or_named_when_the_server_moved(
    mode: str, transport: Any, status: int, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects users from an error about a GET that they never made, and the key from a stranger."""
    with Loopback() as stranger:
        target = stranger.base_url.replace("127.0.0.1", "localhost")
        server.location = f"{target}/chat/completions"  # in the request's query it would be masked as a secret
        monkeypatch.setattr(exchange, "CHAT_PATH", f"/redirect-{status}")
        model = build_model(server.base_url, api_key="canary", transport=transport)
        if status in (307, 308):
            assert run_call(mode, model) == "hello"
            assert stranger.requests[0].body == server.requests[0].body
            assert "canary" not in str(stranger.requests)
        else:
            with pytest.raises(Qwen3StatusError, match=f"HTTP {status}.*{target}") as caught:
                run_call(mode, model)
            assert caught.value.status_code == status
            assert not stranger.requests
    assert len(server.requests) == 1


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_redirect_is_named_when_its_target_is_down(
    mode: str, transport: Any, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects users of a proxy that redirects to an address of its own network: theirs is right."""
    server.location = "http://127.0.0.1:1/v1/chat/completions"
    monkeypatch.setattr(exchange, "CHAT_PATH", "/redirect-307")
    model = build_model(server.base_url, transport=transport)
    with pytest.raises(Qwen3ConnectionError, match=r"after a redirect to http://127\.0\.0\.1:1/v1: ") as caught:
        run_call(mode, model)
    assert server.base_url in str(caught.value)
    assert "http://127.0.0.1:1/v1/models" in str(caught.value)


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("base_url", ["http://pod.invalid/v1", "https://pod.invalid/v1"])
@pytest.mark.parametrize("proxy", ["http://user:canary@127.0.0.1:1", "http://user:canary@proxy.invalid:1"])
def test_proxy_is_named_when_it_is_down(mode: str, transport: Any, base_url: str, proxy: str) -> None:
    """Protects users who do not know that their environment has a proxy: the model's server is not at fault."""
    model = build_model(base_url, transport=transport, openai_proxy=proxy)
    place = proxy.replace("user:canary@", "")
    with pytest.raises(Qwen3ConnectionError, match=rf"(?s)over the proxy {place}: .*NO_PROXY") as caught:
        run_call(mode, model)
    assert "canary" not in str(caught.value)


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize(
    "path", ["status-401", "status-301", "redirect-302?to=//bob:canary-word@pod.test/v1", "garbage"]
)
def test_no_exception_behind_an_error_keeps_a_secret(
    mode: str, transport: Any, path: str, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects keys from error reporters, which store every exception of a chain with its request."""
    monkeypatch.setattr(exchange, "CHAT_PATH", f"/{path}")
    model = build_model(
        server.base_url, transport=transport, api_key="canary-key", default_query={"token": "canary-token"}
    )
    with pytest.raises(Qwen3Error) as caught:
        run_call(mode, model)
    _check_chain(caught.value)


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("place", ["https silent", "http silent", "http refused", "http no-host"])
def test_no_exception_of_a_failed_connection_keeps_a_secret(mode: str, transport: Any, place: str) -> None:
    """Protects the query, where some gateways take the key: aiohttp quotes the URL, and names no request."""
    scheme, state = place.split()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        host = {"silent": host, "refused": "127.0.0.1:1", "no-host": "pod.invalid"}[state]
        model = build_model(
            f"{scheme}://bob:canary-word@{host}/v1?key=canary-key",
            transport=transport,
            timeout=0.3,
            default_query={"token": "canary-token"},
        )
        with pytest.raises(Qwen3Error) as caught:
            run_call(mode, model)
        _check_chain(caught.value)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
async def test_no_exception_of_a_stale_connection_keeps_a_secret(transport: Any) -> None:
    """Protects the query where the server has hung up while the loop was busy: aiohttp cannot write to `URL`."""
    with Loopback(idle_close=0.05) as server:
        model = build_model(f"{server.base_url}?key=canary-key", transport=transport)
        await model.ainvoke("hi")
        time.sleep(0.2)  # noqa: ASYNC251 - as a caller's own work does
        try:
            await model.ainvoke("hi")
        except Qwen3Error as error:
            _check_chain(error)
        await model.aclose()


def _check_chain(link: Any) -> None:
    links = []
    while link is not None:
        links.append(link)
        link = link.__cause__ or link.__context__
    for link in links:
        request, response = find_request(link), getattr(link, "response", None)
        shown = [repr(link), str(link), vars(link), request and (request.url, request.headers.raw)]
        shown += [response.headers.raw, response.request.headers.raw] if hasattr(response, "headers") else []
        assert "canary" not in repr(shown)


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_proxy_is_named_when_it_answers_nothing_within_the_limit_of_connecting(mode: str, transport: Any) -> None:
    """Protects users of a dead proxy from waiting as long as for a model, and from blaming the model's server."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        place = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        model = build_model("https://pod.invalid/v1", transport=transport, openai_proxy=place, timeout=(0.5, 50))
        with pytest.raises(Qwen3TimeoutError, match=f"over the proxy {place}: "):
            run_call(mode, model)


TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize(
    "proxy",
    [
        ("http", b"", "see the server's log"),  # a SOCKS port, such as Clash's 7891, hangs up
        ("http", b"\x05\xff", "NO_PROXY"),  # or answers in its own protocol
        ("http", TLS_ALERT, "NO_PROXY"),
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "NO_PROXY"),
        ("http", b"HTTP/1.1 200", "NO_PROXY"),
        ("https", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "The proxy uses plain HTTP: write http://"),
        ("https", b"", "NO_PROXY"),
    ],
    ids=["hangs up", "SOCKS", "TLS", "SSH", "cut", "no TLS", "hangs up on TLS"],
)
def test_proxy_is_named_when_it_is_no_http_proxy(
    mode: str, transport: Any, target: str, proxy: tuple[str, bytes, str]
) -> None:
    """Protects users whose $HTTPS_PROXY names a wrong port or scheme: the model's server and base_url are right."""
    scheme, reply, advice = proxy
    with _answer_with(reply) as address:
        model = build_model(f"{target}://pod.invalid/v1", transport=transport, openai_proxy=f"{scheme}://{address}")
        with pytest.raises(
            Qwen3ConnectionError, match=rf"(?s)over the proxy {scheme}://{address}\b.*{advice}"
        ) as caught:
            run_call(mode, model)
    assert "RawResponseMessage" not in str(caught.value)


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (b"", "The server or a proxy closed the connection"),
        (TLS_ALERT, "write https://"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not valid HTTP"),
    ],
)
def test_server_is_named_when_there_is_no_proxy(mode: str, transport: Any, reply: bytes, advice: str) -> None:
    """Protects the advice for a server that hangs up, uses TLS or is none: only a proxy of ours is blamed."""
    with _answer_with(reply) as address:
        model = build_model(f"http://{address}/v1", transport=transport)
        with pytest.raises(Qwen3ConnectionError, match=f"(?s)^(?!.*over the proxy).*{advice}"):
            run_call(mode, model)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
@pytest.mark.parametrize("has_proxy", [False, True])
def test_time_limit_is_told_in_words(
    transport: Any, way: str, has_proxy: bool, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the text of a time limit from anyio's words for it, and a proxy from blame for a slow reply."""
    base_url, proxy = ("http://pod.invalid/v1", server.origin) if has_proxy else (server.base_url, None)
    model = build_model(base_url, transport=transport, timeout=0.3, openai_proxy=proxy)

    async def acall() -> None:
        if way == "ainvoke":
            await model.ainvoke("hi")
        else:
            _ = [chunk async for chunk in model.astream("hi")]

    def call() -> None:
        if way.startswith("a"):
            asyncio.run(acall())
        else:
            _ = model.invoke("hi") if way == "invoke" else list(model.stream("hi"))

    for fault in ("stall", "stall-body"):
        monkeypatch.setattr(exchange, "CHAT_PATH", f"/{fault}")
        with pytest.raises(Qwen3TimeoutError, match="The server takes longer than the timeout") as caught:
            call()
        assert "ancel" not in str(caught.value)


@contextmanager
def _answer_with(reply: bytes) -> Iterator[str]:
    """Yield the address of a server that answers each connection's first bytes with a reply, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the test is over
                while True:
                    peer = listener.accept()[0]
                    with peer, suppress(OSError):
                        peer.recv(2**16)
                        peer.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_upload_times_out_when_the_server_reads_nothing(mode: str, transport: Any) -> None:
    """Protects services from a server that hangs in the midst of a large prompt."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        model = build_model(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", transport=transport, timeout=0.5)
        with pytest.raises(Qwen3TimeoutError):
            run_call(mode, model, "x" * 20_000_000)


@MODES
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("status", [204, 304])
def test_reply_without_a_body_is_an_error_of_ours(mode: str, transport: Any, status: int, server: Loopback) -> None:
    """Protects callers from the error of an HTTP library where a proxy answers with nothing."""
    model = build_model(f"{server.base_url}/x", transport=transport, default_headers={"x-status": str(status)})
    with pytest.raises(Qwen3Error):
        run_call(mode, model)


@MODES
def test_user_and_query_of_the_address_are_sent_and_not_shown(mode: str, server: Loopback) -> None:
    """Protects passwords: HTTP libraries send them in two ways, and every text shows the address."""
    url = server.base_url.replace("http://", "http://bob:canary@") + "?key=canary2"
    model = build_model(url)
    assert "canary" not in f"{model!r} {dumps(model)} {model._get_llm_string()} {model.openai_api_base}"
    for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.model_copy()):  # noqa: S301
        assert run_call(mode, each) == "hello"
        request = server.requests[-1]
        assert request.headers["authorization"] == "Basic Ym9iOmNhbmFyeQ=="
        assert request.target == "/v1/chat/completions?key=canary2"
    with Loopback() as other:
        assert run_call(mode, model.model_copy(update={"openai_api_base": other.base_url})) == "hello"
    assert "canary" not in str(other.requests)
    assert "Ym9i" not in str(other.requests)


def test_copy_calls_through_the_users_own_client_when_it_is_deep(server: Loopback) -> None:
    """Protects a proxy, certificates or hooks that only the user's own client has."""
    with httpx.Client(headers={"x-own": "1"}) as own:
        model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", http_client=own)
        copies = (
            copy.deepcopy(model),
            model.model_copy(deep=True),
            model.model_copy(update={"temperature": 0.5}, deep=True),
            model.model_copy(update={"timeout": 50}, deep=True),
        )
        for each in copies:
            assert each.invoke("hi").content == "hello"
            assert server.requests[-1].headers["x-own"] == "1"


class Portable(httpx.Client):
    """A client of a user's own that says how it is built anew."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Portable, ()


def test_pickling_keeps_or_refuses_the_users_own_client(server: Loopback) -> None:
    """Protects workers from calling past the proxy or the certificates that only the user's own client has."""
    with Portable() as portable, httpx.Client() as bound:
        model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", http_client=portable)
        moved = pickle.loads(pickle.dumps(model))  # noqa: S301
        assert isinstance(moved.http_client, Portable)
        assert moved.invoke("hi").content == "hello"
        moved.http_client.close()
        model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", http_client=bound)
        with pytest.raises(TypeError, match=r"http_client cannot be pickled.*openai_proxy"):
            pickle.dumps(model)


@MODES
@pytest.mark.parametrize("headers", [{}, {"x-a": "b"}], ids=["plain", "with headers"])
def test_sends_valid_unicode_when_a_text_holds_surrogates(mode: str, headers: Any, server: Loopback) -> None:
    """Protects threads: Python reads file names that are not UTF-8 so, and nobody can change a tool's answer."""
    model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", default_headers=headers)
    text = "na\udcefve \ud83d\ude00"
    with pytest.warns(UnsupportedSettingWarning, match="surrogates"):
        reply = asyncio.run(model.ainvoke(text)) if mode == "async" else model.invoke(text)
    assert reply.content
    (message,) = json.loads(server.requests[-1].body)["messages"]
    assert message["content"] == "na\ufffdve \U0001f600"
    model.close()


def test_raises_the_encoders_error_when_the_payload_is_not_its_cause(server: Loopback) -> None:
    """Protects from an endless repetition: the text is valid, and something else of the request is not."""

    def sign(request: httpx.Request) -> None:
        request.headers["x-a"] = "世界"

    with httpx.Client(event_hooks={"request": [sign]}) as own:
        model = build_model(server.base_url, http_client=own)
        # openai 2 takes whatever a hook raises for a lost connection.
        with pytest.raises((UnicodeEncodeError, Qwen3ConnectionError), match="codec can't encode"):
            model.invoke("世界")
    model.close()


@MODES
@pytest.mark.parametrize(
    ("keywords", "path", "kind"),
    [
        ({"modalities": b"x"}, "modalities", "bytes"),
        ({"modalities": b"x", "extra_headers": {"x-a": "b"}}, "modalities", "bytes"),
        ({"logit_bias": {"1": {2}}}, "logit_bias.1", "set"),
        ({"chat_template_kwargs": {"a": [0, object()]}}, r"chat_template_kwargs.a\[1\]", "object"),
        ({"extra_body": {"own": Decimal("0.5")}}, "own", "Decimal"),
        ({"extra_body": {"metadata": {"at": 1j}}}, "metadata.at", "complex"),
        ({"logit_bias": MappingProxyType({"1": 2})}, "logit_bias", "mappingproxy"),
        ({"chat_template_kwargs": {"a": [{(1, 2): 3}]}}, r"a key of chat_template_kwargs.a\[0\]", "tuple"),
        ({"extra_body": {b"x": 1}}, "a key of the body", "bytes"),
    ],
)
def test_names_what_json_cannot_hold(keywords: Any, path: str, kind: str, mode: str, server: Loopback) -> None:
    """Protects from the encoder's own error, which says the type but not where it stands."""
    model = ChatQwen3(model="q", base_url=server.base_url, server="vllm")
    sent = len(server.requests)
    with pytest.raises(TypeError, match=f"^{path} is of the type {kind}, which JSON cannot hold"):
        asyncio.run(model.ainvoke("hi", **keywords)) if mode == "async" else model.invoke("hi", **keywords)
    assert len(server.requests) == sent
    model.close()


@MODES
@pytest.mark.parametrize(
    ("keywords", "path"),
    [
        ({"extra_body": {"own": {"weights": [1, math.nan]}}}, r"own\.weights\[1\] is nan"),
        ({"extra_body": {"own": -math.inf}}, "own is -inf"),
        ({"modalities": math.nan, "extra_headers": {"x-a": "b"}}, "modalities is nan"),
        ({"logit_bias": {"1": math.inf}}, r"logit_bias\.1 is inf"),
        ({"response_format": {"type": "object", "default": math.nan}}, r"response_format\.json_schema\..+ is nan"),
    ],
)
def test_names_a_number_that_json_lacks_in_every_call(keywords: Any, path: str, mode: str, server: Loopback) -> None:
    """Protects from an error that says no place in a model's first call, and from null in all later ones."""
    model = ChatQwen3(model="q", base_url=server.base_url, server="vllm")
    for call in range(3):
        sent = len(server.requests)
        with pytest.raises(ValueError, match=f"^{path}, which JSON cannot hold: pass a finite number, or None"):
            asyncio.run(model.ainvoke("hi", **keywords)) if mode == "async" else model.invoke("hi", **keywords)
        assert len(server.requests) == sent
        if not call:
            asyncio.run(model.ainvoke("hi", extra_body={"own": None})) if mode == "async" else model.invoke("hi")
    model.close()


def test_failure_is_told_when_a_body_has_a_key_that_is_no_text() -> None:
    """Protects an error's advice, which looks for fields of the body by name."""
    model = ChatQwen3(model="q", base_url="http://127.0.0.1:9/v1", server="vllm", max_retries=0)
    with pytest.raises(Qwen3ConnectionError):
        model.invoke("hi", extra_body={1: 2})
    model.close()
