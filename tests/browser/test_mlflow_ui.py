"""The MLflow UI, as `make ui` opens it, in a real browser: what the guide to comparing says."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dlf.metrics import BEST_OBJECTIVE
from tests.support.browser import WatchedPage, why_no_browser
from tests.support.mlflow_server import unused_port
from tests.support.mlflow_ui import COMPLETE, Ui
from tests.support.shown_study import FAILING, NAME, REASON, Shown, ui_command
from tracking.report import REPORT_FILE
from tracking.run_names import CONFUSION_FILE
from tracking.store.run_status import TRIAL_ENDINGS

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

playwright = pytest.importorskip("playwright.sync_api", reason=why_no_browser())
expect = playwright.expect

BAD_INPUT = 2
WIDE: "ViewportSize" = {"width": 1600, "height": 900}

OF_MLFLOW = {
    r"404 .*/ajax-api/2.0/mlflow/users/current\)$": "asks who logged in; without logins nobody did",
}
"""what MLflow's own pages complain of, and why that is no fault"""


@pytest.fixture
def ui(shown: Shown, open_page: Callable[["ViewportSize"], WatchedPage]) -> Iterator[Ui]:
    watched = open_page(WIDE)
    yield Ui(watched.page, shown.address)
    known = re.compile("|".join(OF_MLFLOW))
    assert [error for error in watched.errors if not known.search(error)] == []
    assert [url for url in watched.requests if not url.startswith(shown.address)] == []


def run_id(link: str) -> str:
    return link.rpartition("/")[2]


def test_the_experiment_lists_the_study_with_its_trials(ui: Ui, shown: Shown) -> None:
    ui.open()
    trials = shown.trials.values()
    expect(ui.row("trial 1")).to_have_count(0)
    ui.row(NAME).get_by_role("button").first.click()
    ui.show("dlf.state", "dlf.failure")
    for trial in trials:
        expect(ui.row(trial.record.name)).to_be_visible()
        state = ui.cell(run_id(trial.link), "tags.`dlf.state`")
        expect(state).to_have_text(trial.outcome.state.value)
    assert {trial.outcome.state for trial in trials} == set(TRIAL_ENDINGS)
    reason = ui.cell(run_id(shown.trials[FAILING].link), "tags.`dlf.failure`")
    expect(reason).to_have_text(REASON)


def test_two_trials_are_compared_by_parameters_and_metrics(ui: Ui, shown: Shown) -> None:
    ui.open()
    ui.filter(COMPLETE)
    complete = [t for t in shown.trials.values() if t.outcome.state == "complete"]
    expect(ui.page.get_by_text(f"{len(complete) + 1} matching runs")).to_be_visible()
    ui.show(BEST_OBJECTIVE)
    ui.sort_lowest_first(BEST_OBJECTIVE)
    expect(ui.page.get_by_text(f"{len(complete)} matching runs")).to_be_visible()
    ranked = sorted(complete, key=lambda trial: trial.best_mae or 0)
    for index, trial in enumerate(ranked):
        expect(ui.row_at(index).get_by_role("link")).to_have_text(trial.record.name)

    best, paper = ranked[0], shown.trials[0]
    for trial in (best, paper):
        ui.row(trial.record.name).locator(".ag-checkbox-input").check()
    ui.page.get_by_role("button", name="Compare", exact=True).click()
    expect(ui.page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    parameters = ui.compared("Parameters", "margin")
    for name, value in best.record.params.items():
        paper_value = paper.record.params[name]
        if value != paper_value:
            assert parameters[name] == [repr(value), repr(paper_value)]
    metrics = ui.compared("Metrics", BEST_OBJECTIVE)
    expected = [best.best_mae, paper.best_mae]
    assert list(map(float, metrics[BEST_OBJECTIVE])) == pytest.approx(expected, abs=5e-4)


def test_the_report_is_drawn_in_the_frame_of_its_artifact(ui: Ui) -> None:
    ui.open()
    ui.row(NAME).get_by_role("link", name=NAME).click()
    ui.page.get_by_role("tab", name="Artifacts").click()
    ui.page.get_by_text(REPORT_FILE, exact=True).first.click()
    frame = ui.page.locator("iframe")
    expect(frame).to_have_attribute("sandbox", "allow-scripts")
    report = frame.content_frame
    expect(report.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(report.locator("section")).to_have_count(8)
    plots = report.locator(".plot").count()
    assert plots > 10
    expect(report.locator(".plot svg.main-svg:first-child")).to_have_count(plots)
    expect(report.get_by_text("Links cannot open")).to_be_visible()


def test_a_link_of_the_report_leads_to_the_trial_and_its_artifacts(ui: Ui, shown: Shown) -> None:
    trial = shown.trials[0]
    ui.open_run(trial.link)
    expect(ui.page.get_by_role("heading", name=trial.record.name)).to_be_visible()
    ui.page.get_by_role("tab", name="Artifacts").click()
    ui.page.get_by_text(CONFUSION_FILE, exact=True).click()
    picture = ui.page.get_by_role("img", name=CONFUSION_FILE)
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 100


def test_without_a_store_it_says_so_in_a_sentence(tmp_path: Path) -> None:
    made = subprocess.run(
        ui_command(tmp_path, unused_port()), capture_output=True, text=True, timeout=60
    )
    assert made.returncode == BAD_INPUT
    assert made.stderr.startswith("nothing was tracked here yet: make search\n")
