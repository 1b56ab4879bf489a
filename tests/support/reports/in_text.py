"""Reports about calls that a server left in the text."""

from __future__ import annotations

from tests.support.reports.rows import (
    HERMES,
    LS,
    RUN,
    A,
    B,
    both,
    pieces,
    report,
    stream,
    xml,
)

CALLED = {"finish": "tool_calls"}
IN_TEXT = [
    # Calls in the text, in each form in which models write them.
    both(
        "vllm-project/vllm/issues/42021",
        message={"content": f"\n\n{LS}", "reasoning": "r"},
        calls=[RUN],
        reasoning="r",
        **CALLED,
    ),
    both(
        "vllm-project/vllm/issues/22975",
        message={"content": f"Let me check.\n\n{LS}", "tool_calls": None},
        calls=[RUN],
        content="Let me check.\n\n",
        **CALLED,
    ),
    both(
        "ollama/ollama/issues/18530",
        message={"content": f"I'll list.\n\n{LS.removeprefix('<tool_call>')}"},
        calls=[RUN],
        content="I'll list.\n\n\n",
        **CALLED,
    ),
    both("ollama/ollama/issues/16686", message={"content": LS.removeprefix("<tool_call>\n")}, calls=[RUN], **CALLED),
    both(
        "anomalyco/opencode/issues/17253",
        message={"content": f"Let me search properly:{LS}"},
        calls=[RUN],
        content="Let me search properly:",
        **CALLED,
    ),
    both(
        "PrimeIntellect-ai/renderers/issues/47",
        message={"content": xml("todo", items="[]", urgent="True").replace("\n", "")},
        calls=[("todo", {"items": [], "urgent": True})],
        **CALLED,
    ),
    both(
        "raullenchai/Rapid-MLX/issues/1515",
        message={
            "content": xml("write", path="a", content="Ends with </tool_call> on its own.\nAnd </parameter> here.")
        },
        calls=[("write", {"path": "a", "content": "Ends with </tool_call> on its own.\nAnd </parameter> here."})],
        **CALLED,
    ),
    both(
        "odysseus-dev/odysseus/issues/6013",
        message={"content": HERMES.replace("A", "alpha </tool_call> omega")},
        calls=[("weather", {"city": "alpha </tool_call> omega"})],
        **CALLED,
    ),
    both("NousResearch/hermes-agent/pull/5315", message={"content": HERMES.replace("}}\n", "}")}, calls=[A], **CALLED),
    both(
        "warpfront/hipfire/pull/508",
        message={"content": f"{HERMES.replace('}}', '}')}\n{HERMES}"},
        calls=[A, A],
        **CALLED,
    ),
    both(
        "vllm-project/vllm/issues/17790",
        message={"content": HERMES.replace("}}", '}}\n{"name": "weather", "arguments": {"city": "B"}}')},
        calls=[A, B],
        **CALLED,
    ),
    both("ml-explore/mlx-swift-lm/pull/529", message={"content": HERMES.replace("\n", "")}, calls=[A], **CALLED),
    both(
        "lmstudio-ai/lmstudio-bug-tracker/issues/825",
        message={"content": f"<think>\n\n</think>\n\n{HERMES}"},
        calls=[A],
        **CALLED,
    ),
    both(
        "lmstudio-ai/lmstudio-bug-tracker/issues/1592",
        message={
            "content": "",
            "reasoning_content": f"I read.\n\n{LS}\n{xml('write', path='a', content='')}",
            "tool_calls": [],
        },
        reasoning="I read.",
        calls=[RUN, ("write", {"path": "a", "content": ""})],
        **CALLED,
    ),
    both(
        "Neroued/ninfer/pull/10",
        message={"content": f"<think>\nI call.\n{LS}\n</think>\n\n"},
        calls=[RUN],
        reasoning="I call.",
        **CALLED,
    ),
    both(
        "ggml-org/llama.cpp/pull/23678",
        message={"content": f"<think>\nMaybe {HERMES}\n</think>\n\n{LS}\n"},
        calls=[RUN],
        reasoning=f"Maybe {HERMES}",
        **CALLED,
    ),
    both("jundot/omlx/issues/3153", message={"content": f"I will.\n{LS[:50]}"}, content=f"I will.\n{LS[:50]}"),
    both("jjang-ai/vmlx/issues/192", message={"content": 'bash\necho "x"'}, content='bash\necho "x"'),
    both(
        "jundot/omlx/issues/2420",
        message={"content": f"I'll check.\n\n{LS.removeprefix('<tool_call>')}"},
        calls=[RUN],
        content="I'll check.\n\n\n",
        **CALLED,
    ),
    report(
        "OpenMinis/OpenMinis/issues/113",
        stream(
            {"content": "I look."},
            {"content": '{"command": "l'},
            {"content": 's"}'},
            *pieces("bash", '{"command": "ls"}'),
            reason="tool_calls",
        ),
        None,
        calls=[RUN],
        content='I look.{"command": "ls"}',
        **CALLED,
    ),
]
