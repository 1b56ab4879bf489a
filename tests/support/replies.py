"""Replies as servers write them, recorded or made up, and how tests read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen3._httpx import httpx
from langchain_qwen3.call import ReplyOptions
from langchain_qwen3.errors import Qwen3Error
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.tool_calls.arguments import invalidate_arguments
from langchain_qwen3.reply.whole import read_response

CAPTURES = Path(__file__).parents[1] / "captures"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
MARKDOWN = """\
Three things:

1. one
2. two

   still two

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1

y = 2
```

An end
in two lines."""
"""An answer with every kind of block."""
DEFAULT = ReplyOptions()
NOT_COMPARED = frozenset({"id", "timing", "timings"})


class Recording:
    """One recorded request and its reply.

    Attributes:
        name: Engine and case, `vllm-parsers/tool_auto`.
        request: The JSON body that was sent.
        body: The parsed whole reply, None for a stream.
        stream: The stream as it came, None for a whole reply.
    """

    def __init__(self, path: Path) -> None:
        wire = json.loads(path.read_text("utf-8"))
        self.engine = path.parent.name
        self.name = f"{self.engine}/{path.stem}"
        self.request: dict[str, Any] = wire["request"]["body"]
        self.body: dict[str, Any] | None = wire["response"].get("body")
        self.stream = path.with_suffix(".sse").read_bytes() if self.body is None else None

    def __repr__(self) -> str:
        return self.name

    @property
    def options(self) -> ReplyOptions:
        """What the request path would say of this request."""
        template = self.request.get("chat_template_kwargs")
        tools = self.request.get("tools", []) if self.request.get("tool_choice") != "none" else []
        return ReplyOptions(thinking_off=template == {"enable_thinking": False}, tools=tuple(tools))


def load(name: str) -> Recording:
    """Return the recording `engine/case`."""
    return Recording(CAPTURES / f"{name}.json")


def is_chat_reply(path: Path) -> bool:
    """Whether a capture is of a chat that was answered with status 200, whole or streamed."""
    wire = json.loads(path.read_text("utf-8"))
    if wire.get("request", {}).get("url") != "/v1/chat/completions":
        return False
    response = wire["response"]
    return response["status"] == 200 and (response.get("body") is not None or path.with_suffix(".sse").exists())


CHATS = [path for path in sorted(CAPTURES.glob("*/*.json")) if is_chat_reply(path)]
RECORDINGS = [Recording(path) for path in CHATS]
STREAMS = [recording for recording in RECORDINGS if recording.stream is not None]
WHOLES = [recording for recording in RECORDINGS if recording.body is not None]


def write_body(message: Mapping[str, Any], reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    """Return a whole reply of one choice."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "r", "object": "chat.completion", "model": "q", "choices": [choice], "usage": USAGE, **fields}


def write_events(*deltas: Mapping[str, Any], reason: str | None = "stop", **last: Any) -> list[dict[str, Any]]:
    """Return the events of a stream, its usage at the end; `last` are more fields of the finish event's choice."""
    head = {"id": "r", "object": "chat.completion.chunk", "model": "q"}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if reason:
        choices.append({"index": 0, "delta": {}, "finish_reason": reason, **last})
    return [*({**head, "choices": [choice]} for choice in choices), {**head, "choices": [], "usage": USAGE}]


def write_sse(events: Iterable[Any], *, done: bool = True) -> bytes:
    """Return the events as a server sends them."""
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def respond(content: bytes | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
    """Return the HTTP response with this body."""
    if not isinstance(content, bytes):
        content = json.dumps(content, ensure_ascii=False).encode()
    request = httpx.Request("POST", "http://pod.test/v1/chat/completions")
    return httpx.Response(200, content=content, headers=headers, request=request)


def read_whole(body: bytes | Mapping[str, Any], options: ReplyOptions = DEFAULT, which: int = 0) -> AIMessage:
    """Return the message of a whole reply as `invoke` gives it."""
    result = read_response(respond(body), options, started_at=0.0)
    generation = result.generations[which]
    message = generation.message
    assert isinstance(message, AIMessage)
    parts = (result.llm_output, generation.generation_info, message.response_metadata)
    message.response_metadata = {key: value for part in parts for key, value in (part or {}).items()}
    return message


def read_chunks(pieces: Iterable[bytes], options: ReplyOptions = DEFAULT) -> list[ChatGenerationChunk]:
    """Return all chunks of a stream that arrives in these pieces."""
    reader = StreamReader(options)
    return [*(chunk for data in pieces for chunk in reader.read(data)), *reader.end()]


def read_stream(events: bytes | Iterable[Any], options: ReplyOptions = DEFAULT) -> AIMessageChunk:
    """Return the sum of the chunks of a stream as `stream` gives them."""
    data = events if isinstance(events, bytes) else write_sse(events)
    return add_up(read_chunks([data], options))


def add_up(chunks: Iterable[ChatGenerationChunk]) -> AIMessageChunk:
    """Return the sum of the messages, with the metadata that core gives each."""
    messages = []
    for chunk in chunks:
        message = chunk.message.model_copy()
        message.response_metadata = {**(chunk.generation_info or {}), **message.response_metadata}
        messages.append(message)
    total = reduce(add, messages)
    assert isinstance(total, AIMessageChunk)
    return total


def split_bytes(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the data cut at these places."""
    cuts = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def facts(message: AIMessage, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return what a streamed and a whole message have in common, ids of calls left out."""
    metadata = {key: value for key, value in message.response_metadata.items() if key not in NOT_COMPARED}
    said = {
        **{f"metadata.{key}": value for key, value in metadata.items()},
        "metadata.tool_call_errors": [*metadata.get("tool_call_errors", {}).values()],
        "content": message.content,
        "kwargs": message.additional_kwargs,
        "calls": [{**call, "id": None} for call in message.tool_calls],
        # A whole message has what the model wrote, and the error; chunks add a bracket, or core would complete it.
        "invalid": [
            {**call, "id": None, "error": None, "args": invalidate_arguments(call["args"] or "")}
            for call in message.invalid_tool_calls
        ],
        "usage": message.usage_metadata,
    }
    return {key: value for key, value in said.items() if key not in without}


def attempt(call: Callable[[], AIMessage]) -> AIMessage | Qwen3Error:
    """Return what a call gives, or the error of ours that it raised."""
    try:
        return call()
    except Qwen3Error as error:
        return error


def read_said(message: AIMessage) -> dict[str, Any]:
    """Return what a message says, whichever way it came; the bracket behind a chunk's arguments is not the model's."""
    return {
        "content": message.content,
        "reasoning": message.additional_kwargs.get("reasoning_content"),
        "calls": [(call["name"], call["args"]) for call in message.tool_calls],
        "invalid": [(call["name"], invalidate_arguments(call["args"] or "")) for call in message.invalid_tool_calls],
        "finish": message.response_metadata.get("finish_reason"),
        "usage": message.usage_metadata and message.usage_metadata["total_tokens"],
    }
