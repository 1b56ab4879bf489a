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

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.local import LocalServer

TINY_QWEN3 = Path(__file__).parents[1] / "tests" / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
QUESTIONS: list[LanguageModelInput] = [
    "请解释相对论",
    "Python中如何读取文件？",
    "推荐三本好书",
    "Give me a short introduction to large language models.",
]

TERMINAL = sys.stdout.isatty()
COLOURS = TERMINAL and "NO_COLOR" not in os.environ
INDENT = 10
READING_PACE = 0.02
"""Seconds between two chunks on the screen: the tiny model writes 1,000 tokens a second, more than one can see."""
DIM, BOLD, CYAN, GREEN = "2", "1", "1;36", "32"


@tool
def get_weather(city: Annotated[str, "The city name"]) -> str:
    """Get the current weather for a city."""
    return {"北京": "25°C, sunny", "上海": "22°C, cloudy", "巴黎": "18°C, rain"}.get(city, "20°C")


async def main() -> None:
    """Show everything once."""
    async with connect() as llm:
        await show_thinking(llm)
        await show_without_thinking(llm)
        await show_streaming(llm)
        await show_concurrency(llm)
        await show_tool_call(llm)


@contextlib.asynccontextmanager
async def connect() -> AsyncIterator[ChatQwen3]:
    """Yield a model on the server of the environment, or on an engine that lives as long as this block."""
    if url := os.environ.get("QWEN_BASE_URL"):
        async with ChatQwen3(model=os.environ.get("QWEN_MODEL", "Qwen/Qwen3-0.6B"), temperature=0) as llm:
            print(paint(f"{llm.model_name} at {url}", DIM))
            yield llm
        return
    async with LocalServer(TINY_QWEN3, name="Qwen3-tiny") as server:
        print(paint(f"{server.model} on an embedded llama.cpp at {server.base_url}", DIM))
        print(paint("It knows a handful of dialogues by heart; the engine, template and parsers are real.", DIM))
        async with ChatQwen3(model=server.model, base_url=server.base_url, temperature=0) as llm:
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
    """Ask four questions one after another, then together in two ways."""
    print_title("Four questions", "one after another, asyncio.gather, llm.abatch")
    await llm.abatch(QUESTIONS)  # so that every way finds the prompts in the server's cache
    start = time.perf_counter()
    for question in QUESTIONS:
        await llm.ainvoke(question)
    alone = time.perf_counter() - start
    print_time("one after another", alone)
    start = time.perf_counter()
    await asyncio.gather(*(llm.ainvoke(question) for question in QUESTIONS))
    print_time("asyncio.gather", time.perf_counter() - start, alone)
    start = time.perf_counter()
    await llm.abatch(QUESTIONS)
    print_time("llm.abatch", time.perf_counter() - start, alone)
    if "QWEN_BASE_URL" not in os.environ:
        note = "Here all answers share this machine's cores. A GPU server writes four about as fast as one."
        print(paint(note, DIM))


async def show_tool_call(llm: ChatQwen3) -> None:
    """Let the model call a tool and answer from its result."""
    print_title("A tool", "llm.bind_tools([get_weather])")
    with_tools = llm.bind_tools([get_weather])
    question = HumanMessage("北京今天天气怎么样？")
    print_line("user", str(question.content))
    request = await with_tools.ainvoke([question])
    print_message(request)
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
        for word in re.findall(r"\n| ?[!-~]+|.", text):
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


def print_time(way: str, seconds: float, alone: float | None = None) -> None:
    """Print how long it took and which share of the time alone was saved."""
    saved = "" if alone is None else f"   {1 - seconds / alone:.0%} saved"
    print(f"{way:>19}  {seconds:5.2f} s{paint(saved, GREEN)}")


def paint(text: str, colour: str) -> str:
    """Return the text in a colour, where the output shows colours."""
    return f"\033[{colour}m{text}\033[0m" if COLOURS and colour and text else text


if __name__ == "__main__":
    asyncio.run(main())
