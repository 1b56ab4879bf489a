"""A call carried to the server and its reply's bytes carried back: the only module that waits for the network.

The SDK's low-level `post` keeps its authentication, retries, timeouts and error classes; its request transform and
response models are left out, which is where most of ChatOpenAI's time goes. Sync and async differ in `await` alone.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import openai
from openai._models import FinalRequestOptions  # what `post` hands to `request`, which takes nothing else

from langchain_qwen3.errors import StreamStallError
from langchain_qwen3.pools import BODY, http
from langchain_qwen3.stream import StreamReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_qwen3.request import Call

# The SDK's client is Any here: its overloads know no payload that is a plain dict.
PATH = "/chat/completions"
_DRAIN_SECONDS = 0.1
_OPTIONS = FinalRequestOptions.construct(method="post", url=PATH)


def post(client: Any, call: Call) -> Any:
    """Send a call and return the whole HTTP response, read to its end."""
    return client.request(http.Response, _build_options(call))


async def apost(client: Any, call: Call) -> Any:
    """Do what `post` does."""
    return await client.request(http.Response, _build_options(call))


def _build_options(call: Call) -> FinalRequestOptions:
    """Return what the SDK's `post` would make of a call, without validating eleven defaults each time."""
    if call.options:
        return FinalRequestOptions.construct(method="post", url=PATH, json_data=call.payload, **call.options)
    return _OPTIONS.model_copy(update={"json_data": call.payload})


@contextmanager
def open_stream(client: Any, call: Call, reader: StreamReader, stall: float | None) -> Iterator[Iterator[bytes]]:
    """Send a call and give its reply's bytes as they come; the connection is given back at the end of the block.

    Args:
        client: The SDK's client.
        call: What to send.
        reader: Told of the headers, asked whether the reply has begun and ended.
        stall: Seconds without a byte after the reply began that count as a stall; None or 0 for no limit.
    """
    response = client.request(
        http.Response,
        _build_options(call),
        stream=True,
        stream_cls=openai.Stream[Any],
    )
    reader.begin(response)
    try:
        pieces = _read_pieces(response, reader, stall)
        yield pieces
        if reader.done:
            _drain(response, pieces)
    finally:
        response.close()


@asynccontextmanager
async def aopen_stream(
    client: Any, call: Call, reader: StreamReader, stall: float | None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Do what `open_stream` does."""
    response: Any = await client.request(
        http.Response,
        _build_options(call),
        stream=True,
        stream_cls=openai.AsyncStream[Any],
    )
    reader.begin(response)
    try:
        pieces = _aread_pieces(response, reader, stall)
        yield pieces
        if reader.done:
            await _adrain(pieces)
    finally:
        await response.aclose()


def _read_pieces(response: Any, reader: StreamReader, stall: float | None) -> Iterator[bytes]:
    watch = _SyncWatch(response, stall) if stall else None
    try:
        for data in _find_body(response) or response.iter_bytes():
            if watch is not None:
                watch.since = None  # the caller has the word
            yield data
            if watch is not None and reader.first_token_at is not None:
                watch.since = monotonic()
                if watch.idle:
                    watch.start()
    except Exception as error:
        if watch and watch.fired:
            raise _build_stall(watch.limit) from None
        if not reader.ended:
            _name_request(error, response)
            raise
    finally:
        if watch:
            watch.stop()


async def _aread_pieces(response: Any, reader: StreamReader, stall: float | None) -> AsyncIterator[bytes]:
    watch = _AsyncWatch(stall) if stall else None
    try:
        async for data in _find_body(response) or response.aiter_bytes():
            if watch is not None:
                watch.since = None  # the caller has the word
            yield data
            if watch is not None and reader.first_token_at is not None:
                watch.since = monotonic()
                if watch.idle:
                    watch.start()
    except asyncio.CancelledError:
        if watch and watch.absorb():
            raise _build_stall(watch.limit) from None
        raise
    except Exception as error:
        if not reader.ended:
            _name_request(error, response)
            raise
    finally:
        if watch:
            watch.stop()


def _find_body(response: Any) -> Any:
    """Return the body as our own transports give it, past three generators of httpx's that only pass it on.

    Returns:
        None for an encoded one, and where the http client is a user's own.
    """
    return None if "content-encoding" in response.headers else response.extensions.get(BODY)


def _name_request(error: Exception, response: Any) -> None:
    """Say whose error it is, as httpx does for a body that is read through it."""
    if isinstance(error, http.RequestError):
        error.request = response.request


def _build_stall(limit: float) -> StreamStallError:
    return StreamStallError(f"the stream stalled: nothing arrived for {limit:g} s (stream_chunk_timeout)")


def _drain(response: Any, pieces: Iterator[bytes]) -> None:
    """Read what follows `[DONE]`, or the connection could not be used again; at most for a moment."""
    watch = _SyncWatch(response, _DRAIN_SECONDS)
    watch.since = monotonic()
    watch.start()
    with suppress(Exception):
        for _ in pieces:
            pass
    watch.stop()


async def _adrain(pieces: AsyncIterator[bytes]) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass


class _AsyncWatch:
    """Cancels the task that waits for bytes when none come for too long: one timer a stream, nothing a chunk.

    Attributes:
        since: Since when the task has waited; None while the caller has the word.
        idle: True until `start`.
        fired: True once the wait was too long.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.since: float | None = None
        self.idle = True
        self.fired = False
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the running task."""
        self.idle = False
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(self.limit, self._check)

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def absorb(self) -> bool:
        """Return whether a cancellation was ours, and take it back."""
        if self.fired and self._task is not None:
            self._task.uncancel()
        return self.fired

    def _check(self) -> None:
        left = self.limit if self.since is None else self.since + self.limit - monotonic()
        if left <= 0 and self._task is not None:
            self.fired = True
            self._task.cancel()
        else:
            self._timer = self._loop.call_later(left, self._check)


class _SyncWatch:
    """Shuts the socket that a thread reads from when no bytes come for too long.

    It stops before the response is closed: from then on the connection may serve another thread's request.

    Attributes:
        since, idle, fired: As `_AsyncWatch` has them.
    """

    def __init__(self, response: Any, limit: float) -> None:
        self.limit = limit
        self.since: float | None = None
        self.idle = True
        self.fired = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        stream = response.extensions.get("network_stream")
        self._socket: Any = stream.get_extra_info("socket") if stream is not None else None
        close = response.close

        def stop_and_close() -> None:
            vars(response).pop("close", None)
            self.stop()
            close()

        response.close = stop_and_close

    def start(self) -> None:
        """Watch the thread that reads."""
        self.idle = False
        if self._socket is not None:
            threading.Thread(target=self._run, name="qwen3-stall-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        with self._lock:
            self._ended.set()

    def _run(self) -> None:
        wait = self.limit
        while not self._ended.wait(wait):
            since = self.since
            wait = self.limit if since is None else since + self.limit - monotonic()
            if wait <= 0:
                with self._lock, suppress(OSError):
                    if not self._ended.is_set():
                        self.fired = True
                        self._socket.shutdown(2)
                return
