"""Finds what a media part is, where its data is, and what else it says, in any form that clients write. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from langchain_qwen3.request.files import sniff_base64
from langchain_qwen3.servers.dialect import words

# Part type → kind: types of LangChain and Qwen, OpenAI, vLLM, Anthropic, Gemini and MCP.
_KINDS = {
    **dict.fromkeys(words("image image_url input_image computer_screenshot"), "image"),
    **dict.fromkeys(words("video video_url input_video"), "video"),
    **dict.fromkeys(words("audio audio_url input_audio"), "audio"),
    **dict.fromkeys(words("file file_url text-plain input_file document media resource resource_link"), "file"),
}
SETTINGS = ("fps", "min_pixels", "max_pixels", "total_pixels")
"""Qwen's settings of a part that some servers read; they are stored beside its data."""

OTHER_SETTINGS = ("nframes", "min_frames", "max_frames", "resized_height", "resized_width", "video_start", "video_end")
"""Those of Qwen's own Python library (qwen-vl-utils). No server is known to read them, except for `VIDEO_SETTINGS`."""

VIDEO_SETTINGS = ("fps", "max_frames")
"""Settings that SiliconFlow reads beside the URL of a video."""

MAX_WORD = 500
"""Characters of a name or URL in the description of a part; a longer one is data in the wrong place."""

# Keys of the different forms of a part: LangChain v1 and v0, JavaScript, OpenAI, Anthropic, Bedrock, Gemini, MCP.
_URL_KEYS = ("url", "uri", "file_uri", "fileUri")
DATA_KEYS = ("base64", "data", "blob", "bytes", "file_data", "fileData")
MIME_KEYS = ("mime_type", "media_type", "mimeType", "mediaType")
NAME_KEYS = ("filename", "title", "name")
ID_KEYS = ("file_id", "fileId")
OPENAI_TYPES = ("image_url", "video_url", "audio_url", "input_audio")
"""Types of OpenAI's parts and vLLM's, whose data is under a key of the same name."""

_HOLDERS = ("image", "video", "audio", "document")
_BARE = (str, list, tuple, bytes, bytearray, memoryview)
_INNER = ("source", "resource", "inline_data", "inlineData", "file_data", "fileData", "document")
# All keys of a part in any form. None has a `content` here, or a `text` unless it says so.
_FORM_KEYS = frozenset(
    {
        *("type", "id", "index", "uuid", "format", "detail", "cache_control", "context", "citations", "frames"),
        *("extras", "metadata", "video_metadata", "annotations", "meta", "_meta", "source", "source_type"),
        *(*OPENAI_TYPES, "input_video", "file", *_INNER),
        *(*_HOLDERS, *_URL_KEYS, *DATA_KEYS, *MIME_KEYS, *NAME_KEYS, *ID_KEYS),
        *(*SETTINGS, *OTHER_SETTINGS),
    }
)


class Source(NamedTuple):
    """Where the data of a part is: the key, the value, and the declared MIME type or its last word, "" if none."""

    key: str
    value: Any
    mime: str


def find_kind(part: Mapping[str, Any]) -> str | None:
    """Return the kind of a part by its type, or by its keys if it has none; None if it is not media.

    Bedrock and Gemini name the kind by a key, and so does DashScope's own API: `{"image": url}`, with settings beside.
    """
    if "type" in part:
        return _KINDS.get(part["type"]) if isinstance(part["type"], str) else None
    said = {key for key, value in part.items() if value is not None} - {*SETTINGS, *OTHER_SETTINGS}
    for key in _HOLDERS:
        own = part.get(key)
        if isinstance(own, Mapping) or (isinstance(own, _BARE) and (said == {key} or is_data(own))):
            return "file" if key == "document" else key
    is_file = part.keys() & {"inline_data", "inlineData", "file_data", "fileData"}
    return "file" if is_file or (isinstance(url := part.get("url"), str) and is_data_uri(url)) else None


def describe_part(part: Mapping[str, Any]) -> str:
    """Describe a part briefly, with its name, URL and type, for a model that cannot take it."""
    kind = find_kind(part) or str(part.get("type") or "part")
    holders = find_holders(part, kind)
    places = (find_source(part, kind).value, *find_strings(holders, _URL_KEYS))
    urls = [place.strip() for place in places if isinstance(place, str)]
    addresses = [url for url in urls if ("." in url or ":" in url) and not is_data_uri(url)]  # base64 has neither
    names = [*find_strings(holders, NAME_KEYS)[:1], *addresses]
    shown = [name for name in dict.fromkeys(names) if len(name) <= MAX_WORD][:2]
    mime = find_mime(holders) or next(filter(None, (read_uri_type(url) for url in urls if is_data_uri(url))), "")
    about = f" ({mime})" if mime else ""
    return f"{kind}{''.join(f' {name}' for name in shown)}{about}"


def has_own_keys(part: Mapping[str, Any]) -> bool:
    """Return whether a part has keys that no form of media has: a tool's own JSON may have a type, too."""
    if part.get("type") == "resource_link":  # MCP's, with keys beside the link
        return False
    own = {key for key, value in part.items() if value is not None} - _FORM_KEYS
    if part.get("type") == "text-plain" or "source_type" in part:  # LangChain's v1 and v0
        own.discard("text")
    inner = (part.get(key) for key in _HOLDERS if "type" not in part)
    return bool(own) or any(isinstance(block, Mapping) and has_own_keys({**block, "type": ""}) for block in inner)


def holds_data(part: Mapping[str, Any]) -> bool:
    """Return whether a part is media: it has data, or a URL and no keys of its own. Its type says nothing."""
    kind = find_kind(part) or ""
    key, value, mime = find_source(part, kind)
    if value is None:  # a tool may have put it beside
        return any(is_data(own.get(name)) for own in find_holders(part, kind) for name in (*DATA_KEYS, *_URL_KEYS))
    if not key and isinstance(value, str) and "type" not in part:  # a tool's own `{"image": "nginx:1.25"}`
        return is_data(value) or "://" in value or bool(sniff_base64(value))
    if not has_own_keys(part):
        return is_given(value)
    named = key in ("base64", "file_data") or (key in DATA_KEYS and mime)
    return is_data(value, fewest=0 if named else MAX_WORD)


def is_given(value: Any) -> bool:
    """Return whether a value is there and not empty."""
    try:
        return bool(value)
    except (ValueError, RuntimeError):  # numpy's array and torch's tensor
        return True


def is_data(value: Any, *, fewest: int = MAX_WORD, depth: int = 2) -> bool:
    """Return whether a value is the data of a file, which must not be read as text, or contains some.

    Args:
        value: The value.
        fewest: Characters that a string without spaces must exceed.
        depth: Levels of lists and objects to look into.
    """
    if isinstance(value, str):
        is_base64 = len(value) > fewest and value.isascii() and " " not in value
        return is_data_uri(value) or (is_base64 and "://" not in value[:12])
    if isinstance(value, (Mapping, list, tuple)):
        items = value.values() if isinstance(value, Mapping) else value
        return depth > 0 and any(is_data(item, depth=depth - 1) for item in items)
    return isinstance(value, (bytes, bytearray, memoryview))


def is_data_uri(url: str) -> bool:
    """Return whether a URL is a data URI."""
    return url.lstrip()[:5].lower() == "data:"


def read_uri_type(uri: str) -> str:
    """Return the MIME type of a data URI without its parameters, "" if it names none."""
    return uri.partition(",")[0].partition(":")[2].partition(";")[0]


def _iter_holders(part: Mapping[str, Any], kind: str) -> Iterable[Any]:
    """Yield what may be or contain a part's data, innermost first: an inner object or a bare value, then the part."""
    if kind == "video" and isinstance(frames := part.get("frames"), (list, tuple)) and frames:
        yield frames
    for key in (f"{kind}_url", kind, f"input_{kind}", *_INNER):
        inner = part.get(key)
        if isinstance(inner, Mapping):
            if isinstance(inner.get("source"), Mapping):  # Bedrock: `format` beside it
                yield {**inner, **inner["source"]}
            yield inner
        elif key not in _INNER and is_given(inner):
            yield inner
    yield part
    for key in reversed(_INNER):  # `source` last: it may be a word
        if is_given(inner := part.get(key)) and not isinstance(inner, Mapping):
            yield inner


def find_source(part: Mapping[str, Any], kind: str) -> Source:
    """Return the innermost data of a part, or its URL; empty if it has neither."""
    places = list(_iter_holders(part, kind))
    holders = [own for own in places if isinstance(own, Mapping)]
    mime = next(filter(None, [find_mime(find_holders(part, kind)), *find_strings(holders, ("format",))]), "")
    for own in places:
        if not isinstance(own, Mapping):
            return Source("bytes" if isinstance(own, (bytes, bytearray, memoryview)) else "", own, mime)
        # Data first: a URI beside it may be only a name.
        for key in (*DATA_KEYS, *_URL_KEYS):
            if is_given(value := own.get(key)) and not (key in _INNER and isinstance(value, Mapping)):
                return Source(key, value, mime)
    # An empty file is valid, an empty image is not.
    is_empty = kind == "file" and any(own.get(key) == "" for own in holders for key in DATA_KEYS)
    return Source("base64", "", mime) if is_empty else Source("", None, mime)


def find_holders(part: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """Return the objects that may contain a part's words and settings, without plain URLs."""
    places = (*_iter_holders(part, kind), part.get("extras"), part.get("metadata"))
    return [own for own in places if isinstance(own, Mapping)]


def find_strings(holders: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[str]:
    """Return the strings under any of the keys."""
    return [own[key] for own in holders for key in keys if isinstance(own.get(key), str) and own[key]]


def find_mime(holders: Iterable[Mapping[str, Any]]) -> str:
    """Return the declared MIME type, "" if there is none."""
    return next(iter(find_strings(holders, MIME_KEYS)), "")
