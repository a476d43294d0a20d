"""A real headless Chromium for tests, and all that its pages ask for and complain of."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Request,
        StorageState,
        ViewportSize,
        WebError,
    )

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # root cannot start it with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE: "ViewportSize" = {"width": 1280, "height": 800}
DEADLINE_MS = 90_000
INSIDE = ("blob:", "data:")
"""addresses of what a page has already, so that nobody is asked for it"""


def why_no_browser() -> str | None:
    """Return why nothing can be opened in a browser, or none where it can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install -c constraints.txt -e '.[test]'"
    if _browser_file() is None:
        return f"no browser is installed ({', '.join(NAMES)}): apt-get install chromium"
    return None


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """Start the browser, and end it.

    Playwright keeps an event loop in this thread meanwhile, so that no `asyncio.run` works in it.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=DEADLINE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_browser_file(), args=list(FLAGS))
        yield browser
        browser.close()


class WatchedPage:
    """A page in a profile of its own, and what happened in it and all its frames."""

    def __init__(
        self,
        browser: "Browser",
        *,
        size: "ViewportSize" = SIZE,
        stored: "StorageState | None" = None,
    ) -> None:
        self.errors: list[str] = []
        """of consoles and scripts, each with the address of where it was"""
        self.requests: list[str] = []
        """the addresses of all that was asked of anybody"""
        self._context: BrowserContext = browser.new_context(viewport=size, storage_state=stored)
        self._context.set_default_timeout(DEADLINE_MS)
        self._context.on("console", self._heard)
        self._context.on("weberror", self._failed)
        self._context.on("request", self._asked)
        self.page: Page = self._context.new_page()

    def close(self) -> None:
        """Forget the profile."""
        self._context.close()

    def _heard(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _failed(self, error: "WebError") -> None:
        self.errors.append(error.error.stack or error.error.message)

    def _asked(self, request: "Request") -> None:
        if not request.url.startswith(INSIDE):
            self.requests.append(request.url)


def _browser_file() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
