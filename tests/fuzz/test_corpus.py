"""Inputs that fuzzing found, and seeds that lead to every part of the readers: none may break one again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
INPUTS = [path for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_reads_the_same_at_any_split_when_fuzzing_found_the_input(path: Path) -> None:
    """Protects against every defect that fuzzing has found, without atheris."""
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_reads_an_empty_input(name: str) -> None:
    """Protects the search itself: it begins with nothing."""
    TARGETS[name](b"")
