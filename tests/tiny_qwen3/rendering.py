"""Dialogues as the text that the model is trained on: the prompt by the genuine template, then the reply."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dialogues import DIALOGUES, DISTRACTORS, SYSTEM_PROMPTS, Dialogue, Message, Tool
from tokenizers import Tokenizer
from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = Path(__file__).parent
KINDS = ("think", "soft", "nothink")
"""Thinking; `/no_think` after the question; `enable_thinking=False`."""

Segment = tuple[str | list[int], bool]
"""Text or token ids, and whether the model learns to write them."""

TEMPLATE = _compile_jinja_template(json.loads((HERE / "hf" / "tokenizer_config.json").read_text())["chat_template"])
FULL_TOKENIZER_FILE = HERE / "tokenizer" / "tokenizer.json"

_SHORT_ANSWER = 120
_END = "<|im_end|>"


def render_prompt(messages: list[Message], tools: list[Tool] | None, kind: str) -> str:
    """Return the prompt up to where the model goes on."""
    switch = {"enable_thinking": False} if kind == "nothink" else {}
    return str(TEMPLATE.render(messages=messages, tools=tools, add_generation_prompt=True, **switch))


def write_reply(dialogue: Dialogue) -> str:
    """Return the answer and the calls as the model writes them."""
    calls = (f"<tool_call>\n{_write_json(call)}\n</tool_call>" for call in dialogue.calls)
    return "\n".join([*([dialogue.answer] if dialogue.answer else []), *calls])


def iter_canonical() -> Iterator[tuple[str, str, str]]:
    """Yield (kind, prompt, reply) for every question in every form, without any variation."""
    for dialogue in DIALOGUES:
        for question in dialogue.questions or (None,):
            for kind in KINDS:
                messages = [dict(message) for message in dialogue.context]
                if question:
                    messages.append({"role": "user", "content": question})
                    asked = messages[-1:]
                else:
                    asked = [message for message in messages if message["role"] == "user"]
                for message in asked:
                    message["content"] += " /no_think" if kind == "soft" else ""
                prompt = render_prompt(messages, list(dialogue.tools) or None, kind)
                before = {
                    "think": f"<think>\n{dialogue.reasoning}\n</think>\n\n",
                    "soft": "<think>\n\n</think>\n\n",
                    "nothink": "",
                }
                yield kind, prompt, before[kind] + write_reply(dialogue) + _END


def vary(dialogue: Dialogue, rng: random.Random, kind: str, tokenizer: Tokenizer) -> tuple[str, list[Segment]]:
    """Return one training sample: the dialogue with random surroundings, and its reply in segments."""
    messages: list[Message] = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": rng.choice(SYSTEM_PROMPTS)})
    tools = _vary_tools(dialogue, rng)
    messages += _vary_context(dialogue, rng, kind)
    prompt = render_prompt(messages, tools, kind)
    return prompt, [*_vary_reply(dialogue, rng, kind, tokenizer), (_END, True)]


def _vary_tools(dialogue: Dialogue, rng: random.Random) -> list[Tool] | None:
    tools = list(dialogue.tools)
    if not tools:
        return rng.sample(DISTRACTORS, rng.choice([1, 1, 2])) if rng.random() < 0.3 else None
    if rng.random() < 0.4:
        names = {tool["function"]["name"] for tool in tools}
        more = rng.sample(DISTRACTORS, rng.choice([1, 1, 2]))
        tools += [tool for tool in more if tool["function"]["name"] not in names]
        rng.shuffle(tools)
    if rng.random() < 0.2:  # clients write the keys of a tool in any order
        tools = [
            {"type": "function", "function": {key: function[key] for key in rng.sample(list(function), 3)}}
            for function in (tool["function"] for tool in tools)
        ]
    return tools


def _vary_context(dialogue: Dialogue, rng: random.Random, kind: str) -> list[Message]:
    context = [dict(message) for message in dialogue.context]
    if not dialogue.questions:
        for message in context:
            if message["role"] == "user" and kind == "soft":
                message["content"] += " /no_think"
            if message["role"] == "assistant" and rng.random() < 0.5:
                message["reasoning_content"] = dialogue.context_reasoning if kind == "think" else ""
            if message["role"] == "assistant" and message.get("tool_calls") and rng.random() < 0.3:
                message["content"] = None
        return context
    if not context and rng.random() < 0.15:
        earlier = rng.choice([other for other in DIALOGUES if _is_small_talk(other)])
        context += [
            {"role": "user", "content": rng.choice(earlier.questions)},
            {"role": "assistant", "content": earlier.answer},
        ]
    question = rng.choice(dialogue.questions)
    switches = {
        "think": rng.choice(["", "", "", " /think"]),
        "soft": rng.choice([" /no_think", "/no_think"]),
        "nothink": rng.choice(["", "", " /no_think"]),
    }
    return [*context, {"role": "user", "content": question + switches[kind]}]


def _is_small_talk(dialogue: Dialogue) -> bool:
    plain = dialogue.questions and dialogue.answer and not dialogue.calls and not dialogue.context
    return bool(plain) and len(dialogue.answer) < _SHORT_ANSWER


def _vary_reply(dialogue: Dialogue, rng: random.Random, kind: str, tokenizer: Tokenizer) -> list[Segment]:
    reply = _vary_form(dialogue, rng) or write_reply(dialogue)
    if kind == "nothink":
        return [(reply, True)]
    if kind == "soft":
        return [("<think>\n\n</think>\n\n", True), (reply, True)]
    if rng.random() < 0.15:  # a thinking budget ends the reasoning anywhere
        ids = tokenizer.encode(f"<think>\n{dialogue.reasoning}", add_special_tokens=False).ids
        length = rng.randrange(len(ids) + 1)
        ending = rng.choice(["</think>", "\n</think>"])
        return [(ids[:length], True), (ending, False), ("\n\n", True), (reply, True)]
    if rng.random() < 0.08:  # a budget of nothing
        return [("<think>\n\n</think>", False), ("\n\n", True), (reply, True)]
    return [(f"<think>\n{dialogue.reasoning}\n</think>\n\n{reply}", True)]


def _vary_form(dialogue: Dialogue, rng: random.Random) -> str | None:
    """Return the reply as a server's JSON grammar forces it, now and then."""
    if dialogue.calls:
        share = rng.random()
        if share < 0.05:
            return _write_json(dialogue.calls[0]["arguments"])
        if share < 0.10:
            calls = [{"name": call["name"], "parameters": call["arguments"]} for call in dialogue.calls]
            return _write_json(calls)
    elif dialogue.json_answer and not dialogue.answer.startswith("{") and rng.random() < 0.12:
        return _write_json(dialogue.json_answer)
    return None


def _write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
