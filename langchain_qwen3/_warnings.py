"""Warnings shown once: a setting that a server does not support is never dropped silently."""

from __future__ import annotations

import sys
import warnings
from functools import lru_cache

from langchain_qwen3.servers.dialect import Dialect, words


class UnsupportedSettingWarning(UserWarning):
    """A setting that this server or checkpoint does not support, with a remedy."""


_LIBRARIES = words("abc asyncio concurrent langchain langchain_core langchain_qwen3 langgraph pydantic threading")


@lru_cache(maxsize=1024)
def warn_once(text: str) -> None:
    """Warn with this text, once per process; where warnings are errors every call raises, for errors are not cached."""
    warnings.warn(text, UnsupportedSettingWarning, stacklevel=_find_caller())


def _find_caller() -> int:
    """Return the stack level of the first frame outside the libraries, where the warning points."""
    frame, level = sys._getframe(2), 2  # noqa: SLF001  # `warnings` counts stack levels the same way
    while frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
        if frame.f_back is None:
            return 2  # in a separate thread or task: no user code is on the stack
        frame, level = frame.f_back, level + 1
    return level


def warn_unsupported(setting: str, dialect: Dialect, *, sent: bool = False) -> None:
    """Warn that a setting has no effect on a server, and name a remedy; only what is in `extra_body` is sent."""
    if setting in dialect.refused:
        return  # already reported when the server refused it
    remedy = f"; use {flag}" if (flag := dialect.flags.get(setting)) else ""
    warn_once(f"{setting} has no effect on {dialect.title}{'' if sent else ', it was not sent'}{remedy}")


def forget_warnings() -> None:
    """Allow every warning to be shown again, for tests and notebooks."""
    warn_once.cache_clear()
