"""Rows from outside, checked and turned into clips: what a served model is asked about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.data import Sequences
from dlf.data.padding import nonzero_range, take_steps
from dlf.data.values import strings
from dlf.modalities import MODALITIES, InputSizes, Modality
from dlf.text.reader import Ids, Steps, TextReader

Row = Mapping[str, object]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class RowClips:
    """Rows as clips, for `dlf.training.batching.Clips`; of the modalities that a model is given."""

    sequences: Mapping[Modality, Sequences]

    @property
    def labels(self) -> Features:
        """Zeros [clips], for there are no labels."""
        first = next(iter(self.sequences.values()))
        return np.zeros(len(first.lengths), np.float32)

    def __getitem__(self, modality: Modality) -> Sequences:
        """Return the sequences of one modality."""
        return self.sequences[modality]


class RowReader:
    """Reads rows for one trained model.

    A row has a column for each modality that the model is given; others of the three are ignored.
    `audio` and `vision` are lists of feature rows, one for each step of time. `text` is a raw
    string, a list of token ids (special tokens included) or a list of feature rows: with a frozen
    encoder any of the three, with one that learned along one of the first two, without an encoder
    only the last. Arrays are taken as lists are.

    Steps are taken as from a feature file: those of zeros before the first and after the last other
    one are padding and are left out, and one step of zeros alone says that there was nothing to
    hear or to see. Of what is longer than the longest sequence that the model knows the first steps
    are taken.
    """

    def __init__(
        self, modalities: Sequence[Modality], sizes: InputSizes, text: TextReader | None
    ) -> None:
        """Prepare for a model.

        Args:
            modalities: those that it is given.
            sizes: what it knows of its data.
            text: reads strings and token ids for it; none where its text is features.
        """
        self._modalities = modalities
        self._sizes = sizes
        self._text = text

    def clips(self, rows: Sequence[Row]) -> RowClips:
        """Return rows as clips.

        Raises:
            BadInputError: naming the row, counted from 0, and the column that cannot be taken; or
                when a frozen encoder is needed and of no use.
        """
        if not len(rows):
            raise BadInputError(
                "there are no rows with any of text, audio and vision; give at least one"
            )
        for number, row in enumerate(rows):
            _refuse_other_columns(number, row)
        return RowClips({m: self._sequences(m, rows) for m in self._modalities})

    def _sequences(self, modality: Modality, rows: Sequence[Row]) -> Sequences:
        given = [
            (f"row {number}: {modality}", self._there(number, modality, row))
            for number, row in enumerate(rows)
        ]
        if modality == "text":
            return Sequences.end_to_end(self._read([self._text_of(*each) for each in given]))
        width = self._sizes.widths[modality]
        return Sequences.end_to_end([_features(where, value, width) for where, value in given])

    def _there(self, number: int, modality: Modality, row: Row) -> object:
        value = row.get(modality)
        if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
            raise BadInputError(
                f"row {number}: {modality} is missing; the model takes "
                f"{', '.join(self._modalities)}"
            )
        return value

    def _text_of(self, where: str, value: object) -> str | Ids | Features:
        """Return a text as it is to be read on, checked: a string, token ids or features."""
        width = self._sizes.widths.text
        if self._text is None:
            if isinstance(value, str) or _is_flat(value):
                kind = "a string" if isinstance(value, str) else "a flat list"
                raise BadInputError(
                    f"{where} is {kind} where this model, which has no text encoder, takes "
                    f"{_steps_of(width)}"
                )
            return _features(where, value, width)
        if isinstance(value, str):
            if not value.strip():
                raise BadInputError(f"{where} is an empty string; give what was said")
            return strings(where, [value])[0]
        if _is_list(value) and not len(value):
            raise BadInputError(f"{where} is an empty list; give what was said")
        if _is_flat(value):
            return self._text.without_padding(_token_ids(where, value, self._text.vocabulary))
        if self._text.learned:
            raise BadInputError(
                f"{where} is no string and no flat list of token ids, and this model, whose text "
                "encoder is a part of it, takes nothing else"
            )
        return _features(where, value, width)

    def _read(self, texts: list[str | Ids | Features]) -> list[Steps]:
        """Turn strings and token ids into what the model takes, all of a kind at once."""
        if self._text is None:
            return [text for text in texts if not isinstance(text, str)]
        spelled = iter(self._text.tokens([text for text in texts if isinstance(text, str)]))
        arrays = [next(spelled) if isinstance(text, str) else text for text in texts]
        read = iter(self._text.steps([ids for ids in arrays if _are_ids(ids)]))
        return [next(read) if _are_ids(array) else array for array in arrays]


def _refuse_other_columns(number: int, row: object) -> None:
    if not isinstance(row, Mapping):
        raise BadInputError(
            f"row {number} is a {type(row).__name__} where columns by name are expected: "
            f"{', '.join(MODALITIES)}"
        )
    others = [str(column) for column in row if column not in MODALITIES]
    if others:
        raise BadInputError(
            f"row {number} has {', '.join(others)}, which no model takes; the columns are "
            f"{', '.join(MODALITIES)}"
        )


def _is_flat(value: object) -> bool:
    """Tell a list of single values, which may be token ids, from one of lists; an empty is none."""
    return _is_list(value) and len(value) > 0 and not _is_list(value[0])


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _are_ids(array: Ids | Features) -> TypeGuard[Ids]:
    return array.dtype == np.int32


def _token_ids(where: str, value: object, vocabulary: int) -> Ids:
    array = _numbers(where, value)
    if array.dtype.kind not in "iu":
        raise BadInputError(f"{where} is a flat list of fractions, and token ids are whole numbers")
    beyond = np.flatnonzero((array < 0) | (array >= vocabulary))
    if beyond.size:
        raise BadInputError(
            f"{where} has the token id {array[beyond[0]]} where the vocabulary goes from 0 to "
            f"{vocabulary - 1}"
        )
    return array.astype(np.int32)


def _features(where: str, value: object, width: int) -> Features:
    """Return the steps [T, width] of a sequence, without padding."""
    array = _numbers(where, value)
    if array.ndim != 2:
        found = {0: "one number", 1: "a flat list"}.get(array.ndim, f"{array.ndim} lists deep")
        raise BadInputError(f"{where} is {found} where the model takes {_steps_of(width)}")
    if array.shape[1] != width:
        raise BadInputError(
            f"{where} has {array.shape[1]} features a step where the model takes {width}"
        )
    with np.errstate(over="ignore"):
        features = array.astype(np.float32)
    bad = features.size - int(np.count_nonzero(np.isfinite(features)))
    if bad:
        raise BadInputError(
            f"{where} has {bad} of {features.size} values that are not finite; give zeros for them"
        )
    clip = features[None]
    return take_steps(clip, nonzero_range(clip))[0]


def _numbers(where: str, value: object) -> NDArray[Any]:
    """Return a list, or list of lists, of numbers as an array with at least one step."""
    if isinstance(value, str | bytes):
        raise BadInputError(f"{where} is a string where lists of numbers are expected")
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = np.asarray(array.tolist())
    except ValueError as error:
        raise BadInputError(f"{where} has steps of different widths") from error
    if array.ndim and not len(array):
        raise BadInputError(
            f"{where} is empty; where there is nothing to hear, see or read give one step of zeros"
        )
    if array.dtype.kind not in "fiu":
        raise BadInputError(f"{where} holds values that are not numbers")
    return array


def _steps_of(width: int) -> str:
    return f"a list of steps, each a list of {width} numbers"
