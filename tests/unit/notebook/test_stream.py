"""Replies in a notebook: what is drawn, and what becomes of the stream."""

import asyncio
import signal
import subprocess
import sys

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3 import display_stream
from langchain_qwen3.notebook import stream as module
from langchain_qwen3.notebook.html import build_markdown


def think(text):
    """Return a piece of reasoning as the model streams it."""
    return AIMessageChunk("", additional_kwargs={"reasoning_content": text})


async def stream(*chunks):
    """Yield chunks as a model does."""
    for chunk in chunks:
        yield chunk


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


async def test_whole_message_is_shown_when_the_model_does_not_stream(capsys):
    """Protects `disable_streaming=True`, and half a call in such a message from becoming a whole one."""
    half = {"name": "f", "args": "{", "id": "1", "error": "cut", "type": "invalid_tool_call"}
    whole = AIMessage("yes", invalid_tool_calls=[half])
    message = await display_stream(stream(whole))
    assert message == whole
    assert capsys.readouterr().out.startswith("yes\n")


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


async def test_error_says_what_to_give_when_it_is_no_stream():
    """Protects from `display_stream(message)` and from a stream that was read before."""
    with pytest.raises(TypeError, match=r"stream: pass llm\.astream.* not an AIMessageChunk"):
        await display_stream(AIMessageChunk("whole"))
    with pytest.raises(ValueError, match="stream: it is empty"):
        await display_stream(stream())


@pytest.mark.parametrize("chunk", ["text", ("messages", AIMessageChunk("a")), {"model": {}}, None])
@pytest.mark.parametrize("before", [(), (AIMessageChunk("first"),)])
async def test_error_names_what_came_when_a_stream_is_not_one_of_messages(chunk, before, capsys):
    """Protects from an error out of the depths for the stream of a chain with a parser, or of an agent."""
    given = stream(*before, chunk)
    expected = (
        rf"stream: a {type(chunk).__name__} came, not a chunk of a message: .*not the stream of an agent or a parser"
    )
    with pytest.raises(TypeError, match=expected):
        await display_stream(given)
    assert given.ag_frame is None  # it is closed
    assert "Error" not in capsys.readouterr().out


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
    build_markdown.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "langchain-qwen3-chat\[notebook\]"'):
        await display_stream(stream(AIMessageChunk("hello")))


def test_package_is_imported_without_ipython_when_nobody_asks_for_it():
    """Protects the import time of everybody outside of notebooks."""
    look = "import sys, langchain_qwen3; print({'IPython', 'markdown_it', 'pygments'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


class Page:
    """The outputs of a notebook's cell, in the place of IPython's.

    Attributes:
        drawn: Every drawing, as place and HTML.
    """

    redraws = True
    is_empty = False

    def __init__(self):
        self.drawn = []

    def put(self, place, html_text, _plain):
        """Draw an output."""
        self.drawn.append((place, html_text))


@pytest.fixture
def page(monkeypatch):
    """A notebook's page."""
    page = Page()
    monkeypatch.setattr(module, "Outputs", lambda: page)
    return page


async def test_what_folds_the_reasoning_out_is_drawn_alike_when_the_reasoning_grows(page, monkeypatch):
    """Protects the reader of a long thought: what he opened is never replaced, for a notebook would fold it."""
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_UPDATES", 0)
    monkeypatch.setattr(module, "_PAUSE_PER_DRAWING", 0)
    monkeypatch.setattr(module, "perf_counter", lambda: 0.0)
    await display_stream(stream(think("one "), think("two"), AIMessageChunk("yes")))
    switches = {html for place, html in page.drawn if place == "switch"}
    texts = [html for place, html in page.drawn if place == "reasoning"]
    assert len(switches) == 1
    assert "Thinking… 0 s" in texts[0]
    assert "Thought for" in texts[-1]
    assert "one two" in texts[-1]


async def test_answer_is_the_value_when_the_stop_button_is_pressed(page):
    """Protects what came of a stopped reply: it is returned, with one line below it, and the cell goes on."""

    async def write_on():
        yield AIMessageChunk("so far")
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    task = asyncio.current_task()
    handler = signal.signal(signal.SIGINT, lambda *_: task.cancel())  # as a kernel has it
    try:
        message = await display_stream(write_on())
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (message.text, message.chunk_position) == ("so far", None)
    assert page.drawn[-1] == ("answer", "<p>so far</p>\n<p><code>■ stopped</code></p>")
    assert task.cancelling() == 0


@pytest.mark.usefixtures("page")
async def test_cancelling_is_passed_on_when_it_is_no_stop_button():
    """Protects timeouts round a reply: they end it as they do everywhere."""

    async def hang():
        yield AIMessageChunk("so far")
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(display_stream(hang()), 0.05)


@pytest.mark.usefixtures("page")
async def test_drawing_costs_what_the_length_is_when_a_reply_grows(monkeypatch):
    """Protects long replies: chunks are added up when they are drawn, and not one by one."""
    sizes = []
    add = AIMessageChunk.__add__
    monkeypatch.setattr(AIMessageChunk, "__add__", lambda one, other: (sizes.append(len(one.text)), add(one, other))[1])
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_UPDATES", 3600)
    costs = []
    for count in (100, 1000):
        sizes.clear()
        message = await display_stream(stream(*(AIMessageChunk("word ") for _ in range(count))))
        assert message.text == "word " * count
        costs.append(sum(sizes) + count)
    assert costs[1] <= 12 * costs[0]
