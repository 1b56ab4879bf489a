"""The chat page's server, `examples/fastapi_chat/app.py`, on the real engine: its events, and whom it lets in."""

import asyncio
import json
import mimetypes
import re
import threading
from contextlib import aclosing

import httpx
import pytest

from examples.fastapi_chat.app import CONTENT_POLICY, ERRORS, MAX_ANSWERS, MAX_BODY, MAX_ROUNDS, PAGE, run_tool
from tests.integration.test_canaries import CANARY, KEY, Echo
from tests.support.chat_page import ENDLESS, run_app
from tests.support.engine_work import wait_until_idle
from tests.support.scripted import Answer, Scripted, write_call


async def test_reasoning_answer_and_end_come_as_events_when_asked_in_chinese(engine):
    """Protects the page's feed: reasoning first, the answer, and what it took."""
    async with run_app(engine.base_url) as app:
        reasoning, answer, (name, end) = await app.ask("你是谁？")
        assert reasoning == ("reasoning", "用户在问我的身份。我应该说明我是通义千问，由阿里云研发的大语言模型。")
        assert answer == ("answer", "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！")
        assert (name, end["finish_reason"], end["tokens"], end["cut_calls"]) == ("done", "stop", 49, [])
        assert [name for name, _ in await app.ask("你是谁？", thinking=False)] == ["answer", "done"]


async def test_conversation_is_remembered_when_the_page_sends_it(engine):
    """Protects follow-up questions: the server keeps nothing, the page sends all."""
    said = [{"role": "user", "text": "My name is Bob."}, {"role": "assistant", "text": "Nice to meet you, Bob!"}]
    async with run_app(engine.base_url) as app:
        answer, _ = await app.ask("What is my name?", earlier=said, thinking=False)
    assert answer == ("answer", "Your name is Bob.")


async def test_tool_runs_and_a_second_answer_streams_when_the_model_calls(engine):
    """Protects the loop: call, result and the answer made of it, with both replies counted."""
    async with run_app(engine.base_url) as app:
        events = await app.ask("What is 123 * 456?")
    assert [name for name, _ in events] == ["reasoning", "call", "result", "reasoning", "answer", "done"]
    assert events[1][1] == {"name": "multiply", "args": {"a": 123, "b": 456}}
    assert events[2][1] == {"text": "56088", "failed": False}
    assert events[4][1] == "123 * 456 = 56088"
    assert events[5][1]["tokens"] > 30


async def test_engine_stops_when_the_client_leaves_in_the_middle(engine):
    """Protects the stop button's promise: the model's connection is closed and the engine's slot is free."""
    before = await wait_until_idle(engine)
    async with run_app(engine.base_url, **ENDLESS) as app:
        question = {"messages": [{"role": "user", "text": "你好"}], "thinking": False}
        async with httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
            async with http.stream("POST", "/chat", json=question) as reply, aclosing(reply.aiter_lines()) as lines:
                assert [await anext(lines)] == ["event: answer"]
                assert app.llm._in_flight.in_flight == 1
            assert await wait_until_idle(engine) - before < ENDLESS["max_tokens"]
        assert app.llm._in_flight.in_flight == 0


async def test_failed_and_unknown_calls_are_told_to_the_model_when_made():
    """Protects the loop from arguments and names that a model makes up: it sees the error, and the answer goes on."""
    calls = [
        write_call("1", "get_time", '{"timezone": "Middle-earth/Shire"}'),
        write_call("2", "multiply", '{"a": "x", "b": 2}'),
        write_call("3", "delete_all", "{}"),
    ]

    def answer(body):
        return {"content": "Sorry."} if body["messages"][-1]["role"] == "tool" else {"tool_calls": calls}

    with Scripted(answer) as server:
        async with run_app(server.url, server="vllm") as app:
            events = await app.ask("What time is it in the Shire?")
    results = [data for name, data in events if name == "result"]
    assert [result["failed"] for result in results] == [True, True, True]
    sent = [message["content"] for message in server.requests[1]["messages"] if message["role"] == "tool"]
    assert sent == [result["text"] for result in results]
    assert [re.match(r"\w+", text)[0] for text in sent] == ["ZoneInfoNotFoundError", "ValidationError", "KeyError"]
    assert ("answer", "Sorry.") in events


async def test_loop_ends_when_the_model_calls_for_ever():
    """Protects the server's bill from a model that never answers."""
    with Scripted(lambda _: {"tool_calls": [write_call("1", "multiply", '{"a": 2, "b": 2}')]}) as server:
        async with run_app(server.url, server="vllm") as app:
            events = await app.ask("2*2?")
    assert len(server.requests) == MAX_ROUNDS
    assert events[-1] == ("error", "rounds")


async def test_error_is_a_name_when_the_server_is_down(capsys):
    """Protects the server's address: the page gets the kind of the error, whose words it has, and the log the rest."""
    async with run_app("http://127.0.0.1:9/v1") as app:
        assert await app.ask("你好") == [("error", "unreachable")]
    assert "http://127.0.0.1:9/v1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", ["400", "401", "403", "404", "408", "418", "429", "500", "503", "event", "page", "error"]
)
async def test_no_internal_url_is_in_any_web_error(kind, capsys):
    """Protects the network behind the page: no address, path or key in any answer, whatever the server says."""
    bodies = (b'{"messages": [{"role": "user", "text": "hi"}]}', b"{", b"[" * 9000, b'{"messages": 1}')
    paths = ("/model", "/health", "/docs", "/openapi.json", "/page/x", "/page/../app.py")
    with Echo() as server:
        async with (
            run_app(f"{server.root}/{kind}/v1", api_key=KEY, max_retries=0, server="vllm") as app,
            httpx.AsyncClient(base_url=app.url, trust_env=False) as http,
        ):
            json_type = {"content-type": "application/json"}
            replies = [await http.post("/chat", content=content, headers=json_type) for content in bodies]
            replies += [await http.get(path) for path in paths]
        assert "event: error" in replies[0].text
        shown = "".join(f"{reply.text} {reply.headers}" for reply in replies)
        assert [word for word in (server.root[7:], "/v1", CANARY, "Traceback", str(PAGE.parent)) if word in shown] == []
        assert len(server.echoes) == 1
    assert CANARY not in capsys.readouterr().err


async def test_scripts_are_scripts_when_the_registry_calls_them_text(monkeypatch):
    """Protects the page on Windows, where it stayed blank: a browser runs no script that is sent as text."""
    mimetypes.init()
    monkeypatch.setitem(mimetypes.types_map, ".js", "text/plain")
    async with run_app("http://127.0.0.1:9/v1") as app, httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
        reply = await http.get("/page/chat.js")
    assert reply.headers["content-type"].partition(";")[0] == "text/javascript"


async def test_path_of_the_machine_is_not_shown_when_a_tool_cannot_open_a_file():
    """Protects the machine behind the page: a model may ask for the time in a folder."""
    call = {"name": "get_time", "args": {"timezone": "America"}, "id": "1", "type": "tool_call"}
    result = await run_tool(call)
    assert result.status == "error"
    assert "/" not in result.text


def test_page_has_words_for_every_error():
    """Protects the reader from an empty box: each error that the app names has its text, in both languages."""
    texts = (PAGE / "texts.js").read_text(encoding="utf-8")
    names = {name for _, name in ERRORS} | {"rounds", "lost"}
    assert {name: len(re.findall(rf"^      {name}: ", texts, re.MULTILINE)) for name in names} == dict.fromkeys(
        names, 2
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{own}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "evil.example"}, 400),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
        ({"Content-Type": "text/plain"}, 422),
    ],
)
async def test_request_is_refused_when_it_is_another_page_s(engine, headers, status):
    """Protects the visitor: no foreign page asks in his name, under whatever name it has for this machine."""
    async with run_app(engine.base_url) as app, httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
        headers = {name: value.format(own=app.url) for name, value in headers.items()}
        body = json.dumps({"messages": [{"role": "user", "text": "你好"}], "thinking": False})
        reply = await http.post("/chat", content=body, headers={"Content-Type": "application/json", **headers})
    assert reply.status_code == status
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_body_is_refused_when_it_is_too_long(framing):
    """Protects the memory: a body has a size, whether it says so or not, and no more of it is read."""
    sent = 0

    async def write_on():
        nonlocal sent
        for _ in range(300):
            sent += 65536
            yield b" " * 65536

    async with run_app("http://127.0.0.1:9/v1") as app, httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
        headers = {"Content-Type": "application/json"}
        if framing == "length":
            reply = await http.post("/chat", content=b" " * (MAX_BODY + 1), headers=headers)
        else:
            reply = await http.post("/chat", content=write_on(), headers=headers)
    assert reply.status_code == 413


async def test_visitor_waits_when_too_many_answers_are_under_way():
    """Protects the others: one visitor has so many answers at once and no more, and his places come back."""
    release = threading.Event()
    with Scripted(lambda _: Answer(message={"content": "Yes."}, after=release)) as server:
        async with run_app(server.url, server="vllm") as app:
            asking = [asyncio.create_task(app.ask("Is it?")) for _ in range(MAX_ANSWERS)]
            await asyncio.to_thread(server.wait_for, MAX_ANSWERS)
            async with httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
                question = {"messages": [{"role": "user", "text": "Is it?"}]}
                assert (await http.post("/chat", json=question)).status_code == 429
            release.set()
            answers = await asyncio.gather(*asking)
            assert [events[0] for events in answers] == [("answer", "Yes.")] * MAX_ANSWERS
            assert (await app.ask("Is it?"))[0] == ("answer", "Yes.")


async def test_page_brings_all_it_needs_when_loaded(engine):
    """Protects users behind firewalls and from foreign code: no address of another host, no text taken as HTML.

    What the libraries fetch, the browser's tests tell.
    """
    async with run_app(engine.base_url) as app, httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
        page = await http.get("/")
        assert page.headers["content-security-policy"] == CONTENT_POLICY
        assert (await http.get("/model")).json() == {"model": engine.model}
        for path in re.findall(r'(?:href|src)="(page/[^"]+)"', page.text):
            assert (await http.get(path)).status_code == httpx.codes.OK
    sources = "".join(path.read_text(encoding="utf-8") for path in PAGE.iterdir() if path.is_file())
    assert "//" not in re.sub(r"^\s*//.*|\s// .*", "", sources, flags=re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", sources)
