"""Messages as users pass them: no part reaches LangChain's core in a form that core would refuse or change."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langchain_core.messages.content import create_image_block
from langchain_core.messages.tool import tool_call_chunk as create_tool_call_chunk

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch.rows import build_row
from langchain_qwen3.request.media import MediaError
from langchain_qwen3.request.messages import MessageError
from tests.support.scripted import Scripted

PNG_BYTES = b"\x89PNG\r\n\x1a\n"
PNG = base64.b64encode(PNG_BYTES).decode()
IMAGE = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
CSV = base64.b64encode(b"a,b\n1,2").decode()


def converse(part: Any, role: str) -> list[BaseMessage]:
    """Return a conversation with the part in a message of this role."""
    if role == "user":
        return [HumanMessage([part])]
    call = {"name": "look", "args": {}, "id": "1"}
    return [HumanMessage("q"), AIMessage("", tool_calls=[call]), ToolMessage([part], tool_call_id="1")]


@pytest.mark.parametrize("role", ["user", "tool"])
def test_sends_a_part_when_core_could_not_convert_it(role: str):
    """Protects parts whose type is found in their bytes, also in a tool's result, where an error would end the run."""
    parts: list[tuple[Any, Any]] = [
        (create_image_block(base64=PNG), IMAGE),
        ({"type": "image", "base64": PNG_BYTES}, IMAGE),
        ({"type": "image", "base64": PNG.encode()}, IMAGE),
        ({"type": "image", "source_type": "base64", "data": PNG}, IMAGE),
        ({"type": "image", "source_type": "base64", "base64": PNG}, IMAGE),
        ({"type": "image", "source_type": "url", "data": PNG}, IMAGE),
        ({"type": "image", "base64": PNG, "max_pixels": 9}, IMAGE),
        ({"type": "file", "source_type": "base64", "base64": CSV, "mime_type": "text/csv"}, "a,b\n1,2"),
        ({"type": "file", "file": {"file_data": f"data:text/csv;base64,{CSV}"}}, "a,b\n1,2"),
        ({"type": "file", "file": {"filename": "a.csv", "file_data": CSV}}, "a.csv:\na,b\n1,2"),
        ({"type": "file", "file": {"file_data": f"data:image/png;base64,{PNG}"}}, IMAGE),
    ]
    with Scripted(lambda _: {"content": "ok"}) as server:
        model = ChatQwen3(model="Qwen/Qwen3-VL-8B-Instruct", base_url=server.url, server="vllm")
        for part, wire in parts:
            messages = converse(part, role)
            model.invoke(messages)
            assert server.requests[-1]["messages"][-1]["content"] == wire
            assert messages[-1].content == [part]  # the user's message is unchanged


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "base64": "AAAA"},
        {"type": "image", "base64": 5},
        {"type": "image", "text": "a cat"},
        {"type": "image", "source_type": "base64", "mime_type": "image/png", "text": "a cat"},
        *({"type": kind, "source_type": "url"} for kind in ("image", "audio", "file")),
        *({"type": kind, "source_type": "base64", "mime_type": "image/png"} for kind in ("image", "audio", "file")),
        *({"type": kind, "source_type": "id"} for kind in ("image", "audio", "file")),
        {"type": "file", "source_type": "id", "id": None},
        {"type": "file", "source_type": "text", "mime_type": "text/plain"},
    ],
)
@pytest.mark.filterwarnings("ignore:a part of a tool's result")
def test_is_a_media_error_for_a_user_and_a_line_of_text_for_a_tool_when_a_part_is_bad(part: dict[str, Any]):
    """Protects from core's raw errors, which come before a request is built, and the thread of a tool's result."""
    with Scripted(lambda _: {"content": "ok"}) as server:
        model = ChatQwen3(model="Qwen/Qwen3-Omni-30B-A3B-Instruct", base_url=server.url, server="vllm")
        for send in (model.invoke, model.stream):
            with pytest.raises(MediaError, match=r"^messages\[0\]\.content\[0\]: "):
                list(send(converse(part, "user")))
            assert list(send(converse(part, "tool")))
        assert all(isinstance(body["messages"][-1]["content"], str) for body in server.requests)


@pytest.mark.parametrize("content", [7, {"type": "text"}, ["look", None], ["look", 7], ["look", ["deep"]]])
def test_names_the_position_when_langchain_cannot_read_the_content(content: Any):
    """Protects from pydantic's error: messages written as dicts or pairs are checked by LangChain, not by us."""
    model = ChatQwen3(model="m", base_url="http://localhost:1/v1", server="vllm")
    for message in ({"role": "user", "content": content}, ("user", content)):
        for send in (model._get_request_payload, model.invoke, model.stream):
            with pytest.raises(MediaError, match=r"^messages\[1\]\.content(\[1\])?:? .*pass a string, or a"):
                list(send(["hello", message]))  # type: ignore[operator]


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def write_call(**function: Any) -> dict[str, Any]:
    """Return a call as OpenAI's SDK keeps it."""
    return {"id": "1", "type": "function", "function": {"name": "f", **function}}


@pytest.mark.parametrize(
    ("call", "result", "wire"),
    [
        (write_call(arguments=""), {"tool_call_id": "1"}, CALL),  # what several servers send for {}
        (write_call(arguments='{"city": "Pa'), {"tool_call_id": "1"}, CALL),  # cut by max_tokens
        (write_call(arguments='{"a": 1}}'), {"tool_call_id": "1"}, CALL),
        (write_call(arguments=None), {"tool_call_id": "1"}, CALL),
        (write_call(arguments="null"), {"tool_call_id": "1"}, CALL),
        (write_call(arguments="[1]"), {"tool_call_id": "1"}, CALL),
        (write_call(), {"tool_call_id": "1"}, CALL),
        (write_call(arguments='{"a":1}'), {"tool_call_id": "1"}, write_call(arguments='{"a":1}')),
        (write_call(arguments={"a": 1}), {"tool_call_id": "1"}, write_call(arguments='{"a":1}')),
        ({"name": "f", "args": {}, "id": "1", "type": "tool_call"}, {"tool_call_id": "1"}, CALL),
        ({"function": {"name": "f", "arguments": {}}}, {"tool_name": "f"}, {**CALL, "id": "call_f"}),  # Ollama's API
        ({"function": {"name": "f", "arguments": "{}"}}, {"tool_call_id": None}, {**CALL, "id": "call_f"}),
    ],
    ids=str,
)
def test_sends_the_calls_of_a_dict_when_core_cannot_read_them(call: Any, result: Any, wire: Any):
    """Protects histories that other clients keep: one call that a model spoilt would make the whole thread unusable."""
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "t", **result},
    ]
    before = copy.deepcopy(messages)
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")
    _, asked, answered = model._get_request_payload(messages)["messages"]
    assert (asked["tool_calls"], answered["tool_call_id"]) == ([wire], wire["id"])
    assert messages == before
    assert [message.type for message in build_row(1, messages).build_messages()] == ["human", "ai", "tool"]


@pytest.mark.parametrize("key", ["tool_name", "name"])
@pytest.mark.parametrize("order", ["fg", "gf"])
def test_gives_results_to_their_calls_when_only_names_tell(key: str, order: str):
    """Protects histories in the form of Ollama's own API, whose results have a `tool_name` and no id."""
    calls = [{"function": {"name": name, "arguments": {}}} for name in "fg"]
    results = [{"role": "tool", key: name, "content": f"of {name}"} for name in order]
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
    sent = ChatQwen3(model="Qwen/Qwen3-8B", server="ollama")._get_request_payload(messages)["messages"]
    assert [message["content"] for message in sent[2:]] == ["of f", "of g"]
    assert [message["tool_call_id"] for message in sent[2:]] == ["call_f", "call_g"]


@pytest.mark.parametrize("call", [CALL, write_call(arguments=""), {"name": "f", "args": {}, "id": "1"}], ids=str)
def test_sends_the_calls_of_a_dict_when_it_has_no_content(call: Any):
    """Protects a message of the SDK that was dumped without its nulls, and a tuple of messages."""
    messages = (
        {"role": "user", "content": "q"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "t", "tool_call_id": "1"},
    )
    _, asked, answered = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")._get_request_payload(messages)["messages"]
    assert asked == {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert answered == {"role": "tool", "content": "t", "tool_call_id": "1"}
    assert len(build_row(1, [*messages]).build_messages()) == 3


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "assistant"}],
        [{"role": "assistant", "tool_calls": []}],
        [{"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "nobody", "content": ""}],
        [{"role": "tool", "content": {"a": 1}}],
        ["q", 5],
    ],
    ids=str,
)
def test_raises_when_the_messages_of_a_list_are_none(messages: Any):
    """Protects the errors for what is no message at all from the repair of calls."""
    with pytest.raises((ValueError, NotImplementedError)):
        ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")._get_request_payload(messages)


_CALL = {"id": "7", "name": "look", "args": {"at": "月"}}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("content", None, r"messages\[1\]\.content is a NoneType: pass a text, or a list of parts"),
        ("content", 5, r"messages\[1\]\.content is an int"),
        ("content", {"type": "text", "text": "x"}, r"messages\[1\]\.content is a dict"),
        ("additional_kwargs", None, r"messages\[1\]\.additional_kwargs is a NoneType: pass a dict"),
        ("type", ["ai"], r"messages\[1\]\.type is a list: pass a text"),
        ("tool_calls", 3, r"messages\[1\]\.tool_calls is an int: pass a list of dicts"),
        ("tool_calls", _CALL, r"messages\[1\]\.tool_calls is a dict"),
        ("tool_calls", [None], r"messages\[1\]\.tool_calls\[0\] is a NoneType: pass a dict with id, name and args"),
        ("invalid_tool_calls", ["x"], r"messages\[1\]\.invalid_tool_calls\[0\] is a str"),
    ],
)
def test_names_the_message_and_field_where_an_assignment_left_a_wrong_type(field: str, value: Any, error: str):
    """Protects from a raw error of Python: LangChain checks no field of a message once it is built."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", base_url="http://127.0.0.1:9/v1", server="vllm")
    messages = [HumanMessage("q"), AIMessage("a").model_copy(update={field: value}), HumanMessage("q")]
    for use in (model.invoke, model._get_request_payload, model.get_num_tokens_from_messages):
        with pytest.raises(MessageError, match=error):
            use(messages)


@pytest.mark.parametrize(
    ("changed", "call"),
    [
        ({"tool_calls": [{**_CALL, "id": 7}]}, ("7", "look", '{"at":"月"}')),
        ({"tool_calls": [{"name": "look", "args": {}}]}, ("call_look", "look", "{}")),
        ({"tool_calls": [{"id": "7", "args": {}}]}, ("7", "unknown", "{}")),
        ({"tool_calls": [{**_CALL, "name": None}]}, ("7", "unknown", '{"at":"月"}')),
        ({"tool_calls": [{"id": "7", "name": "look"}], "invalid_tool_calls": None}, ("7", "look", "{}")),
        ({"tool_calls": [{"id": "7", "function": {"name": "look", "arguments": "{}"}}]}, ("7", "look", "{}")),
        ({"tool_calls": None, "invalid_tool_calls": [{"id": 7, "name": "look"}]}, ("7", "look", "{}")),
        ({"additional_kwargs": {"tool_calls": [{"id": "7", "function": "look"}]}}, ("7", "look", "{}")),
        ({"additional_kwargs": {"tool_calls": 3}}, None),
        ({"content": [], "tool_calls": None, "response_metadata": None}, None),
    ],
)
def test_reads_the_calls_of_a_changed_message_in_any_form(changed: dict[str, Any], call: tuple[str, ...] | None):
    """Protects histories from databases and other frameworks, with ids that are numbers and calls without a key."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", base_url="http://127.0.0.1:9/v1", server="vllm")
    messages = [HumanMessage("q"), AIMessage("").model_copy(update=changed)]
    if call:
        messages.append(ToolMessage("r", tool_call_id=call[0]).model_copy(update={"tool_call_id": changed_id(call[0])}))
    wire = model._get_request_payload(messages)["messages"]
    sent = [(made["id"], *made["function"].values()) for made in wire[1].get("tool_calls", ())]
    assert sent == ([call] if call else [])
    assert [message["content"] for message in wire[2:]] == (["r"] if call else [])
    assert model.get_num_tokens_from_messages(messages) > 0


def changed_id(id_: str) -> int | str:
    """Return an id as a database may hold it: a number."""
    return int(id_) if id_.isdecimal() else id_


WROTE = AIMessageChunk(
    content="",
    additional_kwargs={"reasoning_content": "Look."},
    tool_call_chunks=[
        create_tool_call_chunk(id="1", index=0, name="look", args='{"at":"月"}'),
        create_tool_call_chunk(id="2", index=1, name="look", args="the moon]"),
    ],
)
SAW = [ToolMessage("round", tool_call_id="1"), ToolMessage("what?", tool_call_id="2", status="error")]
DUMPS: dict[str, Callable[[BaseMessage], Any]] = {
    "model_dump": lambda message: message.model_dump(),
    "as JSON": lambda message: json.loads(message.model_dump_json()),
    "dumpd": dumpd,
    "read by LangGraph": lambda message: convert_to_messages([message_chunk_to_message(message).model_dump()])[0],  # type: ignore[arg-type]
}


@pytest.mark.parametrize("dump", DUMPS.values(), ids=DUMPS)
@pytest.mark.parametrize("wrote", [WROTE, message_chunk_to_message(WROTE)], ids=["sum of chunks", "message"])
def test_sends_a_dumped_message_as_the_message_itself(wrote: BaseMessage, dump: Callable[[BaseMessage], Any]):
    """Protects conversations kept as JSON: core refuses a chunk's dump, and hides a dump's invalid calls."""
    model = ChatQwen3(model="Qwen/Qwen3-8B", server="vllm")
    sent = model._get_request_payload([HumanMessage("q"), wrote, *SAW])["messages"]
    assert [call["function"]["name"] for call in sent[1]["tool_calls"]] == ["look", "look"]
    dumped = [dump(message) for message in (HumanMessage("q"), wrote, *SAW)]
    before = copy.deepcopy(dumped)
    assert model._get_request_payload(dumped)["messages"] == sent
    assert dumped == before
