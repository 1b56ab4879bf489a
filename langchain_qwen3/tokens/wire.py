"""Builds requests that make a server count tokens, and reads its replies. Pure; `counting` sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_qwen3.servers.dialect import KWARGS

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import TokenCounting

# The fields of a chat request that determine its prompt.
_PROMPT_FIELDS: Final = ("model", "messages", "tools", KWARGS)
_STREAM_FIELDS: Final = ("stream", "stream_options")


@dataclass(frozen=True, slots=True)
class CountRequest:
    """A POST request that makes a server count."""

    path: str
    """Path below the server's root, or below the API's base URL."""

    body: dict[str, Any]
    """The JSON body."""

    at_root: bool = True
    """Whether the path starts at the server's root, not below `/v1`."""

    def resolve_url(self, base_url: str) -> str:
        """Return the address to post to, for an API at `base_url` (with or without `/v1` at its end)."""
        base = base_url.rstrip("/")
        return (base.removesuffix("/v1") if self.at_root else base) + self.path


def build_count_request(counting: TokenCounting, payload: Mapping[str, Any]) -> CountRequest:
    """Build the request that counts the prompt of a chat request.

    Args:
        counting: How the server counts.
        payload: The chat request as it would be sent. It is not changed.
    """
    if counting.whole_body:
        body = {name: value for name, value in payload.items() if name not in _STREAM_FIELDS}
    else:
        body = {name: payload[name] for name in _PROMPT_FIELDS if name in payload}
    if key := counting.history_key:
        body["messages"] = [_write_reasoning_key(message, key) for message in payload["messages"]]
    if (effort := payload.get("reasoning_effort")) is not None and counting.effort == "field":
        body["reasoning_effort"] = effort
    elif effort and counting.effort == "switch":
        switches = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
        body[KWARGS] = {**switches, **(body.get(KWARGS) or {})}
    return CountRequest(counting.chat_path, body, counting.chat_path_at_root)


def build_encode_request(counting: TokenCounting, model: str, text: str) -> CountRequest:
    """Build the request that encodes a bare text, without chat template or special tokens around it.

    Args:
        counting: How the server counts.
        model: Name of the served model.
        text: The text to encode. Special tokens written out in it become their own ids.
    """
    names = {"model": model} if counting.names_model else {}
    return CountRequest(counting.text_path, {**names, counting.text_field: text, counting.special_field: False})


def read_count(reply: Mapping[str, Any]) -> int:
    """Read the number of tokens from the reply to either request.

    Raises:
        ValueError: The reply contains neither a number nor ids.
    """
    for name in ("count", "input_tokens"):
        if type(number := reply.get(name)) is int:
            return number
    return len(read_token_ids(reply))


def read_token_ids(reply: Mapping[str, Any]) -> list[int]:
    """Read the token ids from the reply to `build_encode_request`.

    Raises:
        ValueError: The reply contains no list of ids.
    """
    ids = reply.get("tokens")
    if not isinstance(ids, list) or not all(type(token) is int for token in ids):
        raise ValueError(f"the server's reply to a token count has neither a count nor ids, but {sorted(reply)}")
    return ids


def _write_reasoning_key(message: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return {**message, key: reasoning} if reasoning and not message.get(key) else message
