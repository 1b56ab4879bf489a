"""Sends a call and returns its reply's bytes: the only module that waits for the network.

The SDK's low-level `post` keeps its authentication, retries, timeouts and error classes. Its request transform and
response models are skipped: most of ChatOpenAI's time goes there. Sync and async differ only in `await`.
"""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai

from langchain_qwen3._httpx import httpx
from langchain_qwen3._visible import join_halves
from langchain_qwen3._warnings import warn_once
from langchain_qwen3.call import find_foreign
from langchain_qwen3.connections.sdk import post_payload
from langchain_qwen3.connections.settings import check_headers, read_timeout
from langchain_qwen3.connections.stall import Reader, Watch
from langchain_qwen3.connections.transports.shared import BODY
from langchain_qwen3.errors import StreamStallError
from langchain_qwen3.errors.redirects import refuse_redirected
from langchain_qwen3.servers.address import CHAT_PATH
from langchain_qwen3.servers.facts import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_qwen3.call import Call

# The SDK's client is Any in this module: its overloads do not accept a plain dict as payload.

_DRAIN_SECONDS = 0.1
_DRAINED: Any = SimpleNamespace(progress=1, ended=False)  # no chunks follow `[DONE]`: any wait may be too long


def fetch_json(client: Any, path: str, body: Any = None, *, seconds: Any = openai.NOT_GIVEN) -> Answer:
    """Get a path, or post to it, once and without retries; return the answer, whatever its status.

    Args:
        client: The SDK's client.
        path: A path below the base URL, or a full URL.
        body: A JSON object to post; None to get the path.
        seconds: Time limit of each step, None for no limit; by default the client's own.

    Raises:
        openai.APIConnectionError: No answer came; includes its subclass `openai.APITimeoutError`.
    """
    try:
        send = client.get if body is None else partial(client.post, body=body)
        return _read_answer(send(path, **_send_once(seconds)))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


async def afetch_json(client: Any, path: str, *, seconds: Any = openai.NOT_GIVEN) -> Answer:
    """Do what `fetch_json` does."""
    try:
        return _read_answer(await client.get(path, **_send_once(seconds)))
    except openai.APIStatusError as error:
        return _read_answer(error.response, error)


def _send_once(seconds: Any) -> dict[str, Any]:
    return {"cast_to": httpx.Response, "options": {"max_retries": 0, "timeout": seconds}}


def _read_answer(response: Any, error: openai.APIStatusError | None = None) -> Answer:
    body = None
    with suppress(ValueError, RecursionError):
        body = response.json()
    return Answer(response.status_code, response.headers, body, response, error)


def post(client: Any, call: Call, **stream: Any) -> Any:
    """Send a call, again without each field of ours that the server refuses by name; a stream with the SDK's arguments.

    Returns:
        The HTTP response, read to its end unless it is a stream.

    Raises:
        ValueError: The call's timeout or one of its headers is invalid, or the payload holds NaN or an infinity.
        Qwen3StatusError: The server's redirect would turn the POST into a GET.
        TypeError: The payload holds a value that JSON cannot; the text names it.
        openai.APIError: As raised by the SDK.
    """
    with closing(_Attempts(call)) as attempts:
        while True:
            payload, options = attempts.build()
            try:
                return refuse_redirected(post_payload(client, CHAT_PATH, payload, options, **stream))
            except (openai.APIStatusError, TypeError, ValueError) as error:
                attempts.amend(error)


async def apost(client: Any, call: Call, **stream: Any) -> Any:
    """Do what `post` does."""
    with closing(_Attempts(call)) as attempts:
        while True:
            payload, options = attempts.build()
            try:
                return refuse_redirected(await post_payload(client, CHAT_PATH, payload, options, **stream))
            except (openai.APIStatusError, TypeError, ValueError) as error:
                attempts.amend(error)


class _Attempts:
    """A call, and what is left of it after each refusal."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._lesson = call.lesson

    def build(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return payload and options of the next attempt."""
        options = self._call.options
        if "timeout" in options:
            options = {**options, "timeout": read_timeout(options["timeout"])}
        if "headers" in options:
            check_headers(options["headers"], "extra_headers")
        return self._call.payload, options

    def amend(self, error: Exception) -> None:
        """Change what the error is about; raise where nothing of ours is to blame."""
        match error:
            case openai.APIStatusError():
                self._leave_out(error)
            case UnicodeEncodeError():
                self._join_halves(error)
            case _:
                if foreign := find_foreign(self._call.payload):  # the encoder's error names only its type
                    raise foreign from None
                raise error

    def _leave_out(self, error: openai.APIStatusError) -> None:
        refuse_redirected(error.response)
        sent = self._call.payload
        amended = self._lesson and self._lesson.amend(error.status_code, error.body or error.response.text, sent)
        if not amended:
            raise error
        self._call = amended

    def _join_halves(self, error: UnicodeEncodeError) -> None:
        """Make the payload valid UTF-8.

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


class OpenStream:
    """Sends a call; the block of its `with` or `async with` gets its reply's bytes as they arrive.

    The end of the block releases the connection. No generator: at the end of its event loop, a stream's generators are
    closed in any order.

    Args:
        client: The SDK's client.
        call: What to send.
        reader: Receives the response, and reports the reply's progress.
        stall: Seconds without a chunk, after the first one, that count as a stall; None or 0 for no limit.

    Raises:
        StreamStallError: The stream stalled. Otherwise as `post`.
    """

    def __init__(self, client: Any, call: Call, reader: Reader, stall: float | None) -> None:
        self._sending = client, call
        self._reader = reader
        self._stall = stall

    def __enter__(self) -> Iterator[bytes]:
        response: Any = post(*self._sending, stream=True, stream_cls=openai.Stream[Any])
        pieces: Iterator[bytes] = iter(response.extensions.get(BODY) or response.iter_bytes())
        self._begin(response, pieces)
        return pieces

    async def __aenter__(self) -> AsyncIterator[bytes]:
        response: Any = await apost(*self._sending, stream=True, stream_cls=openai.AsyncStream[Any])
        pieces: AsyncIterator[bytes] = aiter(response.extensions.get(BODY) or response.aiter_bytes())
        self._begin(response, pieces)
        return pieces

    def _begin(self, response: Any, pieces: Any) -> None:
        self._reader.begin(response)
        self._response, self._pieces = response, pieces
        self._watch = Watch(self._stall, pieces, self._reader, response)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        is_over = self._is_over(error)
        self._watch.stop()
        try:
            if error is None and self._reader.done:
                self._drain()
        finally:
            self._response.close()
        return is_over and self._check_stall()

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        is_over = self._is_over(error)
        self._watch.stop()
        try:
            if error is None and self._reader.done:
                await self._adrain()
        finally:
            await self._response.aclose()
        return is_over and self._check_stall()

    def _is_over(self, error: BaseException | None) -> bool:
        """Return whether the reply is over: no error, or one after its end, or because the watch closed it."""
        # A generator that raised has no frame: then the body failed, not the caller.
        pieces = self._pieces
        is_broken = (pieces.ag_frame if hasattr(pieces, "ag_frame") else pieces.gi_frame) is None
        if error is None or (is_broken and isinstance(error, Exception) and (self._reader.ended or self._watch.fired)):
            return True
        if is_broken and isinstance(error, httpx.RequestError):
            error.request = self._response.request  # as httpx does for a body read through it
        return False

    def _check_stall(self) -> bool:
        if self._watch.fired and not self._reader.ended:
            limit = self._watch.limit
            raise StreamStallError(f"the stream stalled: no chunk came for {limit:g} s (stream_chunk_timeout)")
        return True

    def _drain(self) -> None:
        """Read the rest after `[DONE]` so that the connection can be reused; at most for a moment."""
        watch = Watch(_DRAIN_SECONDS, self._pieces, _DRAINED, self._response)
        with suppress(Exception):
            for _ in self._pieces:
                pass
        watch.stop()

    async def _adrain(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in self._pieces:
                    pass
