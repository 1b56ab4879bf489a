"""Whoever says it, and with whatever status: what a server complains of is recognised by what the text says."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.errors import (
    ErrorTranslator,
    Qwen3InvalidRequestError,
    causes,
    error_from_event,
    hints,
    overflow,
    read_error_body,
    secrets,
)
from langchain_qwen3.errors.causes import find_status

UNKNOWN_MODELS = (
    "qwen/qwen-3.6-27b is not a valid model ID",
    "Model id : Qwen/X , has no provider supported",
    "/chat/completions: Invalid model name passed in model=no-such-model. Call `/v1/models`.",
    "Server is pinned to 'Qwen/Qwen3-0.6B'; requested 'no-such-model'.",
    "`no-such-model` is not in the model_list: `['Qwen/Qwen3-0.6B']`.",
    "The model `x` does not exist.",
    "Model Not Exist",
    "Model does not exist. Please check it carefully.",
    "Unsupported model: qwen",
    "unknown model 'x'",
    'Invalid model identifier "x". Please specify a valid downloaded model (e.g. y)',
    "model 'x' not found, try pulling it first",
    "Not found the model x or Permission denied",
    "No models loaded. Please load a model in the developer page",
    "The requested model 'qwen3.6-27b' is not available",
    "模型不存在，请检查模型代码。",
    "当前分组 default 下对于模型 qwen 无可用渠道",
    "The model `Qwen/Qwen3.8-27B` is not a supported model",
    "model qwen3 is not loaded",
    "No such model: x",
    "Invalid model: x",
    "unsupported model `x`",
    "[address=1] Model not found in the model list, uid: x.",
    "x is not a supported model",
    "Model x not available",
    'model "x" isn\'t loaded',
    "No model named x",
    "unrecognized model x",
    "Model 'x' is not in the list of allowed models",
    "The model `x` has been decommissioned and is no longer supported.",  # Groq
    "Unable to access non-serverless model Qwen/Qwen3.6-35B-A3B-FP8. Please visit https://api.together.ai/models/x",
    "The model 'x' has reached its end of life on 2026-05-14T00:00:00Z and is no longer available.",  # NVIDIA
    "The model associated with the deployment is deprecated and no longer available for use.",  # DIAL
    "There are no available channels for model x under the current group",  # new-api
    "x: model does not match the loaded model y",
    "only model y is served",
    "model_not_found",
    "未找到模型 x",
    "找不到模型",
    "无效的模型名称",
    "模型 x 未部署",
    "不支持的模型：x",
    "could not find real modelID for qwen3x",  # llama-swap
    "llama-swap: no router for requested model",
    "No endpoints found for qwen/qwen3-8b:free.",  # OpenRouter
    "model `qwen3.6-plus` is not supported.",  # DashScope's coding plan (https://github.com/QwenLM/qwen-code/issues/3037)
    "The requested model is not supported.",
    "The requested model 'qwen3-8b' is not supported.",
    "model: qwen3-8b is invalid",
    "模型名称: qwen3-8b 不支持",
    "Model name qwen3-8b is wrong, expected one of [Qwen/Qwen3-8B]",
    "Unable to find model qwen3-8b",
    "litellm.BadRequestError: You passed in model=qwen3. There is no 'model_name' with this string.",
    "You passed in model=qwen3. There are no healthy deployments for this model. Received Model Group=qwen3",
    "当前API不支持所选模型qwen3-8b",
    "不支持该模型",
    "模型 qwen3-8b 不支持",
    "模型qwen3-8b暂未上线",
    "模型 qwen3-8b 已停止服务",
    "请求的模型 qwen3-8b 未开通，请先在控制台开通",
    "模型名称错误: qwen3-8b",
    "模型编码 qwen3-8b 无效",
    "model qwen3-8b 不在可用模型列表中",
    # LiteLLM (https://github.com/BerriAI/litellm/blob/main/litellm/litellm_core_utils/get_llm_provider_logic.py)
    "litellm.BadRequestError: LLM Provider NOT provided. Pass in the LLM provider you are trying to call. You passed x",
    # FastChat (https://github.com/lm-sys/FastChat/blob/main/fastchat/serve/openai_api_server.py)
    "Only Qwen3-8B&&Qwen3-14B allowed now, your model qwen3-4b",
    "The requested model 'Qwen/Qwen3-X' is not supported by any provider you have enabled.",  # Hugging Face
    "Model Qwen/Qwen3-X is not supported for task conversational and provider hf-inference.",
    "model_id not recognized: qwen3",
    "model_name 'qwen3' does not exist",
    "Wrong API model name, try again",
    "您请求的模型 qwen3-x 未授权或不存在",
    "El modelo qwen3-8b no existe",
    "O modelo 'qwen3-8b' não foi encontrado",
    "Le modèle qwen3-8b est introuvable",
    "Das Modell „qwen3-8b“ wurde nicht gefunden",
    "Het model qwen3-8b bestaat niet",
    "Модель qwen3-8b не найдена",
    "モデル qwen3-8b が見つかりません",
    "모델을 찾을 수 없습니다: qwen3-8b",
    "El modelo solicitado no existe",
    "Modèle introuvable : qwen3",
    "Le modèle `qwen3` n'existe pas",
    "Modell nicht gefunden",
    "モデル「qwen3-8b」は存在しません",
    "모델 qwen3-8b를 찾을 수 없습니다",
    "Il modello 'qwen3-8b' non esiste",
    "Il modello qwen3-8b non è stato trovato",
    "'qwen3-8b' modeli bulunamadı",
    "Model 'qwen3-8b' bulunamadı",
    "模型 qwen3-8b 未上线或无权限",
)
WRONG_KEYS = (
    "API key error",
    "No connected db.",
    "Invalid API key",
    "Incorrect API key provided: sk-***",
    "API key not valid. Please pass a valid API key.",
    "You didn't provide an API key. You need to",
    "Unauthorized",
    "authentication failed",
    "无效的令牌",
    "missing api key",
    "Invalid access token",
    "api_key is required",
    "Your API key has expired",
    "Invalid authorization token",
    "No auth credentials found",
    "Missing Authorization header",
    "invalid x-api-key",
    "Access denied due to invalid subscription key",
    "该令牌状态不可用",
    "API key 不能为空",
    "未提供令牌",
    "鉴权失败",
    "IAM Certification failed",
    "请先登录",
    "Invalid token",  # Huawei's ModelArts
    "token失效，请重新登录",
    "token 已失效",
)
NEITHER = (
    "Invalid model parameters",
    "Json mode response is not supported by this model",
    "The model qwen does not support enable_thinking",
    "model does not support image input",
    "unknown model architecture: qwen4",
    "Unsupported value: 'temperature' does not support 0.2 with this model.",
    "parameter top_k is not supported by model qwen",
    "The model called a tool that was not found: get_weather",
    "tool get_weather not found",
    "Invalid value for model_config",
    "template not found for chat",
    "messages with role 'tool' must be a response",
    "invalid token in grammar",
    "Invalid token id 151667 in stop_token_ids",
    "invalid token count",
    "Unexpected token < in JSON",
    "max_tokens is invalid",
    "the key 'foo' is required",
    "tool key error",
    "bad token count",
    "image_url not found in model input",
    "This model is not available in streaming mode",
    "The model is currently not available, try again later",
    "model x is not a supported model for embeddings",
    "不支持的模型参数",
    "模型 qwen3-8b 不支持工具调用",
    "模型 qwen3-8b 不支持或未启用工具调用",
    "该模型的工具调用不支持",
    "模型参数不合法：temperature",
    "模型 qwen3-8b 的联网搜索功能未开通",
    "model output is invalid",
    "Function calling for model qwen3-8b is not supported.",
    "Streaming with model `qwen3-8b` is not supported",
    "enable_thinking of the model 'qwen3-8b' is invalid",
    "模型代码执行错误",
    "temperature 不在模型范围内",
    "The model type is not supported.",
    "Model 'qwen3-8b' is not supported for embeddings",
    "Model qwen3-8b is not supported with tools.",
    "The value of model_kwargs is invalid.",
    "The model 'qwen3-8b' is unavailable. Please try again later.",
    "模型名称 qwen3-8b 不支持流式",
    "模型ID不支持该功能",
    "模型 qwen3-8b 未开通联网搜索",
    "参数 top_k 不在该接口支持的模型参数中",
    "该模型不支持图片",
    "El modelo llamó a una herramienta que no existe",
    "Das Modell hat ein Werkzeug aufgerufen, das nicht gefunden wurde",
    "モデルが呼び出したツールが見つかりません",
    "모델이 호출한 도구를 찾을 수 없습니다",
    "Le modèle a appelé une fonction: introuvable",
    "Модель вызвала инструмент, который не найден",
    "El modelo pidió el fichero datos.csv, que no existe",
    "O modelo respondeu; a chave da sessão não foi encontrado",
    "Le modèle qwen3-8b a un paramètre inconnu",
    "Le modèle est chargé, le rôle 'developer' est inconnu",
    "Das Modell ist geladen, aber die Rolle existiert nicht",
    "Het model vroeg een bestand dat niet gevonden is",
    "Модель загружена, пользователь не найден",
    "モデルのチャットテンプレートが見つかりません",
    "모델이 요청한 세션이 존재하지 않습니다",
    "Model x is not supported for tasks with images",
    "Wrong model type: expected a string",
    "model_name is required",
    "No endpoints found that support tool use",
    "No endpoints found for the requested parameters",
    "No endpoints found matching your data policy (Free model publication)",
)
UNDER_200 = (
    ("Unexpected endpoint or method. (POST /chat/completions)", 404, False),  # LM Studio
    ("Cannot POST /chat/completions", 404, False),
    ("404 page not found", 404, False),
    ("Not Found: No message available", 404, False),  # older Spring Boot
    ("Unknown request URL: POST /chat/completions. Please check the URL for typos", 404, False),
    ("Open api qps request limit reached", 429, True),  # Baidu
    ("Throttling", 429, True),
    ("Requests are too frequent, please try again later.", 429, True),  # APISIX
    ("当前分组上游负载已饱和，请稍后再试", 429, True),  # one-api
    ("account: insufficient balance", 402, False),
    ("No permission to access data", 403, False),  # Baidu
    ("该令牌无权使用模型：qwen3-8b", 403, False),  # one-api
    ("您没有权限使用模型 qwen3-8b", 403, False),
    ("Permission denied", 403, False),
    ("Forbidden", 403, False),
    ("请求过于频繁，暂时禁止访问", 429, True),
    ("Access denied: too many requests", 429, True),
    ("Forbidden: rate limit exceeded", 429, True),
    ("Access denied: sensitive words", 400, False),
    ("Forbidden words in the input", 500, True),
    ("open /models/qwen3.gguf: permission denied", 500, True),
    ("[Errno 13] Permission denied: '/root/.cache'", 500, True),
    ("IAM Certification failed", 401, False),  # Baidu
    ("token 已过期", 401, False),
    ("用户未登录", 401, False),
    ("无可用资源，请稍后再试", 500, True),
    ("模型目录中没有权重文件", 500, True),
    ("The role tool is not allowed to be first", 500, True),
    ("server busy, try later", 503, True),
    ("upstream timed out", 504, True),
    ("您当前使用该API的并发数过高，请降低并发，或联系客服增加限额。", 429, True),  # Zhipu
    ("调用次数超限，请明天再试", 429, True),
    ("Model is overloaded", 503, True),
    ("CUDA out of memory", 500, True),
    ("model 'x' not found", 404, False),
    ("Invalid API key", 401, False),
)


REFUSED_TEXTS = (
    "Input data may contain inappropriate content.",  # DashScope
    "The request failed because the input text may contain sensitive information.",  # Volcengine, Huawei
    "sensitive words detected: x",  # new-api
    "Content Exists Risk",  # DeepSeek, and gateways in front of it
    'x requires moderation on y. Your input was flagged for "violence".',  # OpenRouter, with status 403
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "用户输入包含敏感词，请修改后重试",
    "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语",  # Zhipu
    "输入内容审核不通过，涉嫌违规，请重新调整输入内容",  # Spark
    "您的输入存在违规内容",
    "回答未通过安全审核",
    "系统检测到输入内容可能包含不安全内容",
    "Your request was rejected as a result of our safety system.",  # OpenAI
)
"""What a content filter says; the request would be refused again."""
NOT_REFUSED_TEXTS = (
    "model names are case-sensitive",
    "tools[0].function.description: 内容长度不合法",
    "您的账户正在审核，请稍后",
    "您的账号涉嫌违规，已被封禁",
    "账户涉嫌违规，请联系客服",
    "实名认证审核未通过",
    "企业认证审核不通过，请重新提交",
    "您未通过实名认证审核",
    "请求过于频繁，请稍后再试",
)


@pytest.mark.parametrize("text", UNKNOWN_MODELS)
def test_unknown_model_is_recognised_when_the_status_says_little(text: str) -> None:
    """Protects the right class and advice: LiteLLM, OpenRouter, ms-swift and others send 400, or even 200."""
    assert [find_status(text, status) for status in (400, 422, None)] == [404] * 3


@pytest.mark.parametrize("text", WRONG_KEYS)
def test_wrong_key_is_recognised_when_the_status_says_little(text: str) -> None:
    """Protects the right class and advice: ms-swift, LiteLLM and Google send 400."""
    assert [find_status(text, status) for status in (400, 422, None)] == [401] * 3


@pytest.mark.parametrize("text", NEITHER)
def test_refused_request_stays_one_when_a_model_or_token_is_only_mentioned(text: str) -> None:
    """Protects against advice to change key or model where a setting is wrong."""
    assert find_status(text, 400) is None


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_status_stays_when_it_says_more_than_the_text(status: int) -> None:
    """Protects statuses that servers choose with care."""
    assert {find_status(text, status) for text in (*UNKNOWN_MODELS, *WRONG_KEYS)} == {None}


@pytest.mark.parametrize(("text", "status", "can_retry"), UNDER_200)
def test_error_is_of_its_kind_when_it_came_with_200_and_no_code(text: str, status: int, *, can_retry: bool) -> None:
    """Protects the retry rule: it is asked again only where that can help."""
    error = error_from_event({"error": text})
    assert error is not None
    assert (error.status_code, error.is_retryable) == (status, can_retry)


@pytest.mark.parametrize("text", REFUSED_TEXTS)
def test_content_filter_is_named_when_it_refused_the_text(text: str) -> None:
    """Protects batches and agents: under status 200 the request was sent again, and under 403 the key was blamed."""
    error = error_from_event({"code": 1301, "msg": text})
    assert error is not None
    assert (error.status_code, error.is_retryable) == (400, False)
    for status in (400, 403):
        hint = hints.find_hint(f"u kind=x status={status} {text}", url="u", host="h", model="m")
        assert hint == "The provider's content filter refused the text."


@pytest.mark.parametrize("status", [200, 400, 500])
def test_content_filter_is_named_when_a_gateway_calls_it_a_server_error(status: int) -> None:
    """Protects batches behind new-api: its status 500 for a word on its list had each text sent again."""
    body = {"message": "sensitive_words_detected (request id: 1)", "code": "sensitive_words_detected"}
    response = httpx.Response(status, json={"error": body}, request=httpx.Request("POST", "http://h/v1"))
    kind = openai.InternalServerError if status >= 500 else openai.BadRequestError
    failure = kind("x", response=response, body=body)
    error = error_from_event({"error": body}) if status == 200 else None
    if error is None:
        with pytest.raises(Qwen3InvalidRequestError) as caught, ErrorTranslator("new-api", "http://h/v1", "m"):
            raise failure
        error = caught.value
        assert error.message.endswith("The provider's content filter refused the text.")
        assert error.status_code == status
    assert (type(error), error.is_retryable) == (Qwen3InvalidRequestError, False)


@pytest.mark.parametrize("text", NOT_REFUSED_TEXTS)
def test_content_filter_is_not_named_when_it_did_not_speak(text: str) -> None:
    """Protects from advice about the text where another thing is wrong."""
    hint = hints.find_hint(f"u kind=x status=400 {text}", url="u", host="h", model="m")
    assert (causes.REFUSED_TEXT.search(text), hint) == (None, None)


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        # https://help.aliyun.com/zh/model-studio/error-code
        ("code=InvalidParameter.DataInspection Unable to download the media resource.", "URL must be open"),
        ("code=InvalidParameter Failed to find the requested media resource during the data inspection process",
         "URL must be open"),
        ("code=InvalidParameter Failed to download multimodal content.", "URL must be open"),
        ("code=InvalidParameter.DataInspection The media format is not supported or incorrect for the data inspection.",
         "convert it"),
        ("code=InvalidParameter.DataInspection The image content does not comply with green network verification.",
         "content filter"),
        ("code=20041 The model is not a VLM (Vision Language Model). Please use text-only prompts.", "for text only"),
        ("code=literal_error param=body.model blames=None body.model: Input should be 'Qwen3-8B'", "Set model="),
        ("code=enum param=body.model_kwargs blames=None body.model_kwargs: bad", None),
    ],
)  # fmt: skip
def test_advice_names_the_cause_when_the_code_stands_for_several(facts: str, advice: str | None) -> None:
    """Protects from advice about the text of a prompt where a picture's URL, or the model's name, is wrong."""
    hint = hints.find_hint(f"u dialect=generic kind=x status=400 {facts}", url="u", host="h", model="m")
    assert (hint is None) if advice is None else (advice in (hint or ""))


@pytest.mark.parametrize(
    ("url", "failure", "is_default"),
    [
        ("http://localhost:8000/v1", "[Errno 111] Connection refused errno=ECONNREFUSED", True),
        ("http://localhost:8000/v1", "All connection attempts failed: connect call failed", True),
        ("http://localhost:8000/v1", "over the proxy http://p: Connection refused errno=ECONNREFUSED", False),
        ("http://localhost:8001/v1", "[Errno 111] Connection refused errno=ECONNREFUSED", False),
        ("http://localhost:8000/v1x", "[Errno 111] Connection refused errno=ECONNREFUSED", False),
        ("http://localhost:8000/v1", "ConnectTimeout", False),
    ],
)
def test_advice_says_that_an_address_is_the_default_when_nothing_listens_there(
    url: str, failure: str, is_default: bool
) -> None:
    """Protects who gave no address, as other classes need none: the error asked only for a server on this machine."""
    facts = f"{url} dialect=generic kind=Qwen3ConnectionError status=None {failure}"
    hint = hints.find_hint(facts, failure, url=url, host="localhost", model="m")
    assert ("default address" in (hint or "")) is is_default


@pytest.mark.parametrize(
    ("url", "facts", "is_default"),
    [
        ("http://localhost:8000/v1", "status=404 code=None param=None blames=path asks=None Not Found", True),
        ("http://localhost:8000/v1", "status=405 code=None param=None blames=None asks=None Method Not Allowed", True),
        ("http://localhost:8000/v1", "status=404 code=404 param=model blames=model asks=None no model", False),
        ("http://localhost:8000/v1", "status=500 code=None param=None blames=None asks=None status=405", False),
        ("http://localhost:8001/v1", "status=404 code=None param=None blames=path asks=None Not Found", False),
        ("http://localhost:8000/v1x", "status=404 code=None param=None blames=path asks=None Not Found", False),
    ],
)
def test_advice_says_that_an_address_is_the_default_when_another_server_answers(
    url: str, facts: str, is_default: bool
) -> None:
    """Protects who gave no address while a FastAPI application of their own runs there: it spoke of a missing `/v1`."""
    hint = hints.find_hint(f"{url} dialect=generic kind=Qwen3Error {facts}", url=url, host="localhost", model="m")
    assert ("default address" in (hint or "")) is is_default


@pytest.mark.parametrize("code", ["Model.AccessDenied", "AccessDenied.Unpurchased"])
def test_advice_is_about_the_model_when_dashscope_allows_the_key_but_not_the_model(code: str) -> None:
    """Protects from changing the region of a key that is right: the workspace may not use this model."""
    facts = f"u dialect=dashscope kind=Qwen3PermissionDeniedError status=403 code={code} Model access denied."
    hint = hints.find_hint(facts, url="u", host="h", model="qwen3-max")
    assert hint is not None
    assert "may use qwen3-max" in hint
    assert "region" not in hint


REPETITIONS = (
    "模型 1", "model `a", "model: 1.1/",
    "1", "1,", " ", "a", "model ", "context length ", "maximum context ", "<title", "<title>", "bearer ", "sk-", "://",
    "prompt is ", "max_", "api key ", "Input length (1", "\n", "{", "limit 1", "输入", "not found ",
    "range of input length ", "unknown field ", "reasoning ", "per ", "://a", "<h1>",
)  # fmt: skip


@pytest.mark.parametrize("piece", REPETITIONS)
def test_reading_is_cheap_when_a_long_text_repeats_one_word(piece: str) -> None:
    """Protects the event loop: no expression runs over a foreign text before it was cut, and none is exponential."""
    text = piece * (300_000 // len(piece))
    bodies = (text, f"<html>{text}", {"error": {"message": text, "code": "context_length_exceeded"}}, {text: text})
    with at_most_cpu_seconds(20):
        for body in bodies:
            read_error_body(body)
            secrets.mask_body(body, ["kanarienvogel"])
            error = error_from_event({"error": body})
            assert error is not None
            hints.find_hint(error.message, error.message, url="u", host="h", model="m")


@contextmanager
def at_most_cpu_seconds(seconds: float) -> Iterator[None]:
    """Break off what would run for minutes: what is linear needs a hundredth of the time, what is not a hundredfold."""

    def stop(*_: object) -> None:
        raise AssertionError(f"more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_every_pattern_is_bounded_when_it_is_written() -> None:
    """Protects the promise of the module: an open repetition costs its square where it may begin anywhere."""
    values = (*vars(causes).values(), *vars(overflow).values())
    patterns = [value.pattern for value in values if isinstance(value, re.Pattern)]
    patterns += [*overflow._LIMITS, *overflow._PROMPTS]
    for pattern in patterns:
        assert not re.search(r"(?<!\\)[*+]", pattern), pattern
