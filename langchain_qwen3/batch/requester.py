"""From a row to its result: the call, its retries, and the wait for a server that is down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import openai
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.retry import RunnableRetry
from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass as validated
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from langchain_qwen3.batch.pace import MAX_IN_FLIGHT, Pace
from langchain_qwen3.batch.results import Result, build_result
from langchain_qwen3.batch.rows import Row, RowError, is_system
from langchain_qwen3.batch.schema import check_schema
from langchain_qwen3.call import check_type, name_type
from langchain_qwen3.connections.exchange import afetch_json
from langchain_qwen3.errors import (
    BadReplyError,
    Qwen3ConnectionError,
    Qwen3ContextOverflowError,
    Qwen3Error,
    Qwen3InvalidRequestError,
    Qwen3RateLimitError,
    Qwen3RequestTimeoutError,
    Qwen3TimeoutError,
    Qwen3UnprocessableEntityError,
    ToolChoiceError,
)
from langchain_qwen3.reply.ending import is_given_up

if TYPE_CHECKING:
    from langchain_qwen3.chat_model import ChatQwen3

_UNAVAILABLE, _TOO_LARGE = 503, 413
# 520 to 530 are Cloudflare's (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/).
_GATEWAY_STATUSES = frozenset({502, 503, 504, *range(520, 531)})
_MAX_BACKOFF, _MAX_RETRY_AFTER = 30.0, 120.0
"""Seconds between two tries of a row: of our own backoff, and of the server's `Retry-After`."""
_FIRST_PROBE_PAUSE, _MAX_PROBE_PAUSE = 0.5, 15.0
"""Seconds between two probes of a server that is down."""
_PROBE_TIMEOUT = 10.0
_MAX_FAILURES = 50
_TIMEOUTS = (Qwen3RequestTimeoutError, Qwen3TimeoutError)
# Errors that a row itself may cause. When every row gets one of any other kind, the run had better stop.
_ROW_ERRORS = (Qwen3ContextOverflowError, Qwen3InvalidRequestError, Qwen3UnprocessableEntityError, ToolChoiceError)


class BatchStoppedError(RuntimeError):
    """The server answers no request any more. Rows without a result stay open for the next run."""


@validated(frozen=True, slots=True, kw_only=True, config=ConfigDict(strict=True))
class BatchOptions:
    """How rows are sent to the model.

    Attributes:
        concurrency: Requests in flight; None finds the best number while the batch runs.
        retries: Further tries of a row after an error that may pass.
        patience: Seconds to wait for a server that is down before the run stops.
        system: System message of rows that have none.
        schema: JSON schema of the answers.
        settings: Keyword arguments of every call; those of a row win.
        use_row_model: Whether the `model` of a row wins over that of the chat model.

    Raises:
        ValidationError: An option is of another type or out of its range; a ValueError.
    """

    concurrency: int | None = Field(default=None, ge=1)
    retries: int = Field(default=4, ge=0)
    patience: float = Field(default=600.0, ge=0)
    system: str | None = None
    schema: Annotated[Mapping[str, Any], AfterValidator(check_schema)] | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)
    use_row_model: bool = True


class Requester:
    """Sends rows to one model. A pickled copy measures its own pace where it is loaded.

    Args:
        llm: The model, also with bound settings. Its own retries are switched off: every try must pass the gate, and
            count for the pace.
        options: How rows are sent.

    Raises:
        TypeError: An argument is of another type.
        ValueError: No call can have these options, as far as the server is known.
    """

    def __init__(self, llm: ChatQwen3, options: BatchOptions) -> None:
        check_type("llm", llm, Runnable, "a ChatQwen3")
        check_type("options", options, BatchOptions, "BatchOptions(...), or None")
        self._args = (llm, options)
        self._options = options
        self._llm: Any = _switch_off_retries(llm)
        bound = getattr(self._llm, "kwargs", {})
        if (number := {"n": self._llm.n, **bound, **options.settings}["n"] or 1) != 1:
            raise ValueError(f"n is {number!r}: a row has one answer; write one row per answer")
        self._chain: Any = self._llm
        if options.schema is not None:
            self._chain = self._llm.with_structured_output(dict(options.schema), include_raw=True)
            # What the server's form of the request excludes would fail in every row.
            self._llm._get_request_payload("", **self._chain.first.kwargs)  # noqa: SLF001  # LangChain's own hook, pure
        self.pace = Pace(options.concurrency, min(MAX_IN_FLIGHT, self._llm.max_concurrency or MAX_IN_FLIGHT))
        self._backoff = wait_random_exponential(multiplier=0.5, max=_MAX_BACKOFF)
        self._last_answer_at = -1.0  # a clock may begin at 0
        self._failures = 0  # consecutive ones that are no row's own
        self._outage = asyncio.Lock()

    def __reduce__(self) -> tuple[type[Requester], tuple[ChatQwen3, BatchOptions]]:
        return Requester, self._args

    async def process(self, row: Row) -> Result:
        """Return the result of a row: an answer, or its failure.

        Raises:
            BatchStoppedError: The server is down, or refuses every request.
        """
        attempt = _Attempt()
        try:
            outcome = await self._call_with_retries(self._build_messages(row), self._build_settings(row), attempt)
            self._failures = 0
        except BatchStoppedError:
            raise
        except Exception as error:  # noqa: BLE001  # a row's failure is a result; the other rows go on
            self._count_failure(error)
            outcome = error
        return build_result(row, outcome, attempt.seconds, attempt.number)

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._llm.aclose()

    def _build_messages(self, row: Row) -> list[BaseMessage]:
        if row.problem:
            raise RowError(row.problem)
        try:
            messages = row.build_messages()
        except (ValueError, NotImplementedError, TypeError) as error:
            raise RowError(f"line {row.line}: messages cannot be read: {error}") from error
        if self._options.system and not is_system(messages[0]):
            messages.insert(0, SystemMessage(self._options.system))
        return messages

    def _build_settings(self, row: Row) -> dict[str, Any]:
        settings = {**self._options.settings, **row.settings}
        if not self._options.use_row_model:
            settings.pop("model", None)
        return settings

    async def _call_with_retries(self, messages: list[BaseMessage], settings: dict[str, Any], attempt: _Attempt) -> Any:
        try:
            return await self._call(messages, settings, attempt)
        except Qwen3Error as error:
            first: Qwen3Error | None = error

        async def call_again() -> Any:
            nonlocal first
            if first is not None:  # the first call ran outside of tenacity, which costs as much as the call itself
                error, first = first, None
                raise error
            return await self._call(messages, settings, attempt)

        retrying: Any = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, Qwen3Error) and error.is_retryable),
            stop=stop_after_attempt(self._options.retries + 1),
            wait=self._choose_wait,
            reraise=True,
        )
        return await retrying(call_again)

    async def _call(self, messages: list[BaseMessage], settings: Mapping[str, Any], attempt: _Attempt) -> Any:
        """Call the model once. When the server is down, wait until it is back, then raise.

        While the server refuses all requests, those of every row, the call is repeated.

        Raises:
            BatchStoppedError: The server stays down, or goes on to refuse all requests.
        """
        while True:
            try:
                return await self._call_in_turn(messages, settings, attempt)
            except Qwen3Error as error:
                if attempt.is_untimely:
                    if (since := self.pace.closed_at) is not None:
                        self._check_patience(since, error, "refused all requests", "takes some")
                    continue
                if _is_outage(error):
                    await self._wait_for_server(error)
                raise

    async def _call_in_turn(self, messages: list[BaseMessage], settings: Mapping[str, Any], attempt: _Attempt) -> Any:
        number = await self.pace.enter()
        attempt.number += 1
        attempt.is_untimely = False
        started_at = perf_counter()
        try:
            reply = await self._chain.ainvoke(messages, **settings)
            message = reply["raw"] if isinstance(reply, dict) else reply
            self.pace.add_reply(number, message.usage_metadata["output_tokens"] if message.usage_metadata else 0)
            if is_given_up(reason := message.response_metadata.get("finish_reason")):  # another try may end it
                raise BadReplyError(f"the server broke the answer off (finish_reason {reason!r})", partial=message)
        except Qwen3Error as error:
            if isinstance(error, Qwen3RateLimitError) or getattr(error, "status_code", None) == _UNAVAILABLE:
                attempt.is_untimely = self.pace.add_refusal(number, error.retry_after)
            elif isinstance(error, _TIMEOUTS):
                self.pace.add_timeout()
            raise
        else:
            self._last_answer_at = monotonic()
            return reply
        finally:
            attempt.seconds = perf_counter() - started_at
            self.pace.leave(number)

    def _check_patience(self, since: float, error: Qwen3Error, what: str, end: str) -> None:
        """Raise if what the server has done goes on for too long.

        Raises:
            BatchStoppedError: It does.
        """
        if monotonic() > since + self._options.patience:
            raise BatchStoppedError(
                f"the server has {what} for {self._options.patience:g} s, so the run stops: {error}\n"
                f"Run the same command again to resume when it {end}: only rows without a result are sent."
            ) from error

    async def _wait_for_server(self, error: Qwen3Error) -> None:
        """Wait until the server answers; one row probes it, and the others wait for that one.

        Raises:
            BatchStoppedError: It stays down.
        """
        failed_at = monotonic()
        async with self._outage:
            pause = _FIRST_PROBE_PAUSE
            while self._last_answer_at < failed_at and not await self._probe():
                self._check_patience(failed_at - pause, error, "been unreachable", "is back")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MAX_PROBE_PAUSE)

    async def _probe(self) -> bool:
        """Tell whether the server is up, by its list of models, which needs no free slot.

        A gateway's own error or page means that the server behind it is down; any other reply means that it is up.
        """
        try:
            answer = await afetch_json(self._llm.root_async_client, "/models", seconds=_PROBE_TIMEOUT)
        except (openai.APIConnectionError, OSError):  # a process out of files raises its own
            return False
        if answer.status in _GATEWAY_STATUSES or (answer.error is None and answer.body is None):
            return False
        self._last_answer_at = monotonic()
        return True

    def _count_failure(self, error: Exception) -> None:
        """Count failures in a row that are no row's own. What fails before it is sent says nothing of the server.

        Raises:
            BatchStoppedError: There were too many.
        """
        if isinstance(error, ValueError | TypeError):
            return
        is_own = isinstance(error, _ROW_ERRORS) or getattr(error, "status_code", None) == _TOO_LARGE
        self._failures = 0 if is_own else self._failures + 1
        if self._failures > _MAX_FAILURES:
            raise BatchStoppedError(
                f"{self._failures} rows failed one after another, so the run stops: {error}\n"
                "Fix the cause, then run the same command again with --retry-failed."
            ) from error

    def _choose_wait(self, state: RetryCallState) -> float:
        retry_after = getattr(state.outcome and state.outcome.exception(), "retry_after", None) or 0.0
        return max(self._backoff(state), min(retry_after, _MAX_RETRY_AFTER))


@dataclass(slots=True)
class _Attempt:
    """The last try of a row: its number, from 1 on, its seconds, and whether any row's request would have failed."""

    number: int = 0
    seconds: float = 0.0
    is_untimely: bool = False


def _switch_off_retries(llm: Any) -> Any:
    """Return a model, with what is bound to it, that leaves retries to the batch.

    Raises:
        TypeError: It is a chain.
    """
    inner = next((name for name in ("bound", "default") if isinstance(vars(llm).get(name), Runnable)), None)
    if inner is not None:
        model = _switch_off_retries(getattr(llm, inner))
        return model if isinstance(llm, RunnableRetry) else llm.model_copy(update={inner: model})
    if not hasattr(llm, "root_async_client"):
        raise TypeError(
            f"llm: pass a ChatQwen3, not {name_type(llm)}; for an answer by a schema, BatchOptions(schema=...)"
        )
    return llm.model_copy(update={"max_retries": 0})


def _is_outage(error: Qwen3Error) -> bool:
    """Return whether the server may be down: a gateway answers for it, or nobody does."""
    if isinstance(error, BadReplyError):
        return isinstance(error.body, str)  # a page, or nothing at all: no JSON
    return isinstance(error, Qwen3ConnectionError) or getattr(error, "status_code", None) in _GATEWAY_STATUSES
