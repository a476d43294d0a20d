"""Where a study keeps on this machine what it needs, and what its runs are given as artifacts."""

from collections.abc import Iterable
from pathlib import Path

from tracking.promotion_report import MARKDOWN_FILE, PAGE_FILE
from tracking.report import REPORT_FILE

PREDICTIONS_FOLDER = "predictions"
"""what each trial that trained an epoch predicts for the validation split"""
MODELS_FOLDER = "models"
"""the models of the best trials, or of a promotion's final trainings"""
ARTIFACTS_FOLDER = "artifacts"
"""what else the run of a promotion or an ablation is given at its end"""
CHECKPOINTS_FOLDER = "checkpoints"
"""the states of trials under way"""
TUNE_FOLDER = "tune"
"""Ray's own files, while a search runs"""
PROMOTIONS_FOLDER = "promotions"
"""the promotions of the study, a folder each, named by its time"""
TRAININGS_FOLDER = "trainings"
"""of a promotion or an ablation: every training that ended, its epochs and its predictions"""


class StudyFiles:
    """The folder of a study, or of a promotion, beside whose journal the files lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def report(self) -> Path:
        """The report, if there is one."""
        return self.folder / REPORT_FILE

    @property
    def artifacts(self) -> Path:
        """The folder of what else the study's own run is given at its end."""
        return self.folder / ARTIFACTS_FOLDER

    def predictions(self, number: int) -> Path:
        """The validation predictions of a trial that has trained an epoch."""
        return self.folder / PREDICTIONS_FOLDER / f"trial-{number}.parquet"

    def model(self, number: int) -> Path:
        """The folder of a trial's model, which only the best few have."""
        return self.folder / MODELS_FOLDER / f"trial-{number}"

    def models(self, numbers: Iterable[int]) -> dict[int, Path]:
        """Return the folders of those of these trials' models that are there."""
        folders = {number: self.model(number) for number in numbers}
        return {number: folder for number, folder in folders.items() if folder.is_dir()}

    def all_models(self) -> dict[int, Path]:
        """Return the folders of all models that are there, by trial."""
        folders = self.folder.glob(f"{MODELS_FOLDER}/trial-*")
        numbers = {folder: folder.name.removeprefix("trial-") for folder in folders}
        return {int(number): folder for folder, number in numbers.items() if number.isdecimal()}

    def of_study(self) -> list[Path]:
        """Return the files for the study's own run."""
        reports = [self.report, self.folder / PAGE_FILE, self.folder / MARKDOWN_FILE]
        files = [*reports, *sorted(self.artifacts.glob("*"))]
        return [file for file in files if file.is_file()]
