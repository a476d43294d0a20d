"""What an ablation came to: the JSON object that other tools read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlf.intervals import metric_estimates
from dlf.metrics import Metrics
from dlf.published_results import FULL_MODEL, TABLE_2
from search.ablation.ablation import AblationPlan
from search.ablation.rows import AblationRow, Group
from search.seeded.comparison import Comparison, compare
from search.seeded.seeded_trainings import SeededTrainings
from search.study.result import Result

Bounds = tuple[float, float]
Arrays = NDArray[np.float32]


class Scores(Result):
    """Of a row on the validation split, over all its seeds."""

    valid_mae: Sequence[float]
    """of each seed"""
    mean: Metrics
    intervals: Mapping[str, Bounds]
    """95% of each metric's mean"""
    difference: Comparison | None
    """in MAE, to the full model; none of that itself, or where that failed"""


class RowResult(Result):
    """A row of the table."""

    name: str
    group: Group
    same_as: str | None
    """the row whose training this is, too, if it was not trained by itself"""
    failed: str | None
    """why it failed, if it did"""
    scores: Scores | None
    """none where it failed, and of a row that is the same as another"""
    published: Mapping[str, float]
    """on the test split of MOSI, one training"""
    published_difference: float
    """in MAE, to the full model"""

    @property
    def difference(self) -> Comparison | None:
        """How it stands against the full model, as far as that is known."""
        return None if self.scores is None else self.scores.difference


class AblationResult(Result):
    """The table, and what it rests on."""

    ablation: str
    dataset: str
    text: str
    config: str
    seeds: int
    max_epochs: int
    clips: int
    """in the validation split"""
    rows: Sequence[RowResult]
    table: Path
    wall_seconds: float

    @property
    def full_model(self) -> RowResult:
        """The row that the others are held against."""
        return self.rows[0]

    @property
    def failed(self) -> list[RowResult]:
        """The rows that failed."""
        return [row for row in self.rows if row.failed is not None]


def result_of(
    name: str,
    plan: AblationPlan,
    trainings: SeededTrainings,
    labels: Arrays,
    *,
    table: Path,
    seconds: float,
) -> AblationResult:
    """Gather the result of trainings that have all ended.

    Args:
        name: of the ablation.
        plan: which it was.
        trainings: of the rows that are trained.
        labels: of the validation clips, [N].
        table: the file of the table.
        seconds: that this process took.
    """
    predictions = {
        entrant.number: _predictions(entrant.number, trainings) for entrant in trainings.entrants
    }
    full = predictions[0]
    rows = []
    for number, (row, _, same_as) in enumerate(plan.rows):
        mine = predictions.get(number)
        failed = trainings.failures[number] if same_as is None and mine is None else None
        scores = None if mine is None else _scores(mine, full if number else None, labels)
        rows.append(_row(row, same_as, failed, scores))
    return AblationResult(
        ablation=name,
        dataset=plan.dataset,
        text=plan.text_words,
        config=plan.config_name,
        seeds=plan.seeds,
        max_epochs=plan.max_epochs,
        clips=len(labels),
        rows=rows,
        table=table,
        wall_seconds=seconds,
    )


def _predictions(number: int, trainings: SeededTrainings) -> list[Arrays] | None:
    """Return a row's predictions [N] in the order of the seeds; none where a training failed."""
    entrant = next(each for each in trainings.entrants if each.number == number)
    ended = trainings.trainings_of(entrant)
    if len(ended) < len(trainings.seeds):
        return None
    return [np.array(ended[index].predictions, np.float32) for index in sorted(ended)]


def _scores(mine: list[Arrays], full: list[Arrays] | None, labels: Arrays) -> Scores:
    estimates = metric_estimates(mine, labels)
    errors = np.abs(np.stack(mine) - labels)
    return Scores(
        valid_mae=[float(of_seed.mean()) for of_seed in errors],
        mean=estimates.mean,
        intervals={name: (each.low, each.high) for name, each in estimates.intervals.items()},
        difference=None if full is None else compare(errors, np.abs(np.stack(full) - labels)),
    )


def _row(
    row: AblationRow, same_as: str | None, failed: str | None, scores: Scores | None
) -> RowResult:
    return RowResult(
        name=row.name,
        group=row.group,
        same_as=same_as,
        failed=failed,
        scores=scores,
        published=row.published,
        published_difference=row.published["mae"] - TABLE_2[FULL_MODEL]["mae"],
    )
