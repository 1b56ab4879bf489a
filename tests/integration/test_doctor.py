"""The examination of real engines, of a recorded vLLM, and of what is no server at all."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.doctor import Diagnosis, examine, reach
from langchain_qwen3.local import LocalServer
from tests.faults.server import closed_port
from tests.support.limiter import CountingLimiter
from tests.support.loopback import Loopback
from tests.support.replay import Handler, Replay
from tests.support.replies import write_body
from tests.support.scripted import Answer, Scripted
from tests.support.tls import trusted_tls
from tests.support.web import WebHandler, WebServer


class GateHandler(WebHandler, BaseHTTPRequestHandler):
    """Answers chats, and refuses the rest."""

    def do_GET(self) -> None:
        if self.owner.cut_after is not None:
            self.wfile.write(self.owner.cut_after)
            self.close_connection = True
            return
        moved = {"Location": self.owner.location + self.path.removeprefix("/v1")} if self.owner.location else {}
        self.send_whole(self.owner.page, "text/html", self.owner.status, moved)

    def do_POST(self) -> None:
        self.read_body()
        if self.owner.chat_status == 200:
            self.send_whole(write_body({"content": "ok"}, "stop"))
        else:
            self.send_whole(b'{"error": "no"}', status=self.owner.chat_status)


class Gate(WebServer):
    """Lets only chats through: everything that is asked with GET has one answer."""

    handler = GateHandler

    def __init__(self, status: int, page: bytes, location: str = "") -> None:
        self.status, self.page, self.location = status, page, location
        self.chat_status = 200
        self.cut_after: bytes | None = None


class FaultyHandler(Handler):
    """Answers as recorded, but for one fault."""

    def answer(self, status: int, body: Any, kind: str = "application/json") -> None:
        message = body["choices"][0]["message"] if isinstance(body, dict) and body.get("choices") else {}
        if calls := message.get("tool_calls"):
            body = copy.deepcopy(body)
            body["choices"][0]["message"] |= self.owner.fault(calls)
        super().answer(status, body, kind)

    def send(self, stream: bytes) -> None:
        super().send(self.owner.fault_stream(self, stream))


class Faulty(Replay):
    """A recorded vLLM with a fault in its replies, or in the proxy in front of it.

    Attributes:
        fault: Makes fields of a message of its calls.
        fault_stream: Makes a stream of the recorded one.
    """

    handler = FaultyHandler

    def __init__(self, fault: Any = lambda _calls: {}, fault_stream: Any = lambda _handler, stream: stream) -> None:
        super().__init__()
        self.fault, self.fault_stream = fault, fault_stream


def write_as_text(calls: list[Any]) -> dict[str, Any]:
    """Leave calls in the text, too, as ms-swift does."""
    function = calls[0]["function"]
    text = json.dumps({"name": function["name"], "arguments": json.loads(function["arguments"])})
    return {"content": f"<tool_call>\n{text}\n</tool_call>"}


def leave_in_text(calls: list[Any]) -> dict[str, Any]:
    """Leave calls in the text alone, as SGLang does without a parser, whatever was demanded."""
    return {**write_as_text(calls), "tool_calls": []}


def lose(_calls: list[Any]) -> dict[str, Any]:
    """Take calls out of the text and send none, as a parser for another format does."""
    return {"content": "", "tool_calls": []}


def talk(_calls: list[Any]) -> dict[str, Any]:
    """Answer a demand for a call with a text."""
    return {"content": "It is sunny.", "tool_calls": []}


def write_twice(calls: list[Any]) -> dict[str, Any]:
    """Send each call under two ids."""
    return {"tool_calls": [*calls, *({**call, "id": f"again-{call['id']}"} for call in calls)]}


def drop_reasons(_handler: Handler, stream: bytes) -> bytes:
    """Say of no choice why it ended, as llama-cpp-python does when it breaks a stream off."""
    return re.sub(rb'"finish_reason": ?"\w+"', b'"finish_reason":null', stream)


def hold_back(handler: Handler, stream: bytes) -> bytes:
    """Send everything at once, late, as a proxy that buffers does; return nothing that is left."""
    events = stream.split(b"\n\n")
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    time.sleep(1.5)
    handler.wfile.write(b"\n\n".join([*events[:24], *events[-4:]]))
    return b""


TIMED = {"concurrency", "streaming"}  # whose outcome is a matter of the machine's load
PARSERS = "--enable-auto-tool-choice --tool-call-parser hermes"


async def look(url: str, *, kind: type[ChatQwen3] = ChatQwen3, **fields: Any) -> Diagnosis:
    """Examine the server at a URL."""
    async with kind(base_url=url, **{"model": "", "max_retries": 0, **fields}) as llm:
        return await examine(llm)


def not_ok(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the flag of every check that is not well, those of time left out."""
    return {row.name: row.flag for row in diagnosis.findings if row.status != "ok" and row.name not in TIMED}


async def test_finds_nothing_wrong_with_the_embedded_engine(engine: LocalServer):
    """Protects the whole of it: every check, asked of a real llama.cpp, has something to show."""
    diagnosis = await look(engine.base_url, max_retries=2)  # llama-server closes connections that it has just kept
    assert not_ok(diagnosis) == {}
    assert (diagnosis.model, diagnosis.server) == ("Qwen/Qwen3-0.6B", "llama.cpp")
    assert "4,096 tokens" in diagnosis["models"].detail
    assert diagnosis["tools_parallel"].detail.count("get_weather") == 2


async def test_names_the_reasoning_format_when_the_engine_leaves_reasoning_inline(inline_engine: LocalServer):
    """Protects llama-server started with `--reasoning-format none`."""
    for _ in range(30):
        diagnosis = await look(inline_engine.base_url, max_retries=2)
        if diagnosis["structured"].status != "unsure":  # else the tiny model's JSON found no end, which shows nothing
            break
    assert not_ok(diagnosis) == dict.fromkeys(
        ("reasoning_field", "tools_forced", "structured"), "--reasoning-format auto"
    )


async def test_finds_nothing_wrong_with_vllm_with_parsers():
    """Protects from false alarms, on recorded replies."""
    with Replay("vllm-parsers") as server:
        diagnosis = await look(server.url)
    assert not_ok(diagnosis) == {}
    assert diagnosis["server"].detail == "vLLM 0.32.0"
    assert diagnosis["thinking_budget"].detail.startswith("10 tokens with a budget of 10 tokens")
    assert diagnosis["stream_usage"].detail == "12 tokens in, 167 out, 81 of them reasoning"


async def test_names_the_missing_flags_when_vllm_has_no_parsers():
    """Protects the flags that everybody forgets: each failure names its own, and there is nothing else to fix."""
    with Replay("vllm-noparsers") as server:
        diagnosis = await look(server.url)
    assert not_ok(diagnosis) == {
        "thinking_budget": "--reasoning-parser qwen3",
        "reasoning_field": "--reasoning-parser qwen3",
        "tools_auto": PARSERS,
        "tools_forced": PARSERS,
        "tools_parallel": PARSERS,
        "tools_streamed": PARSERS,
        "structured": "--reasoning-parser qwen3",
    }
    assert diagnosis.flags == ("--reasoning-parser qwen3", PARSERS)


async def test_says_what_to_do_when_nothing_listens():
    """Protects from a dead port: one finding, and no wait."""
    diagnosis = await look(f"http://127.0.0.1:{closed_port()}/v1")
    assert not diagnosis.reachable
    assert [row.name for row in diagnosis.findings] == ["reachable"]
    assert "Nothing is listening there" in diagnosis["reachable"].fix


async def test_takes_the_address_of_the_chats_when_it_is_given():
    """Protects addresses as services show them, with the path that the model adds itself."""
    with Replay() as server:
        diagnosis = await look(f"{server.root}/v1/chat/completions")
    assert diagnosis["reachable"].status == "ok"


@pytest.mark.parametrize("path", ["", "/v1/completions", "/v1/models", "/api"])
async def test_names_the_right_address_when_the_path_is_wrong(path: str):
    """Protects from the forgotten /v1, and from addresses copied with too much."""
    with Replay() as server:
        diagnosis = await look(f"{server.root}{path}")
        assert f"The API is at {server.url}:" in diagnosis["reachable"].fix
    assert "404" in diagnosis["reachable"].detail


class KeyedHandler(Handler):
    """Wants the key under /v1 alone, as vLLM does."""

    def is_refused(self) -> bool:
        return self.path.startswith("/v1/") and super().is_refused()


class Keyed(Replay):
    """A recorded vLLM whose key guards /v1 alone."""

    handler = KeyedHandler


@pytest.mark.parametrize("path", ["", "/api", "/openai", "/completions"])
async def test_names_the_right_address_when_that_needs_a_key(path: str):
    """Protects users without a key: the wrong address is told first, not that there is no API."""
    with Keyed(api_key="sk-canary-right") as server:
        diagnosis = await look(f"{server.root}{path}", api_key="sk-canary-wrong")
        assert f"The API is at {server.url}:" in diagnosis["reachable"].fix


class ElsewhereHandler(Handler):
    """Has the API under a prefix alone, and a web page for the rest if it is to."""

    def is_refused(self) -> bool:
        if not self.path.startswith(f"{self.owner.prefix}/"):
            self.answer(*((200, b"<!doctype html>", "text/html") if self.owner.has_page else (404, {"detail": "no"})))
            return True
        self.path = self.path.replace(self.owner.prefix, "/v1", 1)
        return super().is_refused()


class Elsewhere(Replay):
    """A recorded vLLM behind a host's prefix."""

    handler = ElsewhereHandler
    prefix = ""
    has_page = False


@pytest.mark.parametrize("prefix", ["/compatible-mode/v1", "/api/v1", "/openai/v1", "/api"])
@pytest.mark.parametrize("path", ["/v1", "", "/v1/chat/completions"])
@pytest.mark.parametrize("key", [None, "sk-canary-right"])
@pytest.mark.parametrize("has_page", [False, True])
async def test_names_the_right_address_when_the_api_has_another_prefix(
    prefix: str, path: str, key: str | None, has_page: bool
):
    """Protects users of hosts whose URL does not end in a plain /v1, and those of Open WebUI."""
    with Elsewhere(api_key=key) as server:
        server.prefix, server.has_page = prefix, has_page
        diagnosis = await look(f"{server.root}{path}", api_key=key)
        assert f"The API is at {server.root}{prefix}:" in diagnosis["reachable"].fix
        diagnosis = await look(f"{server.root}{path}", api_key="sk-canary-wrong")
        assert ("The API is at" in diagnosis["reachable"].fix) == (key is None)


async def test_asks_for_the_key_when_the_server_wants_one():
    """Protects from a 401 without advice, and the key from the diagnosis."""
    with Replay(api_key="sk-canary-right") as server:
        diagnosis = await look(server.url, api_key="sk-canary-wrong")
        assert "--api-key" in diagnosis["reachable"].fix
        assert "canary" not in str(diagnosis)
        assert (await look(server.url, api_key="sk-canary-right")).reachable


async def test_knows_a_web_page_for_what_it_is():
    """Protects from a gateway's page with status 200, which is no API."""
    with Replay(page="<!doctype html><title>Sign in</title>") as server:
        diagnosis = await look(server.url)
    assert "an HTML page" in diagnosis["reachable"].detail
    assert "A web page answers instead of the API" in diagnosis["reachable"].fix


async def test_goes_on_without_a_list_when_the_model_is_named():
    """Protects proxies without /v1/models: a chat that works is an API. Unnamed, there is nothing to ask for."""
    with Replay(lists_models=False) as server:
        named = await look(server.url, model="Qwen/Qwen3-0.6B")
        assert named.reachable
        assert named["tools_auto"].status == "ok"
        unnamed = await look(server.url)
        assert not unnamed.reachable
        assert "--model" in unnamed["reachable"].fix


@pytest.mark.parametrize(
    ("status", "page", "detail"),
    [
        (403, b"<html><title>403 Forbidden</title></html>", "refuses its list of models (HTTP 403)"),
        (200, b"<!doctype html><title>My app</title>", "answers with a web page instead of its list of models"),
        (404, b"<html><title>404 Not Found</title></html>", "lists no models"),
        (500, b"no", "refuses its list of models (HTTP 500)"),
        (200, b'{"data": null}', "answers with something else instead of its list of models"),
        (200, b"OK", "answers with something else instead of its list of models"),
    ],
)
async def test_goes_on_when_the_list_cannot_be_had_but_the_model_is_named(status: int, page: bytes, detail: str):
    """Protects proxies that let only chats through: what is refused there is a detail, not a failure."""
    with Gate(status, page) as server:
        diagnosis = await look(f"{server.root}/v1", model="Qwen/Qwen3-0.6B")
    assert diagnosis.reachable
    assert detail in diagnosis["reachable"].detail


@pytest.mark.parametrize("location", ["https://login.example.com/sso", "/v1/models/"])
async def test_goes_on_when_the_list_alone_is_redirected(location: str):
    """Protects chats behind a log-in page or a framework's trailing slash, which both redirect a GET only."""
    with Gate(302, b"") as server:
        server.location = f"{location if location.startswith('http') else server.root + location}?"
        diagnosis = await look(f"{server.root}/v1", model="Qwen/Qwen3-0.6B")
    assert diagnosis.reachable
    assert f"redirects its list of models to {server.location.partition('?')[0]}" in diagnosis["reachable"].detail


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
@pytest.mark.parametrize("chat_status", [200, 401])
async def test_goes_on_when_the_list_alone_is_broken_off(head: bytes, chat_status: int):
    """Protects gateways that close the connection in place of a list: only a failed chat tells that there is no API."""
    with Gate(200, b"") as server:
        server.cut_after, server.chat_status = head, chat_status
        named, unnamed = [await look(f"{server.root}/v1", model=model) for model in ("Qwen/Qwen3-0.6B", "")]
    assert named.reachable is (chat_status == 200)
    assert ("breaks off its list of models" in named["reachable"].detail) is named.reachable
    assert "closed the connection" in unnamed["reachable"].fix


async def test_says_why_a_chat_fails_when_the_list_is_redirected():
    """Protects from a search for a log-in page where the key is wrong."""
    with Gate(302, b"") as server:
        server.location, server.chat_status = f"{server.root}/v1/models/?", 401
        named, unnamed = [await look(f"{server.root}/v1", model=model) for model in ("Qwen/Qwen3-0.6B", "")]
    assert "HTTP 401" in named["reachable"].detail
    assert "--api-key" in named["reachable"].fix
    assert "--model" in unnamed["reachable"].fix


@pytest.mark.parametrize("waits", [False, True])
async def test_says_so_when_an_http_server_is_asked_over_https(waits: bool, monkeypatch: pytest.MonkeyPatch):
    """Protects from a wait of ten minutes: some servers refuse a TLS handshake, others wait for the rest of a head."""
    writers = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await (reader.readuntil(b"\r\n\r\n") if waits else reader.read(100))
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    monkeypatch.setattr(reach, "_PATIENCE_SECONDS", 0.3)
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    diagnosis = await look(url, model="m")
    server.close()
    for writer in writers:
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    assert not diagnosis.reachable
    assert "http://" in diagnosis["reachable"].fix
    assert "plain HTTP" in diagnosis["reachable"].detail + diagnosis["reachable"].fix


async def test_says_so_when_an_https_server_is_asked_over_http(tmp_path: Path):
    """Protects from "out of memory": a TLS server closes a connection of plain HTTP without a word."""
    with trusted_tls(tmp_path) as context, Loopback(tls=context) as server:
        diagnosis = await look(f"http://127.0.0.1:{server.port}/v1")
    assert diagnosis["reachable"].detail == "the server uses https, not plain HTTP"
    assert f"https://127.0.0.1:{server.port}/v1" in diagnosis["reachable"].fix


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [(write_as_text, "unsure", "twice, parsed and left in the text"), (write_twice, "failed", "more than once")],
)
async def test_finds_a_call_that_comes_twice(fault: Any, status: str, words: str):
    """Protects agents of other clients: they would make the call twice, and the server is to blame."""
    with Faulty(fault) as server:
        diagnosis = await look(server.url)
    assert diagnosis["tools_auto"].status == status
    assert words in diagnosis["tools_auto"].detail


@pytest.mark.parametrize(
    ("fault", "auto", "forced"),
    [(leave_in_text, PARSERS, PARSERS), (lose, PARSERS, PARSERS), (talk, "", "")],
)
async def test_names_the_parser_when_a_demanded_call_is_left_in_the_text_or_lost(fault: Any, auto: str, forced: str):
    """Protects from an error without a flag where the model made the call and only the parser is missing."""
    with Faulty(fault) as server:
        diagnosis = await look(server.url)
    assert (diagnosis["tools_auto"].flag, diagnosis["tools_forced"].flag) == (auto, forced)
    assert diagnosis["tools_forced"].status == "failed"
    assert diagnosis["tools_forced"].fix


@pytest.mark.parametrize("server_name", ["auto", "generic"])
async def test_finds_that_streams_do_not_say_why_they_end(server_name: str):
    """Protects from a server whose broken streams look whole; an engine's stream without a reason is an error."""
    with Faulty(fault_stream=drop_reasons) as server:
        diagnosis = await look(server.url, server=server_name)
    assert diagnosis["stream_end"].status == "failed"
    assert "without a finish_reason" in diagnosis["stream_end"].detail
    assert diagnosis["thinking_on"].status == ("ok" if server_name == "generic" else "failed")


class Busy(ChatQwen3):
    """A client on a machine with no time for it."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in super()._astream(*args, **kwargs):
            time.sleep(0.02)  # noqa: ASYNC251  # the client is busy, not waiting
            yield chunk


@pytest.mark.parametrize("kind", [ChatQwen3, Busy])
async def test_finds_a_proxy_that_holds_streams_back(kind: type[ChatQwen3]):
    """Protects from nginx's default: the chunks come, but all at once."""
    with Faulty(fault_stream=hold_back) as server:
        diagnosis = await look(server.url, kind=kind)
    assert diagnosis["streaming"].status == "failed"
    assert "proxy_buffering off" in diagnosis["streaming"].fix


async def test_names_the_address_when_a_redirect_makes_a_get_of_a_chat():
    """Protects from a proxy that moves everybody to another address: lists follow, chats cannot."""
    with Replay() as server, Gate(301, b"", location=server.url) as proxy:
        diagnosis = await look(f"{proxy.root}/v1", model="Qwen/Qwen3-0.6B")
    assert not diagnosis.reachable
    assert f"Use {server.url} for base_url" in diagnosis["reachable"].fix


@pytest.mark.parametrize(
    "location", ["https://login.example.com/sso?token=canary", "http://user:canary@localhost/app#"]
)
async def test_calls_it_no_api_when_a_redirect_leads_to_a_page(location: str):
    """Protects from the advice to use a log-in page as the base URL, and what is secret in an address."""
    with Gate(302, b"", location=location) as proxy:
        diagnosis = await look(f"{proxy.root}/v1")
    assert "log-in page" in diagnosis["reachable"].fix
    assert "canary" not in str(diagnosis)


async def test_calls_it_no_api_when_a_redirect_leads_to_itself():
    """Protects from the advice to use the URL that is in use."""
    with Gate(301, b"") as proxy:
        proxy.location = f"{proxy.root}/v1"
        diagnosis = await look(f"{proxy.root}/v1")
    assert "which is no API" in diagnosis["reachable"].detail


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(message={"error": {"message": "bad key sk-canary"}}, status=401), "--api-key"),
        (Answer(message={"error": {"message": "not for you"}}, status=403), "Check that the key may use"),
        (Answer(message={"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "30"}), "Too many"),
        (Answer(message={"error": {"message": "out of memory"}}, status=500), "out of memory"),
        (Answer(message={"error": {"message": "does not support chat"}}, status=400), "does not support chat"),
        (Answer(message={"error": {"message": "no such model"}}, status=404), "no such model"),
        (Answer(message={"content": "late"}, after=threading.Event()), "--timeout"),
    ],
)
async def test_asks_no_further_when_no_chat_is_answered(answer: Answer, said: str):
    """Protects from the same failure in every row, and from waiting a dozen times for a server that answers no chat."""
    with Scripted(lambda _body: answer, models=[{"id": "Qwen/Qwen3-0.6B"}]) as server:
        diagnosis = await look(server.url, api_key="sk-canary", timeout=2 if answer.after else 60)
        asked = len(server.requests)
        if answer.after:
            answer.after.set()
    assert asked == 2
    assert [row.name for row in diagnosis.findings if row.status == "failed"] == ["thinking_on"]
    assert said in diagnosis["thinking_on"].detail + diagnosis["thinking_on"].fix
    assert diagnosis["concurrency"].detail == "not asked, because no chat is answered"
    assert "canary" not in str(diagnosis)


async def test_names_a_served_model_when_the_one_asked_for_is_not():
    """Protects from a model's name that is spelt differently on the server."""
    with Replay() as server:
        diagnosis = await look(server.url, model="qwen3")
    assert '--model "Qwen/Qwen3-0.6B"' in diagnosis["models"].fix


async def test_asks_few_and_short_questions():
    """Protects the wallet on a hosted API: what several checks read is asked for once."""
    with Replay() as server:
        await look(server.url)
    assert len(server.requests) == 33
    assert all(body["max_tokens"] <= 1024 for body in server.requests)


async def test_does_not_change_the_model_and_is_not_changed_by_it():
    """Protects `adoctor()` on a model in use: its settings stay, and do not colour the diagnosis."""
    settings: dict[str, Any] = {
        "model": "Qwen/Qwen3-0.6B",
        "enable_thinking": False,
        "streaming": False,
        "return_reasoning": False,
        "stop": ["。"],
        "max_tokens": 3,
        "extra_body": {"top_k": 1},
    }
    with Replay() as server:
        llm = ChatQwen3(base_url=server.url, **settings)
        before = llm.model_dump()
        assert not_ok(await examine(llm)) == {}
        assert llm.model_dump() == before
        assert "stop" not in server.requests[0]
        await llm.aclose()


@pytest.mark.parametrize(
    "settings",
    [
        {"logprobs": True, "top_logprobs": 2},
        {"model_kwargs": {"priority": 1}},
        {"logit_bias": {"3": -100}},
        {"temperature": 0.1, "top_p": 0.2, "top_k": 1, "presence_penalty": 1.5, "repetition_penalty": 1.2},
        {"sampling": "recommended"},
        {"verbosity": "low", "seed": 1, "service_tier": "flex"},
        {"disabled_params": {"tool_choice": None}},
        {"rescue_tool_calls": True, "reasoning_history": "all", "max_concurrency": 1},
        {"metadata": {"a": 1}, "tags": ["a"], "output_version": "v1", "stream_chunk_timeout": 60.0},
    ],
    ids="+".join,
)
async def test_asks_the_same_whatever_the_model_is_set_to(settings: dict[str, Any]):
    """Protects from a server that is blamed for what a setting of the model does."""
    bodies = []
    for fields in ({}, settings):
        with Replay() as server:
            assert not_ok(await look(server.url, **fields)) == {}
            bodies.append(server.requests)
    assert bodies[0] == bodies[1]


class TogetherHandler(Handler):
    """Notes whether a request comes while another one is answered."""

    def answer(self, status: int, body: Any, kind: str = "application/json") -> None:
        self.owner.answering += 1
        time.sleep(0.02)
        self.owner.overlaps += self.owner.answering > 1
        super().answer(status, body, kind)
        self.owner.answering -= 1


class Overlapping(Replay):
    """A recorded vLLM that counts requests which came together."""

    handler = TogetherHandler
    answering = overlaps = 0


async def test_calls_come_together_when_the_model_has_limits_of_its_own():
    """Protects from a server that is called slow because the model sends one request at a time."""
    limiter = CountingLimiter()
    with Overlapping() as server:
        await look(server.url, max_concurrency=1, rate_limiter=limiter)
    assert server.overlaps > 0
    assert limiter.count == 0


async def test_stops_asking_when_the_server_goes_away():
    """Protects from minutes of timeouts: a server that ended is not asked again."""
    with Replay() as server:
        llm = ChatQwen3(base_url=server.url, model="Qwen/Qwen3-0.6B", max_retries=0)

        def leave(title: str) -> None:
            if title == "tool call, auto":
                server.http.server_close()
                server.http.shutdown()

        diagnosis = await examine(llm, on_start=leave)
        await llm.aclose()
    assert diagnosis["streaming"].status == "ok"
    assert diagnosis["tools_auto"].detail == "the server no longer answers"
    assert diagnosis["concurrency"].detail == "the server no longer answers"


async def test_tells_each_finding_as_it_is_made():
    """Protects a display that follows: every check is announced, then found."""
    names: list[str] = []
    with Replay() as server:
        llm = ChatQwen3(base_url=server.url, model="Qwen/Qwen3-0.6B", max_retries=0)
        diagnosis = await examine(llm, on_start=names.append, on_finding=lambda finding: names.append(finding.name))
        await llm.aclose()
    assert names == [word for row in diagnosis.findings for word in (row.title, row.name)]


@pytest.mark.parametrize(
    ("model", "skipped"),
    [
        ("Qwen/Qwen3-4B-Instruct-2507", {"thinking_on", "thinking_off", "thinking_budget", "reasoning_field"}),
        ("Qwen/Qwen3-4B-Thinking-2507", {"thinking_off"}),
    ],
)
@pytest.mark.parametrize("is_alias", [False, True])
async def test_skips_what_the_model_cannot_do(model: str, skipped: set[str], is_alias: bool):
    """Protects Instruct and Thinking models from failing for what they are, under their own name or another."""
    names = {"model": "my-alias", "model_line": model} if is_alias else {"model": model}
    with Replay() as server:
        diagnosis = await look(server.url, **names)
    assert {row.name for row in diagnosis.findings if row.status == "skipped"} == skipped


async def test_does_not_fail_a_model_that_answers_in_streams_only():
    """Protects models behind gateways that refuse whole replies: ChatQwen3 asks them for streams."""
    refusal = Answer(message={"error": {"message": "This model only supports streaming"}}, status=400)
    served = [{"id": "Qwen/Qwen3-0.6B"}]
    with Scripted(lambda body: {"content": "Hi"} if body.get("stream") else refusal, models=served) as host:
        diagnosis = await look(host.url)
    assert not [row for row in diagnosis.findings if "streaming" in row.detail]
    assert diagnosis["reasoning_field"].status == "unsure"


@pytest.mark.parametrize(
    ("server_name", "name", "status"), [("ollama", "thinking_budget", "skipped"), ("tgi", "thinking_off", "failed")]
)
async def test_says_so_when_the_server_has_no_such_setting(server_name: str, name: str, status: str):
    """Protects from asking what cannot be: where there is a way round, it is named."""
    with Replay() as server:
        diagnosis = await look(server.url, server=server_name)
    assert diagnosis[name].status == status
    assert bool(diagnosis[name].fix) == (status == "failed")


@pytest.mark.parametrize("server_name", ["tgi", "llama-cpp-python"])
async def test_samples_as_the_card_says_when_thinking_cannot_be_switched_off(server_name: str):
    """Protects from greedy decoding of a model that thinks, which repeats itself, and from a warning of it."""
    with Replay() as server:
        await look(server.url, server=server_name)
        assert {body["temperature"] for body in server.requests} == {0.6}
