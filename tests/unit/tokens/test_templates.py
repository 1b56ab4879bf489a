"""Our wire messages through the genuine chat templates, rendered as each server does it.

Servers parse the arguments of calls into mappings, join text parts with a newline (measured on vLLM 0.32 and
llama.cpp) and hand the template the reasoning under the key they read.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_qwen3.request.build import build_call
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from langchain_qwen3.servers.engines import VLLM
from tests.unit.request.request_cases import WEATHER

if TYPE_CHECKING:
    from jinja2 import Template

# A checkpoint of each line, and the template that it comes with.
LINES = {
    "qwen3": "Qwen/Qwen3-8B",
    "qwen3_5": "Qwen/Qwen3.5-9B",
    "qwen3_6": "Qwen/Qwen3.6-27B",
    "qwen3_8": "Qwen/Qwen3.8-27B",
}
# Which of the two keys a server reads that is sent both, where it is not `reasoning_content`.
READS = {"ollama": "reasoning"}


def find_read_key(dialect: Dialect) -> str | None:
    """Return the key of earlier reasoning that a server reads, None for one that reads none."""
    keys = dialect.history_keys
    return READS.get(dialect.name, "reasoning_content") if len(keys) > 1 else next(iter(keys), None)


def refuse(text: str) -> None:
    """What templates call to raise."""
    raise TemplateError(text)


@cache
def load(name: str) -> Template:
    """Compile a template as servers do."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    text = (files("langchain_qwen3.tokens") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)


def prepare(message: dict[str, Any], reads: str | None) -> dict[str, Any]:
    """Do what a server does to a wire message before its template sees it."""
    seen = {key: value for key, value in message.items() if key not in ("reasoning", "reasoning_content")}
    if reads and reads in message:
        seen["reasoning_content"] = message[reads]
    if isinstance(seen["content"], list):
        seen["content"] = "\n".join(part["text"] for part in seen["content"])
    if "tool_calls" in seen:
        seen["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
            for call in seen["tool_calls"]
        ]
    return seen


def render(
    template: str, messages: list[BaseMessage], dialect: Dialect = VLLM, *, prompt: bool = True, **params: Any
) -> str:
    """The text that the model would be given."""
    call = build_call(messages, {"model": LINES[template], **params}, {}, dialect, stream=False)
    payload = call.payload
    return load(template).render(
        messages=[prepare(message, find_read_key(dialect)) for message in payload["messages"]],
        tools=payload.get("tools"),
        add_generation_prompt=prompt,
        **payload.get("chat_template_kwargs", {}),
    )


def reply(reasoning: str, content: str, *calls: dict[str, Any]) -> AIMessage:
    """A message as the reply path makes it."""
    tool_calls = [{"id": str(index), "name": "weather", "args": args} for index, args in enumerate(calls)]
    return AIMessage(content, additional_kwargs={"reasoning_content": reasoning}, tool_calls=tool_calls)


QUESTION = HumanMessage("Rome or Oslo?")
STEPS: list[BaseMessage] = [
    reply("First Rome.", "", {"city": "罗马", "days": 2}),
    ToolMessage("sunny", tool_call_id="0"),
    reply("Then Oslo.", "One more.", {"city": "Oslo"}),
    ToolMessage("snow", tool_call_id="0"),
]


@pytest.mark.parametrize("template", LINES)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_prompt_holds_the_first_steps_reasoning_when_a_tool_loop_goes_on(dialect: Dialect, template: str):
    """Protects agents: the second request carries what was thought before the first call, where the server reads it."""
    text = render(template, [QUESTION, *STEPS[:2]], dialect, tools=[WEATHER])
    reads = find_read_key(dialect)
    assert ("<think>\nFirst Rome.\n</think>" in text) is (reads is not None)
    assert "罗马" in text
    assert text.count("First Rome.") <= 1


@pytest.mark.parametrize("template", LINES)
def test_prompt_is_a_prefix_of_the_next_when_a_tool_loop_goes_on(template: str):
    """Protects the server's prefix cache: prompt and reply of step N begin the prompt of step N + 1."""
    first = render(template, [QUESTION], tools=[WEATHER])
    second = render(template, [QUESTION, *STEPS[:2]], tools=[WEATHER])
    third = render(template, [QUESTION, *STEPS], tools=[WEATHER])
    opened = "" if template == "qwen3" else "<think>\n"
    assert first.endswith("<|im_start|>assistant\n" + opened)
    said = ("" if opened else "<think>\n") + "First Rome.\n</think>\n\n<tool_call>"
    assert second.startswith(first + said)
    assert third.startswith(second + said.replace("First Rome.", "Then Oslo.").replace("<tool_call>", "One more."))


@pytest.mark.parametrize("template", ["qwen3_6", "qwen3_8"])
def test_prompt_is_a_prefix_of_the_next_when_thinking_is_preserved(template: str):
    """Protects caches over turns: under preserve_thinking turn N and its reply begin turn N + 1, thinking on or off."""
    history: list[BaseMessage] = [SystemMessage("Be brief."), QUESTION]
    before = ""
    for turn in range(4):
        # 3.8 puts its effort into the system message while thinking is on, so the switch stays as it is there.
        off = template == "qwen3_6" and turn == 2
        text = render(template, history, preserve_thinking=True, enable_thinking=not off)
        assert text.startswith(before)
        said = "" if off else f"Thought {turn}.\n</think>\n\n"
        before = text + said + f"Answer {turn}.<|im_end|>\n"
        history += [reply("" if off else f"Thought {turn}.", f"Answer {turn}."), HumanMessage(f"And {turn}?")]


def test_prompt_keeps_all_reasoning_when_the_checkpoint_does_so_by_itself():
    """Protects 3.8, whose template keeps earlier turns unless it is told not to; 3.6 drops them."""
    history = [QUESTION, reply("Old thought.", "Old."), HumanMessage("And now?")]
    assert "Old thought." in render("qwen3_8", history)
    assert "Old thought." not in render("qwen3_8", history, preserve_thinking=False)
    assert "Old thought." not in render("qwen3_6", history)
    assert "Old thought." in render("qwen3_6", history, preserve_thinking=True)


HARD: dict[str, list[BaseMessage]] = {
    "developer": [ChatMessage("Rules.", role="developer"), QUESTION],
    "late system": [QUESTION, reply("r", "a"), SystemMessage("Rules."), HumanMessage("And?")],
    "two systems": [SystemMessage("Be brief."), SystemMessage("Rules."), QUESTION],
    "parts": [SystemMessage([{"type": "text", "text": "Rules"}, {"type": "text", "text": "."}]), QUESTION],
    "invalid call": [
        SystemMessage("Rules."),
        QUESTION,
        AIMessage(
            "",
            invalid_tool_calls=[
                {"id": "0", "name": "weather", "args": "{", "error": "cut", "type": "invalid_tool_call"}
            ],
        ),
        ToolMessage("no JSON", tool_call_id="0", status="error"),
    ],
}


@pytest.mark.parametrize("template", [*LINES, "qwen3_vl", "qwen3_instruct_2507"])
@pytest.mark.parametrize("name", HARD)
def test_renders_with_nothing_dropped_when_messages_are_hard(template: str, name: str, monkeypatch: pytest.MonkeyPatch):
    """Protects conversations that a template would refuse or silently shorten: the rules reach the model."""
    models = {"qwen3_vl": "Qwen/Qwen3-VL-8B-Instruct", "qwen3_instruct_2507": "Qwen/Qwen3-4B-Instruct-2507"}
    for key, model in models.items():
        monkeypatch.setitem(LINES, key, model)
    assert render(template, HARD[name], tools=[WEATHER]).count("Rules.") == 1


@pytest.mark.parametrize("name", ["developer", "late system", "two systems"])
def test_template_refuses_when_messages_are_sent_as_they_are(name: str):
    """Protects the point of the test above: 3.5 and newer raise without normalisation."""
    with pytest.raises(TemplateError):
        render("qwen3_5", HARD[name], normalize_messages=False)


@pytest.mark.parametrize("template", LINES)
@pytest.mark.parametrize(("enabled", "closed"), [(True, False), (False, True), (None, False)])
def test_prompt_ends_as_the_switch_says_when_it_is_rendered(template: str, enabled: bool | None, closed: bool):
    """Protects the switch itself: off closes the block in the prompt, on every line."""
    text = render(template, [QUESTION], enable_thinking=enabled)
    assert text.endswith("<think>\n\n</think>\n\n") is closed
