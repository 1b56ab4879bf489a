"""The documentation as a reader sees it: built, served, and opened in a browser."""

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.browser import PHONE, launch_browser

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="only the newest environment has mkdocs"),
    pytest.mark.xdist_group("site"),
]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def copyfile(self, source: object, outputfile: object) -> None:
        """Let a browser leave in the middle of a file."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the built documentation is served."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True, capture_output=True)
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
async def page(site):
    """A page of a browser, on the English quick start."""
    async with launch_browser() as chromium:
        page = await chromium.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(f"{site}/quickstart.html")
        yield page


async def test_switch_leads_to_the_same_page_in_chinese_when_followed(page):
    """Protects readers of both languages: one switch, and they stay on the page."""
    link = page.locator(".md-select__link", has_text="中文")
    await page.goto(await link.evaluate("link => link.href"))
    assert page.url.endswith("/zh/quickstart.html")
    assert (await page.locator("h1").inner_text()).startswith("快速开始")


@pytest.mark.parametrize("word", ["思考", "流式"])
async def test_search_finds_chinese_words_when_typed(page, word):
    """Protects Chinese readers from a search that knows words with spaces between them only."""
    # As a link to a search: what is typed while the index still loads is lost.
    await page.goto(page.url.replace("/quickstart.html", f"/zh/quickstart.html?q={word}"))
    first = page.locator(".md-search-result__item").first
    await first.wait_for(timeout=60_000)
    assert word in (await first.inner_text()).replace("\u200b", "")


@pytest.mark.parametrize("path", ["index.html", "zh/index.html", "servers.html"])
async def test_page_fits_a_phone_when_opened_there(page, site, path):
    """Protects readers on a phone from a page that scrolls sideways."""
    await page.set_viewport_size(PHONE)
    await page.goto(f"{site}/{path}")
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


async def test_pictures_keep_a_light_ground_when_the_page_is_dark(page, site):
    """Protects drawings with dark text from a dark ground."""
    await page.goto(f"{site}/architecture.html")
    await page.evaluate("document.body.setAttribute('data-md-color-scheme', 'slate')")
    ground = "image => getComputedStyle(image).backgroundColor"
    assert await page.locator(".md-typeset img").first.evaluate(ground) == "rgb(255, 255, 255)"


async def test_chinese_sentence_has_no_space_when_its_source_has_a_line_break(page, site):
    """Protects Chinese readers from a space within a sentence, which browsers make of a line break."""
    await page.goto(f"{site}/zh/architecture.html")
    texts = await page.locator(".md-typeset p, .md-typeset li").all_inner_texts()
    assert [text for text in texts if re.search(r"[\u4e00-\u9fff\uff0c\u3001] [\u4e00-\u9fff]", text)] == []
