"""The promise of a stable prefix: within a human turn no message that was sent is ever rewritten.

An engine keeps what it computed for a prompt, and uses it again as far as the next prompt begins alike. An agent of 50
steps pays for its last step alone, or each time for all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_qwen3.profiles import MODEL_LINES, ModelLine
from langchain_qwen3.request.build import build_call
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from tests.unit.request.request_cases import WEATHER
from tests.unit.tokens.test_templates import LINES, render

STEPS = 50
KEYS = ("reasoning", "reasoning_content", "reasoning_details")


def build_step(number: int) -> list[BaseMessage]:
    """A step of an agent: thought, two calls in parallel, their results in the wrong order and in parts."""
    ids = [f"c{number}a", f"c{number}b"]
    calls: list[Any] = [{"id": id_, "name": "weather", "args": {"city": id_}} for id_ in ids]
    thought = {"reasoning_content": f"Thought {number}."}
    link = {"type": "file", "url": f"resource://{number}", "mime_type": "text/html"}
    return [
        AIMessage("", additional_kwargs=thought, tool_calls=calls),
        ToolMessage([{"type": "text", "text": "sun"}, link], tool_call_id=ids[1]),
        ToolMessage("snow", tool_call_id=ids[0]),
    ]


def build_turns(system: list[BaseMessage] | None = None, steps: int = STEPS) -> list[list[BaseMessage]]:
    """The history before each request of two turns of an agent."""
    history: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("First?")]
    requests = []
    for turn in range(2):
        for number in range(steps):
            requests.append(list(history))
            history += build_step(turn * steps + number)
            if number == steps // 2 and system:
                history += system
        history += [AIMessage("Done.", additional_kwargs={"reasoning_content": "Enough."}), HumanMessage("Next?")]
    return requests


def write(messages: list[BaseMessage], dialect: Dialect, **kwargs: Any) -> dict[str, Any]:
    """The body of a request."""
    return build_call(messages, {"tools": [WEATHER], **kwargs}, {}, dialect, stream=False).payload


def strip(message: dict[str, Any]) -> dict[str, Any]:
    """A message without its reasoning."""
    return {key: value for key, value in message.items() if key not in KEYS}


@pytest.mark.filterwarnings("ignore:a part of a tool's result")
@pytest.mark.filterwarnings("ignore:.*tool_choice:UserWarning")  # hosts that refuse a forced choice beside thinking
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_no_earlier_message_changes_within_a_turn_for_any_line(dialect: Dialect):
    """Protects prefix caches on every server and for every line; between turns reasoning goes, and nothing else."""
    # On one server every line and every step; on the others a few steps, and one of the lines that write alike.
    whole = dialect.name == "vllm"
    steps = STEPS if whole else 8
    requests = build_turns(steps=steps)
    places = {0: None, 1: "required", 2: "auto", steps - 1: "required"}  # each with its tool_choice
    alike = {(line.keeps_reasoning, line.late_system, line.inputs): line for line in MODEL_LINES}
    for line in MODEL_LINES if whole else alike.values():
        for turn in (0, steps):
            bodies = [
                write(requests[turn + place], dialect, model="m", model_line=line.name, tool_choice=choice)
                for place, choice in places.items()
            ]
            for earlier, later in pairwise(bodies):
                assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
                assert later["tools"] == earlier["tools"]
            if turn == 0:
                last = bodies[-1]["messages"]
        first = bodies[0]["messages"]
        assert [strip(message) for message in first[: len(last)]] == [strip(message) for message in last]
        gone = [key for message in first[: len(last)] for key in KEYS if key in message]
        assert bool(gone) is (line.keeps_reasoning == "all" and bool(dialect.history_keys))


@pytest.mark.filterwarnings("ignore:a part of a tool's result")
@pytest.mark.parametrize("template", LINES)
def test_every_prompt_begins_with_the_one_before_over_fifty_steps(template: str):
    """Protects the promise in the prompt itself, step by step, as the line's own template renders it."""
    for turn in (0, STEPS):
        before = ""
        for messages in build_turns()[turn : turn + STEPS]:
            text = render(template, messages, prompt=False, tools=[WEATHER])
            assert text.startswith(before)
            before = text


@pytest.mark.filterwarnings("ignore:a part of a tool's result")
@pytest.mark.parametrize("line", MODEL_LINES, ids=lambda line: line.name)
def test_a_late_system_message_changes_the_beginning_only_where_it_must_move(line: ModelLine):
    """Protects what docs/tools.md says of late system messages: in place where the template renders them there."""
    requests = build_turns([SystemMessage("Hurry.")])
    dialect = DIALECTS["vllm"]
    place = STEPS // 2
    before, after = (
        write(requests[number], dialect, model="m", model_line=line.name)["messages"] for number in (place, place + 1)
    )
    assert (after[: len(before)] == before) is line.late_system
    assert [message["content"] for message in after if message["role"] == "system"] == (
        ["Be brief.", "Hurry."] if line.late_system else ["Be brief.\n\nHurry."]
    )


NOW = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
CHOICES = ["required", {"type": "function", "function": {"name": WEATHER["function"]["name"]}}]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of hosts that refuse a forced choice beside thinking
@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("choice", CHOICES, ids=["required", "named"])
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_forced_call_writes_the_tools_of_a_free_one(dialect: Dialect, choice: Any, strict: bool | None):
    """Protects the beginning of the prompt, where tools stand; docs/tools.md names the exceptions."""
    weather = WEATHER if strict is None else {**WEATHER, "function": {**WEATHER["function"], "strict": strict}}
    tools = [weather, NOW]
    messages = [HumanMessage("Rome?")]
    free = write(messages, dialect, model="m", tools=tools)["tools"]
    forced = write(messages, dialect, model="m", tools=tools, tool_choice=choice)["tools"]
    assert free == tools
    if isinstance(choice, dict) and dialect.tool_choice in ("named_ignored", "ignored", "refused"):
        assert forced == [weather]
    else:
        assert forced == tools
