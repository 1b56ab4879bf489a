"""Every way a call can fail ends in the right class, says what to do, and holds no secret."""

from __future__ import annotations

import asyncio
import copy
import errno
import itertools
import json
import os
import pickle
import re
import socket
import ssl
from pathlib import Path

import anyio
import httpx
import langchain_core.exceptions as core
import openai
import pytest
from hypothesis import given, strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai.chat_models import base as langchain_openai

from langchain_qwen3 import _httpx, errors
from langchain_qwen3.errors import (
    BadReplyError,
    ErrorTranslator,
    Qwen3ConnectionError,
    Qwen3ContextOverflowError,
    Qwen3Error,
    Qwen3RateLimitError,
    Qwen3TimeoutError,
    StreamCutError,
    StreamStallError,
    ToolChoiceError,
    error_from_event,
    read_error_body,
)
from langchain_qwen3.errors.hints import _ADDRESS, _NETWORK, _SETTINGS, _STATUS

HTTPX = _httpx.httpx  # httpx2 under openai 3, httpx under openai 2
URL = "http://pod.test:8000/v1"
REQUEST = HTTPX.Request("POST", f"{URL}/chat/completions")
CANARY = "token-canary-31415926"
CONNECTION = (Qwen3ConnectionError, StreamCutError)  # before a stream, and inside it
TIMEOUT = (Qwen3TimeoutError, StreamStallError)
BAD_REPLY = (BadReplyError, BadReplyError)
WIRE = Path(__file__).parent / "wire_errors"
RECORDED = {name: json.loads((WIRE / f"{name}.json").read_text("utf-8"))["replies"] for name in ("vllm", "llama.cpp")}
OVERFLOWS = json.loads((WIRE / "overflow_texts.json").read_text("utf-8"))


def call(status=200, content=b"", headers=None, *, url=URL, dialect="vllm", failure=None):
    """One real openai call whose transport answers so; returns the error it ends in."""

    def answer(request):
        if failure is not None:
            raise failure(request)
        return HTTPX.Response(status, content=content, headers=headers or {})

    http_client = HTTPX.Client(transport=HTTPX.MockTransport(answer))
    client = openai.OpenAI(base_url=url, api_key=CANARY, max_retries=0, http_client=http_client)
    with pytest.raises(Qwen3Error) as caught, ErrorTranslator(dialect, url, "Qwen/Qwen3-0.6B"):
        client.post("/chat/completions", body={"messages": []}, cast_to=HTTPX.Response)
    return caught.value


def report(body, status, dialect="generic"):
    """The error that a server reports with a status, or with None in a stream."""
    if status:
        return call(status, json.dumps(body).encode(), {"content-type": "application/json"}, dialect=dialect)
    with pytest.raises(Qwen3Error) as caught, ErrorTranslator(dialect, URL, "m"):
        raise error_from_event(body)
    return caught.value


def stream_context(arrived):
    """The context of a stream that has begun."""
    translator = ErrorTranslator("vllm", URL, "m")
    translator.partial = lambda: arrived
    return translator


def call_recorded(server, case, **options):
    """The same with a recorded reply of a real server."""
    reply = RECORDED[server][case]
    content = json.dumps(reply["body"], ensure_ascii=False).encode()
    return call(reply["status"], content, {"content-type": "application/json"}, **options)


@pytest.mark.parametrize("charset", ["idna", "rot13", "undefined", "utf-16"])
def test_reads_an_error_when_the_sdk_cannot_decode_it(charset):
    """Protects from a server that names one of Python's codecs that raise: the error is a typed one with its text."""
    error = call(400, '{"error": {"message": "Äh"}}'.encode(), {"content-type": f"application/json; charset={charset}"})
    assert type(error).__name__ == "Qwen3InvalidRequestError"
    assert "Äh" in str(error)


def test_leaves_an_error_alone_when_the_caller_handles_that_of_another_server():
    """Protects callers who ask a model because another service failed: their own mistake stays what it is."""
    request = HTTPX.Request("GET", "http://other.test/")
    mistake = LookupError("mine")
    mistake.__context__ = HTTPX.HTTPStatusError("", request=request, response=HTTPX.Response(404, request=request))
    assert ErrorTranslator("vllm", URL, "m").translate(mistake) is None


def test_advises_to_name_the_server_behind_when_litellm_hides_a_refusal():
    """Protects users of LiteLLM in front of a strict server: the reason is lost on the way, the remedy is not."""
    text = (
        "litellm.BadRequestError: OpenAIException - Error code: 422\n\nLiteLLM: model group 'm' failed with the error "
        "above. No fallback was attempted."
    )
    body = {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": "422"}}
    error = call(422, json.dumps(body).encode(), {"content-type": "application/json"}, dialect="litellm")
    assert "set server= to that server" in str(error)


@pytest.mark.parametrize(
    ("server", "case", "kind", "said"),
    [
        ("vllm", "auth_bad", "Qwen3AuthenticationError", "$QWEN_API_KEY"),
        (
            "vllm",
            "tool_auto",
            "Qwen3InvalidRequestError",
            "--enable-auto-tool-choice --tool-call-parser hermes",
        ),
        (
            "vllm",
            "tool_named",
            "Qwen3InvalidRequestError",
            "--enable-auto-tool-choice --tool-call-parser hermes",
        ),
        ("vllm", "thinking_token_budget", "Qwen3InvalidRequestError", "--reasoning-parser qwen3"),
        ("vllm", "404_path", "Qwen3ModelNotFoundError", "usually /v1"),
        ("vllm", "method", "Qwen3StatusError", "usually /v1"),
        ("vllm", "bad_json", "Qwen3InvalidRequestError", "JSON decode error"),
        ("vllm", "image", "Qwen3InvalidRequestError", "served for text only"),
        ("vllm", "max_tokens_too_big", "Qwen3InvalidRequestError", "Lower max_tokens"),
        ("vllm", "messages_missing", "Qwen3InvalidRequestError", "Field required"),
        ("vllm", "prompt_too_long", "Qwen3ContextOverflowError", "maximum context length is 4096"),
        ("vllm", "temperature_string", "Qwen3InvalidRequestError", "body.temperature"),
        ("vllm", "unknown_model", "Qwen3ModelNotFoundError", f"{URL}/models lists"),
        ("vllm", "json_schema_unsupported", "Qwen3InvalidRequestError", "Grammar error"),
        ("vllm", "render_endpoint", "Qwen3PermissionDeniedError", "--enable-scale-out"),
        ("llama.cpp", "404_path", "Qwen3ModelNotFoundError", "usually /v1"),
        ("llama.cpp", "bad_json", "Qwen3InvalidRequestError", "unexpected end of input"),
        ("llama.cpp", "image", "Qwen3ServerError", "--mmproj"),
        ("llama.cpp", "prompt_too_long", "Qwen3ContextOverflowError", "available context size"),
        ("llama.cpp", "temperature_string", "Qwen3InvalidRequestError", "must be number"),
        ("llama.cpp", "tool_followup_bad_args", "Qwen3ServerError", "history has arguments that are not JSON"),
    ],
)
def test_recorded_error_is_translated_when_a_real_server_sent_it(server, case, kind, said):
    """Protects the class and the advice for what vLLM and llama.cpp really answer."""
    error = call_recorded(server, case)
    assert type(error).__name__ == kind
    assert said in error.message
    assert str(error) == error.message
    assert URL in error.message
    assert error.status_code == error.response.status_code == RECORDED[server][case]["status"]


@pytest.mark.parametrize(("server", "limit", "prompt"), [("vllm", 4096, 4097), ("llama.cpp", 4096, 12008)])
def test_recorded_overflow_has_its_numbers_when_the_server_sends_them(server, limit, prompt):
    """Protects summarisation, which needs to know how far the prompt is too long."""
    error = call_recorded(server, "prompt_too_long")
    assert (error.limit, error.prompt_tokens) == (limit, prompt)


@pytest.mark.parametrize("row", OVERFLOWS[::9], ids=lambda row: row["text"][:30])
@pytest.mark.parametrize("shape", ["openai", "flat", "string", "tgi", "detail", "stream"])
def test_overflow_is_recognised_when_its_text_comes_in_any_shape(row, shape):
    """Protects SummarizationMiddleware: it acts on ContextOverflowError alone, whichever server speaks."""
    text = row["text"]
    body = {
        "openai": {"error": {"message": text, "type": "BadRequestError", "code": 400}},
        "flat": {"object": "error", "message": text, "type": "BadRequestError", "code": 400},
        "string": {"error": text},
        "tgi": {"error": text, "error_type": "validation"},
        "detail": {"detail": text},
        "stream": {"error": {"message": text, "code": 500}},
    }[shape]
    error = error_from_event(body) if shape == "stream" else call(400, json.dumps(body).encode())
    assert isinstance(error, Qwen3ContextOverflowError)
    assert isinstance(error, core.ContextOverflowError | openai.BadRequestError)
    assert (error.limit, error.prompt_tokens) == (row["limit"], row["prompt_tokens"])


@pytest.mark.parametrize("code", [None, 400, "400", 500, "context_length_exceeded", "invalid_parameter_error", "rate"])
@pytest.mark.parametrize("text", [OVERFLOWS[0]["text"], "bad"])
@pytest.mark.parametrize("streams", [False, True])
def test_overflow_has_openais_code_when_the_server_has_another(code, text, *, streams):
    """Protects others' recovery, as in open_deep_research: `error.code == "context_length_exceeded"`."""
    body = {"error": {"message": text, "type": "BadRequestError", "code": code}}
    error = error_from_event(body) if streams else call(400, json.dumps(body).encode())
    is_overflow = text != "bad" or code == "context_length_exceeded"
    assert error.code == ("context_length_exceeded" if is_overflow else code and str(code))
    assert isinstance(error, Qwen3ContextOverflowError) == is_overflow
    assert str(code) in str(error.body)
    assert pickle.loads(pickle.dumps(error)).code == error.code  # noqa: S301


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=100000 cannot be greater than max_model_len=4096. Please request fewer output tokens.",
        "max_completion_tokens is too large: 9.This model supports at most 8 completion tokens.",
        "Range of max_tokens should be [1, 8192]",
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 50000. This model's maximum context length is 32768 "
            "tokens and your request has 10 input tokens (50000 > 32768 - 10)."
        ),
        (
            "This model's maximum context length is 32768 tokens. However, you requested 50010 tokens (10 in the "
            "messages, 50000 in the completion). Please reduce the length of the messages or completion."
        ),
    ],
)
def test_output_limit_is_no_overflow_when_max_tokens_alone_is_too_high(text):
    """Protects against summarising a history whose length is not the trouble."""
    error = call(400, json.dumps({"error": {"message": text}}).encode())
    assert type(error) is errors.Qwen3InvalidRequestError
    assert "Lower max_tokens" in error.message


@pytest.mark.parametrize(
    ("sent", "text", "is_overflow"),
    [
        ({"max_tokens": -5}, "max_tokens must be at least 1, got -5.", False),
        ({"max_tokens": -46771}, "max_tokens must be at least 1, got -46771. (parameter=max_tokens)", False),
        ({"max_completion_tokens": -5}, "max_completion_tokens must be at least 1, got -5", False),
        ({"max_tokens": -1}, "max_tokens must be at least 1, got -1", False),
        ({"max_tokens": -5}, "max_new_tokens must be at least 0, got -5.", False),  # SGLang
        ({}, "max_tokens must be at least 1, got -5.", True),  # older vLLM and NVIDIA: what the prompt leaves
        ({"max_tokens": 512}, "max_tokens must be at least 1, got -46771.", True),
        ({"max_tokens": -5}, "max_tokens must be at least 1, got -57.", True),
        ({"max_tokens": -5}, "This model's maximum context length is 8 tokens. Please reduce your prompt.", True),
    ],
)
def test_negative_limit_is_an_overflow_only_when_the_call_did_not_send_it(sent, text, is_overflow):
    """Protects against shortening a history because of a bad `max_tokens`, which the error has to name."""
    reply = HTTPX.Response(400, json={"error": {"message": text}}, request=REQUEST)
    with pytest.raises(Qwen3Error) as caught, ErrorTranslator("vllm", URL, "m", sent):
        raise openai.BadRequestError(text, response=reply, body=None)
    assert type(caught.value) is (Qwen3ContextOverflowError if is_overflow else errors.Qwen3InvalidRequestError)
    assert ("Set max_tokens= to 1 or more" in caught.value.message) is not is_overflow


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error": {"code": "Arrearage", "message": "overdue"}}, "PermissionDenied", "no funds"),
        (400, {"code": "Throttling.RateQuota", "message": "slow", "request_id": "r"}, "RateLimit", "slow"),
        (400, {"error": {"code": "model_not_found", "message": "not exist"}}, "ModelNotFound", "/models"),
        (400, {"error": {"code": "data_inspection_failed", "message": "no"}}, "InvalidRequest", "filter"),
        (401, {"error": {"code": "invalid_api_key", "message": "bad"}}, "Authentication", "same region"),
        (402, {"error": {"message": "pay"}}, "PermissionDenied", "no funds"),
        (408, None, "RequestTimeout", "an empty body"),
        (409, {"error": "busy"}, "Conflict", "busy"),
        (410, {"title": "Gone", "status": 410, "detail": "The model 'x' has reached its end of life on 2026-05-14."},
         "ModelNotFound", "/models lists"),
        (410, {"error": "https://api-inference.huggingface.co is no longer supported."}, "ModelNotFound", "supported"),
        (413, "Request Entity Too Large", "Status", "Request Entity Too Large"),
        (422, {"detail": [{"loc": ["body", "top_k"], "msg": "Input should be a valid integer"}]},
         "UnprocessableEntity", "body.top_k: Input should be a valid integer"),
        (429, {"error": {"message": "busy", "metadata": {"raw": "upstream"}}}, "RateLimit", "upstream"),
        (500, {"error": {"message": "boom", "type": "InternalServerError", "code": 500}}, "Server", "boom"),
        (502, "<html><head><title>502 Bad Gateway</title></head></html>", "Server", "502 Bad Gateway"),
        (503, {"error": {"message": "Loading model", "code": 503}}, "Server", "wait"),
        (504, "", "Server", "gave up waiting"),
    ],
)  # fmt: skip
def test_error_status_is_of_its_kind_when_the_body_has_any_shape(status, body, kind, said):
    """Protects the mapping of statuses and of DashScope's codes, which nearly all come with status 400."""
    content = (body or "").encode() if isinstance(body, str | None) else json.dumps(body).encode()
    error = call(status, content, dialect="dashscope")
    assert type(error).__name__ == f"Qwen3{kind}Error"
    assert said in error.message
    assert error.status_code == status


# What nobody but who pays can mend: DashScope, Baidu, one-api, Zhipu, DeepSeek, OpenRouter, OpenAI, LiteLLM.
UNPAID = [
    {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
    {"code": "PrepaidBillOverdue", "message": "The prepaid bill is overdue."},
    {"code": "AllocationQuota.FreeTierOnly", "message": "no"},
    {"type": "new_api_error", "code": "insufficient_user_quota", "message": "no"},
    {"code": "pre_consume_token_quota_failed", "message": "no"},
    {"type": "new_api_error", "message": "token quota is not enough, token remain quota: ＄0.00, need quota: ＄0.01"},
    {"type": "new_api_error", "message": "user quota is not enough"},
    {"code": "QuotaExceeded", "message": "Your account [21] has exhausted its free trial quota for the [x] model."},
    {"code": "SetLimitExceeded", "message": "Your account [21] has reached the set inference limit for the [x] model."},
    {"code": "CommodityNotPurchased", "message": "Commodity has not purchased yet."},
    {"code": "Throttling.AllocationQuota", "message": "Free allocated quota exceeded."},
    {"message": "The free tier of the model has been exhausted."},
    {"code": "1113", "message": "余额不足或无可用资源包,请充值。"},
    {"message": "该令牌额度已用尽"},
    {"message": "您的账户已欠费"},
    {"message": "Insufficient Balance"},
    {"message": "Insufficient credits. Add more using https://openrouter.ai/credits"},
    {"message": "Your credit balance is too low"},
    {"message": "You have run out of credits."},
    {"message": "账户可用金额为零，请充值后再试"},
    # https://github.com/continuedev/continue/issues/10373
    {"message": "Your team has either used all available credits or reached its monthly spending limit."},
    # https://github.com/BerriAI/litellm/issues/14144
    {"type": "auth_error", "message": "Budget has been exceeded! Current cost: 1.5, Max budget: 1.0"},
    {"type": "budget_exceeded", "message": "Budget has been exceeded! Team=a Current cost: 3.1, Max budget: 3.0"},
    {"type": "auth_error", "message": "ExceededBudget: User=a over budget. Spend=1.5, Budget=1.0"},
    {
        "code": "insufficient_quota",
        "message": "You exceeded your current quota, please check your plan and billing details. For more information "
        "on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
    },
]
# What passes within a minute or a day, though it speaks of quota, too.
THROTTLED = [
    {"message": "请求过于频繁，如需更高速率，请充值升级"},
    {"message": "Rate limit reached. A higher spending limit raises it."},
    {"code": "insufficient_quota", "message": "You exceeded your current quota, please check your plan and billing."},
    {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded, please increase your quota limit."},
    {"code": 429, "message": "Rate limit exceeded: free-models-per-day. Add 10 credits for 1000 free requests per day"},
    {"message": "每分钟请求额度已达上限"},
]  # fmt: skip


@pytest.mark.parametrize("error", UNPAID, ids=str)
@pytest.mark.parametrize("status", [400, 402, 403, 429, 500, 503, None])
def test_call_is_not_retryable_when_only_paying_helps(error, status):
    """Protects from waiting for nothing: some servers send 429 or 500 for an account without funds."""
    found = call(status, json.dumps({"error": error}).encode()) if status else error_from_event({"error": error})
    assert not found.is_retryable
    assert type(found) is errors.Qwen3PermissionDeniedError
    assert status is None or "no funds" in found.message


@pytest.mark.parametrize("status", [400, 402, 403, 429, 500, None])
def test_used_up_quota_may_pass_only_when_the_status_says_so(status):
    """Protects both readings of `insufficient_quota`: DashScope sends it with 429 for too many tokens a minute."""
    error = {"error": {"code": "insufficient_quota", "message": "no"}}
    found = call(status, json.dumps(error).encode()) if status else error_from_event(error)
    assert found.is_retryable == (status in {429, None})


@pytest.mark.parametrize("error", THROTTLED, ids=str)
def test_call_is_retryable_when_the_quota_is_that_of_a_minute(error):
    """Protects batches on DashScope: a minute's quota is full in every one of them, and is soon free again."""
    found = call(429, json.dumps({"error": error}).encode())
    assert type(found) is Qwen3RateLimitError
    assert found.is_retryable


@pytest.mark.parametrize(
    ("status", "text", "is_missing"),
    [
        (503, "当前分组 default 下对于模型 qwen3-8b 无可用渠道 (request id: 1)", True),  # one-api
        (503, "无可用渠道", True),
        (503, "There are no channels available for model qwen3-8b under the current group default", True),
        (503, "No available channel for model qwen3-8b under group default (distributor)", True),
        (503, "Loading model", False),
        (503, "当前分组上游负载已饱和，请稍后再试", False),
        (503, "no healthy upstream", False),
        (500, "the channel is closed", False),
    ],
)
def test_model_is_blamed_when_a_gateway_has_no_channel_for_it(status, text, is_missing):
    """Protects who misspells a model behind one-api: waiting, or fewer requests at once, would not help."""
    error = call(status, json.dumps({"error": {"message": text, "type": "one_api_error"}}).encode(), dialect="one-api")
    assert ("no channel for" in error.message) == is_missing
    assert type(error).__name__ == "Qwen3ServerError"


# What an error says of a connection, and the advice when it is our own.
CONNECTIONS = {
    "Cannot connect to host localhost:11434 ssl:default [Connect call failed ('127.0.0.1', 11434)]": "Nothing is",
    "[Errno -2] Name or service not known": "cannot be resolved",
    "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed": "$SSL_CERT_FILE",
    "[SSL: WRONG_VERSION_NUMBER] wrong version number": "http:// instead",
    "certificate has expired": "renew it",
    "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required": "client certificate",
    "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired": "client certificate",
    "[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate": "client certificate",
    "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca": "client certificate",
    "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure": "uses TLS on this port",
    "127.1 - is not a canonical IPv4 address": "four numbers",
    "Connection timeout to host https://files.test/x.jpg": "firewall",
    "ReadTimeout": "raise the timeout",
    "Server disconnected": "out of memory",
    "RemoteProtocolError": "not valid HTTP",
    "ProxyError: 407": "$HTTPS_PROXY",
    "Request URL is missing an 'http://' or 'https://' protocol.": "base_url must begin",
}


@pytest.mark.parametrize("text", CONNECTIONS)
def test_advice_on_a_connection_is_given_only_when_it_is_our_own(text):
    """Protects users whose server reports a failure of its own, to a server behind it or to a picture's host."""
    said = CONNECTIONS[text]
    assert said in call(failure=lambda request: HTTPX.ConnectError(text, request=request)).message
    for status in (400, 404, 500, 503, None):
        error = report({"error": {"message": f"OllamaException - {text}", "code": "500"}}, status, "litellm")
        assert said not in error.message.partition("\n")[2]


@pytest.mark.parametrize(
    ("dialect", "status", "text", "is_gateway"),
    [
        ("litellm", 500, "litellm.APIConnectionError: OllamaException - Cannot connect to host localhost:11434", True),
        ("litellm", 500, "litellm.InternalServerError: OpenAIException - Connection error.. LiteLLM Retried", True),
        ("generic", 500, 'do request failed: Post "http://x/v1": dial tcp x: connect: connection refused', True),
        ("generic", 500, 'do request failed: Post "http://x/v1": EOF', True),  # new-api, one-api
        ("generic", 503, "no healthy upstream", True),
        ("generic", 503, "upstream connect error or disconnect/reset before headers. reset reason: x", True),
        ("generic", None, "litellm.APIConnectionError: [Errno -2] Name or service not known", True),
        ("generic", 502, "anything", True),
        ("vllm", 500, "Cannot connect to host files.test:443 ssl:default [Name or service not known]", False),
        ("vllm", 502, "Cannot connect to host 10.0.0.2:8000 ssl:default [Connect call failed]", True),
        ("sglang", 500, "HTTPSConnectionPool: NameResolutionError: Name or service not known", False),
        ("generic", 400, "Cannot connect to host files.test:443", False),
        ("generic", 500, "CUDA out of memory", False),
        ("generic", 503, "The request queue is full.", False),
    ],
)
def test_server_behind_is_named_when_a_gateway_cannot_reach_it(dialect, status, text, is_gateway):
    """Protects users of LiteLLM, new-api and Envoy: our own base_url is right, and so are host and port."""
    error = report({"error": {"message": text}}, status, dialect)
    assert ("the server behind it does not" in error.message) == is_gateway


@pytest.mark.parametrize("status", [400, 500, None])
@pytest.mark.parametrize(
    "text",
    [
        "404, message='Not Found', url='http://localhost:8000/a.jpg'",
        "403, message='Forbidden. Please comply with the policy', url='https://files.test/a.jpg'",
        "Cannot connect to host files.test:443 ssl:default [Name or service not known]",
    ],
)
def test_picture_is_named_when_an_engine_cannot_load_it(text, status):
    """Protects users whose pictures are behind a login, or on their own machine: nothing says that the server fetches.

    A gateway may say the same of the server behind it.
    """
    for dialect, is_picture in {"vllm": True, "sglang": True, "litellm": False, "generic": False}.items():
        error = report({"error": {"message": text}}, status, dialect)
        assert ("cannot load a picture" in error.message) == is_picture


PATH, NAME = "There is no /chat/completions under", "/models lists"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"error": {"message": "No endpoints found that support tool use.", "code": 404}}, ""),  # OpenRouter
        (404, {"error": {"message": "No endpoints found matching your data policy (Free model)", "code": 404}}, ""),
        (None, {"error": {"message": "No endpoints found that support tool use.", "code": 404}}, ""),
        (404, {"error": {"message": "No endpoints found for qwen/qwen3-8b:free.", "code": 404}}, NAME),
        (404, {"error": "could not find real modelID for qwen3x", "src": "llama-swap"}, NAME),
        (404, {"error": {"message": "The file 'file-1' was deleted", "code": "x"}}, ""),
        (405, {"detail": "the batch is closed"}, ""),
        (404, {"error": {"message": "model 'x' not found, try pulling it first"}}, NAME),
        (
            404,
            {"status": 404, "title": "Not Found", "detail": "Function '23d4f03a-b8a6': Not found for account 'Q'"},
            "to this account",
        ),  # NVIDIA
        (404, {"detail": "Not Found"}, PATH),
        (405, {"detail": "Method Not Allowed"}, PATH),
        (404, {"error": {"message": "File Not Found", "code": 404}}, PATH),  # llama.cpp
        (404, {"error": {"message": "Resource not found", "code": "404"}}, PATH),  # Azure
        (404, {"error": {"message": "Invalid URL (POST /chat/completions)"}}, PATH),
        (404, {"message": "no Route matched with those values"}, PATH),  # Kong
        (404, {"status": 404, "error": "Not Found", "path": "/chat/completions"}, PATH),  # Spring
        (404, {"error": "Not Found", "message": "No static resource chat/completions."}, PATH),
        (404, {"code": 404, "msg": "请求的接口不存在"}, PATH),
        (404, {"status": 404}, PATH),
        (404, {}, PATH),
        (None, {"error": {"message": "Unexpected endpoint or method. (POST /chat/completions)"}}, PATH),  # LM Studio
    ],
)
def test_path_is_blamed_only_when_no_api_is_there(status, body, said):
    """Protects users whose base_url is right: an API answers 404 for a model or a provider, too, and says so."""
    advice = report(body, status).message.partition("\n")[2]
    assert said in advice if said else not advice


@pytest.mark.parametrize("body", [b"", b"404 page not found\n", b"default backend - 404", b"<html><h1>404</h1></html>"])
@pytest.mark.parametrize("status", [404, 405])
def test_path_is_blamed_when_the_answer_is_no_json(status, body):
    """Protects the most common mistake, a base_url without /v1: a server or proxy without an API writes text."""
    assert PATH in call(status, body).message


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (413, {"error": {"message": "Request too large on tokens per minute (TPM): Limit 6000, Requested 12000",
                         "code": "rate_limit_exceeded"}}, "in a minute: send less"),  # Groq
        (429, {"error": {"message": "Rate limit reached on tokens per minute", "code": "rate_limit_exceeded"}}, "wait"),
        (400, {"code": "Throttling.RateQuota", "message": "slow", "request_id": "r"}, "wait"),
        (None, {"error": {"message": "Throttling: slow down"}}, "wait"),
        (413, {"error": {"message": "Request Entity Too Large"}}, "client_max_body_size"),
    ],
)  # fmt: skip
def test_advice_follows_the_kind_when_the_status_is_another(status, body, said):
    """Protects users of Groq, who cannot raise a proxy's limit for what is a limit of their account."""
    assert said in report(body, status).message.partition("\n")[2]


SENT = {
    "reasoning_effort": {"reasoning_effort": "medium"},
    "thinking": {"thinking": {"type": "enabled"}},
    "kwargs": {"chat_template_kwargs": {"enable_thinking": True}},
    "history": {"messages": [{"role": "assistant", "content": "", "reasoning_content": "R"}]},
    "mentioned": {"messages": [{"role": "user", "content": 'What is "thinking": "enable_thinking":?'}]},
}


@pytest.mark.parametrize(
    ("sent", "text", "said"),
    [
        ("reasoning_effort", '"my-assistant" does not support thinking', "cannot think"),  # Ollama
        ("mentioned", '"my-assistant" does not support thinking', "cannot think"),
        ("mentioned", "The model does not support enable_thinking", "cannot think"),
        ("mentioned", "Unsupported parameter: reasoning", ""),
        ("thinking", "Unsupported parameter: thinking", "refuses the field thinking"),
        ("reasoning_effort", "Unsupported parameter: reasoning_effort", "refuses the field reasoning_effort"),
        ("kwargs", "Unsupported parameter: chat_template_kwargs", "refuses the field chat_template_kwargs"),
        ("kwargs", "chat_template_kwargs.enable_thinking: Extra inputs are not permitted", "refuses the field"),
        ("history", "messages.0.reasoning_content: Extra inputs are not permitted", "refuses the field"),
    ],
)
@pytest.mark.parametrize("status", [400, None])
def test_field_is_called_refused_only_when_it_was_sent(sent, text, said, status):
    """Protects from advice on a field that nobody set: its name is also a word for what a model cannot do."""
    body = {"error": {"message": text, "type": "invalid_request_error"}}
    failure = error_from_event(body)
    if status:
        reply = HTTPX.Response(status, json=body, request=HTTPX.Request("POST", URL))
        failure = openai.BadRequestError(text, response=reply, body=body["error"])
    with pytest.raises(Qwen3Error) as caught, ErrorTranslator("generic", URL, "m", SENT[sent]):
        raise failure
    advice = caught.value.message.partition("\n")[2]
    assert said in advice if said else not advice


def test_stopped_pod_is_named_when_a_csdn_address_serves_a_page():
    """Protects the most common first failure of GPU pod users: the pod sleeps, its gateway answers."""
    url = "https://gpu-pod12ab-8000.web.gpu.csdn.net/v1"
    error = call(502, b"<!DOCTYPE html><html><h1>Bad Gateway</h1></html>", url=url)
    assert "The pod seems stopped" in error.message
    assert "gpu-pod<id>-8000" in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_when_the_server_asks_to_wait(headers, seconds):
    """Protects callers that wait as long as they were told, in every form the header has."""
    error = call(429, b"{}", headers)
    assert type(error) is Qwen3RateLimitError
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("failure", "kinds", "said"),
    [
        (HTTPX.ConnectError("[Errno 111] Connection refused"), CONNECTION, "is the server up"),
        (HTTPX.ConnectError("All connection attempts failed"), CONNECTION, "is the server up"),
        (
            HTTPX.ConnectError("[Errno -2] Name or service not known"),
            CONNECTION,
            "pod.test cannot be resolved",
        ),
        (HTTPX.ConnectError("[SSL: WRONG_VERSION_NUMBER]"), CONNECTION, "write http://"),
        (HTTPX.ConnectError("CERTIFICATE_VERIFY_FAILED"), CONNECTION, "$SSL_CERT_FILE"),
        (HTTPX.ConnectTimeout("timed out"), TIMEOUT, "is a firewall"),
        (HTTPX.ConnectTimeout("_ssl.c:989: The handshake operation timed out"), TIMEOUT, "write http:// instead"),
        (HTTPX.PoolTimeout(""), TIMEOUT, "max_concurrency"),
        (HTTPX.ReadTimeout(""), TIMEOUT, "raise the timeout, or stream"),
        (httpx.ReadTimeout(""), TIMEOUT, "raise the timeout, or stream"),
        (HTTPX.ReadError(""), CONNECTION, "closed the connection"),
        (httpx.RemoteProtocolError("peer closed connection"), CONNECTION, "closed the connection"),
        (HTTPX.ProxyError("407"), CONNECTION, "$NO_PROXY"),
        (HTTPX.UnsupportedProtocol("no scheme"), CONNECTION, "http:// or https://"),
        (HTTPX.DecodingError("incorrect header check"), BAD_REPLY, "cannot be decoded"),
        (ssl.SSLError(1, "bad record mac"), CONNECTION, "bad record mac"),
        (anyio.EndOfStream(), CONNECTION, "EndOfStream"),
    ],
)
def test_transport_failure_is_typed_when_it_surfaces_raw(failure, kinds, said):
    """Protects against httpx's, ssl's and anyio's own errors reaching the caller of a stream."""
    kind, cut = kinds
    with pytest.raises(kind) as before, ErrorTranslator("vllm", URL, "m"):
        raise failure
    assert type(before.value) is kind
    assert said in before.value.message
    arrived = AIMessageChunk("Rom")
    with pytest.raises(cut) as after, stream_context(arrived):
        raise failure
    assert type(after.value) is cut
    assert after.value.partial is arrived
    assert after.value.__cause__ is failure


def chain(*links: BaseException) -> BaseException:
    """Return the first exception, each with the next one as its cause."""
    for link, cause in itertools.pairwise(links):
        link.__cause__ = cause
    return links[0]


REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 8000)")
FULL = OSError(errno.EMFILE, "Too many open files")
UNROUTED = OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 8000)")
ALL_FAILED = "All connection attempts failed"


@pytest.mark.parametrize(
    ("causes", "said", "advice"),
    [
        ([FULL], os.strerror(errno.EMFILE), "ulimit -n"),
        ([OSError(errno.ENFILE, "")], os.strerror(errno.ENFILE), "ulimit -n"),
        ([OSError(ALL_FAILED), FULL], os.strerror(errno.EMFILE), "ulimit -n"),
        ([OSError(ALL_FAILED), ExceptionGroup("", [FULL, FULL])], os.strerror(errno.EMFILE), "ulimit -n"),
        ([OSError(ALL_FAILED), OSError(errno.ENETUNREACH, "")], os.strerror(errno.ENETUNREACH), "no way to pod.test"),
        ([UNROUTED], os.strerror(errno.EHOSTUNREACH), "no way to pod.test"),
        ([OSError(errno.EADDRNOTAVAIL, "")], os.strerror(errno.EADDRNOTAVAIL), "no free port"),
        ([OSError(ALL_FAILED), REFUSED], os.strerror(errno.ECONNREFUSED), "is the server up"),
        ([OSError(ALL_FAILED), ConnectionResetError()], os.strerror(errno.ECONNRESET), "check VPN"),
        ([ssl.SSLEOFError(8, "EOF occurred")], os.strerror(errno.ECONNRESET), "check VPN"),
        ([anyio.EndOfStream(), ssl.SSLWantReadError(2, "")], os.strerror(errno.ECONNRESET), "check VPN"),
        ([anyio.BrokenResourceError()], os.strerror(errno.ECONNRESET), "check VPN"),
        ([ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] alert (_ssl.c:1)")], "", "the host name in base_url"),
        ([ssl.SSLError(1, "[SSL: TLSV1_UNRECOGNIZED_NAME] (_ssl.c:1)")], "", "the host name in base_url"),
        # An address of IPv6 without a network of it, and one where nothing listens.
        (
            [OSError(ALL_FAILED), ExceptionGroup("", [OSError(errno.EADDRNOTAVAIL, ""), REFUSED])],
            "",
            "is the server up",
        ),
        ([OSError(ALL_FAILED)], "", "is the server up"),
        ([OSError(ALL_FAILED), FileNotFoundError(errno.ENOENT, "no file")], "", "is the server up"),
        ([OSError(ALL_FAILED), socket.gaierror(-2, "unknown"), FULL], "", "is the server up"),
    ],
    ids=range(18),
)
def test_advice_is_for_the_systems_reason_when_no_connection_is_made(causes, said, advice):
    """Protects from looking for a server that is up when this machine has no file, port or route left."""
    failure = chain(openai.APIConnectionError(request=REQUEST), HTTPX.ConnectError(ALL_FAILED), *causes)
    with pytest.raises(Qwen3ConnectionError) as caught, ErrorTranslator("vllm", URL, "m"):
        raise failure
    text = f"{ALL_FAILED}: {said}" if said else ALL_FAILED
    assert caught.value.message.startswith(f"no connection: {text} (")
    assert advice in caught.value.message


WINDOWS_SAYS = (
    (errno.ECONNREFUSED, "由于目标计算机积极拒绝，无法连接。", "is the server up"),
    (errno.ECONNRESET, "远程主机强迫关闭了一个现有的连接。", "check VPN"),
    (errno.ENETUNREACH, "向一个无法连接的网络尝试了一个套接字操作。", "no way to pod.test"),
)


@pytest.mark.parametrize(("number", "text", "advice"), WINDOWS_SAYS)
def test_advice_is_given_when_the_system_speaks_another_language(number, text, advice, monkeypatch):
    """Protects users of Windows in Chinese, whose `strerror` knows no error of sockets: what counts is the number."""
    monkeypatch.setattr(os, "strerror", lambda _: "Unknown error")
    shown = f"[WinError 1] {text}"
    failure = chain(openai.APIConnectionError(request=REQUEST), HTTPX.ConnectError(shown), OSError(number, text))
    with pytest.raises(Qwen3ConnectionError) as caught, ErrorTranslator("vllm", URL, "m"):
        raise failure
    assert caught.value.message.startswith(f"no connection: {shown} (")
    assert advice in caught.value.message


@pytest.mark.parametrize("failure", [HTTPX.ReadError(""), HTTPX.RemoteProtocolError("Server disconnected")], ids=repr)
def test_advice_is_not_for_another_error_when_the_caller_handled_one(failure):
    """Protects fallbacks: the second server's error is not explained by the first one's."""
    chain(failure, openai.APIConnectionError(request=REQUEST), HTTPX.ConnectError("no"), FULL)
    with pytest.raises(Qwen3ConnectionError) as caught, ErrorTranslator("vllm", URL, "m"):
        raise failure
    assert "ulimit" not in caught.value.message


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (lambda request: HTTPX.ConnectError("refused", request=request), Qwen3ConnectionError),
        (lambda request: HTTPX.ReadTimeout("slow", request=request), Qwen3TimeoutError),
        (lambda request: HTTPX.DecodingError("no gzip", request=request), BadReplyError),
    ],
)
def test_connection_error_keeps_the_cause_when_openai_wrapped_it(failure, kind):
    """Protects the text under openai's empty `Connection error.`, which says what happened."""
    error = call(failure=failure)
    assert type(error) is kind
    said = ("no connection: refused", "no reply in time: slow", "the reply cannot be decoded: no gzip")
    assert error.message.startswith(said)


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, ValueError, OSError])
def test_other_exceptions_pass_untouched_when_raised_in_the_context(kind):
    """Protects cancellation, closed generators and the caller's own bugs from being renamed."""
    raised = kind("mine")
    with pytest.raises(kind) as caught, ErrorTranslator("vllm", URL, "m"):
        raise raised
    assert caught.value is raised


def test_own_error_is_placed_once_when_contexts_are_nested():
    """Protects messages of errors raised by pure code: the server's address is added, and added once."""
    arrived = AIMessageChunk("half")
    outer = ErrorTranslator("vllm", "http://other/v1", "other")
    with pytest.raises(StreamCutError) as caught, outer, stream_context(arrived):
        raise StreamCutError("the stream ended without finish_reason or [DONE]")
    error = caught.value
    first, _, advice = error.message.partition("\n")
    assert first == f"the stream ended without finish_reason or [DONE] ({URL}, model m)"
    assert advice.startswith("The server or a proxy ended the reply early: check the server's log")
    assert error.partial is arrived
    assert str(error.request.url) == f"{URL}/chat/completions"


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        ({"error": {"message": "busy", "code": 429}}, "Qwen3RateLimitError", 429),
        ({"error": {"message": "busy", "type": "rate_limit_error"}}, "Qwen3RateLimitError", 429),
        ({"error": {"message": "boom", "code": 500}}, "Qwen3ServerError", 500),
        ({"error": {"message": "boom"}}, "Qwen3ServerError", 500),
        ({"error": "CUDA out of memory"}, "Qwen3ServerError", 500),
        ({"error": {"message": "no", "type": "invalid_request_error"}}, "Qwen3InvalidRequestError", 400),
        ({"error": {"message": "no", "code": "invalid_api_key"}}, "Qwen3AuthenticationError", 401),
        ({"error": {"message": "Context size has been exceeded."}}, "Qwen3ContextOverflowError", 400),
        ({"object": "error", "message": "no", "code": 400}, "Qwen3InvalidRequestError", 400),
        ({"code": "Throttling", "message": "slow", "request_id": "r"}, "Qwen3RateLimitError", 429),
        ({"detail": "Not Found"}, "Qwen3ModelNotFoundError", 404),
        ({"choices": [{"error": {"code": 502, "message": "upstream"}}]}, "Qwen3ServerError", 502),
        ({"choices": [{"finish_reason": "error_finish", "delta": {"content": "Throttling: slow down"}}]},
         "Qwen3RateLimitError", 429),
        ({"error": {"message": "Throttling: slow down", "code": "error_finish"}}, "Qwen3RateLimitError", 429),
    ],
)  # fmt: skip
def test_error_event_is_of_its_kind_when_the_status_was_200(event, kind, status):
    """Protects streams and whole replies whose error comes after the headers said 200."""
    response = HTTPX.Response(200, request=HTTPX.Request("POST", URL))
    error = error_from_event(event, response=response)
    assert type(error).__name__ == kind
    assert error.status_code == status
    assert error.response.status_code == 200
    assert str(error.response.request.url) == URL


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"delta": {"content": "hi"}, "finish_reason": None}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "error": None},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": []},
        {},
        [],
        None,
        "text",
    ],
)
def test_event_is_no_error_when_it_only_looks_odd(event):
    """Protects ordinary events, usage events and keep-alives from being raised."""
    assert error_from_event(event) is None


ALL_KINDS = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if issubclass(kind, Qwen3Error)])
def test_every_kind_is_both_trees_when_caught(kind):
    """Protects `except` clauses written for openai, and for core's kinds with their retry rule."""
    assert issubclass(kind, openai.APIError)
    assert issubclass(kind, core.ModelError)
    base = next(base for base in kind.__mro__ if base.__module__ == core.__name__)
    assert kind.is_retryable is base.is_retryable
    assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (StreamCutError, langchain_openai.OpenAIConnectionError),
        (StreamStallError, langchain_openai.OpenAITimeoutError),
        (Qwen3ContextOverflowError, langchain_openai.OpenAIContextOverflowError),
        (Qwen3ContextOverflowError, langchain_openai.OpenAIAPIContextOverflowError),
        (errors.Qwen3AuthenticationError, langchain_openai.OpenAIAuthenticationError),
        (errors.Qwen3PermissionDeniedError, langchain_openai.OpenAIPermissionDeniedError),
        (errors.Qwen3InvalidRequestError, langchain_openai.OpenAIInvalidRequestError),
        (errors.Qwen3ModelNotFoundError, langchain_openai.OpenAIModelNotFoundError),
        (Qwen3RateLimitError, langchain_openai.OpenAIRateLimitError),
        (errors.Qwen3ServerError, langchain_openai.OpenAIAPIError),
        (errors.Qwen3UnprocessableEntityError, openai.UnprocessableEntityError),
        (errors.Qwen3ConflictError, openai.ConflictError),
        (BadReplyError, openai.APIResponseValidationError),
    ],
)
def test_code_written_for_chat_openai_catches_ours_when_swapped(kind, base):
    """Protects programs that move from ChatOpenAI with their `except` clauses."""
    assert issubclass(kind, base)


def test_no_secret_is_kept_when_a_server_echoes_the_key():
    """Protects logs, traces and pickles: neither the header nor an echo of it is in any of them."""
    body = {"error": {"message": f"Incorrect API key provided: {CANARY}, sk-abc123def456", "hint": CANARY}}
    error = call(401, json.dumps(body).encode(), url=f"http://user:{CANARY}@pod.test/v1?api_key={CANARY}")
    error.add_note("seen")
    shown = f"{error!r} {error} {error.body} {vars(error)} {error.request.headers.raw} {error.request.url}"
    assert CANARY not in shown
    assert "sk-abc" not in shown
    assert "Incorrect API key provided: ***" in error.message
    assert CANARY.encode() not in pickle.dumps(error)


@pytest.mark.parametrize(
    "failure",
    [lambda request: HTTPX.LocalProtocolError(f"Illegal header value b'Bearer {CANARY}\\n'", request=request)],
)
def test_no_secret_is_shown_when_the_transport_quotes_the_header(failure):
    """Protects a key with a stray line break, which httpx quotes in full."""
    error = call(failure=failure)
    assert CANARY not in f"{error!r} {vars(error)}"
    assert "line break" in error.message


@pytest.mark.parametrize("clone", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])  # noqa: S301
def test_error_survives_when_pickled_or_copied(clone):
    """Protects worker processes: the error arrives with its facts, its response and its partial message."""
    error = call(429, b'{"error": {"message": "busy", "code": 429}}', {"retry-after": "3"})
    error.partial = AIMessage("half")
    twin = clone(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert (twin.retry_after, twin.code, twin.status_code, twin.partial) == (3.0, "429", 429, error.partial)
    assert twin.response.json() == {"error": {"message": "busy", "code": 429}}
    assert str(twin.request.url) == f"{URL}/chat/completions"


@pytest.mark.parametrize("kind", [Qwen3Error, *Qwen3Error.__subclasses__(), StreamCutError, StreamStallError])
def test_message_survives_when_an_error_is_pickled(kind: type[Qwen3Error]):
    """Protects a worker's error on its way home, whatever Python's own class it is as well."""
    error = kind("it broke\nRepair it.")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert (str(twin), twin.args) == (str(error), error.args)


def test_tool_choice_error_keeps_its_message_when_pickled():
    """Protects the reply that came in place of the call: it is paid for and may be of use."""
    error = ToolChoiceError("get_weather was not called", reply=AIMessage("no"))
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert twin.reply == AIMessage("no")
    assert twin.args == ("get_weather was not called",)


def test_every_hint_is_reachable_when_its_text_appears():
    """Protects the table: every row's advice formats with the names a message has."""
    for pattern, hint in (_ADDRESS | _NETWORK | _SETTINGS | _STATUS).items():
        assert pattern
        assert not re.search(r"\{(url|host|model)", hint.format(url=URL, host="pod.test", model="m"))


@pytest.mark.parametrize(
    ("text", "url", "expected"),
    [
        ("the server answered with invalid JSON instead of a chat completion: Ollama is running", "", True),
        ("the server answered with an empty body instead of a chat completion", "", True),
        ('the reply has no choices: {"status": "ok"}', "", True),
        ("the stream has no choices", "", True),
        ('the reply has no choices: {"status": "ok"}', "/v1", False),
        ("an event is not valid JSON", "", False),
    ],
)
def test_advises_the_path_when_the_address_has_none_and_no_chat_comes(text, url, expected):
    """Protects from an address without /v1, where many servers answer 200 with a greeting or their state."""
    with pytest.raises(BadReplyError) as caught, ErrorTranslator("generic", f"http://pod.test:8000{url}", "m"):
        raise BadReplyError(text)
    assert ("usually ends in /v1" in str(caught.value)) == expected


NAMES = "error detail message code type param loc msg choices n_ctx metadata raw delta content object"
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=4),
    max_leaves=12,
)


@given(BODIES)
def test_reading_never_fails_when_the_body_is_anything(body):
    """Protects the error path from failing itself: any JSON, bytes or text gives facts."""
    facts = read_error_body(body)
    assert facts.message
    error = error_from_event(body)
    assert error is None or isinstance(error, Qwen3Error)


@pytest.mark.parametrize("body", [b"[" * 100_000, '{"error": ' * 5_000, "context length is ,", b"\xff\xfe"])
def test_reading_never_fails_when_the_text_is_hostile(body):
    """Protects against nesting that exhausts the stack, and against numbers that are none."""
    assert len(read_error_body(body).message) <= 2000


NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n<hr></body>\r\n</html>"


@pytest.mark.parametrize(
    ("title", "headers", "kind", "said"),
    [
        (
            "401 Authorization Required",
            {"www-authenticate": 'Basic realm="models"'},
            "Authentication",
            "user name and password",
        ),
        ("401 Authorization Required", {"www-authenticate": "Bearer"}, "Authentication", "api_key"),
        ("403 Forbidden", {}, "PermissionDenied", "key may use"),
        ("404 Not Found", {}, "ModelNotFound", "usually /v1"),
        ("407 Proxy Authentication Required", {}, "Status", "openai_proxy"),
        ("413 Request Entity Too Large", {}, "Status", "client_max_body_size"),
        ("414 Request-URI Too Large", {}, "Status", "default_query"),
        ("429 Too Many Requests", {}, "RateLimit", "max_concurrency"),
        ("431 Request Header Fields Too Large", {}, "Status", "default_headers"),
        ("500 Internal Server Error", {}, "Server", "behind the gateway"),
        ("501 Not Implemented", {}, "Server", "behind the gateway"),
        ("502 Bad Gateway", {}, "Server", "is that server up"),
        ("503 Service Temporarily Unavailable", {}, "Server", "wait"),
        ("504 Gateway Time-out", {}, "Server", "time limit"),
        ("521 Web server is down", {}, "Server", "is that server up"),  # Cloudflare's own
        ("522 Connection timed out", {}, "Server", "time limit"),
        ("526 Invalid SSL certificate", {}, "Server", "is that server up"),
        ("529 Site is overloaded", {}, "Server", "set max_concurrency"),
    ],
)
def test_advice_suits_the_status_when_a_proxy_answers_with_its_own_page(title, headers, kind, said):
    """Protects against being sent to base_url for what a proxy's limits, its password or the key are to blame."""
    error = call(int(title[:3]), NGINX.format(title).encode(), {"content-type": "text/html", **headers})
    assert type(error).__name__ == f"Qwen3{kind}Error"
    assert said in error.message
    assert ("base_url" in error.message) == (kind == "ModelNotFound" or "behind" in said or "password" in said)


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(
    ("host", "is_near"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("192.168.1.5", True),
        ("172.31.0.2", True),
        ("[::1]", True),
        ("172.32.0.2", False),
        ("10.pod.test", False),
        ("localhost.test", False),
        ("pod.test", False),
    ],
)
def test_advice_names_the_proxy_when_one_answers_for_a_server_nearby(status: int, host: str, is_near: bool):
    """Protects who has a proxy in the environment from looking for a fault of a server that runs."""
    error = call(status, url=f"http://{host}:8000/v1")
    assert (f"$NO_PROXY={host.strip('[]')}" in error.message) == is_near
    assert (
        "$NO_PROXY"
        not in call(status, b'{"error": {"message": "Loading model"}}', url="http://localhost:8000/v1").message
    )


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ({"error": {"message": "qwen/x is not a valid model ID", "code": 400}}, "ModelNotFound", f"{URL}/models"),
        ({"errors": {"message": "Model id : Q , has no provider supported"}}, "ModelNotFound", f"{URL}/models"),
        ({"error": {"message": "No connected db.", "type": "no_db_connection"}}, "Authentication", "master key"),
        ({"object": "error", "message": "API key error"}, "Authentication", "$QWEN_API_KEY"),
        ({"detail": "Unexpected fields in the request: {'enable_thinking'}"}, "InvalidRequest", "server="),
        ({"message": "property 'chat_template_kwargs' is unsupported"}, "InvalidRequest", "server="),
        ({"detail": [{"loc": ["body", "enable_thinking"], "msg": "Extra inputs are not permitted"}]},
         "InvalidRequest", "server="),
        ({"message": "Unrecognized request argument supplied: top_k"}, "InvalidRequest", "server="),
        ({"error": {"message": "Role must be in [user, assistant].", "code": "invalid_parameter_error"}},
         "InvalidRequest", "in translation_options"),
        ({"code": "InvalidParameter", "message": "url error, please check url"}, "InvalidRequest", "/compatible-mode"),
        ({"error": {"message": "max_completion_tokens [16384] must be greater than thinking_budget [32768]"}},
         "InvalidRequest", "Set thinking_budget"),
    ],
)  # fmt: skip
def test_class_and_advice_are_right_when_a_400_says_little(body, kind, said):
    """Protects users of servers that answer an unknown model, a wrong key and a refused field all alike."""
    error = call(400, json.dumps(body).encode())
    assert type(error).__name__ == f"Qwen3{kind}Error"
    assert error.status_code == 400
    assert said in error.message
    assert not error.is_retryable


@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        (400, "'response_format.type' must be 'json_schema'", "InvalidRequest", "method='json_schema'"),
        (400, "'response_format.type' must be 'json_schema' or 'text'", "InvalidRequest", "method='json_schema'"),
        (400, "response_format.type must be 'json_schema' or 'json_object'", "InvalidRequest", "method='json_mode'"),
        (400, "'response_format' must be 'text' or 'json_object'", "InvalidRequest", "method='json_mode'"),
        (400, "Assistant response prefill is incompatible with enable_thinking.", "InvalidRequest", "HumanMessage"),
        (400, "Cannot have 2 or more assistant messages at the end of the list.", "InvalidRequest", "HumanMessage"),
        (400, "Cannot continue an assistant message that contains tool calls.", "InvalidRequest", "HumanMessage"),
        (500, "Automatic parser generation failed: \nJinja Exception: No user query found in messages.", "Server",
         "add one"),
        (400, 'Error rendering prompt with jinja template: "No user query found in messages.".', "InvalidRequest",
         "add one"),
        (500, "Automatic parser generation failed: \nSystem message must be at the beginning.", "Server",
         "system message first"),
        (500, "Value is not callable: null at row 49, column 79:\n {%- set a = 1 %}", "Server", "template failed"),
        (500, "While executing FilterExpression at line 120, column 73 in source:\n", "Server", "template failed"),
        (400, 'Error rendering prompt with jinja template: "Unknown test: sequence".', "InvalidRequest",
         "template failed"),
        (400, "At most 1 image(s) may be provided in one prompt.", "InvalidRequest", "--limit-mm-per-prompt"),
        (400, "You set video=0 in `--limit-mm-per-prompt`, but passed 1 video items.", "InvalidRequest", "fewer"),
        (400, "Failed to initialize samplers: failed to parse grammar", "InvalidRequest", "what the text names"),
        (400, "Failed to initialize samplers: std::exception", "InvalidRequest", "--reasoning-format auto"),
        (400, 'JSON schema conversion failed:\nUnrecognized schema: {"not":{}}', "InvalidRequest", "patterns"),
        (400, "The provided JSON schema contains features not supported by xgrammar.", "InvalidRequest", "patterns"),
        (400, "Automatic parser generation failed: JSON schema error at #/properties/x: unrecognized type any",
         "InvalidRequest", "take out what the text names"),
        (400, "Tool 17 function has invalid 'parameters' schema: None is not of type 'array'", "InvalidRequest",
         "take out what the text names"),
        (400, "Invalid schema for function 'f': array schema missing items", "InvalidRequest", "the text names"),
        (400, "Failed to compile json schema", "InvalidRequest", "take out what the text names"),
        (400, "JSON Schema not supported: could not understand the instance `{'not': {}}`.", "InvalidRequest",
         "take out what the text names"),
        (500, "tools param requires --jinja flag", "Server", "llama-server with --jinja"),
        (400, "An exception occurred while loading image data at index 0: 404 Client Error", "InvalidRequest",
         "as base64"),
        (500, "Error while loading data ImageData(url='http://a.test/b.png'): 404 Client Error", "Server",
         "as base64"),
        (400, "Error parsing chat history: no user/tool message found", "InvalidRequest", "add one"),
        (500, 'Grammar error: Unimplemented keys: ["propertyNames"]', "Server", "take out what the text names"),
        (500, "Failed to parse input at pos 39: <tool_call>", "Server", "ask again"),
        (500, "The model produced output that does not match the expected peg-native format", "Server", "ask again"),
        (None, "The model produced output that does not match the expected peg-native format", "Server", "ask again"),
        (500, "Invalid diff: now finding less tool calls!", "Server", "ask again"),
        (None, "Invalid diff: '<think>a</think>' not found at start of '<think>a <b'", "Server", "ask again"),
        (500, "XML syntax error on line 7: expected element name after <", "Server", "ask again"),
        (500, "error parsing tool call: raw='{\"a\"' err=unexpected end of JSON input", "Server", "ask again"),
        (500, "failed to parse JSON: unexpected end of JSON input", "Server", "ask again"),
        (400, "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
         "InvalidRequest", "ask again"),
        (400, "Failed to generate JSON. Please adjust your prompt.", "InvalidRequest", "ask again"),
        (400, "Tool choice is required, but model did not call a tool", "InvalidRequest", "ask again"),
        (400, "tool call validation failed: parameters for tool f did not match schema: errors: [`/a`: expected array]",
         "InvalidRequest", "ask again"),
        (422, "Failed to generate tool_calls. Please adjust your prompt.", "UnprocessableEntity", "ask again"),
        (404, "404 Client Error.\n\nRepository Not Found for url: https://huggingface.co/api/models/m/revision/main.",
         "ModelNotFound", f"{URL}/models lists"),
    ],
)  # fmt: skip
def test_advice_is_given_when_an_engine_refuses_what_it_was_asked_or_made(status, text, kind, said):
    """Protects users of engines whose texts tell the cause in the engine's own terms."""
    error = report({"error": {"message": text}}, status)
    assert type(error).__name__ == f"Qwen3{kind}Error"
    assert said in error.message.rpartition("\n")[2]


@pytest.mark.parametrize("content", [b"{}", json.dumps({"error": f"bad key {CANARY}"}).encode()])
def test_no_secret_is_left_when_the_error_is_taken_apart(content):
    """Protects what handlers and error trackers look into: response, request, and the SDK's error behind it."""
    error = call(401, content, {"set-cookie": f"session={CANARY}", "x-echo": CANARY, "x-limit": "7"})
    shown = [error.response.text, repr(error.response.headers), repr(error.response.request.headers)]
    shown += [repr(error.request.headers), str(error.request.url)]
    cause = error.__cause__ or error.__context__
    assert isinstance(cause, openai.AuthenticationError)
    shown += [repr(cause.request.headers), repr(cause.response.request.headers), cause.response.text, repr(cause.body)]
    assert CANARY not in "\n".join(shown)
    assert error.response.headers["x-limit"] == "7"
    if CANARY.encode() not in content:
        assert error.__cause__ is cause
