"""Finds another cause of an error in its text, in every server's wording, when the status does not tell.

Servers answer an unknown model or a wrong key with status 400, 500 or even 200, each in its own words. The tests
contain the texts behind the patterns: vLLM, SGLang, llama.cpp, Ollama, LM Studio, Xinference, ms-swift, LiteLLM,
DashScope, ModelScope, OpenRouter and others. As in `overflow`, every repetition is bounded.
"""

from __future__ import annotations

import re

from langchain_qwen3.errors.overflow import compile_patterns

_NO_KEY = compile_patterns(
    r"(?:api|access|secret|auth\w{0,10})[ _-]?(?:key|token)s?\b[^.\n]{0,60}?"
    r"(?:error|invalid|incorrect|wrong|missing|expired|required|not valid|not found|not provided|revoked|disabled)",
    r"(?:invalid|incorrect|wrong|missing|bad|no|expired|unknown|provide an?) (?:x-)?"
    r"(?:api|access|secret|auth\w{0,10}|bearer|subscription)[ _-]?(?:key|token|header|credentials?)",
    r"no connected db",  # LiteLLM without a database, for every key except the master key
    r"unauthori[sz]ed|not authenticated|authentication (?:failed|fails|error|required)",
    r"(?:api.?key|令牌|密钥).{0,10}(?:无效|错误|过期|不正确|不可用|不能为空)|(?:无效的?|未提供|缺少)(?:令牌|密钥|api.?key)",
    r"^invalid token[.!]?$",
    r"IAM certification failed|token ?已?(?:过期|失效)|(?:请先|请重新|未|尚未)登[录錄]",  # the first is Baidu's
    r"(?:鉴权|认证|身份验证)(?:失败|错误)|未授权(?!或不存在)|\bauthenticationerror\b",
)
_NAME = r"(?:[`'\"“][^`'\"”\n]{1,120}[`'\"”]|[A-Za-z0-9_./:@-]{0,60}\d[A-Za-z0-9_./:@-]{0,60})"
# In other languages only a name may stand between "model" and "not found": it may be a tool or a file of the model's.
_ID = r"(?:[ :]{0,2}[`'\"“„«「][^`'\"”“»」\n]{1,120}[`'\"”“»」]|[ :]{1,2}[A-Za-z0-9_./:@À-ſ-]{1,120})? ?"
# Gateways translate such texts, as in `overflow`.
_GONE = (
    r"(?:n[oã]o? (?:existe|encontrado|se encontró|foi encontrado)|non (?:esiste|(?:è stato )?trovato)|introuvable"
    r"|inconnu\b|n['’](?:existe pas|a pas été trouvé)|pas trouvé|nicht gefunden|existiert nicht"
    r"|niet gevonden|bestaat niet|bulunamadı|не (?:найден|существует)"
    r"|見つかりません|存在しません|찾을 수 없|존재하지 않)"
)
_NO_MODEL = compile_patterns(
    r"(?:invalid|unsupported|unknown|unrecogni[sz]ed|wrong|no such|not found the"
    r"|(?:cannot|can't|could not|unable to) find)(?: the| real| API)? model"
    r"(?:[ _]?(?:name|id|identifier|specified|requested))?"
    r"(?!\w|[ _-](?:param|config|setting|option|output|response|input|type|version|field|arch|format))",
    r"\bmodel(?:s|_name|_id)?\b(?:(?!tool|function|image|file|param|field|\. )[^\n]){0,120}?"
    r"(?:not found|does(?: not|n't) exist|not exist|not in the model|has no provider|could not be found"
    r"|(?:is not|isn't|(?<!temporarily )(?<!currently )not)"
    r" (?:available|loaded|registered|deployed|served|recogni[sz]ed|known)"
    r"(?! (?:in|for|with|when|while|yet|right now|at|currently|temporarily)\b)"
    r"|not in (?:the )?(?:list of )?(?:allowed|available|supported|served) models?"
    r"|has been (?:decommissioned|deprecated|retired|removed|shut down)|has reached its end of life"
    r"|(?:is|and) no longer available|does not match the loaded)",
    # The model's name must follow, in quotes or with a digit: a feature of a model may be unsupported, too.
    r"(?:^|[-.:;\n({\"'] ?)(?:(?:the|this|your|requested|specified) ){0,3}"
    rf"(?:(?<=requested )model|model(?:[ _](?:name|id))?[ :=]{{1,3}}{_NAME}) (?:is |was )?"
    r"(?:not supported|unsupported|invalid|wrong)(?= ?(?:[.,;!(]|$))",
    r"no healthy deployments for this model|there is no 'model_name' with this string",  # LiteLLM
    r"not an? (?:valid|supported|known|available|recogni[sz]ed) model(?! (?:for|type|param|option))",
    r"pinned to .{1,200}; requested|no models? (?:is |are )?loaded|no provider supported|no (?:served )?models? named",
    r"no available channels? for model|model_not_found|only model .{1,100} is served|there is no model\b",
    r"LLM Provider NOT provided|only .{1,400} allowed now, your model\b",  # LiteLLM, FastChat
    r"\bmodel \S{1,120} is not supported (?:by any provider|for task \S{1,60} and provider)",  # Hugging Face's router
    r"no router for requested model|no endpoints found for \S{1,100}/",  # llama-swap, OpenRouter
    r"unable to access (?:non-)?serverless model",  # Together (https://github.com/truefoundry/models/pull/805)
    r"repository not found for url: https://huggingface\.co/",  # MLX (https://github.com/ml-explore/mlx-lm/issues/233)
    r"available models?(?: uids?| ids?| names?)?:",
    rf"(?:\bmod(?:el{{1,2}}[oi]?|èle)|модель|モデル|모델){_ID}(?:(?:est|wurde|is) |[がはを을를이가은는] ?)?{_GONE}",
    r"模型.{0,80}(?:不存在|未找到|找不到|未部署|已下线|不可用(?!于))|(?:不存在|未找到|找不到|没有找到).{0,10}模型|无可用渠道",
    rf"模型(?:名称?|编码|标识|ID)? ?[:：]? ?{_NAME} ?"
    r"(?:[已未暂尚]{1,2}(?:上线|开通|停用|停止服务)|不[受被]?支持)(?=$|[。，,;；！!(（]|或[无没未]有?授?权)",
    r"不在.{0,10}(?:可用|支持|允许|授权)的?模型(?!的?参数)",
    rf"模型(?:名称?|编码|标识|ID)(?: ?[:：]? ?{_NAME})? ?(?:错误|有误|无效|不正确|不合法)",
    r"(?:无效|未知|不支持)的?(?:[该此]|所选的?|指定的?)?模型(?:名|标识|编码|$|[:：,，。 A-Za-z`'\"“])",
)
_NO_PATH = compile_patterns(
    r"unexpected endpoint|unknown (?:request )?(?:url|endpoint|path|route)|invalid (?:url|endpoint|path)\b",
    r"no (?:such )?(?:route|endpoint|path|static resource)\b|cannot (?:post|get) /|method not allowed",
    r"\b(?:url|path|route|endpoint|page)\b.{0,80}(?:not (?:be )?found|does(?: not|n't) exist|not exist)",
    r"could not route to|^(?:404:? ?)?(?:file |resource )?not[ _]found(?:: no message available)?\.?$",
    r"(?:接口|路径|地址|路由).{0,10}(?:不存在|未找到|找不到)",
)
_NO_PERMISSION = compile_patterns(
    # Not an operating system's "open /x: permission denied" or "[Errno 13] Permission denied".
    r"no permission|(?<![:\]] )permission denied|access (?:is )?denied|not authori[sz]ed to|^forbidden(?=[.:!,]|$)",
    r"[无無沒没]有?(?:权|權)(?!重)|(?:权限|權限)不足|禁止访问",
)
_TOO_OFTEN = compile_patterns(
    r"too (?:many requests|frequent)|throttl|limit (?:reached|exceeded)",
    r"(?:rate|request|qps|usage|concurrency)[ _-]?limit",
    r"请求.{0,10}(?:频繁|过多|限制)|限流|限速|负载已饱和|(?:并发|次数|频率)[^。，,\n]{0,6}(?:过高|超过|超限|上限)",
)
NO_FUNDS = compile_patterns(
    r"insufficient.{0,20}(?:balance|credit|fund)|insufficient[ _]user[ _]quota|billing[ _]hard[ _]limit",
    r"(?:balance|credits?)\b[^.\n]{0,10}(?:insufficient|too low|exhausted|depleted|used up)",
    r"arrear|account.{0,20}overdue|bill.{0,5}overdue|overdue (?:balance|payment|bill)|account is in good standing",
    r"\bfree (?:\w{1,15} ){0,2}(?:quota|tier|credits?)\b[^.:,\n]{0,40}(?:exhausted|exceeded|used up|expired)",
    # Volcengine's 429s: a free trial is used up, or a limit that the account's owner set.
    r"(?:exhausted|used up) (?:its|your|the) free (?:\w{1,15} ){0,2}(?:quota|tier|credits?)\b",
    r"reached the set inference limit|out of credits|(?:余额|金额|欠费)[^。\n]{0,20}充值",
    r"(?:reached|exceeded|over|hit)\b[^.\n]{0,30}\bspending limit",  # xAI (https://github.com/continuedev/continue/issues/10373)
    r"\b(?:user|token) quota is not enough|consume_token_quota_failed|commodity has not purchased",  # one-api, Alibaba
    r"FreeTierOnly",
    r"current quota.{0,150}platform\.openai\.com",  # DashScope says the rest of this sentence of a minute's tokens, too
    r"欠费|欠費|预扣费.{0,4}失败|(?:余额|餘額|额度|額度|资源包|資源包|残高)[^。，,\n]{0,6}(?:不足|用[尽完盡]|耗[尽盡])",
    r"(?:잔액|크레딧).{0,5}부족",
    r"\bbudget_exceeded\b|\bbudget has been exceeded!|\bExceededBudget\b",  # LiteLLM, of a key, user or team
)
REFUSED_TEXT = compile_patterns(
    r"DataInspection|data_inspection|inappropriate content|sensitive[ _](?:words?|content|information)",
    r"content[ _](?:exists risk|(?:management )?policy)|content_filter|input was flagged|our safety system",
    r"(?:敏感|不安全)(?:词|詞|内容|內容|信息)|(?<![账帐]号)(?<!账户)涉嫌违规|(?:内容|文本|输入|输出)[^。，,\n]{0,6}(?:违规|不合规)"
    r"|(?<!认证)审核(?:不|未)通过|未通过[^。，,\n认]{0,6}审核",
)
NEEDS_STREAM = compile_patterns(
    # Neither MCP's "streamable HTTP" nor "stream: false" in any spelling.
    r"only supports? (?:the )?['\"`]?stream(?!able|[^.,;，。\n]{0,12}false)|not support(?:ed)? non-?stream",
    r"not support http call\b",  # DashScope
    r"set to false for non-?stream|(?:can ?not|can't) be support(?:ed)? when `?stream=false",  # DashScope, ModelScope
    r"\bstream['\"`]? ?(?:must|should|has to|needs to) be (?:set to )?['\"`]?(?:true|enabled)(?!['\"`]?(?:/| or ))",
    # "must have" is of Fireworks, for long answers (https://github.com/nullclaw/nullclaw/pull/231).
    r"\b(?:must have|set) ['\"`]?stream['\"`]?(?: ?[=:] ?| to )['\"`]?true(?!['\"`]? (?:for|when|if)\b)",
    r"non-?stream(?:ing|ed)?(?: \w{1,20})? (?:is|are) (?:not |un)(?:supported|allowed|available)",
    r"(?:只|仅)支持流[式输]|才能进行非流式|不支持非(?:流|stream)",
)
"""Refuses a whole reply, which a stream would not be: https://github.com/coze-dev/coze-studio/issues/324."""
_FULL = compile_patterns(
    r"overload|server (?:is )?busy|at capacity|loading model|model is loading|service unavailable|繁忙"
)
_TIMED_OUT = compile_patterns(r"timed? ?out|timeout")

_Causes = tuple[tuple[re.Pattern[str], int], ...]
# In this order: the first match decides. The status decides which table is used.
_REFUSALS: _Causes = ((_NO_KEY, 401), (_NO_MODEL, 404))
_ANYTHING: _Causes = (
    *_REFUSALS,
    (_NO_PATH, 404),
    (NO_FUNDS, 402),
    (REFUSED_TEXT, 400),
    (_TOO_OFTEN, 429),
    (_FULL, 503),
    (_TIMED_OUT, 504),
    (_NO_PERMISSION, 403),
)


def is_unpaid(names: str, text: str, sent: int | None) -> bool:
    """Return whether a call fails until somebody pays, so that waiting does not help.

    `insufficient_quota` with status 429 is not among them: DashScope sends it for too many tokens per minute
    (https://help.aliyun.com/zh/model-studio/error-code).

    Args:
        names: The server's code and type.
        text: The server's text, at most 2,000 characters.
        sent: The status sent with it; None for an error in a reply with status 200.
    """
    may_pass = sent is None or sent == 429  # noqa: PLR2004
    return ("insufficient_quota" in names and not may_pass) or NO_FUNDS.search(f"{names} {text}") is not None


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


def blames_path(text: str, reply: bytes | None) -> bool:
    """Return whether an error with status 404 or 405 says that there is no API at the address.

    An API says in JSON what else it did not find: a model, or a provider for it.

    Args:
        text: The server's text, at most 2,000 characters.
        reply: The body; None for an error in a reply with status 200.
    """
    if _NO_PATH.search(text):
        return True
    has_text = not text.startswith(("{", "an empty body"))
    return reply is not None and not (has_text and reply.lstrip().startswith((b"{", b"[")))
