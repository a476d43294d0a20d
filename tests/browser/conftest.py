"""A browser, and a study in a store that `make ui` serves to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import WatchedPage, open_browser, why_no_browser
from tests.support.shown_study import MadeUi, Shown, record_shown_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize


@pytest.fixture(scope="session")
def there_is_a_browser() -> None:
    """Skip what needs one where there is none."""
    reason = why_no_browser()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def shown(there_is_a_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder: Path = tmp_path_factory.mktemp("project")
    trials = record_shown_study(folder)
    ui = MadeUi(folder)
    ui.start()
    yield Shown(ui.address, trials)
    ui.kill()


# Not for the whole session: other tests could run no event loop of their own meanwhile.
@pytest.fixture(scope="module")
def browser(there_is_a_browser: None) -> Iterator["Browser"]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Callable[["ViewportSize"], WatchedPage]]:
    """Open pages, each in a profile of its own, as wide as told."""
    opened: list[WatchedPage] = []

    def open_one(size: "ViewportSize") -> WatchedPage:
        opened.append(WatchedPage(browser, size=size))
        return opened[-1]

    yield open_one
    for watched in opened:
        watched.close()
