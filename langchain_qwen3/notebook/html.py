"""Converts a model's text to HTML that runs no code and loads nothing.

A model's text is untrusted, and a notebook runs the HTML and the `javascript:` links of its outputs. So tags are
escaped, such links are left out, and images become links: an image URL can leak the conversation. With
`text/markdown`, the notebook would decide all this, and Jupyter runs the code.
"""

import html
import re
from functools import cache
from typing import TYPE_CHECKING, Final

from langchain_core.messages import AIMessage

from langchain_qwen3._visible import make_visible
from langchain_qwen3.notebook.emphasis import read_bold_beside_wide
from langchain_qwen3.reply.content_blocks import list_invalid_calls, show_call
from langchain_qwen3.reply.ending import describe_cut

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline

_MATH: Final = re.compile(
    r"\\\((?:(?!\\\().){1,2000}?\\\) | \\\[(?:(?!\\\[).){1,2000}?\\\] | \$\$.{1,2000}?\$\$"
    r"| \$(?!\s)[^$`\n]{1,2000}?(?<!\s)\$(?!\d)",
    re.DOTALL | re.VERBOSE,
)
_REASONING_STYLE: Final = "white-space: pre-wrap; opacity: .75; border-left: 3px solid #8888; padding-left: .8em"


def build_switch(name: str) -> str:
    """Return the switch that folds the reasoning; it is drawn once, so it stays as the reader left it.

    The folded text, from `build_reasoning`, is a separate output, which is redrawn as it grows; if both were one
    output, each redraw would close the fold. If the notebook removes styles, the text is always visible.

    Args:
        name: Shared by switch and text, and unique on the page.
    """
    rules = f".{name} {{display: none}} body:has(#{name}[open]) .{name} {{display: block}}"
    return f'<style>{rules}</style><details id="{name}"><summary>Reasoning</summary></details>'


def build_title(title: str) -> str:
    """Return the line above the reasoning, which tells the thinking time."""
    return f'<div style="opacity: .75">{html.escape(title)}</div>'


def build_reasoning(name: str, reasoning: str) -> str:
    """Return the verbatim reasoning, which `build_switch` folds."""
    text = html.escape(make_visible(reasoning))
    return f'<div class="{name}"><div style="{_REASONING_STYLE}">{text}</div></div>'


def build_answer(text: str) -> str:
    """Return a Markdown text as HTML that runs no code and loads nothing."""
    return str(build_markdown().render(make_visible(text)))


def build_line(text: str) -> str:
    """Return a line that is not part of the answer."""
    return f"<p><code>{html.escape(make_visible(text))}</code></p>"


def describe_end(message: AIMessage) -> list[str]:
    """Return one line for each tool call, for each truncated tool call, and for an answer that is not whole."""
    lines = [f"→ {show_call(call)}" for call in message.tool_calls]
    lines += [f"✗ {call['name']}: {call['error']}" for call in list_invalid_calls(message)]
    end = describe_cut(message.response_metadata.get("finish_reason"))
    return [*lines, f"✗ {end}"] if end else lines


@cache
def build_markdown() -> "MarkdownIt":
    """Return the parser.

    Raises:
        ImportError: The extra `notebook` is not installed.
    """
    from markdown_it import MarkdownIt

    # Without the rule `image`, an image becomes a link.
    parser = (
        MarkdownIt("commonmark", {"html": False, "highlight": _highlight})
        .enable(["table", "strikethrough"])
        .disable("image")
    )
    parser.inline.ruler.before("escape", "math", _keep_math)
    return read_bold_beside_wide(parser)


def _keep_math(state: "StateInline", silent: bool) -> bool:
    """Keep formulas unchanged: Jupyter typesets them, and Markdown would remove their backslashes."""
    if (formula := _MATH.match(state.src, state.pos)) is None:
        return False
    if not silent:
        state.pending += formula[0]
    state.pos = formula.end()
    return True


def _highlight(code: str, language: str, _: str) -> str:
    """Return code with colours, or without if its language is unknown."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return html.escape(code)
    return "".join(_paint(str(kind).removeprefix("Token."), text) for kind, text in lexer.get_tokens(code))


def _paint(kind: str, text: str) -> str:
    style = next((style for prefix, style in _CODE_STYLES.items() if kind.startswith(prefix)), "")
    return f'<span style="{style}">{html.escape(text)}</span>' if style else html.escape(text)


_CODE_STYLES: Final = {
    "Comment": "color: #808080; font-style: italic",
    "Keyword": "color: #8f65d8",
    "Operator.Word": "color: #8f65d8",
    "Name.Builtin": "color: #2f86c5",
    "Name.Class": "color: #2f86c5; font-weight: bold",
    "Name.Function": "color: #2f86c5; font-weight: bold",
    "Literal.Number": "color: #b8681f",
    "Literal.String": "color: #2e8b57",
}
"""Styles of Pygments' token types, with colours that are readable on light and dark backgrounds."""
