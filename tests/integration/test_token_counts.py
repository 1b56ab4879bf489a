"""Token counts of a real engine, asked for through the package's own requests, against what it then bills."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_qwen3.local import LocalServer
from langchain_qwen3.servers.engines import LLAMA_CPP
from langchain_qwen3.tokens.local import LocalTokenizer
from langchain_qwen3.tokens.wire import build_count_request, build_encode_request, read_count, read_token_ids

RECORDED = json.loads((Path(__file__).parents[1] / "unit" / "tokens" / "token_counts.json").read_text("utf-8"))
MODEL = "Qwen/Qwen3-0.6B"
assert LLAMA_CPP.token_counting is not None
COUNTING = LLAMA_CPP.token_counting


def chat_payloads() -> list[dict[str, Any]]:
    """200 chats: every text as a question of its own, and every recorded chat with its tools and switch."""
    payloads = [{"model": MODEL, "messages": [{"role": "user", "content": text["text"]}]} for text in RECORDED["texts"]]
    for chat in RECORDED["chats"]:
        payload = {"model": MODEL, "messages": chat["messages"]}
        if chat["tools"]:
            payload["tools"] = chat["tools"]
        if chat["thinking"] is not None:
            payload["chat_template_kwargs"] = {"enable_thinking": chat["thinking"]}
        payloads.append(payload)
    return payloads


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """One connection for all requests of this module."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


def post(http: httpx.Client, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post JSON and read JSON; an error status fails the test with what the engine said."""
    response = http.post(url, json=body)
    assert response.is_success, response.text
    return response.json()


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["40 chats", "200 chats"])
def test_server_count_equals_usage_when_chats_are_mixed(engine: LocalServer, http: httpx.Client, step: int) -> None:
    """Protects the count by llama.cpp: mixed texts and chats cost exactly what was counted before."""
    payloads = chat_payloads()[::step]
    counts = [read_count(post(http, *build_count_request(COUNTING, engine.base_url, payload))) for payload in payloads]
    used = [
        post(http, f"{engine.base_url}/chat/completions", payload | {"max_tokens": 1})["usage"]["prompt_tokens"]
        for payload in payloads
    ]
    assert len(payloads) == 200 / step
    assert counts == used


def test_local_prompt_equals_the_engines_when_chats_are_mixed(engine: LocalServer, http: httpx.Client) -> None:
    """Protects the local chat template: the engine renders the same prompt, to the letter."""
    tokenizer = LocalTokenizer(MODEL)
    for payload in chat_payloads():
        thinking = payload.get("chat_template_kwargs", {}).get("enable_thinking")
        prompt, _ = tokenizer._render(payload["messages"], payload.get("tools"), thinking, {})
        url = engine.base_url.removesuffix("/v1") + "/apply-template"
        assert prompt == post(http, url, payload)["prompt"]


def test_encoded_prompt_equals_the_count_when_texts_are_mixed(engine: LocalServer, http: httpx.Client) -> None:
    """Protects token ids of bare texts: special tokens count once, and nothing is added around the text."""
    tokenizer = LocalTokenizer(MODEL)
    for payload in chat_payloads()[:100]:
        prompt, _ = tokenizer._render(payload["messages"], None, None, {})
        ids = read_token_ids(post(http, *build_encode_request(COUNTING, engine.base_url, MODEL, prompt)))
        assert len(ids) == read_count(post(http, *build_count_request(COUNTING, engine.base_url, payload)))
