"""The throughput of a server with a number of streams at once. No terminal code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_qwen3.errors import Qwen3Error

if TYPE_CHECKING:
    from langchain_qwen3 import ChatQwen3


class Spread(NamedTuple):
    """Median and 95th percentile, in seconds."""

    p50: float
    p95: float


class Reply(NamedTuple):
    """One streamed reply: seconds from the request to its first and last token, and its number of tokens."""

    first: float
    last: float
    tokens: int


Send = Callable[[], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A measurement with a number of streams at once.

    Attributes:
        streams: Number of concurrent streams.
        seconds: Time from the first request to the last token.
        replies: One for every request that succeeded.
        errors: One for every request that failed.
    """

    streams: int
    seconds: float
    replies: tuple[Reply, ...]
    errors: tuple[Qwen3Error, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all replies, including reasoning."""
        return sum(reply.tokens for reply in self.replies)

    @property
    def throughput(self) -> float:
        """Tokens per second of all streams together."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def first_token(self) -> Spread:
        """Time from the request to the first token, over all replies."""
        return spread([reply.first for reply in self.replies])

    @property
    def between_tokens(self) -> Spread:
        """From one token to the next: the mean of each reply, over the replies.

        A chunk may hold several tokens, and chunks may arrive together, so single gaps would measure the network.
        """
        return spread([(reply.last - reply.first) / (reply.tokens - 1) for reply in self.replies if reply.tokens > 1])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; times are in seconds."""
        return {
            "streams": self.streams,
            "requests": len(self.replies) + len(self.errors),
            "failed": len(self.errors),
            "seconds": self.seconds,
            "tokens": self.tokens,
            "tokens_per_second": self.throughput,
            "first_token": self.first_token._asdict(),
            "between_tokens": self.between_tokens._asdict(),
        }


def spread(values: list[float]) -> Spread:
    """Return median and 95th percentile, zeros if there are no values."""
    if len(values) < 2:  # noqa: PLR2004  # the minimum for quantiles
        return Spread(values[0], values[0]) if values else Spread(0.0, 0.0)
    cuts = quantiles(values, n=20, method="inclusive")
    return Spread(cuts[9], cuts[18])


def compare(levels: list[Level]) -> str:
    """Return a comparison of serial and concurrent as one line; empty when one of them was not measured."""
    serial, together = levels[0], levels[-1]
    if serial.streams != 1 or together.streams == 1 or serial.errors or together.errors or not together.seconds:
        return ""
    return (
        f"{len(serial.replies)} requests: {serial.seconds:.2f} s one after another, {together.seconds:.2f} s with "
        f"{together.streams} at once, {serial.seconds / together.seconds:.1f} × as fast"
    )


async def measure(send: Send, *, streams: int, requests: int, on_reply: Callable[[], None]) -> Level:
    """Stream `requests` replies, `streams` at a time.

    Args:
        send: Sends a request and waits for its reply.
        streams: Number of concurrent replies.
        requests: Total number of requests.
        on_reply: Called after each request.
    """
    left = iter(range(requests))
    replies: list[Reply] = []
    errors: list[Qwen3Error] = []

    async def work() -> None:
        for _ in left:
            try:
                replies.append(await send())
            except Qwen3Error as error:
                errors.append(error)
            on_reply()

    started_at = perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(streams, requests)):
            tasks.create_task(work())
    return Level(streams=streams, seconds=perf_counter() - started_at, replies=tuple(replies), errors=tuple(errors))


async def time_reply(llm: ChatQwen3, prompt: str, settings: Mapping[str, Any]) -> Reply:
    """Stream one reply. Without usage, its chunks count as tokens.

    Raises:
        Qwen3Error: The request failed.
    """
    started_at = perf_counter()
    first = last = 0.0
    chunks = tokens = 0
    async for chunk in llm.astream(prompt, **settings):
        if chunk.content or chunk.additional_kwargs.get("reasoning_content"):
            last = perf_counter() - started_at
            first = first or last
            chunks += 1
        if chunk.usage_metadata:
            tokens += chunk.usage_metadata["output_tokens"]
    return Reply(first, last, tokens or chunks)
