"""Which of server, local tokenizer and estimate counts, and that a count never fails for want of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.tokens import local as local_tokenizer
from langchain_qwen3.tokens.estimate import estimate_tokens
from langchain_qwen3.tokens.local import LocalTokenizer
from tests.support.replies import TOOL
from tests.support.web import WebHandler, WebServer

MODEL = "Qwen/Qwen3-0.6B"
NOBODY = "http://127.0.0.1:9/v1"
QUESTION = [HumanMessage("你是谁?")]


class CounterHandler(WebHandler, BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.requests.append((self.path, body))
        self.send_whole(json.dumps(self.owner.reply).encode())


class Counter(WebServer):
    """Counts as vLLM does, or answers with something else."""

    handler = CounterHandler

    def __init__(self) -> None:
        self.reply: Any = {"count": 3, "max_model_len": 4096, "tokens": [7, 8, 9], "token_strs": None}
        self.requests: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"{self.root}/v1"


@pytest.fixture
def counter() -> Iterator[Counter]:
    """A counting server."""
    with Counter() as server:
        yield server


@pytest.fixture
def no_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra `tokenizer`."""
    for name in ("_load_encoding", "_load_template"):
        monkeypatch.setattr(local_tokenizer, name, getattr(local_tokenizer, name).__wrapped__)
    for module in ("tiktoken", "jinja2", "jinja2.ext"):
        monkeypatch.setitem(sys.modules, module, None)


def build(base_url: str = NOBODY, server: str = "vllm", **settings: Any) -> ChatQwen3:
    """A model on a server that is known."""
    return ChatQwen3(model=MODEL, base_url=base_url, server=server, **settings)


def test_takes_the_servers_word_when_it_counts(counter: Counter):
    """Protects exact counts: texts, ids and chats are requests of the server, the chat with its tools and switches."""
    model = build(counter.url, enable_thinking=False)
    assert model.get_token_ids("abc") == [7, 8, 9]
    assert model.get_num_tokens("abc") == 3
    assert model.get_num_tokens_from_messages(QUESTION, tools=[TOOL]) == 3
    path, body = counter.requests[-1]
    assert path == "/tokenize"
    assert body["tools"] == [TOOL]
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("reply", [{"detail": "Not Found"}, [], "no", {"count": "many"}, {"tokens": "abc"}], ids=str)
def test_counts_locally_when_the_servers_word_is_no_count(counter: Counter, reply: Any):
    """Protects counting from gateways that answer everything: what is no count is not taken for one."""
    counter.reply = reply
    expected = LocalTokenizer(MODEL)
    assert build(counter.url).get_num_tokens("你是谁?") == len(expected.encode("你是谁?"))
    messages: list[Any] = [{"role": "user", "content": "你是谁?"}]
    assert build(counter.url).get_num_tokens_from_messages(QUESTION) == expected.count_messages(messages, None, None)


@pytest.mark.parametrize("server", ["vllm", "dashscope"])
def test_counts_locally_when_there_is_no_server_to_ask(server: str):
    """Protects counting before a server runs, and on services that cannot count: no error, and no other host."""
    expected = LocalTokenizer(MODEL)
    assert build(server=server).get_token_ids("你是谁?") == expected.encode("你是谁?")
    assert build(server=server).get_num_tokens_from_messages(QUESTION) > build(server=server).get_num_tokens("你是谁?")


@pytest.mark.usefixtures("no_tokenizer")
def test_estimates_when_neither_server_nor_tokenizer_is_there():
    """Protects trimming without the extra: a count is an estimate then, ids name what to install."""
    model = build(server="dashscope")
    assert model.get_num_tokens("你是谁? Who?") == estimate_tokens("你是谁? Who?")
    assert model.get_num_tokens_from_messages(QUESTION) > 0
    with pytest.raises(ImportError, match="tokenizer"):
        model.get_token_ids("你是谁?")


@pytest.mark.parametrize(
    "messages",
    [[], [SystemMessage("s")], [ToolMessage("25°C", tool_call_id="c")], [HumanMessage("a"), SystemMessage("late")]],
    ids=["none", "system alone", "a result alone", "late system"],
)
def test_counts_pieces_of_a_conversation_when_no_template_could_render_them(messages: list[Any]):
    """Protects `trim_messages`, which counts any piece of a conversation, also one that could not be sent."""
    assert build().get_num_tokens_from_messages(messages) >= 0


def test_counts_thinking_as_the_template_writes_it_when_the_call_switches_it():
    """Protects the count of a call's own settings: with thinking off the template writes an empty block."""
    on = build().get_num_tokens_from_messages(QUESTION, enable_thinking=True)
    off = build().get_num_tokens_from_messages(QUESTION, enable_thinking=False)
    assert off == on + 4


@pytest.mark.parametrize("messages", ["a b", [("user", "a b")], [{"role": "user", "content": "a b"}]])
def test_counts_messages_of_every_form_that_a_call_takes(messages: Any) -> None:
    """Protects from an AttributeError for what `invoke` takes, with the tools that are bound."""
    model = build(custom_get_token_ids=lambda text: [*range(len(text))])
    expected = model.get_num_tokens_from_messages([HumanMessage("a b")], tools=[TOOL])
    assert model.get_num_tokens_from_messages(messages, tools=[TOOL]) == expected
    assert model.bind_tools([TOOL]).get_num_tokens_from_messages(messages) == expected  # type: ignore[attr-defined]
