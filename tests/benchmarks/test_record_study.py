"""A finished study as a record: what is taken of it and of its last promotion."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState as OptunaState

from benchmarks import record_study
from benchmarks.page import read_records
from benchmarks.record_study import promotion_of, record_of
from benchmarks.study_commands import search_command
from dlf.command import BadInputError
from dlf.training.training import EpochRecord
from search.promotion import result
from search.promotion.plan import PLAN_FILE, RESULT_FILE
from search.promotion.result import FinalistResult, PromotionResult, Winner
from search.seeded.comparison import Comparison
from tests.support.promotion_plans import promotion_plan
from tests.support.simulation import SimulatedSearch


@pytest.fixture
def simulated(tmp_path: Path, record_of_mae: Callable[..., EpochRecord]) -> SimulatedSearch:
    search = SimulatedSearch(tmp_path, record_of_mae)
    search.run(20)
    return search


def finalist(
    number: int, mean: float, dropped: str | None = None, failed: str | None = None
) -> FinalistResult:
    return FinalistResult(
        number=number,
        valid_mae=[mean],
        mean=mean,
        interval=(mean - 0.1, mean + 0.1),
        dropped=dropped,
        failed=failed,
    )


def on_test(mae: float) -> result.TestResult:
    interval = {"mae": (mae - 0.05, mae + 0.05)}
    return result.TestResult(
        mae=mae, corr=0.7, acc7=0.4, acc5=0.5, acc2=0.8, f1=0.81, intervals=interval
    )


def write_promotion(
    folder: Path, time: str, *, kept: int, paper_test: result.TestResult | None, **plan: object
) -> None:
    """Leave what a promotion leaves, as far as it is read."""
    place = folder / "promotions" / time
    place.mkdir(parents=True)
    outcome = PromotionResult(
        study="simulated",
        promotion=time,
        winner=Winner(number=kept, params={}),
        finalists=[
            finalist(0, 0.96),
            finalist(4, 0.87),
            finalist(5, 0.8, dropped="unlikely"),
            finalist(6, 0.7, failed="it diverged"),
            finalist(7, 0.91),
        ],
        paper_beaten=kept != 0,
        difference=Comparison(
            difference=-0.09, interval={"low": -0.2, "high": 0.01}, probability=0.96, seeds=6
        ),
        test=on_test(0.9),
        paper_test=paper_test,
        model=None,
        version=None,
        alias=None,
        report=place / "promotion.html",
        wall_seconds=90.0,
    )
    (place / RESULT_FILE).write_text(outcome.model_dump_json())
    (place / PLAN_FILE).write_text(promotion_plan(**plan).model_dump_json())


def test_a_study_is_recorded_as_it_stands(simulated: SimulatedSearch) -> None:
    record = record_of(simulated.place.load(), code="0123456", remark="a remark")
    measured, trials = record.measured, simulated.study.trials
    assert measured.trials == len(trials) == 20
    pruned = [trial for trial in trials if trial.state is OptunaState.PRUNED]
    assert measured.pruned == len(pruned) > 0
    assert measured.failed == 0
    assert measured.epochs == sum(len(trial.intermediate_values) for trial in trials)
    assert measured.best == simulated.study.best_value
    assert measured.paper == trials[0].value
    assert (measured.text, measured.encoder) == ("precomputed", None)
    ended = max(trial.datetime_complete for trial in trials)
    begun = min(trial.datetime_start for trial in trials)
    assert measured.seconds == pytest.approx((ended - begun).total_seconds())
    assert (record.code, record.remark) == ("0123456", "a remark")
    assert record.load is None


def test_the_seconds_of_its_search_can_be_given(simulated: SimulatedSearch) -> None:
    record = record_of(simulated.place.load(), 12.5, code="0123456")
    assert record.measured.seconds == 12.5
    assert record.command == search_command(simulated.place.load())


def test_the_last_promotion_is_read(tmp_path: Path) -> None:
    write_promotion(tmp_path, "20261128-101010", kept=0, paper_test=None)
    write_promotion(tmp_path, "20261129-101010", kept=4, paper_test=on_test(0.95))
    (tmp_path / "promotions" / "20261130-101010").mkdir()
    found = promotion_of(tmp_path, 30)
    assert found.command == (
        "python search/promote.py --study simulated --top 3 --seeds 4 --final-seeds 6 "
        "--max-epochs 20 --paper-epochs 90"
    )
    assert not found.kept_paper
    assert (found.candidate_valid_mae, found.paper_valid_mae) == (0.87, 0.96)
    assert (found.difference, found.interval, found.probability) == (-0.09, (-0.2, 0.01), 0.96)
    assert found.candidate_test.mae == 0.9
    assert found.candidate_test.intervals["mae"] == pytest.approx((0.85, 0.95))
    assert found.paper_test.mae == 0.95


@pytest.mark.parametrize(("kept", "candidate"), [(7, 0.91), (4, 0.87), (0, 0.87)])
def test_the_candidate_is_the_one_that_was_kept_or_led_the_race(
    kept: int, candidate: float, tmp_path: Path
) -> None:
    """Trial 5 was dropped and trial 6 failed, both ahead of the candidate until then."""
    write_promotion(tmp_path, "20261128-101010", kept=kept, paper_test=on_test(0.95))
    assert promotion_of(tmp_path, 30).candidate_valid_mae == candidate


def test_where_the_papers_is_kept_the_test_is_of_it(tmp_path: Path) -> None:
    write_promotion(tmp_path, "20261128-101010", kept=0, paper_test=None)
    found = promotion_of(tmp_path, 30)
    assert found.kept_paper
    assert found.candidate_test is None
    assert found.paper_test.mae == 0.9


def test_a_study_without_a_promotion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no promotion"):
        promotion_of(tmp_path, 30)


@pytest.mark.parametrize(
    ("named", "file"),
    [((), "study_simulated.json"), (("--name", "overhead"), "study_overhead.json")],
)
def test_the_command_writes_the_record_and_the_page(
    simulated: SimulatedSearch,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    named: tuple[str, ...],
    file: str,
) -> None:
    written: list[str] = []
    monkeypatch.setattr(record_study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record_study, "write_page", lambda: written.append("page"))
    write_promotion(simulated.place.folder, "20261129-101010", kept=4, paper_test=None)
    flags = ["--study", "simulated", "--output", str(tmp_path), "--promotion", *named]
    monkeypatch.setattr(sys, "argv", ["record_study", *flags])
    assert record_study.main() == 0
    (record,) = read_records(tmp_path / "results").values()
    assert [path.name for path in (tmp_path / "results").iterdir()] == [file]
    assert record.measured.promotion is not None
    assert written == ["page"]
