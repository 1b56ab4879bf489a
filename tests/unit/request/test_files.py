"""Files of text: every common kind and encoding is read, apart from the question; what is no text is told."""

from __future__ import annotations

import base64
import mimetypes
from typing import Any

import pytest

from langchain_qwen3.request.blocks import write_parts
from langchain_qwen3.request.files import decode_text, is_text_type, read_data_uri
from langchain_qwen3.request.media import MediaError, read_media, write_media
from langchain_qwen3.servers.engines import VLLM
from langchain_qwen3.servers.hosts import OPENROUTER

TEXT_TYPES = (
    "text/plain",
    "text/csv",
    "text/html",
    "text/markdown",
    "text/x-python",
    "application/json",
    "application/ld+json",
    "application/x-ndjson",
    "application/jsonl",
    "application/xml",
    "application/atom+xml",
    "image/svg+xml",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/javascript",
    "application/x-javascript",
    "application/typescript",
    "application/sql",
    "application/graphql",
    "application/x-sh",
    "application/x-httpd-php",
    "application/x-tex",
    "application/x-subrip",
    "application/x-www-form-urlencoded",
    "message/rfc822",
)
OTHER_TYPES = ("application/pdf", "application/zip", "application/msword", "font/woff2", "image/png", "audio/wav")
ENCODED = {
    "UTF-8": ("naïve 世界", "utf-8"),
    "UTF-8 with a mark": ("naïve 世界", "utf-8-sig"),
    "UTF-16": ("naïve 世界", "utf-16"),
    "UTF-32": ("naïve 世界", "utf-32"),
    "GBK": ("请简述人工智能的发展历程，谢谢。今天天气很好。", "gbk"),
    "Big5": ("請簡述人工智慧的發展歷程，謝謝。", "big5"),
    "Shift JIS": ("こんにちは世界。今日はいい天気です。", "shift_jis"),
    "EUC-KR": ("안녕하세요 세계 오늘 날씨가 좋습니다", "euc_kr"),
    "Latin-1": ("naïve café déjà vu, crème brûlée", "latin-1"),
    "ISO-2022-JP": ("これはテストのファイルです。", "iso2022_jp"),
    "ISO-2022-KR": ("안녕하세요 세계", "iso2022_kr"),
    "KOI8-R": ("Привет, мир. Сегодня хорошая погода.", "koi8_r"),
    "Windows-1251": ("Привет, мир. Сегодня хорошая погода.", "cp1251"),
    "nothing": ("", "utf-8"),
}


def build(data: bytes, mime: str = "text/plain", **more: Any) -> dict[str, Any]:
    """A file part."""
    return {"type": "file", "base64": base64.b64encode(data).decode(), "mime_type": mime, **more}


@pytest.mark.parametrize("mime", TEXT_TYPES)
def test_sends_a_file_as_text_when_its_type_is_one_of_text(mime: str):
    """Protects JSON, XML, code and all that people read, which no server takes as a file."""
    assert is_text_type(mime)
    assert write_media(build(b"x: 1", mime), VLLM) == {"type": "text", "text": "x: 1"}
    assert write_media(build(b"x: 1", mime), OPENROUTER) == {"type": "text", "text": "x: 1"}


@pytest.mark.parametrize("mime", OTHER_TYPES)
def test_takes_no_file_for_text_when_its_type_is_another(mime: str):
    """Protects from a PDF or a picture that is read as letters."""
    assert not is_text_type(mime)


@pytest.mark.parametrize(("text", "encoding"), ENCODED.values(), ids=ENCODED)
def test_reads_a_text_file_in_every_common_encoding(text: str, encoding: str):
    """Protects files of other systems: a question about mojibake has no answer."""
    assert decode_text(text.encode(encoding)) == text
    assert write_media(build(text.encode(encoding)), VLLM)["text"] == text


@pytest.mark.parametrize("mime", ["text/plain; charset=gbk", 'text/plain;charset="GBK"'])
def test_reads_a_text_file_as_its_type_says_when_it_names_a_charset(mime: str):
    """Protects short files, whose encoding cannot be guessed."""
    assert write_media(build("你好".encode("gbk"), mime), VLLM)["text"] == "你好"


@pytest.mark.parametrize(
    "head", ["text/plain,x%3A%201", ",x%3A%201", "text/plain;charset=utf-8;base64,eDogMQ==", ";base64,eDogMQ=="]
)
def test_reads_a_data_uri_in_any_of_its_forms(head: str):
    """Protects parts that other programs wrote: without base64, without a type, with a charset."""
    uri = f"data:{head}"
    assert read_data_uri(uri) == b"x: 1"
    assert write_media({"type": "file", "url": uri}, VLLM) == {"type": "text", "text": "x: 1"}


@pytest.mark.parametrize("mime", ["", "application/octet-stream"])
def test_looks_at_the_bytes_when_nobody_says_what_a_file_is(mime: str):
    """Protects uploads of unknown type: by the name or the first bytes, else text if it is UTF-8, else no text."""
    assert write_media(build(b"a,b", mime), VLLM)["text"] == "a,b"
    assert write_media(build(b"{}", mime, filename="x.json"), VLLM)["text"] == "x.json:\n{}"
    with pytest.raises(MediaError, match="does not say what it is"):
        write_media(build(b"\0\1\xe2\xe3", mime), VLLM)
    for pdf in (build(b"%PDF-1.4\n\xe2\xe3\xcf\xd3\0", mime), build(b"%PDF", mime, filename="x.pdf")):
        with pytest.raises(MediaError, match="does not accept files"):
            write_media(pdf, VLLM)


@pytest.mark.parametrize(
    ("name", "mime"),
    [("a.ts", "video/mp2t"), ("a.ts", ""), ("a.csv", "application/vnd.ms-excel"), ("a.kt", "application/x-kotlin")],
)
def test_reads_text_when_its_type_says_something_else(name: str, mime: str, tmp_path: Any):
    """Protects TypeScript, which browsers upload as a video, and CSV, which Windows calls an Excel file."""
    data = "const 名 = 1, 2".encode()
    text = {"type": "text", "text": f"{name}:\nconst 名 = 1, 2"}
    assert write_media(build(data, mime, filename=name), VLLM) == text
    if mimetypes.guess_type(name)[0]:
        (tmp_path / name).write_bytes(data)
        assert write_media(read_media(tmp_path / name), VLLM) == text


WORDS = "# 名: x".encode()
BARE_SYSTEM = {
    "a.webp": (b"RIFF\0\0\0\0WEBP", "image", "image/webp"),
    "a.WEBP": (b"RIFF\0\0\0\0WEBP", "image", "image/webp"),
    "a.jfif": (b"\xff\xd8\xff", "image", "image/jpeg"),
    "a.png": (b"\x89PNG\r\n", "image", "image/png"),
    "a.flac": (b"fLaC", "audio", "audio/flac"),
    "a.m4a": (b"....ftypM4A", "audio", "audio/mp4"),
    "a.ogg": (b"OggS", "audio", "audio/ogg"),
    "a.oga": (b"OggS", "audio", "audio/ogg"),  # Telegram's
    "a.mp3": (b"ID3", "audio", "audio/mpeg"),
    "a.mkv": (b"\x1aE\xdf\xa3", "video", "video/x-matroska"),
    "a.ts": (b"G@\0\xff", "video", "video/mp2t"),
    "b.ts": (b"let x", "file", "text/x-typescript"),
    "a.md": (WORDS, "file", "text/plain"),
    "a.yaml": (WORDS, "file", "text/plain"),
    "a.YML": (WORDS, "file", "text/plain"),
    "a.jsonl": (WORDS, "file", "text/plain"),
    "a.log": (WORDS, "file", "text/plain"),
    "a.go": (WORDS, "file", "text/plain"),
    "a.json": (b"{}", "file", "application/json"),
    "a.docx": (b"PK\3\4", "file", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "a.pdf": (b"%PDF", "file", "application/pdf"),
}


@pytest.mark.parametrize("name", BARE_SYSTEM)
def test_knows_files_when_the_system_has_no_table_of_types(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    """Protects `read_media` in slim containers, where Python knows neither WebP nor YAML."""
    monkeypatch.setattr(mimetypes, "guess_type", mimetypes.MimeTypes().guess_type)  # Python's own table alone
    data, kind, mime = BARE_SYSTEM[name]
    (tmp_path / name).write_bytes(data)
    block = read_media(tmp_path / name)
    assert (block["type"], base64.b64decode(block["base64"])) == (kind, data)
    if data == WORDS:
        assert write_parts([build(data, "", filename=name)], VLLM, None) == f"{name}:\n# 名: x"
        assert is_text_type(block["mime_type"])
    elif kind != "video":  # newer Pythons have their own names for these
        assert block["mime_type"] == mime


@pytest.mark.parametrize("name", ["a", "a.", ".env", "a.xyz", "yaml", "a.yaml.gpg", "a.parquet"])
def test_raises_when_a_suffix_says_nothing(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    """Protects from files that are sent although nobody said what they are."""
    monkeypatch.setattr(mimetypes, "guess_type", mimetypes.MimeTypes().guess_type)
    (tmp_path / name).write_bytes(b"data")
    with pytest.raises(MediaError, match="no known file extension"):
        read_media(tmp_path / name)


def test_leaves_binary_files_what_their_type_says():
    """Protects videos, Excel files and PDF from being read as text; a server that takes files gets them whole."""
    video = write_media(build(b"G@\x00\xff" * 188, "video/mp2t", filename="a.ts"), VLLM)
    assert video["type"] == "video_url"
    for name, mime, data in (
        ("a.xls", "application/vnd.ms-excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 4),
        ("a.pdf", "application/pdf", b"%PDF-1.4"),
    ):
        with pytest.raises(MediaError, match="does not accept files"):
            write_media(build(data, mime, filename=name), VLLM)
        assert write_media(build(data, mime, filename=name), OPENROUTER)["type"] == "file"


@pytest.mark.parametrize("data", [b"\xee", "你好".encode("gbk"), bytes(range(256))], ids=["a byte", "short", "binary"])
def test_says_what_to_do_when_an_encoding_cannot_be_told(data: bytes):
    """Protects from letters that nobody wrote, and from a UnicodeDecodeError."""
    with pytest.raises(MediaError, match="charset="):
        write_media(build(data), VLLM)


def test_sets_a_files_text_apart_from_the_question_and_the_next_file():
    """Protects the question: what is asked, and which file says what, can be told."""
    text = {"type": "text", "text": "Compare:"}
    plain = {"type": "text-plain", "text": "one", "mime_type": "text/plain"}
    written = write_parts([text, plain, build(b"two", filename="b.txt"), "Well?"], VLLM, None)
    assert written == "Compare:\n\none\n\nb.txt:\ntwo\n\nWell?"
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "T"}
    assert write_parts([text, document], VLLM, None) == "Compare:\n\nT:\nx"


def test_reads_a_drawing_as_text_when_it_comes_from_the_disk(tmp_path: Any):
    """Protects SVG, whose type says picture and whose bytes are text."""
    (tmp_path / "a.svg").write_text("<svg/>")
    assert write_media(read_media(tmp_path / "a.svg"), VLLM) == {"type": "text", "text": "a.svg:\n<svg/>"}
