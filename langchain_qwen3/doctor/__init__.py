"""What a server can do for `ChatQwen3`, found out by asking it: the examination behind `adoctor()` and the command.

    examination    the checks as rows, and the runner
    probes         the requests as rows, and how each is made
    readers        what came back → an outcome; pure
    findings       outcome, finding and diagnosis, as data and as text
    reach          whether there is an API at all, and what it lists

Nothing here knows of a terminal.
"""

from langchain_qwen3.doctor.examination import examine
from langchain_qwen3.doctor.findings import Diagnosis, Finding, Status

__all__ = ["Diagnosis", "Finding", "Status", "examine"]
