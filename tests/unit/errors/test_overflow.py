"""A prompt that is too long is recognised in every server's words, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.errors.overflow import is_overflow, read_limit, read_prompt_tokens

OVERFLOWS = json.loads((Path(__file__).parent / "wire_errors" / "overflow_texts.json").read_text("utf-8"))
NO_OVERFLOWS = (
    "max_tokens=100000 cannot be greater than max_model_len=4096. Please request fewer output tokens.",
    "max_completion_tokens is too large: 9.This model supports at most 8 completion tokens.",
    "Range of max_tokens should be [1, 8192]",
    "max_completion_tokens (9000) exceeds the model's maximum output length",
    "Request too large for model `qwen` on tokens per minute (TPM): Limit 6000, Requested 9000, reduce the message.",
    "The image is too large: at most 20 MB",
    "Input image exceeds the maximum number of pixels",
    "tool name exceeds maximum length of 64",
    "top_k must be less than vocabulary size",
    "temperature must be less than 2",
    "the prompt field is required",
    "System message must be at the beginning.",
    "requested 5 tools, maximum is 4",
    "messages: Input should be a valid list",
    "stop: at most 4 sequences",
    "CUDA out of memory",
    "Requested rate limit exceeded: quota of 100 requests, context length irrelevant",
    "number of input images exceeds the limit of 5",
    "The request exceeds the size limit",
    "request headers length exceeded",
    "Message too large (20 MB)",
    "input_schema exceeds maximum length of 1000",
    "messages[0].name is too long: maximum length 100 characters for name",
    "truncate_prompt_tokens should be an int greater than 0",
    "String should have at most 64 characters [type=string_too_long, input_value='x', input_type=str]",
    "min_tokens must be less than or equal to max_tokens",
    "stop sequence length exceeds 64",
    "tool_call_id length exceeds 40 in messages",
    "video prompt: the number of frames (1000) exceeds the maximum number of frames (768)",
    "The video file is too long: input video exceeds the maximum length 40 s",
    "Input audio is too long",
    "图片内容超过10MB",
    "输入参数 temperature 超出取值范围",
    "max_tokens 超过最大值 8192",
    "token 数量超过每分钟限制",
    "请求频率超过限制",
    "tools[0].function.name 长度超过64",
    "thinking_budget (40000) exceeds the maximum allowed number of tokens 38912",
    "The thinking_budget parameter must be a positive integer and not greater than 38912",
    "输入的 max_tokens 超过最大值 8192",
    "输入图片数量超过限制",
    "max_tokens must be at least 1, got -1.",  # "no limit" in llama.cpp and LM Studio
    "max_tokens must be at least 1, got -2",
    "max_tokens must be at least 1, got 0",
    "the input prompt token len 10 + max_new_tokens 300000 > 262144",
    "thinking_budget 超过最大值 38912",
    "超过模型最大输出 token 数 8192",
    "超过每日最大 token 限制",
    "单次请求最多支持 10 张图片，当前请求 12 张",
    "The number of tools exceeds the model's limit of 128",
    "Total images exceed the model's limit",
    "messages length must be at least 1 but got 0",
    "Input tokens must be a list but got str",
    "max_tokens 最大支持 8192 tokens，当前请求 16384 tokens",
    "本模型最大支持输出 8192 tokens，当前请求 16384",
    "max_tokens 超过模型最大 tokens 限制 8192",
    "输入的 max_tokens 超过模型最大 tokens 限制 8192",
    "输出长度超过最大 token 数",
    "超过了最大 tokens/min 限制 100000",
    "超过模型最大token用量，请一分钟后再试",
    "输入 token 数超过TPM限制",
    "当前并发超过最大 tokens 处理能力，请稍后再试",
    "今日 token 数超过限制",
    "您的 token 数已超过套餐上限",
    "Image input limit for this model is 5 images",
    "max length of input audio is 30 s but got 200",
    "messages 数量超过限制 1000",
    "messages[0].name 长度超过64",
    "输入的 stop 参数数量超过 4 个",
    "The request stopped after 1200 tokens: the time limit is 600 seconds",
    "Request needs 5000 tokens, but your remaining quota allows 2000",
    "input batch has 900 rows of 128 tokens, max is 512 images",
    "The prompt of 9000 tokens was cached; the limit of output tokens is 8192",
    "Request cancelled: 41000 tokens of output exceed max_tokens 8192",
    "Failed to send 20000 tokens over the network: input stream closed",
    "Token usage limit reached: 120000 tokens used, limit 100000",
    "Your request for 5000 tokens was refused: the organisation's limit is 400000 tokens, used 399000",
    "Insufficient balance: request needs 9000 tokens, balance supports 8192",
    "Insufficient credits: this request requires 9000 tokens, your credits allow 8000",
    "Too many tokens waiting: 120000 tokens, limit 100000, try later",
    "reasoning tokens 40000 > limit 38912",
    "The prompt (900 tokens, max context 32768) was refused by the content filter",
    "Request of 900 tokens within limit 32768: upstream error 502",
    "Request id 20261130123456 tokens limit 5000",
    "maximum input characters per field: 64",
    "思维链最大长度 38912 token，当前 40000",
    "触发限流，最大支持 100000 tokens，请求 120000",
    "免费额度最大支持 100000 tokens，当前已使用 120000",
)

VLLM = (
    "This model's maximum context length is 32768 tokens. However, you requested {output} output tokens and your "
    "prompt contains at least {prompt} input tokens, for a total of at least {total} tokens. Please reduce the length "
    "of the input prompt or the number of requested output tokens."
)
VLLM_OLDER = (
    "'max_tokens' or 'max_completion_tokens' is too large: {output}. This model's maximum context length is 32768 "
    "tokens and your request has {prompt} input tokens ({output} > 32768 - {prompt})."
)
VLLM_NEWER = (
    "You passed {prompt} input tokens and requested {output} output tokens. However, the model's context length is "
    "only 32768 tokens, resulting in a maximum input length of {rest} tokens. Please reduce the length of the input "
    "prompt."
)
OPENAI = (
    "This model's maximum context length is 32768 tokens. However, you requested {total} tokens ({prompt} in the "
    "messages, {output} in the completion). Please reduce the length of the messages or completion."
)
SGLANG = (
    "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of "
    "{total} tokens: {prompt} tokens from the input messages and {output} tokens for the completion. Please reduce the "
    "number of tokens in the input messages or the completion to fit within the limit."
)
OPENROUTER_TEXT = (
    "This endpoint's maximum context length is 32768 tokens. However, you requested about {total} tokens ({prompt} of "
    "text input, {output} in the output). Please reduce the length of either one."
)
TGI = (
    "`inputs` tokens + `max_new_tokens` must be <= 32768. Given: {prompt} `inputs` tokens and {output} `max_new_tokens`"
)


@pytest.mark.parametrize("template", [VLLM, VLLM_OLDER, OPENAI, SGLANG, OPENROUTER_TEXT, TGI])
@pytest.mark.parametrize(
    ("prompt", "output", "expected"),
    [
        (10, 50_000, False),
        (10, 32_768, False),
        (32_000, 40_000, False),
        (10, 32_760, True),  # both matter
        (30_000, 5_000, True),
        (40_000, 100, True),
        (40_000, 50_000, True),  # less output would not help
        (32_768, 32_768, True),
    ],
)
def test_overflow_is_the_prompts_when_the_text_names_the_output_too(
    template: str, prompt: int, output: int, *, expected: bool
) -> None:
    """Protects a short history from being cut because `max_tokens` is larger than the context."""
    names = {"prompt": prompt, "output": output, "total": prompt + output}
    assert is_overflow(template.format(**names)) == expected


@pytest.mark.parametrize(("prompt", "output"), [(10, 32_760), (30_000, 5_000), (40_000, 100)])
def test_overflow_stays_one_when_vllm_names_the_longest_input(prompt: int, output: int) -> None:
    """Protects from taking the room that the output leaves for the length of the context."""
    text = VLLM_NEWER.format(prompt=prompt, output=output, rest=32_768 - output)
    assert is_overflow(text)
    assert (read_limit(text), read_prompt_tokens(text)) == (32_768, prompt)


@pytest.mark.parametrize("row", OVERFLOWS, ids=lambda row: row["text"][:40])
def test_overflow_is_recognised_when_any_server_says_it(row: dict[str, Any]) -> None:
    """Protects SummarizationMiddleware, and whoever trims to `.limit`: a wrong number is worse than none."""
    text = row["text"]
    assert is_overflow(text)
    assert (read_limit(text), read_prompt_tokens(text)) == (row["limit"], row["prompt_tokens"])


@pytest.mark.parametrize("text", NO_OVERFLOWS)
def test_overflow_is_not_seen_when_another_limit_was_passed(text: str) -> None:
    """Protects a history from being cut for a limit of the output, of requests per minute or of an image."""
    assert not is_overflow(text)


# As a translating gateway would write them.
ELSEWHERE = [
    "プロンプトが長すぎます（40000 トークン、最大 32768 トークン）。",
    "入力トークン数 40000 がモデルの最大コンテキスト長 32768 を超えています。",
    "コンテキスト長を超過しました",
    "入力が長すぎます。",
    "メッセージが多すぎます: コンテキストウィンドウを超えました",
    "컨텍스트 길이를 초과했습니다. 최대 32768 토큰입니다.",
    "프롬프트가 너무 깁니다.",
    "입력 토큰 수(40000)가 최대 허용치(32768)를 초과했습니다.",
    "모델의 최대 컨텍스트 길이 32768 토큰을 넘었습니다",
    "Der Prompt ist zu lang: 40.000 Tokens, erlaubt sind 32.768.",
    "Die maximale Kontextlänge von 32768 Token wurde überschritten.",
    "Die Eingabe überschreitet die maximale Anzahl von 32768 Tokens.",
    "Das Kontextfenster ist überschritten",
    "Der Prompt ist länger als das Kontextfenster des Modells (32768 Token).",
    "Le message est trop long (40000 jetons, max 32768)",
    "Votre message est trop long",
    "Les messages dépassent 32768 jetons",
    "Le contexte dépasse la limite de 32 768 jetons.",
    "La longueur maximale du contexte est dépassée",
    "L'entrée est trop longue pour le modèle.",
    "Le prompt dépasse la longueur maximale de 32768 tokens.",
    "La longitud del contexto excede el máximo de 32768 tokens.",
    "El prompt es demasiado largo.",
    "La entrada supera el límite de 32.768 tokens.",
    "O prompt é muito longo",
    "A entrada excede o limite de tokens do modelo",
    "O contexto máximo de 32768 tokens foi excedido.",
    "La lunghezza del contesto supera il massimo di 32768 token.",
    "Il prompt è troppo lungo.",
    "Превышена максимальная длина контекста 32768 токенов",
    "Слишком длинный запрос: 40000 токенов",
    "De invoer overschrijdt de maximale contextlengte.",
    "Przekroczono maksymalną długość kontekstu (32768 tokenów).",
    "Bağlam uzunluğu aşıldı",
]
ELSEWHERE_OTHER = [
    "リクエストが多すぎます。しばらくしてから再試行してください。",
    "入力画像が大きすぎます",
    "レート制限を超えました",
    "max_tokens が最大値 8192 を超えています",
    "요청이 너무 많습니다.",
    "분당 토큰 한도를 초과했습니다",
    "이미지 크기가 초과되었습니다",
    "Zu viele Anfragen",
    "error, message: zu viele Anfragen",
    "Kontingent überschritten: 100000 Eingabe-Token",
    "Das Limit von 100000 Eingabe-Token pro Tag ist überschritten",
    "Se superó el límite de tokens de entrada por día",
    "Le nombre de jetons d'entrée par jour est dépassé",
    "输入 token 超过了速率",
    '{"message": "trop de requêtes"}',
    "Das Ratenlimit wurde überschritten",
    "Die Datei ist zu groß",
    "Trop de requêtes",
    "Le nombre de requêtes dépasse la limite",
    "Límite de velocidad excedido",
    "Demasiadas solicitudes",
    "Слишком много запросов",
    "Превышен лимит запросов",
    "Превышено число запросов в минуту",
    "Limite de tokens por minuto excedido: 1000 tokens de entrada",
    "Die Eingabe überschreitet das Token-Limit pro Minute",
    "Troppe richieste",
    "Çok fazla istek",
    "temperature must not exceed 2",
    "El nombre de la función es demasiado largo",
    "Zeitlimit überschritten",
    "Il timeout è stato superato",
    "入力トークンの1分あたりの上限を超えました",
    "Le solde de tokens est dépassé",
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_overflow_is_recognised_when_the_gateway_translates_it(text: str) -> None:
    """Protects agents that shorten the history: the error must be known in whatever language it comes."""
    assert is_overflow(text)
    assert read_limit(text) == (32768 if "40" in text and "32" in text else None)


@pytest.mark.parametrize("text", ELSEWHERE_OTHER)
def test_other_limit_is_no_overflow_when_the_gateway_translates_it(text: str) -> None:
    """Protects a history from being shortened for a rate limit, an image or the output's length."""
    assert not is_overflow(text)
