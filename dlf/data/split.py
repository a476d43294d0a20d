"""One split of a dataset in memory: per modality one flat array of steps, and each clip's place.

Padding is no part of it: a clip of a modality is as long as its valid steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlf.modalities import Modality

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Sequences:
    """One modality of one split.

    `values` is float32 of shape [total steps, width], or int32 of width 1 where a step is a token
    id, and a read-only view when it was opened from disk; `starts` and `lengths` are int64 of shape
    [clips]. Clip i is `values[starts[i] : starts[i] + lengths[i]]`, and no length is below 1.
    """

    values: NDArray[np.float32] | NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def end_to_end(cls, clips: Sequence[NDArray[np.float32] | NDArray[np.int32]]) -> "Sequences":
        """Store clips [T, width] one after the other; there must be at least one."""
        lengths = np.array([len(clip) for clip in clips], np.int64)
        values: Any = np.concatenate(clips)
        return cls(values, np.cumsum(lengths) - lengths, lengths)

    def take(self, rows: NDArray[np.int64]) -> "Sequences":
        """Return the clips of these rows, which share the steps of all."""
        return Sequences(self.values, self.starts[rows], self.lengths[rows])


@dataclass(frozen=True)
class TokenIds:
    """The token ids of one split, special tokens included.

    `values` is int32 of shape [total tokens]; `starts` and `lengths` are int64 of shape [clips].
    A clip may have no tokens.
    """

    values: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The clips of one split, in the order of the source.

    `labels` is float32 of shape [clips]: NaN where a file to predict from has none.
    """

    name: str
    ids: list[str]
    raw_text: list[str]
    labels: NDArray[np.float32]
    text: Sequences
    audio: Sequences
    vision: Sequences
    token_ids: TokenIds

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return the clips of these rows."""
        tokens = self.token_ids
        return Split(
            name=self.name,
            ids=[self.ids[row] for row in rows],
            raw_text=[self.raw_text[row] for row in rows],
            labels=self.labels[rows],
            text=self.text.take(rows),
            audio=self.audio.take(rows),
            vision=self.vision.take(rows),
            token_ids=TokenIds(tokens.values, tokens.starts[rows], tokens.lengths[rows]),
        )

    def __getitem__(self, modality: Modality) -> Sequences:
        """Return the sequences of one modality."""
        return {"text": self.text, "audio": self.audio, "vision": self.vision}[modality]


def joined(first: Split, second: Split) -> Split:
    """Return the clips of two splits, one after the other, in memory of their own."""
    tokens = [split.token_ids for split in (first, second)]
    return Split(
        name=f"{first.name}+{second.name}",
        ids=[*first.ids, *second.ids],
        raw_text=[*first.raw_text, *second.raw_text],
        labels=np.concatenate([first.labels, second.labels]),
        text=_end_to_end(first.text, second.text),
        audio=_end_to_end(first.audio, second.audio),
        vision=_end_to_end(first.vision, second.vision),
        token_ids=TokenIds(
            np.concatenate([each.values for each in tokens]),
            np.concatenate([tokens[0].starts, tokens[1].starts + len(tokens[0].values)]),
            np.concatenate([each.lengths for each in tokens]),
        ),
    )


def _end_to_end(first: Sequences, second: Sequences) -> Sequences:
    return Sequences(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.starts, second.starts + len(first.values)]),
        np.concatenate([first.lengths, second.lengths]),
    )
