"""Makes the pictures of the documentation anew, each from a real run: `make pictures`, or `ARGS=web` for some.

* terminal.svg: the tour of `make demo`
* doctor.svg: `langchain-qwen3 doctor` on a vLLM without its parsers, as recorded
* web.png, web-dark.png: the chat page, on llama.cpp and the tiny Qwen3 (needs Chromium)
"""

from __future__ import annotations

import asyncio
import html
import io
import os
import pty
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from langchain_qwen3 import ChatQwen3  # noqa: E402  # the path comes first
from langchain_qwen3.cli.doctor import render_diagnosis  # noqa: E402
from langchain_qwen3.doctor import examine  # noqa: E402
from tests.conftest import serve_tiny_qwen3  # noqa: E402
from tests.support.browser import launch_browser, open_page  # noqa: E402
from tests.support.chat_page import run_app  # noqa: E402
from tests.support.replay import Replay  # noqa: E402

if TYPE_CHECKING:
    from rich.console import RenderableType

IMAGES = ROOT / "docs" / "images"
COLUMNS = 100
COLUMN_WIDTH = 12.2
"""Of rich's pictures, in their units."""
_TEXT = re.compile(r'<text([^>]*?)x="([\d.]+)"([^>]*?)textLength="[\d.]+"([^>]*)>(.*?)</text>')
# Readable on light pages and on dark ones; black, red, green, yellow, blue, magenta, cyan, white, and each in bright.
COLOURS = """
464258 f07178 8cd696 ebbe64 78a0ff be96ff 6ecdd7 dedaeb
827d96 ff8c91 a5ebaf fad282 96b9ff d2afff 8ce1eb ffffff
"""
NORMAL, BRIGHT = ([(*bytes.fromhex(one),) for one in row.split()] for row in COLOURS.split("\n")[1:3])
THEME = TerminalTheme((24, 22, 34), (222, 218, 235), NORMAL, BRIGHT)


def draw(content: RenderableType, title: str, name: str, url: str = "") -> None:
    """Write what a terminal shows as an SVG, in whatever monospaced font the reader has.

    Args:
        content: What is shown.
        title: Of the window.
        name: Of the file.
        url: The address of a server of this run; the picture shows the usual one.
    """
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(content)
    picture = console.export_svg(title=title, theme=THEME, unique_id=Path(name).stem)
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # it would be fetched from elsewhere
    picture = re.sub(_TEXT, _place_letters, picture)
    (IMAGES / name).write_text(picture.replace(url, "http://localhost:8000") if url else picture, encoding="utf-8")


def _place_letters(found: re.Match[str]) -> str:
    """Place Chinese letters and others apart: rich takes each for one column, and a Chinese one is two columns wide."""
    before, middle, after, text = found[1], found[3], found[4], html.unescape(found[5])
    at = float(found[2])
    placed = ""
    for _, letters in groupby(text, cell_len):
        run = "".join(letters)
        width = cell_len(run) * COLUMN_WIDTH
        shown = html.escape(run).replace("\N{NO-BREAK SPACE}", "&#160;")
        placed += f'<text{before}x="{at:g}"{middle}textLength="{width:.1f}"{after}>{shown}</text>'
        at = round(at + width, 1)
    return placed


def draw_terminal() -> None:
    """Run the demo in a terminal and draw its end."""
    os.environ.update(COLUMNS=str(COLUMNS), TERM="xterm-256color")
    read: list[bytes] = []

    def keep(fd: int) -> bytes:
        read.append(os.read(fd, 65536))
        return read[-1]

    pty.spawn([sys.executable, str(ROOT / "examples" / "demo.py")], keep)
    shown = b"".join(read).decode().replace("\r\n", "\n").strip()
    draw(Text.from_ansi(shown.partition("── What next")[0].rpartition("\n")[0].rstrip()), "make demo", "terminal.svg")


async def draw_doctor() -> None:
    """Examine a recorded vLLM that was started without parsers."""
    with Replay("vllm-noparsers") as server:
        async with ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url) as llm:
            diagnosis = await examine(llm)
    draw(render_diagnosis(diagnosis), "langchain-qwen3 doctor http://localhost:8000/v1", "doctor.svg", server.root)


async def draw_web() -> None:
    """Ask the page two questions in Chromium."""
    with serve_tiny_qwen3() as engine:
        async with run_app(engine.base_url) as app, launch_browser() as browser:
            for scheme in ("light", "dark"):
                view = {"width": 900, "height": 1060}
                context = {"viewport": view, "device_scale_factor": 1.5, "color_scheme": scheme, "locale": "en-GB"}
                async with open_page(browser, app.url, **context) as page:
                    await page.locator("#question").fill("请解释相对论")
                    await page.keyboard.press("Enter")
                    await page.locator(".summary").wait_for()
                    await page.locator(".thinking summary").click()
                    await page.locator("#question").fill("What is 123 * 456?")
                    await page.keyboard.press("Enter")
                    await page.locator(".summary").nth(1).wait_for()
                    await page.locator(".actions .retry").nth(1).wait_for()
                    name = "web.png" if scheme == "light" else "web-dark.png"
                    await page.screenshot(path=IMAGES / name)


PICTURES = {"terminal": draw_terminal, "doctor": draw_doctor, "web": draw_web}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        made = PICTURES[name]()
        if asyncio.iscoroutine(made):
            asyncio.run(made)
        print(f"{name} drawn")
