"""Shows the findings of a running `adoctor()` in a notebook."""

import html
import sys

from langchain_qwen3.doctor.findings import Finding, build_html_table
from langchain_qwen3.notebook.output import Outputs


class ExaminationView:
    """Shows findings as they arrive; at the end only one line, because the notebook shows the returned diagnosis.

    Outside a notebook it shows nothing.
    """

    def __init__(self) -> None:
        outputs = Outputs() if "IPython" in sys.modules else None
        self._outputs = outputs if outputs and outputs.redraws else None
        self._findings: list[Finding] = []

    def start(self, title: str) -> None:
        """Show the title of the current check."""
        self._put(f"{build_html_table(self._findings)}<p>… {html.escape(title)}</p>")

    def add(self, finding: Finding) -> None:
        """Add a finding, which is shown when the next check starts."""
        self._findings.append(finding)

    def end(self) -> None:
        """Show that the examination is finished."""
        failed = sum(finding.status == "failed" for finding in self._findings)
        self._put(f"<p>{failed} of {len(self._findings)} checks failed</p>")

    def _put(self, html_text: str) -> None:
        if self._outputs is not None:
            self._outputs.put("examination", html_text, "")
