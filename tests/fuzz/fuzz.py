"""Coverage-guided search for inputs that break a reader.

    python -m tests.fuzz.fuzz 300           five minutes, shared by all targets
    python -m tests.fuzz.fuzz 60 sse text   a minute for these two
    python -m tests.fuzz.fuzz --one sse -runs=0 FILE   libFuzzer's own options

Needs atheris (Linux and macOS). Inputs that lead to new code are kept in `corpus/<target>/`, where every test run reads
them. A find is written to the working directory as `crash-…`: put right what it shows, and keep it there as well.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 2000

Arc = tuple[str, int, int]
"""A step from one line to the next: file, from, to."""


def search(seconds: int, names: list[str]) -> int:
    """Fuzz targets one after the other, each in a process of its own; return how many were broken."""
    from tests.fuzz.targets import TARGETS

    names = names or [*TARGETS]
    broken = 0
    for name in names:
        with tempfile.TemporaryDirectory() as found:
            command = [sys.executable, "-m", "tests.fuzz.fuzz", "--one", name, found, str(CORPUS / name)]
            limits = [f"-max_total_time={seconds // len(names)}", f"-max_len={LONGEST}", "-timeout=10"]
            words = f"-dict={CORPUS.parent / 'words.dict'}"
            broken += subprocess.run([*command, *limits, "-print_final_stats=1", words], check=False).returncode != 0
            sys.stdout.write(f"{name}: {keep(TARGETS[name], CORPUS / name, Path(found))} inputs added to the corpus\n")
    return broken


def keep(target: Callable[[bytes], None], corpus: Path, found: Path) -> int:
    """Copy those inputs to the corpus that take a way through the code no other one takes; return how many."""
    reached = set[Arc]().union(*(trace(target, path.read_bytes()) for path in corpus.iterdir()))
    kept = 0
    for data in sorted((path.read_bytes() for path in found.iterdir()), key=len):
        if new := trace(target, data) - reached:
            reached |= new
            (corpus / f"found_{hashlib.sha256(data).hexdigest()[:8]}").write_bytes(data)
            kept += 1
    return kept


def trace(target: Callable[[bytes], None], data: bytes) -> set[Arc]:
    """Return the ways that an input takes through the readers, from line to line."""
    arcs: set[Arc] = set()

    def enter(frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        name, last = frame.f_code.co_filename, -frame.f_lineno
        if "langchain_qwen3" not in name:
            return None

        def step(frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
            nonlocal last
            if event == "line":
                arcs.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return arcs


def run_one(arguments: list[str]) -> None:
    """Be libFuzzer on one target."""
    import atheris

    with atheris.instrument_imports(include=["langchain_qwen3"]):
        from tests.fuzz.targets import TARGETS

    atheris.Setup([sys.argv[0], *arguments[1:]], TARGETS[arguments[0]])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2:])
    else:
        sys.exit(search(int(sys.argv[1]) if sys.argv[1:] else 300, sys.argv[2:]))
