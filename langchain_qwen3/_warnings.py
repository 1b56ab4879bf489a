"""Warnings that are given once: a setting that a server cannot honour is never dropped in silence."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialects import Dialect


class UnsupportedSettingWarning(UserWarning):
    """A setting that this server or checkpoint cannot honour, with what would help."""


_shown: set[str] = set()
_LIBRARIES = frozenset(
    {"asyncio", "concurrent", "langchain", "langchain_core", "langchain_qwen3", "langgraph", "threading"}
)


def warn_once(text: str) -> None:
    """Warn with this text, the first time it comes up in the process."""
    if text not in _shown:
        warnings.warn(text, UnsupportedSettingWarning, stacklevel=_find_caller())
        _shown.add(text)  # not before: where warnings are errors, every call raises alike


def _find_caller() -> int:
    """Return the stack level of the first frame outside the libraries, which the warning points at."""
    frame, level = sys._getframe(2), 2  # noqa: SLF001  # what `warnings` itself counts by
    while frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
        if frame.f_back is None:
            return 2  # in a thread or task of its own: nobody's line is on the stack
        frame, level = frame.f_back, level + 1
    return level


def warn_unsupported(setting: str, dialect: Dialect) -> None:
    """Warn that a setting has no effect on a server and was not sent, and name what would help."""
    if setting in dialect.refused:
        return  # said when the server refused it
    remedy = f"; use {flag}" if (flag := dialect.flags.get(setting)) else ""
    warn_once(f"{setting} has no effect on {dialect.title}, it was not sent{remedy}")


def forget_warnings() -> None:
    """Let every warning come up again, for tests and notebooks."""
    _shown.clear()
