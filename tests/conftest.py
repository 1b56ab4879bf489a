"""What every test shares: a clean environment, and a real engine on the tiny Qwen3."""

import gc
import os
import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

from langchain_qwen3._warnings import forget_warnings
from langchain_qwen3.local import LocalServer, ReasoningFormat
from langchain_qwen3.servers.detection import forget_servers
from tests.support.loopback import Loopback

TINY_QWEN3 = Path(__file__).parent / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
FOREIGN_PREFIXES = ("OPENAI_", "LANGSMITH_", "LANGCHAIN_", "LC_", "QWEN_", "DASHSCOPE_")


settings.register_profile("any machine", deadline=None)  # a busy one may take long for any example
settings.load_profile("any machine")

# A shell starts what it puts into the background deaf to Ctrl-C, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection() -> None:
    """Let no collector look through what collecting makes: all of it stays, and it grows to a million objects."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Take what collecting made out of the collector's way: with it, each of the tests' `gc.collect` takes a second."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    """Name the versions that the suite runs against."""
    return ", ".join(f"{name} {version(name)}" for name in ("openai", "langchain-core", "langchain-openai"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own keys, addresses, tracing and proxies."""
    for name in os.environ:
        if name.startswith(FOREIGN_PREFIXES) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def clean_memory() -> None:
    """Know nothing of any server, whose port may have been another test's, and let every warning come up again."""
    forget_servers()
    forget_warnings()


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A loopback server of the test's own."""
    with Loopback() as server:
        yield server


@pytest.fixture(scope="session")
def engine() -> Iterator[LocalServer]:
    """llama.cpp with reasoning in its own field, as `Qwen/Qwen3-0.6B`; one for the whole session."""
    with serve_tiny_qwen3() as server:
        yield server


@pytest.fixture(scope="session")
def inline_engine() -> Iterator[LocalServer]:
    """The same engine with reasoning left inside the content, between think tags."""
    with serve_tiny_qwen3(reasoning_format="none") as server:
        yield server


def serve_tiny_qwen3(reasoning_format: ReasoningFormat = "deepseek") -> LocalServer:
    """A server on the tiny Qwen3, with one thread: those of several engines spin against each other."""
    return LocalServer(TINY_QWEN3, name="Qwen/Qwen3-0.6B", n_ctx=4096, n_threads=1, reasoning_format=reasoning_format)
