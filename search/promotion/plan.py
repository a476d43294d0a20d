"""What a promotion is to do, kept in its folder so that it can go on after whatever ended it."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from dlf.command import BadInputError, make_folder
from dlf.config import Config
from dlf.whole_file import write_or_fail
from search.seeded.ended_trainings import EndedTrainings
from search.seeded.seeded_trainings import Entrant
from search.study.identity import PAPER_TRIAL
from tracking.study_files import PROMOTIONS_FOLDER, TRAININGS_FOLDER

PLAN_FILE = "promotion.json"
"""the plan; `--resume` goes on with the last promotion that has no result"""
RESULT_FILE = "result.json"
"""what `--json` prints"""


class RegisteredBefore(BaseModel):
    """The champion that a promotion has to beat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    config: Config
    max_epochs: int | None = None
    """the limit of epochs with which it raced; none where its version does not tell"""


class PromotionPlan(BaseModel):
    """A promotion before anything is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """unique for ever"""
    begun: AwareDatetime
    top: int
    seeds: int
    final_seeds: int
    max_epochs: int
    """of every finalist but the paper's configuration"""
    paper_epochs: int
    refit: bool
    allow_tie: bool
    only_if_better: bool
    again: bool
    """whether the test split may be read although a promotion has read it before"""
    finalists: tuple[Entrant, ...]
    champion: RegisteredBefore | None = None
    """with --only-if-better, where there is one"""

    @property
    def configs(self) -> list[Config]:
        """All configurations that are trained."""
        champion = [] if self.champion is None else [self.champion.config]
        return [*(each.config for each in self.finalists), *champion]

    @property
    def paper(self) -> Entrant:
        """The paper's configuration."""
        return next(each for each in self.finalists if each.number == PAPER_TRIAL)


class PromotionFolder:
    """A folder of a study's promotions, named by the time (UTC) at which it was begun.

    Names sort by time, microseconds included: the last of two is the later one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, study_folder: Path, plan: PromotionPlan) -> "PromotionFolder":
        """Make the folder of a promotion that begins.

        Raises:
            BadInputError: when it cannot be made.
            WorkFailedError: when the plan cannot be written.
        """
        name = f"{plan.begun.astimezone(UTC):%Y%m%d-%H%M%S-%f}"
        place = cls(study_folder / PROMOTIONS_FOLDER / name)
        make_folder(place.folder)
        write_or_fail(place.folder / PLAN_FILE, plan.model_dump_json(indent=2))
        return place

    @classmethod
    def unfinished(cls, study_folder: Path) -> "PromotionFolder | None":
        """Return the last promotion of a study that has no result yet, if there is one."""
        plans = sorted(study_folder.glob(f"{PROMOTIONS_FOLDER}/*/{PLAN_FILE}"))
        open_ones = [plan.parent for plan in plans if not (plan.parent / RESULT_FILE).exists()]
        return cls(open_ones[-1]) if open_ones else None

    def plan(self) -> PromotionPlan:
        """Return what was planned.

        Raises:
            BadInputError: when it cannot be read.
        """
        file = self.folder / PLAN_FILE
        try:
            return PromotionPlan.model_validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            raise BadInputError(
                f"{file} cannot be read, so that this promotion cannot go on; begin another one"
            ) from error

    @property
    def trainings(self) -> EndedTrainings:
        """Where trainings that ended are kept."""
        return EndedTrainings(folder=self.folder / TRAININGS_FOLDER)

    @property
    def name(self) -> str:
        """The name by which people know it."""
        return self.folder.name


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now().astimezone()
