"""A tour of ChatQwen3 in the terminal, on an embedded llama.cpp or on the server at `$QWEN_BASE_URL`."""

import asyncio
import contextlib
import os
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from langchain_qwen3 import ChatQwen3, LocalServer
from langchain_qwen3._visible import make_visible
from langchain_qwen3.cli.connect import read_text
from langchain_qwen3.errors import Qwen3Error

TINY_QWEN3 = Path(__file__).parents[1] / "tests" / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
QUESTIONS: list[LanguageModelInput] = [
    "请解释相对论",
    "Python中如何读取文件？",
    "推荐三本好书",
    "Give me a short introduction to large language models.",
]

ROUNDS = 3
"""How often each way of asking is measured; the best time of each counts."""

TERMINAL = sys.stdout.isatty()
COLOURS = TERMINAL and "NO_COLOR" not in os.environ
INDENT = 10
READING_PACE = 0.02
"""Seconds between two chunks on the screen: the tiny model writes 1,000 tokens a second, more than one can see."""
DIM, BOLD, CYAN, GREEN, RED, YELLOW = "2", "1", "1;36", "32", "1;31", "33"


@tool
def get_weather(city: Annotated[str, "The city name"]) -> str:
    """Get the current weather for a city."""
    return {"北京": "25°C, sunny", "上海": "22°C, cloudy", "巴黎": "18°C, rain"}.get(city, "20°C")


get_weather.handle_validation_error = True  # the model is told of other arguments; small ones write them now and then


async def main() -> None:
    """Show everything once."""
    async with connect() as llm:
        await show_thinking(llm)
        await show_without_thinking(llm)
        await show_streaming(llm)
        await show_concurrency(llm)
        await show_tool_call(llm)
    print_next_steps()


@contextlib.asynccontextmanager
async def connect() -> AsyncIterator[ChatQwen3]:
    """Yield a model on the server of the environment, or on an engine that lives as long as this block."""
    if url := os.environ.get("QWEN_BASE_URL"):
        async with ChatQwen3(sampling="recommended") as llm:
            reply = await llm.ainvoke("Hi", max_tokens=1)  # an address that is wrong is told before anything else
            print(paint(f"{reply.response_metadata['model_name']} at {url}", DIM))
            yield llm
        return
    async with LocalServer(TINY_QWEN3, name="Qwen3-tiny") as server:
        print(paint(f"{server.model} on an embedded llama.cpp at {server.base_url}", DIM))
        print(paint("It knows a handful of dialogues by heart; the engine, template and parsers are real.", DIM))
        # Only what is likeliest is what it knows; a real model takes sampling="recommended".
        async with ChatQwen3(model=server.model, base_url=server.base_url, temperature=0.1) as llm:
            yield llm


async def show_thinking(llm: ChatQwen3) -> None:
    """Ask once, with thinking: reasoning and answer come apart."""
    print_title("Thinking on", 'await llm.ainvoke("你是谁?", enable_thinking=True)')
    print_message(await llm.ainvoke("你是谁?", enable_thinking=True))


async def show_without_thinking(llm: ChatQwen3) -> None:
    """Ask the same without thinking."""
    print_title("Thinking off", 'await llm.ainvoke("你是谁?", enable_thinking=False)')
    print_message(await llm.ainvoke("你是谁?", enable_thinking=False))


async def show_streaming(llm: ChatQwen3) -> None:
    """Type out reasoning and answer as they arrive."""
    print_title("Streaming", 'async for chunk in llm.astream("请解释相对论", enable_thinking=True)')
    paragraph = Paragraph("thinking", DIM)
    async for chunk in llm.astream("请解释相对论", enable_thinking=True):
        paragraph.write(chunk.additional_kwargs.get("reasoning_content", ""))
        if chunk.text:
            if paragraph.label == "thinking":
                paragraph.end()
                paragraph = Paragraph("answer")
            paragraph.write(chunk.text)
        if TERMINAL:
            await asyncio.sleep(READING_PACE)
    paragraph.end()


async def show_concurrency(llm: ChatQwen3) -> None:
    """Ask four questions one after another, then together in two ways, and again."""
    print_title("Four questions", "one after another, asyncio.gather, llm.abatch")

    async def ask_alone() -> None:
        for question in QUESTIONS:
            await llm.ainvoke(question)

    async def gather() -> None:
        await asyncio.gather(*(llm.ainvoke(question) for question in QUESTIONS))

    async def batch() -> None:
        await llm.abatch(QUESTIONS)

    ways = {"one after another": ask_alone, "asyncio.gather": gather, "llm.abatch": batch}
    await batch()  # so that every way finds the prompts in the server's cache
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, ask in ways.items():
            start = time.perf_counter()
            await ask()
            times[way].append(time.perf_counter() - start)
    print_times({way: min(seconds) for way, seconds in times.items()})


async def show_tool_call(llm: ChatQwen3) -> None:
    """Let the model call a tool and answer from its result."""
    print_title("A tool", "llm.bind_tools([get_weather])")
    with_tools = llm.bind_tools([get_weather])
    question = HumanMessage("北京今天天气怎么样？")
    print_line("user", str(question.content))
    request = await with_tools.ainvoke([question])
    print_message(request)
    if not request.tool_calls:
        print_line("tool", "the model answered without a call; small models do that now and then", YELLOW)
        return
    results = [await get_weather.ainvoke(call) for call in request.tool_calls]
    for result in results:
        print_line("tool", str(result.content), GREEN)
    print_message(await with_tools.ainvoke([question, request, *results]))


def print_title(title: str, code: str) -> None:
    """Open a part of the tour."""
    print(f"\n{paint(f'── {title} ', BOLD)} {paint(code, DIM)}")


def print_message(message: AIMessage) -> None:
    """Print what a message consists of, part by part."""
    if reasoning := message.additional_kwargs.get("reasoning_content"):
        print_line("thinking", reasoning, DIM)
    if message.text:
        print_line("answer", message.text)
    for call in message.tool_calls:
        arguments = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
        print_line("call", f"{call['name']}({arguments})", GREEN)


def print_line(label: str, text: str, colour: str = "") -> None:
    """Print a label and a text."""
    paragraph = Paragraph(label, colour)
    paragraph.write(text)
    paragraph.end()


class Paragraph:
    """A label and a text that is written piece by piece, wrapped at the edge of the terminal."""

    def __init__(self, label: str, colour: str = "") -> None:
        self.label = label
        self._colour = colour
        self._width = shutil.get_terminal_size().columns - INDENT - 1
        self._column = 0
        print(paint(f"{label:>8}  ", CYAN), end="", flush=True)

    def write(self, text: str) -> None:
        """Add a piece of the text."""
        for word in re.findall(r"\n| ?[!-~]+|.", make_visible(text)):
            columns = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in word)
            if word == "\n" or self._column + columns > self._width:
                print("\n" + " " * INDENT, end="")
                self._column = 0
            if word != "\n":
                print(paint(word, self._colour), end="", flush=True)
                self._column += columns

    def end(self) -> None:
        """Close the paragraph."""
        print()


def print_times(best: dict[str, float]) -> None:
    """Print the best time of each way, and the gain over one after another; a time that shows none is not counted."""
    (first, alone), *together = best.items()
    faster = [(way, seconds) for way, seconds in together if seconds < alone]
    if faster:
        print(f"{first:>19}  {alone:5.2f} s")
    for way, seconds in faster:
        print(f"{way:>19}  {seconds:5.2f} s{paint(f'   {alone / seconds:.1f} × as fast', GREEN)}")
    if len(faster) < len(together):
        what = "one time is not counted" if faster else "there is nothing to measure now"
        print(paint(f"Other programs keep this machine, or the server, busy: {what}.", YELLOW))
        return
    if "QWEN_BASE_URL" not in os.environ:
        note = "Here all answers share this machine's cores. A GPU server writes four about as fast as one."
        print(paint(note, DIM))


def print_next_steps() -> None:
    """Print what to try after the tour, with the command as it can be typed here."""
    command = Path(sys.executable).with_name("langchain-qwen3")
    if shutil.which(command.name) or not command.is_file():
        name = command.name
    else:
        name = str(command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command)
    steps = (
        (f'{name} ask "Who are you?" URL', "one question to a server of yours"),
        (f"{name} doctor URL", "what that server can do, and the flags it lacks"),
        (f"{name} serve Qwen/Qwen3-0.6B-GGUF", "a real model on this machine"),
        ("README.md", "the same from Python"),
        ("docs/web.md", "a chat page in the browser"),
    )
    width = max(len(step) for step, _ in steps)
    print(paint("\n── What next", BOLD))
    for step, what in steps:
        print(f"  {paint(f'{step:<{width}}', CYAN)}  {paint(what, DIM)}")


def paint(text: str, colour: str) -> str:
    """Return the text in a colour, where the output shows colours."""
    return f"\033[{colour}m{text}\033[0m" if COLOURS and colour and text else text


def run() -> None:
    """Give the tour; what goes wrong is told in two lines."""
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (Qwen3Error, OSError, ImportError, RuntimeError, ValueError) as error:
        what, _, fix = make_visible(read_text(error)).partition("\n")
        print(f"{paint('✗', RED)} {what}", file=sys.stderr)
        sys.exit(f"{paint('→', YELLOW)} {fix or 'langchain-qwen3 doctor finds out more.'}")


if __name__ == "__main__":
    run()
