"""A gateway whose engine is away for a while: `with Gateway((521, "text/html", PAGE), seconds=1) as gateway:`."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler

from tests.support.replies import write_body
from tests.support.web import WebHandler, WebServer


class _Handler(WebHandler, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": []})

    def do_POST(self) -> None:
        self.read_body()
        self.owner.chats += 1
        if self.owner.chats == self.owner.LEAVES_AT:
            self.owner.back_at = time.monotonic() + self.owner.seconds
        self._answer(write_body({"content": "a"}))

    def _answer(self, reply: object) -> None:
        if time.monotonic() < self.owner.back_at:
            status, kind, page = self.owner.page
            self.send_whole(page, kind, status)
        else:
            self.send_whole(reply)


class Gateway(WebServer):
    """The gateway.

    Args:
        page: Status, content type and body of its own answer to every request, while the engine is away.
        seconds: How long the engine is away, from the chat `LEAVES_AT` on.

    Attributes:
        chats: Chats that were asked.
        back_at: When the engine is back, on the monotonic clock.
    """

    handler = _Handler
    LEAVES_AT = 4

    def __init__(self, page: tuple[int, str, bytes], seconds: float) -> None:
        self.page = page
        self.seconds = seconds
        self.chats = 0
        self.back_at = 0.0
