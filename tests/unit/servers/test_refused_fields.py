"""Which fields are read out of an error."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_qwen3.servers.refusals import read_refused
from tests.unit.servers.refusal_cases import OTHERS, TEXTS

BAD, UNPROCESSABLE = 400, 422


@pytest.mark.parametrize(("body", "names"), TEXTS, ids=lambda value: "" if isinstance(value, set) else str(value)[:60])
@pytest.mark.parametrize("status", [BAD, UNPROCESSABLE])
def test_names_the_field_when_a_server_refuses_it(status: int, body: Any, names: set[str]):
    """Protects calls to hosts nobody knows: what they refuse is known by how services and frameworks say it."""
    assert read_refused(status, body) == names


@pytest.mark.parametrize("body", OTHERS, ids=lambda body: str(body)[:60])
def test_names_nothing_when_an_error_is_about_something_else(body: Any):
    """Protects from leaving out what is wanted: a bad value, a missing field, a field that is never left out."""
    assert read_refused(BAD, body) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "enable_thinking, " * 500,
        "top_k" + " " * 7_900,
        "top_k" + "'" * 7_900,
        "unknown parameter " + "a, " * 2_600 + "top_k",
        "[" * 7_900,
        '{"a":' * 1_500,
        "'loc': (" * 1_000,
        "combining a b c d " * 400,
        ("top_k " + "的" * 60 + "x ") * 100,
        ("top_k " + "目前" * 30 + "x ") * 100,
        ("不支持" + "的" * 60 + "x top_k ") * 100,
        ("top_k " + "是" * 60 + " x ") * 100,
        "top_k is the following param is the following param is the x " * 100,
    ],
    ids=lambda text: text[:20],
)
def test_looks_at_a_limited_number_of_places_when_an_error_is_long(text: str):
    """Protects the event loop: no text makes the search go on and on, and none raises."""
    assert read_refused(BAD, {"error": {"message": text}}) == frozenset()
