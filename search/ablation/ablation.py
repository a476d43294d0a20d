"""An ablation: the rows of the paper's Table 2 over one configuration, all on the same seeds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from dlf.command import BadInputError, make_folder
from dlf.config import Config, Value
from dlf.whole_file import write_or_fail
from search.ablation.rows import PlannedRow, rows_of
from search.engine.trainable import Workplace
from search.seeded.ended_trainings import EndedTrainings
from search.seeded.seeded_run import train_seeded
from search.seeded.seeded_trainings import Entrant, SeededTrainings
from search.storage.driver_lock import hold_study
from search.study.open_study import StudyPlace
from search.trial.data import DataChoice
from search.trial.seeds import ablation_seed
from tracking.journal.file import TRACKING_FILE
from tracking.recorder import Recorder
from tracking.run_names import CONFIG_TAG, MAX_EPOCHS_TAG
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.study_files import TRAININGS_FOLDER, StudyFiles

PLAN_FILE, RESULT_FILE, TABLE_FILE = "ablation.json", "result.json", "ablation.md"


class AblationPlan(DataChoice):
    """An ablation before anything is trained."""

    key: str
    """unique for ever"""
    begun: AwareDatetime
    config_name: str
    """as it was named on the command line"""
    config: Config
    """of the full model"""
    seeds: int
    max_epochs: int

    @property
    def rows(self) -> list[PlannedRow]:
        """All rows of the table."""
        return rows_of(self.config)

    @property
    def entrants(self) -> list[Entrant]:
        """The rows that are trained, by their numbers in the table."""
        return [
            Entrant(
                number=number,
                name=planned.row.name,
                params={
                    "row": planned.row.name,
                    **{name: _shown(value) for name, value in planned.row.values.items()},
                },
                config=planned.config,
                max_epochs=self.max_epochs,
            )
            for number, planned in enumerate(self.rows)
            if planned.same_as is None
        ]

    def changes_from(self, former: "AblationPlan") -> list[str]:
        """Return in words what is not as it was."""
        changes = self.data_changes_from(former)
        for name in ("seeds", "max_epochs"):
            now, was = getattr(self, name), getattr(former, name)
            if now != was:
                changes.append(f"{name.replace('_', ' ')} is {now}, was {was}")
        values = former.config.values()
        changes += [
            f"{name} is {value}, was {values[name]}"
            for name, value in self.config.values().items()
            if value != values[name]
        ]
        return changes

    def tags(self) -> dict[str, str]:
        """Return what tracking says of the ablation."""
        return self.data_tags() | {
            MAX_EPOCHS_TAG: str(self.max_epochs),
            CONFIG_TAG: self.config_name,
        }


class AblationFolder:
    """Where an ablation lies, under the output of all studies."""

    def __init__(self, name: str, output: Path) -> None:
        """Know it; raise `BadInputError` for a name that no study may have."""
        self.name = name
        self.folder = StudyPlace(name, output, None).folder

    def refuse_if_taken(self) -> None:
        """Raise `BadInputError` when there is a study or an ablation of this name already."""
        if (self.folder / PLAN_FILE).exists():
            raise BadInputError(
                f"there is an ablation {self.name!r} already; --resume goes on with it, another "
                "--name begins a new one"
            )
        if (self.folder / TRACKING_FILE).exists():
            raise BadInputError(f"{self.folder} is the folder of a study; choose another --name")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one that works here, in a folder that is made where there is none.

        Raises:
            BadInputError: when another process does, or it cannot be made.
        """
        make_folder(self.folder)
        with hold_study(self.folder, None, self.name):
            yield

    def begin(self, plan: AblationPlan) -> None:
        """Keep the plan of an ablation that begins."""
        self.refuse_if_taken()
        self.keep(PLAN_FILE, plan.model_dump_json(indent=2))

    def plan(self) -> AblationPlan:
        """Return what was planned.

        Raises:
            BadInputError: when there is no such ablation, or its plan cannot be read.
        """
        file = self.folder / PLAN_FILE
        try:
            return AblationPlan.model_validate_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadInputError(
                f"there is no ablation {self.name!r} in {self.folder.parent} to resume; leave "
                "--resume out to begin it"
            ) from error
        except (OSError, ValidationError) as error:
            raise BadInputError(
                f"{file} cannot be read, so that this ablation cannot go on; begin another one"
            ) from error

    def keep(self, name: str, text: str) -> Path:
        """Write a file as a whole, and return it.

        Raises:
            WorkFailedError: when it cannot be written.
        """
        file = self.folder / name
        write_or_fail(file, text)
        return file

    def keep_table(self, markdown: str) -> Path:
        """Keep the table here and among what the ablation's run is given; return the one here."""
        artifact = StudyFiles(self.folder).artifacts / TABLE_FILE
        self.keep(str(artifact.relative_to(self.folder)), markdown)
        return self.keep(TABLE_FILE, markdown)


@dataclass(frozen=True)
class Ablation:
    """The trainings of one ablation, and all that is needed to run them."""

    plan: AblationPlan
    place: AblationFolder
    workplace: Workplace

    def trainings(self) -> SeededTrainings:
        """Return every row on every seed, from where an earlier process ended."""
        return SeededTrainings(
            self.plan.entrants,
            [ablation_seed(index) for index in range(self.plan.seeds)],
            kept=EndedTrainings(folder=self.place.folder / TRAININGS_FOLDER),
            checkpoints=self.workplace.checkpoints,
        )

    def train(
        self,
        trainings: SeededTrainings,
        mlflow: MlflowRecorder,
        onlookers: Sequence[Recorder],
        tell: Callable[[str], None],
    ) -> None:
        """Train what an earlier process has not trained, and tell MLflow of all ends."""
        train_seeded(trainings, self.workplace, self.place.folder, mlflow, onlookers, tell)


def _shown(value: Value) -> Value:
    """Return a value as MLflow is to show it: a switch not as a number."""
    return str(value).lower() if isinstance(value, bool) else value
