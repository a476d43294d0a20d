"""Records of epochs that were not trained."""

from dlf.metrics import Metrics
from dlf.training.training import EpochLosses, EpochRecord


def epoch_record(epoch: int, mae: float, best: float, *, finished: bool = False) -> EpochRecord:
    """Return the record of an epoch of this validation MAE, where the best up to it is `best`."""
    metrics = Metrics(mae=mae, corr=1 / (1 + mae), acc7=0.3, acc5=0.4, acc2=0.7, f1=0.7)
    losses = EpochLosses(
        total=2 * mae, task=mae, reconstruction=mae, specific=0.0, margin=0.0, orthogonality=0.0
    )
    return EpochRecord(
        epoch=epoch,
        loss=losses,
        train=metrics,
        valid=metrics,
        best_mae=best,
        best_epoch=1,
        learning_rate=1e-4,
        seconds=0.1,
        finished=finished,
    )
