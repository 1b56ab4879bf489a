"""The SDK's httpx: httpx2 with openai 3, httpx with openai 2. Both may be installed; the SDK decides."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import openai

if TYPE_CHECKING:
    import httpx2 as httpx
else:
    httpx = import_module(
        next(
            base.__module__.partition(".")[0]
            for base in openai.DefaultAsyncHttpxClient.__mro__
            if base.__name__ == "AsyncClient"
        )
    )

__all__ = ["httpx"]
