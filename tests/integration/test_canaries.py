"""Every artifact of a call is searched for every secret that went into it; the server echoes all it was sent."""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import gzip
import json
import logging
import pickle
import re
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps
from langchain_core.messages import BaseMessage
from langchain_core.tracers.context import collect_runs
from typer.testing import CliRunner

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.cli.main import commands
from langchain_qwen3.errors import Qwen3Error
from langchain_qwen3.notebook import display_stream
from langchain_qwen3.notebook.examination import ExaminationView
from langchain_qwen3.notebook.output import Outputs
from langchain_qwen3.progress import BatchProgress
from tests.faults.server import closed_port
from tests.support.loopback import Loopback
from tests.support.replies import write_body, write_events, write_sse
from tests.support.web import WebHandler, WebServer

CANARY = "kanarienvogel"
CALL = {
    "extra_headers": {"X-Api-Key": f"{CANARY}-per-call-header"},
    "extra_query": {"token": f"{CANARY}-per-call-query"},
}
KEY = f"{CANARY}-key"
WAYS = ("invoke", "stream", "ainvoke", "astream")


class _Handler(WebHandler, BaseHTTPRequestHandler):
    """Answers `/good/v1`, and everywhere else with an error that holds all that it was sent."""

    def do_GET(self) -> None:
        self.send_whole({"data": [{"id": "q", "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        sent = self.read_body()
        echo = f"bad request of {self.path}: {dict(self.headers)}"
        kind = self.path.split("/")[1]
        self.owner.echoes.append(echo)
        error = {"error": {"message": echo, "type": echo, "headers": dict(self.headers)}}
        if kind == "good" and sent.get("stream"):
            self.send_whole(write_sse(write_events({"content": "hi"})), "text/event-stream")
        elif kind == "good":
            self.send_whole(write_body({"content": "hi"}))
        elif kind == "event" and sent.get("stream"):
            self.send_whole(write_sse([*write_events({"content": "hi"}, reason=None), error]), "text/event-stream")
        elif kind == "torn":
            self.send_whole(f"data: {{{echo}\n\n".encode(), "text/event-stream")
        elif kind == "stray":
            begun = write_sse(write_events({"content": "hi"}, reason=None), done=False)
            self.send_whole(begun + f"{echo}\n".encode(), "text/event-stream")
        elif kind == "page":
            self.send_whole(f"<html><title>{echo}</title></html>".encode(), "text/html", headers={"X-Echo": echo})
        else:
            self.send_whole(error, status=int(kind) if kind.isdecimal() else 200)


class Echo(WebServer):
    """A server that tells everything it was sent."""

    handler: ClassVar[type[WebHandler]] = _Handler

    def __init__(self) -> None:
        self.echoes: list[str] = []


@pytest.fixture
def server() -> Iterator[Echo]:
    """A server of the test's own."""
    with Echo() as echo:
        yield echo


def build(server: Echo, kind: str = "good", **fields: Any) -> ChatQwen3:
    """Return a model with a secret in every place that can hold one."""
    address = server.root.replace("//", f"//{CANARY}-user:{CANARY}-password@")
    return ChatQwen3(
        model="q",
        base_url=f"{address}/{kind}/v1?sig={CANARY}-address-query",
        default_headers={"X-Auth-Token": f"{CANARY}-header", "Cookie": f"session={CANARY}-cookie"},
        default_query={"api-key": f"{CANARY}-query"},
        max_retries=0,
        timeout=60,
        **{"api_key": KEY, **fields},
    )


def give_key() -> str:
    """Return the key, as a function that fetches it from a vault does."""
    return KEY


async def agive_key() -> str:
    """Do what `give_key` does."""
    return KEY


def ask(model: Any, way: str, settings: dict[str, Any] = CALL) -> BaseMessage:
    """Ask in one way."""

    async def astream() -> BaseMessage:
        chunks = [chunk async for chunk in model.astream("hi", **settings)]
        return sum(chunks[1:], chunks[0])

    if way == "invoke":
        return model.invoke("hi", **settings)
    if way == "stream":
        chunks = list(model.stream("hi", **settings))
        return sum(chunks[1:], chunks[0])
    return asyncio.run(model.ainvoke("hi", **settings) if way == "ainvoke" else astream())


def show_all(thing: Any) -> str:
    """Return everything that a thing shows."""
    return "\n".join((repr(thing), str(thing), dumps(thing), json.dumps(dumpd(thing), default=repr)))


def show_error(error: BaseException) -> str:
    """Return everything that an error holds, and what caused it."""
    shown = ["".join(traceback.format_exception(error)), repr(pickle.dumps(error)), repr(copy.copy(error).__dict__)]
    link: BaseException | None = error
    while link is not None:
        shown += [str(link), repr(link), repr(link.args), repr(vars(link))]
        for part in (getattr(link, "request", None), getattr(link, "response", None)):
            if part is not None:
                shown += [repr(part), repr(part.headers), str(part.url)]
                shown += [part.text] if hasattr(part, "text") else []
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


@pytest.mark.parametrize("key", [KEY, give_key, agive_key], ids=["text", "function", "coroutine"])
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_no_secret_is_in_what_a_good_call_leaves(
    key: Any, transport: str, server: Echo, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects caches, checkpoints, traces and logs: model, copies, message, runs and cache hold no secret."""
    for name in ("DASHSCOPE_API_KEY", "OPENAI_API_KEY", "LANGSMITH_API_KEY"):
        monkeypatch.setenv(name, f"{CANARY}-{name}")
    caplog.set_level(logging.DEBUG)
    cache = InMemoryCache()
    model = build(server, transport=transport, api_key=key, cache=cache, include_response_headers=True)
    shown = []
    with collect_runs() as runs:
        for way in WAYS if key is not agive_key else WAYS[2:]:
            message = ask(model, way)
            assert message.text == "hi"
            shown += [show_all(message), repr(pickle.dumps(message)), repr(message.content_blocks)]

        async def follow() -> list[Any]:
            return [event async for event in model.bind(**CALL).astream_events("hi")]

        shown.append(repr(asyncio.run(follow())))
    shown += [repr(run.model_dump()) for run in runs.traced_runs]
    assert runs.traced_runs
    shown.append(repr(cache._cache))
    for thing in (model, model | str, model.bind(**CALL), model.with_retry(), model.bind_tools([]), copy.copy(model)):
        shown.append(show_all(thing))
    shown += [show_all(model.model_copy()), show_all(copy.deepcopy(model)), repr(vars(model)["root_async_client"])]
    assert CANARY not in "\n".join(shown)
    assert any(f"{CANARY}-per-call-header" in echo for echo in server.echoes)
    assert "OPENAI" not in "".join(server.echoes)
    for record in caplog.records:
        if record.name.partition(".")[0].rstrip("2") not in ("httpx", "openai"):  # they log whole URLs, queries too
            assert CANARY not in record.getMessage(), record
        for word in ("key", "header", "cookie", "password", "user"):
            assert f"{CANARY}-{word}" not in record.getMessage(), record


@pytest.mark.parametrize("kind", ["401", "400", "404", "429", "500", "418", "event", "page", "error", "torn", "stray"])
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_no_secret_is_in_an_error_when_the_server_echoes_it(kind: str, transport: str, server: Echo) -> None:
    """Protects error reports: everything in an error and its causes, in every way to ask."""
    model = build(server, kind, transport=transport)
    for way in WAYS:
        with collect_runs() as runs, pytest.raises(Qwen3Error) as caught:
            ask(model, way)
        assert CANARY not in show_error(caught.value)
        assert CANARY not in repr([run.model_dump() for run in runs.traced_runs])
    assert all(f"{CANARY}-header" in echo for echo in server.echoes)


def show_variables(error: BaseException) -> str:
    """Return the local variables of a traceback, as Sentry, loguru and rich show them; those of this file aside."""
    shown = []
    link: BaseException | None = error
    while link is not None:
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if frame.f_code.co_filename != __file__:
                shown += [f"{frame.f_code.co_name}: {name} = {value!r}" for name, value in frame.f_locals.items()]
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


@pytest.mark.parametrize("kind", ["401", "400", "404", "429", "500", "418", "closed"])
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_no_secret_of_the_model_is_in_a_variable_when_a_call_fails(kind: str, transport: str, server: Echo) -> None:
    """Protects the key from services that collect errors: they upload the local variables of every stack frame."""
    model = build(server, kind, transport=transport)
    if kind == "closed":
        address = f"http://{CANARY}-user:{CANARY}-password@127.0.0.1:{closed_port()}/v1"
        model = model.model_copy(update={"base_url": address})
    for way in WAYS:
        with pytest.raises(Qwen3Error) as caught:
            ask(model, way, {})
        shown = show_variables(caught.value)
        assert "self = ChatQwen3(" in shown
        for word in ("key", "header", "cookie", "user", "password"):
            assert f"{CANARY}-{word}" not in shown


class _Proxy(BaseHTTPRequestHandler):
    """Answers every request, and every CONNECT, with the status of its server."""

    def do_POST(self) -> None:
        self.send_error(self.server.status)

    do_CONNECT = do_POST  # noqa: N815  # the name is http.server's

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [0, 407, 502])
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_no_secret_is_left_when_a_proxy_fails(scheme: str, status: int, transport: str) -> None:
    """Protects keys and the proxy's password: httpcore has them in a variable, aiohttp in its error's arguments."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as proxy:
        proxy.status = status  # type: ignore[attr-defined]
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        port = proxy.server_port if status else closed_port()
        model = ChatQwen3(
            model="q",
            base_url=f"{scheme}://{CANARY}-user:{CANARY}-password@host.invalid/v1",
            api_key=KEY,
            default_headers={"X-Auth-Token": f"{CANARY}-header"},
            openai_proxy=f"http://{CANARY}-proxy:{CANARY}-password@127.0.0.1:{port}",
            transport=transport,  # type: ignore[arg-type]
            max_retries=0,
            timeout=60,
        )
        shown = []
        for way in WAYS:
            with pytest.raises(Qwen3Error) as caught:
                ask(model, way, {})
            shown += [show_error(caught.value), show_variables(caught.value)]
        proxy.shutdown()
    assert CANARY not in "\n".join(shown)
    for word in ("user", "proxy"):  # the beginning of a login, as Basic writes it
        assert base64.b64encode(f"{CANARY}-{word}:{CANARY}-pass".encode())[:-4].decode() not in "\n".join(shown)


def run_batch(url: str, folder: Any) -> list[str]:
    """Return the arguments of a batch."""
    (folder / "in.jsonl").write_text('{"prompt": "hi"}\n')
    return ["batch", str(folder / "in.jsonl"), url, "-o", str(folder / "out.jsonl")]


COMMANDS: dict[str, Callable[[str, Any], list[str]]] = {
    "ask": lambda url, _: ["ask", url, "hi"],
    "models": lambda url, _: ["models", url],
    "doctor": lambda url, _: ["doctor", url],
    "bench": lambda url, _: ["bench", url, "--requests", "2"],
    "batch": run_batch,
    "chat": lambda url, _: ["chat", url],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["good", "401", "page"])
def test_no_secret_is_in_what_a_command_prints_or_writes(command: str, kind: str, server: Echo, tmp_path: Any) -> None:
    """Protects what people paste into bug reports: the output of every command, its files included."""
    url = server.root.replace("//", f"//{CANARY}-user:{CANARY}-password@") + f"/{kind}/v1"
    arguments = COMMANDS[command](url, tmp_path)
    env = {"QWEN_API_KEY": KEY, "COLUMNS": "300", "TERM": "dumb"}
    result = CliRunner().invoke(commands, arguments, env=env, input="hi\n/model\n" if command == "chat" else None)
    assert "No such option" not in result.output
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY not in f"{result.output}{result.exception!r}{written}"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_password_of_a_proxy_is_in_what_a_command_prints_or_writes(command: str, tmp_path: Any) -> None:
    """Protects what people paste into bug reports: the proxy of the environment, which cannot be reached."""
    proxy = f"http://{CANARY}-user:{CANARY}-password@127.0.0.1:{closed_port()}"
    arguments = COMMANDS[command](f"http://model.test/v1?sig={CANARY}-query", tmp_path)
    env = {"HTTP_PROXY": proxy, "http_proxy": proxy, "NO_PROXY": "", "no_proxy": "", "QWEN_API_KEY": KEY}
    result = CliRunner().invoke(commands, arguments, env={**env, "COLUMNS": "300", "TERM": "dumb"}, input="hi\n")
    assert result.exit_code
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY not in f"{result.output}{result.exception!r}{written}"


@pytest.mark.parametrize("kind", ["good", "401", "event", "page"])
async def test_no_secret_is_in_what_a_notebook_shows(
    kind: str, server: Echo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects notebooks that are shared: reply, short traceback, diagnosis and progress bar, as they are saved."""
    drawn: list[str] = []
    monkeypatch.setattr(Outputs, "put", lambda _, place, page, plain: drawn.extend((place, page, plain)))
    monkeypatch.setattr(Outputs, "__init__", lambda self: vars(self).update(redraws=True, _shown={}))
    model = build(server, kind)
    try:
        await display_stream(model.astream("hi", **CALL))
    except Qwen3Error as error:
        drawn += [*error._render_traceback_(), repr(error)]
    diagnosis = await model.adoctor()
    drawn += [diagnosis._repr_html_(), str(diagnosis), repr(diagnosis), json.dumps(diagnosis.to_dict())]
    view = ExaminationView()
    view.start("title")
    for finding in diagnosis.findings:
        view.add(finding)
    view.end()
    with BatchProgress(total=2) as progress:
        await model.abatch(["a", "b"], {"callbacks": [progress]}, return_exceptions=True, **CALL)
    assert len(drawn) > 5
    shown = "\n".join(drawn) + "".join(capsys.readouterr()) + repr(progress)
    assert CANARY not in shown


def test_no_key_is_in_a_recording() -> None:
    """Protects the keys of whoever records: no cassette, capture or page has a header that can hold one."""
    root = Path(__file__).parents[2]
    made_up = rb"(?:sk-local|sk-master-key|sk-wrong|EMPTY)\b"  # keys of servers that were started to be recorded
    secrets = re.compile(
        rb"(?im)^\s*-?\s*[\"']?(?:authorization|x-api-key|api-key|(?:set-)?cookie)[\"']?\s*+:\s*+[\"']*+"
        rb"(?!bearer |\w*\*\*)\S"
        rb"|bearer (?!" + made_up + rb")[\w.-]{8,}|\bsk-(?!local|master-key)\w{16,}|\bhf_\w{16,}"
        rb"|://[^\s/@\"']+:[^\s/@\"']+@"
    )
    found, count = set(), 0
    for path in [
        *root.glob("tests/**/cassettes/**/*"),
        *root.glob("tests/captures/**/*"),
        *root.glob("docs/notebooks/*"),
    ]:
        if path.is_file():
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            count += 1
            if secrets.search(data):
                found.add(path.relative_to(root))
    assert count > 50
    assert found == set()


def find_in_memory(word: str) -> set[str]:
    """Return the texts with a word that any container holds which is not frozen."""
    held = set()
    for thing in gc.get_objects():
        if isinstance(thing, dict | list | tuple | set | frozenset):
            parts = [*thing.values(), *thing] if isinstance(thing, dict) else [*thing]
            held |= {part for part in parts if isinstance(part, str) and word in part}
    return held


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_password_of_an_address_is_forgotten_when_its_model_is_gone(transport: str) -> None:
    """Protects from memory dumps: not even urllib's own cache of URLs keeps it."""
    password = f"canary{uuid4().hex}"
    gc.collect()
    gc.freeze()  # what was there before is a million objects, and knows nothing of it; thawed, it slows later tests
    with Loopback() as server:
        url = server.base_url.replace("//", f"//bob:{password}@")
        model = ChatQwen3(model="q", base_url=url, api_key=password, transport=transport)  # type: ignore[arg-type]
        model.invoke("hi")
        asyncio.run(model.ainvoke("hi"))
        was_held = bool(find_in_memory(password))
        model.close()
        del model
        server.requests.clear()
    gc.collect()
    assert was_held
    assert find_in_memory(password) == set()
