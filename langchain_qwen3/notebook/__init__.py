"""Output in notebooks: a reply while it streams, and a running examination. Needs the extra `notebook`.

* stream: `display_stream`, which redraws a growing reply
* examination: the findings of `adoctor()` so far
* html: a model's text as HTML that runs no code and loads nothing
* emphasis: bold text beside Chinese, Japanese and Korean characters; the terminal shares it
* output: outputs of a cell, each redrawn in place; a long text in several
* growing: a text that arrives in pieces, of which complete lines and blocks are drawn once; the terminal shares it
"""

from langchain_qwen3.notebook.stream import display_stream

__all__ = ["display_stream"]
