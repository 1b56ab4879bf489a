"""Errors of strict servers: those that refuse a field, with the field, and those that are about something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Where they are from: `evidence` of the row; the others are what web frameworks say by default.
TEXTS: list[tuple[Any, set[str]]] = [
    ({"error": {"message": "property 'chat_template_kwargs' is unsupported"}}, {"chat_template_kwargs"}),
    (
        {
            "error": {
                "message": "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : "
                "property 'reasoning_content' is unsupported)]"
            }
        },
        {"reasoning_content"},
    ),
    (
        {
            "message": "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is "
            "unsupported",
            "code": "wrong_api_format",
        },
        {"reasoning_content"},
    ),
    ({"error": {"message": "`messages[3].reasoning`: reasoning is not supported with this model"}}, {"reasoning"}),
    ({"error": {"message": "Extra inputs are not permitted, field: 'messages[2].reasoning'"}}, {"reasoning"}),
    (
        {"error": {"message": "Extra inputs are not permitted, field: 'enable_thinking', value: True"}},
        {"enable_thinking"},
    ),
    ({"message": "Validation: Unsupported parameter(s): `enable_thinking`, `top_k`"}, {"enable_thinking", "top_k"}),
    ({"detail": "body -> min_p\n  Extra inputs are not permitted (type=extra_forbidden)"}, {"min_p"}),
    (
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]},
        {"top_k"},
    ),
    ({"detail": [{"loc": ["body", "min_p"], "msg": "extra fields not permitted"}]}, {"min_p"}),
    (
        {"detail": "Unexpected fields in the request: {'enable_thinking', 'return_reasoning'}"},
        {"enable_thinking", "return_reasoning"},
    ),
    (
        {
            "message": "Failed to deserialize the JSON body into the target type: unknown variant `enable_thinking`, "
            "expected one of `audio`, `reasoning_effort`, `top_k`"
        },
        {"enable_thinking"},
    ),
    ({"error": {"message": "Unrecognized request argument supplied: enable_thinking"}}, {"enable_thinking"}),
    ({"error": {"message": "Unknown parameter: 'chat_template_kwargs'."}}, {"chat_template_kwargs"}),
    (
        {"error": {"message": "litellm.UnsupportedParamsError: x does not support parameters: ['reasoning_effort']"}},
        {"reasoning_effort"},
    ),
    ({"error": {"message": 'json: unknown field "enable_thinking"'}}, {"enable_thinking"}),
    ({"error": {"message": 'Invalid JSON payload received. Unknown name "top_k": Cannot find field.'}}, {"top_k"}),
    ({"error": 'Unrecognized field "enable_thinking" (class ChatRequest)'}, {"enable_thinking"}),
    ({"message": "Unrecognized key(s) in object: 'thinking_budget'"}, {"thinking_budget"}),
    ({"error": "Additional properties are not allowed ('enable_thinking' was unexpected)"}, {"enable_thinking"}),
    ("create() got an unexpected keyword argument 'enable_thinking'", {"enable_thinking"}),
    ({"error": {"message": "不支持的参数：enable_thinking"}}, {"enable_thinking"}),
    (
        {
            "error": "2 validation errors:\n"
            "  {'loc': ('body', 'enable_thinking'), 'msg': 'Extra inputs are not permitted'}\n"
            "  {'loc': ('body', 'messages', 1, 'assistant', 'reasoning'), 'msg': 'Extra inputs are not permitted'}\n"
        },
        {"enable_thinking", "reasoning"},
    ),
    (
        {
            "error": {
                "message": "Failed to deserialize the JSON body into the target type: messages[2]: duplicate field "
                "`reasoning` at line 1 column 120",
                "code": "json_parse_error",
            }
        },
        {"reasoning"},
    ),
    ({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, {"stream_options"}),
    (
        {"error": {"message": "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."}},
        {"parallel_tool_calls"},
    ),
    (
        {
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not "
            "permitted', 'input': {'include_usage': True}}]",
        },
        {"stream_options"},
    ),
    (
        {
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "stream_options", "include_usage"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            }
        },
        {"stream_options"},
    ),
]
OTHERS: list[Any] = [
    {"error": {"message": "enable_thinking must be set to false for non-streaming calls"}},
    {"error": {"message": "The value of the enable_thinking parameter is restricted to True."}},
    {"error": {"message": "`reasoning_effort` must be one of `none` or `default`"}},
    {"error": {"message": "property 'messages' is unsupported"}},
    {"error": {"message": "Unsupported parameter(s): `response_format`, `tools`, `model`"}},
    {"error": {"message": "This model's maximum context length is 4096 tokens"}},
    {"error": {"message": "tools: duplicate name 'reasoning'"}},
    {"error": {"message": "Invalid schema: duplicate property `thinking`"}},
    {"detail": [{"type": "missing", "loc": ["body", "enable_thinking"], "msg": "Field required"}]},
    None,
    [1, None, {"x": 2}],
    "x" * 100_000,
]

# The same in the words of other frameworks and vendors; a line without names is about something else.
_LINES = [json.loads(line) for line in Path(__file__).with_name("refusals.jsonl").read_text("utf-8").splitlines()]
TEXTS += [(line["body"], set(line["names"])) for line in _LINES if line["names"]]
OTHERS += [line["body"] for line in _LINES if not line["names"]]
