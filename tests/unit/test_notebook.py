"""Replies in a notebook: what may reach its outputs, and what becomes of the stream."""

import asyncio
import subprocess
import sys

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call

from langchain_qwen3 import display_stream
from langchain_qwen3.notebook import build_answer, build_reasoning, describe_end

ATTACKS = [
    "<script>alert(1)</script>",
    "text <img src=x onerror=alert(1)> text",
    "</div></details><svg onload=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt&colon;alert(1))",
    "<javascript:alert(1)>",
    "[a](data:text/html,<script>alert(1)</script>)",
    "![a](https://example.org/?stolen)",
    "![a](javascript:alert(1))",
    '[a](https://example.org/"onmouseover="alert(1))',
    '```"><script>\n</script>\n```',
    "$<img src=x onerror=alert(1)>$",
    "| <b>a</b> |\n|---|\n| <script>b</script> |",
]


def think(text):
    """Return a piece of reasoning as the model streams it."""
    return AIMessageChunk("", additional_kwargs={"reasoning_content": text})


async def stream(*chunks):
    """Yield chunks as a model does."""
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_runs_or_is_fetched_when_the_model_writes_html(text):
    """Protects from a model, or whoever wrote what it read, that runs scripts in the notebook or sends data out."""
    made = {"p", "div", "details", "summary", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "a"}
    for html in (build_answer(text), build_reasoning("Thinking…", text)):
        tags = [piece.split(">")[0] for piece in html.split("<")[1:]]
        assert {tag.split()[0].strip("/") for tag in tags} <= made
        links = [tag for tag in tags if tag.startswith("a ")]
        assert all(tag.startswith('a href="https://') and tag.count('"') == 2 for tag in links)


@pytest.mark.parametrize("formula", [r"\(a_1 * b * c\)", r"\[ \frac{a}{b} \]", "$a_1*b*c$", "$$\na \\\\ *b*\n$$"])
def test_formulas_arrive_whole_when_markdown_would_change_them(formula):
    """Protects mathematics: Jupyter typesets what is between the signs, and Markdown takes backslashes and stars."""
    assert build_answer(f"So {formula} holds.") == f"<p>So {formula} holds.</p>\n"


def test_prices_and_code_stay_markdown_when_there_are_dollars():
    """Protects texts about money and shells from being taken for formulas."""
    assert build_answer("From $5 to *less* than $6, `$a` and `$b`") == (
        "<p>From $5 to <em>less</em> than $6, <code>$a</code> and <code>$b</code></p>\n"
    )


async def test_reply_is_printed_once_when_there_is_no_notebook(capsys):
    """Protects terminals and scripts from a line per chunk; the whole message is returned."""
    chunks = [think("one "), think("two"), AIMessageChunk("**yes**"), AIMessageChunk(" <b>")]
    message = await display_stream(stream(*chunks))
    assert message.text == "**yes** <b>"
    assert message.additional_kwargs["reasoning_content"] == "one two"
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("Thought for ")
    assert rest == ["one two", "**yes** <b>"]


async def test_sync_stream_is_read_and_closed_when_given(capsys):
    """Protects `display_stream(llm.stream(…))`, and that an error closes the stream and shows what had arrived."""
    closed = []

    def break_off():
        try:
            yield AIMessageChunk("half")
            raise ConnectionError
        finally:
            closed.append(True)

    with pytest.raises(ConnectionError):
        await display_stream(break_off())
    assert closed
    assert capsys.readouterr().out == "half\n"


async def test_stream_is_closed_when_the_task_is_cancelled(capsys):
    """Protects the server from writing on for nobody; what had arrived is shown."""
    waiting = asyncio.Event()
    closed = []

    async def hang():
        try:
            yield AIMessageChunk("so far")
            waiting.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    chunks = hang()  # kept, so that nothing but `aclose` ends it
    task = asyncio.create_task(display_stream(chunks))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed
    assert capsys.readouterr().out == "so far\n"


def test_calls_and_cuts_are_told_when_the_reply_ends():
    """Protects the reader from taking half an answer or half a call for a whole one."""
    message = AIMessageChunk(
        "",
        tool_calls=[tool_call(name="f", args={"a": 1, "b": "<b>"}, id="1")],
        invalid_tool_calls=[invalid_tool_call(name="g", args='{"a', id="2", error="cut")],
        response_metadata={"finish_reason": "length"},
    )
    assert describe_end(message) == ["→ f(a=1, b='<b>')", "✗ g: cut", "✗ cut: the limit on tokens was reached"]


async def test_error_says_what_to_give_when_it_is_no_stream():
    """Protects from `display_stream(message)` and from a stream that was read before."""
    with pytest.raises(TypeError, match=r"stream: give it llm\.astream.* not a AIMessageChunk"):
        await display_stream(AIMessageChunk("whole"))
    with pytest.raises(ValueError, match="stream: it is empty"):
        await display_stream(stream())


async def test_sync_stream_is_closed_when_the_task_is_cancelled_between_chunks(capsys):
    """Protects the stop button with `llm.stream(…)`, whose loop has no await of its own."""
    closed = []

    def write_on():
        try:
            while True:
                yield AIMessageChunk(".")
        finally:
            closed.append(True)

    chunks = write_on()  # kept, so that nothing but `close` ends it
    task = asyncio.create_task(display_stream(chunks))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed
    assert capsys.readouterr().out == ".\n"


@pytest.mark.parametrize("missing", ["IPython", "markdown_it"])
async def test_error_names_the_extra_when_it_is_missing(missing, monkeypatch):
    """Protects users from a bare ModuleNotFoundError."""
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    build_answer.__globals__["_build_markdown"].cache_clear()
    with pytest.raises(ImportError, match=r'pip install "langchain-qwen3-chat\[notebook\]"'):
        await display_stream(stream(AIMessageChunk("hello")))


def test_package_is_imported_without_ipython_when_nobody_asks_for_it():
    """Protects the import time of everybody outside of notebooks."""
    look = "import sys, langchain_qwen3; print({'IPython', 'markdown_it'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
