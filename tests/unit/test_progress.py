"""The progress bar of a batch, driven by LangChain's own runs."""

import asyncio
import io
import signal
import subprocess
import sys
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_qwen3.progress import BatchProgress

ANSWER_TOKENS = 7


class Echo(BaseChatModel):
    """A model without a server: answers with usage, raises on "bad", answers twice for `n`."""

    answers: int = 1

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        text = messages[-1].text
        if text == "bad":
            raise ValueError(text)
        usage = {"input_tokens": 1, "output_tokens": ANSWER_TOKENS, "total_tokens": ANSWER_TOKENS + 1}
        message = AIMessage(text, usage_metadata=None if text == "unmetered" else usage)
        return ChatResult(generations=[ChatGeneration(message=message)] * self.answers)


@pytest.fixture
def screen() -> io.StringIO:
    """Where the bar is drawn."""
    return io.StringIO()


def test_progress_counts_inputs_and_tokens_when_batch_is_async(screen: io.StringIO) -> None:
    """Protects the numbers of the usual case, over one event loop after another."""
    with BatchProgress(total=20, file=screen) as progress:
        for _ in range(2):
            asyncio.run(Echo().abatch(["hi"] * 10, config={"callbacks": [progress], "max_concurrency": 4}))
    assert (progress.done, progress.failed, progress.output_tokens) == (20, 0, 20 * ANSWER_TOKENS)
    assert progress.tokens_per_second > 0
    assert "20/20" in screen.getvalue()
    assert "tok/s" in screen.getvalue()


def test_progress_counts_every_input_when_threads_run_them(screen: io.StringIO) -> None:
    """Protects the counters from races: `batch` calls from many threads at once."""
    with BatchProgress(total=400, file=screen) as progress:
        Echo().batch(["hi"] * 400, config={"callbacks": [progress], "max_concurrency": 16})
    assert (progress.done, progress.output_tokens) == (400, 400 * ANSWER_TOKENS)


async def test_progress_counts_failures_when_inputs_raise(screen: io.StringIO) -> None:
    """Protects the difference between answered and failed; the bar reaches its end all the same."""
    with BatchProgress(total=3, file=screen) as progress:
        await Echo().abatch(["hi", "bad", "hi"], config={"callbacks": [progress]}, return_exceptions=True)
    assert (progress.done, progress.failed) == (2, 1)
    assert "3/3" in screen.getvalue()
    assert "failed=1" in screen.getvalue()


async def test_progress_counts_inputs_once_when_a_chain_is_around_the_model(screen: io.StringIO) -> None:
    """Protects the bar from running past its total: two calls and a step are still one input."""
    chain = Echo() | RunnableLambda(lambda message: message.text) | Echo()
    with BatchProgress(total=5, file=screen) as progress:
        await chain.abatch(["hi"] * 5, config={"callbacks": [progress]})
    assert (progress.done, progress.output_tokens) == (5, 10 * ANSWER_TOKENS)


async def test_progress_counts_one_success_when_fallback_answers(screen: io.StringIO) -> None:
    """Protects the failure count: a call that failed inside an input that succeeded is no failure."""
    model = (RunnableLambda(lambda _: "bad") | Echo()).with_fallbacks([Echo()])
    with BatchProgress(total=2, file=screen) as progress:
        await model.abatch(["hi", "hi"], config={"callbacks": [progress]})
    assert (progress.done, progress.failed) == (2, 0)


async def test_progress_counts_its_own_runs_when_batch_is_inside_another_run(screen: io.StringIO) -> None:
    """Protects use inside a graph's node: the outermost run is the outermost this handler saw."""
    progress = BatchProgress(total=3, file=screen)

    async def node(_: str) -> int:
        return len(await Echo().abatch(["hi"] * 3, config={"callbacks": [progress]}))

    with progress:
        assert await RunnableLambda(node).ainvoke("go") == 3
    assert progress.done == 3


async def test_progress_counts_tools_as_runs_when_they_call_the_model(screen: io.StringIO) -> None:
    """Protects agents: a model called by a tool belongs to the tool's run."""

    @tool
    async def ask(question: str) -> str:
        """Ask the model."""
        return (await Echo().ainvoke(question)).text

    with BatchProgress(total=2, file=screen) as progress:
        await ask.abatch([{"question": "hi"}, {"question": "hi"}], config={"callbacks": [progress]})
    assert (progress.done, progress.output_tokens) == (2, 2 * ANSWER_TOKENS)


async def test_progress_counts_streams_when_they_end(screen: io.StringIO) -> None:
    """Protects streaming: a stream is one input, done when its last chunk came."""
    model = GenericFakeChatModel(messages=iter(["a stream of words"]))
    with BatchProgress(file=screen) as progress:
        async for _ in model.astream("hi", config={"callbacks": [progress]}):
            assert progress.done == 0
    assert (progress.done, progress.failed) == (1, 0)


async def test_progress_counts_failure_when_a_run_is_cancelled(screen: io.StringIO) -> None:
    """Protects the bar from an input that never ends after a timeout around it."""
    started = asyncio.Event()

    async def wait(_: str) -> None:
        started.set()
        await asyncio.Event().wait()

    with BatchProgress(total=1, file=screen) as progress:
        task = asyncio.create_task(RunnableLambda(wait).ainvoke("hi", config={"callbacks": [progress]}))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (progress.done, progress.failed) == (0, 1)


class Terminal(io.StringIO):
    """A terminal that is a string."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("file", "no_colour", "is_red"), [(Terminal, "", True), (Terminal, "1", False), (io.StringIO, "", False)]
)
def test_progress_is_red_when_an_input_failed(
    file: type[io.StringIO], no_colour: str, is_red: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects long batches from failures that nobody sees, and log files and $NO_COLOR from colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", no_colour)
    screen = file()
    with BatchProgress(total=2, file=screen) as progress:
        Echo().batch(["hi", "bad"], config={"callbacks": [progress]}, return_exceptions=True)
    assert ("\x1b[31m" in screen.getvalue()) is is_red


BATCH = """
import asyncio, signal, sys
from langchain_core.runnables import RunnableLambda
from langchain_qwen3 import BatchProgress

async def wait(_):
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(60)

async def main():
    with BatchProgress(total=1, disable=True) as progress:
        await RunnableLambda(wait).abatch(["x"], config={"callbacks": [progress]})

asyncio.run(main())
"""


def test_progress_leaves_no_traceback_when_ctrl_c_stops_the_batch() -> None:
    """Protects the one who stops a batch: a word and the signal's status, not 50 lines of asyncio."""
    run = subprocess.run([sys.executable, "-c", BATCH], capture_output=True, text=True, check=False)
    assert run.stderr == "stopped\n"
    assert run.returncode == -signal.SIGINT


def test_progress_adds_no_tokens_when_usage_is_missing_or_repeated(screen: io.StringIO) -> None:
    """Protects the rate: no usage counts nothing, and the sum reported on each of two answers counts once."""
    with BatchProgress(file=screen) as progress:
        Echo().invoke("unmetered", config={"callbacks": [progress]})
        assert progress.output_tokens == 0
        Echo(answers=2).invoke("hi", config={"callbacks": [progress]})
    assert progress.output_tokens == ANSWER_TOKENS


def test_progress_is_silent_when_disabled() -> None:
    """Protects logs: tqdm's own options reach the bar, and the numbers are kept."""
    screen = io.StringIO()
    with BatchProgress(total=1, file=screen, disable=True) as progress:
        assert progress.tokens_per_second == 0.0
        Echo().invoke("hi", config={"callbacks": [progress]})
    assert progress.done == 1
    assert screen.getvalue() == ""


def test_progress_names_the_extra_when_tqdm_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the user without the extra: the error says what to install."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"langchain-qwen3-chat\[progress\]"):
        BatchProgress(total=1)
