"""What goes out and comes back through `exchange`: look-ups beside the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.connections.exchange import Answer, aget_json, apost_json, get_json, post_json
from tests.support.loopback import Loopback

MODES = pytest.mark.parametrize("mode", ["sync", "async"])


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server of the test's own."""
    with Loopback() as server:
        yield server


def look_up(mode: str, base_url: str, path: str, body: dict[str, Any] | None = None) -> Answer:
    """Return the answer of one path, sync or async."""
    model = ChatQwen3(model="q", base_url=base_url, server="vllm")

    async def look_up_async() -> Answer:
        client = model.root_async_client
        return await (aget_json(client, path, seconds=5) if body is None else apost_json(client, path, body, seconds=5))

    if mode == "async":
        return asyncio.run(look_up_async())
    client = model.root_client
    answer = get_json(client, path, seconds=5) if body is None else post_json(client, path, body, seconds=5)
    model.close()
    return answer


@MODES
def test_look_up_returns_the_parsed_answer_when_there_is_one(mode: str, server: Loopback) -> None:
    """Protects detection and counting: status, headers and body of a GET and of a POST."""
    for body in (None, {"prompt": "x"}):
        answer = look_up(mode, server.base_url, "/tokenize", body)
        assert (answer.status, answer.error) == (200, None)
        assert answer.body["choices"]
        assert answer.headers["Content-Type"] == "application/json"
    assert [request.method for request in server.requests] == ["GET", "POST"]


@MODES
def test_look_up_returns_what_came_when_the_status_is_an_error(mode: str, server: Loopback) -> None:
    """Protects detection: a 404 tells something, and is asked for once."""
    answer = look_up(mode, server.base_url, "/status-404")
    assert (answer.status, answer.body) == (404, None)
    assert isinstance(answer.error, openai.NotFoundError)
    assert len(server.requests) == 1


@MODES
def test_look_up_raises_when_no_answer_comes(mode: str, server: Loopback) -> None:
    """Protects callers from taking silence for an answer; nothing is tried twice."""
    with pytest.raises(openai.APIConnectionError):
        look_up(mode, server.base_url, "/hangup", {})
    assert len(server.requests) == 1
