"""The six metrics of the paper as the field computes them, and the names that they go by."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

OBJECTIVE = "valid/mae"
"""what a search minimises"""
BEST_OBJECTIVE = "valid/best_mae"
"""the lowest of it up to an epoch, by which trials are compared"""
BEST_SPREAD = "valid/best_mae_spread"
"""the standard deviation of that over the seeds of a trial, with `--replicates`"""
TRAIN_MAE = "train/mae"
"""what stands for it where nothing is held out"""

STRONGEST = 3
"""sentiment lies between minus and plus this"""
CLASSES = range(-STRONGEST, STRONGEST + 1)
"""the seven of Acc-7"""


class Metrics(BaseModel):
    """How well predictions meet the labels of a split."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_inf_nan="constants",
        use_attribute_docstrings=True,
    )

    mae: float
    """mean absolute error, in units of sentiment"""
    corr: float
    """Pearson correlation, -1 to 1; 0 where predictions or labels do not vary"""
    acc7: float
    """share of clips in the right one of seven classes, 0 to 1"""
    acc5: float
    """share of clips in the right one of five classes, 0 to 1"""
    acc2: float
    """share of clips with the right sign, among those whose label is not 0; 0 to 1"""
    f1: float
    """F1 of the sign, on the same clips, weighted by class; 0 to 1"""

    def named(self, prefix: str) -> dict[str, float]:
        """Return the metrics under their recorded names, such as `valid/mae`."""
        return {f"{prefix}/{name}": getattr(self, name) for name in Metrics.model_fields}


def loss_name(term: str) -> str:
    """Return the recorded name of a term of the loss, such as `loss/margin`."""
    return f"loss/{term}"


def compute_metrics(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> Metrics:
    """Return the six metrics of predictions [N] against labels [N]."""
    signed = labels != 0
    return Metrics(
        mae=float(np.abs(predictions - labels).mean()),
        corr=_correlation(predictions, labels),
        acc7=_class_accuracy(predictions, labels, STRONGEST),
        acc5=_class_accuracy(predictions, labels, 2),
        acc2=float(((predictions > 0) == (labels > 0))[signed].mean()) if signed.any() else 0.0,
        f1=_weighted_f1(predictions[signed] > 0, labels[signed] > 0),
    )


def sentiment_class(values: NDArray[np.float32], bound: int) -> NDArray[np.float32]:
    """Return the nearest whole sentiment within [-bound, bound], halves rounded to even."""
    return np.clip(values, -bound, bound).round()


def _class_accuracy(
    predictions: NDArray[np.float32], labels: NDArray[np.float32], bound: int
) -> float:
    hits = sentiment_class(predictions, bound) == sentiment_class(labels, bound)
    return float(hits.mean())


def _correlation(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    first = predictions.astype(np.float64) - predictions.mean(dtype=np.float64)
    second = labels.astype(np.float64) - labels.mean(dtype=np.float64)
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale > 0 else 0.0


def _weighted_f1(predicted: NDArray[np.bool_], actual: NDArray[np.bool_]) -> float:
    score = 0.0
    for positive in (False, True):
        support = int((actual == positive).sum())
        hits = int(((actual == positive) & (predicted == positive)).sum())
        marked = int((predicted == positive).sum())
        if support + marked:
            score += support * 2 * hits / (support + marked)
    return score / len(actual) if len(actual) else 0.0
