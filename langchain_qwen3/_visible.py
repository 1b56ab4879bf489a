"""Makes text from a model or a server safe to show: without characters that control a terminal or a page."""

from __future__ import annotations

import re

# C0 except tab and newline, DEL, C1 (https://www.ecma-international.org/publications-and-standards/standards/ecma-48/);
# bidirectional overrides (https://www.trojansource.codes); lone surrogates, which no file can hold.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


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
