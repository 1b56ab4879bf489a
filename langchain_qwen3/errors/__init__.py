"""Every way a call can fail, as one tree.

Each class derives from openai's error (through langchain-openai's class, if there is one) and from the matching
`ModelError` of langchain-core, so `except openai.RateLimitError`, `except ModelRateLimitError`, fallbacks and
retry middleware (`is_retryable`) all work. Errors that every provider has are named `Qwen3...Error`; errors in a
reply are named after the problem.

    Qwen3Error                         openai.APIError, ModelError
    ├── Qwen3ConnectionError           APIConnectionError, ModelConnectionError          retryable
    │   └── StreamCutError             the stream was cut before its end: .partial
    ├── Qwen3TimeoutError              APITimeoutError, ModelTimeoutError                retryable
    │   └── StreamStallError           the stream went silent: .partial
    ├── Qwen3InvalidRequestError       BadRequestError, ModelInvalidRequestError         400
    ├── Qwen3ContextOverflowError      BadRequestError, ContextOverflowError             .limit .prompt_tokens
    ├── Qwen3AuthenticationError       AuthenticationError, ModelAuthenticationError     401
    ├── Qwen3PermissionDeniedError     PermissionDeniedError, ModelPermissionDeniedError 402, 403
    ├── Qwen3ModelNotFoundError        NotFoundError, ModelNotFoundError                 404, 410
    ├── Qwen3RequestTimeoutError       APIStatusError, ModelTimeoutError                 408, retryable
    ├── Qwen3ConflictError             ConflictError, ModelAPIError                      409, retryable
    ├── Qwen3UnprocessableEntityError  UnprocessableEntityError, ModelInvalidRequestError 422
    ├── Qwen3RateLimitError            RateLimitError, ModelRateLimitError               429, retryable
    ├── Qwen3ServerError               InternalServerError, ModelAPIError                5xx, retryable
    ├── Qwen3StatusError               APIStatusError, ModelInvalidRequestError          any other status
    └── BadReplyError                  APIResponseValidationError, ModelAPIError         retryable
        └── ToolChoiceError            a required call is missing: .reply

An account without funds is a `Qwen3PermissionDeniedError`, whatever the status: waiting does not help.
The class of an error inside a stream, or inside a reply with status 200, depends on its code. Every error of a stream
has `.partial`. No error contains a secret: request and response are copies without headers that could contain one, and
keys that a server echoes are masked.

Modules:
    kinds        the classes
    translation  exceptions and reported errors → these classes
    body         an error's body, in any shape → facts
    causes       what its text says, in every server's wording; overflow: whether the prompt is too long
    hints        advice for an error; system: why a connection failed
    secrets      what is taken out of an error
    redirects    where a redirect leads, and which a POST cannot follow
    traceback    the short one that IPython shows
"""

from langchain_qwen3.errors.body import read_error_body
from langchain_qwen3.errors.kinds import (
    BadReplyError,
    Qwen3AuthenticationError,
    Qwen3ConflictError,
    Qwen3ConnectionError,
    Qwen3ContextOverflowError,
    Qwen3Error,
    Qwen3InvalidRequestError,
    Qwen3ModelNotFoundError,
    Qwen3PermissionDeniedError,
    Qwen3RateLimitError,
    Qwen3RequestTimeoutError,
    Qwen3ServerError,
    Qwen3StatusError,
    Qwen3TimeoutError,
    Qwen3UnprocessableEntityError,
    StreamCutError,
    StreamStallError,
    ToolChoiceError,
)
from langchain_qwen3.errors.translation import ErrorTranslator, error_from_event

__all__ = [
    "BadReplyError",
    "ErrorTranslator",
    "Qwen3AuthenticationError",
    "Qwen3ConflictError",
    "Qwen3ConnectionError",
    "Qwen3ContextOverflowError",
    "Qwen3Error",
    "Qwen3InvalidRequestError",
    "Qwen3ModelNotFoundError",
    "Qwen3PermissionDeniedError",
    "Qwen3RateLimitError",
    "Qwen3RequestTimeoutError",
    "Qwen3ServerError",
    "Qwen3StatusError",
    "Qwen3TimeoutError",
    "Qwen3UnprocessableEntityError",
    "StreamCutError",
    "StreamStallError",
    "ToolChoiceError",
    "error_from_event",
    "read_error_body",
]
