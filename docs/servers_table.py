# a script beside the page that it writes
"""Writes the tables of `docs/servers.md` and `docs/servers.zh.md`: `python docs/servers_table.py`.

The table of servers and the start lines come from the rows of `servers.dialects`; the table of live servers is copied
into the Chinese page.
"""

import re
from pathlib import Path

from langchain_qwen3.servers.dialects import DIALECTS, Dialect

PAGE = Path(__file__).with_name("servers.md")
CHINESE_PAGE = Path(__file__).with_name("servers.zh.md")
LIVE_MARKERS = ("<!-- table of live servers: made by tools/live_servers.py -->", "<!-- end of live table -->")
START_MARKERS = ("<!-- start lines: made by servers_table.py -->", "<!-- end of start lines -->")
MARKERS = ("<!-- table of servers: made by servers_table.py -->", "<!-- end of table -->")

TOOL_CHOICE = {
    "honoured": "✓",
    "by_format": "✓, held to a JSON schema",
    "required_by_format": "✓, one of several tools held to a JSON schema",
    "named_ignored": "✓, a named tool is sent alone",
    "ignored": "requested, and the reply is checked",
    "refused": "requested, and the reply is checked",
    "refused_thinking": "✓, with thinking off",
}
METHODS = {"json_schema": "JSON schema", "function_calling": "tool call", "json_mode": "JSON mode"}
COLUMNS = (
    "Server",
    "Thinking on, off",
    "Budget",
    "Effort",
    "Earlier reasoning",
    "Forced tool call",
    "Structured output",
    "Not possible",
    "Evidence",
)


CHINESE = {
    "Server": "服务",
    "Thinking on, off": "思考开关",
    "Budget": "思考预算",
    "Effort": "思考强度",
    "Earlier reasoning": "以前的思考内容",
    "Forced tool call": "强制工具调用",
    "Structured output": "结构化输出",
    "Not possible": "不支持",
    "Evidence": "依据",
    "✓, arguments held to their schema": "✓，参数受 schema 约束",
    "✓, held to a JSON schema": "✓，受 JSON Schema 约束",
    "✓, a named tool is sent alone": "✓，指定的作为唯一工具",
    "requested, and the reply is checked": "提出要求，并检查回复",
    "✓, with thinking off": "✓，关闭思考",
    "✓, one of several tools held to a JSON schema": "✓，有多个工具时由 JSON Schema 约束",
    "JSON schema": "JSON Schema",
    "tool call": "工具调用",
    "tool call only": "只有工具调用",
    "JSON mode": "JSON 模式",
    "tool call; JSON with thinking off": "工具调用；关闭思考时可用 JSON",
    "sent": "会发送",
    "✓ 128 to 32768": "✓ 128 到 32768",
    "—; /no_think at the end of the question (Qwen3 hybrid models)": "—；Qwen3 混合思考模型可在问题末尾写 /no_think",
    "Detected as": "识别为",
    "ChatQwen3 fails": "ChatQwen3 失败的测试",
    "The doctor's crosses": "doctor 的叉号",
    "none": "无",
}
"""Cells in Chinese; start lines, evidence and names stay as they are."""


def translate(table: str) -> str:
    """Return a table with Chinese cells."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return "\n".join("| " + " | ".join(CHINESE.get(cell, cell) for cell in cells) + " |" for cells in lines)


def write_english(text: str) -> str:
    """Return the English page with what the rows say."""
    return write_between(write_between(text, build_table(), MARKERS), build_starts(), START_MARKERS)


def write_chinese(text: str, english: str) -> str:
    """Return the Chinese page with what the rows say, and with the English page's table of live servers."""
    live = english.partition(LIVE_MARKERS[0])[2].partition(LIVE_MARKERS[1])[0].strip()
    text = write_between(text, translate(build_table()), MARKERS)
    return write_between(write_between(text, build_starts(), START_MARKERS), translate(live), LIVE_MARKERS)


def build_starts() -> str:
    """Return a block to copy for each server that people start."""
    return "\n\n".join(f"{row.title}:\n\n```bash\n{row.start}\n```" for row in DIALECTS.values() if row.start)


def build_table() -> str:
    """Return the table as Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_build_row(row) for row in DIALECTS.values())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _build_row(row: Dialect) -> tuple[str, ...]:
    return (
        f"**{row.title}** `{row.name}`",
        "✓" if row.thinking or row.thinking_word else f"—; {row.flags['enable_thinking']}",
        _build_budget(row),
        "✓" if row.effort else "—",
        "✓" if row.history_keys else "—",
        TOOL_CHOICE[row.tool_choice],
        _build_structured(row),
        ", ".join(f"`{name}`" for name in _list_unsupported(row)) or "—",
        row.evidence,
    )


def _build_budget(row: Dialect) -> str:
    if row.budget is None:
        return "—"
    if row.kind == "unknown":
        return "sent"  # nobody knows who answers
    low, high = row.budget_range
    return f"✓ {low} to {high}" if high is not None else "✓"


def _build_structured(row: Dialect) -> str:
    if "response_format" in row.unsupported:
        return f"{METHODS[row.structured_method]} only"
    return METHODS[row.structured_method] + ("; JSON with thinking off" if row.json_refused_thinking else "")


def _list_unsupported(row: Dialect) -> list[str]:
    """Return what people miss: a server that knows few fields is summed up by them."""
    preserve = {"preserve_thinking"} if row.preserve is None else set()
    known = {"min_p", "n", "parallel_tool_calls", "presence_penalty", "repetition_penalty", "response_format", "top_k"}
    strict = {"top_k", "min_p", "repetition_penalty"} - row.own_fields if row.strict_fields else set()
    return sorted((row.unsupported & known) | preserve | strict)


def write_between(text: str, part: str, markers: tuple[str, str]) -> str:
    """Return the page with a part between the markers."""
    start, end = map(re.escape, markers)
    return re.sub(f"(?<={start}\n\n).*(?=\n\n{end})", lambda _: part, text, flags=re.DOTALL)


if __name__ == "__main__":
    english = write_english(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(english, encoding="utf-8")
    chinese = write_chinese(CHINESE_PAGE.read_text(encoding="utf-8"), english)
    CHINESE_PAGE.write_text(chinese, encoding="utf-8")
