"""Datasets: imported once from the field's feature files, then opened as memory maps."""

from dlf.data.location import prepare_dataset
from dlf.data.manifest import Manifest, read_manifest
from dlf.data.names import DATASET_NAMES, GENERATED, dataset_name
from dlf.data.split import SPLITS, Sequences, Split, TokenIds, joined
from dlf.data.store import (
    SealedTestSplitError,
    open_split,
    open_test_split,
    seal_test_split,
)
from dlf.modalities import MODALITIES

__all__ = [
    "DATASET_NAMES",
    "GENERATED",
    "MODALITIES",
    "SPLITS",
    "Manifest",
    "SealedTestSplitError",
    "Sequences",
    "Split",
    "TokenIds",
    "dataset_name",
    "joined",
    "open_split",
    "open_test_split",
    "prepare_dataset",
    "read_manifest",
    "seal_test_split",
]
