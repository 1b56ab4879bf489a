"""The command with streams that are closed, full, or of another encoding, as cron, services and Windows have them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from langchain_qwen3.cli import app
from tests.support.commands import PROGRAM
from tests.support.scripted import Scripted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shell of the test is that of Unix")


def run(words: str, redirect: str, **env: str) -> tuple[int, str, str]:
    """Run the command with a redirection of the shell; return its status and what it writes."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {words} {redirect}', "sh", *PROGRAM],
        env={**os.environ, "COLUMNS": "60", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "redirect", "status", "said"),
    [
        ("--version", ">&-", 0, ""),
        ("--version", "2>&-", 0, ""),
        ("ask", "<&- >&- 2>&-", 2, ""),
        pytest.param(
            *("--version", ">/dev/full", 2, "✗ No space left on device"),
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device"),
        ),
    ],
)
def test_ends_without_a_traceback_when_a_stream_is_closed_or_full(words: str, redirect: str, status: int, said: str):
    """Protects from an AttributeError where there is no stream, and from success where nothing could be written."""
    code, _, err = run(words, redirect)
    assert code == status
    assert said in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@pytest.mark.parametrize("closed", [["stdin"], ["stdin", "stdout"]])
def test_says_what_is_missing_when_a_stream_is_closed(closed: list[str], monkeypatch: pytest.MonkeyPatch):
    """Protects from an AttributeError where a command reads or writes a stream that Python has not opened."""
    status, _, err = call(monkeypatch, "ask", closed=closed)
    assert status == 2
    assert "There is no question" in err


@pytest.mark.parametrize("option", [[], ["--json"]])
@pytest.mark.parametrize(
    ("encoding", "plain", "as_json"),
    [("utf-8", "é你🙂", "é你🙂"), ("ascii", r"\xe9\u4f60\U0001f642", r"\u00e9\u4f60\ud83d\ude42")],
)
def test_writes_every_character_when_the_encoding_lacks_some(
    encoding: str, plain: str, as_json: str, option: list[str], monkeypatch: pytest.MonkeyPatch
):
    """Protects an answer that has been paid for from a codec: what it lacks is escaped, in JSON as JSON has it."""
    with Scripted(lambda _body: {"role": "assistant", "content": "é你🙂"}, models=[{"id": "m"}]) as server:
        status, out, err = call(monkeypatch, "ask", "hi", server.url, *option, encoding=encoding)
    assert (status, err) == (0, "")
    assert (as_json if option else plain) in out


@pytest.mark.parametrize(
    ("encoding", "well", "ill"), [("utf-8", "✓", "✗"), ("gbk", "√", "×"), ("cp1252", "+", "x"), ("ascii", "+", "x")]
)
def test_writes_marks_that_the_encoding_has_when_saved(
    encoding: str, well: str, ill: str, monkeypatch: pytest.MonkeyPatch
):
    r"""Protects `langchain-qwen3 doctor > report.txt` on Windows from `\u2713` in place of each mark."""
    _, out, _ = call(monkeypatch, "doctor", "http://127.0.0.1:9/v1", encoding=encoding)
    assert f"\n{ill}  reachable" in out
    assert r"\u" not in out
    with Scripted(lambda _body: {"role": "assistant", "content": "Yes."}, models=[{"id": "m"}]) as server:
        _, out, _ = call(monkeypatch, "doctor", server.url, encoding=encoding)
    assert f"\n{well}  reachable" in out


@pytest.mark.parametrize("command", ["ask", "chat"])
@pytest.mark.parametrize(
    ("piped", "encoding", "asked"),
    [
        ("改了：“引号”，请看".encode(), "utf-8", "改了：“引号”，请看"),
        ("改了：“引号”，请看".encode(), "gbk", "改了：“引号”，请看"),
        ("改了：“引号”，请看".encode("gbk"), "gbk", "改了：“引号”，请看"),
        ("图片".encode("gbk"), "gbk", "图片"),  # UTF-8 reads it as two other letters
        ("“é”".encode(), "gbk", "“é”"),
        ("見て".encode("cp932"), "cp932", "見て"),
        ("你好".encode("utf-8-sig"), "utf-8", "你好"),
        ("你好".encode("utf-8-sig"), "gbk", "你好"),
        (b"caf\xe9", "cp1252", "café"),
        (b"Who are you?\r\n", "gbk", "Who are you?"),
    ],
)
def test_sends_what_was_piped_when_the_system_has_another_encoding(
    command: str, piped: bytes, encoding: str, asked: str, monkeypatch: pytest.MonkeyPatch
):
    """Protects `git diff | langchain-qwen3 ask` on Windows: git writes UTF-8, and Python expects the code page."""
    with Scripted(lambda _body: {"role": "assistant", "content": "Yes."}, models=[{"id": "m"}]) as server:
        status, _, err = call(monkeypatch, command, server.url, encoding=encoding, piped=piped)
        sent = [request["messages"][-1]["content"] for request in server.requests]
    assert (status, err, sent) == (0, "", [asked])


@pytest.mark.parametrize("command", ["ask", "chat"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8:surrogateescape", "ascii"])
@pytest.mark.parametrize(
    "piped",
    ["你好，\n世界。".encode("gbk"), "你\n好".encode("utf-16"), b"\x89PNG\r\n\x1a\n"],
)
def test_says_how_to_convert_what_was_piped_when_it_cannot_be_read(
    command: str, piped: bytes, encoding: str, monkeypatch: pytest.MonkeyPatch
):
    """Protects from U+FFFD in place of each letter, in containers without a locale, and from the words of a codec."""
    with Scripted(lambda _body: {"role": "assistant", "content": "Yes."}, models=[{"id": "m"}]) as server:
        status, out, err = call(monkeypatch, command, server.url, encoding=encoding, piped=piped)
        assert [request for request in server.requests if "messages" in request] == []
    assert (status, out) == (2, "")
    assert "the piped text is not UTF-8" in err
    assert "iconv -f GBK -t UTF-8" in err


@pytest.mark.parametrize(
    "piped",
    ["通讯\n摘要\n系统".encode("gbk"), "+通讯，\n".encode() + "摘要，\n".encode("gbk") + "系统：“é”".encode()],
    ids=["one encoding", "two"],
)
def test_sends_every_line_when_some_can_be_read_in_two_encodings(piped: bytes, monkeypatch: pytest.MonkeyPatch):
    """Protects lists of words in GBK, some of which are UTF-8 by chance, and diffs of files in two encodings."""
    with Scripted(lambda _body: {"role": "assistant", "content": "Yes."}, models=[{"id": "m"}]) as server:
        status, _, err = call(monkeypatch, "ask", server.url, encoding="gbk", piped=piped)
        (sent,) = (request["messages"][-1]["content"] for request in server.requests)
    assert (status, err) == (0, "")
    assert [word for word in ("通讯", "摘要", "系统") if word not in sent] == []


def call(
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
    closed: list[str] | None = None,
    encoding: str = "utf-8",
    piped: bytes = b"",
) -> tuple[int, str, str]:
    """Run the command in this process, which saves its start; return its status and what it writes."""
    encoding, _, errors = encoding.partition(":")  # as in $PYTHONIOENCODING
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdin", "stdout", "stderr")}
    streams["stdin"] = io.TextIOWrapper(io.BytesIO(piped), encoding, errors or None)
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "60")
        patch.setattr(sys, "argv", ["langchain-qwen3", *words])
        for name, stream in streams.items():
            patch.setattr(sys, name, None if name in (closed or ()) else stream)
        with pytest.raises(SystemExit) as ended:
            app()
    for stream in streams.values():
        stream.flush()
    out, err = (streams[name].buffer.getvalue().decode(encoding) for name in ("stdout", "stderr"))
    return int(ended.value.code or 0), out, err
