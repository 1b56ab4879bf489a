"""Finds the cause of an error in its text, in every server's wording, when the status does not tell.

Servers answer a prompt that is too long, an unknown model or a wrong key with status 400, 500 or even 200, each in its
own words. The patterns match the necessary parts of such a sentence, not one server's wording: what is too long, that
it is too long, and compared to which limit. The tests contain the texts behind them: vLLM, SGLang, llama.cpp,
llama-cpp-python, Ollama, LM Studio, TGI, TensorRT-LLM, LMDeploy, MLC, Xinference, ms-swift, LiteLLM, DashScope,
SiliconFlow, ModelScope, OpenRouter, OpenAI and others.

Texts are truncated to 2,000 characters before this module reads them, and every repetition is bounded, so each match
is fast.
"""

from __future__ import annotations

import re

__all__ = ["find_status", "is_overflow", "read_limit", "read_prompt_tokens"]


def _compile(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# -- a prompt that is longer than the context -----------------------------------------------------------------------

# One of these phrases is sufficient.
_OVERFLOW = _compile(
    r"context_?(?:length|window)_?exceeded",
    r"ContextWindowExceeded",
    r"context size has been exceeded",
    r"range of input length should be \[",
    r"\binputs?(?: is)? too long",
    r"\bprompt (?:is )?too long",
    r"current length is \d{1,15} while limit is",
    r"reduce (?:the|your) (?:length of )?(?:the )?(?:messages|prompt|input)",
    r"too many total text bytes",
    r"`inputs` (?:tokens \+|must have less than)",
    r"input tokens exceed",
    r"tokens in the (?:prompt|input|messages)\b[^.]{0,20}exceed",
    r"(?:输入|提示词?|上下文|prompt).{0,20}(?:超过|超出|过长|超长)",
    r"(?:超过|超出).{0,20}(?:上下文|最大(?:输入)?长度|输入长度)",
)
# Otherwise the text must say that something exceeds a limit, and the limit must be a context.
_BEYOND = _compile(
    r"exceed|overflow|beyond|surpass|not enough|cannot truncate",
    r"\btoo (?:long|large|many|big)",
    r"(?:longer|larger|greater|bigger|more) than",
    r"(?:must|should|has to|have to|can) (?:not )?be (?:\w{1,20} ){0,3}"
    r"(?:<|less|smaller|lower|at most|below|within|no more)",
    r"\d ?>=? ?\w",
    r"however,? (?:you|your|the)\b|but (?:you|your|the) ",
    r"does not fit|doesn't fit|do not fit",
)
_CONTEXT = _compile(
    r"context[ _-]?(?:length|window|size|limit|budget)",
    r"\bn_ctx\b|\bmax_(?:model_len|seq_len|seq_length|num_tokens|input_tokens|input_length|position_embeddings)\b",
    r"(?:max(?:imum)?|model)[ _'-]{1,2}(?:s )?(?:[\w']{1,12}[ _-]){0,2}"
    r"(?:context|model|seq(?:uence)?|input|prompt|position)[ _-]?(?:token )?(?:length|len|window|size|limit|tokens?)",
    r"(?:input|prompt|model token|model length|sequence)[ _-]?(?:length |token )?limit",
    r"max(?:imum)? (?:allowed |input |prompt )?(?:length|size|number)\b[^.]{0,30}token",
    r"prompt\b[^.]{0,60}(?:max(?:imum)? (?:model )?length|limit of \d|token limit)",
    r"request\b[^.]{0,30}token limit",
)
_PROMPT = _compile(r"prompt|\binputs?\b|input[ _]|message|histor|conversation|\btotal|\bsum\b")
_OUTPUT = _compile(r"max_(?:completion_|new_|output_)?tokens|output tokens|completion|image|audio|video|file")
_RATE = _compile(r"per (?:second|minute|min\b|hour|day)|\b[tr]p[md]\b|rate[ _-]?limit|quota")

_NUMBER = r"(\d[\d,]{0,14})"
_LIMITS = (
    rf"range of input length should be \[\d{{1,15}}, ?{_NUMBER}\]",
    rf"{_NUMBER} maximum context",
    (
        r"(?:max(?:imum)?)[ _](?:allowed |model |model_)?"
        r"(?:context|model|input|prompt|seq(?:uence)?|num|number|length|allowed)"
        r"(?:[ _](?:of|allowed|token|tokens|input|length|len|window|size|limit)){0,5}"
        rf"(?: is| of|:|=)? ?[(=]?{_NUMBER}"
    ),
    rf"\d(?: tokens)? ?> ?{_NUMBER}",
    rf"context[ _-]?(?:length|window|size|limit)(?: is| of|:| only|=| tokens){{0,3}} ?\(?{_NUMBER}",
    rf"n_ctx ?[=:(]{{0,2}} ?{_NUMBER}",
    rf"must be (?:<=|<|less than|at most) ?{_NUMBER}",
    rf"must have less than {_NUMBER} tokens",
    rf"cannot exceed {_NUMBER}",
    rf"limit(?: is| of|:)? {_NUMBER}",
)
_PROMPTS = (
    (
        r"(?:prompt|request|input|messages?) (?:contains|has|have|is|resulted in)(?: at least)? "
        rf"{_NUMBER}(?: input)? tokens"
    ),
    rf"{_NUMBER} (?:tokens )?(?:in|from) the (?:input )?(?:messages|prompt)",
    (
        r"(?<!maximum )(?<!max )(?<!model )(?:input|prompt|current)[ _](?:token )?"
        rf"(?:length|count|tokens)(?: is| of|:|=)? ?\(?{_NUMBER}"
    ),
    rf"(?:input|request|prompt) \((?:length )?{_NUMBER}(?: tokens)?\)",
    rf"requested tokens \({_NUMBER}\)",
    rf"given: {_NUMBER}",
    rf"too long: {_NUMBER}(?: input)?(?: tokens| token)?(?:,| >| exceed)",
)


def is_overflow(text: str) -> bool:
    """Return whether a text says that a prompt is longer than the model's context.

    A limit on the output alone does not count, because a shorter history would not help. Nor does a limit on tokens per
    minute.
    """
    if _RATE.search(text):
        return False
    if _OVERFLOW.search(text):
        return True
    if not (_BEYOND.search(text) and _CONTEXT.search(text)):
        return False
    return bool(_PROMPT.search(text)) or not _OUTPUT.search(text)


def read_limit(text: str) -> int | None:
    """Return the context length in tokens that the text of an overflow names."""
    return _read_number(_LIMITS, text)


def read_prompt_tokens(text: str) -> int | None:
    """Return the prompt's length in tokens that the text of an overflow names."""
    return _read_number(_PROMPTS, text)


def _read_number(patterns: tuple[str, ...], text: str) -> int | None:
    for pattern in patterns:
        if match := re.search(pattern, text, re.IGNORECASE):
            return int(match[1].replace(",", ""))
    return None


# -- other causes ---------------------------------------------------------------------------------------------------

_NO_KEY = _compile(
    r"(?:api|access|secret|auth\w{0,10})[ _-]?(?:key|token)s?\b[^.\n]{0,60}?"
    r"(?:error|invalid|incorrect|wrong|missing|expired|required|not valid|not found|not provided|revoked|disabled)",
    r"(?:invalid|incorrect|wrong|missing|bad|no|expired|unknown|provide an?) (?:api|access|secret|auth\w{0,10}|bearer)"
    r"[ _-]?(?:key|token)",
    r"no connected db",  # LiteLLM without a database, for every key except the master key
    r"unauthori[sz]ed|not authenticated|authentication (?:failed|fails|error|required)",
    r"(?:api.?key|令牌|密钥).{0,10}(?:无效|错误|过期|不正确)|无效的?(?:令牌|密钥|api.?key)",
)
_NO_MODEL = _compile(
    r"(?:invalid|unsupported|unknown|no such|not found the|cannot find|can't find|could not find)(?: the)? model"
    r"(?:[ _](?:name|id|identifier|specified|requested))?"
    r"(?!\w|[ _-](?:param|config|setting|option|output|response|input|type|version|field|arch|format))",
    r"\bmodels?\b(?:(?!tool|function|image|file|param|field|\. )[^\n]){0,120}?"
    r"(?:not found|does(?: not|n't) exist|not exist|not in the model|has no provider|could not be found"
    r"|is not (?:available|loaded|registered|deployed|served|recogni[sz]ed|known|a (?:valid|supported|known) model))",
    r"not a valid model|pinned to .{1,200}; requested|no models? (?:is |are )?loaded|no provider supported",
    r"available models?(?: uids?| ids?| names?)?:",
    r"模型.{0,80}不存在|不存在.{0,10}模型|无可用渠道",
)
_NO_PATH = _compile(
    r"unexpected endpoint|unknown (?:request )?(?:url|endpoint|path|route)|invalid (?:url|endpoint|path)\b",
    r"no (?:such )?(?:route|endpoint|path)\b|cannot (?:post|get) /|method not allowed",
    r"(?:url|path|route|endpoint|page)\b.{0,80}(?:not found|does(?: not|n't) exist|not exist)",
    r"^(?:404:? ?)?not found\.?$",
)
_TOO_OFTEN = _compile(
    r"too many requests|throttl|(?:rate|request|qps|usage|concurrency)[ _-]?limit|limit (?:reached|exceeded)",
    r"请求.{0,10}(?:频繁|过多|限制)|限流|限速|负载已饱和",
)
_NO_FUNDS = _compile(r"insufficient.{0,20}(?:quota|balance|credit|fund)|arrear|余额不足|欠费|额度")
_FULL = _compile(r"overload|server (?:is )?busy|at capacity|loading model|model is loading|service unavailable|繁忙")
_TIMED_OUT = _compile(r"timed? ?out|timeout")

_Causes = tuple[tuple[re.Pattern[str], int], ...]
# In this order: the first match decides. The status decides which table is used.
_REFUSALS: _Causes = ((_NO_KEY, 401), (_NO_MODEL, 404))
_ANYTHING: _Causes = (*_REFUSALS, (_NO_PATH, 404), (_NO_FUNDS, 402), (_TOO_OFTEN, 429), (_FULL, 503), (_TIMED_OUT, 504))


def find_status(text: str, sent: int | None) -> int | None:
    """Return a status that fits an error text better than the status sent, or None.

    Args:
        text: The server's text, at most 2,000 characters.
        sent: The status sent with it; None for an error in a reply with status 200. Only 400 and 422, which are
            unspecific, are replaced, and only by an error that another key or model name would fix.
    """
    if sent not in {None, 400, 422}:
        return None
    tried = _ANYTHING if sent is None else _REFUSALS
    return next((status for pattern, status in tried if pattern.search(text)), None)
