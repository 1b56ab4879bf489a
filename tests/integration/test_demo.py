"""The tour of `make demo`, on the real engine."""

import re
import runpy
from pathlib import Path

import pytest

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
    assert len(re.findall(r"\d\.\d\d s", shown)) == 3
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
