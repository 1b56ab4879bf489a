"""What may reach the outputs of a notebook: a model's text as HTML that runs and fetches nothing."""

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call

from langchain_qwen3.notebook.html import build_answer, build_line, build_reasoning, build_switch, describe_end

ATTACKS = [
    "<script>alert(1)</script>",
    "text <img src=x onerror=alert(1)> text",
    "</div></details><svg onload=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt&colon;alert(1))",
    "<javascript:alert(1)>",
    "[a](data:text/html,<script>alert(1)</script>)",
    "![a](https://example.org/?stolen)",
    "![a](javascript:alert(1))",
    '[a](https://example.org/"onmouseover="alert(1))',
    '```"><script>\n</script>\n```',
    "$<img src=x onerror=alert(1)>$",
    "| <b>a</b> |\n|---|\n| <script>b</script> |",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_runs_or_is_fetched_when_the_model_writes_html(text):
    """Protects from a model, or whoever wrote what it read, that runs scripts in the notebook or sends data out."""
    made = {"p", "div", "pre", "code", "span", "table", "thead", "tbody", "tr", "th", "td", "a"}
    for html in (build_answer(text), build_reasoning("x", text), build_line(text)):
        tags = [piece.split(">")[0] for piece in html.split("<")[1:]]
        assert {tag.split()[0].strip("/") for tag in tags} <= made
        links = [tag for tag in tags if tag.startswith("a ")]
        assert all(tag.startswith('a href="https://') and tag.count('"') == 2 for tag in links)


@pytest.mark.parametrize("formula", [r"\(a_1 * b * c\)", r"\[ \frac{a}{b} \]", "$a_1*b*c$", "$$\na \\\\ *b*\n$$"])
def test_formulas_arrive_whole_when_markdown_would_change_them(formula):
    """Protects mathematics: Jupyter typesets what is between the signs, and Markdown takes backslashes and stars."""
    assert build_answer(f"So {formula} holds.") == f"<p>So {formula} holds.</p>\n"


def test_prices_and_code_stay_markdown_when_there_are_dollars():
    """Protects texts about money and shells from being taken for formulas."""
    assert build_answer("From $5 to *less* than $6, `$a` and `$b`") == (
        "<p>From $5 to <em>less</em> than $6, <code>$a</code> and <code>$b</code></p>\n"
    )


def test_calls_and_cuts_are_told_when_the_reply_ends():
    """Protects the reader from taking half an answer or half a call for a whole one."""
    message = AIMessageChunk(
        "",
        tool_calls=[tool_call(name="f", args={"a": 1, "b": "<b>"}, id="1")],
        invalid_tool_calls=[invalid_tool_call(name="g", args='{"a', id="2", error="cut")],
        response_metadata={"finish_reason": "length"},
    )
    assert describe_end(message) == ["→ f(a=1, b='<b>')", "✗ g: cut", "✗ truncated: the token limit was reached"]


def test_code_is_coloured_when_its_language_is_known():
    """Protects the look of code, and code of no known language from vanishing."""
    coloured = build_answer("```python\ndef f(): return '<b>'\n```")
    assert '<span style="color: #8f65d8">def</span>' in coloured
    assert "<b>" not in coloured
    assert build_answer("```nonsense\na < b\n```") == '<pre><code class="language-nonsense">a &lt; b\n</code></pre>\n'


@pytest.mark.parametrize("build", [build_answer, build_line, lambda text: build_reasoning("x", text)])
def test_control_characters_are_shown_when_a_model_writes_them(build):
    """Protects the reader from text that turns round what he reads."""
    assert "\\u202e" in build("a\u202eb")
    assert "\u202e" not in build("a\u202eb\x1b")


def test_reasoning_is_folded_out_by_an_output_that_never_changes():
    """Protects what the reader opened: the switch knows the text by its name alone."""
    assert 'id="a"' in build_switch("a")
    assert '<div class="a">' in build_reasoning("a", "so")
