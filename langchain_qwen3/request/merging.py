"""Merges the settings that are bound to a model with those of a later `bind`, or of a call. Pure.

The result is one dict of keywords again: that is what callbacks, caches and frameworks are given.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableBinding

from langchain_qwen3.request.settings import (
    FORMS,
    MERGED,
    find_overruled,
    is_unset,
    list_spellings,
    merge_body,
    read_layer,
    sets_form,
    spread_options,
    take_path,
)
from langchain_qwen3.servers.dialects import DIALECTS, cache_rows

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import Path

_OBJECTS = ("extra_body", *MERGED)


def merge_keywords(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of both; `later` wins, however either of them spells a setting and wherever it puts it.

    Args:
        earlier: Bound keywords.
        later: Keywords bound after them, or those of a call.
    """
    if not earlier or not later:
        return {**earlier, **later}
    earlier, later = spread_options(earlier), spread_options(later)
    if any(not isinstance(layer.get(name) or {}, Mapping) for layer in (earlier, later) for name in _OBJECTS):
        return {**earlier, **later}  # the call refuses it
    kept, body = _split(earlier)
    added, added_body = _split(later)
    spellings = _list_all_spellings()
    for place, is_body in ((added_body, True), (added, False)):
        own = {**read_layer(body, spellings, is_body=True), **read_layer(kept, spellings, is_body=False)}
        paths = _list_paths(read_layer(place, spellings, is_body=is_body), own)
        kept = _without(kept, paths)
        # Objects of two bodies are merged, unless they are forms of the answer.
        body = _without(body, paths - {(name,) for name in place.keys() - FORMS} if is_body else paths)
    objects = {name: added.pop(name) for name in MERGED if name in added}
    merged = merge_body({**kept, **added}, objects)
    body = merge_body(body, added_body)
    return {**merged, "extra_body": body} if body else merged


@cache_rows
def _list_all_spellings() -> list[tuple[Path, str]]:
    """Return the spellings of all servers: which of them gets the call may not be known yet."""
    return list(dict.fromkeys(spelling for row in DIALECTS.values() for spelling in list_spellings(row)))


def _split(keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return keywords and `extra_body`, without what leaves a setting to others."""
    keywords, body = (
        {name: value for name, value in place.items() if not is_unset(name, value)}
        for place in (keywords, keywords.get("extra_body") or {})
    )
    keywords.pop("extra_body", None)
    return keywords, body


def _list_paths(settings: Mapping[str, Any], own: Mapping[str, Any]) -> set[Path]:
    """Return where farther places may have what a place with these settings replaces.

    Args:
        settings: What the place sets.
        own: What the farther places set.
    """
    names = {*(settings.keys() - MERGED), *find_overruled(own, settings), *(FORMS if sets_form(settings) else ())}
    paths: set[Path] = {(name,) for name in names}
    paths |= {path for path, name in _list_all_spellings() if name in names}
    paths |= {(name, key) for name in MERGED if isinstance(settings.get(name), Mapping) for key in settings[name]}
    return paths | {("max_completion_tokens",)} if "max_tokens" in names else paths


def _without(place: dict[str, Any], paths: set[Path]) -> dict[str, Any]:
    place = dict(place)
    for path in paths:
        if path[0] in place:
            take_path(place, path)
    return place


def _merging(method: Callable[..., Any]) -> Any:
    """Return a method of core's `RunnableBinding` that merges a call's settings; core's own updates a dict.

    It stays a coroutine function or a generator function, as which LangChain and LangGraph recognise it.
    """
    own = inspect.signature(method).parameters

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        settings = {name: kwargs.pop(name) for name in [*kwargs] if name not in own}
        return method(self.bind(**settings) if settings else self, *args, **kwargs)

    @functools.wraps(method)
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await call(self, *args, **kwargs)

    @functools.wraps(method)
    def generate(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from call(self, *args, **kwargs)

    @functools.wraps(method)
    async def agenerate(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with aclosing(call(self, *args, **kwargs)) as items:
            async for item in items:
                yield item

    merged: Any = acall if inspect.iscoroutinefunction(method) else call
    if inspect.isasyncgenfunction(method):
        merged = agenerate
    elif inspect.isgeneratorfunction(method):
        merged = generate
    merged.__annotations__ = {}  # some of core's name types that exist for type checkers only
    return merged


if TYPE_CHECKING:

    class MergingCalls:
        """Checkers read core's own methods."""

else:

    class MergingCalls:
        """The calls of core's `RunnableBinding`; a call's settings win over the bound ones in any spelling."""

        invoke = _merging(RunnableBinding.invoke)
        ainvoke = _merging(RunnableBinding.ainvoke)
        batch = _merging(RunnableBinding.batch)
        abatch = _merging(RunnableBinding.abatch)
        batch_as_completed = _merging(RunnableBinding.batch_as_completed)
        abatch_as_completed = _merging(RunnableBinding.abatch_as_completed)
        stream = _merging(RunnableBinding.stream)
        astream = _merging(RunnableBinding.astream)
        stream_events = _merging(RunnableBinding.stream_events)
        astream_events = _merging(RunnableBinding.astream_events)
        transform = _merging(RunnableBinding.transform)
        atransform = _merging(RunnableBinding.atransform)
