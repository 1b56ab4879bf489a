"""A browser without a window, and a page in it that may fetch nothing from elsewhere."""

import shutil
from contextlib import asynccontextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE = {"width": 390, "height": 780}


@asynccontextmanager
async def launch_browser():
    """Chromium; skips where there is none."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright (group `browser`) is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is on the PATH")
    async with playwright.async_playwright() as running:
        chromium = await running.chromium.launch(executable_path=path)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def open_page(browser, url, *, script="", allowed=(), **context):
    """Open a page; at the end nothing may have failed in it or gone to another host.

    Args:
        browser: From `launch_browser`.
        url: The page's address.
        script: Runs before the page's own.
        allowed: Parts of console messages that are no trouble.
        context: Options of the browser's context: `locale`, `viewport`, `color_scheme`.
    """
    opened = await browser.new_context(**context)
    page = await opened.new_page()
    page.set_default_timeout(30_000)
    troubles = []
    page.on("console", lambda message: troubles.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((url, "data:")) else troubles.append(request.url))
    if script:
        await page.add_init_script(script)
    await page.goto(url)
    yield page
    await opened.close()
    assert [trouble for trouble in troubles if not any(part in trouble for part in allowed)] == []
