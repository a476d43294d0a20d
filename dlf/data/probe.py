"""How well one modality predicts the labels by a straight line: too well where labels leaked."""

import numpy as np
from numpy.typing import NDArray

from dlf.data.split import Sequences, Split
from dlf.modalities import Modality

CREDIBLE: dict[Modality, float] = {"text": 0.92, "audio": 0.65, "vision": 0.65}
"""The correlation with the labels above which features are suspect. On MOSI and MOSEI the best
fine-tuned models come to 0.75 to 0.86 with all modalities; voice or face alone hardly to 0.4."""

ENOUGH_CLIPS = 20
"""in the valid split, for a correlation to say anything"""

MOST_CLIPS = 3000
"""of train, evenly taken: a leak shows in these as well as in all"""

STRENGTHS = (0.003, 0.03, 0.3, 3.0)
"""of the ridge, in multiples of a clip's mean square length"""

Matrix = NDArray[np.float32]


def probe(train: Split, valid: Split, modality: Modality) -> float | None:
    """Return the correlation of a linear prediction from one modality with the labels of valid.

    A clip's features are the mean, the extremes and the first and last step of each; they are
    fitted to the labels of train by ridge regression, whose strength is that which does best on a
    fifth of train. None where too few clips, or labels that are all alike, would tell nothing.
    """
    if len(valid) < ENOUGH_CLIPS or len(train) < ENOUGH_CLIPS or np.ptp(valid.labels) == 0:
        return None
    rows = np.unique(np.linspace(0, len(train) - 1, MOST_CLIPS).astype(np.int64))
    features, labels = _pooled(train[modality])[rows], train.labels[rows]
    held_out = np.arange(len(rows)) % 5 == 0
    fitted = _fit(features[~held_out], labels[~held_out], features[held_out])
    errors = [float(np.abs(found - labels[held_out]).mean()) for found in fitted]
    best = int(np.argmin(errors))
    predicted = _fit(features, labels, _pooled(valid[modality]))[best]
    if np.ptp(predicted) == 0:
        return 0.0
    return float(np.corrcoef(predicted, valid.labels)[0, 1])


def _pooled(sequences: Sequences) -> Matrix:
    """Return [clips, 5 width]."""
    values, starts, lengths = sequences.values, sequences.starts, sequences.lengths
    total = np.add.reduceat(values, starts, axis=0, dtype=np.float64)
    parts = (
        total / lengths[:, None],
        np.minimum.reduceat(values, starts, axis=0),
        np.maximum.reduceat(values, starts, axis=0),
        values[starts],
        values[starts + lengths - 1],
    )
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _fit(features: Matrix, labels: Matrix, others: Matrix) -> list[Matrix]:
    """Return for every strength the predictions of the others' labels."""
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 0, deviation, np.inf)
    features, others = (features - mean) / scale, (others - mean) / scale
    products = features @ features.T
    strength = float(np.trace(products)) / len(features)
    middle = labels.mean()
    found = []
    for relative in STRENGTHS:
        ridge = (relative * strength + 1e-6) * np.eye(len(features), dtype=np.float32)
        weights = np.linalg.solve(products + ridge, labels - middle)
        found.append(middle + others @ (features.T @ weights))
    return found
