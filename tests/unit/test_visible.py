"""Foreign text for the eye: what a terminal would obey is written out, and everything else stays."""

import json

import pytest

from langchain_qwen3._visible import make_json_visible, make_visible

HOSTILE = [
    ("\x1b]52;c;cm0=\x1b\\", "\\x1b]52;c;cm0=\\x1b\\"),  # writes the clipboard
    ("\x1b[2J", "\\x1b[2J"),  # clears the screen
    ("\x9b2J\x9d0;t\x9c\x90\x85", "\\x9b2J\\x9d0;t\\x9c\\x90\\x85"),  # the same in one character each
    ("pay\rfee\b\b\a\0\x0b\x0c\x7f", "pay\\x0dfee\\x08\\x08\\x07\\x00\\x0b\\x0c\\x7f"),  # writes over what is there
    ("\u202e\u202a\u202d\u202c\u2066\u2067\u2068\u2069", "\\u202e\\u202a\\u202d\\u202c\\u2066\\u2067\\u2068\\u2069"),
    ("\u200b\u2060\ufeff\u2028\u2063", "\\u200b\\u2060\\ufeff\\u2028\\u2063"),  # hides in a name
    ("\U000e0041\U000e007f", "\\U000e0041\\U000e007f"),  # hides a whole text
    ("\ud800", "\\ud800"),  # no stream can encode it
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_writes_out_what_a_terminal_would_obey(text: str, shown: str):
    """Protects the terminal: no control character, and no turn of direction, is left."""
    assert make_visible(f"a{text}b") == f"a{shown}b"
    assert make_visible(shown) == shown


@pytest.mark.parametrize(
    "text",
    ["", "two\nlines\tand a tab", "你是谁？ 👩\u200d👩\u200d👧 é \u200fשלום\u200e 𝒳", "សួស្តី\u200bពិភពលោក", "\\x1b"],
)
def test_leaves_text_that_only_shows(text: str):
    """Protects answers in every script: letters, joined emoji, marks of direction, tabs and lines."""
    assert make_visible(text) == text


def test_takes_line_ends_of_windows_for_line_ends():
    """Protects answers that come with CRLF."""
    assert make_visible("one\r\ntwo") == "one\ntwo"


def test_keeps_the_data_of_a_json_document():
    """Protects programs that read --json: they get what the model wrote, to the character."""
    data = {"answer": "".join(text for text, _ in HOSTILE[:-1]), "中": "文"}
    document = make_json_visible(json.dumps(data, ensure_ascii=False))
    assert json.loads(document) == data
    assert make_visible(document) == document
