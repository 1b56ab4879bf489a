"""Reads a server's error body of any shape. Pure, no I/O.

Errors arrive as OpenAI's `{"error": {...}}`, as `error` or `errors` with a text, an object or a list (vLLM's 401, TGI,
Ollama, ModelScope, Cloudflare), flat (SGLang, DashScope's native API, Baidu's `error_code` and `error_msg`, `code` and
`msg` of the gateways), as FastAPI's `detail`, as a gateway's HTML page, as plain text, or as an empty body. Many arrive
with status 200, or in the middle of a stream.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_qwen3.errors.overflow import is_overflow, read_limit, read_prompt_tokens
from langchain_qwen3.errors.secrets import mask_text

MAX_TEXT = 2000
_MAX_BYTES = 1_000_000
_MAX_SHAPES = 4  # the maximum nesting of errors inside errors
_MAX_DETAILS = 20

# Keys, ignoring case and underscores. A text under one of the first is itself an error.
_ERROR_KEYS = (
    *("message", "msg", "errormessage", "errormsg", "errmsg", "errstr", "retmsg", "resultmsg", "returnmsg"),
    *("returnmessage", "respmsg", "faultstring", "errordescription"),
)
_TEXT_KEYS = (*_ERROR_KEYS, "reason", "title", "statusmsg", "statusmessage")
_CODE_KEYS = (
    *("code", "errorcode", "errcode", "statuscode", "status"),
    *("retcode", "resultcode", "returncode", "respcode"),
)
_DETAILS = ("detail", "details")
_WRAPPERS = ("error", "errors", "fault", *_DETAILS)
ENVELOPES = ("data", "result", "response", "output")
"""Where gateways put a reply or an error into an object of their own."""
_STATUSES = ("baseresp", "header", "errormsg")
"""Objects with a code and its text beside the reply: MiniMax's, ByteDance's `BaseResp`, iFlytek's and Tencent Hunyuan's
(https://www.tencentcloud.com/document/product/1284/75542)."""

# Gateways write errors with a status as events, too; DashScope's own protocol adds ":HTTP_STATUS/400".
_FRAMING = re.compile(r"(?m)(?:\s|\ufeff|^(?:event|id|retry)?:[^\n]*(?:\n|\Z)|^(?:data|error):|\[DONE\])*+")
_OVERFLOW_NAMES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
# Django, Go, PHP and firewalls send pages without a head; `_TITLES` lists what to read first, then what else.
_PAGE = re.compile(
    r"<(?:!--|!doctype|\?xml|(?:html|head|body|title|meta|style|script|center|div|p|pre|h[1-6])\b)", re.IGNORECASE
)
_TITLES = ("title|h1|message", "h2|h3|p|pre|div")
_NOTHING = frozenset(
    {"", "null", "none", "nil", "<nil>", "undefined", "ok", "success", "成功", "操作成功", "请求成功", "处理成功"}
)
_FAILED = frozenset({"error", "fail", "failed", "failure"})
_PARTS = frozenset({"type", "event", "tool", "name"})  # a search or another step may fail while the answer goes on
_GOOD_CODES = frozenset({"0", "0000", "00000", "000000", "200", "ok", "success", "true"})
_HEARTBEATS = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive", "keep_alive"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFacts:
    """The facts in an error body.

    Attributes:
        message: The server's text, at most 2,000 characters; anything that looks like a key is masked.
        code: The server's code as a string: `"400"`, `"invalid_parameter_error"`, `"Throttling.RateQuota"`.
        type: The server's error type.
        param: The request field that the server blames.
        limit: The context length in tokens, if a context overflow names it.
        prompt_tokens: The prompt's length in tokens, if a context overflow names it.
        overflow: Whether the prompt is longer than the context.
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
        """The code as an HTTP error status; None if it is not one."""
        code = self.code or ""
        return int(code) if re.fullmatch(r"[45]\d\d", code, re.ASCII) else None


def read_error_body(body: object) -> ErrorFacts:
    """Read an error body of any shape: parsed JSON, text, bytes, an HTML page or None."""
    if isinstance(body, bytes | bytearray | memoryview):
        body = decode_body(bytes(body[:_MAX_BYTES]))
    if isinstance(body, str):
        body = _parse_text(body)
    body = _open_envelope(body)
    fields = _merge_shapes(body) if isinstance(body, Mapping) else {"message": body}
    message = mask_text(_write_text(fields.get("message"))[: 2 * MAX_TEXT])[:MAX_TEXT]
    code, kind = _read_word(fields.get("code")), _read_word(fields.get("type"))
    overflow = bool(_OVERFLOW_NAMES & {code, kind}) or is_overflow(message)
    return ErrorFacts(
        message=message,
        code=code,
        type=kind,
        param=_read_word(fields.get("param")),
        limit=(_read_count(fields.get("n_ctx")) or read_limit(message)) if overflow else None,
        prompt_tokens=(_read_count(fields.get("n_prompt_tokens")) or read_prompt_tokens(message)) if overflow else None,
        overflow=overflow,
    )


def find_error(event: object) -> Mapping[str, Any] | None:
    """Return the part of a reply with status 200, or of a stream's event, that reports an error.

    Args:
        event: The parsed reply or event, of any shape.

    Returns:
        None if no error is reported. These do not count as errors: an empty error object (one-api and its forks write
        one into good replies), a message next to choices or to a success code, and a heartbeat.
    """
    event = _open_envelope(event)
    if not isinstance(event, Mapping):
        return None
    if any(not _is_empty(value) for key, value in event.items() if str(key).lower() in ("error", "errors", "fault")):
        return event
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and (error := _find_choice_error(choice)):
            return error
    return event if not choices and _is_flat_error(event) else None


def _unwrap(body: object) -> object:
    """Return the only error of a list, as Google's APIs write it; FastAPI's faults have a `loc` and stay a list."""
    first = body[0] if isinstance(body, list) and len(body) == 1 else None
    return first if isinstance(first, Mapping) and "loc" not in first else body


def _open_envelope(body: object) -> object:
    """Return the object with an `error` in an envelope that says none itself, as Tencent Cloud and Volcengine write it.

    Other objects in an event may name an error that did not end the reply, such as that of a tool of the server.
    """
    body = _unwrap(body)
    if not isinstance(body, Mapping) or body.get("choices"):
        return body
    fields = _fold_keys(body)
    if not fields.keys().isdisjoint(_WRAPPERS) or _says_error(fields):
        return body
    for inner in map(fields.get, (*ENVELOPES, "responsemetadata")):  # the last is Volcengine's
        if isinstance(inner, Mapping) and not _is_empty(_fold_keys(inner).get("error")):
            return inner
    return next(({"error": inner} for inner in map(fields.get, _STATUSES) if _is_bad_status(inner)), body)


def _is_bad_status(inner: object) -> bool:
    """Return whether an object beside the reply has a text and a bad code; iFlytek's `status` counts its events."""
    fields = _fold_keys(inner) if isinstance(inner, Mapping) else {}
    code = next((fields[key] for key in _CODE_KEYS if key != "status" and fields.get(key) is not None), 0)
    return str(code).lower() not in _GOOD_CODES and not all(_is_empty(fields.get(key)) for key in _TEXT_KEYS)


def _is_flat_error(event: Mapping[str, Any]) -> bool:
    """Return whether an object without choices reports an error by itself."""
    return event.get("object") == "error" or event.get("type") == "error" or _says_error(_fold_keys(event))


def _says_error(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields of an object, their keys folded, contain the text of an error."""
    if any(str(fields.get(key, "")).lower() in _GOOD_CODES for key in (*_CODE_KEYS, "success")):
        return False
    if any(str(fields.get(key)).lower() in _HEARTBEATS for key in ("type", "event", "message")):
        return False
    has_failed = fields.get("success") is False or str(fields.get("status")).lower() in _FAILED
    if has_failed and fields.keys().isdisjoint(_PARTS):
        return True
    texts = map(fields.get, _ERROR_KEYS)
    return any(isinstance(text, str) and not _is_empty(text) for text in texts) or not _is_empty(fields.get("detail"))


def _find_choice_error(choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not _is_empty(choice.get("error")):
        return choice
    if choice.get("finish_reason") == "error_finish":  # DashScope: the text of the error is the content
        message = choice.get("delta") or choice.get("message")
        text = message.get("content") if isinstance(message, Mapping) else None
        return {"message": text or "finish_reason is error_finish, and there is no text"}
    return None


def _is_empty(error: object, depth: int = _MAX_SHAPES) -> bool:
    """Return whether an error is empty, contains only empty values, or has a success code."""
    if isinstance(error, Mapping | list) and depth:
        if isinstance(error, Mapping) and str(error.get("code")).lower() in _GOOD_CODES:
            return True
        values = [error[key] for key in error if key != "request_id"] if isinstance(error, Mapping) else error
        return all(_is_empty(value, depth - 1) for value in values)
    return not error or (isinstance(error, str) and error.lower() in _NOTHING)


def decode_body(body: bytes) -> str:
    """Return bytes as text: UTF-8, or GB 2312, which programs on a Chinese Windows, its IIS and older Java write."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        is_gb = re.fullmatch(rb"(?:[\x00-\x7f]|[\xa1-\xf7][\xa1-\xfe])*+", body)
        return body.decode("gb18030" if is_gb else "utf-8", "replace")


def _parse_text(text: str) -> object:
    text = text.strip("\ufeff \t\r\n")
    if _PAGE.match(text):
        page = text[: 2 * MAX_TEXT]
        titles = (re.search(rf"(?is)<({tags})\b[^>]{{0,200}}>((?:(?!</\1>).){{1,300}})", page) for tags in _TITLES)
        title = next((found[2] for found in titles if found), "")
        said = " ".join(re.sub(r"<[^<>]{0,200}>", " ", title).split())
        return f"an HTML page: {said}" if said else "an HTML page"
    body = _FRAMING.sub("", text, count=1)
    if not body.startswith(("{", "[", '"')):
        return text
    try:
        value, end = json.JSONDecoder().raw_decode(body)
    except (ValueError, RecursionError):
        return text
    return value if _FRAMING.fullmatch(body, end) else text


def _fold_keys(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with keys that ignore case and underscores; of two equal keys the first counts."""
    fields: dict[str, Any] = {}
    for key, value in body.items():
        fields.setdefault(str(key).replace("_", "").replace("-", "").lower(), value)
    return fields


def _merge_shapes(body: Mapping[str, Any], depth: int = _MAX_SHAPES) -> dict[str, Any]:
    """Convert an error object of any shape to `message`, `code`, `type` and `param`."""
    folded = _fold_keys(body)
    fields = {**body, "code": next((folded[key] for key in _CODE_KEYS if _read_word(folded.get(key))), None)}
    text = next((said for key in _TEXT_KEYS if (said := _join_texts(folded.get(key)))), None)
    for key in _WRAPPERS:
        inner = _unwrap(folded.get(key))
        if _is_empty(inner) or inner is True or not depth:
            continue
        if isinstance(inner, Mapping | list):
            found = _merge_shapes(inner, depth - 1) if isinstance(inner, Mapping) else _read_details(inner)
            is_own = isinstance(inner, Mapping) and key not in _DETAILS and isinstance(found["message"], str)
            if is_own or not text:
                return _overlay(fields, found)
            # Google's APIs and Apigee put details beside the text: https://google.aip.dev/193
            return _overlay(found, {**fields, "message": f"{text} ({_write_text(found['message'])})"})
        # Ollama and TGI put all text in `error`; Spring-like gateways add a `message` with more details.
        said = str(inner)
        fields["message"] = f"{said}: {text}" if text and text != said else said
        fields["type"] = fields.get("type") or fields.get("error_type")
        return fields
    metadata = fields.get("metadata")  # OpenRouter: the provider's own text
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    fields["message"] = f"{text} ({raw})" if text and raw else text or raw or dict(body)
    return fields


def _overlay(fields: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return an object's fields, overridden by those that another one has."""
    return {**fields, **{key: value for key, value in other.items() if value is not None}}


def _join_texts(value: Any) -> str:
    """Return a text, or several as NestJS lists them (https://docs.nestjs.com/techniques/validation); else nothing."""
    texts = value if isinstance(value, list) else [value]
    return "; ".join(texts) if all(isinstance(text, str) for text in texts) else ""


def _read_details(details: list[Any]) -> dict[str, Any]:
    """Read a list of faults, such as FastAPI's: location and text, without the echoed input."""
    lines, param = [], None
    for item in details[:_MAX_DETAILS]:
        if not isinstance(item, Mapping):
            lines.append(_write_text(item))
            continue
        loc = item.get("loc")
        where = ".".join(str(part) for part in loc) if isinstance(loc, list) else ""
        param = param or where or None
        text = _write_text(item.get("msg") or item.get("message") or item)
        lines.append(f"{where}: {text}" if where else text)
    return {"message": "; ".join(lines), "param": param}


def _write_text(value: object) -> str:
    if isinstance(value, str):
        return value.strip() or "an empty body"
    if value is None or value in ({}, []):
        return "an empty body"
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "an object that cannot be shown"


def _read_word(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 64 else None  # Python cannot print a number of thousands of digits
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def _read_count(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 53 else None
