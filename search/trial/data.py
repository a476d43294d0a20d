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
from tracking.run_names import (
    DATASET_DIGEST_TAG,
    TEXT_ENCODER_REVISION_TAG,
    TEXT_ENCODER_TAG,
    TEXT_TAG,
)

SEARCHED: tuple[Literal["train", "valid"], ...] = ("train", "valid")
"""the splits that a trial opens; the third is for promotions"""


class OpenedData(NamedTuple):
    """What a worker holds of a dataset: views of memory that all workers of a node share."""

    manifest: Manifest
    train: Split
    valid: Split


class DataChoice(BaseModel):
    """One version of a dataset, and one way to take its text, wherever the data lies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    dataset_digest: str
    text: TextSource

    @property
    def text_words(self) -> str:
        """How the text is taken, and by what."""
        encoder = self.text.encoder
        if encoder is None:
            return self.text.way
        return f"{self.text.way} by {encoder.name} ({encoder.revision[:12]})"

    def data_in(self, data_dir: Path) -> "TrialData":
        """Return the data as it lies in a data folder."""
        return TrialData(
            dataset=self.dataset,
            dataset_digest=self.dataset_digest,
            data_dir=data_dir.absolute(),
            text=self.text,
        )

    def data_changes_from(self, former: "DataChoice") -> list[str]:
        """Return in words what is not as it was."""
        changes = []
        if self.dataset != former.dataset:
            changes.append(f"dataset is {self.dataset}, was {former.dataset}")
        elif self.dataset_digest != former.dataset_digest:
            changes.append(
                f"the data of {self.dataset} has the digest {self.dataset_digest[:12]}, "
                f"was {former.dataset_digest[:12]}"
            )
        if self.text != former.text:
            changes.append(f"the text is {self.text_words}, was {former.text_words}")
        return changes

    def data_tags(self) -> dict[str, str]:
        """Return what tracking says of it."""
        tags = {DATASET_DIGEST_TAG: self.dataset_digest, TEXT_TAG: self.text.way}
        encoder = self.text.encoder
        if encoder is None:
            return tags
        return tags | {TEXT_ENCODER_TAG: encoder.name, TEXT_ENCODER_REVISION_TAG: encoder.revision}


class TrialData(DataChoice):
    """The data of trials, and the data folder that it lies in."""

    data_dir: Path

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
