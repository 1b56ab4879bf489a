"""A loopback server whose one reply comes in pieces, and waits where it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.web import WebHandler, WebServer

MODELS = {"object": "list", "data": [{"id": "Qwen/Qwen3-0.6B", "object": "model", "owned_by": "vllm"}]}


class _Handler(WebHandler, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/v1/models"
        self.send_whole(MODELS if known else {}, status=200 if known else 404)

    def do_POST(self) -> None:
        self.read_body()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in self.owner.pieces:
            if isinstance(piece, threading.Event):
                piece.wait(60)
            else:
                self.wfile.write(write_event(piece))
        self.wfile.write(write_event({}, "stop") + b"data: [DONE]\n\n")


class InTurns(WebServer):
    """The server.

    Args:
        pieces: The deltas of its reply; an event among them holds it until it is set.
    """

    handler = _Handler

    def __init__(self, pieces: Sequence[Mapping[str, Any] | threading.Event]) -> None:
        self.pieces = pieces


def write_event(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
    """Return a delta as an event."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: %s\n\n" % json.dumps({"id": "1", "object": "chat.completion.chunk", "choices": [choice]}).encode()
