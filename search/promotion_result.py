"""What a promotion came to: the JSON object that other tools read, and the same for people."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from dlf.config import Value
from dlf.metrics import Metrics
from search.finalists import FinalistTrials
from search.identity import PAPER_TRIAL
from search.result import Result
from search.study_records import trial_name
from tracking.registry import RegisteredModel


class Winner(Result):
    """The configuration that was promoted, by its trial in the search."""

    number: int
    params: Mapping[str, Value]


class FinalistResult(Result):
    """A finalist's validation MAE on every fresh seed."""

    number: int
    valid_mae: Sequence[float]
    mean: float


class PromotionResult(Result):
    """The outcome of a promotion; the test metrics are means over the winner's seeds."""

    study: str
    winner: Winner
    finalists: Sequence[FinalistResult]
    test: Metrics
    model: str
    version: int
    alias: str

    @classmethod
    def of(
        cls, study: str, trials: FinalistTrials, test: Metrics, registered: RegisteredModel
    ) -> "PromotionResult":
        """Gather the result of a promotion."""
        winner = trials.winner()
        maes = {finalist.number: trials.valid_mae(finalist) for finalist in trials.finalists}
        return cls(
            study=study,
            winner=Winner(number=winner.number, params=winner.params),
            finalists=[
                FinalistResult(number=number, valid_mae=each, mean=fmean(each))
                for number, each in maes.items()
            ],
            test=test,
            model=registered.model,
            version=registered.version,
            alias=registered.alias,
        )

    def describe(self, tracking_uri: str, test_reads: int) -> str:
        """Return the result in a few lines."""
        lines = ["", "validation MAE on fresh seeds:"]
        for finalist in sorted(self.finalists, key=lambda finalist: finalist.mean):
            each = ", ".join(f"{mae:.4f}" for mae in finalist.valid_mae)
            lines.append(f"  {trial_name(finalist.number)}: mean {finalist.mean:.4f} ({each})")
        if self.winner.number == PAPER_TRIAL:
            lines.append("no trial of the search beats the paper's configuration; it is promoted")
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in self.test)
        lines += [
            f"test, mean over {len(self.finalists[0].valid_mae)} seeds: {metrics}",
            f"registered: {self.model} version {self.version}, alias {self.alias}, "
            f"in {tracking_uri}",
        ]
        if test_reads > 1:
            lines.append(f"this study has now read the test split {test_reads} times")
        return "\n".join(lines)
