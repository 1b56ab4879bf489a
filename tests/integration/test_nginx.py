"""A real nginx in front of a real engine: what works in every way in which it is found there, and what it refuses."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.doctor import examine
from langchain_qwen3.doctor.probes import Probe, Streamed, ask
from langchain_qwen3.doctor.readers import Facts, read_streaming
from langchain_qwen3.errors import (
    Qwen3AuthenticationError,
    Qwen3Error,
    Qwen3InvalidRequestError,
    Qwen3PermissionDeniedError,
    Qwen3RateLimitError,
    Qwen3ServerError,
    Qwen3StatusError,
    StreamCutError,
)
from langchain_qwen3.local import LocalServer
from langchain_qwen3.servers.dialects import DIALECTS
from tests.faults.server import closed_port
from tests.support.nginx import FRONTS, NGINX, Front, run_nginx, write_certificate
from tests.support.replay import Handler, Replay
from tests.support.scripted import Answer, Scripted
from tests.support.tls import trust

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed on this machine")
MODEL = "Qwen/Qwen3-0.6B"
QUESTION = "你是谁?"
KEEP_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
FACTS = Facts(dialect=DIALECTS["vllm"], line=None, model=MODEL, models=(MODEL,), contexts={}, version="")


@contextmanager
def stand(front: Front, upstream: str, folder: Path, http: str = "") -> Iterator[str]:
    """Put nginx in front of a server; give its base URL."""
    port = closed_port()
    with run_nginx(folder, http + front.write(port, upstream, folder)):
        yield front.build_url(port)


@pytest.fixture(scope="module")
def urls(engine: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One nginx with a server for each way, all in front of the engine: their base URLs by name."""
    folder = tmp_path_factory.mktemp("nginx")
    ports = {name: closed_port() for name in FRONTS}
    http = "".join(front.write(ports[name], engine.base_url, folder) for name, front in FRONTS.items())
    with run_nginx(folder, http), trust(folder / "ca.pem"):
        yield {name: front.build_url(ports[name]) for name, front in FRONTS.items()}


def build(url: str, **settings: Any) -> ChatQwen3:
    """A model behind nginx."""
    return ChatQwen3(model=MODEL, base_url=url, **{"temperature": 0, "max_tokens": 300, "max_retries": 0, **settings})


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
@pytest.mark.parametrize("name", FRONTS)
async def test_every_way_to_call_works_when_nginx_is_in_front(
    name: str, transport: str, urls: dict[str, str], engine: LocalServer
):
    """Protects the usual deployment: the same reply, whole and streamed, and the engine is known behind it."""
    async with build(engine.base_url, max_retries=2) as direct:  # llama-server closes connections that it has just kept
        expected = await direct.ainvoke(QUESTION)
    # Connections of its own: those that are shared may have been made before the authority was known.
    own: dict[str, Any] = {"http_socket_options": [KEEP_ALIVE]} if FRONTS[name].tls else {}
    async with build(urls[name], transport=transport, **own) as model:
        replies = [
            await model.ainvoke(QUESTION),
            reduce(add, [chunk async for chunk in model.astream(QUESTION)]),
            await asyncio.to_thread(model.invoke, QUESTION),
            reduce(add, await asyncio.to_thread(lambda: list(model.stream(QUESTION)))),
        ]
        assert model.dialect.name == "llama.cpp"
    assert expected.text
    for reply in replies:
        assert reply.text == expected.text
        assert reply.additional_kwargs == expected.additional_kwargs
        assert reply.response_metadata["finish_reason"] == "stop"


REFUSALS: dict[str, tuple[Front, str, type[Qwen3Error], str]] = {
    "body too large": (Front(directives="client_max_body_size 1k;"), "", Qwen3StatusError, "client_max_body_size"),
    "no password": (Front(userinfo="x:x@"), "", Qwen3AuthenticationError, "requires a user name and password"),
    "too many, 429": (
        Front(directives="limit_req zone=few; limit_req_status 429;"),
        "limit_req_zone $server_port zone=few:1m rate=1r/m;\n",
        Qwen3RateLimitError,
        "lower max_concurrency",
    ),
    "too many, 503": (
        Front(directives="limit_req zone=few;"),
        "limit_req_zone $server_port zone=few:1m rate=1r/m;\n",
        Qwen3ServerError,
        "set max_concurrency",
    ),
    "forbidden": (Front(directives="deny all;"), "", Qwen3PermissionDeniedError, "allows the path and this machine"),
}


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize("name", REFUSALS)
def test_error_says_what_to_do_when_nginx_refuses(name: str, way: str, tmp_path: Path):
    """Protects users from nginx's own pages: each status is of its class, and the advice is about it."""
    front, http, kind, words = REFUSALS[name]
    text = "word " * 1000

    def ask_twice(model: ChatQwen3) -> None:
        for _ in range(2):  # of few a minute the second is one too many
            model.invoke(text) if way == "invoke" else list(model.stream(text))

    with (
        Scripted(lambda _: {"content": "ok"}) as engine,
        stand(front, engine.url, tmp_path, http) as url,
        pytest.raises(kind, match=words),
    ):
        ask_twice(build(url.replace(front.userinfo, ""), server="llama.cpp"))


async def test_error_says_what_to_do_when_nginx_limits_connections(tmp_path: Path):
    """Protects concurrent calls: the one too many is refused as overload, the others are answered."""
    released = threading.Event()
    zone = "limit_conn_zone $server_port zone=one:1m;\n"
    with Scripted(lambda _: Answer(message={"content": "ok"}, after=released)) as engine, ExitStack() as stack:
        stack.callback(released.set)
        front = Front(directives="limit_conn one 1;")
        model = build(stack.enter_context(stand(front, engine.url, tmp_path, zone)), server="llama.cpp")
        first = asyncio.create_task(model.ainvoke("a"))
        await asyncio.to_thread(engine.wait_for, 1)
        with pytest.raises(Qwen3ServerError, match="set max_concurrency"):
            await model.ainvoke("b")
        released.set()
        assert (await first).text == "ok"


def test_error_says_what_to_do_when_nginx_gives_up_waiting(tmp_path: Path):
    """Protects long thinking behind `proxy_read_timeout`: the advice is to stream, or to raise the limit."""
    front = Front(directives="proxy_read_timeout 1s;")
    released = threading.Event()
    with (
        Scripted(lambda _: Answer(message={"content": "ok"}, after=released)) as engine,
        stand(front, engine.url, tmp_path) as url,
    ):
        with pytest.raises(Qwen3ServerError, match=r"504.*\n.*proxy gave up waiting"):
            build(url, server="llama.cpp").invoke("a")
        released.set()


class StallingHandler(Handler):
    """Begins a stream, and goes on with it when it is too late."""

    def send(self, stream: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"\n\n".join([*stream.split(b"\n\n")[:9], b""]))
        self.owner.released.wait(60)


class Stalling(Replay):
    """A recorded vLLM whose streams stall."""

    handler = StallingHandler

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_stream_is_cut_when_nginx_gives_up_in_the_middle(transport: str, tmp_path: Path):
    """Protects from half an answer that looks whole: what had arrived is in the error."""
    front = Front(directives="proxy_read_timeout 1s; proxy_buffering off;")
    with Stalling() as engine, stand(front, engine.url, tmp_path) as url:
        model = build(url, server="vllm", transport=transport)
        with pytest.raises(StreamCutError) as caught:
            async for _ in model.astream(QUESTION):
                pass
        engine.released.set()
    assert caught.value.partial is not None
    assert caught.value.partial.additional_kwargs["reasoning_content"]


def test_error_says_what_to_do_when_the_engine_is_down(tmp_path: Path):
    """Protects from a 502 that is taken for the engine's own."""
    with (
        stand(Front(), f"http://127.0.0.1:{closed_port()}/v1", tmp_path) as url,
        pytest.raises(Qwen3ServerError, match=r"502.*\n.*the server behind it does not"),
    ):
        build(url).invoke("a")


def test_error_names_the_address_when_nginx_redirects_to_https(tmp_path: Path):
    """Protects users of `return 301 https://…`: a POST would become a GET, so the address is named."""
    port = closed_port()
    http = f"server {{ listen 127.0.0.1:{port}; return 301 https://llm.example.com$request_uri; }}\n"
    with (
        run_nginx(tmp_path, http),
        pytest.raises(Qwen3StatusError, match=r"set base_url to https://llm\.example\.com/v1"),
    ):
        build(f"http://127.0.0.1:{port}/v1").invoke("a")


def test_error_names_https_when_http_is_spoken_to_a_tls_port(tmp_path: Path):
    """Protects from the reverse mistake: nginx answers 400 with a page that says so."""
    write_certificate(tmp_path)
    with (
        stand(Front(tls=True), "http://127.0.0.1:9/v1", tmp_path) as url,
        pytest.raises(Qwen3InvalidRequestError, match="https:// instead of http://"),
    ):
        build(url.replace("https:", "http:")).invoke("a")


@pytest.mark.parametrize("has_one", [True, False])
async def test_client_certificate_is_sent_or_asked_for_when_nginx_wants_one(tmp_path: Path, *, has_one: bool):
    """Protects users of mutual TLS: their clients' certificate is sent, and the error says where it belongs."""
    port = closed_port()
    write_certificate(tmp_path)
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    if has_one:
        context.load_cert_chain(tmp_path / "server.pem")
    files = f"ssl_certificate {tmp_path}/server.pem; ssl_certificate_key {tmp_path}/server.pem;"
    files += f"ssl_client_certificate {tmp_path}/ca.pem; ssl_verify_client on;"
    with Replay("vllm-parsers") as server, httpx.Client(verify=context) as client:
        http = f"server {{ listen 127.0.0.1:{port} ssl; {files} location / {{ proxy_pass {server.root}; }} }}\n"
        async with httpx.AsyncClient(verify=context) as async_client:
            url = f"https://127.0.0.1:{port}/v1"
            llm = build(url, server="vllm", http_client=client, http_async_client=async_client)
            with run_nginx(tmp_path, http):
                for ask_it in (llm.ainvoke, lambda text: asyncio.to_thread(llm.invoke, text)):
                    if has_one:
                        assert (await ask_it(QUESTION)).text
                    else:
                        with pytest.raises(Qwen3InvalidRequestError, match=r"http_async_client .*load_cert_chain"):
                            await ask_it(QUESTION)


async def test_certificate_is_explained_when_nobody_trusts_it(tmp_path: Path):
    """Protects users of self-signed certificates: the error says where the authority goes."""
    with stand(FRONTS["TLS"], "http://127.0.0.1:9/v1", tmp_path) as url:
        for transport in ("aiohttp", "httpx"):
            with pytest.raises(Qwen3Error, match=r"\$SSL_CERT_FILE"):
                await build(url, transport=transport).ainvoke("a")


@pytest.mark.parametrize(("name", "words"), [("gzip", "all at once"), ("buffering", "in bunches")])
async def test_doctor_finds_the_buffer_when_nginx_holds_a_stream_back(name: str, words: str, tmp_path: Path):
    """Protects from nginx's default and from gzip for event streams: chunks come together, and the fix is named."""
    probe = Probe(kind="stream", prompt=QUESTION)
    with Replay(pause=0.05) as engine, stand(FRONTS[name], engine.url, tmp_path) as url:
        async with build(url) as model:
            reply = await ask(model, probe)
    assert isinstance(reply, Streamed)
    outcome = read_streaming(reply, FACTS)
    assert outcome.status == "failed"
    assert words in outcome.detail
    assert "proxy_buffering off" in outcome.fix


async def test_doctor_goes_on_when_nginx_refuses_the_list_of_models(engine: LocalServer, tmp_path: Path):
    """Protects proxies that let only chats through: the server counts as reachable, and chats are examined."""
    port = closed_port()
    location = f"location = /v1/chat/completions {{ proxy_pass {engine.base_url}/chat/completions; }}"
    http = f"server {{ listen 127.0.0.1:{port}; {location} location / {{ deny all; }} }}\n"
    with run_nginx(tmp_path, http):
        async with build(f"http://127.0.0.1:{port}/v1") as model:
            diagnosis = await examine(model)
    assert "refuses its list of models (HTTP 403)" in diagnosis["reachable"].detail
    assert diagnosis["thinking_on"].status == "ok"
