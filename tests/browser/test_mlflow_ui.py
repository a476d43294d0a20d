"""The MLflow UI, as `make ui` opens it, in a real browser: what the guide to comparing says."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Shown
from tests.support.browser import WatchedPage
from tests.support.mlflow_server import unused_port
from tests.support.shown_study import FAILING, NAME, REASON, ui_command
from tracking.report import REPORT_FILE
from tracking.run_names import BEST_OBJECTIVE, CONFUSION_FILE, TRIAL_ENDINGS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

COMPLETE = "tags.dlf.state = 'complete'"
BAD_INPUT = 2

OF_MLFLOW = {
    r"404 .*/ajax-api/2.0/mlflow/users/current\)$": "asks who logged in; without logins nobody did",
}
"""what MLflow's own pages complain of, and why that is no fault"""

ROWS_OF_GRIDS = """
section => {
    const rows = {};
    for (const cell of section.querySelectorAll('[role=rowgroup] > div'))
        (rows[cell.style.top] ??= []).push(cell.innerText);
    return Object.values(rows);
}
"""
"""the texts of each row of a table that is put together of two grids"""


class Ui:
    """The pages of the UI, as far as the tests go through them."""

    def __init__(self, shown: Shown, watched: WatchedPage) -> None:
        self.shown = shown
        self.watched = watched
        self.page: Page = watched.page

    def open(self) -> None:
        """Go to the runs of the experiment, as the guide says."""
        self.page.goto(self.shown.address)
        self.page.get_by_text("Model training", exact=True).click()
        self.page.get_by_role("link", name="dlf-synthetic").click()
        expect(self.row(NAME)).to_be_visible()

    def open_run(self, link: str) -> None:
        """Follow a link that leads to where `make ui` serves by default."""
        self.page.goto(self.shown.address + link.removeprefix("http://127.0.0.1:5000"))

    def row(self, name: str) -> "Locator":
        link = self.page.get_by_role("link", name=name, exact=True)
        return self.page.get_by_role("row").filter(has=link)

    def cell(self, run_id: str, column: str) -> "Locator":
        return self.page.locator(f'[row-id="{run_id}"] [col-id="{column}"]')

    def show(self, *columns: str) -> None:
        self.page.get_by_role("button", name="Columns").click()
        for column in columns:
            self.page.get_by_placeholder("Search columns").fill(column)
            self.page.get_by_role("dialog").get_by_text(column, exact=True).click()
        self.page.keyboard.press("Escape")

    def hide(self, *columns: str) -> None:
        self.show(*columns)

    def filter(self, words: str) -> None:
        search = self.page.get_by_placeholder("metrics.rmse < 1")
        search.fill(words)
        search.press("Enter")

    def sort_lowest_first(self, column: str) -> None:
        header = self.page.locator(f'.ag-header-cell[col-id="metrics.`{column}`"]')
        for order in ("false", "true"):
            header.get_by_text(column).first.click()
            self.page.wait_for_url(re.compile(f"orderByAsc={order}"))

    def names(self) -> list[str]:
        """The names of the runs in the order in which they are seen."""
        rows = self.page.locator(".ag-pinned-left-cols-container [role=row]").all()
        found = {int(row.get_attribute("row-index")): row for row in rows}
        return [found[i].get_by_role("link").inner_text() for i in sorted(found)]


@pytest.fixture
def ui(shown: Shown, open_page: Callable[..., WatchedPage]) -> Iterator[Ui]:
    watched = open_page()
    yield Ui(shown, watched)
    known = re.compile("|".join(OF_MLFLOW))
    assert [error for error in watched.errors if not known.search(error)] == []
    assert [url for url in watched.requests if not url.startswith(shown.address)] == []


def run_id(link: str) -> str:
    return link.rpartition("/")[2]


def test_the_experiment_lists_the_study_with_its_trials(ui: Ui) -> None:
    ui.open()
    trials = ui.shown.trials.values()
    expect(ui.row(trials_name := ui.shown.trials[0].record.name)).to_have_count(0)
    ui.row(NAME).get_by_role("button").first.click()
    expect(ui.row(trials_name)).to_be_visible()
    ui.show("dlf.state", "dlf.failure")
    for trial in trials:
        expect(ui.row(trial.record.name)).to_be_visible()
        state = ui.cell(run_id(trial.link), "tags.`dlf.state`")
        expect(state).to_have_text(trial.outcome.state.value)
    assert {trial.outcome.state for trial in trials} == set(TRIAL_ENDINGS)
    reason = ui.cell(run_id(ui.shown.trials[FAILING].link), "tags.`dlf.failure`")
    expect(reason).to_have_text(REASON)


def test_two_trials_are_compared_by_parameters_and_metrics(ui: Ui) -> None:
    ui.open()
    ui.filter(COMPLETE)
    complete = [t for t in ui.shown.trials.values() if t.outcome.state == "complete"]
    expect(ui.page.get_by_text(f"{len(complete) + 1} matching runs")).to_be_visible()
    ui.show(BEST_OBJECTIVE)
    ui.sort_lowest_first(BEST_OBJECTIVE)
    expect(ui.page.get_by_text(f"{len(complete)} matching runs")).to_be_visible()
    ranked = sorted(complete, key=lambda trial: trial.best_mae or 0)
    assert ui.names() == [trial.record.name for trial in ranked]

    best, paper = ranked[0], ui.shown.trials[0]
    for trial in (best, paper):
        ui.row(trial.record.name).locator(".ag-checkbox-input").check()
    ui.page.get_by_role("button", name="Compare", exact=True).click()
    expect(ui.page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    assert compared(ui.page, "Parameters")["margin"] == [
        repr(trial.record.params["margin"]) for trial in (best, paper)
    ]
