"""The commands as a terminal runs them: what they print, how they end, and that no traceback gets out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from langchain_qwen3.cli import bench, console
from langchain_qwen3.cli.ask import read_question
from langchain_qwen3.cli.console import Console
from langchain_qwen3.cli.main import commands
from langchain_qwen3.cli.options import Target
from langchain_qwen3.cli.serve import is_loopback, render_exposure, render_welcome
from langchain_qwen3.local import LocalServer
from tests.conftest import TINY_QWEN3
from tests.faults.server import closed_port
from tests.support.commands import PROGRAM, START, run
from tests.support.python import STRICT_PYTHON, running
from tests.support.replay import Handler, Replay

COMMANDS = ("doctor", "bench", "chat", "models", "ask")


# -- what all commands share ------------------------------------------------------------------------------------------


def test_shows_help_and_version():
    """Protects the first thing that anybody types."""
    shown = run("--help").output
    assert all(command in shown for command in (*COMMANDS, "serve"))
    assert run("-h").output == shown
    assert all(run(command, "-h").exit_code == 0 for command in (*COMMANDS, "serve"))
    assert run("--version").output == f"langchain-qwen3-chat {version('langchain-qwen3-chat')}\n"


def test_runs_as_a_module_when_the_scripts_are_not_on_the_path():
    """Protects users of Windows, where pip puts the command into a folder that is often missing from the path."""
    done = subprocess.run(
        [*STRICT_PYTHON, "-m", "langchain_qwen3", "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: langchain-qwen3 [OPTIONS]" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_says_what_to_do_when_nothing_listens(command: str):
    """Protects from a traceback at a dead port: one message with the fix, and status 2."""
    result = run(command, f"http://127.0.0.1:{closed_port()}/v1", said="Hi")
    assert result.exit_code == 2
    assert "✗" in result.output
    assert "→ Nothing is listening there: is the server up" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("settings", "path", "said"),
    [
        ({}, "", "The API is at"),
        ({"api_key": "sk-canary-right"}, "/v1", "--api-key"),
        ({"page": "<html>Sign in</html>"}, "/v1", "A web page answers instead of the API"),
        ({"lists_models": False}, "/v1", "There is no /chat/completions under"),
    ],
)
def test_says_what_to_do_when_it_is_no_api(command: str, settings: dict[str, Any], path: str, said: str):
    """Protects every way to get the address or the key wrong: status 2 and the fix."""
    with Replay(**settings) as server:
        result = run(command, f"{server.root}{path}", "--api-key", "sk-canary-wrong", said="Hi")
    assert result.exit_code == 2
    assert said in result.output
    assert "canary" not in result.output


class SlowHandler(Handler):
    """Answers when the command has said that the server is silent, a minute later at the most."""

    def is_refused(self) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and any(isinstance(one, threading.Timer) for one in threading.enumerate()):
            time.sleep(0.01)
        return super().is_refused()


class Slow(Replay):
    """A recorded vLLM that is still loading."""

    handler = SlowHandler


@pytest.mark.parametrize("words", [*COMMANDS, "doctor --json", "bench --json"])
def test_says_in_one_line_on_stderr_that_the_server_is_silent(words: str, monkeypatch: pytest.MonkeyPatch):
    """Protects logs of a wait without a word, and what reads the output of a command from a line that is none."""
    monkeypatch.setattr(console, "SILENT_SECONDS", 0.1)
    with Slow() as server:
        result = CliRunner(env={"COLUMNS": "80"}).invoke(commands, [*words.split(), server.url], input="Hi")
        lines = [line for line in result.stderr.splitlines() if "no answer for" in line]
        assert len(lines) == 1
        assert server.url in lines[0]
        assert lines[0].endswith("Ctrl-C stops waiting")
    assert "no answer for" not in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_says_which_setting_is_wrong(command: str):
    """Protects from a pydantic report: one line that names the field and the choice."""
    result = run(command, "http://127.0.0.1:1/v1", "--server", "vlm", said="Hi")
    assert result.exit_code == 2
    assert '--server must be "auto" or one of vllm' in result.output
    assert "validation error" not in result.output


def test_takes_an_address_without_a_scheme():
    """Protects `doctor localhost:8000/v1`."""
    with Replay() as server:
        assert run("doctor", server.url.removeprefix("http://"), "--json").exit_code in (0, 1)


def test_takes_address_and_key_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    """Protects the short form: the variables that ChatQwen3 reads hold for the commands, too."""
    with Replay(api_key="sk-canary-right") as server:
        monkeypatch.setenv("QWEN_BASE_URL", server.url)
        monkeypatch.setenv("QWEN_API_KEY", "sk-canary-right")
        assert run("chat", said="你是谁？\n").exit_code == 0


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["chat", "--help"]])
def test_imports_nothing_costly_when_nothing_is_asked(arguments: list[str]):
    """Protects the wait for help, the version and completion: seconds, if LangChain were imported for them."""
    code = f"""
import sys
from langchain_qwen3.cli.main import commands
try:
    commands({arguments!r}, prog_name="langchain-qwen3")
except SystemExit as end:
    print("costly:", sorted({{"langchain_core", "openai", "prompt_toolkit"}} & set(sys.modules)), end.code)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("costly: [] 0\n")


def test_completes_commands_and_servers():
    """Protects Tab in a shell that has the completion installed."""
    for words, wanted in (("langchain-qwen3 do", "doctor"), ("langchain-qwen3 chat --server sg", "sglang")):
        setting = {"_LANGCHAIN_QWEN3_COMPLETE": "complete_bash", "COMP_WORDS": words}
        setting["COMP_CWORD"] = str(len(words.split()) - 1)
        run = subprocess.run(PROGRAM, env={**os.environ, **setting}, capture_output=True, text=True, check=False)
        assert run.stdout.split() == [wanted], run.stderr


# -- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_shows_a_table_of_what_works():
    """Protects the table: a mark, a title and what was found in every row, and status 0."""
    with Replay() as server:
        result = run("doctor", server.url)
    assert result.exit_code == 0, result.output
    assert "✓  server and version          vLLM 0.32.0 " in result.output
    assert "All is well." in result.output
    assert "✗" not in result.output


def test_doctor_names_the_flags_when_the_server_lacks_parsers():
    """Protects the way out: what to start the server with, ready to copy, and status 1."""
    with Replay("vllm-noparsers") as server:
        result = run("doctor", server.url)
    assert result.exit_code == 1
    assert "7 of 16 checks failed." in result.output
    flags = result.output.partition("Start vLLM with:\n")[2].splitlines()
    assert [flag.strip() for flag in flags] == [
        "--reasoning-parser qwen3",
        "--enable-auto-tool-choice --tool-call-parser hermes",
    ]


def test_doctor_writes_json_and_nothing_else_to_stdout():
    """Protects scripts: stdout is one JSON document, with the same exit status."""
    with Replay("vllm-noparsers") as server:
        result = run("doctor", server.url, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["version"] == "0.32.0"
    assert report["flags"] == ["--reasoning-parser qwen3", "--enable-auto-tool-choice --tool-call-parser hermes"]


def test_doctor_writes_json_when_the_server_is_unreachable():
    """Protects scripts from an empty stdout."""
    result = run("doctor", f"http://127.0.0.1:{closed_port()}/v1", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["reachable"] is False


@pytest.mark.parametrize(
    ("question", "url", "asked", "server"),
    [
        ("Who?", "http://a.test/v1", "Who?", "http://a.test/v1"),
        ("http://a.test/v1", "Who are you?", "Who are you?", "http://a.test/v1"),
        ("http://a.test/v1", "你是谁？", "你是谁？", "http://a.test/v1"),
        ("http://a.test/v1", "hello", "hello", "http://a.test/v1"),
        ("http://a.test/v1", "介绍一下Qwen3.5", "介绍一下Qwen3.5", "http://a.test/v1"),
        ("http://a.test/v1", "1/2+1/3=?", "1/2+1/3=?", "http://a.test/v1"),
        ("http://a.test/v1", "http://b.test/v1", "http://a.test/v1", "http://b.test/v1"),
        ("http://a.test/v1", "b.test:8000", "http://a.test/v1", "b.test:8000"),
        ("What is http://a.test?", "localhost", "What is http://a.test?", "localhost"),
        ("总结https://a.test/1", "localhost", "总结https://a.test/1", "localhost"),
    ],
)
def test_ask_takes_the_url_first_when_the_rest_is_no_url(question: str, url: str, asked: str, server: str):
    """Protects users of the other commands, where the URL comes first: the question was looked up as a host."""
    text, target = read_question(question, Target(url, None, None, "auto", 1.0), "")
    assert (text, target.url) == (asked, server)


# -- bench ------------------------------------------------------------------------------------------------------------


def test_bench_measures_a_live_server(engine: LocalServer, tmp_path: Path):
    """Protects the measurement end to end: every level, the comparison, and the picture."""
    picture = tmp_path / "out.png"
    result = run(
        "bench", engine.base_url, "--streams", "1,2", "--requests", "2", "--max-tokens", "8", "--plot", str(picture)
    )
    assert result.exit_code == 0, result.output
    assert "tokens/s" in result.output
    assert "2 requests: " in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_bench_writes_json_and_nothing_else_to_stdout():
    """Protects scripts: figures in seconds, tokens counted by the server."""
    with Replay() as server:
        result = run("bench", server.url, "--streams", "1,3", "--json", "--thinking")
    report = json.loads(result.stdout)
    assert report["server"] == "vLLM"
    assert [(level["streams"], level["requests"], level["failed"]) for level in report["levels"]] == [
        (1, 3, 0),
        (3, 3, 0),
    ]
    assert report["levels"][0]["tokens"] % 3 == 0
    assert len(server.requests) == 7


def test_bench_counts_what_fails():
    """Protects from figures of a server that refuses: the error is shown, and status 1."""
    with Replay(fails_after=2) as server:
        result = run("bench", server.url, "--streams", "1,2")
    assert result.exit_code == 1
    assert "HTTP 500" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--streams", "0"), "--streams"),
        (("--plot", "out.txt"), "must end in one of"),
        (("--plot", "/no/such/folder/out.png"), "there is no folder /no/such/folder"),
    ],
)
def test_bench_refuses_before_it_measures(arguments: tuple[str, ...], said: str):
    """Protects minutes of measuring for a picture that cannot be written."""
    with Replay() as server:
        result = run("bench", server.url, *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert server.requests == []


# -- serve ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_until_it_is_stopped(ending: signal.Signals):
    """Protects the foreground server: it says where it is, answers, and ends cleanly on Ctrl-C and on kill."""
    arguments = ["serve", str(TINY_QWEN3), "--name", "Qwen/Qwen3-0.6B", "--port", "0", "--n-threads", "1"]
    with running([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        shown = list(takewhile(lambda line: not line.startswith("Ctrl-C"), process.stdout))
        url = shown[0].split(" at ")[1].strip()
        answered = run("chat", url, "--temperature", "0", "--no-thinking", said="你是谁？\n")
        process.send_signal(ending)
        _, errors = process.communicate(timeout=120)
    assert "我是通义千问" in answered.output
    assert f'base_url="{url}"' in "".join(shown)
    assert (process.returncode, errors) == (0, "")
    assert run("doctor", url).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.gguf",), "there is no such GGUF file: "),
        ((__file__,), "is not a GGUF file"),
        ((str(TINY_QWEN3), "--reasoning-format", "x"), "--reasoning-format: 'x' is not one of"),
        ((str(TINY_QWEN3), "--api-key", ""), "--api-key: pass a text that is not blank"),
        ((str(TINY_QWEN3), "--host", " "), "--host: pass a text that is not blank"),
        ((str(TINY_QWEN3), "--n-ctx", "99999999999"), "--n-ctx: 99999999999 is more than"),
        (("",), "the model is a folder"),
    ],
)
def test_serve_says_what_is_wrong(arguments: tuple[str, ...], said: str):
    """Protects from a traceback for a wrong path, file or setting."""
    result = run("serve", *arguments)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_bench_writes_what_it_measured_when_it_is_stopped(option: list[str], monkeypatch: pytest.MonkeyPatch):
    """Protects minutes of measuring from Ctrl-C before the last level."""
    measure = bench.measure

    async def stop_at_two(*args: Any, streams: int, **kwargs: Any) -> Any:
        if streams == 2:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        return await measure(*args, streams=streams, **kwargs)

    monkeypatch.setattr(bench, "measure", stop_at_two)
    with Replay() as server:
        result = run("bench", server.url, "--streams", "1,2", *option)
    assert result.exit_code == 130
    assert ('"tokens_per_second"' if option else "tokens/s") in result.stdout
    assert result.stderr.endswith("stopped\n")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_bench_writes_what_it_measured_when_the_picture_cannot_be_saved(option: list[str], tmp_path: Path):
    """Protects minutes of measuring from a picture whose file name is too long, or whose disk is full."""
    with Replay() as server:
        result = run("bench", server.url, "--streams", "1", "--plot", tmp_path / f"{'x' * 300}.png", *option)
    assert result.exit_code == 2
    assert ('"tokens_per_second"' if option else "tokens/s") in result.output
    assert "✗ File name too long" in result.output


@pytest.mark.parametrize(
    ("host", "is_own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)]
)
def test_knows_which_address_is_this_machine_s_alone(host: str, is_own: bool):
    """Protects from a server that all the network can use, and nobody was told."""
    assert is_loopback(host) is is_own


def test_shows_code_that_runs_when_a_name_has_quotation_marks():
    """Protects the lines that are copied from the terminal."""
    with (console := Console()).capture() as shown:
        console.print(render_welcome("http://127.0.0.1:1/v1", 'my "通义"', has_key=False))
    assert r'model="my \"通义\""' in shown.get()


def test_warns_when_others_can_reach_the_server():
    """Protects the one who typed --host 0.0.0.0: who can use the model, and what to do."""
    console = Console()
    with console.capture() as shown:
        console.print(render_exposure("0.0.0.0", has_key=False))
        console.print(render_exposure("0.0.0.0", has_key=True))
    text = " ".join(shown.get().split())  # wherever the console wraps
    assert "Anyone who can reach this machine can use the model" in text
    assert "--api-key" in text
    assert "Anyone who has the key" in text


def test_serve_says_so_when_the_port_is_taken(engine: LocalServer):
    """Protects from a server that seems to start and is another's."""
    port = engine.base_url.rpartition(":")[2].removesuffix("/v1")
    result = run("serve", str(TINY_QWEN3), "--port", port)
    assert result.exit_code == 2
    assert "is in use; --port 0 selects a free one" in result.output.replace("\n", " ")
    assert "Errno" not in result.output


def test_ends_without_a_traceback_when_stopped_before_it_has_begun(tmp_path: Path):
    """Protects the impatient: on a slow disk the imports take seconds."""
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt", "utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {START}"
    done = subprocess.run([*STRICT_PYTHON, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_says_what_to_install_when_the_extra_is_missing():
    """Protects `pip install langchain-qwen3-chat` without the extra: the command exists, and says what it needs."""
    code = "import sys; sys.modules['typer'] = None; from langchain_qwen3.cli import app; app()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr == 'langchain-qwen3 needs the extra "cli": pip install "langchain-qwen3-chat[cli]"\n'
    assert result.returncode == 1
