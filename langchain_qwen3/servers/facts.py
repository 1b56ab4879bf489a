"""Facts a server reports about itself: which URLs to get, and how to read the replies. No I/O: `detection` does it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from langchain_qwen3.profiles import ModelLine, can_chat, resolve_line
from langchain_qwen3.servers.dialect import Dialect, Path, Probe
from langchain_qwen3.servers.dialects import DIALECTS, OWNERS
from langchain_qwen3.servers.gateways import GENERIC

_OK = 200
_REFUSED = frozenset({400, 405, 422, 501})  # the server is up, but does not take such a request
_NOT_THERE = frozenset({404, *_REFUSED})
_MAX_DIGITS = 12  # of a context length that is written as a text


def _split_paths(text: str) -> tuple[Path, ...]:
    return tuple(tuple(path.split(".")) for path in text.split())


# Where servers report the context length: vLLM and SGLang; llama.cpp; Xinference, OpenRouter and Nebius; Groq;
# LiteLLM; DeepInfra; Novita; Cerebras; LM Studio; Hugging Face's router, for each of its providers; llama.cpp's /props.
_CONTEXTS = _split_paths(
    """
    max_model_len meta.n_ctx context_length context_window max_input_tokens metadata.context_length context_size
    limits.max_context_length max_context_length providers.context_length default_generation_settings.n_ctx
    """
)
# Lists of all kinds of input: llama.cpp and OpenRouter; others; Xinference, whose words are in _KINDS.
_INPUTS = _split_paths("architecture.input_modalities input_modalities model_ability")
_KINDS = {"text": "text", "chat": "text", "image": "image", "vision": "image", "video": "video", "audio": "audio"}
# What only adds to the kinds that the name shows: lists that may be incomplete; llama.cpp's word for a projector
# (https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-context.cpp).
_MORE_INPUTS = _split_paths("capabilities modalities modalities.input modality architecture.modality")
_MORE_KINDS = {**_KINDS, "multimodal": "image"}
# The real name of the weights when the served name is an alias: vLLM and SGLang; OpenRouter; llama.cpp's /props;
# Xinference; an architecture.
_WEIGHTS = _split_paths("root hugging_face_id model_path model_family architecture.name architecture")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Facts a server reports about one of its models."""

    context: int | None = None
    """Context length in tokens, None if not reported; the smallest if there are several providers."""

    inputs: frozenset[str] | None = None
    """Kinds of input among `text`, `image`, `video`, `audio`; None if not reported."""

    more_inputs: frozenset[str] = frozenset()
    """Kinds of input that the server mentions, perhaps not all."""

    weights: tuple[str, ...] = ()
    """Other names of the model (repository, file, family), for `find_line` when the served name is not recognized."""

    dialect: Dialect | None = None
    """The server of this model, if the list has models of several servers."""

    parent: str | None = None
    """The model that this one is an adapter of; None for a model of its own."""

    def complete(self, other: ModelFacts, *names: str) -> ModelFacts:
        """Return these facts with what they lack, and with other names of the model."""
        weights = tuple(dict.fromkeys((*self.weights, *other.weights, *names)))
        return replace(
            self,
            context=self.context or other.context,
            inputs=self.inputs or other.inputs,
            more_inputs=self.more_inputs | other.more_inputs,
            weights=weights,
        )


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Facts a server reports about itself."""

    dialect: Dialect
    """The server's row."""

    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    """Facts about its models, by served name and alias."""

    expires_at: float | None = None
    """Value of `time.monotonic()` after which the facts are stale, None for never."""

    def find_dialect(self, model: str) -> Dialect:
        """Return the row for a model: a gateway may have several servers behind it."""
        reported = self.models.get(model)
        row = reported.dialect if reported and reported.dialect else self.dialect
        provider = row.providers.get(model.rpartition(":")[2])
        return DIALECTS[provider] if provider else row


def resolve_served_line(
    model: str, dialect: Dialect, models: Mapping[str, ModelFacts], model_line: str | None
) -> ModelLine | None:
    """Return a model's line by all that is known of it, as its server serves it.

    Args:
        model: The name as it is sent to the server.
        dialect: Who serves it.
        models: What the server says of its models.
        model_line: What the user says the model is, see `resolve_line`.

    Returns:
        The line, or None when nothing tells it.

    Raises:
        ValueError: `model_line` is no name of a line or model that is known.
    """
    reported = models.get(model) or ModelFacts()
    line = resolve_line(model, dialect.name, model_line=model_line, weights=reported.weights, inputs=reported.inputs)
    if line is not None and reported.inputs is None and model_line is None:
        line = replace(line, inputs=line.inputs | reported.more_inputs)
    return dialect.adapt_line(line)


class Answer(NamedTuple):
    """The answer from a path other than chat completions.

    Attributes:
        status: HTTP status.
        headers: Response headers, their names case-insensitive.
        body: The parsed JSON, None if it is not JSON.
        response: The whole HTTP response.
        error: The SDK's exception for an error status, else None.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    response: Any
    error: Exception | None = None


def read_models(answer: Answer) -> tuple[Dialect | None, dict[str, ModelFacts]]:
    """Return the dialect and the facts about each model in the reply of `/v1/models`."""
    models: dict[str, ModelFacts] = {}
    first = None
    for row in _list_rows(answer.body):
        facts = read_model(row, OWNERS.get(str(row.get("owned_by"))) or _find_by_sign(row, answer.headers))
        first = first or facts.dialect
        models.update(dict.fromkeys(_read_names(row), facts))
    models = {  # of an adapter, vLLM tells no more than its path and the name of its base
        name: known.complete(base, str(known.parent)) if (base := models.get(known.parent or "")) else known
        for name, known in models.items()
    }
    return first or _find_by_sign({}, answer.headers), models


def find_list(body: Any) -> list[Any] | None:
    """Return a list of models: OpenAI's `data`, `models`, either in a gateway's envelope, or the reply itself."""
    while isinstance(body, dict):
        body = next((body[key] for key in ("data", "models", "list") if body.get(key) is not None), None)
    return body if isinstance(body, list) else None


def _list_rows(body: Any) -> list[dict[str, Any]]:
    return [row for row in find_list(body) or () if isinstance(row, dict)]


def read_model(row: Mapping[str, Any], dialect: Dialect | None = None) -> ModelFacts:
    """Return the facts in one entry of the list, or in the reply of llama.cpp's `/props`."""
    return ModelFacts(
        context=_read_context(row),
        inputs=_read_inputs(row),
        more_inputs=_read_more_inputs(row),
        weights=tuple(
            dict.fromkeys(value for path in _WEIGHTS for value in find_values(row, path) if isinstance(value, str))
        ),
        dialect=dialect,
        parent=parent if isinstance(parent := row.get("parent"), str) else None,
    )


def list_served(models: Mapping[str, ModelFacts]) -> list[str]:
    """Return each model of a list by its first name, without adapters and models that serve no chat.

    LM Studio lists an embedding model beside whatever else it has.

    Args:
        models: What a server says of its models, by served name and alias.
    """
    first: dict[int, str] = {}
    for name, known in models.items():
        first.setdefault(id(known), name)  # aliases share their facts
    names = list(first.values())
    return [name for name in names if can_chat(name) and not models[name].parent] or names


def find_values(body: Any, path: Path) -> Iterator[Any]:
    """Yield the values at a path; every item of a list on the path is searched."""
    if not path:
        yield from body if isinstance(body, list) and body else [body]
    elif isinstance(body, list):
        for item in body:
            yield from find_values(item, path)
    elif isinstance(body, Mapping) and path[0] in body:
        yield from find_values(body[path[0]], path[1:])


def _find_by_sign(row: Mapping[str, Any], headers: Mapping[str, str]) -> Dialect | None:
    for dialect in DIALECTS.values():
        for sign in dialect.signs:
            name, pattern = sign.header or ("", "")
            header = headers.get(name) if name else ""
            if header is not None and re.match(pattern, header) and sign.matches_row(row):
                return dialect
    return None


def _read_names(row: Mapping[str, Any]) -> list[str]:
    aliases = row.get("aliases")
    names = (read_id(row), *map(read_name, aliases if isinstance(aliases, list) else ()))
    return list(filter(None, names))


def read_id(row: Mapping[str, Any]) -> str:
    """Return the first name of a model in a list; some write it as `model` or `name`."""
    return next(filter(None, map(read_name, map(row.get, ("id", "model", "name")))), "")


def read_name(value: Any) -> str:
    """Return the name of a model in a list; empty for a value that cannot be one, such as null or a blank."""
    return str(value) if isinstance(value, str | int) and str(value).strip() else ""


def _read_context(row: Mapping[str, Any]) -> int | None:
    for path in _CONTEXTS:
        sizes = [size for value in find_values(row, path) if (size := _read_size(value))]
        if sizes:
            return min(sizes)
    return None


def _read_size(value: Any) -> int:
    """Return a whole number, which some write as a text or with a point; 0 for anything else."""
    if isinstance(value, str) and value.isascii():
        return int(value) if value.isdigit() and len(value) < _MAX_DIGITS else 0
    is_whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    return max(0, int(value)) if is_whole else 0


def _read_more_inputs(row: Mapping[str, Any]) -> frozenset[str]:
    values = [value for path in _MORE_INPUTS for value in find_values(row, path) if isinstance(value, str)]
    words = [word for value in values for word in value.partition("->")[0].split("+")]  # text+image->text
    if row.get("supports_vision") is True:  # https://docs.litellm.ai/docs/completion/vision
        words.append("vision")
    return frozenset(kind for word in words if (kind := _MORE_KINDS.get(word)))


def _read_inputs(row: Mapping[str, Any]) -> frozenset[str] | None:
    for path in _INPUTS:
        kinds = {_KINDS.get(value) for value in find_values(row, path) if isinstance(value, str)} - {None}
        if kinds:
            return frozenset({"text", *(str(kind) for kind in kinds)})
    # llama.cpp's /props, and capabilities as flags: a missing flag means false.
    for path in (("modalities",), ("capabilities",)):
        flags = next(find_values(row, path), None)
        if isinstance(flags, Mapping) and isinstance(flags.get("vision"), bool):
            return frozenset({"text", *(kind for name, kind in _KINDS.items() if flags.get(name) is True)})
    return None


def ask(root: str) -> Generator[str, Answer, ServerFacts | None]:
    """Generator: yields the next URL, is sent the reply, returns the facts. None means undecided: try again later.

    Args:
        root: The server's URL without `/v1`.
    """
    answer = yield "/models"
    if answer.status not in _NOT_THERE and answer.status != _OK:
        return None  # a wrong key, an overload
    dialect, models = read_models(answer)
    if dialect is not None:
        if dialect.probe and _needs_description(dialect.probe, models):
            answer = yield root + dialect.probe.path
            models = _add_description(models, answer.body)
        return ServerFacts(dialect, models)
    earlier = [answer]
    for row in DIALECTS.values():
        if row.probe is None:
            continue
        answer = yield root + row.probe.path
        if _matches_probe(row.probe, answer, earlier):
            if _needs_description(row.probe, models):
                models = _add_description(models, answer.body)
            return ServerFacts(row, models)
        earlier.append(answer)
    # A proxy answers with 404 or a web page, not in JSON, while the server behind it is starting.
    is_up = any(isinstance(answer.body, dict | list) or answer.status in _REFUSED for answer in earlier)
    return ServerFacts(GENERIC, models) if is_up else None


def _needs_description(probe: Probe, models: Mapping[str, ModelFacts]) -> bool:
    """Return whether a probe's reply may add to the list: it describes one model, whose inputs are not listed."""
    is_single = len({id(known) for known in models.values()}) <= 1  # aliases share their facts
    return probe.describes_model and is_single and all(known.inputs is None for known in models.values())


def _add_description(models: dict[str, ModelFacts], body: Any) -> dict[str, ModelFacts]:
    """Return the models with what llama.cpp's `/props` says of the only one."""
    if not isinstance(body, Mapping):
        return models
    described = read_model(body)
    if not models:
        return {name: described} if isinstance(name := body.get("model_alias"), str) else {}
    return dict.fromkeys(models, next(iter(models.values())).complete(described))


def _matches_probe(probe: Probe, answer: Answer, earlier: list[Answer]) -> bool:
    """Return whether a probe's server gave a reply; it is not the server that answers other paths in the same way.

    Args:
        probe: What the reply must be.
        answer: The reply.
        earlier: The list of models, and the replies to earlier probes.
    """
    alike = [other for other in earlier if other.status == answer.status]
    if answer.status != probe.status or any(not probe.holds or other.body == answer.body for other in alike):
        return False
    owners = [f"{row['owned_by']} {row.get('id')}" for row in _list_rows(earlier[0].body) if row.get("owned_by")]
    if probe.owner and not all(re.match(probe.owner, owner) for owner in owners):
        return False
    keys = answer.body.keys() if isinstance(answer.body, dict) else ()
    if probe.exact and keys != {path[0] for path in probe.holds}:
        return False
    values = [value for path in probe.holds for value in find_values(answer.body, path)]
    return not probe.holds or any(probe.value in (None, value) for value in values)
