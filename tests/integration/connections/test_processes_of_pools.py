"""Shared clients in a process that forks, or ends without closing anything; each in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import textwrap

import pytest

from tests.support.python import STRICT_PYTHON

PRELUDE = """
import atexit
at_exit = lambda: None
atexit.register(lambda: at_exit())  # registered first, so called last
import asyncio.mixins, contextlib, faulthandler, gc, os, sys, threading
import openai
from langchain_qwen3.connections import leases
from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.leases import ClientLease
from langchain_qwen3.connections.sdk import AsyncSdkClient, SdkClient
from langchain_qwen3.connections.settings import PoolSettings
from langchain_qwen3.connections import loops
from langchain_qwen3.connections.transports import aiohttp_transport, httpx_transport

for module in (httpx_transport, aiohttp_transport, loops):
    module.KEEPALIVE_SECONDS = 600.0  # a busy machine may take seconds between two calls

lease = ClientLease(PoolSettings(transport=sys.argv[1]))
settings = dict(api_key="k", base_url=sys.argv[2], max_retries=0, timeout=60)
sync_client = SdkClient(http_client=lease.sync_client, **settings)
async_client = AsyncSdkClient(http_client=lease.async_client, **settings)

def call():
    sync_client.post("/chat/completions", body={}, cast_to=httpx.Response)

async def acall():
    await async_client.post("/chat/completions", body={}, cast_to=httpx.Response)

# The first wait for an asyncio event takes a lock of Python's own (https://github.com/python/cpython/issues/95474).
# A child forked while another thread has it hangs with any client, so it is free at the fork here.
asyncio_lock = getattr(asyncio.mixins, "_global_lock", contextlib.nullcontext())

def in_child(work):
    with asyncio_lock:
        child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(120, exit=True)  # a hang is the failure to be found, and says where it is
        code = 1
        try:
            work()
            gc.collect()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, "the child failed or hung"
"""


def run_script(script, transport, server):
    """Run a script with warnings as errors; it must leave nothing on stderr."""
    # forking a process with threads is what is tested; Python 3.12 advises against it
    program = [*STRICT_PYTHON, "-W", "ignore:This process:DeprecationWarning", "-c"]
    code = PRELUDE + textwrap.dedent(script)
    done = subprocess.run(
        [*program, code, transport, server.base_url],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr  # whole: where a child hung is in it


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_child_works_when_it_is_forked_while_threads_call(transport, server):
    """Locks and imports that other threads are in at the fork stay so in the child: it hung three times of three."""
    script = """
        errors, stop = [], threading.Event()

        def work(one):
            try:
                while not stop.is_set():
                    one()
            except BaseException as error:
                errors.append(error)

        jobs = [call, lambda: asyncio.run(acall())] * 4
        threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                in_child(lambda: (call(), asyncio.run(acall()), call()))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert errors == [], errors
    """
    run_script(script, transport, server)


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_first_calls_import_nothing_when_a_model_exists(transport, server):
    """Protects children forked during a process's first call: they would wait for ever for an import under way."""
    script = """
        from langchain_qwen3 import ChatQwen3

        model = ChatQwen3(model="q", base_url=sys.argv[2], transport=sys.argv[1], server="vllm")
        known = set(sys.modules)

        async def acall_both_ways():
            await model.ainvoke("hi")
            async for _ in model.astream("hi"):
                pass

        model.invoke("hi")
        list(model.stream("hi"))
        asyncio.run(acall_both_ways())
        assert set(sys.modules) == known, set(sys.modules) - known
    """
    run_script(script, transport, server)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_child_works_when_every_lock_is_held_at_the_fork(transport, server):
    """The race of the test above, made certain; and the parent's connection is still its own afterwards."""
    script = """
        async def main():
            await acall()
            call()
            locks = [leases._registry.lock]
            for lock in locks:
                lock.acquire()
            def work():
                thread = threading.Thread(target=lambda: (ClientLease(PoolSettings()), asyncio.run(acall())))
                thread.start()
                call()
                thread.join()
            in_child(work)
            for lock in locks:
                lock.release()
            await acall()
            call()
        asyncio.run(main())
    """
    run_script(script, transport, server)
    assert server.connections == 4  # two of the parent, two of the child
    assert len(server.requests) == 6


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_process_ends_quietly_when_its_loop_was_never_closed(transport, server):
    """IPython keeps one loop for good and closes nothing."""
    script = """
        loop = asyncio.new_event_loop()
        for _ in range(3):
            loop.run_until_complete(acall())
        call()
        import warnings
        warnings.filterwarnings("ignore", "unclosed event loop")  # the loop is not ours to close
        assert "no loop" not in repr(lease)
        assert "[1 idle" in repr(lease)
        def at_exit():
            assert "no loop" in repr(lease)
            assert "[0 idle" in repr(lease)
    """
    run_script(script, transport, server)
    assert server.connections == 2


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_running_loop_serves_plain_awaits_and_sync_calls(transport, server):
    """Jupyter: each cell is a task of one running loop, and a sync call blocks it."""
    script = """
        async def notebook():
            for cell in range(3):
                await asyncio.create_task(acall())
                call()
        asyncio.run(notebook())
        lease.close()
    """
    run_script(script, transport, server)
    assert server.connections == 2
