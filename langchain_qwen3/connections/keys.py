"""The API key as the SDK's two clients want it, whether it is a text or a function that returns one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from langchain_qwen3.connections.settings import Key, check_headers


def split_key(key: Key) -> tuple[str | Callable[[], str] | None, str | Callable[[], Awaitable[str]]]:
    """Return the key for the sync client, and for the async one; None for sync calls that an async key cannot serve."""
    if key is None or isinstance(key, SecretStr):
        text = key.get_secret_value() if key else "EMPTY"
        return text, text

    @contextmanager
    def name_field() -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a vault's would count as the model server's
            raise ValueError(f"api_key is a function that failed: {error!r}") from error

    def call() -> str:
        with name_field():
            answer = key()
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()  # or Python warns that nobody awaited it
            raise ValueError(
                "api_key returned an awaitable in a sync call: use ainvoke or astream, or give a function that "
                "returns the key itself"
            )
        return _read_answer(answer)

    async def acall() -> str:
        with name_field():
            answer = key() if is_async else await asyncio.to_thread(key)  # a sync one may read a file or ask a vault
            answer = await answer if inspect.isawaitable(answer) else answer
        return _read_answer(answer)

    is_async = any(map(inspect.iscoroutinefunction, (key, getattr(key, "__call__", None))))  # noqa: B004
    return None if is_async else call, acall


def _read_answer(answer: Any) -> str:
    text = answer.get_secret_value() if isinstance(answer, SecretStr) else answer
    if not isinstance(text, str) or not text:
        raise ValueError(  # it is a bad setting, whatever its type
            f"api_key is a function that returned {'an empty text' if text == '' else type(text).__name__}: "
            "it must return the key as text"
        )
    check_headers({"Authorization": text}, "api_key")
    return text
