"""Translates openai's and the transport's exceptions, and error events, to this package's classes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import openai
from langchain_core.messages import AIMessage

from langchain_qwen3._httpx import httpx
from langchain_qwen3.errors import kinds
from langchain_qwen3.errors.body import MAX_TEXT, ErrorFacts, find_error, read_error_body
from langchain_qwen3.errors.causes import blames_path, find_status, is_unpaid
from langchain_qwen3.errors.hints import find_hint, is_bad_http
from langchain_qwen3.errors.kinds import Qwen3Error
from langchain_qwen3.errors.secrets import clean_url, find_request, mask_text, read_secrets, strip_causes, walk_causes
from langchain_qwen3.errors.system import find_reason
from langchain_qwen3.servers.address import CHAT_PATH
from langchain_qwen3.servers.dialect import words
from langchain_qwen3.servers.refusals import advise_refusal

_STATUS_KINDS: dict[int, type[Qwen3Error]] = {
    400: kinds.Qwen3InvalidRequestError,
    401: kinds.Qwen3AuthenticationError,
    402: kinds.Qwen3PermissionDeniedError,
    403: kinds.Qwen3PermissionDeniedError,
    404: kinds.Qwen3ModelNotFoundError,
    408: kinds.Qwen3RequestTimeoutError,
    409: kinds.Qwen3ConflictError,
    410: kinds.Qwen3ModelNotFoundError,  # NVIDIA's for a retired model (https://github.com/capocasa/3code/issues/2)
    422: kinds.Qwen3UnprocessableEntityError,
    429: kinds.Qwen3RateLimitError,
}
# Codes and types that are more specific than the status (DashScope sends 400 for most of its errors).
_SPECIAL_NAMES: tuple[tuple[str, int], ...] = (
    (r"Throttling|rate_limit|RateLimit|insufficient_quota|LimitRequests|limit_burst_rate", 429),
    (r"AccessDenied", 403),
    (r"invalid_?api_?key", 401),
    (r"model_not_found|ModelNotFound|model_not_supported", 404),
    (r"sensitive_words_detected", 400),  # new-api sends 500 (https://github.com/QuantumNous/new-api/issues/4499)
)
_SILENT_NAMES = frozenset({"", "error_finish"})
# Codes and types that classify an error without an HTTP status; its text may still refine a 400 or 422.
_NAMES: tuple[tuple[str, int], ...] = (
    (r"authentication|Unauthorized|AuthFailure", 401),  # the last is Tencent Cloud's
    (r"permission", 403),
    (r"not_?found", 404),
    (r"Unprocessable", 422),
    (r"invalid|bad ?request|DataInspection|data_inspection", 400),
)
# Exceptions raised unwrapped while a body is read. openai 3 uses httpx2, openai 2 uses httpx.
_TIMEOUTS = words("httpx2.TimeoutException httpx.TimeoutException aiohttp.ServerTimeoutError")
_DECODING = words("httpx2.DecodingError httpx.DecodingError")
_STATUS_ERRORS = words("httpx2.HTTPStatusError httpx.HTTPStatusError")
_BROKEN = words(
    "httpx2.RequestError httpx.RequestError aiohttp.ClientError ssl.SSLError",
    "anyio.EndOfStream anyio.BrokenResourceError anyio.ClosedResourceError",
)
_NEGATIVE_LIMIT = re.compile(r"tokens must be at least 1, got (-\d{1,15})")
_SERVER_ERROR = 500
_NO_API = frozenset({404, 405})
_MAX_QUOTE = 200
# openai's wrappers, whose texts carry no information.
_WRAPPERS = frozenset({"APIConnectionError", "APITimeoutError", "OpenAIConnectionError", "OpenAITimeoutError"})


class ErrorTranslator:
    """A context that turns openai's and the transport's errors into this package's, in sync and in async code.

    Cancellation, `GeneratorExit` and every error that neither the server nor the network caused pass through unchanged.

    Args:
        dialect_name: Name of the server's dialect, for advice.
        base_url: The server's address; user, password and query are left out of messages.
        model: The served model's name.
        payload: The body of the request; a refusal gets advice only if a field that it names was sent. None: unknown.

    Attributes:
        partial: A function that returns the message so far; set it when a stream begins. From then on a broken
            connection is a `StreamCutError`, a timeout is a `StreamStallError`, and every error carries the message so
            far.
        cause: A function that returns what the server wrote before a stream was cut, None if nothing.
    """

    def __init__(self, dialect_name: str, base_url: str, model: str, payload: Mapping[str, Any] | None = None) -> None:
        self.dialect_name = dialect_name
        self.base_url = base_url
        self.model = model
        self.payload = payload
        self.partial: Callable[[], AIMessage | None] | None = None
        self.cause: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not isinstance(exc, Exception):
            return  # CancelledError and GeneratorExit are not errors of the call
        error = self.translate(exc)
        if error is None:
            return
        quotes_secret = strip_causes(exc, error)
        if error is exc:
            return
        # aiohttp quotes the URL with its query, and h11 quotes a bad header: a traceback would show them.
        raise error from None if quotes_secret else exc

    def translate(self, exc: Exception) -> Qwen3Error | None:
        """Return this package's error for an exception; None if neither server nor network caused it."""
        reported = _read_reported(exc, self.payload)
        if reported is not None:
            return self._add_context(reported)
        chain = _read_chain(exc)
        details = " ".join(f"{name}: {text}" for name, text in chain)[:MAX_TEXT]
        kind, what = self._find_kind(exc, details)
        if kind is None:
            refused = self._find_refused(exc)
            return self._add_context(_read_status_error(refused, None, self.payload)) if refused is not None else None
        text = next((text for name, text in chain if text and name not in _WRAPPERS), chain[-1][0])
        name, reason = find_reason(walk_causes(exc, hidden=True))
        details += f" errno={name}"
        text += "" if reason in text else f": {reason}"
        one_line = " ".join(text.split())  # aiohttp draws a bad status line over four lines
        body = self.cause() if self.cause is not None and kind is kinds.StreamCutError else None
        if body and (told := error_from_event(body)) is not None:
            return self._add_context(told)
        target = self._find_target(exc)
        what = f"{what} after a redirect to {target}" if target else what
        return self._add_context(kind(f"{what}: {one_line}", request=find_request(exc), body=body), details, target)

    def _find_target(self, exc: BaseException | None) -> str:
        """Return the base URL of the other server to which a redirect led before the error; empty without one."""
        own = httpx.URL(self.base_url)
        while exc is not None:
            request = find_request(exc)
            if request is not None and (request.url.host, request.url.port) != (own.host, own.port):
                return clean_url(str(request.url)).removesuffix(CHAT_PATH)
            exc = exc.__cause__  # not its context: a caller may be handling another server's error
        return ""

    def _find_kind(self, exc: Exception, details: str) -> tuple[type[Qwen3Error] | None, str]:
        began = self.partial is not None
        if isinstance(exc, (openai.APITimeoutError, *_loaded(_TIMEOUTS))):
            if began:
                return kinds.StreamStallError, "the stream stalled"
            return kinds.Qwen3TimeoutError, "no reply in time"
        if isinstance(exc, _loaded(_DECODING)) or isinstance(exc.__cause__, _loaded(_DECODING)):
            return kinds.BadReplyError, "the reply cannot be decoded"
        if isinstance(exc, (openai.APIConnectionError, *_loaded(_BROKEN))):
            if began:
                return kinds.StreamCutError, "the stream was cut"
            return kinds.Qwen3ConnectionError, "the reply is not HTTP" if is_bad_http(details) else "no connection"
        return None, ""

    def _find_refused(self, exc: Any) -> Any:
        """Return the error response that the SDK could not read: it decodes with the codec that the server names.

        Some of Python's codecs raise. A caller may also be handling another server's error; that one is not returned.
        """
        refused = exc.__context__
        request = find_request(refused) if isinstance(refused, _loaded(_STATUS_ERRORS)) else None
        ours = urlsplit(self.base_url).hostname
        return refused.response if request is not None and request.url.host == ours else None

    def _add_context(self, error: Qwen3Error, details: str = "", target: str = "") -> Qwen3Error:
        """Add server, model, advice and the partial message to an error, once."""
        if error.has_context:
            return error
        error.has_context = True
        if error.partial is None and self.partial is not None:
            error.partial = self.partial()
        url = clean_url(self.base_url).rstrip("/")
        if isinstance(error, (kinds.BadReplyError, kinds.StreamCutError)) and error.body:
            said = read_error_body(error.body).message[:_MAX_QUOTE]
            error.message += "" if said in error.message else f": {said}"
        if error.request is None:
            error.request = httpx.Request("POST", f"{url}{CHAT_PATH}")
        hint = advise_refusal(error.body or error.message, self.payload, self.dialect_name) or find_hint(
            f"{target or url} dialect={self.dialect_name} {_list_facts(error)} {error.message} {details}",
            details,
            url=target or url,
            host=urlsplit(target or url).hostname or url,
            model=self.model or "the model",
        )
        place = f"{url}, model {self.model}" if self.model else url
        error.message = f"{error.message} ({place})" + (f"\n{hint}" if hint else "")
        error.args = (error.message,)
        return error


def _list_facts(error: Qwen3Error) -> str:
    """Return the facts, besides the texts, that the table of hints searches."""
    challenge = "" if error.response is None else error.response.headers.get("www-authenticate", "")
    status, reply, blamed = getattr(error, "status_code", None), None, None
    if error.response is not None and error.response.status_code in _NO_API:
        reply = error.response.content
    if isinstance(error, kinds.Qwen3ModelNotFoundError) and find_status(error.message, 400):
        blamed = "model"
    elif status in _NO_API and blames_path(error.message.partition(": ")[2], reply):
        blamed = "path"
    return (
        f"kind={type(error).__name__} status={status} code={error.code} "
        f"param={error.param} blames={blamed} asks={challenge.partition(' ')[0][:20]}"
    )


def error_from_event(event: object, *, response: Any = None) -> Qwen3Error | None:
    """Return the error reported by a stream's event or by a whole reply with status 200, or None.

    Args:
        event: The parsed event or reply: OpenAI's `{"error": ...}` with an object, a text or a list, `errors`, flat
            ones (SGLang, DashScope, `error_code` and `error_msg`, `code` and `msg`), FastAPI's `detail`, OpenRouter's
            `choices[0].error`, and DashScope's `finish_reason: "error_finish"` with the text in the content.
        response: The live response.
    """
    body = find_error(event)
    if body is None:
        return None
    inner = body.get("error")
    return _build_error(read_error_body(body), None, inner if isinstance(inner, Mapping) else body, response)


def _read_reported(exc: Exception, payload: Mapping[str, Any] | None) -> Qwen3Error | None:
    """Return the error that a server reported or that reading its reply raised, without server, model and advice."""
    match exc:
        case Qwen3Error():
            return exc
        case openai.APIStatusError():
            return _read_status_error(exc.response, exc.body, payload)
        case openai.APIResponseValidationError():
            return kinds.BadReplyError(exc.message, response=exc.response, body=exc.body)
    return None


def _read_status_error(response: Any, body: object, payload: Mapping[str, Any] | None) -> Qwen3Error:
    try:
        raw = response.content or body  # the SDK keeps only `error` of the body
    except RuntimeError:  # closed before it was read
        raw = body
    facts = read_error_body(raw)
    if facts.overflow and payload and (number := _NEGATIVE_LIMIT.search(facts.message)):
        # The number is what the prompt leaves of the context, unless the call sent it.
        sent = {str(payload.get(name)) for name in ("max_tokens", "max_completion_tokens")}
        facts = replace(facts, overflow=number[1] not in sent)
    return _build_error(facts, response.status_code, body, response)


def _build_error(facts: ErrorFacts, status: int | None, body: object, response: Any) -> Qwen3Error:
    kind, resolved = _resolve_kind(facts, status)
    what = "the server reported an error" if status is None else f"HTTP {status}"
    error = kind(f"{what}: {facts.message}", response=response, body=body)
    secrets = read_secrets(find_request(response))
    words = (facts.code, facts.type, facts.param)
    error.code, error.type, error.param = (word and mask_text(word, secrets) for word in words)
    error.status_code = resolved
    if isinstance(error, kinds.Qwen3ContextOverflowError):
        error.limit, error.prompt_tokens = facts.limit, facts.prompt_tokens
        error.code = "context_length_exceeded"  # OpenAI's, by which others know it; the body has the server's own
    return error


def _resolve_kind(facts: ErrorFacts, status: int | None) -> tuple[type[Qwen3Error], int]:
    """Return the class and the status of an error; without an HTTP status, its code, text or type decides."""
    names = f"{facts.code or ''} {facts.type or ''}"
    sent = status or facts.status
    if facts.overflow and sent not in {401, 403, 429}:
        return kinds.Qwen3ContextOverflowError, sent or 400
    if is_unpaid(names, facts.message, sent):
        return kinds.Qwen3PermissionDeniedError, sent or 402
    for pattern, special in _SPECIAL_NAMES:
        if re.search(pattern, facts.message if names.strip() in _SILENT_NAMES else names, re.IGNORECASE):
            return _STATUS_KINDS[special], sent or special
    sent = sent or next((named for pattern, named in _NAMES if re.search(pattern, names, re.IGNORECASE)), None)
    meant = find_status(facts.message, sent)
    decisive = meant or sent or _SERVER_ERROR
    fallback = kinds.Qwen3ServerError if decisive >= _SERVER_ERROR else kinds.Qwen3StatusError
    return _STATUS_KINDS.get(decisive, fallback), sent or decisive


def _read_chain(exc: BaseException) -> list[tuple[str, str]]:
    """Return class names and texts of an exception and its causes, without cancellations: anyio ends a wait by one."""
    texts = [(type(link).__name__, str(link)[:MAX_TEXT]) for link in walk_causes(exc) if isinstance(link, Exception)]
    # aiohttp quotes its own parser's object where a connection ends within the headers.
    return [(name, re.sub(r"(^|: )<RawResponseMessage.*", "", text)) for name, text in texts]


def _loaded(names: frozenset[str]) -> tuple[type[BaseException], ...]:
    """Return the named classes of imported modules; a module that is not imported cannot have raised."""
    places = (name.split(".") for name in names)
    return tuple(getattr(sys.modules[module], name) for module, name in places if module in sys.modules)
