"""Reports about reasons, usage, odd events and errors in a stream."""

from __future__ import annotations

import json

from tests.support.oddities import DONE, sse
from tests.support.replies import USAGE, write_events
from tests.support.reports.rows import (
    begin,
    error,
    event,
    report,
    whole,
)

NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
NULL = dict.fromkeys(NOTHING)
HALF = b'data: {"id": "r", "choices": [{"index": 0, "delta": {"content": "wor'
ENDS = [
    # Reasons, usage and odd events.
    report(
        "vllm-project/vllm/issues/35705",
        sse([event({"delta": {"content": "a"}}), event({"delta": {"content": "b"}, "finish_reason": "length"})]),
        None,
        content="ab",
        finish="length",
        usage=None,
    ),
    report(
        "sgl-project/sglang/issues/3912",
        sse(
            [
                event({"delta": {"content": "a"}, "finish_reason": ""}, usage=None),
                event({"delta": {"content": ""}, "finish_reason": "stop"}, usage=None),
            ]
        ),
        None,
        content="a",
        usage=None,
    ),
    report(
        "songquanpeng/one-api/issues/1688",
        sse(
            [
                event({"message": {"content": "a"}}),
                event({"message": {"content": "b"}, "finish_reason": "stop"}),
                {"choices": []},
            ]
        ),
        None,
        content="ab",
        usage=None,
    ),
    report(
        "songquanpeng/one-api/issues/1278",
        sse([{"id": "", "choices": []}, *write_events({"content": "a"})]),
        None,
        content="a",
    ),
    report(
        "QwenLM/qwen-code/pull/1448",
        sse([event({"finish_reason": None}), *write_events({"content": "a"})]),
        None,
        content="a",
    ),
    report(
        "openai/openai-agents-python/pull/2126",
        sse(
            [event({"delta": {"content": "a"}}, usage=USAGE), event({"delta": {}, "finish_reason": "stop"}, usage=None)]
        ),
        None,
        content="a",
    ),
    report(
        "open-webui/open-webui/issues/29064",
        sse(
            [
                event({"delta": {"content": "a"}}, usage={**USAGE, "total_tokens": 5}),
                event({"delta": {}, "finish_reason": "stop"}, usage=USAGE),
            ]
        ),
        None,
        content="a",
    ),
    report(
        "NadirRouter/NadirClaw/pull/33",
        sse([*write_events({"content": "a"})[:2], {"choices": [], "usage": NOTHING}]),
        None,
        content="a",
        usage=0,
    ),
    report(
        "langchain-ai/langchain/pull/32647",
        sse([*write_events({"content": "a"})[:2], {"choices": [], "usage": NULL}]),
        whole({"content": "a"}, usage=NULL),
        content="a",
        usage=None,
    ),
    report(
        "xorbitsai/inference/pull/2205",
        None,
        whole({"content": "a"}, usage=dict.fromkeys(NOTHING, -1)),
        content="a",
        usage=None,
    ),
    report(
        "sgl-project/sglang/pull/33042",
        sse(
            [
                event({"delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": -0.1}]}}),
                event({"delta": {"content": "b"}, "logprobs": None}),
                *write_events({})[1:],
            ]
        ),
        None,
        content="ab",
    ),
    report(
        "vllm-project/vllm/pull/26345",
        sse(
            [
                event({"delta": {"content": ""}}, prompt_token_ids=None),
                event({"delta": {"content": None}, "token_ids": None}),
                *write_events({"content": "a"}),
            ]
        ),
        None,
        content="a",
    ),
    # Errors in a stream.
    report(
        "apache/rocketmq-dashboard/issues/2178",
        sse([{"error": {"message": "quota exceeded"}}]),
        None,
        raises="Qwen3ServerError",
        words="quota exceeded",
    ),
    report(
        "QuantumNous/new-api/pull/1178",
        json.dumps(error("max_tokens is too large", type="invalid_request_error", code=400)).encode(),
        None,
        raises="Qwen3InvalidRequestError",
        words="max_tokens is too large",
    ),
    report(
        "vllm-project/tpu-inference/issues/3572",
        sse([error("list index out of range")]),
        None,
        raises="Qwen3ServerError",
        words="list index out of range",
    ),
    report(
        "vllm-project/vllm/issues/42363",
        begin({"content": "a"}, error("EngineCore encountered an issue."), done=DONE),
        None,
        raises="Qwen3ServerError",
        words="EngineCore encountered an issue",
    ),
    report(
        "agentscope-ai/QwenPaw/issues/3560",
        begin({"content": "a"}, error("Failed to parse input at pos 63: <tool_call>")),
        None,
        raises="Qwen3ServerError",
        words="ask again",
    ),
    report(
        "openclaw/openclaw/issues/38569",
        begin({"content": "a"}, error("Invalid diff: now finding less tool calls!")),
        None,
        raises="Qwen3ServerError",
        words="ask again",
    ),
    report(
        "dativo-io/talon/issues/393",
        begin(
            {"content": "half "},
            HALF + b"\nevent: error\ndata: " + json.dumps(error("upstream died")).encode() + b"\n\n",
        ),
        None,
        raises="Qwen3ServerError",
        words="upstream died",
    ),
    report(
        "Wei-Shaw/sub2api/issues/1471",
        begin(
            {"content": "half "},
            HALF + b"\n" + json.dumps(error("stream_read_error", type="upstream_error")).encode() + b"\n\n",
            done=DONE,
        ),
        None,
        raises="Qwen3ServerError",
        words="stream_read_error",
    ),
    report(
        "ggml-org/llama.cpp/issues/14060",
        begin({"reasoning_content": "Interface "}),
        None,
        raises="StreamCutError",
        words="without a finish_reason",
    ),
    report(
        "Augustas11/macprovider/issues/186",
        begin({"content": "half"}, done=DONE),
        None,
        raises="StreamCutError",
        words="without a finish_reason",
        fields={"server": "vllm"},
    ),
]
