"""Converts image, video, audio and file parts to wire parts. No network; only `read_media` reads the disk."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.call import check_type, name_type
from langchain_qwen3.request.documents import build_file_error, decode_file, find_text, write_text
from langchain_qwen3.request.files import (
    correct_type,
    find_type,
    is_media_type,
    is_text_type,
    read_data_uri,
    sniff_base64,
)
from langchain_qwen3.request.media_data import MediaError, check_url, read_url
from langchain_qwen3.request.media_forms import (
    DATA_KEYS,
    ID_KEYS,
    NAME_KEYS,
    OPENAI_TYPES,
    OTHER_SETTINGS,
    SETTINGS,
    VIDEO_SETTINGS,
    Source,
    find_holders,
    find_kind,
    find_mime,
    find_source,
    find_strings,
    is_data_uri,
    read_uri_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect

_AUDIO_FORMATS = {"mpeg": "mp3", "mp4": "m4a", "wave": "wav", "vnd.wave": "wav"}
# Parts of vLLM that only it reads, with tensors in place of media.
_EMBEDDINGS = ("image_embeds", "audio_embeds")
_OPTIONS = frozenset({"detail", "extras", "metadata", "video_metadata", *SETTINGS, *OTHER_SETTINGS})


def read_media(path: str | Path) -> dict[str, Any]:
    """Read a local file into a standard block, for the content of a human or tool message.

    This is the only way to put a local file into a request: a block with only a `path` is refused, because it may come
    from a tool or a user without permission to read the file.

    Args:
        path: An image, video, audio or text file; its suffix determines the type.

    Returns:
        A block with `type`, `base64` and `mime_type`; a file of another kind also has its `filename`.

    Raises:
        MediaError: The suffix is unknown, or it is a URL.
        OSError: The file cannot be read.
        TypeError: `path` is no path.
    """
    check_type("path", path, (str, os.PathLike), "the path of a file")
    if isinstance(path, str) and (path.startswith("data:") or "://" in path):
        raise MediaError(f'{path[:40]} is a URL, not a file: put it into a block: {{"type": "image", "url": …}}')
    path = Path(path)
    mime = find_type("", path.name)
    if not mime:
        raise MediaError(f"{path.name} has no known file extension: rename it, or build the block by hand")
    data = path.read_bytes()
    mime = correct_type(mime, lambda: data)
    kind = mime.partition("/")[0] if is_media_type(mime) else "file"
    block: dict[str, Any] = {"type": kind, "mime_type": mime}
    block["base64"] = base64.b64encode(data).decode("ascii")
    if kind == "file":
        block["filename"] = path.name
    return block


def write_media(part: Mapping[str, Any], dialect: Dialect, line: ModelLine | None = None) -> dict[str, Any]:
    """Return the wire form of a content part that is not text.

    LangChain's standard blocks (v1, v0 and JavaScript's), parts of OpenAI, Anthropic, Bedrock, Gemini and MCP, and
    Qwen's parts (`{"type": "video", "video": url or frames}`) are converted to the server's form; parts of other types
    are sent unchanged.

    Args:
        part: The part; it is not changed.
        dialect: The server.
        line: The checkpoint's line, None when unknown.

    Raises:
        MediaError: The server or checkpoint does not take such a part, or it contains no data that could be sent.
    """
    kind = find_kind(part)
    if kind is None:
        return _write_unknown(part)
    source = find_source(part, kind)
    if kind == "file" or (kind == "image" and _is_svg(source)):
        return _write_file(part, kind, source, dialect, line)
    _check_kind(kind, dialect, line)
    # vLLM keeps media under an id: https://github.com/vllm-project/vllm/blob/main/docs/features/multimodal_inputs.md
    form = part.get("type")
    kept = {"uuid": part["uuid"]} if part.get("uuid") and form in OPENAI_TYPES and form in part else {}
    if kept and source.value is None:
        return dict(part)
    if kind == "audio":
        return {**_write_audio(part, read_url(part, kind, source), dialect), **kept}
    return {**_write_visual(part, kind, source, dialect), **kept}


def lift_media_settings(wire: Iterable[dict[str, Any]], dialect: Dialect) -> dict[str, Any]:
    """Move the settings of media parts to where the server reads them, and warn if it reads none.

    Args:
        wire: The wire messages; parts are changed in place.
        dialect: The server.

    Returns:
        Request fields with the settings of all parts.
    """
    if dialect.media_settings == "part":
        return {}
    lifted: dict[str, Any] = {}
    for part, name in _iter_settings(wire):
        if dialect.media_settings == "unknown":
            warn_once(f"whether this server reads {name} of a media part is not known; it was sent anyway")
            continue
        value = part.pop(name)
        if dialect.media_settings == "video_url" and name in VIDEO_SETTINGS and part.get("video_url"):
            part["video_url"] = {**part["video_url"], name: value}
        elif dialect.media_settings != "mm_processor_kwargs" or name in OTHER_SETTINGS:
            warn_once(f"{name} of a media part has no effect on {dialect.title} and was not sent")
        elif lifted.setdefault(name, value) != value:
            warn_once(f"{dialect.title} takes one {name} per request: the first part's {lifted[name]!r} is used")
    return {"mm_processor_kwargs": lifted} if lifted else {}


def _iter_settings(wire: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    for message in wire:
        if isinstance(parts := message.get("content"), list):
            for part in parts:
                for name in (*SETTINGS, *OTHER_SETTINGS):
                    if name in part:
                        yield part, name


def _check_kind(kind: str, dialect: Dialect, line: ModelLine | None) -> None:
    if kind not in dialect.media_kinds:
        raise MediaError(f"{dialect.title} does not accept {kind} parts: leave it out, or describe it in words")
    if line is not None and kind not in line.inputs:
        takes = " and ".join(sorted(line.inputs))
        raise MediaError(
            f"{line.name} models accept only {takes}, but a message contains a part of type {kind}: leave it out, or "
            'set model_line= (such as "Qwen3-VL")'
        )


def _find_option(holders: Iterable[Any], name: str) -> Any:
    """Return a setting of a part, which LangChain stores in `extras` (v1) or `metadata` (v0), others beside the URL."""
    return next((own[name] for own in holders if isinstance(own, Mapping) and own.get(name) is not None), None)


def _check_setting(kind: str, name: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return value
    raise MediaError(f"the {kind} part's {name} is {value!r}: pass a number that is not negative, or leave it out")


def _write_unknown(part: Mapping[str, Any]) -> dict[str, Any]:
    if "type" not in part:
        keys = ", ".join(sorted(map(str, part))) or "no keys at all"
        raise MediaError(f'a content part has no type, only {keys}: pass {{"type": "text", "text": "…"}} or similar')
    if part["type"] in _EMBEDDINGS:
        return dict(part)
    raise MediaError(
        f"a content part has the unknown type {part['type']!r}: pass text, image, video, audio or file, "
        'or wrap it as {"type": "non_standard", "value": …}, which is sent unchanged'
    )


# -- special kinds ----------------------------------------------------------------------------------------------------


def _is_svg(source: Source) -> bool:
    """Return whether data is an SVG, which is sent as text: tools call it an image, but no model reads it as one."""
    is_uri = isinstance(source.value, str) and is_data_uri(source.value)
    mime = read_uri_type(source.value) if is_uri else source.mime if source.key in DATA_KEYS else ""
    return "svg+xml" in mime.lower()


def _write_frames(frames: Iterable[Any], dialect: Dialect, settings: dict[str, Any]) -> dict[str, Any]:
    """Convert a video that is a list of frames."""
    urls = [_read_frame(frame) for frame in frames]
    if dialect.video_frames == "list":
        return {"type": "video", "video": urls, **settings}
    if dialect.video_frames == "jpeg" and all(url.startswith("data:image/") for url in urls):
        joined = ",".join(url.partition("base64,")[2] for url in urls)
        return {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{joined}"}, **settings}
    how = "frames as base64 data (data:image/jpeg;base64,…)" if dialect.video_frames else "the video, or image parts"
    raise MediaError(f"{dialect.title} does not accept a video as a list of frame URLs: send {how}")


def _read_frame(frame: Any) -> str:
    if isinstance(frame, str):
        return check_url(frame, "video")
    if isinstance(frame, (bytes, bytearray, memoryview)):
        frame = {"bytes": frame}
    if not isinstance(frame, Mapping):
        raise MediaError(f"a frame of the video part is {name_type(frame)}: pass URLs, data URIs or bytes")
    return read_url(frame, "image", find_source(frame, "image"))


def _write_visual(part: Mapping[str, Any], kind: str, source: Source, dialect: Dialect) -> dict[str, Any]:
    """Convert an image or a video, with its settings beside it."""
    holders = (*find_holders(part, kind), part.get("video_metadata"))  # Gemini's
    values = {name: _find_option(holders, name) for name in (*SETTINGS, *OTHER_SETTINGS)}
    settings = {name: _check_setting(kind, name, value) for name, value in values.items() if value is not None}
    if kind == "video" and isinstance(source.value, (list, tuple)):
        return _write_frames(source.value, dialect, settings)
    key = f"{kind}_url"
    url = read_url(part, kind, source)
    if dialect.base64_media_only and not url.startswith("data:"):
        raise MediaError(
            f"{dialect.title} accepts media only as base64 data, but the {kind} part is a URL: download it and "
            f'send {{"type": "{kind}", "base64": …, "mime_type": …}}, or read_media(path) of the file'
        )
    if part.get("type") == key and isinstance(own := part.get(key), dict) and own.get("url") is source.value:
        inner = {name: value for name, value in own.items() if name not in settings}
        return {**part, key: {**inner, "url": url}, **settings}
    detail = _find_option(holders, "detail")
    return {"type": key, key: {"url": url} if detail is None else {"url": url, "detail": detail}, **settings}


def _write_audio(part: Mapping[str, Any], url: str, dialect: Dialect) -> dict[str, Any]:
    own = part.get("input_audio")
    if dialect.audio == "audio_url":
        return {"type": "audio_url", "audio_url": {"url": url}}
    given = own.get("format") if isinstance(own, Mapping) else None
    format_ = _read_audio_format(given if isinstance(given, str) and given else url)
    if dialect.audio == "base64":
        if not url.startswith("data:"):
            raise MediaError(
                f"{dialect.title} accepts audio only as base64 data: download it and send "
                '{"type": "audio", "base64": …, "mime_type": …}, or read_media(path) of the file'
            )
        url = url.partition("base64,")[2]
    inner = {"data": url, "format": format_} if format_ else {"data": url}
    return {"type": "input_audio", "input_audio": inner}


def _read_audio_format(place: str) -> str:
    """Return `wav`, `mp3` or the like, from a format, the type of a data URI, or the suffix of a URL; "" if unknown."""
    if is_data_uri(place):
        place = read_uri_type(place)
    elif "://" in place:
        place = Path(place.partition("?")[0]).suffix
    name = place.lower().rpartition("/")[2].removeprefix("x-").removeprefix(".")
    return _AUDIO_FORMATS.get(name, name)


def _write_file(
    part: Mapping[str, Any], kind: str, source: Source, dialect: Dialect, line: ModelLine | None
) -> dict[str, Any]:
    """Convert a file to a media or text part; other files go only to the few servers that take files."""
    holders = find_holders(part, kind)
    name = next(iter(find_strings(holders, NAME_KEYS)), "")
    if (text := find_text(holders)) is not None:
        return write_text(text, name)
    if ids := find_strings(holders, ("id",) if part.get("source_type") == "id" else ID_KEYS):  # LangChain's v0
        if not dialect.files:
            raise MediaError(f"{dialect.title} does not support file ids: send the file's text")
        return {"type": "file", "file": part["file"] if isinstance(part.get("file"), dict) else {"file_id": ids[0]}}
    url = read_url(part, "file", source)
    inner = read_uri_type(url) if url.startswith("data:") else ""
    mime = find_type(inner or find_mime(holders), name)
    if url.startswith("data:"):
        mime = correct_type(mime, lambda: read_data_uri(url))
    mime = mime or sniff_base64(url.partition(",")[2])
    if is_media_type(mime):
        options = {name: value for name, value in part.items() if name in _OPTIONS}
        return write_media({**options, "type": mime.partition("/")[0], "url": _retype(url, mime)}, dialect, line)
    is_text = is_text_type(mime)
    # Windows calls CSV an Excel file. A server that takes files may read the type; for others, the bytes decide.
    may_be_text = not mime or not (dialect.files or mime == "application/pdf")
    if url.startswith("data:") and (is_text or may_be_text):
        try:
            return write_text(decode_file(url, holders, guess=is_text), name)
        except ValueError as error:
            if is_text:
                raise MediaError(
                    f'the file part {name or mime} cannot be read as text: {error}: send {{"type": "text", "text": …}}'
                    ', or set its encoding, as in "mime_type": "text/plain; charset=gb18030"'
                ) from None
    if not dialect.files:
        raise build_file_error(url, name or mime, dialect)
    return {"type": "file", "file": {"filename": name or "file", "file_data": _retype(url, mime) if mime else url}}


def _retype(url: str, mime: str) -> str:
    """Set the MIME type of a data URI."""
    return f"data:{mime};{url.partition(';')[2]}" if url.startswith("data:") and ";" in url else url
