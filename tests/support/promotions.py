"""Studies to promote, and promotions of them in this process, small enough for tests."""

from collections.abc import Mapping
from pathlib import Path

from dlf.config import Value
from dlf.data import read_manifest
from dlf.presets import preset
from search import promote
from search.promotion.plan import PromotionFolder
from search.spaces.space import Space
from search.study.identity import StudyIdentity
from search.study.open_study import OpenStudy, StudyPlace
from tests.support.commands import Command
from tests.support.searches import clear_ray, run_here
from tests.support.simulation import SimulatedSearch
from tests.support.small_models import SMALL_VALUES
from tests.support.tracking_stores import store_at

TINY_PAPER = preset("paper", "synthetic").with_values(SMALL_VALUES)
"""the paper's recipe on a model that trains in no time"""


QUICK: Mapping[str, Value] = {
    "learning_rate": 5e-3,
    "accumulation": 1,
    "output_dropout": 0.0,
    "text_dropout": 0.0,
    "embedding_dropout": 0.0,
}
"""with which it learns a few clips, so that a search beats the paper's recipe"""

FEWEST_TRAININGS = (
    *("--top", "1", "--seeds", "2", "--final-seeds", "2"),
    *("--max-epochs", "1", "--paper-epochs", "1"),
)
"""the flags of the shortest promotion there can be"""


class Promoted:
    """A study of simulated trials on real data, and what promotions make of it."""

    def __init__(self, simulated: SimulatedSearch, data_dir: Path, folder: Path) -> None:
        digest = read_manifest("synthetic", data_dir).digest
        quick = TINY_PAPER.with_values(QUICK)
        space = Space.load()
        space = space.without([name for name in space.parameters if name != "margin"])
        simulated.identity = simulated.identity.model_copy(
            update={
                "dataset_digest": digest,
                "paper": TINY_PAPER,
                "base": quick,
                "space": space,
            }
        )
        self.study = simulated.run(8, curve=lambda plan, _: 2 - float(plan.params["margin"]))
        self.place: StudyPlace = simulated.place
        self.data_dir = data_dir
        self.tracking = store_at(folder / "ml.db").uri

    @property
    def opened(self) -> OpenStudy:
        return self.place.load()

    @property
    def identity(self) -> StudyIdentity:
        return self.opened.identity

    @property
    def last(self) -> PromotionFolder:
        """The promotion that was begun last."""
        return PromotionFolder(self.folders[-1])

    @property
    def folders(self) -> list[Path]:
        """Those of all promotions."""
        there = (self.place.folder / "promotions").glob("*")
        return sorted(folder for folder in there if folder.is_dir())

    def words(self, *more: str | int) -> list[str]:
        """A command line that promotes with few seeds and epochs."""
        where = ["--study", self.place.name, "--output", str(self.place.folder.parent)]
        where += ["--data-dir", str(self.data_dir), "--tracking-uri", self.tracking]
        return [*where, *map(str, more)]

    def promote(self, *more: str | int) -> Command:
        """Promote on the Ray of this process."""
        done = run_here(promote.main, "search/promote.py", *self.words(*more))
        clear_ray()
        return done


FEW = ("--top", 1, "--seeds", 2, "--final-seeds", 2, "--max-epochs", 12, "--paper-epochs", 2)
"""enough of everything"""
