"""Documents: files whose text is sent in place of the file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_qwen3.request.files import decode_text, find_charset, read_data_uri
from langchain_qwen3.request.media_data import MediaError
from langchain_qwen3.request.media_forms import MIME_KEYS, find_strings

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import Dialect


def find_text(holders: list[Mapping[str, Any]]) -> str | None:
    """Return the text of a document that holds it as text, not as a file."""
    for own in holders:
        if isinstance(own.get("text"), str):
            return str(own["text"])
        is_text = "text" in (own.get("type"), own.get("source_type"))  # Anthropic's document, LangChain v0
        if is_text and (texts := find_strings([own], ("data", "url"))):
            return texts[0]
        content = own.get("content")  # a document in pieces: Anthropic, Bedrock
        if isinstance(content, str) and own.get("type") == "content":
            return content
        if (
            isinstance(content, list)
            and content
            and all(isinstance(piece, Mapping) and isinstance(piece.get("text"), str) for piece in content)
        ):
            return "\n".join(piece["text"] for piece in content)
    return None


def decode_file(url: str, holders: list[Mapping[str, Any]], *, guess: bool) -> str:
    """Return the text in a data URI.

    Args:
        url: The data URI.
        holders: The parts that may name its encoding.
        guess: Whether to detect the encoding from the bytes as a last resort.

    Raises:
        ValueError: It is no text in this encoding, or in any.
    """
    mimes = (url.partition(",")[0], *find_strings(holders, MIME_KEYS))
    charset = next((charset for mime in mimes if (charset := find_charset(mime))), None)
    return decode_text(read_data_uri(url), charset, guess=guess)


def write_text(text: str, name: str) -> dict[str, Any]:
    """Convert a document to a text part; its name lets the model distinguish several documents."""
    return {"type": "text", "text": f"{name}:\n{text}" if name else text}


def build_file_error(url: str, about: str, dialect: Dialect) -> MediaError:
    """Return the error for a file that is no text, where the server takes no files."""
    if not url.startswith("data:"):
        return MediaError(
            f"{dialect.title} does not accept files or their URLs ({url[:80]}): download the file, and send "
            "read_media(path) of a text, or the pages as images"
        )
    if not about:
        return MediaError('the file part does not say what it is: add "mime_type": "text/plain", or a "filename"')
    return MediaError(f"{dialect.title} does not accept files ({about}): send the text, or pages as images")
