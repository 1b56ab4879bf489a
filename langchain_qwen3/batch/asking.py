"""Sends one row: the call, its retries, and the handling of a server outage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import openai
from langchain_core.messages import BaseMessage, SystemMessage, convert_to_messages
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from langchain_qwen3.batch.pace import MOST, Pace
from langchain_qwen3.batch.results import Result, build_failure, build_result
from langchain_qwen3.batch.rows import Row, RowError
from langchain_qwen3.errors import (
    Qwen3AuthenticationError,
    Qwen3ConnectionError,
    Qwen3Error,
    Qwen3ModelNotFoundError,
    Qwen3PermissionDeniedError,
    Qwen3RateLimitError,
    Qwen3RequestTimeoutError,
    Qwen3ServerError,
    Qwen3TimeoutError,
)

if TYPE_CHECKING:
    from langchain_qwen3.chat_model import ChatQwen3

_UNAVAILABLE = 503
_GATEWAY = frozenset({502, 503, 504})
_LONGEST_WAIT, _LONGEST_WISH = 30.0, 120.0
"""Maximum seconds between two tries of a row: by our own backoff, and by the server's Retry-After."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two probes of an unreachable server."""
_PROBE_SECONDS = 10.0
_MOST_FAILURES = 50
_REFUSALS = (Qwen3RateLimitError, Qwen3RequestTimeoutError, Qwen3TimeoutError)
# Errors that are not the row's fault: if every row gets one, continuing would only turn rows into failures.
_EVERYBODYS = (
    Qwen3AuthenticationError,
    Qwen3ConnectionError,
    Qwen3ModelNotFoundError,
    Qwen3PermissionDeniedError,
    Qwen3RateLimitError,
    Qwen3ServerError,
    Qwen3TimeoutError,
)


class BatchStoppedError(RuntimeError):
    """The server no longer answers any row; rows without a result stay open for the next run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Options for sending rows.

    Attributes:
        concurrency: Requests in flight; None finds the server's best number.
        retries: Further tries of a row after a retryable error.
        patience: Seconds to wait for an unreachable server before the run is stopped.
        system: System message for rows that have none.
        schema: JSON schema of the answers.
        settings: Settings of every call; a row's own settings take precedence.
        rows_name_model: Whether a `model` in a row overrides the batch's model.
    """

    concurrency: int | None = None
    retries: int = 4
    patience: float = 600.0
    system: str | None = None
    schema: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows_name_model: bool = True


class Asker:
    """Sends rows to one model; it can be pickled, and its copy finds the best concurrency again.

    Args:
        llm: The model. Its own retries are disabled: each try must pass the gate, and refusals set the pace.
        asking: The options.
        most: Maximum requests in flight if the concurrency is not fixed.
    """

    def __init__(self, llm: ChatQwen3, asking: Asking, most: int = MOST) -> None:
        self._parts = (llm, asking, most)
        self._asking = asking
        self._llm = llm.model_copy(update={"max_retries": 0})
        self._chain: Any = self._llm
        if asking.schema is not None:
            self._chain = self._llm.with_structured_output(dict(asking.schema), include_raw=True)
        self.pace = Pace(asking.concurrency, min(most, llm.max_concurrency or most))
        self._wait = wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)
        self._answered_at = -1.0  # the clock may start at 0
        self._failures = 0  # failures in a row that are not the row's fault
        self._outage = asyncio.Lock()

    def __reduce__(self) -> tuple[type[Asker], tuple[ChatQwen3, Asking, int]]:
        return Asker, self._parts

    async def ask(self, row: Row) -> Result:
        """Return the result of a row; the row's own failure is a result too.

        Raises:
            BatchStoppedError: The server is unreachable, or refuses all rows.
        """
        if row.problem:
            return build_failure(row, RowError(row.problem), 0.0, 0)
        attempt = _Attempt()
        try:
            reply = await self._try_again(self._build_messages(row), self._build_settings(row), attempt)
        except BatchStoppedError:
            raise
        except Exception as error:  # noqa: BLE001  # any error fails only its own row
            self._count_failure(error)
            return build_failure(row, error, attempt.seconds, attempt.number)
        self._failures = 0
        return build_result(row, reply, attempt.seconds, attempt.number)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._llm.aclose()

    def _build_messages(self, row: Row) -> list[BaseMessage]:
        try:
            messages = convert_to_messages(row.messages)
        except (ValueError, NotImplementedError, TypeError) as error:
            raise RowError(f"line {row.line}: messages cannot be read: {error}") from error
        if self._asking.system and not isinstance(messages[0], SystemMessage):
            messages.insert(0, SystemMessage(self._asking.system))
        return messages

    def _build_settings(self, row: Row) -> dict[str, Any]:
        settings = {**self._asking.settings, **row.settings}
        if not self._asking.rows_name_model:
            settings.pop("model", None)
        return settings

    async def _try_again(self, messages: list[BaseMessage], settings: dict[str, Any], attempt: _Attempt) -> Any:
        """Try until there is an answer, a permanent error, or no try left."""
        try:
            return await self._try(messages, settings, attempt)
        except Qwen3Error as error:
            failed: Qwen3Error | None = error

        async def go_on() -> Any:
            nonlocal failed
            if failed is not None:  # the first try ran without tenacity, which costs as much as the rest of a row
                error, failed = failed, None
                raise error
            return await self._try(messages, settings, attempt)

        retrying: Any = AsyncRetrying(
            retry=retry_if_exception(_is_retryable),
            stop=stop_after_attempt(self._asking.retries + 1),
            wait=self._choose_wait,
            reraise=True,
        )
        return await retrying(go_on)

    async def _try(self, messages: list[BaseMessage], settings: Mapping[str, Any], attempt: _Attempt) -> Any:
        """Try once; if the server is unreachable, wait until it is back before raising."""
        try:
            return await self._call(messages, settings, attempt)
        except Qwen3Error as error:
            if _is_away(error):
                await self._wait_for_server(error)
            raise

    async def _call(self, messages: list[BaseMessage], settings: Mapping[str, Any], attempt: _Attempt) -> Any:
        await self.pace.enter()
        attempt.number += 1
        attempt.started_at = perf_counter()
        try:
            reply = await self._chain.ainvoke(messages, **settings)
            self.pace.add_reply(_count_tokens(reply))
        except Qwen3Error as error:
            if isinstance(error, _REFUSALS) or getattr(error, "status_code", None) == _UNAVAILABLE:
                self.pace.add_refusal(error.retry_after)
            raise
        else:
            self._answered_at = monotonic()
            return reply
        finally:
            attempt.seconds = perf_counter() - attempt.started_at
            self.pace.leave()

    async def _wait_for_server(self, error: Qwen3Error) -> None:
        """Wait until the server is back; one row probes it, the others wait for that row.

        Raises:
            BatchStoppedError: The server did not come back in time.
        """
        failed_at = monotonic()
        async with self._outage:
            pause = _FIRST_PAUSE
            while self._answered_at < failed_at and not await self._is_there():
                if monotonic() + pause > failed_at + self._asking.patience:
                    raise BatchStoppedError(
                        f"the server has been away for {self._asking.patience:g} s, the run is stopped: {error}\n"
                        "Start the same line again when it is back: rows without a result are asked then."
                    ) from error
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _is_there(self) -> bool:
        """Probe with the list of models, which needs no free engine; if the server is down, a gateway may answer."""
        try:
            await self._llm.root_async_client.models.list(timeout=_PROBE_SECONDS)
        except openai.APIConnectionError:
            return False
        except openai.APIStatusError as error:
            if error.status_code in _GATEWAY:
                return False
        except (openai.OpenAIError, ValueError, TypeError):
            pass  # it answered, with a list in another format
        self._answered_at = monotonic()
        return True

    def _count_failure(self, error: Exception) -> None:
        """Stop the run if all rows fail for the same kind of reason.

        Raises:
            BatchStoppedError: Too many rows in a row failed.
        """
        self._failures = self._failures + 1 if isinstance(error, _EVERYBODYS) else 0
        if self._failures > _MOST_FAILURES:
            raise BatchStoppedError(
                f"{self._failures} rows one after another failed, the run is stopped: {error}\n"
                "Mend the cause, then start the same line again with --retry-failed."
            ) from error

    def _choose_wait(self, state: RetryCallState) -> float:
        wished = getattr(state.outcome and state.outcome.exception(), "retry_after", None) or 0.0
        return max(self._wait(state), min(wished, _LONGEST_WISH))


@dataclass(slots=True)
class _Attempt:
    """The last try of a row: its number and its duration."""

    number: int = 0
    started_at: float = 0.0
    seconds: float = 0.0


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, Qwen3Error) and bool(error.is_retryable)


def _is_away(error: Qwen3Error) -> bool:
    return isinstance(error, Qwen3ConnectionError) or getattr(error, "status_code", None) in _GATEWAY


def _count_tokens(reply: Any) -> int:
    message = reply["raw"] if isinstance(reply, dict) else reply
    return message.usage_metadata["output_tokens"] if message.usage_metadata else 0
