"""The chat page of `examples/fastapi_chat` under uvicorn, on the loop of the test."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import httpx
import uvicorn

from examples.fastapi_chat.app import create_app
from langchain_qwen3 import ChatQwen3

ENDLESS = {"extra_body": {"ignore_eos": True}, "max_tokens": 3500}
"""Settings under which the engine writes on for seconds."""


class RunningApp:
    """The app under uvicorn, on the loop of the test."""

    def __init__(self, url, llm):
        self.url = url
        self.llm = llm

    async def ask(self, text, *, earlier=(), thinking=True):
        """Return the events of an answer, pieces of a text put together."""
        messages = [*earlier, {"role": "user", "text": text}]
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as http:
            reply = await http.post("/chat", json={"messages": messages, "thinking": thinking})
        assert reply.headers["content-type"].startswith("text/event-stream")
        return join_pieces(read_events(reply.text))


def read_events(text):
    """Return name and data of each event, without pings."""
    found = re.findall(r"^event: (.*)\ndata: (.*)\n\n", text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def join_pieces(events):
    """Put the pieces of each text together."""
    joined = []
    for name, data in events:
        if joined and joined[-1][0] == name and isinstance(data, str):
            joined[-1] = (name, joined[-1][1] + data)
        else:
            joined.append((name, data))
    return joined


@asynccontextmanager
async def run_app(base_url, **settings):
    """Run the app on a model with these settings."""

    @asynccontextmanager
    async def connect():
        # retried, for llama-server closes connections that it has just kept: once in 300 answers on a busy machine
        fields = {"model": "Qwen/Qwen3-0.6B", "temperature": 0, "max_retries": 2} | settings
        async with ChatQwen3(base_url=base_url, **fields) as llm:
            yield llm

    app = create_app(connect)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", timeout_graceful_shutdown=5))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningApp(f"http://127.0.0.1:{port}", app.state.llm)
    finally:
        server.should_exit = True
        await serving
