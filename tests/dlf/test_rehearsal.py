"""The step by which memory is measured: on as large a batch as any that may come up."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dlf.config import Config
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.training.batching import Batch, Clips
from dlf.training.inference import predict
from dlf.training.optimisation import Learned, Optimisation
from dlf.training.training import Training

CLIPS = 40


@pytest.fixture
def training(
    planted_split: Callable[..., Split], tiny_config: Config, tiny_sizes: InputSizes
) -> Training:
    train, valid = planted_split(CLIPS, seed=1), planted_split(20, seed=2)
    config = tiny_config.with_values({"accumulation": 4})
    return Training(config, tiny_sizes, train, valid, seed=0, max_epochs=2)


def padded_steps(clips: Clips, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, int]:
    return {m: x.values.shape[1] for m, x in clips.batch(rows).inputs.items()}


@pytest.mark.parametrize("size", [3, 8, 64])
def test_no_batch_is_padded_further_or_has_more_clips(
    planted_split: Callable[..., Split],
    tiny_config: Config,
    tiny_sizes: InputSizes,
    size: int,
) -> None:
    config = tiny_config.with_values({"batch_size": size})
    clips = Clips(planted_split(CLIPS, seed=1), tiny_sizes, config, "cpu")
    largest = clips.largest()
    assert len(largest) == len(set(largest.tolist())) == min(size, CLIPS)
    longest = padded_steps(clips, largest)
    assert longest == {m: lengths.max() for m, lengths in clips.lengths.items()}
    for epoch in range(5):
        for rows in clips.shuffled(0, epoch):
            assert len(rows) <= len(largest)
            assert all(steps <= longest[m] for m, steps in padded_steps(clips, rows).items())


def test_it_learns_steps_and_predicts(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch makes a step, however many make one in an epoch."""
    learned: list[int] = []
    predicted: list[int] = []
    learn = Optimisation.learn

    def watched_learn(optimisation: Optimisation, batch: Batch) -> Learned:
        learned.append(len(batch.labels))
        return learn(optimisation, batch)

    def watched_predict(model: torch.nn.Module, clips: Clips, config: Config) -> object:
        predicted.append(len(clips))
        return predict(training.model, clips, config)

    monkeypatch.setattr(Optimisation, "learn", watched_learn)
    monkeypatch.setattr("dlf.training.training.predict", watched_predict)
    before = [parameter.clone() for parameter in training.model.parameters()]
    training.rehearse()
    assert learned == [training.config.training.batch_size]
    assert predicted == [20]
    after = list(training.model.parameters())
    assert any(not torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert training.history == []
