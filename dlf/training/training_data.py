"""What a training outside a search is given: train and valid, with their text taken in one way."""

from pathlib import Path
from typing import NamedTuple

from dlf.config import Config
from dlf.data import Manifest, Split, open_split
from dlf.text.finetuned import pretrained_encoder
from dlf.text.prepared import open_text, prepare_text
from dlf.text.sizes import input_sizes
from dlf.text.source import TextSource
from dlf.trained_model import TrainedModel
from dlf.training.best_model import best_model
from dlf.training.training import Training


class TrainingData(NamedTuple):
    """One version of a dataset, as memory maps."""

    manifest: Manifest
    text: TextSource
    train: Split
    valid: Split

    @classmethod
    def open(
        cls, manifest: Manifest, data_dir: Path, text: TextSource, device: str
    ) -> "TrainingData":
        """Open a stored dataset, after encoding its text on a device where that is still to do.

        Raises:
            BadInputError: when dataset or encoder are of no use.
            WorkFailedError: when the encoded text cannot be written.
        """
        dataset = manifest.dataset
        train, valid = (open_split(dataset, data_dir, name) for name in ("train", "valid"))
        prepare_text(text, dataset, data_dir, [train, valid], device=device)
        train, valid = (open_text(text, dataset, data_dir, split) for split in (train, valid))
        return cls(manifest, text, train, valid)

    def training(self, config: Config, *, seed: int, max_epochs: int, device: str) -> Training:
        """Return a training that is about to begin.

        Raises:
            BadInputError: when the text encoder has too few layers to freeze.
        """
        return Training(
            config,
            input_sizes(self.manifest, self.text, config.data),
            self.train,
            self.valid,
            seed=seed,
            max_epochs=max_epochs,
            device=device,
            text_encoder=pretrained_encoder(self.text, config.finetuning),
        )

    def best_model(self, training: Training) -> TrainedModel:
        """Return the model of a training on this data, as of its best epoch."""
        return best_model(
            training.config,
            training.best_weights,
            training.history,
            seed=training.seed,
            sizes=training.model.sizes,
            dataset=self.manifest.dataset,
            dataset_digest=self.manifest.digest,
            text=self.text,
        )
