"""A model hub on 127.0.0.1 with one repository, as Hugging Face and as ModelScope: `with FakeHub(files) as hub:`.

The paths and fields are those that huggingface-hub 2.4 and modelscope-hub 0.5 were seen to ask for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.web import WebHandler, WebServer

REPO = "Qwen/Qwen3-0.6B-GGUF"
COMMIT = "0" * 40


class Handler(WebHandler, BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.owner.paths.append(self.path)
        parts = urlsplit(self.path)
        path, query, files = unquote(parts.path), parse_qs(parts.query), [*self.owner.files.items()]
        if path.startswith(f"/api/models/{REPO}/tree/"):
            self.send_whole([{"type": "file", "path": name, "size": len(data), "oid": "1"} for name, data in files])
        elif path == f"/api/v1/models/{REPO}/repo/files":
            rows = [{"Path": name, "Size": len(data), "Type": "blob", "Sha256": sha(data)} for name, data in files]
            self.send_whole({"Code": 200, "Success": True, "Data": {"Files": rows}})
        elif path.startswith(f"/{REPO}/resolve/"):
            self.send_file(path.rpartition("/")[2])
        elif path == f"/api/v1/models/{REPO}/repo":
            self.send_file(query["FilePath"][0])
        else:
            self.send_whole({"error": "Repository not found", "Code": 404, "Message": "no such model"}, status=404)

    def send_file(self, name: str) -> None:
        data = self.owner.files.get(name)
        if data is None:
            self.send_whole({"error": "Entry not found"}, status=404)
            return
        etag = f'"{sha(data)}"'
        headers = {"ETag": etag, "X-Linked-Etag": etag, "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(data))}
        if self.command != "HEAD":
            data = self.owner.spoil(data)
        headers["Content-Length"] = str(self.owner.promised or len(data))
        self.send_whole(data, "application/octet-stream", headers=headers)
        self.close_connection = len(data) < self.owner.promised


def sha(data: bytes) -> str:
    """Return the checksum both hubs name files by."""
    return hashlib.sha256(data).hexdigest()


@dataclass
class FakeHub(WebServer):
    """The hub.

    Attributes:
        files: Name → content.
        paths: What was asked, in order.
        spoil: Changes the content of a file on its way.
        promised: The length that the headers of every file name; 0 for the true one.
    """

    handler: ClassVar[type[WebHandler]] = Handler
    files: dict[str, bytes]
    paths: list[str] = field(default_factory=list)
    spoil: Callable[[bytes], bytes] = bytes
    promised: int = 0
