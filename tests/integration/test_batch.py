"""Batches and structured output over every dialect, method and way to call; the servers' replies are scripted."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.call import METHODS
from langchain_qwen3.errors import ToolChoiceError
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from tests.support.rows import list_unlike
from tests.support.scripted import Answer, Scripted, write_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = {"name": "Alice", "age": 30}
SEVERAL = 8
HELD_SECONDS = 0.05


class Person(BaseModel):
    """A person; a cut answer must not become one with the default age."""

    name: str
    age: int = 0


def answer_in_the_form_asked_for(body: dict[str, Any]) -> Answer:
    """Answer as the request wants it: JSON, a call, or the array of a forced call; cut where the question says so."""
    cut = "[cut]" in body["messages"][-1]["content"]
    text = json.dumps(ANSWER)
    text = text[: len(text) - 6] if cut else text
    message: dict[str, Any] = {}
    if thinks(body):
        message["reasoning_content"] = "It is Alice."
    if body.get("tools") and "response_format" not in body:
        message["tool_calls"] = [write_call("a", body["tools"][-1]["function"]["name"], text)]
    elif body.get("tools"):
        text = json.dumps([{"name": "Person", "arguments": ANSWER}])
        message["content"] = text[: len(text) - 8] if cut else text
    else:
        message["content"] = text
    return Answer(message=message, reason="length" if cut else "stop")


def thinks(body: dict[str, Any]) -> bool:
    """Whether a request leaves thinking on, however its server spells it."""
    wire = json.dumps(body)
    switches = ('"enable_thinking": false', '"reasoning_effort": "none"', '"enabled": false', '"enable": false')
    return not any(switch in wire for switch in switches)


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    """A server that gives everyone the form they ask for."""
    with Scripted(answer_in_the_form_asked_for) as server:
        yield server


WAYS = ["invoke", "stream"]


def read_forms(row: Dialect) -> tuple[Any, ...]:
    """Return what a row says of how a form is asked for, and of how the answer is read."""
    asked = (row.structured_method, row.response_format, row.tool_choice, row.format_silences_tools, row.free_arguments)
    thought = (row.json_refused_thinking, row.stream_when_thinking, row.repeats_open_tag)
    return *asked, *thought, row.kind, bool(row.providers), "response_format" in row.unsupported


CASES = [(name, None) for name in DIALECTS] + [
    (row.name, method) for row in list_unlike(read_forms) for method in METHODS
]
"""Every server with its own method, and all methods on those that are asked in different ways."""


@pytest.mark.filterwarnings("ignore::langchain_qwen3.UnsupportedSettingWarning")
@pytest.mark.parametrize(("thinking", "cut"), [(True, False), (True, True), (False, False)], ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("dialect", "method"), CASES)
async def test_keeps_the_reply_beside_the_object_or_the_error_when_asked_in_any_way(
    server: Scripted, dialect: str, method: Any, way: str, *, thinking: bool, cut: bool
):
    """Protects structured output everywhere: the whole object with its reasoning in `raw`, or an error, never half."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server=dialect, enable_thinking=thinking)
    question = "Who? [cut]" if cut else "Who?"
    chain = model.with_structured_output(Person, method=method, include_raw=True)
    if way == "invoke":
        kept = await chain.ainvoke(question)
    else:
        kept = {}
        async for piece in chain.astream(question):
            kept = {
                **kept,
                **piece,
                **({"raw": kept["raw"] + piece["raw"]} if {"raw"} <= kept.keys() & piece.keys() else {}),
            }
    assert isinstance(kept["raw"], AIMessage)
    assert bool(kept["raw"].additional_kwargs.get("reasoning_content")) == thinks(server.requests[-1])
    assert kept["parsed"] == (None if cut else Person(**ANSWER))
    assert isinstance(kept["parsing_error"], OutputParserException if cut else type(None))
    assert model.enable_thinking is thinking


@pytest.mark.filterwarnings("ignore::langchain_qwen3.UnsupportedSettingWarning")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("dialect", "method"), CASES)
async def test_gives_the_object_or_raises_when_asked_in_any_way(server: Scripted, dialect: str, method: Any, way: str):
    """Protects the plain chain everywhere: the whole object, and an error for a cut one."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server=dialect)
    chain = model.with_structured_output(Person, method=method)
    assert await ask(chain, way, "Who?") == Person(**ANSWER)
    with pytest.raises(OutputParserException):
        await ask(chain, way, "Who? [cut]")


def read_form(server: str, method: Any, *, thinking: bool) -> dict[str, Any]:
    """Return what a server's answer in a form depends on: what is asked for, and how it is read."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", base_url="http://h:1/v1", server=server, enable_thinking=thinking)
    asking: Any = model.with_structured_output(Person, method=method)
    call = model._build_call([HumanMessage("Who?")], None, asking.first.kwargs, stream=False)
    names = ("tools", "tool_choice", "response_format")
    form = {name: call.payload.get(name) for name in names} | {"stream_inside": call.stream_inside}
    return form | {"reply": replace(call.reply, habits=None, thinking_off=False)}


@pytest.mark.filterwarnings("ignore::langchain_qwen3.UnsupportedSettingWarning")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_servers_alike_are_asked_alike(dialect: str):
    """Protects the table of cases, where one server stands for those that are alike in a few fields."""
    row = DIALECTS[dialect]
    (alike,) = (one for one in list_unlike(read_forms) if read_forms(one) == read_forms(row))
    for method, thinking in product(METHODS, (True, False)):
        assert read_form(dialect, method, thinking=thinking) == read_form(alike.name, method, thinking=thinking)


async def ask(chain: Any, way: str, question: str) -> Any:
    """Return the answer, or the last object of a stream."""
    return await (chain.ainvoke(question) if way == "invoke" else take_last(chain, question))


async def take_last(chain: Any, question: str) -> Any:
    """Return the last object of a stream."""
    return [found async for found in chain.astream(question)][-1]


@pytest.mark.parametrize("method", METHODS)
async def test_one_fails_when_it_alone_of_a_batch_was_cut(server: Scripted, method: Any):
    """Protects batches: the answers beside a cut one are there, in their places."""
    chain = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server="vllm").with_structured_output(
        Person, method=method
    )
    questions = ["Who?", "Who? [cut]", "Who else?"]
    for results in (
        await chain.abatch(questions, return_exceptions=True),
        chain.batch(questions, return_exceptions=True),
    ):
        assert [type(result) for result in results] == [Person, OutputParserException, Person]


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp"])
@pytest.mark.parametrize("way", WAYS)
async def test_missing_call_is_the_parsers_error_when_output_is_structured(dialect: str, way: str):
    """Protects `include_raw` and batches from an error that escapes them: talk in place of the demanded call."""
    with Scripted(lambda _body: {"content": "I would rather talk."}) as talker:
        model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=talker.url, server=dialect)
        chain = model.with_structured_output(Person, method="function_calling", include_raw=True)
        kept = await ask(chain, way, "Who?")
        assert isinstance(kept["parsing_error"], OutputParserException)
        forced = model.bind_tools([Person], tool_choice="Person")
        with pytest.raises(ToolChoiceError):
            await ask(forced, way, "Who?")


class Gate:
    """A script that holds its replies until as many requests are open as may be, and a moment longer for more."""

    def __init__(self) -> None:
        self._full = threading.Event()
        self._open = 0
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._open += 1
            if self._open == SEVERAL:
                threading.Timer(HELD_SECONDS, self._full.set).start()
        self._full.wait(60)
        return {"content": body["messages"][-1]["content"]}


async def run_by_config(model: ChatQwen3, questions: list[str]) -> Any:
    """Limit the batch."""
    return await model.abatch(questions, {"max_concurrency": SEVERAL})


async def run_by_field(model: ChatQwen3, questions: list[str]) -> Any:
    """Limit the model."""
    return await model.model_copy(update={"max_concurrency": SEVERAL}).abatch(questions)


async def run_as_completed(model: ChatQwen3, questions: list[str]) -> Any:
    """Limit the model, and take answers as they come."""
    limited = model.model_copy(update={"max_concurrency": SEVERAL})
    found = [pair async for pair in limited.abatch_as_completed(questions)]
    return [answer for _, answer in sorted(found, key=lambda pair: pair[0])]


@pytest.mark.parametrize("run", [run_by_config, run_by_field, run_as_completed])
async def test_no_more_than_the_limit_are_open_when_a_hundred_are_asked(run: Callable[..., Any]):
    """Protects servers and gateways: exactly as many requests in flight as allowed, every answer in its place."""
    with Scripted(Gate()) as server:
        model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server="vllm")
        questions = [f"question {number}" for number in range(100)]
        answers = await run(model, questions)
        assert [answer.text for answer in answers] == questions
        assert server.most_open == SEVERAL
        assert len(server.requests) == 100


class Streaming(AsyncCallbackHandler, _StreamingCallbackHandler[Any]):
    """A handler for which core streams inside a whole call, as tracers of `astream_events` are."""

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:  # noqa: ARG002
        """Change nothing."""
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:  # noqa: ARG002
        """Change nothing."""
        return output


@pytest.mark.parametrize("settings", [{"n": 3}, {"extra_body": {"n": 3}}], ids=str)
@pytest.mark.parametrize("place", ["call", "model"])
async def test_every_choice_comes_when_a_callback_would_stream(settings: dict[str, Any], place: str):
    """Protects `n` from a stream that can hold one choice only: the reply comes whole, a stream is refused unsent."""
    with Scripted(lambda _body: {"content": "Hi."}) as server:
        in_model, in_call = (settings, {}) if place == "model" else ({}, settings)
        model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server="vllm", **in_model)
        result = await model.agenerate([[HumanMessage("Hello")]], callbacks=[Streaming()], **in_call)
        assert [generation.text for generation in result.generations[0]] == ["Hi."] * 3
        with pytest.raises(ValueError, match="n must be 1 when streaming"):
            await take_last(model.bind(**in_call), "Hello")
        assert len(server.requests) == 1


def test_threads_share_the_limit_when_batches_are_sync():
    """Protects the limit of a model under `batch`, which calls from threads."""
    with Scripted(Gate()) as server:
        model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url, server="vllm", max_concurrency=SEVERAL)
        answers = model.batch([f"question {number}" for number in range(40)], {"max_concurrency": 20})
        assert len(answers) == 40
        assert server.most_open == SEVERAL


@pytest.mark.parametrize("streams", [False, True])
async def test_waiting_for_a_place_in_flight_is_no_time_of_the_request(
    streams: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects latency figures: the wait for `max_concurrency` counted as the server's time."""
    clock = [0.0]
    for module in ("chat_model", "reply.stream", "reply.metadata"):
        monkeypatch.setattr(f"langchain_qwen3.{module}.perf_counter", lambda: clock[0])
    released = threading.Event()
    with Scripted(lambda _: Answer(message={"content": "Hello"}, after=released)) as server:
        llm = ChatQwen3(model="q", base_url=server.url, server="vllm", max_concurrency=1, disable_streaming=not streams)

        async def ask() -> Any:
            *_, last = [chunk async for chunk in llm.astream("Hi")]
            return last.response_metadata["timing"]["total"]

        calls = [asyncio.ensure_future(ask()) for _ in range(3)]
        await asyncio.to_thread(server.wait_for, 1)
        clock[0] = 100.0
        released.set()
        assert sorted(await asyncio.gather(*calls)) == [0, 0, 100]
        await llm.aclose()
