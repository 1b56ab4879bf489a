"""Whether there is an API at the URL, what it serves, and its version: the requests before any chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from langchain_qwen3.connections.exchange import aget_json
from langchain_qwen3.doctor.findings import Outcome
from langchain_qwen3.doctor.readers import read_error
from langchain_qwen3.errors import (
    BadReplyError,
    Qwen3Error,
    Qwen3ModelNotFoundError,
    Qwen3StatusError,
    translate_errors,
)
from langchain_qwen3.servers.facts import read_models

if TYPE_CHECKING:
    from langchain_qwen3.chat_model import ChatQwen3
    from langchain_qwen3.servers.dialects import Dialect

_VERSION_SECONDS = 3.0


class Listing(NamedTuple):
    """What `/v1/models` lists: names, and context lengths in tokens where they are told."""

    models: tuple[str, ...]
    contexts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What came of trying to reach a server.

    Attributes:
        outcome: Whether there is an API.
        models: Names of the models it lists.
        contexts: Their context lengths in tokens, where told.
    """

    outcome: Outcome
    models: tuple[str, ...] = ()
    contexts: Mapping[str, int] = field(default_factory=dict)


async def list_models(model: ChatQwen3, url: str = "/models") -> Listing:
    """Return what the server lists.

    Args:
        model: Which server.
        url: Path of the list, or the whole address where it is elsewhere than under the base URL.

    Raises:
        Qwen3Error: The server cannot be reached, refuses, or does not answer with a list.
    """
    with translate_errors(model.dialect.name, str(model.openai_api_base), model.model_name):
        answer = await aget_json(model.root_async_client, url)
        if answer.error:
            raise answer.error
        if answer.body is None:
            page = "an HTML page" if answer.response.content.lstrip()[:1] == b"<" else "no JSON"
            raise BadReplyError(
                f"the server answered with {page} instead of its list of models", response=answer.response
            )
        rows = answer.body.get("data") if isinstance(answer.body, dict) else None
        if not isinstance(rows, list):
            raise BadReplyError("the reply is no list of models", response=answer.response, body=answer.body)
    _, known = read_models(answer)
    contexts = {name: model.context for name, model in known.items() if model.context}
    return Listing(tuple(str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row), contexts)


async def reach(model: ChatQwen3, *, named: bool) -> Reached:
    """Find out whether there is an API at the model's base URL.

    Args:
        model: Which server.
        named: The model's name is the user's: without a list of models, one request tells whether there is an API.
    """
    url = str(model.openai_api_base)
    try:
        listing = await list_models(model)
    except Qwen3Error as error:
        if isinstance(error, (Qwen3ModelNotFoundError, Qwen3StatusError)):
            return await _reach_elsewhere(model, error, named=named)
        if isinstance(error, BadReplyError) and (found := await _find_api(model)):
            return _at(found, error)
        return Reached(outcome=read_error(error, "", None))
    if not listing.models and not named:
        outcome = Outcome(status="failed", detail="it serves no model", fix="Load a model, or name one with --model.")
        return Reached(outcome=outcome)
    return Reached(outcome=Outcome(status="ok", detail=url), models=listing.models, contexts=listing.contexts)


async def _reach_elsewhere(model: ChatQwen3, error: Qwen3Error, *, named: bool) -> Reached:
    """Explain a 404: the API is under another path, or it has no list of models, or there is none."""
    if found := await _find_api(model):
        return _at(found, error)
    if not named:
        return Reached(outcome=read_error(error, "", None))
    try:
        await model.ainvoke("Hi", max_tokens=1)
    except Qwen3Error as refused:
        return Reached(outcome=read_error(refused, "", None))
    return Reached(outcome=Outcome(status="ok", detail=f"{model.openai_api_base}, which lists no models"))


def _at(url: str, error: Qwen3Error) -> Reached:
    cause = str(error).partition("\n")[0]
    return Reached(outcome=Outcome(status="failed", detail=cause, fix=f"The API is at {url}: use that address."))


async def _find_api(model: ChatQwen3) -> str | None:
    """Return the address the API is really at, None when it is not near."""
    given = str(model.openai_api_base)
    stem = given.removesuffix("/completions").removesuffix("/chat").removesuffix("/models")
    parts = urlsplit(given)
    places = (stem, f"{stem}/v1", f"{parts.scheme}://{parts.netloc}/v1")
    for place in dict.fromkeys(place for place in places if place != given):
        try:
            await list_models(model, f"{place}/models")
        except Qwen3Error:
            continue
        return place
    return None


async def ask_version(model: ChatQwen3, dialect: Dialect) -> str:
    """Return what the server says of its version, empty when it says nothing."""
    if dialect.version is None:
        return ""
    path, key = dialect.version
    root = str(model.openai_api_base).removesuffix("/v1")
    try:
        answer = await aget_json(model.root_async_client, root + path, seconds=_VERSION_SECONDS)
    except Exception:  # noqa: BLE001  # a version is a courtesy
        return ""
    version = str(answer.body.get(key) or "") if isinstance(answer.body, dict) else ""
    return "" if "unknown" in version else version  # llama.cpp built as a library: "b0-unknown"
