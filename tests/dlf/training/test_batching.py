"""How the batches of an epoch are drawn from a split."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlf.config import Config
from dlf.data import Split
from dlf.modalities import MODALITIES, InputSizes
from dlf.training.batching import EVALUATION_STEPS, POOL_BATCHES, Clips

BATCH = 8
LONGEST = 13
"""steps of the longest sequence of the tiny sizes"""

COUNT = POOL_BATCHES * BATCH + 44
"""more than one pool, and not a multiple of the batch"""


@pytest.fixture(scope="module")
def split(planted_split: Callable[..., Split]) -> Split:
    return planted_split(COUNT, seed=3)


@pytest.fixture(scope="module", params=["masked", "reference"])
def clips(
    request: pytest.FixtureRequest, split: Split, tiny_sizes: InputSizes, tiny_config: Config
) -> Clips:
    return Clips(split, tiny_sizes, tiny_config.with_values({"padding": request.param}), "cpu")


@pytest.fixture(scope="module")
def masked(split: Split, tiny_sizes: InputSizes, tiny_config: Config) -> Clips:
    return Clips(split, tiny_sizes, tiny_config, "cpu")


def equal(first: list[NDArray[np.int64]], second: list[NDArray[np.int64]]) -> bool:
    return [rows.tolist() for rows in first] == [rows.tolist() for rows in second]


def test_an_epoch_has_every_clip_once(clips: Clips) -> None:
    assert len(clips) == COUNT
    for epoch in (1, 4):
        batches = clips.shuffled(7, epoch)
        assert sorted(np.concatenate(batches).tolist()) == list(range(COUNT))
        sizes = sorted(len(rows) for rows in batches)
        assert sizes == [COUNT % BATCH] + [BATCH] * (COUNT // BATCH)


def test_an_evaluation_has_every_clip_once_in_larger_batches(clips: Clips) -> None:
    batches = clips.in_order_of_length()
    assert sorted(np.concatenate(batches).tolist()) == list(range(COUNT))
    assert len(batches) == -(-COUNT // (EVALUATION_STEPS // LONGEST))


def test_an_evaluation_of_long_sequences_takes_batches_as_in_training(
    split: Split, tiny_sizes: InputSizes, tiny_config: Config
) -> None:
    steps = tiny_sizes.time_steps.model_copy(update={"vision": EVALUATION_STEPS})
    long = tiny_sizes.model_copy(update={"time_steps": steps})
    batches = Clips(split, long, tiny_config, "cpu").in_order_of_length()
    assert len(batches) == -(-COUNT // BATCH)


def test_the_order_depends_on_seed_and_epoch_alone(clips: Clips) -> None:
    first = clips.shuffled(0, 1)
    torch.manual_seed(99)
    np.random.seed(99)
    clips.shuffled(5, 5)
    assert equal(first, clips.shuffled(0, 1))
    others = [clips.shuffled(0, 2), clips.shuffled(1, 1), clips.shuffled(1, 0)]
    assert not any(equal(first, other) for other in others)


def test_company_changes_with_the_epoch(clips: Clips) -> None:
    def companies(epoch: int) -> set[frozenset[int]]:
        return {frozenset(rows.tolist()) for rows in clips.shuffled(0, epoch)}

    assert len(companies(1) & companies(2)) <= 2


def test_clips_of_similar_length_come_together(masked: Clips, split: Split) -> None:
    def spread(batches: list[NDArray[np.int64]]) -> float:
        return float(np.mean([np.ptp(split.text.lengths[rows]) for rows in batches]))

    at_random = np.split(np.random.default_rng(0).permutation(COUNT)[:296], 37)
    assert spread(masked.shuffled(0, 1)) < 0.5 * spread(at_random)
    assert spread(masked.in_order_of_length()) < 0.5 * spread(at_random)


def test_batches_do_not_come_in_order_of_length(masked: Clips, split: Split) -> None:
    longest = [split.text.lengths[rows].max() for rows in masked.shuffled(0, 1)]
    assert (np.diff(longest) < 0).sum() > 5, "two pools in order have one step down"


def test_values_are_those_of_the_split(clips: Clips, split: Split) -> None:
    rows = np.array([17, 3, 250, 3, 0])
    batch = clips.batch(rows)
    assert batch.labels.tolist() == split.labels[rows].tolist()
    for m in MODALITIES:
        values, lengths = batch.inputs[m]
        source = split[m]
        assert lengths.tolist() == source.lengths[rows].tolist()
        for i, row in enumerate(rows):
            start, length = source.starts[row], source.lengths[row]
            assert np.array_equal(values[i, :length], source.values[start : start + length])
            assert not values[i, length:].any()


def test_batches_end_with_their_longest_clip(masked: Clips, split: Split) -> None:
    for rows in [np.array([5]), *masked.shuffled(0, 1)[:5]]:
        batch = masked.batch(rows)
        for m in MODALITIES:
            assert batch.inputs[m].values.shape[1] == split[m].lengths[rows].max()


def test_reference_pads_to_the_whole_time_axis(
    split: Split, tiny_sizes: InputSizes, tiny_config: Config
) -> None:
    clips = Clips(split, tiny_sizes, tiny_config.with_values({"padding": "reference"}), "cpu")
    for rows in [np.array([5]), *clips.shuffled(0, 1)[:5]]:
        for m in MODALITIES:
            assert clips.batch(rows).inputs[m].values.shape[1] == tiny_sizes.time_steps[m]


def test_a_read_only_split_gives_no_warning(
    planted_split: Callable[..., Split], tiny_sizes: InputSizes, tiny_config: Config
) -> None:
    split = planted_split(4, seed=0)
    for m in MODALITIES:
        split[m].values.flags.writeable = False
    clips = Clips(split, tiny_sizes, tiny_config, "cpu")
    assert len(clips.batch(np.arange(4)).labels) == 4
