"""Detects the dialect of the server at a URL: by host name, else by one cached request to `/v1/models`.

When many first calls start at once, in any threads and event loops, one of them does the look-up and the others wait.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from langchain_qwen3.servers.address import find_root
from langchain_qwen3.servers.dialect import WHOLE_REPLY, Dialect
from langchain_qwen3.servers.dialects import DIALECTS, NAMES, cache_rows, find_by_host, forget_on_change
from langchain_qwen3.servers.facts import Answer, ServerFacts, ask
from langchain_qwen3.servers.gateways import GENERIC
from langchain_qwen3.servers.habits import forget_habits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Get = Callable[..., Answer]
    AsyncGet = Callable[..., Awaitable[Answer]]

LOOK_UP_SECONDS = 3.0
"""Maximum duration of a look-up, all its requests together."""

FAILURE_SECONDS = 30.0
"""How long a server whose look-up failed counts as `generic`, at most."""

_FAILURE_RATIO = 10
"""A look-up without an answer is remembered for this many times its duration: after a refusal, almost not at all."""


class _LookUp:
    """A running look-up: its thread, its deadline and the future of its result. A result of None: it was abandoned."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.since = monotonic()
        self.until = self.since + LOOK_UP_SECONDS
        self.future: Future[ServerFacts | None] = Future()
        self.future.set_running_or_notify_cancel()  # cancelling a waiter does not cancel the look-up


class _Memory:
    """Facts about each base URL, the running look-ups, and what each model of a URL refuses."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.facts: dict[str, ServerFacts] = {}
        self.looking: dict[str, _LookUp] = {}
        self.refused: dict[tuple[str, str], frozenset[str]] = {}

    def recall(self, url: str) -> ServerFacts | None:
        facts = self.facts.get(url)
        if facts is not None and facts.expires_at is not None and monotonic() >= facts.expires_at:
            return None
        return facts

    def claim(self, url: str) -> tuple[ServerFacts | _LookUp, bool]:
        """Return the known facts, or else the running look-up; True means that the caller must do it."""
        with self.lock:
            if (facts := self.recall(url)) is not None:
                return facts, False
            running = self.looking.get(url)
            # A look-up whose event loop was stopped never ends, but its deadline still passes.
            if running is not None and monotonic() < running.until:
                return running, False
            self.looking[url] = running = _LookUp()
            return running, True

    def settle(self, url: str, claimed: _LookUp, facts: ServerFacts | None) -> None:
        """Keep the result of a look-up and wake its waiters."""
        with self.lock:
            if self.looking.get(url) is claimed:
                del self.looking[url]
            # A late failure does not replace the answer of a newer look-up.
            if facts is not None and (facts.expires_at is None or self.recall(url) is None):
                self.facts[url] = facts
        claimed.future.set_result(facts)


_memory = _Memory()


def forget_servers() -> None:
    """Forget everything learned about every server, for tests and after a server was replaced."""
    global _memory  # noqa: PLW0603  # one per process; replaced as a whole, so that no lock survives a fork
    _memory = _Memory()
    forget_habits()


forget_on_change(forget_servers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_servers)


def recall_facts(server: str, url: str) -> ServerFacts | None:
    """Return the facts known without a request: from a named dialect, a known host or an earlier look-up."""
    if server != "auto":
        return find_named(server)
    return _find_host_facts(url) or _memory.recall(url)


def recall_dialect(server: str, url: str, model: str) -> Dialect | None:
    """Return the row for a model, as far as it is known without a request; what this model refuses is left out.

    Another model of the same URL may have another server behind it, or take what this one refuses. With a named dialect
    no field is left out.
    """
    facts = recall_facts(server, url)
    if facts is None:
        return None
    row = facts.find_dialect(model)
    refused = _memory.refused.get((url, model))
    if refused and server != "auto":
        refused &= {WHOLE_REPLY}
    return _amend(row.name, refused) if refused else row


@cache_rows
def _amend(name: str, refused: frozenset[str]) -> Dialect:
    return DIALECTS[name].without(refused)


def recall_answer(url: str) -> ServerFacts | None:
    """Return what the server itself said when it was asked; None: it was not, or gave no answer."""
    facts = _memory.recall(url)
    return facts if facts is not None and facts.expires_at is None else None


def learn_refusal(url: str, model: str, names: frozenset[str]) -> None:
    """Remember fields that the server at a URL refuses for a model: from now on, `recall_dialect` leaves them out."""
    memory = _memory
    with memory.lock:
        memory.refused[url, model] = memory.refused.get((url, model), frozenset()) | names


def look_up(get: Get, url: str) -> ServerFacts:
    """Detect a server in at most 3 s; an unrecognized one is `generic`, and so is a failure, for 30 s at most.

    Args:
        get: Gets a path below the base URL, or a full URL, as `connections.exchange.fetch_json` does.
        url: The base URL, which is the cache key of the result.
    """
    memory = _memory
    until = monotonic() + LOOK_UP_SECONDS
    while True:
        running, is_claimed = memory.claim(url)
        if isinstance(running, ServerFacts):
            return running
        # If this thread runs the event loop of that look-up, waiting would block the look-up itself.
        if is_claimed or running.thread == threading.get_ident():
            return _look_up_once(get, url, memory, running if is_claimed else _LookUp())
        try:
            facts = running.future.result(max(0.0, until - monotonic()))
        except TimeoutError:
            return _build_failure()
        if facts is not None:
            return facts


async def alook_up(get: AsyncGet, url: str) -> ServerFacts:
    """Async version of `look_up`."""
    memory = _memory
    until = monotonic() + LOOK_UP_SECONDS
    while True:
        running, is_claimed = memory.claim(url)
        if isinstance(running, ServerFacts):
            return running
        if is_claimed:
            return await _alook_up_once(get, url, memory, running)
        try:
            facts = await asyncio.wait_for(asyncio.wrap_future(running.future), max(0.0, until - monotonic()))
        except TimeoutError:
            return _build_failure()
        if facts is not None:
            return facts


def _look_up_once(get: Get, url: str, memory: _Memory, claimed: _LookUp) -> ServerFacts:
    facts = None  # stays None if we are interrupted: the next waiter does the look-up
    try:
        facts = _ask_server(get, url, claimed.until)
    except Exception:  # noqa: BLE001  # the call itself will say what is wrong
        facts = _build_failure(_FAILURE_RATIO * (monotonic() - claimed.since))
    finally:
        memory.settle(url, claimed, facts)
    return facts


async def _alook_up_once(get: AsyncGet, url: str, memory: _Memory, claimed: _LookUp) -> ServerFacts:
    facts = None  # stays None if we are cancelled: the next waiter does the look-up
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            facts = await _aask_server(get, url)
    except Exception:  # noqa: BLE001  # the call itself will say what is wrong
        facts = _build_failure(_FAILURE_RATIO * (monotonic() - claimed.since))
    finally:
        memory.settle(url, claimed, facts)
    return facts


def _build_failure(seconds: float = FAILURE_SECONDS) -> ServerFacts:
    return ServerFacts(GENERIC, expires_at=monotonic() + min(seconds, FAILURE_SECONDS))


@cache_rows
def find_named(name: str) -> ServerFacts:
    """Return the facts of a server that the user named.

    Raises:
        ValueError: No row has the name.
    """
    row = NAMES.get(name)
    if row is None:
        raise ValueError(f'server must be "auto" or one of {", ".join(NAMES)}, not {name!r}')
    return ServerFacts(row)


@cache_rows
def _find_host_facts(url: str) -> ServerFacts | None:
    row = find_by_host(urlsplit(url).hostname or "")
    return find_named(row.name) if row else None


def _ask_server(get: Get, url: str, until: float) -> ServerFacts:
    questions = ask(find_root(url))
    path = next(questions)
    while (seconds := until - monotonic()) > 0:
        try:
            path = questions.send(get(path, seconds=seconds))
        except StopIteration as end:
            return end.value or _build_failure()
    return _build_failure()


async def _aask_server(get: AsyncGet, url: str) -> ServerFacts:
    questions = ask(find_root(url))
    path = next(questions)
    while True:
        try:
            path = questions.send(await get(path, seconds=LOOK_UP_SECONDS))
        except StopIteration as end:
            return end.value or _build_failure()
