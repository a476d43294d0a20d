"""The generated dataset: one seed, one digest, and the signal that was planted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dlf.data import Split, open_split
from dlf.data.information import count_steps
from dlf.data.location import synthesize
from dlf.data.synthetic import LEXICON
from dlf.modalities import MODALITIES


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    folder = tmp_path_factory.mktemp("synthetic")
    synthesize(folder, seed=0)
    return open_split("synthetic", folder, "train"), open_split("synthetic", folder, "valid")


def test_a_seed_decides_the_digest(tmp_path: Path) -> None:
    first, again, other = (synthesize(tmp_path / str(i), s) for i, s in enumerate((0, 0, 1)))
    assert first == again
    assert first.digest != other.digest
    assert first.clips.model_dump() == {"train": 256, "valid": 80, "test": 120}
    assert first.widths.model_dump() == {"text": 32, "audio": 5, "vision": 20}
    assert first.time_steps.model_dump() == {"text": 50, "audio": 50, "vision": 50}
    assert first.text_kind == "tokens"


def test_lengths_labels_and_missing_clips_are_like_mosi(splits: tuple[Split, Split]) -> None:
    train, _ = splits
    lengths = train.text.lengths
    assert 13 < lengths.mean() < 17
    assert 11 <= np.median(lengths) <= 13
    assert (lengths <= 5).sum() > 10
    assert lengths.max() <= 50
    np.testing.assert_array_equal(lengths, train.audio.lengths)
    np.testing.assert_allclose(train.labels * 5, np.rint(train.labels * 5), atol=1e-5)
    assert 1.2 < train.labels.std() < 1.7
    assert np.abs(train.labels).max() <= 3
    assert 5 < count_steps(train.vision).absent < 40
    assert count_steps(train.audio).absent == 0


def test_token_ids_spell_the_raw_text(splits: tuple[Split, Split]) -> None:
    train, _ = splits
    token_of = {word: token for word, _, token in LEXICON}
    for clip in range(len(train)):
        start = train.token_ids.starts[clip]
        tokens = train.token_ids.values[start : start + train.token_ids.lengths[clip]]
        words = train.raw_text[clip].split()
        assert tokens.tolist() == [101, *(token_of[word] for word in words), 102]


def mean_features(split: Split, modalities: tuple[str, ...]) -> NDArray[np.float64]:
    columns = [np.ones((len(split), 1))]
    for modality in modalities:
        sequences = getattr(split, modality)
        sums = np.add.reduceat(sequences.values, sequences.starts, axis=0)
        columns.append(sums / sequences.lengths[:, None])
    return np.concatenate(columns, axis=1)


def explained(splits: tuple[Split, Split], *modalities: str) -> float:
    """R squared on valid of a ridge regression on each clip's mean features."""
    train, valid = splits
    features = mean_features(train, modalities)
    penalty = 0.3 * np.eye(features.shape[1])
    weights = np.linalg.solve(features.T @ features + penalty, features.T @ train.labels)
    residual = mean_features(valid, modalities) @ weights - valid.labels
    return float(1 - np.mean(residual**2) / valid.labels.var())


def test_language_is_strong_and_the_others_complement_it(splits: tuple[Split, Split]) -> None:
    text = explained(splits, "text")
    assert text > 0.5
    for weak in ("audio", "vision"):
        assert 0 < explained(splits, weak) < 0.25
        assert explained(splits, "text", weak) > text + 0.02
    assert explained(splits, *MODALITIES) > text + 0.1
