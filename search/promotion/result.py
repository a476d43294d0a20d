"""What a promotion came to: the JSON object that other tools read, and the same for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlf.config import Value
from dlf.intervals import MetricEstimates, mae_estimate
from dlf.metrics import Metrics
from search.promotion.promotion import CANDIDATE, PAPER, Promotion, Trained
from search.promotion.reported import scores_of
from search.promotion.test_split import OnTest
from search.seeded.comparison import Comparison
from search.seeded.seeded_trainings import Entrant
from search.study.result import Result
from tracking.registry.champion import RegisteredModel

Bounds = tuple[float, float]


class Winner(Result):
    """The configuration that is kept, by its trial in the search."""

    number: int
    params: Mapping[str, Value]


class FinalistResult(Result):
    """A finalist's validation MAE on its seeds in the race."""

    number: int
    valid_mae: Sequence[float]
    mean: float | None
    """none, as the interval, where no training came to its end"""
    interval: Bounds | None
    dropped: str | None
    """why it was dropped early, if it was"""
    failed: str | None


class TestResult(Metrics):
    """Means over the final seeds on the test split, and their 95% intervals."""

    intervals: Mapping[str, Bounds]

    @classmethod
    def of(cls, estimates: MetricEstimates) -> "TestResult":
        """Return estimates as JSON has them."""
        intervals = {name: (each.low, each.high) for name, each in estimates.intervals.items()}
        return cls(**dict(estimates.mean), intervals=intervals)


class PromotionResult(Result):
    """The outcome of a promotion."""

    study: str
    promotion: str
    winner: Winner
    finalists: Sequence[FinalistResult]
    paper_beaten: bool
    """clearly: with a probability of 99%"""
    difference: Comparison | None
    """the race's candidate against the paper's configuration on validation, on further seeds; with
    a refit, in the race"""
    test: TestResult | None
    """of what is kept; none, as the model, where nothing better than the champion was found"""
    paper_test: TestResult | None
    """of the paper's configuration, where it is not what is kept"""
    model: str | None
    version: int | None
    alias: str | None
    report: Path
    wall_seconds: float


def result_of(
    promotion: Promotion,
    trained: Trained,
    on_test: OnTest | None,
    registered: RegisteredModel | None,
    *,
    report: Path,
    seconds: float,
) -> PromotionResult:
    """Gather the result of a promotion."""
    decision = trained.decision
    kept = promotion.name_of_kept(trained)
    beside = PAPER if kept == CANDIDATE else None
    tests = {} if on_test is None else _tests(on_test)
    return PromotionResult(
        study=promotion.study.study_name,
        promotion=promotion.place.name,
        winner=Winner(number=decision.kept.number, params=decision.kept.params),
        finalists=[_finalist(each, promotion, trained) for each in promotion.plan.finalists],
        paper_beaten=decision.clearly_beaten,
        difference=decision.evidence,
        test=tests.get(kept),
        paper_test=tests.get(beside) if beside else None,
        model=None if registered is None else registered.model,
        version=None if registered is None else registered.version,
        alias=None if registered is None else registered.alias,
        report=report,
        wall_seconds=seconds,
    )


def _tests(on_test: OnTest) -> dict[str, TestResult]:
    return {name: TestResult.of(scores_of(on_test, name)) for name in on_test.of_seeds}


def _finalist(entrant: Entrant, promotion: Promotion, trained: Trained) -> FinalistResult:
    race = trained.race
    maes, loser = race.valid_mae(entrant), race.losers.get(entrant.number)
    estimate = mae_estimate(race.errors_of(entrant, promotion.labels)) if maes else None
    return FinalistResult(
        number=entrant.number,
        valid_mae=maes,
        mean=None if estimate is None else estimate.mean,
        interval=None if estimate is None else (estimate.interval.low, estimate.interval.high),
        dropped=None if loser is None else loser.evidence,
        failed=race.failures.get(entrant.number),
    )
