"""Finds the system's own reason for a failed connection: the transports' texts leave it out, or hide it in a cause."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from itertools import islice

from langchain_qwen3.servers.dialect import words

# Windows' names begin with WSA.
_REASONS = words("EMFILE ENFILE EADDRNOTAVAIL ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH ECONNREFUSED ECONNRESET")
# What ssl and anyio raise where the connection ends within the TLS handshake.
_CUTS = frozenset({"ConnectionResetError", "SSLEOFError", "EndOfStream", "BrokenResourceError"})


def find_reason(links: Iterable[BaseException]) -> tuple[str, str]:
    """Return name and text of the system's error that is why a connection failed; both empty without one.

    Args:
        links: An exception and its causes. A group, of several addresses that were tried, counts if its errors agree.
    """
    links = iter(links)
    # The SDK's error and the transport's; other errors may end in what the caller was handling.
    if not any(type(link).__name__ == "ConnectError" for link in islice(links, 2)):
        return "", ""
    for link in links:
        if type(link).__name__ in _CUTS:
            return "ECONNRESET", _describe(errno.ECONNRESET, link)
        tried = link.exceptions if isinstance(link, BaseExceptionGroup) else [link]
        errors = {error.errno: error for error in tried if isinstance(error, OSError) and error.errno}
        if errors:
            number, error = errors.popitem()
            name = errno.errorcode.get(number, "").removeprefix("WSA")
            return (name, _describe(number, error)) if not errors and name in _REASONS else ("", "")
    return "", ""


def _describe(number: int, error: BaseException) -> str:
    """Return the system's text for an error. On Windows only a socket's error itself has it, in the user's language."""
    text = os.strerror(number)
    return (getattr(error, "strerror", None) or "") if text.startswith("Unknown error") else text
