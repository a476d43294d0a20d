"""The report of a promotion in a real browser: from its file alone, on a desk and on a phone."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import WatchedPage, why_no_browser
from tests.support.promotion_reports import PROMOTIONS, with_pictures
from tracking.promotion_report.writing import write_promotion

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

playwright = pytest.importorskip("playwright.sync_api", reason=why_no_browser())

DESK: "ViewportSize" = {"width": 1200, "height": 900}
PHONE: "ViewportSize" = {"width": 390, "height": 800}

WIDTHS_OF_PICTURES = "[...document.images].map(image => image.complete && image.naturalWidth)"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_promotion_is_shown_whole(
    tmp_path: Path, browser: "Browser", size: "ViewportSize"
) -> None:
    address = write_promotion(with_pictures(PROMOTIONS["not registered"]), tmp_path)[0].as_uri()
    watched = WatchedPage(browser, size=size)
    page = watched.page
    page.goto(address)
    assert watched.errors == []
    assert watched.requests == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert all(width > 100 for width in page.evaluate(WIDTHS_OF_PICTURES))
    strips = page.locator(".strips svg")
    playwright.expect(strips).to_have_count(4)
    drawn = strips.first.locator(".mean").bounding_box()
    around = strips.first.bounding_box()
    assert around["x"] < drawn["x"] < drawn["x"] + drawn["width"] < around["x"] + around["width"]
    playwright.expect(page.locator("details dl").first).to_be_hidden()
    page.locator("summary").first.click()
    playwright.expect(page.locator("details dl").first).to_be_visible()
    watched.close()
