"""A model hub on 127.0.0.1 with one repository, as Hugging Face and as ModelScope: `with FakeHub(files) as hub:`.

The paths and fields are those that huggingface-hub 2.4 and modelscope-hub 0.5 were seen to ask for.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

REPO = "Qwen/Qwen3-0.6B-GGUF"
COMMIT = "0" * 40


@dataclass
class FakeHub:
    """The hub.

    Attributes:
        files: Name → content.
        paths: What was asked, in order.
    """

    files: dict[str, bytes]
    paths: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": self}))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.http.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.paths.append(self.path)
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path.startswith(f"/api/models/{REPO}/tree/"):
            self.answer([{"type": "file", "path": name, "size": len(data), "oid": "1"} for name, data in self.files])
        elif path == f"/api/v1/models/{REPO}/repo/files":
            rows = [{"Path": name, "Size": len(data), "Type": "blob", "Sha256": sha(data)} for name, data in self.files]
            self.answer({"Code": 200, "Success": True, "Data": {"Files": rows}})
        elif path.startswith(f"/{REPO}/resolve/"):
            self.send_file(path.rpartition("/")[2])
        elif path == f"/api/v1/models/{REPO}/repo":
            self.send_file(query["FilePath"][0])
        else:
            self.answer({"error": "Repository not found", "Code": 404, "Message": "no such model"}, 404)

    @property
    def files(self) -> list[tuple[str, bytes]]:
        return list(self.hub.files.items())

    def send_file(self, name: str) -> None:
        data = self.hub.files.get(name)
        if data is None:
            self.answer({"error": "Entry not found"}, 404)
            return
        self.send_response(200)
        for header in ("ETag", "X-Linked-Etag"):
            self.send_header(header, f'"{sha(data)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def answer(self, body: Any, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def sha(data: bytes) -> str:
    """Return the checksum both hubs name files by."""
    return hashlib.sha256(data).hexdigest()
