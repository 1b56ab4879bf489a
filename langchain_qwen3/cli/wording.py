"""Messages of the package in the words of the command line: options in place of Python's arguments."""

from __future__ import annotations

import re

_WORDS = {
    "base_url": "the URL",
    "enable_thinking": "--[no-]thinking",
    "enable_thinking=False": "--no-thinking",
    "enable_thinking=True": "--thinking",
    "max_concurrency": "the number of requests at a time",
    "method='json_mode' or 'function_calling'": "tools, or JSON without a schema",
    "openai_proxy": "$HTTPS_PROXY",
    "or raise max_retries": "or try again later",
    "put less into default_headers": "send fewer",
    "put less into default_query or extra_query": "shorten it",
    "reasoning_effort": "the effort",
    "stream() or streaming=True, or enable_thinking=False": "--no-thinking",
    "thinking_budget": "the thinking budget",
}
"""Python's names and what is said of them, and what stands for each."""
_LISTED = "|".join(map(re.escape, sorted(_WORDS, reverse=True)))  # the longer name first
# The same in Python and as options; the second ones are also plain words.
_LONG = "api_key|max_tokens|n_ctx|n_parallel|n_threads|reasoning_format"
_PLAIN = "host|model|port|schema|server|temperature|timeout"
# Advice that no option can follow, or that an option's help gives.
_ONLY_PYTHON = re.compile(
    r"(?:, or|:) pass http_client and http_async_client made with verify=(?:\.\.|, an [^:\n]+ loaded it)(?=\.)"
    r"|,? or try the other transport: transport=\S+ or \S+?(?=\.$)|, or set default_headers=\{.*?\}"
    r'|(?<=_PROXY) or openai_proxy|, or pass sampling="recommended"'
)
# A name in quotes or in a URL is a server's, what stands in brackets is Python: Pool(host='127.0.0.1', port=9), and
# behind --set stands the name that was typed.
_NAME = re.compile(
    rf"""(?<![\w'"`“「«.?&/-])(?<!in Python )(?<!--set: )(?:(?:{_LISTED}|{_LONG})(?![\w'"`])"""
    rf"|(?<![(,])(?<!, )(?:{_PLAIN})(?==)"
    rf"|(?:^|(?<=^host, ))(?:{_PLAIN})(?=: |, port: | must ))(?P<value>=(?=[\w.\"/-]))?=?",
    re.MULTILINE,
)


def name_options(text: str) -> str:
    """Return a message with options in place of Python's arguments: `--n-ctx 4096`, not `n_ctx=4096`."""
    return _NAME.sub(_write_option, _ONLY_PYTHON.sub("", text))


def _write_option(found: re.Match[str]) -> str:
    name = found[0].removesuffix("=")
    option = _WORDS.get(name) or f"--{name.replace('_', '-')}"
    if found.string[found.start() - 1 : found.start()] == "\n":
        option = option[0].upper() + option[1:]
    return f"{option} " if found["value"] else option
