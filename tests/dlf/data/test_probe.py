"""The linear probe: blind to noise, and awake to labels that leaked."""

from dataclasses import replace

import numpy as np
import pytest

from dlf.data.probe import CREDIBLE, probe
from dlf.data.split import Sequences, Split, TokenIds

WIDTH = 12


def made(clips: int, seed: int, leak: str | None = None) -> Split:
    """Clips of noise of 1 to 20 steps, in whose audio the label may stand at one step."""
    random = np.random.default_rng(seed)
    labels = random.uniform(-3, 3, clips).astype(np.float32)
    lengths = random.integers(1, 21, clips)
    starts = np.cumsum(lengths) - lengths

    def noise() -> Sequences:
        values = random.normal(size=(lengths.sum(), WIDTH)).astype(np.float32)
        return Sequences(values, starts, lengths)

    audio = noise()
    place = {"first": starts, "last": starts + lengths - 1, "within": starts + lengths // 2}
    if leak is not None:
        scale = 10 if leak == "within" else 1
        audio.values[place[leak], 4] = scale * labels + random.normal(0, 0.1, clips)
    none = TokenIds(np.zeros(0, np.int32), np.zeros(clips, int), np.zeros(clips, int))
    names = [str(i) for i in range(clips)]
    return Split("made", names, names, labels, noise(), audio, noise(), none)


def test_noise_predicts_nothing() -> None:
    found = probe(made(400, 1), made(200, 2), "audio")
    assert found is not None
    assert abs(found) < 0.3


@pytest.mark.parametrize("leak", ["first", "within", "last"])
def test_a_label_that_leaked_into_one_feature_of_one_step_is_seen(leak: str) -> None:
    found = probe(made(400, 1, leak), made(200, 2, leak), "audio")
    assert found is not None
    assert found > CREDIBLE["audio"]


def test_only_the_modality_it_is_asked_for_counts() -> None:
    train, valid = made(400, 1, "first"), made(200, 2, "first")
    found = probe(train, valid, "vision")
    assert found is not None
    assert abs(found) < 0.3


@pytest.mark.parametrize("clips", [(400, 19), (19, 200)])
def test_few_clips_tell_nothing(clips: tuple[int, int]) -> None:
    assert probe(made(clips[0], 1), made(clips[1], 2), "audio") is None


def test_labels_that_are_all_alike_tell_nothing() -> None:
    valid = made(200, 2)
    assert probe(made(400, 1), replace(valid, labels=np.ones(200, np.float32)), "audio") is None


def test_features_that_never_vary_predict_nothing() -> None:
    train, valid = made(400, 1), made(200, 2)
    for split in (train, valid):
        split.vision.values[:] = 1
    assert probe(train, valid, "vision") == 0
