"""What is known of a stored dataset: its manifest, figures of train and valid, and warnings.

Of the test split it tells the number of clips alone, which the manifest knows.
"""

from pathlib import Path

import numpy as np

from dlf.data.encoded import EncodedText, list_encoded
from dlf.data.manifest import Manifest, Record, dataset_folder, read_manifest
from dlf.data.probe import CREDIBLE, probe
from dlf.data.split import Sequences, Split
from dlf.data.store import open_split, verify_split
from dlf.metrics import CLASSES, STRONGEST, sentiment_class
from dlf.modalities import MODALITIES, Modality
from dlf.model.normalisation import scale_ratio


class StepCounts(Record):
    """How long the clips of a modality are, and in how many it is absent."""

    shortest: int
    median: float
    ninetieth: float
    """the 90th percentile"""
    longest: int
    absent: int


class SplitInformation(Record):
    """One split: how many clips for each of the seven classes, and the steps of each modality."""

    clips: int
    labels: dict[int, int]
    steps: dict[Modality, StepCounts]


class DatasetInformation(Record):
    """All that `info` tells."""

    folder: str
    manifest: Manifest
    train: SplitInformation
    valid: SplitInformation
    scale_ratios: dict[Modality, float]
    """the largest deviation of a feature over the smallest"""
    probes: dict[Modality, float | None]
    """the correlation of a linear prediction from one modality with the labels of valid"""
    encoded: tuple[EncodedText, ...]
    warnings: tuple[str, ...]


def gather(dataset: str, data_dir: Path) -> DatasetInformation:
    """Look at a stored dataset; raise `BadInputError` if it is not stored, or damaged."""
    manifest = read_manifest(dataset, data_dir)
    verify_split(dataset, data_dir, "train")
    verify_split(dataset, data_dir, "valid")
    train = open_split(dataset, data_dir, "train")
    valid = open_split(dataset, data_dir, "valid")
    probes = {modality: probe(train, valid, modality) for modality in MODALITIES}
    return DatasetInformation(
        folder=str(dataset_folder(dataset, data_dir)),
        manifest=manifest,
        train=_look_at(train),
        valid=_look_at(valid),
        scale_ratios={
            "audio": scale_ratio(manifest.statistics.audio),
            "vision": scale_ratio(manifest.statistics.vision),
        },
        probes=probes,
        encoded=tuple(list_encoded(manifest, data_dir)),
        warnings=(*shared_video_warning(manifest), *_leak_warnings(probes)),
    )


def shared_video_warning(manifest: Manifest) -> tuple[str, ...]:
    """Return a warning when a video appears in two splits, and nothing else."""
    if not manifest.shared_videos:
        return ()
    return (
        f"{manifest.shared_videos} videos have clips in more than one split, so that a model is "
        "validated on speakers it has seen",
    )


def _leak_warnings(probes: dict[Modality, float | None]) -> list[str]:
    return [
        f"{modality} alone predicts the labels of valid with a correlation of {found:.2f} by a "
        f"straight line, where more than {CREDIBLE[modality]:g} is hardly honest: the labels may "
        "have leaked into its features"
        for modality, found in probes.items()
        if found is not None and found > CREDIBLE[modality]
    ]


def _look_at(split: Split) -> SplitInformation:
    classes = sentiment_class(split.labels, STRONGEST)
    return SplitInformation(
        clips=len(split),
        labels={label: int(np.count_nonzero(classes == label)) for label in CLASSES},
        steps={modality: count_steps(split[modality]) for modality in MODALITIES},
    )


def count_steps(sequences: Sequences) -> StepCounts:
    """Return how long clips are; a modality absent from one has kept a step of zeros."""
    lengths = sequences.lengths
    single = sequences.starts[lengths == 1]
    return StepCounts(
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        ninetieth=float(np.percentile(lengths, 90)),
        longest=int(lengths.max()),
        absent=int(np.count_nonzero(~sequences.values[single].any(axis=1))),
    )
