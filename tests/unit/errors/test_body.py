"""An error is read in every dress it comes in, and what is no error is taken for none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_qwen3.errors import error_from_event, read_error_body
from langchain_qwen3.errors.body import find_error

EMPTY_ERROR = {"message": "", "type": "", "param": "", "code": None}
DRESSES: tuple[Any, ...] = (
    {"error": {"message": "the-cause"}},
    {"error": "the-cause"},
    {"error": ["the-cause"]},
    {"error": [{"message": "the-cause"}]},
    {"error": {"error": {"message": "the-cause"}}},
    {"error": True, "message": "the-cause"},
    {"error": {"message": {"text": "the-cause"}}},
    {"errors": {"message": "the-cause"}, "request_id": "r"},  # ModelScope
    {
        "errors": [{"code": 7003, "message": "the-cause"}],
        "success": False,
        "messages": [],
        "result": None,
    },  # Cloudflare
    {"errors": ["the-cause"]},
    {"errors": {"temperature": ["the-cause"]}},
    {"error_code": 17, "error_msg": "the-cause"},  # Baidu
    {"errcode": 40001, "errmsg": "the-cause"},
    {"errorCode": "E1", "errorMessage": "the-cause"},
    {"code": 500, "msg": "the-cause"},
    {"code": 60000, "msg": "the-cause"},  # Infini-AI
    {"code": 20015, "message": "the-cause", "data": None},  # SiliconFlow
    {"choices": [], "code": "Throttling", "message": "the-cause"},
    {"choices": None, "message": "the-cause"},
    {"code": "Throttling", "message": "the-cause", "request_id": "r"},  # DashScope
    {"object": "error", "message": "the-cause", "code": 400},  # SGLang, LMDeploy, ms-swift
    {"detail": "the-cause"},
    {"detail": {"error": "the-cause"}},
    {"detail": [{"loc": ["body", "top_k"], "msg": "the-cause"}]},
    {"title": "Bad Request", "status": 400, "detail": "the-cause"},
    {"fault": {"faultstring": "the-cause"}},  # Apigee
    {"Message": "the-cause"},  # AWS
    {"success": False, "message": "the-cause"},
    {"choices": [{"error": {"code": 502, "message": "the-cause"}}]},  # OpenRouter
    {"choices": [{"index": 0, "delta": {"content": "half"}, "error": {"message": "the-cause"}}]},
    {"choices": [{"index": 0, "delta": {"content": "half"}}], "error": {"message": "the-cause"}},
    {"choices": [{"delta": {"content": "half"}}, {"error": "the-cause"}]},
    {"choices": [{"finish_reason": "error_finish", "delta": {"content": "the-cause"}}]},  # DashScope
    {"error": {"message": "", "metadata": {"raw": "the-cause"}}},
    {"Error": {"Code": "x", "Message": "the-cause"}},
    {"error": "invalid_token", "error_description": "the-cause"},  # OAuth, at a gateway
    [{"error": {"code": 429, "message": "the-cause"}}],  # Google
    {"Response": {"Error": {"Code": "AuthFailure", "Message": "the-cause"}, "RequestId": "r"}},  # Tencent Cloud
    {"ResponseMetadata": {"RequestId": "r", "Error": {"Code": "x", "Message": "the-cause"}}},  # Volcengine
    {"code": 0, "msg": "ok", "data": {"error": {"message": "the-cause"}}},
    {"data": None, "result": {"error": "the-cause"}, "choices": []},
    {"type": "error", "data": {"error": {"message": "the-cause"}}},
    {"code": 429, "message": "the-cause", "data": {"error": {"retry": 3}}},
    {"message": "the-cause", "result": {"error": "E1"}},
    {"retcode": 102, "retmsg": "the-cause", "data": False},  # RAGFlow
    {"base_resp": {"status_code": 1008, "status_msg": "the-cause"}, "choices": None},  # MiniMax
    {"BaseResp": {"StatusCode": 5, "StatusMessage": "the-cause"}},  # ByteDance's Thrift services
    {"header": {"code": 11200, "message": "the-cause", "sid": "x"}},  # iFlytek
    {"header": {"code": 10013, "message": "the-cause", "status": 0}},
    {"error": {"message": "the-cause"}, "base_resp": {"status_code": 1000, "status_msg": "unknown error"}},
    {"code": 429, "message": "the-cause", "header": {"code": 1, "message": "failed"}},
    {"resultCode": "0401", "resultMsg": "the-cause"},
    {"respCode": "9999", "respMsg": "the-cause"},
    {"errors": [{"error": {"message": "the-cause"}}]},
    {
        "error": {"code": 400, "message": "the-cause", "status": "X", "details": [{"@type": "x", "reason": "Y"}]}
    },  # Google
    {"error": {"message": "the-cause", "details": {"retry_after": 3}}},
    {"message": "the-cause", "errors": [{"field": "messages"}, {"field": "tools"}]},
    {"message": "the-cause", "error": {"code": "E1"}},
    {"fault": {"faultstring": "the-cause", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}},  # Apigee
    {"message": ["the-cause", "top_k is no number"], "error": "Bad Request", "statusCode": 400},  # NestJS
    {"ErrorMsg": {"Msg": "the-cause", "Code": 4001}, "RequestId": "r"},  # Tencent Hunyuan
    {"returnCode": "1", "returnMessage": "the-cause"},
    {"status": "failed", "reason": "the-cause"},
    {"success": False, "data": "the-cause"},
)


@pytest.mark.parametrize("event", DRESSES, ids=str)
def test_error_is_seen_with_its_cause_when_it_comes_in_any_dress(event: Any) -> None:
    """Protects against half an answer in silence, and against an error that does not say why."""
    error = error_from_event(event)
    assert error is not None
    assert "the-cause" in error.message


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"delta": {"content": "hi"}}], "error": EMPTY_ERROR},
        {"choices": [{"delta": {"content": "hi"}}], "error": {}},
        {"choices": [{"delta": {"content": "hi"}}], "error": {"code": 0, "message": "ok"}},
        {"choices": [{"delta": {"content": "hi"}}], "error": "", "errors": []},
        {"choices": [{"delta": {"content": "hi"}}], "error": False},
        {"choices": [{"delta": {"content": "hi"}}], "error": "null"},
        {"choices": [{"delta": {"content": "hi"}}], "error": "None"},  # str(None) of a gateway in Python
        {"choices": [{"delta": {"content": "hi"}}], "error": "<nil>"},  # Go
        {"choices": [{"delta": {"content": "hi"}}], "error": "success"},
        {"choices": [{"delta": {"content": "hi"}}], "error": {"message": "success"}},
        {"choices": [{"delta": {"content": "hi"}}], "error": {"code": "00000", "msg": "请求成功"}},
        {"choices": [{"delta": {"content": "hi"}}], "error": {**EMPTY_ERROR, "request_id": "r"}},
        {"code": "00000", "msg": "成功", "data": None},
        {"retcode": 0, "retmsg": "success", "data": {}},
        {"resultCode": "0000", "resultMsg": "处理成功"},
        {"usage": {"total_tokens": 3, "error": None}, "x_groq": {"error": {}}},
        {"usage": {"total_tokens": 3}, "search_results": {"error": {"message": "web search error"}}},  # Qianfan
        {"choices": [], "data": {"error": None}, "result": {"error": {}}},
        {"choices": [{"delta": {"content": "hi"}}], "data": {"error": "of another request"}},
        {"choices": [], "tool_result": {"name": "search", "error": "timeout"}},
        {"type": "tool_call", "name": "web_search", "status": "error"},
        {"event": "moderation", "status": "failed"},
        {"tool": "web_search", "success": False},
        {"choices": [], "provider": {"name": "a", "error": {"code": 502, "message": "the next one was asked"}}},
        {"choices": [], "content_filter_results": {"error": {"message": "The contents are not filtered"}}},  # Azure
        {"usage": {"total_tokens": 3, "error": "an estimate"}},
        {"choices": [], "timings": {"error": 0.02}},
        {"choices": [], "usage": {"total_tokens": 3}, "resultMsg": "success"},
        {"choices": [], "respCode": "00", "respMsg": "成功"},
        {"code": 1, "msg": "success", "data": {}},
        {"code": 20000, "message": "操作成功", "data": {}},
        {"success": True, "message": "done", "data": {}},
        {"choices": [{"delta": {"content": "hi"}, "error": EMPTY_ERROR}]},
        {"choices": [{"delta": {"content": "hi"}}], "code": 0, "msg": "success"},
        {"choices": [{"delta": {"content": "hi"}}], "message": "no error beside an answer"},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": [], "usage": None, "message": None},
        {"code": 0, "msg": "success", "data": {}},
        {"code": "200", "message": "OK"},
        {"choices": [], "usage": {"total_tokens": 3}, "base_resp": {"status_code": 0, "status_msg": ""}},
        {"choices": [], "base_resp": {"status_code": 0, "status_msg": "done"}},
        {"header": {"code": 0, "message": "Success", "status": 2}},
        {"choices": [{"delta": {"content": "hi"}}], "BaseResp": {"StatusCode": 5, "StatusMessage": "beside an answer"}},
        {"choices": [], "status_msg": "searching the web"},
        {"header": {"title": "a report", "status": 1}},
        {"choices": [], "header": {"code": None, "message": "searching the web"}},
        {"error": EMPTY_ERROR},
        {"message": {"role": "assistant", "content": "hi"}},  # Ollama's own API: a bad reply, but no error
        {"type": "ping"},
        {"type": "heartbeat", "message": "still working"},
        {"event": "Keep-Alive", "msg": "waiting for the provider"},
        {"message": "ping"},
        {"detail": None, "message": ""},
        {"detail": []},
        {"errors": None, "id": "c1"},
        ["text"],
        "text",
        None,
        0,
    ],
    ids=str,
)
def test_no_error_is_seen_when_none_is_reported(event: object) -> None:
    """Protects good replies of gateways that write an empty error into each of them."""
    assert find_error(event) is None
    assert error_from_event(event) is None


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        ({"error": {"message": "m", "code": 429}}, "429", None),
        ({"errors": {"message": "m", "code": "x", "type": "t"}}, "x", "t"),
        ({"error_code": 17, "error_msg": "m"}, "17", None),
        ({"error": {"message": "m"}, "code": 400}, "400", None),
        ({"status": 403, "title": "m"}, "403", None),
        ({"error": "m", "error_type": "validation"}, None, "validation"),
        ({"error": {"message": "m", "code": 10**400}}, None, None),
        ([{"error": {"message": "m", "code": 429, "status": "EXHAUSTED"}}], "429", None),
        ({"Response": {"Error": {"Code": "AuthFailure", "Message": "m"}}}, "AuthFailure", None),
        ({"code": 400, "error": {"message": "m", "metadata": {"error": "x"}}}, "400", None),
        ({"resultCode": "0401", "resultMsg": "m"}, "0401", None),
        ({"base_resp": {"status_code": 1008, "status_msg": "m"}, "choices": None}, "1008", None),
        ({"code": 401, "msg": "m", "data": {"error": "E17"}}, "401", None),
        ({"returnCode": "401", "returnMsg": "m"}, "401", None),
        ({"ErrorMsg": {"Msg": "m", "Code": 4001}}, "4001", None),
        (b'[{"error": {"message": "m", "code": 429}}]', "429", None),
    ],
)
def test_code_and_type_are_read_when_they_have_any_name(body: object, code: str | None, kind: str | None) -> None:
    """Protects the class of an error, which its code decides."""
    facts = read_error_body(body)
    assert (facts.message, facts.code, facts.type) == ("m", code, kind)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"code": 429, "message": "m", "details": [{"code": "E1", "reason": "r"}]}, "m (r)", "429"),
        ({"message": "m", "details": [{"reason": "r"}, {"reason": "s"}]}, 'm ({"reason": "r"}; {"reason": "s"})', None),
        ({"fault": {"faultstring": "m", "detail": {"errorcode": "E1"}}}, 'm ({"errorcode": "E1"})', "E1"),
        ({"message": "m", "detail": [{"loc": ["body", "n"], "msg": "s"}]}, "m (body.n: s)", None),
        ({"message": "m", "error": {"message": "s", "code": "E1"}}, "s", "E1"),
        ({"message": ["m", "s"], "statusCode": 400}, "m; s", "400"),
    ],
)
def test_text_leads_when_details_stand_beside_it(body: object, message: str, code: str | None) -> None:
    """Protects the cause: the details alone, which Google's APIs and gateways add, say neither it nor its code."""
    facts = read_error_body(body)
    assert (facts.message, facts.code) == (message, code)


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        ("AuthFailure.SecretIdNotFound", "The SecretId is not found, please ensure that it is correct.", 401),
        ("RequestLimitExceeded", "请求的次数超过了频率限制", 429),
        ("ResourceNotFound", "x", 404),
        ("InternalError", "x", 500),
    ],
)
def test_error_in_an_envelope_is_of_its_kind(code: str, text: str, status: int) -> None:
    """Protects the class of an error that Tencent Cloud's gateway sends in its own form with status 200."""
    error = error_from_event({"Response": {"Error": {"Code": code, "Message": text}, "RequestId": "r"}})
    assert error is not None
    assert error.status_code == status


FRAMED = '{"error": {"message": "m", "code": "c", "type": "t", "param": "p"}}'
FRAMES = (
    "{}",
    "data: {}\n\n",
    "data:{}",
    "event: error\ndata: {}\n\n",
    "event: error\r\ndata: {}\r\n\r\n",
    "id:1\nevent:error\n:HTTP_STATUS/400\ndata:{}\n\n",  # DashScope
    ": ping\n\n: ping\n\ndata: {}\n\n",
    ": ping\n\n{}",
    "retry: 3000\ndata: {}\n\ndata: [DONE]\n\n",
    "{}\n\ndata: [DONE]\n\n",
    "error: {}\n\n",
    "event: error\ndata: {}\nid: 3\n\n",
    "data: {}\n\n: ping\n\n",
    "data: {}\n\nevent: done\ndata: [DONE]\n\n",
    "\n \ufeff{}",
)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("body", [FRAMED, json.dumps(json.loads(FRAMED), indent=1)])
def test_body_is_read_when_it_is_framed_as_an_event(frame: str, body: str) -> None:
    """Protects the text, the code and the field of an error that a gateway sends as an event, with a status."""
    facts = read_error_body(frame.format(body).encode())
    assert (facts.message, facts.code, facts.type, facts.param) == ("m", "c", "t", "p")


@pytest.mark.parametrize(
    "text",
    [
        "error: no such model",
        "data: busy",
        "event: error\ndata: busy",
        "id: 7",
        "[DONE]",
        "data: [DONE]",
        "error",
        "data: {'a': 1}",
        FRAMED + "\nTraceback",
        FRAMED + ": 400",
        '"qwen3": not found',
        "Traceback:\n" + FRAMED,
        "404: not found",
    ],
)
def test_text_is_kept_when_it_only_looks_framed(text: str) -> None:
    """Protects the server's words from being cut."""
    assert read_error_body(text).message == text


DEEP: Any = "x"
for _ in range(3000):
    DEEP = {"error": [DEEP]}


@pytest.mark.parametrize(
    "body",
    [DEEP, {"detail": DEEP}, {"error": {"message": DEEP}}, {"n_ctx": 10**400, "error": "context_length_exceeded"},
     '{"error": {"code": ' + "9" * 4000 + "}}", '{"error": {"code": ' + "9" * 400 + "}}", b"[" * 100_000,
     '{"error": ' * 5_000, '{"a":' * 900 + "1" + "}" * 900, b"\xff\xfe", "context length is ,"],
    ids=lambda body: str(type(body)),
)  # fmt: skip
def test_reading_never_fails_when_a_body_is_nested_or_has_huge_numbers(body: Any) -> None:
    """Protects the error path from failing itself, whatever a server nests into 10,000 brackets or 400 digits."""
    assert 0 < len(read_error_body(body).message) <= 2000
    error = error_from_event(body if isinstance(body, dict) else {"error": body})
    assert error is not None
    assert str(error)
    assert repr(error.body)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<h1>Server Error (500)</h1>", "an HTML page: Server Error (500)"),  # Django
        ("<center><h1>502 Bad Gateway</h1></center>", "an HTML page: 502 Bad Gateway"),
        ("<!-- x -->\n<html><title>访问被拦截</title>", "an HTML page: 访问被拦截"),
        ("\ufeff<!DOCTYPE html><title>系统维护中</title>", "an HTML page: 系统维护中"),  # PHP files with a BOM
        ("<meta charset=utf-8><title>a\n b</title>", "an HTML page: a b"),
        ("<div class=x><p>实例<b>已停止</b></p></div>", "an HTML page: 实例 已停止"),
        ("<pre>Cannot POST /v1</pre>", "an HTML page: Cannot POST /v1"),
        ("<script>location='/challenge'</script>", "an HTML page"),
        ("<html><head><title></title></head>", "an HTML page"),
        ("<html><head><title></title></head><h1>502 Bad Gateway</h1>", "an HTML page: 502 Bad Gateway"),
        ("<p>The proxy failed\n<hr>", "an HTML page: The proxy failed"),
        (f"<pre>{'x' * 400}</pre>", f"an HTML page: {'x' * 300}"),
        ('<?xml version="1.0"?><Error><Message>denied</Message></Error>', "an HTML page: denied"),
        ("<|im_start|> is not allowed", "<|im_start|> is not allowed"),
        ("<think> is not closed", "<think> is not closed"),
        ('\ufeff{"error": {"message": "boom"}}', "boom"),
        ("<html><title>服务不可用。</title>".encode("gb2312"), "an HTML page: 服务不可用。"),  # IIS in Chinese
        ('{"error": {"message": "模型不存在"}}'.encode("gbk"), "模型不存在"),
        ("Fehler: ungültig".encode("latin-1"), "Fehler: ung\ufffdltig"),
        ("模型不存在".encode()[:-1], "模型不存\ufffd"),  # cut within a character
    ],
)
def test_page_says_its_title_when_it_begins_or_is_encoded_unusually(page: str | bytes, message: str) -> None:
    """Protects from raw HTML, a byte order mark or garbled Chinese in place of what a server says."""
    assert read_error_body(page).message == message


def test_request_id_is_shown_when_an_error_says_nothing_else():
    """Protects what a provider's support asks for: the text was "an empty body"."""
    assert "r7" in read_error_body({"error": {"message": "", "request_id": "r7"}}).message


@pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, {"role": "assistant"}, {}, None, "x"])
@pytest.mark.parametrize("key", ["delta", "message"])
def test_error_names_the_reason_when_it_has_no_text(key: str, message: Any):
    """Protects DashScope's users from an error that says {"message": ""}."""
    error = error_from_event({"choices": [{"finish_reason": "error_finish", key: message}]})
    assert "error_finish" in str(error)
    assert '"message"' not in str(error)
