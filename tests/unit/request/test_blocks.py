"""Content blocks of every provider: what they say reaches the server, whatever they are called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import StructuredTool

from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.profiles import ModelLine, find_line
from langchain_qwen3.request.messages import read_reasoning, write_messages
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from langchain_qwen3.servers.engines import VLLM
from langchain_qwen3.servers.hosts import DASHSCOPE, OPENROUTER

SIGNATURE = "c2lnbmF0dXJl"
CALL = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}
# What a model thinks, says and calls, as the clients of other providers keep it.
HISTORIES: dict[str, list[Any]] = {
    "LangChain v1": [
        {"type": "reasoning", "reasoning": "Think."},
        {"type": "text", "text": "Say."},
        {"type": "tool_call", "id": "c1", "name": "f", "args": {"a": 1}},
    ],
    "Anthropic": [
        {"type": "thinking", "thinking": "Think.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
        {"type": "text", "text": "Say.", "citations": []},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
    ],
    "Anthropic, summed up from a stream": [
        {"type": "thinking", "thinking": "Think.", "signature": SIGNATURE, "index": 0},
        {"type": "text", "text": "Say.", "index": 1},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}, "partial_json": '{"a": 1}', "index": 2},
    ],
    "Anthropic, a call that came as a whole": [
        {"type": "thinking", "thinking": "Think.", "signature": SIGNATURE, "index": 0},
        {"type": "text", "text": "Say.", "index": 1},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}, "partial_json": "", "index": 2},
    ],
    "Bedrock through LangChain": [
        {"type": "reasoning_content", "reasoning_content": {"text": "Think.", "signature": SIGNATURE}},
        {"type": "text", "text": "Say."},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
    ],
    "Bedrock's own": [
        {"reasoningContent": {"reasoningText": {"text": "Think.", "signature": SIGNATURE}}},
        {"text": "Say."},
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
    ],
    "Gemini": [
        {"type": "thinking", "thinking": "Think.", "signature": SIGNATURE},
        {"type": "text", "text": "Say.", "extras": {"signature": SIGNATURE}},
        {"type": "function_call", "id": "c1", "name": "f", "args": {"a": 1}},
    ],
    "OpenAI Responses": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Think."}],
            "encrypted_content": SIGNATURE,
        },
        {"type": "output_text", "text": "Say.", "annotations": []},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
    ],
    "OpenAI Responses, open reasoning": [
        {"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "Think."}]},
        {"type": "text", "text": "Say."},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
    ],
    "Mistral": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Think."}]},
        {"type": "text", "text": "Say."},
        {"type": "tool_call", "id": "c1", "name": "f", "args": {"a": 1}},
    ],
    "strings among blocks": [
        {"type": "thinking", "thinking": "Think."},
        "Say.",
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
    ],
}


def write(*messages: BaseMessage, dialect: Dialect = VLLM, line: ModelLine | None = None) -> list[dict[str, Any]]:
    """The wire form."""
    return write_messages(messages, dialect, replay="all", line=line)


@pytest.mark.parametrize("content", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("parsed", [True, False], ids=["calls read by LangChain", "blocks alone"])
def test_sends_what_was_thought_said_and_called_when_another_model_wrote_it(content: list[Any], *, parsed: bool):
    """Protects a thread that changes its model: nothing is lost, no signature is sent, no call comes twice."""
    calls: list[Any] = [{"id": "c1", "name": "f", "args": {"a": 1}}] if parsed else []
    (wire,) = write(AIMessage(content, tool_calls=calls))
    assert (wire["reasoning"], wire["content"]) == ("Think.", "Say.")
    (call,) = wire["tool_calls"]
    assert {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}} == CALL
    assert SIGNATURE not in json.dumps(wire)


@pytest.mark.parametrize("content", HISTORIES.values(), ids=HISTORIES)
def test_is_the_same_text_when_it_comes_through_content_blocks(content: list[Any]):
    """Protects LangChain's own reading of another's blocks: v1 blocks say what the blocks they came from say."""
    message = AIMessage(content)
    again = AIMessage(content=[dict(block) for block in message.content_blocks])
    assert write(again)[0]["content"] == write(message)[0]["content"]


@pytest.mark.parametrize(
    ("kept", "reasoning"),
    [
        ({"reasoning_content": "a"}, "a"),
        ({"reasoning": "a"}, "a"),
        (
            {"reasoning": {"summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]}},
            "a\n\nb",
        ),
        ({"reasoning_content": "", "reasoning": "a"}, "a"),
        ({"thinking": "a"}, "a"),
        ({"thinking": [{"type": "text", "text": "a"}]}, "a"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": SIGNATURE}]}, "a"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}]}, "a"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": SIGNATURE}]}, ""),
        ({"reasoning": "b", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "b"),
        ({"reasoning": None}, ""),
        ({"reasoning": 7, "thinking": [7, None, {}]}, ""),
        ({}, ""),
    ],
)
def test_reads_reasoning_when_a_client_keeps_it_beside_the_content(kept: dict[str, Any], reasoning: str):
    """Protects histories of vLLM's own field name, of ChatOpenAI's Responses and of ours."""
    assert read_reasoning(AIMessage("x", additional_kwargs=kept)) == reasoning


def test_names_the_keys_of_a_block_that_is_left_out():
    """Protects the reader of the warning from a key that is not in the block."""
    with pytest.warns(UnsupportedSettingWarning, match="content block 'with k, l' of an assistant's message"):
        write(AIMessage([{"type": "non_standard", "value": {"k": 1, "l": 2}}, "Say."]))


def test_sends_what_was_said_beside_the_content():
    """Protects a thread in which a model refused or spoke: a refusal and a transcript are its answer."""
    assert write(AIMessage([{"type": "refusal", "refusal": "No."}]))[0]["content"] == "No."
    assert write(AIMessage("", additional_kwargs={"refusal": "No."}))[0]["content"] == "No."
    assert write(AIMessage("", additional_kwargs={"audio": {"id": "1", "transcript": "Hi."}}))[0]["content"] == "Hi."
    for audio in ("x", {}, {"transcript": None}):
        assert write(AIMessage("", additional_kwargs={"audio": audio}))[0]["content"] == ""


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_result", "tool_use_id": "c1", "content": "r"},
        {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "r"}]},
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "r"}], "status": "success"}},
        {"type": "function_call_output", "call_id": "c1", "output": "r"},
    ],
)
def test_makes_a_result_a_message_when_it_stands_in_the_users(block: dict[str, Any]):
    """Protects histories of Anthropic, Bedrock and the Responses API; the rest of the message follows."""
    made = AIMessage("", tool_calls=[{"id": "c1", "name": "f", "args": {}}], additional_kwargs={"reasoning": "t"})
    wire = write_messages([HumanMessage("q"), made, HumanMessage([block])], VLLM, replay="last_turn")
    assert wire[2:] == [{"role": "tool", "content": "r", "tool_call_id": "c1"}]
    assert wire[1]["reasoning"] == "t"  # a message of results begins no turn
    wire = write(HumanMessage("q"), made, HumanMessage([block, {"type": "text", "text": "and?"}]))
    assert wire[3] == {"role": "user", "content": "and?"}


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (7, "7"),
        (None, ""),
        ([], "[]"),
        ({"a": 1}, '{"a": 1}'),
        ([None, 7, ["x"]], 'null\n7\n["x"]'),
        (["a", "b"], "a\nb"),
        ([{"json": {"a": 1}}], '{"a": 1}'),
    ],
)
def test_writes_any_value_when_it_is_a_result_in_the_users_message(inner: Any, text: str):
    """Protects histories of Anthropic and Bedrock: LangChain checks a message's parts, not what is inside of them."""
    made = AIMessage("", tool_calls=[{"id": "c1", "name": "f", "args": {}}])
    for block in (
        {"type": "tool_result", "tool_use_id": "c1", "content": inner},
        {"toolResult": {"toolUseId": "c1", "content": inner}},
    ):
        assert write(HumanMessage("q"), made, HumanMessage([block]))[2]["content"] == text


def test_sends_a_search_result_as_text_when_a_user_brings_it():
    """Protects programs written for Anthropic's search results: nothing of one is lost."""
    block = {
        "type": "search_result",
        "source": "https://example.com",
        "title": "t",
        "content": [{"type": "text", "text": "x"}],
    }
    (wire,) = write(HumanMessage([block]))
    assert json.loads(wire["content"]) == block


def test_keeps_search_results_apart_when_there_are_several():
    """Protects the question and each result: the end of one must not run into the beginning of the next."""
    results = [{"type": "search_result", "source": source, "title": "t", "content": []} for source in "ab"]
    for message in (HumanMessage, SystemMessage):
        (wire,) = write(message(["Which?", *results, "Say."]))
        first, *found, last = wire["content"].split("\n\n")
        assert (first, [json.loads(text) for text in found], last) == ("Which?", results, "Say.")


SEARCH = [
    {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "1", "content": []},
]
ANSWERS: dict[str, tuple[list[Any], str]] = {
    "a search of Anthropic's": (["Let me search.", *SEARCH, "It is 5."], "Let me search.\n\nIt is 5."),
    "a call": (["One.", {"type": "tool_use", "id": "1", "name": "f", "input": {}}, "Two."], "One.\n\nTwo."),
    "reasoning": (["One.", {"type": "thinking", "thinking": "Hm."}, "Two."], "One.\n\nTwo."),
    "an empty text beside it": (["One.", "", {"type": "thinking", "thinking": "Hm."}, "", "Two."], "One.\n\nTwo."),
    "nothing, as in citations": (["The grass is ", {"type": "text", "text": "green"}, "."], "The grass is green."),
    "nothing but an empty text": (["a", "", "b"], "ab"),
    "reasoning at the start": ([{"type": "thinking", "thinking": "Hm."}, "One."], "One."),
    "reasoning at the end": (["One.", {"type": "thinking", "thinking": "Hm."}], "One."),
    "a refusal": (["One.", {"type": "refusal", "refusal": "No."}], "One.No."),
}


@pytest.mark.filterwarnings("ignore:a content block")
@pytest.mark.parametrize(("content", "text"), ANSWERS.values(), ids=ANSWERS)
def test_keeps_texts_of_an_answer_apart_when_something_stood_between(content: list[Any], text: str):
    """Protects what another model said before and after its search, call or thoughts."""
    assert write(AIMessage(content))[0]["content"] == text


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (AIMessage([{"type": "text", "text": "a"}, {"type": "web_search_call", "id": "x"}]), "web_search_call"),
        (AIMessage([{"type": "image", "base64": "AAAA", "mime_type": "image/png"}]), "image"),
        (HumanMessage([{"type": "reasoning", "reasoning": "x"}]), "reasoning"),
        (HumanMessage([{"type": "tool_use", "id": "x", "name": "f", "input": {}}]), "tool_use"),
    ],
)
def test_warns_when_a_block_has_no_place_on_the_wire(message: BaseMessage, kind: str):
    """Protects from silence: what cannot be sent is named."""
    with pytest.warns(UnsupportedSettingWarning, match=kind):
        write(message)


ITEMS = ["a.txt", "b.txt", ""]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_keeps_the_items_of_a_tools_list_apart(dialect: Dialect):
    """Protects MCP tools, which give a block an item: engines put a newline between parts, Qwen3-VL's template none."""
    content: list[Any] = [{"type": "text", "text": item} for item in ITEMS]
    for made in (content, ITEMS, [*content[:1], *ITEMS[1:]]):
        (wire,) = write(ToolMessage(made, tool_call_id="1"), dialect=dialect)
        assert wire["content"] == "\n".join(ITEMS)


@pytest.mark.parametrize(("returned", "text"), [([], "[]"), ((), "[]"), ({}, "{}"), (None, "null"), ("", "")])
def test_says_that_a_tool_found_nothing(returned: Any, text: str):
    """Protects searches without a hit: core makes content without blocks of an empty list, and JSON of one with items.

    https://github.com/langchain-ai/langchain/issues/30578
    """
    find = StructuredTool.from_function(lambda: returned, name="find", description="Find.")
    result = find.invoke({"type": "tool_call", "id": "1", "name": "find", "args": {}})
    (wire,) = write(result)
    assert wire["content"] == text


CIRCLE: dict[str, Any] = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"rows": [1, 2]}], '{"rows": [1, 2]}'),
        ([{"json": {"a": "é"}}], '{"a": "é"}'),
        ([{"stdout": "你好".encode(), "code": 0}], '{"stdout": "你好", "code": 0}'),  # subprocess.run
        ([{"json": {"a": bytearray(b"x\xff")}}], '{"a": "x\ufffd"}'),
        ([{"stdout": "驱动器 C 中的卷没有标签。".encode("gbk")}], '{"stdout": "驱动器 C 中的卷没有标签。"}'),
        ([{"text": "x"}, {"text": "y"}], "x\ny"),
        ([{"type": "search_result", "title": "t"}], '{"type": "search_result", "title": "t"}'),
        # A tool's own words for its own things: a list of files, a log of what an agent did.
        ([{"type": "file", "name": "a.txt", "size": 3}], '{"type": "file", "name": "a.txt", "size": 3}'),
        ([{"type": "text", "title": "x"}], '{"type": "text", "title": "x"}'),
        ([{"type": "tool_call", "id": "x"}], '{"type": "tool_call", "id": "x"}'),
        ([{"type": "reasoning", "reasoning": "x"}], '{"type": "reasoning", "reasoning": "x"}'),
        ([{"cachePoint": {"type": "default"}}, "x"], "x"),
        ([{(1, 2): 3}], "{(1, 2): 3}"),
        ([CIRCLE], "{'self': {'self': {...}}}"),
    ],
)
def test_sends_a_tools_own_json_as_text(content: list[Any], text: str):
    """Protects tools that return lists of objects, Bedrock's JSON blocks and Anthropic's search results."""
    assert write(ToolMessage(content, tool_call_id="1"))[0]["content"] == text


@pytest.mark.filterwarnings("ignore:a content block")
@pytest.mark.parametrize(
    "reasoning",
    [
        {"type": "reasoning", "reasoning": "Hm.", "index": 0},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": SIGNATURE}}},
    ],
)
def test_leaves_out_the_reasoning_of_a_model_that_a_tool_asked(reasoning: dict[str, Any]):
    """Protects results that are another model's `content`, as of a sub-agent or LangChain's LLMToolEmulator."""
    answer = [reasoning, {"type": "text", "text": "Sunny."}]
    assert write(ToolMessage(answer, tool_call_id="1"))[0]["content"] == "Sunny."
    logged = [*answer, {"type": "tool_call", "id": "x"}]  # a tool's own log of what an agent did
    assert len(write(ToolMessage(logged, tool_call_id="1"))[0]["content"].splitlines()) == len(logged)


OMNI = "Qwen/Qwen3-Omni-30B-A3B-Instruct"
PAGE = "https://example.com/a"
OWN_JSON: list[dict[str, Any]] = [
    {"name": "a.yml", "path": "a.yml", "sha": "3f1a", "size": 8, "url": PAGE, "type": "file"},  # GitHub's listing
    {"type": "file", "url": PAGE, "mimeType": "image/png", "owner": "Ann"},
    {"type": "file", "url": f"{PAGE}?signature={'A' * 600}", "size": 8},
    {"type": "document", "title": "Refunds", "url": PAGE, "content": "Refunds take 5 days.", "score": 0.92},
    {"type": "document", "title": "Refunds", "url": PAGE, "text": "Refunds take 5 days."},
    {"type": "document", "text": "Refunds take 5 days.", "source": "kb/refunds.md"},
    {"type": "document", "id": "7", "data": {"title": "Refunds", "body": "Refunds take 5 days. " * 40}, "links": []},
    {"type": "document", "content": [{"text": "Refunds take 5 days."}], "score": 0.92},
    {"type": "document", "data": "Refunds take 5 days.", "mime_type": "text/plain", "score": 0.92},
    {"type": "file", "blob": "3f1a", "branch": "main"},
    {"type": "media", "url": PAGE, "caption": "A cat."},
    {"type": "resource", "uri": "a://b", "status": "open"},
    {"text": "Refunds take 5 days.", "source": "kb/refunds.md", "page": 3, "score": 0.92},
    {"text": "Refunds take 5 days.", "metadata": {"page": 3}},
    {"document": {"title": "Refunds", "text": "Refunds take 5 days."}, "relevance_score": 0.92, "index": 0},
    {"document": {"id": 7, "text": "Refunds take 5 days."}},
    {"image": {"url": PAGE, "width": 640}, "price": 9.9},
    {"image": {"id": 7, "tag": "latest"}},
    {"image": "nginx:1.25", "replicas": 3},
    {"image": "nginx:1.25", "replicas": None},
    {"image": "nginx:1.25"},
    {"video": "talks/1.mp4"},
    {"file_data": {"uri": PAGE}, "rows": 7},
]


@pytest.mark.parametrize("dialect", [VLLM, OPENROUTER, DASHSCOPE], ids=lambda row: row.name)
@pytest.mark.parametrize("part", OWN_JSON)
def test_sends_a_tools_own_json_whole_when_it_looks_like_media(dialect: Dialect, part: dict[str, Any]):
    """Protects listings and search hits: a key that no form of media has shows whose words they are."""
    for line in (None, find_line("Qwen/Qwen3-8B"), find_line(OMNI)):
        (wire,) = write(ToolMessage([part, part], tool_call_id="1"), dialect=dialect, line=line)
        assert wire["content"] == "\n".join([json.dumps(part)] * 2)


@pytest.mark.parametrize(
    "more",
    [
        {"inline_data": None, "thought": None},  # a dumped Part of google-genai
        {"image": None, "file": None},  # Qwen-Agent's ContentItem
        {"index": 0},
        {"cache_control": {"type": "ephemeral"}},
        {"screenshot": "iVBORw0KGgo" * 100},
        {"image": "data:image/png;base64,iVBORw0KGgo="},
    ],
    ids=lambda more: next(iter(more)),
)
def test_sends_the_text_alone_when_a_tool_says_nothing_else(more: dict[str, Any]):
    """Protects the context from nulls, marks and base64 as words: they are nothing that a model could read."""
    (wire,) = write(ToolMessage([{"text": "Done.", **more}], tool_call_id="1"))
    assert wire["content"] == "Done."


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
def test_sends_a_tools_own_json_when_a_model_cannot_see_its_url(kind: str):
    """Protects lists of pictures: who can see gets the picture, others all that the tool said of it."""
    part = {"type": kind, "url": "https://example.com/a", "caption": "A cat."}
    result = ToolMessage([part], tool_call_id="1")
    (wire,) = write(result, line=find_line("Qwen/Qwen3-8B"))
    assert json.loads(wire["content"]) == part
    (wire,) = write(result, line=find_line(OMNI))
    assert wire["content"] == [{"type": f"{kind}_url", f"{kind}_url": {"url": part["url"]}}]


ORDERS = [("c1", "c2"), ("c2", "c1")]


@pytest.mark.parametrize("order", ORDERS)
def test_an_invalid_call_keeps_its_place_when_the_order_is_known(order: tuple[str, str]):
    """Protects the results behind it: blocks and the raw calls say in which order the model made them."""
    bad: dict[str, Any] = {"id": "c1", "name": "f", "args": "{", "error": None, "type": "invalid_tool_call"}
    good: dict[str, Any] = {"id": "c2", "name": "g", "args": {}}
    blocks = [{**({"c1": bad, "c2": {**good, "type": "tool_call"}}[id_])} for id_ in order]
    raw = [{"id": id_, "type": "function", "function": {"name": "f", "arguments": "{"}} for id_ in order]
    for message in (
        AIMessage(blocks, tool_calls=[good], invalid_tool_calls=[bad]),
        AIMessage("", tool_calls=[good], invalid_tool_calls=[bad], additional_kwargs={"tool_calls": raw}),
    ):
        assert [call["id"] for call in write(message)[0]["tool_calls"]] == list(order)


PARALLEL: dict[str, list[Any]] = {
    "LangChain v1": [{"type": "tool_call", "id": id_, "name": "f", "args": {}} for id_ in "abc"],
    "Anthropic": [{"type": "tool_use", "id": id_, "name": "f", "input": {}} for id_ in "abc"],
    "Bedrock": [{"toolUse": {"toolUseId": id_, "name": "f", "input": {}}} for id_ in "abc"],
    "OpenAI Responses": [
        {"type": "function_call", "id": f"fc_{id_}", "call_id": id_, "name": "f", "arguments": "{}"} for id_ in "abc"
    ],
}


LISTED: Any = {"id": "c1", "name": "f", "args": {}}


@pytest.mark.parametrize("blocks", [*PARALLEL.values(), None], ids=[*PARALLEL, "raw calls"])
@pytest.mark.parametrize(
    ("listed", "invalid", "sent"),
    [
        ("abc", "", "abc"),
        ("a", "", "a"),
        ("b", "", "b"),
        ("ca", "", "ac"),
        ("a", "c", "ac"),
        ("c", "a", "ac"),
        ("", "b", "b"),
        ("", "", "abc"),  # nobody parsed them
    ],
)
def test_sends_no_call_that_was_taken_out_of_the_list(blocks: list[Any] | None, listed: str, invalid: str, sent: str):
    """Protects supervisors and one-call agents: a call that they removed does not come back from the content."""
    message = AIMessage(blocks or "")
    message.tool_calls = [{"id": id_, "name": "f", "args": {}} for id_ in listed]
    message.invalid_tool_calls = [{"id": id_, "name": "f", "args": "{", "error": None} for id_ in invalid]  # type: ignore[typeddict-item]
    if blocks is None:
        message.additional_kwargs["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in "abc"
        ]
    assert [call["id"] for call in write(message)[0]["tool_calls"]] == list(sent)


@pytest.mark.parametrize("how", ["assigned", "copied", "dumped"])
def test_sends_no_call_when_all_were_taken_out_of_a_message_in_v1_form(how: str):
    """Protects guards that empty `tool_calls`: in LangChain's own blocks the calls stay in the content."""
    message = AIMessage(content_blocks=[{"type": "text", "text": "Hm."}, {"type": "tool_call", **LISTED}])
    message.response_metadata["output_version"] = "v1"
    assert write(message)[0]["tool_calls"]
    if how == "assigned":
        message.tool_calls = []
    else:
        message = message.model_copy(update={"tool_calls": []})
    if how == "dumped":
        message = AIMessage.model_validate_json(message.model_dump_json())
    assert write(message) == [{"role": "assistant", "content": "Hm."}]
