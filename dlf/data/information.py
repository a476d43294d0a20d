"""What `info` prints of a stored dataset: its manifest, and figures of train and valid.

Of the test split it tells the number of clips alone, which the manifest knows.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dlf.data.manifest import dataset_folder, read_manifest
from dlf.data.split import SPLITS, Sequences, Split
from dlf.data.store import open_split
from dlf.modalities import MODALITIES

CLASSES = range(-3, 4)
BAR = 40


def describe(dataset: str, data_dir: Path | str) -> str:
    """Return the page that `info` prints; raise `BadInputError` if the dataset is not stored."""
    manifest = read_manifest(dataset, data_dir)
    clips = ", ".join(f"{name} {getattr(manifest.clips, name)}" for name in SPLITS)
    widths = ", ".join(f"{m} {manifest.widths[m]}" for m in MODALITIES)
    steps = ", ".join(f"{m} {manifest.time_steps[m]}" for m in MODALITIES)
    lines = [
        f"dataset     {dataset} in {dataset_folder(dataset, data_dir)}",
        f"source      {manifest.source}, sha256 {manifest.source_sha256 or 'none'}",
        f"digest      {manifest.digest}",
        f"clips       {clips}",
        f"widths      {widths}",
        f"time steps  {steps}, as padded in the source",
        f"text        one step per {manifest.text_kind.removesuffix('s')}",
        f"non-finite  audio {manifest.nonfinite.audio}, vision {manifest.nonfinite.vision}, "
        "replaced by zero",
    ]
    for name in ("train", "valid"):
        lines += ["", *_describe_split(open_split(dataset, data_dir, name))]
    return "\n".join(lines)


def missing_clips(sequences: Sequences) -> int:
    """Count the clips in which a modality is absent: one step of zeros is all they keep."""
    single = sequences.starts[sequences.lengths == 1]
    return int(np.count_nonzero(~sequences.values[single].any(axis=1)))


def _describe_split(split: Split) -> Iterator[str]:
    yield f"{split.name}: {len(split)} clips"
    for modality in MODALITIES:
        lengths = split[modality].lengths
        yield (
            f"  {modality:6}  steps min {lengths.min()}, median {np.median(lengths):g}, "
            f"max {lengths.max()}; absent in {missing_clips(split[modality])} clips"
        )
    classes = np.rint(np.clip(split.labels, -3, 3)).astype(np.int64)
    counts = [int(np.count_nonzero(classes == label)) for label in CLASSES]
    for label, count in zip(CLASSES, counts, strict=True):
        yield f"  {label:+d}  {count:6d}  {'#' * round(BAR * count / max(counts))}".rstrip()
