"""Cassettes: the traffic of ChatQwen3 with a real server, recorded and replayed by vcrpy.

`make record` sets `$RECORD_FROM` to a JSON object of dialect → base URL, for which cassettes are then written anew;
without it they are replayed, and no socket is opened. A cassette knows its server as `http://<dialect>.test/v1`.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import vcr
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from vcr.cassette import Cassette

CASSETTES = Path(__file__).parents[1] / "integration" / "cassettes"
API_KEY = "recording-key"
"""What the recorded servers ask for, and no cassette may hold."""
RECORD_FROM: dict[str, str] = json.loads(os.getenv("RECORD_FROM", "{}"))
KEPT_HEADERS = frozenset({"content-type", "server"})
VARYING = (
    (re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), b"a-uuid"),
    (re.compile(rb"\\n +"), rb"\\n"),  # docstrings, which Python 3.13 strips of their indentation
)
"""What requests of the same meaning differ in, and what is kept in its place."""


def find_base_url(dialect: str) -> str:
    """Return the address to call: of the live server while recording, else the one that cassettes know."""
    return RECORD_FROM.get(dialect, f"http://{dialect}.test/v1")


@contextmanager
def open_cassette(path: Path, dialect: str, *, repeats: bool = False) -> Iterator[Cassette]:
    """Record the traffic with a server into a file, or replay the file.

    Args:
        path: The file; one that ends in `.gz` is compressed.
        dialect: Whose traffic it is.
        repeats: Whether a request may come more often than it was recorded.
    """
    live = urlsplit(find_base_url(dialect)).netloc
    if recording := dialect in RECORD_FROM:
        path.unlink(missing_ok=True)

    def make_comparable(request: Any) -> Any:
        for pattern, steady in VARYING:
            request.body = pattern.sub(steady, request.body or b"")
        request.uri = request.uri.replace(live, f"{dialect}.test")
        request.headers = keep_headers(request.headers)
        return request

    recorder = vcr.VCR(
        serializer="plain",
        record_mode=vcr.mode.ONCE if recording else vcr.mode.NONE,
        match_on=["method", "uri", "body"],
        before_record_request=make_comparable,
        before_record_response=lambda response: {**response, "headers": keep_headers(response["headers"])},
        decode_compressed_response=True,
    )
    recorder.register_serializer("plain", PlainYaml)
    recorder.register_persister(Files)
    with recorder.use_cassette(str(path), allow_playback_repeats=repeats) as cassette:
        yield cassette


def read_cassette(path: Path) -> str:
    """Return the text of a cassette."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def block_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no connection leave this process."""

    def refuse(*address: Any, **_: Any) -> NoReturn:
        raise AssertionError(f"a cassette must answer, and here is a connection to {address[-1]}")

    for owner, name in ((socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, refuse)


def keep_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the few headers that mean something to the client: no key, no cookie, no date."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in KEPT_HEADERS}


class PlainYaml:
    """vcrpy's own format, written for people: texts as they are, a stream one event a line."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        """Write a cassette."""
        return yaml.dump(cassette, Dumper=TextDumper, allow_unicode=True, sort_keys=False, width=10**6)

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        """Read a cassette."""
        cassette: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
        return cassette


class TextDumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""

    def represent_text(self, text: str) -> yaml.Node:
        """Represent a text."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


TextDumper.add_representer(str, TextDumper.represent_text)


class Files:
    """Where cassettes are kept."""

    @staticmethod
    def load_cassette(path: str, serializer: type[PlainYaml]) -> tuple[list[Any], list[Any]]:
        """Read a file."""
        file = Path(path)
        if not file.exists():
            raise vcr.cassette.CassetteNotFoundError(path)
        loaded: tuple[list[Any], list[Any]] = vcr.serialize.deserialize(read_cassette(file), serializer)
        return loaded

    @staticmethod
    def save_cassette(path: str, cassette: dict[str, Any], serializer: type[PlainYaml]) -> None:
        """Write a file; the same content gives the same bytes."""
        content = vcr.serialize.serialize(cassette, serializer).encode()
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)
