"""Makes text safe to show, without characters that control a terminal or a page, and safe to send, as valid UTF-8."""

from __future__ import annotations

import re
from typing import Any

# C0 except tab and newline, DEL, C1 (https://www.ecma-international.org/publications-and-standards/standards/ecma-48/);
# bidirectional overrides (https://www.trojansource.codes); lone surrogates, which no file can hold.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")


def make_visible(text: str) -> str:
    r"""Return the text with control characters escaped: ESC as `\x1b`, a bidirectional override as `\u202e`.

    Tabs, newlines and all printable characters stay. Applying it twice changes nothing.
    """
    return _UNSAFE.sub(_write_out, text.replace("\r\n", "\n"))


def _write_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  # the last Latin-1 character


def make_json_visible(document: str) -> str:
    r"""Return the same JSON document with control characters in its strings escaped, such as `\u001b`."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def join_halves(value: Any) -> Any:
    """Return a JSON value as valid Unicode: surrogate pairs are joined, and lone surrogates become U+FFFD."""
    if isinstance(value, str):
        return (
            value
            if _HALF.search(value) is None
            else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        )
    if isinstance(value, list | tuple):
        return [join_halves(item) for item in value]
    if isinstance(value, dict):
        return {key: join_halves(item) for key, item in value.items()}
    return value
