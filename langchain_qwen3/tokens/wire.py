"""Builds requests that make a server count tokens, and reads its replies. Pure; `counting` sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_qwen3.servers.address import find_root
from langchain_qwen3.servers.dialect import KWARGS

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import TokenCounting

# The fields of a chat request that determine its prompt.
_PROMPT_FIELDS: Final = ("model", "messages", "tools", KWARGS)
_STREAM_FIELDS: Final = ("stream", "stream_options")


def build_count_request(
    counting: TokenCounting, base_url: str, payload: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the address and the JSON body of the POST request that counts the prompt of a chat request.

    Args:
        counting: How the server counts.
        base_url: The API's address, with or without `/v1` at its end.
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
    base = find_root(base_url) if counting.chat_path_at_root else base_url.rstrip("/")
    return base + counting.chat_path, body


def build_encode_request(counting: TokenCounting, base_url: str, model: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return address and body of the request that encodes a bare text, without chat template or special tokens.

    Special tokens written out in the text become their own ids.
    """
    body = {"model": model} if counting.names_model else {}
    return find_root(base_url) + counting.text_path, {**body, counting.text_field: text, counting.special_field: False}


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
