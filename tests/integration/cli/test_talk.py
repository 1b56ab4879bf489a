"""`ask`, `chat` and `models`: in a pipe, and with a keyboard that prompt_toolkit plays."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.cli.chat import build_session, talk
from langchain_qwen3.cli.console import Console
from langchain_qwen3.cli.conversation import Conversation
from langchain_qwen3.local import LocalServer
from tests.support.commands import run
from tests.support.replay import Replay
from tests.support.scripted import Answer, Scripted

ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
MODELS = [{"id": "Qwen/Qwen3-0.6B"}]
ENTER, ALT_ENTER, CTRL_C, CTRL_D, UP = "\r", "\x1b\r", "\x03", "\x04", "\x1b[A"


@pytest.fixture(autouse=True)
def fresh_home(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """The history is this test's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


# -- in a pipe --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("ask", "你是谁？"), ("ask",), ("chat",)])
def test_writes_the_answer_alone_into_a_pipe(command: tuple[str, ...]):
    """Protects scripts: stdout is the answer, whichever way the question came."""
    with Replay() as server:
        result = run(*command, server.url, said=None if command[1:] else "你是谁？\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{ANSWER}\n", "")


def test_ask_puts_what_is_piped_in_below_the_question():
    """Protects `git diff | langchain-qwen3 ask "What changes?"`."""
    with Replay() as server:
        assert run("ask", "What changes?", server.url, "--system", "Be brief.", said="- a\n+ b\n").exit_code == 0
        system, user = server.requests[0]["messages"]
    assert (system["content"], user["content"]) == ("Be brief.", "What changes?\n\n- a\n+ b")


def test_ask_writes_json_and_nothing_else_to_stdout():
    """Protects programs: the whole reply in one document."""
    with Replay() as server:
        result = run("ask", "你是谁？", server.url, "--json")
    report = json.loads(result.stdout)
    assert (report["answer"], report["finish_reason"]) == (ANSWER, "stop")
    assert report["reasoning"]
    assert report["usage"]["output_tokens"] > 1


@pytest.mark.parametrize("arguments", [("http://127.0.0.1:1/v1",), ("",), ()])
def test_ask_says_so_when_there_is_no_question(arguments: tuple[str, ...]):
    """Protects from an empty request, and from an address that is sent as a question."""
    result = run("ask", *arguments, said=" \n")
    assert result.exit_code == 2
    assert "There is no question" in result.stderr


def test_ask_fails_when_the_answer_was_cut(engine: LocalServer):
    """Protects scripts from half an answer: what came is written, and the status is 1."""
    result = run("ask", "你是谁？", engine.base_url, "--no-thinking", "--temperature", "0", "--max-tokens", "3")
    assert result.exit_code == 1
    assert ANSWER.startswith(result.stdout.strip())
    assert "✗ truncated: the token limit was reached" in result.stderr


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (Answer(message={"reasoning_content": "Hm."}), 2, "✗ no answer, only thinking"),
        (Answer(message={"content": ""}), 2, "✗ no answer, only an empty text"),
        (Answer(message={"content": "Hel"}, reason="content_filter"), 1, "✗ broken off: the server ended it with"),
        (Answer(message={"content": "Hello"}), 0, ""),
    ],
)
def test_ask_fails_when_there_is_no_whole_answer(answer: Answer, status: int, said: str):
    """Protects `ask … > out && next` from an empty file, or half a one."""
    with Scripted(lambda _: answer, models=MODELS) as server:
        result = run("ask", "Who?", f"{server.root}/v1", "--server", "vllm")
    assert (result.exit_code, result.stdout.strip()) == (status, answer.message.get("content", ""))
    assert result.stderr.startswith(said)


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_says_so_when_a_setting_has_no_effect(command: str):
    """Protects who switches thinking off at a model that always thinks, and pays for it."""
    model = "Qwen/Qwen3-30B-A3B-Thinking-2507"
    with Scripted(lambda _: {"content": "Hello"}, models=[{"id": model}]) as server:
        result = run(command, f"{server.root}/v1", "--server", "vllm", "--no-thinking", said="Who?\n")
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert result.stderr.startswith("! thinking cannot be switched off")


def test_models_lists_what_is_served():
    """Protects `for model in $(langchain-qwen3 models)`, and the figures for programs."""
    with Replay() as server:
        assert run("models", server.url).stdout == "Qwen/Qwen3-0.6B\n"
        assert json.loads(run("models", server.url, "--json").stdout)[0]["model"] == "Qwen/Qwen3-0.6B"


def test_chat_goes_on_when_a_question_fails():
    """Protects the conversation from one failed question: the error is told, the next line is read, the status is 1."""
    with Replay(fails_after=1) as server:
        result = run("chat", server.url, said="你是谁？\n你是谁？\n/help\n")
    assert result.exit_code == 1
    assert result.stdout == f"{ANSWER}\n"
    assert "✗ HTTP 500" in result.stderr
    assert "/no_think" in result.stderr


def test_chat_stops_the_answer_and_not_the_program_on_ctrl_c():
    """Protects Ctrl-C: the answer ends where it is, the server is told, and the next question is answered."""
    with Replay(pause=0.02) as server:

        def interrupt() -> None:
            while not server.requests:
                time.sleep(0.01)
            time.sleep(0.2)
            server.pause = 0.0
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = run("chat", server.url, said="请解释相对论\n/no_think\n你是谁？\n")
        thread.join()
    assert "(stopped)" in result.stderr
    assert "时空弯曲的结果" not in result.stdout
    assert "很高兴为你服务" in result.stdout


# -- in a terminal ----------------------------------------------------------------------------------------------------


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    """What is typed."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@pytest.fixture
def server() -> Iterator[Replay]:
    """A recorded vLLM."""
    with Replay() as replay:
        yield replay


@pytest.fixture
async def conversation(server: Replay) -> AsyncIterator[Conversation]:
    """A conversation with it."""
    async with ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, max_retries=0, max_tokens=300) as llm:
        yield Conversation(llm, models=("Qwen/Qwen3-0.6B",))


async def hold(conversation: Conversation, keyboard: PipeInput, *typed: str) -> str:
    """Type, and return what the terminal shows."""
    console = Console()
    console.file = io.StringIO()
    console._force_terminal = True
    keyboard.send_text("".join(typed))
    await talk(conversation, console, build_session())
    return console.file.getvalue()


async def test_shows_thinking_then_answer_then_how_long_it_took(conversation: Conversation, keyboard: PipeInput):
    """Protects the conversation: thinking first, the answer below it, then how long it took."""
    shown = await hold(conversation, keyboard, "你是谁？", ENTER, CTRL_D)
    places = [shown.index(text) for text in ("用户在问我的身份", "很高兴为你服务", "tokens/s")]
    assert places == sorted(places)


async def test_sends_a_paste_and_lines_of_its_own_as_one_message(
    conversation: Conversation, keyboard: PipeInput, server: Replay
):
    """Protects pasted code: one message, sent by the Enter after it; so are lines made by Alt-Enter or a backslash."""
    paste = "\x1b[200~def f():\r\n    return 1\n\x1b[201~"
    await hold(conversation, keyboard, paste, ENTER, "one", ALT_ENTER, "two\\", ENTER, "three", ENTER, "/quit", ENTER)
    questions = [body["messages"][-1]["content"] for body in server.requests]
    assert questions == ["def f():\n    return 1", "one\ntwo\nthree"]


async def test_keeps_what_was_typed_over_sessions(conversation: Conversation, keyboard: PipeInput, server: Replay):
    """Protects the history: Up brings back the last question in the next session."""
    await hold(conversation, keyboard, "你是谁？", ENTER, CTRL_D)
    await hold(conversation, keyboard, UP, ENTER, CTRL_D)
    assert [body["messages"][-1]["content"] for body in server.requests] == ["你是谁？", "你是谁？"]


async def test_asks_again_when_retried(conversation: Conversation, keyboard: PipeInput, server: Replay):
    """Protects /retry: the same question, without the answer it had."""
    await hold(conversation, keyboard, "你是谁？", ENTER, "/retry", ENTER, CTRL_D)
    assert server.requests[0]["messages"] == server.requests[1]["messages"]


async def test_folds_the_thinking(conversation: Conversation, keyboard: PipeInput):
    """Protects /fold: the thinking is hidden, and shown when asked for."""
    shown = await hold(conversation, keyboard, "/fold", ENTER, "你是谁？", ENTER, "/fold", ENTER, CTRL_D)
    before, _, after = shown.partition("很高兴为你服务")
    assert "▸ thought for" in before
    assert "用户在问我的身份" not in before
    assert "用户在问我的身份" in after


async def test_clears_the_line_and_goes_on_when_ctrl_c_is_pressed_at_the_prompt(
    conversation: Conversation, keyboard: PipeInput, server: Replay
):
    """Protects the conversation from Ctrl-C with no answer to stop."""
    shown = await hold(conversation, keyboard, "nonsense", CTRL_C, "你是谁？", ENTER, CTRL_D)
    assert "/quit or Ctrl-D leaves" in shown
    assert [body["messages"][-1]["content"] for body in server.requests] == ["你是谁？"]
