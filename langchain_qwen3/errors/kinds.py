"""The error classes; the package's docstring shows the tree."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import Any

import openai
from langchain_core.exceptions import ModelAPIError, ModelError, ModelInvalidRequestError, ModelTimeoutError
from langchain_core.messages import AIMessage
from langchain_openai.chat_models import base as langchain_openai

from langchain_qwen3._visible import make_visible
from langchain_qwen3.errors.secrets import (
    find_request,
    mask_body,
    mask_text,
    read_secrets,
    strip_request,
    strip_response,
)
from langchain_qwen3.errors.traceback import render_traceback


class Qwen3Error(openai.APIError, ModelError):
    """Any failure of a call.

    Args:
        message: What happened and what to do.
        request: The request; the error keeps a copy without secrets and without the body.
        response: The live response; the error keeps a copy without secrets.
        body: The parsed error body; the error keeps a copy with secrets masked.
        partial: The part of the reply that had arrived.

    Attributes:
        partial: The message that had arrived before a stream failed; None if nothing had arrived.
        retry_after: Seconds that the server asked to wait; None if it did not say.
        has_context: Whether the message already includes the server and the advice.
    """

    partial: AIMessage | None
    retry_after: float | None
    has_context: bool = False
    request: Any
    response: Any
    status_code: Any
    request_id: Any

    def __init__(
        self,
        message: str,
        *,
        request: Any = None,
        response: Any = None,
        body: object = None,
        partial: AIMessage | None = None,
    ) -> None:
        request = find_request(response) if request is None else request
        secrets = read_secrets(request)
        body = mask_body(body, secrets)
        openai.APIError.__init__(self, mask_text(message, secrets), strip_request(request), body=body)
        self.partial = partial
        self.response = strip_response(response)
        headers = {} if response is None else self.response.headers
        self.retry_after = read_retry_after(headers)
        self.request_id = headers.get("x-request-id")

    def __str__(self) -> str:
        return make_visible(super().__str__())  # it is printed in terminals and contains text from the server

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows (https://ipython.readthedocs.io/en/stable/config/integrating.html)."""
        return render_traceback(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy with all attributes: openai's constructors require a response."""
        return _restore_error, (type(self), self.args), self.__dict__


class Qwen3ConnectionError(Qwen3Error, langchain_openai.OpenAIConnectionError):
    """The server cannot be reached, or closed the connection before its reply."""


class StreamCutError(Qwen3ConnectionError):
    """A stream ended before its end marker: `partial` holds what arrived."""


class Qwen3TimeoutError(Qwen3Error, langchain_openai.OpenAITimeoutError):
    """The server did not answer within the timeout."""


class StreamStallError(Qwen3TimeoutError, TimeoutError):
    """No chunk came within the limit: `partial` holds what arrived. It is a `TimeoutError`, as ChatOpenAI's is."""


class Qwen3InvalidRequestError(Qwen3Error, langchain_openai.OpenAIInvalidRequestError):
    """The server refuses the request as it is."""


class Qwen3ContextOverflowError(
    Qwen3Error, langchain_openai.OpenAIContextOverflowError, langchain_openai.OpenAIAPIContextOverflowError
):
    """The prompt is longer than the model's context.

    Attributes:
        limit: The context length in tokens, None if the server did not say.
        prompt_tokens: The prompt's length in tokens, None if the server did not say.
    """

    limit: int | None = None
    prompt_tokens: int | None = None


class Qwen3AuthenticationError(Qwen3Error, langchain_openai.OpenAIAuthenticationError):
    """The key is missing or wrong."""


class Qwen3PermissionDeniedError(Qwen3Error, langchain_openai.OpenAIPermissionDeniedError):
    """The key may not do this, or its account has no funds."""


class Qwen3ModelNotFoundError(Qwen3Error, langchain_openai.OpenAIModelNotFoundError):
    """The server does not know the model, or there is no API at the address."""


class Qwen3RequestTimeoutError(Qwen3Error, openai.APIStatusError, ModelTimeoutError):
    """The server gave up waiting (408)."""


class Qwen3ConflictError(Qwen3Error, openai.ConflictError, ModelAPIError):
    """The server asks to try again (409)."""


class Qwen3UnprocessableEntityError(Qwen3Error, openai.UnprocessableEntityError, ModelInvalidRequestError):
    """A field of the request has a value the server does not accept (422)."""


class Qwen3RateLimitError(Qwen3Error, langchain_openai.OpenAIRateLimitError):
    """Too many requests or tokens: `retry_after` is the wait in seconds, if the server sent it."""


class Qwen3ServerError(Qwen3Error, langchain_openai.OpenAIAPIError):
    """The server failed."""


class Qwen3StatusError(Qwen3Error, openai.APIStatusError, ModelInvalidRequestError):
    """The server answered with another error status, such as 405 or 413."""


class BadReplyError(Qwen3Error, openai.APIResponseValidationError, ModelAPIError):
    """The reply is not a chat completion: an HTML page, an empty body, no choices, broken JSON."""


class ToolChoiceError(BadReplyError):
    """A required or named tool was not called.

    Args:
        message: The demanded call and the calls received.
        reply: The message received.
    """

    reply: AIMessage

    def __init__(self, message: str, *, reply: AIMessage) -> None:
        super().__init__(message)
        self.reply = reply


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds or a date) ask for, or None."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        seconds = float(milliseconds) / 1000 if milliseconds else float(value or "nan")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value or "").timestamp() - time()
        except (ValueError, OverflowError, IndexError, TypeError):  # every way in which a date can be invalid
            return None
    return max(seconds, 0.0) if isfinite(seconds) else None


def _restore_error(cls: type[Qwen3Error], args: tuple[Any, ...]) -> Qwen3Error:
    error = cls.__new__(cls, *args)
    error.args = args  # a TimeoutError takes them in its constructor only
    return error
