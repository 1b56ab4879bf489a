"""Shows a reply in a notebook while it streams."""

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from time import perf_counter
from types import FrameType
from typing import Final, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3._visible import make_visible
from langchain_qwen3.call import name_type
from langchain_qwen3.notebook.growing import GrowingText
from langchain_qwen3.notebook.html import (
    build_answer,
    build_line,
    build_markdown,
    build_reasoning,
    build_switch,
    build_title,
    describe_end,
)
from langchain_qwen3.notebook.output import FULL_SIZE, Column, Outputs

_SECONDS_BETWEEN_UPDATES: Final = 0.05
_SECONDS_BETWEEN_TICKS: Final = 0.25
# Long answers take long to draw: drawing gets at most a fifth of the time, so that reading the stream is not delayed.
_PAUSE_PER_DRAWING: Final = 4


async def display_stream(stream: AsyncIterator[AIMessageChunk] | Iterator[AIMessageChunk]) -> AIMessageChunk:
    """Show a reply in the notebook while it streams, and return the complete reply.

    The reasoning can be unfolded, even while it streams, and shows its duration; the answer is rendered as Markdown;
    tool calls are listed at the end. The cell's stop button closes the stream, so the server stops too, and returns
    the partial reply: its `chunk_position` is not `"last"`. Any other cancellation closes the stream and raises. In a
    terminal, which cannot redraw, the reply is printed when it is complete.

    Example:
        ```python
        message = await display_stream(llm.astream("你是谁?", enable_thinking=True))
        ```

    Args:
        stream: The stream from `llm.astream(…)` or `llm.stream(…)`; it is always closed.

    Returns:
        The sum of the chunks, equal to what `ainvoke` returns.

    Raises:
        ImportError: The extra `notebook` is not installed.
        TypeError: `stream` is not a stream, or not one of messages, such as that of a chain with a parser.
        ValueError: The stream is empty, for example because it was already read.
    """
    if not isinstance(stream, AsyncIterator | Iterator):
        raise TypeError(f"stream: pass llm.astream(…) or llm.stream(…), not {name_type(stream)}")
    async with aclosing(_read(stream)) as chunks:
        screen = _Screen()
        with _watch_stop(screen) as is_stopped:
            clock = asyncio.ensure_future(_tick(screen))
            try:
                async for chunk in chunks:
                    screen.show(_check_chunk(chunk))
            except asyncio.CancelledError:
                if not is_stopped():
                    raise
                if task := asyncio.current_task():
                    task.uncancel()
                screen.end("■ stopped")
                return screen.message or AIMessageChunk(content="")
            finally:
                clock.cancel()
                screen.end()
    if screen.message is None:
        raise ValueError("stream: it is empty; a stream can be read only once: make a new one with llm.astream(…)")
    return screen.message


async def _read(stream: AsyncIterator[AIMessageChunk] | Iterator[AIMessageChunk]) -> AsyncGenerator[AIMessageChunk]:
    try:
        if isinstance(stream, AsyncIterator):
            async for chunk in stream:
                yield chunk
        else:
            for chunk in stream:
                yield chunk
                await asyncio.sleep(0)  # the stop button can only cancel at an await
    finally:
        if aclose := getattr(stream, "aclose", None):
            await aclose()
        elif close := getattr(stream, "close", None):
            close()


def _check_chunk(chunk: object) -> AIMessageChunk:
    if isinstance(chunk, AIMessage):  # with disable_streaming, core's only "chunk" is the whole message
        return cast("AIMessageChunk", chunk)
    advice = "pass llm.astream(…), not the stream of an agent or a parser"
    raise TypeError(f"stream: {name_type(chunk)} came, not a chunk of a message: {advice}")


@contextmanager
def _watch_stop(screen: "_Screen") -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether the stop button was pressed, which the kernel receives as SIGINT."""
    handler = signal.getsignal(signal.SIGINT)
    is_pressed = False
    if not screen.redraws or handler is None or isinstance(handler, int):
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal is_pressed
        is_pressed = True
        handler(number, frame)

    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: only that one can set signal handlers
        yield lambda: False
        return
    try:
        yield lambda: is_pressed
    finally:
        signal.signal(signal.SIGINT, handler)


async def _tick(screen: "_Screen") -> None:
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_TICKS)
        screen.tick()


class _Screen:
    """The outputs of a reply: the switch that folds the reasoning, the reasoning, the answer.

    Attributes:
        message: The sum of the chunks, once the reply has ended.
    """

    def __init__(self) -> None:
        try:
            self._outputs = Outputs()
            build_markdown()
        except ImportError as error:
            raise ImportError(
                'display_stream needs the extra "notebook": pip install "langchain-qwen3-chat[notebook]"'
            ) from error
        self.redraws = self._outputs.redraws
        self.message: AIMessageChunk | None = None
        self._chunks: list[AIMessageChunk] = []
        self._name = f"qwen3-{uuid4().hex}"
        self._reasoning, self._answer = GrowingText(), GrowingText()
        self._reasoning_column = Column(self._outputs, "reasoning", partial(build_reasoning, self._name))
        self._answer_column = Column(self._outputs, "answer", build_answer)
        self._started_at = self._next_at = perf_counter()
        self._thinks = False
        self._thought_for: float | None = None
        self._is_behind = self._ended = False

    def show(self, chunk: AIMessageChunk) -> None:
        """Add a chunk, and draw the reply so far unless it was drawn a moment ago."""
        self._chunks.append(chunk)
        if reasoning := _read_reasoning(chunk):
            self._thinks = True
            self._reasoning.add(reasoning)
        if chunk.text:
            self._answer.add(str(chunk.text))
            if self._thought_for is None:
                self._thought_for = perf_counter() - self._started_at
        self._is_behind = True
        self._draw_if_due()

    def tick(self) -> None:
        """Draw what came a moment after the last drawing, and the seconds while the model is thinking."""
        if self._thought_for is None:
            self._is_behind = True
        self._draw_if_due()

    def end(self, *notes: str) -> None:
        """Draw the final reply with its calls and the notes; further calls do nothing."""
        if self._ended:
            return
        self._ended = True
        if self._thought_for is None:
            self._thought_for = perf_counter() - self._started_at
        self._draw_reasoning()
        text, lines = "", [*notes]
        if self._chunks:
            first, *others = self._chunks
            self.message = first + others if others else first
            text = make_visible(str(self.message.text))
            # Until the end, a call's arguments are only a guess from the part that has arrived.
            lines = [*describe_end(self.message), *notes]
        plain = make_visible("\n".join([text, *lines]))
        self._answer_column.end(build_answer(text) + "".join(map(build_line, lines)), plain)

    def _draw_if_due(self) -> None:
        now = perf_counter()
        if not self._is_behind or self._ended or not self.redraws or now < self._next_at:
            return
        self._is_behind = False
        self._draw_reasoning()
        self._answer_column.draw(self._answer.take_blocks(), self._answer.read())
        if not self._outputs.is_empty:  # the first text is drawn immediately
            done_at = perf_counter()
            self._next_at = done_at + max(_SECONDS_BETWEEN_UPDATES, _PAUSE_PER_DRAWING * (done_at - now))

    def _draw_reasoning(self) -> None:
        if not self._thinks:
            return
        if self._thought_for is None:
            title = f"Thinking… {perf_counter() - self._started_at:.0f} s"
        else:
            title = f"Thought for {self._thought_for:.1f} s"
        if self.redraws:
            self._outputs.put("switch", build_switch(self._name), "Reasoning")
        self._reasoning_column.head = build_title(title), f"{title}\n"
        lines = self._reasoning.take_lines() if self._reasoning.length > FULL_SIZE else ""
        self._reasoning_column.draw([f"{lines}\n"] if lines else [], self._reasoning.read())


def _read_reasoning(message: AIMessage) -> str:
    blocks = message.content_blocks
    return "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")
