"""The chat page of `examples/fastapi_chat` on the real engine: its events over HTTP, and the page in a browser."""

import asyncio
import json
import re
import shutil
from contextlib import aclosing, asynccontextmanager

import httpx
import pytest
import uvicorn

from examples.fastapi_chat.app import CONTENT_POLICY, MAX_ROUNDS, PAGE, create_app
from langchain_qwen3 import ChatQwen3
from tests.support.engine_work import wait_until_idle
from tests.support.scripted import Scripted, write_call

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ENDLESS = {"extra_body": {"ignore_eos": True}, "max_tokens": 3500}
"""Settings under which the engine writes on for seconds."""
WATCH_FOLDS = """
window.folds = [];
new MutationObserver((records) => {
  for (const { oldValue, target } of records) window.folds.push([oldValue !== null, target.open]);
}).observe(document, { subtree: true, attributeFilter: ["open"], attributeOldValue: true });
"""
"""Notes in the browser when something is folded: was it open, is it open."""


class RunningApp:
    """The app under uvicorn, on the loop of the test."""

    def __init__(self, url, llm):
        self.url = url
        self.llm = llm

    async def ask(self, text, *, earlier=(), thinking=True):
        """Return the events of an answer, pieces of a text put together."""
        messages = [*earlier, {"role": "user", "text": text}]
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as http:
            reply = await http.post("/chat", json={"messages": messages, "thinking": thinking})
        assert reply.headers["content-type"].startswith("text/event-stream")
        return join_pieces(read_events(reply.text))


def read_events(text):
    """Return name and data of each event, without pings."""
    found = re.findall(r"^event: (.*)\ndata: (.*)\n\n", text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def join_pieces(events):
    """Put the pieces of each text together."""
    joined = []
    for name, data in events:
        if joined and joined[-1][0] == name and isinstance(data, str):
            joined[-1] = (name, joined[-1][1] + data)
        else:
            joined.append((name, data))
    return joined


@asynccontextmanager
async def run_app(base_url, **settings):
    """Run the app on a model with these settings."""

    @asynccontextmanager
    async def connect():
        # retried, for llama-server closes connections that it has just kept: once in 300 answers on a busy machine
        fields = {"model": "Qwen/Qwen3-0.6B", "temperature": 0, "max_retries": 2} | settings
        async with ChatQwen3(base_url=base_url, **fields) as llm:
            yield llm

    app = create_app(connect)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", timeout_graceful_shutdown=5))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningApp(f"http://127.0.0.1:{port}", app.state.llm)
    finally:
        server.should_exit = True
        await serving


# -- over HTTP ----------------------------------------------------------------------------------------------------


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
    assert events[-1] == ("error", f"The model called tools {MAX_ROUNDS} times and did not answer.")


async def test_error_says_what_the_package_says_when_the_server_is_down():
    """Protects the user of the page from an answer that never comes: the error names the address and what to do."""
    async with run_app("http://127.0.0.1:9/v1") as app:
        ((name, text),) = await app.ask("你好")
    assert name == "error"
    assert "http://127.0.0.1:9/v1" in text


async def test_page_brings_all_it_needs_when_loaded(engine):
    """Protects users behind firewalls and from foreign code: no address of another host, no text taken as HTML."""
    async with run_app(engine.base_url) as app, httpx.AsyncClient(base_url=app.url, trust_env=False) as http:
        page = await http.get("/")
        assert page.headers["content-security-policy"] == CONTENT_POLICY
        assert (await http.get("/model")).json() == {"model": engine.model}
        for path in re.findall(r'(?:href|src)="(page/[^"]+)"', page.text):
            assert (await http.get(path)).status_code == httpx.codes.OK
    sources = "".join(path.read_text(encoding="utf-8") for path in PAGE.iterdir())
    assert "//" not in re.sub(r"^\s*//.*|\s// .*", "", sources, flags=re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", sources)


# -- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture
async def browser():
    """Chromium without a window; skips where there is none."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright (group `browser`) is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is on the PATH")
    async with playwright.async_playwright() as running:
        chromium = await running.chromium.launch(executable_path=path)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def open_page(browser, app, locale="zh-CN"):
    """Open the page; at the end nothing may have failed in it or gone to another host."""
    context = await browser.new_context(locale=locale)
    page = await context.new_page()
    page.set_default_timeout(30_000)
    troubles = []
    page.on("console", lambda message: troubles.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((app.url, "data:")) else troubles.append(request.url)
    )
    await page.add_init_script(WATCH_FOLDS)
    await page.goto(app.url)
    yield page
    await context.close()
    assert troubles == []


async def ask(page, question):
    """Type a question and send it as a user does."""
    await page.locator("#question").press_sequentially(question)
    await page.keyboard.press("Enter")


@pytest.mark.slow
async def test_thinking_folds_and_the_answer_shows_when_asked_in_chinese(browser, engine):
    """Protects the reader's view: thinking is open until the answer begins, then folded and still there."""
    async with run_app(engine.base_url) as app, open_page(browser, app) as page:
        await ask(page, "请解释相对论")
        await page.locator(".summary").wait_for()
        assert await page.evaluate("folds") == [[True, False]]
        thinking = page.locator("details.thinking")
        assert re.fullmatch(r"思考了 \d+\.\d 秒", await thinking.locator("summary").inner_text())
        assert not await thinking.locator(".prose").is_visible()
        await thinking.locator("summary").click()
        assert (await thinking.locator(".prose").inner_text()).startswith("好的，用户让我解释相对论。首先，")
        assert (await page.locator(".answer").inner_text()).endswith("引力是质量使时空弯曲的结果。")


@pytest.mark.slow
async def test_tool_call_shows_in_either_language_when_made(browser, engine):
    """Protects the view of tools: call, result and answer, and that the language can be switched at any time."""
    async with run_app(engine.base_url) as app, open_page(browser, app, locale="en-GB") as page:
        await ask(page, "What is 123 * 456?")
        await page.locator(".summary").wait_for()
        assert (await page.locator(".tool").inner_text()).split("\n") == [
            "Tool",
            "multiply(a=123, b=456)",
            "→",
            "56088",
        ]
        assert await page.locator(".answer").inner_text() == "123 * 456 = 56088"
        await page.locator("#language").click()
        assert await page.locator(".badge").inner_text() == "工具"
        assert await page.locator("#send").inner_text() == "发送"
        await page.reload()
        assert await page.locator("#send").inner_text() == "发送"


@pytest.mark.slow
async def test_stop_button_stops_the_engine_when_pressed_in_the_middle(browser, engine):
    """Protects the GPU: after Stop the engine computes for nobody, what came is kept, and one can ask on."""
    before = await wait_until_idle(engine)
    async with run_app(engine.base_url, **ENDLESS) as app, open_page(browser, app) as page:
        await page.locator("#thinking").uncheck()
        await ask(page, "你好")
        await page.locator(".answer").wait_for()
        assert app.llm._in_flight.in_flight == 1
        await page.locator("#stop").click()
        assert await wait_until_idle(engine) - before < ENDLESS["max_tokens"]
        assert await page.locator(".note").inner_text() == "已停止"
        assert (await page.locator(".answer").inner_text()).startswith("你好！")
        await page.locator("#new").click()
        await ask(page, "你是谁？")
        await page.locator(".answer").wait_for()
        await page.locator("#stop").click()
        assert await wait_until_idle(engine) - before < ENDLESS["max_tokens"]
    assert app.llm._in_flight.in_flight == 0


@pytest.mark.slow
async def test_markup_is_shown_as_text_when_a_model_or_a_tool_writes_it(browser):
    """Protects the reader from scripts in what a model writes, wherever on the page it is shown."""
    attack = "<img src=x onerror=\"document.title='owned'\">"
    call = write_call("1", attack, json.dumps({"<b>": attack}))

    def answer(body):
        rest = {} if body["messages"][-1]["role"] == "tool" else {"tool_calls": [call]}
        return {"reasoning": attack, "content": attack, **rest}

    with Scripted(answer) as server:
        async with run_app(server.url, server="vllm") as app, open_page(browser, app) as page:
            await ask(page, attack)
            await page.locator(".summary").wait_for()
            assert await page.locator("article img, article b").count() == 0
            assert await page.title() == "ChatQwen3"
            assert await page.locator(".answer").nth(1).inner_text() == attack


@pytest.mark.slow
async def test_error_is_shown_when_the_model_cannot_be_reached(browser):
    """Protects the user from a page that waits for ever: the package's text is there, and one can ask again."""
    async with run_app("http://127.0.0.1:9/v1") as app, open_page(browser, app) as page:
        await ask(page, "你好")
        assert "http://127.0.0.1:9/v1" in await page.locator(".error").inner_text()
        await page.locator("#send").wait_for()
