"""Examines with real requests what a server can do for `ChatQwen3`; used by `adoctor()` and the command.

    examination    the checks as rows, and the runner
    probes         the requests as rows, and how each is sent
    readers        a reply → an outcome; pure
    advice         how to fix what was found, with the server's own options
    findings       outcome, finding and diagnosis, as data and as text
    reach          whether there is an API at all, and which models it lists

No module of this package depends on a terminal.
"""

from langchain_qwen3.doctor.examination import examine
from langchain_qwen3.doctor.findings import Diagnosis, Finding, Status

__all__ = ["Diagnosis", "Finding", "Status", "examine"]
