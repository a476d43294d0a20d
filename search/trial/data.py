"""The data of trials: where it lies, how its text is taken, and what a worker opens of it."""

from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from dlf.config import Config
from dlf.data import Manifest, Split, open_split, read_manifest
from dlf.modalities import InputSizes
from dlf.text.prepared import open_text, prepare_text
from dlf.text.sizes import input_sizes
from dlf.text.source import TextSource

SEARCHED: tuple[Literal["train", "valid"], ...] = ("train", "valid")
"""the splits that a trial opens; the third is for promotions"""


class OpenedData(NamedTuple):
    """What a worker holds of a dataset: views of memory that all workers of a node share."""

    manifest: Manifest
    train: Split
    valid: Split


class TrialData(BaseModel):
    """One version of a dataset, and one way to take its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    dataset_digest: str
    data_dir: Path
    text: TextSource

    def prepare(self, device: str) -> None:
        """Make what trials will open: encoded once, and read from then on.

        Raises:
            BadInputError: when dataset or encoder are of no use.
            WorkFailedError: when it cannot be written.
        """
        splits = [open_split(self.dataset, self.data_dir, name) for name in SEARCHED]
        prepare_text(self.text, self.dataset, self.data_dir, splits, device=device)

    def open(self) -> OpenedData:
        """Open train and valid as memory maps.

        Raises:
            RuntimeError: when the data folder has another version of the dataset.
        """
        manifest = read_manifest(self.dataset, self.data_dir)
        if manifest.digest != self.dataset_digest:
            raise RuntimeError(f"{self.dataset} in {self.data_dir} is not what it was")
        splits = (open_split(self.dataset, self.data_dir, name) for name in SEARCHED)
        train, valid = (
            open_text(self.text, self.dataset, self.data_dir, split) for split in splits
        )
        return OpenedData(manifest, train, valid)

    def sizes(self, manifest: Manifest, config: Config) -> InputSizes:
        """Return what the model of a configuration must know of this data."""
        return input_sizes(manifest, self.text, config.data)
