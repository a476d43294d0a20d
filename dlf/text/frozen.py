"""A text encoder that does not learn: features of tokens, computed once."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dlf.config import FinetuningConfig
from dlf.model.steps import Features
from dlf.text.finetuned import TextEncoder
from dlf.text.source import Encoder

BATCH_TOKENS = 1024
"""in a batch, padding included: what keeps a core busy without filling its cache"""


class FrozenEncoder:
    """An encoder in evaluation mode on a device."""

    def __init__(self, source: Encoder, device: str) -> None:
        self._device = device
        self._encoder = TextEncoder.pretrained(source, FinetuningConfig()).to(device).eval()

    @property
    def vocabulary(self) -> int:
        """How many token ids there are, from 0 on."""
        return self._encoder.vocabulary

    @torch.inference_mode()
    def encode(self, clips: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """Return the last hidden state [tokens, width] of every clip, given as its token ids.

        Clips of like length are read together; what stands beside a clip changes nothing.
        """
        found: dict[int, NDArray[np.float32]] = {}
        for rows in _batches([len(clip) for clip in clips]):
            lengths = torch.tensor([len(clips[row]) for row in rows])
            ids = torch.zeros(len(rows), int(lengths.max()), 1, dtype=torch.int32)
            for i, row in enumerate(rows):
                ids[i, : len(clips[row]), 0] = torch.from_numpy(clips[row].copy())
            tokens = Features(ids.to(self._device), lengths.to(self._device))
            hidden = self._encoder(tokens).values.float().cpu().numpy()
            for i, row in enumerate(rows):
                found[row] = hidden[i, : len(clips[row])]
        return [found[row] for row in range(len(clips))]


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Return the rows of each batch, in order of length."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[row] <= BATCH_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
