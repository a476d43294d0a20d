"""A promotion, from the finalists of a study to a registered model.

A race on fresh seeds finds a candidate; it and the paper's configuration are trained on further
ones, which decide; then the test split is read, once, and what was kept is registered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from dlf.command import WorkFailedError, one_line
from dlf.data import Split, open_split
from dlf.trained_model import TrainedModel
from search.engine.trainable import Workplace
from search.promotion.decision import Decision, against, decide
from search.promotion.final_figures import draw_final
from search.promotion.finals import Finals, refitted
from search.promotion.plan import PromotionFolder, PromotionPlan
from search.promotion.race import Race
from search.promotion.test_split import OnTest, read_test_split
from search.seeded.comparison import Comparison
from search.seeded.seeded_run import train_seeded
from search.seeded.seeded_trainings import Entrant, SeededTrainings
from tracking.passwords import without_password
from tracking.recorder import Recorder
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.study_files import StudyFiles

CANDIDATE, PAPER = "candidate", "paper"
CHAMPION = -1
"""the number of the registered champion among the final trainings: it is no trial of the study"""

TEST_PREDICTIONS_FILE = "test_predictions.parquet"
"""a promotion's: what all final models predict for the test split"""


class Trained(NamedTuple):
    """Everything that was trained, and what it decides; the test split is still shut."""

    race: Race
    finals: Finals
    decision: Decision
    against_champion: Comparison | None
    """what is kept against the registered champion, with --only-if-better"""

    @property
    def final(self) -> int:
        """Which seed's model of the kept configuration is handed over.

        The best on validation, or after a refit, which holds nothing out, the first.
        """
        maes = self.finals.valid_mae(self.kept)
        return 0 if self.kept.learning_rates else maes.index(min(maes))

    @property
    def kept(self) -> Entrant:
        """What is kept, among the entrants of the final."""
        return self.entrant(self.decision.kept)

    def entrant(self, finalist: Entrant) -> Entrant:
        """Return a finalist as the final trainings know it."""
        return next(each for each in self.finals.entrants if each.number == finalist.number)

    @property
    def run_number(self) -> int:
        """The number of the training whose model is handed over."""
        return self.finals.number_of(self.kept, self.final)


@dataclass(frozen=True)
class Promotion:
    """The finalists of one study, and all that is needed to train and judge them."""

    study: optuna.Study
    plan: PromotionPlan
    place: PromotionFolder
    workplace: Workplace
    mlflow: MlflowRecorder
    onlookers: Sequence[Recorder] = ()
    tell: Callable[[str], None] = lambda _: None
    """hears of what is worth knowing on the way"""
    mend_study: Callable[[], None] = lambda: None
    """makes the study fit to be written, whatever others have left in it"""

    def train(self) -> Trained:
        """Run the race, then the final trainings, and decide.

        Raises:
            WorkFailedError: when the paper's configuration, or a final training, failed.
        """
        race = Race(
            self.plan.finalists,
            self.plan.seeds,
            self.labels,
            kept=self.place.trainings,
            checkpoints=self.workplace.checkpoints,
        )
        self._run(race)
        if race.paper_failed is not None:
            raise WorkFailedError(
                f"the paper's configuration failed, {race.paper_failed}, so there is nothing to "
                "compare with; the test split was not opened, and --resume trains it again"
            )
        candidate = race.candidate
        self.tell(f"the race is over: {candidate.name} leads, at {race.mean_mae(candidate):.4f}")
        finals = Finals(
            self._finalists(race),
            self.plan.final_seeds,
            self.workplace.data,
            self.place.folder,
            kept=self.place.trainings,
            checkpoints=self.workplace.checkpoints,
            first_number=race.total,
        )
        self._run(finals)
        finals.refuse_failures()
        decision = decide(race, finals, allow_tie=self.plan.allow_tie, labels=self.labels)
        champion = self._champion_among(finals.entrants)
        compared = (
            None if champion is None else against(decision.kept, champion, finals, self.labels)
        )
        return Trained(race, finals, decision, compared)

    def read_test_split(self, trained: Trained) -> OnTest:
        """Let the final models of candidate and paper predict the test split, and draw the figures.

        Raises:
            WorkFailedError: when the predictions cannot be kept: then they are not looked at.
        """
        finals, decision = trained.finals, trained.decision
        models = {CANDIDATE: finals.models_of(trained.entrant(decision.candidate))}
        if decision.candidate.number != trained.race.paper.number:
            models[PAPER] = finals.models_of(trained.entrant(trained.race.paper))
        file = self.artifacts / TEST_PREDICTIONS_FILE
        data, device = self.workplace.data, self.workplace.resources.driver_device
        kept = self.name_of_kept(trained)
        final = models[kept][trained.final]

        def draw(split: Split, predictions: Mapping[str, NDArray[np.float32]]) -> None:
            self._draw(split, predictions[f"{kept}_{trained.final}"], final)

        # A search that was killed meanwhile may have left its study with half a line.
        self.mend_study()
        was_read = file.exists()
        try:
            on_test = read_test_split(self.study, self.place.name, models, data, device, file, draw)
        except (SQLAlchemyError, StorageInternalError, OSError, RuntimeError, ValueError) as error:
            raise WorkFailedError(
                f"the test split could not be read and its predictions kept in {file} "
                f"({without_password(one_line(error))}); --resume goes on from here"
            ) from error
        if was_read and not any(self.artifacts.glob("*.png")):
            self.tell(f"{self.artifacts} lacks the figures of the model: it ended before them")
        return on_test

    def name_of_kept(self, trained: Trained) -> str:
        """Return whether it is the candidate's models that are kept, or the paper's."""
        decision = trained.decision
        return CANDIDATE if decision.kept.number == decision.candidate.number else PAPER

    @property
    def artifacts(self) -> Path:
        """The folder of the files that the promotion's run is given."""
        return StudyFiles(self.place.folder).artifacts

    @cached_property
    def labels(self) -> NDArray[np.float32]:
        """Those of the validation clips, [N]."""
        return open_split(self.workplace.data.dataset, self.workplace.data.data_dir, "valid").labels

    def _finalists(self, race: Race) -> list[Entrant]:
        """Return who is trained finally: the paper's configuration first, for it takes longest."""
        chosen = [race.paper]
        if race.candidate.number != race.paper.number:
            chosen.append(race.candidate)
        if self.plan.refit:
            chosen = [refitted(e, list(race.trainings_of(e).values())) for e in chosen]
        champion = self.plan.champion
        if champion is not None and self._champion_among(chosen) is None:
            chosen.append(
                Entrant(
                    number=CHAMPION,
                    name=f"champion (version {champion.version})",
                    params={},
                    config=champion.config,
                    max_epochs=max(self.plan.max_epochs, champion.max_epochs or 0),
                )
            )
        return chosen

    def _champion_among(self, entrants: Sequence[Entrant]) -> Entrant | None:
        """Return who has the configuration of the registered champion, and stands for it."""
        champion = self.plan.champion
        if champion is None:
            return None
        return next(
            (
                each
                for each in entrants
                if each.config == champion.config and each.max_epochs >= (champion.max_epochs or 0)
            ),
            None,
        )

    def _run(self, trainings: SeededTrainings) -> None:
        train_seeded(
            trainings, self.workplace, self.place.folder, self.mlflow, self.onlookers, self.tell
        )

    def _draw(self, split: Split, predictions: NDArray[np.float32], model: TrainedModel) -> None:
        device = self.workplace.resources.driver_device
        try:
            draw_final(self.artifacts, split, predictions, model, device)
        except (OSError, RuntimeError, ValueError) as error:
            self.tell(f"{self.artifacts} lacks some figures of the model: {one_line(error)}")
