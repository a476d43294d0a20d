"""Golden files: numbers that the released implementation came to, and what it computed them from.

An npz file without pickles holds `meta` (JSON), `state/<released parameter>`, `input/<modality>`,
`input/label` and, of an evaluation, `output/*`, `loss/*` and `grad_norm/<released parameter>`.
"""

import json
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlf.command import BadInputError
from dlf.config import Config, Value
from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.model.dlf import DLF
from dlf.presets import preset
from dlf.reference.architecture import architecture_of, build

Array = NDArray[Any]

_DAMAGE = (
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""what numpy raises, depending on where a file is damaged"""

LAMBDAS_AND_BETAS = (
    "lambda_r",
    "lambda_s",
    "lambda_m",
    "lambda_o",
    "beta_f",
    "beta_sh",
    "beta_sp_l",
    "beta_sp_v",
    "beta_sp_a",
)
"""those of the authors' released code"""


class GoldenFile(NamedTuple):
    """All that a file holds, nothing of it judged yet."""

    meta: dict[str, Any]
    arrays: dict[str, Array]

    def under(self, folder: str) -> dict[str, Array]:
        """Return the arrays whose names begin with `folder/`, by the rest of their names."""
        prefix = f"{folder}/"
        return {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }


class Setting(NamedTuple):
    """What the numbers of a file were computed from."""

    config: Config
    sizes: InputSizes
    parameters: dict[str, Tensor]
    """by released name"""
    inputs: dict[Modality, Tensor]
    """[B, T, feature width] each"""
    labels: Tensor
    """[B]"""

    def model(self) -> DLF:
        """Return our model with these parameters, in evaluation mode."""
        return build(self.config, self.sizes, self.parameters)


def read_golden(path: Path) -> GoldenFile:
    """Read a file.

    Raises:
        BadInputError: when it is missing, no npz file, or holds other things than numbers and meta.
    """
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise BadInputError(f"{path} is no npz file")
        with file:
            arrays = {name: file[name] for name in file}
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise BadInputError(f"{path} is no npz file of plain arrays, or damaged") from error
    if "meta" not in arrays:
        raise BadInputError(f"{path} has no meta")
    meta = _meta(arrays.pop("meta"))
    if meta is None:
        raise BadInputError(f"the meta of {path} is no JSON object")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise BadInputError(f"{name} of {path} is no array of numbers")
    return GoldenFile(meta, arrays)


def setting_of(file: GoldenFile) -> Setting:
    """Return what a file's numbers were computed from.

    Sizes, kernels and layer counts are those of the parameters, whatever the meta says.

    Raises:
        BadInputError: when something is missing, or parameters and inputs do not fit together.
    """
    parameters = {name: torch.from_numpy(_native(x)) for name, x in file.under("state").items()}
    if not parameters:
        raise BadInputError("there is no state")
    given = file.under("input")
    inputs = {m: _input(given, m) for m in MODALITIES}
    widths = PerModality(**{m: values.shape[2] for m, values in inputs.items()})
    architecture = architecture_of(parameters, widths)
    if "label" not in given:
        raise BadInputError("input/label is missing")
    labels = torch.from_numpy(_native(given["label"]).reshape(-1))
    for m, values in inputs.items():
        steps = architecture.sizes.time_steps[m]
        if tuple(values.shape[:2]) != (len(labels), steps):
            raise BadInputError(
                f"input/{m} has {len(values)} clips of {values.shape[1]} steps; "
                f"labels and parameters are for {len(labels)} of {steps}"
            )
    config = architecture.apply_to(preset("paper", "mosi"), _heads(file.meta))
    config = config.with_values(_loss_values(file.meta))
    return Setting(config, architecture.sizes, parameters, inputs, labels)


def _meta(array: Array) -> dict[str, Any] | None:
    try:
        meta = json.loads(array.item())
    except (AttributeError, TypeError, ValueError):
        return None
    return meta if isinstance(meta, dict) else None


def _native(array: Array) -> Array:
    """Return a copy that torch can share, as float64 if it is not of another float already."""
    kind = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return array.astype(kind.newbyteorder("="), order="C")


def _input(given: dict[str, Array], modality: Modality) -> Tensor:
    if modality not in given:
        raise BadInputError(f"input/{modality} is missing")
    values = torch.from_numpy(_native(given[modality]))
    if values.dim() != 3 or 0 in values.shape:
        raise BadInputError(
            f"input/{modality} has the shape {tuple(values.shape)}, not clips, steps and channels"
        )
    return values


def _heads(meta: dict[str, Any]) -> int:
    heads = meta.get("heads")
    if not isinstance(heads, int):
        raise BadInputError("the meta does not say how many heads there are")
    return heads


def _loss_values(meta: dict[str, Any]) -> dict[str, Value]:
    """Return the leaves of a configuration's losses; the width of rows may be null."""
    weights = meta.get("weights")
    if not isinstance(weights, dict) or set(weights) != set(LAMBDAS_AND_BETAS):
        raise BadInputError(f"the weights of the meta must be {', '.join(LAMBDAS_AND_BETAS)}")
    for name in ("margin", "orthogonality_width"):
        if name not in meta:
            raise BadInputError(f"the meta lacks {name}")
    return {
        **weights,
        "margin": meta["margin"],
        "orthogonality_width": meta["orthogonality_width"],
    }
