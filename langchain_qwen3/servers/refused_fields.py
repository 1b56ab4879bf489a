"""Reads from an error which fields a server refuses. No I/O.

Every name in the error is looked at by itself, with the words before and behind it, because an error may also list the
allowed fields, quote the request, or complain about a value. An error in several parts, such as pydantic's list, is
read as text, too: "where: what".
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

MAX_CHARACTERS = 8_000
"""Maximum number of characters of an error that are searched."""

_MAX_TOGETHER = 64_000  # the same of all its texts together
_MAX_MENTIONS = 100  # how many of our names are looked at
_MAX_DEPTH = 32  # levels of nesting
_REACH = 200  # characters before a name in which the refusal may be
# Keys of an error's part: where the field is, and what repeats the request.
_PLACES = ("loc", "path", "name", "param", "field", "property", "additionalProperty", "propertyPath", "pointer")
_ECHOES = frozenset({"input", "value", "ctx", "url", "body"})

_PATH = re.compile(r"[\w$]++(?:[.\[\]/-]{1,2}[\w$]++)*+", re.ASCII)
# Every repetition has a limit: a text of one repeated character must not take long.
_OPEN, _CLOSE = r"[\s\\\"'`‘“「【（\[({/:：]{0,8}", r"[\\\"'`’”」】）\])}]{0,8}"
_INSIDE = re.compile(rf"{_CLOSE} (?:in|of|inside|under) (?:the )?{_OPEN}(chat_template_\w{{1,20}}|messages|tools)\b")
_ITEM = r"[A-Za-z0-9_.\[\]-]{0,60}[A-Za-z0-9_\]]"
_NEXT = r"\s?(?:(?:, )?(?:and |or |& )|,|;|、|，|和|或)"  # between the names of a list
_NOUN = (
    r"(?:(?:parameter|param|field|argument|arg|property|propertie|key|name|input|attribute)(?:\(?s\)?)?"
    r"(?! values?\b| types?\b|[a-z])|(?:参数|參數|字段|欄位|属性|键|параметр|パラメータ|매개변수)名?(?![值类類组組]))"
)
# What refuses, in front of a name or behind it. The last line is what gateways say in other languages.
_NO = (
    r"(?:un(?:known|expected|recogni[sz]ed|supported|permitted|defined)|disallowed|forbidden|prohibited|extraneous"
    r"|no (?:such|field named)|invalid(?=(?: request)? (?:field|propert|key))|(?:无效|非法)(?=的?字段)"
    r"|(?:not|[a-z]{2,5}n['’]t) (?:yet |currently |be |been )?(?:supported|allowed|permitted|accepted|recogni[sz]ed"
    r"|known|expected|defined|exist|mapped|available(?= \w{2,4} (?:this|model))"
    rf"|(?:an? |one of the )\w{{5,10}}(?= {_NOUN}))"
    r"|(?<=must )not be (?:present|set|sent)|not be used(?= with this)|not have(?= additional)|多余"
    r"|[不未无無][被能]?法?(?:(?:当前|[该該本])?模型)?(?:支[持援]|允[许許]|接受|[识識认認][别別识識]|存在|知|定[义義])"
    r"|no (?:admitid|soportad)\w|inconnu|unbekannter|неизвестный|não é suportad\w|desconh?ecid\w|不明な|지원되지 않는)"
)
# What may stand between such a word and the name.
_BETWEEN = (
    rf"[\s_]?(?:{_NOUN}|(?:(?!tool|func|schema|model|value)[a-z-]{{1,20}} ){{1,2}}(?=param|field|arg|propert)"
    r"|(?:the|these|this|following|extra|additional|supplied|provided|received|passed|found|present|use of"
    r"|(?:in|for|of|on|by|with) (?:the |this |any )?(?:(?:request )?body|request|model|object|input))s?(?![a-z])"
    r"|, fields?|@ data|[的了该該此本个设置使用传入出现在请求以下列中]{1,6}+)"
)
_BEFORE = re.compile(
    rf"(?:{_NO}|(?:not|n['’]t) (?:support|accept|allow|recogni[sz]e|know)|(?:could not|cannot) find|duplicate(?= field)"
    r"|(?:should|must|may) not (?:contain|have|include)|[无無]此|不[能得可]包含"
    r"|extra parameters?(?= \[)|not used by the model)"  # Azure; transformers' generate()
    rf"(?P<link>(?:{_BETWEEN}){{0,8}})(?: variant| option)?\s?{_OPEN}(?:{_ITEM}{_CLOSE}{_NEXT}{_OPEN}){{0,9}}$",
    re.IGNORECASE,
)
# Without the word for a field, nothing may follow: "does not support top_k above 40" is about a value.
_END = re.compile(
    rf"{_CLOSE}\s?{_NOUN}?\s?(?:in (?:the )?(?:input |assistant )?messages?\s?)?"
    rf"(?:{_NEXT}|[.;。；)\]}}]|$|at\b|(?:for|on|with|in) (?:this|the) (?:model|server|endpoint))",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    rf"{_CLOSE}(?:{_NEXT}{_OPEN}{_ITEM}{_CLOSE}){{0,9}}\s?[:：]?"
    rf"(?:{_BETWEEN}|\s(?:is|are|was|were|an|a|has|can|could|does|do|must|should|currently)\b"
    rf"|\s?[是为為属屬于於目前已暂]{{1,4}}+|\s?[当前该本]{{1,2}}模型){{0,8}}[\s_]?(?:can)?"
    rf"(?:{_NO}|additional ?propert(?:y|ies))"
    # What follows shows that it is the field, not its value: "reasoning_effort: unknown variant `xhigh`".
    r"(?=$|[\\\"'`’”】]|[\s_]?(?:[.,;:!()\[\]{}|。，；！（）-]"
    rf"|(?:的|request |input |keyword )?{_NOUN}|[该該此本当]模型|(?:additional|(?:to )?any|here|yet|at|and|by|por)\b"
    r"|(?:in|for|on)\b(?! non-?\s?stream| stream)|with (?:this\b|the\b|speculative )))",
    re.IGNORECASE,
)
# Or about a schema: "In context=('properties', 'reasoning'), 'default' is not permitted." (OpenAI)
_ABOUT_A_VALUE = re.compile(
    rf"\b(?:properties',|values?\b[\w ]{{0,12}} (?:of|for)(?: the)?(?: {_NOUN})?"
    rf"|with|when|while|if|using|combining [\w ]{{1,40}} and){_OPEN}$"
    rf"|(?:\b(?:model|schema)(?: name)?|\b(?:tool|function)(?: {_NOUN}| named)?|\.name) [\\\"'`]{{1,3}}$"
    r"|(?:模型|(?:工具|函数)(?:参数)?)(?:名称?)? ?$",
    re.IGNORECASE,
)

# vLLM before 0.22 does not know the word for "off" (https://github.com/llm-jp/llm-jp-judge/pull/56).
_BAD_EFFORT = re.compile(
    r"reasoning_effort\b.{0,80}(?:input should be|must be|not supported|does not support|invalid|(?:un)?supported v"
    r"|unknown v|expected|不支持|取值|无效|错误)|(?:invalid|unsupported|不支持|无效).{0,40}\breasoning_effort\b"
    # one-api loses what LMDeploy and Xinference write under `detail`:
    # https://github.com/songquanpeng/one-api/blob/main/relay/controller/error.go
    r"|^message: ?(?:bad response status code \d{3} ?)?(?:\(request id:|$)",
    re.IGNORECASE,
)


def find_refused(body: Any, ours: Container[str]) -> set[str]:
    """Return the names of fields that an error refuses.

    Args:
        body: The error's body, parsed or as text.
        ours: The names to look for: fields, keys of messages, and paths such as `chat_template_kwargs.enable_thinking`.
    """
    names: set[str] = set()
    mentions = 0
    for text in _limit(_iter_texts(body)):
        for match in _PATH.finditer(text):
            inside = _INSIDE.match(text, match.end())
            name = _resolve(f"{inside[1]}.{match[0]}" if inside else match[0], ours)
            if name is None or name in names:
                continue
            mentions += 1
            if mentions > _MAX_MENTIONS:
                return names
            if _is_refused(text, match.start(), match.end()):
                names.add(name)
    return names


def complains_of_effort(body: Any) -> bool:
    """Return whether an error refuses the value of `reasoning_effort`, or came through one-api without its text."""
    return any(_BAD_EFFORT.search(text) for text in _limit(_iter_texts(body)))


def _limit(texts: Iterator[str]) -> Iterator[str]:
    """Yield texts of a certain size together, with single spaces."""
    left = _MAX_TOGETHER
    for text in texts:
        left -= len(text)
        if left < 0:
            return
        yield re.sub(r"\s+", " ", text)


def _resolve(path: str, ours: Container[str]) -> str | None:
    """Return the field of a path such as `body.messages[3].reasoning`; a path into another field's value has none."""
    words = re.split(r"[.\[\]/]+", path.strip("$./[]"))
    while len(words) > 1 and re.match(r"(?:body|request|root)$|[A-Z]", words[0]):  # the last is a class of the server
        words = words[1:]
    if words[0] in ("messages", "message"):
        return next((word for word in reversed(words) if word in ours), None)
    return next((name for name in (".".join(words[:2]), words[0]) if name in ours), None)


def _is_refused(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - _REACH) : start]
    found = _BEFORE.search(before)
    if found and (re.search(_NOUN, found["link"], re.IGNORECASE) or _END.match(text, end)):
        return True
    return bool(_BEHIND.match(text, end)) and not _ABOUT_A_VALUE.search(before)


def _iter_texts(body: Any, key: str = "", depth: int = 0) -> Iterator[str]:
    """Yield every text of a body, with the place that stands beside it: in a key, in `loc`, in `param`."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(body, str):
        yield from _iter_parts(body[:MAX_CHARACTERS], key, depth)
    elif isinstance(body, Mapping):
        places = list(_iter_places(body))
        for name, value in body.items():
            if name in _ECHOES or (name in _PLACES and not isinstance(value, Mapping)):
                continue
            yield from _iter_texts(value, str(name), depth + 1)
            if isinstance(value, str):
                yield from (f"{place}: {value[:_REACH]}" for place in places)
    elif isinstance(body, list):
        for value in body:
            yield from _iter_texts(value, key, depth + 1)


def _iter_parts(text: str, key: str, depth: int) -> Iterator[str]:
    """Yield a text, and the texts of the JSON in it: gateways quote the error of the server behind them."""
    quoted = re.search(r"\{\s*\"|\[\s*[{\"]", text)
    if quoted:
        try:
            body, end = json.JSONDecoder().raw_decode(text, quoted.start())
        except (ValueError, RecursionError):
            body, end = None, 0
        if isinstance(body, Mapping) or (isinstance(body, list) and isinstance(body[0], Mapping)):
            yield from _iter_texts(body, depth=depth + 1)
            text = f"{text[: quoted.start()]} {text[end:]}"
    text = text.replace(" -> ", ".")
    # pydantic's errors as Python writes them.
    for place, message in re.findall(
        r"['\"]loc['\"]: [(\[]([^)\]]{1,200})[)\]], ['\"]msg['\"]: ['\"]([^'\"]{1,200})", text
    ):
        yield f"{'.'.join(re.findall(r'[^ ,]+', place.replace(chr(39), '')))}: {message}"
    yield f"{key}: {text}" if key else text


def _iter_places(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield the places that a part of an error names: `["body", "top_k"]`, or `path` and `keys` in two lists."""
    nested = [part[name] for name in ("params", "source") if isinstance(part.get(name), Mapping)]
    found = [inner[name] for inner in (part, *nested) for name in _PLACES if isinstance(inner.get(name), (str, list))]
    stems = [place if isinstance(place, str) else ".".join(map(str, place)) for place in found]
    keys = part.get("keys")
    yield from (
        [f"{stem}.{key}".strip(".") for stem in stems or [""] for key in keys] if isinstance(keys, list) else stems
    )
