"""Datasets of random features, in sizes and lengths as they are wanted, where no real one is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlf.data import Manifest, Sequences, Split, TokenIds
from dlf.data.manifest import Nonfinite
from dlf.data.mmsa import CleanDataset
from dlf.data.store import write_dataset
from dlf.modalities import InputSizes, Modality

Lengths = NDArray[np.int64]

BLOCK = 800
"""steps of random features, which are repeated: gigabytes of them would take minutes to draw"""


def store_made_up(
    folder: Path, dataset: str, sizes: InputSizes, lengths: Mapping[str, Lengths]
) -> Manifest:
    """Store a dataset of made-up clips, which have the given lengths in every modality.

    Args:
        folder: of all datasets.
        dataset: its name.
        sizes: widths of the features, and the longest clip there may be.
        lengths: steps of each clip, by the name of the split.
    """
    random = np.random.default_rng(0)
    return write_dataset(
        CleanDataset(
            splits={name: _split(random, name, sizes, steps) for name, steps in lengths.items()},
            widths=sizes.widths,
            time_steps=sizes.time_steps,
            token_steps=sizes.time_steps.text,
            nonfinite=Nonfinite(audio=0, vision=0),
            text_kind="tokens",
        ),
        dataset=dataset,
        data_dir=folder,
        source="made up",
        source_sha256=None,
    )


def _split(random: np.random.Generator, name: str, sizes: InputSizes, lengths: Lengths) -> Split:
    clips = len(lengths)
    starts = np.cumsum(lengths) - lengths

    def sequences(modality: Modality) -> Sequences:
        width = sizes.widths[modality]
        block = random.standard_normal((BLOCK, width), dtype=np.float32)
        return Sequences(np.resize(block, (int(lengths.sum()), width)), starts, lengths)

    return Split(
        name=name,
        ids=[f"{name}{clip}" for clip in range(clips)],
        raw_text=["made up"] * clips,
        labels=random.uniform(-3, 3, clips).astype(np.float32),
        text=sequences("text"),
        audio=sequences("audio"),
        vision=sequences("vision"),
        token_ids=TokenIds(np.full(clips, 101, np.int32), np.arange(clips), np.ones(clips, int)),
    )
