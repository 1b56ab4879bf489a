"""Recognises a prompt longer than the model's context, in every server's wording, and reads both lengths from it.

Servers send it with status 400, 413, 500 or even 200, each in its own words. vLLM: "This model's maximum context length
is 32768 tokens. However, you requested 40000 tokens"; llama.cpp: "the request exceeds the available context size". The
patterns match the necessary parts of such a sentence, not one server's wording: what is too long, that it is too long,
and compared to which limit. The texts behind them are in `tests/unit/errors/wire_errors/overflow_texts.json`.

Texts are truncated to 2,000 characters before this module reads them, and every repetition is bounded, so each match
is fast.
"""

from __future__ import annotations

import re


def compile_patterns(*patterns: str) -> re.Pattern[str]:
    """Return one pattern that matches where any of these does, whatever the case."""
    return re.compile("|".join(patterns), re.IGNORECASE)


_TEXT_ZH = (
    "messages(?= ?(?:[总總长長过過太超]|tokens?))|输入|輸入|提示词?|提示詞|消息总?|訊息|对话|對話|历史|歷史|内容|內容"
)

# One of these phrases is sufficient.
_OVERFLOW = compile_patterns(
    r"context_?(?:length|window)_?exceeded",
    r"range of input length should be \[",
    r"\b(?:inputs?(?: data)?|prompt)(?: is| may)? too long",
    r"current length is \d{1,15} while limit is",
    r"(?:reduce|shorten) (?:the|your) (?:length of )?(?:the )?(?:messages|prompt|input)",
    r"too many total text bytes",
    r"`?inputs`? (?:tokens \+|must have less than)",
    r"input tokens exceed|too many (?:input|prompt) tokens|too many tokens in (?:the |your )?(?:prompt|input|messages)",
    r"tokens in the (?:prompt|input|messages)\b[^.]{0,20}exceed",
    r"\bthe max input characters is\b",  # Qianfan's 336007
    r"input_length_error|out of context\b",
    r"context(?: window| size| length)? (?:is full|overflow|(?:has been )?exceeded|limit (?:reached|exceeded))",
    # Older vLLM and NVIDIA set max_tokens to what the prompt leaves. A user's own -1 or -2 means "no limit".
    r"max_(?:completion_)?tokens must be at least 1, got -(?![12]\b)\d",
    rf"(?:{_TEXT_ZH}|上下文|prompt)[^。，,]{{0,20}}(?:过长|過長|太长|太長|超长|超長|超限|字数[太过]多)",
    rf"(?:{_TEXT_ZH}|\binput|(?<!_)token)[^。，,]{{0,12}}(?:长度|長度|字数|(?<!max_)tokens?|(?<![片频頻参数])数)[^。，,]{{0,12}}[，,]?(?:超过|超過|超出)",
    r"(?:上下文|prompt|提示词?)[^。，,]{0,20}(?:超过|超過|超出)|[输輸]入[^。，,参參图圖视視音值]{0,8}(?:超过|超過|超出)",
    r"(?:超过|超過|超出).{0,20}(?:上下文|最大(?:输入|輸入)?(?:长度|長度)|(?:输入|輸入)(?:长度|長度))",
)
# One of these is sufficient, too, unless only the answer's tokens are meant.
_MOST_TOKENS = compile_patterns(
    r"(?:超过|超過|超出)了?[本该該]?(?:模型)?的?最大 ?tokens?",
    r"最[大多](?:支持|上下文|长度)[^。\d]{0,12}\d{1,15} ?个? ?tokens?[^。]{0,12}(?:请求|输入|当前|实际)[^。\d]{0,12}\d",
)
# Otherwise the text must say that something exceeds a limit, and the limit must be a context.
_BEYOND = compile_patterns(
    r"exceed|overflow|beyond|surpass|not enough|cannot truncate",
    r"\btoo (?:long|large|many|big)",
    r"(?:longer|larger|greater|bigger|more) than",
    r"(?:must|should|has to|have to|can) (?:not )?be (?:\w{1,20} ){0,3}"
    r"(?:<|less|smaller|lower|at most|below|within|no more)",
    r"[\d)] ?>=? ?\w|>= ?max",
    r"however,? (?:you|your|the)\b|but (?:you|your|the|max|model)\b|and you (?:sent|requested)",
    r"but (?:got|prompt|input)\b[^\d]{0,20}\d{3}",
    r"(?:only|at most) (?:supports?|accepts?|allows?|takes?)|supports? (?:only|up to|at most)|maximum is \d",
    r"tokens?[^.]{0,12} limit for this model is|too small",
    r"does not fit|doesn't fit|do not fit|\b(?:is|are|goes) (?:over|above)\b",
)
# Gateways translate such texts: German, French, Spanish, Portuguese, Italian, Dutch, Polish, Russian, Turkish, Japanese
# and Korean, each with the stems of the same few words.
_TOO_LONG_ELSEWHERE = (
    r"\b(?:zu (?:lang|groß|viele)|länger als|te (?:lang|groot)|tropp[oia]\b|çok (?:uzun|fazla|büyük)|long[oa] demais)"
    r"|\btrop (?:long|grand|de\b)|demasiad|\bmuito (?:long|grande)|zbyt (?:dłu|wiel|duż)|слишком (?:длин|больш)"
    r"|長すぎ|多すぎ|너무 (?:길|긴|깁|많|큽|크)"
)
_BEYOND_ELSEWHERE = compile_patterns(
    r"überschr|übersteig|dépass|exc[eè]d|sobrepas|super(?:a|ó|ato|ou)\b|rebas[aó]|ultrapass|overschr|przekr|превы",
    r"\baş(?:ıl|ıyor|tı)|超え|超過|上回|초과|넘(?:었|어|습|는|을)",
    _TOO_LONG_ELSEWHERE,
)
_CONTEXT = compile_patterns(
    r"context[ _-]?(?:length|window|size|limit|budget)",
    r"\bn_ctx\b|\bmax_(?:model_len|seq_len|seq_length|num_tokens|input_tokens|input_length|position_embeddings)\b",
    r"(?:max(?:imum)?|model)[ _'-]{1,2}(?:s )?(?:[\w']{1,12}[ _-]){0,2}"
    r"(?:context|model|seq(?:uence)?|input|prompt|position)[ _-]?(?:token )?(?:length|len|window|size|limit|tokens?)",
    r"max(?:imum)?[ _]context\b|\btokens?\b[^.]{0,40}model's limit|\btoken len \d",
    r"max(?:imum)? length of (?:the )?(?:input|prompt)(?! (?:audio|video|image|file))",
    r"(?:input|prompt|model token|model length|sequence)[ _-]?(?:length |token )?limit",
    r"max(?:imum)? (?:allowed |input |prompt )?(?:length|size|number)\b[^.]{0,30}token",
    r"prompt\b[^.]{0,60}(?:max(?:imum)? (?:model )?length|limit of \d|token limit)",
    r"request\b[^.]{0,30}token limit|max_total_tokens|max(?:imum)? message tokens",
    r"(?:for|into?|exceeds?) (?:the |this |your )?(?:model'?s? )?context\b|\bcontext (?:is|of)(?: only)? \d",
    r"kontext|contexte|contexto|contesto|contextlengte|contextvenster|kontekst|контекст|bağlam|コンテキスト|文脈|컨텍스트|콘텍스트|문맥",
)
# Or the limit is that of the prompt's own length in tokens.
_LENGTH = compile_patterns(
    r"\b(?:prompts?|inputs?|messages?|history|conversation|sequence|context)(?:[ _-]\w{1,12}){0,2}?[ _-]?"
    r"(?:tokens?\b|token[ _]|length\b|len\b|\([\d,]{1,15}(?: tokens)?\))",
    r"\b(?:prompt|input|messages?|history|conversation|sequence)(?: (?:is|are|was|has))? (?:too long|longer than)",
    r"\b(?:prompt|messages|input|request)(?: (?:is|has|have|of|with|contains))? (?:[\d,]{1,15}|too many) tokens",
    r"\binput_ids size",
    r"\d (?:input |prompt )?tokens (?:in|from|for|of) (?:the |your )?(?:prompt|input|messages)",
    r"\blength of (?:the |your )?(?:prompt|input|messages)|\bsession_len\b",
)
# Or the text sets the tokens of a request against a smaller limit: "request has 9000 tokens, the limit is 8192".
_COUNT, _LIMIT = r"(\d[\d,]{2,9})", r"(?:\bmax(?:imum)?\b|\blimit|\bcontext\b|\bwindow\b|\ballow|\bsupports?\b|>)"
_AGAINST = compile_patterns(
    rf"\b(?:prompt|input|request|messages?|tokens?)\b[^\d\n]{{0,40}}{_COUNT}\b[^\d\n]{{0,40}}{_LIMIT}[^\d\n]{{0,20}}{_COUNT}",
    rf"{_LIMIT}[^\d\n]{{0,40}}{_COUNT} tokens\b[^\d\n]{{0,30}}\b(?:prompt|input|request|but)\b[^\d\n]{{0,20}}{_COUNT}",
)
_SPENT = compile_patterns(r"\b(?:used|usage|waiting|queued?|cached?|billed)\b")
_PROMPT_ELSEWHERE = compile_patterns(
    r"prompt|промпт|プロンプト|프롬프트|eingabe|entrée|entrada|\binput|invoer|wejści|входн|запрос|girdi|入力|입력|nachricht|mensaje|mensage|messaggi"
    r"|\b(?:[cdlv]es?|[nv]otre) messages?\b|сообщени|メッセージ|메시지|대화|会話"
)
_TOKENS_ELSEWHERE = compile_patterns(r"token|jetons?\b|токен|トークン|토큰", _TOO_LONG_ELSEWHERE)
_OTHER = compile_patterns(r"characters?\b|\bname\b|schema|description|frames|_id\b|seconds|stop\b")
_PROMPT = compile_patterns(r"prompt|\binputs?\b|input[ _]|message|histor|conversation|\btotal|\bsum\b|输入(?![的参])")
_OUTPUT = compile_patterns(
    r"max_(?:completion_|new_|output_)?tokens|(?:thinking|reasoning)[ _](?:budget|tokens)|output tokens|completion",
    r"image|audio|video|file|bild|imagen|immagin|fichier|archivo|arquivo|файл|изображ|画像|動画|音声|ファイル|이미지|파일|输出|輸出|生成|思[考维維]",
)
_RATE = compile_patterns(
    r"per (?:second|minute|min\b|hour|day)|(?<![a-z0-9])[tr]p[md](?![a-z0-9])|rate[ _-]?limit|quota",
    r"[/每一1] ?分[钟鐘]|每秒|[今当本每][天日月]|并发|套餐|频率|配额|限流|额度|余额|\b(?:balance|credits)\b",
    r"\b(?:daily|monthly)\b|tokens?/(?:s|sec|min|hour|day)(?![a-z])",
    r"\b(?:pro|por|par|al|na|в) (?:minut|se[ck]|seg|stund|h(?:eur|or)|ora\b|tag\b|jour|d[ií]a|giorno|мин|сек|час|день)"
    r"|速率|kontingent|分あたり|毎分|毎秒|1分間|분당|초당|dakika",
)

_LENGTH_ELSEWHERE = r"\d{1,3}(?:[., '\u00a0\u202f]\d{3}){1,2}|\d{3,9}"
_NUMBER = r"(\d[\d,]{0,14})(?![\d,]{0,14}[k万](?![a-z]))"  # "32k" is not 32
_UP_TO = r"(?:[^\da-z，,。；;号码]|tokens?){0,16}(?=\d{3}|\d,)" + _NUMBER  # no code or request's id
_LIMITS = (
    rf"context length is only {_NUMBER}|sequence length is just {_NUMBER}",  # vLLM, SambaNova
    rf"(?:\d|too long)(?: tokens)? ?>=? ?{_NUMBER}|(?<![/\d])\d{{3,9}} ?/ ?(\d{{3,9}})(?![/\d])",
    rf"最[大多长]{_UP_TO}",
    rf"(?:上限|限制|超过|超過|超出|大于){_UP_TO}",
    rf"cannot be greater than [^\d]{{0,30}}{_NUMBER}",  # MindIE
    rf"range of input length should be \[\d{{1,15}}, ?{_NUMBER}\]",
    rf"{_NUMBER} maximum context",
    (
        r"(?:max(?:imum)?)[ _](?:allowed |model |model_)?"
        r"(?:context|model|input|prompt|seq(?:uence)?|num|number|length|allowed)"
        r"(?:[ _](?:of|allowed|token|tokens|input|length|len|window|size|limit)){0,5}"
        rf"(?: is| of|:|=)? ?[(=]?{_NUMBER}"
    ),
    rf"context[ _-]?(?:length|window|size|limit)(?: is| of|:| only|=| tokens){{0,3}} ?\(?{_NUMBER}",
    rf"n_ctx ?[=:(]{{0,2}} ?{_NUMBER}",
    rf"must (?:be|have) (?:<=|<|less than|at most) ?{_NUMBER}",
    rf"(?:cannot|must not|may not) exceed {_NUMBER}",
    rf"limit(?: for this model)?(?: is| of|:)? {_NUMBER}|(?:window|model|length) limit \({_NUMBER}",
    rf"{_NUMBER}[ -]tokens? context|context(?: is| of)? \(?{_NUMBER}|session_len {_NUMBER}",
    rf"(?:up to|at most|only (?:accepts|supports)) {_NUMBER}|the {_NUMBER} (?:tokens )?allowed",
    rf"{_NUMBER}[ -]tokens? limit|max size: {_NUMBER} tokens|\bis (?:over|above) {_NUMBER}",
    rf"\bmax(?!_?(?:completion_|new_|output_)?tokens)\w{{0,20}}(?: is| of|:)? ?\(?{_NUMBER}",
    rf"(?:长度|長度)[^\d]{{0,4}}{_NUMBER}",
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
    rf"passed (?:at least )?{_NUMBER} input tokens",
    rf"given: {_NUMBER}",
    rf"\btoken len {_NUMBER}",  # LightLLM
    rf"too long: {_NUMBER}(?: input)?(?: tokens| token)?(?:,| >| exceed)",
)
_OUTPUTS = (
    rf"max_(?:completion_|new_|output_)?tokens['\"`]? (?:is )?too large: ?{_NUMBER}",
    rf"{_NUMBER} (?:output|completion) tokens",
    rf"{_NUMBER} (?:tokens )?(?:in|for) the (?:completion|output)",
    rf"{_NUMBER} `?max_new_tokens|max_new_tokens {_NUMBER}",
)


def is_overflow(text: str) -> bool:
    """Return whether a text says that a prompt is longer than the model's context.

    A limit on the output alone does not count, because a shorter history would not help. Nor does a limit on tokens per
    minute.
    """
    if _RATE.search(text) or _asks_too_much(text):
        return False
    about_output = _OUTPUT.search(text)
    about_prompt = _PROMPT.search(text) or not about_output
    if _OVERFLOW.search(text) or (about_prompt and _MOST_TOKENS.search(text)) or _sets_against(text):
        return True
    elsewhere = _BEYOND_ELSEWHERE.search(text)
    if not (elsewhere or _BEYOND.search(text)):
        return False
    if about_prompt and _CONTEXT.search(text):
        return True
    if about_output or _OTHER.search(text):
        return False
    found = _LENGTH.search(text) or (elsewhere and _PROMPT_ELSEWHERE.search(text) and _TOKENS_ELSEWHERE.search(text))
    return found is not None


def _asks_too_much(text: str) -> bool:
    """Return whether the requested output alone reaches the context length, and the prompt does not."""
    limit, output = read_limit(text), _read_number(_OUTPUTS, text)
    prompt = _read_number((*_PROMPTS, rf"{_NUMBER} of (?:text )?input"), text)  # the last is OpenRouter's estimate
    if limit is None or output is None or prompt is None:
        return False
    return prompt < limit <= output


def _sets_against(text: str) -> bool:
    """Return whether a text sets a number of tokens, which are not the output's, against a limit that is smaller."""
    found = _AGAINST.search(text)
    if not found or "token" not in text.lower() or any(kind.search(text) for kind in (_OUTPUT, _OTHER, _SPENT)):
        return False
    first, second = (int(number.replace(",", "")) for number in found.groups() if number)
    return first >= second if found[1] else second >= first


def read_limit(text: str) -> int | None:
    """Return the context length in tokens that the text of an overflow names."""
    limit = _read_number(_LIMITS, text)
    if limit is not None:
        return limit
    # Otherwise the smaller one of two lengths.
    lengths = {int(re.sub(r"\D", "", number)) for number in re.findall(rf"(?<!\d)(?:{_LENGTH_ELSEWHERE})(?!\d)", text)}
    return min(lengths) if len(lengths) == 2 and (_sets_against(text) or _BEYOND_ELSEWHERE.search(text)) else None  # noqa: PLR2004


def read_prompt_tokens(text: str) -> int | None:
    """Return the prompt's length in tokens that the text of an overflow names."""
    return _read_number(_PROMPTS, text)


def _read_number(patterns: tuple[str, ...], text: str) -> int | None:
    for pattern in patterns:
        if match := re.search(pattern, text, re.IGNORECASE):
            return int(next(number for number in match.groups() if number).replace(",", ""))
    return None
