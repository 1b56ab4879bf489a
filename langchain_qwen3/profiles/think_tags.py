"""The tags around Qwen's thinking, for replies and for a history that was kept with them."""

from __future__ import annotations

import re

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"

_FENCE = "```"
# As Qwen writes it: on a line of its own or right behind a sentence, then an empty line or the end.
_LEAKED_TAG = re.compile(r"(?:^|(?<=[.!?…。！？]))</think>[ \t]*(?:\r?\n[ \t]*\r?$|\Z)", re.MULTILINE)


def find_leaked_tag(text: str) -> int:
    """Return the offset of the closing tag that ends thinking leaked into the content, or -1.

    Parsers that stop early leave the rest of the thinking and the tag in front of the answer (vLLM,
    https://github.com/vllm-project/vllm/issues/29408; llama.cpp, https://github.com/ggml-org/llama.cpp/issues/23320).
    Only a tag as Qwen writes it counts, outside of code and before any opening tag. Every other one may be what the
    answer is about, and to take its beginning away would be worse than to show some thinking, as a stream does.
    """
    if CLOSE_TAG not in text:  # the pattern alone is tried at every character
        return -1
    opening = text.find(OPEN_TAG)
    fences = last = 0
    for tag in _LEAKED_TAG.finditer(text):
        if 0 <= opening < tag.start():
            break
        fences += text.count(_FENCE, last, tag.start())
        if fences % 2 == 0:
            return tag.start()
        last = tag.end()
    return -1
