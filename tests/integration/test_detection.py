"""Detection against a small server on 127.0.0.1 that answers as one server or another, late, wrongly or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import openai
import pytest
from langchain_core.messages import HumanMessage

from langchain_qwen3 import ChatQwen3, LocalTokenizer, MediaError
from langchain_qwen3.connections.exchange import afetch_json, fetch_json
from langchain_qwen3.servers import detection
from langchain_qwen3.servers.detection import alook_up, look_up, recall_facts
from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.facts import ServerFacts
from tests.support.web import WebHandler, WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without certificates, which take long to load
CAPTURES = Path(__file__).parents[1] / "captures"
VLLM_MODELS = json.loads((CAPTURES / "vllm-parsers" / "get_v1_models.json").read_text())["response"]["body"]
LLAMA_MODELS = json.loads((CAPTURES / "llama-server" / "get_v1_models.json").read_text())["response"]["body"]
UNTOLD = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "us", "max_model_len": 4096}]}


class PodHandler(WebHandler, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pod = self.owner
        pod.paths.append(self.path)
        pod.requested.set()
        pod.gate.wait(60)
        body = pod.bodies.get(self.path)
        reply = body or {"detail": "Not Found"}
        self.send_whole(reply, status=body if isinstance(body, int) else 404 if body is None else pod.status)

    def version_string(self) -> str:
        return str(self.owner.server)


@dataclass
class Pod(WebServer):
    """A server with given replies, by path; every other path is a 404.

    Attributes:
        bodies: path → what it answers; a number is a status.
        status: Of all replies.
        server: The header of that name.
        gate: Replies wait for it.
        paths: Paths of the requests, in order.
        requested: Set with the first request.
    """

    handler = PodHandler

    bodies: dict[str, Any]
    status: int = 200
    server: str = "uvicorn"
    gate: threading.Event = field(default_factory=threading.Event)
    paths: list[str] = field(default_factory=list)
    requested: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.gate.set()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        self.gate.set()
        super().__exit__(*error)


@pytest.fixture
def pod() -> Iterator[Pod]:
    """A vLLM, as recorded."""
    with Pod({"/v1/models": VLLM_MODELS}) as server:
        yield server


def ask(url: str) -> ServerFacts:
    """Look with a client of its own."""
    http = openai.DefaultHttpxClient(verify=NO_TLS)
    with openai.OpenAI(base_url=url, api_key="x", http_client=http) as client:
        return look_up(partial(fetch_json, client), url)


async def aask(url: str) -> ServerFacts:
    """Do what `ask` does."""
    http = openai.DefaultAsyncHttpxClient(verify=NO_TLS)
    async with openai.AsyncOpenAI(base_url=url, api_key="x", http_client=http) as client:
        return await alook_up(partial(afetch_json, client), url)


OLLAMA_MODELS = {"object": "list", "data": [{"id": "us/m:latest", "object": "model", "owned_by": "us"}]}
LM_STUDIO_MODELS = {"models": [{"key": "qwen3", "loaded_instances": []}]}
PROPS = {"default_generation_settings": {"n_ctx": 4096}}


@pytest.mark.parametrize(
    ("bodies", "server", "name"),
    [
        ({"/v1/models": VLLM_MODELS}, "uvicorn", "vllm"),
        ({"/v1/models": LLAMA_MODELS}, "llama.cpp", "llama.cpp"),
        ({"/v1/models": UNTOLD}, "llama.cpp", "llama.cpp"),
        ({"/v1/models": {"data": [{"id": "m", "owned_by": "sglang"}]}}, "uvicorn", "sglang"),
        ({"/v1/models": {"data": [{"id": "a", "owned_by": "us"}, {"id": "b", "owned_by": "library"}]}}, "", "ollama"),
        ({"/v1/models": UNTOLD, "/props": PROPS}, "", "llama.cpp"),
        (
            {"/v1/models": UNTOLD, "/server_info": {"tool_call_parser": None}, "/api/version": {"version": "1"}},
            "",
            "sglang",
        ),
        ({"/v1/models": UNTOLD, "/api/v1/models": LM_STUDIO_MODELS}, "", "lmstudio"),
        ({"/v1/models": OLLAMA_MODELS, "/api/version": {"version": "0.33.0"}}, "", "ollama"),
        ({"/v1/models": UNTOLD, "/info": {"router": "text-generation-router"}}, "", "tgi"),
        ({"/v1/models": UNTOLD, "/load_model": 405}, "", "transformers"),
        ({"/v1/models": UNTOLD}, "", "generic"),
        ({"/info": {"router": "text-generation-router"}}, "", "tgi"),
        ({"/v1/models": [1, None], "/props": [1], "/info": b"<html>"}, "", "generic"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_knows_the_server_by_what_it_tells(bodies: dict[str, Any], server: str, name: str, is_async: bool):
    """Protects server="auto" on every self-hosted server: two bodies are recorded, the others as in their source."""
    with Pod(bodies, server=server) as pod:
        facts = await aask(pod.url) if is_async else await asyncio.to_thread(ask, pod.url)
        assert facts.dialect.name == name
        assert facts.expires_at is None
        assert recall_facts("auto", pod.url) is facts


async def test_asks_nothing_more_when_the_models_tell(pod: Pod):
    """Protects servers from six requests where one is enough."""
    await aask(pod.url)
    assert pod.paths == ["/v1/models"]


@pytest.mark.parametrize(("models", "size"), [(VLLM_MODELS, 4096), (LLAMA_MODELS, 4096), (UNTOLD, 4096)])
def test_keeps_context_lengths_when_the_server_tells_them(models: dict[str, Any], size: int):
    """Protects profiles: the served length is kept, of unknown servers, too."""
    with Pod({"/v1/models": models}) as pod:
        assert {name: model.context for name, model in ask(pod.url).models.items()} == {models["data"][0]["id"]: size}


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_looks_again_later_when_the_server_could_not_answer(status: int, monkeypatch: pytest.MonkeyPatch):
    """Protects from a wrong key or a loading model that would settle the dialect for good."""
    with Pod({"/v1/models": VLLM_MODELS}, status=status) as pod:
        assert ask(pod.url).dialect.name == "generic"
        pod.status = 200
        assert ask(pod.url).dialect.name == "generic"
        assert len(pod.paths) == 1
        now = detection.monotonic()
        monkeypatch.setattr(detection, "monotonic", lambda: now + detection.FAILURE_SECONDS + 1)
        assert recall_facts("auto", pod.url) is None
        assert ask(pod.url).dialect.name == "vllm"


@pytest.mark.parametrize("status", [200, 404])
def test_looks_again_later_when_a_page_says_that_the_server_is_starting(status: int, monkeypatch: pytest.MonkeyPatch):
    """Protects a pod that is starting: its proxy's page is no word of the server, which is detected once it is up."""
    paths = ["/v1/models", *(row.probe.path for row in DIALECTS.values() if row.probe)]
    with Pod(dict.fromkeys(paths, b"<html>Your pod is starting</html>"), status=status) as pod:
        model = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=pod.url)
        assert ask(pod.url).expires_at is not None
        pod.bodies, pod.status = {"/v1/models": VLLM_MODELS}, 200
        assert model.dialect.name == "generic"
        now = detection.monotonic()
        monkeypatch.setattr(detection, "monotonic", lambda: now + detection.FAILURE_SECONDS + 1)
        assert ask(pod.url).dialect.name == model.dialect.name == "vllm"


async def test_counts_as_unknown_for_a_while_when_nobody_answers():
    """Protects the first call: a refused connection is its own error to report."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        for facts in (await aask(url), await asyncio.to_thread(ask, url)):
            assert facts.dialect.name == "generic"
            assert facts.expires_at is not None


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("took", "after", "name"), [(0.0, 0.1, "vllm"), (0.05, 1, "vllm"), (0.05, 0.2, "generic"), (2.9, 20, "generic")]
)
async def test_looks_again_soon_when_a_refusal_took_no_time(
    *, is_async: bool, took: float, after: float, name: str, pod: Pod, monkeypatch: pytest.MonkeyPatch
):
    """Protects a server that was started after the first call: it is detected; only a slow failure is remembered."""
    now = 1000.0
    monkeypatch.setattr(detection, "monotonic", lambda: now)

    def refuse(*_args: Any, **_options: Any) -> Any:
        nonlocal now
        now += took
        raise ConnectionError

    async def arefuse(*_args: Any, **_options: Any) -> Any:
        refuse()

    facts = await alook_up(arefuse, pod.url) if is_async else look_up(refuse, pod.url)
    assert facts.dialect.name == "generic"
    now += after
    facts = await aask(pod.url) if is_async else await asyncio.to_thread(ask, pod.url)
    assert facts.dialect.name == name


@pytest.mark.parametrize("is_async", [False, True])
async def test_gives_up_when_the_server_is_too_slow(is_async: bool, pod: Pod, monkeypatch: pytest.MonkeyPatch):
    """Protects the first call from a look-up that never ends."""
    monkeypatch.setattr(detection, "LOOK_UP_SECONDS", 0.2)
    pod.gate.clear()
    facts = await aask(pod.url) if is_async else await asyncio.to_thread(ask, pod.url)
    assert facts.dialect.name == "generic"
    assert facts.expires_at is not None


async def settle(pod: Pod) -> None:
    """Wait until the first look-up has reached the server, then until all others must be waiting for it."""
    await asyncio.to_thread(pod.requested.wait)
    await asyncio.sleep(0.2)


async def test_looks_once_when_many_first_calls_come_together(pod: Pod):
    """Protects the server: 8 threads with loops of their own, 8 plain threads and 8 tasks make one request."""
    pod.gate.clear()
    with ThreadPoolExecutor(16) as threads:
        loop = asyncio.get_running_loop()
        others = [
            loop.run_in_executor(threads, function)
            for function in [lambda: ask(pod.url), lambda: asyncio.run(aask(pod.url))] * 8
        ]
        tasks = [asyncio.create_task(aask(pod.url)) for _ in range(8)]
        await settle(pod)
        pod.gate.set()
        facts = [*await asyncio.gather(*others), *await asyncio.gather(*tasks)]
    assert {answer.dialect.name for answer in facts} == {"vllm"}
    assert pod.paths == ["/v1/models"]


async def test_next_in_line_looks_when_the_first_is_cancelled(pod: Pod):
    """Protects waiters from a cancelled first call: none hangs, none is cancelled with it, none is told `generic`."""
    pod.gate.clear()
    first = asyncio.create_task(aask(pod.url))
    await settle(pod)
    others = [asyncio.create_task(aask(pod.url)) for _ in range(3)]
    thread = asyncio.create_task(asyncio.to_thread(ask, pod.url))
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.sleep(0.1)
    pod.gate.set()
    facts = await asyncio.gather(*others, thread)
    assert {answer.dialect.name for answer in facts} == {"vllm"}
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(pod.paths) == 2


async def test_first_call_ends_well_when_a_waiter_is_cancelled(pod: Pod):
    """Protects the looker from those who wait: a cancelled waiter takes nothing with it."""
    pod.gate.clear()
    first = asyncio.create_task(aask(pod.url))
    await settle(pod)
    waiter = asyncio.create_task(aask(pod.url))
    await asyncio.sleep(0.05)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    pod.gate.set()
    assert (await first).dialect.name == "vllm"


async def test_sync_call_looks_itself_when_a_task_of_its_own_loop_is_looking(pod: Pod):
    """Protects a sync call inside a coroutine from waiting for the very loop that it blocks."""
    pod.gate.clear()
    first = asyncio.create_task(aask(pod.url))
    await settle(pod)
    threading.Timer(0.1, pod.gate.set).start()
    assert ask(pod.url).dialect.name == "vllm"
    assert (await first).dialect.name == "vllm"
    assert len(pod.paths) == 2


async def test_loop_goes_on_when_another_thread_is_looking(pod: Pod):
    """Protects the event loop: waiting for a look-up of a thread blocks nothing."""
    pod.gate.clear()
    thread = asyncio.create_task(asyncio.to_thread(ask, pod.url))
    await settle(pod)
    waiter = asyncio.create_task(aask(pod.url))
    turns = 0
    while turns < 20:
        await asyncio.sleep(0.005)
        turns += 1
    assert not waiter.done()
    pod.gate.set()
    assert await waiter is await thread


def test_another_looks_when_the_lookers_loop_was_stopped(pod: Pod, monkeypatch: pytest.MonkeyPatch):
    """Protects from a looker that never comes back: its claim ends with its time, its late failure is nothing."""
    monkeypatch.setattr(detection, "LOOK_UP_SECONDS", 0.5)
    pod.gate.clear()
    loop = asyncio.new_event_loop()
    task = loop.create_task(aask(pod.url))
    loop.run_until_complete(asyncio.to_thread(pod.requested.wait))
    time.sleep(0.5)
    monkeypatch.setattr(detection, "LOOK_UP_SECONDS", 30.0)
    pod.gate.set()
    with ThreadPoolExecutor(1) as threads:
        facts = threads.submit(ask, pod.url).result()
    assert facts.dialect.name == "vllm"
    loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert recall_facts("auto", pod.url) is facts


@pytest.mark.parametrize("name", DIALECTS)
def test_asks_nothing_when_the_server_is_named(name: str, pod: Pod):
    """Protects server=: no request, whatever the URL."""
    facts = recall_facts(name, pod.url)
    assert facts is not None
    assert facts.dialect.name == name
    assert pod.paths == []


def test_asks_nothing_when_the_host_is_known():
    """Protects hosted services from a look-up, with a region's host and a port."""
    for url, name in (
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://openrouter.ai:443/api/v1", "openrouter"),
    ):
        facts = recall_facts("auto", url)
        assert facts is not None
        assert facts.dialect.name == name
    assert recall_facts("auto", "http://localhost:8000/v1") is None
    assert recall_facts("auto", "not a url") is None


@pytest.fixture
async def model(pod: Pod) -> AsyncIterator[ChatQwen3]:
    """A model at the pod."""
    async with ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=pod.url, api_key="x", max_retries=0) as llm:
        yield llm


async def test_first_calls_of_a_model_look_once_when_they_come_together(model: ChatQwen3, pod: Pod):
    """Protects the model's own way to the look-up: the calls fail here (the pod only lists models), but look once."""
    await asyncio.gather(*(model.ainvoke("q") for _ in range(5)), return_exceptions=True)
    assert pod.paths == ["/v1/models"]
    assert model.dialect.name == "vllm"
    payload = model._get_request_payload("q", enable_thinking=True)
    assert payload["chat_template_kwargs"] == {"enable_thinking": True}


def test_server_of_an_assigned_address_is_asked_itself(pod: Pod):
    """Protects every model of the process: the old server's answer was kept as that of the new address."""
    pod.gate.set()
    with Pod({"/v1/models": LLAMA_MODELS}) as other:
        other.gate.set()
        model = ChatQwen3(model="m", base_url=pod.url)
        model.openai_api_base = other.url
        model._detect()
        assert (model.dialect.name, pod.paths) == ("llama.cpp", [])


def test_counts_with_the_vocabulary_that_the_server_names():
    """Protects token counts under an alias: Qwen3.5 and newer have another vocabulary, and the list of models tells."""
    served = {"id": "qwen3", "owned_by": "lmdeploy", "root": "Qwen/Qwen3.6-27B"}
    with Pod({"/v1/models": {"object": "list", "data": [served]}}) as server:
        model = ChatQwen3(model="qwen3", base_url=server.url)
        assert model.get_token_ids("Hello!") == LocalTokenizer("Qwen/Qwen3.6-27B").encode("Hello!")
    assert LocalTokenizer("qwen3").encode("Hello!") != LocalTokenizer("Qwen/Qwen3.6-27B").encode("Hello!")


def test_believes_the_servers_word_before_the_models_name():
    """Protects the whole way of that word: the weights tell that a model sees, which its served name denies."""
    served = {"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "root": "Qwen/Qwen3-VL-8B-Instruct", "max_model_len": 32_768}
    picture = [HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])]
    with Pod({"/v1/models": {"object": "list", "data": [served]}}) as server:
        model = ChatQwen3(model="Qwen/Qwen3-8B", base_url=server.url)
        with pytest.raises(MediaError):
            model._get_request_payload(picture)
        profile = model.served_profile() or {}
        assert (profile["name"], profile["max_input_tokens"]) == ("Qwen3-VL Instruct", 32_768)
        assert model._get_request_payload(picture)["messages"]
