"""What the loopback servers of the tests share: HTTP on a free port, each request in a thread of its own."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class WebHandler(BaseHTTPRequestHandler):
    """Answers one request for its `owner`."""

    owner: Any
    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for an acknowledgement

    def read_body(self) -> Any:
        """Return the JSON that was posted."""
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def send_whole(
        self, reply: Any, kind: str = "application/json", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a reply that is complete, bytes or what is to be JSON; to a HEAD request its headers alone."""
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what a handler raises, but not that its client hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class WebServer:
    """Serves while it is entered.

    Attributes:
        handler: Answers the requests.
    """

    handler: ClassVar[type[WebHandler]]

    def __enter__(self) -> Self:
        self.http = _Server(("127.0.0.1", 0), type("Bound", (self.handler,), {"owner": self}))
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def root(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.http.server_port}"

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"{self.root}/v1"
