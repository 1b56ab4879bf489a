"""Replies in the framing of odd proxies: read where a transport can, else an error that names the right cause."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3ConnectionError, Qwen3Error, Qwen3RateLimitError, StreamCutError
from tests.support.loopback import HELLO
from tests.support.web import WebHandler, WebServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
BODY = json.dumps(HELLO).encode()
CHUNKED, LENGTH = b"Transfer-Encoding: chunked\r\n", b"Content-Length: %d\r\n" % len(BODY)
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
CHUNKS = CHUNK + b"0\r\n\r\n"
END = b"\r\n"

NOT_HTTP = {
    "a length beside chunks": HEAD + CHUNKED + LENGTH + END + CHUNKS,
    "chunked twice": HEAD + CHUNKED + CHUNKED + END + CHUNKS,
    "chunked and another encoding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n" + END + CHUNKS,
    "no encoding by name": HEAD + b"Transfer-Encoding: identity\r\n" + END + BODY,
    "two lengths": HEAD + LENGTH + b"Content-Length: 3\r\n" + END + BODY,
    "one length twice": HEAD + LENGTH + LENGTH + END + BODY,
    "a length in words": HEAD + b"Content-Length: many\r\n" + END + BODY,
    "a length below zero": HEAD + b"Content-Length: -5\r\n" + END + BODY,
    "a chunk without a size": HEAD + CHUNKED + END + b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk of another size": HEAD + CHUNKED + END + b"9\r\n" + BODY + b"\r\n0\r\n\r\n",
    "no status line": b"HELLO\r\n\r\n",
    "a status in words": b"HTTP/1.1 fine OK\r\n\r\n",
    "a version of the future": HEAD.replace(b"1.1", b"3.0") + LENGTH + END + BODY,
    "a header without a colon": HEAD + b"Broken header\r\n" + LENGTH + END + BODY,
    "a blank in a header's name": HEAD + b"Bad Name: x\r\n" + LENGTH + END + BODY,
    "a NUL in a header": HEAD + b"X: a\0b\r\n" + LENGTH + END + BODY,
    "200 KB of header": HEAD + b"X: " + b"a" * 200_000 + b"\r\n" + LENGTH + END + BODY,
    "more behind the end": HEAD + LENGTH + END + BODY + b"garbage",
}
HUNG_UP = {
    "nothing": b"",
    "half the headers": HEAD[:30],
    "less than its length": HEAD + b"Content-Length: 999\r\n" + END + BODY,
    "no last chunk": HEAD + CHUNKED + END + CHUNK,
    "half a chunk": HEAD + CHUNKED + END + CHUNK[:40],
}
HTTPS = {
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "nginx": b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html><head>"
    b"<title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
    "Go": b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
}
REFUSAL = b'{"error": {"message": "Invalid API key"}}'
BROKEN_ERRORS = {
    f"{status} {name}": b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n" % status + rest
    for status in (400, 401, 429, 503)
    for name, rest in {
        "less than its length": b"Content-Length: 999\r\n\r\n" + REFUSAL,
        "no last chunk": CHUNKED + b"\r\n%x\r\n%b\r\n" % (len(REFUSAL), REFUSAL),
        "no gzip behind its first bytes": b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\n\x1f\x8bxxxxxx",
        "half of a gzip": b"Content-Encoding: gzip\r\nContent-Length: 99\r\n\r\n" + gzip.compress(REFUSAL)[:30],
    }.items()
}
HALF = b'data: {"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": null}]}\n\n'
TOLD = {
    "an event": b'data: {"error": {"message": "the-cause", "code": 429}}\n',
    "JSON without framing": b'{"error": {"message": "the-cause", "code": 429}}\n',
    "JSON and no line break": b'{"error": {"message": "the-cause", "code": 429}}',
    "text": b"upstream error: the-cause\n\n",
    "text and no line break": b"upstream lost: the-cause",
    "a page": b"<html><title>the-cause</title></html>\n",
    "an event of another shape": b'data: {"result": "failed", "info": "the-cause"}\n\n',
}
CUT = {
    f"{name}, {place}": HEAD.replace(b"application/json", b"text/event-stream")
    + CHUNKED
    + END
    + b"%x\r\n%b\r\n" % (len(begun + text), begun + text)
    for name, text in TOLD.items()
    for place, begun in {"after half an answer": HALF, "at once": b""}.items()
}
REPLIES = {**NOT_HTTP, **HUNG_UP, **HTTPS, **BROKEN_ERRORS, **CUT}


class _Handler(WebHandler, BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.read_body()
        self.wfile.write([*REPLIES.values()][int(self.path.split("/")[1])])
        self.close_connection = True


class Raw(WebServer):
    """A server that answers `/N/v1` by the Nth reply."""

    handler: ClassVar[type[WebHandler]] = _Handler


@pytest.fixture(scope="module")
def server() -> Iterator[Raw]:
    """One server for all replies."""
    with Raw() as raw:
        yield raw


def ask(server: Raw, name: str) -> Iterator[str | Qwen3Error]:
    """Yield the answer, or the error, of every way to ask."""
    url = f"{server.root}/{[*REPLIES].index(name)}/v1"
    for transport in ("httpx", "aiohttp"):
        llm = ChatQwen3(model="q", base_url=url, server="vllm", transport=transport, max_retries=0, timeout=60)  # type: ignore[arg-type]

        async def stream(llm: ChatQwen3 = llm) -> str:
            return "".join([chunk.text async for chunk in llm.astream("hi")])

        ways: tuple[Callable[[], str], ...] = (
            lambda llm=llm: llm.invoke("hi").text,
            lambda llm=llm: "".join(chunk.text for chunk in llm.stream("hi")),
            lambda llm=llm: asyncio.run(llm.ainvoke("hi")).text,
            lambda: asyncio.run(stream()),
        )
        for way in ways:
            try:
                yield way()
            except Qwen3Error as error:
                yield error


@pytest.mark.parametrize("name", NOT_HTTP)
def test_error_names_the_framing_when_a_reply_is_not_http(name: str, server: Raw) -> None:
    """Protects whoever looks for the fault: a proxy's framing is no server that ran out of memory."""
    for outcome in ask(server, name):
        if isinstance(outcome, Qwen3ConnectionError):
            assert "is not valid HTTP" in str(outcome)
            assert "memory" not in str(outcome)
            assert isinstance(outcome, StreamCutError) or "the reply is not HTTP" in str(outcome)
        else:
            assert outcome == "hello"


@pytest.mark.parametrize("name", HUNG_UP)
def test_error_says_who_hung_up_when_a_reply_is_cut(name: str, server: Raw) -> None:
    """Protects the advice for lost connections from that for broken ones."""
    for outcome in ask(server, name):
        assert isinstance(outcome, Qwen3ConnectionError)
        assert "closed the connection" in str(outcome)
        assert "RawResponseMessage" not in str(outcome)


@pytest.mark.parametrize("name", BROKEN_ERRORS)
def test_status_stays_when_the_rest_of_an_error_cannot_be_read(name: str, server: Raw) -> None:
    """Protects the cause: a wrong key is no server that ran out of memory, and is not asked about again."""
    for outcome in ask(server, name):
        assert isinstance(outcome, Qwen3Error)
        assert getattr(outcome, "status_code", None) == int(name[:3])
        if "less" in name or "last" in name:
            assert "Invalid API key" in str(outcome)


@pytest.mark.parametrize("name", HTTPS)
def test_error_says_https_when_the_server_speaks_it(name: str, server: Raw) -> None:
    """Protects users who wrote http:// for a server with a certificate."""
    for outcome in ask(server, name):
        assert isinstance(outcome, Qwen3Error)
        assert "https://" in str(outcome).partition("\n")[2]


@pytest.mark.parametrize("name", CUT)
def test_error_says_what_the_server_wrote_when_the_connection_is_lost_behind_it(name: str, server: Raw) -> None:
    """Protects the cause: gateways write it into the stream and hang up, and only the lost connection was told."""
    outcomes = [*ask(server, name)]
    for outcome in outcomes[1::4] + outcomes[3::4]:  # the streams
        assert isinstance(outcome, Qwen3Error)
        assert "the-cause" in str(outcome)
        assert isinstance(outcome, Qwen3RateLimitError) == ("JSON" in name or "an event," in name)
        assert (outcome.partial is not None and outcome.partial.text == "half") == ("half" in name)
