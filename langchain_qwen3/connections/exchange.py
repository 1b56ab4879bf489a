"""Sends a call and returns its reply's bytes: the only module that waits for the network.

The SDK's low-level `post` keeps its authentication, retries, timeouts and error classes. Its request transform and
response models are skipped: most of ChatOpenAI's time goes there. Sync and async differ only in `await`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import openai

from langchain_qwen3._httpx import httpx
from langchain_qwen3._visible import join_halves
from langchain_qwen3._warnings import warn_once
from langchain_qwen3.connections.settings import check_headers, read_timeout
from langchain_qwen3.connections.stall import AsyncWatch, Progress, SyncWatch
from langchain_qwen3.connections.transports.httpx_transport import BODY
from langchain_qwen3.errors import Qwen3StatusError, StreamStallError
from langchain_qwen3.errors.secrets import clean_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from langchain_qwen3.call import Call
    from langchain_qwen3.servers.refusals import Lesson

    Learn = Callable[[], Lesson[Call] | None]

# The SDK's client is Any here: its overloads do not accept a plain dict as payload.
PATH = "/chat/completions"
_DRAIN_SECONDS = 0.1
_MAX_TARGET = 200
_DRAINED = SimpleNamespace(progress=1, ended=False)  # no chunks follow `[DONE]`: any wait may be too long
_TURNED_INTO_GET = frozenset({301, 302, 303})
_FOLLOWED = frozenset({307, 308})


class Answer(NamedTuple):
    """The answer from a path other than chat completions.

    Attributes:
        status: HTTP status.
        headers: Response headers, their names case-insensitive.
        body: The parsed JSON, None if it is not JSON.
        response: The whole HTTP response.
        error: The SDK's exception for an error status, else None.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    response: Any
    error: openai.APIStatusError | None = None


class Reader(Progress, Protocol):
    """A stream's reader."""

    @property
    def done(self) -> bool:
        """Whether the stream is complete: `[DONE]` or its equivalent was read."""

    def begin(self, response: Any) -> None:
        """Receive the response before its body."""


def get_json(client: Any, path: str, *, seconds: Any = openai.NOT_GIVEN) -> Answer:
    """Get a path once, without retries, and return the answer, whatever its status.

    Args:
        client: The SDK's client.
        path: A path below the base URL, or a full URL.
        seconds: Time limit of each step, None for no limit; by default the client's own.

    Raises:
        openai.APIConnectionError: No answer came; includes its subclass `openai.APITimeoutError`.
    """
    try:
        return _read_answer(client.get(path, cast_to=httpx.Response, options={"max_retries": 0, "timeout": seconds}))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


async def aget_json(client: Any, path: str, *, seconds: Any = openai.NOT_GIVEN) -> Answer:
    """Do what `get_json` does."""
    try:
        return _read_answer(
            await client.get(path, cast_to=httpx.Response, options={"max_retries": 0, "timeout": seconds})
        )
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


def post_json(client: Any, path: str, body: Mapping[str, Any], *, seconds: Any = openai.NOT_GIVEN) -> Answer:
    """Post a JSON body once; otherwise like `get_json`."""
    options = {"max_retries": 0, "timeout": seconds}
    try:
        return _read_answer(client.post(path, cast_to=httpx.Response, body=body, options=options))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


def _read_answer(response: Any, error: openai.APIStatusError | None = None) -> Answer:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    return Answer(response.status_code, response.headers, body, response, error)


def post(client: Any, call: Call, learn: Learn | None = None, **stream: Any) -> Any:
    """Send a call, again without each field of ours that the server refuses by name.

    Args:
        client: The SDK's client.
        call: What to send.
        learn: Starts a lesson when the server refuses the call; None to learn nothing.
        **stream: The SDK's arguments for a stream.

    Returns:
        The HTTP response, read to its end unless it is a stream.

    Raises:
        ValueError: The call's timeout or one of its headers is invalid.
        Qwen3StatusError: The server's redirect would turn the POST into a GET.
        openai.APIError: As raised by the SDK.
    """
    with closing(_Attempts(call, learn)) as attempts:
        while True:
            payload, options = attempts.build()
            try:
                return _refuse_redirected(client.post_payload(PATH, payload, options, **stream))
            except openai.APIStatusError as error:
                attempts.amend(error)
            except UnicodeEncodeError as error:
                attempts.join_halves(error)


async def apost(client: Any, call: Call, learn: Learn | None = None, **stream: Any) -> Any:
    """Do what `post` does."""
    with closing(_Attempts(call, learn)) as attempts:
        while True:
            payload, options = attempts.build()
            try:
                return _refuse_redirected(await client.post_payload(PATH, payload, options, **stream))
            except openai.APIStatusError as error:
                attempts.amend(error)
            except UnicodeEncodeError as error:
                attempts.join_halves(error)


class _Attempts:
    """A call, and what is left of it after each refusal."""

    def __init__(self, call: Call, learn: Learn | None) -> None:
        self._call = call
        self._learn = learn
        self._lesson: Lesson[Call] | None = None

    def build(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return payload and options of the next attempt."""
        options = self._call.options
        if "timeout" in options:
            options = {**options, "timeout": read_timeout(options["timeout"])}
        if "headers" in options:
            check_headers(options["headers"], "extra_headers")
        return self._call.payload, options

    def amend(self, error: openai.APIStatusError) -> None:
        """Leave out what the server refuses; raise the error where that is nothing of ours."""
        _refuse_redirected(error.response)
        self._lesson = self._lesson or (self._learn() if self._learn else None)
        refusal = error.response.text if error.body is None else error.body
        amended = self._lesson and self._lesson.amend(error.status_code, refusal, self._call.payload)
        if not amended:
            raise error
        self._call = amended

    def join_halves(self, error: UnicodeEncodeError) -> None:
        """Make the payload valid UTF-8; raise the error where that changes nothing.

        A tool's output may hold lone surrogates: Python reads file names so that are not UTF-8
        (https://docs.python.org/3/library/os.html#file-names-command-line-arguments-and-environment-variables).
        """
        payload = join_halves(self._call.payload)
        if payload == self._call.payload:
            raise error
        warn_once("a text of the request holds surrogates, which UTF-8 cannot hold: each lone one was sent as U+FFFD")
        self._call = replace(self._call, payload=payload)

    def close(self) -> None:
        """Warn of what was left out."""
        if self._lesson:
            self._lesson.report()


@contextmanager
def open_stream(
    client: Any, call: Call, reader: Reader, stall: float | None, learn: Learn | None = None
) -> Iterator[Iterator[bytes]]:
    """Send a call and yield its reply's bytes as they arrive; the end of the block releases the connection.

    Args:
        client: The SDK's client.
        call: What to send.
        reader: Receives the response, and reports the reply's progress.
        stall: Seconds without a chunk, after the first one, that count as a stall; None or 0 for no limit.
        learn: As in `post`.

    Raises:
        StreamStallError: The stream stalled. Otherwise as `post`.
    """
    response = post(client, call, learn, stream=True, stream_cls=openai.Stream[Any])
    with closing(response):
        reader.begin(response)
        pieces = iter(_find_body(response) or response.iter_bytes())
        watch = SyncWatch(stall, pieces, reader, response)
        try:
            yield pieces
            watch.stop()
            if reader.done:
                _drain(pieces, response)
        except Exception as error:  # noqa: BLE001  # reraised there
            _check_broken(error, pieces, reader, watch, response)
        finally:
            watch.stop()
    _check_stall(reader, watch)


@asynccontextmanager
async def aopen_stream(
    client: Any, call: Call, reader: Reader, stall: float | None, learn: Learn | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Do what `open_stream` does."""
    response: Any = await apost(client, call, learn, stream=True, stream_cls=openai.AsyncStream[Any])
    async with aclosing(response):
        reader.begin(response)
        pieces = aiter(_find_body(response) or response.aiter_bytes())
        watch = AsyncWatch(stall, pieces, reader, response)
        try:
            yield pieces
            if reader.done:
                await _adrain(pieces)
        except Exception as error:  # noqa: BLE001  # reraised there
            _check_broken(error, pieces, reader, watch, response)
        finally:
            watch.stop()
    _check_stall(reader, watch)


def _find_body(response: Any) -> Any:
    """Return the body without three httpx generators around it; None if it is encoded, or the client is a user's."""
    return None if "content-encoding" in response.headers else response.extensions.get(BODY)


def _refuse_redirected(response: Any) -> Any:
    """Raise if a redirect turns the POST into a GET, or was not followed; else return the response."""
    for reply in (*response.history, response):  # only a user's own client turns it into a GET
        if reply.status_code in _TURNED_INTO_GET or (reply is response and reply.status_code in _FOLLOWED):
            error = Qwen3StatusError(f"HTTP {reply.status_code}: {_describe_redirect(reply)}", response=reply)
            error.status_code = reply.status_code
            raise error
    return response


def _describe_redirect(reply: Any) -> str:
    location = reply.headers.get("location")
    if not location:
        return "the server redirects, but does not say where to"
    try:
        target = clean_url(str(reply.request.url.join(location)))
    except (ValueError, httpx.InvalidURL):
        target = clean_url(location)[:_MAX_TARGET]
    if reply.status_code in _FOLLOWED:
        return f"the server redirects to {target}, which leads in a circle or to no HTTP server"
    advice = f"set base_url to {target.removesuffix(PATH)}"
    return f"the server redirects to {target}, which would turn the request into a GET: {advice}"


def _check_broken(error: Exception, pieces: Any, reader: Reader, watch: Any, response: Any) -> None:
    """Reraise an error, unless the body failed after the reply's end or because the watch closed its connection."""
    # A generator that raised has no frame: then the body failed, not the caller.
    is_broken = (pieces.ag_frame if hasattr(pieces, "ag_frame") else pieces.gi_frame) is None
    if is_broken and (reader.ended or watch.fired):
        return
    if is_broken and isinstance(error, httpx.RequestError):
        error.request = response.request  # as httpx does for a body read through it
    raise error


def _check_stall(reader: Reader, watch: Any) -> None:
    if watch.fired and not reader.ended:
        raise StreamStallError(f"the stream stalled: no chunk came for {watch.limit:g} s (stream_chunk_timeout)")


def _drain(pieces: Iterator[bytes], response: Any) -> None:
    """Read the rest after `[DONE]` so that the connection can be reused; at most for a moment."""
    watch = SyncWatch(_DRAIN_SECONDS, pieces, _DRAINED, response)
    with suppress(Exception):
        for _ in pieces:
            pass
    watch.stop()


async def _adrain(pieces: AsyncIterator[bytes]) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass
