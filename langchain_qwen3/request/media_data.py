"""Checks the data and the URL of a media part, and writes them as a URL that a server reads. Pure."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from langchain_qwen3.call import name_type
from langchain_qwen3.request.files import is_media_type, sniff_base64
from langchain_qwen3.request.media_forms import DATA_KEYS, MAX_WORD, Source, find_holders, is_data_uri

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
# A type with a comma in a parameter, as Chrome's recorder writes `video/webm;codecs=vp9,opus` for a video with sound.
_LONG_TYPE = re.compile(r"""[\w/.+*-]*(?:;[^,;=]*=(?:"[^"]*"|[\w.,%+/-]*))+;\s*base64(?=,)""", re.IGNORECASE)
_SCHEMES = ("http://", "https://", "data:", "oss://", "s3://", "gs://")
# How types end that name no format. Qwen's README has `data:image;base64,…` (https://github.com/QwenLM/Qwen2.5-VL), and
# Ollama takes only formats that it knows (https://github.com/ollama/ollama/blob/main/openai/openai.go).
_VAGUE = frozenset({"image", "video", "audio", "*", ""})


class MediaError(ValueError):
    """A part cannot be sent as it is; the text says which part, why, and what to change."""


def read_url(part: Mapping[str, Any], kind: str, source: Source) -> str:
    """Return the URL of a part, or its data as a data URI.

    Args:
        part: The part.
        kind: What its data must be.
        source: Where its data is.

    Raises:
        MediaError: The part has neither, or what it has cannot be sent.
    """
    key, value, mime = source
    if value is None:
        if any(own.get("path") for own in find_holders(part, kind)):  # Gradio's form of a file, in a chat's history
            refuse_local(kind)
        keys = ", ".join(sorted(map(str, part)))
        raise MediaError(f"the {kind} part has neither url nor base64 data, only {keys}: add one of them")
    if not key and not isinstance(value, str):
        raise MediaError(
            f"the {kind} part holds {name_type(value)}, which cannot be sent: pass its bytes as "
            f'{{"type": "{kind}", "base64": …, "mime_type": …}}, or read_media(path) of a file'
        )
    if kind == "file" and "/" not in mime:
        mime = mimetypes.guess_type(f"a.{mime}")[0] or mime
    if key not in DATA_KEYS or (isinstance(value, str) and (is_data_uri(value) or "://" in value[:12])):
        return check_url(value, kind, mime)
    return build_data_uri(mime, value, kind, raw=key == "bytes")


def build_data_uri(mime: str, data: Any, kind: str, *, raw: bool = False) -> str:
    """Return a data URI.

    Args:
        mime: The MIME type, or its last word alone; if it is "" or names no format (`image`, `image/*`), the data's
            first bytes decide.
        data: Base64, or bytes.
        kind: The part's kind.
        raw: Whether bytes are certainly not base64 (Bedrock).

    Raises:
        MediaError: The data is empty or not base64, or its type is unknown.
    """
    if mime and "/" not in mime:
        mime = f"{kind}/{mime.removeprefix('.')}"
    # Browsers add codecs to a type, and forms a name. vLLM 0.11 refuses them:
    # https://github.com/vllm-project/vllm/blob/v0.11.0/vllm/multimodal/utils.py
    if kind != "file":
        mime = mime.partition(";")[0].strip().lower()
    if mime == "video/jpeg" and isinstance(data, str):  # vLLM's video of frames
        return f"data:{mime};base64,{','.join(_read_base64(frame, kind) for frame in data.split(','))}"
    data = _read_base64(data, kind, raw=raw)
    if mime and _is_vague(mime):
        mime = sniff_base64(data) or mime
    if kind != "file" and not is_media_type(mime):
        given, mime = mime, sniff_base64(data)
        if not is_media_type(mime):
            what = f"mime_type {given!r}" if given else "no mime_type"
            raise MediaError(f'the {kind} part has base64 data but {what}: add "mime_type": "{kind}/…"')
    return f"data:{mime};base64,{data}"


def _is_vague(mime: str) -> bool:
    return mime.partition(";")[0].rpartition("/")[2].lower() in _VAGUE


def check_url(url: Any, kind: str, mime: str = "") -> str:
    """Return a URL that a server can read, its base64 data without line breaks.

    Args:
        url: The URL.
        kind: The part's kind.
        mime: The type of the data if a data URI names no format, as in `data:;base64,…`, DashScope's form of audio
            (https://help.aliyun.com/zh/model-studio/qwen-omni).

    Raises:
        MediaError: It is no URL, or one that no server reads.
    """
    if not isinstance(url, str):
        raise MediaError(f"the {kind} part's URL is {name_type(url)}: pass a string, or read_media(path) of a file")
    text = url.strip()
    scheme, colon, rest = text.partition(":")
    if scheme.lower() == "data":
        long = _LONG_TYPE.match(rest[:MAX_WORD])
        head, _, data = (long[0], ",", rest[long.end() + 1 :]) if long else rest.partition(",")
        if head.lower().endswith("base64"):
            own = head[: -len("base64")].rstrip("; ")
            return build_data_uri(mime or own if _is_vague(own) else own, data, kind)
        if not data and kind != "file":
            raise MediaError(f"the {kind} part's data URI has no data: pass data:{kind}/…;base64,…")
        return f"data:{rest}"
    if not f"{scheme.lower()}{colon}{rest[:2]}".startswith(_SCHEMES):
        if mime := sniff_base64(text):
            return build_data_uri(mime, text, kind)
        if scheme.lower() == "file" or not (colon and rest.startswith("//")):
            refuse_local(kind)
        raise MediaError(
            f"the {kind} part's URL begins with {scheme}://, which no server reads: use http(s), or pass the data as "
            "base64"
        )
    return text


def refuse_local(kind: str) -> NoReturn:
    """Raise for a part that names a local file."""
    raise MediaError(
        f"the {kind} part names a local file, or has an incomplete URL: files are not read from disk for a message, "
        "pass https://…, or langchain_qwen3.read_media(path)"
    )


def _read_base64(data: Any, kind: str, *, raw: bool = False) -> str:
    """Return data as base64 without line breaks; bytes may already be base64, or the raw file."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        raw_bytes = bytes(data)
        if raw or len(raw_bytes) % 4 or raw_bytes.translate(None, _BASE64 + b"\r\n"):
            return base64.b64encode(raw_bytes).decode("ascii")
        data = raw_bytes.decode("ascii")
    if not isinstance(data, str):
        raise MediaError(f"the {kind} part's data is {name_type(data)}: pass base64 as a string")
    text: str = data
    if text.isascii():
        left = text.encode("ascii").translate(None, _BASE64)
        if left and not left.strip():
            text, left = "".join(text.split()), b""
        if not text and kind != "file":
            raise MediaError(f"the {kind} part has no data (its base64 is empty): leave it out")
        if not left and len(text) % 4 == 0 and "=" not in text[:-2]:
            return text
    raise MediaError(f"the {kind} part's data is not valid base64: pass base64.b64encode(bytes).decode()")
