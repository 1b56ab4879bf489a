"""The page on deployment: its service tells a busy worker from a broken engine."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.test_code_blocks import find_blocks
from tests.faults.server import closed_port
from tests.support.scripted import Answer, Scripted

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("deployment.md", "deployment.zh.md")]


def build_app(page: Path) -> Any:
    """Return the app of a page, with room for one request at a time."""
    source = str(find_blocks(page, "python")[0].parsed)
    assert "max_concurrency=120" in source
    namespace: dict[str, Any] = {}
    exec(source.replace("max_concurrency=120", "max_concurrency=1"), namespace)  # noqa: S102  # our own page
    return namespace["app"]


async def get_health(app: Any) -> tuple[int, Any]:
    """Return status and body of the health check."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        reply = await http.get("/health")
    return reply.status_code, reply.json()


@pytest.fixture
def model_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the model, as the unit file of the page does."""
    monkeypatch.setenv("QWEN_MODEL", "Qwen/Qwen3-8B")


@pytest.mark.usefixtures("model_name")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_health_answers_when_the_worker_is_full(page: Path, monkeypatch: pytest.MonkeyPatch):
    """Protects a busy worker from being taken for a dead one and restarted with all its streams."""
    release = threading.Event()

    def answer(body: dict[str, Any]) -> Answer:
        is_users = body["messages"][-1]["content"] == "Is it?"
        return Answer(message={"content": "Yes."}, after=release if is_users else None)

    with Scripted(answer) as server:
        monkeypatch.setenv("QWEN_BASE_URL", server.url)
        app = build_app(page)
        async with app.router.lifespan_context(app):
            asking = asyncio.create_task(app.state.llm.ainvoke("Is it?"))
            await asyncio.to_thread(server.wait_for, 1)
            assert await get_health(app) == (200, {"status": "ok"})
            assert not asking.done()
            release.set()
            assert (await asking).text == "Yes."


@pytest.mark.usefixtures("model_name")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_health_names_the_error_when_the_engine_is_away(page: Path, monkeypatch: pytest.MonkeyPatch):
    """Protects the load balancer, which must not send users here, and shows no address."""
    monkeypatch.setenv("QWEN_BASE_URL", f"http://127.0.0.1:{closed_port()}/v1")
    app = build_app(page)
    async with app.router.lifespan_context(app):
        assert await get_health(app) == (503, {"detail": "Qwen3ConnectionError"})
