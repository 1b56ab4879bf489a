"""Messages of the package in the words of the command line: options in place of Python's arguments."""

from __future__ import annotations

import re
from collections.abc import Callable

_FIELDS = (
    "api_key|host|max_tokens|model|n_ctx|n_parallel|n_threads|port|reasoning_format|schema|server|temperature|timeout"
)

_PHRASES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    # Advice that no option can follow, or that an option's help gives.
    (r"(?:, or|:) pass http_client and http_async_client made with verify=(?:\.\.|, an [^:\n]+ loaded it)(?=\.)", ""),
    (r",? or try the other transport: transport=\S+ or \S+?(?=\.$)", ""),
    (r", or set default_headers=\{.*?\}", ""),
    (r"(?<=_PROXY) or openai_proxy", ""),
    (r', or pass sampling="recommended"', ""),
    # The rest.
    (r"\buse stream\(\) or streaming=True, or enable_thinking=False", "use --no-thinking"),
    (r"\benable_thinking=True\b", "--thinking"),
    (r"\benable_thinking=False\b", "--no-thinking"),
    (r"\bleave enable_thinking out\b", "leave --[no-]thinking out"),
    (r"\bopenai_proxy=", "$HTTPS_PROXY="),
    (r"\bthinking_budget\b", "the thinking budget"),
    (r"\breasoning_effort\b", "the effort"),
    (r"\bmax_concurrency\b", "the number of requests at a time"),
    (r"\bor raise max_retries\b", "or try again later"),
    (r"\bLower max_tokens\b", "Lower --max-tokens"),
    (r"\bThe api_key\b", "The --api-key"),
    (r"\bmethod='json_mode' or 'function_calling'", "tools, or JSON without a schema"),
    (r"\bput less into default_query or extra_query", "shorten it"),
    (r"\bput less into default_headers", "send fewer"),
    (rf"\b(?<!in Python )({_FIELDS})=(?=[ .,]|$)", lambda match: _flag(match[1])),
    # n_ctx=4096, server="vllm", but nothing inside a repr such as Pool(host='127.0.0.1', port=9)
    (rf"""(?<![(,])(?<!, )\b({_FIELDS})=("[^"\n]*"|[\w.:/-]+)""", lambda match: f"{_flag(match[1])} {match[2]}"),
    (r"(?m)^host, port(?=: )", "--host, --port"),
    (rf"(?m)^({_FIELDS})(?=: | must | begins )", lambda match: _flag(match[1])),
    (r"(?m)(?<=\n)base_url\b", "The URL"),
    (r"\bbase_url\b(?:=(?= ))?", "the URL"),
)
"""What stands for each, in this order."""


def name_options(text: str) -> str:
    """Return a message with options in place of Python's arguments: `--n-ctx 4096`, not `n_ctx=4096`."""
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text)
    return text


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
