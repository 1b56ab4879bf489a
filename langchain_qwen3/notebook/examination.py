"""What `adoctor()` has found so far, in the notebook it runs in."""

import html
import sys

from langchain_qwen3.doctor.findings import Finding, build_html_table
from langchain_qwen3.notebook.output import Outputs


class ExaminationView:
    """The findings as they come; at the end one line, for the diagnosis shows itself when it is the cell's value.

    Outside of a notebook it shows nothing.
    """

    def __init__(self) -> None:
        outputs = Outputs() if "IPython" in sys.modules else None
        self._outputs = outputs if outputs and outputs.redraws else None
        self._findings: list[Finding] = []

    def start(self, title: str) -> None:
        """Show what is asked from now on."""
        self._put(f"{build_html_table(self._findings)}<p>… {html.escape(title)}</p>")

    def add(self, finding: Finding) -> None:
        """Take a finding, which is shown with what is asked next."""
        self._findings.append(finding)

    def end(self) -> None:
        """Show that it is over."""
        failed = sum(finding.status == "failed" for finding in self._findings)
        self._put(f"<p>{len(self._findings)} checks, {failed} failed</p>")

    def _put(self, html_text: str) -> None:
        if self._outputs is not None:
            self._outputs.put("examination", html_text, "")
