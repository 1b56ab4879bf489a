"""A loopback server that answers as a recorded one did: `with Replay("vllm-parsers") as server:`.

A request is answered by the recording of the same question in the same shape (stream, tools, tool choice, response
format, thinking, budget), else by one of the same shape. A server without parsers answers what it was not recorded
with as vLLM does: HTTP 400, in the words kept in `wire_errors/vllm.json`.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

from tests.support.replies import CAPTURES, RECORDINGS, Recording
from tests.support.web import WebHandler, WebServer

MODELS = json.loads((CAPTURES / "vllm-parsers" / "get_v1_models.json").read_text("utf-8"))["response"]["body"]
ERRORS = json.loads((Path(__file__).parents[1] / "unit" / "errors" / "wire_errors" / "vllm.json").read_text("utf-8"))[
    "replies"
]
PLAIN_FIELDS = frozenset(
    {
        "model",
        "messages",
        "temperature",
        "max_tokens",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "response_format",
        "chat_template_kwargs",
        "thinking_token_budget",
    }
)


def read_shape(body: dict[str, Any]) -> tuple[Any, ...]:
    """What decides how a request is answered, beside its question."""
    choice = body.get("tool_choice")
    return (
        bool(body.get("stream")),
        bool(body.get("tools")),
        "named" if isinstance(choice, dict) else choice,
        (body.get("response_format") or {}).get("type"),
        (body.get("chat_template_kwargs") or {}).get("enable_thinking", True),
        body.get("thinking_token_budget"),
    )


def is_plain(recording: Recording) -> bool:
    """Whether a recording's request has nothing special beside its shape."""
    body = recording.request or {}
    stream_with_usage = not body.get("stream") or body.get("stream_options") == {"include_usage": True}
    soft = str((body.get("messages") or [{}])[-1].get("content", "")).endswith("think")
    return body.get("max_tokens") == 300 and body.keys() <= PLAIN_FIELDS and stream_with_usage and not soft


def name_refusal(body: dict[str, Any]) -> str:
    """Return the name of the error that a vLLM without parsers answers a request with."""
    if not body.get("tools"):
        return "thinking_token_budget"
    return "tool_named" if body.get("tool_choice") else "tool_auto"


class Handler(WebHandler, BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        if self.is_refused():
            return
        if self.path == "/v1/models" and self.owner.lists_models:
            self.answer(200, MODELS)
        elif self.path == "/version":
            self.answer(200, {"version": "0.32.0"})
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = self.read_body()
        if self.is_refused():
            return
        if self.path != "/v1/chat/completions":
            self.answer(404, {"detail": "Not Found"})
            return
        self.owner.requests.append(body)
        recording = self.owner.find(body)
        if self.owner.fails_after is not None and len(self.owner.requests) > self.owner.fails_after:
            self.answer(500, {"error": {"message": "out of memory", "type": "InternalServerError", "code": 500}})
        elif recording is None:
            self.answer(400, ERRORS[name_refusal(body)]["body"])
        elif recording.stream is None:
            self.answer(200, recording.body)
        else:
            self.send(recording.stream)

    def is_refused(self) -> bool:
        """Answer in place of the API, where that is what this server is for."""
        if self.owner.page is not None:
            self.answer(200, self.owner.page.encode(), "text/html")
        elif self.owner.api_key and self.headers["authorization"] != f"Bearer {self.owner.api_key}":
            self.answer(401, ERRORS["auth_bad"]["body"])
        else:
            return False
        return True

    def answer(self, status: int, body: Any, kind: str = "application/json") -> None:
        """Send a whole reply."""
        self.send_whole(body, kind, status)

    def send(self, stream: bytes) -> None:
        """Send a stream event by event, each a little later than the one before, as a model writes."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may stop it
            for event in stream.split(b"\n\n")[:-1]:
                self.wfile.write(event + b"\n\n")
                time.sleep(self.owner.pause)


@dataclass
class Replay(WebServer):
    """The server.

    Attributes:
        engine: Whose recordings it answers with, a folder of `captures`.
        api_key: The key it wants, None for any.
        page: It answers everything with this HTML page.
        lists_models: Whether `/v1/models` is there.
        fails_after: From this number of chats on, all are answered with status 500.
        pause: Seconds between the events of a stream.
        requests: Bodies of the chats it was asked, in order.
    """

    handler: ClassVar[type[WebHandler]] = Handler
    engine: str = "vllm-parsers"
    api_key: str | None = None
    page: str | None = None
    lists_models: bool = True
    fails_after: int | None = None
    pause: float = 0.001
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recordings = [row for row in RECORDINGS if row.engine == self.engine and is_plain(row)]

    def find(self, body: dict[str, Any]) -> Recording | None:
        """Return the recording that answers a request, None when there is none of its shape."""
        alike = [row for row in self.recordings if read_shape(row.request) == read_shape(body)]
        question = body["messages"][-1]["content"]
        same = [row for row in alike if row.request["messages"][-1]["content"] == question]
        return next(iter(same or alike), None)
