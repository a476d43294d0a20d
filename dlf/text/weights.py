"""The files of an encoder's weights: which there are, and whether they are whole."""

import json
import pickle
import struct
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open

from dlf.command import BadInputError, one_line

WEIGHTS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
OLD_WEIGHTS = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")

_BROKEN = (
    pickle.UnpicklingError,
    struct.error,
    EOFError,
    RuntimeError,
    AssertionError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
"""what torch raises at weights in the format before its version 1.6 that are not whole"""


def weights_of(folder: Path) -> list[Path]:
    """Return the files of an encoder's weights, indices included: of the new kind, else the old."""
    for patterns in (WEIGHTS, OLD_WEIGHTS):
        found = sorted({file for pattern in patterns for file in folder.glob(pattern)})
        if found:
            return found
    return []


def missing_weights(folder: Path) -> str | None:
    """Return the names of weights that an encoder lacks, by its own index; none if all are there.

    Raises:
        BadInputError: when the index cannot be read.
    """
    weights = weights_of(folder)
    whole = [folder / patterns[0] for patterns in (WEIGHTS, OLD_WEIGHTS)]
    if any(file in weights for file in whole):
        return None
    indices = [file for file in weights if file.suffix == ".json"]
    if not indices:
        return f"{WEIGHTS[0]} or {OLD_WEIGHTS[0]}"
    try:
        index = json.loads(indices[0].read_text(encoding="utf-8"))
        shards = {str(name) for name in index["weight_map"].values()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInputError(f"{indices[0]} is no index of weights; get it again") from error
    return ", ".join(sorted(name for name in shards if not (folder / name).is_file())) or None


def refuse_damaged(weights: list[Path]) -> None:
    """Raise `BadInputError` at a file of weights that is damaged or cut short, as far as is told.

    Of a format with a directory that is looked at. The format before torch 1.6 has none, so that
    such a file is read through, and takes as much memory as it has bytes until it is.
    """
    for file in weights:
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, "pt"):
                    pass
            elif file.suffix == ".bin" and not is_zipfile(file):
                torch.load(file, map_location="cpu", weights_only=True)
        except (SafetensorError, OSError) as error:
            raise BadInputError(
                f"the weights {file} are damaged or cut short ({one_line(error)}); get them again"
            ) from error
        except _BROKEN as error:
            raise BadInputError(
                f"the weights {file} are damaged or cut short; get them again"
            ) from error
