"""The report in a real browser: opened from its file, with no network, and all of it drawn."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import WatchedPage, why_no_browser
from tests.support.report_studies import IMPORTANT, reported, study_of
from tracking.records import TrialState
from tracking.report.page import write_page

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

playwright = pytest.importorskip("playwright.sync_api", reason=why_no_browser())

TRIALS = 60
NARROW: "ViewportSize" = {"width": 1000, "height": 800}
LINK = "http://127.0.0.1:5000/#/experiments/1/runs/{}"

DRAWN = """
() => [...document.querySelectorAll('.plot')].map(plot => [
    plot.id,
    plot.querySelectorAll('svg.main-svg').length,
    plot.querySelectorAll('.trace, .bars .point').length,
    plot.getBoundingClientRect().height,
])
"""
"""of each plot: its place, its drawings, its traces, its height"""

BEST_LINE = """
() => {
    const plot = document.getElementById('figure-parallel');
    plot.scrollIntoView({block: 'center'});
    const trace = plot.data.find(trace => trace.name.startsWith('best, '));
    const {xaxis, yaxis} = plot._fullLayout;
    const {left, top} = plot.getBoundingClientRect();
    return [
        left + xaxis._offset + xaxis.l2p(trace.x[1]),
        top + yaxis._offset + yaxis.l2p(trace.y[1]),
    ];
}
"""
"""where the line of the best trial crosses the second axis"""

IN_FRONT = "plot => plot.data.find(trace => trace.name === 'trial under the pointer').y"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = [reported(n, states[n % 2], link=LINK.format(n)) for n in range(TRIALS)]
    folder = tmp_path_factory.mktemp("a study # 1")
    return write_page(study_of(*trials, importances=IMPORTANT), folder)


@pytest.fixture(scope="module")
def opened(report: Path, browser: "Browser") -> Iterator[WatchedPage]:
    """The report, opened in a narrow window."""
    watched = WatchedPage(browser, size=NARROW)
    watched.page.goto(report.as_uri())
    yield watched
    watched.close()


def test_a_report_is_drawn_from_its_file_alone(report: Path, opened: WatchedPage) -> None:
    page = opened.page
    expected = page.evaluate("Object.keys(figures)")
    assert len(expected) > 10
    playwright.expect(page.locator(".plot svg.main-svg:first-child")).to_have_count(len(expected))
    drawn = {place: numbers for place, *numbers in page.evaluate(DRAWN)}
    assert sorted(drawn) == sorted(expected)
    for place, (drawings, traces, height) in drawn.items():
        assert drawings >= 1, place
        assert traces >= 1, place
        assert height > 100, place
    assert opened.errors == []
    assert opened.requests == [report.as_uri()]


def test_a_report_needs_no_scrolling_sideways(opened: WatchedPage) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_links_of_a_report_lead_to_runs(opened: WatchedPage) -> None:
    links = opened.page.locator("#top tbody a")
    playwright.expect(links).to_have_count(10)
    for link in links.all():
        number = link.inner_text().split()[1]
        assert link.get_attribute("href") == LINK.format(number)
    playwright.expect(opened.page.get_by_text("Links cannot open")).to_be_hidden()


def test_the_line_under_the_pointer_comes_to_the_front(opened: WatchedPage) -> None:
    page = opened.page
    x, y = page.evaluate(BEST_LINE)
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    parallel = page.locator("#figure-parallel")
    page.wait_for_function(f"() => ({IN_FRONT})(document.getElementById('figure-parallel')).length")
    best = parallel.evaluate("plot => plot.data.find(trace => trace.name.startsWith('best, ')).y")
    assert parallel.evaluate(IN_FRONT) == best[:-1]
    assert opened.errors == []
