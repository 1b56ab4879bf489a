"""MCP tools through langchain-mcp-adapters and a real FastMCP server in memory: every kind of content is seen.

All but sound, which the adapters refuse themselves (0.3); tests/unit/request/test_media.py has it in a tool's message.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_qwen3 import ChatQwen3
from tests.support.scripted import Scripted, write_call

mcp_adapters = pytest.importorskip("langchain_mcp_adapters.tools", reason="needs langchain-mcp-adapters (group agents)")
from mcp.server.fastmcp import FastMCP  # noqa: E402  # after the check that it is there
from mcp.shared.memory import create_connected_server_and_client_session  # noqa: E402
from mcp.types import (  # noqa: E402
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import AnyUrl  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the protocol's own library
    pytest.mark.filterwarnings("ignore:a part of a tool's result"),  # asserted in tests/unit/request/test_media.py
]
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
server = FastMCP("test")


@server.tool()
def items() -> list[str]:
    """A list."""
    return ["a.txt", "b.txt"]


@server.tool()
def record() -> dict[str, Any]:
    """Structured content."""
    return {"city": "Rome", "days": [1, 2]}


@server.tool()
def picture() -> list[Any]:
    """A picture beside a text."""
    return ["look", ImageContent(type="image", data=PICTURE.partition(",")[2], mimeType="image/png")]


@server.tool()
def link() -> list[Any]:
    """A link to a resource."""
    return ["see", ResourceLink(type="resource_link", name="guide", uri=AnyUrl("docs://guide"), mimeType="text/html")]


@server.tool()
def text_resource() -> list[Any]:
    """An embedded text."""
    inner = TextResourceContents(uri=AnyUrl("docs://a"), text="print(1)", mimeType="text/x-python")
    return [TextContent(type="text", text="File:"), EmbeddedResource(type="resource", resource=inner)]


@server.tool()
def json_resource() -> list[Any]:
    """An embedded blob that is text."""
    blob = base64.b64encode(b'{"a": 1}').decode()
    inner = BlobResourceContents(uri=AnyUrl("docs://b"), blob=blob, mimeType="application/json")
    return [EmbeddedResource(type="resource", resource=inner)]


@server.tool()
def pdf_resource() -> list[Any]:
    """An embedded blob that is none."""
    blob = base64.b64encode(b"%PDF").decode()
    inner = BlobResourceContents(uri=AnyUrl("docs://c"), blob=blob, mimeType="application/pdf")
    return [EmbeddedResource(type="resource", resource=inner)]


@server.tool()
def failing() -> str:
    """An error."""
    raise ValueError("no such city")


NOT_SHOWN = "omitted, this model cannot take it]"
RESULTS: dict[str, Any] = {
    "items": "a.txt\nb.txt",
    "picture": f"look\n[image (image/png): {NOT_SHOWN}",
    "link": f"see\n[file docs://guide (text/html): {NOT_SHOWN}",
    "text_resource": "File:\nprint(1)",
    "json_resource": '{"a": 1}',
    "pdf_resource": f"[file (application/pdf): {NOT_SHOWN}",
}


async def run(name: str, model: str, server_name: str) -> tuple[Any, list[dict[str, Any]]]:
    """Run an agent that calls the tool, ask a second question in the thread, and return what was sent last."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if body["messages"][-1]["role"] == "tool" or len(body["messages"]) > 2:
            return {"content": "Done."}
        return {"tool_calls": [write_call("c1", name, "{}")]}

    with Scripted(answer) as scripted:
        llm = ChatQwen3(model=model, base_url=scripted.url, server=server_name)
        async with create_connected_server_and_client_session(server) as session:
            tools = await mcp_adapters.load_mcp_tools(session)
            agent: Any = create_agent(llm, tools, checkpointer=InMemorySaver())
            config = {"configurable": {"thread_id": "1"}}
            for question in ("go", "go on"):
                state = await agent.ainvoke({"messages": [("user", question)]}, config)
                assert state["messages"][-1].content == "Done."
        return scripted.requests[-1]["messages"][2]["content"], scripted.requests


@pytest.mark.parametrize("server_name", ["vllm", "llama.cpp", "ollama", "dashscope"])
@pytest.mark.parametrize("name", RESULTS)
async def test_a_tools_result_reaches_a_model_of_text_whatever_it_holds(name: str, server_name: str):
    """Protects the run and the thread: what cannot be shown is a line of text, and the next question works."""
    content, _ = await run(name, "Qwen/Qwen3-8B", server_name)
    assert content == RESULTS[name]


async def test_a_picture_of_a_tool_reaches_a_model_that_sees():
    """Protects screenshots: the text and the picture, in their order."""
    content, _ = await run("picture", "Qwen/Qwen3-VL-8B-Instruct", "vllm")
    assert content == [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": PICTURE}}]


async def test_structured_content_and_errors_reach_the_model():
    """Protects MCP's two other ways to answer: structuredContent comes as text as well, an error as what it says."""
    content, _ = await run("record", "Qwen/Qwen3-8B", "vllm")
    assert "Rome" in content
    content, _ = await run("failing", "Qwen/Qwen3-8B", "vllm")
    assert "no such city" in content
