"""What stands in for a future between a protocol and the task that reads from it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from langchain_qwen3.connections.transports.waiter import Waiter

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Run a coroutine on each kind of loop."""

    def run(test: Callable[[], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(test())

    return run


def test_task_goes_on_before_wake_returns(run) -> None:
    """That is what it is for: no turn of the loop between bytes and chunk."""

    async def test() -> None:
        seen: list[str] = []
        waiter = Waiter(asyncio.get_running_loop())
        woken = asyncio.get_running_loop().create_future()

        async def read() -> None:
            for number in range(3):
                await waiter.wait()
                seen.append(f"read {number}")

        def receive() -> None:
            for number in range(3):
                waiter.wake()
                seen.append(f"woke {number}")
            woken.set_result(None)

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(receive)
        await woken
        assert seen == ["read 0", "woke 0", "read 1", "woke 1", "read 2", "woke 2"]
        await task

    run(test)


def test_task_goes_on_later_when_another_task_wakes_it(run) -> None:
    """Within a task's step asyncio lets no other run; a wake from there must not be lost, nor raise."""

    async def test() -> None:
        waiter = Waiter(asyncio.get_running_loop())

        async def read() -> str:
            await waiter.wait(10)
            return "read"

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        waiter.wake()
        assert not task.done()
        assert await task == "read"
        waiter.stop()

    run(test)


def test_a_wake_that_nobody_waits_for_is_nothing(run) -> None:
    """Whoever reads looks first and waits then; a wake kept for later would end a wait before its time."""

    async def test() -> None:
        waiter = Waiter(asyncio.get_running_loop())
        waiter.wake()
        with pytest.raises(TimeoutError):
            await waiter.wait(0.01)
        waiter.wake()

    run(test)


def test_each_wait_has_its_own_timeout(run) -> None:
    """One timer serves all waits: a long one must not hide a short one, nor a short one end a long one."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop)
        loop.call_later(0.01, waiter.wake)
        await waiter.wait(600)
        with pytest.raises(TimeoutError):
            await waiter.wait(0.02)
        loop.call_later(0.03, waiter.wake)
        await waiter.wait(0.5)
        loop.call_later(0.03, waiter.wake)
        await waiter.wait(0.04)
        loop.call_later(0.05, waiter.wake)
        await waiter.wait()
        waiter.stop()

    run(test)


def test_cancelled_and_timed_out_tasks_stop_waiting(run) -> None:
    """`asyncio.timeout`, `wait_for` and task groups end a wait by cancellation; a wake after it finds nobody."""

    async def test() -> None:
        waiter = Waiter(asyncio.get_running_loop())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await waiter.wait(600)
        task = asyncio.ensure_future(waiter.wait(600))
        await asyncio.sleep(0)
        task.cancel("enough")
        waiter.wake()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        waiter.stop()

    run(test)


def test_task_keeps_its_context(run) -> None:
    """Tracing finds the parent run in a context variable; the protocol's callback runs in a context of its own."""
    variable = contextvars.ContextVar("variable", default="the protocol's")

    async def test() -> None:
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop)

        async def read() -> str:
            variable.set("the task's")
            await waiter.wait()
            return variable.get()

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        loop.call_soon(waiter.wake, context=contextvars.Context())
        assert await task == "the task's"
        assert variable.get() == "the protocol's"

    run(test)


def test_what_a_task_raises_stays_in_the_task(run) -> None:
    """An error of the reader's must not reach the protocol, which would close the connection for it."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop)
        returned = loop.create_future()

        async def read() -> None:
            await waiter.wait()
            raise RuntimeError("the reader's")

        def receive() -> None:
            waiter.wake()
            returned.set_result("returned")

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        loop.call_soon(receive)
        assert await returned == "returned"
        with pytest.raises(RuntimeError, match="the reader's"):
            await task

    run(test)
