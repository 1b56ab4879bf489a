"""Decodes text files: which file types are text, and in which encoding. Pure."""

from __future__ import annotations

import base64
import codecs
import mimetypes
import re
from collections.abc import Callable
from pathlib import PurePath
from urllib.parse import unquote_to_bytes

# A type is text if its last word, or its last suffix after "+", names one of these human-readable notations.
_NOTATIONS = (
    "json|jsonl|json5|ndjson|jsonlines|xml|yaml|toml|csv|sql|graphql|javascript|ecmascript|typescript|python|"
    r"python-code|sh|csh|shellscript|powershell|perl|ruby|php|httpd-php|lua|rust|tex|latex|texinfo|subrip|diff|patch|"
    "ini|properties|www-form-urlencoded|rfc822"
)
_TEXT_TYPE = re.compile(rf"text/.*|[^/]+/(?:.*\+)?(?:x-)?(?:{_NOTATIONS})")
_MEDIA_TYPE = re.compile(r"(?:image|audio|video)/.*")
# Python knows few suffixes itself. The others come from the system's table, which slim containers lack:
# https://docs.python.org/3/library/mimetypes.html#mimetypes.knownfiles
_OFFICE = "application/vnd.openxmlformats-officedocument."
_SUFFIXES = {
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".jfif": "image/jpeg",
    ".mkv": "video/x-matroska",
    ".m4v": "video/mp4",
    ".ts": "video/mp2t",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".pptx": f"{_OFFICE}presentationml.presentation",
}
_TEXT_SUFFIX = re.compile(
    r"\.(?:md|ya?ml|toml|jsonl|ndjson|ipynb|log|ini|cfg|conf|properties|sql|rst|tex|srt|tsx|jsx|vue|go|rs|java|kt|scala|"
    r"swift|rb|php|lua|cpp|cc|hpp|cs|r|pl|ps1|proto|gradle|graphql)"
)
# Types that say nothing: the bytes decide.
_UNKNOWN_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-empty"})
_MARKS = (  # UTF-32 first: its little-endian byte order mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How files of media begin. MP3 without a tag has two bytes only, which are no proof.
_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), mime)
    for pattern, mime in (
        (rb"\x89PNG\r\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"ID3", "audio/mpeg"),
        (rb"OggS", "audio/ogg"),
        (rb"fLaC", "audio/flac"),
        (rb"....ftypM4A", "audio/mp4"),
        (rb"....ftyp", "video/mp4"),
        (rb"\x1aE\xdf\xa3", "video/webm"),
        (rb"%PDF-", "application/pdf"),
    )
)
# Encodings of East Asian mail: ASCII with escape sequences, so that it is valid UTF-8, too.
_ESCAPES = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp_2"))
# Python's codecs for host names and source code: no file is written in them, and the work of decoding punycode grows
# with the square of the length.
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"})
_GUESSED = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "koi8_r", "utf_16_le", "utf_16_be"]
_FEWEST_BYTES = 16
"""With fewer bytes, a guess is wrong too often: five characters of GBK are detected as Korean."""


def find_charset(mime: str) -> str | None:
    """Return the charset in a MIME type with parameters, or in the head of a data URI; None if it names none."""
    return mime.lower().partition("charset=")[2].partition(";")[0].strip('" ') or None


def read_data_uri(uri: str) -> bytes:
    """Return the content of a data URI.

    Raises:
        ValueError: The data is not base64 although the URI declares it.
    """
    head, _, data = uri.partition(",")
    if "base64" not in (word.strip() for word in head.lower().split(";")[1:]):
        return unquote_to_bytes(data)
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise ValueError(f"the data is not valid base64 ({error})") from None


def find_type(mime: str, name: str) -> str:
    """Return the MIME type of a file: the declared type, else the type of its file name, else ""."""
    mime = mime.partition(";")[0].strip().lower()
    if mime not in _UNKNOWN_TYPES:
        return mime
    suffix = PurePath(name).suffix.lower()
    own = "text/plain" if _TEXT_SUFFIX.fullmatch(suffix) else _SUFFIXES.get(suffix, "")
    return mimetypes.guess_type(name)[0] or own


def sniff_base64(data: str) -> str:
    """Return the MIME type of base64 data by its first bytes; "" for unknown data, and for text that is no base64."""
    try:
        start = base64.b64decode(data[:24], validate=True)
    except ValueError:
        return ""
    return next((mime for pattern, mime in _SIGNATURES if pattern.match(start)), "")


def correct_type(mime: str, read: Callable[[], bytes]) -> str:
    """Return the type of a `.ts` file by its bytes, as browsers and Python know that suffix only as a video.

    Args:
        mime: The declared type; any other than that of such a video is returned as it is.
        read: Returns the file's bytes.
    """
    if mime == "video/mp2t" and _decode_strictly(read(), "utf-8") is not None:
        return "text/x-typescript"
    return mime


def is_text_type(mime: str) -> bool:
    """Return whether a MIME type is text; SVG counts as text, because no model reads it as an image."""
    return _TEXT_TYPE.fullmatch(mime) is not None


def is_media_type(mime: str) -> bool:
    """Return whether a MIME type is an image, a video or audio."""
    return _MEDIA_TYPE.fullmatch(mime) is not None and not is_text_type(mime)


def decode_text(data: bytes, charset: str | None = None, *, guess: bool = True) -> str:
    """Decode a text file: by its charset, by its byte order mark, as UTF-8, else by detection from its bytes.

    Args:
        data: The file's bytes.
        charset: The charset in the file's MIME type.
        guess: Whether to detect the encoding from the bytes as a last resort.

    Raises:
        ValueError: The data is not text, or its encoding cannot be detected.
    """
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    escaped = next((encoding for escape, encoding in _ESCAPES if escape in data), None)
    for encoding in (charset, marked, escaped, "utf-8"):
        if encoding and (text := _decode_strictly(data, encoding)) is not None:
            return text
    if guess and len(data) >= _FEWEST_BYTES:
        from charset_normalizer import from_bytes

        best = from_bytes(data, cp_isolation=_GUESSED).best()
        if best is not None and "\0" not in (text := str(best)):
            return text
    raise ValueError("its encoding cannot be detected")


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        if codecs.lookup(encoding).name.replace("-", "_") in _NO_CHARSETS:
            return None
        text = data.decode(encoding)
    except (LookupError, UnicodeError):
        return None
    return None if "\0" in text else text
