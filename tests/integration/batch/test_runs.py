"""Batches at servers that fail, go away, or refuse; pipes, and the end of a run that is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from langchain_core.messages import ChatMessage, HumanMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch import BatchOptions, BatchStoppedError, OutputError, Summary, arun_batch, run_batch
from langchain_qwen3.connections.exchange import afetch_json
from tests.faults.plans import content_of
from tests.faults.server import FaultServer, closed_port
from tests.support.commands import PROGRAM, read_results
from tests.support.gateway import Gateway
from tests.support.python import running
from tests.support.scripted import Answer, Scripted


def build_model(url: str, **fields: Any) -> ChatQwen3:
    """Return a model on a server."""
    return ChatQwen3(**{"model": "Qwen/Qwen3-0.6B", "base_url": url, "server": "vllm", "timeout": 60, **fields})


@pytest.mark.parametrize(
    ("fault", "kind", "said", "tries"),
    [
        ("status 400 openai", "Qwen3InvalidRequestError", "it broke", 1),
        ("status 400 overflow", "Qwen3ContextOverflowError", "4096 tokens", 1),
        ("status 401 string", "Qwen3AuthenticationError", "it broke", 1),
        ("status 403 text", "Qwen3PermissionDeniedError", "it broke", 1),
        ("status 404 detail", "Qwen3ModelNotFoundError", "it broke", 1),
        ("status 408 text", "Qwen3RequestTimeoutError", "it broke", 2),
        ("status 409 text", "Qwen3ConflictError", "it broke", 2),
        ("status 413 text", "Qwen3StatusError", "it broke", 1),
        ("status 422 list", "Qwen3UnprocessableEntityError", "it broke", 1),
        ("status 429 string", "Qwen3RateLimitError", "it broke", 2),
        ("status 500 openai", "Qwen3ServerError", "it broke", 2),
        ("status 503 html", "Qwen3ServerError", "Pod is stopped", 2),
        ("garbage", "Qwen3ConnectionError", "not HTTP", 2),
        ("reset 300", "Qwen3ConnectionError", "no connection", 2),
        ("stall 0", "Qwen3TimeoutError", "no reply in time", 2),
        ("page", "BadReplyError", "Pod is stopped", 2),
        ("empty", "BadReplyError", "", 2),
        ("no_choices", "BadReplyError", "", 2),
        ("error_200", "Qwen3InvalidRequestError", "it broke", 1),
    ],
)
def test_failure_is_a_row_with_class_and_advice_when_a_server_fails(
    tmp_path: Path, fault: str, kind: str, said: str, tries: int
):
    """Protects the other rows from one that fails, and whoever reads the results: class, message and what to do."""
    path = tmp_path / "a.jsonl"
    with FaultServer() as server:
        rows = ["before", f"bad [[{fault}]]", "after"]
        model = build_model(server.url, timeout=3 if fault.startswith("stall") else 60)
        summary = run_batch(model, rows, path, options=BatchOptions(retries=1))
        assert [call.key for call in server.calls].count("bad") == tries
    before, bad, after = read_results(path)
    assert (before["content"], after["content"]) == (content_of("before"), content_of("after"))
    assert (bad["error"]["class"], bad["tries"]) == (kind, tries)
    assert said in bad["error"]["message"]
    assert bad["error"]["advice"]
    assert (summary.answered, summary.failures) == (2, {kind: 1})


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("reason", "tries", "truncated"),
    [
        ("abort", 2, 0),
        ("error", 2, 0),
        ("network_error", 2, 0),
        ("cancelled", 2, 0),
        ("length", 1, 1),
        ("content_filter", 1, 1),
        ("max_tokens", 1, 1),
        ("stop", 1, 0),
        ("eos", 1, 0),
        ("tool_calls", 1, 0),
    ],
)
def test_half_an_answer_is_none_when_the_server_broke_it_off(
    tmp_path: Path, reason: str, tries: int, truncated: int, *, streaming: bool
):
    """Protects from half an answer that counts as a whole one: it is asked for again, and then its row has failed."""
    path = tmp_path / "a.jsonl"
    replies = iter([Answer(message={"content": "half"}, reason=reason)] * tries + [Answer(message={"content": "all"})])
    with Scripted(lambda _: next(replies)) as server:
        model = build_model(server.url, streaming=streaming)
        summary = run_batch(model, ["q"], path, options=BatchOptions(retries=1))
        (result,) = read_results(path)
        again = run_batch(model, ["q"], path, retry_failed=True)
    failed = tries > 1
    known = "length" if reason == "max_tokens" else reason  # every word for the limit is read as OpenAI's
    assert (result["content"], result["finish_reason"], result["tries"]) == ("half", known, tries)
    assert (summary.answered, summary.failed, summary.truncated) == (not failed, failed, truncated)
    assert (result["error"] or {}).get("class") == ("BadReplyError" if failed else None)
    assert (again.answered, again.new_rows, again.truncated) == (1, failed, truncated)


def test_half_an_answer_is_asked_for_again_when_it_may_come_whole(tmp_path: Path):
    """Protects the night's rows from an engine that aborts some of them, with a schema as without one."""
    for number, schema in enumerate((None, {"type": "object", "properties": {"a": {"type": "integer"}}})):
        replies = iter([Answer(message={"content": '{"a": '}, reason="abort"), {"content": '{"a": 1}'}])
        with Scripted(lambda _, replies=replies: next(replies)) as server:  # type: ignore[misc]
            path = tmp_path / f"{number}.jsonl"
            run_batch(build_model(server.url), ["q"], path, options=BatchOptions(retries=1, schema=schema))
        (result,) = read_results(path)
        assert (result["content"], result["tries"], result["error"]) == ('{"a": 1}', 2, None)


def test_failed_rows_alone_are_asked_when_they_are_retried(tmp_path: Path):
    """Protects `--retry-failed`: what was answered is not asked again, what failed has its new result in its place."""
    path = tmp_path / "a.jsonl"
    rows = ["a", "b [[status 400 openai x1]]", "c"]
    with FaultServer() as server:
        model = build_model(server.url)
        assert run_batch(model, rows, path).failed == 1
        assert run_batch(model, rows, path).new_rows == 0
        summary = run_batch(model, rows, path, retry_failed=True)
        assert [call.key for call in server.calls].count("b") == 2
        assert len(server.calls) == 4
    assert (summary.answered, summary.failed, summary.new_rows) == (3, 0, 1)
    assert [result["error"] for result in read_results(path)] == [None] * 3


def test_waits_for_the_server_when_it_is_away_for_a_while(tmp_path: Path):
    """Protects a night's work from an engine that is started anew: no row fails for it, with one retry as with ten."""
    path = tmp_path / "a.jsonl"
    rows = [f"q{number} [[slow 0.05]]" for number in range(40)]
    first = FaultServer()
    with first:
        port = urlsplit(first.url).port or 0
        model = build_model(first.url)
        done: list[Summary] = []
        options: dict[str, Any] = {"options": BatchOptions(retries=1, concurrency=4)}
        thread = threading.Thread(target=lambda: done.append(run_batch(model, rows, path, **options)))
        thread.start()
        assert first.wait_until(lambda: len(first.calls) >= 8)
    time.sleep(1.0)
    with FaultServer(port=port):
        thread.join()
    assert (done[0].answered, done[0].failed) == (40, 0)


PAGE = b"<html><head><title>Pod is stopped</title></head><body>Start it first.</body></html>"


@pytest.mark.parametrize(
    "page",
    [
        *((status, "text/html", PAGE) for status in (502, 520, 530)),
        (521, "text/plain", b"error code: 521"),
        (200, "text/html", PAGE),
        (200, "application/json", PAGE),
        (200, "text/plain", b"Pod is stopped"),
        (200, "application/json", b""),
    ],
    ids=str,
)
def test_waits_for_the_engine_when_a_gateway_answers_for_it(tmp_path: Path, page: tuple[int, str, bytes]):
    """Protects rows from failing for an engine that is away, in whichever way its gateway says so, then stays away."""
    rows = [f"q{number}" for number in range(8)]
    with Gateway(page, seconds=0.8) as gateway:
        options = BatchOptions(retries=1, concurrency=1)
        summary = run_batch(build_model(f"{gateway.root}/v1"), rows, tmp_path / "a.jsonl", options=options)
        assert (summary.answered, summary.failed) == (8, 0)
    with Gateway(page, seconds=60) as gateway:
        options = BatchOptions(retries=1, concurrency=1, patience=0.2)
        with pytest.raises(BatchStoppedError, match=r"(?s)unreachable for 0.2 s.*same command again"):
            run_batch(build_model(f"{gateway.root}/v1"), rows, tmp_path / "b.jsonl", options=options)
    assert [result["error"] for result in read_results(tmp_path / "b.jsonl")] == [None] * 3


def test_waits_for_the_server_when_it_cannot_be_asked_for_want_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Protects rows where other connections hold the last files: the system's error does not fail them."""
    asked: list[Any] = []

    async def fetch(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        if len(asked) == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return await afetch_json(*args, **kwargs)

    monkeypatch.setattr("langchain_qwen3.batch.requester.afetch_json", fetch)
    with FaultServer() as server:
        options = BatchOptions(retries=1)
        summary = run_batch(build_model(server.url), ["a [[reset 0 x1]]"], tmp_path / "a.jsonl", options=options)
    assert (summary.answered, len(asked)) == (1, 2)


def test_stops_when_the_server_stays_away(tmp_path: Path):
    """Protects rows from failing for a server that is gone: they stay open, and the next start asks them."""
    path = tmp_path / "a.jsonl"
    port = closed_port()
    model = build_model(f"http://127.0.0.1:{port}/v1")
    with pytest.raises(BatchStoppedError, match=r"(?s)unreachable for 0.2 s.*same command again"):
        run_batch(model, ["a", "b"], path, options=BatchOptions(patience=0.2))
    assert read_results(path) == []
    with FaultServer(port=port):
        assert run_batch(model, ["a", "b"], path).answered == 2


@pytest.mark.parametrize(
    "fault",
    [
        *(f"status {status} text" for status in (401, 405, 407, 408, 409, 410, 451, 500)),
        "status 404 html",
        "redirect https://login.example.com/auth",
        "no_choices",
        "page",
        "empty",
        "bad_gzip",
    ],
)
def test_stops_when_every_row_is_refused_alike(tmp_path: Path, fault: str):
    """Protects a million rows from a key or a session that ended, and a pod that stopped: few have to fail for it."""
    path = tmp_path / "a.jsonl"
    rows: list[Any] = [f"q{number}" for number in range(160)]
    rows[1::4] = [{"question": "warm", "settings": {"temperature": "hot"}}] * 40  # fail without the server
    options = BatchOptions(retries=0)
    with FaultServer(fault=fault) as server:
        with pytest.raises(BatchStoppedError, match=r"(?s)failed one after another.*--retry-failed"):
            run_batch(build_model(server.url), rows, path, options=options)
        assert len(server.calls) < 100
        rows[1::4] = ["warm"] * 40
        server.fault = ""
        assert run_batch(build_model(server.url), rows, path, retry_failed=True).answered == 160


@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        *((f"status {status} text", {}) for status in (400, 413, 422)),
        ("status 400 overflow", {}),
        ("status 500 overflow", {}),
        ("error_200", {}),
        ("", {"temperature": "hot"}),
        ("", {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "f"}),  # it calls another
    ],
    ids=str,
)
def test_goes_on_when_rows_fail_for_their_own_reasons(tmp_path: Path, fault: str, settings: dict[str, Any]):
    """Protects the rows behind a hundred that are too long, or of another kind: the run does not stop for these."""
    rows: list[Any] = [{"question": f"bad [[{fault or 'ok'}]]", "settings": settings}] * 100
    with FaultServer() as server:
        options = BatchOptions(retries=0)
        summary = run_batch(build_model(server.url), [*rows, "good"], tmp_path / "a.jsonl", options=options)
    assert (summary.answered, summary.failed) == (1, 100)


@pytest.mark.parametrize("refusal", ["status 429 string", "status 503 openai"])
def test_sends_fewer_at_once_when_the_server_refuses(tmp_path: Path, refusal: str):
    """Protects hosted services: above what they allow at once they refuse, and the batch stays near that."""
    allowed, open_now, refused = 6, [0], [0]
    open_at: list[int] = []  # what the server sees; a busy client has more begun than sent
    lock = threading.Lock()

    def answer(body: dict[str, Any]) -> Answer:
        with lock:
            open_now[0] += 1
            open_at.append(open_now[0])
            is_refused = open_now[0] > allowed
            refused[0] += is_refused
        time.sleep(0.001 if is_refused else 0.02)
        with lock:
            open_now[0] -= 1
        if is_refused:
            return Answer(message={"error": {"message": "slow down"}}, status=int(refusal.split()[1]))
        return Answer(message={"content": body["messages"][-1]["content"]})

    with Scripted(answer) as server:
        summary = run_batch(build_model(server.url), [f"q{number}" for number in range(600)], tmp_path / "a.jsonl")
    assert (summary.answered, summary.failed) == (600, 0)
    assert refused[0] < 200
    later = open_at[len(open_at) // 2 :]  # a step up that fails is a short burst, and rare
    assert sum(number > allowed for number in later) <= len(later) / 10
    assert sorted(later)[len(later) // 2] <= allowed


@pytest.mark.parametrize("status", [429, 503])
def test_waits_for_the_next_minute_when_a_server_counts_requests_by_the_minute(tmp_path: Path, status: int):
    """Protects hosted services, which refuse everything until the next minute: no row fails, and few are refused."""
    begun_at, taken, refused = [time.monotonic()], [0], [0]
    lock = threading.Lock()

    def answer(body: dict[str, Any]) -> Answer:
        with lock:
            if time.monotonic() - begun_at[0] >= 2:  # a short minute
                begun_at[0], taken[0] = time.monotonic(), 0
            taken[0] += 1
            is_refused = taken[0] > 30
            refused[0] += is_refused
        if is_refused:
            return Answer(message={"error": {"message": "requests per minute"}}, status=status)
        return Answer(message={"content": body["messages"][-1]["content"]})

    with Scripted(answer) as server:
        rows = [f"q{number}" for number in range(100)]
        summary = run_batch(build_model(server.url), rows, tmp_path / "a.jsonl")
    assert (summary.answered, summary.failed) == (100, 0)
    assert refused[0] < 100


def test_stops_when_a_server_refuses_everything_for_too_long(tmp_path: Path):
    """Protects from a run that never ends: the rows stay open, and the message says how to go on."""
    with Scripted(lambda _: Answer(message={"error": {"message": "come back tomorrow"}}, status=429)) as server:
        options = BatchOptions(patience=2)
        with pytest.raises(BatchStoppedError, match=r"refused all requests for 2 s.*come back tomorrow(.|\n)*resume"):
            run_batch(
                build_model(server.url), [f"q{number}" for number in range(100)], tmp_path / "a.jsonl", options=options
            )


def test_goes_from_pipe_to_pipe_when_it_stands_between():
    """Protects `… | langchain-qwen3 batch | …`: each result is there before the next question is written."""
    with FaultServer() as server:
        environment = {**os.environ, "QWEN_BASE_URL": server.url}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with running([*PROGRAM, "batch", "-"], env=environment, **pipes) as process:
            for key in ("一", "two"):
                process.stdin.write(f"{key}\n".encode())
                process.stdin.flush()
                assert json.loads(process.stdout.readline())["content"] == content_of(key)
            process.stdin.close()
            assert process.stdout.read() == b""
            assert b"2 answered" in process.stderr.read()
        assert process.returncode == 0


def test_ends_quietly_when_nobody_reads_its_output_any_more():
    """Protects `seq 5000 | langchain-qwen3 batch - | head -1`: no warning of Python's stands beside the result."""
    with FaultServer() as server:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with running([*PROGRAM, "batch", "-", server.url], **pipes) as process:
            feeder = threading.Thread(target=write_rows, args=(process.stdin, 5000))
            feeder.start()
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
        feeder.join()
        assert process.returncode == 2


def write_rows(stream: Any, number: int) -> None:
    """Write rows until nobody reads them."""
    with contextlib.suppress(BrokenPipeError):
        stream.write(b"".join(b"%d\n" % at for at in range(number)))
        stream.flush()  # the buffer of Python 3.14 holds all of it


@pytest.mark.parametrize("can_resume", [False, True])
def test_ends_at_ctrl_c_when_its_input_is_silent(can_resume: bool, tmp_path: Path):
    """Protects from a process that nothing but a kill ends; what was answered is in the output, and it can go on."""
    path = tmp_path / "a.jsonl"
    (questions := tmp_path / "q.txt").write_bytes(b"one\ntwo [[stall]]\n")
    with FaultServer() as server:
        environment = {**os.environ, "QWEN_BASE_URL": server.url}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [*PROGRAM, "batch", questions if can_resume else "-", "-o", path]
        with running(command, env=environment, **pipes) as process:
            process.stdin.write(questions.read_bytes())
            process.stdin.flush()
            assert server.wait_until(lambda: path.exists() and path.stat().st_size > 0, 120)
            process.send_signal(signal.SIGINT)
            process.wait(timeout=120)  # with its stdin still open, or it is not silent
            said = process.stderr.read().decode()
        assert process.returncode == 130, said
        assert "Traceback" not in said
        assert ("same command again" in said) is can_resume
    assert [result["content"] for result in read_results(path)] == [content_of("one")]


async def test_gives_up_the_run_when_it_is_cancelled(tmp_path: Path):
    """Protects programs that cancel: nothing of the run is left, and the rows in flight stay open."""
    path = tmp_path / "a.jsonl"
    with FaultServer() as server:
        run = asyncio.create_task(arun_batch(build_model(server.url), ["a", "b [[stall]]"], path))
        assert await asyncio.to_thread(server.wait_until, lambda: path.exists() and path.stat().st_size > 0, 120)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert len(asyncio.all_tasks()) == 1
    assert [result["id"] for result in read_results(path)] == ["1"]


def test_raises_when_the_input_cannot_be_read(tmp_path: Path):
    """Protects from an empty output for a name that was mistyped, and from a mixture for an input that changed."""
    with FaultServer() as server:
        model = build_model(server.url)
        with pytest.raises(FileNotFoundError):
            run_batch(model, tmp_path / "nothing.jsonl", tmp_path / "a.jsonl")
        assert not (tmp_path / "a.jsonl").exists()
        run_batch(model, ["a", "b"], tmp_path / "a.jsonl")
        with pytest.raises(OutputError, match=r"line 2 .* does not match its result"):
            run_batch(model, ["a", "c", "d"], tmp_path / "a.jsonl")
        assert run_batch(model, ["a", "b", "c"], tmp_path / "a.jsonl").new_rows == 1


def test_sends_the_rows_own_settings_when_it_has_some():
    """Protects a row's own settings and system message, which win over those of the run."""
    sdk_keywords = {"extra_body": {"top_k": 7}, "extra_headers": {"x-mine": "y"}, "metadata": {"a": "b"}}
    rows: list[Any] = [
        {"question": "a"},
        {"question": "b", "system": "Be a poet.", "settings": {"temperature": 0.9, "enable_thinking": True}},
        {"custom_id": "c", "body": {"model": "other", "messages": [{"role": "user", "content": "c"}], "top_k": 5}},
        {"custom_id": "d", "body": {"messages": [{"role": "user", "content": "d"}], **sdk_keywords}},
        {"messages": [ChatMessage("Be loud.", role="system"), HumanMessage("e")]},
    ]
    options = BatchOptions(system="Be brief.", settings={"temperature": 0.1}, concurrency=1)
    with FaultServer() as server:
        model = build_model(server.url, enable_thinking=False)
        run_batch(model, rows, io.BytesIO(), options=options)
        first, second, third, fourth, fifth = (call.body for call in server.calls)
        assert server.calls[3].headers["x-mine"] == "y"
        run_batch(model, rows[2:3], io.BytesIO(), options=BatchOptions(use_row_model=False))
        assert server.calls[-1].body["model"] == "Qwen/Qwen3-0.6B"
    assert [body["messages"][0]["content"] for body in (first, second)] == ["Be brief.", "Be a poet."]
    assert [message["content"] for message in fifth["messages"]] == ["Be loud.", "e"]
    assert [body["temperature"] for body in (first, second, third)] == [0.1, 0.9, 0.1]
    assert [body["chat_template_kwargs"]["enable_thinking"] for body in (first, second)] == [False, True]
    assert (third["model"], third["top_k"]) == ("other", 5)
    assert (fourth["top_k"], fourth["metadata"], "extra_headers" in fourth) == (7, {"a": "b"}, False)
