"""The real engine killed in mid-stream and started again: what arrived is kept, and the same model goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3ConnectionError, StreamCutError
from langchain_qwen3.local import LocalServer
from tests.conftest import TINY_QWEN3

ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
ENDLESS = {"enable_thinking": False, "max_tokens": 3000, "extra_body": {"ignore_eos": True}}


@pytest.fixture
def killed_engine() -> Iterator[LocalServer]:
    """An engine of the test's own, on a port that it keeps."""
    with LocalServer(TINY_QWEN3, n_threads=1, n_ctx=4096, n_parallel=2) as first:
        port = urlsplit(first.base_url).port
        assert port is not None
    with LocalServer(TINY_QWEN3, n_threads=1, n_ctx=4096, n_parallel=2, port=port) as server:
        yield server


def kill(server: LocalServer) -> None:
    """Kill the engine's process with signal 9, as the system does when memory runs out."""
    assert server._end is not None
    found = server._end.peek()
    assert found is not None
    engine: Any = found[2][0]
    engine.kill()
    engine.wait()


def restart(server: LocalServer) -> None:
    """Start the engine again on its port."""
    server.stop()
    server.start()


def build_model(server: LocalServer, transport: Any) -> ChatQwen3:
    """Return a model on the engine that does not retry."""
    settings: dict[str, Any] = {"temperature": 0, "max_retries": 0, "timeout": 60}
    return ChatQwen3(model=server.model, base_url=server.base_url, transport=transport, **settings)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_same_model_goes_on_when_the_engine_was_killed_and_restarted(
    transport: Any, killed_engine: LocalServer
) -> None:
    """Protects long jobs from an engine that dies: partial text, then typed errors, then answers, sync and async."""
    model = build_model(killed_engine, transport)
    shown: list[str] = []

    def read_sync() -> None:
        for chunk in model.stream("你是谁?", **ENDLESS):
            shown.append(chunk.text)
            if len(shown) == 5:
                kill(killed_engine)

    async def read_async() -> None:
        async for chunk in model.astream("你是谁?", **ENDLESS):
            shown.append(chunk.text)
            if len(shown) == 5:
                await asyncio.to_thread(kill, killed_engine)

    for read in (read_sync, lambda: asyncio.run(read_async())):
        shown.clear()
        with pytest.raises(StreamCutError) as cut:
            read()
        assert len(shown) >= 5
        assert cut.value.partial is not None
        assert cut.value.partial.text == "".join(shown)
        with pytest.raises(Qwen3ConnectionError, match=str(urlsplit(str(model.openai_api_base)).port)):
            model.invoke("你是谁?")
        restart(killed_engine)
        assert model.invoke("你是谁?", enable_thinking=False).text == ANSWER
        assert asyncio.run(model.ainvoke("你是谁?", enable_thinking=False)).text == ANSWER
