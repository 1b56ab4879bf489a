"""Makes text safe to show, without characters that control a terminal or a page, and safe to send, as valid UTF-8."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

# C0 except tab and newline, DEL, C1 (https://www.ecma-international.org/publications-and-standards/standards/ecma-48/);
# bidirectional overrides (https://www.trojansource.codes); lone surrogates, which no file can hold; and characters
# without a width, which can hide a text or tell two names apart that look alike. The zero-width space stays where
# Thai, Lao, Burmese and Khmer break a line; marks of direction and joiners stay, because scripts and emoji need them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
)
_HALF = re.compile("[\ud800-\udfff]")


def make_visible(text: str) -> str:
    r"""Return the text with control characters escaped: ESC as `\x1b`, a bidirectional override as `\u202e`.

    Tabs, newlines and all printable characters stay. Applying it twice changes nothing.
    """
    return _UNSAFE.sub(_write_out, text.replace("\r\n", "\n"))


def _write_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def make_json_visible(document: str) -> str:
    r"""Return the same JSON document with control characters in its strings escaped, such as `\u001b`."""
    return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], document)


def join_text(text: str) -> str:
    """Return a text as valid Unicode: surrogate pairs are joined, and lone surrogates become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def join_halves(value: Any, join: Callable[[str], str] = join_text) -> Any:
    """Return a JSON value whose texts and keys that hold surrogates are joined by a function."""
    if isinstance(value, str):
        return join(value) if _HALF.search(value) else value
    if isinstance(value, list | tuple):
        return [join_halves(item, join) for item in value]
    if isinstance(value, dict):
        return {
            join_halves(key, join) if isinstance(key, str) else key: join_halves(item, join)
            for key, item in value.items()
        }
    return value
