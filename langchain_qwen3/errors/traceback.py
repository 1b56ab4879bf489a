"""The short traceback that IPython shows: the error's text, and where in the user's code it was raised.

A call passes through about thirty stack frames of LangChain, openai and httpx, none of which the user can fix.
"""

from __future__ import annotations

import site
import sysconfig
from pathlib import Path
from traceback import extract_tb

_OWN = str(Path(__file__).parents[1])
_PATHS = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_LIBRARIES = (*_PATHS, *site.getsitepackages(), site.getusersitepackages(), _OWN, "<frozen")
_MAX_FRAMES = 3
_MAX_LINES = 5


def render_traceback(error: BaseException) -> list[str]:
    """Return at most ten lines: the error class, the last stack frames outside libraries, the text."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(_LIBRARIES)]
    lines = [type(error).__name__]
    for frame in frames[-_MAX_FRAMES:]:
        place = "in the cell" if "ipykernel" in frame.filename or frame.filename.startswith("<") else frame.filename
        lines.append(f"  {place}, line {frame.lineno}: {frame.line}")
    lines += str(error).splitlines()[:_MAX_LINES]
    return [*lines, "(the whole traceback: import traceback; traceback.print_last())"]
