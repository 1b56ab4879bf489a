"""Brings up real servers in environments of their own, runs LangChain's suite and the doctor on each: `make servers`.

`python tools/live_servers.py [NAME ...]`; without names those that are installed in minutes. Environments are kept in
`$LIVE_ENVS` (default `.venv-servers/`). What passes is written into `docs/servers.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from langchain_qwen3._httpx import httpx  # noqa: E402  # the path comes first
from langchain_qwen3.local import LocalServer  # noqa: E402
from tests.faults.server import closed_port  # noqa: E402
from tests.support.nginx import FRONTS, NGINX, Front, write_config  # noqa: E402

TINY = ROOT / "tests" / "tiny_qwen3"
MODEL = "Qwen/Qwen3-0.6B"
PAGE = ROOT / "docs" / "servers.md"
MARKERS = ("<!-- table of live servers: made by tools/live_servers.py -->", "<!-- end of live table -->")
START_SECONDS = 600
SUITE = "tests/live/suite.py"
HEAD = (
    "| Server | Detected as | ChatQwen3 | ChatOpenAI | ChatQwen3 fails | The doctor's crosses |",
    "| --- | --- | --- | --- | --- | --- |",
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """How to install and start a server on the tiny model."""

    title: str
    """Name for people, without the version."""

    package: str | None
    """Distribution whose version is shown; None: the embedded engine."""

    install: tuple[tuple[str, ...], ...] = ()
    """What is installed, one tuple a step."""

    command: Callable[[Path, int, Path, str], list[str]] = lambda _bin, _port, _folder, _behind: []
    """Its command line, from its environment's `bin`, the port, a folder for files, and the URL of what is behind."""

    environment: dict[str, str] = field(default_factory=dict)
    """Variables that it needs."""

    behind: str | None = None
    """The server it stands in front of."""

    url: str = "http://127.0.0.1:{port}/v1"
    """Its base URL."""

    model: str = MODEL
    """Name of the served model."""

    api_key: str = "EMPTY"
    """Its key."""

    named: str = "auto"
    """The value of `server=`: `auto`, or the server behind a gateway."""

    launch: Callable[[str, Path], None] | None = None
    """What loads the model once the server answers."""


TORCH = ("torch==2.13.0", "gguf", "safetensors")  # the latter for `write_weights`
LITELLM_KEY = f"sk-{secrets.token_hex(24)}"  # it does not start with a weak one, or none


def _write_litellm(bin_: Path, port: int, folder: Path, behind: str) -> list[str]:
    model = {"model_name": MODEL, "litellm_params": {"model": f"openai/{MODEL}", "api_base": behind, "api_key": "x"}}
    settings = {"litellm_settings": {"num_retries": 0}, "general_settings": {"master_key": LITELLM_KEY}}
    config = {"model_list": [model], **settings}
    (folder / "litellm.yaml").write_text(json.dumps(config))  # JSON is YAML
    return [str(bin_ / "litellm"), "--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]


def _write_nginx(front: Front, _bin: Path, port: int, folder: Path, behind: str) -> list[str]:
    return write_config(folder, front.write(port, behind, folder))


def _write_name(front: str) -> str:
    return f"nginx-{front.removeprefix('a ').replace(' ', '-').lower()}"


def _build_nginx(name: str, front: Front) -> Server:
    return Server(
        title=f"nginx with {name}, in front of llama.cpp",
        package=None,
        command=partial(_write_nginx, front),
        behind="llama.cpp",
        url=front.build_url("{port}"),
    )


def _launch_xinference(url: str, weights: Path) -> None:
    body = {
        "model_name": "qwen3",
        "model_uid": "qwen3",
        "model_type": "LLM",
        "model_engine": "transformers",
        "model_size_in_billions": "0_6",
        "model_format": "pytorch",
        "quantization": "none",
        "model_path": str(weights),
        "enable_virtual_env": False,
        "reasoning_content": True,
        "enable_thinking": True,
    }
    httpx.post(f"{url}/models", json=body, timeout=START_SECONDS).raise_for_status()


SERVERS = {
    "transformers": Server(
        title="transformers serve",
        package="transformers",
        install=(TORCH, ("transformers[serving]",)),
        command=lambda bin_, port, _folder, _behind: [
            *(str(bin_ / "transformers"), "serve", MODEL, "--host", "127.0.0.1", "--port", str(port)),
            *("--device", "cpu", "--dtype", "float32"),
        ],
        environment={"HF_HUB_OFFLINE": "1"},
    ),
    "litellm": Server(
        title="LiteLLM, in front of llama.cpp",
        package="litellm",
        install=(("litellm[proxy]",),),
        command=_write_litellm,
        behind="llama.cpp",
        api_key=LITELLM_KEY,
    ),
    "litellm-transformers": Server(
        title="LiteLLM, in front of transformers serve",
        named="transformers",  # LiteLLM drops the reason of a refusal, and so no field can be learned from it
        package="litellm",
        install=(("litellm[proxy]",),),
        command=_write_litellm,
        behind="transformers",
        api_key=LITELLM_KEY,
    ),
    **{_write_name(name): _build_nginx(name, front) for name, front in FRONTS.items()},
    "ms-swift": Server(
        title="ms-swift",
        package="ms-swift",
        install=(("ms-swift", *TORCH),),
        command=lambda bin_, port, _folder, _behind: [
            *(str(bin_ / "swift"), "deploy", "--model", MODEL, "--model_type", "qwen3", "--template", "qwen3"),
            *("--infer_backend", "transformers", "--torch_dtype", "float32", "--served_model_name", MODEL),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
    ),
    "xinference": Server(
        title="Xinference",
        package="xinference",
        install=(TORCH, ("xinference", "transformers", "accelerate", "sentencepiece")),
        command=lambda bin_, port, _folder, _behind: [
            *(str(bin_ / "xinference-local"), "--host", "127.0.0.1", "--port", str(port))
        ],
        environment={"XINFERENCE_AUTH_ADVANCED": "0", "HF_HUB_OFFLINE": "1"},
        model="qwen3",
        launch=_launch_xinference,
    ),
    "llama-cpp-python": Server(
        title="llama-cpp-python",
        package="llama-cpp-python",
        install=(("llama-cpp-python[server]",),),
        command=lambda bin_, port, _folder, _behind: [
            *(str(bin_ / "python"), "-m", "llama_cpp.server", "--model", str(TINY / "qwen3-tiny-f16.gguf")),
            *("--model_alias", MODEL, "--host", "127.0.0.1", "--port", str(port), "--n_ctx", "4096"),
        ],
    ),
}
NGINX_NAMES = tuple(name for name in SERVERS if name.startswith("nginx-"))
QUICK = ("transformers", "litellm", "litellm-transformers", *NGINX_NAMES)
"""Installed in a few minutes; the others are run by name: ms-swift, Xinference (13 min), llama-cpp-python (26 min)."""


@dataclass(frozen=True)
class Result:
    """What came of a server: counts of LangChain's suite for each class, and what the doctor found wrong."""

    title: str
    version: str
    dialect: str
    counts: dict[str, tuple[int, int, int]]
    failures: dict[str, list[str]]
    crosses: list[str]


def prepare(name: str, server: Server, envs: Path) -> Path:
    """Make a server's environment unless it is there, and return its `bin`."""
    env = envs / name.partition("-transformers")[0]
    if server.install and not (env / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
        for step in server.install:
            uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "-q", "--native-tls"]
            subprocess.run([*uv, "--python", str(env / "bin" / "python"), *step], check=True)
        (env / "ready").touch()
    return env / "bin"


def write_weights(folder: Path, python: Path) -> Path:
    """Lay the tiny model out as transformers wants it, under the name it is served as."""
    weights = folder / MODEL
    if not (TINY / "hf" / "model.safetensors").exists():
        subprocess.run([str(python), str(TINY / "hf_weights.py")], check=True)
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.symlink_to(TINY / "hf")
    return weights


@contextmanager
def start(name: str, envs: Path, folder: Path) -> Iterator[str]:
    """Run a server, with what stands behind it, and give its base URL."""
    if name == "llama.cpp":
        with LocalServer(TINY / "qwen3-tiny-f16.gguf", name=MODEL, n_ctx=4096, n_threads=1) as engine:
            yield engine.base_url
        return
    server = SERVERS[name]
    bin_ = prepare(name, server, envs)
    if server.behind:
        with start(server.behind, envs, folder) as behind, _run(server, bin_, folder, behind) as url:
            yield url
        return
    with _run(server, bin_, folder, "") as url:
        yield url


@contextmanager
def _run(server: Server, bin_: Path, folder: Path, behind: str) -> Iterator[str]:
    if any("torch" in step for steps in server.install for step in steps):
        write_weights(folder, bin_ / "python")
    port = closed_port()
    url = server.url.replace("{port}", str(port))
    path = folder / f"{server.title.partition(' ')[0]}.log"
    log = path.open("ab")
    # One thread: those of torch wait for each other in a loop, which takes for ever on a busy machine.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **server.environment}
    command = server.command(bin_, port, folder, behind)
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(url, server, process, path)
        if server.launch:
            server.launch(url, folder / MODEL)
        yield url
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):  # with what it has started
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        log.close()


def _wait(url: str, server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    headers = {} if "@" in url else {"Authorization": f"Bearer {server.api_key}"}
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{server.title} ended with {process.returncode}:\n{_read_end(log)}")
        try:
            if httpx.get(f"{url}/models", headers=headers, timeout=5, verify=False, follow_redirects=True).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    raise SystemExit(f"{server.title} does not answer after {START_SECONDS} s:\n{_read_end(log)}")


def _read_end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def run_suite(cls: str, folder: Path, environment: dict[str, str]) -> tuple[tuple[int, int, int], list[str]]:
    """Return how many tests passed, failed and were skipped, and the names of those that failed."""
    report = folder / "report.xml"
    environment = {**environment, "LIVE_CLASS": cls}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "default", f"--junitxml={report}", SUITE]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314  # pytest wrote it just now
    failed = [str(case.get("name")) for case in cases if {"failure", "error"} & {child.tag for child in case}]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return (len(cases) - len(failed) - skipped, len(failed), skipped), failed


def run_doctor(url: str, server: Server, environment: dict[str, str]) -> dict[str, Any]:
    """Return what the doctor finds."""
    command = [str(Path(sys.executable).with_name("langchain-qwen3")), "doctor", url, "--model", server.model]
    options = ["--api-key", server.api_key, "--server", server.named, "--timeout", "120", "--json"]
    result = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    diagnosis: dict[str, Any] = json.loads(result.stdout)
    return diagnosis


def build_environment(url: str, server: Server, folder: Path) -> dict[str, str]:
    """Return the variables that the suite and the doctor find the server by."""
    live = {"LIVE_BASE_URL": url, "LIVE_MODEL": server.model, "LIVE_API_KEY": server.api_key}
    live["LIVE_SERVER"] = server.named
    trusted = {"SSL_CERT_FILE": str(folder / "ca.pem")} if url.startswith("https:") else {}
    return {**os.environ, **live, **trusted}


def measure(name: str, envs: Path) -> Result:
    """Bring a server up and try everything on it."""
    server = SERVERS[name]
    with tempfile.TemporaryDirectory() as scratch, start(name, envs, Path(scratch)) as url:
        environment = build_environment(url, server, Path(scratch))
        runs = {cls: run_suite(cls, Path(scratch), environment) for cls in ("ChatQwen3", "ChatOpenAI")}
        diagnosis = run_doctor(url, server, environment)
    return Result(
        title=server.title,
        version=read_version(name, server, envs),
        dialect=diagnosis["server"] if server.named == "auto" else f'named, `server="{server.named}"`',
        counts={cls: counts for cls, (counts, _) in runs.items()},
        failures={cls: failed for cls, (_, failed) in runs.items()},
        crosses=[finding["title"] for finding in diagnosis["findings"] if finding["status"] == "failed"],
    )


def read_version(name: str, server: Server, envs: Path) -> str:
    """Return the version that is installed."""
    if server.package is None:
        text = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=False).stderr
        return text.rpartition("/")[2].split()[0]
    python = envs / name.partition("-transformers")[0] / "bin" / "python"
    code = f"import importlib.metadata as m; print(m.version({server.package!r}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def write_table(page: str, result: Result) -> str:
    """Return the page with a server's row in the table between the markers, in place of its earlier one."""
    start_, end = map(re.escape, MARKERS)
    match = re.search(f"{start_}\n(.*?)\n{end}", page, re.DOTALL)
    earlier = match[1].split("\n") if match else []
    name, _, behind = result.title.partition(",")
    same = re.compile(rf"\| {re.escape(name)} \S+{re.escape(f',{behind}' if behind else '')} \|")
    rows = [row for row in earlier if row.startswith("| ") and row not in HEAD and not same.match(row)]
    table = "\n".join([*HEAD, *sorted([*rows, write_row(result)])])
    return page.replace(match[0], f"{MARKERS[0]}\n\n{table}\n\n{MARKERS[1]}") if match else page


def write_row(result: Result) -> str:
    """Return a row of the table."""
    counts = ["{} / {} / {}".format(*result.counts[cls]) for cls in ("ChatQwen3", "ChatOpenAI")]
    name, comma, behind = result.title.partition(",")
    crosses = "; ".join(result.crosses) or "none"  # a title may hold a comma
    cells = (f"{name} {result.version}{comma}{behind}", result.dialect, *counts, list_failures(result), crosses)
    return f"| {' | '.join(cells)} |"


def list_failures(result: Result) -> str:
    """Return the tests that fail with ChatQwen3, each once, and say so where they pass with ChatOpenAI."""
    passed = set(result.failures["ChatQwen3"]) - set(result.failures["ChatOpenAI"])
    names = dict.fromkeys(
        f"`{name.partition('[')[0]}`" + (" (passes with ChatOpenAI)" if name in passed else "")
        for name in sorted(result.failures["ChatQwen3"])
    )
    return ", ".join(names) or "none"


def main() -> None:
    """Run the servers that were named, write what passes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SERVERS)}")
    names = parser.parse_args().names or QUICK
    if unknown := [name for name in names if name not in SERVERS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(SERVERS)}")
    envs = Path(os.getenv("LIVE_ENVS", ROOT / ".venv-servers")).resolve()
    for name in names:
        result = measure(name, envs)
        print(write_row(result))
        for cls, failed in result.failures.items():
            print(f"  {cls} fails: {', '.join(failed) or 'nothing'}")
        PAGE.write_text(write_table(PAGE.read_text("utf-8"), result), "utf-8")


if __name__ == "__main__":
    main()
