"""The bytes the replay server sends: whole replies and streams as vLLM and llama.cpp write them.

Shapes follow recordings of vLLM 0.32 and llama-server: one JSON object per event, one HTTP chunk per event, the
reasoning first, then the answer, an empty delta with the finish reason, a usage event without choices, `[DONE]`.
"""

import json
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

Json = dict[str, Any]

MODEL = "Qwen/Qwen3-0.6B"
WIRES = ("vllm", "llama", "tools", "inline")
TOOL_CALLS = 2

_TOKENS = (
    *(
        "人工",
        "智能",
        "的",
        "发展",
        "历程",
        "可以",
        "分为",
        "几个",
        "阶段",
        "。",
        "随后",
        "经历",
        "了",
        "两次",
        "低谷",
        "，",
    ),
    *("The", " field", " was", " founded", " in", " ", "1", "9", "5", "6", " at", " Dartmouth", ",", " deep"),
    *(" learning", " changed", " it", ".\n"),
)


def tokens(count: int) -> Iterator[str]:
    """Yield `count` pieces of text, about as long as Qwen3's tokens are."""
    return islice(cycle(_TOKENS), count)


def answer_length(chunks: int) -> int:
    """Return the characters of the answer, reasoning aside, in a stream of `chunks` deltas."""
    return sum(map(len, tokens(chunks - chunks // 2)))


def arguments_length(chunks: int) -> int:
    """Return the characters of tool arguments in a `tools` stream of `chunks` deltas."""
    return sum(len(piece) for call in range(TOOL_CALLS) for piece in _arguments(call, chunks // TOOL_CALLS))


def build_deltas(wire: str, chunks: int) -> Iterator[Json]:
    """Yield the deltas of a stream: the role, then `chunks` pieces of text or tool arguments."""
    first = chunks // 2
    if wire == "tools":
        yield {"role": "assistant", "content": ""}
        for call in range(TOOL_CALLS):
            yield from _tool_deltas(call, chunks // TOOL_CALLS)
    elif wire == "inline":
        yield {"role": "assistant", "content": ""}
        thought = ["<think>", "\n", *tokens(first - 4), "\n", "</think>"]
        yield from ({"content": text} for text in [*thought, *tokens(chunks - first)])
    else:
        key = "reasoning" if wire == "vllm" else "reasoning_content"
        yield {"role": "assistant", "content": "" if wire == "vllm" else None}
        yield from ({key: text} for text in tokens(first))
        yield from ({"content": text} for text in tokens(chunks - first))


def _tool_deltas(call: int, pieces: int) -> Iterator[Json]:
    named = {"id": f"chatcmpl-tool-{call:016x}", "type": "function", "index": call}
    yield {"content": None, "tool_calls": [named | {"function": {"name": "write_file"}}]}
    for piece in _arguments(call, pieces):
        yield {"content": None, "tool_calls": [{"index": call, "function": {"arguments": piece}}]}


def _arguments(call: int, pieces: int) -> Iterator[str]:
    yield f'{{"path": "{call}.md", "text": "'
    yield from (json.dumps(text, ensure_ascii=False)[1:-1] for text in tokens(pieces - 2))
    yield '"}'


def build_events(wire: str, chunks: int) -> list[bytes]:
    """Build the HTTP chunks of one stream, one per server-sent event."""
    finish = "tool_calls" if wire == "tools" else "stop"
    choice: Json = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}
    choices = [choice | {"delta": delta} for delta in build_deltas(wire, chunks)]
    choices.append(choice | {"finish_reason": finish})
    envelope = _envelope("chat.completion.chunk")
    events = [envelope | {"choices": [choice]} for choice in choices]
    events.append(envelope | {"choices": [], "usage": _usage(chunks)})
    return [_frame(b"data: " + line + b"\n\n") for line in (*map(_dump, events), b"[DONE]")]


def _frame(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def build_reply(wire: str, chunks: int) -> bytes:
    """Build the JSON body of a whole reply whose text is as long as a stream of `chunks` deltas."""
    first = chunks // 2
    key = "reasoning_content" if wire == "llama" else "reasoning"
    nulls = dict.fromkeys(("refusal", "annotations", "audio", "function_call"))
    message = {"role": "assistant", "content": "".join(tokens(chunks - first)), **nulls}
    message[key] = "".join(tokens(first))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    body = _envelope("chat.completion") | {"choices": [choice], "service_tier": None, "usage": _usage(chunks)}
    return _dump(body | dict.fromkeys(("prompt_logprobs", "prompt_token_ids", "kv_transfer_params", "metrics")))


def _dump(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _envelope(kind: str) -> Json:
    return {"id": "chatcmpl-914bca1cf34ea18f", "object": kind, "created": 1795340514, "model": MODEL}


def _usage(chunks: int) -> Json:
    usage: Json = {"prompt_tokens": 11, "total_tokens": 11 + chunks, "completion_tokens": chunks}
    return usage | {"completion_tokens_details": {"reasoning_tokens": chunks // 2}}
