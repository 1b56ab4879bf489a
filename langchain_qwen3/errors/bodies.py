"""What a server's error body says, in any shape. Pure reading, no I/O.

Error bodies come in seven shapes: OpenAI's `{"error": {...}}`, `error` as a string (vLLM's 401, TGI, Ollama),
flat (SGLang, DashScope's native API), FastAPI's `detail` as a string or a list, the HTML page of a gateway,
plain text, and nothing at all. The texts in the tables are the servers' own: vLLM 0.10 to 0.32, SGLang 0.5,
llama.cpp, Ollama, TGI, DashScope, OpenRouter, OpenAI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_MAX_TEXT = 2000

_OVERFLOW = (
    r"maximum context length (?:is|of) \d",
    r"exceeds (?:the )?(?:model's )?maximum context length",
    r"longer than the (?:model's context|maximum model) length",
    r"exceeds the available context size",
    r"Context size has been exceeded",
    r"Range of input length should be \[",
    r"prompt is longer than the context length",
    r"input length exceeds the context length",
    r"`inputs` tokens \+ `max_new_tokens` must be <=",
    r"`inputs` must have less than \d+ tokens",
    r"exceeds the context window",
    r"prompt is too long",
    r"Input tokens exceed the configured limit",
    r"ContextWindowExceededError",
    r"context_length_exceeded",
)
_OVERFLOW_NAMES = frozenset({"context_length_exceeded", "exceed_context_size_error"})

_LIMITS = (
    r"maximum context length (?:is|of) (\d[\d,]*)",
    r"maximum context length \((\d[\d,]*)\)",
    r"maximum model length of (\d[\d,]*)",
    r"model's context length \((\d[\d,]*) tokens\)",
    r"available context size \((\d[\d,]*) tokens\)",
    r"Range of input length should be \[\d+, ?(\d[\d,]*)\]",
    r"`max_new_tokens` must be <= (\d[\d,]*)",
    r"`inputs` must have less than (\d[\d,]*) tokens",
    r"configured limit of (\d[\d,]*) tokens",
    r"too long: \d[\d,]* tokens > (\d[\d,]*)",
)
_PROMPTS = (
    r"prompt contains (?:at least )?(\d[\d,]*) input tokens",
    r"your request has (\d[\d,]*) input tokens",
    r"(\d[\d,]*) (?:tokens )?(?:in|from) the (?:input )?(?:messages|prompt)",
    r"Input length \((\d[\d,]*)\)",
    r"decoder prompt \(length (\d[\d,]*)\)",
    r"The input \((\d[\d,]*) tokens\)",
    r"request \((\d[\d,]*) tokens\)",
    r"Given: (\d[\d,]*)",
    r"messages resulted in (\d[\d,]*) tokens",
    r"too long: (\d[\d,]*) tokens >",
)

_SECRETS = re.compile(
    r"(?i:\bbearer\s+)\S+"
    r"|\b(?:sk|hf|gsk|lsv2)[-_][A-Za-z0-9*][A-Za-z0-9_.*-]{5,}"
    r"|\bms-[0-9a-f]{8}-[0-9a-f-]{20,}"
    r"|(?<=://)[^\s/@]+(?=@)"
    r"|(?i:(?<=api_key=)|(?<=api-key=)|(?<=apikey=)|(?<=access_token=))[^\s&\"']+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFacts:
    """What an error body says.

    Attributes:
        message: The server's text, at most 2,000 characters, with what looks like a key masked.
        code: The server's code as a string: `"400"`, `"invalid_parameter_error"`, `"Throttling.RateQuota"`.
        type: The server's error type.
        param: The request field that the server blames.
        limit: The context length in tokens, of a context overflow that names it.
        prompt_tokens: The prompt's length in tokens, of a context overflow that names it.
        overflow: The prompt is longer than the context.
    """

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    limit: int | None = None
    prompt_tokens: int | None = None
    overflow: bool = False

    @property
    def status(self) -> int | None:
        """The code as an HTTP error status, None when it is none."""
        code = self.code or ""
        return int(code) if re.fullmatch(r"[45]\d\d", code) else None


def read_error_body(body: object) -> ErrorFacts:
    """Read an error body of any shape: parsed JSON, text, bytes, an HTML page or None."""
    if isinstance(body, bytes | bytearray | memoryview):
        body = bytes(body).decode("utf-8", "replace")
    if isinstance(body, str):
        body = _parse_text(body)
    fields = _merge_shapes(body) if isinstance(body, Mapping) else {"message": body}
    message = _write_text(fields.get("message"))
    code, kind = _word(fields.get("code")), _word(fields.get("type"))
    overflow = bool(_OVERFLOW_NAMES & {code, kind}) or any(
        re.search(pattern, message, re.IGNORECASE) for pattern in _OVERFLOW
    )
    return ErrorFacts(
        message=mask_secrets(message[: 2 * _MAX_TEXT])[:_MAX_TEXT],
        code=code,
        type=kind,
        param=_word(fields.get("param")),
        limit=_read_number(fields.get("n_ctx"), _LIMITS, message) if overflow else None,
        prompt_tokens=_read_number(fields.get("n_prompt_tokens"), _PROMPTS, message) if overflow else None,
        overflow=overflow,
    )


def mask_secrets(text: str, literals: Iterable[str] = ()) -> str:
    """Replace what looks like a key, URL userinfo or a bearer token, and the given literals, by `***`."""
    for literal in literals:
        text = text.replace(literal, "***")
    return _SECRETS.sub("***", text)


def mask_body(body: object, literals: Iterable[str] = ()) -> object:
    """Apply `mask_secrets` to every string of a JSON value, and to raw bytes as text."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        return mask_secrets(body, literals)
    if isinstance(body, Mapping):
        return {key: mask_body(value, literals) for key, value in body.items()}
    if isinstance(body, list):
        return [mask_body(value, literals) for value in body]
    return body


def clean_url(url: str) -> str:
    """Return a URL without user, password, query and fragment, which may hold secrets."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _parse_text(text: str) -> object:
    text = text.strip()
    if re.match(r"(?i)<(!doctype|html|head|body|\?xml)", text):
        title = re.search(r"(?is)<(title|h1)[^>]*>(.*?)</\1>", text)
        return f"an HTML page: {' '.join(title[2].split())}" if title else "an HTML page"
    try:
        return json.loads(text) if text.startswith(("{", "[", '"')) else text
    except (ValueError, RecursionError):
        return text


def _merge_shapes(body: Mapping[str, Any], depth: int = 3) -> dict[str, Any]:
    """Bring every shape of an error object to `message`, `code`, `type`, `param`."""
    fields = dict(body)
    for key in ("error", "detail"):
        inner = body.get(key)
        if isinstance(inner, Mapping) and inner and depth:
            return {**fields, **_merge_shapes(inner, depth - 1)}
        if isinstance(inner, str) and inner:
            # Ollama and TGI say all in `error`; Spring-like gateways add a `message` that says more.
            said = fields.get("message")
            fields["message"] = f"{inner}: {said}" if isinstance(said, str) and said else inner
            fields["type"] = fields.get("type") or fields.get("error_type")
            return fields
        if isinstance(inner, list) and inner:
            return {**fields, **_read_validation(inner)}
    metadata = fields.get("metadata")  # OpenRouter: the provider's own text
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    said = next((fields[key] for key in ("message", "msg", "error_msg") if fields.get(key)), None)
    fields["message"] = f"{said} ({raw})" if said and raw else said or raw or dict(body)
    return fields


def _read_validation(details: list[Any]) -> dict[str, Any]:
    """FastAPI's `detail` list: where and what, without the echo of the input."""
    lines, param = [], None
    for item in details:
        if not isinstance(item, Mapping):
            lines.append(_write_text(item))
            continue
        loc = item.get("loc")
        where = ".".join(str(part) for part in loc) if isinstance(loc, list) else ""
        param = param or where or None
        lines.append(f"{where}: {item.get('msg', '')}" if where else _write_text(item.get("msg", item)))
    return {"message": "; ".join(lines), "param": param}


def _write_text(value: object) -> str:
    if isinstance(value, str):
        return value.strip() or "an empty body"
    if value is None or value in ({}, []):
        return "an empty body"
    return json.dumps(value, ensure_ascii=False, default=str)


def _word(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" and not isinstance(value, bool) else None


def _read_number(sent: object, patterns: tuple[str, ...], text: str) -> int | None:
    if isinstance(sent, int) and not isinstance(sent, bool):
        return sent
    for pattern in patterns:
        if found := re.search(pattern, text, re.IGNORECASE):
            return int(found[1].replace(",", "")[:15])
    return None
