"""A reply shown in a notebook while it streams. Needs the extra `notebook` (IPython and markdown-it-py).

What a model writes is untrusted, and a notebook runs the HTML and the `javascript:` links of its outputs. So the answer
goes out as HTML that is made here, with tags escaped, such links left out and pictures as links: a picture's address
can carry the conversation away. As `text/markdown` all that would be up to the notebook, and Jupyter lets it run.
"""

import asyncio
import html
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

_SECONDS_BETWEEN_UPDATES: Final = 0.05
# Long answers take long to draw: at most a fifth of the time goes there, or the stream would be read late.
_PAUSE_PER_DRAWING: Final = 4
_MATH: Final = re.compile(
    r"\\\(.{1,2000}?\\\) | \\\[.{1,2000}?\\\] | \$\$.{1,2000}?\$\$ | \$(?!\s)[^$`\n]{1,2000}?(?<!\s)\$(?!\d)",
    re.DOTALL | re.VERBOSE,
)
_REASONING_STYLE: Final = "white-space: pre-wrap; opacity: .75; border-left: 3px solid #8888; padding-left: .8em"


async def display_stream(stream: AsyncIterator[AIMessageChunk] | Iterator[AIMessageChunk]) -> AIMessageChunk:
    """Show a reply in the notebook while it streams, and return the whole of it.

    Reasoning is in a folded block, the answer is Markdown, tool calls are listed at the end. The cell's stop button
    closes the stream, which makes the server stop; so does any other way to cancel. In a terminal, where nothing can
    be drawn again, the reply is printed when it is complete.

    Example:
        ```python
        message = await display_stream(llm.astream("你是谁?", enable_thinking=True))
        ```

    Args:
        stream: What `llm.astream(…)` returns, or `llm.stream(…)`; it is closed in any case.

    Returns:
        The sum of the chunks, equal to what `ainvoke` returns.

    Raises:
        ImportError: The extra `notebook` is not installed.
        TypeError: `stream` is no stream.
        ValueError: The stream is empty, such as one that was read before.
    """
    if not isinstance(stream, AsyncIterator | Iterator):
        raise TypeError(f"stream: give it llm.astream(…) or llm.stream(…), not a {type(stream).__name__}")
    whole: AIMessageChunk | None = None
    async with aclosing(_read(stream)) as chunks:
        screen = _Screen()
        try:
            async for chunk in chunks:
                whole = chunk if whole is None else whole + chunk
                screen.show(whole)
        finally:
            if whole is not None:
                screen.end(whole)
    if whole is None:
        raise ValueError("stream: it is empty; a stream can be read only once, make a new one with llm.astream(…)")
    return whole


async def _read(stream: AsyncIterator[AIMessageChunk] | Iterator[AIMessageChunk]) -> AsyncGenerator[AIMessageChunk]:
    try:
        if isinstance(stream, AsyncIterator):
            async for chunk in stream:
                yield chunk
        else:
            for chunk in stream:
                yield chunk
                await asyncio.sleep(0)  # the stop button cancels at an await
    finally:
        if aclose := getattr(stream, "aclose", None):
            await aclose()
        elif close := getattr(stream, "close", None):
            close()


class _Screen:
    """The two outputs of a reply, each drawn again in its place as it grows."""

    def __init__(self) -> None:
        try:
            from IPython.core.getipython import get_ipython
            from IPython.display import display

            _build_markdown()
        except ImportError as error:
            raise ImportError('display_stream needs the extra: pip install "langchain-qwen3-chat[notebook]"') from error
        self._display: Any = display
        shell = get_ipython()
        self._redraws = shell is not None and not type(shell).__module__.startswith("IPython.terminal")
        self._handles: dict[str, Any] = {}
        self._shown: dict[str, str] = {}
        self._started_at = self._next_at = perf_counter()
        self._thought_for: float | None = None

    def show(self, message: AIMessageChunk) -> None:
        """Draw what has arrived, unless that was done a moment ago."""
        now = perf_counter()
        if self._thought_for is None and message.text:
            self._thought_for = now - self._started_at
        if self._redraws and now >= self._next_at:
            self._draw(message, ended=False)
            if self._handles:  # the first of the text is drawn at once
                done_at = perf_counter()
                self._next_at = done_at + max(_SECONDS_BETWEEN_UPDATES, _PAUSE_PER_DRAWING * (done_at - now))

    def end(self, message: AIMessageChunk) -> None:
        """Draw the reply as it stands, with its calls."""
        if self._thought_for is None:
            self._thought_for = perf_counter() - self._started_at
        self._draw(message, ended=True)

    def _draw(self, message: AIMessageChunk, *, ended: bool) -> None:
        if reasoning := _read_reasoning(message):
            thinking = self._thought_for is None
            title = "Thinking…" if thinking else f"Thought for {self._thought_for:.1f} s"
            self._put("reasoning", _Output(build_reasoning(title, reasoning), f"{title}\n{reasoning}"))
        plain = str(message.text)
        answer = build_answer(plain) if plain else ""
        # Until the end a call's arguments are a guess at what is still to come.
        for line in describe_end(message) if ended else []:
            answer += f"<p><code>{html.escape(line)}</code></p>"
            plain += f"\n{line}"
        if answer:
            self._put("answer", _Output(answer, plain.lstrip("\n")))

    def _put(self, place: str, output: "_Output") -> None:
        """Draw one of the two; one that has not changed stays, and with it whether the reader folded it out."""
        if self._shown.get(place) == output.html:
            return
        self._shown[place] = output.html
        if place in self._handles:
            self._handles[place].update(output)
        elif self._redraws:
            self._handles[place] = self._display(output, display_id=True)
        else:
            self._display(output)


class _Output:
    """An output as a notebook and as a terminal show it."""

    def __init__(self, html_text: str, plain: str) -> None:
        self.html = html_text
        self._plain = plain

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self._plain


def _read_reasoning(message: AIMessage) -> str:
    blocks = message.content_blocks
    return "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")


def build_reasoning(title: str, reasoning: str) -> str:
    """Return the folded block, as HTML that shows the text to the letter."""
    return (
        f"<details><summary>{html.escape(title)}</summary>"
        f'<div style="{_REASONING_STYLE}">{html.escape(reasoning)}</div></details>'
    )


def build_answer(text: str) -> str:
    """Return a Markdown text as HTML that runs and fetches nothing."""
    return str(_build_markdown().render(text))


def describe_end(message: AIMessage) -> list[str]:
    """Return a line for each tool call, for each that was cut, and for an answer that was."""
    lines = []
    for call in message.tool_calls:
        arguments = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
        lines.append(f"→ {call['name']}({arguments})")
    lines += [f"✗ {call['name']}: {call['error']}" for call in message.invalid_tool_calls]
    if message.response_metadata.get("finish_reason") == "length":
        lines.append("✗ cut: the limit on tokens was reached")
    return lines


@cache
def _build_markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # Without the rule `image` a picture is a link.
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.inline.ruler.before("escape", "math", _keep_math)
    return parser


def _keep_math(state: "StateInline", silent: bool) -> bool:
    """Leave formulas as they are: Jupyter typesets them, and Markdown would take their backslashes away."""
    if (formula := _MATH.match(state.src, state.pos)) is None:
        return False
    if not silent:
        state.pending += formula[0]
    state.pos = formula.end()
    return True
