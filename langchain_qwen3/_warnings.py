"""Warnings that are given once: a setting that a server cannot honour is never dropped in silence."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialects import Dialect


class UnsupportedSettingWarning(UserWarning):
    """A setting that this server or checkpoint cannot honour, with what would help."""


_given: set[str] = set()


def warn_once(text: str) -> None:
    """Warn with this text, the first time it comes up in the process."""
    if text not in _given:
        _given.add(text)
        warnings.warn(text, UnsupportedSettingWarning, stacklevel=2)


def warn_unsupported(setting: str, dialect: Dialect) -> None:
    """Warn that a setting has no effect on a server and was not sent, and name what would help."""
    if setting in dialect.refused:
        return  # said when the server refused it
    remedy = f"; use {flag}" if (flag := dialect.flags.get(setting)) else ""
    warn_once(f"{setting} has no effect on {dialect.title}, it was not sent{remedy}")


def forget_warnings() -> None:
    """Let every warning come up again, for tests and notebooks."""
    _given.clear()
