"""Coverage-guided search for inputs that break a reader.

    python -m tests.fuzz.fuzz 60            each target for 60 seconds
    python -m tests.fuzz.fuzz 60 sse text   these targets
    python -m tests.fuzz.fuzz --one sse -runs=0 FILE   libFuzzer's own options

Needs atheris (Linux and macOS). A find is written to the working directory as `crash-…`: put right what it shows and
keep it in `corpus/<target>/`, where every test run reads it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 2000


def search(seconds: int, names: list[str]) -> int:
    """Fuzz targets one after the other, each in a process of its own; return how many were broken."""
    from tests.fuzz.targets import TARGETS

    broken = 0
    for name in names or TARGETS:
        with tempfile.TemporaryDirectory() as found:
            command = [sys.executable, "-m", "tests.fuzz.fuzz", "--one", name, found, str(CORPUS / name)]
            limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=10", "-print_final_stats=1"]
            words = f"-dict={CORPUS.parent / 'words.dict'}"
            broken += subprocess.run([*command, *limits, words], check=False).returncode != 0
    return broken


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
        sys.exit(search(int(sys.argv[1]) if sys.argv[1:] else 60, sys.argv[2:]))
