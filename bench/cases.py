"""What is measured: one row per case, as data."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stream", "calls", "construct", "import", "memory"]
OURS = ("ChatQwen3 (httpx)", "ChatQwen3 (aiohttp)")
MAIN = (*OURS, "ChatOpenAI", "ChatLlama")
SYNC = (OURS[0], "ChatOpenAI", "ChatLlama")
MODELS = (*MAIN, "ChatQwen", "ChatDeepSeek")
FLOORS = ("httpx2 + json", "socket + orjson")
WITH_FLOORS = (*MAIN, *FLOORS)
EVERY = (*MODELS, "openai SDK", *FLOORS)

_UNITS: dict[Kind, str] = {
    "stream": "chunk",
    "calls": "call",
    "construct": "model",
    "import": "import",
    "memory": "stream",
}


@dataclass(frozen=True)
class Case:
    """One kind of work.

    Attributes:
        name: How it is asked for on the command line.
        title: How it is shown.
        kind: Which of the worker's measurements it is.
        count: What one figure is divided by: deltas of a stream, calls of a batch, models, or open streams.
        libraries: Who takes part.
        at_once: Streams or calls in flight.
        repeats: How often the work is done within one measurement.
        history: Messages sent with each request.
        interval_ms: Pause between two events of a paced stream; 0: the whole stream is written at once.
        wire: Whose events are replayed.
        sync: Calls without an event loop: `stream`, `invoke` where one is in flight, else `batch` in threads.
    """

    name: str
    title: str
    kind: Kind
    count: int
    libraries: tuple[str, ...] = MAIN
    at_once: int = 1
    repeats: int = 1
    history: int = 1
    interval_ms: float = 0.0
    wire: str = "vllm"
    sync: bool = False

    @property
    def unit(self) -> str:
        """Name what one figure is for."""
        return _UNITS[self.kind]


_ROWS = (
    Case("stream-50", "stream of 50 chunks", "stream", 50, repeats=30),
    Case("stream-2000", "stream of 2,000 chunks", "stream", 2000, EVERY, repeats=2),
    Case("stream-x16", "16 streams of 500 chunks at once", "stream", 500, at_once=16),
    Case("stream-x128", "128 streams of 200 chunks at once", "stream", 200, at_once=128, repeats=2),
    Case("paced-x1", "1 paced stream, an event each ms", "stream", 500, EVERY, repeats=4, interval_ms=1),
    Case(
        "paced-x16", "16 paced streams, an event each 5 ms", "stream", 100, EVERY, at_once=16, repeats=4, interval_ms=5
    ),
    Case("stream-tools", "stream of 2,000 pieces of tool arguments", "stream", 2000, repeats=2, wire="tools"),
    Case("stream-inline", "stream of 2,000 chunks, <think> inline", "stream", 2000, repeats=2, wire="inline"),
    Case("calls-x1", "500 calls, one after another", "calls", 500),
    Case("calls-x32", "1,000 calls, 32 in flight", "calls", 1000, at_once=32),
    Case("calls-x100", "1,000 calls, 100 in flight", "calls", 1000, EVERY, at_once=100),
    Case("calls-x256", "1,000 calls, 256 in flight", "calls", 1000, at_once=256),
    Case("calls-x500", "1,000 calls, 500 in flight", "calls", 1000, at_once=500),
    Case("history-2", "200 calls with a history of 2 messages", "calls", 200, at_once=10, history=2),
    Case("history-100", "200 calls with a history of 100 messages", "calls", 200, WITH_FLOORS, at_once=10, history=100),
    Case("history-1000", "10 calls with a history of 1,000 messages", "calls", 10, at_once=2, history=1000),
    Case("construct-1", "first model built in a process", "construct", 1, MODELS),
    Case("construct-200", "200 models built", "construct", 200),
    Case("import", "import of the package", "import", 1, (OURS[0], *MODELS[2:])),
    Case("sync-stream-2000", "sync stream of 2,000 chunks", "stream", 2000, SYNC, repeats=2, sync=True),
    Case("sync-invoke", "500 sync invokes, one after another", "calls", 500, SYNC, sync=True),
    Case("sync-batch-x32", "sync batch of 1,000 calls, 32 in flight", "calls", 1000, SYNC, at_once=32, sync=True),
    *(
        Case(
            f"growth-{count}",
            f"{count:,} paced streams, an event each 200 ms",
            "stream",
            20,
            at_once=count,
            interval_ms=200,
        )
        for count in (10, 100, 1000)
    ),
    *(Case(f"memory-{count}", f"{count:,} open streams, memory", "memory", count) for count in (10, 100, 1000)),
)

CASES = {case.name: case for case in _ROWS}
