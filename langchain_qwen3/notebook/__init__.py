"""What notebooks show: a reply while it streams, and an examination as it goes. Needs the extra `notebook`.

* stream: `display_stream`, and how a reply grows
* examination: what `adoctor()` has found so far
* html: texts of a model as HTML that runs and fetches nothing
* output: outputs of a cell, each drawn again in its place
"""

from langchain_qwen3.notebook.stream import display_stream

__all__ = ["display_stream"]
