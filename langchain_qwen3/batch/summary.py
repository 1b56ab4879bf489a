"""The counts of a batch, updated with every result."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_qwen3.reply.ending import is_finished

if TYPE_CHECKING:
    from langchain_qwen3.batch.results import Result

_SLOWEST = 5


@dataclass(slots=True, kw_only=True)
class Summary:
    """The counts of an output, earlier runs included.

    Attributes:
        answered: Rows with an answer.
        truncated: Answers among them that a token limit or a filter ended.
        empty: Answers among them with neither text nor a call, such as thinking alone.
        failures: Failed rows by the class of their error.
        reasons: What the first error of each class says.
        input_tokens: Tokens of all prompts.
        output_tokens: Tokens of all answers, reasoning among them.
        reasoning_tokens: Tokens of reasoning, as far as the server reports them.
        slowest: The slowest rows, as pairs of seconds and id, the slowest one first.
        new_rows: Rows that this run processed.
        new_tokens: Output tokens of this run.
        seconds: Duration of this run.
        concurrency: Requests in flight at the end of this run.
    """

    answered: int = 0
    truncated: int = 0
    empty: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    slowest: list[tuple[float, str]] = field(default_factory=list)
    new_rows: int = 0
    new_tokens: int = 0
    seconds: float = 0.0
    concurrency: int = 0

    @property
    def failed(self) -> int:
        """Rows that failed."""
        return self.failures.total()

    @property
    def rows(self) -> int:
        """Rows with a result."""
        return self.answered + self.failed

    @property
    def tokens_per_second(self) -> float:
        """Output tokens a second of this run."""
        return self.new_tokens / self.seconds if self.seconds else 0.0

    def add(self, result: Result, *, is_new: bool = True) -> None:
        """Count a result; `is_new` tells this run's results from those of earlier runs."""
        if result.error is None:
            self.answered += 1
            self.truncated += not is_finished(result.finish_reason)
            self.empty += result.is_empty
        else:
            self.failures[result.error["class"]] += 1
            self.reasons.setdefault(result.error["class"], result.error["message"])
        usage = result.usage or {}
        self.input_tokens += usage.get("input_tokens", 0)
        self.output_tokens += result.output_tokens
        self.reasoning_tokens += usage.get("reasoning_tokens", 0)
        self.slowest = heapq.nlargest(_SLOWEST, [*self.slowest, (result.seconds, result.id)])
        if is_new:
            self.new_rows += 1
            self.new_tokens += result.output_tokens

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; times are in seconds."""
        return {
            "rows": self.rows,
            "answered": self.answered,
            "truncated": self.truncated,
            "empty": self.empty,
            "failed": self.failed,
            "failures": dict(self.failures.most_common()),
            "reasons": dict(self.reasons),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "slowest": [{"id": row_id, "seconds": seconds} for seconds, row_id in self.slowest],
            "this_run": {
                "rows": self.new_rows,
                "seconds": round(self.seconds, 3),
                "output_tokens": self.new_tokens,
                "tokens_per_second": round(self.tokens_per_second, 1),
                "concurrency": self.concurrency,
            },
        }
