"""A chat page for Qwen3: streams answers, folds the thinking, runs tools, and its stop button stops the model.

python examples/fastapi_chat/app.py     # then open http://127.0.0.1:8080
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3Error
from langchain_qwen3.local import LocalServer

PAGE = Path(__file__).parent / "page"
TINY_QWEN3 = Path(__file__).parents[2] / "tests" / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
MAX_ROUNDS = 5
"""Answers to one question at most: all but the last one call tools."""
# The page brings all it needs; whatever a model writes, the browser fetches nothing else and runs nothing else.
CONTENT_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"


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
        model = os.environ.get("QWEN_MODEL", "Qwen/Qwen3-0.6B")
        async with ChatQwen3(model=model, base_url=url, sampling="recommended") as llm:
            yield llm
        return
    async with (
        LocalServer(os.environ.get("QWEN_GGUF", TINY_QWEN3)) as server,
        ChatQwen3(model=server.model, base_url=server.base_url, temperature=0.1) as llm,
    ):
        yield llm


def create_app(connect: Callable[[], AbstractAsyncContextManager[ChatQwen3]] = connect) -> FastAPI:
    """Return the app. Its one model serves every request; connections and the limit on them are shared."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with connect() as llm:
            app.state.llm = llm
            yield

    app = FastAPI(title="ChatQwen3", lifespan=run)

    @app.get("/")
    async def show_page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": CONTENT_POLICY})

    @app.get("/model")
    async def name_model() -> dict[str, str]:
        return {"model": app.state.llm.model_name}

    @app.post("/chat", response_class=EventSourceResponse)
    async def chat(question: Question) -> AsyncIterator[ServerSentEvent]:
        async with aclosing(answer(app.state.llm, question)) as events:
            async for event, data in events:
                yield ServerSentEvent(event=event, data=data)

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
            whole = AIMessageChunk(content="")
            stream = with_tools.astream(messages, enable_thinking=question.thinking)
            async with aclosing(cast("AsyncGenerator[AIMessageChunk]", stream)) as chunks:
                async for chunk in chunks:
                    whole += chunk
                    if reasoning := chunk.additional_kwargs.get("reasoning_content"):
                        yield "reasoning", reasoning
                    if chunk.text:
                        yield "answer", chunk.text
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
        yield "error", f"The model called tools {MAX_ROUNDS} times and did not answer."
    except Qwen3Error as error:
        yield "error", str(error)


async def run_tool(call: ToolCall) -> ToolMessage:
    """Run a tool; the model is told of a call that fails, and may call again."""
    try:
        message: ToolMessage = await TOOLS[call["name"]].ainvoke(call)
    except Exception as error:  # noqa: BLE001  # whatever arguments a model comes up with
        return ToolMessage(f"{type(error).__name__}: {error}", tool_call_id=call["id"], status="error")
    return message


def describe_end(replies: list[AIMessageChunk]) -> dict[str, Any]:
    """Return why the last reply ended, the calls in it that were cut, and what all of them took."""
    used = [reply.usage_metadata["output_tokens"] for reply in replies if reply.usage_metadata]
    return {
        "finish_reason": replies[-1].response_metadata.get("finish_reason"),
        "cut_calls": [call["name"] for call in replies[-1].invalid_tool_calls],
        "tokens": sum(used) if len(used) == len(replies) else None,
        "seconds": sum(reply.response_metadata["timing"]["total"] for reply in replies),
    }


if __name__ == "__main__":
    # Ctrl-C waits no longer than this for answers under way.
    uvicorn.run(create_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), timeout_graceful_shutdown=2)
