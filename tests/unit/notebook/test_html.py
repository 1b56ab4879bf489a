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


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**注意：**请看", "<strong>注意：</strong>请看"),
        ("这是**“北京”**的", "这是<strong>“北京”</strong>的"),
        ("使用**《红楼梦》**这本", "使用<strong>《红楼梦》</strong>这本"),
        ("共**100%**增长", "共<strong>100%</strong>增长"),
        ("结果为**`a*b`**即可", "结果为<strong><code>a*b</code></strong>即可"),
        ("**重要（一）：**先**打开：**门", "<strong>重要（一）：</strong>先<strong>打开：</strong>门"),
        ("**粗*斜*体：**后", "<strong>粗<em>斜</em>体：</strong>后"),
        ("**メモ：**見て **주의:**보기", "<strong>メモ：</strong>見て <strong>주의:</strong>보기"),
        ("他说**你好。**", "他说<strong>你好。</strong>"),
        # What CommonMark reads rightly stays.
        ("**Note:** see", "<strong>Note:</strong> see"),
        ("a**“b”**c", "a**“b”**c"),
        ("f(**kwargs)**2, f(**a, **b)", "f(**kwargs)**2, f(**a, **b)"),
        ("5*3（米）*2", "5*3（米）*2"),
        ("中** 空 **文", "中** 空 **文"),
        ("**还没写完：", "**还没写完："),
    ],
)
def test_bold_text_is_bold_when_no_blank_stands_beside_it(text, html):
    """Protects Chinese answers from stars in most of their lines: CommonMark wants blanks beside punctuation."""
    assert build_answer(text) == f"<p>{html}</p>\n"


def test_calls_and_cuts_are_told_when_the_reply_ends():
    """Protects the reader from taking half an answer or half a call for a whole one."""
    invalid = [
        invalid_tool_call(name="g", args='{"a', id=id_, error=error) for id_, error in (("2", "cut"), ("3", None))
    ]
    message = AIMessageChunk(
        "",
        tool_calls=[tool_call(name="f", args={"a": 1, "b": "<b>"}, id="1")],
        invalid_tool_calls=invalid,
        response_metadata={"finish_reason": "length", "tool_call_errors": {"3": "cut in a stream"}},
    )
    cuts = ["✗ g: cut", "✗ g: cut in a stream", "✗ truncated: the token limit was reached"]
    assert describe_end(message) == ["→ f(a=1, b='<b>')", *cuts]


@pytest.mark.parametrize(
    ("reason", "lines"),
    [
        (None, []),
        ("stop", []),
        ("eos", []),
        ("tool_calls", []),
        ("length", ["✗ truncated: the token limit was reached"]),
        ("abort", ["✗ broken off: the server ended it with 'abort'"]),
        ("network_error", ["✗ broken off: the server ended it with 'network_error'"]),
        ("content_filter", ["✗ broken off: the server ended it with 'content_filter'"]),
        ("a new word", ["✗ broken off: the server ended it with 'a new word'"]),
    ],
)
def test_reader_is_told_when_something_else_than_the_model_ended_the_reply(reason: str | None, lines: list[str]):
    """Protects the reader from half an answer that looks whole, whatever word the server has for it."""
    assert describe_end(AIMessageChunk("Ye", response_metadata={"finish_reason": reason})) == lines


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
