"""What a promotion came to: the JSON object that other tools read, and the same for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlf.config import Value
from dlf.metrics import Metrics
from search.promotion.promotion import CANDIDATE, Promotion, Trained
from search.seeded.comparison import Comparison
from search.study.result import Result
from tracking.promotion_report.records import PromotionReport, ReportedFinalist, Scores
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
    """none, as the interval, where fewer than two trainings came to their end"""
    interval: Bounds | None
    dropped: str | None
    """why it was dropped, if it was"""
    failed: str | None


class TestResult(Metrics):
    """Means over the final seeds on the test split, and their 95% intervals."""

    intervals: Mapping[str, Bounds]

    @classmethod
    def of(cls, scores: Scores) -> "TestResult":
        """Return what a report has, as JSON has it."""
        means = {name: each.mean for name, each in scores.metrics.items()}
        intervals = {name: (each.low, each.high) for name, each in scores.metrics.items()}
        return cls(**means, intervals=intervals)


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
    report: PromotionReport,
    registered: RegisteredModel | None,
    *,
    page: Path,
    seconds: float,
) -> PromotionResult:
    """Gather the result of a promotion, whose figures are those of its report, which is a page."""
    decision, test = trained.decision, report.test
    keeps_candidate = promotion.name_of_kept(trained) == CANDIDATE
    paper = None if test is None or test.paper is None else TestResult.of(test.paper)
    candidate = None if test is None else TestResult.of(test.candidate)
    return PromotionResult(
        study=report.study,
        promotion=promotion.place.name,
        winner=Winner(number=decision.kept.number, params=decision.kept.params),
        finalists=[_finalist(each) for each in report.finalists],
        paper_beaten=decision.clearly_beaten,
        difference=decision.evidence,
        test=candidate if keeps_candidate else paper,
        paper_test=paper if keeps_candidate else None,
        model=None if registered is None else registered.model,
        version=None if registered is None else registered.version,
        alias=None if registered is None else registered.alias,
        report=page,
        wall_seconds=seconds,
    )


def _finalist(finalist: ReportedFinalist) -> FinalistResult:
    estimate = finalist.estimate
    return FinalistResult(
        number=finalist.number,
        valid_mae=finalist.valid_mae,
        mean=None if estimate is None else estimate.mean,
        interval=None if estimate is None else (estimate.low, estimate.high),
        dropped=finalist.dropped,
        failed=finalist.failed,
    )
