"""Results of an examination: as data, plain text and HTML. No terminal code."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from langchain_qwen3._visible import make_visible

Status = Literal["ok", "failed", "unsure", "skipped"]
"""`unsure`: worth knowing, but not a failure. `skipped`: does not apply, or could not be tested."""

MARKS: dict[Status, str] = {"ok": "✓", "failed": "✗", "unsure": "!", "skipped": "–"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result that a reader derives from a reply.

    Attributes:
        status: The status.
        detail: The observation; for a failure, its cause.
        fix: How to fix it.
        flag: Start flag of the server, if that is the fix.
    """

    status: Status
    detail: str
    fix: str = ""
    flag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Outcome):
    """The outcome of one check.

    Attributes:
        name: Identifier of the check for programs: `tools_auto`.
        title: Title of the check for users.
        seconds: Duration of the check.
    """

    name: str
    title: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings about one server.

    Attributes:
        base_url: URL of the server.
        model: The examined model.
        server: The server's display name, empty if it could not be reached.
        version: The version it reports, empty if it reports none.
        findings: One per check, in order; only the first if the server could not be reached.
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
        """Whether the API could be reached and examined."""
        return self["reachable"].status == "ok"

    @property
    def flags(self) -> tuple[str, ...]:
        """Missing start flags of the server, without duplicates."""
        return tuple(dict.fromkeys(finding.flag for finding in self.findings if finding.flag))

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of a check.

        Raises:
            KeyError: No such check was performed.
        """
        return {finding.name: finding for finding in self.findings}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        names = ("base_url", "model", "server", "version", "reachable", "ok")
        findings = [asdict(finding) for finding in self.findings]
        return {**{name: getattr(self, name) for name in names}, "flags": [*self.flags], "findings": findings}

    def __str__(self) -> str:
        width = max(len(finding.title) for finding in self.findings)
        lines = [f"{self.base_url}  {self.model}"]
        for finding in self.findings:
            lines.append(f"{MARKS[finding.status]} {finding.title:<{width}}  {finding.detail}")
            if finding.fix:
                lines.append(f"{'':{width + 4}}→ {finding.fix}")
        return make_visible("\n".join(lines))

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        heading = html.escape(make_visible(f"{self.base_url}  {self.model}"))
        return f"<p><b>{heading}</b></p>{build_html_table(self.findings)}"


def build_html_table(findings: Iterable[Finding]) -> str:
    """Return findings as an HTML table for a notebook; a server's text is escaped, while Markdown would render it."""
    rows = []
    for finding in findings:
        text = finding.detail + (f"\n→ {finding.fix}" if finding.fix else "")
        cells = (html.escape(make_visible(cell)).replace("\n", "<br>") for cell in (finding.title, text))
        rows.append(f"<tr><td>{MARKS[finding.status]}</td><td>{'</td><td>'.join(cells)}</td></tr>")
    return f'<table style="text-align: left">{"".join(rows)}</table>'
