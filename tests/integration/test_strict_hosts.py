"""Whole conversations with servers that refuse what their rows say they refuse, named and unnamed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.errors import Qwen3Error, Qwen3InvalidRequestError, Qwen3UnprocessableEntityError
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from tests.support.replies import TOOL
from tests.support.scripted import Answer, Scripted, write_call

MODEL = "Qwen/Qwen3.8-27B"
SAMPLING = {"top_k", "min_p", "repetition_penalty"}
OPENAI = {*CompletionCreateParamsBase.__annotations__, "stream"}
ROWS = list(DIALECTS.values())
STRICT = [row for row in ROWS if row.strict_fields]


@dataclass(frozen=True)
class Refusal:
    """How a server says that it does not know a field, and its status.

    Attributes:
        status: The HTTP status.
        write: Makes the error of the names.
        is_whole: It names all fields that it does not know; elsewhere the first.
    """

    status: int
    write: Callable[[list[str]], Any]
    is_whole: bool = False


def write_fastapi(names: list[str]) -> str:
    """Write the errors of FastAPI as their text."""
    errors = [
        {"type": "extra_forbidden", "loc": ("body", name), "msg": "Extra inputs are not permitted", "input": 1}
        for name in names
    ]
    return f"{len(errors)} validation errors:\n" + "".join(f"  {error}\n" for error in errors)


REFUSALS = {
    "transformers": Refusal(422, lambda names: {"detail": f"Unexpected fields in the request: {set(names)}"}, True),
    "groq": Refusal(400, lambda names: {"error": {"message": f"property '{names[0]}' is unsupported"}}),
    "cerebras": Refusal(
        400, lambda names: {"message": f"property '{names[0]}' is unsupported", "code": "wrong_api_format"}
    ),
    "fireworks": Refusal(
        400, lambda names: {"error": {"message": f"Extra inputs are not permitted, field: '{names[0]}', value: 1"}}
    ),
    "nvidia": Refusal(400, lambda names: {"message": f"Validation: Unsupported parameter(s): `{names[0]}`"}),
    "bedrock": Refusal(
        400,
        lambda names: {
            "message": f"Failed to deserialize the JSON body: unknown field `{names[0]}`, expected one of `model`"
        },
    ),
    "tensorrt-llm": Refusal(400, lambda names: {"error": write_fastapi(names)}, True),
}
OTHERS = Refusal(400, lambda names: {"error": {"message": f"Unknown parameter: '{names[0]}'."}})


def list_allowed(row: Dialect) -> set[str]:
    """Return the fields that a server takes which knows none but its row's."""
    paths = (*row.thinking, *(row.thinking_word or ())[:1], row.budget, row.effort, row.preserve, row.return_reasoning)
    sampling = {row.sampling_names.get(name, name) for name in SAMPLING} if not row.strict_fields else set()
    return {*OPENAI, *sampling, *row.own_fields, *row.extra, *(path[0] for path in paths if path)} - row.unsupported


def list_faults(row: Dialect, body: Mapping[str, Any]) -> list[str]:
    """Return the names that a strict server refuses of a request, in its order."""
    keys = {*row.history_keys, *(["reasoning_details"] if row.reasoning_details else [])}
    names = [name for name in body if name not in list_allowed(row)]
    names += [key for message in body["messages"] for key in message if key.startswith("reasoning") and key not in keys]
    return list(dict.fromkeys(names))


def answer(row: Dialect, body: Mapping[str, Any]) -> Answer | dict[str, Any]:
    """Refuse as the row's server does; else think, call the tool once, and answer."""
    if names := list_faults(row, body):
        refusal = REFUSALS.get(row.name, OTHERS)
        return Answer(message=refusal.write(names), status=refusal.status)
    key = (*row.history_keys, "reasoning_content")[0]
    if body["messages"][-1]["role"] == "user" and body.get("tools") and len(body["messages"]) == 1:
        return {key: "I look.", "tool_calls": [write_call("c1", "get_weather", '{"city": "Rome"}')]}
    return {key: "I know.", "content": "Sunny."}


@pytest.fixture(params=STRICT, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Dialect:
    """Every strict server."""
    strict: Dialect = request.param
    return strict


@pytest.fixture
def host(row: Dialect) -> Iterator[Scripted]:
    """The strict server on loopback."""
    with Scripted(lambda body: answer(row, body)) as server:
        yield server


def build(host: Scripted, **settings: Any) -> ChatQwen3:
    """A model on the host."""
    return ChatQwen3(model=MODEL, base_url=host.url, api_key="x", max_retries=0, **settings)


WAYS: dict[str, Callable[[Any, list[BaseMessage]], AIMessage]] = {
    "invoke": lambda model, messages: model.invoke(messages),
    "stream": lambda model, messages: reduce(add, model.stream(messages)),
    "ainvoke": lambda model, messages: asyncio.run(model.ainvoke(messages)),
}


def converse(model: Any, way: str) -> list[AIMessage]:
    """Hold three turns with thinking and a tool; return what the model said."""
    history: list[BaseMessage] = [HumanMessage("Weather in Rome?")]
    replies = []
    for _ in range(3):
        reply = WAYS[way](model, history)
        replies.append(reply)
        history.append(AIMessage(reply.content, tool_calls=reply.tool_calls, additional_kwargs=reply.additional_kwargs))
        history += [ToolMessage("sunny", tool_call_id=call["id"]) for call in reply.tool_calls]
        if not reply.tool_calls:
            history.append(HumanMessage("And tomorrow?"))
    return replies


def check(replies: list[AIMessage]) -> None:
    """Hold the conversation against what the server said."""
    assert [call["args"] for call in replies[0].tool_calls] == [{"city": "Rome"}]
    assert [reply.text for reply in replies] == ["", "Sunny.", "Sunny."]
    assert all(reply.additional_kwargs["reasoning_content"] for reply in replies)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_three_turns_go_through_when_a_server_knows_no_field_but_its_rows(row: Dialect, way: str):
    """Protects every named server: switch, tools and earlier reasoning go out under the names in its row alone."""
    switch = {"enable_thinking": True} if row.thinking or row.thinking_word else {}
    with Scripted(lambda body: answer(row, body)) as host:
        check(converse(build(host, server=row.name).bind_tools([TOOL]).bind(**switch), way))
    assert len(host.requests) == 3
    earlier = [message for message in host.requests[-1]["messages"] if message["role"] == "assistant"]
    assert all(set(row.history_keys) <= message.keys() for message in earlier)


def test_every_strict_row_has_its_own_words_when_rows_come():
    """Protects this table: a strict server that is new to the rows needs its way to refuse here."""
    assert set(REFUSALS) == {row.name for row in STRICT}


@pytest.mark.parametrize("way", WAYS)
def test_three_turns_go_through_when_the_strict_server_is_unknown(row: Dialect, host: Scripted, way: str):
    """Protects strict hosts behind proxies: a call is repeated once at most, and each field is warned about once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(converse(build(host).bind_tools([TOOL]).bind(enable_thinking=True), way))
    faults = [list_faults(row, body) for body in host.requests]
    assert any(faults)
    assert not any(first and second for first, second in pairwise(faults))
    assert faults[-1] == []
    names = {name for refused in faults for name in refused}
    texts = [str(warning.message) for warning in caught if "refuses" in str(warning.message)]
    assert all(sum(name in re.findall(r"\w+", text) for text in texts) == 1 for name in names)


def refuse_both_keys(body: Mapping[str, Any]) -> Answer | dict[str, Any]:
    """Answer as vLLM's server in Rust, which reads both names of earlier reasoning as one field."""
    for at, message in enumerate(body["messages"]):
        if {"reasoning", "reasoning_content"} <= message.keys():
            text = f"Failed to deserialize the JSON body: messages[{at}]: duplicate field `reasoning` at line 1"
            return Answer(message={"error": {"message": text, "code": "json_parse_error"}}, status=400)
    return answer(DIALECTS["vllm"], body)


@pytest.mark.parametrize("way", WAYS)
def test_earlier_reasoning_goes_out_once_when_a_server_takes_one_name_only(way: str):
    """Protects agents on vLLM's server in Rust: the second turn fails once, and the reasoning is sent all the same."""
    with Scripted(refuse_both_keys, models=[{"id": MODEL, "owned_by": "vllm"}]) as host:
        with pytest.warns(UserWarning, match=r"refuses the field reasoning for .*under one name only"):
            check(converse(build(host).bind_tools([TOOL]), way))
        assert len(host.requests) == 4
        earlier = [message for message in host.requests[-1]["messages"] if message["role"] == "assistant"]
        assert all(message.get("reasoning_content") and "reasoning" not in message for message in earlier)
        with pytest.raises(Qwen3InvalidRequestError, match='which server="auto" finds out'):
            converse(build(host, server="vllm").bind_tools([TOOL]), way)


@pytest.mark.parametrize("way", WAYS)
def test_call_is_repeated_once_when_an_unknown_host_names_one_field_after_another(way: str):
    """Protects hosts from a third request: the second refusal is the error, and the next call knows of both fields."""
    unknown = DIALECTS["groq"]

    def refuse(body: Mapping[str, Any]) -> Any:
        names = list_faults(unknown, body)
        return Answer(message=OTHERS.write(names), status=400) if names else {"content": "Sunny."}

    with Scripted(refuse) as host, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build(host).bind(enable_thinking=True)
        with pytest.raises(Qwen3InvalidRequestError, match=r"refuses the field \w+: .*server="):
            WAYS[way](model, [HumanMessage("q")])
        assert len(host.requests) == 2
        assert WAYS[way](model, [HumanMessage("q")]).text == "Sunny."
        assert len(host.requests) <= 4
        assert WAYS[way](model, [HumanMessage("q")]).text == "Sunny."
        assert len(host.requests) <= 5


def test_error_names_field_and_remedy_when_the_server_was_named_wrongly(host: Scripted):
    """Protects the user's word: a named server's calls are sent once, and the error says which name would fit."""
    kinds = (Qwen3InvalidRequestError, Qwen3UnprocessableEntityError)
    model = build(host, server="generic")
    with pytest.raises(kinds, match=r"refuses the fields? .*(return_reasoning|enable_thinking|template).*server="):
        model.invoke("q", enable_thinking=True)
    with pytest.raises(kinds, match=r"refuses the fields? .*server="):
        list(model.stream("q", enable_thinking=True))
    assert len(host.requests) == 2


def test_call_is_not_repeated_for_ever_when_a_server_refuses_what_the_user_wrote(host: Scripted):
    """Protects from loops: what stands in `extra_body` is the user's own and is not taken out of it."""
    model = build(host, extra_body={"reasoning_details": 1})
    kinds = (Qwen3InvalidRequestError, Qwen3UnprocessableEntityError)
    with (
        pytest.warns(UserWarning, match="refuses the field reasoning_details"),
        pytest.raises(kinds, match="reasoning_details"),
    ):
        model.invoke("q")
    assert len(host.requests) == 2


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("owner", ["vllm", "unknown"])
def test_streams_go_on_without_usage_when_a_server_refuses_to_be_asked_for_it(owner: str, way: str):
    """Protects streams from old vLLM and from gateways: the field is OpenAI's, but nobody set it."""
    text = "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted'}]"

    def refuse(body: Mapping[str, Any]) -> Any:
        is_refused = "stream_options" in body
        return Answer(message={"object": "error", "message": text}, status=400) if is_refused else {"content": "Sunny."}

    async def read(model: ChatQwen3) -> str:
        if way == "stream":
            return "".join(chunk.text for chunk in model.stream("q"))
        return "".join([chunk.text async for chunk in model.astream("q")])

    with Scripted(refuse, models=[{"id": MODEL, "owned_by": owner}]) as host:
        with pytest.warns(UserWarning, match=r"refuses the field stream_options .*set stream_usage=False"):
            assert asyncio.run(read(build(host))) == "Sunny."
        assert asyncio.run(read(build(host))) == "Sunny."
        assert ["stream_options" in body for body in host.requests] == [True, False, False]
        with pytest.raises(Qwen3InvalidRequestError, match=r"stream_options: set stream_usage=False"):
            asyncio.run(read(build(host, server="vllm")))


def test_structured_output_comes_when_a_server_refuses_what_it_adds():
    """Protects `with_structured_output`, which asks for one call although the user set nothing of that kind."""

    def refuse(body: Mapping[str, Any]) -> Any:
        if "parallel_tool_calls" in body:
            return Answer(message={"error": {"message": "Unknown parameter: 'parallel_tool_calls'."}}, status=400)
        return {"tool_calls": [write_call("c1", "get_weather", '{"city": "Rome"}')]}

    schema = {"title": "get_weather", "description": "d", **TOOL["function"]["parameters"]}
    with Scripted(refuse) as host:
        model = build(host).with_structured_output(schema, method="function_calling")
        with pytest.warns(UserWarning, match="refuses the field parallel_tool_calls .*left out from now on"):
            assert model.invoke("q") == {"city": "Rome"}
        assert model.invoke("q") == {"city": "Rome"}
        assert len(host.requests) == 3
        named = build(host, server="vllm")
        with pytest.raises(Qwen3InvalidRequestError) as caught:
            named.with_structured_output(schema, method="function_calling").invoke("q")
        assert "set disabled_params={" in str(caught.value)
        named = build(host, server="vllm", disabled_params={"parallel_tool_calls": None})
        assert named.with_structured_output(schema, method="function_calling").invoke("q") == {"city": "Rome"}


def test_streams_are_asked_for_usage_when_a_strict_server_refuses_another_field():
    """Protects the usage of streams from strict hosts, which name one field of several: they know this one."""

    def refuse(body: Mapping[str, Any]) -> Any:
        if names := list_faults(DIALECTS["groq"], body):
            return Answer(message=REFUSALS["groq"].write(names), status=400)
        return {"content": "Sunny."}

    with Scripted(refuse) as host, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _ = [*build(host, enable_thinking=True).stream("q")]
    assert "enable_thinking" not in host.requests[-1]
    assert "stream_options" in host.requests[-1]


GROQ_BEHIND_LITELLM = {
    "message": "litellm.BadRequestError: GroqException - "
    '{"error":{"message":"property \'chat_template_kwargs\' is unsupported","type":"invalid_request_error"}}'
}


@pytest.mark.parametrize("names_model", ["in the model", "in the call", "in the binding"])
@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (
            {"code": 20015, "message": "Value error, current model does not support parameter `enable_thinking`."},
            {"enable_thinking"},
        ),
        ({"error": {"message": "The model qwen-max does not support enable_thinking."}}, {"enable_thinking"}),
        ({"error": GROQ_BEHIND_LITELLM}, {"chat_template_kwargs", "enable_thinking"}),
        ({"error": {"message": "Unrecognized request argument supplied: top_k"}}, {"top_k"}),
    ],
    ids=["siliconflow", "dashscope", "litellm", "sampling"],
)
def test_other_models_keep_their_settings_when_one_model_refuses_them(
    error: dict[str, Any], fields: set[str], names_model: str
):
    """Protects gateways and hosts with many models: what one refuses is left out for it alone, and told for each."""

    def refuse(body: Mapping[str, Any]) -> Any:
        if body["model"].startswith("strict") and fields & body.keys():
            return Answer(message=error, status=400)
        return {"content": "Sunny."}

    settings = {"enable_thinking": False, "top_k": 20}

    def ask(name: str) -> dict[str, Any]:
        model = ChatQwen3(
            model=name if names_model == "in the model" else MODEL, base_url=host.url, api_key="x", max_retries=0
        )
        if names_model == "in the binding":
            model.bind(model=name).invoke("q", **settings)
        else:
            model.invoke("q", **({"model": name} if names_model == "in the call" else {}), **settings)
        return host.requests[-1]

    with Scripted(refuse) as host:
        before = ask("lenient")
        assert fields <= before.keys()
        for name in ("strict", "strict too"):
            with pytest.warns(UserWarning, match=f"refuses the fields? .* for the model {name}: "):
                after = ask(name)
            assert fields.isdisjoint(after)
            sent = len(host.requests)
            assert ask(name) == after
            assert len(host.requests) == sent + 1
        assert ask("lenient") == before


@pytest.mark.parametrize("server", ["auto", "ollama"])
@pytest.mark.parametrize("stream", [False, True])
def test_error_names_no_field_when_none_of_that_name_was_sent(server: Any, *, stream: bool):
    """Protects users of Ollama with a model that cannot think: what it says is also the name of a field."""
    refusal = Answer(message={"error": {"message": '"alias" does not support thinking'}}, status=400)
    with Scripted(lambda _: refusal, [{"id": "alias", "owned_by": "library"}]) as host:
        model = ChatQwen3(model="alias", base_url=host.url, server=server, enable_thinking=True, max_retries=0)
        with pytest.raises(Qwen3InvalidRequestError, match="alias cannot think") as caught:
            _ = [*model.stream("hi")] if stream else model.invoke("hi")
    assert "the field" not in str(caught.value)


STREAMS_ONLY = [
    "parameter.enable_thinking must be set to false for non-streaming calls",
    "parameter.enable_thinking必须设置为false才能进行非流式调用",
    "This model only support stream mode, please enable the stream parameter to access the model.",
    "current user api does not support http call.",
    "enable thinking can not be support when `stream=False`.",
    "This model only supports streaming",
    "'stream' must be true for this model",
    "Non-streaming requests are not supported",
    "this endpoint does not support non-streaming responses",
    "该模型仅支持流式输出",
    "当前模型不支持非stream模式",
    "Requests with max_tokens > 4096 must have stream=true",
    "Please set 'stream' to true",
]
OTHERWISE = [
    "stream_options can only be defined when `stream=True`",
    "This model only supports stream=false",
    "This model only supports stream: false",
    "This endpoint only supports streamable HTTP",
    "stream must be true or false",
    "'stream' must be 'true'/'false'",
    "The request timed out: set stream=true for long answers",
    "image_url does not support http calls",
    "This model does not support stream mode",
    "streaming is not supported by this model",
    "top_k is not supported",
]


def answer_in_streams(text: str, status: int = 400) -> Scripted:
    """A host that refuses whole replies in these words."""

    def reply(body: Mapping[str, Any]) -> Answer | dict[str, Any]:
        if body.get("stream"):
            return {"content": "Hi", "reasoning_content": "T"}
        return Answer(message={"error": {"message": text, "code": "invalid_parameter_error"}}, status=status)

    return Scripted(reply, models=[{"id": "qwq-plus"}])


@pytest.mark.parametrize("server", ["auto", "vllm", "new-api"])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize(("text", "status"), [*((text, 400) for text in STREAMS_ONLY), (STREAMS_ONLY[0], 500)])
def test_asks_for_a_stream_inside_when_a_model_refuses_whole_replies(text: str, status: int, way: str, server: Any):
    """Protects `invoke` of models that answer in streams only, behind gateways that do not say so; once it fails."""
    with answer_in_streams(text, status) as host:
        model = ChatQwen3(model="qwq-plus", base_url=host.url, server=server, max_retries=0)

        def call() -> AIMessage:
            return asyncio.run(model.ainvoke("Hi")) if way == "ainvoke" else model.invoke("Hi")

        for _ in range(2):
            message = call()
            assert (message.content, message.additional_kwargs["reasoning_content"]) == ("Hi", "T")
            assert message.response_metadata["finish_reason"] == "stop"
    assert [body.get("stream", False) for body in host.requests] == [False, True, True]


@pytest.mark.parametrize("text", OTHERWISE)
def test_asks_for_no_stream_when_a_whole_reply_was_refused_for_another_reason(text: str):
    """Protects errors that only speak of streams; and several choices, which no stream has."""
    with answer_in_streams(text) as host, pytest.raises(Qwen3InvalidRequestError):
        ChatQwen3(model="q", base_url=host.url, max_retries=0).invoke("Hi")
    with answer_in_streams(STREAMS_ONLY[0]) as host, pytest.raises(Qwen3InvalidRequestError, match="only streams"):
        ChatQwen3(model="q", base_url=host.url, max_retries=0, n=2).invoke("Hi")
    assert not any(body.get("stream") for body in host.requests)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    "reply", [pytest.param({"content": "Hi"}, id="works"), pytest.param({"error": "no"}, id="fails")]
)
def test_remembers_for_the_model_asked_for_that_it_streams_only_if_a_stream_worked(reply: Any, way: str):
    """Protects from errors that quote a prompt about streams; and bodies that a subclass gave to another model."""

    class Routed(ChatQwen3):
        def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            payload = super()._get_request_payload(*args, **kwargs)
            del payload["model"]
            return payload

    refusal = Answer(message={"error": {"message": STREAMS_ONLY[0]}}, status=400)
    with Scripted(lambda body: Answer(message=reply) if body.get("stream") else refusal) as host:
        model = Routed(model="q", base_url=host.url, server="vllm", max_retries=0)
        for _ in range(2):
            with contextlib.suppress(Qwen3Error):
                asyncio.run(model.ainvoke("Hi")) if way == "ainvoke" else model.invoke("Hi")
    works = "content" in reply
    assert [body.get("stream", False) for body in host.requests] == [False, True, *([True] if works else [False, True])]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("settings", [{}, {"disable_streaming": True}, {"streaming": False}])
def test_announces_no_tokens_when_only_the_server_wants_a_stream(settings: Any, way: str):
    """Protects user interfaces: `disable_streaming` keeps the steps of a graph out of its streamed messages."""
    tokens: list[str] = []

    class Tokens(BaseCallbackHandler):
        def on_llm_new_token(self, token: str, **_: Any) -> None:
            tokens.append(token)

    with answer_in_streams(STREAMS_ONLY[0]) as host:
        model = ChatQwen3(model="q", base_url=host.url, server="vllm", callbacks=[Tokens()], **settings)
        for _ in range(2):
            reply = asyncio.run(model.ainvoke("Hi")) if way == "ainvoke" else model.invoke("Hi")
            assert reply.content == "Hi"
    assert tokens == []
