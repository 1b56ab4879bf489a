"""Errors of the package in the words of the command line."""

import re

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.cli.wording import name_options
from langchain_qwen3.errors import hints

_FIELDS = "|".join(name for name in ChatQwen3.model_fields if "_" in name)
ONLY_PYTHON = re.compile(rf"\b({_FIELDS}|extra_body|extra_query|api_key|base_url)\b|\w=(?=[ .,]|True|False)|\w\(\)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "port: 127.0.0.1:80 is in use; port=0 selects a free one",
            "--port: 127.0.0.1:80 is in use; --port 0 selects a free one",
        ),
        ("n_ctx: 0 is less than 1", "--n-ctx: 0 is less than 1"),
        ("reasoning_format: 'x' is not one of", "--reasoning-format: 'x' is not one of"),
        ('name the server: server="vllm"', 'name the server: --server "vllm"'),
        ("server must be one of", "--server must be one of"),
        ("host, port: cannot listen on x:1", "--host, --port: cannot listen on x:1"),
        ('api_key begins with "Bearer "', '--api-key begins with "Bearer "'),
        ("base_url has no /v1", "the URL has no /v1"),
        ("cause\nbase_url has no /v1", "cause\nThe URL has no /v1"),
        ("set the right server=...", "set the right --server ..."),
        ("cut by the token limit: raise max_tokens", "cut by the token limit: raise --max-tokens"),
        ("Pass it with --api-key (in Python api_key=).", "Pass it with --api-key (in Python api_key=)."),
        ("unknown field `thinking_budget`, 'max_tokens'", "unknown field `thinking_budget`, 'max_tokens'"),
        ("参数“max_tokens”、「thinking_budget」不支持", "参数“max_tokens”、「thinking_budget」不支持"),
        ("http://x/v1?timeout=5&model=a: no answer", "http://x/v1?timeout=5&model=a: no answer"),
        ("llama_cpp.server --n_ctx 16384", "llama_cpp.server --n_ctx 16384"),
        ("--set: max_tokens must be a whole number", "--set: max_tokens must be a whole number"),
        ("the model: it is not there", "the model: it is not there"),
        ("Pool(host='127.0.0.1', port=9)", "Pool(host='127.0.0.1', port=9)"),
        ("--max-num-seqs=4 and transport=3", "--max-num-seqs=4 and transport=3"),
    ],
)
def test_names_options_where_the_package_names_fields(text: str, said: str):
    """Protects users of the command from advice for Python."""
    assert name_options(text) == said


@pytest.mark.parametrize(
    "hint",
    [hint for rows in ("_ADDRESS", "_NETWORK", "_SETTINGS", "_STATUS") for hint in getattr(hints, rows).values()],
)
def test_no_advice_needs_python_when_it_is_given_in_a_terminal(hint: str):
    """Protects users of the command from a field, a keyword or a method that no command has."""
    said = name_options(f"cause\n{hint.format(url='http://a/v1', host='a', model='Qwen3')}")
    assert not ONLY_PYTHON.findall(said), said
    assert re.search(r"\n\S.*[.?]$", said), said
