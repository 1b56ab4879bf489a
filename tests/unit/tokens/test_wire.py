"""What a server is sent to count tokens, and what its replies say."""

from typing import Any

import pytest

from langchain_qwen3.servers import engines
from langchain_qwen3.servers.dialect import Dialect, TokenCounting
from langchain_qwen3.tokens.wire import build_count_request, build_encode_request, read_count, read_token_ids

URL = "http://h:1/v1"
HI = {"role": "user", "content": "hi"}


def read_row(row: Dialect) -> TokenCounting:
    """Return how an engine counts that can."""
    assert row.token_counting is not None
    return row.token_counting


LLAMA, VLLM, SGLANG = map(read_row, (engines.LLAMA_CPP, engines.VLLM, engines.SGLANG))


def test_build_count_request_asks_for_the_whole_chat_when_server_is_llama_cpp() -> None:
    """Protects llama.cpp's endpoint: the chat body, without what only a stream needs."""
    payload = {
        "model": "m",
        "messages": [HI],
        "tools": [],
        "stream": True,
        "stream_options": {},
        "chat_template_kwargs": {},
    }
    url, body = build_count_request(LLAMA, "http://h:1/v1/", payload)
    assert url == "http://h:1/v1/chat/completions/input_tokens"
    assert body == {"model": "m", "messages": [HI], "tools": [], "chat_template_kwargs": {}}


def test_build_count_request_renames_reasoning_when_server_is_vllm() -> None:
    """Protects the count of a tool loop: vLLM's `/tokenize` drops `reasoning_content`."""
    answer = {"role": "assistant", "content": "", "reasoning_content": "why"}
    payload = {"model": "m", "messages": [HI, answer], "temperature": 0.1, "stream": True}
    url, body = build_count_request(VLLM, "http://h:1/gw/v1", payload)
    assert url == "http://h:1/gw/tokenize"
    assert body == {"model": "m", "messages": [HI, {**answer, "reasoning": "why"}]}
    assert "reasoning" not in answer


def test_build_count_request_puts_effort_into_the_template_when_server_is_vllm() -> None:
    """Protects thinking in the count: `/tokenize` knows the template's switches only, and the user's win."""
    payload = {"messages": [HI], "reasoning_effort": "none", "chat_template_kwargs": {"preserve_thinking": True}}
    _, body = build_count_request(VLLM, URL, payload)
    assert body["chat_template_kwargs"] == {
        "reasoning_effort": "none",
        "enable_thinking": False,
        "preserve_thinking": True,
    }


def test_build_count_request_keeps_effort_when_server_is_sglang() -> None:
    """Protects SGLang's own field, and that no null is sent to it."""
    url, body = build_count_request(SGLANG, "http://h:1", {"messages": [HI], "reasoning_effort": "low"})
    assert body == {"messages": [HI], "reasoning_effort": "low"}
    assert url == "http://h:1/tokenize"
    _, unset = build_count_request(SGLANG, URL, {"messages": [HI], "reasoning_effort": None})
    assert unset == {"messages": [HI]}


def test_build_encode_request_spells_text_as_the_server_reads_it() -> None:
    """Protects bare texts: no special tokens are added around them."""
    llama, vllm = (build_encode_request(row, URL, "m", "hi") for row in (LLAMA, VLLM))
    assert llama == ("http://h:1/tokenize", {"content": "hi", "add_special": False})
    assert vllm == ("http://h:1/tokenize", {"model": "m", "prompt": "hi", "add_special_tokens": False})


def test_read_count_reads_every_server() -> None:
    """Protects the three spellings of a count."""
    assert read_count({"count": 3, "max_model_len": 9, "tokens": [1, 2, 3]}) == 3
    assert read_count({"object": "response.input_tokens", "input_tokens": 4}) == 4
    assert read_count({"tokens": [5, 6]}) == 2
    assert read_token_ids({"tokens": [5, 6]}) == [5, 6]


@pytest.mark.parametrize("reply", [{}, {"count": True}, {"tokens": "12"}, {"tokens": [{"id": 1}]}, {"error": "no"}])
def test_read_count_raises_when_reply_has_no_number(reply: dict[str, Any]) -> None:
    """Protects against a count made up from an error or a foreign reply."""
    with pytest.raises(ValueError, match="neither a count nor ids"):
        read_count(reply)
