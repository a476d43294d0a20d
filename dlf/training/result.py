"""What trainings of one configuration came to: the JSON object, and the same as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlf.intervals import metric_estimates
from dlf.metrics import Metrics

METRICS = tuple(Metrics.model_fields)
HEADING = f"{'seed':>10} {'epoch':>6} " + " ".join(f"{name:>7}" for name in METRICS)


class Result(BaseModel):
    """A frozen part of the result."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class SeedResult(Result):
    """The best epoch of one seed's training, and where its model is."""

    seed: int
    epoch: int
    valid: Metrics
    model: Path

    def row(self) -> str:
        """Return the row of the table, below `HEADING`."""
        return _row(str(self.seed), str(self.epoch), dict(self.valid))


class FailedSeed(Result):
    """A seed whose training met a value that is not a number."""

    seed: int
    reason: str

    def row(self) -> str:
        """Return the row of the table, below `HEADING`."""
        return f"{self.seed:>10} failed: {self.reason}"


class TrainResult(Result):
    """All seeds, and the mean of those that were trained to their end."""

    dataset: str
    text: str
    """the way that its text was taken"""
    seeds: Sequence[SeedResult]
    failed: Sequence[FailedSeed]
    valid: Metrics | None
    """the mean over seeds of the metrics on the validation split; none where all have failed"""
    intervals: Mapping[str, tuple[float, float]]
    """95% of each metric's mean, over seeds and clips"""
    clips: int
    """in the validation split"""
    output: Path
    wall_seconds: float

    @classmethod
    def of(
        cls,
        dataset: str,
        text: str,
        seeds: Sequence[SeedResult],
        failed: Sequence[FailedSeed],
        predictions: Sequence[NDArray[np.float32]],
        labels: NDArray[np.float32],
        *,
        output: Path,
        seconds: float,
    ) -> "TrainResult":
        """Gather the result.

        Args:
            dataset: what was trained on.
            text: the way that its text was taken.
            seeds: those that were trained to their end.
            failed: the others.
            predictions: of every one of `seeds`, [N] of the validation split.
            labels: [N].
            output: the folder of the models.
            seconds: that it took.
        """
        estimates = metric_estimates(predictions, labels) if seeds else None
        return cls(
            dataset=dataset,
            text=text,
            seeds=seeds,
            failed=failed,
            valid=None if estimates is None else estimates.mean,
            intervals={}
            if estimates is None
            else {name: (each.low, each.high) for name, each in estimates.intervals.items()},
            clips=len(labels),
            output=output,
            wall_seconds=seconds,
        )

    def describe(self) -> str:
        """Return what belongs below the rows of the seeds."""
        lines = []
        if self.valid is not None:
            low, high = ({name: each[i] for name, each in self.intervals.items()} for i in (0, 1))
            lines += [
                _row("mean", "", dict(self.valid)),
                _row("95% from", "", low),
                _row("to", "", high),
                self._meaning() + (", without what has failed" if self.failed else ""),
                f"models: {', '.join(str(seed.model) for seed in self.seeds)}",
            ]
        return "\n".join(lines)

    def failures(self) -> str:
        """Return which seeds failed, and why, in one sentence."""
        each = "; ".join(f"the training on seed {f.seed} failed: {f.reason}" for f in self.failed)
        return f"{each}; lower the learning rate, or try other seeds with --first-seed"

    def _meaning(self) -> str:
        clips = f"the {self.clips} clips of the validation split"
        if len(self.seeds) == 1:
            return (
                f"the interval is over {clips} alone: one seed does not tell how much another "
                "would differ (more of them: --seeds 5)"
            )
        return f"the intervals are over {len(self.seeds)} seeds and {clips}"


def _row(name: str, epoch: str, values: Mapping[str, float]) -> str:
    return f"{name:>10} {epoch:>6} " + " ".join(f"{values[m]:7.4f}" for m in METRICS)
