"""What ChatQwen3 makes of vLLM, with and without parsers, and of llama.cpp: recorded, and replayed without a network.

`make record` writes the cassettes anew (`tools/record_cassettes.py`).
"""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import LLMResult

from langchain_qwen3.errors import Qwen3Error
from tests.support.cassettes import (
    API_KEY,
    CASSETTES,
    RECORD_FROM,
    block_sockets,
    find_base_url,
    open_cassette,
    read_cassette,
)
from tests.support.scenarios import SCENARIOS, Person, Reply, Scenario, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.outputs import ChatGeneration
    from langchain_core.runnables import Runnable

    from langchain_qwen3 import ChatQwen3

DIALECTS = ("vllm", "vllm-noparsers", "llama.cpp", "llama.cpp-inline")
CASES = [
    pytest.param(dialect, scenario, shape, id=f"{dialect}-{scenario.name}-{shape}")
    for dialect in DIALECTS
    for scenario in SCENARIOS
    for shape in scenario.shapes
]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the network off."""
    if not RECORD_FROM:
        block_sockets(monkeypatch)


@pytest.fixture
def runnable(dialect: str, scenario: Scenario, shape: Shape) -> Iterator[Runnable[Any, Any]]:
    """What a scenario calls, with its cassette in place of the server."""
    with open_cassette(CASSETTES / dialect / f"{scenario.name}.{shape}.yaml", dialect) as cassette:
        yield scenario.build(find_base_url(dialect), API_KEY)
    assert dialect in RECORD_FROM or cassette.all_played


@pytest.mark.parametrize(("dialect", "scenario", "shape"), CASES)
def test_reply_is_read_right_when_called(
    runnable: Runnable[Any, Any], dialect: str, scenario: Scenario, shape: Shape
) -> None:
    """Protects every setting on every recorded server: what is sent, key for key, and what the reply is read as."""

    def call(given: Any) -> Any:
        if scenario.reply.choices > 1:
            return cast("ChatQwen3", runnable).generate([[HumanMessage(given)]])
        return runnable.invoke(given) if shape == "whole" else reduce(add, runnable.stream(given))

    try:
        got = call(scenario.question)
        if scenario.result:
            got = call(scenario.follow_up(got))
    except Qwen3Error as error:
        got = error
    assert summarize(got) == scenario.elsewhere.get(dialect, scenario.reply)


@pytest.mark.parametrize(("dialect", "scenario", "shape"), CASES)
async def test_reply_is_read_right_when_awaited(
    runnable: Runnable[Any, Any], dialect: str, scenario: Scenario, shape: Shape
) -> None:
    """Protects async: the very same requests and replies as sync."""

    async def call(given: Any) -> Any:
        if scenario.reply.choices > 1:
            return await cast("ChatQwen3", runnable).agenerate([[HumanMessage(given)]])
        if shape == "whole":
            return await runnable.ainvoke(given)
        return reduce(add, [chunk async for chunk in runnable.astream(given)])

    try:
        got = await call(scenario.question)
        if scenario.result:
            got = await call(scenario.follow_up(got))
    except Qwen3Error as error:
        got = error
    assert summarize(got) == scenario.elsewhere.get(dialect, scenario.reply)


@pytest.mark.parametrize(
    "path", sorted(CASSETTES.glob("*/*.yaml*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_cassette_holds_no_secret_when_kept(path: Path) -> None:
    """Protects whoever records against a server of their own: neither key nor cookie nor machine is kept."""
    text = read_cassette(path).lower()
    assert not [word for word in (API_KEY, "authorization", "cookie", "127.0.0.1", str(Path.home())) if word in text]


def summarize(got: Any) -> Reply:
    """Return what a scenario came to."""
    if isinstance(got, Qwen3Error):
        return Reply(error=type(got).__name__)
    parsed, error, choices = None, None, 1
    if isinstance(got, LLMResult):
        choices = len(got.generations[0])
        got = cast("ChatGeneration", got.generations[0][-1]).message
    if isinstance(got, dict):
        error = type(got["parsing_error"]).__name__ if got["parsing_error"] else None
        parsed = got["parsed"].model_dump() if isinstance(got["parsed"], Person) else got["parsed"]
        got = got["raw"]
    assert isinstance(got, AIMessage)
    usage = got.usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > usage["input_tokens"] > 0
    return Reply(
        content=got.text,
        reasoning=got.additional_kwargs.get("reasoning_content"),
        calls=tuple((call["name"], call["args"]) for call in got.tool_calls),
        invalid=tuple(call["name"] or "" for call in got.invalid_tool_calls),
        finish=got.response_metadata["finish_reason"],
        parsed=parsed,
        error=error,
        choices=choices,
        logprobs=bool(got.response_metadata.get("logprobs")),
    )
