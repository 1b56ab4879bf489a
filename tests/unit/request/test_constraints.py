"""Engine constraints: each server gets the field it reads, or the user an error."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_qwen3.request.constraints import Constraint, write_constraint
from langchain_qwen3.servers.dialects import DIALECTS

OBJECT = {"type": "object", "properties": {"value": {"type": "integer"}}}


class Point(BaseModel):
    """A class whose schema is meant."""

    x: int


class Answer(enum.StrEnum):
    """Texts of its own kind."""

    YES = "yes"


@pytest.mark.parametrize(
    ("server", "constraint", "fields"),
    [
        ("vllm", {"choice": ["是", "否"]}, {"structured_outputs": {"choice": ["是", "否"]}}),
        ("vllm", {"regex": "a+"}, {"structured_outputs": {"regex": "a+"}}),
        ("vllm", {"grammar": "g"}, {"structured_outputs": {"grammar": "g"}}),
        ("vllm", {"json": OBJECT}, {"structured_outputs": {"json": OBJECT}}),
        ("sglang", {"choice": ["a.b", "c"]}, {"regex": r"(a\.b|c)"}),
        ("sglang", {"regex": "a+"}, {"regex": "a+"}),
        ("sglang", {"grammar": "g"}, {"ebnf": "g"}),
        ("llama.cpp", {"choice": ['"是"', "否"]}, {"grammar": r'root ::= "\"是\"" | "否"'}),
        ("llama.cpp", {"grammar": "g"}, {"grammar": "g"}),
        ("ollama", {"json": OBJECT}, None),
        ("ollama", {"json": json.dumps(OBJECT)}, None),
        ("vllm", {"json": json.dumps(OBJECT)}, {"structured_outputs": {"json": OBJECT}}),
        ("vllm", {"json": Point}, {"structured_outputs": {"json": Point.model_json_schema()}}),
        ("vllm", {"choice": ("a", "b")}, {"structured_outputs": {"choice": ("a", "b")}}),
        ("vllm", {"choice": {"a": 1, "b": 2}.keys()}, {"structured_outputs": {"choice": ["a", "b"]}}),
        ("sglang", {"choice": {"a": 1, "b": 2}.keys()}, {"regex": "(a|b)"}),
        ("llama.cpp", {"choice": frozenset({"a"})}, {"grammar": 'root ::= "a"'}),
        ("llama.cpp", {"choice": [Answer.YES]}, {"grammar": 'root ::= "yes"'}),
    ],
)
def test_writes_the_servers_own_field_when_an_answer_is_constrained(
    server: str, constraint: Constraint, fields: dict[str, Any] | None
):
    """Protects constraints from being ignored in silence: each server gets the field it reads."""
    schema = {"type": "json_schema", "json_schema": {"name": "output", "schema": OBJECT}}
    assert write_constraint(constraint, DIALECTS[server]) == (fields or {"response_format": schema})


@pytest.mark.parametrize(
    ("server", "constraint", "text"),
    [
        ("llama.cpp", {"regex": "a"}, "regex"),
        ("ollama", {"grammar": "g"}, "on Ollama, server=.ollama"),
        ("vllm", {}, "exactly one"),
        ("vllm", {"choice": ["a"], "regex": "a"}, "exactly one"),
        ("vllm", {"guided_json": {}}, "exactly one"),
        ("sglang", {"choice": []}, "empty"),
        ("llama.cpp", {"choice": "yes"}, "a list of texts, not 'yes'"),
        ("llama.cpp", {"choice": [1, 2]}, "a list of texts"),
        ("vllm", {"choice": Answer}, "a list of texts"),
        ("vllm", {"choice": {"a": 1}}, "a list of texts"),
        ("llama.cpp", {"choice": {1: "a"}.keys()}, "a list of texts"),
        ("vllm", {"regex": {"a"}}, "a text"),
        ("vllm", {"regex": 1}, "a text"),
        ("llama.cpp", {"grammar": ["root"]}, "a text"),
        ("llama.cpp", {"json": "x"}, "a JSON schema or a class, not 'x'"),
        ("ollama", {"json": "[1]"}, "a JSON schema"),
        ("vllm", {"json": [OBJECT]}, "a JSON schema"),
        ("vllm", {"json": Answer}, "unsupported form"),
    ],
)
def test_names_what_would_work_when_a_constraint_cannot_be_sent(server: str, constraint: Any, text: str):
    """Protects users of servers without the field: the error says which server has it."""
    with pytest.raises(ValueError, match=text):
        write_constraint(constraint, DIALECTS[server])
