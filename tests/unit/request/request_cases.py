"""Requests that every dialect is params for: what the golden files are made of."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_qwen3._warnings import forget_warnings
from langchain_qwen3.call import Call
from langchain_qwen3.request.build import build_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_qwen3.servers.dialects import Dialect

MODEL = "Qwen/Qwen3.8-27B"
QUESTION: list[BaseMessage] = [HumanMessage("天气?")]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {}}},
    },
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
TOOL_LOOP: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("罗马天气?"),
    AIMessage(
        "",
        additional_kwargs={
            "reasoning_content": "I need the weather.",
            "reasoning_details": [{"type": "reasoning.text"}],
        },
        tool_calls=[{"id": "call_1", "name": "weather", "args": {"city": "罗马"}}],
    ),
    ToolMessage("sunny", tool_call_id="call_1"),
]

_THINKING: dict[str, dict[str, Any]] = {
    "default": {},
    "on": {"enable_thinking": True},
    "off": {"enable_thinking": False},
    "budget": {"enable_thinking": True, "thinking_budget": 512},
    "effort": {"reasoning_effort": "high"},
}
_SAMPLING = {
    "temperature": 0.6,
    "top_p": 0.95,
    "top_k": 20,
    "min_p": 0.0,
    "repetition_penalty": 1.05,
    "presence_penalty": 1.5,
    "seed": 7,
    "stop": ["END"],
    "n": 2,
    "max_completion_tokens": 100,
}


def build(
    dialect: Dialect,
    messages: Sequence[BaseMessage] = QUESTION,
    *,
    stream: bool = False,
    fields: dict[str, Any] | None = None,
    **params: Any,
) -> Call:
    """Build a call as the model does, with its defaults."""
    return build_call(messages, {"model": MODEL, **params}, fields or {}, dialect, stream=stream)


def iter_cases() -> Iterator[tuple[str, Sequence[BaseMessage], bool, dict[str, Any]]]:
    """Yield name, messages, streaming and parameters of every case."""
    for (name, thinking), stream, tools, formatted in itertools.product(
        _THINKING.items(), (False, True), (False, True), (False, True)
    ):
        parts = [name, *(["stream"] if stream else []), *(["tools"] if tools else []), *(["json"] if formatted else [])]
        params = {
            **thinking,
            **({"tools": [WEATHER]} if tools else {}),
            **({"response_format": FORMAT} if formatted else {}),
        }
        yield " ".join(parts), QUESTION, stream, params
    forced = {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
    yield "on forced", QUESTION, False, {"enable_thinking": True, **forced}
    yield "off forced", QUESTION, False, {"enable_thinking": False, **forced}
    yield "json mode", QUESTION, False, {"enable_thinking": False, "response_format": {"type": "json_object"}}
    yield "sampling", QUESTION, False, _SAMPLING
    yield "preserve", QUESTION, False, {"preserve_thinking": True}
    yield "tool loop", TOOL_LOOP, False, {"tools": [WEATHER]}


def record(dialect: Dialect) -> dict[str, Any]:
    """Return the exact body of every case, and what was warned about."""
    recorded: dict[str, Any] = {}
    for name, messages, stream, params in iter_cases():
        forget_warnings()
        if "thinking_budget" in params:  # some services want a thousand tokens or more
            params["thinking_budget"] = max(params["thinking_budget"], dialect.budget_range[0])
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            body = build(dialect, messages, stream=stream, **params).payload
        recorded[name] = {"body": body}
        if record:
            recorded[name]["warns"] = [str(warning.message) for warning in record]
    return recorded
