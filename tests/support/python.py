"""How tests start a Python of their own: as strict about warnings as the suite itself."""

import sys

STRICT_PYTHON = [
    *(sys.executable, "-W", "error"),
    *("-W", "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning"),  # langsmith's, on Python 3.14
]
