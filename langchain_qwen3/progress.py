"""A progress bar for long batches: done, failed, tokens per second, time left. Needs the extra `progress` (tqdm).

with BatchProgress(total=len(questions)) as progress:
    answers = await llm.abatch(questions, config={"callbacks": [progress], "max_concurrency": 64})
"""

import asyncio
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from langchain_qwen3._visible import make_visible
from langchain_qwen3.call import check_type


class BatchProgress(BaseCallbackHandler):
    """Shows the progress of a batch; in a notebook as a widget.

    The bar counts the outermost runs with this handler: one per input of `batch` or `abatch`, however many model calls,
    retries and tools an input needs inside a chain. An input that raised or was cancelled also advances the bar, and
    counts as failed. Tokens are the output tokens of every model call inside, including reasoning; they stay 0 if the
    server reports no usage. The bar turns red once an input has failed (not with `$NO_COLOR`), and Ctrl-C in the `with`
    block ends the program without a traceback. Works for sync and async calls, from any number of threads at once.

    Args:
        total: Number of inputs; None hides the time left.
        description: Text before the bar.
        **bar_options: Further options of `tqdm.auto.tqdm`: `file`, `disable`, `leave`, `mininterval` and so on.

    Attributes:
        done: Inputs answered.
        failed: Inputs that raised.
        output_tokens: Tokens of all answers so far.

    Raises:
        ImportError: tqdm is not installed.
    """

    # Counting takes microseconds, so it needs no executor thread per event.
    run_inline = True

    def __init__(self, total: int | None = None, description: str = "batch", **bar_options: Any) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(
                "BatchProgress needs the extra 'progress': pip install 'langchain-qwen3-chat[progress]'"
            ) from error
        check_type("total", total, (int, type(None)), "the number of inputs, or None")
        self.done = 0
        self.failed = 0
        self.output_tokens = 0
        self._lock = threading.Lock()
        self._running: set[UUID] = set()
        self._outermost: set[UUID] = set()
        self._started: float | None = None
        self._bar = tqdm(total=total, desc=make_visible(description), unit="call", **bar_options)
        is_seen = hasattr(self._bar, "container") or getattr(bar_options.get("file", sys.stderr), "isatty", bool)()
        self._has_colours = is_seen and "NO_COLOR" not in os.environ

    @property
    def tokens_per_second(self) -> float:
        """Output tokens per second since the first run started, over all concurrent calls; 0.0 before."""
        if self._started is None:
            return 0.0
        return self.output_tokens / max(time.monotonic() - self._started, 1e-9)

    def close(self) -> None:
        """Stop updating the bar. Counting continues invisibly."""
        with self._lock:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        # Replace only Python's own hook: IPython and debuggers have theirs.
        if kind in {KeyboardInterrupt, asyncio.CancelledError} and sys.excepthook is sys.__excepthook__:
            sys.excepthook = _report_stop

    # LangChain calls a different method for each kind of run; here all kinds are treated the same.

    def _count_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
        with self._lock:
            if self._started is None:
                self._started = time.monotonic()
            if parent_run_id not in self._running:
                self._outermost.add(run_id)
            self._running.add(run_id)

    def _count_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._leave(run_id, has_failed=False)

    def _count_failure(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self._leave(run_id, has_failed=True)

    on_chat_model_start = on_llm_start = _count_start
    on_chain_start = on_tool_start = on_retriever_start = _count_start
    on_chain_end = on_tool_end = on_retriever_end = _count_end
    on_llm_error = on_chain_error = on_tool_error = on_retriever_error = _count_failure

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Add the answer's tokens, and count the run if it is an outermost one."""
        with self._lock:
            self.output_tokens += _read_output_tokens(response)
        self._count_end(run_id=run_id)

    def _leave(self, run_id: UUID, *, has_failed: bool) -> None:
        """Remove a run; an outermost one advances the bar."""
        with self._lock:
            self._running.discard(run_id)
            if run_id not in self._outermost:
                return
            self._outermost.discard(run_id)
            self.failed += has_failed
            self.done += not has_failed
            if self.failed and self._has_colours:
                self._bar.colour = "red"
            self._bar.set_postfix_str(f"failed={self.failed}, {self.tokens_per_second:.0f} tok/s", refresh=False)
            self._bar.update()


def _report_stop(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End a program with one word instead of a traceback, if Ctrl-C stopped it during a batch."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _read_output_tokens(response: LLMResult) -> int:
    """Return an answer's reported tokens; with `n` answers each reports the sum, so only the first one counts."""
    first = response.generations[0][0] if response.generations and response.generations[0] else None
    if not isinstance(first, ChatGeneration) or not isinstance(first.message, AIMessage):
        return 0
    usage = first.message.usage_metadata
    return 0 if usage is None else usage["output_tokens"]
