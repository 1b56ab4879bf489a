"""What the doctor advises for each server and problem: `advice.json` has the whole table, grouped by text.

`UPDATE_GOLDENS=1` writes it anew; read the difference.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3.doctor import readers
from langchain_qwen3.doctor.advice import Facts
from langchain_qwen3.doctor.examination import CHECKS
from langchain_qwen3.doctor.findings import Outcome
from langchain_qwen3.doctor.probes import Streamed, Together
from langchain_qwen3.profiles import find_line
from langchain_qwen3.servers.dialects import DIALECTS

TABLE = Path(__file__).with_name("advice.json")
CALL = {"name": "get_weather", "args": {"city": "Rome"}, "id": "1", "type": "tool_call"}
LEFT = '<tool_call>\n{"name": "get_weather"}\n</tool_call>'
BROKEN = {"name": "get_weather", "args": '{"city": ', "id": "1", "error": None, "type": "invalid_tool_call"}
OURS = {"--server", "--model", "--api-key", "--timeout"}
SKIPS = {check.name: check.skip for check in CHECKS if check.skip}


def stream(*moments: float, **fields: Any) -> Streamed:
    """Return a stream of these moments."""
    return Streamed(AIMessageChunk("x" * 300, **fields), moments)


def think(size: int) -> AIMessage:
    """Return a message with that much reasoning."""
    return AIMessage("42", additional_kwargs={"reasoning_content": "x" * size})


def skip_or(name: str, read: Callable[[Facts], Outcome]) -> Callable[[Facts], Outcome]:
    """Return what a check says, with or without a request."""
    return lambda facts: SKIPS[name](facts) or read(facts)


PROBLEMS: Mapping[str, Callable[[Facts], Outcome]] = {
    "which server": readers.read_server,
    "no reasoning": lambda facts: readers.read_thinking_on(stream(0.1), facts),
    "thinks with thinking off": skip_or("thinking_off", lambda facts: readers.read_thinking_off(think(9), facts)),
    "budget ignored": skip_or(
        "thinking_budget", lambda facts: readers.read_budget(think(300), Streamed(think(300), ()), facts)
    ),
    "no reasoning parser": skip_or(
        "reasoning_field",
        lambda facts: readers.read_reasoning_field({"choices": [{"message": {"content": "<think>"}}]}, facts),
    ),
    "buffering proxy": lambda facts: readers.read_streaming(stream(3.0), facts),
    "empty stream": lambda facts: readers.read_streaming(stream(), facts),
    "no finish reason": lambda facts: readers.read_stream_end(stream(0.1), facts),
    "no usage": lambda facts: readers.read_usage(stream(0.1), facts),
    "no tool parser": lambda facts: readers.read_tool_call(AIMessage(LEFT), facts),
    "broken arguments": lambda facts: readers.read_tool_call(AIMessage("", invalid_tool_calls=[BROKEN]), facts),
    "call parsed and in the text": lambda facts: readers.read_tool_call(AIMessage(LEFT, tool_calls=[CALL]), facts),
    "call sent twice": lambda facts: readers.read_tool_call(AIMessage("", tool_calls=[CALL, CALL]), facts),
    "one of two calls": lambda facts: readers.read_parallel_calls(AIMessage("", tool_calls=[CALL]), facts),
    "grammar ends the thinking": lambda facts: readers.read_structured(
        {"raw": AIMessage("{}"), "parsed": {}, "parsing_error": None}, facts
    ),
    "answer misses the schema": lambda facts: readers.read_structured(
        {"raw": AIMessage("no"), "parsed": None, "parsing_error": ValueError("no JSON")}, facts
    ),
    "one call at a time": lambda facts: readers.read_concurrency(Together(8, 8.0, 8.0), facts),
}
"""What may be wrong → the outcome. A missing list, a redirect and http behind https come before the server is known."""


def know(server: str, model: str = "Qwen/Qwen3-8B") -> Facts:
    """Return what is known of a server with a hybrid model of the first generation."""
    line = find_line(model, server)
    return Facts(dialect=DIALECTS[server], line=line, model=model, models=(model,), contexts={}, version="")


def build_table() -> dict[str, dict[str, str]]:
    """Return problem → advice, with TITLE for the server's name → servers."""
    table: dict[str, dict[str, str]] = {}
    for problem, read in PROBLEMS.items():
        groups: dict[str, list[str]] = defaultdict(list)
        for server in DIALECTS:
            outcome = read(know(server))
            fix = outcome.fix.replace(DIALECTS[server].title, "TITLE")
            groups[fix or f"({outcome.status}: no advice)"].append(server)
        table[problem] = {fix: ", ".join(servers) for fix, servers in groups.items()}
    return table


def test_advises_what_the_table_says():
    """Protects every word of advice: a change of it is read in the table before it is made."""
    table = build_table()
    if os.getenv("UPDATE_GOLDENS"):
        TABLE.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert table == json.loads(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "Qwen/Qwen3.5-9B", "my-finetune"])
def test_names_only_options_of_the_server_at_hand(server: str, model: str):
    """Protects from options that do not exist there: each one is in the server's row, or is our own."""
    row = DIALECTS[server]
    known = " ".join(row.flags.values()) + " "
    for problem, read in PROBLEMS.items():
        fix = read(know(server, model)).fix
        options = set(re.findall(r"--[\w-]+", fix)) - OURS
        assert all(f"{option} " in known for option in options), problem
        if "parser" in fix.replace("--", ""):
            assert "parser" in known, problem


@pytest.mark.parametrize("server", ["dashscope", "groq", "vercel"])
def test_names_no_log_and_no_template_when_the_server_is_hosted(server: str):
    """Protects users of services from advice that only an operator can follow."""
    fixes = " ".join(read(know(server)).fix for read in PROBLEMS.values())
    assert not re.search(r"\blog\b|chat template|Start ", fixes)


def test_says_no_think_only_where_the_model_knows_it():
    """Protects models after the first generation, whose templates ignore /no_think."""
    off = PROBLEMS["thinks with thinking off"]
    assert "/no_think" in off(know("vllm")).fix
    assert "/no_think" not in off(know("vllm", "Qwen/Qwen3.5-9B")).fix
    assert "/no_think" not in off(know("dashscope", "qwen3.5-plus")).fix
