"""Getting a dataset to where it is opened from: imported, found and imported, or generated."""

import sys
from pathlib import Path

from dlf.command import BadInputError
from dlf.data import mmsa, synthetic
from dlf.data.arrow import sha256_of
from dlf.data.manifest import (
    Manifest,
    is_stored,
    read_manifest,
    store_command,
    stored_datasets,
)
from dlf.data.names import FIELD_DATASETS, GENERATED, KNOWN_DATASETS
from dlf.data.published import PUBLISHED
from dlf.data.store import verify_split, write_dataset
from dlf.data.unpickler import load_pickle

# Where each dataset's feature file lies in the field's own folder tree, below the data folder.
FIELD_PLACES = {
    name: (f"{name.upper()}/Processed/aligned_50.pkl", f"{name.upper()}/aligned_50.pkl")
    for name in FIELD_DATASETS
}


def prepare_dataset(dataset: str, data_dir: Path | str) -> Manifest:
    """Return the manifest of a dataset, storing it first if its source is at hand.

    A dataset already stored is taken as it is, once train and valid agree with their checksums: the
    test split is looked at when it is opened. Otherwise a feature file at the field's own place
    under `data_dir` is imported, or the synthetic dataset generated with seed 0, and one line on
    standard error says so. Raises `BadInputError` if there is nothing to import.
    """
    if is_stored(dataset, data_dir):
        for split in ("train", "valid"):
            verify_split(dataset, data_dir, split)
        return read_manifest(dataset, data_dir)
    if dataset == GENERATED:
        print(f"generating the synthetic dataset into {data_dir}, once", file=sys.stderr)
        return synthesize(data_dir, seed=0)
    if dataset not in FIELD_PLACES:
        there = dict.fromkeys((*KNOWN_DATASETS, *stored_datasets(data_dir)))
        raise BadInputError(
            f"{dataset} is not stored in {data_dir}; there are: {', '.join(there)}; a feature file "
            f"is stored under this name with: {store_command(dataset, data_dir)}"
        )
    places = [Path(data_dir) / place for place in FIELD_PLACES[dataset]]
    for place in places:
        if place.is_file():
            print(f"importing {place} into {data_dir}, once", file=sys.stderr)
            return import_file(dataset, place, data_dir)
    raise BadInputError(
        f"{dataset} is not stored in {data_dir} and {places[0]} is not there: get the feature file "
        "aligned_50.pkl, whose download the READMEs of github.com/pwang322/DLF and "
        f"github.com/thuiar/MMSA link, and run: {store_command(dataset, data_dir)} "
        "(or try without, with --dataset synthetic)"
    )


def import_file(dataset: str, source: Path, data_dir: Path | str) -> Manifest:
    """Store the feature file `source`, a pickle in the MMSA layout, as `dataset`.

    Raises `BadInputError` if the file cannot be read, is refused, or does not fit the layout.
    """
    try:
        sha256 = sha256_of(source)
    except OSError as error:
        raise BadInputError(f"{source} cannot be read: {error.strerror}") from error
    published = PUBLISHED.get(sha256)
    if published is not None and published.dataset != dataset:
        raise BadInputError(
            f"{source} is the published file of {published}, not of {dataset}; import it with "
            f"--dataset {published.dataset}"
        )
    content = load_pickle(source)
    try:
        clean = mmsa.clean(content)
    except BadInputError as error:
        raise BadInputError(f"{source.name} cannot be used: {error}") from error
    return write_dataset(
        clean,
        dataset=dataset,
        data_dir=data_dir,
        source=source.name,
        source_sha256=sha256,
        published=None if published is None else str(published),
    )


def synthesize(data_dir: Path | str, seed: int) -> Manifest:
    """Generate the synthetic dataset with `seed` and store it."""
    return write_dataset(
        mmsa.clean(synthetic.generate(seed)),
        dataset=GENERATED,
        data_dir=data_dir,
        source=f"synthesized, seed {seed}",
        source_sha256=None,
    )
