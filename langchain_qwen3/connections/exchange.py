"""A call carried to the server and its reply's bytes carried back: the only module that waits for the network.

The SDK's low-level `post` keeps its authentication, retries, timeouts and error classes; its request transform and
response models are left out, which is where most of ChatOpenAI's time goes. Sync and async differ in `await` alone.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import openai
from openai._models import FinalRequestOptions  # what `post` hands to `request`, which takes nothing else

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.bodies import find_body, name_request
from langchain_qwen3.connections.stall import AsyncWatch, SyncWatch
from langchain_qwen3.errors import StreamStallError
from langchain_qwen3.reply.stream import StreamReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from langchain_qwen3.call import Call
    from langchain_qwen3.servers.refusals import Lesson

    Learn = Callable[[], Lesson[Call] | None]

# The SDK's client is Any here: its overloads know no payload that is a plain dict.
PATH = "/chat/completions"
_DRAIN_SECONDS = 0.1
_OPTIONS = FinalRequestOptions.construct(method="post", url=PATH)


class Answer(NamedTuple):
    """What came back from a path that is no chat completion.

    Attributes:
        status: HTTP status.
        headers: Response headers, their names case-insensitive.
        body: The parsed JSON, None when it was none.
        response: The whole HTTP response.
        error: What the SDK raises for an error status, None for the others.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    response: Any
    error: openai.APIStatusError | None = None


def get_json(client: Any, path: str, *, seconds: float | None = None) -> Answer:
    """Get a path once, without retries, and return whatever answer came.

    Args:
        client: The SDK's client.
        path: Below the base URL, or a whole address.
        seconds: Time limit of each step; None for the client's own.

    Raises:
        openai.APIConnectionError: No answer came; `openai.APITimeoutError` is one.
    """
    try:
        return _read_answer(client.get(path, cast_to=httpx.Response, options=_build_lookup_options(seconds)))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


async def aget_json(client: Any, path: str, *, seconds: float | None = None) -> Answer:
    """Do what `get_json` does."""
    try:
        return _read_answer(await client.get(path, cast_to=httpx.Response, options=_build_lookup_options(seconds)))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


def post_json(client: Any, path: str, body: Mapping[str, Any], *, seconds: float | None = None) -> Answer:
    """Post a JSON body once, as `get_json` gets."""
    options = _build_lookup_options(seconds)
    try:
        return _read_answer(client.post(path, cast_to=httpx.Response, body=body, options=options))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


async def apost_json(client: Any, path: str, body: Mapping[str, Any], *, seconds: float | None = None) -> Answer:
    """Do what `post_json` does."""
    options = _build_lookup_options(seconds)
    try:
        return _read_answer(await client.post(path, cast_to=httpx.Response, body=body, options=options))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


def _build_lookup_options(seconds: float | None) -> dict[str, Any]:
    return {"max_retries": 0} if seconds is None else {"max_retries": 0, "timeout": seconds}


def _read_answer(response: Any, error: openai.APIStatusError | None = None) -> Answer:
    try:
        body = response.json()
    except ValueError:
        body = None
    return Answer(response.status_code, response.headers, body, response, error)


def post(client: Any, call: Call, learn: Learn | None = None) -> Any:
    """Send a call and return the whole HTTP response, read to its end.

    Args:
        client: The SDK's client.
        call: What to send.
        learn: Begins a lesson when the server refuses the call; None where nothing is to be learned.
    """
    return _send(client, call, learn)


async def apost(client: Any, call: Call, learn: Learn | None = None) -> Any:
    """Do what `post` does."""
    return await _asend(client, call, learn)


def _send(client: Any, call: Call, learn: Learn | None, **how: Any) -> Any:
    """Send a call, again without each field of ours that the server refuses by name."""
    lesson = None
    try:
        while True:
            try:
                return client.request(httpx.Response, _build_options(call), **how)
            except openai.APIStatusError as error:
                lesson = lesson or (learn() if learn else None)
                amended = lesson and lesson.amend(error.status_code, _read_refusal(error), call.payload)
                if not amended:
                    raise
                call = amended
    finally:
        if lesson:
            lesson.report()


async def _asend(client: Any, call: Call, learn: Learn | None, **how: Any) -> Any:
    """Do what `_send` does."""
    lesson = None
    try:
        while True:
            try:
                return await client.request(httpx.Response, _build_options(call), **how)
            except openai.APIStatusError as error:
                lesson = lesson or (learn() if learn else None)
                amended = lesson and lesson.amend(error.status_code, _read_refusal(error), call.payload)
                if not amended:
                    raise
                call = amended
    finally:
        if lesson:
            lesson.report()


def _read_refusal(error: openai.APIStatusError) -> Any:
    return error.response.text if error.body is None else error.body


def _build_options(call: Call) -> FinalRequestOptions:
    """Return what the SDK's `post` would make of a call, without validating eleven defaults each time."""
    if call.options:
        return FinalRequestOptions.construct(method="post", url=PATH, json_data=call.payload, **call.options)
    return _OPTIONS.model_copy(update={"json_data": call.payload})


@contextmanager
def open_stream(
    client: Any, call: Call, reader: StreamReader, stall: float | None, learn: Learn | None = None
) -> Iterator[Iterator[bytes]]:
    """Send a call and give its reply's bytes as they come; the connection is given back at the end of the block.

    Args:
        client: The SDK's client.
        call: What to send.
        reader: Told of the headers, asked whether the reply has begun and ended. What breaks after its end is no error.
        stall: Seconds without a byte after the reply began that count as a stall; None or 0 for no limit.
        learn: As in `post`.
    """
    response = _send(client, call, learn, stream=True, stream_cls=openai.Stream[Any])
    with closing(response):
        reader.begin(response)
        pieces = iter(find_body(response) or response.iter_bytes())
        watch = SyncWatch(stall, lambda: _get_wait(pieces, reader), response) if stall else None
        try:
            yield pieces
            if watch:
                watch.stop()
            if reader.done:
                _drain(response, pieces)
        except Exception as error:
            if not _has_broken(pieces):
                raise
            if not (reader.ended or (watch and watch.fired)):
                name_request(error, response)
                raise
    if watch and watch.fired:
        raise _build_stall(watch.limit)


@asynccontextmanager
async def aopen_stream(
    client: Any, call: Call, reader: StreamReader, stall: float | None, learn: Learn | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Do what `open_stream` does."""
    response: Any = await _asend(client, call, learn, stream=True, stream_cls=openai.AsyncStream[Any])
    async with aclosing(response):
        reader.begin(response)
        pieces = aiter(find_body(response) or response.aiter_bytes())
        watch = AsyncWatch(stall, lambda: _get_wait(pieces, reader)) if stall else None
        try:
            yield pieces
            if watch:
                watch.stop()
            if reader.done:
                await _adrain(pieces)
        except asyncio.CancelledError:
            if not (watch and watch.absorb()):
                raise
        except Exception as error:
            if not _has_broken(pieces):
                raise
            if not reader.ended:
                name_request(error, response)
                raise
        finally:
            if watch:
                watch.stop()
    if watch and watch.fired:
        raise _build_stall(watch.limit)


def _get_wait(pieces: Any, reader: StreamReader) -> int | None:
    """Return which piece of a reply that has begun is waited for now; None while the caller has the word."""
    is_waited_for = pieces.ag_running if hasattr(pieces, "ag_running") else pieces.gi_running
    return reader.pieces if is_waited_for and reader.first_token_at is not None else None


def _has_broken(pieces: Any) -> bool:
    """Tell whether the body raised, and not one who reads it: a generator that raised has no frame."""
    return (pieces.ag_frame if hasattr(pieces, "ag_frame") else pieces.gi_frame) is None


def _build_stall(limit: float) -> StreamStallError:
    return StreamStallError(f"the stream stalled: nothing arrived for {limit:g} s (stream_chunk_timeout)")


def _drain(response: Any, pieces: Iterator[bytes]) -> None:
    """Read what follows `[DONE]`, or the connection could not be used again; at most for a moment."""
    watch = SyncWatch(_DRAIN_SECONDS, lambda: "rest", response)
    with suppress(Exception):
        for _ in pieces:
            pass
    watch.stop()


async def _adrain(pieces: AsyncIterator[bytes]) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass
