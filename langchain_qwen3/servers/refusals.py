"""Fields that a server refuses by name: how to read them from its error, and what to do about it. No I/O.

A strict server answers 400 or 422 to a field that is not OpenAI's, and names it. If the user did not set `server=`,
the call is repeated once without the field, which is left out from then on; if the user did, the error suggests a fix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.servers.detection import learn_refusal
from langchain_qwen3.servers.dialect import BOTH_KEYS, KWARGS, Dialect
from langchain_qwen3.servers.dialects import DIALECTS

_STATUSES = frozenset({400, 422})
_MAX_CHARACTERS = 8_000  # maximum number of characters of an error that are searched
# Each pattern captures the part of a text that names the refused fields, without any list of allowed fields.
_NAMED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"unknown (?:variant|field|name|parameter|argument)s?:? ?\(?([\"'`][^\"'`]{1,80})",
        r"unexpected (?:keyword argument|field|parameter|key|name)s?[^{\[\"'`]{0,30}([{\[\"'`][^}\]\n]{1,300})",
        r"unrecognized (?:request argument|field|key|parameter)[^:\"'`]{0,30}(?:: ?|[\"'`])([^\n]{1,200})",
        r"unsupported (?:parameter|field|key)[^:]{0,10}: ?([^\n]{1,200})",
        r"does not support parameters: ?(\[[^\]]{1,300})",
        r"additional properties are not allowed \(([^)]{1,200})",
        r"extra inputs are not permitted, field: ?([\"'`][^\"'`]{1,80})",
        r"([^\n]{1,80})\n\s*extra inputs are not permitted",
        # FastAPI's own errors as text, as TensorRT-LLM sends them.
        r"[\"']loc[\"']: [\[(]([^\])]{1,200})[\])], [\"']msg[\"']: [\"']extra (?:inputs|fields) (?:are )?not permitted",
        # `property 'x' is unsupported`, `x is not supported with this model`, `x: not allowed`
        r"([\w.\[\]]{1,80})\\?[\"'`]?:? (?:is |are )?(?:unsupported|unexpected|not (?:supported|permitted|allowed))\b",
        r"(?:不支持|未知|无效)的?(?:参数|字段)[:：]?\s{0,3}([^\n,，。]{1,100})",
        r"(?:参数|字段)\s{0,3}([\w.`'\"]{1,60})\s{0,3}(?:不支持|不被支持|未知)",
    )
)
_OURS = {KWARGS, *BOTH_KEYS, "reasoning_details", "cache_control", "top_k", "min_p", "repetition_penalty"}
_C = TypeVar("_C")


def list_droppable_fields() -> frozenset[str]:
    """Return the fields that may be left out: those beyond OpenAI's that a row sends, and the history's reasoning keys.

    It never includes model, messages, tools, response_format and OpenAI's other parameters.
    """
    return frozenset(_OURS.union(*map(_list_sent, DIALECTS.values())))


def _list_sent(row: Dialect) -> set[str]:
    """Return the fields and the keys of messages that a row sends beside OpenAI's."""
    word = row.thinking_word[:1] if row.thinking_word else ()
    paths = (*row.thinking, *word, row.budget, row.effort, row.preserve, row.return_reasoning)
    return {*row.history_keys, *(path[0] for path in paths if path)}


def read_refused(status: int, body: Any) -> frozenset[str]:
    """Return the fields of `list_droppable_fields` that an error refuses.

    Args:
        status: HTTP status.
        body: The error's body, parsed or as text.
    """
    if status not in _STATUSES:
        return frozenset()
    names: set[str] = set()
    for text in _iter_texts(body):
        if isinstance(text, str):
            for pattern in _NAMED:
                names.update(
                    word for match in pattern.finditer(text[:_MAX_CHARACTERS]) for word in re.findall(r"\w+", match[1])
                )
        elif _is_extra(text):
            names.update(str(place) for place in text.get("loc") or ())
    return frozenset(names & list_droppable_fields())


def _iter_texts(body: Any) -> Iterator[Any]:
    """Yield every text of a body, and every mapping: pydantic puts the field's name outside the text."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping):
        yield body
        for value in body.values():
            yield from _iter_texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from _iter_texts(value)


def _is_extra(error: Mapping[str, Any]) -> bool:
    return bool(re.search(r"extra (?:inputs|fields) (?:are )?not permitted", str(error.get("msg")), re.IGNORECASE))


def advise_refusal(status: int, body: Any) -> str | None:
    """Return advice for an error that refuses a field of `list_droppable_fields`, None for any other error."""
    names = read_refused(status, body)
    return f"The server refuses {_list(names)}: {_suggest(body)}, or leave the setting out." if names else None


class Lesson(Generic[_C]):
    """Learns the refused fields of one call, and rebuilds the call without them, once.

    Args:
        url: Base URL of the server.
        rebuild: Rebuilds the call with the current facts about the server.
    """

    def __init__(self, url: str, rebuild: Callable[[], _C]) -> None:
        self._url = url
        self._rebuild = rebuild
        self._names: frozenset[str] = frozenset()
        self._body: Any = None

    def amend(self, status: int, body: Any, payload: Mapping[str, Any]) -> _C | None:
        """Return the call without the fields that an error refuses; None if there is none, and always the second time.

        The fields of a second error are remembered for the next call. An error that reads like a known strict server's
        stands for every field that this server refuses, since such hosts name one field at a time.

        Args:
            status: HTTP status of the error.
            body: Its body, parsed or as text.
            payload: The body that was refused.
        """
        sent = {*payload, *(key for message in payload["messages"] for key in message)}
        new = (read_refused(status, body) & {*sent, "cache_control"}) - self._names  # which stands inside of contents
        if not new:
            return None
        row = _find_row(body)
        if row and row.strict_fields:
            new |= (list_droppable_fields() & sent) - _list_sent(row) - row.own_fields
        is_first = not self._names
        self._names |= new
        self._body = body
        learn_refusal(self._url, new)
        return self._rebuild() if is_first else None

    def report(self) -> None:
        """Warn once about the fields that are left out from now on."""
        if self._names:
            host = urlsplit(self._url).netloc.rpartition("@")[2]
            warn_once(f"{host} refuses {_list(self._names)}: left out from now on; {_suggest(self._body)}")


def _list(names: frozenset[str]) -> str:
    return f"the field{'s' if len(names) > 1 else ''} {', '.join(sorted(names))}"


def _suggest(body: Any) -> str:
    if row := _find_row(body):
        return f'the error looks like {row.title}: set server="{row.name}"'
    return "if you know the server, set server=..."


def _find_row(body: Any) -> Dialect | None:
    """Return the row whose server refuses in these words."""
    text = (body if isinstance(body, str) else json.dumps(body, default=str))[:_MAX_CHARACTERS]
    return next((row for row in DIALECTS.values() if row.refusal and re.search(row.refusal, text)), None)
