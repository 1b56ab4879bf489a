# noqa: INP001  # a script beside the page that it writes
"""Writes the table of `docs/servers.md` from the rows of `servers.dialects`: `python docs/servers_table.py`."""

import re
from pathlib import Path

from langchain_qwen3.servers.dialects import DIALECTS, Dialect

PAGE = Path(__file__).with_name("servers.md")
MARKERS = ("<!-- table of servers: made by servers_table.py -->", "<!-- end of table -->")

TOOL_CHOICE = {
    "honoured": "✓",
    "by_strict": "✓, arguments held to their schema",
    "by_format": "✓, held to a JSON schema",
    "named_ignored": "✓, a named one as the only tool",
    "ignored": "asked for, checked in the reply",
    "refused": "asked for, checked in the reply",
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
    "Start it with",
    "Evidence",
)


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
        row.start,
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
    strict = {"top_k", "min_p", "repetition_penalty"} if row.strict_fields else set()
    return sorted((row.unsupported & known) | preserve | strict)


def write_table(text: str, table: str) -> str:
    """Return the page with a table between the markers."""
    start, end = map(re.escape, MARKERS)
    return re.sub(f"(?<={start}\n\n).*(?=\n\n{end})", lambda _: table, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(write_table(PAGE.read_text(encoding="utf-8"), build_table()), encoding="utf-8")
