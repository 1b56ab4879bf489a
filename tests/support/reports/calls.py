"""Reports about calls that a server parsed: their ids, indexes and arguments."""

from __future__ import annotations

import json

from tests.support.oddities import sse
from tests.support.replies import USAGE, write_events
from tests.support.reports.rows import (
    CITY,
    CITY_B,
    HERMES,
    RUN,
    A,
    B,
    both,
    call,
    calls,
    event,
    pieces,
    report,
    stream,
    whole,
)

CALLED = {"finish": "tool_calls"}
CALLS = [
    # Ids: the same for two calls, empty, or missing.
    report(
        "HKUDS/nanobot/pull/3943",
        stream(*pieces("weather", CITY), *pieces("weather", CITY_B, index=1), reason="tool_calls"),
        whole(calls(call("weather", CITY, None, "a"), call("weather", CITY_B, None, "a")), "tool_calls"),
        calls=[A, B],
        **CALLED,
    ),
    both(
        "can1357/oh-my-pi/issues/2055",
        "tool_calls",
        calls(
            call("bash", '{"command": "ls"}', 0, "functions.eval:301"), call("weather", CITY, 1, "functions.eval:301")
        ),
        calls=[RUN, A],
        **CALLED,
    ),
    both(
        "lmstudio-ai/lmstudio-bug-tracker/issues/830",
        "tool_calls",
        calls(call("weather", CITY, 0, "")),
        calls=[A],
        **CALLED,
    ),
    both("ml-explore/mlx-lm/pull/598", "tool_calls", calls(call("weather", CITY, None)), calls=[A], **CALLED),
    report(
        "sgl-project/sglang/issues/7048",
        stream(
            calls(call("weather", CITY, 0, "a")),
            calls(call("weather", "", 1)),
            calls(call(None, CITY_B, 1)),
            reason="tool_calls",
        ),
        None,
        calls=[A, B],
        **CALLED,
    ),
    # Indexes: all 0, from 1 on, or of the tool.
    report(
        "ai-dynamo/dynamo/pull/4723",
        stream(
            calls(call("add", '{"a": 2, "b": 2}', 0, "a")), calls(call("weather", CITY, 0, "b")), reason="tool_calls"
        ),
        None,
        calls=[("add", {"a": 2, "b": 2}), A],
        **CALLED,
    ),
    report(
        "google-deepmind/amplio/pull/3",
        stream(
            *pieces("weather", '{"city":', ' "A"}'),
            *pieces("weather", '{"city":', ' "B"}', id_="b"),
            reason="tool_calls",
        ),
        None,
        calls=[A, B],
        **CALLED,
    ),
    report(
        "BerriAI/litellm/issues/11407",
        stream(*pieces("weather", "", CITY, index=1), reason="tool_calls"),
        None,
        calls=[A],
        **CALLED,
    ),
    report(
        "sgl-project/sglang/issues/7117",
        stream(
            *pieces("add", '{"a": 1, "b": 2}'),
            calls(call("add", "", 0, "b")),
            calls(call(None, '{"a": 3, "b": 4}', 1)),
            reason="tool_calls",
        ),
        None,
        calls=[("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})],
        **CALLED,
    ),
    # Arguments: missing, null, cut, damaged, or written twice.
    report(
        "vllm-project/vllm/issues/21301",
        stream(calls(call("now", None, 0, "a")), reason="tool_calls"),
        whole(calls(call("now", "{}", None, "a")), "tool_calls"),
        calls=[("now", {})],
        **CALLED,
    ),
    both("labring/FastGPT/issues/5384", "tool_calls", calls(call("now", "", 0, "a")), calls=[("now", {})], **CALLED),
    both(
        "xinnan-tech/xiaozhi-esp32-server/pull/1958",
        "tool_calls",
        calls({"index": 0, "id": "a", "function": {"name": "now", "arguments": None}}),
        calls=[("now", {})],
        **CALLED,
    ),
    report(
        "vllm-project/vllm/issues/10395",
        stream(*pieces("weather", '{"city": "Bei', "jing"), reason="tool_calls"),
        None,
        invalid=[("weather", '{"city": "Beijing')],
        **CALLED,
    ),
    report(
        "openvinotoolkit/model_server/issues/3838",
        stream(*pieces("weather", '{"city', '":"}', ' "'), reason="tool_calls"),
        None,
        invalid=[("weather", '{"city":"} "')],
        **CALLED,
    ),
    report(
        "vllm-project/vllm/pull/35421",
        stream(*pieces("weather", '{"city": ', '"A"}', json.dumps(CITY)), reason="tool_calls"),
        None,
        calls=[A],
        **CALLED,
    ),
    both(
        "vllm-project/vllm/issues/55495",
        "tool_calls",
        calls(call("bash", '{"command": "timeout 7", "echo\\n</parameter": ', 0, "a")),
        invalid=[("bash", '{"command": "timeout 7", "echo\\n</parameter": ')],
        **CALLED,
    ),
    both(
        "QwenLM/qwen-code/issues/167",
        "tool_calls",
        calls(call("bash", "<parameter=command>\nls\n</parameter>", 0, "a")),
        invalid=[("bash", "<parameter=command>\nls\n</parameter>")],
        **CALLED,
    ),
    both(
        "vllm-project/vllm/pull/23323",
        "stop",
        calls(call("weather", HERMES, 0, "a")),
        invalid=[("weather", HERMES)],
        **CALLED,
    ),
    report(
        "vllm-project/vllm/issues/13078",
        stream(calls(call("weather", "你好")), calls(call("weather", "！")), calls(call("weather", "有什么"))),
        None,
        invalid=[("weather", "你好！有什么")],
        **CALLED,
    ),
    both(
        "vllm-project/vllm/issues/56077",
        "tool_calls",
        calls(call("bash", '{"command=ls": ""}', 0, "a")),
        calls=[("bash", {"command=ls": ""})],
        **CALLED,
    ),
    report(
        "huggingface/text-generation-inference/issues/2794",
        stream({"tool_calls": call("weather", "{", 0, "")}, {"tool_calls": call(None, '"city": "A"}', 0, "")}),
        None,
        calls=[A],
        **CALLED,
    ),
    report(
        "skye-harris/hass_local_openai_llm/pull/92",
        sse(
            [
                *write_events(calls(call("weather", CITY, 0, "a")), reason="tool_calls")[:2],
                event({"delta": {"content": ""}, "finish_reason": "tool_calls"}, usage=USAGE),
            ]
        ),
        None,
        calls=[A],
        **CALLED,
    ),
    both("jasonxu114514/opencode2api/pull/27", "tool_calls", calls(content="Well."), content="Well.", **CALLED),
    both(
        "yigit353/langchain-qwq/issues/30",
        "tool_calls",
        calls(call("weather", f"{CITY}}}", 0, "a")),
        calls=[A],
        fields={"repair_tool_calls": True},
        **CALLED,
    ),
    both(
        "vllm-project/vllm/issues/46924",
        "tool_calls",
        calls(call("todo", '{"items": "[{\\"kind\\": \\"week\\"}]"}', 0, "a")),
        calls=[("todo", {"items": [{"kind": "week"}]})],
        fields={"repair_tool_calls": True},
        **CALLED,
    ),
    both(
        "earendil-works/pi/issues/9931",
        "tool_calls",
        calls(call("todo", '{"items": "[1]", "urgent": "false"}', 0, "a")),
        calls=[("todo", {"items": "[1]", "urgent": "false"})],
        **CALLED,
    ),
    both(
        "ollama/ollama/issues/11805",
        "tool_calls",
        calls(call("weather", f'{{"name": "weather", "arguments": {CITY}}}', 0, "a")),
        calls=[A],
        fields={"repair_tool_calls": True},
        **CALLED,
    ),
]
