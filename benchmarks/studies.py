"""Records of studies on data that is not ours to ship, which nothing here can make anew."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.measurement import Measurement, Record

STUDY_PREFIX = "study_"
"""with which the names of such records begin"""
REFERENCES = "references"
"""the name of the record that they are held against"""


class OnTest(Record):
    """Figures on the test split, means over the seeds, with their 95% intervals where known."""

    mae: float
    corr: float | None = None
    acc7: float | None = None
    acc2: float | None = None
    """shares from 0 to 1"""
    intervals: Mapping[str, tuple[float, float]] = {}


class PromotionFigures(Record):
    """What a promotion came to."""

    command: str
    seeds: int | None
    """of each final training; none where that is not known"""
    candidate_valid_mae: float | None
    """mean over its seeds in the race"""
    paper_valid_mae: float | None
    kept_paper: bool
    """whether the paper's configuration was not clearly beaten, and kept"""
    difference: float | None = None
    """validation MAE of the candidate less that of the paper's, on the same seeds and clips"""
    interval: tuple[float, float] | None = None
    probability: float | None = None
    """that the candidate is the better one"""
    candidate_test: OnTest | None
    paper_test: OnTest | None


class StudyFigures(Measurement):
    """What a study came to."""

    study: str
    dataset: str
    text: str
    encoder: str | None
    trials: int
    pruned: int | None
    failed: int | None
    max_epochs: int
    epochs: int | None
    """trained in all"""
    seconds: float | None
    """of the search"""
    best: float
    """validation MAE"""
    paper: float | None
    """that of the paper's configuration in the same study; none where its trial was all"""
    promotion: PromotionFigures | None = None

    def lines(self) -> Iterator[str]:
        """Yield the search in a line, and the promotion in another."""
        took = "" if self.seconds is None else f" in {self.seconds:.0f} s"
        yield (
            f"{self.study}: {self.trials} trials, {self.pruned} pruned, {self.epochs} epochs"
            f"{took}; best validation MAE {self.best:.3f}, the paper's {self.paper}"
        )
        if self.promotion is not None:
            kept = "the paper's configuration" if self.promotion.kept_paper else "the candidate"
            yield f"its promotion kept {kept}"


class Reference(Record):
    """What something simpler comes to on the same data."""

    name: str
    valid_mae: float | None
    test: OnTest


class References(Measurement):
    """What there is to hold a study's figures against."""

    rows: Sequence[Reference]

    def lines(self) -> Iterator[str]:
        """Yield a line for each."""
        for row in self.rows:
            yield f"{row.name}: test MAE {row.test.mae}"
