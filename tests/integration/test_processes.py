"""The model in other processes, loops and threads: copied, pickled, forked, spawned, under any loop.

What concerns the shared connections alone stands in `test_pool_processes.py` and `test_pool_loops.py`.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cloudpickle
import pytest
import uvloop
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel

from langchain_qwen3 import ChatQwen3
from tests.faults.server import closed_port
from tests.support.loopback import CHUNKS, Loopback
from tests.support.python import STRICT_PYTHON

TRANSPORTS = ["httpx", "aiohttp"]
STREAMED = "a" * CHUNKS
PROMPT = ChatPromptTemplate.from_messages([("human", "{question}")])


class Weather(BaseModel):
    """Weather in a city."""

    city: str


@pytest.fixture(params=TRANSPORTS)
def model(request: Any, server: Loopback) -> ChatQwen3:
    """A model on each transport."""
    return build_model(server.base_url, request.param)


def build_model(base_url: str, transport: str, **fields: Any) -> ChatQwen3:
    """Return a model that says at once what is wrong."""
    settings: dict[str, Any] = {
        "api_key": "sk-of-the-test",
        "max_retries": 0,
        "timeout": 60,
        "server": "vllm",
        **fields,
    }
    return ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=base_url, transport=transport, **settings)


def call_all_ways(chain: Any, question: Any = "hi") -> list[str]:
    """Return the texts of a whole and a streamed call, sync and async."""

    async def acall() -> list[str]:
        whole = await chain.ainvoke(question)
        return [text_of(whole), "".join([text_of(chunk) async for chunk in chain.astream(question)])]

    texts = [text_of(chain.invoke(question)), "".join(text_of(chunk) for chunk in chain.stream(question))]
    return texts + asyncio.run(acall())


def text_of(reply: Any) -> str:
    """Return the text of a message or of a parsed one."""
    return reply if isinstance(reply, str) else reply.text


ANSWERS = ["hello", STREAMED, "hello", STREAMED]
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda chain: pickle.loads(pickle.dumps(chain)),  # noqa: S301
    "cloudpickle": lambda chain: cloudpickle.loads(cloudpickle.dumps(chain)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("name", COPIES)
def test_every_chain_works_when_it_is_copied_before_and_after_use(name: str, model: ChatQwen3) -> None:
    """Protects Ray, Dask, Spark and multiprocessing: they move whole chains, at any time."""
    duplicate = COPIES[name]
    chains: list[tuple[Any, Any]] = [
        (model, "hi"),
        (model.bind_tools([Weather]), "hi"),
        (PROMPT | model | StrOutputParser(), {"question": "hi"}),
        (model.with_config(tags=["x"]).with_retry(stop_after_attempt=1), "hi"),
    ]
    for chain, question in chains:
        early = duplicate(chain)
        assert call_all_ways(chain, question) == ANSWERS
        assert call_all_ways(early, question) == ANSWERS
        assert call_all_ways(duplicate(duplicate(chain)), question) == ANSWERS
        assert call_all_ways(chain, question) == ANSWERS


def test_structured_chain_works_when_it_is_cloudpickled(model: ChatQwen3) -> None:
    """Protects structured output in workers: its runnable holds a parser and a class of the user's own."""
    chain = model.with_structured_output(Weather, include_raw=True)
    for moved in (chain, cloudpickle.loads(cloudpickle.dumps(chain))):
        assert moved.invoke("hi")["raw"].text == "hello"


def test_copies_work_when_they_are_made_by_model_copy(server: Loopback, model: ChatQwen3) -> None:
    """Protects `model_copy`, deep and with a new URL, before and after use, and that the original is left alone."""
    with Loopback() as other:
        for _ in range(2):  # before and after use
            for changed in (model.model_copy(), model.model_copy(deep=True), model.model_copy(update={"top_k": 20})):
                assert call_all_ways(changed) == ANSWERS
            moved = model.model_copy(update={"openai_api_base": other.base_url})
            seen = len(server.requests)
            assert call_all_ways(moved) == ANSWERS
            assert len(server.requests) == seen
            assert call_all_ways(model) == ANSWERS
        assert len(other.requests) == 8


def test_model_works_in_spawned_workers_when_it_was_used_before(server: Loopback) -> None:
    """Protects `ProcessPoolExecutor` with spawn: a chain goes there as an argument, errors come back typed."""
    context = multiprocessing.get_context("spawn")
    chains = [PROMPT | build_model(server.base_url, name, max_concurrency=2) | StrOutputParser() for name in TRANSPORTS]
    assert [chain.invoke({"question": "hi"}) for chain in chains] == ["hello"] * 2
    broken = build_model(f"http://127.0.0.1:{closed_port()}/v1", "httpx")
    with ProcessPoolExecutor(1, mp_context=context) as workers:
        for chain in chains:
            assert workers.submit(call_all_ways, chain, {"question": "hi"}).result(60) == ANSWERS
        error = workers.submit(broken.invoke, "hi").exception(60)
    assert type(error).__name__ == "Qwen3ConnectionError"
    assert "sk-of-the-test" not in f"{error!r} {error} {error.__cause__}"


RUN = """
import asyncio.mixins, contextlib, faulthandler, os, sys, threading
from tests.integration.test_processes import ANSWERS, build_model, call_all_ways
model = build_model(sys.argv[2], sys.argv[1])
# Python's own lock, free at a fork: see `test_processes_of_pools.py`.
asyncio_lock = getattr(asyncio.mixins, "_global_lock", contextlib.nullcontext())
"""


def run_script(script: str, transport: str, server: Loopback) -> None:
    """Run a script with warnings as errors; it must leave nothing on stderr."""
    # forking a process with threads is what is tested; Python 3.12 advises against it
    program = [*STRICT_PYTHON, "-W", "ignore:This process:DeprecationWarning", "-c"]
    command = [*program, RUN + textwrap.dedent(script), transport, server.base_url]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env=paths)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_model_works_in_a_child_when_forked_while_threads_hold_its_limit(transport: str, server: Loopback) -> None:
    """Protects gunicorn and multiprocessing's fork: slots and look-ups of the parent's threads are not the child's."""
    script = """
        model = build_model(sys.argv[2], sys.argv[1], server="auto", max_concurrency=2)
        call_all_ways(model)  # core imports langsmith with the first call: an import under way never ends in a child
        stop, errors = threading.Event(), []

        def work():
            try:
                while not stop.is_set():
                    call_all_ways(model)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                with asyncio_lock:
                    child = os.fork()
                if not child:
                    faulthandler.dump_traceback_later(120, exit=True)  # a hang is what is looked for: where is it?
                    code = 1
                    try:
                        code = 0 if call_all_ways(model) == ANSWERS else 3
                    finally:
                        os._exit(code)
                assert os.waitpid(child, 0)[1] == 0, "the child failed or hung"
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert errors == [], errors
        assert model._in_flight.in_flight == 0
    """
    run_script(script, transport, server)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_process_ends_quietly_when_a_stream_is_still_open(transport: str, server: Loopback) -> None:
    """Protects scripts: a model that was never closed, with a stream kept in a variable, prints nothing at the end."""
    script = """
        stream = model.stream("hi")
        next(stream)
        assert call_all_ways(model) == ANSWERS
    """
    run_script(script, transport, server)


def settle(is_so: Callable[[], bool]) -> None:
    """Wait until it is so; the server sees a closed connection a moment later."""
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_sockets() -> int:
    """Return how many descriptors are open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="descriptors are listed by Linux only")  # noqa: PTH110
@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_nothing_is_left_when_each_call_has_a_loop_of_its_own(runner: Any, model: ChatQwen3) -> None:
    """Protects scripts with `asyncio.run` per call, on asyncio and uvloop: no error, no warning, no open socket."""

    async def acall() -> list[Any]:
        whole = await asyncio.gather(*(model.ainvoke("hi") for _ in range(5)))
        streamed = [chunk.text async for chunk in model.astream("hi")]
        async for _ in model.astream("left after the first chunk"):
            break
        return [*(message.text for message in whole), "".join(streamed)]

    runner(acall())
    before = count_sockets()
    for _ in range(5):
        assert runner(acall()) == ["hello"] * 5 + [STREAMED]
    settle(lambda: count_sockets() <= before)  # the server's ends are this process's, too
    assert model._in_flight.in_flight == 0


def test_every_thread_is_answered_when_twenty_have_loops(model: ChatQwen3) -> None:
    """Protects servers that run one loop per thread, with sync calls between, under one limit."""
    limited = model.model_copy(update={"max_concurrency": 8})
    results: list[Any] = [None] * 20

    def work(at: int) -> None:
        results[at] = call_all_ways(limited)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [ANSWERS] * 20
    assert limited._in_flight.in_flight == 0


async def test_sync_calls_work_when_a_loop_runs_in_this_thread(model: ChatQwen3) -> None:
    """Protects Jupyter: cells await, call synchronously, and do both over one kept loop."""
    for _ in range(3):  # cells
        assert (await asyncio.create_task(model.ainvoke("hi"))).text == "hello"
        assert model.invoke("hi").text == "hello"
        assert "".join(chunk.text for chunk in model.stream("hi")) == STREAMED
        async for chunk in model.astream("hi"):
            assert chunk.text in ("a", "")
            assert model.invoke("inside an async stream").text == "hello"
            break
        assert model.batch(["a", "b"])[1].text == "hello"
    await model.aclose()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_next_loop_works_when_one_was_closed_without_its_generators(
    server: Loopback, model: ChatQwen3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects Streamlit and old tutorials: such a loop may warn, but holds nothing once the next one is used."""
    # What aiohttp frees fails to tell a closed loop. Python shows that error and frees it; pytest's hook keeps it for
    # its report, and with it the frames and the connection. Which is freed first depends on the collector's timing.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)

    async def leave_open() -> str:
        stream = model.astream("hi")
        return (await anext(stream)).text

    model.max_concurrency = 5  # all of them are held by the dead loops
    for _ in range(5):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(leave_open()) == "a"
        loop.close()
    del loop
    gc.collect()
    assert asyncio.run(model.ainvoke("hi")).text == "hello"
    gc.collect()
    settle(lambda: server.open_now == 0)
    assert model._in_flight.in_flight == 0
