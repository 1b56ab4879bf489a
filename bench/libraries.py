"""The libraries compared, each behind the same questions: build a model, stream a reply, answer many calls.

A library is imported only when it is opened, so a process that measures one does not carry the others.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from bench.replies import MODEL

History = Sequence[tuple[str, str]]
"""A conversation as pairs of role (`user` or `assistant`) and text."""


class Client(Protocol):
    """One open library."""

    def prepare(self, history: History) -> Any:
        """Turn a conversation into the library's own messages; not measured."""

    async def stream(self, messages: Any) -> tuple[int, int]:
        """Read one stream to its end and return the characters of answer and of tool arguments it gave."""

    async def call(self, batch: list[Any], in_flight: int) -> int:
        """Answer whole calls, at most `in_flight` at once, and return the characters of the answers."""

    def stream_sync(self, messages: Any) -> tuple[int, int]:
        """Do what `stream` does, without an event loop; LangChain's models alone can."""

    def call_sync(self, batch: list[Any], in_flight: int) -> int:
        """Do what `call` does, without an event loop."""


@dataclass(frozen=True)
class LangChainClient:
    """Any LangChain chat model."""

    model: Any

    def prepare(self, history: History) -> Any:
        """Build LangChain messages."""
        from langchain_core.messages import AIMessage, HumanMessage

        return [AIMessage(text) if role == "assistant" else HumanMessage(text) for role, text in history]

    async def stream(self, messages: Any) -> tuple[int, int]:
        """Read `astream` to its end."""
        answer = arguments = 0
        async for chunk in self.model.astream(messages):
            answer += len(chunk.content)
            for piece in chunk.tool_call_chunks:
                arguments += len(piece["args"] or "")
        return answer, arguments

    async def call(self, batch: list[Any], in_flight: int) -> int:
        """Answer through `abatch`."""
        replies = await self.model.abatch(batch, config={"max_concurrency": in_flight})
        return sum(len(reply.content) for reply in replies)

    def stream_sync(self, messages: Any) -> tuple[int, int]:
        """Read `stream` to its end."""
        return sum(len(chunk.content) for chunk in self.model.stream(messages)), 0

    def call_sync(self, batch: list[Any], in_flight: int) -> int:
        """Answer through `invoke` one after another, or through `batch`."""
        if in_flight == 1:
            return sum(len(self.model.invoke(messages).content) for messages in batch)
        replies = self.model.batch(batch, config={"max_concurrency": in_flight})
        return sum(len(reply.content) for reply in replies)


class PlainClient:
    """A client without LangChain, which is given message dicts and its own limit of calls in flight."""

    def prepare(self, history: History) -> Any:
        """Build the wire's own messages."""
        return [{"role": role, "content": text} for role, text in history]

    async def call(self, batch: list[Any], in_flight: int) -> int:
        """Answer the batch, at most `in_flight` at once."""
        free = asyncio.Semaphore(in_flight)

        async def one(messages: Any) -> int:
            async with free:
                return await self.call_once(messages)

        return sum(await asyncio.gather(*map(one, batch)))

    def stream_sync(self, messages: Any) -> tuple[int, int]:
        """Take no part in rows without an event loop."""
        raise NotImplementedError

    def call_sync(self, batch: list[Any], in_flight: int) -> int:
        """Take no part in rows without an event loop."""
        raise NotImplementedError

    async def call_once(self, messages: Any) -> int:
        """Answer one whole call and return the characters of the answer."""
        raise NotImplementedError


class SdkClient(PlainClient):
    """The openai SDK alone."""

    def __init__(self, base_url: str) -> None:
        import openai

        self._completions: Any = openai.AsyncOpenAI(base_url=base_url, api_key="EMPTY").chat.completions

    async def stream(self, messages: Any) -> tuple[int, int]:
        """Read the SDK's typed chunks."""
        answer = arguments = 0
        options = {"include_usage": True}
        async for chunk in await self._completions.create(
            model=MODEL, messages=messages, stream=True, stream_options=options
        ):
            for choice in chunk.choices:
                answer += len(choice.delta.content or "")
                for piece in choice.delta.tool_calls or ():
                    arguments += len(piece.function.arguments or "")
        return answer, arguments

    async def call_once(self, messages: Any) -> int:
        """Read one typed completion."""
        reply = await self._completions.create(model=MODEL, messages=messages)
        return len(reply.choices[0].message.content)


def _payload(messages: Any, *, stream: bool) -> dict[str, Any]:
    payload = {"model": MODEL, "messages": messages, "stream": stream}
    return payload | {"stream_options": {"include_usage": True}} if stream else payload


def _lengths(event: dict[str, Any]) -> tuple[int, int]:
    answer = arguments = 0
    for choice in event["choices"]:
        answer += len(choice["delta"].get("content") or "")
        for piece in choice["delta"].get("tool_calls") or ():
            arguments += len(piece["function"].get("arguments") or "")
    return answer, arguments


class HttpxClient(PlainClient):
    """httpx2 with `json`, and nothing else."""

    def __init__(self, base_url: str) -> None:
        import httpx2

        limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)
        self._client = httpx2.AsyncClient(limits=limits, timeout=600)
        self._url = base_url + "/chat/completions"

    async def stream(self, messages: Any) -> tuple[int, int]:
        """Read the lines of the stream."""
        answer = arguments = 0
        async with self._client.stream("POST", self._url, json=_payload(messages, stream=True)) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    more = _lengths(json.loads(line[6:]))
                    answer, arguments = answer + more[0], arguments + more[1]
        return answer, arguments

    async def call_once(self, messages: Any) -> int:
        """Read one JSON reply."""
        reply = await self._client.post(self._url, json=_payload(messages, stream=False))
        return len(reply.json()["choices"][0]["message"]["content"])


class _SocketProtocol(asyncio.Protocol):
    """One connection of `SocketClient`: gives what it has received when the reply is whole."""

    def __init__(self) -> None:
        self._rest = b""
        self.read: Callable[[bytes], bytes | None] = lambda _: b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        rest = self.read(self._rest + data)
        self._rest = rest or b""
        if rest is None:
            self.done.set_result(None)


class SocketClient(PlainClient):
    """A socket and orjson: the floor of what Python can do."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self._host, self._port = url.hostname or "", url.port or 80
        self._path = url.path + "/chat/completions"
        self._idle: list[_SocketProtocol] = []

    async def _send(self, messages: Any, read: Callable[[bytes], bytes | None], *, stream: bool) -> None:
        import orjson

        body = orjson.dumps(_payload(messages, stream=stream))
        head = f"POST {self._path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-length: {len(body)}\r\n\r\n"
        loop = asyncio.get_running_loop()
        if self._idle:
            connection = self._idle.pop()
        else:
            _, connection = await loop.create_connection(_SocketProtocol, self._host, self._port)
        connection.read, connection.done = read, loop.create_future()
        connection.transport.write(head.encode() + body)
        await connection.done
        self._idle.append(connection)

    async def stream(self, messages: Any) -> tuple[int, int]:
        """Split the bytes at the ends of events and parse each event."""
        import orjson

        answer = arguments = 0

        def read(data: bytes) -> bytes | None:
            nonlocal answer, arguments
            *events, rest = data.split(b"\n\n")
            for event in events:
                start = event.find(b"data: {")
                if start >= 0:
                    more = _lengths(orjson.loads(event[start + 6 :]))
                    answer, arguments = answer + more[0], arguments + more[1]
            return None if rest.endswith(b"0\r\n\r\n") else rest

        await self._send(messages, read, stream=True)
        return answer, arguments

    async def call_once(self, messages: Any) -> int:
        """Cut the body at its content-length and parse it."""
        import orjson

        answer = 0

        def read(data: bytes) -> bytes | None:
            nonlocal answer
            head, end, body = data.partition(b"\r\n\r\n")
            if not end or len(body) < int(head.rpartition(b"content-length: ")[2]):
                return data
            answer = len(orjson.loads(body)["choices"][0]["message"]["content"])
            return None

        await self._send(messages, read, stream=False)
        return answer


def _open_qwen3(transport: str) -> Callable[[str], LangChainClient]:
    def open_model(base_url: str) -> LangChainClient:
        from langchain_qwen3 import ChatQwen3

        return LangChainClient(
            ChatQwen3(model=MODEL, base_url=base_url, api_key="EMPTY", server="vllm", transport=transport)
        )

    return open_model


def _open_openai(base_url: str) -> LangChainClient:
    from langchain_openai import ChatOpenAI

    return LangChainClient(ChatOpenAI(model=MODEL, base_url=base_url, api_key="EMPTY", stream_usage=True))


def _open_qwq(base_url: str) -> LangChainClient:
    from langchain_qwq import ChatQwen

    return LangChainClient(ChatQwen(model=MODEL, base_url=base_url, api_key="EMPTY"))


def _open_deepseek(base_url: str) -> LangChainClient:
    from langchain_deepseek import ChatDeepSeek

    return LangChainClient(ChatDeepSeek(model=MODEL, base_url=base_url, api_key="EMPTY", stream_usage=True))


def _open_llama(base_url: str) -> LangChainClient:
    from langchain_llama_cpp import ChatLlama

    return LangChainClient(ChatLlama(model=MODEL, base_url=base_url.removesuffix("/v1")))


@dataclass(frozen=True)
class Library:
    """One row of the comparison."""

    name: str
    open: Callable[[str], Client]
    module: str
    wire: str = "vllm"
    """The wire whose reasoning key it reads."""
    builds_models: bool = True


BASELINE = "ChatOpenAI"

LIBRARIES = {
    library.name: library
    for library in (
        Library("ChatQwen3 (httpx)", _open_qwen3("httpx"), "langchain_qwen3.chat_model"),
        Library("ChatQwen3 (aiohttp)", _open_qwen3("aiohttp"), "langchain_qwen3.chat_model"),
        Library("ChatOpenAI", _open_openai, "langchain_openai"),
        Library("ChatQwen", _open_qwq, "langchain_qwq"),
        Library("ChatDeepSeek", _open_deepseek, "langchain_deepseek"),
        Library("ChatLlama", _open_llama, "langchain_llama_cpp", wire="llama"),
        Library("openai SDK", SdkClient, "openai", builds_models=False),
        Library("httpx2 + json", HttpxClient, "httpx2", builds_models=False),
        Library("socket + orjson", SocketClient, "orjson", builds_models=False),
    )
}
