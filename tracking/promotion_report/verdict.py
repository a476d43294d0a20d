"""The verdict of a promotion: who wins, by how much for certain, and what the test split says."""

from tracking.promotion_report.records import (
    Comparison,
    PromotionReport,
    ReportedFinalist,
    Scores,
)
from tracking.promotion_report.wording import (
    capital,
    clause,
    counted,
    difference_span,
    number,
    probability,
    span,
)
from tracking.records import Record

PAPER = "the paper's configuration"


class Verdict(Record):
    """Three sentences."""

    winner: str
    """who wins; it begins with that where the paper's configuration is not clearly beaten"""
    certainty: str
    """by how much, and how sure that is"""
    test: str
    """what the test split says, or why it was not asked"""

    @property
    def sentences(self) -> tuple[str, str, str]:
        """All three, in their order."""
        return self.winner, self.certainty, self.test


def verdict(promotion: PromotionReport) -> Verdict:
    """Return the three sentences."""
    return Verdict(
        winner=_winner(promotion), certainty=_certainty(promotion), test=_on_test(promotion)
    )


def named(finalist: ReportedFinalist) -> str:
    """Return what a sentence calls a finalist."""
    return PAPER if finalist.paper else finalist.name


def _winner(promotion: PromotionReport) -> str:
    best = promotion.best
    if best.paper:
        trained = [f for f in promotion.finalists if f.failed is None]
        if len(trained) == 1:
            others = "there is no other finalist"
            if len(promotion.finalists) > 1:
                others = "no other finalist could be trained"
            return f"{capital(PAPER)} is not beaten: {others}, so it is kept."
        return (
            f"{capital(PAPER)} is not beaten: of {len(trained)} finalists it has the lowest mean "
            "validation MAE itself, so it is kept."
        )
    where = ", by the seeds of the race" if promotion.refit is not None else ""
    if promotion.clearly_beaten:
        return f"{capital(best.name)} wins: it clearly beats {PAPER}{where}."
    if promotion.keeps_paper:
        return (
            f"{capital(PAPER)} is not clearly beaten{where}, so it is kept, and not {best.name}, "
            "the best of the race."
        )
    return (
        f"{capital(PAPER)} is not clearly beaten{where}; {best.name} is kept all the same, for "
        "--allow-tie lets a tie pass."
    )


def _certainty(promotion: PromotionReport) -> str:
    best, paper = promotion.best, promotion.paper
    if best.paper:
        return _next_to(promotion)
    subject = f"{capital(best.name)}'s validation MAE"
    on_test = None if promotion.test is None else promotion.test.comparison
    if promotion.refit is not None and on_test is not None:
        refitted = f"Trained anew on train and valid together, {best.name} reaches a test MAE that"
        return _difference(refitted, on_test, PAPER, counted(on_test.seeds, "seed"))
    if promotion.further is not None:
        seeds = counted(promotion.further.seeds, "further seed")
        return _difference(subject, promotion.further, PAPER, seeds)
    if paper.comparison is not None:
        return _difference(subject, paper.comparison, PAPER, _of_race(paper.comparison))
    return "By how much is not known, for the two were not compared on the same seeds."


def _next_to(promotion: PromotionReport) -> str:
    """Return how the next finalist stands, where the paper's is the best one."""
    for finalist in promotion.ranked:
        if finalist.comparison is not None and finalist.failed is None:
            subject = f"{capital(PAPER)}'s validation MAE"
            seeds = _of_race(finalist.comparison)
            return _difference(subject, finalist.comparison, finalist.name, seeds)
    return "There is nothing to compare it with, so no difference was measured."


def _of_race(comparison: Comparison) -> str:
    return f"{counted(comparison.seeds, 'seed')} of the race"


def _difference(subject: str, comparison: Comparison, other: str, seeds: str) -> str:
    size = number(abs(comparison.difference))
    how = f"{size} {'lower' if comparison.difference < 0 else 'higher'} than"
    if size == number(0):
        how = "the same as"
    return (
        f"{subject} is {how} that of {other} on average over {seeds} (95% interval of the "
        f"difference {difference_span(comparison)}; better with a probability of "
        f"{probability(comparison.probability)})."
    )


def _on_test(promotion: PromotionReport) -> str:
    if promotion.test is None:
        return f"The test split was not opened: {clause(promotion.test_unopened)}."
    test, best = promotion.test, promotion.best
    kept, other, name, other_name = test.candidate, test.paper, named(best), PAPER
    if promotion.keeps_paper and test.paper is not None:
        kept, other, name, other_name = test.paper, test.candidate, PAPER, best.name
    seeds = counted(promotion.final_seeds, "seed")
    if other is None:
        return f"On the test split {name} has a mean MAE of {_mae(kept)} over {seeds}."
    return (
        f"On the test split {name} has a mean MAE of {_mae(kept)}, and {other_name} one of "
        f"{_mae(other)}, each over {seeds}."
    )


def _mae(scores: Scores) -> str:
    mae = scores.metrics["mae"]
    return f"{number(mae.mean)} (95% interval {span(mae)})"
