"""Foreign text for the eye: what a model or a server writes, without what a terminal or a page would obey."""

from __future__ import annotations

import re

# C0 but tab and newline, DEL and C1 (https://www.ecma-international.org/publications-and-standards/standards/ecma-48/);
# what turns the direction of text round (https://www.trojansource.codes); halves of a pair, which no file can hold.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def make_visible(text: str) -> str:
    r"""Return the text with its control characters written out: ESC as `\x1b`, a bidirectional override as `\u202e`.

    Tabs and newlines stay, and so does everything that only shows. It can be done twice.
    """
    return _UNSAFE.sub(_write_out, text.replace("\r\n", "\n"))


def _write_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  # the last of Latin-1


def make_json_visible(document: str) -> str:
    r"""Return a JSON document with every control character of its strings as `\u001b`: the same data."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
