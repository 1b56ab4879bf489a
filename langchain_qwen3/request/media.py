"""Image, video, audio and file parts → wire parts. Nothing is fetched, and only `read_media` touches the disk."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialects import Dialect

# Part type → kind; LangChain's and Qwen's own types first, then OpenAI's and vLLM's.
_KINDS = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "file": "file",
    "text-plain": "file",
    "image_url": "image",
    "video_url": "video",
    "input_audio": "audio",
    "audio_url": "audio",
}
# Qwen's and DashScope's settings of a part, beside its data.
_OPTIONS = ("fps", "min_pixels", "max_pixels", "total_pixels")
_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}


class MediaError(ValueError):
    """A part that cannot be sent as it is; the text says what to change."""


def read_media(path: str | Path) -> dict[str, Any]:
    """Read a local file into a standard block, for the content of a human or tool message.

    This is the only way a file of this machine gets into a request: a block that names one (`path`) is refused, since
    blocks may come from a tool or a user who is not to read it.

    Args:
        path: An image, video, audio or text file; the suffix tells which.

    Returns:
        A block with `type`, `base64` and `mime_type`; a file of another kind also has its `filename`.

    Raises:
        MediaError: The suffix tells no kind.
        OSError: The file cannot be read.
    """
    path = Path(path)
    mime, _ = mimetypes.guess_type(path.name)
    if mime is None:
        raise MediaError(f"{path.name} has no suffix that tells what it is: rename it, or build the block by hand")
    kind = mime.partition("/")[0]
    block: dict[str, Any] = {"type": kind if kind in ("image", "video", "audio") else "file", "mime_type": mime}
    block["base64"] = base64.b64encode(path.read_bytes()).decode("ascii")
    if block["type"] == "file":
        block["filename"] = path.name
    return block


def write_media(part: Mapping[str, Any], dialect: Dialect, line: ModelLine | None = None) -> dict[str, Any]:
    """Return the wire form of a content part that is not text.

    LangChain's standard blocks (v1 and v0), OpenAI's parts and Qwen's (`{"type": "video", "video": url or frames}`) are
    written in the form the server takes; parts of other types are sent as they are.

    Args:
        part: The part; it is not changed.
        dialect: The server.
        line: The checkpoint's line, None when its name says nothing.

    Raises:
        MediaError: Server or checkpoint takes no such part, or there is no data in it.
    """
    kind = _KINDS.get(str(part.get("type")))
    if kind is None:
        if "type" not in part:
            raise MediaError(f"a content part has no type, only {', '.join(sorted(map(str, part)))}: add one")
        return dict(part)
    if "path" in part:
        raise MediaError(
            f"the {kind} part names a local file, which is not read from a message: "
            "pass langchain_qwen3.request.media.read_media(path) instead"
        )
    if kind == "file":
        return _write_file(part, dialect, line)
    _check_kind(kind, dialect, line)
    if kind == "audio":
        return _write_audio(part, dialect)
    options = {name: value for name in _OPTIONS if (value := _find_option(part, name)) is not None}
    frames = part.get("video")
    if isinstance(frames, list):
        return {"type": "video", "video": frames, **options}
    key = f"{kind}_url"
    url = _read_url(part, kind)
    if dialect.base64_media_only and not url.startswith("data:"):
        raise MediaError(
            f"{dialect.title} takes media as base64 data only, and the {kind} part is a URL: "
            f'send {{"type": "{kind}", "base64": …, "mime_type": …}} instead'
        )
    if isinstance(part.get(key), dict):
        return dict(part)
    detail = _find_option(part, "detail")
    return {"type": key, key: {"url": url} if detail is None else {"url": url, "detail": detail}, **options}


def _check_kind(kind: str, dialect: Dialect, line: ModelLine | None) -> None:
    if kind not in dialect.media_kinds:
        raise MediaError(f"{dialect.title} takes no {kind} parts")
    if line is not None and kind not in line.inputs:
        takes = " and ".join(sorted(line.inputs))
        raise MediaError(f"{line.name} models take {takes} only, and a message holds a part of type {kind}")


def _find_option(part: Mapping[str, Any], name: str) -> Any:
    """Return a setting of a part, which LangChain keeps in `extras` (v1) or `metadata` (v0)."""
    for holder in (part, part.get("extras"), part.get("metadata")):
        if isinstance(holder, dict) and name in holder:
            return holder[name]
    return None


def _read_url(part: Mapping[str, Any], kind: str) -> str:
    """Return the URL, or the data as a data URI, of a part in any of the known forms."""
    own = part.get(f"{kind}_url") or part.get(kind) or part.get("source") or part
    if isinstance(own, str):
        return own
    if url := own.get("url"):
        return str(url)
    data = own.get("base64") or own.get("data")
    if not data:
        raise MediaError(f"the {kind} part has neither url nor base64 data, only {', '.join(sorted(map(str, part)))}")
    mime = own.get("mime_type") or own.get("media_type")
    if str(data).startswith("data:"):
        return str(data)
    if not mime:
        raise MediaError(f'the {kind} part has base64 data but no mime_type: add "mime_type": "{kind}/…"')
    return f"data:{mime};base64,{data}"


def _write_audio(part: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    given = part.get("input_audio")
    if isinstance(given, dict):
        data, format_ = str(given.get("data") or ""), given.get("format")
        url = data if data.startswith(("data:", "http:", "https:")) else f"data:audio/{format_ or ''};base64,{data}"
    else:
        url = _read_url(part, "audio")
        format_ = _read_audio_format(url)
    if dialect.audio == "audio_url":
        return {"type": "audio_url", "audio_url": {"url": url}}
    if dialect.audio == "base64":
        if not url.startswith("data:"):
            raise MediaError(f'{dialect.title} takes audio as base64 data only: send {{"type": "audio", "base64": …}}')
        url = url.partition("base64,")[2]
    inner = {"data": url, "format": format_} if format_ else {"data": url}
    return {"type": "input_audio", "input_audio": inner}


def _read_audio_format(url: str) -> str:
    """Return `wav`, `mp3` or the like, of a data URI by its type, of another URL by its suffix; "" for none."""
    if url.startswith("data:"):
        name = url[5:].partition(";")[0].partition("/")[2]
        return _AUDIO_FORMATS.get(name, name)
    return Path(url.partition("?")[0]).suffix.removeprefix(".")


def _write_file(part: Mapping[str, Any], dialect: Dialect, line: ModelLine | None) -> dict[str, Any]:
    """Write a file as what it holds: media or text; anything else goes to the few servers that take files."""
    if isinstance(text := part.get("text"), str):
        return {"type": "text", "text": text}
    given = part.get("file")
    if isinstance(given, dict):  # OpenAI's form
        if "file_data" not in given and not dialect.files:
            raise MediaError(f"{dialect.title} keeps no files that a part could name: send the file's text")
        url, name = str(given.get("file_data") or ""), given.get("filename")
    else:
        url, name = _read_url(part, "file"), part.get("filename") or _find_option(part, "filename")
    mime = url[5:].partition(";")[0] if url.startswith("data:") else str(part.get("mime_type") or "")
    kind = mime.partition("/")[0]
    if kind in ("image", "video", "audio"):
        return write_media({"type": kind, "url": url}, dialect, line)
    if kind == "text" and url.startswith("data:"):
        return {"type": "text", "text": base64.b64decode(url.partition("base64,")[2]).decode("utf-8")}
    if not dialect.files:
        raise MediaError(f"{dialect.title} takes no files ({name or mime or url}): send the text, or pages as images")
    if isinstance(given, dict):
        return {"type": "file", "file": given}
    return {"type": "file", "file": {"filename": str(name or "file"), "file_data": url}}
