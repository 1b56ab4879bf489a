"""The body of a whole reply: JSON of a chat completion, or the error that says what came instead. Sans-IO."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jiter import from_json

from langchain_qwen3.errors import BadReplyError, error_from_event

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_body(content: bytes, response: Any = None) -> dict[str, Any]:
    """Return the JSON of a whole reply that has at least one choice.

    Raises:
        Qwen3Error: The reply is an error with status 200.
        BadReplyError: It is an HTML page, empty, no JSON or without choices.
    """
    try:
        body = from_json(content)
    except ValueError:
        what = "an HTML page" if content.lstrip()[:1] == b"<" else "no JSON" if content.strip() else "an empty body"
        text = f"the server answered with {what} instead of a chat completion"
        raise BadReplyError(text, response=response, body=content[:2000].decode(errors="replace")) from None
    if error := error_from_event(body, response=response):
        raise error
    if not (isinstance(body, dict) and isinstance(body.get("choices"), list) and body["choices"]):
        text = "the reply has no choices"
        raise BadReplyError(text, response=response, body=body)
    return body


@contextmanager
def refuse_other_shapes(response: Any, body: object = None) -> Iterator[None]:
    """Make a bad reply of what fails because the JSON is not of a chat completion's shape."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise BadReplyError("the reply is no chat completion", response=response, body=body) from error
