"""The options of a batch."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from langchain_qwen3.batch import BatchOptions


@pytest.mark.parametrize(
    "option",
    [
        {"concurrency": "auto"},
        {"concurrency": 0},
        {"concurrency": -1},
        {"concurrency": 1.5},
        {"retries": -1},
        {"retries": "4"},
        {"patience": -1},
        {"patience": float("nan")},
        {"system": 5},
        {"schema": "a.json"},
        {"settings": None},
    ],
)
def test_names_the_option_when_its_value_is_wrong(option: dict[str, Any]):
    """Protects from a run that hangs, or fails at its first error, because of an option."""
    with pytest.raises(ValueError, match=next(iter(option))):
        BatchOptions(**option)


def test_goes_to_another_machine_when_pickled():
    """Protects batches on a cluster."""
    options = BatchOptions(concurrency=2, patience=float("inf"), schema={"type": "object"})
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301  # the test's own bytes
