"""Datasets: imported once from the field's feature files, then opened as memory maps."""

from dlf.data.location import DATASETS, prepare_dataset
from dlf.data.manifest import Manifest, read_manifest
from dlf.data.split import SPLITS, Sequences, Split, TokenIds, joined
from dlf.data.store import (
    SealedTestSplitError,
    open_split,
    open_test_split,
    seal_test_split,
)
from dlf.modalities import MODALITIES

__all__ = [
    "DATASETS",
    "MODALITIES",
    "SPLITS",
    "Manifest",
    "SealedTestSplitError",
    "Sequences",
    "Split",
    "TokenIds",
    "joined",
    "open_split",
    "open_test_split",
    "prepare_dataset",
    "read_manifest",
    "seal_test_split",
]
