"""What the report is told of a promotion: the race, the decision, the test split, and the rest.

All differences are of MAE, the candidate's less that of another: below zero the candidate is
better. All intervals hold 95%.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from dlf.modalities import Modality
from dlf.text.source import TextWay
from tracking.records import ParamValue, Record

Configuration = Mapping[str, ParamValue | None]
"""every leaf of a configuration under its short name"""


class Estimate(Record):
    """A mean with its interval."""

    mean: float
    low: float
    high: float


class Comparison(Record):
    """How the candidate stands against another one, seed by seed."""

    difference: float
    """of the mean MAE; below zero the candidate is better"""
    low: float
    high: float
    probability: float = Field(ge=0, le=1)
    """that the candidate is better"""
    seeds: int = Field(ge=1)
    """that both were trained with"""


class ReportedFinalist(Record):
    """A configuration in the race."""

    number: int
    """of its trial in the search"""
    name: str
    """what people read, such as `trial 12`"""
    paper: bool = False
    """whether it is the paper's configuration"""
    params: Mapping[str, ParamValue] = {}
    """those that the search varies"""
    valid_mae: Sequence[float] = ()
    """the best validation MAE of each of its seeds in the race, in their order"""
    estimate: Estimate | None = None
    """their mean; none where fewer than two trainings came to their end"""
    dropped: str | None = None
    """the evidence on which the race dropped it, in words; none where it stayed to the end"""
    failed: str | None = None
    """why it could not be trained"""
    comparison: Comparison | None = None
    """the race's candidate against this one; none for the candidate itself"""
    link: str | None = None
    """the address of its trial's run in the search"""


class Refit(Record):
    """The final models were trained on train and valid together, for a number of epochs."""

    candidate_epochs: int
    paper_epochs: int | None = None
    """none where the paper's configuration is the candidate"""


class PaperRecipe(Record):
    """How the paper's configuration trained here, seed by seed."""

    epochs: Sequence[int] = Field(min_length=1)
    """that each seed was trained for"""
    best_epochs: Sequence[int] = Field(min_length=1)
    """in which each seed had its best validation MAE"""
    valid_mae: Sequence[float] = Field(min_length=1)
    """that best one"""
    median_mae: float
    """the validation MAE of predicting the median of the labels of train"""
    steps_per_epoch: int
    patience: int
    """epochs without a better one after which the recipe ends by itself"""
    max_epochs: int
    """the limit that ended it otherwise"""


class TextFacts(Record):
    """Where text features come from."""

    way: TextWay
    encoder: str | None = None
    """its name or folder; none with precomputed features"""


class DataFacts(Record):
    """What the features of the dataset are."""

    source: str
    """the file they were imported from, or how they were made"""
    published: str | None = None
    """the published file that it is, such as `MOSI aligned`; none where it is not recognised"""
    widths: Mapping[Modality, int]
    """channels of each modality in the file"""
    clips: Mapping[str, int]
    """of `train`, `valid` and `test`"""


class Scores(Record):
    """What the final models of one configuration make of the test split."""

    metrics: Mapping[str, Estimate]
    """by `mae`, `corr`, `acc7`, `acc5`, `acc2`, `f1`; shares from 0 to 1; over seeds"""
    ensemble: Mapping[str, float] = {}
    """the same of the mean prediction of all seeds"""


class ResultsOnTest(Record):
    """The reading of the test split."""

    candidate: Scores
    paper: Scores | None = None
    """none where the candidate is the paper's configuration"""
    comparison: Comparison | None = None
    """the candidate against the paper's configuration, by MAE on test"""


class ReadingOfTest(Record):
    """A time at which a promotion of the study opened the test split."""

    when: datetime
    promotion: str
    """which one"""


class Registered(Record):
    """The version that the registry has now."""

    model: str
    version: int
    alias: str
    former: int | None = None
    """the version that had the alias before"""
    former_alias: str = "previous"
    link: str | None = None


class NotRegistered(Record):
    """That nothing was registered."""

    reason: str
    """as a clause, such as `the registry refused it: ...`"""


class AgainstChampion(Record):
    """The kept model against the champion that was registered before, on validation."""

    version: int
    comparison: Comparison
    """below zero the kept one is better"""


class Figure(Record):
    """A picture of the kept model."""

    caption: str
    png: bytes
    file: str | None = None
    """where it lies as a file, from the folder of the report; what the Markdown shows"""


class PromotionReport(Record):
    """A promotion from its finalists to what became of the best of them."""

    study: str
    dataset: str
    when: datetime
    finalists: Sequence[ReportedFinalist]
    """in any order; the paper's configuration is one of them"""
    candidate: int
    """the number of the finalist with the lowest mean validation MAE in the race"""
    kept: int
    """the number of the one that the promotion goes on with: the candidate, or the paper's"""
    clearly_beaten: bool
    """whether the paper's configuration is: on further seeds, with a refit in the race"""
    further: Comparison | None = None
    """the candidate against the paper's on validation, on further seeds; none where the candidate
    is the paper's configuration, or with a refit"""
    allow_tie: bool = False
    """whether a candidate may be kept that does not clearly beat the paper's configuration"""
    refit: Refit | None = None
    recipe: PaperRecipe
    candidate_config: Configuration
    paper_config: Configuration
    final_seeds: int
    """that the final models were trained with"""
    test: ResultsOnTest | None = None
    test_unopened: str = ""
    """why the test split was not opened, as a clause; where it was: nothing"""
    readings: Sequence[ReadingOfTest] = ()
    """all that promotions of the study have made, this one's among them"""
    table_1: Mapping[str, float] | None = None
    """the paper's own figures for the dataset, named and in units as in `Scores`"""
    text: TextFacts
    data: DataFacts
    registration: Registered | NotRegistered
    champion: AgainstChampion | None = None
    """with --only-if-better, where there was one"""
    revision: str
    """of the code"""
    packages: Mapping[str, str]
    """versions by name"""
    commands: Mapping[str, str]
    """what reproduces this, by what it does; the first is the whole promotion"""
    links: Mapping[str, str] = {}
    """addresses by what they lead to"""
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    """what happened to trainings on the way, such as half a batch for want of GPU memory"""

    @cached_property
    def best(self) -> ReportedFinalist:
        """The candidate."""
        return next(f for f in self.finalists if f.number == self.candidate)

    @cached_property
    def paper(self) -> ReportedFinalist:
        """The paper's configuration."""
        return next(f for f in self.finalists if f.paper)

    @property
    def keeps_paper(self) -> bool:
        """Whether the paper's configuration is kept."""
        return self.kept == self.paper.number

    @cached_property
    def ranked(self) -> Sequence[ReportedFinalist]:
        """The finalists: the lowest mean first, dropped ones after the others, failed ones last."""

        def order(finalist: ReportedFinalist) -> tuple[bool, bool, float, int]:
            mean = float("inf") if finalist.estimate is None else finalist.estimate.mean
            dropped, failed = finalist.dropped is not None, finalist.failed is not None
            return failed, dropped, mean, finalist.number

        return sorted(self.finalists, key=order)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        numbers = [finalist.number for finalist in self.finalists]
        papers = [finalist.number for finalist in self.finalists if finalist.paper]
        if len(papers) != 1:
            raise ValueError("one finalist has to be the paper's configuration")
        if self.candidate not in numbers:
            raise ValueError(f"the candidate {self.candidate} is no finalist")
        if self.kept not in (self.candidate, *papers):
            raise ValueError("what is kept is neither the candidate nor the paper's configuration")
        if self.clearly_beaten and self.keeps_paper:
            raise ValueError("the paper's configuration is clearly beaten and kept all the same")
        if self.paper.failed is not None:
            raise ValueError("the paper's configuration failed, so there is nothing to report")
        if not (self.clearly_beaten or self.keeps_paper or self.allow_tie):
            raise ValueError("a tie keeps the paper's configuration where it is not allowed")
        if (self.test is None) == (not self.test_unopened):
            raise ValueError("there is either a result on test or a reason why there is none")
        return self
