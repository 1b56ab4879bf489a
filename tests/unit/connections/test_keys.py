"""Keys that are functions: whatever kind of function it is, both clients get a text or a clear error."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from tests.support.loopback import Loopback

KEY = "sk-of-mine"


async def read_later(key: str = KEY) -> str:
    """Return a key as a vault's async client does."""
    await asyncio.sleep(0)
    return key


def read_now(key: str = KEY) -> str:
    """Return a key as a file's reader does."""
    return key


def fail(error: Exception) -> str:
    """Fail as a vault's client does."""
    raise error


class Vault:
    """A vault in the forms in which people write one."""

    def read(self) -> str:
        return KEY

    async def aread(self) -> str:
        return KEY

    @staticmethod
    async def aread_static() -> str:
        return KEY


class AsyncKey:
    """An object that is awaited when it is called."""

    async def __call__(self) -> str:
        return KEY


class SyncKey:
    """An object that returns the key when it is called."""

    def __call__(self) -> str:
        return KEY


def ask_both(key: Any) -> list[str]:
    """Return the key that a sync and an async call send, or why they do not."""
    answers = []
    with Loopback() as server:
        model = ChatQwen3(model="q", base_url=server.base_url, server="vllm", api_key=key, max_retries=0)
        for ask in (lambda: model.invoke("hi"), lambda: asyncio.run(model.ainvoke("hi"))):
            try:
                ask()
                answers.append(server.requests[-1].headers["authorization"].removeprefix("Bearer "))
            except (ValueError, LookupError) as error:
                answers.append(str(error))
        assert isinstance(model.get_num_tokens("hi"), int)  # a count is made whatever the key is
    return answers


SYNC_KEYS = {
    "function": read_now,
    "partial": partial(read_now, KEY),
    "method": Vault().read,
    "object": SyncKey(),
    "lambda": lambda: KEY,
    "returns a SecretStr": lambda: SecretStr(KEY),
    "a text": KEY,
    "a SecretStr": SecretStr(KEY),
}
ASYNC_KEYS = {
    "function": read_later,
    "partial": partial(read_later, KEY),
    "partial of a partial": partial(partial(read_later), KEY),
    "method": Vault().aread,
    "static method": Vault.aread_static,
    "object": AsyncKey(),
    # Only the call tells of these.
    "lambda": lambda: read_later(KEY),
    "partial of an object": partial(AsyncKey()),
}
BAD_KEYS = {
    "None": (lambda: None, "api_key is a function that returned NoneType"),
    "empty": (lambda: "", "returned an empty text"),
    "number": (lambda: 5, "returned int: it must return the key as text"),
    "line break": (lambda: f"{KEY}\n", "api_key: Authorization must be ASCII text without line breaks"),
    "blank": (lambda: f"{KEY} ", "api_key: Authorization must be ASCII text without line breaks or blanks"),
    "error": (lambda: {}["vault"], "api_key is a function that failed: KeyError('vault')"),
    "no vault": (partial(fail, httpx.ConnectError("no vault")), "api_key is a function that failed: ConnectError("),
    "slow vault": (partial(fail, httpx.ReadTimeout("slow")), "api_key is a function that failed: ReadTimeout('slow'"),
    "a vault's SDK": (partial(fail, openai.OpenAIError("sealed")), "api_key is a function that failed: OpenAIError("),
}


@pytest.mark.parametrize("key", SYNC_KEYS.values(), ids=SYNC_KEYS)
def test_sync_key_serves_both_ways_when_it_is_called(key: Any) -> None:
    """Protects keys from a file or a vault, sync calls and async ones."""
    assert ask_both(key) == [KEY, KEY]


@pytest.mark.parametrize("key", ASYNC_KEYS.values(), ids=ASYNC_KEYS)
def test_async_key_serves_async_calls_when_it_is_awaited(key: Any) -> None:
    """Protects async keys of every form; a sync call says what to do, and leaves no coroutine behind."""
    error, sent = ask_both(key)
    assert sent == KEY
    assert "api_key" in error
    assert "ainvoke" in error


@pytest.mark.parametrize(("key", "text"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_bad_key_is_named_when_a_function_returns_it(key: Any, text: str) -> None:
    """Protects from a header without a key and from other libraries' errors, which quote it."""
    for error in ask_both(key):
        assert text in error
        assert KEY not in error
