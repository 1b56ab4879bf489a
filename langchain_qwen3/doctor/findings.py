"""What an examination found: data, and its plain forms. No terminal code."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from langchain_qwen3._visible import make_visible

Status = Literal["ok", "failed", "unsure", "skipped"]
"""`unsure`: worth knowing, but no failure. `skipped`: does not apply here, or could not be asked."""

MARKS: dict[Status, str] = {"ok": "✓", "failed": "✗", "unsure": "!", "skipped": "–"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a reader makes of a reply.

    Attributes:
        status: How it went.
        detail: What was seen; of a failure its cause.
        fix: What to do about it.
        flag: What to start the server with, where that is the fix.
    """

    status: Status
    detail: str
    fix: str = ""
    flag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Outcome):
    """The outcome of one check.

    Attributes:
        name: The check, for programs: `tools_auto`.
        title: The check, for people.
        seconds: How long it took.
    """

    name: str
    title: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings about one server.

    Attributes:
        base_url: Where it was asked.
        model: The model that was examined.
        server: The server's name for people, empty when it could not be reached.
        version: What it says of its version, empty when it says nothing.
        findings: One for every check, in the order they were made; only the first when it could not be reached.
    """

    base_url: str
    model: str
    server: str
    version: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(finding.status != "failed" for finding in self.findings)

    @property
    def reachable(self) -> bool:
        """Whether the API could be reached, so that there was something to examine."""
        return self["reachable"].status == "ok"

    @property
    def flags(self) -> tuple[str, ...]:
        """What the server should be started with, each once."""
        return tuple(dict.fromkeys(finding.flag for finding in self.findings if finding.flag))

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of a check.

        Raises:
            KeyError: No such check was made.
        """
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "base_url": self.base_url,
            "model": self.model,
            "server": self.server,
            "version": self.version,
            "reachable": self.reachable,
            "ok": self.ok,
            "flags": list(self.flags),
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        width = max(len(finding.title) for finding in self.findings)
        lines = [f"{self.base_url}  {self.model}"]
        for finding in self.findings:
            lines.append(f"{MARKS[finding.status]} {finding.title:<{width}}  {finding.detail}")
            if finding.fix:
                lines.append(f"{'':{width + 4}}→ {finding.fix}")
        return make_visible("\n".join(lines))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        heading = html.escape(make_visible(f"{self.base_url}  {self.model}"))
        return f"<p><b>{heading}</b></p>{build_html_table(self.findings)}"


def build_html_table(findings: Iterable[Finding]) -> str:
    """Return findings as a table for a notebook, in which a server's words are text: Markdown would be obeyed."""
    rows = []
    for finding in findings:
        found = finding.detail + (f"\n→ {finding.fix}" if finding.fix else "")
        cells = (html.escape(make_visible(text)).replace("\n", "<br>") for text in (finding.title, found))
        rows.append(f"<tr><td>{MARKS[finding.status]}</td><td>{'</td><td>'.join(cells)}</td></tr>")
    return f'<table style="text-align: left">{"".join(rows)}</table>'
