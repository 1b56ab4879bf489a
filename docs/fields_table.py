# a script beside the pages that it writes
"""Writes the table of fields on the API page, in both languages: `python docs/fields_table.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import PydanticUndefined

from langchain_qwen3 import ChatQwen3

DOCS = Path(__file__).parent
MARKERS = ("<!-- table of fields: made by fields_table.py -->", "<!-- end of table -->")


class Meaning(NamedTuple):
    """What a field means, in each language."""

    en: str
    zh: str


# In the order in which a user needs them. What is missing belongs to the
# Responses API or to LangChain's insides.
MEANINGS = {
    "model": Meaning(
        "served model name; else `$QWEN_MODEL`, else the only one that the server lists",
        "服务上的模型名；不写时取 `$QWEN_MODEL`，再取服务列出的唯一模型",
    ),
    "base_url": Meaning(
        "the server's address, ending in `/v1`; `$QWEN_BASE_URL`, else `http://localhost:8000/v1`",
        "推理服务的地址，以 `/v1` 结尾；不写时取 `$QWEN_BASE_URL`，再取 `http://localhost:8000/v1`",
    ),
    "api_key": Meaning(
        "text, or a function that returns it; `$QWEN_API_KEY`, at Alibaba's hosts `$DASHSCOPE_API_KEY`, else `EMPTY`",
        "字符串，或返回密钥的函数；不写时取 `$QWEN_API_KEY`，阿里云主机取 `$DASHSCOPE_API_KEY`，否则为 `EMPTY`",
    ),
    "server": Meaning(
        "the server's name, such as `vllm` or `ollama`; `auto` detects it",
        "服务的名字，例如 `vllm`、`ollama`；`auto` 表示自动识别",
    ),
    "model_line": Meaning(
        "which line of models it is, where the name does not say", "模型属于哪个系列，名称看不出来时写明"
    ),
    "enable_thinking": Meaning(
        "thinking on or off; None leaves it to the server", "打开或关闭思考；None 表示由服务决定"
    ),
    "thinking_budget": Meaning("tokens of thinking at most", "思考最多可用的 token 数"),
    "reasoning_effort": Meaning("an effort word, where the model has levels", "思考强度，模型分强度时有效"),
    "return_reasoning": Meaning(
        "False leaves reasoning out of messages and chunks", "False：消息和数据块里不带思考内容"
    ),
    "reasoning_history": Meaning(
        "whose reasoning is sent back: `auto`, `all` or `none`", "把哪些思考内容发回去：`auto`、`all` 或 `none`"
    ),
    "preserve_thinking": Meaning(
        "Qwen3.6 and newer: keep the reasoning of all turns in the prompt",
        "Qwen3.6 及更新：提示词里保留每一轮的思考内容",
    ),
    "temperature": Meaning(
        "0 or more, on most servers at most 2; None leaves it to the server",
        "不小于 0，多数服务最大为 2；None 表示由服务决定",
    ),
    "top_p": Meaning("probability mass to sample from, 0 to 1", "核采样的概率阈值，0 到 1"),
    "top_k": Meaning("sample from the k likeliest tokens", "只从概率最高的 k 个 token 中采样"),
    "min_p": Meaning("drop tokens below this share of the likeliest one", "去掉概率低于最高者这一比例的 token"),
    "presence_penalty": Meaning("-2 to 2, against tokens that occurred", "-2 到 2，抑制出现过的 token"),
    "frequency_penalty": Meaning("-2 to 2, against tokens by how often they occurred", "-2 到 2，按出现次数抑制 token"),
    "repetition_penalty": Meaning("factor against repetition, 1 for none", "重复惩罚系数，1 表示不惩罚"),
    "sampling": Meaning("`recommended`: what the model card says", "`recommended`：按模型卡的推荐"),
    "seed": Meaning(
        "the same seed, the same answer, as far as the server can", "种子相同，结果相同（以服务能做到为限）"
    ),
    "max_tokens": Meaning("tokens of reply at most", "回复最多的 token 数"),
    "stop": Meaning("texts that end the reply", "遇到这些文本就结束回复"),
    "n": Meaning("replies per question; 1 in a stream", "每个问题的回复数；流式时只能是 1"),
    "logprobs": Meaning("log probabilities of the tokens", "返回 token 的对数概率"),
    "top_logprobs": Meaning(
        "number of alternatives per token that also get log probabilities", "每个 token 另外返回多少个候选的对数概率"
    ),
    "extra_body": Meaning("further fields of the request body", "请求体中的其他字段"),
    "request_timeout": Meaning(
        "seconds, or httpx's `Timeout`; default 600, 5 to connect (`timeout`)",
        "超时秒数，或 httpx 的 `Timeout`；默认 600 秒，连接 5 秒（`timeout`）",
    ),
    "stream_chunk_timeout": Meaning(
        "seconds without a chunk after which a stream counts as stalled; 120 by default",
        "多少秒没有数据块算停滞；默认 120",
    ),
    "max_retries": Meaning(
        "further tries after a failure, inside the client; None means 2", "失败后由客户端重试的次数；None 表示 2 次"
    ),
    "max_concurrency": Meaning(
        "requests in flight at most, over all loops and threads", "同时进行的请求数上限，跨事件循环和线程"
    ),
    "rate_limiter": Meaning("requests per second, by LangChain", "每秒请求数，由 LangChain 限制"),
    "stream_usage": Meaning("ask for token usage in streams", "流式输出也返回 token 用量"),
    "streaming": Meaning("stream inside `invoke`, for callbacks", "`invoke` 内部也用流式，供回调使用"),
    "disable_streaming": Meaning("never stream, or not with tools", "不用流式，或带工具时不用"),
    "transport": Meaning("what carries async requests", "异步请求用什么传输"),
    "default_headers": Meaning("headers of every request", "每个请求都带的请求头"),
    "default_query": Meaning("query parameters of every request", "每个请求都带的查询参数"),
    "openai_proxy": Meaning(
        "proxy; else `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`", "代理；不写时取 `HTTPS_PROXY`、`HTTP_PROXY`、`NO_PROXY`"
    ),
    "http_client": Meaning("your own sync client", "你自己的同步客户端"),
    "http_async_client": Meaning("your own async client", "你自己的异步客户端"),
    "http_socket_options": Meaning("arguments of `setsockopt`", "`setsockopt` 的参数"),
    "normalize_messages": Meaning("mend what no template could render", "修正模板无法渲染的消息"),
    "rescue_tool_calls": Meaning(
        "read calls that the server left in the text; None: until it has sent a parsed one",
        "读出服务留在文本里的工具调用；None：直到它发来过自己解析的调用",
    ),
    "repair_tool_calls": Meaning("mend known damage of tool parsers", "修复工具解析器的已知损坏"),
    "include_response_headers": Meaning("headers in `response_metadata`", "在 `response_metadata` 中给出响应头"),
    "output_version": Meaning("`v1`: content as standard blocks", "`v1`：内容以标准块给出"),
    "cache": Meaning("LangChain's cache of answers", "LangChain 的回答缓存"),
    "profile": Meaning("what the model can do; found by its name", "模型的能力；按名称查得"),
    "model_kwargs": Meaning("further parameters of the call", "调用的其他参数"),
}
HEADS = {"en": ("Field", "Type", "Default", "Meaning"), "zh": ("字段", "类型", "默认值", "含义")}


def build_table(language: str) -> str:
    """Return the table as Markdown."""
    by_name = {field.alias or name: (name, field) for name, field in ChatQwen3.model_fields.items()}
    by_name |= {name: (name, field) for name, field in ChatQwen3.model_fields.items()}
    rows = [HEADS[language], ("---",) * 4]
    for name, meaning in MEANINGS.items():
        if name in by_name:
            field = by_name[name][1]
            rows.append((f"`{name}`", _show_type(field.annotation), _show_default(field), getattr(meaning, language)))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _show_type(annotation: Any) -> str:
    text = str(annotation) if not isinstance(annotation, type) else annotation.__name__
    text = re.sub(r"\b(?:typing|collections\.abc|pydantic\.types|langchain_[a-z_.]+|httpx2?[a-z_.]*)\.", "", text)
    text = re.sub(r"Optional\[(.*)\]", r"\1 | None", text).replace("NoneType", "None")
    text = re.sub(r"Union\[(\w+), (.*)\]", r"\1 | \2", text)  # Python 3.14 writes it so itself
    return f"`{text}`".replace("|", r"\|")


def _show_default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "—"
    return f"`{field.default!r}`"


def write_table(page: str, table: str) -> str:
    """Return the page with this table between its markers."""
    start, end = MARKERS
    return re.sub(f"{start}.*{end}", lambda _: f"{start}\n\n{table}\n\n{end}", page, flags=re.DOTALL)


if __name__ == "__main__":
    for language, name in (("en", "fields.md"), ("zh", "fields.zh.md")):
        path = DOCS / "api" / name
        path.write_text(write_table(path.read_text("utf-8"), build_table(language)), "utf-8")
