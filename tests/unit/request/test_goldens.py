"""The exact JSON body of every dialect, held by golden files.

After an intended change: `UPDATE_GOLDENS=1 pytest tests/unit/test_goldens.py`, then read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from langchain_qwen3.servers.dialect import KWARGS, Dialect
from langchain_qwen3.servers.dialects import DIALECTS
from tests.unit.request.request_cases import record

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDENS = Path(__file__).parent / "goldens"
SAMPLING = {"top_k", "min_p", "repetition_penalty"}
MESSAGE_KEYS = {"role", "content", "name", "tool_calls", "tool_call_id"}


@pytest.fixture(params=DIALECTS.values(), ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Every row."""
    row: Dialect = request.param
    return row


def write_golden(cases: dict[str, Any]) -> str:
    """One line a case, so that a difference reads as a list of requests."""
    lines = (f"{json.dumps(name)}: {json.dumps(case, ensure_ascii=False)}" for name, case in cases.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def test_body_is_the_golden_one_when_built_for_any_setting(dialect: Dialect):
    """Protects the wire: dialect by thinking by streaming by tools by format, key for key and in order."""
    path = GOLDENS / f"{dialect.name}.json"
    text = write_golden(record(dialect))
    if os.getenv("UPDATE_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    assert text.splitlines() == expected.splitlines()


def iter_paths(dialect: Dialect) -> Iterator[tuple[str, ...]]:
    """All places where a row says that it puts something."""
    yield from dialect.thinking
    if dialect.thinking_word:
        yield dialect.thinking_word[0]
    yield from filter(None, (dialect.budget, dialect.effort, dialect.preserve, dialect.return_reasoning))


def test_no_foreign_key_is_sent_when_built_for_any_setting(dialect: Dialect):
    """Protects strict servers and silent ones: nothing but OpenAI's parameters and what the row names, and no null."""
    paths = list(iter_paths(dialect))
    renamed = {dialect.sampling_names.get(name, name) for name in SAMPLING - dialect.unsupported}
    allowed = {*CompletionCreateParamsBase.__annotations__, "stream", *(path[0] for path in paths)}
    allowed |= dialect.own_fields if dialect.strict_fields else renamed
    allowed |= set(dialect.extra)
    allowed -= dialect.unsupported
    message_keys = {*MESSAGE_KEYS, *dialect.history_keys, *(["reasoning_details"] if dialect.reasoning_details else [])}
    for case in record(dialect).values():
        body = case["body"]
        assert body.keys() <= allowed
        assert body.get(KWARGS, {}).keys() <= {path[1] for path in paths if path[0] == KWARGS}
        assert all(message.keys() <= message_keys for message in body["messages"])
        assert "null" not in json.dumps(body)


def test_every_golden_belongs_to_a_row_when_rows_come_and_go():
    """Protects the folder from leftovers that nobody compares."""
    assert {path.stem for path in GOLDENS.glob("*.json")} == set(DIALECTS)
