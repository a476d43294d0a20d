"""The values of a feature file, as numbers and strings of the kind that is expected of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError


def zero_nonfinite(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return the values with zeros for what is not finite, and how much that was."""
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if not bad:
        return values, 0
    finite = values if values.flags.writeable else values.copy()
    for clip in finite:
        clip[~np.isfinite(clip)] = 0
    return finite, bad


def numbers(where: str, value: object, dimensions: int) -> NDArray[np.float32]:
    """Return an array of so many dimensions; raise `BadInputError` at anything else."""
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = np.asarray(array.tolist())
    except ValueError as error:
        raise BadInputError(f"{where} has rows of different shapes") from error
    if array.dtype.kind not in "fiub":
        raise BadInputError(f"{where} holds values of type {array.dtype}, not numbers")
    if array.ndim != dimensions:
        raise BadInputError(
            f"{where} has shape {array.shape} where {dimensions} dimensions are expected"
        )
    if array.size == 0 and len(array):
        raise BadInputError(f"{where} has shape {array.shape} and holds no values")
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def strings(where: str, value: object) -> list[str]:
    """Return a list of strings that a file can hold; raise `BadInputError` at anything else."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise BadInputError(f"{where} is not a list of strings")
    return [_string(item) for item in value]


def _string(item: object) -> str:
    text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
    return text.encode("utf-8", "replace").decode("utf-8")


def listing(fields: dict[Any, Any]) -> str:
    """Return the keys there are, for a sentence that says which is missing."""
    return ", ".join(sorted(map(_string, fields))) or "none"
