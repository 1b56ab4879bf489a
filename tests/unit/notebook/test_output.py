"""Outputs of a cell: a long text goes on in another one, and together they are the whole."""

import asyncio
from functools import partial

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_qwen3 import display_stream
from langchain_qwen3.notebook import output as module
from langchain_qwen3.notebook.growing import GrowingText
from langchain_qwen3.notebook.html import build_answer, build_reasoning
from langchain_qwen3.notebook.output import Column, Outputs


class Cell:
    """A cell in a notebook, in the place of IPython's.

    Attributes:
        outputs: The plain text and the HTML that each output shows.
        drawn: The number of each output that was drawn.
    """

    def __init__(self):
        self.outputs = []
        self.drawn = []

    def display(self, output, **_):
        """Show an output below the others, and return what updates it."""
        number = len(self.outputs)
        self.outputs.append(None)
        self.put(number, output)
        return type("Handle", (), {"update": staticmethod(partial(self.put, number))})

    def put(self, number, output, **_):
        """Draw an output."""
        self.drawn.append(number)
        self.outputs[number] = output["text/plain"], output["text/html"]


@pytest.fixture
def cell(monkeypatch):
    """A cell whose outputs are full after 100 characters."""
    cell = Cell()
    monkeypatch.setattr("IPython.core.getipython.get_ipython", object)
    monkeypatch.setattr("IPython.display.display", cell.display)
    monkeypatch.setattr(module, "FULL_SIZE", 100)
    return cell


def write(column, text):
    """Draw a text as it arrives, in small pieces."""
    growing = GrowingText()
    for at in range(0, len(text), 5):
        growing.add(text[at : at + 5])
        column.draw(growing.take_blocks(), growing.read())


def test_full_outputs_are_not_drawn_again_when_a_text_grows(cell):
    """Protects long replies, and what a reader selects in them: only the last output is redrawn."""
    text = "".join(f"Paragraph {number} has a few *words*.\n\n" for number in range(40))
    column = Column(Outputs(), "answer", build_answer)
    write(column, text)
    column.end(build_answer(text), text)
    assert cell.drawn == sorted(cell.drawn)
    assert 10 < len(cell.outputs) < 40
    assert "".join(html for _, html in cell.outputs) == build_answer(text)
    assert max(len(html) for _, html in cell.outputs) < 400
    assert "\n\n".join(plain for plain, _ in cell.outputs) == text.strip("\n")


def test_first_output_gets_the_whole_text_when_a_link_has_its_address_at_the_end(cell):
    """Protects links: an early part that looks different in the whole text is not left as it was drawn."""
    text = "".join(f"See [the page] {number}.\n\n" for number in range(20)) + "[the page]: https://example.org\n"
    column = Column(Outputs(), "answer", build_answer)
    write(column, text)
    column.end(build_answer(text), text)
    (plain, html), *others = cell.outputs
    assert html == build_answer(text)
    assert plain == text.strip("\n")
    assert {*others} == {("", "")}


def test_head_is_redrawn_alone_when_the_first_output_is_full(cell):
    """Protects the thinking time above a long reasoning: it is told when the reasoning ends, outputs later."""
    column = Column(Outputs(), "reasoning", partial(build_reasoning, "name"))
    column.head = "<p>Thinking</p>", "Thinking\n"
    column.draw(["a" * 200, "b" * 200], "rest")
    cell.drawn.clear()
    column.head = "<p>Thought</p>", "Thought\n"
    column.draw([], "rest")
    assert cell.drawn == [0]
    assert cell.outputs[0][0] == "Thought\n" + "a" * 200
    assert cell.outputs[0][1].startswith('<p>Thought</p><div class="name">')
    assert [plain for plain, _ in cell.outputs[1:]] == ["b" * 200, "rest"]


THOUGHTS = [AIMessageChunk("", additional_kwargs={"reasoning_content": text}) for text in ("first", "second")]


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        (THOUGHTS, "first" + "second"),
        ([*THOUGHTS, AIMessageChunk("answer")], "answer"),
        ([*THOUGHTS, AIMessageChunk("answer")], "Thought for"),
        ([AIMessageChunk("half "), AIMessageChunk("of it")], "half of it"),
        ([AIMessageChunk(" "), AIMessageChunk("x"), AIMessageChunk("y")], "xy"),
    ],
)
async def test_all_text_is_shown_when_a_stream_pauses_a_moment_after_a_drawing(cell, chunks, wanted):
    """Protects readers of a slow server: what came just after a drawing appeared only with the next chunk."""
    goes_on = asyncio.Event()

    async def stream():
        for chunk in chunks:
            yield chunk
        await goes_on.wait()

    shown = asyncio.ensure_future(display_stream(stream()))
    async with asyncio.timeout(60):
        while not any(wanted in output[0] for output in cell.outputs if output):  # noqa: ASYNC110  # a display calls nobody
            await asyncio.sleep(0.01)
    goes_on.set()
    await shown
