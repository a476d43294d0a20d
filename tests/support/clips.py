"""Clips of random features, batched in many ways, and what a model says about each of them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.model.dlf import Inputs, Outputs
from dlf.model.steps import Features, separate

SEQUENCES = ("projected", "specific", "shared", "reconstructed", "respecified")
GARBAGE = 50.0

Clip = dict[Modality, Tensor]
Lengths = Mapping[Modality, int]


def clip_of(lengths: Lengths, widths: PerModality, seed: int) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(lengths[m], widths[m], generator=generator) for m in MODALITIES}


def clips_of(several: Sequence[Lengths], sizes: InputSizes) -> list[Clip]:
    return [clip_of(lengths, sizes.widths, seed) for seed, lengths in enumerate(several)]


def whole_clips(count: int, sizes: InputSizes) -> list[Clip]:
    """Clips that fill the time axes."""
    return clips_of([{m: sizes.time_steps[m] for m in MODALITIES}] * count, sizes)


def batch_of(clips: Sequence[Clip], steps: Lengths | None = None) -> Inputs:
    """Pad clips with zeros to the longest of them, or with garbage to `steps`."""
    batch: Inputs = {}
    for m in MODALITIES:
        lengths = torch.tensor([len(clip[m]) for clip in clips])
        longest = int(lengths.max()) if steps is None else steps[m]
        filling = 0.0 if steps is None else GARBAGE
        values = torch.full((len(clips), longest, clips[0][m].shape[1]), filling)
        for i, clip in enumerate(clips):
            values[i, : len(clip[m])] = clip[m]
        batch[m] = Features(values, lengths)
    return batch


def seen_of(outputs: Outputs, clip: int) -> dict[str, Tensor]:
    """All that the outputs of a model of three modalities say about one clip of a batch."""
    assert outputs.shared_prediction is not None
    assert outputs.specific_predictions is not None
    features = outputs.features
    assert features is not None
    assert features.aligned is not None
    seen = {
        "prediction": outputs.prediction[clip],
        "shared_prediction": outputs.shared_prediction[clip],
    }
    for i, m in enumerate(MODALITIES):
        seen[f"specific_predictions {m}"] = outputs.specific_predictions[i, clip]
        seen[f"aligned {m}"] = features.aligned[i, clip]
        seen[f"summary {m}"] = features.summary[i, clip]
    for name in SEQUENCES:
        for m, steps in zip(MODALITIES, separate(getattr(features, name)), strict=True):
            seen[f"{name} {m}"] = steps.values[0, clip, : steps.lengths[0, clip]]
    return seen


def assert_same(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], bound: float = 1e-5
) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(
            second[name], tensor, rtol=bound, atol=bound, msg=lambda text, n=name: f"{n}: {text}"
        )
