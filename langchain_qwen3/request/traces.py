"""How a model and its calls show themselves to caches, dumps and traces: everything but secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from langchain_core.language_models import LangSmithParams

from langchain_qwen3.call import PROVIDER

_SECRET_KEYWORDS = ("extra_headers", "extra_query")


def show_keywords(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's keywords without its headers and query, which may hold secrets."""
    shown = {name: value for name, value in kwargs.items() if name not in _SECRET_KEYWORDS}
    if isinstance(options := shown.get("options"), Mapping):
        shown["options"] = show_keywords(options)
    return shown


def list_secrets(kwargs: Mapping[str, Any]) -> list[Any]:
    """Return what `show_keywords` leaves out."""
    secrets = [kwargs.get(name) for name in _SECRET_KEYWORDS]
    if isinstance(options := kwargs.get("options"), Mapping):
        secrets += list_secrets(options)
    return secrets


def build_cache_key(key: str, secrets: Iterable[Mapping[str, Any] | None]) -> str:
    """Return a cache's key that differs with headers and query, and holds a digest of them only.

    Args:
        key: What everything else makes of the key.
        secrets: Headers and queries of model and call; None where there are none.
    """
    items = [sorted(values.items()) if values else None for values in secrets]
    return f"{key}---{sha256(repr(items).encode()).hexdigest()}" if any(items) else key


def build_ls_params(params: Mapping[str, Any], stop: list[str] | None) -> LangSmithParams:
    """Return what LangSmith is told of a call.

    Args:
        params: The parameters of model and call; the call's win.
        stop: The call's stop texts.
    """
    shown = LangSmithParams(
        ls_provider=PROVIDER,
        ls_model_name=params["model"],
        ls_model_type="chat",
        ls_temperature=params.get("temperature"),
    )
    if limit := params.get("max_tokens") or params.get("max_completion_tokens"):
        shown["ls_max_tokens"] = limit
    if stops := stop or params.get("stop"):
        shown["ls_stop"] = stops
    return shown
