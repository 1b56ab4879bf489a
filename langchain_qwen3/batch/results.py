"""A result: the answer to a row, or its failure, and its JSON. No I/O."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage
from pydantic import TypeAdapter

from langchain_qwen3.batch.as_json import dump, load
from langchain_qwen3.reply.ending import is_finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.batch.rows import Row

Form = Literal["rows", "openai"]
"""The form of JSON lines: our own, or that of OpenAI's batch results."""

_RETRY = "The same request may succeed later: run the batch again with --retry-failed."
_CHANGE = "Change the row or the settings, then run the batch again with --retry-failed."
_LIMIT = 2**32
"""Above every checksum, and every line that a journal can count."""
_REQUEST_ID = re.compile(r"batch_req_(\d+)_(\d+)")


@dataclass(slots=True, kw_only=True)
class Result:
    """The answer to a row, or its failure.

    Attributes:
        id: The row's id.
        line: Where the row begins in the input.
        content: The answer; None when there is none. For a failure, the part that arrived.
        reasoning: The reasoning before the answer.
        tool_calls: Calls with `name`, `args` and `id`, and `error` when the arguments are not valid JSON.
        parsed: The answer as an object of the schema.
        finish_reason: `stop`, `tool_calls`, or `length` for a truncated answer.
        model: The model that answered, as the server names it.
        usage: `input_tokens`, `output_tokens` and, when the server reports it, `reasoning_tokens`.
        seconds: Duration of the last try.
        tries: Number of requests; 0 for a row that cannot be sent.
        error: `class`, `message`, `advice` and HTTP `status` of a failure, None for an answer.
        check: The row's checksum.
    """

    id: str
    line: int
    content: Any = None
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    parsed: Any = None
    finish_reason: str | None = None
    model: str | None = None
    usage: dict[str, int] | None = None
    seconds: float = 0.0
    tries: int = 0
    error: dict[str, Any] | None = None
    check: int = 0

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer, 0 when the server reports no usage."""
        return (self.usage or {}).get("output_tokens", 0)

    @property
    def is_empty(self) -> bool:
        """Whether an answer has neither text nor a call, such as thinking alone."""
        return self.error is None and not (self.tool_calls or str(self.content or "").strip())

    def to_row(self) -> dict[str, Any]:
        """Return the result as a plain mapping."""
        return asdict(self)

    def to_json(self, form: Form = "rows") -> bytes:
        """Return the result as one line of JSON, with its line break."""
        return dump(self if form == "rows" else self._to_openai()) + b"\n"

    def _to_openai(self) -> dict[str, Any]:
        """Return the result in OpenAI's form, with line and check in its id."""
        status: int | None
        error = self.error
        if error is None:
            status, body = 200, _build_body(self)
        else:
            status, body = error.get("status"), {"error": {"message": error["message"], "type": error["class"]}}
            error = {"code": error["class"], "message": error["message"], "advice": error["advice"]}
        response = {"status_code": status, "request_id": "", "body": body} if status else None
        request_id = f"batch_req_{self.line}_{self.check}"
        timing = {"seconds": self.seconds, "tries": self.tries}
        return {"id": request_id, "custom_id": self.id, "response": response, "error": error, **timing}


def build_result(row: Row, outcome: Any, seconds: float, tries: int) -> Result:
    """Return the result of a row.

    Args:
        row: The row.
        outcome: A message, or the `raw`, `parsed` and `parsing_error` of a structured answer; or the exception, whose
            result has the part of the answer that arrived.
        seconds: Duration of the last try.
        tries: Number of requests.
    """
    result = Result(id=row.id, line=row.line, check=row.check, seconds=round(seconds, 4), tries=tries)
    reply, error = outcome, None
    if isinstance(outcome, dict):
        reply, result.parsed, error = outcome["raw"], outcome.get("parsed"), outcome.get("parsing_error")
    elif isinstance(outcome, Exception):
        reply, error = getattr(outcome, "partial", None) or getattr(outcome, "reply", None), outcome
    if isinstance(reply, AIMessage):
        _add_message(result, reply)
    if error is not None:
        result.error = _build_error(error)
    return result


def _add_message(result: Result, message: AIMessage) -> None:
    result.content = message.content
    result.reasoning = message.additional_kwargs.get("reasoning_content")
    calls: list[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    names = ("name", "args", "id", "error")
    result.tool_calls = [{name: call[name] for name in names if name in call} for call in calls]
    result.finish_reason = message.response_metadata.get("finish_reason")
    result.model = message.response_metadata.get("model_name")
    if usage := message.usage_metadata:
        result.usage = {name: usage[name] for name in ("input_tokens", "output_tokens")}
        if reasoning := usage.get("output_token_details", {}).get("reasoning"):
            result.usage["reasoning_tokens"] = reasoning


def _build_error(error: Exception) -> dict[str, Any]:
    text = str(error) or type(error).__name__
    advice = _RETRY if getattr(error, "is_retryable", False) else _CHANGE
    cause, _, last_line = text.rpartition("\n")
    if cause.endswith(")") and ", model " in cause.rpartition("\n")[2]:  # the advice follows the place
        text, advice = cause, last_line
    status = getattr(error, "status_code", None)
    return {
        "class": type(error).__name__,
        "message": text,
        "advice": advice,
        "status": status if isinstance(status, int) else None,
    }


def _build_body(result: Result) -> dict[str, Any]:
    """Return the result as a chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": result.content}
    if result.reasoning:
        message["reasoning_content"] = result.reasoning
    if result.tool_calls:
        message["tool_calls"] = [
            {
                "id": call["id"] or "",
                "type": "function",
                "function": {"name": call["name"] or "", "arguments": _write_arguments(call["args"])},
            }
            for call in result.tool_calls
        ]
    usage = result.usage or {}
    read, written = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    counts: dict[str, Any] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    if "reasoning_tokens" in usage:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage["reasoning_tokens"]}
    return {
        "id": f"chatcmpl-{result.line}-{result.check}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": result.model or "",
        "choices": [{"index": 0, "message": message, "finish_reason": _write_reason(result)}],
        "usage": counts if result.usage else None,
    }


def _write_reason(result: Result) -> str:
    """Return the finish reason in OpenAI's words: the SDK takes no others, and not None."""
    reason = result.finish_reason
    if reason in ("stop", "tool_calls", "function_call", "content_filter"):
        return reason
    if not is_finished(reason):
        # OpenAI has no other word for an answer that is not whole. vLLM has `repetition`, for one:
        # https://github.com/vllm-project/vllm/blob/main/vllm/v1/engine/__init__.py
        return "length"
    return "tool_calls" if result.tool_calls else "stop"


def _write_arguments(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else dump(arguments).decode()


_RESULT = TypeAdapter(Result)


def read_result(line: bytes) -> Result:
    """Parse the result in a line of either form; of OpenAI's form only what is counted.

    Raises:
        ValueError: It is not a result of a batch.
    """
    row = load(line)
    try:
        result = _RESULT.validate_python(_read_openai(row) if "custom_id" in row else row)
        is_ours = result.error is None or all(isinstance(result.error[name], str) for name in ("class", "message"))
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError("not a batch result") from error
    if not (is_ours and 0 < result.line < _LIMIT and 0 < result.check < _LIMIT):
        raise ValueError("not written by this command: its error, line or checksum is none of ours")
    return result


def _read_openai(row: Mapping[str, Any]) -> dict[str, Any]:
    place = _REQUEST_ID.fullmatch(str(row["id"]))
    if place is None:
        raise ValueError("not written by this command: its id has no line number")
    fields = {"id": row["custom_id"], "line": int(place[1]), "check": int(place[2]), "tries": row.get("tries", 0)}
    fields["seconds"] = row.get("seconds", 0.0)
    if error := row["error"]:
        return fields | {"error": {**error, "class": error["code"]}}
    body = row["response"]["body"]
    if usage := body["usage"]:
        counts = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
        fields["usage"] = counts | (usage.get("completion_tokens_details") or {})
    choice = body["choices"][0]
    fields |= {"content": choice["message"]["content"], "tool_calls": choice["message"].get("tool_calls", [])}
    return fields | {"finish_reason": choice["finish_reason"]}
