"""Two splits joined are the clips of both, one after the other."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dlf.data import Split, TokenIds, joined
from dlf.modalities import MODALITIES


@pytest.fixture
def two(planted_split: Callable[..., Split]) -> tuple[Split, Split]:
    """Splits whose clips lie last to first, among garbage, and whose token ids do so too."""
    return (
        with_tokens(planted_split(5, seed=1), "train", lengths=(2, 0, 3, 1, 4)),
        with_tokens(planted_split(3, seed=2), "valid", lengths=(1, 5, 0)),
    )


def with_tokens(split: Split, name: str, lengths: tuple[int, ...]) -> Split:
    sizes = np.array(lengths, np.int64)
    ends = np.cumsum(sizes[::-1] + 1)[::-1]
    values = np.random.default_rng(len(lengths)).integers(0, 999, ends[0]).astype(np.int32)
    ids = [f"{name} {i}" for i in range(len(lengths))]
    texts = [f"clip {i} of {name}" for i in range(len(lengths))]
    tokens = TokenIds(values, ends - sizes, sizes)
    return replace(split, name=name, ids=ids, raw_text=texts, token_ids=tokens)


def tokens_of(split: Split, clip: int) -> list[int]:
    start, length = split.token_ids.starts[clip], split.token_ids.lengths[clip]
    found: list[int] = split.token_ids.values[start : start + length].tolist()
    return found


def test_clip_by_clip_they_are_the_two(two: tuple[Split, Split]) -> None:
    both = joined(*two)
    assert len(both) == 8
    assert both.ids == [*two[0].ids, *two[1].ids]
    assert both.raw_text == [*two[0].raw_text, *two[1].raw_text]
    parts = [(split, clip) for split in two for clip in range(len(split))]
    for row, (split, clip) in enumerate(parts):
        assert both.labels[row] == split.labels[clip]
        assert tokens_of(both, row) == tokens_of(split, clip)
        for modality in MODALITIES:
            ours, theirs = both[modality], split[modality]
            assert ours.lengths[row] == theirs.lengths[clip]
            start, its_start = ours.starts[row], theirs.starts[clip]
            length = theirs.lengths[clip]
            np.testing.assert_array_equal(
                ours.values[start : start + length],
                theirs.values[its_start : its_start + length],
            )


def test_types_stay_as_they_were(two: tuple[Split, Split]) -> None:
    both = joined(*two)
    assert both.name == "train+valid"
    assert both.labels.dtype == np.float32
    for modality in MODALITIES:
        assert both[modality].values.dtype == two[0][modality].values.dtype
        assert both[modality].starts.dtype == both[modality].lengths.dtype == np.int64
    assert both.token_ids.values.dtype == np.int32
    assert both.token_ids.starts.dtype == np.int64


def test_they_have_memory_of_their_own(two: tuple[Split, Split]) -> None:
    both = joined(*two)
    for split in two:
        for modality in MODALITIES:
            assert not np.shares_memory(both[modality].values, split[modality].values)
        assert not np.shares_memory(both.token_ids.values, split.token_ids.values)
    taken = both.take(np.array([6, 0]))
    assert taken.ids == ["valid 1", "train 0"]
    assert tokens_of(taken, 0) == tokens_of(two[1], 1)
