"""Inline thinking told apart from the answer at any split, and newlines taken off the edges."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from langchain_qwen3.profiles.think_tags import find_leaked_tag
from langchain_qwen3.reply.reasoning import EdgeTrimmer, ThinkSplitter

# text, opened, reasoning, content, found
CASES = {
    "thinking, then answer": ("<think>\nA\n</think>\n\nB", False, "\nA\n", "\n\nB", True),
    "no thinking": ("B", False, "", "B", False),
    "white space first": (" \n<think>A</think>B", False, "A", "B", True),
    "empty block": ("<think>\n\n</think>\n\nB", False, "\n\n", "\n\nB", True),
    "nothing in the block": ("<think></think>B", False, "", "B", True),
    "no opening tag": ("A\n</think>\n\nB", True, "A\n", "\n\nB", True),
    "opened and a tag all the same": ("\n<think>\nA</think>B", True, "\nA", "B", True),
    "opened, nothing in it": ("\n</think>\n\nB", True, "\n", "\n\nB", True),
    "unclosed": ("<think>\nA", False, "\nA", "", True),
    "only the opening tag": ("<think>", False, "", "", True),
    "cut inside the opening tag": ("<thi", False, "", "<thi", False),
    "cut inside the closing tag": ("<think>A</thi", False, "A</thi", "", True),
    "only a closing tag": ("</think>\n\nB", False, "", "\n\nB", True),
    "maybe opened, and it was": ("A\n</think>\n\nB", None, "A\n", "\n\nB", True),
    "maybe opened, and a tag came": ("<think>A</think>B", None, "A", "B", True),
    "maybe opened, and it was not": ("A < B", None, "", "A < B", False),
    "maybe opened, and it speaks of the tag": ("Write `</think>` last.", None, "", "Write `</think>` last.", False),
    "maybe opened, nothing in it": ("\n</think>\n\nB", None, "\n", "\n\nB", True),
    "maybe opened, only white space": (" \n", None, "", " \n", False),
    "only white space": (" \n", False, "", " \n", False),
    "a tag in the answer": ("Use `<think>` and </think>.", False, "", "Use `<think>` and </think>.", False),
    "a tag after thinking": ("<think>A</think>B<think>C</think>", False, "A", "B<think>C</think>", True),
    "a tag in code": ("```\n<think>A</think>\n```", False, "", "```\n<think>A</think>\n```", False),
    "an opening tag in thinking": ("<think>A<think>B</think>C", False, "A<think>B", "C", True),
    "almost tags": ("<think>a < b </thinking> <</think>B", False, "a < b </thinking> <", "B", True),
    "another tag": ("<thinker>A</thinker>", False, "", "<thinker>A</thinker>", False),
}


def split(pieces: list[str], *, opened: bool | None = False, finished: bool = True) -> tuple[str, str, bool]:
    """Return reasoning, content, and whether thinking was found."""
    splitter = ThinkSplitter(opened=opened)
    spans = [*map(splitter.feed, pieces), splitter.close(finished=finished)]
    return "".join(span.reasoning for span in spans), "".join(span.content for span in spans), splitter.has_thinking


@pytest.mark.parametrize("case", CASES)
def test_tells_thinking_from_answer_when_split_at_every_boundary(case: str):
    """Protects servers without a reasoning parser: no tag is missed or made up, whatever the tokens are."""
    text, opened, *expected = CASES[case]
    assert split([text], opened=opened) == tuple(expected)
    assert split(list(text), opened=opened) == tuple(expected)
    for at in range(len(text)):
        assert split([text[:at], text[at:]], opened=opened) == tuple(expected)


@pytest.mark.parametrize("text", ["A", "<thi", "A </thi"])
@pytest.mark.parametrize("size", [1, 100])
def test_text_without_a_tag_is_the_answer_when_the_model_finished(text: str, size: int):
    """Protects answers of servers that were expected to think: none is lost, and one that was cut is thinking."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert split(pieces, opened=None) == ("", text, False)
    assert split(pieces, opened=None, finished=False) == (text, "", False)
    assert split(pieces, opened=True, finished=False) == (text, "", False)
    assert split(pieces, opened=True)[1] == text
    assert split(pieces, opened=False, finished=False) == ("", text, False)


@pytest.mark.parametrize(
    ("text", "opened", "opens"),
    [
        ("A</think>B", None, True),
        ("A</think>B", True, True),
        ("<think>A</think>B", None, False),
        ("<think>A", True, False),
        ("A", None, False),
        ("A", True, False),
        ("A", False, None),
        (" ", None, None),
    ],
)
def test_tells_how_the_reply_began_when_it_is_over(text: str, opened: bool | None, opens: bool | None):
    """Protects what is learned of a server: only what the text says counts, not what was expected."""
    splitter = ThinkSplitter(opened=opened)
    splitter.feed(text)
    splitter.close()
    assert splitter.opens is opens


LEAKED = {
    "tail\n</think>\n\nB": ("tail\n", "\n\nB"),
    "tail\r\n</think>\r\n\r\nB": ("tail\r\n", "\r\n\r\nB"),
    "让我写一个回答。\n</think>\n\n你好": ("让我写一个回答。\n", "\n\n你好"),
    "Okay.\n\n</think> \n \nB": ("Okay.\n\n", " \n \nB"),
    "I look at it.</think>\n\nA cat.": ("I look at it.", "\n\nA cat."),
    "我看一下。</think>\n\n一只猫。": ("我看一下。", "\n\n一只猫。"),
    "I call it.</think>": ("I call it.", ""),
    "</think>\n\nB": ("", "\n\nB"),
    "before a call\n</think>\n\n": ("before a call\n", "\n\n"),
    "before a call\n</think>\n": ("before a call\n", "\n"),
    "before a call\n</think>": ("before a call\n", ""),
    "Say `</think>` or '</think>', then\n</think>\n\nB": ("Say `</think>` or '</think>', then\n", "\n\nB"),
    "```\n</think>\n\n```\n</think>\n\nB": ("```\n</think>\n\n```\n", "\n\nB"),
    "A\n</think>\n\nB\n</think>\n\nC": ("A\n", "\n\nB\n</think>\n\nC"),
}
MENTIONED = [
    "在 Qwen3 里，模型先思考，用</think>标签结束思考，然后才输出回答。",
    "Qwen3 先写思考过程（以</think>结束），再写回答。",
    "结束标签是</think>\n\n后面是回答。",
    "结束标签是：</think>\n\n后面是回答。",
    "思考到此为止。</think>后面是回答。",
    "Close the block with **</think>** and then write the answer.",
    "Reasoning ends (</think>) and the answer follows.",
    "Tag: </think>\nMeaning: end of the reasoning.",
    "It ends with </think>\n\nThen the answer follows.",
    "It ends with (</think>).\n\nThen the answer follows.",
    "It ends with: </think>\n\n",
    "The regex is r'(.*?)</think>(.*)' in re.S mode.",
    'Split it: text.split("\\n</think>\\n")[-1] gives the answer.',
    "| tag | meaning |\n|---|---|\n|</think>|end of thinking|",
    "- </think>\n- </tool_call>\n",
    "> </think>\n\nends it.",
    "    </think>\n\nis code, as it is indented.",
    "</think>结束思考。",
    "The tag\n</think>\nends it.",
    "The tag\n</think> ends it.",
    "```\nA\n</think>\n\nB\n```",
    "```\n</think>\n```",
    "Use `x </think>`.\n",
    'The "</think>" tag',
    "The </think> tag ends it.",
    "The last word is</think>",
    "<think>A</think>B",
    "Open with\n<think>\nthen\n</think>\n\ncloses it.",
    "Open with <think>,\n</think>\n closes it",
    "\n</thinking>\n\nB",
    "no tag",
]


@pytest.mark.parametrize("text", LEAKED)
def test_finds_the_tag_that_leaked_into_a_whole_answer(text: str):
    """Protects answers that thinking ran into: the tag is found where it stands as Qwen writes it."""
    at = find_leaked_tag(text)
    assert at >= 0
    assert (text[:at], text[at + len("</think>") :]) == LEAKED[text]


@pytest.mark.parametrize("text", MENTIONED)
def test_finds_no_tag_where_an_answer_speaks_of_it(text: str):
    """Protects answers about the tag: prose of any script, Markdown and code keep their beginning."""
    assert find_leaked_tag(text) < 0


@given(
    words=st.lists(st.sampled_from(["<think>", "</think>", "<", "</", "think>", "\n", "a", " ", "`", ""]), max_size=9),
    places=st.lists(st.integers(0, 60), max_size=6),
    opened=st.sampled_from([True, False, None]),
)
def test_splits_alike_and_loses_nothing_when_pieces_are_random(
    words: list[str], places: list[int], opened: bool | None
):
    """Protects the equality of whole and streamed replies, and that only tags leave the text."""
    text = "".join(words)
    cuts = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    whole = split([text], opened=opened)
    assert split([text[start:end] for start, end in pairwise(cuts)], opened=opened) == whole
    reasoning, content, _ = whole
    assert len(reasoning + content) >= len(text.lstrip()) - len("<think></think>")


def test_holds_back_only_what_could_be_a_tag_when_text_streams():
    """Protects latency: text is given out as soon as it is certain."""
    splitter = ThinkSplitter()
    assert splitter.feed("<thi") == ("", "")
    assert splitter.feed("nk>A < b") == ("A < b", "")
    assert splitter.feed(" </th") == (" ", "")
    assert splitter.feed("e </") == ("</the ", "")
    assert splitter.feed("think>B") == ("", "B")
    assert splitter.idle
    assert splitter.feed("<think>") == ("", "<think>")


@pytest.mark.parametrize("opened", [False, True])
def test_reads_no_tag_when_thinking_has_a_field_of_its_own(opened: bool):
    """Protects answers about tags from a server with a reasoning parser, held text included."""
    splitter = ThinkSplitter(opened=opened)
    assert splitter.feed("\n") == ("", "")
    splitter.end_thinking(in_field=True)
    assert splitter.feed("<think>B") == ("", "\n<think>B")
    assert splitter.close() == ("", "")
    assert splitter.has_thinking


def trim(pieces: list[str], *, leading: bool, trailing: bool) -> str:
    """Return what a trimmer lets through."""
    trimmer = EdgeTrimmer(leading=leading, trailing=trailing)
    return "".join(map(trimmer.feed, pieces))


@given(pieces=st.lists(st.text(alphabet="\n\r a", max_size=4), max_size=6))
def test_takes_newlines_off_the_edges_when_text_streams(pieces: list[str]):
    """Protects the text between: other white space and inner newlines stay; a Windows newline is one, too."""
    text = "".join(pieces)
    assert trim(pieces, leading=True, trailing=True) == text.strip("\r\n")
    assert trim(pieces, leading=True, trailing=False) == text.lstrip("\r\n")
    assert trim(pieces, leading=False, trailing=False) == text


def test_holds_back_only_newlines_when_text_streams():
    """Protects latency at the end of lines."""
    trimmer = EdgeTrimmer(leading=True, trailing=True)
    assert [trimmer.feed(piece) for piece in ("\n", "A\n", "\n", "B", "\n")] == ["", "A", "", "\n\nB", ""]
