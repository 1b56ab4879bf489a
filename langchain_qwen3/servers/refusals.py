"""What to do about fields that a server refuses by name. No I/O.

A strict server answers 400 or 422 to a field that is not OpenAI's, and names it. If the user did not set `server=`,
the call is repeated once without the field, which is left out for this model from then on: other models of a gateway
may need it. If the user did, the error suggests a fix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.servers.detection import learn_refusal, recall_dialect
from langchain_qwen3.servers.dialect import BOTH_KEYS, KWARGS, Dialect
from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.gateways import GENERIC
from langchain_qwen3.servers.refused_fields import MAX_CHARACTERS, complains_of_effort, find_refused

_STATUSES = frozenset({400, 422})
_OURS = {KWARGS, *BOTH_KEYS, "reasoning_details", "cache_control", "top_k", "min_p", "repetition_penalty"}
_UNASKED = {
    "stream_options": "stream_usage=False",
    "parallel_tool_calls": 'disabled_params={"parallel_tool_calls": None}',
}
"""OpenAI's fields that are sent although nobody set them, with streams and with structured output, and what prevents
that. Old vLLM and some gateways refuse them: https://github.com/higress-group/higress/issues/3041,
https://github.com/openai/openai-agents-python/issues/442, https://github.com/langchain-ai/langchain/issues/25357"""
_IS_DUPLICATE = re.compile("duplicate field", re.IGNORECASE)
"""Servers in Rust have two names for one field, and refuse both at once: https://github.com/NVIDIA-NeMo/Gym/pull/2177,
https://github.com/vllm-project/vllm/blob/main/rust/src/server/src/routes/openai/utils/types.rs"""
_C = TypeVar("_C")


def list_droppable_fields() -> frozenset[str]:
    """Return what may be left out: the fields beyond OpenAI's that a row sends, and the history's reasoning keys.

    It never includes model, messages, tools, response_format and OpenAI's other parameters, but for two of them.
    """
    return frozenset(_OURS.union(_UNASKED, *map(_list_sent, DIALECTS.values())))


def _list_sent(row: Dialect) -> set[str]:
    """Return the fields, the paths in fields and the keys of messages that a row sends beside OpenAI's."""
    paths = row.setting_paths
    return {*row.history_keys, *(path[0] for path in paths), *map(".".join, paths)}


def read_refused(status: int, body: Any) -> frozenset[str]:
    """Return the fields of `list_droppable_fields` that an error refuses.

    Args:
        status: HTTP status.
        body: The error's body, parsed or as text.
    """
    if status not in _STATUSES:
        return frozenset()
    return frozenset(find_refused(body, list_droppable_fields()))


def advise_refusal(body: Any, payload: Mapping[str, Any] | None = None, server: str = GENERIC.name) -> str | None:
    """Return advice for an error that refuses a field of `list_droppable_fields`, None for any other error.

    Args:
        body: The error's body, parsed or as text.
        payload: The request, if it is known: an error that names nothing sent means something else. Ollama says of a
            model that it "does not support thinking", which is also the name of a field.
        server: Name of the row that the request was made by.
    """
    names = frozenset(find_refused(body, list_droppable_fields()))
    if payload is not None:
        sent = {key.rpartition(".")[2] for key in _list_keys(payload)}
        names = frozenset(name for name in names if name.rpartition(".")[2] in sent)
    if not names:
        return None
    return f"The server refuses {_name_fields(names)}: {_advise(body, names, server)}, or leave the setting out."


class Lesson(Generic[_C]):
    """Learns the refused fields of one call, and rebuilds the call without them, once.

    Args:
        url: Base URL of the server.
        model: The model that is called.
        rebuild: Rebuilds the call with the current facts about the server.
    """

    def __init__(self, url: str, model: str, rebuild: Callable[[], _C]) -> None:
        self._url = url
        self._model = model
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
        sent = _list_keys(payload)
        new = read_refused(status, body) & {*sent, "cache_control"}  # which stands inside of contents
        new = (new or self._read_refused_word(status, body, payload)) - self._names
        if not new:
            return None
        row = _find_row(body)
        if row and row.strict_fields:
            new |= (list_droppable_fields() & sent) - _UNASKED.keys() - _list_sent(row) - row.own_fields
        new = frozenset(name for name in new if "." not in name or name.partition(".")[0] not in new)
        is_first = not self._names
        self._names |= new
        self._body = body
        learn_refusal(self._url, self._model, new)
        return self._rebuild() if is_first else None

    def _read_refused_word(self, status: int, body: Any, payload: Mapping[str, Any]) -> frozenset[str]:
        """Return field and value, `reasoning_effort=none`, if the server behind a gateway refuses our switch's word."""
        row = recall_dialect("auto", self._url, self._model)
        if row is None or row.kind != "gateway" or row.thinking_word is None or status not in _STATUSES:
            return frozenset()
        (field,), *words = row.thinking_word
        is_ours = payload.get(field) in words
        return frozenset({f"{field}={payload[field]}"} if is_ours and complains_of_effort(body) else ())

    def report(self) -> None:
        """Warn once about the fields that are left out from now on."""
        if self._names:
            host = urlsplit(self._url).netloc.rpartition("@")[2]
            refused = f"{host} refuses {_name_fields(self._names)} for the model {self._model}"
            warn_once(f"{refused}: left out from now on; {_advise(self._body, self._names)}")


def _list_keys(payload: Mapping[str, Any]) -> set[str]:
    """Return what can be left out of a request: its fields, the paths in them, and the keys of its messages."""
    paths = {f"{name}.{key}" for name, value in payload.items() if isinstance(value, Mapping) for key in value}
    keys = {*payload, *paths, *(key for message in payload.get("messages", ()) for key in message)}
    return set(map(str, keys))


def _name_fields(names: frozenset[str]) -> str:
    return f"the field{'s' if len(names) > 1 else ''} {', '.join(sorted(names))}"


def _advise(body: Any, names: frozenset[str], server: str = GENERIC.name) -> str:
    if names <= _UNASKED.keys():
        return f"set {' and '.join(_UNASKED[name] for name in sorted(names))}"
    if _IS_DUPLICATE.search(_write_text(body)):
        return 'it reads earlier reasoning under one name only, which server="auto" finds out'
    row, named = _find_row(body), DIALECTS.get(server, GENERIC)
    if row and row is not named:
        return f'the error looks like {row.title}: set server="{row.name}"'
    if named is not GENERIC:
        return f"if the server is not {named.title}, set the right server=..."
    return "if you know the server, set server=..."


def _find_row(body: Any) -> Dialect | None:
    """Return the row whose server refuses in these words; a name too many tells nothing about other fields."""
    text = _write_text(body)
    if _IS_DUPLICATE.search(text):
        return None
    return next((row for row in DIALECTS.values() if row.refusal and re.search(row.refusal, text)), None)


def _write_text(body: Any) -> str:
    return (body if isinstance(body, str) else json.dumps(body, default=str))[:MAX_CHARACTERS]
