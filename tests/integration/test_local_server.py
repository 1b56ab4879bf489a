"""LocalServer on the real llama.cpp with the tiny Qwen3."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3InvalidRequestError
from langchain_qwen3.local import LocalServer, server as server_module
from tests.support.python import STRICT_PYTHON

TINY_QWEN3 = Path(__file__).parents[1] / "tiny_qwen3" / "qwen3-tiny-f16.gguf"
QUESTION = {"messages": [{"role": "user", "content": "你是谁?"}], "temperature": 0}
ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
ENDLESS = {**QUESTION, "ignore_eos": True, "max_tokens": 8000}


def build_server(**settings):
    """Set up a server of the test's own."""
    return LocalServer(TINY_QWEN3, n_threads=1, **settings)


def ask(server, **fields):
    """Send the question and return the whole reply."""
    with httpx.Client(base_url=server.base_url, trust_env=False, timeout=60) as client:
        return client.post("/chat/completions", json={**QUESTION, **fields})


def read_message(server):
    """Return the answer to the question as it came over the wire."""
    return ask(server).raise_for_status().json()["choices"][0]["message"]


def is_listening(base_url):
    """Whether anybody takes connections there."""
    address = urlsplit(base_url)
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


def test_answers_at_once_when_handed_out(engine):
    """The server is handed out only when a first request succeeds without a retry."""
    message = read_message(engine)
    assert message["content"] == ANSWER
    assert "通义千问" in message["reasoning_content"]


def test_reasoning_stays_in_the_content_when_the_format_is_none(inline_engine):
    """Inline think tags, as other servers send them, can be had from a real engine."""
    message = read_message(inline_engine)
    assert message["content"].startswith("<think>\n")
    assert message["content"].endswith("</think>\n\n" + ANSWER)
    assert "reasoning_content" not in message


@pytest.mark.parametrize("streamed", [False, True], ids=["invoke", "stream"])
def test_error_names_the_flag_when_inline_reasoning_excludes_a_format(inline_engine, *, streamed):
    """Protects whoever meets llama.cpp's `std::exception`: thinking off, a JSON format and reasoning left inline."""
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    model = ChatQwen3(model=inline_engine.model, base_url=inline_engine.base_url, enable_thinking=False)
    with pytest.raises(Qwen3InvalidRequestError, match="--reasoning-format none"):
        model.invoke("Hi", response_format=wanted, stream=streamed)


def test_serves_the_given_name_and_window(engine):
    """`model` is what /v1/models lists, and every request has the whole window of n_ctx."""
    with httpx.Client(base_url=engine.base_url, trust_env=False) as client:
        (listed,) = client.get("/models").json()["data"]
    assert listed["id"] == engine.model == "Qwen/Qwen3-0.6B"
    assert listed["meta"]["n_ctx"] == 4096


def test_answers_on_all_slots_when_asked_together(engine):
    """Parallel slots do not disturb each other's answers."""

    async def ask_together():
        async with httpx.AsyncClient(base_url=engine.base_url, trust_env=False, timeout=60) as client:
            return await asyncio.gather(*(client.post("/chat/completions", json=QUESTION) for _ in range(4)))

    answers = [reply.json()["choices"][0]["message"]["content"] for reply in asyncio.run(ask_together())]
    assert answers == [ANSWER] * 4


def test_refuses_requests_without_the_key_when_one_is_set():
    """`api_key` protects the server."""
    with build_server(api_key="sk-canary") as server:
        assert ask(server).status_code == HTTPStatus.UNAUTHORIZED
        headers = {"Authorization": "Bearer sk-canary"}
        assert httpx.get(f"{server.base_url}/models", headers=headers).status_code == HTTPStatus.OK


def test_nothing_listens_when_the_block_is_left():
    """The port and the engine are free again after the block, and base_url is gone."""
    with build_server() as server:
        base_url = server.base_url
        assert is_listening(base_url)
    assert not is_listening(base_url)
    with pytest.raises(RuntimeError, match="is not running"):
        _ = server.base_url


async def test_answers_inside_an_async_with_block():
    """The event loop is not blocked by start and stop, and both happen."""
    async with build_server() as server:
        base_url = server.base_url
        assert is_listening(base_url)
    assert not is_listening(base_url)


async def test_leaves_no_engine_when_cancelled_at_the_start():
    """A cancelled `async with` does not leave an engine behind."""
    server = build_server()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), server:
            pytest.fail("the engine was ready sooner than this test expects")
    await asyncio.to_thread(server.stop)  # takes its turn behind the start that is still running
    assert server._end is not None
    assert not server._end.alive


def test_starts_again_on_the_same_port_after_a_stop():
    """A stopped server leaves its port usable, also with connections still open on the client's side."""
    with build_server() as first, httpx.Client(trust_env=False) as client:
        client.get(f"{first.base_url}/models")
        port = urlsplit(first.base_url).port
        first.stop()
        with build_server(port=port) as second:
            assert read_message(second)["content"] == ANSWER
            second.stop()
            second.start()
            assert urlsplit(second.base_url).port == port
            assert read_message(second)["content"] == ANSWER


def test_raises_when_started_twice(engine):
    """A second start does not orphan the first engine."""
    with pytest.raises(RuntimeError, match="is already running"):
        engine.start()


def test_stops_at_once_when_a_stream_is_open():
    """Leaving the block does not wait for, or hang on, an answer that is still being written."""
    with build_server() as server, httpx.Client(trust_env=False) as client:
        url = f"{server.base_url}/chat/completions"
        with client.stream("POST", url, json={**ENDLESS, "stream": True}) as reply:
            lines = reply.iter_lines()
            assert next(lines).startswith("data: ")
            server.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)


def test_several_servers_run_side_by_side():
    """Two servers do not share a port, a name or settings."""
    with build_server(name="one") as one, build_server(name="two", reasoning_format="none") as two:
        assert one.base_url != two.base_url
        assert "reasoning_content" in read_message(one)
        assert "reasoning_content" not in read_message(two)


@pytest.mark.skipif(os.name == "nt", reason="the interpreter is a shell script")
@pytest.mark.parametrize("entry", [None, "", "no-such-folder", "文件夹", "not-utf-8-\udcff", Path("a/path")])
def test_starts_when_only_the_program_itself_knows_where_the_library_is(tmp_path, monkeypatch, entry):
    """Protects shiv, pex and `pip install --target`: they add folders to `sys.path` that a new interpreter lacks."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n', "utf-8")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    if entry is not None:
        monkeypatch.setattr(sys, "path", [entry, *sys.path])
    with build_server() as server:
        assert read_message(server)["content"] == ANSWER


def test_raises_with_the_reason_when_llama_cpp_refuses_the_model(tmp_path):
    """A damaged download is reported in llama.cpp's own words."""
    path = tmp_path / "damaged.gguf"
    path.write_bytes(TINY_QWEN3.read_bytes()[:100_000])
    with pytest.raises(RuntimeError, match=r"could not serve .*damaged\.gguf:\n.*(gguf|tensor)"):
        LocalServer(path).start()


def test_raises_when_the_model_is_not_loaded_in_time():
    """A hanging engine is given up and leaves nothing behind."""
    server = LocalServer(TINY_QWEN3, start_timeout=0.001)
    with pytest.raises(TimeoutError, match=r"start_timeout: .* was not loaded in 0\.001 s"):
        server.start()
    assert server._end is not None
    assert not server._end.alive


@pytest.mark.parametrize("ending", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_engine_ends_with_its_process_when_never_stopped(ending):
    """A script that forgets to stop, or is killed, leaves no engine behind, and nothing is printed."""
    script = f"""
        from langchain_qwen3.local import LocalServer
        server = LocalServer({str(TINY_QWEN3)!r}, n_threads=1).start()
        print(server.base_url, flush=True)
        {ending}
    """
    run = subprocess.run(
        [*STRICT_PYTHON, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.stderr == ""
    (base_url,) = run.stdout.splitlines()
    deadline = time.monotonic() + 60
    while is_listening(base_url):
        assert time.monotonic() < deadline, f"{base_url} still answers"
        time.sleep(0.02)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_no_page_of_another_origin_can_read_an_answer(engine, content_type):
    """Protects a conversation from any page that is open in the same browser."""
    headers = {"Origin": "http://evil.test", "Content-Type": content_type}
    body = {**QUESTION, "max_tokens": 1}
    reply = httpx.post(f"{engine.base_url}/chat/completions", json=body, headers=headers, timeout=60)
    assert reply.headers.get("access-control-allow-origin") in (None, "none")


def test_names_the_port_when_another_process_takes_it_during_the_start(engine, monkeypatch):
    """Protects two starts at once on one port: the loser says so, and shows no log of llama.cpp."""
    port = urlsplit(engine.base_url).port
    check, checked = server_module._check_port, []

    def check_from_the_second_time_on(*args):
        checked.append(args)
        if len(checked) > 1:
            check(*args)

    monkeypatch.setattr(server_module, "_check_port", check_from_the_second_time_on)
    with pytest.raises(OSError, match=f"port: 127.0.0.1:{port} is in use; port=0 selects a free one"):
        build_server(port=port).start()
