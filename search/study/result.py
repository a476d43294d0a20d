"""What a search came to: the JSON object that other tools read, and the same for people."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dlf.config import Value
from tracking.report.verdict import mostly_luck


class Result(BaseModel):
    """A frozen part of the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialCounts(Result):
    """How many trials ended in each way."""

    complete: int
    pruned: int
    failed: int


class BestTrial(Result):
    """The complete trial with the lowest validation MAE, and its MLflow run, if it was kept."""

    number: int
    value: float
    params: Mapping[str, Value]
    run_id: str | None


class Baseline(Result):
    """The paper's configuration in the same study; no value unless its trial is complete."""

    value: float | None


class SearchResult(Result):
    """The outcome of a search; values are validation MAEs."""

    study: str
    trials: TrialCounts
    best: BestTrial | None
    baseline: Baseline
    epochs_trained: int
    ended_by: str
    """the bound that was met, in words"""
    wall_seconds: float
    tracking_uri: str

    def describe(
        self, look_command: str, promote_command: str, report: Path | None, *, replicates: int
    ) -> str:
        """Return the result in a few lines, and what to do next."""
        counts = self.trials
        lines = [
            "",
            f"{counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed; "
            f"{self.epochs_trained} epochs, {self.wall_seconds:.0f} s; {self.ended_by}",
        ]
        if self.best is not None:
            lines.append(f"best: trial {self.best.number}, validation MAE {self.best.value:.4f}")
            lines += [f"  {name} = {value}" for name, value in self.best.params.items()]
        if self.baseline.value is None:
            lines.append("the paper's configuration has no result here to measure against")
        else:
            lines.append(f"the paper's configuration: validation MAE {self.baseline.value:.4f}")
        lines += ["", f"compare the trials:  {look_command}   (tracked in {self.tracking_uri})"]
        if report is not None:
            lines.append(f"read the report:     {report}")
        if self.best is not None:
            lines += [
                f"promote the best:    {promote_command}",
                f"{mostly_luck(replicates)}: promotion takes fresh seeds.",
            ]
        return "\n".join(lines)
