"""Records the cassettes of `tests/integration/cassettes` anew: `make record`.

llama.cpp is started here. vLLM, too, when `$VLLM_PYTHON` names a Python that has it (0.32 or newer, on a GPU or built
for the CPU); without it vLLM's cassettes stay as they are. Further arguments go to pytest: `-k thinking` for some.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from langchain_qwen3.local import LocalServer, ReasoningFormat  # noqa: E402  # the path comes first
from tests.faults.server import closed_port  # noqa: E402
from tests.support.cassettes import API_KEY  # noqa: E402  # the path comes first

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY_QWEN3 = Path("tests/tiny_qwen3")
MODEL = "Qwen/Qwen3-0.6B"
# While recording, nothing is timed.
OPTIONS = ["-m", "not vllm", "-W", "ignore:Benchmark fixture was not used at all"]
TESTS = ["tests/integration/test_cassettes.py", "tests/integration/test_vllm.py"]
LLAMA_CPP: dict[str, ReasoningFormat] = {"llama.cpp": "deepseek", "llama.cpp-inline": "none"}
TOOL_FLAGS = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter"]
"""The tiny model forgets to end arguments that are not held to their schema, where it has not learned them."""
VLLM_DIALECTS = {"vllm": ["--reasoning-parser", "qwen3", *TOOL_FLAGS], "vllm-noparsers": []}
START_SECONDS = 600


@contextlib.contextmanager
def serve_vllm(python: str, flags: list[str]) -> Iterator[str]:
    """Run vLLM on the tiny Qwen3 and give its base URL; it and all its workers end with the block."""
    port = closed_port()
    settings = {
        "--model": str(TINY_QWEN3 / "hf"),
        "--served-model-name": MODEL,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--api-key": API_KEY,
        "--dtype": "float32",
        "--max-model-len": "4096",
        "--max-num-seqs": "4",
    }
    command = [python, "-m", "vllm.entrypoints.openai.api_server", *(word for row in settings.items() for word in row)]
    command += ["--enforce-eager", "--enable-prompt-tokens-details", *flags]
    for_the_cpu = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = subprocess.Popen(command, cwd=ROOT, env=for_the_cpu | os.environ, start_new_session=True)
    try:
        wait_until_healthy(server, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until_healthy(server: subprocess.Popen[bytes], url: str) -> None:
    """Return when a server answers.

    Raises:
        RuntimeError: It ended, or does not answer in time.
    """
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310  # loopback
            return
        time.sleep(1)
    raise RuntimeError(f"vLLM does not answer at {url}: see its log above")


def main() -> int:
    """Start the servers and run the tests of the cassettes against them."""
    python = os.getenv("VLLM_PYTHON")
    if python and not (ROOT / TINY_QWEN3 / "hf" / "model.safetensors").exists():
        subprocess.run([python, ROOT / TINY_QWEN3 / "hf_weights.py"], check=True)
    gguf = ROOT / TINY_QWEN3 / "qwen3-tiny-f16.gguf"
    with contextlib.ExitStack() as servers:
        urls = {}
        for dialect, flags in VLLM_DIALECTS.items() if python else ():
            urls[dialect] = servers.enter_context(serve_vllm(str(python), flags))
        for dialect, reasoning_format in LLAMA_CPP.items():
            server = LocalServer(
                gguf, name=MODEL, n_ctx=4096, n_threads=1, api_key=API_KEY, reasoning_format=reasoning_format
            )
            urls[dialect] = servers.enter_context(server).base_url
        command = [sys.executable, "-m", "pytest", *OPTIONS, *TESTS, *sys.argv[1:]]
        env = os.environ | {"RECORD_FROM": json.dumps(urls)}
        return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
