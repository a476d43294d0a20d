"""Reading text for a trained model: strings and token ids become what it was trained on."""

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.data import Sequences, Split
from dlf.text.encoder import refuse_changed
from dlf.text.finetuned import TextEncoder
from dlf.text.frozen import FrozenEncoder
from dlf.text.source import Encoder
from dlf.text.tokens import has_words, spelled, token_ids, tokenizer_of, tokens_from

Ids = NDArray[np.int32]
Steps = NDArray[np.float32] | NDArray[np.int32]


class TextReader:
    """Reads with the encoder of a trained model: one that learned along, or a frozen one.

    A frozen encoder is looked up and read when it is first needed, and kept. Several threads may
    read at once.
    """

    def __init__(
        self, encoder: Encoder, learned: TextEncoder | None, *, limit: int, device: str
    ) -> None:
        """Prepare to read texts of up to `limit` tokens."""
        self._encoder = encoder
        self._learned = learned
        self._limit = limit
        self._device = device
        self._lock = threading.RLock()

    @property
    def learned(self) -> bool:
        """Whether the encoder is a part of the model, which then takes token ids."""
        return self._learned is not None

    @property
    def vocabulary(self) -> int:
        """How many token ids there are, from 0 on."""
        return (self._learned or self._frozen).vocabulary

    def tokens(self, texts: Sequence[str]) -> list[Ids]:
        """Return the ids of strings, special tokens included, cut as those of the training were."""
        if not texts:
            return []
        with self._lock:  # a tokenizer that cuts is no thing for two threads
            found = spelled(self._tokenizer, list(texts), self._limit)
        return [np.asarray(ids, np.int32) for ids in found]

    def without_padding(self, ids: Ids) -> Ids:
        """Return token ids without padding at either end, cut as those of the training were."""
        padding = self._tokenizer.pad_token_id
        there = np.flatnonzero(ids != padding)
        ids = ids[there[0] : there[-1] + 1] if there.size else ids[:1]
        return ids[: self._limit]

    def steps(self, clips: Sequence[Ids]) -> list[Steps]:
        """Return what the model takes for token ids: features [T, width], or the ids [T, 1].

        Raises:
            BadInputError: when the frozen encoder is not to be had, or has changed.
        """
        if self._learned is not None:
            return [ids[:, None] for ids in clips]
        return list(self._frozen.encode(clips)) if clips else []

    def read_split(self, split: Split, decides: Split) -> Sequences:
        """Return the text of a feature file's split, by its token ids or by its words.

        Args:
            split: the split.
            decides: that of the file by which it is told whether the ids are of the encoder's
                vocabulary, as an import tells it by train.

        Raises:
            BadInputError: when there are no words, or the encoder is of no use.
        """
        if not has_words(decides):
            raise BadInputError(
                f"{decides.name} has no raw_text, which the text encoder of the model needs"
            )
        source = tokens_from(decides, self._encoder)
        tokens = token_ids(split, self._encoder, source, self._limit)
        return Sequences.end_to_end(self.steps(list(_each(tokens.values, tokens.lengths))))

    @cached_property
    def _tokenizer(self) -> Any:
        return tokenizer_of(self._encoder)

    @property
    def _frozen(self) -> FrozenEncoder:
        with self._lock:
            return self._frozen_once

    @cached_property
    def _frozen_once(self) -> FrozenEncoder:
        refuse_changed(self._encoder)
        return FrozenEncoder(self._encoder, self._device)


def _each(values: Ids, lengths: NDArray[np.int64]) -> Iterator[Ids]:
    yield from np.split(values, np.cumsum(lengths)[:-1])
