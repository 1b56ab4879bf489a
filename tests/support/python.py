"""How tests start a Python of their own: as strict about warnings as the suite itself."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STRICT_PYTHON = [
    *(sys.executable, "-W", "error"),
    *("-W", "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning"),  # langsmith's, on Python 3.14
]


@contextmanager
def running(command: list[Any], **kwargs: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program; a test that fails kills it, where the end of `Popen`'s own block would wait for it."""
    with subprocess.Popen(command, **kwargs) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
