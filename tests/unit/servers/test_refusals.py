"""What is read out of errors that refuse a field, and what is done about it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from langchain_qwen3._warnings import warn_unsupported
from langchain_qwen3.servers.detection import look_up, recall_dialect
from langchain_qwen3.servers.dialect import KWARGS
from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.gateways import GENERIC
from langchain_qwen3.servers.hosts import GROQ, OPENROUTER
from langchain_qwen3.servers.refusals import Lesson, advise_refusal, list_droppable_fields, read_refused
from tests.unit.request.request_cases import TOOL_LOOP, WEATHER, build
from tests.unit.servers.refusal_cases import OTHERS, TEXTS

BAD, UNPROCESSABLE = 400, 422


def test_names_nothing_when_the_status_is_no_refusal():
    """Protects from a guess: a server that breaks on a field has not refused it."""
    assert read_refused(500, TEXTS[0][0]) == frozenset()


def test_never_leaves_out_what_a_call_is_about():
    """Protects the conversation: model, messages, tools and format stay, whatever a server says."""
    assert list_droppable_fields().isdisjoint(
        {"model", "messages", "tools", "response_format", "tool_choice", "stream", "max_tokens"}
    )


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (TEXTS[0][0], "groq"),
        (TEXTS[2][0], "cerebras"),
        (TEXTS[5][0], "fireworks"),
        (TEXTS[6][0], "nvidia"),
        (TEXTS[10][0], "transformers"),
        (TEXTS[11][0], "bedrock"),
        (TEXTS[14][0], "litellm"),
    ],
)
def test_advises_the_server_when_its_way_to_refuse_is_known(body: Any, name: str):
    """Protects users who named a server wrongly, or none: the error says which name fits."""
    assert f'server="{name}"' in (advise_refusal(body) or "")
    assert DIALECTS[name].refusal


@pytest.mark.parametrize(
    ("server", "at"), [("sglang", 0), ("groq", 0), ("nvidia", 6), ("fireworks", 5), ("generic", 0)]
)
def test_does_not_advise_the_server_that_is_set(server: str, at: int):
    """Protects users who named the server, as the error told them: it told them the same again."""
    advice = advise_refusal({"error": "unknown field `enable_thinking`"}, server=server) or ""
    asks = "if you know the server, set server=..." in advice
    assert asks == (server == "generic")
    assert asks or f"if the server is not {DIALECTS[server].title}, set the right server=..." in advice
    assert f'set server="{server}"' not in (advise_refusal(TEXTS[at][0], server=server) or "")


def test_advises_to_name_the_server_when_the_refusal_is_anybodys():
    """Protects users of unknown hosts: the field and the remedy are named, and nothing else is advised on."""
    advice = advise_refusal({"error": "unknown field `enable_thinking`"}) or ""
    assert "enable_thinking" in advice
    assert "server=..." in advice
    assert advise_refusal(OTHERS[0]) is None
    advice = advise_refusal({"error": "messages[1]: duplicate field `reasoning` at line 1"}) or ""
    assert 'reasoning: it reads earlier reasoning under one name only, which server="auto" finds out' in advice


def test_row_sends_nothing_of_it_when_names_are_refused():
    """Protects the next calls: neither switch nor history go out under a refused name, and nothing is warned twice."""
    row = GENERIC.without(frozenset({"chat_template_kwargs", "reasoning"}))
    payload = build(row, TOOL_LOOP, enable_thinking=True, preserve_thinking=True, tools=[WEATHER]).payload
    assert payload["enable_thinking"] is True
    assert "chat_template_kwargs" not in payload
    assert payload["messages"][2]["reasoning_content"]
    assert "reasoning" not in payload["messages"][2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unsupported("preserve_thinking", row)
        row = row.without(frozenset({"enable_thinking", "return_reasoning", "thinking_budget", "top_k"}))
        payload = build(row, enable_thinking=True, thinking_budget=9, top_k=3).payload
    assert payload.keys() == {"model", "messages"}


def test_row_sends_the_other_switches_when_one_in_the_kwargs_is_refused():
    """Protects the thinking switch of servers that refuse a switch which the template does not use."""
    row = GENERIC.without(frozenset({"chat_template_kwargs.preserve_thinking"}))
    payload = build(row, enable_thinking=True, preserve_thinking=True).payload
    assert payload["chat_template_kwargs"] == {"enable_thinking": True}
    lesson = Lesson(URL, "m", lambda: "again")
    body = {"detail": [{"type": "extra_forbidden", "loc": ["body", KWARGS, "preserve_thinking"], "msg": "no"}]}
    assert lesson.amend(BAD, body, {**PAYLOAD, KWARGS: {"enable_thinking": True}}) is None
    assert lesson.amend(BAD, body, {**PAYLOAD, KWARGS: {"preserve_thinking": True}}) == "again"


def test_row_keeps_the_rest_when_other_fields_are_refused():
    """Protects words, objects and constants: what was not refused is sent as before."""
    row = OPENROUTER.without(frozenset({"reasoning_details", "cache_control"}))
    assert (row.thinking, row.reasoning_details, row.cache_control) == (OPENROUTER.thinking, False, False)
    groq = GROQ.without(frozenset({"reasoning_format"}))
    assert (dict(groq.extra), groq.thinking_word) == ({}, GROQ.thinking_word)
    assert GROQ.without(frozenset({"reasoning_effort"})).thinking_word is None


URL = "http://h:1/v1"
PAYLOAD = {"model": "m", "messages": [{"role": "user", "content": "q"}], "enable_thinking": True, "top_k": 3}


def learn_generic(header: str = "x") -> None:
    """Let the server at the URL be one that says nothing but a header."""

    def get(_path: str, *, seconds: float) -> Any:
        assert seconds
        return type("Answer", (), {"status": 404, "headers": {header: "1"}, "body": None})

    look_up(get, URL)


UNKNOWN = {"error": {"message": "Unknown parameter: 'enable_thinking'."}}


def recall(model: str = "m", url: str = URL) -> Any:
    """The row for a model of the URL, without what it refuses."""
    return recall_dialect("auto", url, model)


def test_lesson_is_remembered_when_a_field_is_refused():
    """Protects the next calls: what a host refused is left out of its row from then on, and of no other host's."""
    learn_generic()
    lesson = Lesson(URL, "m", lambda: "again")
    assert lesson.amend(BAD, UNKNOWN, PAYLOAD) == "again"
    dialect = recall()
    assert ("enable_thinking",) not in dialect.thinking
    assert (KWARGS, "enable_thinking") in dialect.thinking
    assert recall() is recall()
    assert recall(url="http://other:1/v1") is None
    with pytest.warns(
        UserWarning,
        match=r"h:1 refuses the field enable_thinking for the model m: left out from now on; .*server=\.\.\.",
    ):
        lesson.report()


SILICONFLOW, ROUTER = "https://api.siliconflow.cn/v1", "https://router.huggingface.co/v1"


@pytest.mark.parametrize(
    ("url", "refusing", "asked", "server", "is_left_out"),
    [
        (URL, "m", "m", "auto", True),
        (URL, "m", "other", "auto", False),
        (URL, "m", "", "auto", False),
        (URL, "", "", "auto", True),
        (URL, "m", "m", "generic", False),
        (SILICONFLOW, "m", "m", "auto", True),
        (SILICONFLOW, "m", "M", "auto", False),
        (ROUTER, "m:together", "m:together", "auto", True),
        (ROUTER, "m:together", "m:novita", "auto", False),
        (ROUTER, "m:together", "m", "auto", False),
    ],
)
def test_field_is_left_out_for_the_model_that_refused_it(
    url: str, refusing: str, asked: str, server: str, is_left_out: bool
):
    """Protects the other models of a URL; on a router the provider after the colon is part of the model's name."""
    learn_generic()
    Lesson(url, refusing, lambda: "again").amend(BAD, UNKNOWN, PAYLOAD)
    row = recall_dialect(server, url, asked)
    assert row is not None
    assert ("enable_thinking" in row.refused) is is_left_out


OLD_VLLM = (
    "[{'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or "
    "'high'\", 'input': 'none', 'ctx': {'expected': \"'low', 'medium' or 'high'\"}}] (request id: 20261129)"
)


@pytest.mark.parametrize(
    ("server", "body", "sent", "is_left_out"),
    [
        ("one-api", {"error": {"message": OLD_VLLM, "type": "Bad Request", "code": 400}}, "none", True),
        ("one-api", {"error": {"message": "invalid reasoning_effort: none"}}, "none", True),
        ("one-api", {"error": {"message": "does not support 'medium'", "param": "reasoning_effort"}}, "medium", True),
        ("one-api", {"error": {"message": "reasoning_effort 参数取值错误"}}, "none", True),
        ("one-api", {"error": {"message": "bad response status code 422 (request id: 2026)"}}, "none", True),
        ("one-api", {"error": {"message": "bad response status code 400", "param": "400"}}, "none", True),
        ("one-api", {"error": {"message": " (request id: 2026)", "type": "upstream_error"}}, "none", True),
        ("one-api", {"error": {"message": "", "code": "bad_response_status_code"}}, "none", True),
        ("one-api", {"error": {"message": "bad response status code 422 (request id: 2026)"}}, "xhigh", False),
        ("one-api", {"error": {"message": "bad response status code 400, body: too long"}}, "none", False),
        ("one-api", {"error": {"message": "no such model (request id: 2026)"}}, "none", False),
        ("one-api", {"error": {"message": OLD_VLLM}}, "xhigh", False),  # the user's own word
        ("one-api", {"error": {"message": "temperature must be below 2"}}, "none", False),
        ("one-api", {"error": {"message": "no"}, "input": "reasoning_effort must be"}, "none", False),
        ("generic", {"error": {"message": OLD_VLLM}}, "none", False),
        ("groq", {"error": {"message": OLD_VLLM}}, "none", False),
    ],
)
def test_word_is_left_out_when_the_server_behind_a_gateway_refuses_it(
    server: str, body: Any, sent: str, is_left_out: bool
):
    """Protects calls through one-api to an older vLLM, which has no word for "off": all else goes on being sent."""
    url = "https://api.groq.com/openai/v1" if server == "groq" else URL
    learn_generic("x-oneapi-request-id" if server == "one-api" else "x")
    lesson = Lesson(url, "m", lambda: "again")
    payload = {"model": "m", "messages": [], "reasoning_effort": sent}
    assert lesson.amend(BAD, body, payload) == ("again" if is_left_out else None)
    row = recall(url=url)
    assert (f"reasoning_effort={sent}" in row.refused) is is_left_out
    assert row.effort == ("reasoning_effort",)
    assert "enable_thinking" not in row.refused
    assert not is_left_out or lesson.amend(BAD, body, payload) is None
    assert lesson.amend(500, body, payload) is None


def test_effort_is_left_out_when_a_gateway_does_not_know_the_field():
    """Protects calls with any word of it, also the user's own, as on every server."""
    learn_generic("x-oneapi-request-id")
    body = {"error": {"message": "Unknown parameter: 'reasoning_effort'."}}
    for word in ("low", "none"):
        payload = {"messages": [], "reasoning_effort": word}
        assert Lesson(URL, word, lambda: "again").amend(BAD, body, payload) == "again"
        assert recall_dialect("auto", URL, word).effort is None


def test_call_is_repeated_once_when_the_server_refuses_one_field_after_another():
    """Protects the host from being asked a third time: the error is raised, and the next call knows of both fields."""
    learn_generic()
    lesson = Lesson(URL, "m", lambda: "again")
    assert lesson.amend(BAD, UNKNOWN, PAYLOAD) == "again"
    assert lesson.amend(BAD, "Unrecognized field `top_k`", PAYLOAD) is None
    assert {"enable_thinking", "top_k"} <= recall().unsupported
    with pytest.warns(UserWarning, match=r"refuses the fields enable_thinking, top_k for the model m:"):
        lesson.report()


@pytest.mark.parametrize(
    ("body", "left_out"),
    [
        (TEXTS[0][0], {KWARGS, "enable_thinking", "top_k", "reasoning_content"}),  # reads like groq
        (
            {"message": "Validation: Unsupported parameter(s): `enable_thinking`"},
            {"enable_thinking", "top_k", "reasoning"},
        ),
        (TEXTS[5][0], {"enable_thinking", KWARGS, "reasoning"}),  # reads like fireworks
        ({"error": "litellm.UnsupportedParamsError: x does not support parameters: ['top_k']"}, {"top_k"}),
    ],
    ids=["groq", "nvidia", "fireworks", "litellm"],
)
def test_one_refusal_stands_for_all_when_it_reads_like_a_known_strict_server(body: Any, left_out: set[str]):
    """Protects the one repeat: hosts that name one field at a time refuse others, too, and their rows say which."""
    learn_generic()
    history = [{"role": "assistant", "content": "", "reasoning": "Hm.", "reasoning_content": "Hm."}]
    lesson = Lesson(URL, "m", lambda: "again")
    assert lesson.amend(BAD, body, {**PAYLOAD, KWARGS: {}, "messages": history}) == "again"
    assert recall().refused & {*PAYLOAD, KWARGS, "reasoning", "reasoning_content"} == left_out


def test_lesson_is_none_when_the_field_was_not_sent():
    """Protects from asking the same again: what is not in the call cannot be left out of it."""
    learn_generic()
    lesson = Lesson(URL, "m", lambda: "again")
    assert lesson.amend(BAD, TEXTS[0][0], PAYLOAD) is None
    assert lesson.amend(BAD, OTHERS[0], PAYLOAD) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lesson.report()


def test_error_is_read_at_a_bounded_cost_when_it_is_nested_deeply_or_long() -> None:
    """Protects from a 400 of a megabyte: neither recursion nor a text that is written anew at each level."""
    nested: Any = {"msg": "Extra inputs are not permitted", "loc": ["body", "top_k"]}
    for _ in range(5000):
        nested = {"msg": nested}
    assert read_refused(BAD, nested) == frozenset()
    assert read_refused(BAD, [{"msg": "extra fields not permitted", "loc": 5}]) == frozenset()
    assert read_refused(BAD, ["x" * 1000] * 1000 + ["unknown field 'top_k'"]) == frozenset()
