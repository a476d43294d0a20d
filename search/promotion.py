"""A promotion, from the finalists of a study to a registered model."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna

from dlf.command import WorkFailedError, one_line
from search.engine import run_trials
from search.final_figures import keep_final
from search.finalists import FinalistTrials
from search.kept_results import KeptResults
from search.ledger import TrialLedger
from search.promotion_result import PromotionResult
from search.trainable import Workplace
from search.verdict import mean_metrics, read_test_split, trained_models
from tracking.location import TrackingLocation
from tracking.mlflow_recorder import MlflowRecorder
from tracking.recorder import Recorder, Recorders
from tracking.registry import register_champion
from tracking.study_files import StudyFiles

TEST_FILE = "test.json"


@dataclass(frozen=True)
class Promotion:
    """The finalists of one study on fresh seeds, and what becomes of the best of them."""

    study: optuna.Study
    trials: FinalistTrials
    workplace: Workplace
    folder: Path
    location: TrackingLocation
    mlflow: MlflowRecorder
    tell: Callable[[str], None] = lambda _: None
    """hears of what could not be kept"""

    def train(self, onlookers: Sequence[Recorder]) -> None:
        """Train every finalist on every seed.

        Raises:
            WorkFailedError: when one of them failed, for then they cannot be compared.
        """
        checkpoints, files = self.workplace.checkpoints, StudyFiles(self.folder)
        kept = KeptResults(checkpoints, files, self.workplace.data, models=0, tell=self.tell)
        ledger = TrialLedger(self.trials, Recorders([kept, self.mlflow, *onlookers]))
        run_trials(ledger, self.workplace, self.folder, keep_checkpoints=True)
        self.trials.refuse_failures()

    def hand_over(self) -> PromotionResult:
        """Evaluate the winner on the test split, and register its best model.

        The test metrics are on disk before anything else is tried: they must not be read twice.

        Raises:
            WorkFailedError: when the registry fails; the model and its metrics are kept.
        """
        winner = self.trials.winner()
        numbers = self.trials.numbers_of(winner)
        data = self.workplace.data
        models = trained_models(winner, data, self.workplace.checkpoints, numbers)
        device = self.workplace.resources.device
        verdict = read_test_split(self.study, models, data, device)
        tests = verdict.metrics
        test = mean_metrics(tests)
        (self.folder / TEST_FILE).write_text(test.model_dump_json(indent=2), encoding="utf-8")
        best = min(range(len(models)), key=lambda index: models[index].card.valid.mae)
        models[best].save(self.folder / "model")
        kept = StudyFiles(self.folder).artifacts
        try:
            keep_final(kept, verdict, models[best], best, device)
        except (OSError, RuntimeError, ValueError) as error:
            print(f"{kept} lacks some figures of the model: {one_line(error)}", file=sys.stderr)
        try:
            registered = register_champion(
                self.location,
                dataset=data.dataset,
                run_id=self.mlflow.run_id(numbers[best]),
                folder=self.folder / "model",
                tags={
                    "dlf.promoted_study": self.study.study_name,
                    "dlf.promoted_trial": str(winner.number),
                },
                metrics=tests[best].named("test"),
            )
        except WorkFailedError as error:
            raise WorkFailedError(
                f"{error}; the model and its test metrics are kept in {self.folder}"
            ) from error
        return PromotionResult.of(self.study.study_name, self.trials, test, registered)
