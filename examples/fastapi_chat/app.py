"""A chat page for Qwen3: streams answers, folds the thinking, runs tools, and its stop button stops the model.

python examples/fastapi_chat/app.py     # then open http://127.0.0.1:8080
"""

import logging
import mimetypes
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import (
    Qwen3AuthenticationError,
    Qwen3ConnectionError,
    Qwen3ContextOverflowError,
    Qwen3Error,
    Qwen3ModelNotFoundError,
    Qwen3PermissionDeniedError,
    Qwen3RateLimitError,
    Qwen3TimeoutError,
    StreamCutError,
)
from langchain_qwen3.local import LocalServer

PAGE = Path(__file__).parent / "page"
TINY_QWEN3 = Path(__file__).parents[2] / "tests" / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
MAX_ROUNDS = 5
"""Answers to one question at most: all but the last one call tools."""
MAX_TOKENS = 8192
"""Tokens of one answer at most."""
MAX_BODY = 1_000_000
"""Bytes of a request at most: a conversation of some 200,000 words."""
MAX_ANSWERS = 4
"""Answers that one visitor, an IP address, may wait for at once."""
MAX_REQUESTS = 256
"""Requests of all visitors at once."""
HOSTS = os.environ.get("CHAT_HOSTS", "127.0.0.1,localhost").split(",")
"""Names the page may be called by. A foreign page can give 127.0.0.1 a name of its own, but not one of these."""
# The page brings all it needs; whatever a model writes, the browser fetches nothing else and runs nothing else.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (Qwen3ContextOverflowError, "tooLong"),
    (Qwen3AuthenticationError, "key"),
    (Qwen3PermissionDeniedError, "key"),
    (Qwen3ModelNotFoundError, "model"),
    (Qwen3RateLimitError, "busy"),
    (Qwen3TimeoutError, "slow"),
    (StreamCutError, "cut"),
    (Qwen3ConnectionError, "unreachable"),
    (Qwen3Error, "failed"),
    (ValueError, "model"),  # none is named, and the server lists several
)
"""What the page calls an error: it has the words for it. The error's own text names the server, so the log gets it."""
log = logging.getLogger("uvicorn.error")


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


@tool
def get_time(timezone: str) -> str:
    """Get the current time in a timezone."""
    return datetime.now(ZoneInfo(timezone)).isoformat(" ", "seconds")


TOOLS: dict[str, BaseTool] = {one.name: one for one in (multiply, get_time)}


class Said(BaseModel):
    """A turn of the conversation, which the page keeps and sends every time."""

    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=100_000)]


class Question(BaseModel):
    """What the page sends: the conversation with the question at its end."""

    messages: Annotated[list[Said], Field(min_length=1, max_length=1000)]
    thinking: bool = True


@asynccontextmanager
async def connect() -> AsyncIterator[ChatQwen3]:
    """Yield the model: on `$QWEN_BASE_URL`, else on an engine that ends with the app."""
    if url := os.environ.get("QWEN_BASE_URL"):
        async with ChatQwen3(base_url=url, max_tokens=MAX_TOKENS, sampling="recommended") as llm:
            yield llm
        return
    async with (
        LocalServer(os.environ.get("QWEN_GGUF", TINY_QWEN3)) as server,
        ChatQwen3(model=server.model, base_url=server.base_url, max_tokens=MAX_TOKENS) as llm,
    ):
        yield llm


class Guard:
    """Lets in what the page itself sends, and no other page: a browser names the origin of every POST."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the app answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            await PlainTextResponse("Another page's request.", 403)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)


async def take_place(request: Request) -> AsyncIterator[None]:
    """Count the answers that a visitor waits for."""
    places: Counter[str] = request.app.state.places
    visitor = request.client.host if request.client else ""
    if places[visitor] >= MAX_ANSWERS:
        raise HTTPException(429, "Too many answers at once.")
    places[visitor] += 1
    try:
        yield
    finally:
        places[visitor] -= 1
        if not places[visitor]:
            del places[visitor]


def create_app(connect: Callable[[], AbstractAsyncContextManager[ChatQwen3]] = connect) -> FastAPI:
    """Return the app. Its one model serves every request; connections and the limit on them are shared."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with connect() as llm:
            app.state.llm = llm
            yield

    app = FastAPI(title="ChatQwen3", lifespan=run, openapi_url=None, max_body_size=MAX_BODY)
    app.state.places = Counter()
    app.add_middleware(Guard)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @app.get("/")
    async def show_page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/model")
    async def name_model() -> dict[str, str]:
        return {"model": app.state.llm.model_name}

    @app.get("/health")
    async def tell_health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/chat", response_class=EventSourceResponse, dependencies=[Depends(take_place)])
    async def chat(question: Question) -> AsyncIterator[ServerSentEvent]:
        async with aclosing(answer(app.state.llm, question)) as events:
            async for event, data in events:
                yield ServerSentEvent(event=event, data=data)

    # The registry of Windows often calls scripts plain text, which browsers do not run:
    # https://github.com/python/cpython/issues/88141
    mimetypes.add_type("text/javascript", ".js")
    app.mount("/page", StaticFiles(directory=PAGE))
    return app


async def answer(llm: ChatQwen3, question: Question) -> AsyncGenerator[tuple[str, Any]]:
    """Yield what happens, as name and data: `reasoning`, `answer`, `call`, `result`, and `done` or `error` at the end.

    When the browser leaves, this generator is cancelled. That closes the stream of the model, and with its connection
    the server sees that nobody waits any more.
    """
    messages: list[BaseMessage] = [
        HumanMessage(said.text) if said.role == "user" else AIMessage(said.text) for said in question.messages
    ]
    with_tools = llm.bind_tools(list(TOOLS.values()))
    replies: list[AIMessageChunk] = []
    try:
        for _ in range(MAX_ROUNDS):
            received: list[AIMessageChunk] = []
            stream = with_tools.astream(messages, enable_thinking=question.thinking)
            async with aclosing(cast("AsyncGenerator[AIMessageChunk]", stream)) as chunks:
                async for chunk in chunks:
                    received.append(chunk)
                    if reasoning := chunk.additional_kwargs.get("reasoning_content"):
                        yield "reasoning", reasoning
                    if chunk.text:
                        yield "answer", chunk.text
            whole = AIMessageChunk(content="") + received
            replies.append(whole)
            messages.append(whole)
            for call in whole.tool_calls:
                yield "call", {"name": call["name"], "args": call["args"]}
                result = await run_tool(call)
                yield "result", {"text": result.text, "failed": result.status == "error"}
                messages.append(result)
            if not whole.tool_calls:
                yield "done", describe_end(replies)
                return
        yield "error", "rounds"
    except (Qwen3Error, ValueError) as error:
        log.warning("no answer: %r", str(error))  # %r: a log is read in a terminal
        yield "error", next(name for kind, name in ERRORS if isinstance(error, kind))


async def run_tool(call: ToolCall) -> ToolMessage:
    """Run a tool; the model is told of a call that fails, and may call again."""
    try:
        message: ToolMessage = await TOOLS[call["name"]].ainvoke(call)
    except Exception as error:  # noqa: BLE001  # whatever arguments a model comes up with
        text = error.strerror if isinstance(error, OSError) else error  # whose text names a path of this machine
        return ToolMessage(f"{type(error).__name__}: {text}", tool_call_id=call["id"], status="error")
    return message


def describe_end(replies: list[AIMessageChunk]) -> dict[str, Any]:
    """Return who wrote the last reply, why it ended, the calls in it that were cut, and what all of them took."""
    used = [reply.usage_metadata["output_tokens"] for reply in replies if reply.usage_metadata]
    return {
        "model": replies[-1].response_metadata.get("model_name", ""),
        "finish_reason": replies[-1].response_metadata.get("finish_reason"),
        "cut_calls": [call["name"] for call in replies[-1].invalid_tool_calls],
        "tokens": sum(used) if len(used) == len(replies) else None,
        "seconds": sum(reply.response_metadata["timing"]["total"] for reply in replies),
    }


if __name__ == "__main__":
    uvicorn.run(
        create_app(),
        host="127.0.0.1",
        port=int(os.environ.get("PORT", "8080")),
        limit_concurrency=MAX_REQUESTS,
        timeout_graceful_shutdown=2,  # Ctrl-C waits no longer for answers under way
    )
