"""Finds the system's own reason for a failed connection: the transports' texts leave it out, or hide it in a cause."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from itertools import islice

# Windows' names begin with WSA.
_REASONS = ("EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ECONNREFUSED")


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
        errors = link.exceptions if isinstance(link, BaseExceptionGroup) else [link]
        numbers = {error.errno for error in errors if isinstance(error, OSError) and error.errno}
        if numbers:
            number = numbers.pop()
            name = errno.errorcode.get(number, "").removeprefix("WSA")
            return (name, os.strerror(number)) if not numbers and name in _REASONS else ("", "")
    return "", ""
