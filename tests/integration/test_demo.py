"""The tour of `make demo`, on the real engine."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from langchain_core.messages import AIMessage

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.fixture
def run_demo(capsys):
    """Run the demo and return what it prints."""

    def run():
        runpy.run_path(str(DEMO), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_shows_every_part_when_run_without_a_server(run_demo):
    """A newcomer's first command shows thinking, streaming, concurrency and a tool, without escape codes in a pipe."""
    shown = run_demo()
    assert "on an embedded llama.cpp" in shown
    assert shown.count("我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！") == 2
    assert shown.count("用户在问我的身份。") == 1
    assert re.search(r"thinking  好的，用户让我解释相对论。.*\n.*answer  相对论由爱因斯坦提出", shown, re.DOTALL)
    assert len(re.findall(r"\d\.\d\d s", shown)) == 3 or "keep this machine, or the server, busy" in shown
    assert "langchain-qwen3 doctor URL" in shown.partition("What next")[2]
    assert "call  get_weather(city='北京')" in shown
    assert "北京今天晴，气温25°C。" in shown
    assert "\033" not in shown


def test_uses_the_server_of_the_environment_when_there_is_one(run_demo, engine, monkeypatch):
    """$QWEN_BASE_URL points the demo at the user's own server; nothing else is started."""
    monkeypatch.setenv("QWEN_BASE_URL", engine.base_url)
    monkeypatch.setenv("QWEN_MODEL", engine.model)
    shown = run_demo()
    assert shown.startswith(f"{engine.model} at {engine.base_url}\n")
    assert "embedded" not in shown


async def test_goes_on_when_the_model_answers_without_the_tool(capsys):
    """Protects the tour from a small model: there is no result to send, and the last message is the model's."""

    async def ainvoke(messages):
        assert len(messages) == 1
        return AIMessage("北京今天晴。")

    llm = SimpleNamespace(bind_tools=lambda _tools: SimpleNamespace(ainvoke=ainvoke))
    await runpy.run_path(str(DEMO))["show_tool_call"](llm)
    shown = capsys.readouterr().out
    assert "北京今天晴。" in shown
    assert "answered without a call" in shown


async def test_goes_on_when_the_model_writes_other_arguments(capsys):
    """Protects the tour from a small model: it is told that its call is invalid, and answers."""
    calls = [{"name": "get_weather", "args": args, "id": "1"} for args in ({"place": "北京"}, {}, {"city": ["北京"]})]
    replies = [AIMessage("", tool_calls=calls), AIMessage("我不知道。")]

    async def ainvoke(messages):
        assert all("validation error" in result.content for result in messages[2:])
        return replies.pop(0)

    llm = SimpleNamespace(bind_tools=lambda _tools: SimpleNamespace(ainvoke=ainvoke))
    await runpy.run_path(str(DEMO))["show_tool_call"](llm)
    assert "我不知道。" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/v1", "ftp://127.0.0.1:9/v1", "http://127.0.0.1:9:9/v1", "127.0.0.1:9"]
)
def test_is_two_lines_when_nothing_answers(url, run_demo, monkeypatch, capsys):
    """A dead or wrong $QWEN_BASE_URL is told with what to do, not with a traceback of LangChain's or pydantic's."""
    monkeypatch.setenv("QWEN_BASE_URL", url)
    with pytest.raises(SystemExit) as ended:
        run_demo()
    shown = capsys.readouterr()
    told = f"{shown.out}{shown.err}{ended.value.code}".splitlines()
    assert [line[0] for line in told] == ["✗", "→"]
    assert "127.0.0.1:9" in told[0] or "base_url" in told[0]
    assert "pydantic" not in "".join(told)


@pytest.mark.parametrize(
    ("best", "said"),
    [
        ({"one after another": 2.0, "asyncio.gather": 1.0, "llm.abatch": 2.5}, ["2.0 × as fast", "one time is not"]),
        ({"one after another": 2.0, "asyncio.gather": 2.1, "llm.abatch": 2.0}, ["nothing to measure"]),
    ],
)
def test_never_says_that_many_at_once_are_slower(best, said, capsys):
    """A busy machine is told of, and not taken for the package's speed."""
    runpy.run_path(str(DEMO))["print_times"](best)
    shown = capsys.readouterr().out
    assert all(text in shown for text in said)
    assert "0.8" not in shown
    assert "slower" not in shown
