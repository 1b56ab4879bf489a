"""A loopback server that answers as it is told: `with Scripted(reply) as server:`.

For what the tiny Qwen3 cannot be brought to say: rounds of an agent beyond those it learned, replies cut at a given
place, many calls at once. A reply is a wire message, or an `Answer`; streamed it comes in small pieces.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.replies import write_body, write_events, write_sse
from tests.support.web import WebHandler, WebServer

_PIECE = 4


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to answer.

    Attributes:
        message: The wire message; `{"error": …}`, and everything with an error's status, is sent as it is.
        reason: Why the model ended.
        status: The HTTP status.
        headers: More response headers.
        after: Set once the reply may be sent.
    """

    message: Mapping[str, Any]
    reason: str = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after: threading.Event | None = None


Reply = Callable[[dict[str, Any]], Answer | Mapping[str, Any]]


class _Handler(WebHandler, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.owner.models is None or self.path != "/v1/models":
            self.send_whole({"detail": "Not Found"}, status=404)
        else:
            self.send_whole({"object": "list", "data": self.owner.models})

    def do_POST(self) -> None:
        body = self.read_body()
        answer = self.owner.take(body)
        if "error" in answer.message or answer.status >= 400:
            self._send(answer, answer.message)
        elif body.get("stream"):
            events = write_events(*_split_message(answer.message), reason=answer.reason)
            self._send(answer, write_sse(events), "text/event-stream")
        else:
            message = {"content": None, **answer.message}
            choices = [
                {**write_body(message, answer.reason)["choices"][0], "index": at} for at in range(body.get("n", 1))
            ]
            whole = write_body(message, answer.reason, choices=choices)
            self._send(answer, whole)

    def _send(self, answer: Answer, reply: Any, kind: str = "application/json") -> None:
        self.send_whole(reply, kind, answer.status, answer.headers)


class Scripted(WebServer):
    """The server.

    Args:
        reply: Called with the body of every request, in a thread of its own.
        models: Rows of its list of models; None where it has no such list.

    Attributes:
        requests: Bodies of the chats it was asked, in order of arrival.
        most_open: Requests that were open at once, at most.
    """

    handler = _Handler

    def __init__(self, reply: Reply, models: list[dict[str, Any]] | None = None) -> None:
        self.reply = reply
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.most_open = 0
        self._open = 0
        self._lock = threading.Lock()

    def wait_for(self, count: int) -> None:
        """Return once so many requests have arrived."""
        while len(self.requests) < count:
            time.sleep(0.01)

    def take(self, body: dict[str, Any]) -> Answer:
        """Return the answer to a request, counted as open meanwhile."""
        with self._lock:
            self.requests.append(body)
            self._open += 1
            self.most_open = max(self.most_open, self._open)
        try:
            answer = self.reply(body)
            answer = answer if isinstance(answer, Answer) else Answer(message=answer)
            if answer.after is not None:
                answer.after.wait(60)
        finally:
            with self._lock:
                self._open -= 1
        return answer


def write_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call as it goes over the wire."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _split_message(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the deltas of a message."""
    yield {"role": "assistant", "content": ""}
    for key in ("reasoning", "reasoning_content", "content"):
        for piece in _split(message.get(key) or ""):
            yield {key: piece}
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}
        for piece in _split(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    if refusal := message.get("refusal"):
        yield {"refusal": refusal}


def _split(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
