"""Errors of the package in the words of the command line."""

import pytest

from langchain_qwen3.cli.connect import name_options


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
        ("base_url has no /v1", "the URL has no /v1"),
        ("the model: it is not there", "the model: it is not there"),
        ("Pool(host='127.0.0.1', port=9)", "Pool(host='127.0.0.1', port=9)"),
        ("--max-num-seqs=4 and transport=3", "--max-num-seqs=4 and transport=3"),
    ],
)
def test_names_options_where_the_package_names_fields(text: str, said: str):
    """Protects users of the command from advice for Python."""
    assert name_options(text) == said
