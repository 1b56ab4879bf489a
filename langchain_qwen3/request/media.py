"""Converts image, video, audio and file parts to wire parts. No network; only `read_media` reads the disk."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.request.files import decode_text, find_type, is_media_type, is_text_type, read_data_uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialects import Dialect

# Part type → kind; LangChain's and Qwen's own types first, then OpenAI's, vLLM's, Anthropic's, Gemini's and MCP's.
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
    "input_image": "image",
    "input_video": "video",
    "input_file": "file",
    "document": "file",
    "media": "file",
    "resource": "file",
    "resource_link": "file",
}
# Qwen's and DashScope's settings of a part, stored beside its data.
_SETTINGS = ("fps", "min_pixels", "max_pixels", "total_pixels")
_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
_SCHEMES = ("http://", "https://", "data:", "oss://", "s3://", "gs://")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
# Keys of the different forms of a part: LangChain v1 and v0, JavaScript, OpenAI, Anthropic, Bedrock, Gemini, MCP.
_URL_KEYS = ("url", "uri", "file_uri", "fileUri")
_DATA_KEYS = ("base64", "data", "blob", "bytes", "file_data")
_MIME_KEYS = ("mime_type", "media_type", "mimeType", "mediaType")
_NAME_KEYS = ("filename", "title", "name")


class MediaError(ValueError):
    """A part cannot be sent as it is; the text says which part, why, and what to change."""


def read_media(path: str | Path) -> dict[str, Any]:
    """Read a local file into a standard block, for the content of a human or tool message.

    This is the only way to put a local file into a request: a block with a `path` is refused, because it may come
    from a tool or a user without permission to read the file.

    Args:
        path: An image, video, audio or text file; its suffix determines the type.

    Returns:
        A block with `type`, `base64` and `mime_type`; a file of another kind also has its `filename`.

    Raises:
        MediaError: The suffix is unknown.
        OSError: The file cannot be read.
    """
    path = Path(path)
    mime, _ = mimetypes.guess_type(path.name)
    if mime is None:
        raise MediaError(f"{path.name} has no suffix that tells what it is: rename it, or build the block by hand")
    kind = mime.partition("/")[0] if is_media_type(mime) else "file"
    block: dict[str, Any] = {"type": kind, "mime_type": mime}
    block["base64"] = base64.b64encode(path.read_bytes()).decode("ascii")
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
        if "type" not in part:
            raise MediaError(f"a content part has no type, only {_list_keys(part)}: add one")
        return dict(part)
    if "path" in part:
        _refuse_local(kind)
    if kind == "file":
        return _write_file(part, dialect, line)
    _check_kind(kind, dialect, line)
    if kind == "audio":
        return _write_audio(part, dialect)
    settings = {name: value for name in _SETTINGS if (value := _find_option(part, name)) is not None}
    if isinstance(frames := part.get("video"), list):
        return _write_frames(frames, dialect, settings)
    key = f"{kind}_url"
    url = _read_url(part, kind)
    if dialect.base64_media_only and not url.startswith("data:"):
        raise MediaError(
            f"{dialect.title} takes media as base64 data only, and the {kind} part is a URL: download it and "
            f'send {{"type": "{kind}", "base64": …, "mime_type": …}}, or read_media(path) of the file'
        )
    if part.get("type") == key and isinstance(part.get(key), dict):
        return {**part, key: {**part[key], "url": url}, **settings}
    detail = _find_option(part, "detail")
    return {"type": key, key: {"url": url} if detail is None else {"url": url, "detail": detail}, **settings}


def find_kind(part: Mapping[str, Any]) -> str | None:
    """Return the kind of a part by its type, or by its only key if it has none (Bedrock, Gemini); None if not media."""
    if "type" in part:
        return _KINDS.get(str(part["type"]))
    for key, kind in (("image", "image"), ("video", "video"), ("audio", "audio"), ("document", "file")):
        if isinstance(part.get(key), Mapping):
            return kind
    return "file" if part.keys() & {"inline_data", "inlineData", "file_data", "fileData"} else None


def describe_part(part: Mapping[str, Any]) -> str:
    """Describe a part briefly, with its name, URL and type, for a model that cannot take it."""
    kind = find_kind(part) or str(part.get("type") or "part")
    holders = [own for own in _iter_holders(part, kind) if isinstance(own, Mapping)]
    urls = [own for own in _iter_holders(part, kind) if isinstance(own, str)] + _find_strings(holders, _URL_KEYS)
    words = [*_find_strings(holders, _NAME_KEYS)[:1], *(url for url in urls if not url.startswith("data:"))][:2]
    mimes = _find_strings(holders, _MIME_KEYS) or [url[5:].partition(";")[0] for url in urls if url.startswith("data:")]
    about = f" ({mimes[0]})" if mimes else ""
    return f"{kind}{''.join(f' {word}' for word in dict.fromkeys(words))}{about}"


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
    for message in wire:
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            for name in _SETTINGS:
                if name not in part:
                    continue
                if dialect.media_settings == "unknown":
                    warn_once(f"whether this server reads {name} of a media part is unknown; it was sent in the part")
                    continue
                value = part.pop(name)
                if dialect.media_settings is None:
                    warn_once(f"{name} of a media part has no effect on {dialect.title}, it was not sent")
                elif lifted.setdefault(name, value) != value:
                    warn_once(
                        f"{dialect.title} reads {name} once for all parts: the first part's {lifted[name]} counts"
                    )
    return {dialect.media_settings: lifted} if lifted and dialect.media_settings else {}


def _check_kind(kind: str, dialect: Dialect, line: ModelLine | None) -> None:
    if kind not in dialect.media_kinds:
        raise MediaError(f"{dialect.title} takes no {kind} parts: leave it out, or describe it in words")
    if line is not None and kind not in line.inputs:
        takes = " and ".join(sorted(line.inputs))
        raise MediaError(
            f"{line.name} models take {takes} only, and a message holds a part of type {kind}: "
            'leave it out, or say what the model is by model_line= ("Qwen3-VL")'
        )


def _find_option(part: Mapping[str, Any], name: str) -> Any:
    """Return a setting of a part, which LangChain stores in `extras` (v1) or `metadata` (v0)."""
    for holder in (part, part.get("extras"), part.get("metadata")):
        if isinstance(holder, dict) and name in holder:
            return holder[name]
    return None


def _list_keys(part: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, part)))


def _refuse_local(kind: str) -> NoReturn:
    raise MediaError(
        f"the {kind} part names a local file, which is not read from a message: "
        "pass langchain_qwen3.read_media(path) instead"
    )


# -- where the data is ------------------------------------------------------------------------------------------------


def _iter_holders(part: Mapping[str, Any], kind: str) -> Iterable[Any]:
    """Yield the objects that may contain a part's data, innermost first: an inner object or URL, then the part."""
    for key in (f"{kind}_url", kind, "source", "input_audio", "resource", "inline_data", "inlineData"):
        if part.get(key):
            inner = part[key]
            if isinstance(inner, Mapping) and isinstance(inner.get("source"), Mapping):  # Bedrock: `format` beside it
                yield {**inner, **inner["source"]}
            yield inner
    for key in ("file_data", "fileData", "document"):
        if isinstance(part.get(key), Mapping):
            yield {**part[key], **(part[key].get("source") or {})}
    yield part
    for key in ("extras", "metadata"):
        if isinstance(part.get(key), Mapping):
            yield part[key]


def _find_strings(holders: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[str]:
    return [own[key] for own in holders for key in keys if isinstance(own.get(key), str) and own[key]]


def _read_url(part: Mapping[str, Any], kind: str) -> str:
    """Return the URL of a part of any known form, or its data as a data URI."""
    own = next(iter(_iter_holders(part, kind)))
    if not isinstance(own, (str, Mapping)):
        raise MediaError(
            f"the {kind} part holds a {type(own).__name__}, which cannot be sent: give its bytes as "
            f'{{"type": "{kind}", "base64": …, "mime_type": …}}, or read_media(path) of a file'
        )
    if isinstance(own, str):
        return _check_url(own, kind)
    # Data first: a URI beside it may be only a name. An empty file is valid, an empty image is not.
    data = next((own[key] for key in _DATA_KEYS if own.get(key) or (kind == "file" and own.get(key) == "")), None)
    if data is None:
        url = next((own[key] for key in _URL_KEYS if own.get(key)), None)
        if url is None:
            raise MediaError(
                f"the {kind} part has neither url nor base64 data, only {_list_keys(part)}: add one of them"
            )
        return _check_url(url, kind)
    if isinstance(data, str) and (data.startswith("data:") or "://" in data[:12]):
        return _check_url(data, kind)
    holders = [own, part]
    mime = next(iter(_find_strings(holders, _MIME_KEYS)), "")
    if not mime and isinstance(own.get("format"), str):
        mime = f"{kind if kind != 'file' else 'application'}/{own['format']}"
    if not mime and kind != "file":
        raise MediaError(f'the {kind} part has base64 data but no mime_type: add "mime_type": "{kind}/…"')
    return f"data:{mime};base64,{_read_base64(data, kind)}"


def _check_url(url: Any, kind: str) -> str:
    """Return a URL that a server can read, its base64 data without line breaks."""
    if not isinstance(url, str):
        raise MediaError(f"the {kind} part's URL is a {type(url).__name__}: give a string")
    scheme, colon, rest = url.partition(":")
    if scheme.lower() == "data":
        head, base64_mark, data = rest.partition("base64,")
        return f"data:{head}{base64_mark}{_read_base64(data, kind)}" if base64_mark else url
    if not f"{scheme.lower()}{colon}{rest[:2]}".startswith(_SCHEMES):
        if scheme.lower() == "file" or not (colon and rest.startswith("//")):
            _refuse_local(kind)
        raise MediaError(
            f"the {kind} part's URL begins with {scheme}://, which no server reads: give http(s), or the data as base64"
        )
    return url


def _read_base64(data: Any, kind: str) -> str:
    """Return data as base64 without line breaks; bytes may already be base64, or the raw file."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        raw = bytes(data)
        if raw.translate(None, _BASE64 + b"\r\n"):
            return base64.b64encode(raw).decode("ascii")
        data = raw.decode("ascii")
    if not isinstance(data, str):
        raise MediaError(f"the {kind} part's data is a {type(data).__name__}: give base64 as a string")
    if data.isascii():
        left = data.encode("ascii").translate(None, _BASE64)
        if not left:
            return data
        if not left.strip():
            return "".join(data.split())
    raise MediaError(f"the {kind} part's data is no base64: give base64.b64encode(bytes).decode()")


# -- special kinds ----------------------------------------------------------------------------------------------------


def _write_frames(frames: list[Any], dialect: Dialect, settings: dict[str, Any]) -> dict[str, Any]:
    """Convert a video that is a list of frames."""
    urls = [frame if isinstance(frame, str) else _read_frame(frame) for frame in frames]
    urls = [_check_url(url, "video") for url in urls]
    if dialect.video_frames == "list":
        return {"type": "video", "video": urls, **settings}
    if dialect.video_frames == "jpeg" and urls and all(url.startswith("data:image/") for url in urls):
        joined = ",".join(url.partition("base64,")[2] for url in urls)
        return {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{joined}"}, **settings}
    how = "frames as base64 data (data:image/jpeg;base64,…)" if dialect.video_frames else "the video, or image parts"
    raise MediaError(f"{dialect.title} takes no video as a list of frames' URLs: send {how}")


def _read_frame(frame: Any) -> str:
    if not isinstance(frame, Mapping):
        raise MediaError(f"a frame of the video part is a {type(frame).__name__}: give URLs or data URIs")
    return _read_url(frame, "image")


def _write_audio(part: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    own = part.get("input_audio")
    if isinstance(own, Mapping):
        data, format_ = own.get("data"), own.get("format")
        if isinstance(data, str) and data.startswith(("data:", "http:", "https:")):
            url = _check_url(data, "audio")
        elif data:
            url = f"data:audio/{format_ or ''};base64,{_read_base64(data, 'audio')}"
        else:
            raise MediaError("the audio part has no data: give input_audio.data as base64")
    else:
        url = _read_url(part, "audio")
        format_ = _read_audio_format(url)
    if dialect.audio == "audio_url":
        return {"type": "audio_url", "audio_url": {"url": url}}
    if dialect.audio == "base64":
        if not url.startswith("data:"):
            raise MediaError(
                f"{dialect.title} takes audio as base64 data only: download it and send "
                '{"type": "audio", "base64": …, "mime_type": …}, or read_media(path) of the file'
            )
        url = url.partition("base64,")[2]
    inner = {"data": url, "format": format_} if format_ else {"data": url}
    return {"type": "input_audio", "input_audio": inner}


def _read_audio_format(url: str) -> str:
    """Return `wav`, `mp3` or the like: by the type of a data URI, or the suffix of another URL; "" if unknown."""
    if url.startswith("data:"):
        name = url[5:].partition(";")[0].partition("/")[2]
        return _AUDIO_FORMATS.get(name, name)
    return Path(url.partition("?")[0]).suffix.removeprefix(".")


def _write_file(part: Mapping[str, Any], dialect: Dialect, line: ModelLine | None) -> dict[str, Any]:
    """Convert a file to a media or text part; other files go only to the few servers that take files."""
    holders = [own for own in _iter_holders(part, "file") if isinstance(own, Mapping)]
    names = _find_strings(holders, _NAME_KEYS)
    name = names[0] if names else ""
    text = next((own["text"] for own in holders if isinstance(own.get("text"), str)), None)
    if text is None and any("text" in (own.get("type"), own.get("source_type")) for own in holders):
        text = next(iter(_find_strings(holders, ("data", "url"))), None)  # Anthropic's document, LangChain v0
    if text is not None:
        return _write_text(text, name)
    own = part.get("file")
    if isinstance(own, Mapping) and "file_data" not in own and "file_id" in own and not dialect.files:
        raise MediaError(f"{dialect.title} keeps no files that a part could name: send the file's text")
    if isinstance(own, Mapping) and "file_id" in own:
        return {"type": "file", "file": dict(own)}
    url = _read_url(part, "file")
    inner = url[5:].partition(",")[0].partition(";")[0] if url.startswith("data:") else ""
    mime = find_type(inner or next(iter(_find_strings(holders, _MIME_KEYS)), ""), name)
    if is_media_type(mime):
        return write_media({"type": mime.partition("/")[0], "url": _retype(url, mime)}, dialect, line)
    if url.startswith("data:") and (is_text_type(mime) or not mime):
        try:
            return _write_text(_decode_file(url, holders, guess=bool(mime)), name)
        except ValueError as error:
            if mime:
                raise MediaError(
                    f'the file part {name or mime} is not read as text, for {error}: send {{"type": "text", "text": …}}'
                    ', or name its encoding, as in "mime_type": "text/plain; charset=gb18030"'
                ) from None
    if not dialect.files:
        raise MediaError(
            f"{dialect.title} takes no files ({name or mime or url[:80]}): send the text, or pages as images"
        )
    return {"type": "file", "file": {"filename": name or "file", "file_data": url}}


def _retype(url: str, mime: str) -> str:
    """Set the MIME type of a data URI."""
    return f"data:{mime};{url.partition(';')[2]}" if url.startswith("data:") and ";" in url else url


def _decode_file(url: str, holders: list[Mapping[str, Any]], *, guess: bool) -> str:
    uri = read_data_uri(url)
    said = next((text for text in _find_strings(holders, _MIME_KEYS) if "charset=" in text.lower()), "")
    charset = uri.charset or said.lower().partition("charset=")[2].partition(";")[0].strip('" ') or None
    return decode_text(uri.data, charset, guess=guess)


def _write_text(text: str, name: str) -> dict[str, Any]:
    """Convert a document to a text part; its name lets the model distinguish several documents."""
    return {"type": "text", "text": f"{name}:\n{text}" if name else text}
