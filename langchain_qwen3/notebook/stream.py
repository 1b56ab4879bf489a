"""Shows a reply in a notebook while it streams."""

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from time import perf_counter
from types import FrameType
from typing import Final
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3._visible import make_visible
from langchain_qwen3.notebook.html import (
    build_answer,
    build_line,
    build_markdown,
    build_reasoning,
    build_switch,
    describe_end,
)
from langchain_qwen3.notebook.output import Outputs

_SECONDS_BETWEEN_UPDATES: Final = 0.05
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
        TypeError: `stream` is not a stream.
        ValueError: The stream is empty, for example because it was already read.
    """
    if not isinstance(stream, AsyncIterator | Iterator):
        raise TypeError(f"stream: pass llm.astream(…) or llm.stream(…), not a {type(stream).__name__}")
    async with aclosing(_read(stream)) as chunks:
        screen = _Screen()
        with _watch_stop(screen) as is_stopped:
            clock = asyncio.ensure_future(_tick(screen))
            try:
                async for chunk in chunks:
                    screen.show(chunk)
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
        await asyncio.sleep(1)
        screen.tick()


class _Screen:
    """The outputs of a reply: the switch that folds the reasoning, the reasoning, the answer.

    Attributes:
        message: The sum of the drawn chunks.
    """

    def __init__(self) -> None:
        try:
            self._outputs = Outputs()
            build_markdown()
        except ImportError as error:
            raise ImportError('display_stream needs the extra: pip install "langchain-qwen3-chat[notebook]"') from error
        self.redraws = self._outputs.redraws
        self.message: AIMessageChunk | None = None
        self._name = f"qwen3-{uuid4().hex}"
        self._pending: list[AIMessageChunk] = []
        self._started_at = self._next_at = perf_counter()
        self._thought_for: float | None = None
        self._ended = False

    def show(self, chunk: AIMessageChunk) -> None:
        """Add a chunk, and draw the reply so far unless it was drawn a moment ago."""
        now = perf_counter()
        self._pending.append(chunk)
        if self._thought_for is None and chunk.text:
            self._thought_for = now - self._started_at
        if self.redraws and now >= self._next_at:
            self._draw()
            if not self._outputs.is_empty:  # the first text is drawn immediately
                done_at = perf_counter()
                self._next_at = done_at + max(_SECONDS_BETWEEN_UPDATES, _PAUSE_PER_DRAWING * (done_at - now))

    def tick(self) -> None:
        """Redraw the seconds while the model is thinking."""
        if self.redraws and self._thought_for is None and not self._ended:
            self._draw()

    def end(self, *notes: str) -> None:
        """Draw the final reply with its calls and the notes; further calls do nothing."""
        if self._ended:
            return
        self._ended = True
        if self._thought_for is None:
            self._thought_for = perf_counter() - self._started_at
        self._draw(notes)

    def _draw(self, notes: tuple[str, ...] = ()) -> None:
        self._add_up()
        if self.message is None:
            if notes:
                self._outputs.put("answer", "".join(map(build_line, notes)), "\n".join(notes))
            return
        if reasoning := _read_reasoning(self.message):
            self._draw_reasoning(reasoning)
        plain = str(self.message.text)
        answer = build_answer(plain) if plain else ""
        # Until the end, a call's arguments are only a guess from the part that has arrived.
        lines = [*describe_end(self.message), *notes] if self._ended else []
        if answer or lines:
            text = make_visible("\n".join([plain, *lines]).lstrip("\n"))
            self._outputs.put("answer", answer + "".join(map(build_line, lines)), text)

    def _draw_reasoning(self, reasoning: str) -> None:
        if self._thought_for is None:
            title = f"Thinking… {perf_counter() - self._started_at:.0f} s"
        else:
            title = f"Thought for {self._thought_for:.1f} s"
        if self.redraws:
            self._outputs.put("switch", build_switch(self._name), "Reasoning")
        text = f"{title}\n{make_visible(reasoning)}"
        self._outputs.put("reasoning", build_reasoning(self._name, title, reasoning), text)

    def _add_up(self) -> None:
        """Add the chunks since the last drawing, all at once: one by one, each would copy the sum so far."""
        parts = [*([] if self.message is None else [self.message]), *self._pending]
        if parts:
            self.message = parts[0] + parts[1:]
        self._pending = []


def _read_reasoning(message: AIMessage) -> str:
    blocks = message.content_blocks
    return "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")
